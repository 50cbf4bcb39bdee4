package cli

import (
	"context"
	"time"

	"rapport/model"
)

// watch keeps the workspace up to date until the person or a signal stops it.
// What a sync did goes to the standard output, one line or object each; what
// state the watch is in goes to the standard error, when it changes.
func (a *app) watch(ctx context.Context, ws model.Workspace, full bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watcher{app: a, outcome: func(r model.SyncResult) outcome { return outcomeOf(ctx, ws, r) }}
	w.say("watching " + redacted(ws.Settings().Central))
	err := ws.Follow(ctx, model.FollowRequest{Full: full, Notify: a.notify(), Tell: func(f model.Following) {
		if err := w.tell(f); err != nil {
			cancel(err) // nobody reads what is printed any more
		}
	}})
	a.quietly()
	if cause := context.Cause(ctx); w.failed && cause != nil {
		return cause
	}
	return err
}

// watcher prints what a follow tells.
type watcher struct {
	*app
	outcome func(model.SyncResult) outcome
	last    string // said of the state
	open    [2]int64
	failed  bool // the output could not be written
}

func (w *watcher) say(state string) {
	if state != w.last {
		w.last = state
		w.app.say("%s  %s", w.Now().Format("15:04:05"), model.Visible(state))
	}
}

func (w *watcher) tell(f model.Following) error {
	w.quietly()
	switch f.State {
	case model.FollowOnline:
		w.say("online")
		return w.synced(f.Result)
	case model.FollowBusy:
		w.say("another process syncs this workspace just now")
	case model.FollowOffline:
		state := "offline: " + sentence(f.Err)
		if state != w.last {
			w.say(state)
			w.app.say("          tried again in %s, then less and less often", f.Pause.Round(time.Second))
		}
	}
	return nil
}

// synced prints a sync that did something.
func (w *watcher) synced(r model.SyncResult) error {
	open := [2]int64{r.Conflicts, r.Refused}
	if r.Pushed+r.Pulled == 0 && open == w.open {
		return nil
	}
	w.open = open
	var err error
	if w.json {
		err = w.result(syncObject(w.outcome(r)))
	} else {
		err = w.print("%s  %s", w.Now().Format("15:04:05"), syncLine(w.outcome(r)))
	}
	w.failed = err != nil
	return err
}
