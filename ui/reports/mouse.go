package reports

import tea "charm.land/bubbletea/v2"

// Click chooses the report in a line of the list at the left.
func (s *Screen) Click(x, y int, _ bool) tea.Cmd {
	if i := y - 1; s.Width >= wide && x < listWidth && i >= 0 && i < len(s.infos) && i != s.at {
		return s.choose(i)
	}
	return nil
}

// Wheel moves through the rows of the table.
func (s *Screen) Wheel(_, _, delta int) tea.Cmd {
	s.row = max(0, min(s.row+delta, len(s.report.Rows)-1))
	return nil
}
