package dialog

import (
	"sort"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// Command is one line of the list of commands.
type Command struct {
	Title string
	Key   string
	Do    tea.Cmd
}

// Palette lists commands with their keys and narrows them as the person types.
type Palette struct {
	env    *screen.Env
	all    []Command
	shown  []Command
	in     widget.Input
	at     int
	cursor *tea.Cursor
}

// NewPalette returns the list of these commands.
func NewPalette(env *screen.Env, all []Command) *Palette {
	return &Palette{env: env, all: all, shown: all}
}

// Dirty implements Dialog.
func (p *Palette) Dirty() bool { return false }

// Cursor implements Dialog.
func (p *Palette) Cursor() *tea.Cursor { return p.cursor }

// Update implements Dialog.
func (p *Palette) Update(msg tea.Msg, a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.No:
		return nil, true
	case keymap.Up:
		p.at = max(0, p.at-1)
		return nil, false
	case keymap.Down:
		p.at = min(p.at+1, max(0, len(p.shown)-1))
		return nil, false
	case keymap.Yes:
		if p.at < len(p.shown) {
			return p.shown[p.at].Do, true
		}
		return nil, true
	}
	if p.in.Update(msg) {
		p.shown, p.at = rank(p.all, p.in.Value()), 0
	}
	return nil, false
}

// rank keeps the commands that hold the typed letters in their order, those
// where they begin words or stand together first.
func rank(all []Command, typed string) []Command {
	typed = model.Fold(typed)
	if typed == "" {
		return all
	}
	type scored struct {
		c Command
		n int
	}
	var hits []scored
	for _, c := range all {
		if n, ok := score(model.Fold(c.Title), typed); ok {
			hits = append(hits, scored{c, n})
		}
	}
	sort.SliceStable(hits, func(i, j int) bool { return hits[i].n > hits[j].n })
	out := make([]Command, len(hits))
	for i, h := range hits {
		out[i] = h.c
	}
	return out
}

func score(title, typed string) (n int, ok bool) {
	if i := strings.Index(title, typed); i >= 0 {
		if i == 0 || title[i-1] == ' ' {
			return 200 - i, true
		}
		return 100 - i, true
	}
	at := 0
	for _, r := range typed {
		if r == ' ' {
			continue
		}
		i := strings.IndexRune(title[at:], r)
		if i < 0 {
			return 0, false
		}
		if at+i == 0 || title[at+i-1] == ' ' {
			n += 5
		}
		at += i + len(string(r))
	}
	return n, true
}

// View implements Dialog.
func (p *Palette) View(w, h int) string {
	th := p.env.Theme
	inner := min(w-4, 60)
	lines := []string{field(p.env, ": ", &p.in, true, 2, inner)}
	x, _ := p.in.Cursor()
	p.cursor = tea.NewCursor(4+x, 1)
	rows := max(1, min(14, h-4))
	top := window(p.at, len(p.shown), rows)
	for i := top; i < top+rows; i++ {
		if i >= len(p.shown) {
			if i == 0 {
				lines = append(lines, th.Muted.Render("no such command"))
				continue
			}
			lines = append(lines, "")
			continue
		}
		c := p.shown[i]
		left, right := widget.Fit(c.Title, inner-12), widget.FitRight(ShowKey(c.Key), 8)
		if i == p.at {
			lines = append(lines, th.Selected.Render("› "+left+right+"  "))
		} else {
			lines = append(lines, "  "+th.Text.Render(left)+th.Key.Render(right)+"  ")
		}
	}
	return box(p.env, "Commands", lines, inner, keys(p.env, "enter", "run", "esc", "close"))
}

// ShowKey writes a key for people: arrows as arrows, chords without blanks
// between letters.
func ShowKey(k string) string {
	r := strings.NewReplacer("left", "←", "right", "→", "up", "↑", "down", "↓")
	parts := strings.Fields(k)
	for i, p := range parts {
		if p != "pgup" && p != "pgdown" {
			parts[i] = r.Replace(p)
		}
	}
	return strings.Join(parts, " ")
}
