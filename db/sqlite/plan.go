package sqlite

import (
	"database/sql"
	"fmt"
	"strings"

	"rapport/model"
)

// Columns that only the cache has. They are derived from a record and never
// travel.
const (
	columnTitle    = "title"     // what the record is called
	columnTitleKey = "title_key" // the same folded, for finding it by name
	columnSortKey  = "sort_key"  // what lists are ordered by
)

// plan holds the statements of one entity, made once from its declaration.
type plan struct {
	titled bool // has the derived columns
	// listed is true where the title may come from the record's lists, so
	// that a row alone does not give it.
	listed bool
	list   string // its columns, quoted, in the order of a Row
	byID   string
	upsert string
	// move stores the columns that upsert leaves out of a row that was there:
	// those by which indexes find it, whose places among their numbers found
	// has. It changes nothing where they are the same. SQLite takes a row out
	// of an index and puts it back for each column of it that a statement
	// sets, whatever the values.
	move   string
	found  []int
	stored int // how many columns its rows have here
	// insertOne stores a row that is not there yet, and nothing otherwise;
	// insertMany does that for insertRows rows.
	insertOne, insertMany string
	drop                  string
	retell                string // sets the derived columns
}

var plans = func() map[model.Noun]*plan {
	m := map[model.Noun]*plan{}
	for _, e := range model.Entities() {
		m[e.Noun] = newPlan(e)
	}
	return m
}()

func planOf(e *model.Entity) *plan { return plans[e.Noun] }

func newPlan(e *model.Entity) *plan {
	p := &plan{titled: e.Name != nil, list: columnList(e, "")}
	if p.titled {
		p.listed = e.Name(model.NewRecord(e.Noun)) != e.Name(probe(model.NewRecord(e.Noun)))
	}
	var names, sets, moved, kept []string
	found := foundBy(e)
	for _, c := range e.Columns() {
		names = append(names, c.Name)
	}
	if p.titled {
		names = append(names, columnTitle, columnTitleKey, columnSortKey)
	}
	for i, n := range names {
		names[i] = quote(n)
		switch {
		case i == 0:
		case found[n]:
			p.found = append(p.found, i)
			moved, kept = append(moved, fmt.Sprintf("%s = ?%d", names[i], len(p.found)+1)), append(kept, fmt.Sprintf("%s IS ?%d", names[i], len(p.found)+1))
		default:
			sets = append(sets, names[i]+" = excluded."+names[i])
		}
	}
	table := quote(string(e.Noun))
	p.byID = fmt.Sprintf("SELECT %s\nFROM %s\nWHERE id = ?", p.list, table)
	p.upsert = fmt.Sprintf("INSERT INTO %s (%s)\nVALUES (%s)\nON CONFLICT (id) DO UPDATE SET %s",
		table, strings.Join(names, ", "), marks(len(names)), strings.Join(sets, ", "))
	if len(moved) > 0 {
		p.move = fmt.Sprintf("UPDATE %s\nSET %s\nWHERE id = ?1 AND NOT (%s)", table, strings.Join(moved, ", "), strings.Join(kept, " AND "))
	}
	p.stored = len(names)
	insert := func(rows int) string {
		values := strings.Repeat(", ("+marks(len(names))+")", rows)[2:]
		return fmt.Sprintf("INSERT INTO %s (%s)\nVALUES %s\nON CONFLICT (id) DO NOTHING", table, strings.Join(names, ", "), values)
	}
	p.insertOne, p.insertMany = insert(1), insert(insertRows)
	p.drop = fmt.Sprintf("DELETE FROM %s\nWHERE id = ?", table)
	p.retell = fmt.Sprintf("UPDATE %s\nSET title = ?, title_key = ?, sort_key = ?\nWHERE id = ?", table)
	return p
}

// probe fills the lists and links of a record with a value that no record
// has. A title that changes by it depends on them.
func probe(r *model.Record) *model.Record {
	const strange = "\x01"
	out := &model.Record{Noun: r.Noun, ID: r.ID, Values: map[string]any{}}
	for k, v := range r.Values {
		out.Values[k] = v
	}
	e := r.Entity()
	for i := range e.Fields {
		switch f := &e.Fields[i]; f.Type {
		case model.List:
			part := model.NewPart(f)
			pe := part.Entity()
			for j := range pe.Fields {
				if t := pe.Fields[j].Type; t == model.Text || t == model.LongText {
					part.Values[pe.Fields[j].Name] = strange
				}
			}
			out.Values[f.Name] = []*model.Record{part}
		case model.Link:
			out.Values[f.Name] = model.Ref{Noun: f.To[0], Name: strange}
		}
	}
	return out
}

// rowTitle returns what a row alone says about its record's title; sure is
// false where the lists decide.
func rowTitle(e *model.Entity, row model.Row) (title, sortKey string, sure bool) {
	r := model.RecordOf(e, row)
	sure = true
	if planOf(e).listed {
		sure = e.Name(r) == e.Name(probe(r))
	}
	return r.Title(), r.SortKey(), sure
}

// quote makes an identifier of the declaration safe: some nouns are words of
// SQL.
func quote(name string) string { return `"` + name + `"` }

// marks returns n placeholders.
func marks(n int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}

// columnList returns the columns of an entity in the order of a Row, quoted
// and with the alias of its table if there is one.
func columnList(e *model.Entity, alias string) string {
	var b strings.Builder
	for i, c := range e.Columns() {
		if i > 0 {
			b.WriteString(", ")
		}
		if alias != "" {
			b.WriteString(alias + ".")
		}
		b.WriteString(quote(c.Name))
	}
	return b.String()
}

// cell gives a value the form in which it is bound to a statement.
func cell(v any) any {
	switch x := v.(type) {
	case model.ID:
		return x.Bytes()
	case bool:
		if x {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

// scanRow reads the current row of a result whose columns begin with
// columnList.
func scanRow(e *model.Entity, rows *sql.Rows) (model.Row, error) {
	return scanRowWith(e, rows)
}

// scanRowWith reads a row followed by more columns.
func scanRowWith(e *model.Entity, rows *sql.Rows, more ...any) (model.Row, error) {
	cols := e.Columns()
	row := make(model.Row, len(cols))
	dest := make([]any, len(cols), len(cols)+len(more))
	for i := range row {
		dest[i] = &row[i]
	}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return nil, fmt.Errorf("read %s row: %w", e.Noun, err)
	}
	for i, c := range cols {
		if c.Type == model.ColID {
			b, _ := row[i].([]byte)
			if row[i] = nil; len(b) == 16 {
				row[i] = model.IDFromBytes(b)
			}
		}
	}
	return row, nil
}
