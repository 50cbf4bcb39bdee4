package conflict

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// Pair shows two records that may be the same thing beside each other, and
// merges them or keeps both.
type Pair struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	acting *screen.Loader

	noun   model.Noun
	ids    [2]model.ID
	two    [2]*model.Record
	fields []*model.Field // in which at least one has something
	loaded bool
	err    error
	row    int
	side   int // 0 is the left one
}

// NewDuplicate returns the two records that m.ID and m.Other name.
func NewDuplicate(env *screen.Env, m screen.OpenMsg) screen.Screen {
	return &Pair{env: env, noun: m.Noun, ids: [2]model.ID{m.ID, m.Other}, load: screen.NewLoader(env.Context), acting: screen.NewLoader(env.Context)}
}

// Init loads both records.
func (s *Pair) Init() tea.Cmd {
	ws, noun, ids := s.env.Workspace, s.noun, s.ids
	return s.load.Load(func(ctx context.Context) (any, error) {
		var two [2]*model.Record
		for i, id := range ids {
			var err error
			if two[i], err = ws.Get(ctx, noun, id); err != nil {
				return nil, err
			}
		}
		return two, nil
	})
}

// Update takes the results of loads and of what was decided.
func (s *Pair) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		if !s.acting.Busy() {
			return s.Init()
		}
	case screen.LoadedMsg:
		switch {
		case s.load.Take(m):
			return s.applyLoaded(m)
		case s.acting.Take(m):
			if m.Err != nil {
				return screen.Fail(m.Err)
			}
			return tea.Batch(screen.Notice(m.Value.(string)), screen.Back)
		}
	}
	return nil
}

func (s *Pair) applyLoaded(m screen.LoadedMsg) tea.Cmd {
	s.loaded, s.err = true, m.Err
	if m.Err != nil {
		return screen.Fail(m.Err)
	}
	s.two = m.Value.([2]*model.Record)
	s.fields = nil
	e := model.EntityOf(s.noun)
	for i := range e.Fields {
		f := &e.Fields[i]
		if said(s.two[0].Values[f.Name]) || said(s.two[1].Values[f.Name]) {
			s.fields = append(s.fields, f)
		}
	}
	s.row = max(0, min(s.row, len(s.fields)-1))
	return nil
}

// said tells whether a value says something: an absent one and a plain no do
// not.
func said(v any) bool {
	if list, isList := v.([]*model.Record); isList {
		return len(list) > 0
	}
	return v != nil && v != false
}

// open tells whether there are two living records to decide about.
func (s *Pair) open() bool {
	return s.loaded && s.err == nil && s.two[0].DeletedAt.IsZero() && s.two[1].DeletedAt.IsZero()
}

// Do carries out the actions of the page.
func (s *Pair) Do(a keymap.Action) (tea.Cmd, bool) {
	if row, moved := screen.Scroll(a, s.row, 10, len(s.fields)); moved {
		s.row = row
		return nil, true
	}
	switch a {
	case keymap.Left:
		s.side = 0
	case keymap.Right:
		s.side = 1
	case keymap.TakeMine:
		return s.merge(0)
	case keymap.TakeTheirs:
		return s.merge(1)
	case keymap.KeepBoth:
		return s.keep()
	case keymap.Open:
		return screen.OpenRef(s.here())
	default:
		return nil, false
	}
	return nil, true
}

// Can tells whether an action would do something here and now.
func (s *Pair) Can(a keymap.Action) bool {
	switch a {
	case keymap.TakeMine, keymap.TakeTheirs, keymap.KeepBoth:
		return s.open()
	case keymap.Open:
		return !s.here().IsZero()
	}
	return true
}

// merge joins the other record into the one on a side, after a question.
func (s *Pair) merge(side int) (tea.Cmd, bool) {
	if !s.open() {
		return nil, false
	}
	ws, noun, keep, other := s.env.Workspace, s.noun, s.two[side], s.two[1-side]
	undo := s.env.Keys.KeyOf(keymap.Undo, keymap.Global)
	ask := screen.AskMsg{Title: "Merge two records?", Yes: "Merge",
		Text: keep.Title() + " (" + keep.ID.Short() + ") stays and gets the phones, e-mails, tags, deals and activities of the other one and, where it is empty, its values. " +
			other.Title() + " (" + other.ID.Short() + ") goes to the bin. " + undo + " takes it back.",
		Do: func(string) tea.Cmd {
			return s.acting.Load(func(ctx context.Context) (any, error) {
				_, err := ws.Merge(ctx, noun, keep.ID, other.ID)
				return "Merged into " + keep.Title() + ". " + undo + " takes it back.", err
			})
		}}
	return func() tea.Msg { return ask }, true
}

// keep says that they are two.
func (s *Pair) keep() (tea.Cmd, bool) {
	if !s.open() {
		return nil, false
	}
	ws, noun, ids := s.env.Workspace, s.noun, s.ids
	return s.acting.Load(func(ctx context.Context) (any, error) {
		return "Kept as two. Nobody is asked about them again.", ws.Distinct(ctx, noun, ids[0], ids[1])
	}), true
}

// About is the record on the chosen side.
func (s *Pair) About() model.Ref { return screen.AboutRef(s.here()) }

func (s *Pair) here() model.Ref {
	if r := s.two[s.side]; r != nil {
		return model.Ref{Noun: r.Noun, ID: r.ID, Name: r.Title()}
	}
	return model.Ref{}
}

// View draws the two records.
func (s *Pair) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	th := s.env.Theme
	switch {
	case !s.loaded:
		return draw.View(nil, s.Width, s.Height)
	case s.err != nil:
		return draw.View(append([]string{""}, draw.Paragraph(th.Danger, draw.Error(s.err), s.Width)...), s.Width, s.Height)
	case !s.open():
		return draw.View(append([]string{""}, draw.Paragraph(th.Muted, "One of the two is in the bin: there is nothing to decide.", s.Width)...), s.Width, s.Height)
	}
	lines := s.intro()
	h := max(1, s.Height-len(lines))
	top := draw.Window(0, s.row, len(s.fields), h)
	for i := top; i < min(top+h, len(s.fields)); i++ {
		lines = append(lines, s.line(i))
	}
	return draw.View(lines, s.Width, s.Height)
}

// widths of the labels and of each record.
func (s *Pair) widths() (label, value int) {
	label = min(18, s.Width/4)
	return label, max(1, (s.Width-6-label)/2)
}

// intro says what is asked and names the two.
func (s *Pair) intro() []string {
	th, now := s.env.Theme, s.env.Now()
	label, w := s.widths()
	key := func(a keymap.Action) string { return s.env.Keys.KeyOf(a, keymap.Duplicate, keymap.Global) }
	lines := []string{draw.Heading(th, "Possible duplicate · "+string(s.noun), "", s.Width, false)}
	lines = append(lines, draw.Paragraph(th.Muted, "Are they the same? "+key(keymap.TakeMine)+" merges into the left one, "+key(keymap.TakeTheirs)+
		" into the right one, "+key(keymap.KeepBoth)+" keeps both.", s.Width)...)
	head, made := "    "+draw.Fit("", label), "    "+draw.Fit("", label)
	for i, r := range s.two {
		style, mark := th.Strong, ""
		if i == s.side {
			style, mark = th.Accent.Bold(true), "› "
		}
		head += " " + style.Render(draw.Fit(mark+model.Visible(r.Title()), w))
		note := r.ID.Short() + ", made " + draw.Ago(r.CreatedAt, now)
		if r.CreatedBy != "" {
			note += " by " + model.Visible(r.CreatedBy)
		}
		made += " " + th.Muted.Render(draw.Fit(note, w))
	}
	return append(lines, "", draw.Fit(head, s.Width), draw.Fit(made, s.Width), "")
}

// line draws one field of both; a sign tells where they differ.
func (s *Pair) line(i int) string {
	th, now := s.env.Theme, s.env.Now()
	label, w := s.widths()
	f := s.fields[i]
	values := [2]string{shown(f, s.two[0], now), shown(f, s.two[1], now)}
	mark, style := "  ", th.Muted
	if values[0] != values[1] {
		mark, style = "≠ ", th.Text
	}
	cursor := "  "
	if i == s.row {
		cursor = th.Accent.Render("› ")
	}
	line := cursor + th.Warn.Render(mark) + th.Muted.Render(draw.Fit(f.Label, label))
	for _, v := range values {
		line += " " + style.Render(draw.Fit(v, w))
	}
	return draw.Fit(line, s.Width)
}

// shown writes a field of a record; of a list what each item says.
func shown(f *model.Field, r *model.Record, now time.Time) string {
	if f.Type != model.List {
		return draw.Value(r.Values[f.Name], now)
	}
	var items []string
	for _, p := range r.List(f.Name) {
		item := model.Visible(p.Ref(f.Target).Name)
		for _, name := range []string{"value", "street", "postcode", "city", "country"} {
			if v := model.Visible(p.Text(name)); v != "" {
				item = strings.TrimSpace(item + " " + v)
			}
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return draw.Value(nil, now)
	}
	return strings.Join(items, ", ")
}

// Title is the page's name.
func (s *Pair) Title() string { return "Possible duplicate" }

// Scope is where its keys are looked up.
func (s *Pair) Scope() keymap.Scope { return keymap.Duplicate }
