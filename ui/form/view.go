package form

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/dialog"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

func (f *Form) chooseKey() string {
	return dialog.ShowKey(f.env.Keys.KeyOf(keymap.Choose, keymap.Form))
}

// preview writes a value that was just read, days with their weekday and year.
func preview(fd *model.Field, v any, f *Form) string {
	switch x := v.(type) {
	case string:
		if t, err := time.Parse("2006-01-02", x); err == nil {
			return t.Format("Mon 2 Jan 2006")
		}
	case time.Time:
		return x.In(f.env.Now().Location()).Format("Mon 2 Jan 2006 15:04")
	}
	return widget.Value(fd, v, f.env.Now())
}

// View implements screen.Screen.
func (f *Form) View() string {
	f.cursor = nil
	if f.w <= 0 || f.h <= 0 {
		return ""
	}
	if f.rec == nil {
		var text []string
		if f.loadErr != nil {
			text = []string{f.env.Theme.Muted.Render("This record cannot be edited.")}
		}
		return widget.Center(text, f.w, f.h)
	}
	th := f.env.Theme
	head := []string{" " + th.Strong.Render(widget.Fit(f.Title(), max(0, f.w-2))), ""}
	if news := f.news(); news != "" {
		head[1] = " " + th.Warn.Render(widget.Fit("● "+model.Visible(news), max(0, f.w-2)))
	}
	if f.note != "" {
		head[1] = " " + th.Danger.Render(widget.Fit("× "+f.note, max(0, f.w-2)))
	}
	body, cx, cy := f.body()
	h := max(0, f.h-len(head))
	// The line under the cursor stays in sight, with a little around it.
	if cy >= f.top+h-2 {
		f.top = cy - h + 3
	}
	if cy < f.top+1 {
		f.top = cy - 1
	}
	f.top = max(0, min(f.top, len(body)-h))
	seen := append([]string(nil), body[f.top:min(len(body), f.top+h)]...)
	for len(seen) < h {
		seen = append(seen, strings.Repeat(" ", f.w))
	}
	if cy >= 0 && cx >= 0 {
		f.cursor = tea.NewCursor(cx, cy-f.top+len(head))
	}
	if f.focus != nil && f.focus.open {
		f.drop(seen, cy-f.top)
	}
	for i := range head {
		head[i] = draw.Fit(head[i], f.w)
	}
	return strings.Join(append(head, seen...)[:f.h], "\n")
}

// body draws all lines and tells the cell of the cursor.
func (f *Form) body() (out []string, cx, cy int) {
	cx, cy = -1, -1
	blamed := map[*row]bool{}
	for _, l := range f.lines {
		drawn, x, y := f.line(l)
		if y >= 0 {
			cx, cy = x, len(out)+y
		}
		for _, d := range drawn {
			out = append(out, draw.Fit(d, f.w))
		}
		for _, s := range l.slots {
			msg := s.err
			if msg == "" && s.row.err != "" && !blamed[s.row] {
				msg, blamed[s.row] = s.row.err, true
			}
			if msg != "" {
				out = append(out, draw.Fit(strings.Repeat(" ", labelWidth+2)+f.env.Theme.Danger.Render(widget.Fit("× "+msg, max(0, f.w-labelWidth-3))), f.w))
			}
		}
	}
	return out, cx, cy
}

// line draws one line of slots; y is -1 where the cursor is elsewhere.
func (f *Form) line(l line) (out []string, cx, cy int) {
	cy = -1
	if len(l.slots) == 0 {
		return []string{" " + f.env.Theme.Muted.Render(l.label)}, 0, -1
	}
	x := 1
	var b strings.Builder
	b.WriteString(" ")
	label := l.label
	if l.indent {
		label = "  " + label
	}
	if s := l.slots[0]; s.part == nil && s.of.Required {
		label += " *"
	}
	st := f.env.Theme.Muted
	if f.focusIn(l) && (!l.paired || l.slots[0] == f.focus) {
		st = f.env.Theme.Accent
	}
	b.WriteString(st.Render(widget.Fit(label, labelWidth)) + " ")
	x += labelWidth + 1
	room := max(1, f.w-x-1)
	if l.rows > 1 {
		return f.long(l, x, room)
	}
	widths := f.widths(l, room)
	for i, s := range l.slots {
		if i > 0 {
			if l.paired {
				st := f.env.Theme.Muted
				if s == f.focus {
					st = f.env.Theme.Accent
				}
				b.WriteString("   " + st.Render(widget.Fit(s.of.Label, 13)) + " ")
				x += 17
			} else {
				b.WriteString(" ")
				x++
			}
		}
		cell, at := f.cell(s, widths[i])
		if s == f.focus {
			cx, cy = x+at, 0
			if s.kind == adder {
				cx = x
			}
		}
		b.WriteString(cell)
		x += widths[i]
	}
	if len(l.slots) == 1 || f.focusIn(l) {
		if rest := f.w - x - 3; rest > 6 {
			s := l.slots[0]
			if f.focusIn(l) {
				s = f.focus
			}
			if hint := f.hint(s); hint != "" && s == f.focus {
				b.WriteString("  " + f.env.Theme.Muted.Render(widget.Fit(hint, rest)))
			}
		}
	}
	return []string{b.String()}, cx, cy
}

func (f *Form) focusIn(l line) bool {
	for _, s := range l.slots {
		if s == f.focus {
			return true
		}
	}
	return false
}

func (f *Form) long(l line, x, room int) (out []string, cx, cy int) {
	s := l.slots[0]
	cy = -1
	w := min(room, 90)
	s.in.SetSize(w, l.rows)
	style, ls := f.env.Theme.Text, f.env.Theme.Muted
	if s == f.focus {
		style, ls = f.env.Theme.Input, f.env.Theme.Accent
		cx, cy = s.in.Cursor()
		cx += x
	}
	label := l.label
	if l.indent {
		label = "  " + label
	}
	text := s.in.View(style)
	if s.in.Value() == "" && s != f.focus {
		text = f.env.Theme.Border.Render(draw.Fit("·", w)) + strings.Repeat("\n"+strings.Repeat(" ", w), l.rows-1)
	}
	for i, t := range strings.Split(text, "\n") {
		lab := strings.Repeat(" ", labelWidth)
		if i == 0 {
			lab = ls.Render(widget.Fit(label, labelWidth))
		}
		out = append(out, " "+lab+" "+t)
	}
	return out, cx, cy
}

// widths shares a line out to its slots: short kinds get what they need, the
// rest goes to the others.
func (f *Form) widths(l line, room int) []int {
	out := make([]int, len(l.slots))
	if l.paired {
		w := max(8, min(26, (room-20)/2))
		return []int{w, w}
	}
	if len(l.slots) == 1 {
		s := l.slots[0]
		switch {
		case s.kind == adder:
			out[0] = room
		case s.kind == toggle:
			out[0] = 8
		case s.kind == choice || s.of.Narrow || s.of.Type != model.Text && s.of.Type != model.Link:
			out[0] = min(26, room)
		default:
			out[0] = min(52, room)
		}
		return out
	}
	flex, rest := 0, room-len(l.slots)+1
	for i, s := range l.slots {
		switch {
		case s.kind == toggle:
			out[i] = ansi.StringWidth(s.of.Label) + 4
		case s.of.Type == model.Int || s.of.Type == model.Decimal:
			out[i] = 8
		case s.of.Type == model.MoneyType:
			out[i] = 14
		case s.kind == choice:
			out[i] = 8
		case i > 0:
			out[i] = 12
		default:
			flex++
		}
		rest -= out[i]
	}
	for i := range out {
		if out[i] == 0 {
			out[i] = max(6, min(44, rest/max(1, flex)))
		}
	}
	return out
}

// cell draws one slot and tells where in it the cursor stands.
func (f *Form) cell(s *slot, w int) (string, int) {
	th := f.env.Theme
	switch s.kind {
	case adder:
		text := "+ add"
		if s == f.focus {
			return th.Selected.Render(" "+text+" ") + "  " + th.Muted.Render(widget.Fit("enter", max(0, w-9))), 0
		}
		return th.Muted.Render(widget.Fit(" "+text, w)), 0
	case toggle:
		box := "[ ] "
		if s.on {
			box = "[x] "
		}
		name := "no"
		if s.on {
			name = "yes"
		}
		if s.part != nil && w > ansi.StringWidth(s.of.Label)+3 {
			name = strings.ToLower(s.of.Label)
		}
		st := th.Text
		if s == f.focus {
			st = th.Selected
		}
		return st.Render(widget.Fit(box+name, w)), 1
	}
	s.in.SetSize(w, 1)
	if s == f.focus {
		x, _ := s.in.Cursor()
		return s.in.View(th.Focus), x
	}
	// A field without the cursor shows its beginning, an empty one a dot or
	// what belongs there.
	switch {
	case s.in.Value() != "":
		return th.Text.Render(widget.Fit(s.in.Value(), w)), 0
	case s.part != nil:
		return th.Muted.Render(widget.Fit(strings.ToLower(s.of.Label), w)), 0
	}
	return th.Border.Render(draw.Fit("·", w)), 0
}

// drop lays the proposals over the lines below the cursor's, or above it where
// there is no room below.
func (f *Form) drop(lines []string, cy int) {
	th := f.env.Theme
	s := f.focus
	n := min(len(s.picks), maxPicks+1)
	w := 24
	for _, p := range s.picks {
		w = max(w, ansi.StringWidth(model.Visible(p.text))+ansi.StringWidth(model.Visible(p.note))+6)
	}
	w = min(w, f.w-labelWidth-4)
	top := max(0, min(s.at-n/2, len(s.picks)-n))
	var box []string
	for i := top; i < top+n; i++ {
		p := s.picks[i]
		note := ansi.Truncate(model.Visible(p.note), w/2, "…")
		name := widget.Fit(p.text, max(0, w-5-ansi.StringWidth(note)))
		if i == s.at {
			box = append(box, th.Selected.Render("› "+name+"  "+note+" "))
		} else {
			box = append(box, th.Bar.Render("  "+name+"  ")+th.BarMuted.Render(note+" "))
		}
	}
	y := cy + 1
	if y+n > len(lines) && cy-n >= 0 {
		y = cy - n
	}
	x := labelWidth + 2
	if f.cursor != nil && len(f.lines) > 0 {
		x = max(x, min(f.cursor.X-s.inputX(), f.w-w-1))
	}
	widget.Overlay(lines, strings.Join(box, "\n"), x, y)
}

// inputX is the cursor's cell inside the slot.
func (s *slot) inputX() int {
	x, _ := s.in.Cursor()
	return x
}
