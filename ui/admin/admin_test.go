package admin

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

func workspace() *fake.Workspace {
	at := fake.Now()
	stages := []*model.Record{
		fake.Record("stage", "s1", "name", "Lead", "probability", int64(10), "kind", "open", "rot_days", int64(21)),
		fake.Record("stage", "s2", "name", "Won", "probability", int64(100), "kind", "won"),
		fake.Record("stage", "s3", "name", "Lost\x1b[7m", "probability", int64(0), "kind", "lost"),
	}
	return &fake.Workspace{
		Copies: copies(), Glance: glance(), Archived: archived(), Compared: compared(), Back: back(),
		Pages: map[model.Noun][]*model.Record{"pipeline": {fake.Record("pipeline", "p1", "name", "Sales", "is_default", true, "currency", "EUR", "stages", stages)}},
		Looked: model.ImportPreview{Format: "csv", Preset: "google", As: "contact", Header: []string{"First Name", "Phone 1 - Value", "Nonsense"},
			Rows: [][]string{{"Grace", "+49 30 1234", ""}}, Map: map[string]string{"First Name": "first_name", "Phone 1 - Value": "phone"}},
		Imported: model.ImportResult{Run: "r1", Counts: model.Counts{Read: 120, Created: 100, Updated: 7, Unchanged: 10, Rejected: 3},
			ByNoun: map[model.Noun]model.Counts{"contact": {Read: 110, Created: 95}, "organization": {Read: 10, Created: 5}}, RejectsFile: "/home/ada/imports/r1-rejects.csv",
			Notes: []string{"4 photos were not kept"}, Rejects: []model.Reject{{File: "x.csv", Line: 17, Message: "a contact needs a name"}}},
		Overlook: model.CentralStatus{Address: "mysql://crm.example.com/crm", Server: "MariaDB 10.11", Epoch: "e1", SchemaVersion: 1, Position: 88123, Clients: 4,
			Rows: map[string]int64{"contact": 12000, "deal": 8800}, Checks: []model.Check{{Name: "feed", State: "ok", Detail: "nothing waits"}}},
		Checks: []model.Check{{Name: "files", State: "ok", Detail: "only you can read them"}, {Name: "password", State: "warn", Detail: "stands in config.toml", Fix: "use password_command"},
			{Name: "database", State: "fail", Detail: "page 7 is damaged", Fix: "restore a backup"}},
		Exported: "id,name\n",
		Chosen:   model.Settings{Home: "/home/ada", Central: "mysql://ada@crm.example.com/crm"},
		Restores: restores(),
		Folk: []model.Person{
			{Login: "ada", Name: "Ada Lovelace", Role: model.RoleAdministrator, Scope: model.ScopeAll, Active: true, Account: "ok", Devices: 2, LastSeen: at.Add(-time.Minute)},
			{Login: "bob", Name: "Bob\x1b[5m", Role: model.RoleSales, Scope: model.ScopeTeam, Team: "North", Active: true, Account: "ok", Devices: 1, LastSeen: at.AddDate(0, 0, -3)},
			{Login: "carl", Name: "Carl 山田", Role: model.RoleSupport, Scope: model.ScopeTerritory, Territory: "DACH", Account: "locked"},
			{Login: "dora", Role: model.RoleReadOnly, Scope: model.ScopeOwn, Active: true, Account: "missing"},
		},
		Gear: []model.DeviceState{
			{ID: fake.ID("g1"), Login: "ada", Name: "ada-laptop", Program: "1.2.0", FirstSeen: at.AddDate(-1, 0, 0), LastSeen: at.Add(-time.Minute)},
			{ID: fake.ID("g2"), Login: "bob", Name: "bob's phone\x1b[7m", Program: "1.1.0", Pending: 12, FirstSeen: at.AddDate(0, -1, 0), LastSeen: at.AddDate(0, 0, -3)},
			{ID: fake.ID("g3"), Login: "bob", Pending: 3, FirstSeen: at, LastSeen: at, WipeAt: at.Add(-time.Hour)},
			{ID: fake.ID("g4"), Login: "carl", Name: "old", LastSeen: at.AddDate(0, 0, -9), WipeAt: at.AddDate(0, 0, -10), WipedAt: at.AddDate(0, 0, -9)},
		},
	}
}

func opener(t *testing.T, ws *fake.Workspace, k screen.Kind) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: k, ID: "i1", Noun: "contact", Other: fake.ID("p2")}, New)
}

var kinds = []screen.Kind{screen.Admin, screen.Import, screen.ExportTo, screen.Backups, screen.Archive, screen.Compare, screen.Restore, screen.SetUp, screen.Schedule, screen.Pipelines, screen.Central, screen.Doctor, screen.People, screen.Devices}

func TestLooks(t *testing.T) {
	for _, k := range kinds {
		fake.Goldens(t, string(k), opener(t, workspace(), k))
		fake.Survives(t, opener(t, workspace(), k))
	}
	fake.Goldens(t, "import-tried", func(th *theme.Theme) screen.Screen {
		s := looking(t, workspace(), th)
		fake.Do(t, s, keymap.Open)
		return s
	})
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			ws := workspace()
			fake.StoreFree(t, ws, opener(t, ws, k))
			fake.HasAll(t, opener(t, ws, k), keymap.Yes) // which follows another key
		})
	}
}

func TestMenuLeadsEverywhere(t *testing.T) {
	s := opener(t, workspace(), screen.Admin)(theme.New(true)).(*menu)
	s.SetSize(80, 21)
	seen := map[screen.Kind]bool{}
	if m := fake.Want[screen.ActMsg](t, fake.Do(t, s, keymap.Open)); m.Action != keymap.SyncNow {
		t.Errorf("%+v", m)
	}
	for range 13 {
		fake.Do(t, s, keymap.Down)
		if m, ok := fake.Find[screen.OpenMsg](fake.Do(t, s, keymap.Open)); ok {
			seen[m.Kind] = true
		}
	}
	for _, k := range []screen.Kind{screen.Import, screen.ExportTo, screen.Backups, screen.Pipelines, screen.List, screen.Central, screen.People, screen.Devices, screen.Doctor} {
		if !seen[k] {
			t.Errorf("%s cannot be reached", k)
		}
	}
}

// TestTheMenuIsReadAtOnce holds that no entry is too long for a terminal of
// 80 cells.
func TestTheMenuIsReadAtOnce(t *testing.T) {
	s := opener(t, workspace(), screen.Admin)(theme.New(true)).(*menu)
	s.SetSize(80, 21)
	for s.at = range s.rows {
		if cut := s.cut(); cut != "" {
			t.Errorf("%s does not fit: %q", s.rows[s.at].label, cut)
		}
	}
	if v := s.View(); strings.Contains(v, "…") {
		t.Error(v)
	}
}

// TestChecksLeadToWhereTheyAreMended opens a page in place of naming a command.
func TestChecksLeadToWhereTheyAreMended(t *testing.T) {
	ws := workspace()
	ws.Checks = []model.Check{{Name: "inbox", State: "warn", Detail: "2 conflicts wait", Fix: "rapport conflict list"}, {Name: "backups", State: "warn", Detail: "the last one is 9 days old", Fix: "rapport backup schedule"},
		{Name: "disk space", State: "warn", Detail: "12 MB are free", Fix: "make room"}}
	s := opener(t, ws, screen.Doctor)(theme.New(true)).(*checks)
	s.SetSize(80, 21)
	if v := ansi.Strip(s.View()); strings.Contains(v, "rapport ") || !strings.Contains(v, "make room") {
		t.Error(v)
	}
	var opened []screen.Kind
	for s.at = range s.rows {
		if r := s.rows[s.at]; r.sign == "→" && r.do != nil {
			opened = append(opened, fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)).Kind)
		}
	}
	if !slices.Equal(opened, []screen.Kind{screen.Sync, screen.Backups}) {
		t.Errorf("leads to %v", opened)
	}
}

// looking opens the import and chooses a file.
func looking(t *testing.T, ws *fake.Workspace, th *theme.Theme) screen.Screen {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte("First Name\nGrace\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := opener(t, ws, screen.Import)(th)
	s.SetSize(120, 37)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	fake.Run(s, q.Do(path))
	im := s.(*importer)
	im.files = []string{"/home/ada/people.csv"} // what is drawn does not depend on the test's folder
	im.rebuild()
	return s
}

func TestImportTriesThenRuns(t *testing.T) {
	ws := workspace()
	s := looking(t, ws, theme.New(true))
	if s.(*importer).rows[s.(*importer).at].label != "Try it" {
		t.Fatal("the cursor is not on the dry run")
	}
	fake.Do(t, s, keymap.Open)
	v := ansi.Strip(s.View())
	for _, want := range []string{"What would happen", "100 new, 7 changed, 10 as they were, 3 rejected", "r1-rejects.csv", "line 17", "4 photos were not kept"} {
		if !strings.Contains(v, want) {
			t.Errorf("%q is missing in\n%s", want, v)
		}
	}
	fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Open))
	if len(ws.Imports) != 2 || !ws.Imports[0].DryRun || ws.Imports[1].DryRun || ws.Imports[1].Map != nil {
		t.Errorf("%+v", ws.Imports)
	}
	if !strings.Contains(ansi.Strip(s.View()), "What was done") {
		t.Error("the result is not told")
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.List || m.Noun != "contact" {
		t.Errorf("leads to %+v", m)
	}
}

func TestChangedColumnIsSent(t *testing.T) {
	ws := workspace()
	s := looking(t, ws, theme.New(true)).(*importer)
	s.goTo("Nonsense")
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	typed := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(typeIt)))
	fake.Run(s, typed.Do("phone:work"))
	s.goTo("Try it")
	fake.Do(t, s, keymap.Open)
	if len(ws.Imports) != 1 || ws.Imports[0].Map["Nonsense"] != "phone:work" || ws.Imports[0].Map["First Name"] != "first_name" {
		t.Errorf("%+v", ws.Imports)
	}
	if ws.Looked.Map["Nonsense"] != "" {
		t.Error("the preview's own mapping was changed")
	}
}

func TestMissingFileIsSaid(t *testing.T) {
	s := opener(t, workspace(), screen.Import)(theme.New(true))
	s.SetSize(100, 30)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	fake.Run(s, q.Do("/nowhere/x.csv"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "there is no file /nowhere/x.csv") {
		t.Error(v)
	}
}

func TestExportWritesANewFile(t *testing.T) {
	s := opener(t, workspace(), screen.ExportTo)(theme.New(true)).(*exporter)
	s.SetSize(100, 30)
	path := filepath.Join(t.TempDir(), "out.csv")
	s.goTo("File")
	fake.Run(s, fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open)).Do(path))
	s.goTo("Export now")
	fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Open))
	if data, err := os.ReadFile(path); err != nil || string(data) != "id,name\n" {
		t.Errorf("%q %v", data, err)
	}
	fake.Do(t, s, keymap.Open)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "is there already") {
		t.Errorf("an existing file was replaced:\n%s", v)
	}
}

func TestExportChecksItsFilter(t *testing.T) {
	s := opener(t, workspace(), screen.ExportTo)(theme.New(true)).(*exporter)
	s.goTo("Which ones")
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("nmae=x"))); model.KindOf(m.Err) != model.Invalid {
		t.Errorf("%+v", m)
	}
	fake.Run(s, q.Do("status=new"))
	if len(s.req.Query.Filter) != 1 || s.req.Query.Filter[0].Field != "status" {
		t.Errorf("%+v", s.req.Query)
	}
}

func TestJobTellsHowFarItIsAndStops(t *testing.T) {
	ws := workspace()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newBackups(ws.Env(ctx, theme.New(true))).(*backups)
	s.SetSize(80, 21)
	told, stopped := make(chan struct{}), make(chan struct{})
	batch := s.job.start("Backing up", func(ctx context.Context, n model.Notify) (any, error) {
		n.Tell("copying", 3, 10)
		close(told)
		<-ctx.Done()
		close(stopped)
		return nil, model.Errorf(model.Interrupted, "stopped; what was done is kept")
	})().(tea.BatchMsg)
	end := make(chan tea.Msg, 1)
	go func() { end <- batch[0]() }()
	<-told
	next := s.Update(batch[1]())
	if v := ansi.Strip(s.View()); !strings.Contains(v, "Backing up: copying") || !strings.Contains(v, "3 of 10") || s.Dirty() {
		t.Errorf("\n%s", v)
	}
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Add)); !strings.Contains(m.Text, "still running") {
		t.Errorf("a second job could begin: %q", m.Text)
	}
	if what, kept := s.Lasts(); what != "backing up 30 %" || kept == "" {
		t.Errorf("leaves behind %q, %q", what, kept)
	}
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Back))
	fake.Want[screen.BackMsg](t, fake.Run(s, q.Do(goOn)))
	if !s.job.running() || s.job.stopping {
		t.Error("leaving stops it")
	}
	q.Do(stopIt)
	<-stopped
	s.Update(<-end)
	if s.job.running() || s.Failed() == nil || !strings.Contains(ansi.Strip(s.View()), "stopped; what was done is kept") {
		t.Error("it does not say that it stopped")
	}
	if msg := next(); msg != nil {
		s.Update(msg)
	}
}

func TestMouse(t *testing.T) {
	s := opener(t, workspace(), screen.Admin)(theme.New(true)).(*menu)
	s.SetSize(80, 21)
	m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(5, 4, true)))
	if m.Kind != screen.Backups {
		t.Errorf("%+v", m)
	}
	if s.Click(5, 0, true) != nil || s.rows[s.at].label != "Backups" {
		t.Error("a heading was chosen")
	}
	s.Wheel(0, 0, 3)
	if s.rows[s.at].label != "Users" { // over the heading between them
		t.Errorf("the wheel goes to %s", s.rows[s.at].label)
	}
}

// TestALongRowIsReadInFull stands on a row whose line is too short for it.
func TestALongRowIsReadInFull(t *testing.T) {
	long := strings.Repeat("word ", 30) + "end"
	p := page{env: (&fake.Workspace{}).Env(t.Context(), theme.New(true)), rows: []row{{label: "short", text: "one"}, {label: "long", text: long}}}
	p.SetSize(80, 12)
	if v := p.View(); strings.Contains(v, "end") {
		t.Error("it stands there before the cursor does")
	}
	fake.Rectangle(t, p.View(), 80, 12)
	p.Do(keymap.Down)
	if v := p.View(); !strings.Contains(v, "end") {
		t.Error(v)
	}
	fake.Rectangle(t, p.View(), 80, 12)
}
