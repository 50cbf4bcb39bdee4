// Package form edits one record: a field for each declared one, lists as lines
// that grow, links found while they are typed.
//
// Promises: only what was changed is saved, so two people who edit different
// fields do not touch each other's; text is kept byte for byte; a rule that is
// broken is told at its field, and nothing typed is lost by it.
package form

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// Form is the page on which a record is made or changed. See New.
type Form struct {
	env    *screen.Env
	entity *model.Entity
	id     model.ID // empty for a new record
	set    map[string]any

	rec    *model.Record // what the fields began with
	rows   []*row
	lines  []line
	focus  *slot
	loader *screen.Loader
	search *screen.Loader
	watch  *screen.Loader
	under  under
	stages []model.Ref // what links to parts can point to, in order
	owners map[model.ID]model.ID

	loadErr error
	note    string // what the save failed with
	saving  bool
	saved   bool
	gen     int // of the search that waits for the next letter

	w, h, top int
	cursor    *tea.Cursor
}

// savedMsg is the end of a save.
type savedMsg struct {
	form *Form
	rec  *model.Record
	err  error
}

// searchDueMsg begins the search for a link, if nothing was typed since.
type searchDueMsg struct {
	form *Form
	gen  int
}

// loaded is what is read before a record is edited.
type loaded struct {
	rec    *model.Record // nil for a new record
	me     model.Ref
	stages []model.Ref
	owners map[model.ID]model.ID // the pipeline of each stage
}

// New returns the form for the record m.ID, or for a new one that begins with
// the values of m.Set.
func New(env *screen.Env, m screen.OpenMsg) *Form {
	e := model.EntityOf(m.Noun)
	if e == nil {
		e = model.EntityOf("contact")
	}
	f := &Form{env: env, entity: e, id: m.ID, set: m.Set,
		loader: screen.NewLoader(env.Context), search: screen.NewLoader(env.Context), watch: screen.NewLoader(env.Context)}
	if f.id == "" {
		f.rec = model.NewRecord(e.Noun)
		f.build()
		f.begin()
	}
	return f
}

// begin fills in what a new record starts with. It counts as typed, so that it
// is saved.
func (f *Form) begin() {
	for _, r := range f.rows {
		v, ok := f.set[r.field.Name]
		if !ok {
			v = r.field.Default
		}
		if v == nil {
			continue
		}
		if parts, is := v.([]*model.Record); is {
			for _, p := range parts {
				r.insert(f, p, len(r.parts)-1)
			}
			continue
		}
		if r.own != nil {
			r.own.fill(v, f.env)
		}
	}
	f.arrange()
}

// Init implements screen.Screen.
func (f *Form) Init() tea.Cmd {
	ws, e, id := f.env.Workspace, f.entity, f.id
	return f.loader.Load(func(ctx context.Context) (any, error) {
		out := &loaded{owners: map[model.ID]model.ID{}}
		var err error
		if id != "" {
			if out.rec, err = ws.Get(ctx, e.Noun, id); err != nil {
				return nil, err
			}
		}
		for _, of := range partOwners(e) {
			if err := out.addParts(ctx, ws, of); err != nil {
				return nil, err
			}
		}
		if me := ws.Settings().Me; id == "" && me != "" {
			// Whoever is not known as a user owns nothing.
			if uid, err := ws.Find(ctx, "user", me); err == nil {
				if u, err := ws.Get(ctx, "user", uid); err == nil {
					out.me = model.Ref{Noun: "user", ID: uid, Name: u.Title()}
				}
			}
		}
		return out, nil
	})
}

// partOwners are the entities whose parts the entity links to, as a deal links
// to a stage of a pipeline.
func partOwners(e *model.Entity) []*model.Entity {
	var out []*model.Entity
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type != model.Link {
			continue
		}
		if to := model.EntityOf(f.To[0]); to.IsPart() {
			out = append(out, model.EntityOf(to.Owner[0]))
		}
	}
	return out
}

func (l *loaded) addParts(ctx context.Context, ws model.Reader, of *model.Entity) error {
	p, err := ws.List(ctx, model.Query{Noun: of.Noun})
	if err != nil {
		return err
	}
	for _, r := range p.Items {
		for _, list := range of.Lists() {
			for _, part := range r.List(list.Name) {
				l.stages = append(l.stages, model.Ref{Noun: part.Noun, ID: part.ID, Name: part.Title()})
				l.owners[part.ID] = r.ID
			}
		}
	}
	return nil
}

func (f *Form) apply(m screen.LoadedMsg) tea.Cmd {
	if f.loadErr = m.Err; m.Err != nil {
		return screen.Fail(m.Err)
	}
	got := m.Value.(*loaded)
	f.stages, f.owners = got.stages, got.owners
	if got.rec != nil && f.rec == nil {
		f.rec = got.rec
		f.build()
		f.arrange()
		return nil
	}
	// The owner of a new record is the person, unless they chose another.
	for _, r := range f.rows {
		if s := r.own; s != nil && s.of.Policy == model.Ask && s.of.Type == model.Link && s.of.To[0] == "user" &&
			s.in.Value() == "" && s != f.focus && got.me.ID != "" {
			s.fill(got.me, f.env)
		}
	}
	return nil
}

// SetSize implements screen.Screen.
func (f *Form) SetSize(w, h int) {
	f.w, f.h = w, h
	if f.rec != nil {
		f.arrange()
	}
}

// Title implements screen.Screen.
func (f *Form) Title() string {
	if f.id == "" {
		return "New " + strings.ToLower(f.entity.Title)
	}
	if f.rec == nil {
		return "Edit"
	}
	return "Edit " + f.rec.Title()
}

// Scope implements screen.Screen.
func (f *Form) Scope() keymap.Scope { return keymap.Form }

// Typing implements screen.Screen.
func (f *Form) Typing() bool { return true }

// Dirty implements screen.Screen.
func (f *Form) Dirty() bool {
	if f.saved {
		return false
	}
	for _, r := range f.rows {
		if r.touched() {
			return true
		}
	}
	return false
}

// Cursor implements screen.Screen.
func (f *Form) Cursor() *tea.Cursor { return f.cursor }

// About implements screen.Screen.
func (f *Form) About() model.Ref {
	if f.id == "" || f.rec == nil {
		return model.Ref{}
	}
	return screen.AboutOf(f.rec)
}

// Update implements screen.Screen.
func (f *Form) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.LoadedMsg:
		if f.loader.Take(m) {
			return f.apply(m)
		}
		if f.search.Take(m) {
			return f.found(m)
		}
		if f.watch.Take(m) {
			f.applyLook(m.Value, m.Err)
		}
	case screen.ChangedMsg:
		return f.look()
	case savedMsg:
		if m.form == f {
			return f.applySaved(m)
		}
	case searchDueMsg:
		if m.form == f && m.gen == f.gen {
			return f.startSearch()
		}
	case tea.KeyPressMsg, tea.PasteMsg:
		return f.typed(msg)
	}
	return nil
}

// Can implements screen.Chooser.
func (f *Form) Can(a keymap.Action) bool {
	switch a {
	case keymap.AddItem, keymap.DeleteItem:
		return f.focus != nil && f.focus.row.list()
	case keymap.Choose:
		return f.focus != nil && (f.focus.of.Type == model.Link || len(f.focus.of.Options) > 0)
	}
	return true
}

// Do implements screen.Screen.
func (f *Form) Do(a keymap.Action) (tea.Cmd, bool) {
	s := f.focus
	switch {
	case a == keymap.Cancel:
		if s != nil && s.open {
			s.close()
			return nil, true
		}
		return screen.Back, true
	case s == nil || f.saving:
		return nil, true
	case a == keymap.Save:
		return f.save(), true
	}
	if !f.Can(a) {
		return nil, false
	}
	switch a {
	case keymap.NextField:
		return f.leave(1), true
	case keymap.PrevField:
		return f.leave(-1), true
	case keymap.Open:
		return f.enter(s)
	case keymap.Down, keymap.Up:
		by := map[keymap.Action]int{keymap.Down: 1, keymap.Up: -1}[a]
		switch {
		case s.open:
			s.at = max(0, min(s.at+by, len(s.picks)-1))
			return nil, true
		case s.in.Multi && (by > 0 && !s.in.AtEnd() || by < 0 && !s.in.AtStart()):
			return nil, false
		}
		return f.leaveLine(by), true
	case keymap.Choose:
		return f.choose(s), true
	case keymap.AddItem:
		f.addItem(s.row)
		return nil, true
	case keymap.DeleteItem:
		f.removeItem(s)
		return nil, true
	}
	return nil, false
}

// enter takes the proposal, adds an item, or goes on to the next field.
func (f *Form) enter(s *slot) (tea.Cmd, bool) {
	switch {
	case s.open && len(s.picks) > 0:
		s.take(s.picks[s.at], f.env)
		f.grow(s.row)
		return f.leave(1), true
	case s.kind == adder:
		f.addItem(s.row)
		return nil, true
	case s.in.Multi:
		return nil, false
	}
	return f.leave(1), true
}

// typed gives keys and pastes to the field with the cursor.
func (f *Form) typed(msg tea.Msg) tea.Cmd {
	s := f.focus
	if s == nil || f.saving {
		return nil
	}
	before := s.in.Value()
	if !s.update(msg) {
		return nil
	}
	s.err, f.note = "", ""
	if s.in.Value() == before {
		return nil
	}
	f.grow(s.row)
	if s.of.Type != model.Link {
		s.close()
		return nil
	}
	s.ref = model.Ref{}
	f.gen++
	return f.env.Later(searchPause, searchDueMsg{f, f.gen})
}
