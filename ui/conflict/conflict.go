// Package conflict settles what two people changed at once in one record: for
// each field what it was, what I made of it and what they made of it.
//
// Promises: nothing is decided by itself; choices are stored one after the
// other in the order in which they were made; both values stand in the history
// whatever is chosen.
package conflict

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// Screen shows one conflict.
type Screen struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	saving *screen.Loader

	id     model.ID
	it     model.Conflict
	loaded bool
	gone   bool
	err    error
	row    int
	chosen []string // of each field: "", "mine", "theirs", or the value that was typed
	queue  []choice // the first one is being stored
}

// choice settles one field, or all that are open.
type choice struct {
	field int // -1 for all
	what  model.Settlement
	says  string
}

// New returns the conflict that m.ID names.
func New(env *screen.Env, m screen.OpenMsg) screen.Screen {
	return &Screen{env: env, id: m.ID, load: screen.NewLoader(env.Context), saving: screen.NewLoader(env.Context)}
}

// Init loads the conflict.
func (s *Screen) Init() tea.Cmd { return s.reload() }

func (s *Screen) reload() tea.Cmd {
	ws := s.env.Workspace
	return s.load.Load(func(ctx context.Context) (any, error) { return ws.Conflicts(ctx) })
}

// Update takes the results of loads and settlements.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		if len(s.queue) == 0 && !s.settled() {
			return s.reload()
		}
	case screen.LoadedMsg:
		switch {
		case s.load.Take(m):
			return s.applyLoaded(m)
		case s.saving.Take(m):
			return s.applySaved(m)
		}
	}
	return nil
}

// applyLoaded shows the conflict. After the last field was settled it goes on
// to the next conflict, or back.
func (s *Screen) applyLoaded(m screen.LoadedMsg) tea.Cmd {
	s.err = m.Err
	if m.Err != nil {
		s.loaded = true
		return screen.Fail(m.Err)
	}
	all := m.Value.([]model.Conflict)
	if s.settled() {
		return s.onward(all)
	}
	i := slices.IndexFunc(all, func(c model.Conflict) bool { return c.ID == s.id })
	first := !s.loaded
	s.loaded, s.gone = true, i < 0
	switch {
	case i < 0:
	case first:
		s.it = all[i]
		s.chosen = make([]string, len(s.it.Fields))
	default:
		s.refresh(all[i])
	}
	return nil
}

// refresh takes over what changed in the fields that are open. A field that is
// no longer among them was settled elsewhere.
func (s *Screen) refresh(now model.Conflict) {
	for i, f := range s.it.Fields {
		j := slices.IndexFunc(now.Fields, func(g model.ConflictField) bool { return g.Field == f.Field && g.Part == f.Part })
		switch {
		case j >= 0 && s.chosen[i] == "":
			s.it.Fields[i] = now.Fields[j]
		case j < 0 && s.chosen[i] == "":
			s.chosen[i] = "settled elsewhere"
		}
	}
	for _, g := range now.Fields {
		if !slices.ContainsFunc(s.it.Fields, func(f model.ConflictField) bool { return f.Field == g.Field && f.Part == g.Part }) {
			s.it.Fields, s.chosen = append(s.it.Fields, g), append(s.chosen, "")
		}
	}
}

// onward opens the next conflict in place of this one, or goes back.
func (s *Screen) onward(all []model.Conflict) tea.Cmd {
	for _, c := range all {
		if c.ID != s.id {
			return tea.Batch(screen.Notice("Settled. "+draw.Plural(int64(len(all)), "conflict is", "conflicts are")+" left."),
				screen.Open(screen.OpenMsg{Kind: screen.Conflict, ID: c.ID, Replace: true}))
		}
	}
	return tea.Batch(screen.Notice("Settled. It goes to the central with the next sync."), screen.Back)
}

// settled tells whether every field has its answer and all are stored.
func (s *Screen) settled() bool {
	return s.loaded && !s.gone && len(s.queue) == 0 && len(s.chosen) > 0 && !slices.Contains(s.chosen, "")
}

func (s *Screen) applySaved(m screen.LoadedMsg) tea.Cmd {
	if m.Err != nil {
		for _, c := range s.queue {
			s.unmark(c)
		}
		s.queue = nil
		return tea.Batch(screen.Fail(m.Err), s.reload())
	}
	s.queue = s.queue[1:]
	if len(s.queue) > 0 {
		return s.store()
	}
	if s.settled() {
		return s.reload()
	}
	return nil
}

// meant tells whether a choice is about a field: about all of them, or about
// those of its name, which are several where parts of one list clash.
func (s *Screen) meant(c choice, i int) bool {
	return c.field < 0 || s.it.Fields[i].Field == c.what.Field
}

func (s *Screen) unmark(c choice) {
	for i := range s.chosen {
		if s.meant(c, i) && s.chosen[i] == c.says {
			s.chosen[i] = ""
		}
	}
}

func (s *Screen) store() tea.Cmd {
	ws, id, what := s.env.Workspace, s.id, s.queue[0].what
	return s.saving.Load(func(ctx context.Context) (any, error) {
		return nil, ws.Settle(ctx, id, []model.Settlement{what})
	})
}

// settle marks a choice at once and stores it after those before it.
func (s *Screen) settle(c choice) tea.Cmd {
	for i := range s.chosen {
		if s.meant(c, i) && s.chosen[i] == "" {
			s.chosen[i] = c.says
		}
	}
	if i := slices.Index(s.chosen, ""); i >= 0 && c.field >= 0 {
		s.row = i
		if j := slices.Index(s.chosen[c.field:], ""); j >= 0 {
			s.row = c.field + j
		}
	}
	s.queue = append(s.queue, c)
	if len(s.queue) > 1 {
		return nil
	}
	return s.store()
}

// take settles the field under the cursor, or all open ones, for one side.
func (s *Screen) take(side string, all bool) (tea.Cmd, bool) {
	switch {
	case s.row >= len(s.it.Fields) || !slices.Contains(s.chosen, ""):
		return nil, false
	case all:
		return s.settle(choice{field: -1, what: model.Settlement{Take: side}, says: side}), true
	case s.chosen[s.row] != "":
		return screen.Notice("This field is settled already."), true
	}
	return s.settle(choice{field: s.row, what: model.Settlement{Field: s.it.Fields[s.row].Field, Take: side}, says: side}), true
}

// declared is the field that is settled: the record's, or a text where the
// value belongs to a part.
func (s *Screen) declared(f model.ConflictField) *model.Field {
	if e := model.EntityOf(s.it.Noun); e != nil && f.Part == "" {
		if d := e.Field(f.Field); d != nil {
			return d
		}
	}
	return &model.Field{Name: f.Field, Label: s.label(f), Type: model.Text}
}

func (s *Screen) label(f model.ConflictField) string {
	if e := model.EntityOf(s.it.Noun); e != nil {
		if d := e.Field(f.Field); d != nil {
			return d.Label
		}
	}
	return f.Field
}

// edit asks for a value that is neither mine nor theirs.
func (s *Screen) edit() (tea.Cmd, bool) {
	if s.row >= len(s.it.Fields) || s.chosen[s.row] != "" {
		return nil, false
	}
	i, f := s.row, s.it.Fields[s.row]
	d, env := s.declared(f), s.env.Values()
	ask := screen.AskMsg{Title: s.label(f), Text: "of " + s.it.Title + ": a value that takes the place of both.", Yes: "Set", Input: s.label(f),
		Value: model.FormatValue(f.Mine),
		Do: func(text string) tea.Cmd {
			v, err := model.ParseValue(d, text, env)
			if err == nil {
				err = model.ValidateValue(d, v)
			}
			if err != nil {
				return screen.Fail(model.Errorf(model.Invalid, "%s: %v", d.Label, err))
			}
			if i >= len(s.chosen) || s.chosen[i] != "" {
				return screen.Notice("This field is settled already.")
			}
			says := draw.Value(v, env.Now)
			return s.settle(choice{field: i, what: model.Settlement{Field: f.Field, Value: v}, says: says})
		}}
	return func() tea.Msg { return ask }, true
}

// Do carries out the actions of the conflict.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	if row, moved := screen.Scroll(a, s.row, 5, len(s.it.Fields)); moved {
		s.row = row
		return nil, true
	}
	switch a {
	case keymap.TakeMine:
		return s.take("mine", false)
	case keymap.TakeTheirs:
		return s.take("theirs", false)
	case keymap.AllMine:
		return s.take("mine", true)
	case keymap.AllTheirs:
		return s.take("theirs", true)
	case keymap.Edit:
		return s.edit()
	case keymap.Open:
		return screen.OpenRef(s.here())
	}
	return nil, false
}

// Can tells whether an action would do something here and now.
func (s *Screen) Can(a keymap.Action) bool {
	switch a {
	case keymap.TakeMine, keymap.TakeTheirs, keymap.Edit:
		return s.row < len(s.chosen) && s.chosen[s.row] == ""
	case keymap.AllMine, keymap.AllTheirs:
		return slices.Contains(s.chosen, "")
	case keymap.Open:
		return !s.here().IsZero()
	}
	return true
}

// About is the record, where something can be about it.
func (s *Screen) About() model.Ref { return screen.AboutRef(s.here()) }

func (s *Screen) here() model.Ref {
	if !s.loaded || s.it.Record == "" {
		return model.Ref{}
	}
	return model.Ref{Noun: s.it.Noun, ID: s.it.Record, Name: s.it.Title}
}

// Title is the page's name.
func (s *Screen) Title() string {
	if s.it.Title != "" {
		return "Conflict: " + s.it.Title
	}
	return "Conflict"
}

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Conflict }
