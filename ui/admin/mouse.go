package admin

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

func (p *page) mouse() widget.Mouse {
	return widget.Mouse{Head: len(p.above()), Top: draw.Window(p.top, p.at, len(p.rows), p.room()), Height: p.room(), Count: len(p.rows),
		Go: func(row, by int) (tea.Cmd, bool) {
			if by == 0 && p.rows[row].head {
				return nil, false
			}
			p.at = row
			p.settle(max(-1, min(by, 1)))
			return nil, true
		},
		Open: func() tea.Cmd {
			cmd, _ := p.Do(keymap.Open)
			return cmd
		}}
}

// Click puts the cursor on the row in a line; a double click acts on it.
func (p *page) Click(_, y int, double bool) tea.Cmd { return p.mouse().Click(y, double) }

// Wheel moves through the rows.
func (p *page) Wheel(_, _, delta int) tea.Cmd { return p.mouse().Wheel(p.at, delta) }

func (s *archive) mouse() widget.Mouse {
	return widget.Mouse{Head: archiveHead, Top: s.top, Height: s.room(), Count: s.count(),
		Go: func(row, _ int) (tea.Cmd, bool) {
			s.bringing.drop()
			s.at = row
			s.settle()
			return s.ahead(), true
		},
		Open: func() tea.Cmd {
			cmd, _ := s.Do(keymap.Open)
			return cmd
		}}
}

// Click puts the cursor on the row in a line; a double click opens it.
func (s *archive) Click(_, y int, double bool) tea.Cmd { return s.mouse().Click(y, double) }

// Wheel moves through the rows.
func (s *archive) Wheel(_, _, by int) tea.Cmd { return s.mouse().Wheel(s.at, by) }
