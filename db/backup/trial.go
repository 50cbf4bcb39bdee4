package backup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	engine "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"rapport/model"
)

// trialBatch is how many rows one transaction of a trial writes.
const trialBatch = 20000

// trialOf restores the chain of a central into a file that is thrown away, table
// by table, and compares what can be read from there with what was written.
func trialOf(ctx context.Context, name string, c *chain, n model.Notify) (err error) {
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	t := &trial{ctx: ctx, db: db, c: c, notify: n}
	for i := range c.tables() {
		if err := t.table(i); err != nil {
			return err
		}
	}
	return nil
}

// trial is one restore into a file.
type trial struct {
	ctx    context.Context
	db     *sql.DB
	c      *chain
	notify model.Notify
	done   int64
}

// table restores a table and compares it.
func (t *trial) table(i int) error {
	te := &t.c.tables()[i]
	columns := make([]string, len(te.Columns))
	for j := range columns {
		columns[j] = fmt.Sprintf("c%d", j)
	}
	ddl := []string{fmt.Sprintf("CREATE TABLE t%d (n INTEGER PRIMARY KEY, %s)", i, strings.Join(columns, ", "))}
	if len(te.Key) < len(te.Columns) {
		var key []string
		for _, at := range keyOf(te.Columns, te.Key) {
			key = append(key, columns[at])
		}
		// Two rows of one key are a fault of the chain.
		ddl = append(ddl, fmt.Sprintf("CREATE UNIQUE INDEX k%d ON t%d (%s)", i, i, strings.Join(key, ", ")))
	}
	for _, q := range ddl {
		if _, err := t.db.ExecContext(t.ctx, q); err != nil {
			return t.failed(err)
		}
	}
	want, err := t.fill(i, te)
	if err != nil {
		return err
	}
	got, err := t.read(i, te, columns)
	if err != nil {
		return err
	}
	if got != want {
		return model.Errorf(model.Corrupt, "the restored rows of %s are not those of the backup", te.Name).WithHint("check the disk and the memory of this computer, then verify again")
	}
	return nil
}

// fill writes the rows of the chain.
func (t *trial) fill(i int, te *tableEntry) (tableSum, error) {
	query := fmt.Sprintf("INSERT INTO t%d VALUES (NULL%s)", i, strings.Repeat(", ?", len(te.Columns)))
	all, rows := sha256.New(), int64(0)
	var tx *sql.Tx
	var insert *sql.Stmt
	end := func() error {
		if tx == nil {
			return nil
		}
		defer func() { tx = nil }()
		return t.failed(errors.Join(insert.Close(), tx.Commit()))
	}
	err := t.c.lines(t.ctx, te.Name, func(line []byte, values []any) (err error) {
		if rows%trialBatch == 0 {
			if err := end(); err != nil {
				return err
			}
			if tx, err = t.db.BeginTx(t.ctx, nil); err != nil {
				return t.failed(err)
			}
			if insert, err = tx.PrepareContext(t.ctx, query); err != nil {
				return t.failed(err)
			}
		}
		all.Write(line)
		rows++
		if t.done++; t.done%10000 == 0 {
			t.notify.Tell("restoring", t.done, max(t.done, t.c.total()))
		}
		_, err = insert.ExecContext(t.ctx, values...)
		return t.failed(err)
	})
	if err != nil && tx != nil {
		return tableSum{}, errors.Join(err, tx.Rollback())
	}
	return tableSum{rows, sumOf(all)}, errors.Join(err, end())
}

// read reads the rows as they were written.
func (t *trial) read(i int, te *tableEntry, columns []string) (tableSum, error) {
	tx, err := t.db.BeginTx(t.ctx, nil)
	if err != nil {
		return tableSum{}, t.failed(err)
	}
	defer tx.Rollback()
	all, rows := sha256.New(), int64(0)
	var line []byte
	err = scan(t.ctx, tx, fmt.Sprintf("SELECT %s FROM t%d ORDER BY n", strings.Join(columns, ", "), i), nil, len(columns), func(values []any) (err error) {
		if line, err = te.encoding.appendRow(line[:0], te.Types, values); err != nil {
			return err
		}
		rows++
		line = append(line, '\n')
		all.Write(line)
		return nil
	})
	return tableSum{rows, sumOf(all)}, err
}

// failed says that the file could not be used.
func (t *trial) failed(err error) error {
	if err == nil || t.ctx.Err() != nil {
		return err
	}
	var se *engine.Error
	if errors.As(err, &se) && se.Code()&0xff == lib.SQLITE_CONSTRAINT {
		return model.Errorf(model.Corrupt, "the backup holds two rows of one key").WithHint("make a full backup").Because(err)
	}
	return model.Errorf(model.Other, "the backup could not be restored on trial").WithHint("check that there is room where the workspace lies").Because(err)
}
