package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"rapport/model"
)

// An erasure is a row of the ledger. Whichever way it comes, by a sync, a load
// or a restore, the record that it names goes with its parts and everything
// that quotes it, unsent changes included, and never comes back.

var erasureEntity = model.EntityOf("erasure")

// erase forgets a record that was erased. It is done in pages that are
// overwritten, so that the file does not hold the words either.
func (t *Tx) erase(e *model.Entity, id model.ID) error {
	if _, err := t.Exec("PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	if err := t.dropRecord(e, id); err != nil {
		return err
	}
	for _, table := range []string{"load_late", "search_late"} {
		if err := t.exec("DELETE FROM "+table+" WHERE noun = ? AND id = ?", string(e.Noun), id.Bytes()); err != nil {
			return err
		}
	}
	t.erased = true
	return nil
}

// eraseListed forgets every record of the ledger that is here.
func (t *Tx) eraseListed() error {
	list, err := t.erasures()
	if err != nil {
		return err
	}
	for _, x := range list {
		e := model.EntityOf(x.Noun)
		row, err := t.row(e, x.ID)
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		if err := t.erase(e, x.ID); err != nil {
			return err
		}
	}
	return nil
}

// ledgerSQL reads the ledger, newest first.
var ledgerSQL = "SELECT " + planOf(erasureEntity).list + "\nFROM erasure\nWHERE deleted_at IS NULL\nORDER BY created_at DESC, id"

// erasures reads the ledger, newest first.
func (t *Tx) erasures() ([]model.Erased, error) { return scanErasures(t.query(ledgerSQL)) }

func scanErasures(rows *sql.Rows, err error) ([]model.Erased, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []model.Erased{}
	for rows.Next() {
		row, err := scanRow(erasureEntity, rows)
		if err != nil {
			return nil, err
		}
		if x, ok := model.ErasedBy(row); ok {
			out = append(out, x)
		}
	}
	return out, rows.Err()
}

// wasErased tells whether a row is one of a record that was erased.
func (a *applier) wasErased(e *model.Entity, row model.Row) (bool, error) {
	if a.erased == nil {
		a.erased = map[recordKey]bool{}
		list, err := a.tx.erasures()
		if err != nil {
			return false, err
		}
		for _, x := range list {
			a.erased[recordKey{x.Noun, x.ID}] = true
		}
	}
	return len(a.erased) > 0 && a.erased[recordOf(e, row)], nil
}

// erasure takes a row of the ledger over and does what it says.
func (a *applier) erasure(row model.Row) error {
	x, ok := model.ErasedBy(row)
	if !ok || deleted(erasureEntity, row) {
		return nil
	}
	a.erased = nil
	e := model.EntityOf(x.Noun)
	here, err := a.tx.row(e, x.ID)
	if err != nil || here == nil {
		return err
	}
	a.changed(e, here)
	return a.tx.erase(e, x.ID)
}

// smallFile is the size of a cache, in bytes, up to which it is written anew
// after an erasure.
const smallFile = 64 << 20

// scrub takes the words of what was erased out of the places where a database
// leaves them: pages that are free, an index whose entries are only marked, the
// journal. A large file is not written anew for it: there they go as it is
// written on.
func (d *DB) scrub(ctx context.Context) error {
	var size int64
	if err := d.writer.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").Scan(&size); err != nil {
		return mapError("erase", err)
	}
	if size > smallFile {
		_, err := d.writer.ExecContext(ctx, "PRAGMA secure_delete = OFF; PRAGMA wal_checkpoint(TRUNCATE)")
		return mapError("erase", err)
	}
	err := d.write(ctx, "erase", func(t *Tx) error {
		if have, err := t.state(keySearch); err != nil || have == "" {
			return err
		}
		for _, table := range []searchTable{textTable, noteTable} {
			if _, err := t.ExecContext(ctx, fmt.Sprintf("INSERT INTO %[1]s (%[1]s) VALUES ('optimize')", table.name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = d.writer.ExecContext(ctx, "PRAGMA secure_delete = OFF; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return mapError("erase", err)
}

// Erasures lists the ledger, newest first.
func (d *DB) Erasures(ctx context.Context) ([]model.Erased, error) {
	out, err := scanErasures(d.read().QueryContext(ctx, ledgerSQL))
	return out, mapError("list erasures", err)
}

// TakeErasures adds records to the ledger, of another copy of it, and forgets
// them here.
func (d *DB) TakeErasures(ctx context.Context, list []model.Erased) error {
	if len(list) == 0 {
		return nil
	}
	err := d.write(ctx, "erase", func(t *Tx) error {
		for _, x := range list {
			if _, err := t.list(x); err != nil {
				return err
			}
		}
		return t.eraseListed()
	})
	if err != nil {
		return err
	}
	return d.scrub(ctx)
}

// list adds a record to the ledger if it is not in it, and returns the id of
// its line.
func (t *Tx) list(x model.Erased) (model.ID, error) {
	row := model.ErasureRow(x.Noun, x.ID)
	if known, err := t.row(erasureEntity, row.ID()); err != nil || known != nil {
		return row.ID(), err
	}
	at := t.now.UnixMilli()
	if !x.At.IsZero() {
		at = x.At.UnixMilli()
	}
	row.Set(erasureEntity, model.ColumnVersion, int64(0))
	row.Set(erasureEntity, model.ColumnScope, model.SharedScope)
	for _, c := range []string{model.ColumnCreatedAt, model.ColumnUpdatedAt} {
		row.Set(erasureEntity, c, at)
	}
	for _, c := range []string{model.ColumnCreatedBy, model.ColumnUpdatedBy} {
		row.Set(erasureEntity, c, text(x.By))
	}
	return row.ID(), t.put(erasureEntity, row)
}

// EraseRecord erases a contact where there is no central that does: it goes for
// good with what was noted about it alone, and what else points to it points to
// nothing.
func (d *DB) EraseRecord(ctx context.Context, id model.ID) (model.ErasurePlan, error) {
	var plan model.ErasurePlan
	err := d.write(ctx, "erase", func(t *Tx) error {
		s, err := t.traces(id)
		if err != nil {
			return err
		}
		plan = s.plan
		for _, l := range s.links {
			if err := t.unlink(l); err != nil {
				return err
			}
		}
		for _, k := range append(s.alone, recordKey{"contact", id}) {
			line, err := t.list(model.Erased{Noun: k.noun, ID: k.id, By: t.db.settings.Me})
			if err != nil {
				return err
			}
			if err := t.setBase(erasureEntity, line, nil, true); err != nil {
				return err
			}
			if err := t.erase(model.EntityOf(k.noun), k.id); err != nil {
				return err
			}
		}
		plan.Done = true
		return nil
	})
	if err != nil {
		return plan, err
	}
	return plan, d.scrub(ctx)
}

// PlanErasure tells what erasing a contact removes and leaves.
func (d *DB) PlanErasure(ctx context.Context, id model.ID) (model.ErasurePlan, error) {
	var plan model.ErasurePlan
	tx, err := d.Snapshot(ctx)
	if err != nil {
		return plan, err
	}
	defer tx.Rollback()
	t := d.newTx(tx)
	defer t.closeStatements()
	s, err := t.traces(id)
	if err == nil {
		plan = s.plan
	}
	return plan, mapError("plan erasure", err)
}

// unlink lets what stays point to nothing: a part that is only the link goes.
func (t *Tx) unlink(l link) error {
	if l.e.IsPart() {
		row, err := t.row(l.e, l.id)
		if err != nil || row == nil {
			return err
		}
		row = slices.Clone(row)
		old := slices.Clone(row)
		row.Set(l.e, model.ColumnDeletedAt, t.now.UnixMilli())
		k := recordOf(l.e, row)
		return t.change(l.e, old, row, revision{Action: "edit", Noun: k.noun, Record: k.id})
	}
	row, err := t.row(l.e, l.id)
	if err != nil || row == nil {
		return err
	}
	old := row
	row = slices.Clone(row)
	row.Set(l.e, l.column, nil)
	return t.change(l.e, old, row, revision{Action: "edit", Noun: l.e.Noun, Record: l.id})
}
