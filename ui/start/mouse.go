package start

import tea "charm.land/bubbletea/v2"

// spot is where the lines of a part were drawn; its first line is of row top,
// or above the first row where that is below zero.
type spot struct {
	part       part
	x, y, w, h int
	top        int
}

// Click puts the cursor on the row at a cell; a double click opens it.
func (s *Screen) Click(x, y int, double bool) tea.Cmd {
	for _, at := range s.spots {
		// The line above is the part's heading.
		if x < at.x || x >= at.x+at.w || y < at.y-1 || y >= at.y+at.h {
			continue
		}
		s.at = at.part
		if row := at.top + y - at.y; y >= at.y && row >= 0 && row < s.rows(at.part) {
			s.row[at.part] = row
		}
		if double && y >= at.y {
			cmd, _ := s.open()
			return cmd
		}
		return nil
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
