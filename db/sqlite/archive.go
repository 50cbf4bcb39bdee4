package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"rapport/model"
)

// PartRow is a row of a part with the entity it is of.
type PartRow struct {
	Entity *model.Entity
	Row    model.Row
}

// Assemble makes a record of rows that come from elsewhere, as Get does of those
// in the cache: its living parts in their lists and in their order, and the
// names of its links as far as the cache has what they point to.
//
// What is absent from a row is as the cache has it.
func (d *DB) Assemble(ctx context.Context, e *model.Entity, row model.Row, parts []PartRow) (*model.Record, error) {
	row, err := d.complete(ctx, e, row)
	if err != nil {
		return nil, err
	}
	r := model.RecordOf(e, row)
	for _, p := range parts {
		row, err := d.complete(ctx, p.Entity, p.Row)
		if err != nil {
			return nil, err
		}
		if deleted(p.Entity, row) {
			continue
		}
		part := model.RecordOf(p.Entity, row)
		for _, f := range e.Lists() {
			if model.BelongsTo(f, part) {
				d.addE164(part)
				r.Values[f.Name] = append(r.List(f.Name), part)
			}
		}
	}
	for _, f := range e.Lists() {
		sortParts(r.List(f.Name))
	}
	joinPrimary(e, r)
	records := []*model.Record{r}
	if err := nameLinks(ctx, d.read(), records); err != nil {
		return nil, mapError("name links", err)
	}
	return r, mapError("name links", fillProbability(ctx, d.read(), e, records))
}

// complete gives a row what is absent from it: the values that the cache has.
func (d *DB) complete(ctx context.Context, e *model.Entity, row model.Row) (model.Row, error) {
	if !slices.Contains(row, model.Absent) {
		return row, nil
	}
	var now model.Row
	err := each(ctx, d.read(), "SELECT "+planOf(e).list+"\nFROM "+quote(string(e.Noun))+"\nWHERE id IN (%s)", []model.ID{row.ID()}, func(rows *sql.Rows) (err error) {
		now, err = scanRow(e, rows)
		return err
	})
	return row.Complete(e, now), mapError("read "+string(e.Noun), err)
}

// Standings tells how rows of a backup that was made at a moment are to today's
// records, by id. Of the parts it knows only whether any was changed since that
// moment.
func (d *DB) Standings(ctx context.Context, e *model.Entity, rows []model.Row, at time.Time) (map[model.ID]model.Standing, error) {
	out := make(map[model.ID]model.Standing, len(rows))
	then := make(map[model.ID]model.Row, len(rows))
	ids := make([]model.ID, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, row.ID())
		then[row.ID()], out[row.ID()] = row, model.StandingGone
	}
	here := map[model.ID]*model.Record{}
	err := each(ctx, d.read(), "SELECT "+planOf(e).list+"\nFROM "+quote(string(e.Noun))+"\nWHERE id IN (%s)", ids, func(rows *sql.Rows) error {
		now, err := scanRow(e, rows)
		if err != nil {
			return err
		}
		was := then[now.ID()].Complete(e, now)
		switch r := model.RecordOf(e, now); {
		case deleted(e, now) && !deleted(e, was):
			out[r.ID] = model.StandingBin
		case !model.SameData(e, was, now) && !(deleted(e, now) && deleted(e, was)):
			out[r.ID] = model.StandingChanged
		default:
			out[r.ID] = model.StandingSame
			here[r.ID] = r
		}
		return nil
	})
	if err == nil {
		err = fillLastChange(ctx, d.read(), e, ids, here)
	}
	for id, r := range here {
		if r.UpdatedAt.After(at) {
			out[id] = model.StandingChanged
		}
	}
	return out, mapError("compare "+string(e.Noun), err)
}

// Missing tells whether a record is in the bin or not here at all.
func (d *DB) Missing(ctx context.Context, e *model.Entity, id model.ID) (bool, error) {
	var n int
	err := d.read().QueryRowContext(ctx, "SELECT count(*)\nFROM "+quote(string(e.Noun))+"\nWHERE id = ? AND deleted_at IS NULL", id.Bytes()).Scan(&n)
	return n == 0, mapError("find "+string(e.Noun), err)
}

// WasErased tells whether a record was erased for good.
func (d *DB) WasErased(ctx context.Context, n model.Noun, id model.ID) (bool, error) {
	var found int
	err := d.read().QueryRowContext(ctx, "SELECT count(*)\nFROM erasure\nWHERE id = ? AND deleted_at IS NULL", model.ErasureRow(n, id).ID().Bytes()).Scan(&found)
	return found > 0, mapError("read erasures", err)
}

// Ready ends a refill of a file that is only looked into and thrown away: it
// makes the indexes and titles that lists need, and no search.
func (r *Refill) Ready() error {
	for _, e := range model.Entities() {
		if err := applyIndexes(r.ctx, r.tx.Tx, e); err != nil {
			return r.failed(err)
		}
	}
	for _, k := range r.unsure {
		if err := r.tx.retell(model.EntityOf(k.noun), k.id); err != nil {
			return r.failed(err)
		}
	}
	err := r.commit()
	r.tx = nil
	return err
}
