package sqlite

import (
	"context"
	"slices"

	"rapport/model"
)

// What the program says when an edit was stronger than a deletion.
const (
	noteWanted  = "this was deleted while somebody else added something to it or pointed to it; it came back"
	noteMissed  = "somebody deleted this while something was added to it here or pointed to it; it comes back"
	noteRevived = "one side deleted this while the other edited it; the edit stays"
	noteGone    = "deleted here and in the company's database; what was changed here before was not sent and is kept in this entry"
	noteGivenUp = "the company's database was restored, and the administrator gave up what was sent after that; undo it to enter it again"
	noteResent  = "deleted in the company's database while edited here; the edit stays and is sent again"
)

// codeReference is the code of an unsent change that the server refused because
// it does not have, or does not show, a record that it names.
const codeReference = "reference"

// revived is the change that brings a record back.
func revived(deletedAt any) model.FieldChange {
	return model.FieldChange{Field: model.ColumnDeletedAt, Old: deletedAt}
}

// check puts operations in front of the batch that clash where somebody deleted
// what one of its rows belongs to or points to anew.
func (b *batchBuilder) check(e *model.Entity, op model.PushOp, row model.Row) error {
	if deleted(e, row) || op.ChecksLife() {
		return nil
	}
	var columns []int
	if !op.Insert {
		columns = []int{}
		for _, name := range op.Columns {
			i, _ := e.Column(name)
			columns = append(columns, i)
		}
	}
	for _, target := range row.Targets(e, columns) {
		if b.checked[target.ID] {
			continue
		}
		b.checked[target.ID] = true
		te := model.EntityOf(target.Noun)
		end, err := b.tx.row(te, target.ID)
		if err != nil {
			return err
		}
		if end == nil || deleted(te, end) || versionOf(te, end) == 0 {
			continue
		}
		b.checks = append(b.checks, model.LifeCheck(target))
	}
	return nil
}

// needed returns the checks of records that the batch does not change: a change
// of a living record checks by itself that it lives.
func (b *batchBuilder) needed() []model.PushOp {
	return slices.DeleteFunc(b.checks, func(check model.PushOp) bool {
		return slices.ContainsFunc(b.out, func(op model.PushOp) bool { return op.ID == check.ID })
	})
}

// wantBack notes that a record which somebody deleted is needed here: it is
// restored as soon as the deletion arrives.
func (t *Tx) wantBack(e *model.Entity, id model.ID) error {
	row, err := t.row(e, id)
	if err != nil || row == nil || deleted(e, row) {
		return err
	}
	_, pending, err := t.base(e, id)
	if err != nil || pending {
		return err // an edit of its own brings it back
	}
	base := slices.Clone(row)
	base.Set(e, model.ColumnDeletedAt, t.now.UnixMilli())
	if err := t.setBase(e, id, base, true); err != nil {
		return err
	}
	k := recordOf(e, row)
	t.beginAct()
	return t.log(revision{Action: "merge", Noun: k.noun, Record: k.id, Entity: e, Row: id,
		Changes: []model.FieldChange{revived(t.now.UnixMilli())}, Note: noteMissed})
}

// needed brings back what was deleted here and what a row that comes from
// somebody else belongs to or points to anew: an edit beats a delete, also
// where it is the edit of a part or of a link.
func (a *applier) needed(e *model.Entity, old, row model.Row) error {
	if a.loading || deleted(e, row) {
		return nil
	}
	var columns []int
	if old != nil {
		columns = model.ChangedColumns(e, old, row)
		if len(columns) == 0 {
			return nil
		}
	}
	for _, target := range row.Targets(e, columns) {
		te := model.EntityOf(target.Noun)
		end, err := a.tx.row(te, target.ID)
		if err != nil {
			return err
		}
		if end == nil || !deleted(te, end) {
			continue
		}
		here, err := a.tx.deletedHere(te, target.ID)
		if err != nil {
			return err
		}
		if !here {
			continue
		}
		back := slices.Clone(end)
		back.Set(te, model.ColumnDeletedAt, nil)
		a.changed(te, back)
		a.tx.beginAct()
		k := recordOf(te, end)
		if err := a.tx.change(te, end, back, revision{Action: "merge", Noun: k.noun, Record: k.id, Note: noteWanted}); err != nil {
			return err
		}
		if err := a.tx.reopenDuplicates(target.ID); err != nil {
			return err
		}
	}
	return nil
}

// binned tells whether a row is deleted here, by itself or with its record.
func (a *applier) binned(e *model.Entity, row model.Row) (bool, error) {
	n, id, ok := row.OwnerOf(e)
	if !ok || deleted(e, row) {
		return deleted(e, row), nil
	}
	owner, err := a.tx.row(model.EntityOf(n), id)
	return deleted(model.EntityOf(n), owner), err
}

// unsaid keeps in the history what was changed here of a row that was then
// deleted on both sides: if somebody else brings the row back, it comes without
// that.
func (a *applier) unsaid(e *model.Entity, base, local model.Row) error {
	if base == nil || !model.Edited(e, base, local) {
		return nil
	}
	changes := slices.DeleteFunc(model.Changes(e, local, base), func(c model.FieldChange) bool { return c.Field == model.ColumnDeletedAt })
	a.tx.beginAct()
	return a.note(e, local, "merge", noteGone, changes...)
}

// unsentAnew is unsaid for a row that the server had once: it was to be sent
// anew for the sake of what was changed here, and was deleted before.
func (t *Tx) unsentAnew(e *model.Entity, local model.Row) error {
	var n int64
	found, err := t.one([]any{&n}, "SELECT 1\nFROM audit\nWHERE record_id = ? AND tbl = ? AND row_id = ? AND note = ?\nLIMIT 1",
		recordOf(e, local).id.Bytes(), string(e.Noun), local.ID().Bytes(), noteResent)
	if err != nil || !found {
		return err
	}
	return newApplier(t).unsaid(e, model.NewRow(e), local)
}

// deletedHere tells whether the last thing that happened to a row was done in
// this workspace.
func (t *Tx) deletedHere(e *model.Entity, id model.ID) (bool, error) {
	var act int64
	found, err := t.one([]any{&act}, "SELECT coalesce(act, 0)\nFROM audit\nWHERE record_id = ? AND tbl = ? AND row_id = ?\nORDER BY seq DESC\nLIMIT 1",
		id.Bytes(), string(e.Noun), id.Bytes())
	return found && act > 0, err
}

// leaning returns the rows that belong to a record or point to it: those with
// unsent edits of just that, or those without unsent edits.
func (t *Tx) leaning(ctx context.Context, e *model.Entity, id model.ID, unsent bool) (map[model.Noun][]model.ID, error) {
	out := map[model.Noun][]model.ID{}
	for _, other := range model.Entities() {
		for i, c := range other.Columns() {
			if c.Ref != e.Noun {
				continue
			}
			exists := "NOT EXISTS"
			if unsent {
				exists = "EXISTS"
			}
			ids, err := scanIDs(t.QueryContext(ctx, "SELECT id FROM "+quote(string(other.Noun))+" AS x WHERE "+quote(c.Name)+" = ? AND deleted_at IS NULL"+
				" AND "+exists+" (SELECT 1 FROM sync_base WHERE tbl = ? AND sync_base.id = x.id)", id.Bytes(), string(other.Noun)))
			if err != nil {
				return nil, err
			}
			for _, x := range ids {
				if unsent && !c.Owner {
					base, _, err := t.base(other, x)
					if err != nil {
						return nil, err
					}
					if base != nil && base[i] == id {
						continue
					}
				}
				if !slices.Contains(out[other.Noun], x) {
					out[other.Noun] = append(out[other.Noun], x)
				}
			}
		}
	}
	return out, nil
}

// wantedHere tells whether something unsent belongs to a record that the server
// does not have any more, or points to it anew.
func (t *Tx) wantedHere(ctx context.Context, e *model.Entity, id model.ID) (bool, error) {
	unsent, err := t.leaning(ctx, e, id, true)
	if err != nil {
		return false, err
	}
	return len(unsent) > 0, nil
}

// retryReferences sends again what the server refused for want of a record,
// because one is about to come, or came back.
func (t *Tx) retryReferences() error {
	return t.exec("UPDATE sync_base\nSET code = NULL, error = NULL\nWHERE code = ?", codeReference)
}

// retryWanting sends again what the server refused for want of a record that
// now came: it may not have been shown to the person before.
func (t *Tx) retryWanting(came map[model.ID]bool) error {
	if len(came) == 0 {
		return nil
	}
	refused, err := t.heldRows(codeReference)
	if err != nil {
		return err
	}
	for _, u := range refused {
		row, err := t.row(u.e, u.id)
		if err != nil {
			return err
		}
		if row == nil || !slices.ContainsFunc(row.Targets(u.e, nil), func(target model.Target) bool { return came[target.ID] }) {
			continue
		}
		if err := t.exec("UPDATE sync_base\nSET code = NULL, error = NULL\nWHERE tbl = ? AND id = ?", string(u.e.Noun), u.id.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// suspect notes the rows that lean on a record which is gone: a foreign key of
// the administrator may have deleted or changed them, which no trigger sees.
func (a *applier) suspect(ctx context.Context, e *model.Entity, id model.ID) error {
	clean, err := a.tx.leaning(ctx, e, id, false)
	if err != nil {
		return err
	}
	for noun, ids := range clean {
		for _, x := range ids {
			if !a.goneIDs[x] && !a.present[x] {
				a.res.Suspect[noun] = append(a.res.Suspect[noun], x)
			}
		}
	}
	return nil
}
