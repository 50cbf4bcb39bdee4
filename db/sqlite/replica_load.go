package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"rapport/model"
)

// bulkRows is how many rows a first load must bring for the indexes and the
// search to be built after it instead of kept up during it.
const bulkRows = 20000

// loadPlan is what BeginLoad keeps about the load that is under way.
type loadPlan struct {
	At   model.Position
	Bulk bool // there are no indexes and no search until it ends
}

// BeginLoad prepares the first load, or goes on with one that was interrupted.
// While it runs the position is that of its beginning. Where many rows are to
// come the indexes go until they are there: the records can be listed, found by
// name and edited meanwhile.
func (d *DB) BeginLoad(ctx context.Context, at model.Position, rows int64) error {
	return d.write(ctx, "begin load", func(t *Tx) error {
		p, err := t.loadPlan()
		if err != nil {
			return err
		}
		if p != nil && p.At.Epoch == at.Epoch && p.At.Access == at.Access && p.At.Seq <= at.Seq {
			return nil
		}
		if err := t.exec("DELETE FROM load_state"); err != nil {
			return err
		}
		p = &loadPlan{At: at, Bulk: rows >= bulkRows}
		data, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if err := t.setState(stateLoad, string(data)); err != nil {
			return err
		}
		if p.Bulk {
			if err := t.dropIndexes(ctx); err != nil {
				return err
			}
		}
		at.Loaded = false
		return t.setPosition(at)
	})
}

// loadingMark is kept instead of the declaration's fingerprint while the
// indexes and the search are missing on purpose, so that opening the file does
// not build them.
func loadingMark(fingerprint string) string { return "loading " + fingerprint }

// dropIndexes takes the tables' indexes away and says that the search is not
// built.
func (t *Tx) dropIndexes(ctx context.Context) error {
	for _, e := range model.Entities() {
		for _, ix := range indexes(e) {
			if _, err := t.ExecContext(ctx, "DROP INDEX IF EXISTS "+quote(ix.name)); err != nil {
				return fmt.Errorf("drop index %s: %w", ix.name, err)
			}
		}
	}
	if err := t.setState(keySearch, ""); err != nil {
		return err
	}
	return t.setState(keyDeclaration, loadingMark(fingerprint()))
}

// compareSoon makes the next sync compare every row with the server's, because
// the file grew: rows that were pulled before lack what the server had in the
// new columns and tables. The feed is followed from where it was left.
func (t *Tx) compareSoon() error {
	at, err := t.position()
	if err != nil || at.Epoch == "" {
		return err
	}
	return t.setState(stateCompare, "1")
}

func (t *Tx) loadPlan() (*loadPlan, error) {
	s, err := t.state(stateLoad)
	if s == "" || err != nil {
		return nil, err
	}
	var p loadPlan
	return &p, json.Unmarshal([]byte(s), &p)
}

// begunLoad is loadPlan for what needs one.
func (t *Tx) begunLoad() (*loadPlan, error) {
	p, err := t.loadPlan()
	if p == nil && err == nil {
		err = errors.New("no load was begun")
	}
	return p, err
}

// LoadedTo returns how far the load of a table came.
func (d *DB) LoadedTo(ctx context.Context, n model.Noun) (after model.ID, done bool, err error) {
	var id []byte
	err = notNoRows(d.read().QueryRowContext(ctx, "SELECT after, done FROM load_state WHERE tbl = ?", string(n)).Scan(&id, &done))
	return model.IDFromBytes(id), done, mapError("read load state", err)
}

// Load stores rows of a load and how far it came, in one transaction.
func (d *DB) Load(ctx context.Context, n model.Noun, rows []model.Row, after model.ID, done bool) (model.ApplyResult, error) {
	var res model.ApplyResult
	err := d.loading(ctx, func(t *Tx) error {
		p, err := t.begunLoad()
		if err != nil {
			return err
		}
		e := model.EntityOf(n)
		a := newApplier(t)
		a.loading = true
		if p.Bulk {
			err = a.insertNew(ctx, e, rows)
		} else {
			err = a.mergeLoaded(ctx, e, rows)
		}
		if err != nil {
			return err
		}
		res = a.res
		return t.exec("INSERT INTO load_state (tbl, after, done) VALUES (?, ?, ?) ON CONFLICT (tbl) DO UPDATE SET after = excluded.after, done = excluded.done",
			string(n), after.Bytes(), done)
	})
	return res, err
}

// mergeLoaded merges rows one by one, and leaves out parts whose owner changed
// its scope or went since it was loaded: the feed tells.
func (a *applier) mergeLoaded(ctx context.Context, e *model.Entity, rows []model.Row) error {
	for _, row := range rows {
		if e.IsPart() {
			orphan, err := a.tx.orphan(e, row)
			if err != nil {
				return err
			}
			if orphan {
				continue
			}
		}
		if err := a.row(ctx, e, row); err != nil {
			return err
		}
	}
	return nil
}

// orphan tells whether a part's owner is not here.
func (t *Tx) orphan(e *model.Entity, row model.Row) (bool, error) {
	n, id, ok := row.OwnerOf(e)
	if !ok {
		return true, nil
	}
	var one int
	err := t.QueryRow("SELECT 1 FROM "+quote(string(n))+" WHERE id = ?", id.Bytes()).Scan(&one)
	return errors.Is(err, sql.ErrNoRows), notNoRows(err)
}

// loading is write for the steps of a load. They need not survive a failing
// power supply, because what is lost of them is loaded again; and foreign keys
// are looked at when the load ends. The connection is as it was afterwards.
func (d *DB) loading(ctx context.Context, fn func(*Tx) error) (err error) {
	const op = "load"
	if d.settings.ReadOnly {
		return model.Errorf(model.Refused, "the workspace is open for reading only")
	}
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return mapError(op, err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = 0; PRAGMA synchronous = 1; PRAGMA cache_size = -8192; PRAGMA temp_store = 1; PRAGMA wal_autocheckpoint = 4000"); err != nil {
		return mapError(op, err)
	}
	defer func() {
		_, reset := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = 1; PRAGMA synchronous = 2; PRAGMA wal_autocheckpoint = 1000")
		err = mapError(op, errors.Join(err, reset))
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return d.within(tx, op, func(t *Tx) error {
		t.conn = conn
		return fn(t)
	})
}

// FinishLoad makes what a load left for its end and stores the position at
// which it began, from which the feed is then followed. Each step is a short
// transaction of its own; one that is cut goes on where it stopped.
func (d *DB) FinishLoad(ctx context.Context) (model.ApplyResult, error) {
	var plan *loadPlan
	err := d.write(ctx, "finish load", func(t *Tx) (err error) {
		plan, err = t.begunLoad()
		return err
	})
	if err == nil && plan.Bulk {
		err = d.finishBulk(ctx)
	}
	if err != nil {
		return model.ApplyResult{}, err
	}
	err = d.write(ctx, "finish load", func(t *Tx) error {
		if err := t.exec("DELETE FROM load_state"); err != nil {
			return err
		}
		plan.At.Loaded = true
		if err := t.setPosition(plan.At); err != nil {
			return err
		}
		if err := t.eraseListed(); err != nil {
			return err
		}
		return t.setState(stateLoad, "")
	})
	return model.ApplyResult{}, err
}

// finishBulk builds the indexes, and the search beside them.
func (d *DB) finishBulk(ctx context.Context) (err error) {
	// What reading the rows took is given back before the building takes its
	// own.
	debug.FreeOSMemory()
	// What the search reads by comes first: parts by their owners.
	if err := d.buildIndexes(ctx, func(ix index) bool { return ix.owner }); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	built := make(chan error, 1)
	b, err := d.newSearchBuild(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	go func() { built <- b.fill(ctx) }()
	err = d.buildIndexes(ctx, func(ix index) bool { return !ix.owner })
	if err == nil {
		err = d.dropOrphans(ctx)
	}
	if err == nil {
		err = d.tellLate(ctx)
	}
	if err != nil {
		cancel()
	}
	if fillErr := <-built; err == nil {
		err = fillErr
	}
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // of what was sorted
	if err := b.take(ctx); err != nil {
		return err
	}
	_, err = d.writer.ExecContext(ctx, "PRAGMA temp_store = 2; PRAGMA cache_size = "+writerCache+"; PRAGMA wal_checkpoint(TRUNCATE)")
	return mapError("finish load", err)
}

// buildIndexes makes some indexes, each in a transaction of its own, so that a
// person who edits meanwhile need not wait long.
func (d *DB) buildIndexes(ctx context.Context, which func(index) bool) error {
	for _, e := range model.Entities() {
		for _, ix := range indexes(e) {
			if !which(ix) {
				continue
			}
			err := d.loading(ctx, func(t *Tx) error {
				_, err := t.ExecContext(ctx, ix.ddl)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// dropOrphans removes the parts whose owner did not come with them: it went
// while the tables were read, or came into the person's scope since, and then
// the feed brings both.
func (d *DB) dropOrphans(ctx context.Context) error {
	for _, e := range model.Entities() {
		if !e.IsPart() {
			continue
		}
		table := quote(string(e.Noun))
		alone := "NOT EXISTS (SELECT 1 FROM sync_base AS b WHERE b.tbl = '" + string(e.Noun) + "' AND b.id = p.id)"
		for _, n := range e.Owner {
			alone += " AND NOT EXISTS (SELECT 1 FROM " + quote(string(n)) + " AS o WHERE o.id = p." + quote(string(n)+"_id") + ")"
		}
		for _, n := range e.Owner {
			// Two indexes are read in their order beside each other, which takes a
			// tenth of the time of looking into one for each entry of the other.
			owner := quote(string(n) + "_id")
			rows, err := d.read().QueryContext(ctx, "SELECT "+owner+" FROM "+table+" WHERE "+owner+" IS NOT NULL EXCEPT SELECT id FROM "+quote(string(n))+" ORDER BY 1")
			gone, err := scanIDs(rows, err)
			if err != nil {
				return mapError("look for owners", err)
			}
			if len(gone) == 0 {
				continue
			}
			err = d.loading(ctx, func(t *Tx) error {
				for _, id := range gone {
					if err := t.exec("DELETE FROM "+table+" AS p WHERE p."+owner+" = ? AND "+alone, id.Bytes()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// lateRows is how many records get their titles in one transaction.
const lateRows = 500

// tellLate gives the records whose lists decide it their titles.
func (d *DB) tellLate(ctx context.Context) error {
	for more := true; more; {
		err := d.loading(ctx, func(t *Tx) error {
			keys, err := t.lateKeys(ctx, "load_late", lateRows)
			if err != nil {
				return err
			}
			more = len(keys) == lateRows
			for _, k := range keys {
				if err := t.retell(model.EntityOf(k.noun), k.id); err != nil {
					return err
				}
				if err := t.exec("DELETE FROM load_late WHERE noun = ? AND id = ?", string(k.noun), k.id.Bytes()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lateKeys reads records from one of the tables that note them for later.
func (t *Tx) lateKeys(ctx context.Context, table string, limit int) ([]recordKey, error) {
	rows, err := t.QueryContext(ctx, "SELECT noun, id FROM "+table+" LIMIT ?", limit)
	if err != nil {
		return nil, err
	}
	var out []recordKey
	for rows.Next() {
		var noun string
		var id []byte
		if err = rows.Scan(&noun, &id); err != nil {
			break
		}
		out = append(out, recordKey{model.Noun(noun), model.IDFromBytes(id)})
	}
	return out, closeRows(rows, err)
}
