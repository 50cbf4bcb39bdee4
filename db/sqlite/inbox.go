package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"time"

	"rapport/model"
)

// unsent is one row with unsent edits and what the cache holds of it.
type unsent struct {
	e         *model.Entity
	id        model.ID
	record    recordKey
	base      model.Row // nil for a row that was made here
	row       model.Row
	firstAt   int64
	code, msg string
}

// unsentRows returns the rows with unsent edits, oldest first; those of some
// records only, if any are named.
func unsentRows(ctx context.Context, q querier, records []model.ID) ([]unsent, error) {
	query := "SELECT tbl, id, noun, record_id, base, columns, first_at, coalesce(code, ''), coalesce(error, '')\nFROM sync_base"
	var out []unsent
	scan := func(rows *sql.Rows) error {
		u, err := scanUnsent(rows)
		out = append(out, u)
		return err
	}
	if len(records) > 0 {
		if err := each(ctx, q, query+"\nWHERE record_id IN (%s)\nORDER BY seq", records, scan); err != nil {
			return nil, err
		}
		return out, currentRows(ctx, q, out)
	}
	rows, err := q.QueryContext(ctx, query+"\nORDER BY seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	return out, currentRows(ctx, q, out)
}

func scanUnsent(rows *sql.Rows) (u unsent, err error) {
	var table, noun string
	var id, record []byte
	var base, columns sql.NullString
	if err := rows.Scan(&table, &id, &noun, &record, &base, &columns, &u.firstAt, &u.code, &u.msg); err != nil {
		return u, err
	}
	if u.e = model.EntityOf(model.Noun(table)); u.e == nil {
		return u, model.Errorf(model.TooNew, "an unsent change belongs to the unknown table %q", table)
	}
	u.id, u.record = model.IDFromBytes(id), recordKey{model.Noun(noun), model.IDFromBytes(record)}
	u.base, err = decodeBase(u.e, base, columns)
	return u, err
}

// currentRows loads what the cache holds of unsent rows.
func currentRows(ctx context.Context, q querier, list []unsent) error {
	byTable := map[*model.Entity][]model.ID{}
	at := map[recordKey]int{}
	for i, u := range list {
		byTable[u.e] = append(byTable[u.e], u.id)
		at[recordKey{u.e.Noun, u.id}] = i
	}
	for e, ids := range byTable {
		err := each(ctx, q, "SELECT "+planOf(e).list+"\nFROM "+quote(string(e.Noun))+"\nWHERE id IN (%s)", ids, func(rows *sql.Rows) error {
			row, err := scanRow(e, rows)
			if err == nil {
				list[at[recordKey{e.Noun, row.ID()}]].row = row
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// listOf returns the list of a record in which a part's row lies, nil for a
// row that no list shows.
func listOf(owner model.Noun, pe *model.Entity, row model.Row) *model.Field {
	e := model.EntityOf(owner)
	if e == nil || row == nil {
		return nil
	}
	part := model.RecordOf(pe, row)
	for _, f := range e.Lists() {
		if model.BelongsTo(f, part) {
			return f
		}
	}
	return nil
}

// Pending returns the records with unsent changes, oldest first. Parts count
// with their record.
func (d *DB) Pending(ctx context.Context) ([]model.PendingItem, error) {
	list, err := unsentRows(ctx, d.read(), nil)
	if err != nil {
		return nil, mapError("pending", err)
	}
	out := []model.PendingItem{}
	at := map[recordKey]int{}
	names := map[recordKey]string{}
	for _, u := range list {
		i, known := at[u.record]
		if !known {
			i = len(out)
			at[u.record], names[u.record] = i, ""
			out = append(out, model.PendingItem{Noun: u.record.noun, ID: u.record.id, Action: "edit", At: time.UnixMilli(u.firstAt).UTC()})
		}
		describe(&out[i], u)
	}
	if err := titles(ctx, d.read(), names); err != nil {
		return nil, mapError("pending", err)
	}
	for i := range out {
		item := &out[i]
		if item.Title = names[recordKey{item.Noun, item.ID}]; item.Title == "" {
			item.Title = "(" + item.ID.Short() + ")"
		}
		if item.Action == "add" || item.Action == "delete" {
			item.Fields = nil
		}
	}
	return out, nil
}

// describe adds what one row says to the item of its record.
func describe(item *model.PendingItem, u unsent) {
	// What the record itself is refused for says more than what its parts are.
	if u.code != "" && (item.Code == "" || u.e.Noun == item.Noun) {
		item.Code, item.Error = u.code, u.msg
	}
	add := func(field string) {
		if !slices.Contains(item.Fields, field) {
			item.Fields = append(item.Fields, field)
		}
	}
	if u.e.IsPart() {
		if f := listOf(u.record.noun, u.e, u.row); f != nil {
			add(f.Name)
		}
		return
	}
	switch {
	case u.base == nil:
		item.Action = "add"
	case u.row == nil:
	default:
		for _, c := range model.Changes(u.e, u.base, u.row) {
			if c.Field != model.ColumnDeletedAt {
				add(c.Field)
			} else if item.Action = "delete"; c.New == nil {
				item.Action = "restore"
			}
		}
	}
}

// Retry clears the refusal of records, so that the next sync sends them again.
func (d *DB) Retry(ctx context.Context, ids ...model.ID) (int, error) {
	seen := map[model.ID]bool{}
	err := d.write(ctx, "retry", func(t *Tx) error {
		list, err := unsentRows(ctx, t, ids)
		if err != nil {
			return err
		}
		for _, u := range list {
			if u.code == "" || u.code == model.CodeLeft {
				continue // what left is sent when it comes back
			}
			seen[u.record.id] = true
			t.touch(u.record.noun, u.record.id)
			if err := t.exec("UPDATE sync_base\nSET code = NULL, error = NULL\nWHERE tbl = ? AND id = ?", string(u.e.Noun), u.id.Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
	return len(seen), err
}

// Discard gives up the unsent changes of records, of all if none are named: a
// record goes back to what the server last said, a new one disappears, and so does
// one that the server does not show any more.
func (d *DB) Discard(ctx context.Context, ids ...model.ID) (int, error) {
	seen := map[model.ID]bool{}
	err := d.write(ctx, "discard", func(t *Tx) error {
		list, err := unsentRows(ctx, t, ids)
		if err != nil {
			return err
		}
		slices.Reverse(list) // what was made later may belong to what was made before
		left := map[recordKey]bool{}
		for _, u := range list {
			seen[u.record.id] = true
			left[u.record] = left[u.record] || u.code == model.CodeLeft && u.id == u.record.id
		}
		for _, u := range list {
			switch {
			case left[u.record]:
				// Nothing else kept it here.
				err = t.dropRecord(model.EntityOf(u.record.noun), u.record.id)
			case u.code == model.CodeLeft: // a part of a record that is still shown
				err = t.dropPart(u.e, u.id)
			default:
				err = t.discard(u)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return len(seen), err
}

// discard takes one row back. Where it is in conflict, the server's value
// stands.
func (t *Tx) discard(u unsent) error {
	if err := t.setBase(u.e, u.id, nil, false); err != nil {
		return err
	}
	if u.base == nil {
		// One that the server removed has parts that are not unsent.
		if err := t.dropParts(u.e, u.id); err != nil {
			return err
		}
		return t.drop(u.e, u.id)
	}
	row := slices.Clone(u.base)
	conflicts, err := openConflicts(context.Background(), t, "tbl = ? AND row_id = ?", string(u.e.Noun), u.id.Bytes())
	if err != nil {
		return err
	}
	for _, c := range conflicts {
		model.SetFieldValue(u.e, u.e.Field(c.field), row, c.value(c.theirs))
		if err := t.closeConflict(c, "theirs"); err != nil {
			return err
		}
	}
	if err := t.put(u.e, row); err != nil || u.row == nil {
		return err
	}
	return t.log(revision{Action: "edit", Noun: u.record.noun, Record: u.record.id, Entity: u.e, Row: u.id,
		Changes: model.Changes(u.e, u.row, row), Note: "unsent changes were discarded"})
}

// LocalStatus counts what is waiting. It knows nothing of the central.
func (d *DB) LocalStatus(ctx context.Context) (model.Status, error) {
	var s model.Status
	var last string
	err := d.read().QueryRowContext(ctx, `
SELECT (SELECT count(DISTINCT record_id) FROM sync_base),
       (SELECT count(DISTINCT record_id) FROM sync_base WHERE code IS NOT NULL),
       (SELECT count(DISTINCT id) FROM sync_conflict WHERE settled_at IS NULL),
       (SELECT count(*) FROM duplicate WHERE `+openPairs+`),
       coalesce((SELECT value FROM state WHERE key = ?), '')`, stateLastSync).Scan(&s.Pending, &s.Refused, &s.Conflicts, &s.Duplicates, &last)
	if err != nil {
		return s, mapError("status", err)
	}
	if ms, err := strconv.ParseInt(last, 10, 64); err == nil {
		s.LastSync = time.UnixMilli(ms).UTC()
	}
	return s, nil
}
