package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"rapport/model"
)

// noteMade marks the history entry with which an import made a record, so that
// undoing the run knows it from records that the run only changed.
const noteMade = "made by an import"

// importTx is one batch of an import.
type importTx struct{ *Tx }

// ImportBatch runs fn in one transaction, which is rolled back if fn fails or
// dryRun is true.
func (d *DB) ImportBatch(ctx context.Context, dryRun bool, fn func(model.ImportTx) error) error {
	err := d.write(ctx, "import", func(t *Tx) error {
		if err := fn(importTx{t}); err != nil {
			return err
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// FindKey returns the living records that have all parts of a key, at most
// three.
func (t importTx) FindKey(ctx context.Context, n model.Noun, key []model.KeyPart) ([]model.ID, error) {
	e := model.EntityOf(n)
	if e == nil || len(key) == 0 {
		return nil, model.Errorf(model.Invalid, "there is no noun %q or no key", n)
	}
	var where []string
	var args []any
	for _, k := range key {
		sql, more, err := keyClause(e, k)
		if err != nil {
			return nil, err
		}
		where, args = append(where, sql), append(args, more...)
	}
	return matching(ctx, prepared(t), e, 3, strings.Join(where, " AND "), args...)
}

// keyClause is the condition of one part of a key.
func keyClause(e *model.Entity, k model.KeyPart) (string, []any, error) {
	value := model.FormatValue(k.Value)
	f := e.Field(k.Field)
	switch {
	case k.Field == "" || f != nil && f == titleField(e):
		return "title_key = ?", []any{model.Fold(value)}, nil
	case f == nil:
		return "", nil, model.Errorf(model.Invalid, "%s has no field %q", e.One(), k.Field)
	case k.Value == nil && f.Type != model.List:
		return quote(f.Columns()[0].Name) + " IS NULL", nil, nil
	case f.Type == model.List:
		pe := model.EntityOf(f.Part)
		if pe.Field("value") == nil {
			return "", nil, model.Errorf(model.Invalid, "%s cannot be a key", f.Label)
		}
		sub := fmt.Sprintf("id IN (SELECT %s FROM %s WHERE value COLLATE NOCASE = ? AND deleted_at IS NULL", ownerColumn(e), quote(string(pe.Noun)))
		args := []any{value}
		if name, v, ok := strings.Cut(f.Where, "="); ok {
			sub += " AND " + quote(name) + " = ?"
			args = append(args, v)
		}
		return sub + ")", args, nil
	case f.Type == model.Link:
		ref, _ := k.Value.(model.Ref)
		to, col := model.EntityOf(f.To[0]), quote(f.Columns()[0].Name)
		if ref.ID != "" {
			return col + " = ?", []any{ref.ID.Bytes()}, nil
		}
		return fmt.Sprintf("%s IN (SELECT id FROM %s WHERE title_key = ? AND deleted_at IS NULL)", col, quote(string(to.Noun))), []any{model.Fold(ref.Name)}, nil
	case f.Type == model.MoneyType:
		m, _ := k.Value.(model.Money)
		cols := f.Columns()
		return quote(cols[0].Name) + " = ? AND " + quote(cols[1].Name) + " = ?", []any{m.Minor, m.Currency}, nil
	case f.Type == model.Text || f.Type == model.LongText:
		if f.Sorted {
			return quote(f.Columns()[0].Name) + " COLLATE NOCASE = ?", []any{value}, nil
		}
		return "fold(" + quote(f.Columns()[0].Name) + ") = ?", []any{model.Fold(value)}, nil
	}
	row := model.NewRow(e)
	model.SetFieldValue(e, f, row, k.Value)
	return quote(f.Columns()[0].Name) + " = ?", []any{cell(row.Get(e, f.Columns()[0].Name))}, nil
}

// Get returns a record with its parts and the names of its links.
func (t importTx) Get(_ context.Context, n model.Noun, id model.ID) (*model.Record, error) {
	e := model.EntityOf(n)
	if e == nil {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	r, err := t.record(e, id)
	if err == nil && r == nil {
		return nil, model.Errorf(model.NotFound, "there is no %s %s", e.Noun, id.Short())
	}
	if err == nil {
		err = nameLinks(context.Background(), t, []*model.Record{r})
	}
	return r, err
}

// SaveNew makes a record, under the edit's id if it has one, and notes that
// the run made it.
func (t importTx) SaveNew(_ context.Context, ed model.Edit) (model.Saved, error) {
	return t.alone(func() (model.Saved, error) {
		id := ed.ID
		ed.ID = ""
		saved, err := t.saveUnder(ed, id)
		if err == nil && saved.Created && ed.Run != "" {
			// The plus keeps SQLite off the index on runs, where this record
			// stands among all others of its run.
			err = t.exec("UPDATE audit\nSET note = ?\nWHERE record_id = ? AND row_id = ? AND +run = ?", noteMade, saved.ID.Bytes(), saved.ID.Bytes(), ed.Run)
		}
		return saved, err
	})
}

// SaveOld changes a record.
func (t importTx) SaveOld(_ context.Context, ed model.Edit) (model.Saved, error) {
	return t.alone(func() (model.Saved, error) { return t.save(ed) })
}

// RecordImportRun stores the outcome of a run under its name.
func (d *DB) RecordImportRun(ctx context.Context, r model.ImportRun) error {
	return d.write(ctx, "record import", func(t *Tx) error {
		return t.exec(`INSERT INTO import_run (run, at, source, read, created, updated, unchanged, skipped, rejected)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run) DO UPDATE SET read = excluded.read, created = excluded.created, updated = excluded.updated,
  unchanged = excluded.unchanged, skipped = excluded.skipped, rejected = excluded.rejected`,
			r.Run, r.At.UnixMilli(), r.Source, r.Read, r.Created, r.Updated, r.Unchanged, r.Skipped, r.Rejected)
	})
}

// ListImportRuns returns past runs, newest first.
func (d *DB) ListImportRuns(ctx context.Context) ([]model.ImportRun, error) {
	rows, err := d.read().QueryContext(ctx, `SELECT run, at, source, read, created, updated, unchanged, skipped, rejected, undone_at IS NOT NULL
FROM import_run
ORDER BY at DESC, run DESC`)
	if err != nil {
		return nil, mapError("list imports", err)
	}
	defer rows.Close()
	out := []model.ImportRun{}
	for rows.Next() {
		var r model.ImportRun
		var at int64
		if err := rows.Scan(&r.Run, &at, &r.Source, &r.Read, &r.Created, &r.Updated, &r.Unchanged, &r.Skipped, &r.Rejected, &r.Undone); err != nil {
			return nil, mapError("list imports", err)
		}
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
	}
	return out, mapError("list imports", rows.Err())
}

// UndoImportRun deletes the records that a run made and nobody touched or
// linked to since. It returns how many and the ones it kept. Errors: NotFound,
// Invalid for a run that was taken back already.
func (d *DB) UndoImportRun(ctx context.Context, run string) (undone int64, kept []model.Hit, err error) {
	err = d.write(ctx, "undo import", func(t *Tx) error {
		var done bool
		err := t.QueryRow("SELECT undone_at IS NOT NULL\nFROM import_run\nWHERE run = ?", run).Scan(&done)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return model.Errorf(model.NotFound, "there is no import %q", run).WithHint("see them with: import list")
		case err != nil:
			return err
		case done:
			return model.Errorf(model.Invalid, "the import %s was taken back already", run)
		}
		made, err := t.madeBy(run)
		if err != nil {
			return err
		}
		if undone, kept, err = t.unmake(made); err != nil {
			return err
		}
		if err := t.exec("UPDATE audit\nSET undone = act\nWHERE run = ?", run); err != nil {
			return err
		}
		return t.exec("UPDATE import_run\nSET undone_at = ?\nWHERE run = ?", t.now.UnixMilli(), run)
	})
	return undone, kept, err
}

// madeRecord is a record that a run made.
type madeRecord struct {
	recordKey
	touched bool // somebody changed it since
}

// madeBy returns the living records that a run made, the last one first.
func (t *Tx) madeBy(run string) ([]madeRecord, error) {
	rows, err := t.Query(`SELECT a.noun, a.record_id, EXISTS (
  SELECT 1 FROM audit AS later
  WHERE later.record_id = a.record_id AND later.seq > a.seq AND later.run IS NOT a.run)
FROM audit AS a
WHERE a.run = ? AND a.note = ?
ORDER BY a.seq DESC`, run, noteMade)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []madeRecord
	for rows.Next() {
		var m madeRecord
		var b []byte
		if err := rows.Scan(&m.noun, &b, &m.touched); err != nil {
			return nil, err
		}
		m.id = model.IDFromBytes(b)
		out = append(out, m)
	}
	return out, rows.Err()
}

// unmake deletes records until only those are left that somebody touched or
// that something still living points to.
func (t *Tx) unmake(made []madeRecord) (undone int64, kept []model.Hit, err error) {
	gone := map[model.ID]bool{}
	for again := true; again; {
		again = false
		for _, m := range made {
			if m.touched || gone[m.id] {
				continue
			}
			e := model.EntityOf(m.noun)
			old, err := t.row(e, m.id)
			if err != nil {
				return undone, nil, err
			}
			if old == nil || old.Get(e, model.ColumnDeletedAt) != nil {
				gone[m.id] = true
				continue
			}
			if linked, err := t.linked(m.recordKey); err != nil || linked {
				if err != nil {
					return undone, nil, err
				}
				continue
			}
			if err := t.mark(e, m.id, "delete"); err != nil {
				return undone, nil, err
			}
			gone[m.id], again = true, true
			undone++
		}
	}
	for _, m := range made {
		if gone[m.id] {
			continue
		}
		r, err := t.record(model.EntityOf(m.noun), m.id)
		if err != nil {
			return undone, nil, err
		}
		if r == nil || !r.DeletedAt.IsZero() {
			continue
		}
		why := "another record points to it"
		if m.touched {
			why = "it was changed since"
		}
		kept = append(kept, model.Hit{Noun: m.noun, ID: m.id, Title: r.Title(), Snippet: why})
	}
	return undone, kept, nil
}

// linked tells whether a living record, or a part of one, points to a record.
func (t *Tx) linked(k recordKey) (bool, error) {
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			if c.Ref != k.noun || c.Owner {
				continue
			}
			query := fmt.Sprintf("SELECT 1\nFROM %s AS p\nWHERE p.%s = ? AND p.deleted_at IS NULL AND p.id <> ?", quote(string(e.Noun)), quote(c.Name))
			args := []any{k.id.Bytes(), k.id.Bytes()}
			if e.IsPart() {
				var owners []string
				for _, o := range e.Owner {
					owners = append(owners, fmt.Sprintf("EXISTS (SELECT 1 FROM %s AS o WHERE o.id = p.%s AND o.deleted_at IS NULL)", quote(string(o)), quote(string(o)+"_id")))
				}
				query += " AND (" + strings.Join(owners, " OR ") + ")"
			}
			rows, err := t.query(query+"\nLIMIT 1", args...)
			if err != nil {
				return false, err
			}
			found := rows.Next()
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return false, err
			}
			if found {
				return true, nil
			}
		}
	}
	return false, nil
}
