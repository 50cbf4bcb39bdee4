package ui

import (
	"errors"
	"testing"
	"time"

	"rapport/model"
	"rapport/ui/screen"
)

// tell gives the root what a follow tells.
func (x *session) tell(f model.Following) { x.run(x.r.update(f)) }

// wait lets the time come that was waited for.
func (x *session) wait() {
	late := x.late
	x.late = nil
	for _, m := range late {
		x.run(x.r.update(m))
	}
}

func online(pushed int64) model.Following {
	return model.Following{State: model.FollowOnline, Result: model.SyncResult{Pushed: pushed}}
}

func TestStatusLine(t *testing.T) {
	x := begin(t, 100, 24, model.Settings{Central: "mysql://x"})
	x.sees("not synced yet")
	x.wait()
	if x.ws.follows != 1 {
		t.Fatalf("%d follows", x.ws.follows)
	}
	x.ws.status = model.Status{Central: "mysql://x", Pending: 3, Conflicts: 1, Refused: 2, LastSync: x.now.Add(-time.Hour)}
	x.run(x.r.update(screen.ChangedMsg{}))
	x.sees("⇅ 3 pending · ! 1 conflict · ! 2 refused · ✓ synced 08:30")
	x.tell(model.Following{State: model.FollowSyncing, Asked: true})
	x.run(x.r.update(progressMsg{Phase: "sending", Done: 1, Total: 4}))
	x.sees("syncing: sending 25%")
	x.tell(model.Following{State: model.FollowOffline, Asked: true, Pause: time.Minute, Err: model.Errorf(model.Unreachable, "the server does not answer")})
	x.sees("● offline · ⇅ 3 pending", "the server does not answer; 3 changes wait")
	x.press("8")
	x.sees("Offline", "again at 09:31:00")
	x.press("1")
	x.tell(model.Following{State: model.FollowBusy})
	x.sees("another window syncs")
	x.ws.status = model.Status{LastSync: x.now}
	x.tell(model.Following{State: model.FollowOnline, Asked: true, Result: model.SyncResult{Pushed: 2}})
	x.sees("✓ synced 09:30", "2 records sent")
	x.misses("pending", "● offline")

	y := begin(t, 80, 24, model.Settings{})
	y.press("ctrl+s")
	y.sees("no company database is connected")
	y.wait()
	if y.ws.follows != 0 {
		t.Error("a workspace without a central follows one")
	}
}

// TestSyncNow asks the follow that runs, and begins a new one where it ended.
func TestSyncNow(t *testing.T) {
	x := begin(t, 100, 24, model.Settings{Central: "mysql://x"})
	x.wait()
	x.press("ctrl+s", "ctrl+s")
	if len(x.ws.request.Ask) != 1 || x.ws.follows != 1 {
		t.Errorf("asked %d times of %d follows", len(x.ws.request.Ask), x.ws.follows)
	}
	x.run(x.r.update(followedMsg{&model.Error{Kind: model.Refused, Msg: "wrong password", Err: errors.New("1045")}}))
	x.sees("! sync stopped", "× wrong password")
	x.press("!")
	x.sees("wrong password", "1045")
	x.press("esc", "ctrl+s")
	if x.ws.follows != 2 {
		t.Errorf("%d follows", x.ws.follows)
	}
	x.ws.status.LastSync = x.now
	x.tell(online(0))
	x.sees("synced 09:30", "nothing was new")
	x.misses("stopped")
}

// TestIdlePolls draws nothing anew and asks nothing of the store.
func TestIdlePolls(t *testing.T) {
	x := begin(t, 100, 24, model.Settings{Central: "mysql://x"})
	x.ws.status.LastSync = x.now
	x.wait()
	x.tell(online(1))
	before, frame := x.ws.asked.Load(), x.screen()
	for range 20 {
		x.tell(online(0))
	}
	if n := x.ws.asked.Load() - before; n != 0 || x.screen() != frame {
		t.Errorf("20 idle polls asked the store %d times", n)
	}
	x.now = x.now.Add(time.Minute)
	x.tell(online(0))
	x.sees("synced 09:31")
}

// wake tells the root that contacts changed.
func (x *session) wake() {
	over := make(chan model.Change)
	close(over)
	x.run(x.r.update(wakeMsg{over, model.Change{Nouns: []model.Noun{"contact"}}}))
}

// TestColleaguesChange shows a change without moving the cursor, and tells a
// page that is not seen when it is.
func TestColleaguesChange(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2")
	x.press("down", "down", "down")
	x.sees("›● Ada Meier 03")
	if _, err := x.ws.SaveAll(t.Context(), []model.Edit{
		{Noun: "contact", Set: map[string]any{"first_name": "Ada", "last_name": "Aaronson"}},
		{Noun: "contact", Set: map[string]any{"first_name": "Ada", "last_name": "Meier 02b"}},
	}, false); err != nil {
		t.Fatal(err)
	}
	x.wake()
	x.sees("›● Ada Meier 03", "Ada Meier 0…", "62")
	x.press("enter")
	x.sees("Ada Meier 03", "Buyer")
	ref := x.r.top().About()
	if _, err := x.ws.Save(t.Context(), model.Edit{Noun: ref.Noun, ID: ref.ID, Set: map[string]any{"job_title": "Head of buying"}}); err != nil {
		t.Fatal(err)
	}
	x.wake()
	x.sees("Head of buying")
	x.run(x.r.back())
	x.sees("›● Ada Meier 03  Head of bu…")
}
