package widget

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
	"rapport/ui/theme"
	"rapport/ui/widget/draw"
)

// SetSize gives the table its rectangle. Its first line is the header.
func (t *Table) SetSize(w, h int) {
	if w == t.w && h == t.h {
		return
	}
	keep := t.cur - t.top
	t.w, t.h = w, h
	t.top = max(0, t.cur-min(keep, t.height()-1))
	t.clamp()
	t.measure()
}

// Resized returns the command that fills a table that has grown.
func (t *Table) Resized() tea.Cmd { return t.ahead() }

// Restyle forgets what was drawn in another theme.
func (t *Table) Restyle() { t.arrange() }

// measure finds how wide the cells at hand are. It is done when other rows are
// shown, not while scrolling, so that columns stay where they are; a list that
// is here as a whole does not scroll, and its columns follow what changes.
func (t *Table) measure() {
	now := t.env.Now()
	t.need = make([]int, len(t.cols))
	rows := t.rows
	if len(rows) > 120 {
		rows = rows[:120]
	}
	for i, c := range t.cols {
		for _, r := range rows {
			t.need[i] = max(t.need[i], min(c.Max, ansi.StringWidth(model.Visible(c.Text(r.rec, now)))))
		}
	}
	t.arrange()
}

// margin is the cells before the first column: the cursor's sign, the state's
// sign and a blank.
const margin = 3

func (t *Table) arrange() {
	t.layout++
	if len(t.need) != len(t.cols) {
		t.need = make([]int, len(t.cols))
	}
	width := max(0, t.w-margin-1)
	if t.off > t.col {
		t.off = t.col
	}
	for {
		t.shown, t.widths = fitColumns(t.cols, t.need, t.off, width)
		seen := false
		for _, i := range t.shown {
			seen = seen || i == t.col
		}
		if seen || t.off >= len(t.cols)-1 {
			break
		}
		t.off++
	}
	t.head = t.header()
}

func (t *Table) header() string {
	th := t.env.Theme
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", min(margin, t.w)))
	sorted := t.order()
	used := min(margin, t.w)
	for j, i := range t.shown {
		c := t.cols[i]
		label := c.Label
		if k, ok := c.Key(); ok && k == sorted.Field {
			if sorted.Desc {
				label += " ↓"
			} else {
				label += " ↑"
			}
		}
		if j > 0 {
			b.WriteString(strings.Repeat(" ", gap))
			used += gap
		}
		cell := Fit(label, t.widths[j])
		if c.Right {
			cell = FitRight(label, t.widths[j])
		}
		used += t.widths[j]
		st := th.Muted
		if i == t.col {
			st = th.Accent.Underline(true)
		}
		text := strings.TrimSpace(cell)
		before, after, _ := strings.Cut(cell, text)
		b.WriteString(before + st.Render(text) + after)
	}
	if used < t.w {
		b.WriteString(strings.Repeat(" ", t.w-used))
	}
	return b.String()
}

// View draws the header and the rows. empty is what stands in the middle where
// there is nothing to show.
func (t *Table) View(empty []string) string {
	if t.w <= 0 || t.h <= 0 {
		return ""
	}
	if t.head == "" {
		t.arrange()
	}
	if len(t.rows) == 0 {
		if !t.loaded {
			empty = nil
		}
		lines := []string{draw.Fit(t.head, t.w)}
		if t.h > 1 {
			lines = append(lines, Center(empty, t.w, t.h-1))
		}
		return strings.Join(lines, "\n")
	}
	th := t.env.Theme
	lines := make([]string, 0, t.h)
	lines = append(lines, t.head)
	blank := strings.Repeat(" ", t.w)
	for i := t.top; i < t.top+t.h-1; i++ {
		if i >= len(t.rows) {
			lines = append(lines, blank)
			continue
		}
		lines = append(lines, t.line(&t.rows[i], i == t.cur, th))
	}
	if t.w < margin+8 {
		for i := range lines {
			lines[i] = draw.Fit(lines[i], t.w)
		}
	}
	return strings.Join(lines[:min(len(lines), t.h)], "\n")
}

// line draws one row: the title in the text's colour, the other cells quieter,
// the whole row in the cursor's style where it stands.
func (t *Table) line(r *tableRow, here bool, th *theme.Theme) string {
	if r.layout != t.layout {
		r.text, r.plain, r.layout = t.cells(r), "", t.layout
	}
	sign, mark := " ", StateMark(r.rec.Sync)
	marked := t.selected[r.rec.ID]
	if marked {
		sign = "✓"
	}
	if here {
		if !marked {
			sign = "›"
		}
		return th.Selected.Render(sign + mark + " " + r.text[0] + r.text[1] + r.text[2])
	}
	if marked {
		return th.Marked.Render(sign + mark + " " + r.text[0] + r.text[1] + r.text[2])
	}
	if r.plain != "" {
		return r.plain
	}
	if mark != " " {
		st := th.Warn
		if mark != "●" {
			st = th.Danger
		}
		mark = st.Render(mark)
	}
	r.plain = sign + mark + " " + Styled(th.Muted, r.text[0]) + th.Text.Render(r.text[1]) + Styled(th.Muted, r.text[2])
	return r.plain
}

// cells returns a row as three plain texts: what stands before the title, the
// title, and what stands after it up to the edge.
func (t *Table) cells(r *tableRow) []string {
	now := t.env.Now()
	out := []string{"", "", ""}
	part, used := 0, margin
	for j, i := range t.shown {
		c := t.cols[i]
		cell := Fit(c.Text(r.rec, now), t.widths[j])
		if c.Right {
			cell = FitRight(c.Text(r.rec, now), t.widths[j])
		}
		used += t.widths[j]
		if j > 0 {
			cell = strings.Repeat(" ", gap) + cell
			used += gap
		}
		switch {
		case c.Title:
			out[1], part = cell, 2
		default:
			out[part] += cell
		}
	}
	if used < t.w {
		out[2] += strings.Repeat(" ", t.w-used)
	}
	return out
}

// RowAt puts the cursor on the row that is drawn in a line of the table; false
// where there is none.
func (t *Table) RowAt(y int) bool {
	i := t.top + y - 1
	if y < 1 || i >= len(t.rows) {
		return false
	}
	t.cur = i
	return true
}

// ColumnAt puts the column cursor on the column that is drawn at a cell of the
// header; false where there is none.
func (t *Table) ColumnAt(x int) bool {
	at := margin
	for j, i := range t.shown {
		if x >= at && x < at+t.widths[j] {
			t.col = i
			t.arrange()
			return true
		}
		at += t.widths[j] + gap
	}
	return false
}

// CursorLine is the line of the table in which the cursor's row is drawn.
func (t *Table) CursorLine() int { return t.cur - t.top + 1 }
