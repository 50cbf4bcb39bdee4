package board

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
)

// Click puts the cursor on the stage and the card at a cell; a double click
// opens the card.
func (s *Screen) Click(x, y int, double bool) tea.Cmd {
	n, width := s.columns()
	i := x / (width + 1)
	if len(s.board.Columns) == 0 || y < 1 || i >= n {
		return nil
	}
	s.col = s.left + i
	card := (y - headLines) / (cardLines + s.gap())
	on := y >= headLines && card < s.fit() && s.top[s.col]+card < len(s.board.Columns[s.col].Deals)
	if on {
		s.row[s.col] = s.top[s.col] + card
	}
	s.settle()
	if on && double {
		cmd, _ := s.Do(keymap.Open)
		return cmd
	}
	return nil
}

// Wheel moves through the cards of the stage at a cell.
func (s *Screen) Wheel(x, _, delta int) tea.Cmd {
	n, width := s.columns()
	i := x / (width + 1)
	if len(s.board.Columns) == 0 || i >= n {
		return nil
	}
	s.col = s.left + i
	s.row[s.col] += delta
	s.settle()
	return s.more()
}
