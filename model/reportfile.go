package model

import (
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ReportText writes one value of a report in plain text: a number without
// grouping, an amount without its currency, nothing for nil.
func ReportText(v any) string {
	switch x := v.(type) {
	case Money:
		return x.Amount()
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return FormatValue(v)
}

// grid is the report as text: a head and rows of equal length. Unless the
// report has a column for the currency, each amount is followed by one, so that
// a spreadsheet reads numbers.
func (r Report) grid(label func(ReportColumn) string) (head []string, rows [][]string) {
	told := slices.ContainsFunc(r.Columns, func(c ReportColumn) bool { return c.Name == "currency" })
	for _, c := range r.Columns {
		head = append(head, label(c))
		if c.Type == "money" && !told {
			head = append(head, label(c)+"_currency")
		}
	}
	for _, values := range r.Rows {
		row := make([]string, 0, len(head))
		for i, c := range r.Columns {
			var v any
			if i < len(values) {
				v = values[i]
			}
			text := ReportText(v)
			if c.Type == "text" {
				text = guardCell(text)
			}
			row = append(row, text)
			if c.Type == "money" && !told {
				m, _ := v.(Money)
				row = append(row, m.Currency)
			}
		}
		rows = append(rows, row)
	}
	return head, rows
}

// guardCell puts an apostrophe before text that a spreadsheet would run as a
// formula.
func guardCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// WriteCSV writes the report with the names of its columns as the head.
func (r Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head, rows := r.grid(func(c ReportColumn) string { return c.Name })
	if err := out.Write(head); err != nil {
		return err
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return out.Error()
}

const reportPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>%[1]s</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em; color: #18181b; }
table { border-collapse: collapse; }
th, td { padding: .3em .9em; text-align: left; border-bottom: 1px solid #d4d4d8; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
p { color: #5b5b64; }
</style></head><body>
<h1>%[1]s</h1>
<p>%[2]s</p>
<table>
`

// WriteHTML writes the report as one page that needs no other file and prints
// well.
func (r Report) WriteHTML(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, reportPage, html.EscapeString(r.Title), html.EscapeString("As of "+r.AsOf.Format("2 January 2006 15:04")))
	b.WriteString("<thead><tr>")
	for _, c := range r.Columns {
		fmt.Fprintf(&b, "<th%s>%s</th>", c.align(), html.EscapeString(c.Label))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, values := range r.Rows {
		b.WriteString("<tr>")
		for i, c := range r.Columns {
			var v any
			if i < len(values) {
				v = values[i]
			}
			text := FormatValue(v)
			if f, ok := v.(float64); ok {
				text = strconv.FormatFloat(f, 'f', -1, 64)
			}
			fmt.Fprintf(&b, "<td%s>%s</td>", c.align(), html.EscapeString(text))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table>\n</body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Numeric tells whether the column's values are figures, which stand at the
// right of their column.
func (c ReportColumn) Numeric() bool {
	return c.Type == "number" || c.Type == "money" || c.Type == "percent"
}

func (c ReportColumn) align() string {
	if c.Numeric() {
		return ` class="n"`
	}
	return ""
}
