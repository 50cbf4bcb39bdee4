// Package find is one box that searches all records while a person types.
//
// Promises: a search begins a short while after the last letter and the one
// before it is cancelled; old findings stay until the new ones are there; what
// matched is marked by more than colour.
package find

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

const (
	// wait is how long after the last letter a search begins.
	wait = 50 * time.Millisecond
	most = 50 // findings
	top  = 3  // lines above the findings
)

// Screen is the search.
type Screen struct {
	env  *screen.Env
	load *screen.Loader
	in   widget.Input
	w, h int

	asked string // what the findings answer
	hits  []model.Hit
	done  bool // a search has ended
	err   error
	row   int
	first int // finding that is drawn first
}

type found struct {
	text string
	hits []model.Hit
}

// New returns the search.
func New(env *screen.Env, _ screen.OpenMsg) screen.Screen {
	return &Screen{env: env, load: screen.NewLoader(env.Context)}
}

// Init does nothing: there is no text yet.
func (s *Screen) Init() tea.Cmd { return nil }

// Update takes typed text and the results of searches.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.LoadedMsg:
		if s.load.Take(m) {
			s.applyFound(m)
		}
	case screen.ChangedMsg:
		if s.in.Value() != "" {
			return s.search(0)
		}
	case tea.KeyPressMsg, tea.PasteMsg:
		before := s.in.Value()
		if s.in.Update(msg) && s.in.Value() != before {
			return s.search(wait)
		}
	}
	return nil
}

// search asks for findings after a while. A search that is under way or
// waits is cancelled.
func (s *Screen) search(after time.Duration) tea.Cmd {
	text := s.in.Value()
	if strings.TrimSpace(text) == "" {
		s.load.Stop()
		s.asked, s.hits, s.done, s.err, s.row = "", nil, false, nil, 0
		return nil
	}
	ws := s.env.Workspace
	return s.load.Load(func(ctx context.Context) (any, error) {
		if after > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(after):
			}
		}
		hits, err := ws.Search(ctx, text, "", most)
		return found{text, hits}, err
	})
}

func (s *Screen) applyFound(m screen.LoadedMsg) {
	s.done, s.err = true, m.Err
	if m.Err != nil {
		s.hits = nil
		return
	}
	f := m.Value.(found)
	if f.text != s.asked {
		s.row, s.first = 0, 0
	}
	s.asked, s.hits = f.text, f.hits
	s.settle()
}

func (s *Screen) settle() {
	s.row = max(0, min(s.row, len(s.hits)-1))
	s.first = draw.Window(s.first, s.row, len(s.hits), s.room())
}

// room is how many findings are seen.
func (s *Screen) room() int { return max(1, s.h-top) }

// Do carries out the actions of the search.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Down:
		s.row++
	case keymap.Up:
		s.row--
	case keymap.PageDown:
		s.row += s.room()
	case keymap.PageUp:
		s.row -= s.room()
	case keymap.Open:
		if ref := s.here(); !ref.IsZero() {
			return screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: ref.Noun, ID: ref.ID, Replace: true}), true
		}
		return nil, true
	case keymap.Cancel:
		return screen.Back, true
	default:
		return nil, false
	}
	s.settle()
	return nil, true
}

// About is the finding under the cursor, where something can be about it.
func (s *Screen) About() model.Ref { return screen.AboutRef(s.here()) }

// here is the finding under the cursor.
func (s *Screen) here() model.Ref {
	if s.row >= len(s.hits) {
		return model.Ref{}
	}
	h := s.hits[s.row]
	return model.Ref{Noun: h.Noun, ID: h.ID, Name: h.Title}
}

// SetSize gives the search its rectangle.
func (s *Screen) SetSize(w, h int) {
	s.w, s.h = w, h
	s.in.SetSize(max(1, w-len(prompt)-4), 1)
	s.settle()
}

// Title is the page's name.
func (s *Screen) Title() string { return "Search" }

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Search }

// Typing is always true here.
func (s *Screen) Typing() bool { return true }

// Dirty is never true: a search is no work that is lost.
func (s *Screen) Dirty() bool { return false }

const prompt = "Search"

// Cursor stands in the box.
func (s *Screen) Cursor() *tea.Cursor {
	if s.w < len(prompt)+5 || s.h < 1 {
		return nil
	}
	x, _ := s.in.Cursor()
	return tea.NewCursor(2+len(prompt)+1+x, 0)
}

// Working implements screen.Worker.
func (s *Screen) Working() string {
	if s.load.Busy() {
		return "searching"
	}
	return ""
}
