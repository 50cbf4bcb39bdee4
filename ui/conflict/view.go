package conflict

import (
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// wide is the width from which the versions stand side by side.
const wide = 100

// tallest is how many lines one value may take.
const tallest = 6

// View draws the conflict.
func (s *Screen) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	th := s.env.Theme
	switch {
	case !s.loaded:
		return draw.View(nil, s.Width, s.Height)
	case s.err != nil && len(s.it.Fields) == 0:
		return draw.View(append([]string{""}, draw.Paragraph(th.Danger, draw.Error(s.err), s.Width)...), s.Width, s.Height)
	case s.gone && len(s.it.Fields) == 0:
		return draw.View(append([]string{""}, draw.Paragraph(th.Muted, "This conflict is settled. "+s.key(keymap.Back)+" goes back.", s.Width)...), s.Width, s.Height)
	}
	lines := s.intro()
	var body []string
	from, to := 0, 0
	for i := range s.it.Fields {
		if i == s.row {
			from = len(body)
		}
		if s.Width >= wide {
			body = append(body, s.beside(i)...)
		} else {
			body = append(body, s.stacked(i)...)
		}
		if i == s.row {
			to = len(body) - 1
		}
		body = append(body, "")
	}
	if s.Width >= wide {
		lines = append(lines, s.head())
	}
	h := max(1, s.Height-len(lines))
	top := draw.Window(draw.Window(0, to, len(body), h), from, len(body), h)
	return draw.View(append(lines, body[top:min(len(body), top+h)]...), s.Width, s.Height)
}

func (s *Screen) key(a keymap.Action) string {
	return s.env.Keys.KeyOf(a, keymap.Conflict, keymap.Global)
}

// intro names the record and says what there is to do.
func (s *Screen) intro() []string {
	th := s.env.Theme
	open := int64(0)
	for _, c := range s.chosen {
		if c == "" {
			open++
		}
	}
	note := draw.Plural(open, "field is open", "fields are open")
	if open == 0 {
		note = "all settled"
	}
	out := []string{draw.Heading(th, string(s.it.Noun)+" · "+model.Visible(s.it.Title), note, s.Width, false)}
	text := s.key(keymap.TakeMine) + " takes mine, " + s.key(keymap.TakeTheirs) + " theirs, " + s.key(keymap.Edit) + " types another value; " +
		s.key(keymap.AllMine) + " or " + s.key(keymap.AllTheirs) + " settles all. The other value stays in the history."
	out = append(out, draw.Paragraph(th.Muted, text, s.Width)...)
	return append(out, "")
}

// widths of the label and of each version, beside each other.
func (s *Screen) widths() (label, value int) {
	label = 18
	return label, (s.Width - 4 - label - 3) / 3
}

func (s *Screen) head() string {
	th := s.env.Theme
	label, w := s.widths()
	cells := "  " + draw.Fit("", label)
	for _, t := range []string{"before", "mine", "theirs"} {
		cells += " " + th.Muted.Render(draw.Fit(t, w))
	}
	return draw.Fit(cells, s.Width)
}

// versions are a field's three values with who made them and when.
func (s *Screen) versions(f model.ConflictField) (texts, bys [3]string) {
	now := s.env.Now()
	for i, v := range []any{f.Base, f.Mine, f.Theirs} {
		texts[i] = draw.Value(v, now)
	}
	by := func(who string, at time.Time) string {
		who = model.Visible(who)
		if at.IsZero() {
			return who
		}
		if who == "" {
			return draw.Ago(at, now)
		}
		return who + ", " + draw.Ago(at, now)
	}
	bys[1], bys[2] = by("you", f.MineAt), by(f.TheirsBy, f.TheirsAt)
	return texts, bys
}

// styles are those of the three versions, after what was chosen.
func (s *Screen) styles(i int) [3]lipgloss.Style {
	th := s.env.Theme
	out := [3]lipgloss.Style{th.Muted, th.Text, th.Text}
	switch s.chosen[i] {
	case "":
	case "mine":
		out[1], out[2] = th.Good, th.Muted
	case "theirs":
		out[1], out[2] = th.Muted, th.Good
	default:
		out[1], out[2] = th.Muted, th.Muted
	}
	return out
}

// name is a field's label with the cursor's mark and what was chosen.
func (s *Screen) name(i int) (label, verdict string) {
	label = "  " + model.Visible(s.label(s.it.Fields[i]))
	if i == s.row {
		label = "› " + strings.TrimPrefix(label, "  ")
	}
	if c := s.chosen[i]; c != "" {
		verdict = "✓ " + c
	}
	return label, verdict
}

func (s *Screen) labelStyle(i int) lipgloss.Style {
	if i == s.row {
		return s.env.Theme.Accent.Bold(true)
	}
	return s.env.Theme.Strong
}

// beside draws a field in columns.
func (s *Screen) beside(i int) []string {
	th := s.env.Theme
	label, w := s.widths()
	texts, bys := s.versions(s.it.Fields[i])
	styles := s.styles(i)
	var cols [3][]string
	n := 2
	for c := range cols {
		for _, l := range cut(texts[c], w) {
			cols[c] = append(cols[c], styles[c].Render(draw.Fit(l, w)))
		}
		cols[c] = append(cols[c], th.Muted.Render(draw.Fit(bys[c], w)))
		n = max(n, len(cols[c]))
	}
	name, verdict := s.name(i)
	left := []string{s.labelStyle(i).Render(draw.Fit(name, label+2)), th.Good.Render(draw.Fit("  "+verdict, label+2))}
	out := make([]string, n)
	blank := draw.Fit("", w)
	for y := range out {
		line := draw.Fit("", label+2)
		if y < len(left) {
			line = left[y]
		}
		for c := range cols {
			if y < len(cols[c]) {
				line += " " + cols[c][y]
			} else {
				line += " " + blank
			}
		}
		out[y] = draw.Fit(line, s.Width)
	}
	return out
}

// stacked draws a field with its versions below each other.
func (s *Screen) stacked(i int) []string {
	th := s.env.Theme
	texts, bys := s.versions(s.it.Fields[i])
	styles := s.styles(i)
	name, verdict := s.name(i)
	out := []string{draw.Fit(s.labelStyle(i).Render(name)+"  "+th.Good.Render(verdict), s.Width)}
	const word = 9
	w := max(1, s.Width-4-word)
	for c, title := range []string{"before", "mine", "theirs"} {
		mark := " "
		if s.chosen[i] == title {
			mark = "✓"
		}
		for y, l := range cut(texts[c], w) {
			head := draw.Fit("", word)
			if y == 0 {
				head = draw.Fit(mark+" "+title, word)
			}
			line := "  " + th.Muted.Render(head) + " " + styles[c].Render(l)
			if y == 0 && bys[c] != "" && draw.Width(l)+draw.Width(bys[c])+3 < w {
				line += "  " + th.Muted.Render(bys[c])
			}
			out = append(out, draw.Fit(line, s.Width))
		}
	}
	return out
}

// cut wraps a value and cuts it at some lines.
func cut(s string, w int) []string {
	lines := draw.Wrap(s, w)
	if len(lines) > tallest {
		lines = append(lines[:tallest-1:tallest-1], draw.Fit(lines[tallest-1]+" …", w))
	}
	return lines
}
