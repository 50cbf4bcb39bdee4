package start

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

func eur(n int64) model.Money { return model.Money{Minor: n * 100, Currency: "EUR"} }

func workspace() *fake.Workspace {
	now := fake.Now()
	about := func(n model.Noun, name string) []*model.Record {
		return []*model.Record{fake.Record("activity_link", name, "record", model.Ref{Noun: n, ID: fake.ID(name), Name: name})}
	}
	task := func(id, subject string, due time.Time, who string) *model.Record {
		return fake.Record("activity", id, "kind", "task", "subject", subject, "status", "open", "due_at", due, "about", about("contact", who))
	}
	stage := func(name string, count, sum, weighted int64, kind string) model.BoardColumn {
		return model.BoardColumn{Stage: fake.Record("stage", name, "name", name, "kind", kind), Count: count,
			Sum: []model.Money{eur(sum)}, Weighted: []model.Money{eur(weighted)}}
	}
	return &fake.Workspace{
		Chosen: model.Settings{Me: "ada", Currency: "EUR"},
		State:  model.Status{Central: "mysql://crm.example.com/crm", Pending: 3, Conflicts: 1, LastSync: now.Add(-20 * time.Minute)},
		Start: model.Overview{
			Tasks: []*model.Record{
				task("t1", "Send the revised offer", now.AddDate(0, 0, -3), "Grace Hopper"),
				task("t2", "Call back about the contract", now.Add(5*time.Hour), "Linus Müller-Lüdenscheidt"),
				task("t3", "提案書を送る\x1b[31m", now.Truncate(24*time.Hour).Add(-time.Hour), "山田太郎"),
			},
			Upcoming: []*model.Record{task("t4", "Prepare the workshop", now.AddDate(0, 0, 3), "Grace Hopper")},
			Pipeline: []model.BoardColumn{stage("Lead", 12, 340000, 34000, "open"), stage("Qualified", 7, 210000, 63000, "open"), stage("Proposal", 4, 125500, 62750, "open"), stage("Negotiation", 2, 80000, 64000, "open")},
			Rotting: []*model.Record{
				fake.Record("deal", "d1", "name", "Fleet renewal", "stage", model.Ref{Noun: "stage", ID: fake.ID("Proposal"), Name: "Proposal"}, "stage_entered_at", now.AddDate(0, 0, -40), "amount", eur(48000)),
				fake.Record("deal", "d2", "name", "Museum audio guides", "close_date", "2026-11-03", "amount", eur(9500)),
			},
			Counts: map[model.Noun]int64{"deal": 25},
			Recent: []model.Event{
				{At: now.Add(-time.Hour), Noun: "activity", ID: fake.ID("a1"), Kind: "call", Title: "Asked about delivery in March", About: []model.Ref{{Noun: "contact", ID: fake.ID("Grace Hopper"), Name: "Grace Hopper"}}},
				{At: now.AddDate(0, 0, -1), Noun: "activity", ID: fake.ID("a2"), Kind: "note", Title: "Wants two references"},
			},
		},
	}
}

func opener(t *testing.T, ws *fake.Workspace) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Start}, New)
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "start", opener(t, workspace()))
	fake.Goldens(t, "empty", opener(t, &fake.Workspace{Start: model.Overview{Counts: map[model.Noun]int64{}}}))
	fake.Survives(t, opener(t, workspace()))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace()
	fake.StoreFree(t, ws, opener(t, ws))
	fake.HasAll(t, opener(t, ws))
}

func TestEmptyWorkspaceIsWelcomed(t *testing.T) {
	for _, c := range []struct {
		counts map[model.Noun]int64
		state  model.Status
		want   bool
	}{
		{map[model.Noun]int64{"pipeline": 1, "user": 1}, model.Status{}, true},
		{map[model.Noun]int64{"contact": 1}, model.Status{}, false},
		{map[model.Noun]int64{}, model.Status{Central: "mysql://h/d"}, false},
	} {
		ws := &fake.Workspace{Start: model.Overview{Counts: c.counts}, State: c.state}
		s := New(ws.Env(t.Context(), theme.New(true)), screen.OpenMsg{})
		m, ok := fake.Find[screen.OpenMsg](fake.Run(s, s.Init()))
		if ok != c.want || ok && m.Kind != screen.Welcome {
			t.Errorf("%v %+v: %+v", c.counts, c.state, m)
		}
		if _, again := fake.Find[screen.OpenMsg](fake.Run(s, s.Update(screen.ChangedMsg{}))); again {
			t.Error("welcomed twice")
		}
	}
}

func TestLastActivitiesStandInForChanges(t *testing.T) {
	ws := workspace()
	ws.Start.Recent, ws.Start.Counts = nil, map[model.Noun]int64{"activity": 1}
	ws.Pages = map[model.Noun][]*model.Record{"activity": ws.Start.Tasks[:1]}
	s := opener(t, ws)(theme.New(true)).(*Screen)
	if len(s.data.Recent) != 1 || s.data.Recent[0].About[0].Name != "Grace Hopper" {
		t.Errorf("%+v", s.data.Recent)
	}
}

func TestDoneShowsAtOnce(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true))
	s.SetSize(120, 40)
	cmd, ok := s.Do(keymap.Done)
	if !ok || !strings.Contains(ansi.Strip(s.View()), "✓ Send the revised") {
		t.Fatalf("not marked:\n%s", ansi.Strip(s.View()))
	}
	fake.Run(s, cmd)
	if len(ws.Edits) != 1 || ws.Edits[0].ID != fake.ID("t1") || ws.Edits[0].Set["status"] != "done" {
		t.Fatalf("stored %+v", ws.Edits)
	}
}

func TestTasksAreStoredInOrderAndStayUntilTheSlipIsTakenBack(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true)).(*Screen)
	s.SetSize(120, 40)
	first, _ := s.Do(keymap.Done)
	s.Do(keymap.Down)
	if cmd, _ := s.Do(keymap.Done); cmd != nil {
		t.Fatal("a second task was sent before the first was stored")
	}
	ws.Start.Tasks = ws.Start.Tasks[2:] // as the store answers after both
	fake.Run(s, first)
	if len(ws.Edits) != 2 || ws.Edits[0].ID != fake.ID("t1") || ws.Edits[1].ID != fake.ID("t2") {
		t.Fatalf("stored %+v", ws.Edits)
	}
	v := ansi.Strip(s.View())
	if !strings.Contains(v, "✓ Send the revised") || !strings.Contains(v, "✓ Call back") || !strings.Contains(v, "1 task") {
		t.Errorf("what was done is gone:\n%s", v)
	}
	fake.Do(t, s, keymap.Done)
	if len(ws.Edits) != 3 || ws.Edits[2].ID != fake.ID("t2") || ws.Edits[2].Set["status"] != "open" {
		t.Errorf("not taken back: %+v", ws.Edits)
	}
}

func TestDoneIsPutBackWhenItFails(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true))
	s.SetSize(120, 40)
	ws.Err = model.Errorf(model.Locked, "the workspace is busy")
	msgs := fake.Do(t, s, keymap.Done)
	if m := fake.Want[screen.NoticeMsg](t, msgs); m.Err == nil {
		t.Error("no error is shown")
	}
	if strings.Contains(ansi.Strip(s.View()), "✓ Send") {
		t.Error("the mark stayed")
	}
}

func TestEnterOpensWhatIsUnderTheCursor(t *testing.T) {
	for _, c := range []struct {
		tabs int
		down int
		want screen.OpenMsg
	}{
		{0, 1, screen.OpenMsg{Kind: screen.Detail, Noun: "activity", ID: fake.ID("t2")}},
		{1, 1, screen.OpenMsg{Kind: screen.Detail, Noun: "deal", ID: fake.ID("d2")}},
		{2, 0, screen.OpenMsg{Kind: screen.Board}},
		{3, 0, screen.OpenMsg{Kind: screen.Sync}},
		{4, 0, screen.OpenMsg{Kind: screen.Detail, Noun: "contact", ID: fake.ID("Grace Hopper")}},
		{4, 1, screen.OpenMsg{Kind: screen.Detail, Noun: "activity", ID: fake.ID("a2")}},
	} {
		s := opener(t, workspace())(theme.New(true))
		for range c.tabs {
			fake.Do(t, s, keymap.NextField)
		}
		for range c.down {
			fake.Do(t, s, keymap.Down)
		}
		got := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open))
		if got.Kind != c.want.Kind || got.Noun != c.want.Noun || got.ID != c.want.ID {
			t.Errorf("%d tabs, %d down: %+v, want %+v", c.tabs, c.down, got, c.want)
		}
	}
}

func TestDownWalksThroughEveryPart(t *testing.T) {
	s := opener(t, workspace())(theme.New(true)).(*Screen)
	seen := map[part]bool{}
	for range 12 {
		seen[s.at] = true
		fake.Do(t, s, keymap.Down)
	}
	if len(seen) != int(parts) {
		t.Errorf("saw %v", seen)
	}
}

func TestSyncThatEndedIsShown(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true))
	s.SetSize(120, 37)
	ws.State.Pending, ws.State.Conflicts = 0, 0
	fake.Run(s, s.Update(screen.SyncedMsg{}))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "✓ nothing pending") {
		t.Errorf("\n%s", v)
	}
}

func TestWhatIsLoggedIsAboutTheCustomer(t *testing.T) {
	s := opener(t, workspace())(theme.New(true))
	if ref := s.About(); ref.Noun != "contact" || ref.Name != "Grace Hopper" {
		t.Errorf("on a task: %+v", ref)
	}
	fake.Do(t, s, keymap.NextField)
	if ref := s.About(); ref.Noun != "deal" || ref.Name != "Fleet renewal" {
		t.Errorf("on a deal: %+v", ref)
	}
	fake.Do(t, s, keymap.Bottom)
	if ref := s.About(); !ref.IsZero() {
		t.Errorf("on an activity about nothing: %+v", ref)
	}
}

func TestThePartWithTheCursorIsSeen(t *testing.T) {
	s := opener(t, workspace())(theme.New(true))
	for _, size := range [][2]int{{60, 17}, {80, 21}, {120, 20}} {
		s.SetSize(size[0], size[1])
		for range parts {
			if !strings.Contains(ansi.Strip(s.View()), "› ") {
				t.Errorf("no cursor at %v:\n%s", size, ansi.Strip(s.View()))
			}
			fake.Do(t, s, keymap.NextField)
		}
	}
}

// TestClicksChooseRows clicks on rows of several parts, wherever they stand.
func TestClicksChooseRows(t *testing.T) {
	for _, size := range [][2]int{{80, 30}, {120, 37}} {
		s := opener(t, workspace())(theme.New(true)).(*Screen)
		s.SetSize(size[0], size[1])
		for text, at := range map[string]part{"Call back about": tasks, "Prepare the work": tasks, "Museum audio": attention, "Qualified": pipeline, "last sync": state, "Wants two": recent} {
			x, y := -1, -1
			for i, l := range strings.Split(ansi.Strip(s.View()), "\n") {
				if j := strings.Index(l, text); j >= 0 {
					x, y = ansi.StringWidth(l[:j]), i
				}
			}
			if y < 0 {
				t.Fatalf("%q is not drawn at %v:\n%s", text, size, ansi.Strip(s.View()))
			}
			s.Click(x, y, false)
			if s.at != at {
				t.Errorf("%q at %v chooses part %d, want %d", text, size, s.at, at)
			}
			if l := strings.Split(ansi.Strip(s.View()), "\n"); at == tasks || at == attention || at == recent {
				found := false
				for _, line := range l {
					found = found || strings.Contains(line, text) && strings.Contains(line, "› ")
				}
				if !found {
					t.Errorf("the cursor is not on %q at %v", text, size)
				}
			}
		}
		fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(2, 3, true)))
	}
}

// TestTheNextTasksKeepTheirCursor counts the word above them.
func TestTheNextTasksKeepTheirCursor(t *testing.T) {
	ws := workspace()
	ws.Start.Upcoming, ws.Start.Tasks = append(ws.Start.Tasks, ws.Start.Upcoming...), nil
	s := opener(t, ws)(theme.New(true)).(*Screen)
	s.SetSize(60, 17)
	for range 3 {
		s.move(1)
	}
	if v := ansi.Strip(s.View()); !strings.Contains(v, "› ○ Prepare") {
		t.Error(v)
	}
}
