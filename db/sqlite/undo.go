package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"rapport/model"
)

// Acts lists what was done here, newest first.
func (d *DB) Acts(ctx context.Context, limit int) ([]model.Act, error) {
	if limit <= 0 {
		limit = -1
	}
	rows, err := d.read().QueryContext(ctx, `SELECT act, count(DISTINCT record_id), coalesce(max(undoes), 0), max(undone) IS NOT NULL
FROM audit
WHERE act IS NOT NULL
GROUP BY act
ORDER BY act DESC
LIMIT ?`, limit)
	if err != nil {
		return nil, mapError("list acts", err)
	}
	defer rows.Close()
	out := []model.Act{}
	for rows.Next() {
		var a model.Act
		if err := rows.Scan(&a.ID, &a.Records, &a.Undoes, &a.Undone); err != nil {
			return nil, mapError("list acts", err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, mapError("list acts", err)
	}
	rows.Close()
	for i := range out {
		if err := d.describeAct(ctx, d.read(), &out[i]); err != nil {
			return nil, mapError("list acts", err)
		}
	}
	return out, nil
}

// shownEntries is how many entries of an act are read to describe it.
const shownEntries = 20

// describeAct fills in what an act was about.
func (d *DB) describeAct(ctx context.Context, q querier, a *model.Act) error {
	list, err := entries(ctx, q, "seq IN (SELECT seq FROM audit WHERE act = ? ORDER BY seq LIMIT ?)", 0, a.ID, shownEntries)
	if err != nil || len(list) == 0 {
		return err
	}
	slices.Reverse(list)
	first := list[0]
	a.At, a.By, a.Action = time.UnixMilli(first.at).UTC(), first.by, first.action
	for _, x := range list {
		if x.record != first.record {
			continue
		}
		changes, err := d.shownChanges(ctx, q, x)
		if err != nil {
			return err
		}
		a.Changes = append(a.Changes, changes...)
		if a.Note == "" {
			a.Note = x.note
		}
	}
	names := map[recordKey]string{first.record: ""}
	visit := func(fn func(any) any) {
		for i := range a.Changes {
			a.Changes[i].Old, a.Changes[i].New = fn(a.Changes[i].Old), fn(a.Changes[i].New)
		}
	}
	visit(func(v any) any {
		if ref, ok := v.(model.Ref); ok {
			names[recordKey{ref.Noun, ref.ID}] = ""
		}
		return v
	})
	if err := titles(ctx, q, names); err != nil {
		return err
	}
	visit(func(v any) any { return named(names, v) })
	a.Record = model.Ref{Noun: first.record.noun, ID: first.record.id, Name: names[first.record]}
	return nil
}

// Undo takes an act back.
func (d *DB) Undo(ctx context.Context, act int64) (model.Undone, error) {
	var out model.Undone
	err := d.write(ctx, "undo", func(t *Tx) error {
		u, err := t.beginUndo(ctx, act)
		if err != nil {
			return err
		}
		for _, x := range u.entries {
			if err := u.entry(x); err != nil {
				return err
			}
		}
		if err := u.close(); err != nil {
			return err
		}
		out = model.Undone{Act: u.act, Records: len(u.changed), Stayed: u.stayed}
		return nil
	})
	return out, err
}

// undo is one act being taken back.
type undo struct {
	*Tx
	ctx     context.Context
	act     model.Act
	entries []entry // newest first
	changed map[recordKey]bool
	stayed  []model.Stayed
}

func (t *Tx) beginUndo(ctx context.Context, act int64) (*undo, error) {
	wanted, arg := "act = ?", any(act)
	switch act {
	case model.LastAct:
		wanted, arg = "act IS NOT NULL AND undone IS NULL AND undoes IS NULL AND ?", true
	case model.LastUndo:
		// What did an act again is no undo in this sense.
		wanted, arg = "act IS NOT NULL AND undone IS NULL AND EXISTS (SELECT 1 FROM audit AS o WHERE o.act = audit.undoes AND o.undoes IS NULL) AND ?", true
	}
	u := &undo{Tx: t, ctx: ctx, changed: map[recordKey]bool{}}
	var run sql.NullString
	err := t.QueryRowContext(ctx, "SELECT act, coalesce(undoes, 0), undone IS NOT NULL, run\nFROM audit\nWHERE "+wanted+"\nORDER BY act DESC\nLIMIT 1", arg).
		Scan(&u.act.ID, &u.act.Undoes, &u.act.Undone, &run)
	switch {
	case errors.Is(err, sql.ErrNoRows) && act > 0:
		return nil, model.Errorf(model.NotFound, "nothing was done here under the number %d", act).WithHint("see rapport undo --list")
	case errors.Is(err, sql.ErrNoRows):
		return nil, model.Errorf(model.NotFound, "there is nothing to take back")
	case err != nil:
		return nil, err
	case u.act.Undone:
		return nil, model.Errorf(model.Invalid, "that was taken back already")
	case run.Valid:
		return nil, model.Errorf(model.Invalid, "the last change is part of an import").WithHint("take the whole import back: rapport import undo %s", run.String)
	}
	if u.entries, err = entries(ctx, t, "act = ?", 0, u.act.ID); err != nil {
		return nil, err
	}
	records := map[recordKey]bool{}
	for _, x := range u.entries {
		records[x.record] = true
	}
	u.act.Records = len(records)
	return u, t.db.describeAct(ctx, t, &u.act)
}

// close notes what took the act back; one that could not be taken back counts
// as its own, so that the next undo goes on to the act before. What an undone
// undo had taken back holds again.
func (u *undo) close() error {
	by := u.act.ID
	if u.Tx.act != 0 {
		by = u.Tx.act
	}
	if err := u.exec("UPDATE audit\nSET undone = ?\nWHERE act = ?", by, u.act.ID); err != nil || u.act.Undoes == 0 {
		return err
	}
	return u.exec("UPDATE audit\nSET undone = NULL\nWHERE act = ?", u.act.Undoes)
}

// entry takes one change of one row back.
func (u *undo) entry(x entry) error {
	row, err := u.row(x.e, x.row)
	if err != nil {
		return err
	}
	if row == nil {
		u.stay(x, "", nil)
		return nil
	}
	next := slices.Clone(row)
	if made(x) {
		if deleted(x.e, row) {
			return nil
		}
		if touched, err := u.touchedSince(x); err != nil || touched {
			u.stay(x, "", nil)
			return err
		}
		if err := u.mayDelete(x.e, x.row); err != nil {
			return err
		}
		next.Set(x.e, model.ColumnDeletedAt, u.now.UnixMilli())
	} else {
		for _, c := range x.changes {
			if !u.field(x.e, next, c) {
				u.stay(x, c.Field, fieldOf(x.e, c.Field, row))
			}
		}
	}
	if model.SameData(x.e, row, next) {
		return nil
	}
	u.changed[x.record] = true
	if err := u.change(x.e, row, next, revision{Action: "undo", Noun: x.record.noun, Record: x.record.id, Undoes: u.act.ID}); err != nil {
		return err
	}
	if deleted(x.e, row) && !deleted(x.e, next) {
		if err := u.reopenDuplicates(x.row); err != nil {
			return err
		}
	}
	return u.moved(x.e, row, next)
}

// made tells whether an entry is that of a row which the act made.
func made(x entry) bool {
	if !x.e.IsPart() {
		return x.action == "add"
	}
	return slices.ContainsFunc(x.changes, func(c model.FieldChange) bool { return c.Field == model.OwnerField && c.Old == nil })
}

// touchedSince tells whether anybody else changed a record after an entry.
func (u *undo) touchedSince(x entry) (bool, error) {
	return u.one([]any{new(int)}, "SELECT 1\nFROM audit\nWHERE record_id = ? AND seq > ? AND act IS NULL\nLIMIT 1", x.record.id.Bytes(), x.seq)
}

// field gives a field its earlier value back, if it still has the one that the
// act gave it. ok is false where it has another one.
func (u *undo) field(e *model.Entity, row model.Row, c model.FieldChange) (ok bool) {
	if c.Field == model.ColumnDeletedAt {
		if (row.Get(e, c.Field) == nil) != (c.New == nil) {
			return (row.Get(e, c.Field) == nil) == (c.Old == nil)
		}
		row.Set(e, c.Field, nil)
		if c.Old != nil {
			row.Set(e, c.Field, u.now.UnixMilli())
		}
		return true
	}
	before, after := slices.Clone(row), slices.Clone(row)
	setField(e, c.Field, before, c.Old)
	setField(e, c.Field, after, c.New)
	if model.SameData(e, row, before) {
		return true
	}
	if !model.SameData(e, row, after) {
		return false
	}
	copy(row, before)
	return true
}

// fieldOf reads a field, or a service column, or a part's owner.
func fieldOf(e *model.Entity, field string, row model.Row) any {
	if f := e.Field(field); f != nil {
		return model.FieldValue(e, f, row)
	}
	if field == model.OwnerField {
		if n, id, ok := row.OwnerOf(e); ok {
			return model.Ref{Noun: n, ID: id}
		}
		return nil
	}
	return row.Get(e, field)
}

// setField is the opposite of fieldOf.
func setField(e *model.Entity, field string, row model.Row, v any) {
	if f := e.Field(field); f != nil {
		model.SetFieldValue(e, f, row, v)
		return
	}
	if field != model.OwnerField {
		return
	}
	ref, _ := v.(model.Ref)
	for i, c := range e.Columns() {
		if c.Owner {
			if row[i] = nil; c.Ref == ref.Noun && ref.ID != "" {
				row[i] = ref.ID
			}
		}
	}
}

// stay notes what is left as it is, with who changed it.
func (u *undo) stay(x entry, field string, now any) {
	s := model.Stayed{Record: model.Ref{Noun: x.record.noun, ID: x.record.id}, Field: field, Now: now}
	names := map[recordKey]string{x.record: ""}
	if ref, ok := now.(model.Ref); ok {
		names[recordKey{ref.Noun, ref.ID}] = ""
	}
	if titles(u.ctx, u.Tx, names) == nil {
		s.Record.Name, s.Now = names[x.record], named(names, now)
	}
	later, err := entries(u.ctx, u.Tx, "record_id = ? AND seq > ?", 0, x.record.id.Bytes(), x.seq)
	if err == nil {
		for _, y := range later {
			if field == "" || slices.ContainsFunc(y.changes, func(c model.FieldChange) bool { return c.Field == field }) {
				s.By = y.by
				break
			}
		}
	}
	u.stayed = append(u.stayed, s)
}

// moved writes a deal's way back into another stage, which is a move too.
func (t *Tx) moved(e *model.Entity, old, row model.Row) error {
	if e.Noun != "deal" {
		return nil
	}
	stage := e.Field("stage")
	from, to := model.FieldValue(e, stage, old), model.FieldValue(e, stage, row)
	if from == to || to == nil {
		return nil
	}
	he := model.EntityOf("stage_history")
	move := t.newRow(he, t.db.ids.New())
	move.Set(he, "deal_id", row.ID())
	for name, v := range map[string]any{"from_stage": from, "to_stage": to, "at": t.now, "amount": model.FieldValue(e, e.Field("amount"), row)} {
		model.SetFieldValue(he, he.Field(name), move, v)
	}
	return t.edit(he, nil, move)
}

// reopenDuplicates asks again about a record that was merged into another and
// is back.
func (t *Tx) reopenDuplicates(id model.ID) error {
	return t.exec("UPDATE duplicate\nSET settled_at = NULL, resolution = NULL\nWHERE resolution = 'merged' AND (first_id = ?1 OR second_id = ?1)", id.Bytes())
}
