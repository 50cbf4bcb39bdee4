// Package start is the page a person opens first in the morning: what is due,
// how the pipeline stands, which deals need attention, where the sync stands,
// and what happened last.
//
// Promises: everything comes from one load; marking a task done shows at once
// and is put back, with a notice, if it could not be stored.
package start

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// part is one part of the page.
type part int

const (
	tasks part = iota
	attention
	pipeline
	state
	recent
	parts
)

// Screen is the start page.
type Screen struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	saving *screen.Loader

	data   model.Overview
	status model.Status
	loaded bool
	err    error

	at    part
	row   [parts]int
	spots []spot // where the parts were drawn last
	// done is the status of tasks that were changed here. One that is done
	// stays on the page, so that a slip is taken back by the same key.
	done  map[model.ID]string
	queue []change // the first one is being stored
}

// loadedData is what a load answers.
type loadedData struct {
	overview model.Overview
	status   model.Status
}

// latest is how many activities stand in for the recent changes of a workspace
// that nobody changed yet.
const latest = 10

// change is a task that gets another status.
type change struct {
	id model.ID
	to string
}

// New returns the start page.
func New(env *screen.Env, _ screen.OpenMsg) screen.Screen {
	return &Screen{env: env, load: screen.NewLoader(env.Context), saving: screen.NewLoader(env.Context), done: map[model.ID]string{}}
}

// Init loads the page.
func (s *Screen) Init() tea.Cmd { return s.reload() }

func (s *Screen) reload() tea.Cmd {
	ws, now := s.env.Workspace, s.env.Now()
	return s.load.Load(func(ctx context.Context) (any, error) {
		o, err := ws.Overview(ctx, now)
		if err != nil {
			return nil, err
		}
		if len(o.Recent) == 0 && o.Counts["activity"] > 0 {
			if o.Recent, err = lastActivities(ctx, ws, now); err != nil {
				return nil, err
			}
		}
		st, err := ws.Status(ctx, false)
		return loadedData{o, st}, err
	})
}

// lastActivities are the last calls, meetings and tasks that were done.
func lastActivities(ctx context.Context, ws model.Reader, now time.Time) ([]model.Event, error) {
	p, err := ws.List(ctx, model.Query{Noun: "activity", Short: true, Limit: latest, Sort: []model.SortKey{{Field: "due_at", Desc: true}},
		Filter: []model.Condition{{Field: "status", Op: model.Equal, Value: "done"}, {Field: "due_at", Op: model.Less, Value: model.FormatTime(now)}}})
	var out []model.Event
	for _, r := range p.Items {
		e := model.Event{At: r.Time("due_at"), Noun: r.Noun, ID: r.ID, Kind: r.Text("kind"), Title: r.Title()}
		for _, l := range r.List("about") {
			e.About = append(e.About, l.Ref("record"))
		}
		out = append(out, e)
	}
	return out, err
}

// Update takes the results of loads and the news that records changed.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg, screen.SyncedMsg:
		return s.reload()
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

func (s *Screen) applyLoaded(m screen.LoadedMsg) tea.Cmd {
	s.loaded, s.err = true, m.Err
	if m.Err != nil {
		return screen.Fail(m.Err)
	}
	d := m.Value.(loadedData)
	first, was := s.data.Counts == nil, s.data
	s.data, s.status = d.overview, d.status
	s.data.Tasks = s.keep(was.Tasks, s.data.Tasks)
	s.data.Upcoming = s.keep(was.Upcoming, s.data.Upcoming)
	for p := range parts {
		s.row[p] = max(0, min(s.row[p], s.rows(p)-1))
	}
	if first && s.nothing() {
		return screen.Open(screen.OpenMsg{Kind: screen.Welcome})
	}
	return nil
}

// nothing tells that the workspace holds no record of a customer and expects
// none from a central: what to begin with is the question then.
func (s *Screen) nothing() bool {
	c := s.data.Counts
	return c["contact"]+c["organization"]+c["deal"]+c["activity"] == 0 && s.status.Central == ""
}

// keep puts tasks that were done here back among those that are due, where they
// stood. What the store says of the others is taken over.
func (s *Screen) keep(was, now []*model.Record) []*model.Record {
	here := map[model.ID]bool{}
	for _, r := range now {
		here[r.ID] = true
		if len(s.queue) == 0 {
			delete(s.done, r.ID)
		}
	}
	out := slices.Clone(now)
	for i, r := range was {
		if s.done[r.ID] == "done" && !here[r.ID] {
			out = slices.Insert(out, min(i, len(out)), r)
		}
	}
	return out
}

// store stores the first change that waits.
func (s *Screen) store() tea.Cmd {
	ws, c := s.env.Workspace, s.queue[0]
	return s.saving.Load(func(ctx context.Context) (any, error) {
		_, err := ws.Save(ctx, model.Edit{Noun: "activity", ID: c.id, Set: map[string]any{"status": c.to}})
		return nil, err
	})
}

// applySaved goes on with the next change. A mark that could not be stored is
// taken back.
func (s *Screen) applySaved(m screen.LoadedMsg) tea.Cmd {
	c := s.queue[0]
	s.queue = s.queue[1:]
	var said tea.Cmd
	if m.Err != nil {
		delete(s.done, c.id)
		said = screen.Fail(m.Err)
	}
	if len(s.queue) > 0 {
		return tea.Batch(said, s.store())
	}
	return tea.Batch(said, s.reload())
}

// rows is how many rows of a part the cursor can stand on.
func (s *Screen) rows(p part) int {
	switch p {
	case tasks:
		return len(s.data.Tasks) + len(s.data.Upcoming)
	case attention:
		return len(s.data.Rotting)
	case recent:
		return len(s.data.Recent)
	}
	return 1
}

// task returns the task of a row: first those that are due, then the next
// ones.
func (s *Screen) task(i int) *model.Record {
	if n := len(s.data.Tasks); i < n {
		return s.data.Tasks[i]
	} else if i -= n; i < len(s.data.Upcoming) {
		return s.data.Upcoming[i]
	}
	return nil
}

// statusOf is a task's status, as changed here.
func (s *Screen) statusOf(r *model.Record) string {
	if st, ok := s.done[r.ID]; ok {
		return st
	}
	return r.Text("status")
}

// Do carries out the actions of the start page.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Down:
		s.move(1)
	case keymap.Up:
		s.move(-1)
	case keymap.PageDown:
		for range 5 {
			s.move(1)
		}
	case keymap.PageUp:
		for range 5 {
			s.move(-1)
		}
	case keymap.Top:
		s.at, s.row = 0, [parts]int{}
	case keymap.Bottom:
		s.at = parts - 1
		s.row[s.at] = max(0, s.rows(s.at)-1)
	case keymap.NextField:
		s.at = (s.at + 1) % parts
	case keymap.PrevField:
		s.at = (s.at + parts - 1) % parts
	case keymap.Open:
		return s.open()
	case keymap.Done:
		return s.toggle()
	default:
		return nil, false
	}
	return nil, true
}

// Can tells whether an action would do something here and now.
func (s *Screen) Can(a keymap.Action) bool {
	switch a {
	case keymap.Done:
		return s.at == tasks && s.task(s.row[tasks]) != nil
	case keymap.Open:
		return s.target().Kind != ""
	}
	return true
}

// move goes to the next or previous row, over the borders of parts.
func (s *Screen) move(by int) {
	at, row := screen.Step(s.at, s.row[s.at], by, parts, s.rows)
	s.at, s.row[at] = at, row
}

// target is what enter opens.
func (s *Screen) target() screen.OpenMsg {
	switch s.at {
	case tasks, attention, recent:
		if ref := s.here(); !ref.IsZero() {
			return screen.OpenMsg{Kind: screen.Detail, Noun: ref.Noun, ID: ref.ID}
		}
	case pipeline:
		return screen.OpenMsg{Kind: screen.Board}
	case state:
		return screen.OpenMsg{Kind: screen.Sync}
	}
	return screen.OpenMsg{}
}

func (s *Screen) open() (tea.Cmd, bool) {
	m := s.target()
	if m.Kind == "" {
		return nil, false
	}
	return screen.Open(m), true
}

// toggle marks the task under the cursor done, or open again.
func (s *Screen) toggle() (tea.Cmd, bool) {
	r := s.task(s.row[tasks])
	if s.at != tasks || r == nil {
		return nil, false
	}
	was := s.statusOf(r)
	now := "done"
	if was == "done" {
		now = "open"
	}
	s.done[r.ID] = now
	s.queue = append(s.queue, change{r.ID, now})
	if len(s.queue) > 1 {
		return nil, true
	}
	return s.store(), true
}

// here is the record under the cursor.
func (s *Screen) here() model.Ref {
	i := s.row[s.at]
	switch s.at {
	case tasks:
		if r := s.task(i); r != nil {
			return model.Ref{Noun: r.Noun, ID: r.ID, Name: r.Title()}
		}
	case attention:
		if i < len(s.data.Rotting) {
			r := s.data.Rotting[i]
			return model.Ref{Noun: r.Noun, ID: r.ID, Name: r.Title()}
		}
	case recent:
		if i < len(s.data.Recent) {
			return eventRef(s.data.Recent[i])
		}
	}
	return model.Ref{}
}

// About is what the record under the cursor is about, or that record.
func (s *Screen) About() model.Ref {
	if s.at == tasks {
		if r := s.task(s.row[tasks]); r != nil {
			return screen.AboutOf(r)
		}
	}
	return screen.AboutRef(s.here())
}

// eventRef is the record that a line of the recent activity leads to.
func eventRef(e model.Event) model.Ref {
	if len(e.About) > 0 {
		return e.About[0]
	}
	if e.Noun != "" {
		return model.Ref{Noun: e.Noun, ID: e.ID, Name: e.Title}
	}
	return model.Ref{}
}

// Title is the page's name.
func (s *Screen) Title() string { return "Start" }

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Start }

// key is the first key of an action, for sentences that say what to press.
func (s *Screen) key(a keymap.Action) string {
	return s.env.Keys.KeyOf(a, keymap.Start, keymap.Global)
}

// hint is what to press, in words.
func (s *Screen) hint(a keymap.Action, what string) string {
	if k := s.key(a); k != "" {
		return fmt.Sprintf("%s %s", k, what)
	}
	return ""
}

// Working implements screen.Worker.
func (s *Screen) Working() string {
	if s.load.Busy() {
		return "reading"
	}
	return ""
}
