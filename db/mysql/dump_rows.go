package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rapport/model"
)

// Count tells about how many rows a table has, as the server guesses it.
func (d *Dump) Count(_ context.Context, _ int, t DumpTable) (int64, error) { return t.rows, nil }

// erTableChanged is the error of a snapshot that looks at a table which was
// altered or exchanged since.
const erTableChanged = 1412

// reading explains an error of reading a table.
func (d *Dump) reading(table string, err error) error {
	switch number(err) {
	case erTableChanged, erNoTable, erUnknownColumn, 1051, 8027, 8028:
		return model.Errorf(model.Unreachable, "%s was altered, exchanged or removed while a backup read the central", table).
			WithHint("begin the backup anew").Because(errors.Join(ErrChanged, err))
	case erLockTimeout:
		return model.Errorf(model.Unreachable, "somebody alters %s at this moment, and a backup cannot read it", table).
			WithHint("begin the backup anew when that is done").Because(errors.Join(ErrChanged, err))
	}
	return mapError("read "+table, err)
}

// Rows calls row for each row of a table, in the order of its key. Each reader
// is for one goroutine at a time, and a table that is not alike for all of them
// is for reader 0. Values are int64, []byte or nil; text is as
// the server writes it: times in UTC with all of their digits, decimals with all
// of theirs. The slice and the bytes are valid during the call only. An error of
// row ends the reading and is returned as it is.
func (d *Dump) Rows(ctx context.Context, reader int, t DumpTable, row func(v []any) error) error {
	if c, err := d.copyOf(ctx, reader, t); err != nil {
		return err
	} else if c != nil {
		return d.readCopy(ctx, reader, t, c, row).rows()
	}
	q := "SELECT " + strings.Join(t.selects, ",") + " FROM " + ident(t.Name)
	if t.keyed {
		// The rows lie in this order; a server that sorted them would send none
		// before it has read all.
		q += " FORCE INDEX (PRIMARY) ORDER BY " + idents(t.Key)
	}
	return d.stream(ctx, reader, t, q, row)
}

// stream runs a query for all columns of a table.
func (d *Dump) stream(ctx context.Context, reader int, t DumpTable, q string, row func(v []any) error) error {
	if reader > 0 && !t.Alike {
		return model.Errorf(model.Invalid, "readers do not see %s alike", t.Name).WithHint("it is for the first one")
	}
	s := d.readers[reader]
	s.requests++
	rows, err := s.conn.(driver.QueryerContext).QueryContext(ctx, d.freely(q), nil)
	if err != nil {
		return d.reading(t.Name, err)
	}
	defer rows.Close()
	// A savepoint has a result without columns.
	next := rows.(driver.RowsNextResultSet)
	for len(rows.Columns()) == 0 {
		if err := next.NextResultSet(); err != nil {
			return d.reading(t.Name, err)
		}
	}
	clean := t.cleaners()
	raw, values := make([]driver.Value, len(t.Columns)), make([]any, len(t.Columns))
	for {
		if err := rows.Next(raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return d.reading(t.Name, err)
		}
		for i, v := range raw {
			values[i] = v
		}
		for _, c := range clean {
			if err := c(values); err != nil {
				return err
			}
		}
		if err := row(values); err != nil {
			return err
		}
	}
	for next.HasNextResultSet() {
		if err := next.NextResultSet(); err != nil && !errors.Is(err, io.EOF) {
			return d.reading(t.Name, err)
		}
	}
	return nil
}

// cleaners give the values of some columns their form in a dump. Most need none.
func (t DumpTable) cleaners() []func(v []any) error {
	var out []func(v []any) error
	for i, kind := range t.kinds {
		switch {
		case kind == "json":
			out = append(out, func(v []any) error { return canonicalJSON(v, i) })
		case t.Types[i] != "int" && slices.Contains(numberTypes, kind):
			out = append(out, func(v []any) error {
				if n, ok := v[i].(uint64); ok {
					v[i] = strconv.AppendUint(nil, n, 10)
				}
				return nil
			})
		case t.Types[i] == "int":
			out = append(out, func(v []any) error {
				if n, ok := v[i].(uint64); ok {
					v[i] = int64(n)
				}
				return nil
			})
		}
	}
	return out
}

// canonicalJSON writes a value of a JSON column with the names of each object in
// order: servers keep them in orders of their own.
func canonicalJSON(v []any, at int) error {
	b, ok := v[at].([]byte)
	if !ok {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var x any
	if err := dec.Decode(&x); err != nil {
		return model.Errorf(model.Corrupt, "the server sends JSON that cannot be read").Because(err)
	}
	v[at] = []byte(jsonText(x))
	return nil
}

// changedKeys are the rows that changed since a position, by table.
type changedKeys struct {
	sync.Mutex
	read  bool
	since int64
	of    map[string][]byte // ids one behind the other, in order
}

const idBytes = 16

// changes returns the rows that changed in each table since a position. They
// are read once, whoever asks.
func (d *Dump) changes(ctx context.Context, reader int, since int64) (map[string][]byte, error) {
	d.keys.Lock()
	defer d.keys.Unlock()
	if d.keys.read && d.keys.since == since {
		return d.keys.of, nil
	}
	if since < d.info.MinSeq {
		return nil, model.Errorf(model.Invalid, "the central tells changes from position %d on, and not from %d", d.info.MinSeq, since).WithHint("make a full backup")
	}
	of := map[string][]byte{}
	q := d.freely(fmt.Sprintf("SELECT tbl,pk FROM sync_feed FORCE INDEX (PRIMARY) WHERE seq>%d AND seq<=%d", since, d.info.Position))
	err := d.readers[reader].query(ctx, q, func(_ int, v []driver.Value) error {
		table, _ := v[0].([]byte)
		id, _ := v[1].([]byte)
		if len(id) == idBytes {
			of[string(table)] = append(of[string(table)], id...)
		}
		return nil
	})
	if err != nil {
		return nil, d.reading("sync_feed", err)
	}
	for table, ids := range of {
		of[table] = distinct(ids)
	}
	d.keys.read, d.keys.since, d.keys.of = true, since, of
	return of, nil
}

// distinct puts ids in order and each of them once.
func distinct(ids []byte) []byte {
	all := slices.Collect(slices.Chunk(ids, idBytes))
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(slices.CompactFunc(all, bytes.Equal), nil)
}

// changedChunk is how many rows are asked for by their keys at once.
const changedChunk = 1000

// Changed calls row for each row of a followed table that changed since a mark,
// as it is now, and gone for the key of each that went. Both come in the order
// of the key, and their values are valid as in Rows. What a transaction wrote
// that committed after the mark is among it, whenever it was written.
//
// Of the history it gives every entry of the rows that changed, also those that
// an earlier dump has: entries have numbers from when they were written, and one
// of a transaction that took long may come behind later ones. Nothing ever goes
// from tables to which rows are only added.
func (d *Dump) Changed(ctx context.Context, reader int, t DumpTable, since DumpMark, row func(v []any) error, gone func(key []any) error) error {
	if !t.Followed {
		return model.Errorf(model.Invalid, "nobody notes what changes in %s", t.Name).WithHint("it is held whole each time")
	}
	if t.Name == "sync_run" {
		run, _, _ := parseRun(since.Run)
		return d.stream(ctx, reader, t, "SELECT "+strings.Join(t.selects, ",")+fmt.Sprintf(" FROM sync_run WHERE run_id>%d ORDER BY run_id", run), row)
	}
	changes, err := d.changes(ctx, reader, since.Position)
	if err != nil {
		return err
	}
	if t.Name == "sync_audit" {
		return d.history(ctx, reader, t, changes, since.History, row)
	}
	at := slices.Index(t.Columns, model.ColumnID)
	for ids := range slices.Chunk(changes[t.Name], changedChunk*idBytes) {
		rest := ids
		missing := func(before []byte) error {
			for len(rest) > 0 && (before == nil || bytes.Compare(rest[:idBytes], before) < 0) {
				if err := gone([]any{rest[:idBytes]}); err != nil {
					return err
				}
				rest = rest[idBytes:]
			}
			return nil
		}
		there := func(v []any) error {
			id, _ := v[at].([]byte)
			if err := missing(id); err != nil {
				return err
			}
			rest = rest[min(idBytes, len(rest)):]
			return row(v)
		}
		c, err := d.copyOf(ctx, reader, t)
		switch {
		case err != nil:
		case c != nil:
			err = d.readCopy(ctx, reader, t, c, there).rowsOf(ids)
		default:
			err = d.stream(ctx, reader, t, t.ofIDs(ids), there)
		}
		if err == nil {
			err = missing(nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// idsSQL makes the inside of an IN.
func idsSQL(ids []byte) string {
	var b strings.Builder
	for id := range slices.Chunk(ids, idBytes) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "X'%x'", id)
	}
	return b.String()
}

// history reads the entries of the rows that changed, and those that are newer
// than any which the earlier dump has.
func (d *Dump) history(ctx context.Context, reader int, t DumpTable, changes map[string][]byte, newest int64, row func(v []any) error) error {
	var seqs []int64
	for table, all := range changes {
		for ids := range slices.Chunk(all, changedChunk*idBytes) {
			q := d.freely("SELECT seq FROM sync_audit FORCE INDEX (audit_of_row) WHERE tbl=" + quote(table) + " AND pk IN (" + idsSQL(ids) + ")")
			err := d.readers[reader].query(ctx, q, func(_ int, v []driver.Value) error {
				seqs = append(seqs, v[0].(int64))
				return nil
			})
			if err != nil {
				return d.reading(t.Name, err)
			}
		}
	}
	slices.Sort(seqs)
	behind, _ := slices.BinarySearch(seqs, newest+1)
	list := "SELECT " + strings.Join(t.selects, ",") + " FROM sync_audit FORCE INDEX (PRIMARY) WHERE "
	for some := range slices.Chunk(seqs[:behind], changedChunk) {
		var in []byte
		for _, seq := range some {
			in = append(strconv.AppendInt(in, seq, 10), ',')
		}
		if err := d.stream(ctx, reader, t, list+"seq IN ("+string(in[:len(in)-1])+") ORDER BY seq", row); err != nil {
			return err
		}
	}
	return d.stream(ctx, reader, t, list+fmt.Sprintf("seq>%d ORDER BY seq", newest), row)
}
