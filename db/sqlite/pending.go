package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"rapport/model"
)

// recordOf returns the record that a row is or belongs to.
func recordOf(e *model.Entity, row model.Row) recordKey {
	if n, id, ok := row.OwnerOf(e); ok {
		return recordKey{n, id}
	}
	return recordKey{e.Noun, row.ID()}
}

// columnNames returns the names of an entity's columns as JSON.
func columnNames(e *model.Entity) string {
	var names []string
	for _, c := range e.Columns() {
		names = append(names, c.Name)
	}
	data, _ := json.Marshal(names)
	return string(data)
}

// base returns what the server last said about a row with unsent edits.
// pending with a nil base means that the row was made here.
func (t *Tx) base(e *model.Entity, id model.ID) (base model.Row, pending bool, err error) {
	rows, err := t.query("SELECT base, columns\nFROM sync_base\nWHERE tbl = ? AND id = ?", string(e.Noun), id.Bytes())
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, false, rows.Err()
	}
	var data, names sql.NullString
	if err := rows.Scan(&data, &names); err != nil {
		return nil, false, err
	}
	base, err = decodeBase(e, data, names)
	return base, true, err
}

// decodeBase reads a stored base; nil for a row that was made here.
func decodeBase(e *model.Entity, data, names sql.NullString) (model.Row, error) {
	if !data.Valid {
		return nil, nil
	}
	var columns []string
	if names.Valid {
		if err := json.Unmarshal([]byte(names.String), &columns); err != nil {
			return nil, model.Errorf(model.Corrupt, "a stored %s row cannot be read", e.Noun).Because(err)
		}
	}
	return model.DecodeRow(e, []byte(data.String), columns)
}

// setBase stores what unsent edits of a row are measured against, or that
// there are none. The row must be stored already unless pending is false.
func (t *Tx) setBase(e *model.Entity, id model.ID, base model.Row, pending bool) error {
	if !pending {
		return t.exec("DELETE FROM sync_base\nWHERE tbl = ? AND id = ?", string(e.Noun), id.Bytes())
	}
	row, err := t.row(e, id)
	if err != nil {
		return err
	}
	if row == nil {
		if row = base; row == nil {
			return fmt.Errorf("pending %s %s has neither a row nor a base", e.Noun, id)
		}
	}
	return t.storeBase(e, row, base)
}

// storeBase is setBase for a pending row that is at hand.
func (t *Tx) storeBase(e *model.Entity, row, base model.Row) error {
	k := recordOf(e, row)
	var data, names any
	if base != nil {
		data, names = string(model.EncodeRow(base)), columnNames(e)
	}
	t.touch(k.noun, k.id)
	return t.exec(`INSERT INTO sync_base (tbl, id, noun, record_id, base, columns, first_at, seq)
VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM sync_base))
ON CONFLICT (tbl, id) DO UPDATE SET base = excluded.base, columns = excluded.columns, noun = excluded.noun, record_id = excluded.record_id`,
		string(e.Noun), row.ID().Bytes(), string(k.noun), k.id.Bytes(), data, names, t.now.UnixMilli())
}

// edit is a person's change of one row, new or known. The server's state is
// copied at the first edit; a row that came back to it is not pending any
// more. It does nothing where the rows agree.
func (t *Tx) edit(e *model.Entity, old, new model.Row) error {
	if old != nil && model.SameData(e, old, new) {
		return nil
	}
	new.Set(e, model.ColumnUpdatedAt, t.now.UnixMilli())
	new.Set(e, model.ColumnUpdatedBy, text(t.db.settings.Me))
	if old == nil {
		if err := t.put(e, new); err != nil {
			return err
		}
		return t.storeBase(e, new, nil)
	}
	base, pending, err := t.base(e, new.ID())
	if err != nil {
		return err
	}
	back := false
	if pending && base != nil && model.SameData(e, new, base) {
		if back, err = t.settled(e, new.ID()); err != nil {
			return err
		}
	}
	if back {
		for _, c := range []string{model.ColumnUpdatedAt, model.ColumnUpdatedBy} {
			new.Set(e, c, base.Get(e, c))
		}
	}
	if err := t.put(e, new); err != nil {
		return err
	}
	if pending && !back {
		if err := t.choseAnew(e, old, new); err != nil {
			return err
		}
	}
	switch {
	case back:
		return t.setBase(e, new.ID(), nil, false)
	case pending:
		return t.exec("UPDATE sync_base\nSET code = NULL, error = NULL\nWHERE tbl = ? AND id = ? AND code <> ?", string(e.Noun), new.ID().Bytes(), model.CodeLeft)
	}
	if versionOf(e, old) == 0 {
		// The server does not have the row, or not any more: it is new there,
		// and so are its parts.
		if err := t.storeBase(e, new, nil); err != nil {
			return err
		}
		return t.offerParts(e, new.ID())
	}
	return t.storeBase(e, new, old)
}

// settled tells whether no conflict of a row waits for a person.
func (t *Tx) settled(e *model.Entity, id model.ID) (bool, error) {
	open, err := t.one([]any{new(any)}, "SELECT NULL\nFROM sync_conflict\nWHERE tbl = ? AND row_id = ? AND settled_at IS NULL", string(e.Noun), id.Bytes())
	return !open, err
}

// text is nil for an empty string.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
