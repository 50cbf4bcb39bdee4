package ui

import (
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/ui/screen"
)

// doubleClick is how far apart two clicks of one double click may be.
const doubleClick = 400 * time.Millisecond

// click selects, a second one opens. A dialog takes none: it is answered by
// keys.
func (r *Root) click(m tea.MouseClickMsg) tea.Cmd {
	if m.Button != tea.MouseLeft || len(r.dialogs) > 0 || r.small() {
		return nil
	}
	now := r.env.Now()
	double := m.X == r.clickX && m.Y == r.clickY && now.Sub(r.clickAt) < doubleClick
	r.clickX, r.clickY, r.clickAt = m.X, m.Y, now
	if m.Y == 0 {
		if i := r.tabAt(m.X); i >= 0 && !r.top().Typing() {
			return r.goTo(i)
		}
		return nil
	}
	_, h := r.body()
	if c, ok := r.top().(screen.Clicker); ok && m.Y-frameTop < h {
		return c.Click(m.X, m.Y-frameTop, double)
	}
	return nil
}

func (r *Root) wheel(m tea.MouseWheelMsg) tea.Cmd {
	if r.small() {
		return nil
	}
	if n := len(r.dialogs); n > 0 {
		cmd, _ := r.dialogs[n-1].Update(m, "")
		return cmd
	}
	by := 0
	switch m.Button {
	case tea.MouseWheelUp:
		by = -3
	case tea.MouseWheelDown:
		by = 3
	}
	if c, ok := r.top().(screen.Clicker); ok && by != 0 {
		return c.Wheel(m.X, m.Y-frameTop, by)
	}
	return nil
}

// tabAt finds the tab that is drawn at a cell of the head line, -1 if none, by
// the digit that precedes each name.
func (r *Root) tabAt(x int) int {
	line := ansi.Strip(r.headLine())
	at := 0
	found := -1
	for i := range tabs {
		mark := " " + strconv.Itoa(i+1)
		for p := at; p+len(mark) <= len(line); p++ {
			if line[p:p+len(mark)] == mark {
				at = p
				break
			}
		}
		if x >= at {
			found = i
		}
	}
	return found
}
