package sqlite

import (
	"context"
	"slices"

	"rapport/model"
)

// openConflict is one field of a row that waits for a person, as the sync
// found it.
type openConflict struct {
	Entity   *model.Entity
	Row      model.Row // mine
	Field    model.FieldConflict
	TheirsAt int64 // milliseconds, 0 if unknown
	TheirsBy string
}

// addConflict keeps both values of a field. A conflict that is open already
// takes the newer values; fields of one record share one conflict.
func (t *Tx) addConflict(c openConflict) error {
	e, k := c.Entity, recordOf(c.Entity, c.Row)
	var id []byte
	err := t.QueryRow("SELECT id FROM sync_conflict WHERE record_id = ? AND settled_at IS NULL LIMIT 1", k.id.Bytes()).Scan(&id)
	if notNoRows(err) != nil {
		return err
	}
	if id == nil {
		id = t.db.ids.New().Bytes()
	}
	t.touch(k.noun, k.id)
	mineAt, err := t.changedAt(e, c.Row, c.Field.Field)
	if err != nil {
		return err
	}
	var theirsAt any
	if c.TheirsAt != 0 {
		theirsAt = c.TheirsAt
	}
	return t.exec(`INSERT INTO sync_conflict (id, tbl, row_id, noun, record_id, field, base, mine, theirs, mine_at, theirs_at, theirs_by, opened_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tbl, row_id, field) WHERE settled_at IS NULL
DO UPDATE SET base = excluded.base, mine = excluded.mine, theirs = excluded.theirs,
  mine_at = CASE WHEN mine = excluded.mine THEN mine_at ELSE excluded.mine_at END,
  theirs_at = CASE WHEN theirs = excluded.theirs THEN theirs_at ELSE excluded.theirs_at END,
  theirs_by = CASE WHEN theirs = excluded.theirs THEN theirs_by ELSE excluded.theirs_by END`,
		id, string(e.Noun), c.Row.ID().Bytes(), string(k.noun), k.id.Bytes(), c.Field.Field,
		encodeCells(e, c.Field.Field, c.Field.Base), encodeCells(e, c.Field.Field, c.Field.Mine), encodeCells(e, c.Field.Field, c.Field.Theirs),
		mineAt, theirsAt, text(c.TheirsBy), t.now.UnixMilli())
}

// changedAt is when a field of a row was last changed here, which may be before
// the row was. It is the row's own time where the history does not tell.
func (t *Tx) changedAt(e *model.Entity, row model.Row, field string) (any, error) {
	list, err := entries(context.Background(), t, "record_id = ? AND tbl = ? AND row_id = ? AND act IS NOT NULL", 20,
		recordOf(e, row).id.Bytes(), string(e.Noun), row.ID().Bytes())
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		if slices.ContainsFunc(x.changes, func(c model.FieldChange) bool { return c.Field == field }) {
			return x.at, nil
		}
	}
	return row.Get(e, model.ColumnUpdatedAt), nil
}

// follows tells whether a field waits only because another one does, with which
// it is shown and settled.
func follows(e *model.Entity, field string) bool {
	f := e.Field(field)
	return f != nil && f.Follows != ""
}

// choseAnew takes over what a person makes of a field that waits: it is their
// side of the conflict now.
func (t *Tx) choseAnew(e *model.Entity, old, row model.Row) error {
	open, err := openConflicts(context.Background(), t, "tbl = ? AND row_id = ?", string(e.Noun), row.ID().Bytes())
	if err != nil {
		return err
	}
	for _, c := range open {
		f := e.Field(c.field)
		mine := model.FieldValue(e, f, row)
		if mine == model.FieldValue(e, f, old) {
			continue
		}
		if err := t.exec("UPDATE sync_conflict\nSET mine = ?, mine_at = ?\nWHERE seq = ?", encodeCells(e, c.field, mine), t.now.UnixMilli(), c.seq); err != nil {
			return err
		}
	}
	return nil
}
