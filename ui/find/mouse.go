package find

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/ui/widget"
)

func (s *Screen) mouse() widget.Mouse {
	return widget.Mouse{Head: top, Top: s.first, Height: s.room(), Count: len(s.hits),
		Go: func(row, _ int) (tea.Cmd, bool) {
			s.row = row
			s.settle()
			return nil, true
		},
		Open: func() tea.Cmd {
			cmd, _ := s.Do(keymap.Open)
			return cmd
		}}
}

// Click puts the cursor on the finding in a line; a double click opens it.
func (s *Screen) Click(_, y int, double bool) tea.Cmd { return s.mouse().Click(y, double) }

// Wheel moves through the findings.
func (s *Screen) Wheel(_, _, delta int) tea.Cmd { return s.mouse().Wheel(s.row, delta) }
