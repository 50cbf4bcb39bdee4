package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/model"
)

// pair is one member of an object whose members keep their order.
type pair struct {
	key   string
	value any
}

// object is a JSON object in order.
type object []pair

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(p.key))
		b.WriteByte(':')
		b.Write(encode(p.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes JSON without escaping <, > and &.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("cli: a result cannot be written as JSON: %v", err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// orNull writes an empty text or a zero time as null.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	if t, ok := any(v).(time.Time); ok {
		return model.FormatTime(t)
	}
	return v
}

// list writes an empty list as [] instead of null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// result prints a JSON value on a line of its own.
func (a *app) result(v any) error {
	_, err := fmt.Fprintf(a.Out, "%s\n", encode(v))
	return err
}

// print writes a line of a text result. Data in it has been made visible.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format+"\n", args...)
	return err
}

// table writes aligned columns. Cells are made visible here.
type table struct {
	head  []string
	rows  [][]string
	right []bool // columns that hold figures
	most  int    // widest cell, 0 for no limit
}

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = model.Visible(c)
		if t.most > 0 {
			cells[i] = ansi.Truncate(cells[i], t.most, "…")
		}
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.head))
	for i, h := range t.head {
		widths[i] = ansi.StringWidth(h)
	}
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], ansi.StringWidth(c))
		}
	}
	var b strings.Builder
	for _, r := range append([][]string{t.head}, t.rows...) {
		var line strings.Builder
		for i, c := range r {
			gap := strings.Repeat(" ", widths[i]-ansi.StringWidth(c))
			if i < len(t.right) && t.right[i] {
				line.WriteString(gap + c)
			} else {
				line.WriteString(c + gap)
			}
			if i < len(r)-1 {
				line.WriteString("  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cellLimit is the widest cell of a table: on a terminal a long text must not
// push the other columns away.
func (a *app) cellLimit() int {
	if a.OutTerminal {
		return 32
	}
	return 0
}

// cell is a field's value as one line of a table.
func (a *app) cell(f *model.Field, r *model.Record) string {
	if f.Type == model.List {
		items := r.List(f.Name)
		// Where one of the items is the primary one it stands for all.
		if len(items) > 1 && model.EntityOf(f.Part).Field("primary") != nil {
			items = items[:1]
		}
		var parts []string
		for _, p := range items {
			if p.Entity().Name != nil {
				parts = append(parts, p.Title())
			} else {
				parts = append(parts, itemText(f, p))
			}
		}
		return strings.Join(parts, ", ")
	}
	return a.value(f.Type, r.Values[f.Name])
}

// value is one value for a person: times are in their zone.
func (a *app) value(t model.Type, v any) string {
	switch x := v.(type) {
	case time.Time:
		if x.IsZero() {
			return ""
		}
		return x.In(a.Now().Location()).Format("2006-01-02 15:04")
	case bool:
		if x {
			return "yes"
		}
		return ""
	case model.Ref:
		if x.Name == "" && x.ID != "" {
			return "(" + x.ID.Short() + ")"
		}
	}
	return model.FormatValue(v)
}

// itemText is one item of a list: the value or what it links to, and its other
// words in brackets.
func itemText(f *model.Field, part *model.Record) string {
	e := part.Entity()
	where, _, _ := strings.Cut(f.Where, "=")
	var main string
	var more []string
	for i := range e.Fields {
		pf := &e.Fields[i]
		if pf.ReadOnly || pf.Name == where || pf.Type == model.Bool {
			continue
		}
		s := model.FormatValue(part.Values[pf.Name])
		switch {
		case s == "":
		case main == "" && (f.Target == "" || pf.Name == f.Target) && pf.Name != "label":
			main = s
		default:
			more = append(more, s)
		}
	}
	if main == "" {
		main, more = strings.Join(more, ", "), nil
	}
	if len(more) == 0 {
		return main
	}
	return main + " (" + strings.Join(more, ", ") + ")"
}

// card prints a whole record for a person to read.
func (a *app) card(r *model.Record) error {
	e := r.Entity()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", model.Visible(r.Title()), r.ID)
	state := r.Sync.String()
	if !r.DeletedAt.IsZero() {
		state = "deleted, " + state
	}
	fmt.Fprintf(&b, "%s, %s\n", e.Title, state)
	width := len("Changed")
	for i := range e.Fields {
		width = max(width, ansi.StringWidth(e.Fields[i].Label))
	}
	line := func(label, value string) {
		if value == "" {
			return
		}
		for i, l := range strings.Split(model.VisibleLines(value), "\n") {
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "  %s%s  %s\n", label, strings.Repeat(" ", width-ansi.StringWidth(label)), l)
		}
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type != model.List {
			line(f.Label, a.value(f.Type, r.Values[f.Name]))
			continue
		}
		label := f.Label
		for _, p := range r.List(f.Name) {
			line(label, model.Visible(itemText(f, p)))
			label = " "
		}
	}
	by := func(t time.Time, who string) string {
		s := a.value(model.Time, t)
		if s != "" && who != "" {
			s += " by " + who
		}
		return s
	}
	line("Made", by(r.CreatedAt, r.CreatedBy))
	line("Changed", by(r.UpdatedAt, r.UpdatedBy))
	_, err := io.WriteString(a.Out, b.String())
	return err
}

// plural counts something: "1 record", "3 records".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
