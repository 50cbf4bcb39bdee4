package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rapport/model"
)

// sampleRecords is how many records a restore of records describes.
const sampleRecords = 10

// BackOptions say how records come back.
type BackOptions struct {
	OnlyMissing bool   // records that are here stay as they are
	DryRun      bool   // everything is taken back at the end
	Note        string // what the history says of each change
}

// Back brings records back as they were in a backup. Record is called for each
// of them, then for each kind of part Parts once and Part for its rows. Every
// change is an edit like one that a person makes, and all of them are one act.
type Back struct {
	t       *Tx
	o       BackOptions
	out     model.RecordsRestored
	wanted  map[recordKey]*returning
	order   []*returning
	kinds   []*model.Entity // kinds of parts that the backup has
	seen    map[rowKey]bool // parts that the records had in the backup
	targets map[recordKey]int
}

// rowKey names a row of a part.
type rowKey struct {
	noun model.Noun
	id   [16]byte
}

func keyOfRow(e *model.Entity, id model.ID) rowKey { return rowKey{e.Noun, [16]byte(id.Bytes())} }

// returning is one record on its way back.
type returning struct {
	recordKey
	action  string // add, restore, edit
	changed bool
	before  *model.Record // of a sample; nil for one that was not here
	sample  bool
}

// BringBack runs feed in one transaction, which names the records and their
// parts. What feed returns as an error leaves everything as it was.
func (d *DB) BringBack(ctx context.Context, o BackOptions, feed func(*Back) error) (model.RecordsRestored, error) {
	var out model.RecordsRestored
	err := d.write(ctx, "restore records", func(t *Tx) error {
		b := &Back{t: t, o: o, wanted: map[recordKey]*returning{}, seen: map[rowKey]bool{}, targets: map[recordKey]int{}}
		if err := feed(b); err != nil {
			return err
		}
		if err := b.finish(ctx); err != nil {
			return err
		}
		out = b.out
		if out.DryRun = o.DryRun; o.DryRun {
			out.Act = 0
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return out, err
}

// Record brings the row of a record back. Its parts are wanted only if it
// says so.
func (b *Back) Record(e *model.Entity, row model.Row) (bool, error) {
	id := row.ID()
	k := recordKey{e.Noun, id}
	if b.wanted[k] != nil {
		return true, nil
	}
	ledger, err := b.t.row(erasureEntity, model.ErasureRow(e.Noun, id).ID())
	if err != nil {
		return false, err
	}
	if ledger != nil && !deleted(erasureEntity, ledger) {
		b.out.Erased++
		return false, nil
	}
	old, err := b.t.row(e, id)
	if err != nil {
		return false, err
	}
	r := &returning{recordKey: k, action: "edit"}
	switch {
	case old == nil:
		r.action = "add"
	case deleted(e, old):
		r.action = "restore"
	case b.o.OnlyMissing:
		b.out.Unchanged++
		return false, nil
	}
	b.wanted[k] = r
	b.order = append(b.order, r)
	next := b.comeBack(e, old, row)
	if err := b.oneDefault(e, old, next); err != nil {
		return false, err
	}
	b.points(e, next)
	return true, b.change(r, e, old, next)
}

// comeBack returns the row as it was in the backup, on top of today's.
func (b *Back) comeBack(e *model.Entity, old, row model.Row) model.Row {
	next := slices.Clone(old)
	if old == nil {
		next = b.t.newRow(e, row.ID())
		for _, c := range []string{model.ColumnCreatedAt, model.ColumnCreatedBy} {
			if v := row.Get(e, c); v != nil && v != model.Absent {
				next.Set(e, c, v)
			}
		}
	}
	row = row.Complete(e, old)
	for i := range e.Fields {
		model.SetFieldValue(e, &e.Fields[i], next, model.FieldValue(e, &e.Fields[i], row))
	}
	for i, c := range e.Columns() {
		if c.Owner {
			next[i] = row[i]
		}
	}
	next.Set(e, model.ColumnDeletedAt, nil)
	return next
}

// oneDefault lets a pipeline be the default only if no other one is.
func (b *Back) oneDefault(e *model.Entity, old, next model.Row) error {
	if e.Noun != "pipeline" || next.Get(e, "is_default") != int64(1) || old != nil && old.Get(e, "is_default") == int64(1) {
		return nil
	}
	others, err := matching(context.Background(), b.t, e, severalIDs, "is_default = 1 AND id <> ?", next.ID().Bytes())
	if err != nil || len(others) == 0 {
		return err
	}
	next.Set(e, "is_default", int64(0))
	b.out.Notes = append(b.out.Notes, fmt.Sprintf("the pipeline %s does not become the default again: another one is", model.Visible(model.RecordOf(e, next).Title())))
	return nil
}

// Parts begins a kind of part that the backup has. Parts of a kind that it does
// not have stay as they are.
func (b *Back) Parts(pe *model.Entity) { b.kinds = append(b.kinds, pe) }

// Part brings a row of a part back, if its record comes back.
func (b *Back) Part(pe *model.Entity, row model.Row) error {
	n, owner, ok := row.OwnerOf(pe)
	r := b.wanted[recordKey{n, owner}]
	if !ok || r == nil || deleted(pe, row) {
		return nil
	}
	old, err := b.t.row(pe, row.ID())
	if err != nil {
		return err
	}
	if taken, err := b.elsewhere(pe, old, recordKey{n, owner}); err != nil {
		return err
	} else if taken {
		if row, err = b.copyOf(pe, row, r); row == nil || err != nil {
			return err
		}
		old = nil
	}
	b.seen[keyOfRow(pe, row.ID())] = true
	next := b.comeBack(pe, old, row)
	b.points(pe, next)
	return b.change(r, pe, old, next)
}

// elsewhere tells whether a part belongs to another living record by now, from
// which nothing is taken that nobody asked for.
func (b *Back) elsewhere(pe *model.Entity, old model.Row, k recordKey) (bool, error) {
	if old == nil || deleted(pe, old) {
		return false, nil
	}
	n, owner, ok := old.OwnerOf(pe)
	if !ok || (recordKey{n, owner}) == k || b.wanted[recordKey{n, owner}] != nil {
		return false, nil
	}
	row, err := b.t.row(model.EntityOf(n), owner)
	return row != nil && !deleted(model.EntityOf(n), row), err
}

// copyOf returns the row under an id of its own, nil where the record has one
// that says the same.
func (b *Back) copyOf(pe *model.Entity, row model.Row, r *returning) (model.Row, error) {
	part := model.RecordOf(pe, row)
	same, err := b.partsNow(pe, r, func(id model.ID, now model.Row) bool {
		return model.PartKeyOf(model.RecordOf(pe, now)) == model.PartKeyOf(part)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range same {
		b.seen[keyOfRow(pe, id)] = true
	}
	if len(same) > 0 {
		return nil, nil
	}
	row = slices.Clone(row)
	row[0] = b.t.partID(pe, r.id, part)
	return row, nil
}

// partsNow returns the living parts of a record that fit.
func (b *Back) partsNow(pe *model.Entity, r *returning, fits func(model.ID, model.Row) bool) ([]model.ID, error) {
	owner := model.EntityOf(r.noun)
	if !slices.Contains(pe.Owner, owner.Noun) {
		return nil, nil
	}
	rows, err := b.t.query("SELECT "+planOf(pe).list+"\nFROM "+quote(string(pe.Noun))+"\nWHERE "+ownerColumn(owner)+" = ? AND deleted_at IS NULL", r.id.Bytes())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []model.ID
	for rows.Next() {
		row, err := scanRow(pe, rows)
		if err != nil {
			return nil, err
		}
		if fits(row.ID(), row) {
			out = append(out, row.ID())
		}
	}
	return out, rows.Err()
}

// change edits a row of a record and notes what the record was before.
func (b *Back) change(r *returning, e *model.Entity, old, next model.Row) error {
	if old != nil && model.SameData(e, old, next) {
		return nil
	}
	if !r.changed {
		r.changed = true
		if len(b.out.Samples) < sampleRecords {
			r.sample = true
			b.out.Samples = append(b.out.Samples, model.RecordRestored{})
			var err error
			if r.before, err = b.t.record(model.EntityOf(r.noun), r.id); err != nil {
				return err
			}
		}
	}
	action := r.action
	if e.IsPart() {
		action = "edit"
	}
	if err := b.t.change(e, old, next, revision{Action: action, Noun: r.noun, Record: r.id, Note: b.o.Note}); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	if deleted(e, old) && !deleted(e, next) {
		if err := b.t.reopenDuplicates(next.ID()); err != nil {
			return err
		}
	}
	return b.t.moved(e, old, next)
}

// points notes what a row points to.
func (b *Back) points(e *model.Entity, row model.Row) {
	for _, t := range row.Targets(e, nil) {
		b.targets[recordKey{t.Noun, t.ID}]++
	}
}

// finish takes away what the records got since, counts, and describes.
func (b *Back) finish(ctx context.Context) error {
	if err := b.removeNewer(); err != nil {
		return err
	}
	samples := b.out.Samples[:0]
	for _, r := range b.order {
		switch {
		case !r.changed:
			b.out.Unchanged++
			continue
		case r.action == "add":
			b.out.Added++
		case r.action == "restore":
			b.out.Restored++
		default:
			b.out.Edited++
		}
		if r.sample {
			s, err := b.describe(r)
			if err != nil {
				return err
			}
			samples = append(samples, s)
		}
	}
	b.out.Samples, b.out.Act = samples, b.t.act
	return b.noteTargets(ctx)
}

// removeNewer deletes the items that the records have now and did not have in
// the backup.
func (b *Back) removeNewer() error {
	for _, r := range b.order {
		for _, pe := range b.kinds {
			newer, err := b.partsNow(pe, r, func(id model.ID, row model.Row) bool {
				return !b.seen[keyOfRow(pe, id)] && listOf(r.noun, pe, row) != nil
			})
			if err != nil {
				return err
			}
			for _, id := range newer {
				if err := b.remove(r, pe, id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *Back) remove(r *returning, pe *model.Entity, id model.ID) error {
	old, err := b.t.row(pe, id)
	if err != nil {
		return err
	}
	if err := b.t.mayDelete(pe, id); model.KindOf(err) == model.Invalid {
		b.out.Notes = append(b.out.Notes, fmt.Sprintf("the %s %s is newer and stays: %s", pe.Noun, model.Visible(model.RecordOf(pe, old).Title()), err))
		return nil
	} else if err != nil {
		return err
	}
	next := slices.Clone(old)
	next.Set(pe, model.ColumnDeletedAt, b.t.now.UnixMilli())
	return b.change(r, pe, old, next)
}

// describe tells what becomes of a record.
func (b *Back) describe(r *returning) (model.RecordRestored, error) {
	e := model.EntityOf(r.noun)
	after, err := b.t.record(e, r.id)
	if err != nil {
		return model.RecordRestored{}, err
	}
	out := model.RecordRestored{Record: model.Ref{Noun: r.noun, ID: r.id, Name: after.Title()}, Action: r.action}
	if r.before != nil {
		out.Differences = model.Differences(after, r.before)
	}
	return out, nil
}

// shownTargets is how many records are named that others point to.
const shownTargets = 3

// noteTargets names what the records point to and is not here.
func (b *Back) noteTargets(ctx context.Context) error {
	missing := map[model.Noun][]model.ID{}
	for k := range b.targets {
		e := model.EntityOf(k.noun)
		row, err := b.t.row(e, k.id)
		if err != nil {
			return err
		}
		if row == nil || deleted(e, row) {
			missing[k.noun] = append(missing[k.noun], k.id)
		}
	}
	for _, e := range model.Entities() {
		ids := missing[e.Noun]
		if len(ids) == 0 {
			continue
		}
		slices.Sort(ids)
		names := map[recordKey]string{}
		text := fmt.Sprintf("%d %s that they point to are not here", len(ids), e.Plural)
		if len(ids) == 1 {
			text = e.One() + " that they point to is not here"
		}
		for _, id := range ids[:min(len(ids), shownTargets)] {
			names[recordKey{e.Noun, id}] = ""
		}
		if err := titles(ctx, prepared{b.t}, names); err != nil {
			return err
		}
		for i, id := range ids[:min(len(ids), shownTargets)] {
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			text += sep + string(e.Noun) + ":" + string(id)
			if name := names[recordKey{e.Noun, id}]; name != "" {
				text += " " + model.Visible(name)
			}
		}
		b.out.Notes = append(b.out.Notes, text)
	}
	return nil
}
