// Package draw makes lines of an exact width: text that is cut or filled,
// rows of cells, headings, and the short forms in which amounts, days and
// counts are shown.
//
// Promises: a width is a number of terminal cells, never of bytes; every line
// has exactly the width asked for, for any text; what comes from data has
// passed model.Visible; nothing here reads a clock.
package draw

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
	"rapport/ui/theme"
)

// Fit cuts s to a width, marking the cut with …, or fills it with blanks. It
// keeps the styles of a text that has some. Marks that combine melt into the
// blank beside them, so the whole is measured.
func Fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	w := ansi.StringWidth(s)
	if w > width {
		s = ansi.Truncate(s, width, "…")
		w = ansi.StringWidth(s)
	}
	s += blanks(width - w)
	return s + blanks(width-ansi.StringWidth(s))
}

// Right is Fit with the blanks before the text.
func Right(s string, width int) string {
	if width <= 0 {
		return ""
	}
	w := ansi.StringWidth(s)
	if w > width {
		s = ansi.Truncate(s, width, "…")
		w = ansi.StringWidth(s)
	}
	s = blanks(width-w) + s
	return blanks(width-ansi.StringWidth(s)) + s
}

func blanks(n int) string { return strings.Repeat(" ", max(0, n)) }

// Width is the number of cells a text takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Block makes exactly height lines of exactly width out of lines.
func Block(lines []string, width, height int) []string {
	if width <= 0 || height <= 0 {
		return nil
	}
	out := make([]string, height)
	for i := range out {
		if i < len(lines) {
			out[i] = Fit(lines[i], width)
		} else {
			out[i] = strings.Repeat(" ", width)
		}
	}
	return out
}

// View joins Block's lines: what a screen returns from View.
func View(lines []string, width, height int) string {
	return strings.Join(Block(lines, width, height), "\n")
}

// Beside puts two blocks of lines next to each other with gap blanks between.
func Beside(left, right []string, leftWidth, gap, rightWidth int) []string {
	n := max(len(left), len(right))
	l, r := Block(left, leftWidth, n), Block(right, rightWidth, n)
	out := make([]string, n)
	for i := range out {
		out[i] = l[i] + strings.Repeat(" ", gap) + r[i]
	}
	return out
}

// Wrap breaks text into lines of at most width, at blanks where it can.
func Wrap(s string, width int) []string {
	if width <= 0 {
		return nil
	}
	return strings.Split(ansi.Wrap(s, width, ""), "\n")
}

// Paragraph is a wrapped text in one style, indented by two blanks.
func Paragraph(style lipgloss.Style, s string, width int) []string {
	var out []string
	for _, l := range Wrap(s, width-4) {
		out = append(out, "  "+style.Render(l))
	}
	return out
}

// Heading is the line above a part of a screen: its title, a rule, and a note
// at the right. The active part carries a mark.
func Heading(th *theme.Theme, title, note string, width int, active bool) string {
	mark, style := "  ", th.Strong
	if active {
		mark, style = "› ", th.Accent.Bold(true)
	}
	title = ansi.Truncate(title, max(0, width-2), "…")
	if note != "" {
		note = ansi.Truncate(note, max(0, width-ansi.StringWidth(title)-6), "…")
	}
	rule := width - 3 - ansi.StringWidth(title) - ansi.StringWidth(note)
	if note != "" {
		rule--
	}
	s := style.Render(mark+title) + " " + th.Border.Render(strings.Repeat("─", max(0, rule)))
	if note != "" {
		s += " " + th.Muted.Render(note)
	}
	return Fit(s, width)
}

// Cell is one cell of a Row.
type Cell struct {
	Text  string // drawn through model.Visible
	Width int    // 0 takes what the others leave; one cell of a row may
	Right bool
	Style lipgloss.Style
}

// minFlex is the least width of the cell that takes the rest: cells at the
// right are left out until it has that.
const minFlex = 12

// Row draws cells beside each other, one blank between them, after a mark that
// shows the cursor. A selected row is drawn in one style.
func Row(th *theme.Theme, selected bool, width int, cells ...Cell) string {
	const lead = 2
	flex := 0
	for {
		flex = width - lead
		flexible := false
		for _, c := range cells {
			flex -= c.Width
			flexible = flexible || c.Width == 0
		}
		flex -= len(cells) - 1
		if !flexible || flex >= minFlex || len(cells) < 2 || cells[len(cells)-1].Width == 0 {
			break
		}
		cells = cells[:len(cells)-1]
	}
	var b strings.Builder
	mark := "  "
	if selected {
		mark = "› "
	}
	if !selected {
		b.WriteString(mark)
	}
	plain := mark
	for i, c := range cells {
		w := c.Width
		if w == 0 {
			w = max(0, flex)
		}
		text := model.Visible(c.Text)
		if c.Right {
			text = Right(text, w)
		} else {
			text = Fit(text, w)
		}
		if i > 0 {
			b.WriteByte(' ')
			plain += " "
		}
		if selected {
			plain += text
		} else {
			b.WriteString(c.Style.Render(text))
		}
	}
	if selected {
		return th.Selected.Render(Fit(plain, width))
	}
	return Fit(b.String(), width)
}

// Window tells which row a list of count rows begins with when height rows fit
// and the one at cursor must be seen; top is where it began before.
func Window(top, cursor, count, height int) int {
	if height <= 0 {
		return 0
	}
	if cursor < top {
		top = cursor
	}
	if cursor >= top+height {
		top = cursor - height + 1
	}
	return max(0, min(top, count-height))
}

// Share hands out height lines to parts in the order of their importance: each
// gets its least, as long as there is room, then they grow in turn up to what
// they want. A part that does not get its least gets nothing.
func Share(least, want []int, height int) []int {
	out := make([]int, len(want))
	for i := range want {
		if n := min(least[i], want[i]); n <= height {
			out[i] = n
			height -= n
		}
	}
	for grown := true; grown && height > 0; {
		grown = false
		for i := range want {
			if out[i] > 0 && out[i] < want[i] && height > 0 {
				out[i]++
				height--
				grown = true
			}
		}
	}
	return out
}
