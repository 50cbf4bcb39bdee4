package sqlite

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"rapport/model"
)

// Keys of the state table that the sync keeps.
const (
	stateClient   = "client"
	stateBatch    = "batch_number"
	statePosition = "position"
	stateLastSync = "last_sync"
	stateLoad     = "load"
)

// lockName is the file in the home whose lock a sync holds.
const lockName = "sync.lock"

// A sync that has nothing to do holds the lock for one round trip: it is waited
// for, and asked again at short intervals whether it has ended.
const (
	lockPatience = 2 * time.Second
	lockRetry    = 20 * time.Millisecond
)

// Lock takes the workspace's sync lock, which the operating system frees when
// the process ends in whatever way. A short sync of another process is waited
// for. Error: Locked.
func (d *DB) Lock(ctx context.Context) (release func(), err error) {
	l := flock.New(filepath.Join(filepath.Dir(d.path), lockName), flock.SetPermissions(0o600))
	patient, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := l.TryLockContext(patient, lockRetry)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && patient.Err() == nil {
		return nil, model.Errorf(model.Locked, "the sync lock cannot be taken").Because(err)
	}
	if !ok {
		return nil, model.Errorf(model.Locked, "another sync of this workspace is running").WithHint("wait for it to end")
	}
	return func() { _ = l.Unlock() }, nil
}

// Client returns the id of this copy of the workspace. It is made at the first
// call.
func (d *DB) Client(ctx context.Context) (model.ID, error) {
	s, err := d.readState(ctx, stateClient)
	if s != "" || err != nil {
		return model.ID(s), err
	}
	var id model.ID
	err = d.write(ctx, "make client id", func(t *Tx) error {
		id, err = t.client()
		return err
	})
	return id, err
}

func (t *Tx) client() (model.ID, error) {
	s, err := t.state(stateClient)
	if s != "" || err != nil {
		return model.ID(s), err
	}
	id := t.db.ids.New()
	return id, t.setState(stateClient, string(id))
}

// NewClient gives this copy a new id.
func (d *DB) NewClient(ctx context.Context) (model.ID, error) {
	id := d.ids.New()
	return id, d.write(ctx, "change client id", func(t *Tx) error {
		if err := t.setState(stateBatch, ""); err != nil {
			return err
		}
		return t.setState(stateClient, string(id))
	})
}

// Position returns how far the feed was followed; the zero Position if never.
func (d *DB) Position(ctx context.Context) (model.Position, error) {
	s, err := d.readState(ctx, statePosition)
	if err != nil {
		return model.Position{}, err
	}
	return parsePosition(s)
}

func (t *Tx) position() (model.Position, error) {
	s, err := t.state(statePosition)
	if err != nil {
		return model.Position{}, err
	}
	return parsePosition(s)
}

// parsePosition reads a stored position; "" is the zero Position.
func parsePosition(s string) (model.Position, error) {
	var p model.Position
	if s == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(s), &p); err != nil {
		return p, model.Errorf(model.Corrupt, "the stored position in the feed cannot be read").Because(err)
	}
	return p, nil
}

// SetPosition stores a position without rows.
func (d *DB) SetPosition(ctx context.Context, p model.Position) error {
	return d.write(ctx, "store position", func(t *Tx) error { return t.setPosition(p) })
}

func (t *Tx) setPosition(p model.Position) error {
	before, err := t.position()
	if err != nil {
		return err
	}
	if before.Schema != p.Schema {
		if err := t.exec("UPDATE sync_base SET code = NULL, error = NULL WHERE record_id IN (SELECT record_id FROM sync_base WHERE code IN ('upgrade', 'server'))"); err != nil {
			return err
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return t.setState(statePosition, string(data))
}

// Synced stores when a sync last ended well.
func (d *DB) Synced(ctx context.Context, at time.Time) error {
	return d.write(ctx, "store last sync", func(t *Tx) error {
		return t.setState(stateLastSync, strconv.FormatInt(at.UnixMilli(), 10))
	})
}

// Open counts the conflicts and the refused records that wait for a person.
func (d *DB) Open(ctx context.Context) (conflicts, refused int64, err error) {
	err = d.read().QueryRowContext(ctx, `SELECT
  (SELECT count(DISTINCT record_id) FROM sync_conflict WHERE settled_at IS NULL),
  (SELECT count(DISTINCT record_id) FROM sync_base WHERE code IS NOT NULL)`).Scan(&conflicts, &refused)
	return conflicts, refused, mapError("count conflicts", err)
}

// Unsent counts the row changes that wait to be sent and can be.
func (d *DB) Unsent(ctx context.Context) (int64, error) {
	var n int64
	err := d.read().QueryRowContext(ctx, `SELECT count(*)
FROM sync_base AS b
WHERE code IS NULL
AND NOT EXISTS (SELECT 1 FROM sync_conflict AS c WHERE c.tbl = b.tbl AND c.row_id = b.id AND c.settled_at IS NULL)`).Scan(&n)
	return n, mapError("count unsent changes", err)
}

// PendingRecords counts the records with changes that the server has not got.
func (d *DB) PendingRecords(ctx context.Context) (int64, error) {
	var n int64
	err := d.read().QueryRowContext(ctx, "SELECT count(DISTINCT record_id) FROM sync_base").Scan(&n)
	return n, mapError("count pending records", err)
}

func (d *DB) readState(ctx context.Context, key string) (string, error) {
	var v string
	err := notNoRows(d.read().QueryRowContext(ctx, "SELECT value FROM state WHERE key = ?", key).Scan(&v))
	return v, mapError("read state", err)
}

// holdConflicts keeps both values of the fields of a row that wait for a
// person and ends those on which the two sides agree by now. It returns how
// many are new.
func (t *Tx) holdConflicts(ctx context.Context, e *model.Entity, fields []model.FieldConflict, mine, theirs model.Row) (opened int64, err error) {
	open, err := t.heldFields(ctx, e, mine.ID())
	if err != nil {
		return 0, err
	}
	for _, f := range fields {
		if !open[f.Field] && !follows(e, f.Field) {
			opened++
		}
		delete(open, f.Field)
		c := openConflict{Entity: e, Row: mine, Field: f}
		c.TheirsAt, _ = theirs.Get(e, model.ColumnUpdatedAt).(int64)
		c.TheirsBy, _ = theirs.Get(e, model.ColumnUpdatedBy).(string)
		if err := t.addConflict(c); err != nil {
			return 0, err
		}
	}
	for f := range open {
		if _, err := t.ExecContext(ctx, "UPDATE sync_conflict SET settled_at = ?, resolution = 'agreed' WHERE tbl = ? AND row_id = ? AND field = ? AND settled_at IS NULL",
			t.now.UnixMilli(), string(e.Noun), mine.ID().Bytes(), f); err != nil {
			return 0, err
		}
	}
	return opened, nil
}

// heldFields returns the fields of a row that wait for a person.
func (t *Tx) heldFields(ctx context.Context, e *model.Entity, id model.ID) (map[string]bool, error) {
	rows, err := t.QueryContext(ctx, "SELECT field FROM sync_conflict WHERE tbl = ? AND row_id = ? AND settled_at IS NULL", string(e.Noun), id.Bytes())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	held := map[string]bool{}
	for rows.Next() {
		var field string
		if err := rows.Scan(&field); err != nil {
			return nil, err
		}
		held[field] = true
	}
	return held, rows.Err()
}

// dropConflicts ends the conflicts of a row that the server does not have any
// more.
func (t *Tx) dropConflicts(ctx context.Context, e *model.Entity, id model.ID) error {
	_, err := t.ExecContext(ctx, "UPDATE sync_conflict SET settled_at = ?, resolution = 'gone' WHERE tbl = ? AND row_id = ? AND settled_at IS NULL",
		t.now.UnixMilli(), string(e.Noun), id.Bytes())
	return err
}

// Row returns one stored row as the sync sees it, nil if there is none.
func (d *DB) Row(ctx context.Context, e *model.Entity, id model.ID) (model.Row, error) {
	rows, err := d.read().QueryContext(ctx, planOf(e).byID, id.Bytes())
	if err != nil {
		return nil, mapError("read row", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, mapError("read row", rows.Err())
	}
	return scanRow(e, rows)
}
