package screen

import tea "charm.land/bubbletea/v2"

// Still is the part of a page in which nothing is typed: it has a rectangle, no
// cursor, and nothing that leaving would lose. Pages embed it.
type Still struct {
	Width, Height int
}

// SetSize gives the page its rectangle.
func (s *Still) SetSize(width, height int) { s.Width, s.Height = width, height }

// Typing is never true.
func (s *Still) Typing() bool { return false }

// Dirty is never true.
func (s *Still) Dirty() bool { return false }

// Cursor is hidden.
func (s *Still) Cursor() *tea.Cursor { return nil }
