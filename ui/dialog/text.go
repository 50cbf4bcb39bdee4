package dialog

import (
	"strings"

	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// Text shows lines that can be scrolled: help and the messages.
type Text struct {
	env   *screen.Env
	title string
	view  viewport.Model
	width int
}

// NewText returns a dialog of these lines, which carry their styles already.
func NewText(env *screen.Env, title string, lines []string) *Text {
	t := &Text{env: env, title: title, view: viewport.New()}
	t.view.SetContentLines(lines)
	for _, l := range lines {
		t.width = max(t.width, ansi.StringWidth(l))
	}
	return t
}

// Dirty implements Dialog.
func (t *Text) Dirty() bool { return false }

// Cursor implements Dialog.
func (t *Text) Cursor() *tea.Cursor { return nil }

// Update implements Dialog.
func (t *Text) Update(msg tea.Msg, a keymap.Action) (tea.Cmd, bool) {
	switch m := msg.(type) {
	case tea.MouseWheelMsg:
		t.view, _ = t.view.Update(m)
	case tea.KeyPressMsg:
		return nil, t.key(m.String(), a)
	}
	return nil, false
}

// key tells whether a key closes the dialog; the others scroll.
func (t *Text) key(name string, a keymap.Action) bool {
	switch still(t.env, name, a) {
	case keymap.Up:
		t.view.ScrollUp(1)
	case keymap.Down:
		t.view.ScrollDown(1)
	case keymap.PageUp:
		t.view.PageUp()
	case keymap.PageDown:
		t.view.PageDown()
	case keymap.No, keymap.Yes:
		return true
	case keymap.Top:
		t.view.GotoTop()
	case keymap.Bottom:
		t.view.GotoBottom()
	default:
		switch name {
		case "space":
			t.view.ScrollDown(1)
		case "q", "?", "!":
			return true
		}
	}
	return false
}

// View implements Dialog.
func (t *Text) View(w, h int) string {
	inner := max(min(w-4, t.width), min(w-4, 40))
	all := t.view.TotalLineCount()
	t.view.SetWidth(inner)
	t.view.SetHeight(max(1, min(all, h-2)))
	footer := keys(t.env, "esc", "close")
	if all > t.view.Height() {
		footer = keys(t.env, "↑ ↓", "scroll", "esc", "close")
	}
	return box(t.env, t.title, strings.Split(t.view.View(), "\n"), inner, footer)
}

// NewHelp returns the dialog of all keys that work: a heading and its bindings
// for each section, side by side where there is room for two columns.
func NewHelp(env *screen.Env, width int, sections []Section) *Text {
	th := env.Theme
	var flat []string
	keyWidth := 4
	for _, s := range sections {
		for _, b := range s.Bindings {
			keyWidth = max(keyWidth, ansi.StringWidth(keyList(b)))
		}
	}
	keyWidth = min(keyWidth, 20)
	for i, s := range sections {
		if i > 0 {
			flat = append(flat, "")
		}
		flat = append(flat, th.Strong.Render(s.Title))
		for _, b := range s.Bindings {
			flat = append(flat, th.Key.Render(widget.FitRight(keyList(b), keyWidth))+"  "+th.Text.Render(widget.Fit(b.Help, 26)))
		}
	}
	col := keyWidth + 2 + 26
	if width-4 < 2*col+2 {
		return NewText(env, "Keys that work here", flat)
	}
	half := (len(flat) + 1) / 2
	lines := make([]string, half)
	for i := range half {
		lines[i] = draw.Fit(flat[i], col) + "  "
		if half+i < len(flat) {
			lines[i] += flat[half+i]
		}
	}
	return NewText(env, "Keys that work here", lines)
}

// Section is a heading of help with its bindings.
type Section struct {
	Title    string
	Bindings []keymap.Binding
}

func keyList(b keymap.Binding) string {
	out := make([]string, len(b.Keys))
	for i, k := range b.Keys {
		out[i] = ShowKey(k)
	}
	return strings.Join(out, ", ")
}
