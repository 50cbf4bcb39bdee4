package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// restores is what a restore of the central would do and did.
func restores() fake.Restorer {
	at := fake.Now()
	safety := copies()[0]
	return fake.Restorer{
		Plan: model.RestorePlan{Target: "mysql://ada@crm.example.com/crm", At: at.Add(-5 * time.Hour), Position: 88000, Head: 88123, Lost: 123, Losses: []model.RestoreLoss{{Person: "bob", Changes: 120}, {Person: "ada", Changes: 3}}, Rows: 912_400, Estimate: 41 * time.Second,
			Tables: []model.RestoreTable{
				{Table: "contact", Rows: 12_000, Inserts: 2, Updates: 31, Deletes: 1, Samples: []model.RestoreSample{{Action: "insert", Name: "Max Miller"}, {Action: "update", Name: "Ada \x1b[7mLovelace", Fields: []string{"last_name", "notes"}}, {Action: "delete", Name: "Nobody"}}},
				{Table: "deal", Rows: 8_800}, {Table: "sync_person", Rows: 4, Updates: 1, Stays: true},
			},
			Laptops: []model.RestoreLaptop{{Person: "ada", Name: "ada-laptop", LastSeen: at.Add(-time.Minute)}, {Person: "bob", Name: "bob-laptop", LastSeen: at.AddDate(0, 0, -3), Pending: 12}},
			Notes:   []string{"what is there now is backed up first"}},
		Restored: model.RestoreResult{Target: "mysql://ada@crm.example.com/crm", At: at.Add(-5 * time.Hour), Epoch: "e2", Rows: 912_400, Tables: []string{"contact", "deal", "activity"}, Safety: &safety,
			Kept: []string{"contact_replaced_20261120"}, Done: []string{"17 changes were made since; laptops that have them offer them again"}, Took: 38 * time.Second},
	}
}

func onRestore(t *testing.T, ws *fake.Workspace, id model.ID) *restore {
	t.Helper()
	s := fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Restore, ID: id}, New)(theme.New(true)).(*restore)
	s.SetSize(100, 37)
	return s
}

// choice opens the question of a row and takes one of its options.
func choice(t *testing.T, s *restore, label, option string) {
	t.Helper()
	s.goTo(label)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	for _, o := range q.Options {
		if strings.HasPrefix(o, option) {
			fake.Run(s, q.Do(o))
			return
		}
	}
	t.Fatalf("%q is not among %q", option, q.Options)
}

// TestRestoreOfTheCentral goes the whole way: the plan, the question, and back.
func TestRestoreOfTheCentral(t *testing.T) {
	ws := workspace()
	s := onRestore(t, ws, "i1")
	s.goTo(workOut)
	fake.Do(t, s, keymap.Open)
	if len(ws.Restores.Asked) != 0 || len(ws.Restores.Planned) != 1 || ws.Restores.Planned[0].ID != "i1" {
		t.Fatalf("planned %+v, did %+v", ws.Restores.Planned, ws.Restores.Asked)
	}
	v := ansi.Strip(s.View())
	for _, want := range []string{"it takes about 41s", "123 changes made since then", "2 come, 31 change, 1 goes: Max Miller comes", "1 changes (the present ones stay)", "1 stays as it is", "12 unsent", "what is there now is backed up first"} {
		if !strings.Contains(v, want) {
			t.Errorf("%q is missing in\n%s", want, v)
		}
	}
	if s.rows[s.at].label != restoreNow {
		t.Errorf("the cursor is on %q", s.rows[s.at].label)
	}
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if q.Must != "crm" || len(ws.Restores.Asked) != 0 {
		t.Fatalf("asks %+v", q)
	}
	for _, want := range []string{"Everything in mysql://ada@crm.example.com/crm", "20 Nov 2026 04:30:00", "123 changes made since are lost", "about 41s", "backed up first"} {
		if !strings.Contains(q.Text, want) {
			t.Errorf("%q is missing in %q", want, q.Text)
		}
	}
	fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("crm")))
	if len(ws.Restores.Asked) != 1 || ws.Restores.Asked[0].ID != "i1" || ws.Restores.Asked[0].NoSafety {
		t.Errorf("did %+v", ws.Restores.Asked)
	}
	if v := ansi.Strip(s.View()); !strings.Contains(v, "912,400 rows in 3 tables") || !strings.Contains(v, "what was there is the backup of") || s.rows[s.at].label != takeBack {
		t.Errorf("it does not say what was done, at %q:\n%s", s.rows[s.at].label, v)
	}
	back := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	fake.Run(s, back.Do("crm"))
	if ws.Restores.Undone != 1 {
		t.Error("it is not taken back")
	}
}

// TestRestoreOfAMoment asks for a time, records of one kind, and no backup
// before, and plans anew after each change.
func TestRestoreOfAMoment(t *testing.T) {
	ws := workspace()
	s := onRestore(t, ws, "i1")
	s.goTo("As of")
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	typed := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(typeMoment)))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, typed.Do("soon"))); model.KindOf(m.Err) != model.Invalid {
		t.Errorf("%+v", m)
	}
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, typed.Do("10:31"))); m.Err == nil {
		t.Error("a moment that has not come is taken")
	}
	fake.Run(s, typed.Do("yesterday 16:00"))
	choice(t, s, "Records", "Contacts")
	for _, label := range []string{"Back up first", "Afterwards"} {
		s.goTo(label)
		fake.Do(t, s, keymap.Open)
	}
	s.goTo(workOut)
	fake.Do(t, s, keymap.Open)
	got := ws.Restores.Planned[0]
	if want := fake.Now().Add(-17*time.Hour - 30*time.Minute); got.ID != "" || !got.At.Equal(want) || len(got.Nouns) != 1 || got.Nouns[0] != "contact" || !got.NoSafety || !got.Discard {
		t.Errorf("planned %+v", got)
	}
	sure := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if !strings.HasPrefix(sure.Text, "The contacts in ") || strings.Contains(sure.Text, "backed up first") || !strings.Contains(sure.Text, "computers give up what they sent") {
		t.Error(sure.Text)
	}
	choice(t, s, "Records", allRecords)
	if s.plan != nil {
		t.Error("the plan is of something else")
	}
}

// TestRestoreCatchesUp makes the backup that holds a moment later than all of
// them.
func TestRestoreCatchesUp(t *testing.T) {
	ws := workspace()
	ws.Restores.PlanErr = model.Errorf(model.NotFound, "the backups tell nothing of what came after")
	s := onRestore(t, ws, "i1")
	fake.Run(s, fake.Want[screen.AskMsg](t, fake.Run(s, s.typeMoment())).Do("09:29"))
	fake.Do(t, s, keymap.Open)
	// A moment before the newest backup is not made up for by another one.
	newer := ws.Copies[0]
	newer.At = fake.Now()
	copies := ws.Copies
	ws.Copies = append([]model.BackupInfo{newer}, copies...)
	s.goTo("Catch up")
	fake.Do(t, s, keymap.Open)
	if v := ansi.Strip(s.View()); len(ws.Made) != 1 || !strings.Contains(v, "tell nothing") || strings.Contains(v, "Catch up") {
		t.Errorf("made %v\n%s", ws.Made, v)
	}
	ws.Copies, ws.Made = copies, nil
	fake.Run(s, s.reload())
	s.goTo(workOut)
	fake.Do(t, s, keymap.Open)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "tell nothing") || !strings.Contains(v, "Catch up") {
		t.Fatal(v)
	}
	ws.Restores.PlanErr = nil
	s.goTo("Catch up")
	fake.Do(t, s, keymap.Open)
	if len(ws.Made) != 1 || ws.Made[0].Source != model.SourceCentral || ws.Made[0].Kind != model.BackupIncremental || s.plan == nil {
		t.Errorf("made %+v", ws.Made)
	}
}

// TestRestoreOfTheWorkspace backs up what is there, replaces it, and takes that
// back.
func TestRestoreOfTheWorkspace(t *testing.T) {
	ws := workspace()
	s := onRestore(t, ws, "w1")
	s.goTo(restoreNow)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if q.Must != "restore" || !strings.Contains(q.Text, "48,200 rows") || !strings.Contains(q.Text, "safety copy") || len(ws.Restored)+len(ws.Made) != 0 {
		t.Fatalf("asks %+v", q)
	}
	m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("restore")))
	if len(ws.Made) != 1 || ws.Made[0].Kind != model.BackupFull || ws.Made[0].Source != model.SourceLocal || len(ws.Restored) != 1 || ws.Restored[0].ID != "w1" || !strings.Contains(m.Text, "before-restore") {
		t.Errorf("made %+v, restored %+v, said %q", ws.Made, ws.Restored, m.Text)
	}
	if s.rows[s.at].label != takeBack {
		t.Fatalf("the cursor is on %q", s.rows[s.at].label)
	}
	fake.Run(s, fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open)).Do(""))
	if len(ws.Restored) != 2 || ws.Restored[1].ID != ws.Copies[0].ID {
		t.Errorf("restored %+v", ws.Restored)
	}
}

// TestNothingIsRestoredUnsaved leaves the workspace as it is where what is there
// cannot be backed up.
func TestNothingIsRestoredUnsaved(t *testing.T) {
	ws := workspace()
	s := onRestore(t, ws, "w1")
	ws.Err = model.Errorf(model.Refused, "the place cannot be written")
	s.goTo(restoreNow)
	fake.Run(s, fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open)).Do("restore"))
	if v := ansi.Strip(s.View()); len(ws.Restored) != 0 || !strings.Contains(v, "so that nothing was touched") {
		t.Errorf("restored %v\n%s", ws.Restored, v)
	}
}

// TestRestoreWithoutABackupLeadsBack says what is missing and which keys help.
func TestRestoreWithoutABackupLeadsBack(t *testing.T) {
	ws := workspace()
	ws.Copies = nil
	s := onRestore(t, ws, "")
	if v := ansi.Strip(s.View()); !strings.Contains(v, "esc goes back to the backups, where n makes one") {
		t.Error(v)
	}
}

func TestRestoreLooks(t *testing.T) {
	fake.Goldens(t, "restore-planned", func(th *theme.Theme) screen.Screen {
		s := opener(t, workspace(), screen.Restore)(th)
		s.SetSize(80, 21)
		s.(*restore).goTo(workOut)
		fake.Do(t, s, keymap.Open)
		return s
	})
	fake.Goldens(t, "restore-done", func(th *theme.Theme) screen.Screen {
		s := opener(t, workspace(), screen.Restore)(th)
		s.SetSize(80, 21)
		s.(*restore).goTo(workOut)
		fake.Do(t, s, keymap.Open)
		fake.Run(s, fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open)).Do("crm"))
		return s
	})
}

func TestTheFirstRecordsOfATableAreNamed(t *testing.T) {
	if got := lossText(restores().Plan.Losses); got != ": 120 of bob, 3 of ada" {
		t.Errorf("lost %q", got)
	}
	want := "2 come, 31 change, 1 goes: Max Miller comes; Ada ␛[7mLovelace changes (last_name, notes); Nobody goes"
	if got := tableText(restores().Plan.Tables[0]); got != want {
		t.Errorf("got %q", got)
	}
}

func TestDatabaseName(t *testing.T) {
	for address, want := range map[string]string{"mysql://ada@crm.example.com/crm": "crm", "mysql://crm.example.com:3306/acme_crm?tls=true": "acme_crm", "mysql://crm.example.com": "restore", "": "restore", "::": "restore"} {
		if got := databaseName(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
