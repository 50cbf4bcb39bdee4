package widget

import (
	"testing"

	tea "charm.land/bubbletea/v2"
)

// TestMouseFindsTheRow clicks around and into a list of which rows 5 to 8 are
// seen below two lines.
func TestMouseFindsTheRow(t *testing.T) {
	at, opened := -1, 0
	m := Mouse{Head: 2, Top: 5, Height: 4, Count: 8,
		Go:   func(row, _ int) (tea.Cmd, bool) { at = row; return nil, row != 6 },
		Open: func() tea.Cmd { opened++; return nil }}
	for _, c := range []struct {
		y, want, opened int
		double          bool
	}{
		{1, -1, 0, true}, {2, 5, 0, false}, {2, 5, 1, true}, {3, 6, 0, true}, {4, 7, 1, true}, {5, -1, 0, true}, {6, -1, 0, true},
	} {
		at, opened = -1, 0
		m.Click(c.y, c.double)
		if at != c.want || opened != c.opened {
			t.Errorf("line %d: row %d, opened %d", c.y, at, opened)
		}
	}
	if m.Wheel(7, -3); at != 4 {
		t.Errorf("the wheel goes to %d", at)
	}
}
