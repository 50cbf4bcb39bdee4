package admin

import (
	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/ui/widget/draw"
)

// Click puts the cursor on the row in a line; a double click acts on it.
func (p *page) Click(_, y int, double bool) tea.Cmd {
	above := len(p.above())
	i := draw.Window(p.top, p.at, len(p.rows), p.room()) + y - above
	if y < above || i >= len(p.rows) || p.rows[i].head {
		return nil
	}
	p.at = i
	p.window()
	if !double {
		return nil
	}
	cmd, _ := p.Do(keymap.Open)
	return cmd
}

// Wheel moves through the rows.
func (p *page) Wheel(_, _, delta int) tea.Cmd {
	by := 1
	if delta < 0 {
		by = -1
	}
	p.at += delta
	p.settle(by)
	return nil
}
