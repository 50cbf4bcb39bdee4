package mysql

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// The change log knows each change of a row: from nothing to something, from
// one value to another, to nothing. A row that changed after it was copied is
// therefore the copy with every later change applied to it, in their order; a
// change that the copy has already is applied again without harm.

// logged is one entry of the change log.
type logged struct {
	at      int64
	person  string
	action  string
	changes map[string][2]any
}

// recovered is a row as the change log tells it.
type recovered struct {
	row     model.Row
	removed bool // somebody removed it and meant it
	short   bool // the log does not tell it whole: the row is as old as the copy, or nil
	applied int
}

// readLog returns what the change log knows of some rows from a line on, in
// order, by id in hexadecimal.
func (r *refresher) readLog(e *model.Entity, ids []string, from int64) (map[string][]logged, error) {
	out := map[string][]logged{}
	err := r.query(r.ctx, "SELECT HEX(pk),at,person,action,changes FROM sync_audit WHERE tbl="+quote(string(e.Noun))+" AND pk IN ("+hexList(ids)+") AND seq>="+strconv.FormatInt(from, 10)+" ORDER BY seq", func(_ int, v []driver.Value) error {
		at, _ := parseMillis([]byte(asText(v[1])))
		l := logged{at: at, person: asText(v[2]), action: asText(v[3]), changes: map[string][2]any{}}
		dec := json.NewDecoder(strings.NewReader(asText(v[4])))
		dec.UseNumber()
		if err := dec.Decode(&l.changes); err != nil {
			return model.Errorf(model.Corrupt, "the change log has an entry of %s %s that cannot be read", e.Noun, asText(v[0])).Because(err)
		}
		out[asText(v[0])] = append(out[asText(v[0])], l)
		return nil
	})
	return out, err
}

// replay applies the entries of the change log to the copy of a row, nil where
// there is none. Removals at the end that are not older than since are taken
// for a mistake.
func replay(e *model.Entity, id model.ID, copied model.Row, log []logged, since time.Time) recovered {
	for !since.IsZero() && len(log) > 0 && log[len(log)-1].action == "delete" && log[len(log)-1].at >= since.UnixMilli() {
		log = log[:len(log)-1]
	}
	if len(log) > 0 && log[len(log)-1].action == "delete" {
		return recovered{removed: true}
	}
	out := recovered{row: slices.Clone(copied)}
	known := int64(0) // when the copy was last changed
	if out.row != nil {
		known, _ = out.row.Get(e, model.ColumnUpdatedAt).(int64)
	}
	for _, l := range log {
		switch {
		case l.at < known:
			continue // the copy has it
		case l.action == "delete":
			out.row = nil
			continue
		case l.action == "insert":
			out.row = model.NewRow(e)
			out.row[0] = id
			out.row.Set(e, model.ColumnCreatedAt, l.at)
			out.row.Set(e, model.ColumnCreatedBy, l.person)
			out.row.Set(e, model.ColumnVersion, int64(0))
			for i, c := range e.Columns() {
				// What was inserted as nothing is not in the log.
				if c.Field != nil || c.Owner {
					out.row[i] = nil
				}
			}
		case out.row == nil:
			out.short = true // it began before the log does
			continue
		}
		for name, change := range l.changes {
			if i, c := e.Column(name); i >= 0 {
				out.row[i] = logValue(c, change[1])
			}
		}
		version, _ := out.row.Get(e, model.ColumnVersion).(int64)
		out.row.Set(e, model.ColumnVersion, version+1)
		out.row.Set(e, model.ColumnUpdatedAt, l.at)
		out.row.Set(e, model.ColumnUpdatedBy, l.person)
		out.applied++
	}
	if out.applied == 0 || out.row == nil {
		out.short = true
	}
	return out
}

// logValue gives a value of the change log the type of its column.
func logValue(c model.Column, v any) any {
	switch x := v.(type) {
	case json.Number:
		return cell(&c, []byte(x.String()))
	case bool:
		if x {
			return int64(1)
		}
		return int64(0)
	case string:
		if c.Type == model.ColID {
			return model.ID(x)
		}
		return cell(&c, []byte(x))
	}
	return nil
}

// rowSQL writes a row as the values of some columns.
func rowSQL(e *model.Entity, row model.Row, columns []string) string {
	var out []string
	for _, name := range columns {
		i, c := e.Column(name)
		v := row[i]
		if v == nil && required(e, c) && c.Fallback != nil {
			v = defaultOf(c.Fallback)
		}
		out = append(out, literal(c, v))
	}
	return "(" + strings.Join(out, ",") + ")"
}

// copies reads the copies of some rows, by id in hexadecimal, from a table with
// the columns of the mirror.
func (r *refresher) copies(m *mirror, table, where string, ids []string) (map[string]model.Row, error) {
	out := map[string]model.Row{}
	if len(ids) == 0 {
		return out, nil
	}
	var names []string
	for _, c := range m.columns {
		names = append(names, c.Name)
	}
	err := r.query(r.ctx, fmt.Sprintf("SELECT HEX(id),%s FROM %s WHERE id IN (%s)%s", idents(names), ident(table), hexList(ids), where), func(_ int, v []driver.Value) error {
		row := model.NewRow(m.entity)
		for i := range m.columns {
			at, _ := m.entity.Column(m.columns[i].Name)
			row[at] = cell(&m.columns[i].Column, v[i+1])
		}
		out[asText(v[0])] = row
		return nil
	})
	return out, err
}

// sameContent tells whether two rows hold the same but for what says when and
// how often they changed.
func sameContent(e *model.Entity, a, b model.Row) bool {
	if a == nil || b == nil {
		return false
	}
	for i, c := range e.Columns() {
		switch c.Name {
		case model.ColumnVersion, model.ColumnUpdatedAt, model.ColumnUpdatedBy, model.ColumnCreatedAt, model.ColumnCreatedBy:
		default:
			if a[i] != b[i] {
				return false
			}
		}
	}
	return true
}
