package sqlite

import (
	"context"
	"slices"

	"rapport/model"
)

const noteRekeyed = "another record has the id of this one; it got one of its own"

// stranger tells whether the server's row under the id of an unsent new one is
// another thing, and not this one come back: it was made at another time, and
// is called otherwise or belongs to another record.
func stranger(e *model.Entity, local, theirs model.Row) bool {
	if model.SameRecord(e, local, theirs) {
		return false
	}
	if e.Name != nil {
		return model.Fold(model.RecordOf(e, local).Title()) != model.Fold(model.RecordOf(e, theirs).Title())
	}
	_, mine, _ := local.OwnerOf(e)
	_, other, _ := theirs.OwnerOf(e)
	return mine != other
}

// rekey gives a row that was made here and never sent another id, with its
// parts and what points to it here, so that two things never become one.
func (t *Tx) rekey(ctx context.Context, e *model.Entity, row model.Row) error {
	old, id := row.ID(), t.db.ids.New()
	unsent, err := t.leaning(ctx, e, old, true)
	if err != nil {
		return err
	}
	moved := slices.Clone(row)
	moved[0] = id
	if err := t.put(e, moved); err != nil {
		return err
	}
	if err := t.setBase(e, old, nil, false); err != nil {
		return err
	}
	if err := t.setBase(e, id, nil, true); err != nil {
		return err
	}
	for noun, ids := range unsent {
		for _, x := range ids {
			if err := t.repoint(model.EntityOf(noun), x, old, id); err != nil {
				return err
			}
		}
	}
	if err := t.exec("UPDATE audit SET record_id = ? WHERE record_id = ?", id.Bytes(), old.Bytes()); err != nil {
		return err
	}
	if err := t.exec("UPDATE audit SET row_id = ? WHERE row_id = ?", id.Bytes(), old.Bytes()); err != nil {
		return err
	}
	k := recordOf(e, moved)
	return t.log(revision{Action: "merge", Noun: k.noun, Record: k.id, Entity: e, Row: id, Note: noteRekeyed})
}

// repoint turns the columns of an unsent row from one record to another. A
// part whose id derives from its record gets the new one's.
func (t *Tx) repoint(e *model.Entity, x, old, id model.ID) error {
	row, err := t.row(e, x)
	if err != nil || row == nil {
		return err
	}
	base, _, err := t.base(e, x)
	if err != nil {
		return err
	}
	next := slices.Clone(row)
	for i := 1; i < len(next); i++ {
		if next[i] == old {
			next[i] = id
		}
	}
	if base == nil && e.Derived && e.IsPart() {
		_, owner, _ := next.OwnerOf(e)
		if next[0] = t.partID(e, owner, model.RecordOf(e, next)); next.ID() != x {
			if err := t.setBase(e, x, nil, false); err != nil {
				return err
			}
			if err := t.drop(e, x); err != nil {
				return err
			}
		}
	}
	if err := t.put(e, next); err != nil {
		return err
	}
	return t.setBase(e, next.ID(), base, true)
}
