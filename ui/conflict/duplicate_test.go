package conflict

import (
	"fmt"
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

func twins() *fake.Workspace {
	part := func(kind, value string) []*model.Record {
		return []*model.Record{fake.Record("contact_method", value, "kind", kind, "value", value)}
	}
	one := fake.Record("contact", "p1", "first_name", "Ada", "last_name", "Lovelace", "email", part("email", "ada@example.org"), "status", "customer", "do_not_call", false)
	two := fake.Record("contact", "p2", "first_name", "A.", "last_name", "Lovelace\x1b[5m", "email", part("email", "Ada@Example.org"),
		"phone", part("phone", "+41 44 668 18 00"), "notes", strings.Repeat("met at the fair ", 20), "status", "customer")
	one.CreatedAt, one.CreatedBy = fake.Now().AddDate(0, -2, 0), "grace"
	two.CreatedAt = fake.Now().Add(-time.Hour)
	return &fake.Workspace{Pages: map[model.Noun][]*model.Record{"contact": {one, two}}}
}

func pairOpener(t *testing.T, ws *fake.Workspace) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Duplicate, Noun: "contact", ID: fake.ID("p1"), Other: fake.ID("p2")}, NewDuplicate)
}

func TestPairLooks(t *testing.T) {
	fake.Goldens(t, "duplicate", pairOpener(t, twins()))
	fake.Survives(t, pairOpener(t, twins()))
}

func TestPairAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := twins()
	fake.StoreFree(t, ws, pairOpener(t, ws))
	fake.HasAll(t, pairOpener(t, ws))
}

func TestPairIsMergedAfterAQuestion(t *testing.T) {
	for action, want := range map[keymap.Action]string{
		keymap.TakeMine:   fmt.Sprint("keep ", fake.ID("p1"), " [", fake.ID("p2"), "]"),
		keymap.TakeTheirs: fmt.Sprint("keep ", fake.ID("p2"), " [", fake.ID("p1"), "]"),
	} {
		ws := twins()
		s := pairOpener(t, ws)(theme.New(true))
		ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, action))
		if len(ws.Merged) != 0 {
			t.Error("merged before the answer")
		}
		msgs := fake.Run(s, ask.Do(""))
		if fmt.Sprint(ws.Merged) != "["+want+"]" {
			t.Errorf("merged %v, want %s", ws.Merged, want)
		}
		fake.Want[screen.BackMsg](t, msgs)
	}
}

func TestPairIsKept(t *testing.T) {
	ws := twins()
	s := pairOpener(t, ws)(theme.New(true))
	fake.Want[screen.BackMsg](t, fake.Do(t, s, keymap.KeepBoth))
	if len(ws.Merged) != 1 || !strings.HasPrefix(ws.Merged[0], "two ") {
		t.Errorf("decided %v", ws.Merged)
	}
}

func TestPairOfWhichOneIsGone(t *testing.T) {
	ws := twins()
	ws.Pages["contact"][1].DeletedAt = fake.Now()
	s := pairOpener(t, ws)(theme.New(true)).(*Pair)
	s.SetSize(80, 20)
	if _, ok := s.Do(keymap.TakeMine); ok || s.Can(keymap.KeepBoth) || !strings.Contains(ansi.Strip(s.View()), "nothing to decide") {
		t.Errorf("something is left to decide:\n%s", s.View())
	}
}

func TestPairOpensTheChosenSide(t *testing.T) {
	s := pairOpener(t, twins())(theme.New(true))
	fake.Do(t, s, keymap.Right)
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.ID != fake.ID("p2") {
		t.Errorf("opens %+v", m)
	}
}
