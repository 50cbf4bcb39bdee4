package sqlite

import (
	"context"
	"slices"
	"strings"

	"rapport/model"
)

// Merge joins records into one.
func (d *DB) Merge(ctx context.Context, n model.Noun, keep model.ID, others ...model.ID) (*model.Record, error) {
	if !model.Mergeable(n) {
		return nil, notMergeable(n)
	}
	if len(others) == 0 {
		return nil, model.Errorf(model.Invalid, "it is not said which record to merge into it")
	}
	err := d.write(ctx, "merge "+string(n), func(t *Tx) error {
		for _, other := range others {
			if err := t.unite(ctx, model.EntityOf(n), keep, other); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.Get(ctx, n, keep)
}

// union is one record being joined into another.
type union struct {
	*Tx
	e           *model.Entity
	keep, other model.ID
	rev         revision // how it stands in the history of the one that stays
}

// unite joins a record into another: values where that has none, parts, and
// whatever points to it. Then it goes to the bin.
func (t *Tx) unite(ctx context.Context, e *model.Entity, keep, other model.ID) error {
	if keep == other {
		return model.Errorf(model.Invalid, "these are one record")
	}
	into, err := t.living(e, keep)
	if err != nil {
		return err
	}
	from, err := t.living(e, other)
	if err != nil {
		return err
	}
	title := model.RecordOf(e, from).Title()
	if r, err := t.record(e, other); err != nil {
		return err
	} else if r != nil {
		title = r.Title()
	}
	u := &union{Tx: t, e: e, keep: keep, other: other,
		rev: revision{Action: "merge", Noun: e.Noun, Record: keep, Note: "joined with " + title + " (" + other.Short() + ")"}}
	for _, step := range []func() error{
		func() error { return u.values(into, from) },
		func() error { return u.parts(ctx) },
		func() error { return u.links(ctx) },
		u.bin,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return t.settlePair(e.Noun, keep, other, "merged")
}

// living returns the row of a record that is not deleted.
func (t *Tx) living(e *model.Entity, id model.ID) (model.Row, error) {
	row, err := t.row(e, id)
	switch {
	case err != nil:
		return nil, err
	case row == nil:
		return nil, model.Errorf(model.NotFound, "there is no %s %s", e.Noun, id.Short())
	case deleted(e, row):
		return nil, model.Errorf(model.Invalid, "the %s %s is deleted", e.Noun, id.Short()).WithHint("restore it first")
	}
	return row, nil
}

// values fills the empty fields. A "do not" of either holds, and notes are put
// one below the other.
func (u *union) values(into, from model.Row) error {
	row := slices.Clone(into)
	for i := range u.e.Fields {
		f := &u.e.Fields[i]
		mine, theirs := model.FieldValue(u.e, f, row), model.FieldValue(u.e, f, from)
		if ref, ok := theirs.(model.Ref); ok && ref.ID == u.keep {
			continue // the part of an organization that it was part of
		}
		switch {
		case theirs == nil || mine == theirs:
		case f.Type == model.LongText && mine != nil:
			if a, b := mine.(string), theirs.(string); !strings.Contains(a, b) {
				model.SetFieldValue(u.e, f, row, a+"\n"+b)
			}
		case mine == nil || mine == false:
			model.SetFieldValue(u.e, f, row, theirs)
		}
	}
	return u.change(u.e, into, row, u.rev)
}

// parts gives the parts of the other record to the one that stays, apart from
// those that it has.
func (u *union) parts(ctx context.Context) error {
	for _, pe := range model.Entities() {
		if !slices.Contains(pe.Owner, u.e.Noun) {
			continue
		}
		has, first, err := u.has(ctx, pe)
		if err != nil {
			return err
		}
		rows, err := u.partsOf(ctx, pe, u.other)
		if err != nil {
			return err
		}
		last := int64(0)
		for _, p := range has {
			last = max(last, p.Int("position"))
		}
		for _, row := range rows {
			part := model.RecordOf(pe, row)
			key := model.PartKeyOf(part)
			if key != "" && slices.ContainsFunc(has, func(p *model.Record) bool { return sameItem(p, part) }) {
				continue
			}
			next := slices.Clone(row)
			if pe.Field("position") != nil {
				last++
				next.Set(pe, "position", last)
			}
			if pe.Field("primary") != nil && first[part.Text("kind")] {
				next.Set(pe, "is_primary", int64(0))
			}
			if err := u.hand(pe, row, next, string(u.e.Noun)+"_id"); err != nil {
				return err
			}
			has = append(has, part)
			first[part.Text("kind")] = true
		}
	}
	return nil
}

// sameItem tells whether two items of a list say the same, however they are
// written.
func sameItem(a, b *model.Record) bool {
	return model.Fold(model.PartKeyOf(a)) == model.Fold(model.PartKeyOf(b))
}

// has returns the parts of a kind that the record that stays has, and of which
// kinds of them one is the primary one.
func (u *union) has(ctx context.Context, pe *model.Entity) (parts []*model.Record, first map[string]bool, err error) {
	rows, err := u.partsOf(ctx, pe, u.keep)
	first = map[string]bool{}
	for _, row := range rows {
		p := model.RecordOf(pe, row)
		parts = append(parts, p)
		if p.Bool("primary") {
			first[p.Text("kind")] = true
		}
	}
	return parts, first, err
}

// partsOf returns the living parts of a record in their order.
func (u *union) partsOf(ctx context.Context, pe *model.Entity, id model.ID) ([]model.Row, error) {
	rows, err := u.QueryContext(ctx, "SELECT "+planOf(pe).list+"\nFROM "+quote(string(pe.Noun))+"\nWHERE "+ownerColumn(u.e)+" = ? AND deleted_at IS NULL\nORDER BY rid", id.Bytes())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []model.Row
	for rows.Next() {
		row, err := scanRow(pe, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// links turns what points to the other record to the one that stays.
func (u *union) links(ctx context.Context) error {
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if c.Ref != u.e.Noun || c.Owner {
				continue
			}
			ids, err := scanIDs(u.QueryContext(ctx, "SELECT id FROM "+quote(string(e.Noun))+" WHERE "+quote(c.Name)+" = ? AND deleted_at IS NULL", u.other.Bytes()))
			if err != nil {
				return err
			}
			for _, id := range ids {
				row, err := u.row(e, id)
				if err != nil {
					return err
				}
				next := slices.Clone(row)
				if id == u.keep {
					next.Set(e, c.Name, nil) // it does not point to itself
					err = u.alter(e, row, next)
				} else {
					err = u.hand(e, row, next, c.Name)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// hand turns one column of a row to the record that stays. A part whose id
// derives from what it joins is made anew under the id that it has there, or
// brought back, and the old one deleted.
func (u *union) hand(e *model.Entity, row, next model.Row, column string) error {
	next.Set(e, column, u.keep)
	if !e.Derived {
		return u.alter(e, row, next)
	}
	_, owner, _ := next.OwnerOf(e)
	id := u.partID(e, owner, model.RecordOf(e, next))
	there, err := u.row(e, id)
	if err != nil {
		return err
	}
	if there == nil {
		made := u.newRow(e, id)
		for i, c := range e.Columns() {
			if c.Owner || c.Field != nil {
				made[i] = next[i]
			}
		}
		err = u.alter(e, nil, made)
	} else if deleted(e, there) {
		back := slices.Clone(there)
		back.Set(e, model.ColumnDeletedAt, nil)
		err = u.alter(e, there, back)
	}
	if err != nil {
		return err
	}
	gone := slices.Clone(row)
	gone.Set(e, model.ColumnDeletedAt, u.now.UnixMilli())
	return u.alter(e, row, gone)
}

// alter changes a row, as part of the history of the record that it is or
// belongs to.
func (u *union) alter(e *model.Entity, old, row model.Row) error {
	k := recordOf(e, row)
	r := u.rev
	r.Noun, r.Record = k.noun, k.id
	return u.change(e, old, row, r)
}

// bin deletes the other record.
func (u *union) bin() error {
	now, err := u.row(u.e, u.other)
	if err != nil {
		return err
	}
	row := slices.Clone(now)
	row.Set(u.e, model.ColumnDeletedAt, u.now.UnixMilli())
	into, err := u.record(u.e, u.keep)
	if err != nil {
		return err
	}
	return u.change(u.e, now, row, revision{Action: "merge", Noun: u.e.Noun, Record: u.other, Note: "joined with " + into.Title() + " (" + u.keep.Short() + ")"})
}
