package widget

import tea "charm.land/bubbletea/v2"

// Mouse is what the mouse does to a list of which a window is seen.
type Mouse struct {
	Head   int // lines above the rows
	Top    int // row that is drawn first
	Height int // how many rows are seen
	Count  int // how many there are
	// Go puts the cursor on a row, which may be before the first or behind the
	// last one where the wheel turned; by is how far it turned, 0 for a click.
	// ok is false where the cursor cannot stand there.
	Go func(row, by int) (cmd tea.Cmd, ok bool)
	// Open acts on the row under the cursor.
	Open func() tea.Cmd
}

// Click puts the cursor on the row in line y; a double click opens it.
func (m Mouse) Click(y int, double bool) tea.Cmd {
	line := y - m.Head
	if line < 0 || line >= m.Height || m.Top+line >= m.Count {
		return nil
	}
	cmd, ok := m.Go(m.Top+line, 0)
	if !ok || !double {
		return cmd
	}
	return tea.Batch(cmd, m.Open())
}

// Wheel moves the cursor from the row on which it stands.
func (m Mouse) Wheel(at, by int) tea.Cmd {
	cmd, _ := m.Go(at+by, by)
	return cmd
}
