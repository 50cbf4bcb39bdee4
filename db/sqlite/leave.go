package sqlite

import (
	"context"
	"slices"

	"rapport/model"
)

// What is said of an unsent change whose record left what the person may see,
// and of one whose record the server does not show while the feed has not told
// why.
const (
	leftMessage = "it was moved to where you may not see it; your change is kept here until you give it up, and is sent if the record comes back"
	awayMessage = "the company's database does not show the record any more; the next sync tells whether it was removed, or moved to where you may not see it"
	leftHistory = "moved to where you may not see it while edited here; the unsent change is kept"
)

// leave takes out a row that the server does not show to the person any more:
// it went to another scope, or the person's scopes changed. It is not deleted,
// so it does not go to the bin, and what is known of it goes with it. An unsent
// change stays with the record it belongs to and waits for the person.
func (a *applier) leave(ctx context.Context, e *model.Entity, id model.ID) error {
	t := a.tx
	row, err := t.row(e, id)
	if err != nil || row == nil {
		return err
	}
	if e.IsPart() {
		a.changed(e, row)
		stays, err := a.recordStays(e, row)
		if err != nil {
			return err
		}
		if stays && deleted(e, row) {
			// Nobody wants it: to take it out is all that was unsent.
			return t.dropPart(e, id)
		}
		return a.leavePart(ctx, e, id)
	}
	parts, err := t.partsOf(e, id)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := a.leavePart(ctx, p.e, p.id); err != nil {
			return err
		}
	}
	unsent, err := t.changedHere(ctx, id)
	if err != nil {
		return err
	}
	a.changed(e, row)
	if !unsent {
		return t.dropRecord(e, id)
	}
	known, err := t.one([]any{new(any)}, "SELECT NULL\nFROM sync_base\nWHERE tbl = ? AND id = ? AND code = ? AND error = ?", string(e.Noun), id.Bytes(), model.CodeLeft, leftMessage)
	if err != nil || known {
		return err
	}
	if err := a.keepLeft(ctx, e, id); err != nil || a.unsure {
		return err
	}
	return a.note(e, row, "merge", leftHistory)
}

// recordStays tells whether the record of a part that left is still shown here:
// the part was removed there or moved to another record.
func (a *applier) recordStays(e *model.Entity, part model.Row) (bool, error) {
	n, id, ok := part.OwnerOf(e)
	if !ok || a.goneIDs[id] {
		return false, nil
	}
	left, err := a.tx.isLeft(model.EntityOf(n), id)
	return !left, err
}

// leavePart takes out a part, or keeps it with its unsent change. Its record
// follows.
func (a *applier) leavePart(ctx context.Context, e *model.Entity, id model.ID) error {
	_, pending, err := a.tx.base(e, id)
	if err != nil {
		return err
	}
	if pending {
		return a.keepLeft(ctx, e, id)
	}
	return a.tx.drop(e, id)
}

// keepLeft marks a row that stays for an unsent change of its own or of another
// row of its record. It is not sent before the record comes back.
func (a *applier) keepLeft(ctx context.Context, e *model.Entity, id model.ID) error {
	t := a.tx
	_, pending, err := t.base(e, id)
	if err != nil {
		return err
	}
	if !pending {
		row, err := t.row(e, id)
		if err != nil {
			return err
		}
		if err := t.storeBase(e, row, row); err != nil {
			return err
		}
	}
	if err := t.dropConflicts(ctx, e, id); err != nil {
		return err
	}
	message := leftMessage
	if a.unsure {
		message = awayMessage
	}
	return t.exec("UPDATE sync_base\nSET code = ?, error = ?\nWHERE tbl = ? AND id = ?", model.CodeLeft, message, string(e.Noun), id.Bytes())
}

// back lets what is unsent of a record be sent that the server shows again, or
// that it does not have at all.
func (t *Tx) back(e *model.Entity, id model.ID) error {
	const clear = "UPDATE sync_base\nSET code = NULL, error = NULL\nWHERE code = ? AND "
	if e.IsPart() {
		return t.exec(clear+"tbl = ? AND id = ?", model.CodeLeft, string(e.Noun), id.Bytes())
	}
	return t.exec(clear+"record_id = ?", model.CodeLeft, id.Bytes())
}

// isLeft tells whether a row stays for an unsent change only.
func (t *Tx) isLeft(e *model.Entity, id model.ID) (bool, error) {
	return t.one([]any{new(any)}, "SELECT NULL\nFROM sync_base\nWHERE tbl = ? AND id = ? AND code = ?", string(e.Noun), id.Bytes(), model.CodeLeft)
}

// changedHere tells whether a record or one of its parts has an unsent change,
// as opposed to being kept for one.
func (t *Tx) changedHere(ctx context.Context, record model.ID) (bool, error) {
	list, err := unsentRows(ctx, t, []model.ID{record})
	if err != nil {
		return false, err
	}
	for _, u := range list {
		if u.base == nil || u.row != nil && !model.SameData(u.e, u.base, u.row) {
			return true, nil
		}
	}
	return false, nil
}

// heldRows lists the rows whose unsent change waits for one reason, records
// before their parts: with that of what left, those that stay for it only.
func (t *Tx) heldRows(code string) ([]unsent, error) {
	rows, err := t.query("SELECT tbl, id, noun, record_id, base, columns, first_at, coalesce(code, ''), coalesce(error, '')\nFROM sync_base\nWHERE code = ?\nORDER BY id <> record_id", code)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []unsent
	for rows.Next() {
		u, err := scanUnsent(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// releaseLeft takes out those rows that have no unsent change any more: the
// batch that it was in had arrived before they left. A record goes with all its
// parts.
func (t *Tx) releaseLeft(ctx context.Context, left []unsent) error {
	for _, u := range left {
		changed, err := t.changedHere(ctx, u.record.id)
		if err != nil {
			return err
		}
		_, pending, err := t.base(u.e, u.id)
		if err != nil {
			return err
		}
		switch {
		case !u.e.IsPart() && !changed:
			err = t.dropRecord(u.e, u.id)
		case u.e.IsPart() && !pending:
			err = t.drop(u.e, u.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// partRef is a part's row.
type partRef struct {
	e  *model.Entity
	id model.ID
}

// partsOf lists the parts of a record, the deleted ones too.
func (t *Tx) partsOf(e *model.Entity, id model.ID) ([]partRef, error) {
	var out []partRef
	for _, part := range model.Entities() {
		if !slices.Contains(part.Owner, e.Noun) {
			continue
		}
		ids, err := scanIDs(t.query("SELECT id\nFROM "+quote(string(part.Noun))+"\nWHERE "+ownerColumn(e)+" = ?", id.Bytes()))
		if err != nil {
			return nil, err
		}
		for _, x := range ids {
			out = append(out, partRef{part, x})
		}
	}
	return out, nil
}

// dropRecord removes a record with its parts and everything that quotes it: its
// history, its conflicts, and that it may be a duplicate.
func (t *Tx) dropRecord(e *model.Entity, id model.ID) error {
	if err := t.dropParts(e, id); err != nil {
		return err
	}
	if err := t.setBase(e, id, nil, false); err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM audit\nWHERE record_id = ?", "DELETE FROM sync_conflict\nWHERE record_id = ?",
		"DELETE FROM duplicate\nWHERE first_id = ?", "DELETE FROM duplicate\nWHERE second_id = ?"} {
		if err := t.exec(q, id.Bytes()); err != nil {
			return err
		}
	}
	return t.drop(e, id)
}

// dropParts removes the parts of a record.
func (t *Tx) dropParts(e *model.Entity, id model.ID) error {
	parts, err := t.partsOf(e, id)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := t.dropPart(p.e, p.id); err != nil {
			return err
		}
	}
	return nil
}

// dropPart removes one part and what is unsent of it.
func (t *Tx) dropPart(e *model.Entity, id model.ID) error {
	if err := t.setBase(e, id, nil, false); err != nil {
		return err
	}
	return t.drop(e, id)
}
