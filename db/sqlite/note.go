package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rapport/model"
)

// A chain of backups holds what changed since the backup before. Which rows
// that are, triggers note from the first chain of a copy on; one that makes
// full backups only never pays for them. Notes have no moment of their own: the
// number of the newest one that a backup's snapshot shows is where the next
// backup begins.

// wholeTables are the service tables that are small, so that each increment
// holds them whole.
var wholeTables = []string{"sync_batch", "state", "load_state", "load_late"}

// IsNoted tells whether the changes of a table are noted row by row.
func IsNoted(table string) bool { return !slices.Contains(wholeTables, table) }

// noteTriggers returns the triggers that note changes, by name.
func (d *DB) noteTriggers(ctx context.Context) (map[string]string, error) {
	tables, err := d.Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, t := range tables {
		if !IsNoted(t.Name) {
			continue
		}
		// What a statement says of clashes would hold inside its triggers
		// too, so that they must not clash.
		note := func(row string) string {
			k1, k2 := row+"."+quote(t.Key[0]), "''"
			if len(t.Key) > 1 {
				k2 = row + "." + quote(t.Key[1])
			}
			return fmt.Sprintf("\n  DELETE FROM backup_note WHERE tbl = '%s' AND k1 = %s AND k2 = %s;\n  INSERT INTO backup_note (tbl, k1, k2) VALUES ('%[1]s', %s, %s);", t.Name, k1, k2, k1, k2)
		}
		moved := make([]string, len(t.Key))
		for i, k := range t.Key {
			moved[i] = "OLD." + quote(k) + " IS NOT NEW." + quote(k)
		}
		for event, body := range map[string]string{
			"INSERT ON " + quote(t.Name): note("NEW"),
			"UPDATE ON " + quote(t.Name): note("NEW"),
			"DELETE ON " + quote(t.Name): note("OLD"),
			"UPDATE OF " + quoteAll(t.Key) + " ON " + quote(t.Name) + " WHEN " + strings.Join(moved, " OR "): note("OLD"),
		} {
			name := fmt.Sprintf("backup_%s_%s", t.Name, strings.ToLower(event[:6]))
			if strings.HasPrefix(event, "UPDATE OF") {
				name = fmt.Sprintf("backup_%s_moved", t.Name)
			}
			out[name] = fmt.Sprintf("CREATE TRIGGER %s AFTER %s\nBEGIN%s\nEND", quote(name), event, body)
		}
	}
	return out, nil
}

// noting tells whether all the triggers are there as they have to be.
func noting(ctx context.Context, q querier, want map[string]string) (bool, error) {
	have, err := noteTriggersOf(ctx, q)
	if err != nil {
		return false, err
	}
	for name, ddl := range want {
		if have[name] != ddl {
			return false, nil
		}
	}
	return len(have) == len(want), nil
}

func noteTriggersOf(ctx context.Context, q querier) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'backup\\_%' ESCAPE '\\'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[string]string{}
	for rows.Next() {
		var name, ddl string
		if err := rows.Scan(&name, &ddl); err != nil {
			return nil, err
		}
		have[name] = ddl
	}
	return have, rows.Err()
}

// noteChanges sees to it that changes are noted. Where they were not, no backup
// that was made before can be followed.
func (d *DB) noteChanges(ctx context.Context) error {
	want, err := d.noteTriggers(ctx)
	if err != nil {
		return err
	}
	if ok, err := noting(ctx, d.read(), want); ok || err != nil {
		return mapError("note changes", err)
	}
	return d.write(ctx, "note changes", func(t *Tx) error {
		have, err := noteTriggersOf(ctx, t.Tx)
		if err != nil {
			return err
		}
		for name := range have {
			if err := t.exec("DROP TRIGGER " + quote(name)); err != nil {
				return err
			}
		}
		for _, q := range []string{"DELETE FROM backup_note", "DELETE FROM backup_mark"} {
			if err := t.exec(q); err != nil {
				return err
			}
		}
		for _, ddl := range want {
			if err := t.exec(ddl); err != nil {
				return err
			}
		}
		return nil
	})
}

// Moment is one moment of the cache that several readers see at once, whatever
// is written meanwhile.
type Moment struct {
	d       *DB
	readers []*sql.Tx
	Newest  int64 // note of a change, 0 while none are noted
	noted   bool
	closed  sync.Once
}

// Moment opens a moment for up to n readers. With note it sees to it before
// that changes are noted from there on. Where another process writes for long,
// there is one reader. Others that are opened here wait until it is closed, and
// call wait before, so that the pool keeps readers for everybody else.
func (d *DB) Moment(ctx context.Context, n int, note bool, wait func()) (*Moment, error) {
	select {
	case d.moment <- struct{}{}:
	default:
		wait()
		select {
		case d.moment <- struct{}{}:
		case <-ctx.Done():
			return nil, mapError("open moment", ctx.Err())
		}
	}
	m := &Moment{d: d}
	ok := false
	defer func() {
		if !ok {
			m.Close()
		}
	}()
	n = min(n, readers/2)
	if note {
		if err := d.noteChanges(ctx); err != nil {
			return nil, err
		}
	}
	if n > 1 {
		// While nobody can write, all see the same.
		if still, err := d.writer.BeginTx(ctx, nil); err == nil {
			defer still.Rollback()
		} else if ctx.Err() != nil {
			return nil, mapError("open moment", err)
		} else {
			n = 1
		}
	}
	for range n {
		tx, err := d.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		m.readers = append(m.readers, tx)
	}
	want, err := d.noteTriggers(ctx)
	if err != nil {
		return nil, err
	}
	if m.noted, err = noting(ctx, m.readers[0], want); err != nil {
		return nil, mapError("open moment", err)
	}
	if m.noted {
		// The highest number that was ever given, also when its note went.
		err := m.readers[0].QueryRowContext(ctx, "SELECT coalesce(max(seq), 0)\nFROM sqlite_sequence\nWHERE name = 'backup_note'").Scan(&m.Newest)
		if err != nil {
			return nil, mapError("open moment", err)
		}
	}
	ok = true
	return m, nil
}

// Readers returns the transactions that see the moment. Each is used by one
// goroutine at a time.
func (m *Moment) Readers() []*sql.Tx { return m.readers }

// Close ends the moment and lets the next one in.
func (m *Moment) Close() error {
	var err error
	for _, tx := range m.readers {
		err = errors.Join(err, tx.Rollback())
	}
	m.readers = nil
	m.closed.Do(func() { <-m.d.moment })
	return err
}

// Follows tells whether the changes from the moment of another backup up to
// this one are all noted.
func (m *Moment) Follows(ctx context.Context, id model.ID, newest int64) (bool, error) {
	if !m.noted {
		return false, nil
	}
	var seq int64
	err := m.readers[0].QueryRowContext(ctx, "SELECT seq FROM backup_mark WHERE id = ?", string(id)).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && seq == newest && seq <= m.Newest, mapError("read mark of backup", err)
}

// SelectChanged returns the statement that reads the rows of a table that
// changed after a note: the key as noted, whether the row is there, and its
// columns. Its parameter is the note.
func (t Table) SelectChanged() string {
	noted, on := []string{"n.k1"}, "t."+quote(t.Key[0])+" = n.k1"
	if len(t.Key) > 1 {
		noted, on = append(noted, "n.k2"), on+" AND t."+quote(t.Key[1])+" = n.k2"
	}
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = "t." + quote(c)
	}
	return fmt.Sprintf("SELECT %s, t.%s IS NOT NULL, %s\nFROM backup_note n LEFT JOIN %s t ON %s\nWHERE n.tbl = '%s' AND n.seq > ?\nORDER BY n.k1, n.k2",
		strings.Join(noted, ", "), quote(t.Key[0]), strings.Join(columns, ", "), quote(t.Name), on, t.Name)
}

// KeepMark keeps that a backup of the moment is complete and lies in a place.
// After a full one, what the place held before is followed no more; notes that
// no place needs go.
func (m *Moment) KeepMark(ctx context.Context, id model.ID, place string, full bool) error {
	if !m.noted {
		return nil
	}
	return m.d.write(ctx, "keep mark of backup", func(t *Tx) error {
		if full {
			if err := t.exec("DELETE FROM backup_mark WHERE place = ?", place); err != nil {
				return err
			}
		}
		if err := t.exec("INSERT INTO backup_mark (id, place, seq)\nVALUES (?, ?, ?)\nON CONFLICT (id) DO NOTHING", string(id), place, m.Newest); err != nil {
			return err
		}
		if full {
			return t.exec("DELETE FROM backup_note WHERE seq <= (SELECT min(seq) FROM backup_mark)")
		}
		return nil
	})
}
