package ui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// The first sync lets the start page come up. The last one is given a moment
// to end when the person quits.
const (
	followAfter = 300 * time.Millisecond
	followGrace = 3 * time.Second
)

// keeping is how the workspace is kept up to date.
type keeping struct {
	on       bool
	ask      chan struct{} // a token in it makes the follow sync at once
	asked    bool          // the person began the follow and waits for its first sync
	state    model.FollowState
	tried    bool // a sync has ended in this session
	stopped  bool // the follow ended: only the person can help
	problem  string
	again    time.Time // of the next attempt while offline
	progress model.Progress
	pace     model.Pace
	speed    string        // how fast the progress is, "" while that is not known
	done     chan struct{} // closed when the follow that ran last has ended
}

type (
	followDueMsg struct{}
	// stepMsg is one thing that a follow tells; there is a next one.
	stepMsg struct {
		from <-chan tea.Msg
		msg  tea.Msg
	}
	progressMsg model.Progress
	followedMsg struct{ err error }
)

// followSoon begins to follow the central once the session is up.
func (r *Root) followSoon() tea.Cmd {
	if !r.hasCentral() {
		return nil
	}
	return r.env.Later(followAfter, followDueMsg{})
}

// follow keeps the workspace up to date until the session ends or only the
// person can help.
func (r *Root) follow() tea.Cmd {
	k := &r.keeping
	if k.on || !r.hasCentral() {
		return nil
	}
	k.on, k.stopped = true, false
	k.ask, k.done = make(chan struct{}, 1), make(chan struct{})
	ws, ctx, ask, done := r.env.Workspace, r.env.Context, k.ask, k.done
	steps := make(chan tea.Msg, 4)
	say := func(m tea.Msg) {
		select {
		case steps <- m:
		case <-ctx.Done():
		}
	}
	run := func() tea.Msg {
		defer close(done)
		defer close(steps)
		err := ws.Follow(ctx, model.FollowRequest{Ask: ask,
			Tell: func(f model.Following) { say(f) },
			Notify: func(p model.Progress) {
				select {
				case steps <- progressMsg(p):
				default: // Enough wait to be drawn already; the next will tell more.
				}
			}})
		if err != nil {
			say(followedMsg{err})
		}
		return nil
	}
	return tea.Batch(run, nextStep(steps))
}

func nextStep(from <-chan tea.Msg) tea.Cmd {
	return func() tea.Msg {
		m, ok := <-from
		if !ok {
			return nil
		}
		return stepMsg{from, m}
	}
}

// waitFollow waits a moment for the follow to end after the session's context
// has, so that it does not meet a workspace that is closed.
func (r *Root) waitFollow() {
	if !r.keeping.on {
		return
	}
	select {
	case <-r.keeping.done:
	case <-time.After(followGrace):
	}
}

// syncNow syncs because the person wants it, and tells them how it went.
func (r *Root) syncNow() tea.Cmd {
	k := &r.keeping
	if !r.hasCentral() {
		return screen.Notice("no company database is connected: see Admin")
	}
	if !k.on {
		k.asked = true
		return r.follow()
	}
	select {
	case k.ask <- struct{}{}:
	default: // It is asked for already.
	}
	return nil
}

// updateFollow takes the messages of this file.
func (r *Root) updateFollow(msg tea.Msg) (tea.Cmd, bool) {
	switch m := msg.(type) {
	case followDueMsg:
		return r.follow(), true
	case stepMsg:
		cmd, _ := r.updateFollow(m.msg)
		return tea.Batch(cmd, nextStep(m.from)), true
	case progressMsg:
		k := &r.keeping
		k.progress, k.speed = model.Progress(m), k.pace.Speed(r.env.Now(), model.Progress(m))
		if k.state == model.FollowSyncing {
			return r.everywhere(screen.SyncingMsg{Progress: k.progress, Speed: k.speed}), true
		}
	case model.Following:
		return r.applyStep(m), true
	case followedMsg:
		return r.applyFollowed(m.err), true
	default:
		return nil, false
	}
	return nil, true
}

// applyStep takes what a follow tells. A poll that found nothing changes only
// the time of the last sync.
func (r *Root) applyStep(m model.Following) tea.Cmd {
	k := &r.keeping
	was := *k
	k.state, k.problem, k.again = m.State, "", time.Time{}
	if m.State == model.FollowSyncing {
		k.progress, k.pace, k.speed = model.Progress{}, model.Pace{}, ""
		return nil
	}
	asked := m.Asked || k.asked
	k.asked, k.tried = false, true
	var cmds []tea.Cmd
	switch m.State {
	case model.FollowOnline:
		r.status.st.LastSync = r.env.Now()
		if asked {
			cmds = append(cmds, screen.Notice(synced(m.Result)))
		}
		if m.Result.Pushed+m.Result.Pulled > 0 {
			// What was sent is no longer pending, which lists and pages show.
			cmds = append(cmds, r.changed(screen.ChangedMsg{}))
		}
	case model.FollowBusy:
		if asked {
			cmds = append(cmds, screen.Notice("another window of this workspace syncs just now"))
		}
	case model.FollowOffline:
		k.again = r.env.Now().Add(m.Pause)
		k.problem = draw.Error(m.Err)
		switch {
		case model.KindOf(m.Err) == model.Unreachable:
			if asked {
				cmds = append(cmds, screen.Notice("offline: "+k.problem+"; "+waiting(r.status.st.Pending)))
			}
		case asked || k.problem != was.problem:
			cmds = append(cmds, screen.Fail(m.Err))
		}
	}
	if m.State != was.state || asked || k.problem != was.problem || len(cmds) > 0 {
		cmds = append(cmds, r.loadStatus(), r.everywhere(r.syncState()))
	}
	return tea.Batch(cmds...)
}

// applyFollowed takes the end of a follow. Where the session goes on, the
// person has to do something about it.
func (r *Root) applyFollowed(err error) tea.Cmd {
	k := &r.keeping
	k.on, k.asked, k.tried = false, false, true
	if context.Cause(r.env.Context) != nil {
		return nil
	}
	k.stopped, k.problem, k.again = true, draw.Error(err), time.Time{}
	told := screen.Fail(err)
	if model.KindOf(err) == model.Expired && r.env.Hooks.Password != nil {
		told = r.askPassword(screen.PasswordMsg{Text: "Your password on the company's database has expired. Your changes are kept here; they are sent when you have a new one."}, true)
	}
	return tea.Batch(told, r.loadStatus(), r.everywhere(r.syncState()))
}

// syncState is what the screens are told of the sync.
func (r *Root) syncState() screen.SyncedMsg {
	k := &r.keeping
	return screen.SyncedMsg{Problem: k.problem, Again: k.again, Stopped: k.stopped}
}

func waiting(n int64) string {
	if n == 0 {
		return "nothing waits to be sent"
	}
	return draw.Plural(n, "change waits", "changes wait")
}
