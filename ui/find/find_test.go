package find

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

func workspace() *fake.Workspace {
	ws := &fake.Workspace{Hits: []model.Hit{
		{Noun: "contact", ID: fake.ID("p1"), Title: "Zoë Müller-Lüdenscheidt", Snippet: "zoe.mueller@example.org"},
		{Noun: "organization", ID: fake.ID("o1"), Title: "Müller & Söhne AG", Snippet: "+41 44 668 18 00"},
		{Noun: "deal", ID: fake.ID("d1"), Title: "ミュラー契約\x1b[31m", Snippet: "Müller & Söhne AG"},
	}}
	for i := range 47 {
		ws.Hits = append(ws.Hits, model.Hit{Noun: "activity", ID: fake.ID(fmt.Sprint(i)), Title: fmt.Sprint("Call Muller ", i)})
	}
	return ws
}

func opener(t *testing.T, ws *fake.Workspace, text string) func(*theme.Theme) screen.Screen {
	open := fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Find}, New)
	return func(th *theme.Theme) screen.Screen {
		s := open(th)
		if text != "" {
			fake.Run(s, s.Update(tea.PasteMsg{Content: text}))
		}
		return s
	}
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "find", opener(t, workspace(), "mull"))
	fake.Goldens(t, "begin", opener(t, workspace(), ""))
	fake.Goldens(t, "nothing", opener(t, &fake.Workspace{}, "xyz"))
	fake.Survives(t, opener(t, workspace(), "mull"))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace()
	fake.StoreFree(t, ws, opener(t, ws, "mull"))
	fake.HasAll(t, opener(t, ws, "mull"))
}

func TestOnlyTheLastLetterSearches(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, "")(theme.New(true))
	var cmds []tea.Cmd
	for _, r := range "mül" {
		cmds = append(cmds, s.Update(tea.KeyPressMsg{Code: r, Text: string(r)}))
	}
	for _, c := range cmds {
		fake.Run(s, c)
	}
	if len(ws.Searched) != 1 || ws.Searched[0] != "mül" {
		t.Errorf("searched %q", ws.Searched)
	}
}

func TestEnterOpensTheFinding(t *testing.T) {
	s := opener(t, workspace(), "mull")(theme.New(true))
	s.SetSize(80, 21)
	m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Down, keymap.Open))
	if m.Kind != screen.Detail || m.Noun != "organization" || m.ID != fake.ID("o1") || !m.Replace {
		t.Errorf("%+v", m)
	}
}

func TestClearedTextHasNoFindings(t *testing.T) {
	s := opener(t, workspace(), "m")(theme.New(true)).(*Screen)
	fake.Run(s, s.Update(tea.KeyPressMsg{Code: tea.KeyBackspace}))
	if len(s.hits) != 0 || s.in.Value() != "" {
		t.Errorf("%d findings for %q", len(s.hits), s.in.Value())
	}
}

func TestCursorFollowsTheText(t *testing.T) {
	s := opener(t, workspace(), "日本")(theme.New(true))
	s.SetSize(80, 21)
	if c := s.Cursor(); c == nil || c.X != 9+4 || c.Y != 0 {
		t.Errorf("cursor %+v", c)
	}
}

func TestMarks(t *testing.T) {
	mark := lipgloss.NewStyle().Underline(true)
	show := func(text, asked string) string {
		s := marked(text, model.Words(asked), lipgloss.NewStyle(), mark)
		s = strings.ReplaceAll(s, "\x1b[4m", "<")
		s = strings.ReplaceAll(s, "\x1b[4;4m", "<")
		return strings.NewReplacer("\x1b[m", ">", "\x1b[0m", ">").Replace(s)
	}
	for _, c := range []struct{ text, asked, want string }{
		{"Zoë Müller", "zoe mull", "<Zoë> <Müll>er"},
		{"Straße", "strass", "<Straß>e"},
		{"a ba", "b", "a <b>a"},
		{"nothing", "x", "nothing"},
	} {
		if got := ansi.Strip(show(c.text, c.asked)); strings.ReplaceAll(got, "><", "") != c.want {
			t.Errorf("%q in %q: %q, want %q", c.asked, c.text, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text, asked := model.Visible(rapid.String().Draw(t, "text")), rapid.String().Draw(t, "asked")
		if got := ansi.Strip(marked(text, model.Words(asked), lipgloss.NewStyle(), mark)); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestMouse(t *testing.T) {
	s := opener(t, workspace(), "mull")(theme.New(true)).(*Screen)
	s.SetSize(80, 21)
	m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(5, top+2, true)))
	if m.ID != fake.ID("d1") || s.Click(5, 0, true) != nil {
		t.Errorf("%+v", m)
	}
	s.Wheel(0, 0, 3)
	if s.row != 5 {
		t.Errorf("row %d", s.row)
	}
}
