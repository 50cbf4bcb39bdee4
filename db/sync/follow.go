package sync

import (
	"context"
	"time"

	"rapport/model"
)

// The pauses of a follow. All but the first are cut by a random part, so that
// laptops that lost the central together do not come back together.
const (
	// pushAfter is how long an edit rests before it is sent, so that a
	// person who saves three times in a row causes one push.
	pushAfter = 2 * time.Second
	// pushAtMost is how long edits that keep coming can hold a push back.
	pushAtMost = 10 * time.Second
	// pollShort is the pause after something happened, pollLong the one
	// that quiet polls grow to.
	pollShort = 5 * time.Second
	pollLong  = 30 * time.Second
	// retryFirst is the pause after a first failure. It doubles with each
	// further one up to retryLong.
	retryFirst = 5 * time.Second
	retryLong  = 10 * time.Minute
	// standbyFirst is the pause while a standby answers and changes wait for
	// the primary, standbyEarly how long it stays so short, and standbyLong
	// the one it grows to: a promotion is to be noticed at once, and a primary
	// that stays away for hours is no reason to keep the standby busy. Where
	// each attempt takes a login the pause begins at standbyLogin.
	standbyFirst = 500 * time.Millisecond
	standbyLogin = 2 * time.Second
	standbyEarly = 5 * time.Minute
	standbyLong  = 30 * time.Second
	// busyPause is the pause while another process syncs.
	busyPause = 2 * time.Second
	// nap is how long one waits at most without looking at the clock. A
	// timer stands still while a laptop sleeps, the clock does not.
	nap = 30 * time.Second
	// keepFor is the longest pause over which a connection is kept.
	keepFor = time.Minute
)

// jitter is the part of a pause that chance takes off.
const jitter = 0.25

// Timer starts a timer. stop frees it.
type Timer func(d time.Duration) (c <-chan time.Time, stop func())

func realTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// FollowOptions are what a follow of a replica depends on.
type FollowOptions struct {
	model.FollowRequest
	Interval time.Duration       // between polls; 0 lets it vary with what happens
	Changes  <-chan model.Change // of the cache, by whomever
}

// Follow syncs again and again until ctx ends or a sync fails in a way that
// only a person can mend. It holds the workspace's lock during a sync only, and
// keeps its connection between them: a poll that finds nothing is one round
// trip.
func (e *Engine) Follow(ctx context.Context, o FollowOptions) error {
	f := &follower{Engine: e, FollowOptions: o, pause: pollShort}
	defer func() { _ = f.link.close() }() // nothing is under way on it
	return f.run(ctx)
}

// follower is a follow under way.
type follower struct {
	*Engine
	FollowOptions
	link     link
	pause    time.Duration // between polls, as it is now
	failures int           // in a row
	standby  time.Duration // pause between looks at a standby
	waited   time.Duration // the sum of them
}

func (f *follower) run(ctx context.Context) error {
	full, asked := f.Full, false
	for {
		s, err := f.step(ctx, full, asked)
		if err != nil {
			return err
		}
		full = full && s.State != model.FollowOnline
		if s.Pause > keepFor {
			_ = f.link.close() // an idle connection costs the server more than a login
		}
		f.tell(s)
		if asked, err = f.rest(ctx, s.Pause); err != nil {
			return err
		}
	}
}

// step syncs once and returns what came of it and how long to rest.
func (f *follower) step(ctx context.Context, full, asked bool) (model.Following, error) {
	told := false
	tell := func(p model.Progress) {
		if !told {
			told = true
			f.tell(model.Following{State: model.FollowSyncing, Asked: asked})
		}
		f.Notify.Tell(p.Phase, p.Done, p.Total)
	}
	if asked {
		f.failures = 0
		tell(model.Progress{})
	}
	res, err := f.once(ctx, &f.link, full, func(p model.Progress) {
		// Without a connection every attempt begins with one: that alone
		// is nothing to tell.
		if told || p.Phase != phaseConnecting {
			tell(p)
		}
	})
	if ctx.Err() != nil {
		return model.Following{}, ctx.Err()
	}
	s := model.Following{Asked: asked, Result: res, Err: err}
	switch kind := model.KindOf(err); {
	case err == nil:
		f.failures, f.standby, f.waited = 0, 0, 0
		s.State, s.Pause = model.FollowOnline, f.pollPause(res)
	case kind == model.Locked:
		s.State, s.Pause = model.FollowBusy, f.jittered(busyPause)
	case final(kind):
		return s, err
	default:
		s.State, s.Pause = model.FollowOffline, f.jittered(f.retryPause())
		f.failures++
	}
	return s, nil
}

// retryPause is the pause after a failure: short and slowly growing while a
// standby answers, which may be promoted any moment, else doubling with each.
func (f *follower) retryPause() time.Duration {
	head := f.link.head
	if !head.ReadOnly {
		f.standby, f.waited = 0, 0
		return min(retryFirst<<min(f.failures, 20), retryLong)
	}
	switch {
	case f.standby == 0 && head.Watched:
		f.standby = standbyFirst
	case f.standby == 0:
		f.standby = standbyLogin
	case f.waited > standbyEarly || !head.Watched:
		f.standby = min(f.standby*3/2, standbyLong)
	}
	f.waited += f.standby
	return f.standby
}

// final tells whether a failure stays until a person does something about it.
func final(k model.Kind) bool {
	switch k {
	case model.NoCentral, model.Refused, model.Expired, model.Wiped, model.TooNew, model.Invalid, model.Corrupt:
		return true
	}
	return false
}

func (f *follower) tell(s model.Following) {
	if f.Tell != nil {
		f.Tell(s)
	}
}

// pollPause is the pause after a sync that went well: short while there is
// life, longer with every poll that finds nothing.
func (f *follower) pollPause(res model.SyncResult) time.Duration {
	switch {
	case f.Interval > 0:
		f.pause = f.Interval
	case res.Pushed+res.Pulled > 0:
		f.pause = pollShort
	default:
		f.pause = min(f.pause*3/2, pollLong)
	}
	return f.jittered(f.pause)
}

func (f *follower) jittered(d time.Duration) time.Duration {
	return d - time.Duration(jitter*f.options.Random()*float64(d))
}

// rest waits until the next sync is due: when the pause is over, some time
// after an edit, or when the person asks. While the central cannot be reached
// edits wait with the rest.
func (f *follower) rest(ctx context.Context, pause time.Duration) (asked bool, err error) {
	changes := f.Changes
	edit := time.Duration(-1) // until the push of an edit; negative without one
	var held time.Duration    // how long the first edit has waited
	at := f.wall()
	for {
		wait := pause
		if edit >= 0 {
			wait = min(wait, edit)
		}
		if wait <= 0 {
			return false, nil
		}
		wait = min(wait, nap)
		due, stop := f.options.Timer(wait)
		var passed time.Duration
		changed := false
		select {
		case <-ctx.Done():
			stop()
			return false, ctx.Err()
		case <-f.Ask:
			stop()
			return true, nil
		case _, changed = <-changes:
			stop()
			if !changed {
				changes = nil
			}
		case <-due:
			passed = wait
		}
		now := f.wall()
		passed = max(passed, now.Sub(at))
		at = now
		pause -= passed
		if edit >= 0 {
			edit, held = max(0, edit-passed), held+passed
		}
		if !changed || f.failures > 0 {
			continue
		}
		n, err := f.replica.Unsent(ctx)
		switch {
		case err != nil, n > batchOps:
			return false, nil // what is wrong with the cache is told by the sync
		case n > 0:
			edit = max(0, min(pushAfter, pushAtMost-held))
		}
	}
}

// wall is the clock on the wall, which goes on while the computer sleeps. It
// may also be set, forwards or back.
func (f *follower) wall() time.Time { return f.now().Round(0) }
