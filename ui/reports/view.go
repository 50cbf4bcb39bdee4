package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/dialog"
	"rapport/ui/widget/draw"
)

// wide is the width from which the list of reports stands at the left.
const wide = 100

const listWidth = 26

// View draws the list of reports and the one that is chosen.
func (s *Screen) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	if len(s.infos) == 0 {
		return draw.View([]string{"", "  " + s.env.Theme.Muted.Render("There are no reports.")}, s.Width, s.Height)
	}
	if s.Width < wide {
		return draw.View(append([]string{s.tabs()}, s.page(s.Width, s.Height-1)...), s.Width, s.Height)
	}
	right := s.Width - listWidth - 2
	return draw.View(draw.Beside(draw.Block(s.list(), listWidth, s.Height), s.page(right, s.Height), listWidth, 2, right), s.Width, s.Height)
}

// list names the reports below each other.
func (s *Screen) list() []string {
	out := []string{draw.Heading(s.env.Theme, "Reports", "", listWidth, false)}
	for i, info := range s.infos {
		out = append(out, draw.Row(s.env.Theme, i == s.at, listWidth, draw.Cell{Text: info.Title, Style: s.env.Theme.Text}))
	}
	return out
}

// tabs is the one line that takes the place of the list: which report of how
// many this is.
func (s *Screen) tabs() string {
	th := s.env.Theme
	key := func(a keymap.Action) string { return dialog.ShowKey(s.env.Keys.KeyOf(a, keymap.Report)) }
	return draw.Fit("  "+th.Accent.Render(fmt.Sprintf("‹ %d of %d ›", s.at+1, len(s.infos)))+
		th.Muted.Render("  "+key(keymap.Previous)+" "+key(keymap.Next)+" other reports"), s.Width)
}

// page draws the chosen report.
func (s *Screen) page(w, h int) []string {
	th := s.env.Theme
	info := s.infos[s.at]
	words := []string{}
	if len(info.By) > 1 {
		words = append(words, s.env.Keys.KeyOf(keymap.Group, keymap.Report)+" by "+info.By[s.by[s.at]])
	}
	words = append(words, s.env.Keys.KeyOf(keymap.Period, keymap.Report)+" "+periods(s.env.Now())[s.period].name)
	out := []string{draw.Heading(th, info.Title, strings.Join(words, " · "), w, false)}
	if h >= 20 {
		said := draw.Wrap(model.Visible(info.Comment), w-4)
		if len(said) > 2 {
			said = []string{said[0], said[1] + " …"}
		}
		for _, l := range said {
			out = append(out, draw.Fit("  "+th.Muted.Render(l), w))
		}
		out = append(out, "")
	}
	switch {
	case s.err != nil:
		return append(out, draw.Paragraph(th.Danger, draw.Error(s.err), w)...)
	case !s.loaded:
		return out
	case len(s.report.Rows) == 0:
		said := "Nothing falls into this period. " + s.env.Keys.KeyOf(keymap.Period, keymap.Report) + " takes another one."
		if s.period == 0 {
			said = "There is nothing to report yet: it needs deals or activities."
		}
		return append(out, draw.Paragraph(th.Muted, said, w)...)
	}
	room := h - len(out)
	n := len(s.report.Rows)
	chart := s.bars(w)
	head, body, foot := s.table(w)
	tall := len(foot) + 1
	heights := draw.Share([]int{min(len(chart), 3), min(n, 3)}, []int{len(chart), n}, room-tall-1)
	if heights[0] > 0 && len(chart) > 0 {
		top := draw.Window(0, s.row, n, heights[0])
		out = append(out, chart[top:min(n, top+heights[0])]...)
		out = append(out, "")
	}
	top := draw.Window(0, s.row, n, heights[1])
	out = append(out, head)
	out = append(out, body[top:min(n, top+heights[1])]...)
	out = append(out, foot...)
	if spare := h - len(out); spare >= 2 {
		out = append(out, "", draw.Fit("  "+th.Muted.Render("as of "+s.report.AsOf.In(s.env.Now().Location()).Format("2 January 2006 15:04")), w))
	}
	return out
}

// value returns one cell of the report, nil if the row is short.
func (s *Screen) value(row, col int) any {
	if r := s.report.Rows[row]; col < len(r) {
		return r[col]
	}
	return nil
}

// labels names each row for the chart: by its first textual column and as many
// more as it takes to tell the rows apart.
func (s *Screen) labels() []string {
	out := make([]string, len(s.report.Rows))
	for c, col := range s.report.Columns {
		if col.Numeric() {
			continue
		}
		varies := false
		for r := range out {
			varies = varies || cell(col, s.value(r, c), full) != cell(col, s.value(0, c), full)
		}
		if c > 0 && !varies {
			continue
		}
		for r := range out {
			out[r] = strings.TrimSpace(out[r] + " " + cell(col, s.value(r, c), full))
		}
		if seen := slices.Compact(slices.Sorted(slices.Values(out))); len(seen) == len(out) {
			break
		}
	}
	return out
}

// bars draws the column that the report names for its chart.
func (s *Screen) bars(w int) []string {
	c := slices.IndexFunc(s.report.Columns, func(c model.ReportColumn) bool { return c.Name == s.report.Chart })
	if c < 0 {
		return nil
	}
	how := full
	if w < 70 {
		how = brief
	}
	bars := make([]draw.Bar, len(s.report.Rows))
	for r, label := range s.labels() {
		v := s.value(r, c)
		bars[r] = draw.Bar{Label: label, Value: number(v), Notes: []string{cell(s.report.Columns[c], v, how)}}
	}
	return draw.Bars(s.env.Theme, bars, w)
}

// number is a value's length in a chart.
func number(v any) float64 {
	switch x := v.(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	case model.Money:
		f, _ := strconv.ParseFloat(x.Amount(), 64)
		return f
	}
	return 0
}

// form is how an amount is written.
type form int

const (
	full  form = iota
	bare       // without its currency, which stands in a column of its own
	brief      // in few cells
)

// cell writes one value.
func cell(c model.ReportColumn, v any, how form) string {
	switch x := v.(type) {
	case nil:
		return "–"
	case int64:
		if c.Type == "percent" {
			return draw.Count(x) + " %"
		}
		return draw.Count(x)
	case float64:
		s := draw.Number(strconv.FormatFloat(x, 'f', 1, 64))
		if c.Type == "percent" {
			s += " %"
		}
		return s
	case model.Money:
		switch how {
		case brief:
			return draw.Brief(x)
		case bare:
			return draw.Number(x.Amount())
		}
		return draw.Amount(x)
	}
	return model.Visible(model.FormatValue(v))
}

// total is a row that adds up counts and amounts in one currency; nil for one
// that has nothing to add.
func (s *Screen) total() []any {
	out := make([]any, len(s.report.Columns))
	some := false
	for c := range s.report.Columns {
		for r := range s.report.Rows {
			switch x := s.value(r, c).(type) {
			case int64:
				n, ok := out[c].(int64)
				if !ok && r > 0 {
					continue
				}
				out[c], some = n+x, true
			case model.Money:
				m, ok := out[c].(model.Money)
				if !ok && out[c] != nil || ok && m.Currency != x.Currency {
					out[c] = "several"
					continue
				}
				out[c], some = model.Money{Minor: m.Minor + x.Minor, Currency: x.Currency}, true
			}
		}
	}
	if !some || len(s.report.Rows) < 2 {
		return nil
	}
	return out
}

// table draws the head, the rows and the total of the report's table. Amounts
// are shortened and columns at the right left out where the width asks for it.
func (s *Screen) table(w int) (head string, body, foot []string) {
	th := s.env.Theme
	cols, total := s.report.Columns, s.total()
	how := full
	if slices.ContainsFunc(cols, func(c model.ReportColumn) bool { return c.Name == "currency" }) {
		how = bare
	}
	widths, used := s.widths(total, how)
	if used > w {
		how = brief
		widths, used = s.widths(total, how)
	}
	for used > w {
		i := s.widestText(widths)
		if i < 0 || widths[i] <= 8 {
			break
		}
		widths[i]--
		used--
	}
	row := func(values []any, selected, strong bool) string {
		cells := make([]draw.Cell, len(cols))
		for i, c := range cols {
			text := ""
			if values == nil {
				text = c.Label
			} else if i < len(values) && !(strong && values[i] == nil) {
				text = cell(c, values[i], how)
			}
			style := th.Text
			switch {
			case values == nil:
				style = th.Muted
			case strong:
				style = th.Strong
			}
			cells[i] = draw.Cell{Text: text, Width: widths[i] + 1, Right: c.Numeric(), Style: style}
		}
		for len(cells) > 1 && sum(widths[:len(cells)])+2*len(cells)+1 > w {
			cells = cells[:len(cells)-1]
		}
		return draw.Row(th, selected, w, cells...)
	}
	head = row(nil, false, false)
	for i, values := range s.report.Rows {
		body = append(body, row(values, i == s.row, false))
	}
	if total != nil {
		for i, c := range cols {
			if !c.Numeric() {
				total[i] = "total"
				break
			}
		}
		foot = []string{row(total, false, true)}
	}
	return head, body, foot
}

func sum(ns []int) int {
	n := 0
	for _, x := range ns {
		n += x
	}
	return n
}

// widths is how wide each column wants to be, and all of them with what stands
// between.
func (s *Screen) widths(total []any, how form) (widths []int, used int) {
	for i, c := range s.report.Columns {
		n := draw.Width(c.Label)
		for r := range s.report.Rows {
			n = max(n, draw.Width(cell(c, s.value(r, i), how)))
		}
		if total != nil {
			n = max(n, draw.Width(cell(c, total[i], how)))
		}
		widths = append(widths, min(n, 40))
	}
	return widths, sum(widths) + 2*len(widths) + 1
}

// widestText is the widest column of text, -1 if there is none.
func (s *Screen) widestText(widths []int) int {
	best := -1
	for i, c := range s.report.Columns {
		if !c.Numeric() && (best < 0 || widths[i] > widths[best]) {
			best = i
		}
	}
	return best
}
