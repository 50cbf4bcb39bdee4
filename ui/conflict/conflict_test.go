package conflict

import (
	"fmt"
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

func eur(n int64) model.Money { return model.Money{Minor: n * 100, Currency: "EUR"} }

func workspace() *fake.Workspace {
	at := fake.Now()
	return &fake.Workspace{Chosen: model.Settings{Currency: "EUR"}, Clashes: []model.Conflict{
		{ID: fake.ID("c1"), Noun: "deal", Record: fake.ID("d1"), Title: "Fleet renewal", Fields: []model.ConflictField{
			{Field: "amount", Base: eur(48000), Mine: eur(52000), Theirs: eur(45500), MineAt: at.Add(-3 * time.Hour), TheirsAt: at.Add(-50 * time.Minute), TheirsBy: "grace"},
			{Field: "close_date", Base: "2026-11-30", Mine: "2026-12-18", Theirs: "2027-01-15", MineAt: at.AddDate(0, 0, -2), TheirsAt: at.AddDate(0, 0, -1), TheirsBy: "grace"},
			{Field: "stage", Base: model.Ref{Noun: "stage", Name: "Proposal"}, Mine: model.Ref{Noun: "stage", Name: "Negotiation"}, Theirs: model.Ref{Noun: "stage", Name: "Qualified\x1b[7m"}, TheirsAt: at, TheirsBy: "linus"},
		}},
		{ID: fake.ID("c2"), Noun: "contact", Record: fake.ID("p1"), Title: "Ada Lovelace", Fields: []model.ConflictField{
			{Field: "email", Part: fake.ID("m1"), Base: "ada@example.org", Mine: "ada@new.example.org", Theirs: strings.Repeat("a.very.long.address.", 14) + "@example.org"},
		}},
	}}
}

func opener(t *testing.T, ws *fake.Workspace, id string) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Conflict, ID: fake.ID(id)}, New)
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "conflict", opener(t, workspace(), "c1"))
	fake.Goldens(t, "long", opener(t, workspace(), "c2"))
	fake.Goldens(t, "gone", opener(t, workspace(), "c3"))
	fake.Survives(t, opener(t, workspace(), "c1"))
	fake.Survives(t, opener(t, workspace(), "c2"))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace()
	fake.StoreFree(t, ws, opener(t, ws, "c1"))
	fake.HasAll(t, opener(t, ws, "c1"))
}

// settling makes the fake's conflict lose the fields that were settled.
func settling(ws *fake.Workspace, fields ...string) {
	var left []model.Conflict
	for _, c := range ws.Clashes {
		var open []model.ConflictField
		for _, f := range c.Fields {
			if !strings.Contains(fmt.Sprint(fields), f.Field) {
				open = append(open, f)
			}
		}
		if c.Fields = open; len(open) > 0 {
			left = append(left, c)
		}
	}
	ws.Clashes = left
}

func TestEachFieldThenOnToTheNextConflict(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "c1")(theme.New(true))
	s.SetSize(120, 37)
	fake.Do(t, s, keymap.TakeMine)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "✓ mine") || !strings.Contains(v, "2 fields are open") || !strings.Contains(v, "› Close date") {
		t.Errorf("not marked, or the cursor did not go on:\n%s", v)
	}
	fake.Do(t, s, keymap.TakeTheirs)
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Edit))
	settling(ws, "amount", "close_date", "stage")
	msgs := fake.Run(s, ask.Do("Won"))
	want := "[{amount mine <nil>} {close_date theirs <nil>} {stage  {stage  Won}}]"
	if got := fmt.Sprint(ws.Settled); got != want {
		t.Errorf("settled %s, want %s", got, want)
	}
	if m := fake.Want[screen.OpenMsg](t, msgs); m.Kind != screen.Conflict || m.ID != fake.ID("c2") || !m.Replace {
		t.Errorf("goes to %+v", m)
	}
}

func TestAllThenBack(t *testing.T) {
	ws := workspace()
	ws.Clashes = ws.Clashes[:1]
	s := opener(t, ws, "c1")(theme.New(true))
	cmd, _ := s.Do(keymap.AllTheirs)
	msg := cmd()
	settling(ws, "amount", "close_date", "stage")
	msgs := fake.Run(s, s.Update(msg))
	fake.Want[screen.BackMsg](t, msgs)
	if fmt.Sprint(ws.Settled) != "[{ theirs <nil>}]" {
		t.Errorf("settled %v", ws.Settled)
	}
}

func TestChoicesAreStoredInOrder(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "c1")(theme.New(true))
	first, _ := s.Do(keymap.TakeMine)
	for _, a := range []keymap.Action{keymap.TakeTheirs, keymap.TakeMine} {
		if cmd, _ := s.Do(a); cmd != nil {
			t.Fatal("a second choice was sent before the first was stored")
		}
	}
	fake.Run(s, first)
	if got := fmt.Sprint(ws.Settled); got != "[{amount mine <nil>} {close_date theirs <nil>} {stage mine <nil>}]" {
		t.Errorf("settled %s", got)
	}
}

func TestMarkGoesWhenItFails(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "c1")(theme.New(true)).(*Screen)
	ws.Err = model.Errorf(model.Locked, "the workspace is busy")
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.TakeMine)); m.Err == nil {
		t.Error("no error is shown")
	}
	if s.chosen[0] != "" {
		t.Error("the mark stayed")
	}
}

func TestTypedValueIsChecked(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "c1")(theme.New(true))
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Edit))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, ask.Do("a lot"))); model.KindOf(m.Err) != model.Invalid || len(ws.Settled) != 0 {
		t.Errorf("%v, settled %v", m, ws.Settled)
	}
	fake.Run(s, ask.Do("50'000"))
	if len(ws.Settled) != 1 || ws.Settled[0].Value != eur(50000) {
		t.Errorf("settled %v", ws.Settled)
	}
}

func TestSettledElsewhereIsMarked(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "c1")(theme.New(true)).(*Screen)
	settling(ws, "amount")
	var msg tea.Msg = screen.ChangedMsg{}
	fake.Run(s, s.Update(msg))
	if s.chosen[0] != "settled elsewhere" || s.chosen[1] != "" {
		t.Errorf("marks %q", s.chosen)
	}
}
