package dialog

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// quiet is how long a dialog that opened by itself ignores keys.
const quiet = 400 * time.Millisecond

// Ask is a question: yes or no, a text, or a choice.
type Ask struct {
	env    *screen.Env
	m      screen.AskMsg
	yes    bool
	in     widget.Input
	at     int
	opened time.Time
	sudden bool
	cursor *tea.Cursor
	wrong  bool // what was typed is not what must be
}

// NewAsk returns a question. sudden tells that no key of the person's called
// it.
func NewAsk(env *screen.Env, m screen.AskMsg, sudden bool) *Ask {
	a := &Ask{env: env, m: m, opened: env.Now(), sudden: sudden}
	a.in.SetValue(m.Value)
	for i, o := range m.Options {
		if o == m.Value {
			a.at = i
		}
	}
	return a
}

// Dirty implements Dialog.
func (a *Ask) Dirty() bool { return a.m.Input != "" && a.in.Value() != a.m.Value }

// Cursor implements Dialog.
func (a *Ask) Cursor() *tea.Cursor { return a.cursor }

// Update implements Dialog.
func (a *Ask) Update(msg tea.Msg, act keymap.Action) (tea.Cmd, bool) {
	k, isKey := msg.(tea.KeyPressMsg)
	if isKey && a.sudden && a.env.Now().Sub(a.opened) < quiet {
		return nil, false
	}
	if isKey && act == keymap.No {
		return nil, true
	}
	switch {
	case len(a.m.Options) > 0:
		return a.pick(k, act)
	case a.m.Input != "":
		if act == keymap.Yes && isKey {
			if a.wrong = a.m.Must != "" && !sameWord(a.in.Value(), a.m.Must); a.wrong {
				return nil, false
			}
			return a.do(a.in.Value()), true
		}
		a.in.Update(msg)
		return nil, false
	case !isKey:
		return nil, false
	}
	switch strings.ToLower(k.String()) {
	case "y":
		return a.do(""), true
	case "n":
		return nil, true
	}
	switch still(a.env, k.String(), act) {
	case keymap.NextField, keymap.PrevField, keymap.Up, keymap.Down:
		a.yes = !a.yes
	case keymap.Yes:
		if a.yes {
			return a.do(""), true
		}
		return nil, true
	}
	return nil, false
}

// sameWord tells whether a person typed what was to be typed.
func sameWord(typed, must string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(typed), " "), must)
}

func (a *Ask) pick(k tea.KeyPressMsg, act keymap.Action) (tea.Cmd, bool) {
	n := len(a.m.Options)
	if i, ok := a.begins(k.Text); ok {
		a.at = i
		return nil, false
	}
	switch still(a.env, k.String(), act) {
	case keymap.Up, keymap.PrevField:
		a.at = (a.at + n - 1) % n
	case keymap.Down, keymap.NextField:
		a.at = (a.at + 1) % n
	case keymap.Yes:
		return a.do(a.m.Options[a.at]), true
	case keymap.Top:
		a.at = 0
	case keymap.Bottom:
		a.at = n - 1
	}
	return nil, false
}

// begins returns the next choice that begins with what was typed.
func (a *Ask) begins(typed string) (int, bool) {
	n := len(a.m.Options)
	for i := 1; i <= n && typed != ""; i++ {
		if j := (a.at + i) % n; strings.HasPrefix(model.Fold(a.m.Options[j]), model.Fold(typed)) {
			return j, true
		}
	}
	return 0, false
}

func (a *Ask) do(text string) tea.Cmd {
	if a.m.Do == nil {
		return nil
	}
	return a.m.Do(text)
}

// View implements Dialog.
func (a *Ask) View(w, h int) string {
	th := a.env.Theme
	inner := 64
	for _, word := range strings.Fields(a.m.Text) {
		inner = max(inner, ansi.StringWidth(word)) // a key is read and copied whole where there is room
	}
	inner = min(w-4, inner)
	var lines []string
	for _, l := range widget.Wrap(a.m.Text, inner) {
		if a.m.Text != "" {
			lines = append(lines, th.Text.Render(l))
		}
	}
	if most := h - 6; len(lines) > most && most > 0 {
		lines = append(lines[:most-1], "…")
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	a.cursor = nil
	accept := a.m.Yes
	if accept == "" {
		accept = "Yes"
	}
	footer := keys(a.env, "enter", strings.ToLower(accept), "esc", "cancel")
	switch {
	case len(a.m.Options) > 0:
		rows := max(1, min(len(a.m.Options), h-len(lines)-2))
		top := window(a.at, len(a.m.Options), rows)
		for i := top; i < top+rows; i++ {
			if i == a.at {
				lines = append(lines, th.Selected.Render(widget.Fit("› "+a.m.Options[i], inner)))
			} else {
				lines = append(lines, th.Text.Render(widget.Fit("  "+a.m.Options[i], inner)))
			}
		}
	case a.m.Input != "":
		lw := min(inner/2, ansi.StringWidth(a.m.Input)+2)
		lines = append(lines, field(a.env, a.m.Input, &a.in, true, lw, inner))
		x, _ := a.in.Cursor()
		a.cursor = tea.NewCursor(2+lw+x, len(lines))
		if a.wrong {
			for _, l := range widget.Wrap("! That is not “"+model.Visible(a.m.Must)+"”. Nothing was done.", inner) {
				lines = append(lines, th.Danger.Render(l))
			}
		}
	default:
		footer = keys(a.env, "y", strings.ToLower(accept), "n", "no", "tab", "other")
		lines = append(lines, button(a.env, "No", !a.yes, th.Text)+"  "+button(a.env, accept, a.yes, th.Danger))
	}
	return box(a.env, a.m.Title, lines, inner, footer)
}
