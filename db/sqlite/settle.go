package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"rapport/model"
)

// conflictRow is one open row of sync_conflict.
type conflictRow struct {
	seq                int64
	id, record         model.ID
	noun               model.Noun
	e                  *model.Entity // of the row
	row                model.ID
	field              string
	base, mine, theirs string
	mineAt, theirsAt   sql.NullInt64
	theirsBy           sql.NullString
}

// value reads one of the row's values.
func (c conflictRow) value(data string) any { return decodeCells(c.e, c.field, data) }

// openConflicts returns the open conflicts for which a condition holds.
func openConflicts(ctx context.Context, q querier, where string, args ...any) ([]conflictRow, error) {
	rows, err := q.QueryContext(ctx, "SELECT seq, id, noun, record_id, tbl, row_id, field, base, mine, theirs, mine_at, theirs_at, theirs_by\nFROM sync_conflict\nWHERE settled_at IS NULL AND "+where+"\nORDER BY seq", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []conflictRow
	for rows.Next() {
		var c conflictRow
		var id, record, row []byte
		var noun, table string
		if err := rows.Scan(&c.seq, &id, &noun, &record, &table, &row, &c.field, &c.base, &c.mine, &c.theirs, &c.mineAt, &c.theirsAt, &c.theirsBy); err != nil {
			return nil, err
		}
		c.id, c.record, c.row = model.IDFromBytes(id), model.IDFromBytes(record), model.IDFromBytes(row)
		c.noun, c.e = model.Noun(noun), model.EntityOf(model.Noun(table))
		if c.e != nil && c.e.Field(c.field) != nil {
			out = append(out, c)
		}
	}
	return out, rows.Err()
}

// shownField is the field of the record under which a conflict is shown: for
// a part the list it lies in.
func shownField(ctx context.Context, q querier, c conflictRow) (string, error) {
	if !c.e.IsPart() {
		return c.field, nil
	}
	rows, err := q.QueryContext(ctx, planOf(c.e).byID, c.row.Bytes())
	if err != nil {
		return "", err
	}
	defer rows.Close()
	if !rows.Next() {
		return c.field, rows.Err()
	}
	row, err := scanRow(c.e, rows)
	if err != nil {
		return "", err
	}
	if f := listOf(c.noun, c.e, row); f != nil {
		return f.Name, nil
	}
	return c.field, nil
}

// Conflicts returns the records with fields that wait for a person.
func (d *DB) Conflicts(ctx context.Context) ([]model.Conflict, error) {
	rows, err := openConflicts(ctx, d.read(), "1")
	if err != nil {
		return nil, mapError("conflicts", err)
	}
	out := []model.Conflict{}
	names := map[recordKey]string{}
	rows = withoutFollowers(rows)
	for _, c := range rows {
		names[recordKey{c.noun, c.record}] = ""
		for _, data := range []string{c.base, c.mine, c.theirs} {
			if ref, ok := c.value(data).(model.Ref); ok {
				names[recordKey{ref.Noun, ref.ID}] = ""
			}
		}
	}
	if err := titles(ctx, d.read(), names); err != nil {
		return nil, mapError("conflicts", err)
	}
	at := map[model.ID]int{}
	for _, c := range rows {
		i, known := at[c.id]
		if !known {
			i = len(out)
			at[c.id] = i
			out = append(out, model.Conflict{ID: c.id, Noun: c.noun, Record: c.record, Title: names[recordKey{c.noun, c.record}]})
		}
		f := model.ConflictField{MineAt: fromMillis(c.mineAt), TheirsAt: fromMillis(c.theirsAt), TheirsBy: c.theirsBy.String,
			Base: named(names, c.value(c.base)), Mine: named(names, c.value(c.mine)), Theirs: named(names, c.value(c.theirs))}
		if f.Field, err = shownField(ctx, d.read(), c); err != nil {
			return nil, mapError("conflicts", err)
		}
		if c.e.IsPart() {
			f.Part = c.row
		}
		out[i].Fields = append(out[i].Fields, f)
	}
	return out, nil
}

// withoutFollowers leaves out the fields that are settled with the one that
// they follow.
func withoutFollowers(rows []conflictRow) []conflictRow {
	type key struct {
		row   model.ID
		field string
	}
	open := map[key]bool{}
	for _, c := range rows {
		open[key{c.row, c.field}] = true
	}
	return slices.DeleteFunc(slices.Clone(rows), func(c conflictRow) bool { return open[key{c.row, c.e.Field(c.field).Follows}] })
}

func fromMillis(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMilli(v.Int64).UTC()
}

// named gives a link its name.
func named(names map[recordKey]string, v any) any {
	if ref, ok := v.(model.Ref); ok {
		ref.Name = names[recordKey{ref.Noun, ref.ID}]
		return ref
	}
	return v
}

// closeConflict marks a conflict as settled; it stays as a record of what was
// decided.
func (t *Tx) closeConflict(c conflictRow, resolution string) error {
	t.touch(c.noun, c.record)
	return t.exec("UPDATE sync_conflict\nSET settled_at = ?, resolution = ?\nWHERE seq = ?", t.now.UnixMilli(), resolution, c.seq)
}

// Settle settles fields of a conflict. Mine and a new value are measured
// against the server's value from now on, and so stay pending; theirs is taken
// over.
func (d *DB) Settle(ctx context.Context, id model.ID, choices []model.Settlement) error {
	return d.write(ctx, "settle", func(t *Tx) error {
		open, err := openConflicts(ctx, t, "id = ?", id.Bytes())
		if err != nil {
			return err
		}
		if len(open) == 0 {
			return model.Errorf(model.NotFound, "there is no open conflict %s", id.Short())
		}
		used := make([]bool, len(choices))
		var typed []model.Edit
		for _, c := range open {
			i, err := t.choiceFor(ctx, c, choices)
			if err != nil {
				return err
			}
			if i < 0 {
				continue
			}
			used[i] = true
			choice := choices[i]
			if leads := leads(c.e, c.field); choice.Take == "" && (leads || follows(c.e, c.field)) {
				// The rules of an edit say what follows from a typed value.
				if choice.Take = "mine"; leads {
					typed = append(typed, model.Edit{Noun: c.noun, ID: c.record, Set: map[string]any{c.field: choice.Value}})
				}
			}
			if err := t.settleField(c, choice); err != nil {
				return err
			}
		}
		for _, ed := range typed {
			if _, err := t.save(ed); err != nil {
				return err
			}
		}
		if i := slices.Index(used, false); i >= 0 {
			return model.Errorf(model.Invalid, "%s is not in conflict", choices[i].Field)
		}
		return nil
	})
}

// choiceFor finds the choice that is about a field: the one that names it, or
// the field that it follows, or the one for all.
func (t *Tx) choiceFor(ctx context.Context, c conflictRow, choices []model.Settlement) (int, error) {
	field, err := shownField(ctx, t, c)
	if err != nil {
		return -1, err
	}
	for _, name := range []string{field, c.e.Field(c.field).Follows, ""} {
		if i := slices.IndexFunc(choices, func(s model.Settlement) bool { return s.Field == name }); i >= 0 {
			return i, nil
		}
	}
	return -1, nil
}

// leads tells whether other fields follow a field.
func leads(e *model.Entity, field string) bool {
	return slices.ContainsFunc(e.Fields, func(f model.Field) bool { return f.Follows == field })
}

// settleField settles one field of one row.
func (t *Tx) settleField(c conflictRow, choice model.Settlement) error {
	f := c.e.Field(c.field)
	old, err := t.row(c.e, c.row)
	if err != nil {
		return err
	}
	if old == nil {
		return t.closeConflict(c, "theirs")
	}
	theirs := c.value(c.theirs)
	value, lost, resolution := any(nil), c.value(c.mine), choice.Take
	switch choice.Take {
	case "mine":
		value, lost = c.value(c.mine), theirs
	case "theirs":
		value = theirs
	case "":
		resolution = "value"
		if value, err = t.value(f, choice.Value, model.RecordOf(c.e, old), model.Edit{}); err != nil {
			return err
		}
		if err := model.ValidateValue(f, value); err != nil {
			return model.Errorf(model.Invalid, "%s: %v", f.Label, err)
		}
	default:
		return model.Errorf(model.Invalid, "%q is neither mine nor theirs", choice.Take)
	}
	base, pending, err := t.base(c.e, c.row)
	if err != nil {
		return err
	}
	if !pending || base == nil {
		base = slices.Clone(old)
	}
	model.SetFieldValue(c.e, f, base, theirs)
	row := slices.Clone(old)
	model.SetFieldValue(c.e, f, row, value)
	unsent := !model.SameData(c.e, row, base)
	if unsent {
		row.Set(c.e, model.ColumnUpdatedAt, t.now.UnixMilli())
		row.Set(c.e, model.ColumnUpdatedBy, text(t.db.settings.Me))
	} else {
		for _, col := range []string{model.ColumnUpdatedAt, model.ColumnUpdatedBy} {
			row.Set(c.e, col, base.Get(c.e, col))
		}
	}
	if err := t.put(c.e, row); err != nil {
		return err
	}
	if err := t.closeConflict(c, resolution); err != nil {
		return err
	}
	done, err := t.settled(c.e, c.row)
	if err != nil {
		return err
	}
	if err := t.setBase(c.e, c.row, base, unsent || !done); err != nil {
		return err
	}
	return t.log(revision{Action: "settle", Noun: c.noun, Record: c.record, Entity: c.e, Row: c.row,
		Changes: []model.FieldChange{{Field: c.field, Old: lost, New: value}},
		Note:    "theirs was " + shorten(model.FormatValue(theirs))})
}

// shorten cuts a value for a note.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}
