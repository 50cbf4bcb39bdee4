package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"rapport/model"
)

// madeRows is how many rows are made ready for storing at once, insertRows how
// many of them one statement stores.
const (
	madeRows   = 256
	insertRows = 16
)

// insertNew stores rows that are new here, as all are but what was made or
// loaded before; those are merged. What a row needs is made ready beside the
// storing, in one of two batches that take turns. A part of nobody is left out.
func (a *applier) insertNew(ctx context.Context, e *model.Entity, rows []model.Row) error {
	in, err := a.newInserter(ctx, e)
	if err != nil {
		return err
	}
	defer in.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	made, free := make(chan *bulkBatch), make(chan *bulkBatch, 2)
	for range cap(free) {
		free <- newBulkBatch(e)
	}
	go func() {
		defer close(made)
		tell := newTeller(e)
		for len(rows) > 0 {
			b := <-free
			rows = b.make(tell, rows)
			select {
			case made <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	for b := range made {
		if err := in.insert(ctx, b); err != nil {
			return err
		}
		free <- b
	}
	a.tx.changed[e.Noun] = true
	return ctx.Err()
}

// bulkBatch is rows with what storing them needs.
type bulkBatch struct {
	entity *model.Entity
	rows   []bulkRow
	args   []driver.NamedValue // of all rows, numbered for the statements
	width  int                 // arguments of one row
	last   []lastID            // of each column
}

type lastID struct {
	id   model.ID
	cell any
}

type bulkRow struct {
	model.Row
	unsure bool // its lists decide its title
}

func newBulkBatch(e *model.Entity) *bulkBatch {
	b := &bulkBatch{entity: e, width: planOf(e).stored}
	b.rows = make([]bulkRow, 0, madeRows)
	b.args = make([]driver.NamedValue, madeRows*b.width)
	b.last = make([]lastID, len(e.Columns()))
	return b
}

// make fills the batch with the first of some rows and returns the others.
func (b *bulkBatch) make(tell *teller, rows []model.Row) []model.Row {
	b.rows = b.rows[:0]
	for len(rows) > 0 && len(b.rows) < madeRows {
		row := rows[0]
		rows = rows[1:]
		if _, _, owned := row.OwnerOf(b.entity); b.entity.IsPart() && !owned {
			continue
		}
		made, whole := bulkRow{Row: row}, row.Complete(b.entity, nil)
		args := b.args[len(b.rows)*b.width:]
		for i, v := range whole {
			args[i].Value = b.cell(i, v)
		}
		if planOf(b.entity).titled {
			title, titleKey, sortKey, sure := tell.tell(whole)
			made.unsure = !sure
			args[b.width-3].Value, args[b.width-2].Value, args[b.width-1].Value = title, titleKey, sortKey
		}
		b.rows = append(b.rows, made)
	}
	return rows
}

// cell is cell, for which most of a column's ids are those of the row before.
func (b *bulkBatch) cell(column int, v any) any {
	id, ok := v.(model.ID)
	if !ok {
		return cell(v)
	}
	if last := &b.last[column]; last.id != id {
		last.id, last.cell = id, cell(v)
	}
	return b.last[column].cell
}

// group returns the arguments of some rows for one statement.
func (b *bulkBatch) group(from, n int) []driver.NamedValue {
	args := b.args[from*b.width : (from+n)*b.width]
	for i := range args {
		args[i].Ordinal = i + 1
	}
	return args
}

// inserter stores rows of one entity in a transaction of a load.
type inserter struct {
	*applier
	entity    *model.Entity
	one, many *rawStmt
	last      int64 // the newest rid of the rows that were here before
}

func (a *applier) newInserter(ctx context.Context, e *model.Entity) (*inserter, error) {
	in := &inserter{applier: a, entity: e}
	if err := a.tx.QueryRow("SELECT coalesce(max(rid), 0) FROM " + quote(string(e.Noun))).Scan(&in.last); err != nil {
		return nil, err
	}
	var err error
	if in.one, err = a.tx.raw(ctx, planOf(e).insertOne); err != nil {
		return nil, err
	}
	in.many, err = a.tx.raw(ctx, planOf(e).insertMany)
	if err != nil {
		in.one.close()
	}
	return in, err
}

func (in *inserter) close() {
	in.one.close()
	in.many.close()
}

// insert stores a batch and merges those of its rows that are here already.
func (in *inserter) insert(ctx context.Context, b *bulkBatch) error {
	var doubtful [][]bulkRow // those of statements that did not store all of theirs
	err := in.one.conn.Raw(func(any) error {
		for from := 0; from < len(b.rows); {
			stmt, n := in.many, insertRows
			if len(b.rows)-from < n {
				stmt, n = in.one, 1
			}
			stored, err := stmt.exec(b.group(from, n))
			if err != nil {
				return fmt.Errorf("store %s %s: %w", in.entity.Noun, b.rows[from].ID(), err)
			}
			if stored < int64(n) {
				doubtful = append(doubtful, b.rows[from:from+n])
			}
			from += n
		}
		return nil
	})
	if err != nil {
		return err
	}
	here := 0
	for _, rows := range doubtful {
		n, err := in.merge(ctx, rows)
		if err != nil {
			return err
		}
		here += n
	}
	if !in.entity.IsPart() {
		in.res.Loaded += int64(len(b.rows) - here)
	}
	for _, r := range b.rows {
		if r.unsure {
			if err := in.tx.exec("INSERT OR IGNORE INTO load_late (noun, id) VALUES (?, ?)", string(in.entity.Noun), r.ID().Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge merges those of some rows that were here before, which their rids tell,
// and returns how many they are.
func (in *inserter) merge(ctx context.Context, rows []bulkRow) (here int, err error) {
	for i, r := range rows {
		var rid int64
		if err := in.tx.QueryRow("SELECT rid FROM "+quote(string(in.entity.Noun))+" WHERE id = ?", r.ID().Bytes()).Scan(&rid); err != nil {
			return here, err
		}
		if rid > in.last {
			continue
		}
		here++
		rows[i].unsure = false
		if err := in.row(ctx, in.entity, r.Row); err != nil {
			return here, err
		}
	}
	return here, nil
}
