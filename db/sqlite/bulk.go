package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"rapport/model"
)

// loadGC is how many percent the heap may grow during a load before garbage is
// collected.
const loadGC = 400

// Bulk stores many rows quickly: without the tables' indexes, which are built
// afterwards, and without search entries. Rows are as the central would send
// them; nothing becomes pending. Ids must not occur twice, and every part's
// owner must be among the rows: that is not checked.
type Bulk struct {
	t       *Tx
	inserts map[model.Noun]string
	args    []any
	unsure  []recordKey // records whose title their lists decide
}

// Bulk runs fn, which fills tables that hold no records yet, in one
// transaction, then builds the indexes and the search. A program that dies in
// between leaves either nothing or a workspace whose search is built when it
// is next opened.
func (d *DB) Bulk(ctx context.Context, fn func(*Bulk) error) (err error) {
	if d.settings.ReadOnly {
		return model.Errorf(model.Refused, "the workspace is open for reading only")
	}
	const op = "load"
	// A load makes much garbage and keeps little.
	defer debug.SetGCPercent(debug.SetGCPercent(loadGC))
	// Sorting for the indexes may use the disk, so that memory stays constant;
	// a larger cache keeps the pages of ids, which come in no order.
	if _, err := d.writer.ExecContext(ctx, "PRAGMA temp_store = 1; PRAGMA cache_size = -32768; PRAGMA foreign_keys = 0"); err != nil {
		return mapError(op, err)
	}
	defer func() {
		_, resetErr := d.writer.ExecContext(context.WithoutCancel(ctx), "PRAGMA temp_store = 2; PRAGMA cache_size = "+writerCache+"; PRAGMA foreign_keys = 1")
		err = mapError(op, errors.Join(err, resetErr))
	}()
	if err := d.bulkRows(ctx, fn); err != nil {
		return err
	}
	if err := d.RebuildSearch(ctx); err != nil {
		return err
	}
	_, err = d.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// bulkRows stores the rows and builds the indexes in one transaction. It marks
// the search as not built.
func (d *DB) bulkRows(ctx context.Context, fn func(*Bulk) error) error {
	return d.write(ctx, "load", func(t *Tx) error {
		for _, e := range model.Entities() {
			for _, ix := range indexes(e) {
				if _, err := t.ExecContext(ctx, "DROP INDEX IF EXISTS "+quote(ix.name)); err != nil {
					return fmt.Errorf("drop index %s: %w", ix.name, err)
				}
			}
		}
		b := &Bulk{t: t, inserts: map[model.Noun]string{}}
		if err := fn(b); err != nil {
			return err
		}
		for _, e := range model.Entities() {
			if err := applyIndexes(ctx, t.Tx, e); err != nil {
				return err
			}
			if b.inserts[e.Noun] != "" {
				t.changed[e.Noun] = true
			}
		}
		for _, k := range b.unsure {
			if err := t.retell(model.EntityOf(k.noun), k.id); err != nil {
				return err
			}
		}
		return t.staleSearch()
	})
}

// Put stores one row.
func (b *Bulk) Put(e *model.Entity, row model.Row) error {
	p := planOf(e)
	q := b.inserts[e.Noun]
	if q == "" {
		names := p.list
		n := len(e.Columns())
		if p.titled {
			names += ", title, title_key, sort_key"
			n += 3
		}
		q = fmt.Sprintf("INSERT INTO %s (%s)\nVALUES (%s)", quote(string(e.Noun)), names, marks(n))
		b.inserts[e.Noun] = q
	}
	args := b.args[:0]
	for _, v := range row {
		args = append(args, cell(v))
	}
	if p.titled {
		title, sortKey, sure := rowTitle(e, row)
		args = append(args, title, model.Fold(title), sortKey)
		if !sure {
			b.unsure = append(b.unsure, recordKey{e.Noun, row.ID()})
		}
	}
	b.args = args
	if err := b.t.exec(q, args...); err != nil {
		return fmt.Errorf("store %s %s: %w", e.Noun, row.ID(), err)
	}
	return nil
}
