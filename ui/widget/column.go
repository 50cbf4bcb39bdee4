package widget

import (
	"slices"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/model"
)

// Column is one column of a table.
type Column struct {
	Label string
	Field *model.Field // nil for a title that no single field holds
	Right bool
	Title bool
	Min   int
	Max   int
}

// ColumnsOf returns the columns of an entity's list: its essential fields, with
// the record's title in place of the last field that is searched as a name, so
// that a record that has only an e-mail still shows something. Where an entity
// orders its records otherwise than by title, the title takes the place of all
// such fields.
func ColumnsOf(e *model.Entity) []Column {
	last := -1
	for i := range e.Fields {
		if f := &e.Fields[i]; named(f) {
			last = i
		}
	}
	var out []Column
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case !f.Essential:
		case i == last && e.Sort != nil:
			out = append(out, Column{Label: "Name", Title: true, Min: 16, Max: 40})
		case i == last:
			out = append(out, Column{Label: f.Label, Field: f, Title: true, Min: 16, Max: 56})
		case named(f) && e.Sort != nil:
		default:
			out = append(out, columnOf(f))
		}
	}
	return out
}

func named(f *model.Field) bool {
	return f.Essential && f.Type == model.Text && f.Search == model.SearchName
}

func columnOf(f *model.Field) Column {
	c := Column{Label: f.Label, Field: f, Right: RightAligned(f), Min: 12, Max: 32}
	switch f.Type {
	case model.Bool:
		c.Min, c.Max = 4, 8
	case model.Int, model.Decimal:
		c.Min, c.Max = 6, 12
	case model.MoneyType:
		c.Min, c.Max = 12, 20
	case model.Date, model.PartialDate:
		c.Min, c.Max = 11, 12
	case model.Time:
		c.Min, c.Max = 16, 18
	case model.Choice:
		c.Min, c.Max = 6, 12
	case model.Link, model.List:
		c.Min, c.Max = 16, 30
	}
	return c
}

// Text is what a cell shows of a record.
func (c Column) Text(r *model.Record, now time.Time) string {
	if c.Title {
		return r.Title()
	}
	return Value(c.Field, r.Values[c.Field.Name], now)
}

// Key is what the table is sorted by for this column; ok is false where
// nothing can be.
func (c Column) Key() (field string, ok bool) {
	switch {
	case c.Title:
		return "", true
	case c.Field.Type == model.List:
		return "", false
	}
	return c.Field.Name, true
}

// least is the width below which a column is rather left out: that of its
// cells, within bounds, but never less than its head.
func (c Column) least(need int) int {
	label := ansi.StringWidth(c.Label)
	return max(label, min(c.Min, max(need, label+2)))
}

// gap stands between two columns.
const gap = 2

// fitColumns chooses the columns from off on that fit into width beside the
// title, and their widths: what the cells need, within each column's bounds,
// the rest shared out to those that need more.
func fitColumns(cols []Column, need []int, off, width int) (shown, widths []int) {
	title := 0
	for i, c := range cols {
		if c.Title {
			title = i
		}
	}
	used := -gap
	take := func(i int) bool {
		m := cols[i].least(need[i])
		if used+gap+m > width && len(shown) > 0 {
			return false
		}
		shown = append(shown, i)
		used += gap + m
		return true
	}
	if off > 0 {
		take(title)
		for i := off; i < len(cols); i++ {
			if i != title && !take(i) {
				break
			}
		}
	} else {
		// The title is never left out, then come the short values that
		// records are told apart by, then the others as they are declared.
		take(title)
		for _, brief := range []bool{true, false} {
			for i, c := range cols {
				if i != title && brief == (c.Field.Narrow || c.Field.Sorted) {
					take(i)
				}
			}
		}
		slices.Sort(shown)
	}
	for _, i := range shown {
		widths = append(widths, cols[i].least(need[i]))
		if rest := width - used; i == title && rest > 0 {
			more := min(rest, max(0, min(need[i], 30)-widths[len(widths)-1]))
			widths[len(widths)-1] += more
			used += more
		}
	}
	for rest := width - used; rest > 0; {
		grown := false
		for j, i := range shown {
			if rest > 0 && widths[j] < min(cols[i].Max, max(need[i], ansi.StringWidth(cols[i].Label)+2)) {
				widths[j]++
				rest--
				grown = true
			}
		}
		if !grown {
			break
		}
	}
	if len(shown) == 1 {
		widths[0] = min(widths[0], max(0, width))
	}
	return shown, widths
}
