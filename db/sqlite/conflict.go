package sqlite

import (
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
	var theirsAt any
	if c.TheirsAt != 0 {
		theirsAt = c.TheirsAt
	}
	return t.exec(`INSERT INTO sync_conflict (id, tbl, row_id, noun, record_id, field, base, mine, theirs, mine_at, theirs_at, theirs_by, opened_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tbl, row_id, field) WHERE settled_at IS NULL
DO UPDATE SET base = excluded.base, mine = excluded.mine, theirs = excluded.theirs, mine_at = excluded.mine_at, theirs_at = excluded.theirs_at, theirs_by = excluded.theirs_by`,
		id, string(e.Noun), c.Row.ID().Bytes(), string(k.noun), k.id.Bytes(), c.Field.Field,
		encodeCells(e, c.Field.Field, c.Field.Base), encodeCells(e, c.Field.Field, c.Field.Mine), encodeCells(e, c.Field.Field, c.Field.Theirs),
		c.Row.Get(e, model.ColumnUpdatedAt), theirsAt, text(c.TheirsBy), t.now.UnixMilli())
}
