package sync_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"rapport/db/sync"
	"rapport/model"
)

// quietCentral is a central that counts what it is asked and keeps nothing but
// the batches it got.
type quietCentral struct {
	model.Central // what a follow of an empty central must not call
	lab           *followLab
	closed        bool
}

func (c *quietCentral) Poll(_ context.Context, _ model.Device, at model.Position) (model.Head, error) {
	l := c.lab
	l.polls++
	if c.closed {
		return model.Head{}, errors.New("polled over a connection that was closed")
	}
	if l.stale != nil {
		err := l.stale
		l.stale = nil
		return model.Head{}, err
	}
	return l.head(at), l.fail
}

func (c *quietCentral) Push(_ context.Context, b *model.PushBatch, at model.Position) (model.Receipt, error) {
	c.lab.pushed = append(c.lab.pushed, len(b.Ops))
	return model.Receipt{Results: make([]model.PushResult, len(b.Ops)), Head: c.lab.head(at)}, nil
}

func (c *quietCentral) Sequence(_ context.Context, at model.Position) (model.Head, error) {
	c.lab.sequenced++
	c.lab.unsequenced = 0
	return c.lab.head(at), nil
}

func (c *quietCentral) Traffic() (int64, int64, int64) { return c.lab.polls, 0, 0 }

func (c *quietCentral) Close() error {
	c.closed = true
	return nil
}

// lockedHome is a home whose lock another process may hold.
type lockedHome struct {
	*home
	lab *followLab
}

func (h lockedHome) Lock(ctx context.Context) (func(), error) {
	if h.lab.busy {
		return nil, model.Errorf(model.Locked, "another sync of this workspace is running")
	}
	return h.home.Lock(ctx)
}

// followLab is a follow whose clock stands still until a test moves it. Between
// two timers the test may change what it likes: the follow waits.
type followLab struct {
	*home
	t       *testing.T
	cancel  context.CancelFunc
	done    chan error
	timers  chan alarm
	changes chan model.Change
	ask     chan struct{}
	steps   chan model.Following

	open  *alarm // the timer that runs
	clock time.Time
	late  time.Duration // after its time the timer rings

	dials, polls, sequenced, unsequenced int64
	pushed                               []int
	fail, stale, refuse                  error
	busy, standby                        bool
	random                               float64
}

type alarm struct {
	d    time.Duration
	ring chan time.Time
}

func (l *followLab) head(at model.Position) model.Head {
	return model.Head{Position: at, SameRun: true, Unsequenced: l.unsequenced, ReadOnly: l.standby}
}

// follow begins to follow, with the first sync behind it.
func follow(t *testing.T, set func(*followLab)) *followLab {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &followLab{t: t, home: newHome(t, "ada", ""), cancel: cancel, done: make(chan error, 1), timers: make(chan alarm),
		changes: make(chan model.Change, 1), ask: make(chan struct{}, 1), steps: make(chan model.Following, 100),
		clock: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	if set != nil {
		set(l)
	}
	// The workspace has met the central before.
	if err := l.SetPosition(ctx, model.Position{Epoch: "e", Nonce: "aa", Loaded: true}); err != nil {
		t.Fatal(err)
	}
	e := sync.New(lockedHome{l.home, l}, func(context.Context) (model.Central, error) {
		l.dials++
		if l.refuse != nil {
			return nil, l.refuse
		}
		return &quietCentral{lab: l}, l.fail
	}, sync.Options{
		Now:    func() time.Time { return l.clock },
		Random: func() float64 { return l.random },
		Timer: func(d time.Duration) (<-chan time.Time, func()) {
			a := alarm{d, make(chan time.Time)}
			select {
			case l.timers <- a:
			case <-ctx.Done():
			}
			return a.ring, func() {}
		}})
	go func() {
		l.done <- e.Follow(ctx, sync.FollowOptions{Changes: l.changes, FollowRequest: model.FollowRequest{
			Ask: l.ask, Tell: func(s model.Following) { l.steps <- s }}})
	}()
	t.Cleanup(func() { cancel(); <-l.done })
	return l
}

// waits returns how long the follow waits now.
func (l *followLab) waits() time.Duration {
	l.t.Helper()
	select {
	case a := <-l.timers:
		l.open = &a
		return a.d
	case err := <-l.done:
		l.t.Fatalf("the follow ended: %v", err)
	case <-time.After(2 * time.Minute):
		l.t.Fatal("the follow does not wait for anything")
	}
	return 0
}

// ring lets the timer that runs ring, as late as a timer may be.
func (l *followLab) ring() {
	l.clock = l.clock.Add(l.open.d + l.late)
	l.open.ring <- l.clock
}

// after lets time pass before an edit is told, and returns how long the follow
// waits then.
func (l *followLab) after(d time.Duration, edits int) time.Duration {
	l.t.Helper()
	l.clock = l.clock.Add(d)
	var batch []model.Edit
	for i := range edits {
		batch = append(batch, model.Edit{Noun: "contact", Set: map[string]any{"last_name": fmt.Sprint("Meier ", i)}})
	}
	if _, err := l.SaveAll(l.t.Context(), batch, false); err != nil {
		l.t.Fatal(err)
	}
	l.changes <- model.Change{}
	return l.waits()
}

// step returns the next thing that was told.
func (l *followLab) step() model.Following {
	l.t.Helper()
	select {
	case s := <-l.steps:
		return s
	default:
		l.t.Fatal("nothing was told")
	}
	return model.Following{}
}

func (l *followLab) want(what string, got, want any) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestFollowPolls follows an idle central: one poll each over one connection,
// at pauses that grow to half a minute, and nothing written down.
func TestFollowPolls(t *testing.T) {
	l := follow(t, nil)
	for i, want := range []time.Duration{7500, 11250, 16875, 25312, 30000, 30000} {
		l.want("pause", l.waits().Truncate(time.Millisecond), want*time.Millisecond)
		l.want("polls", l.polls, int64(i+1))
		l.ring()
	}
	l.waits()
	l.want("dials", l.dials, int64(1))
	for range 6 {
		if s := l.step(); s.State != model.FollowOnline && s.State != model.FollowSyncing {
			t.Errorf("told %+v", s)
		}
	}
	l.unsequenced = 3
	l.ring()
	l.waits()
	l.want("sequencer runs", l.sequenced, int64(1))
}

// TestFollowPushes sends two seconds after the last edit, ten after the first,
// and at once when more than a batch waits.
func TestFollowPushes(t *testing.T) {
	l := follow(t, nil)
	l.waits()
	l.want("after an edit", l.after(0, 1), 2*time.Second)
	l.want("after another", l.after(time.Second, 1), 2*time.Second)
	l.ring()
	l.waits()
	l.want("pushed", fmt.Sprint(l.pushed), "[2]")
	// A change that leaves nothing to send moves nothing forward.
	before := l.polls
	l.changes <- model.Change{}
	l.want("after a change without an edit", l.waits(), 5*time.Second)
	l.want("polls", l.polls, before)

	l.want("the first of many", l.after(0, 1), 2*time.Second)
	for i := range 9 {
		want := min(2*time.Second, time.Duration(9-i)*time.Second)
		if i < 5 { // the poll that is due anyway comes first
			want = min(want, time.Duration(4-i)*time.Second)
		}
		if want == 0 {
			break
		}
		l.want("one of many", l.after(time.Second, 1), want)
	}
	l.ring()
	l.waits()
	l.pushed = nil
	l.want("after an import", l.after(0, 1001) > 0, true)
	l.want("pushed", fmt.Sprint(l.pushed), "[500 500 1]")
}

// TestFollowPushesLate sends an edit two seconds after it was made, and not with
// the next poll, also where the timer rings a moment late, as every timer does.
func TestFollowPushesLate(t *testing.T) {
	l := follow(t, func(l *followLab) { l.late = time.Millisecond })
	l.waits()
	l.want("after an edit", l.after(0, 1), 2*time.Second)
	l.ring()
	l.want("after the push", l.waits(), 5*time.Second)
	l.want("pushed", fmt.Sprint(l.pushed), "[1]")
}

// TestFollowBacksOff doubles its pauses up to ten minutes while the central is
// away, does not let edits shorten them, and begins anew when the person asks.
func TestFollowBacksOff(t *testing.T) {
	l := follow(t, func(l *followLab) { l.fail = model.Errorf(model.Unreachable, "the server does not answer") })
	first := []time.Duration{5, 10, 20}
	for _, want := range first {
		l.want("pause", l.waits(), want*time.Second)
		l.ring()
	}
	l.waits()
	for range 3 {
		if s := l.step(); s.State != model.FollowOffline || s.Err == nil {
			t.Errorf("told %+v", s)
		}
	}
	dials := l.dials
	l.want("after an edit", l.after(0, 1), 30*time.Second)
	l.want("dials", l.dials, dials)
	for range 200 {
		l.ring()
		l.waits()
	}
	for len(l.steps) > 1 {
		l.step()
	}
	l.want("the longest pause", l.step().Pause, 10*time.Minute)
	l.random = 0.999999
	dials = l.dials
	// The laptop sleeps for nine hours: its timer stood still.
	l.clock = l.clock.Add(9 * time.Hour)
	l.ring()
	l.waits()
	l.want("dials after waking up", l.dials, dials+1)
	if s := l.step(); s.Pause < 449*time.Second || s.Pause > 451*time.Second {
		t.Errorf("the luckiest pause is %s", s.Pause)
	}
	l.ask <- struct{}{}
	l.waits()
	if s := l.step(); s.State != model.FollowSyncing || !s.Asked {
		t.Errorf("told %+v", s)
	}
	if s := l.step(); s.State != model.FollowOffline || !s.Asked || s.Pause > 5*time.Second {
		t.Errorf("told %+v", s)
	}
	l.fail = nil
	l.ring()
	l.waits()
	if s := l.step(); s.State != model.FollowSyncing {
		t.Errorf("told %+v", s)
	}
	if s := l.step(); s.State != model.FollowOnline || s.Result.Pushed != 1 {
		t.Errorf("told %+v", s)
	}
}

// TestFollowStops ends where only a person can help, after one attempt.
func TestFollowStops(t *testing.T) {
	for _, k := range []model.Kind{model.Refused, model.Expired, model.TooNew, model.NoCentral} {
		t.Run(k.String(), func(t *testing.T) {
			l := follow(t, func(l *followLab) { l.refuse = model.Errorf(k, "no") })
			if err := <-l.done; model.KindOf(err) != k {
				t.Errorf("ended with %v", err)
			}
			l.done <- nil
			l.want("dials", l.dials, int64(1))
		})
	}
	l := follow(t, nil)
	l.waits()
	l.stale = model.Errorf(model.Refused, "this account is locked")
	l.ring()
	if err := <-l.done; model.KindOf(err) != model.Refused {
		t.Errorf("ended with %v", err)
	}
	l.done <- nil
}

// TestFollowReconnects replaces a connection that died in the night, once, and
// says nothing about it.
func TestFollowReconnects(t *testing.T) {
	l := follow(t, nil)
	l.waits()
	for len(l.steps) > 0 {
		l.step()
	}
	l.stale = model.Errorf(model.Unreachable, "the server does not answer")
	l.ring()
	l.waits()
	l.want("dials", l.dials, int64(2))
	if s := l.step(); s.State != model.FollowOnline {
		t.Errorf("told %+v", s)
	}
}

// TestFollowLooksForThePrimary does not stay with a standby that answered while
// the primary was away.
func TestFollowLooksForThePrimary(t *testing.T) {
	l := follow(t, nil)
	l.waits()
	l.standby = true
	l.ring()
	l.waits()
	l.want("dials", l.dials, int64(1))
	l.standby = false
	for range 3 {
		l.ring()
		l.waits()
	}
	l.want("dials", l.dials, int64(2))
}

// TestFollowBesideAnotherSync waits for the other process and tells so.
func TestFollowBesideAnotherSync(t *testing.T) {
	l := follow(t, func(l *followLab) { l.busy = true })
	l.want("pause", l.waits(), 2*time.Second)
	l.want("dials", l.dials, int64(0))
	l.want("told", l.step().State, model.FollowBusy)
	l.busy = false
	l.ring()
	l.waits()
	l.want("polls", l.polls, int64(1))
	release, err := l.Lock(t.Context())
	if err != nil {
		t.Fatalf("the lock is held between two syncs: %v", err)
	}
	release()
	l.cancel()
	if err := <-l.done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	l.done <- nil
}
