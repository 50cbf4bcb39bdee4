package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"rapport/model"
)

// Sizes of a load. A statement has many rows, because each costs the server a
// start; a transaction has few statements, so that what it would undo, and what
// a standby applies at once, stays small.
const (
	loadStatementRows  = 1000
	loadStatementBytes = 1 << 20
	loadStatements     = 20 // in a transaction
	loadSessions       = 2
)

// loading is a table of a restore.
type loading struct {
	RestoreTable
	made    string
	missing bool      // it is not in the source
	later   []string  // what is added when the rows are there, as ALTER TABLE takes it
	sum     reportSum // of the rows that came from the source
}

// define makes the tables, with nothing in them.
func (r *restorer) define() {
	for _, l := range r.loads {
		r.stillAlone()
		def := r.definitionOf(l)
		if r.err != nil {
			return
		}
		for _, c := range l.Columns {
			if !slices.Contains(def.columns(), c) {
				r.err = model.Errorf(model.Corrupt, "the definition of %s in the backup lacks the column %s", l.Name, c)
				return
			}
		}
		create, later := def.bare(l.made, r.dialect.product == mariaDB, l.Rows < manyRows, r.now)
		l.later = later
		if e := model.EntityOf(model.Noun(l.Name)); e != nil {
			l.later = append(l.later, def.withDeclared(r.dialect, e)...)
		}
		l.later = append(l.later, r.addedSince(l, def)...)
		r.persist(func() { r.run(create) })
	}
}

// definitionOf is how a table was, or is to be where the source does not say.
func (r *restorer) definitionOf(l *loading) definition {
	text := l.Definition
	if e := model.EntityOf(model.Noun(l.Name)); text == "" && e != nil {
		text = createTable(r.dialect, e)
	}
	if text == "" {
		return r.shown(l.Name)
	}
	d, err := parseDefinition(text)
	if err == nil && d.name != l.Name {
		err = model.Errorf(model.Corrupt, "the definition of %s in the backup is that of another table", l.Name)
	}
	if r.err == nil {
		r.err = err
	}
	return d
}

// addedSince are the columns that an administrator added to a table since.
func (r *restorer) addedSince(l *loading, def definition) []string {
	if !slices.Contains(r.tables(), l.Name) {
		return nil
	}
	e := model.EntityOf(model.Noun(l.Name))
	now := r.shown(l.Name)
	added, _ := columnsSince(now.columns(), def.columns())
	var out []string
	for _, c := range added {
		declared := -1
		if e != nil {
			declared, _ = e.Column(c)
		}
		if declared < 0 && !strings.Contains(now.line(c), " AUTO_INCREMENT") {
			out = append(out, "COLUMN "+now.line(c))
		}
	}
	return out
}

// load fills the tables, builds their indexes, and compares them with the
// source, on two sessions.
func (r *restorer) load() {
	if r.err != nil {
		return
	}
	sessions := make([]*session, loadSessions)
	defer func() {
		for _, s := range sessions {
			if s != nil {
				_ = s.close() // whether it ended well does not matter any more
			}
		}
	}()
	for i := range sessions {
		if sessions[i], r.err = adminSession(r.ctx, r.url); r.err != nil {
			return
		}
		if r.err = sessions[i].exec(r.ctx, "USE "+ident(r.database)+";"+restoreSessionSQL); r.err != nil {
			return
		}
	}
	if r.err = r.fill(sessions); r.err != nil {
		return
	}
	r.stillAlone()
	r.notify.Tell("indexing", 0, 0)
	if r.err = r.onEach(sessions, (*loading).index); r.err != nil {
		return
	}
	r.stillAlone()
	var all []*tableShape
	if r.err == nil {
		all, _, r.err = shapes(r.ctx, r.session, r.database)
	}
	of := map[string]DumpTable{}
	for _, t := range all {
		of[t.name] = t.table(false)
	}
	var done atomic.Int64
	if r.err == nil {
		r.err = r.onEach(sessions, func(l *loading, ctx context.Context, s *session) error {
			err := l.prove(ctx, s, of[l.made])
			r.notify.Tell("comparing", done.Add(l.sum.rows), r.out.Rows)
			return err
		})
	}
}

// index adds what waited until the rows are there.
func (l *loading) index(ctx context.Context, s *session) error {
	if len(l.later) == 0 {
		return nil
	}
	return retry(ctx, func() error {
		return s.exec(ctx, "ALTER TABLE "+ident(l.made)+" ADD "+strings.Join(l.later, ", ADD "))
	})
}

// onEach does something with every table, the largest ones first, on all
// sessions at once.
func (r *restorer) onEach(sessions []*session, do func(l *loading, ctx context.Context, s *session) error) error {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	todo := slices.Clone(r.loads)
	slices.SortStableFunc(todo, func(a, b *loading) int { return int(min(1, max(-1, b.sum.rows-a.sum.rows))) })
	var next atomic.Int64
	var group sync.WaitGroup
	for _, s := range sessions {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(todo) || ctx.Err() != nil {
					return
				}
				if err := do(todo[i], ctx, s); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// fill reads the source and hands statements to the sessions.
func (r *restorer) fill(sessions []*session) error {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	statements := make(chan []byte, loadSessions)
	var group sync.WaitGroup
	for _, s := range sessions {
		group.Go(func() {
			if err := insertAll(ctx, s, statements); err != nil {
				cancel(err)
			}
		})
	}
	total := r.expected()
	for _, l := range r.loads {
		if l.missing {
			continue
		}
		w := &rowWriter{loading: l, out: statements, head: "INSERT INTO " + ident(l.made) + " (" + idents(l.Columns) + ") VALUES "}
		err := r.source.Rows(ctx, l.Name, func(values []any) error {
			if r.out.Rows++; r.out.Rows%loadStatementRows == 0 {
				r.notify.Tell("restoring", r.out.Rows, total)
			}
			return w.add(ctx, values)
		})
		if err == nil {
			err = w.flush(ctx)
		}
		if err != nil {
			cancel(err)
			break
		}
	}
	close(statements)
	group.Wait()
	return context.Cause(ctx)
}

// insertAll runs statements in transactions of some of them. One that meets
// something else is not run again: nobody else knows these tables. One that a
// server takes back without a word is found as what it lost is, by prove, before
// anything is exchanged.
func insertAll(ctx context.Context, s *session, statements <-chan []byte) error {
	open := 0
	for q := range statements {
		if open == 0 {
			q = append([]byte("START TRANSACTION;"), q...)
		}
		if open++; open == loadStatements {
			q, open = append(q, ";COMMIT"...), 0
		}
		if err := s.exec(ctx, string(q)); err != nil {
			return err
		}
	}
	return s.exec(ctx, "COMMIT")
}

// rowWriter makes statements of rows.
type rowWriter struct {
	*loading
	out  chan<- []byte
	head string
	buf  []byte
	rows int
	line []byte
}

func (w *rowWriter) add(ctx context.Context, values []any) error {
	if len(values) != len(w.Columns) {
		return model.Errorf(model.Corrupt, "a row of %s in the backup has %d values for %d columns", w.Name, len(values), len(w.Columns))
	}
	if w.buf == nil {
		w.buf = append(make([]byte, 0, loadStatementBytes+loadStatementBytes/4), w.head...)
	}
	if w.rows > 0 {
		w.buf = append(w.buf, ',')
	}
	var err error
	for i, v := range values {
		w.buf = append(w.buf, "(,"[min(i, 1)])
		if w.buf, err = appendValue(w.buf, w.Types[i], v); err != nil {
			return model.Errorf(model.Corrupt, "a row of %s in the backup has a value in %s that cannot be", w.Name, w.Columns[i]).Because(err)
		}
	}
	w.buf = append(w.buf, ')')
	w.rows++
	w.line, err = appendCanonical(w.line[:0], values)
	if err != nil {
		return err
	}
	w.sum = w.sum.add(sumOfRow(w.line))
	if w.rows == loadStatementRows || len(w.buf) > loadStatementBytes {
		return w.flush(ctx)
	}
	return nil
}

func (w *rowWriter) flush(ctx context.Context) error {
	if w.rows == 0 {
		return nil
	}
	select {
	case w.out <- w.buf:
		w.buf, w.rows = nil, 0
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// appendValue writes a value as a literal of its type.
func appendValue(b []byte, typ string, v any) ([]byte, error) {
	var raw []byte
	switch x := v.(type) {
	case nil:
		return append(b, "NULL"...), nil
	case int64:
		return strconv.AppendInt(b, x, 10), nil
	case string:
		raw = []byte(x)
	case []byte:
		raw = x
	default:
		return b, fmt.Errorf("a value of type %T", v)
	}
	switch typ {
	case "id", "blob":
		return append(hex.AppendEncode(append(b, "X'"...), raw), '\''), nil
	case "int":
		if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
			return b, err
		}
		return append(b, raw...), nil
	}
	return appendQuoted(b, raw), nil
}

// appendCanonical writes values so that no two rows are written the same.
func appendCanonical(b []byte, values []any) ([]byte, error) {
	var digits [20]byte
	for _, v := range values {
		var raw []byte
		switch x := v.(type) {
		case nil:
			b = append(b, 0)
			continue
		case int64:
			raw = strconv.AppendInt(digits[:0], x, 10)
		case []byte:
			raw = x
		case string:
			b = append(binary.AppendUvarint(append(b, 1), uint64(len(x))), x...)
			continue
		default:
			return b, fmt.Errorf("a value of type %T", v)
		}
		b = append(binary.AppendUvarint(append(b, 1), uint64(len(raw))), raw...)
	}
	return b, nil
}

func sumOfRow(line []byte) reportSum {
	h := sha256.Sum256(line)
	s := reportSum{rows: 1}
	for i := range s.hash {
		s.hash[i] = binary.BigEndian.Uint64(h[i*8:])
	}
	return s
}

// prove reads the table back and compares every row with what came from the
// source.
func (l *loading) prove(ctx context.Context, s *session, as DumpTable) error {
	sum := reportSum{}
	var line []byte
	err := readBack(ctx, s, as, l.Columns, "", func(values []any) (err error) {
		if line, err = appendCanonical(line[:0], values); err == nil {
			sum = sum.add(sumOfRow(line))
		}
		return err
	})
	if err != nil {
		return err
	}
	if sum != l.sum {
		return model.Errorf(model.Corrupt, "the rows of %s that were loaded are not those of the backup: %d of %d came, or some are others", l.Name, sum.rows, l.sum.rows).
			WithHint("nothing was replaced; look for triggers or settings of the server that change what is written")
	}
	return nil
}

// readBack reads some columns of a table as a backup does.
func readBack(ctx context.Context, s *session, t DumpTable, columns []string, behind string, row func(values []any) error) error {
	var selects []string
	only := DumpTable{Name: t.Name}
	for _, c := range columns {
		at := slices.Index(t.Columns, c)
		if at < 0 {
			return model.Errorf(model.Corrupt, "the table %s has no column %s", t.Name, c)
		}
		selects = append(selects, t.selects[at])
		only.Columns, only.Types, only.kinds = append(only.Columns, c), append(only.Types, t.Types[at]), append(only.kinds, t.kinds[at])
	}
	clean := only.cleaners()
	values := make([]any, len(columns))
	return s.query(ctx, "SELECT "+strings.Join(selects, ",")+" FROM "+ident(t.Name)+behind, func(_ int, v []driver.Value) error {
		for i := range v {
			values[i] = v[i]
		}
		for _, c := range clean {
			if err := c(values); err != nil {
				return err
			}
		}
		return row(values)
	})
}
