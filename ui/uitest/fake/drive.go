package fake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
)

// Run carries out a command and gives the screen the results of its loads,
// until nothing is left to do. It returns the messages that are for the root.
func Run(s screen.Screen, cmd tea.Cmd) []tea.Msg {
	var out []tea.Msg
	queue := []tea.Cmd{cmd}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if c == nil {
			continue
		}
		msg := c()
		if many := reflect.ValueOf(msg); msg != nil && many.Kind() == reflect.Slice && many.Type().Elem() == reflect.TypeFor[tea.Cmd]() {
			for i := range many.Len() {
				queue = append(queue, many.Index(i).Interface().(tea.Cmd))
			}
			continue
		}
		switch m := msg.(type) {
		case nil:
		case screen.LoadedMsg:
			queue = append(queue, s.Update(m))
		default:
			out = append(out, m)
		}
	}
	return out
}

// Do carries out actions one after the other and returns the messages that are
// for the root. It fails where the screen does not have one.
func Do(t testing.TB, s screen.Screen, actions ...keymap.Action) []tea.Msg {
	t.Helper()
	var out []tea.Msg
	for _, a := range actions {
		cmd, ok := s.Do(a)
		if !ok {
			t.Fatalf("%s does not have %q here", s.Title(), a)
		}
		out = append(out, Run(s, cmd)...)
	}
	return out
}

// Type gives the screen the keys of a text.
func Type(s screen.Screen, text string) []tea.Msg {
	var out []tea.Msg
	for _, r := range text {
		out = append(out, Run(s, s.Update(tea.KeyPressMsg{Code: r, Text: string(r)}))...)
	}
	return out
}

// Find returns the first message of a type.
func Find[M any](msgs []tea.Msg) (m M, ok bool) {
	for _, x := range msgs {
		if m, ok = x.(M); ok {
			return m, true
		}
	}
	return m, false
}

// Want is Find that fails where there is none.
func Want[M any](t testing.TB, msgs []tea.Msg) M {
	t.Helper()
	m, ok := Find[M](msgs)
	if !ok {
		t.Fatalf("no %T among %v", m, msgs)
	}
	return m
}

// sizes are those of the goldens.
var sizes = [][2]int{{60, 20}, {80, 24}, {120, 40}, {200, 60}}

// Goldens draws the screen that open makes at each size, dark and light, and
// compares it with testdata/NAME.SIZE.THEME. UPDATE_GOLDEN=1 writes those. The
// rectangle of a screen is three lines less high than the terminal, for the
// head, the status and the keys.
func Goldens(t *testing.T, name string, open func(th *theme.Theme) screen.Screen) {
	t.Helper()
	for _, size := range sizes {
		for word, th := range map[string]*theme.Theme{"dark": theme.New(true), "light": theme.New(false)} {
			s := open(th)
			w, h := size[0], size[1]-3
			s.SetSize(w, h)
			view := s.View()
			Rectangle(t, view, w, h)
			golden(t, fmt.Sprintf("%s.%dx%d.%s", name, size[0], size[1], word), grid(view))
		}
	}
}

// Survives draws the screen at every odd size and without colour.
func Survives(t *testing.T, open func(th *theme.Theme) screen.Screen) {
	t.Helper()
	for _, th := range []*theme.Theme{theme.New(true), theme.NewMono()} {
		s := open(th)
		if s.View() != "" {
			Rectangle(t, s.View(), 0, 0)
		}
		for _, w := range []int{0, 1, 2, 3, 7, 15, 29, 59, 60, 99, 100, 101, 240} {
			for _, h := range []int{0, 1, 2, 3, 4, 5, 6, 9, 17, 70} {
				s.SetSize(w, h)
				Rectangle(t, s.View(), w, h)
			}
		}
	}
}

// Rectangle fails unless every line is exactly width wide and there are height
// of them.
func Rectangle(t testing.TB, view string, width, height int) {
	t.Helper()
	if width == 0 || height == 0 {
		if strings.TrimSpace(ansi.Strip(view)) != "" {
			t.Errorf("something is drawn at %dx%d: %q", width, height, view)
		}
		return
	}
	lines := strings.Split(view, "\n")
	if len(lines) != height {
		t.Errorf("%d lines at %dx%d", len(lines), width, height)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n != width {
			t.Errorf("line %d is %d wide at %dx%d: %q", i, n, width, height, ansi.Strip(l))
		}
	}
}

// StoreFree fails when Update, Do, View and the like ask the workspace by
// themselves instead of in a command. open returns a screen that has loaded.
func StoreFree(t *testing.T, ws *Workspace, open func(th *theme.Theme) screen.Screen) {
	t.Helper()
	s := open(theme.New(true))
	s.SetSize(100, 30)
	before := ws.Calls()
	s.Init()
	s.View()
	for _, b := range keymap.Default().In(s.Scope()) {
		s.Do(b.Action)
		s.View()
	}
	for _, msg := range []tea.Msg{screen.ChangedMsg{Change: model.Change{}}, screen.ThemeMsg{}, tea.KeyPressMsg{Code: 'a', Text: "a"}} {
		s.Update(msg)
		s.View()
	}
	s.Title()
	s.About()
	s.Cursor()
	if n := ws.Calls() - before; n != 0 {
		t.Errorf("the event loop asked the workspace %d times", n)
	}
}

// HasAll fails where an action of the screen's scope does nothing. Each is
// tried on a screen of its own.
func HasAll(t *testing.T, open func(th *theme.Theme) screen.Screen, but ...keymap.Action) {
	t.Helper()
	for _, b := range keymap.Default().In(open(theme.New(true)).Scope()) {
		s := open(theme.New(true))
		s.SetSize(120, 40)
		if _, ok := s.Do(b.Action); !ok && !slices.Contains(but, b.Action) {
			t.Errorf("%s does nothing for %q", s.Title(), b.Action)
		}
	}
}

// Opener returns a function that opens a screen over the workspace and lets it
// load.
func Opener(t *testing.T, ws *Workspace, m screen.OpenMsg, open func(*screen.Env, screen.OpenMsg) screen.Screen) func(*theme.Theme) screen.Screen {
	return func(th *theme.Theme) screen.Screen {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		s := open(ws.Env(ctx, th), m)
		Run(s, s.Init())
		return s
	}
}

// grid is a view as readable text: its lines, below them for each cell a
// letter for its style, and what the letters mean.
func grid(view string) string {
	var text, styles, legend strings.Builder
	letters := map[string]byte{"": '.'}
	style := ""
	p := ansi.NewParser()
	var state byte
	for len(view) > 0 {
		seq, width, n, next := ansi.DecodeSequence(view, state, p)
		state, view = next, view[n:]
		switch {
		case seq == "\n":
			text.WriteByte('\n')
			styles.WriteByte('\n')
		case width > 0:
			text.WriteString(seq)
			styles.WriteString(strings.Repeat(string(letters[style]), width))
		case strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "m"):
			style = strings.TrimSuffix(strings.TrimPrefix(seq, "\x1b["), "m")
			if style == "0" {
				style = ""
			}
			if _, ok := letters[style]; !ok {
				letters[style] = byte('a' + len(letters) - 1)
				fmt.Fprintf(&legend, "%c %s\n", letters[style], style)
			}
		default:
			text.WriteString(seq)
		}
	}
	return text.String() + "\n\n" + styles.String() + "\n\n" + legend.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; UPDATE_GOLDEN=1 writes it", err)
	}
	if string(want) != got {
		t.Errorf("%s looks different; UPDATE_GOLDEN=1 takes the new look. Now:\n%s", name, got)
	}
}
