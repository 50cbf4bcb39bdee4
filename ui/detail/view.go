package detail

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

type clock = func() time.Time

// twoColumns is the width from which the fields stand beside the rest.
const twoColumns = 100

// View implements screen.Screen.
func (d *Detail) View() string {
	if d.Width <= 0 || d.Height <= 0 {
		return ""
	}
	if d.data == nil {
		var text []string
		if d.err != nil {
			text = []string{d.env.Theme.Muted.Render("This record cannot be shown.")}
		}
		return widget.Center(text, d.Width, d.Height)
	}
	lines := []string{d.heading(), ""}
	h := max(0, d.Height-len(lines))
	if d.Width < twoColumns {
		lines = append(lines, d.column(0, 0, len(d.parts), d.Width, h)...)
		return draw.View(lines, d.Width, d.Height)
	}
	left := min(d.Width*45/100, 72)
	right := d.Width - left - 2
	l := d.column(0, 0, 1, left, h)
	r := d.column(1, 1, len(d.parts), right, h)
	return draw.View(append(lines, draw.Beside(l, r, left, 2, right)...), d.Width, d.Height)
}

// heading is the record's name, what it is and its state in words.
func (d *Detail) heading() string {
	th, rec := d.env.Theme, d.data.rec
	right := strings.ToLower(d.entity.Title)
	st := th.Muted
	if !rec.DeletedAt.IsZero() {
		right, st = "deleted "+draw.When(rec.DeletedAt, d.env.Now()), th.Danger
	} else if rec.Sync != model.Clean {
		right = widget.StateMark(rec.Sync) + " " + widget.StateWords(rec.Sync)
		st = th.Warn
		if rec.Sync != model.Pending {
			st = th.Danger
			right += ", see " + d.env.Keys.KeyOf(keymap.GoSync, keymap.Global)
		}
	}
	right = ansi.Truncate(right, d.Width/2, "…")
	room := max(0, d.Width-ansi.StringWidth(right)-3)
	return "  " + th.Strong.Render(widget.Fit(rec.Title(), max(0, room-1))) + " " + st.Render(right) + " "
}

// column draws some of the parts below each other, scrolled so that the cursor
// is seen if it is in one of them.
func (d *Detail) column(n, from, to, w, h int) []string {
	var lines []string
	at, end := -1, -1
	for i := from; i < to; i++ {
		p := &d.parts[i]
		if i > from {
			lines = append(lines, "")
		}
		start := len(lines)
		lines = append(lines, draw.Heading(d.env.Theme, p.title, p.note, w, i == d.focus))
		if len(p.items) == 0 {
			lines = append(lines, "   "+d.env.Theme.Muted.Render(p.empty))
			if i == d.focus {
				at, end = start, len(lines)
			}
		}
		for j := range p.items {
			begin := len(lines)
			lines = append(lines, d.item1(i, &p.items[j], i == d.focus && j == p.cur, w)...)
			if i == d.focus && j == p.cur {
				at, end = begin, len(lines)
				if j == 0 {
					at = start
				}
			}
		}
	}
	top := d.tops[n]
	if at >= 0 {
		if end > top+h {
			top = end - h
		}
		if at < top {
			top = at
		}
	}
	top = max(0, min(top, len(lines)-h))
	d.tops[n] = top
	return lines[top:min(len(lines), top+h)]
}

// item1 draws an item; the one under the cursor in the cursor's style.
func (d *Detail) item1(part int, it *item, here bool, w int) []string {
	if part == 0 {
		return d.fieldLines(it, here, w)
	}
	th := d.env.Theme
	if it.head == "" {
		return []string{d.relatedLine(it, here, w)}
	}
	when, kind := d.parts[part].whens+2, d.parts[part].kinds+2
	by := ansi.Truncate(model.Visible(it.by), 12, "…")
	room := max(0, w-2-when-kind-ansi.StringWidth(by)-3)
	text := widget.Fit(it.text, room)
	head := widget.Fit(it.head, when)
	label := widget.Fit(it.label, kind)
	mark := widget.StateMark(it.mark)
	var out []string
	if here {
		out = append(out, th.Selected.Render("›"+mark+head+label+text+"  "+by+" "))
	} else {
		out = append(out, " "+th.Danger.Render(mark)+th.Muted.Render(head)+th.Accent.Render(label)+th.Text.Render(text)+"  "+th.Muted.Render(by)+" ")
	}
	if it.more != "" {
		out = append(out, strings.Repeat(" ", 2+when+kind)+th.Muted.Render(widget.Fit(it.more, max(0, w-2-when-kind-1))))
	}
	return out
}

func (d *Detail) relatedLine(it *item, here bool, w int) string {
	th := d.env.Theme
	mark := widget.StateMark(it.mark)
	title := min(max(16, w*2/5), max(0, w-4))
	rest := max(0, w-4-title-2)
	a, b := widget.Fit(it.text, title), widget.Fit(it.more, rest)
	if here {
		return th.Selected.Render("›" + mark + " " + a + "  " + b + " ")
	}
	return " " + th.Warn.Render(mark) + " " + th.Text.Render(a) + "  " + th.Muted.Render(b) + " "
}

// fieldLines draws a field: its label, then its value, wrapped if it is long.
func (d *Detail) fieldLines(it *item, here bool, w int) []string {
	th := d.env.Theme
	const labels = 15
	room := max(1, w-3-labels-1)
	texts := []string{widget.Fit(it.text, room)}
	if it.long {
		texts = nil
		for _, l := range widget.Wrap(it.text, room) {
			texts = append(texts, draw.Fit(l, room))
		}
	}
	note := ""
	if it.more != "" {
		tw := min(ansi.StringWidth(model.Visible(it.text)), room)
		if left := room - tw - 2; left > 3 {
			note = widget.Fit(it.more, left)
			texts[0] = widget.Fit(it.text, tw)
		}
	}
	style := th.Text
	if it.open.Kind != "" {
		style = th.Accent
	}
	var out []string
	for i, t := range texts {
		label := ""
		if i == 0 {
			label = it.label
		}
		label = widget.Fit(label, labels)
		if here {
			line := t
			if i == 0 && note != "" {
				line += "  " + note
			}
			sign := "› "
			if i > 0 {
				sign = "  "
			}
			out = append(out, th.Selected.Render(draw.Fit(sign+" "+label+line, w-1))+" ")
			continue
		}
		line := style.Render(t)
		if i == 0 && note != "" {
			line += "  " + th.Muted.Render(note)
		}
		out = append(out, "   "+th.Muted.Render(label)+line)
	}
	return out
}
