package find

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
)

// Click puts the cursor on the finding in a line; a double click opens it.
func (s *Screen) Click(_, y int, double bool) tea.Cmd {
	i := s.first + y - top
	if y < top || i >= len(s.hits) {
		return nil
	}
	s.row = i
	s.settle()
	if !double {
		return nil
	}
	cmd, _ := s.Do(keymap.Open)
	return cmd
}

// Wheel moves through the findings.
func (s *Screen) Wheel(_, _, delta int) tea.Cmd {
	s.row += delta
	s.settle()
	return nil
}
