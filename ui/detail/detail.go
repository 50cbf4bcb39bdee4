// Package detail shows one record with everything on it: its fields, the
// records that link to it and its timeline; and the history of its changes.
//
// Promises: what is shown comes from the declaration; a record that changes
// while it is shown is read again without moving the cursor; next and previous
// follow the list that the record was opened from.
package detail

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// How much of what belongs to a record is read.
const (
	relatedLimit  = 12
	timelineLimit = 200
)

// Detail is the page of one record. See New.
type Detail struct {
	screen.Still
	env    *screen.Env
	entity *model.Entity
	id     model.ID
	query  model.Query // the list it was opened from; no noun if none

	loader *screen.Loader
	step   int // records still to go to the next (or, below zero, previous) one
	data   *data
	err    error

	parts []part
	focus int
	tops  [2]int // first line seen of each column
}

// data is what is read of a record.
type data struct {
	rec     *model.Record
	related []related
	events  []model.Event
	edge    bool // there was no further record in the list
}

type related struct {
	entity *model.Entity
	recs   []*model.Record
}

// New returns the page of the record m.ID.
func New(env *screen.Env, m screen.OpenMsg) *Detail {
	e := model.EntityOf(m.Noun)
	if e == nil {
		e = model.EntityOf("contact")
	}
	d := &Detail{env: env, entity: e, id: m.ID, loader: screen.NewLoader(env.Context)}
	if m.Query.Noun == e.Noun {
		d.query = m.Query
	}
	return d
}

// Init implements screen.Screen.
func (d *Detail) Init() tea.Cmd { return d.load(0) }

// load reads the record, or the one that is so many steps further in its list.
func (d *Detail) load(steps int) tea.Cmd {
	ws, e, id, q := d.env.Workspace, d.entity, d.id, d.query
	return d.loader.Load(func(ctx context.Context) (any, error) {
		out := &data{}
		if steps != 0 {
			next, err := neighbour(ctx, ws, q, id, steps)
			if err != nil {
				return nil, err
			}
			if next == "" {
				out.edge = true
				return out, nil
			}
			id = next
		}
		var err error
		if out.rec, err = ws.Get(ctx, e.Noun, id); err != nil {
			return nil, err
		}
		for _, of := range linking(e.Noun) {
			recs, err := ws.Related(ctx, e.Noun, id, of.Noun, relatedLimit)
			if err != nil {
				return nil, err
			}
			if len(recs) > 0 {
				out.related = append(out.related, related{of, recs})
			}
		}
		out.events, err = ws.Timeline(ctx, e.Noun, id, timelineLimit)
		return out, err
	})
}

// neighbour finds the record that is steps after (or before) another in a
// list, "" at its ends.
func neighbour(ctx context.Context, ws model.Reader, q model.Query, id model.ID, steps int) (model.ID, error) {
	q.Short = true
	q.Around, q.Limit = id, 60+max(steps, 0)
	p, err := ws.List(ctx, q)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(p.Items, func(r *model.Record) bool { return r.ID == id })
	if at < 0 {
		return "", nil
	}
	if want := at + steps; want < 0 && p.Prev != "" {
		q.Around, q.Before, q.Limit = "", p.Prev, -want
		b, err := ws.List(ctx, q)
		if err != nil || len(b.Items) < -want {
			return "", err
		}
		return b.Items[0].ID, nil
	} else if want >= 0 && want < len(p.Items) {
		return p.Items[want].ID, nil
	}
	return "", nil
}

// linking are the entities whose records link to those of a noun, by
// themselves or by a part. Activities stand in the timeline.
func linking(n model.Noun) []*model.Entity {
	var out []*model.Entity
	for _, e := range model.Records() {
		if e.Noun != "activity" && links(e, n) {
			out = append(out, e)
		}
	}
	return out
}

func links(e *model.Entity, n model.Noun) bool {
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type == model.Link && slices.Contains(f.To, n) || f.Type == model.List && links(model.EntityOf(f.Part), n) {
			return true
		}
	}
	return false
}

// Title implements screen.Screen.
func (d *Detail) Title() string {
	if d.data == nil {
		return d.entity.Title
	}
	return d.data.rec.Title()
}

// Scope implements screen.Screen.
func (d *Detail) Scope() keymap.Scope { return keymap.Detail }

// About implements screen.Screen.
func (d *Detail) About() model.Ref {
	if d.data == nil {
		return model.Ref{}
	}
	return screen.AboutOf(d.data.rec)
}

// Update implements screen.Screen.
func (d *Detail) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.LoadedMsg:
		if d.loader.Take(m) {
			return d.apply(m)
		}
	case screen.ChangedMsg:
		if d.step == 0 {
			return d.load(0)
		}
	}
	return nil
}

func (d *Detail) apply(m screen.LoadedMsg) tea.Cmd {
	stepped := d.step != 0
	d.step = 0
	if d.err = m.Err; m.Err != nil {
		if d.data != nil && !stepped && model.KindOf(m.Err) == model.NotFound {
			// It was here a moment ago: what is shown must go as well.
			d.data, d.parts, d.focus = nil, nil, 0
			return screen.Notice("this record is gone: it was removed, or moved to where you may not see it")
		}
		return screen.Fail(m.Err)
	}
	got := m.Value.(*data)
	if got.edge {
		return screen.Notice("there is no further record in this list")
	}
	fresh := d.data == nil || got.rec.ID != d.id
	var told tea.Cmd
	if moved := got.rec.ID != d.id; moved {
		seen := screen.SeenMsg{Query: d.query, ID: got.rec.ID}
		told = func() tea.Msg { return seen }
	}
	d.data, d.id = got, got.rec.ID
	was := d.parts
	d.parts = d.build()
	if fresh {
		d.tops = [2]int{}
		d.focus = min(d.focus, len(d.parts)-1)
		return told
	}
	for i := range d.parts {
		for j := range was {
			if was[j].title == d.parts[i].title {
				d.parts[i].cur = max(0, min(was[j].cur, len(d.parts[i].items)-1))
			}
		}
	}
	d.focus = min(d.focus, len(d.parts)-1)
	return nil
}

// go to the next or previous record; steps pile up while one is read.
func (d *Detail) advance(by int) tea.Cmd {
	d.step += by
	if d.step == 0 {
		return d.load(0)
	}
	return d.load(d.step)
}

// move moves the cursor by items, over the borders of parts.
func (d *Detail) move(by int) {
	for ; by != 0 && len(d.parts) > 0; by -= sign(by) {
		p := &d.parts[d.focus]
		next := p.cur + sign(by)
		switch {
		case next >= 0 && next < len(p.items):
			p.cur = next
		case by > 0 && d.focus+1 < len(d.parts):
			d.focus++
			d.parts[d.focus].cur = 0
		case by < 0 && d.focus > 0:
			d.focus--
			d.parts[d.focus].cur = max(0, len(d.parts[d.focus].items)-1)
		}
	}
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// item returns what is under the cursor, nil if nothing is.
func (d *Detail) item() *item {
	if d.focus >= len(d.parts) {
		return nil
	}
	p := &d.parts[d.focus]
	if p.cur >= len(p.items) {
		return nil
	}
	return &p.items[p.cur]
}

// Click implements screen.Clicker: nothing can be clicked by place.
func (d *Detail) Click(_, _ int, double bool) tea.Cmd {
	if double {
		cmd, _ := d.Do(keymap.Open)
		return cmd
	}
	return nil
}

// Wheel implements screen.Clicker.
func (d *Detail) Wheel(_, _, by int) tea.Cmd {
	d.move(by)
	return nil
}

// recordText is the record as lines of label and value.
func (d *Detail) recordText() string {
	var lines []string
	for _, it := range d.parts[0].items {
		lines = append(lines, strings.TrimSpace(it.label+"\t"+it.copy))
	}
	return strings.Join(lines, "\n")
}

// Working implements screen.Worker.
func (d *Detail) Working() string {
	if d.loader.Busy() {
		return "reading"
	}
	return ""
}
