package detail

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// History shows every change of a record: who, when, and each field's old and
// new value.
type History struct {
	screen.Still
	env    *screen.Env
	entity *model.Entity
	id     model.ID
	title  string
	loader *screen.Loader
	revs   []model.Revision
	loaded bool
	cur    int
	top    int
}

// NewHistory returns the history of the record m.ID; m.Set may hold its title.
func NewHistory(env *screen.Env, m screen.OpenMsg) *History {
	e := model.EntityOf(m.Noun)
	if e == nil {
		e = model.EntityOf("contact")
	}
	h := &History{env: env, entity: e, id: m.ID, loader: screen.NewLoader(env.Context)}
	h.title, _ = m.Set["title"].(string)
	return h
}

// Init implements screen.Screen.
func (h *History) Init() tea.Cmd {
	ws, n, id := h.env.Workspace, h.entity.Noun, h.id
	return h.loader.Load(func(ctx context.Context) (any, error) { return ws.History(ctx, n, id) })
}

// Title implements screen.Screen.
func (h *History) Title() string {
	if h.title == "" {
		return "History"
	}
	return "History of " + h.title
}

// Scope implements screen.Screen.
func (h *History) Scope() keymap.Scope { return keymap.Detail }

// About implements screen.Screen.
func (h *History) About() model.Ref {
	return screen.AboutOf(&model.Record{Noun: h.entity.Noun, ID: h.id, Values: map[string]any{"name": h.title}})
}

// Can implements screen.Chooser.
func (h *History) Can(a keymap.Action) bool {
	switch a {
	case keymap.Up, keymap.Down, keymap.PageUp, keymap.PageDown, keymap.Top, keymap.Bottom, keymap.CopyCell:
		return true
	}
	return false
}

// Do implements screen.Screen.
func (h *History) Do(a keymap.Action) (tea.Cmd, bool) {
	if cur, moved := screen.Scroll(a, h.cur, 5, len(h.revs)); moved {
		h.cur = cur
		return nil, true
	}
	if a != keymap.CopyCell {
		return nil, false
	}
	if h.cur < len(h.revs) {
		return h.env.Copy(strings.Join(h.plain(h.revs[h.cur]), "\n")), true
	}
	return nil, true
}

// Update implements screen.Screen.
func (h *History) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.LoadedMsg:
		if !h.loader.Take(m) {
			return nil
		}
		h.loaded = true
		if m.Err != nil {
			return screen.Fail(m.Err)
		}
		h.revs = m.Value.([]model.Revision)
		h.cur = max(0, min(h.cur, len(h.revs)-1))
	case screen.ChangedMsg:
		return h.Init()
	}
	return nil
}

// plain are the lines of a revision below its head.
func (h *History) plain(r model.Revision) []string {
	e := model.EntityOf(r.Noun)
	if e == nil {
		e = h.entity
	}
	var out []string
	for _, c := range r.Changes {
		f := e.Field(c.Field)
		label := c.Field
		switch {
		case f != nil:
			label = f.Label
		case c.Field == model.ColumnDeletedAt:
			continue
		}
		out = append(out, widget.Fit(label, 16)+" "+oldNew(f, c, h.env.Now))
	}
	if r.Note != "" {
		out = append(out, r.Note)
	}
	return out
}

// View implements screen.Screen.
func (h *History) View() string {
	th := h.env.Theme
	if h.Width <= 0 || h.Height <= 0 {
		return ""
	}
	if len(h.revs) == 0 {
		var text []string
		if h.loaded {
			text = []string{th.Muted.Render("Nothing was changed yet.")}
		}
		return widget.Center(text, h.Width, h.Height)
	}
	lines := []string{" " + th.Strong.Render(widget.Fit(h.Title(), max(0, h.Width-2))), ""}
	at, end := 0, 0
	for i, r := range h.revs {
		begin := len(lines)
		what := r.Action
		if r.Noun != "" && r.Noun != h.entity.Noun {
			if e := model.EntityOf(r.Noun); e != nil {
				what += " " + strings.ToLower(e.Title)
			}
		}
		head := widget.Fit(draw.When(r.At, h.env.Now()), 18) + " " + widget.Fit(r.By, 14) + " " + what
		if i == h.cur {
			lines = append(lines, th.Selected.Render(widget.Fit("› "+head, h.Width)))
		} else {
			lines = append(lines, "  "+th.Accent.Render(widget.Fit(head, max(0, h.Width-2))))
		}
		for _, l := range h.plain(r) {
			lines = append(lines, "    "+th.Text.Render(widget.Fit(l, max(0, h.Width-5))))
		}
		if i == h.cur {
			at, end = begin, len(lines)
		}
	}
	if end > h.top+h.Height {
		h.top = end - h.Height
	}
	if at < h.top || h.cur == 0 {
		h.top = at
	}
	if h.cur == 0 {
		h.top = 0
	}
	h.top = max(0, min(h.top, len(lines)-h.Height))
	return draw.View(lines[h.top:min(len(lines), h.top+h.Height)], h.Width, h.Height)
}
