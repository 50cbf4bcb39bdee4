package syncer

import (
	"fmt"
	"os"
	"path/filepath"
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
	now := fake.Now()
	ws := &fake.Workspace{
		State: model.Status{Central: "mysql://ada@crm.example.com/crm", Pending: 31, Refused: 1, Conflicts: 1, LastSync: now.Add(-25 * time.Minute),
			Problem: "the server does not answer"},
		Clashes: []model.Conflict{{ID: fake.ID("c1"), Noun: "deal", Record: fake.ID("d1"), Title: "Fleet renewal",
			Fields: []model.ConflictField{{Field: "amount"}, {Field: "close_date"}}}},
		Items: []model.PendingItem{
			{Noun: "organization", ID: fake.ID("o1"), Title: "Acme & Söhne\x1b[5m", Action: "edit", Fields: []string{"annual_revenue"}, At: now.Add(-2 * time.Hour), Code: "too_long", Error: "the name is longer than the 255 characters that the server allows"},
			{Noun: "contact", ID: fake.ID("p1"), Title: "Grace Hopper", Action: "edit", Fields: []string{"job_title", "phone"}, At: now.Add(-20 * time.Minute)},
			{Noun: "contact", ID: fake.ID("p2"), Title: "山田太郎", Action: "add", At: now.Add(-5 * time.Minute)},
			{Noun: "deal", ID: fake.ID("p3"), Title: "Old idea", Action: "delete", At: now.Add(-time.Minute)},
		},
	}
	for i := range 28 {
		ws.Items = append(ws.Items, model.PendingItem{Noun: "activity", ID: fake.ID(fmt.Sprint("a", i)), Title: fmt.Sprint("Call ", i), Action: "add", At: now})
	}
	return ws
}

var same = []model.Duplicate{{First: model.Ref{Noun: "contact", ID: fake.ID("p1"), Name: "Grace Hopper"},
	Second: model.Ref{Noun: "contact", ID: fake.ID("p9"), Name: "G. Hopper"}, Field: "email", Value: "grace@example.org"},
	{First: model.Ref{Noun: "contact", ID: fake.ID("p3"), Name: "山本"}, Second: model.Ref{Noun: "contact", ID: fake.ID("p4"), Name: "山本"}, Field: "name", Value: "山本\x1b[5m"}}

func TestEnterOpensAPossibleDuplicate(t *testing.T) {
	s := opener(t, &fake.Workspace{Twins: same})(theme.New(true))
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Duplicate || m.ID != fake.ID("p1") || m.Other != fake.ID("p9") {
		t.Errorf("%+v", m)
	}
}

func opener(t *testing.T, ws *fake.Workspace) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Sync}, New)
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "sync", opener(t, workspace()))
	ws := workspace()
	ws.Twins = same
	fake.Goldens(t, "twins", opener(t, ws))
	fake.Survives(t, opener(t, ws))
	fake.Goldens(t, "clear", opener(t, &fake.Workspace{State: model.Status{Central: "mysql://ada@crm.example.com/crm", Online: true, LastSync: fake.Now()}}))
	fake.Goldens(t, "alone", opener(t, &fake.Workspace{}))
	fake.Survives(t, opener(t, workspace()))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace()
	fake.StoreFree(t, ws, opener(t, ws))
	fake.HasAll(t, opener(t, ws))
}

func TestEnterOpens(t *testing.T) {
	s := opener(t, workspace())(theme.New(true))
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Conflict || m.ID != fake.ID("c1") {
		t.Errorf("%+v", m)
	}
	fake.Do(t, s, keymap.Down)
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Detail || m.ID != fake.ID("o1") {
		t.Errorf("%+v", m)
	}
}

func TestRetry(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true))
	fake.Do(t, s, keymap.Down)
	fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Retry))
	if len(ws.Retried) != 1 || ws.Retried[0] != fake.ID("o1") {
		t.Errorf("retried %v", ws.Retried)
	}
}

func TestDiscardAsksAndNamesWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		down int
		id   string
		says string
	}{
		{2, "p1", "Grace Hopper. Its changes in job title, phones are lost"},
		{3, "p2", "the whole contact disappears"},
		{4, "p3", "not deleted after all"},
	} {
		ws := workspace()
		s := opener(t, ws)(theme.New(true))
		for range c.down {
			fake.Do(t, s, keymap.Down)
		}
		ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Discard))
		if !strings.Contains(ask.Text, c.says) || len(ws.Discarded) != 0 {
			t.Errorf("asks %q, discarded %v", ask.Text, ws.Discarded)
		}
		fake.Run(s, ask.Do(""))
		if len(ws.Discarded) != 1 || ws.Discarded[0] != fake.ID(c.id) {
			t.Errorf("discarded %v", ws.Discarded)
		}
	}
}

func TestOfflineIsAStateNotAnError(t *testing.T) {
	s := opener(t, workspace())(theme.New(true))
	s.SetSize(80, 21)
	v := ansi.Strip(s.View())
	for _, want := range []string{"Offline", "The server does not answer", "nothing is lost", "ctrl+s syncs now", "31 changes wait"} {
		if !strings.Contains(strings.Join(strings.Fields(v), " "), want) {
			t.Errorf("%q is missing in\n%s", want, v)
		}
	}
}

func TestSyncThatEndedIsShown(t *testing.T) {
	ws := workspace()
	s := opener(t, ws)(theme.New(true))
	s.SetSize(80, 21)
	ws.State = model.Status{Central: ws.State.Central, Online: true, LastSync: fake.Now()}
	ws.Items, ws.Clashes = nil, nil
	fake.Run(s, s.Update(screen.SyncedMsg{}))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "✓ Online") || !strings.Contains(v, "Everything is sent") {
		t.Errorf("\n%s", v)
	}
}

// TestLeftIsShown says what became of an edit whose record moved away, and what
// giving it up means.
func TestLeftIsShown(t *testing.T) {
	ws := workspace()
	ws.Clashes, ws.Items = nil, []model.PendingItem{{Noun: "contact", ID: fake.ID("l"), Title: "Ada Moved", Action: "edit", Fields: []string{"job_title"},
		At: fake.Now(), Code: model.CodeLeft, Error: "it was moved to where you may not see it"}}
	s := opener(t, ws)(theme.New(true))
	s.SetSize(80, 21)
	if v := strings.Join(strings.Fields(ansi.Strip(s.View())), " "); !strings.Contains(v, "It was moved to where you may not see it. enter opens the record") || strings.Contains(v, "The server says") {
		t.Errorf("\n%s", v)
	}
	if ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Discard)); !strings.Contains(ask.Text, "it disappears with what you typed") {
		t.Errorf("asks %q", ask.Text)
	}
}

// TestFollowIsShown says when an unreachable central is tried again, and that it
// is not where only the person can help.
func TestFollowIsShown(t *testing.T) {
	s := opener(t, workspace())(theme.New(true))
	s.SetSize(80, 21)
	said := func(m tea.Msg) string {
		fake.Run(s, s.Update(m))
		return strings.Join(strings.Fields(ansi.Strip(s.View())), " ")
	}
	v := said(screen.SyncedMsg{Problem: "the server does not answer", Again: time.Date(2026, 11, 21, 12, 7, 30, 0, time.UTC)})
	if !strings.Contains(v, "Offline") || !strings.Contains(v, "tried again at 12:07:30; ctrl+s syncs now") {
		t.Errorf("\n%s", v)
	}
	v = said(screen.SyncedMsg{Problem: "this account is locked", Stopped: true})
	if !strings.Contains(v, "! Stopped") || !strings.Contains(v, "This account is locked") || !strings.Contains(v, "ctrl+s tries again") {
		t.Errorf("\n%s", v)
	}
	v = said(screen.SyncingMsg{Progress: model.Progress{Phase: "loading", Done: 20300, Total: 46400}, Speed: ", 41000 a second, 5s left"})
	if !strings.Contains(v, "Syncing now") || !strings.Contains(v, "Loading: 20,300 of 46,400 rows, 41000 a second, 5s left.") {
		t.Errorf("\n%s", v)
	}
	if v = said(screen.SyncedMsg{}); !strings.Contains(v, "✓ Online") || strings.Contains(v, "Syncing now") {
		t.Errorf("\n%s", v)
	}
}

// TestClicksChooseRows clicks on a pending change and opens it.
func TestClicksChooseRows(t *testing.T) {
	s := opener(t, workspace())(theme.New(true)).(*Screen)
	s.SetSize(80, 30)
	for y, l := range strings.Split(ansi.Strip(s.View()), "\n") {
		if strings.Contains(l, "Old idea") {
			s.Click(20, y, false)
			m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(20, y, true)))
			if m.Kind != screen.Detail || m.ID != fake.ID("p3") {
				t.Errorf("%+v", m)
			}
			return
		}
	}
	t.Fatal("the change is not drawn")
}

func TestExportWritesWhatWasRefused(t *testing.T) {
	ws := workspace()
	ws.Pages = map[model.Noun][]*model.Record{"organization": {fake.Record("organization", "o1", "name", "Acme")}}
	s := opener(t, ws)(theme.New(true))
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Export))
	path := filepath.Join(t.TempDir(), "refused.ndjson")
	fake.Want[screen.NoticeMsg](t, fake.Run(s, ask.Do(path)))
	data, err := os.ReadFile(path)
	if err != nil || strings.Count(string(data), "\n") != 1 || !strings.Contains(string(data), `"code":"too_long"`) || !strings.Contains(string(data), `"name":"Acme"`) {
		t.Errorf("%v\n%s", err, data)
	}
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, ask.Do(path))); m.Err == nil {
		t.Error("a file was replaced")
	}
}
