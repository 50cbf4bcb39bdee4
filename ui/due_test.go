package ui

import (
	"testing"
	"time"

	"rapport/model"
	"rapport/ui/screen"
)

// TestBacksUpWhenDue has an open session back up when a moment of the schedule
// passes, ask the place only then, and try again later where it failed.
func TestBacksUpWhenDue(t *testing.T) {
	schedule, err := model.ParseSchedule("0 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	x := begin(t, 100, 24, model.Settings{Backup: model.BackupSettings{Schedule: schedule}})
	asked := func(want int) {
		t.Helper()
		x.wait()
		if n := len(x.ws.DueAsked); n != want {
			t.Fatalf("at %s it was asked %d times, want %d", x.now, n, want)
		}
	}
	asked(1)
	asked(1)
	x.now = x.now.Add(dueEvery)
	asked(1)
	x.now = x.now.Add(time.Hour)
	x.ws.Err = model.Errorf(model.Unreachable, "away")
	asked(1)
	x.ws.Err = nil
	asked(1)
	x.now = x.now.Add(dueAgain)
	asked(2)
	x.now = x.now.Add(time.Hour)
	asked(3)
	if n := len(x.ws.TrialAsked); n > 0 {
		t.Errorf("%d trials without a schedule of theirs", n)
	}
	trying := begin(t, 100, 24, model.Settings{Backup: model.BackupSettings{Schedule: schedule, Trial: schedule}})
	trying.wait()
	if n := len(trying.ws.TrialAsked); n != 1 {
		t.Errorf("a trial was asked for %d times", n)
	}
	// What was made is seen at once.
	trying.press("9", "down", "down", "down", "enter")
	trying.misses("2 min ago")
	trying.ws.Glance, trying.ws.IsDue = model.BackupOverview{At: trying.now, Items: []model.BackupInfo{{ID: "w1", Kind: model.BackupFull, Source: model.SourceLocal, At: trying.now.Add(-2 * time.Minute), Verified: true}}}, true
	trying.ws.Copies = trying.ws.Glance.Items
	trying.now = trying.now.Add(time.Hour)
	trying.wait()
	trying.sees("1 h ago")
	// A trial alone has a schedule of its own.
	alone := begin(t, 100, 24, model.Settings{Backup: model.BackupSettings{Trial: schedule}})
	alone.wait()
	if len(alone.ws.TrialAsked) != 1 || len(alone.ws.DueAsked) != 0 {
		t.Errorf("asked for %d trials and %d backups", len(alone.ws.TrialAsked), len(alone.ws.DueAsked))
	}
	if none := begin(t, 100, 24, model.Settings{}); len(none.late) > 0 {
		t.Errorf("without a schedule something waits: %v", none.late)
	}
}

// TestAScheduleHoldsAtOnce looks from the moment on when a session is given a
// schedule, by one clock alone, and ends when it is taken away.
func TestAScheduleHoldsAtOnce(t *testing.T) {
	schedule, err := model.ParseSchedule("0 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	x := begin(t, 100, 24, model.Settings{})
	x.ws.settings.Backup.Schedule = schedule
	x.run(x.r.update(screen.ScheduledMsg{}))
	x.wait()
	if n := len(x.ws.DueAsked); n != 1 {
		t.Fatalf("asked %d times", n)
	}
	x.run(x.r.update(screen.ScheduledMsg{}))
	if n := len(x.late); n != 1 {
		t.Fatalf("%d clocks run", n)
	}
	x.wait()
	if n := len(x.ws.DueAsked); n != 2 {
		t.Errorf("the new schedule is asked %d times", n)
	}
	x.ws.settings.Backup.Schedule = model.Schedule{}
	x.wait()
	if len(x.ws.DueAsked) != 2 || len(x.late) != 0 {
		t.Errorf("asked %d times, %v waits", len(x.ws.DueAsked), x.late)
	}
}
