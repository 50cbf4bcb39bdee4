package syncer

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
)

// spot is where the rows of a list were drawn, from row top on.
type spot struct {
	part   part
	y, h   int
	topRow int
}

// Click puts the cursor on the row at a cell; a double click opens it.
func (s *Screen) Click(_, y int, double bool) tea.Cmd {
	for _, at := range s.spots {
		if y < at.y || y >= at.y+at.h {
			continue
		}
		s.at, s.row[at.part] = at.part, at.topRow+y-at.y
		if double {
			cmd, _ := s.Do(keymap.Open)
			return cmd
		}
	}
	return nil
}

// Wheel moves through the rows.
func (s *Screen) Wheel(_, _, delta int) tea.Cmd {
	by := 1
	if delta < 0 {
		by = -1
	}
	for range delta * by {
		s.move(by)
	}
	return nil
}
