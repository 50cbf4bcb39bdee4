// Package syncer is the page that says where the workspace stands towards the
// central: what is not sent yet, what the server refused, and what two people
// changed at once.
//
// Promises: it says in plain words what happened and what to press; giving up
// an unsent change always asks first and names what is lost.
package syncer

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// part is one of the page's lists.
type part int

const (
	conflicts part = iota
	twins
	refused
	pending
	parts
)

// probeEvery is how long the answer of the central counts as news.
const probeEvery = 15 * time.Second

// wait is said while something that was asked for is not done yet.
const wait = "One moment: the last one is not done yet."

// Screen is the sync page.
type Screen struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	probe  *screen.Loader
	acting *screen.Loader

	status  model.Status
	asked   time.Time // when the central was asked last
	known   bool      // it answered, or did not: status says which
	heard   screen.SyncedMsg
	running screen.SyncingMsg // the sync that goes on; without a phase there is none
	clashes []model.Conflict
	pairs   []model.Duplicate
	items   [parts][]model.PendingItem // of refused and pending
	loaded  bool
	err     error

	at    part
	row   [parts]int
	spots []spot // where the lists were drawn last
}

type loadedData struct {
	status  model.Status
	pending []model.PendingItem
	clashes []model.Conflict
	pairs   []model.Duplicate
}

// New returns the sync page.
func New(env *screen.Env, _ screen.OpenMsg) screen.Screen {
	return &Screen{env: env, load: screen.NewLoader(env.Context), probe: screen.NewLoader(env.Context), acting: screen.NewLoader(env.Context)}
}

// Init loads the page and asks the central whether it is there.
func (s *Screen) Init() tea.Cmd { return tea.Batch(s.reload(), s.ask()) }

func (s *Screen) reload() tea.Cmd {
	ws := s.env.Workspace
	return s.load.Load(func(ctx context.Context) (any, error) {
		var d loadedData
		var err error
		if d.status, err = ws.Status(ctx, false); err != nil {
			return nil, err
		}
		if d.pending, err = ws.Pending(ctx); err != nil {
			return nil, err
		}
		if d.clashes, err = ws.Conflicts(ctx); err != nil {
			return nil, err
		}
		d.pairs, err = ws.Duplicates(ctx, "", false)
		return d, err
	})
}

// ask asks the central, unless it was asked a moment ago.
func (s *Screen) ask() tea.Cmd {
	now := s.env.Now()
	if s.probe.Busy() || !s.asked.IsZero() && now.Sub(s.asked) < probeEvery {
		return nil
	}
	s.asked = now
	ws := s.env.Workspace
	return s.probe.Load(func(ctx context.Context) (any, error) { return ws.Status(ctx, true) })
}

// Update takes the results of loads and the news that records changed.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		return tea.Batch(s.reload(), s.ask())
	case screen.SyncingMsg:
		s.running = m
	case screen.SyncedMsg:
		// The sync itself tells what the central said.
		s.probe.Stop()
		s.heard, s.known, s.running = m, true, screen.SyncingMsg{}
		s.status.Online, s.status.Problem = m.Problem == "", m.Problem
		return s.reload()
	case screen.LoadedMsg:
		switch {
		case s.load.Take(m):
			return s.applyLoaded(m)
		case s.probe.Take(m):
			if m.Err == nil {
				s.status, s.known = m.Value.(model.Status), true
			}
		case s.acting.Take(m):
			if m.Err != nil {
				return tea.Batch(screen.Fail(m.Err), s.reload())
			}
			return tea.Batch(screen.Notice(m.Value.(string)), s.reload())
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
	online, problem := s.status.Online, s.status.Problem
	s.status = d.status
	if s.known {
		s.status.Online, s.status.Problem = online, problem
	}
	s.clashes, s.pairs = d.clashes, d.pairs
	s.items = [parts][]model.PendingItem{}
	for _, it := range d.pending {
		p := pending
		if it.Code != "" || it.Error != "" {
			p = refused
		}
		s.items[p] = append(s.items[p], it)
	}
	for p := range parts {
		s.row[p] = max(0, min(s.row[p], s.rows(p)-1))
	}
	if s.rows(s.at) == 0 {
		for p := range parts {
			if s.rows(p) > 0 {
				s.at = p
				break
			}
		}
	}
	return nil
}

func (s *Screen) rows(p part) int {
	switch p {
	case conflicts:
		return len(s.clashes)
	case twins:
		return len(s.pairs)
	}
	return len(s.items[p])
}

// item is the unsent change under the cursor, nil elsewhere.
func (s *Screen) item() *model.PendingItem {
	if i := s.row[s.at]; i < len(s.items[s.at]) {
		return &s.items[s.at][i]
	}
	return nil
}

// Do carries out the actions of the sync page.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Down:
		s.move(1)
	case keymap.Up:
		s.move(-1)
	case keymap.PageDown, keymap.PageUp, keymap.Top, keymap.Bottom:
		s.row[s.at], _ = screen.Scroll(a, s.row[s.at], 10, s.rows(s.at))
	case keymap.NextField:
		s.next()
	case keymap.Open:
		return s.open()
	case keymap.Retry:
		return s.retry()
	case keymap.Discard:
		return s.discard()
	case keymap.Export:
		return s.export()
	default:
		return nil, false
	}
	return nil, true
}

// Can tells whether an action would do something here and now.
func (s *Screen) Can(a keymap.Action) bool {
	switch a {
	case keymap.Open:
		return s.rows(s.at) > 0
	case keymap.Retry, keymap.Export:
		return len(s.items[refused]) > 0
	case keymap.Discard:
		return s.item() != nil
	}
	return true
}

func (s *Screen) move(by int) {
	at, row := screen.Step(s.at, s.row[s.at], by, parts, s.rows)
	s.at, s.row[at] = at, row
}

// next goes to the next list that has something.
func (s *Screen) next() {
	for i := range parts {
		if p := (s.at + 1 + i) % parts; s.rows(p) > 0 {
			s.at = p
			return
		}
	}
}

func (s *Screen) open() (tea.Cmd, bool) {
	if s.at == conflicts && s.row[conflicts] < len(s.clashes) {
		return screen.Open(screen.OpenMsg{Kind: screen.Conflict, ID: s.clashes[s.row[conflicts]].ID}), true
	}
	if s.at == twins && s.row[twins] < len(s.pairs) {
		p := s.pairs[s.row[twins]]
		return screen.Open(screen.OpenMsg{Kind: screen.Duplicate, Noun: p.First.Noun, ID: p.First.ID, Other: p.Second.ID}), true
	}
	if it := s.item(); it != nil {
		return screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: it.Noun, ID: it.ID}), true
	}
	return nil, false
}

// retry lets the next sync send again what was refused: the record under the
// cursor if it was, else all of them.
func (s *Screen) retry() (tea.Cmd, bool) {
	n := len(s.items[refused])
	if n == 0 {
		return screen.Notice("Nothing was refused. " + s.key(keymap.SyncNow) + " syncs now."), true
	}
	if s.acting.Busy() {
		return screen.Notice(wait), true
	}
	ws := s.env.Workspace
	var ids []model.ID
	if it := s.item(); s.at == refused && it != nil {
		ids = []model.ID{it.ID}
	}
	again := s.key(keymap.SyncNow)
	return s.acting.Load(func(ctx context.Context) (any, error) {
		n, err := ws.Retry(ctx, ids...)
		return draw.Plural(int64(n), "record is", "records are") + " sent again with the next sync; " + again + " syncs now.", err
	}), true
}

// export writes what was refused into a file.
func (s *Screen) export() (tea.Cmd, bool) {
	if len(s.items[refused]) == 0 {
		return screen.Notice("Nothing was refused: there is nothing to export."), true
	}
	ws, items := s.env.Workspace, slices.Clone(s.items[refused])
	ask := screen.AskMsg{Title: "Export the refused changes", Text: "Write them with their whole records and the server's reasons into a file, one JSON object in a line each.",
		Yes: "Export", Input: "File", Value: "refused.ndjson",
		Do: func(path string) tea.Cmd {
			if s.acting.Busy() {
				return screen.Notice(wait)
			}
			return s.acting.Load(func(ctx context.Context) (any, error) {
				var n int64
				path, err := screen.WriteNew(path, func(w io.Writer) (err error) {
					n, err = model.WriteUnsent(ctx, ws, items, w)
					return err
				})
				return draw.Plural(n, "record is", "records are") + " in " + path + ".", err
			})
		}}
	return func() tea.Msg { return ask }, true
}

// discard gives up the unsent change under the cursor, after a question.
func (s *Screen) discard() (tea.Cmd, bool) {
	it := s.item()
	if it == nil {
		return screen.Notice("There is no unsent change under the cursor."), true
	}
	ws, id, title := s.env.Workspace, it.ID, it.Title
	what := "Its changes in " + strings.Join(s.fields(*it), ", ") + " are lost; it goes back to what the server last said."
	switch {
	case it.Code == model.CodeLeft:
		what = "You may not see this " + string(it.Noun) + " any more: it disappears with what you typed."
	case it.Action == "add":
		what = "It was never sent: the whole " + string(it.Noun) + " disappears."
	case it.Action == "delete":
		what = "It is not deleted after all."
	case it.Action == "restore":
		what = "It is deleted again."
	}
	ask := screen.AskMsg{Title: "Give up an unsent change?", Text: title + ". " + what, Yes: "Give up",
		Do: func(string) tea.Cmd {
			if s.acting.Busy() {
				return screen.Notice(wait)
			}
			return s.acting.Load(func(ctx context.Context) (any, error) {
				_, err := ws.Discard(ctx, id)
				return "The change of " + title + " was given up.", err
			})
		}}
	return func() tea.Msg { return ask }, true
}

// fields are the labels of the fields that an item changed; those that the
// program sets go along without being named.
func (s *Screen) fields(it model.PendingItem) []string {
	e := model.EntityOf(it.Noun)
	var out []string
	for _, name := range it.Fields {
		if e == nil || e.Field(name) == nil {
			out = append(out, name)
		} else if f := e.Field(name); !f.ReadOnly {
			out = append(out, strings.ToLower(f.Label))
		}
	}
	return out
}

// About is the record under the cursor, where something can be about it.
func (s *Screen) About() model.Ref { return screen.AboutRef(s.here()) }

func (s *Screen) here() model.Ref {
	if s.at == conflicts && s.row[conflicts] < len(s.clashes) {
		c := s.clashes[s.row[conflicts]]
		return model.Ref{Noun: c.Noun, ID: c.Record, Name: c.Title}
	}
	if s.at == twins && s.row[twins] < len(s.pairs) {
		return s.pairs[s.row[twins]].First
	}
	if it := s.item(); it != nil {
		return model.Ref{Noun: it.Noun, ID: it.ID, Name: it.Title}
	}
	return model.Ref{}
}

func (s *Screen) key(a keymap.Action) string { return s.env.Keys.KeyOf(a, keymap.Sync, keymap.Global) }

// Title is the page's name.
func (s *Screen) Title() string { return "Sync" }

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Sync }
