package syncer

import tea "charm.land/bubbletea/v2"

// Click does nothing: what stands where depends on the room that is left.
func (s *Screen) Click(_, _ int, _ bool) tea.Cmd { return nil }

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
