package admin

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// Of the records of a backup a page is read at a time, and a few pages are held
// around the cursor.
const (
	archivePage  = 100
	archivePages = 4
)

// archive is the screen that lists the records of a backup and tells how they
// are to today's.
type archive struct {
	screen.Still
	env    *screen.Env
	backup model.BackupInfo
	id     string
	nouns  []*model.Entity
	noun   int
	search string // that is shown
	lost   bool   // only what is missing or changed today

	load *screen.Loader
	*bringing
	pages   []archiveRows
	passed  []model.ID // what the pages before them began after
	next    model.ID   // of the page after the last one that is held; "" at the end
	loaded  bool
	err     error
	at, top int // positions in the rows that are held
	in      widget.Input
	typing  bool
}

// archiveRows is one page with what it began after.
type archiveRows struct {
	after model.ID
	items []model.ArchivedRecord
}

// archiveLoaded is what a load answers: a page that goes before or behind the
// others, or in their place; or the pages that are held, read anew.
type archiveLoaded struct {
	page   model.ArchivePage
	after  model.ID
	before bool
	fresh  bool
	again  []archiveRows
}

func newArchive(env *screen.Env, m screen.OpenMsg) screen.Screen {
	s := &archive{env: env, id: string(m.ID), load: screen.NewLoader(env.Context), bringing: newBringing(env)}
	s.nouns = browsable()
	s.noun = max(0, slices.IndexFunc(s.nouns, func(e *model.Entity) bool { return e.Noun == m.Noun }))
	return s
}

// browsable are the nouns in the order in which people look for them.
func browsable() []*model.Entity {
	var out []*model.Entity
	for _, n := range []model.Noun{"contact", "organization", "deal", "activity"} {
		out = append(out, model.EntityOf(n))
	}
	for _, e := range model.Records() {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func (s *archive) entity() *model.Entity { return s.nouns[s.noun] }

// Init reads the first page.
func (s *archive) Init() tea.Cmd { return s.fresh() }

// fresh reads from the beginning.
func (s *archive) fresh() tea.Cmd {
	s.bringing.drop()
	return s.read("", archiveLoaded{fresh: true})
}

func (s *archive) read(after model.ID, how archiveLoaded) tea.Cmd {
	ws := s.env.Workspace
	q := model.ArchiveQuery{ArchiveRequest: inBackup(s.id), Noun: s.entity().Noun, Search: s.search, Different: s.lost, After: after, Limit: archivePage}
	how.after = after
	return s.load.Load(func(ctx context.Context) (any, error) {
		var err error
		how.page, err = ws.ListArchive(ctx, q)
		// A page may be empty although there are more behind it.
		for err == nil && len(how.page.Items) == 0 && how.page.Next != "" {
			q.After = how.page.Next
			how.page, err = ws.ListArchive(ctx, q)
		}
		return how, err
	})
}

// again reads as many pages as are held anew, because records changed.
func (s *archive) again() tea.Cmd {
	ws, n := s.env.Workspace, len(s.pages)
	q := model.ArchiveQuery{ArchiveRequest: inBackup(s.id), Noun: s.entity().Noun, Search: s.search, Different: s.lost, After: s.pages[0].after, Limit: archivePage}
	return s.load.Load(func(ctx context.Context) (any, error) {
		var out archiveLoaded
		for len(out.again) < n {
			var err error
			if out.page, err = ws.ListArchive(ctx, q); err != nil {
				return nil, err
			}
			out.again = append(out.again, archiveRows{after: q.After, items: out.page.Items})
			if q.After = out.page.Next; q.After == "" {
				break
			}
		}
		return out, nil
	})
}

// Update takes pages, what would change, and what was typed.
func (s *archive) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		if len(s.pages) > 0 && !s.load.Busy() && !s.bringing.doing.Busy() && changes(m.Change, s.entity().Noun) {
			return s.again()
		}
	case screen.LoadedMsg:
		if s.load.Take(m) {
			return s.apply(m)
		}
		cmd, done, ok := s.bringing.take(m)
		if ok && done {
			return tea.Batch(cmd, s.fresh())
		}
		s.settle()
		return cmd
	case tea.KeyPressMsg, tea.PasteMsg:
		if s.typing {
			s.in.Update(msg)
		}
	}
	return nil
}

func (s *archive) apply(m screen.LoadedMsg) tea.Cmd {
	s.loaded = true
	if s.err = m.Err; m.Err != nil {
		return nil
	}
	got := m.Value.(archiveLoaded)
	s.backup = got.page.Backup
	page := archiveRows{after: got.after, items: got.page.Items}
	switch {
	case got.again != nil:
		was, _ := s.item(s.at)
		s.pages, s.next = got.again, got.page.Next
		for i := range s.count() {
			if it, _ := s.item(i); was.Record != nil && it.Record.ID == was.Record.ID {
				s.at = i
			}
		}
	case got.fresh:
		s.pages, s.passed, s.next = []archiveRows{page}, nil, got.page.Next
		s.at, s.top = 0, 0
	case got.before:
		s.pages = append([]archiveRows{page}, s.pages...)
		s.passed = s.passed[:len(s.passed)-1]
		s.at, s.top = s.at+len(page.items), s.top+len(page.items)
		if len(s.pages) > archivePages {
			s.next = s.pages[archivePages].after
			s.pages = s.pages[:archivePages]
		}
	default:
		s.pages, s.next = append(s.pages, page), got.page.Next
		if len(s.pages) > archivePages {
			gone := len(s.pages[0].items)
			s.passed = append(s.passed, s.pages[0].after)
			s.pages = slices.Clone(s.pages[1:])
			s.at, s.top = s.at-gone, s.top-gone
		}
	}
	s.settle()
	return s.ahead()
}

// count is how many rows are held.
func (s *archive) count() int {
	n := 0
	for _, p := range s.pages {
		n += len(p.items)
	}
	return n
}

// item returns a row that is held.
func (s *archive) item(i int) (it model.ArchivedRecord, ok bool) {
	for _, p := range s.pages {
		if i >= 0 && i < len(p.items) {
			return p.items[i], true
		}
		i -= len(p.items)
	}
	return it, false
}

// ahead reads the next page when the cursor comes near the end of the rows, and
// the one before near their beginning.
func (s *archive) ahead() tea.Cmd {
	if s.load.Busy() || len(s.pages) == 0 {
		return nil
	}
	h := s.room()
	switch n := len(s.passed); {
	case s.next != "" && s.at+h > s.count():
		return s.read(s.next, archiveLoaded{})
	case n > 0 && s.at < h:
		return s.read(s.passed[n-1], archiveLoaded{before: true})
	}
	return nil
}

// Do carries out the actions of the list.
func (s *archive) Do(a keymap.Action) (tea.Cmd, bool) {
	if s.typing {
		return s.doTyping(a)
	}
	if !s.Can(a) {
		return nil, false
	}
	it, _ := s.item(s.at)
	switch a {
	case keymap.Down, keymap.Up, keymap.PageDown, keymap.PageUp, keymap.Top, keymap.Bottom:
		return s.move(a), true
	case keymap.Open:
		return screen.Open(screen.OpenMsg{Kind: screen.Compare, ID: model.ID(s.id), Noun: s.entity().Noun, Other: it.Record.ID}), true
	case keymap.Filter:
		s.typing = true
		s.in.SetValue(s.search)
		return nil, true
	case keymap.NextField, keymap.PrevField:
		by := 1
		if a == keymap.PrevField {
			by = len(s.nouns) - 1
		}
		s.noun = (s.noun + by) % len(s.nouns)
		return s.fresh(), true
	case keymap.Different:
		s.lost = !s.lost
		return s.fresh(), true
	case keymap.Restore:
		return s.bringing.ask(s.backup, model.Ref{Noun: s.entity().Noun, ID: it.Record.ID, Name: it.Record.Title()}), true
	case keymap.Yes:
		return s.bringing.yes(), true
	case keymap.Back:
		if s.bringing.drop() {
			return nil, true
		}
		s.search = ""
		return s.fresh(), true
	}
	return nil, false
}

// Can tells whether an action would do something here and now.
func (s *archive) Can(a keymap.Action) bool {
	switch a {
	case keymap.Open, keymap.Restore:
		_, ok := s.item(s.at)
		return ok
	case keymap.Yes:
		return s.bringing.waits()
	case keymap.Back:
		return s.bringing.found != nil || s.bringing.plan.Busy() || s.search != ""
	}
	return true
}

// move moves the cursor and forgets what was asked about another row.
func (s *archive) move(a keymap.Action) tea.Cmd {
	s.bringing.drop()
	h := s.room()
	switch a {
	case keymap.Down:
		s.at++
	case keymap.Up:
		s.at--
	case keymap.PageDown:
		s.at += h
	case keymap.PageUp:
		s.at -= h
	case keymap.Top:
		if len(s.passed) > 0 {
			return s.fresh()
		}
		s.at = 0
	case keymap.Bottom:
		s.at = s.count() - 1 // of what was read so far
	}
	s.settle()
	return s.ahead()
}

// doTyping carries out the actions there are while the search is typed.
func (s *archive) doTyping(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Save:
		s.typing = false
	case keymap.Cancel:
		s.typing = false
		s.in.SetValue("")
	default:
		return nil, false
	}
	if text := strings.TrimSpace(s.in.Value()); text != s.search {
		s.search = text
		return s.fresh(), true
	}
	return nil, true
}

// settle keeps the cursor in the rows and in sight.
func (s *archive) settle() {
	s.at = max(0, min(s.at, s.count()-1))
	s.top = s.window(s.room())
}

// SetSize gives the screen its rectangle.
func (s *archive) SetSize(w, h int) {
	s.Still.SetSize(w, h)
	s.in.SetSize(max(1, w-24), 1)
	s.settle()
}

// Title is the screen's name.
func (s *archive) Title() string { return "In the backup" }

// Scope is where its keys are looked up.
func (s *archive) Scope() keymap.Scope {
	if s.typing {
		return keymap.Text
	}
	return keymap.Archive
}

// Typing tells that the search is typed.
func (s *archive) Typing() bool { return s.typing }

// About is no record: those of a backup are not of today.
func (s *archive) About() model.Ref { return model.Ref{} }

// Working says what the screen waits for.
func (s *archive) Working() string {
	if w := s.bringing.working(); w != "" {
		return w
	}
	if s.load.Busy() {
		return "reading the backup"
	}
	return ""
}

// Cursor stands in the search while it is typed.
func (s *archive) Cursor() *tea.Cursor {
	if !s.typing {
		return nil
	}
	x, _ := s.in.Cursor()
	return tea.NewCursor(3+x, 0)
}
