package dialog

import (
	"context"
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

type answered string

func key(d Dialog, names ...string) (out []tea.Msg, done bool) {
	codes := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight}
	for _, n := range names {
		msg := tea.KeyPressMsg{Code: []rune(n)[0], Text: n}
		if c, ok := codes[n]; ok {
			msg = tea.KeyPressMsg{Code: c}
		}
		a, _ := keymap.Default().Lookup([]keymap.Scope{keymap.Dialog}, []string{msg.String()})
		cmd, end := d.Update(msg, a)
		if cmd != nil {
			out = append(out, cmd())
		}
		if done = done || end; end {
			break
		}
	}
	return out, done
}

func env(t *testing.T) (*screen.Env, *fake.Workspace) {
	ws := &fake.Workspace{Chosen: model.Settings{Currency: "EUR"}}
	return ws.Env(t.Context(), theme.New(true)), ws
}

func say(text string) tea.Cmd { return func() tea.Msg { return answered(text) } }

func TestQuestionStandsOnNo(t *testing.T) {
	e, _ := env(t)
	ask := func() *Ask {
		return NewAsk(e, screen.AskMsg{Title: "Delete", Text: "Delete 3 contacts?", Yes: "Delete", Do: func(string) tea.Cmd { return say("yes") }}, false)
	}
	for _, c := range []struct {
		keys []string
		yes  bool
		done bool
	}{
		{[]string{"enter"}, false, true},
		{[]string{"esc"}, false, true},
		{[]string{"n"}, false, true},
		{[]string{"y"}, true, true},
		{[]string{"tab", "enter"}, true, true},
		{[]string{"right", "left", "enter"}, false, true},
		{[]string{"j", "enter"}, true, true},
		{[]string{"j", "k", "enter"}, false, true},
		{[]string{"x"}, false, false},
	} {
		out, done := key(ask(), c.keys...)
		if (len(out) > 0) != c.yes || done != c.done {
			t.Errorf("%v: %v, closed %v", c.keys, out, done)
		}
	}
}

func TestSuddenQuestionIgnoresKeysForAMoment(t *testing.T) {
	e, _ := env(t)
	now := fake.Now()
	e.Now = func() time.Time { return now }
	a := NewAsk(e, screen.AskMsg{Title: "Q", Do: func(string) tea.Cmd { return say("yes") }}, true)
	if _, done := key(a, "y"); done {
		t.Error("a key that was meant for something else answers")
	}
	now = now.Add(time.Second)
	if out, done := key(a, "y"); !done || len(out) != 1 {
		t.Error("later it is answered")
	}
}

func TestTextIsAsked(t *testing.T) {
	e, _ := env(t)
	a := NewAsk(e, screen.AskMsg{Title: "Export", Input: "File", Value: "a.csv", Do: func(s string) tea.Cmd { return say(s) }}, false)
	if a.Dirty() {
		t.Error("dirty before a letter is typed")
	}
	out, done := key(a, "left", "left", "left", "left", "b", "enter")
	if !done || len(out) != 1 || out[0] != answered("ab.csv") {
		t.Errorf("answered %v, closed %v", out, done)
	}
	a.View(60, 20)
	if a.Cursor() == nil {
		t.Error("the cursor is hidden")
	}
}

func TestChoiceIsAsked(t *testing.T) {
	e, _ := env(t)
	a := NewAsk(e, screen.AskMsg{Title: "Why", Options: []string{"price", "timing", "not given"}, Do: func(s string) tea.Cmd { return say(s) }}, false)
	if out, _ := key(a, "down", "enter"); out[0] != answered("timing") {
		t.Errorf("answered %v", out)
	}
	a = NewAsk(e, screen.AskMsg{Title: "Why", Value: "timing", Options: []string{"price", "timing", "not given"}, Do: func(s string) tea.Cmd { return say(s) }}, false)
	if out, _ := key(a, "n", "enter"); out[0] != answered("not given") {
		t.Errorf("answered %v", out)
	}
}

// TestLettersMoveWhereNoChoiceBeginsWithThem goes by j and k, and by the first
// letter of a choice before that; a person's own keys hold.
func TestLettersMoveWhereNoChoiceBeginsWithThem(t *testing.T) {
	for _, c := range []struct {
		options []string
		down    string // instead of j
		keys    []string
		want    string
	}{
		{[]string{"price", "timing", "other"}, "", []string{"j"}, "timing"},
		{[]string{"price", "timing", "other"}, "", []string{"j", "j", "k"}, "timing"},
		{[]string{"price", "timing", "other"}, "", []string{"k"}, "other"},
		{[]string{"price", "timing", "other"}, "", []string{"tab"}, "timing"},
		{[]string{"price", "timing", "other"}, "", []string{"G"}, "other"},
		{[]string{"price", "timing", "other"}, "", []string{"G", "g"}, "price"},
		{[]string{"price", "timing", "Judith"}, "", []string{"j"}, "Judith"},
		{[]string{"price", "timing", "Judith"}, "", []string{"j", "k"}, "timing"},
		{[]string{"price", "timing", "other"}, "s", []string{"s"}, "timing"},
		{[]string{"price", "timing", "other"}, "s", []string{"j"}, "price"},
	} {
		e, _ := env(t)
		if c.down != "" {
			if err := e.Keys.Override(keymap.Choice, keymap.Down, []string{c.down}); err != nil {
				t.Fatal(err)
			}
		}
		a := NewAsk(e, screen.AskMsg{Title: "Why", Options: c.options, Do: func(s string) tea.Cmd { return say(s) }}, false)
		if out, _ := key(a, append(c.keys, "enter")...); len(out) != 1 || out[0] != answered(c.want) {
			t.Errorf("%v in %v chooses %v, want %s", c.keys, c.options, out, c.want)
		}
	}
	e, _ := env(t)
	a := NewAsk(e, screen.AskMsg{Title: "Name", Input: "Name", Do: func(s string) tea.Cmd { return say(s) }}, false)
	if out, _ := key(a, "j", "k", "g", "enter"); len(out) != 1 || out[0] != answered("jkg") {
		t.Errorf("a text becomes %v", out)
	}
}

func TestRank(t *testing.T) {
	all := []Command{{Title: "Go to contacts"}, {Title: "New contact"}, {Title: "Next record"}, {Title: "Copy row"}}
	for typed, want := range map[string]string{
		"":     "Go to contacts, New contact, Next record, Copy row",
		"con":  "New contact, Go to contacts",
		"ncon": "New contact",
		"re":   "Next record",
		"zz":   "",
		"家":    "",
	} {
		var got []string
		for _, c := range rank(all, typed) {
			got = append(got, c.Title)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q finds %q, want %q", typed, got, want)
		}
	}
}

// known is a workspace that knows the person.
type known struct{ *fake.Workspace }

func (known) Find(context.Context, model.Noun, string) (model.ID, error) { return fake.ID("anna"), nil }

func TestQuickLogSaves(t *testing.T) {
	e, ws := env(t)
	ws.Chosen.Me = "anna"
	e.Workspace = known{ws}
	q := NewQuickLog(e, "task", model.Ref{Noun: "contact", ID: fake.ID("ada"), Name: "Ada"})
	if _, done := key(q, "enter"); done {
		t.Fatal("an empty task is saved")
	}
	if !strings.Contains(ansi.Strip(q.View(80, 20)), "type what it is about") {
		t.Error("it does not say why")
	}
	out, done := key(q, "o", "f", "f", "e", "r", "tab", "f", "r", "i", "enter")
	if !done || len(ws.Edits) != 1 || len(out) != 1 {
		t.Fatalf("saved %v, %v", ws.Edits, out)
	}
	set := ws.Edits[0].Set
	about := set["about"].([]*model.Record)[0].Ref("record")
	due, _ := set["due_at"].(time.Time)
	if set["subject"] != "offer" || set["kind"] != "task" || set["status"] != nil || about.ID != fake.ID("ada") ||
		set["owner"] != (model.Ref{Noun: "user", ID: fake.ID("anna")}) || due.In(fake.Now().Location()).Format("2006-01-02") != "2026-11-27" {
		t.Errorf("saved %v, due %v", set, due)
	}
}

// TestDialogsStayInTheirBox draws each into many sizes.
func TestDialogsStayInTheirBox(t *testing.T) {
	e, _ := env(t)
	long := strings.Repeat("a long and \x1b[31mhostile\x1b[0m text 家族 ", 30)
	for name, d := range map[string]Dialog{
		"question": NewAsk(e, screen.AskMsg{Title: long, Text: long, Yes: "Yes"}, false),
		"text":     NewAsk(e, screen.AskMsg{Title: "T", Text: long, Input: long, Value: long}, false),
		"choice":   NewAsk(e, screen.AskMsg{Title: "T", Options: strings.Fields(long)}, false),
		"palette":  NewPalette(e, []Command{{Title: long, Key: "ctrl+p"}, {Title: "x", Key: "g g"}}),
		"log":      NewQuickLog(e, "call", model.Ref{Noun: "contact", ID: "x", Name: long}),
		"help":     NewHelp(e, 100, []Section{{Title: "Here", Bindings: keymap.Default().In(keymap.List)}, {Title: "All", Bindings: keymap.Default().In(keymap.Global)}}),
	} {
		for _, size := range [][2]int{{56, 16}, {76, 20}, {116, 36}, {196, 56}} {
			v := d.View(size[0], size[1])
			lines := strings.Split(v, "\n")
			if len(lines) > size[1] {
				t.Errorf("%s has %d lines of %d", name, len(lines), size[1])
			}
			w := ansi.StringWidth(lines[0])
			for _, l := range lines {
				if n := ansi.StringWidth(l); n != w || n > size[0] {
					t.Errorf("%s has a line of %d cells, the first has %d, there are %d: %q", name, n, w, size[0], ansi.Strip(l))
				}
			}
			if strings.Contains(v, "\x1b[31m") {
				t.Errorf("%s is coloured by its text", name)
			}
		}
	}
}

// TestTextScrolls reads a long text by keys and by the wheel, to both ends and
// no further.
func TestTextScrolls(t *testing.T) {
	e, _ := env(t)
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("line %02d", i))
	}
	d := NewText(e, "Messages", lines)
	first := func() string {
		return strings.TrimSpace(strings.Trim(ansi.Strip(strings.Split(d.View(60, 12), "\n")[1]), "│"))
	}
	if got := first(); got != "line 00" {
		t.Fatalf("begins with %q", got)
	}
	for _, c := range []struct{ key, want string }{{"down", "line 01"}, {"pgdown", "line 11"}, {"G", "line 30"}, {"j", "line 30"}, {"pgup", "line 20"}, {"up", "line 19"}, {"g", "line 00"}, {"k", "line 00"}} {
		if _, done := key(d, c.key); done {
			t.Errorf("%s closes it", c.key)
		}
		if got := first(); got != c.want {
			t.Errorf("%s shows %q, want %q", c.key, got, c.want)
		}
	}
	d.Update(tea.MouseWheelMsg{Button: tea.MouseWheelDown}, "")
	if got := first(); got != "line 03" {
		t.Errorf("the wheel shows %q", got)
	}
}

// TestWhatMustBeTyped accepts nothing else, and says so.
func TestWhatMustBeTyped(t *testing.T) {
	e, _ := env(t)
	a := NewAsk(e, screen.AskMsg{Title: "Restore?", Text: "Type crm to do it.", Yes: "Restore", Input: "Database", Must: "crm", Do: func(string) tea.Cmd { return say("yes") }}, false)
	if out, done := key(a, "enter"); done || len(out) > 0 {
		t.Fatal("enter alone does it")
	}
	if out, done := key(a, "c", "r", "enter"); done || len(out) > 0 || !strings.Contains(ansi.Strip(a.View(76, 20)), "! That is not “crm”. Nothing was done.") {
		t.Errorf("half of it does it, or it is not said:\n%s", ansi.Strip(a.View(76, 20)))
	}
	if out, done := key(a, "M", "enter"); !done || len(out) != 1 {
		t.Error("the word does not do it")
	}
}
