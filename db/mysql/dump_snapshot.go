package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"time"
)

// snapshotSQL begins a transaction that sees one moment, and tells where that
// is in the binary log. The level is set before because READ COMMITTED, the
// level of all other work, takes the statement and makes no snapshot. It must
// not be said that the transaction reads only: TiDB does not know that.
const snapshotSQL = "START TRANSACTION WITH CONSISTENT SNAPSHOT;SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'"

// logPlace is a place in a server's binary log; without a file it has none.
type logPlace struct{ file, position string }

// note reads a row of SHOW STATUS.
func (p *logPlace) note(v []driver.Value) {
	switch strings.ToLower(asText(v[0])) {
	case "binlog_snapshot_file":
		p.file = asText(v[1])
	case "binlog_snapshot_position":
		p.position = orZero(asText(v[1]))
	}
}

// gtid is the place as MariaDB's transactions name it.
func (p logPlace) gtid(ctx context.Context, s *session) (string, error) {
	return s.text(ctx, "SELECT BINLOG_GTID_POS("+quote(p.file)+", "+orZero(p.position)+")")
}

// beginSnapshot begins a snapshot on a session.
func beginSnapshot(ctx context.Context, s *session) (logPlace, error) {
	var p logPlace
	err := s.query(ctx, snapshotSQL, func(_ int, v []driver.Value) error {
		p.note(v)
		return nil
	})
	return p, err
}

// dumpMoment is what a session sees of a central at its snapshot. Sessions that see
// the same have the same.
type dumpMoment struct {
	place logPlace
	seen  string
}

// seenSQL tells apart two moments that the log does not: what a session wrote
// that does not log.
const seenSQL = "SELECT CONCAT_WS(' ',tick,seq,run_id,(SELECT COALESCE(MAX(seq),0) FROM sync_audit)) FROM sync_counter WHERE id=1"

// freely has a read in a snapshot give the table back at once: else whoever
// wants to alter it would wait for the dump's end, and everybody who wants to
// write to it behind that one. On TiDB nobody waits for readers.
func (d *Dump) freely(q string) string {
	if d.control.dialect.product == tiDB {
		return q
	}
	return "SAVEPOINT dump;" + q + ";ROLLBACK TO SAVEPOINT dump"
}

// start begins the snapshots of all readers at once and tells what each sees.
func (d *Dump) start(ctx context.Context, begin string) ([]dumpMoment, error) {
	out, errs := make([]dumpMoment, len(d.readers)), make([]error, len(d.readers))
	var group sync.WaitGroup
	for i, r := range d.readers {
		group.Go(func() {
			errs[i] = r.query(ctx, "ROLLBACK;"+begin+";"+d.freely(seenSQL), func(_ int, v []driver.Value) error {
				if len(v) > 1 {
					out[i].place.note(v)
				} else {
					out[i].seen = asText(v[0])
				}
				return nil
			})
		})
	}
	group.Wait()
	return out, errors.Join(errs...)
}

// snapshot has all readers see the same moment, by the means that the server
// and the account have, and else goes on with one reader.
func (d *Dump) snapshot(ctx context.Context) error {
	if d.control.dialect.product == tiDB {
		return d.stamp(ctx)
	}
	if len(d.readers) > 1 {
		if done, err := d.underLock(ctx); done || err != nil {
			return err
		}
		for _, r := range d.readers[1:] {
			if err := r.close(); err != nil {
				return err
			}
		}
		d.readers = d.readers[:1]
	}
	seen, err := d.start(ctx, snapshotSQL)
	if err != nil {
		return err
	}
	d.took(ctx, methodOne, seen[0])
	return nil
}

// took notes how the snapshot came about.
func (d *Dump) took(ctx context.Context, method string, m dumpMoment) {
	d.info.Method = method
	if m.place.file == "" {
		return
	}
	// Not every account may ask.
	if at, err := m.place.gtid(ctx, d.control); err == nil {
		d.info.GTID = at
	}
}

// aligned tells whether all readers see the same moment.
func aligned(seen []dumpMoment) bool {
	for _, s := range seen {
		if s != seen[0] {
			return false
		}
	}
	return true
}

// lockFor is how long the read lock may last.
const lockFor = 3 * time.Second

// underLock begins the snapshots while a read lock of the whole server holds
// writers off, a few milliseconds. The same place in the binary log is no
// proof: of readers that begin without the lock, at one place while many write,
// one was seen to lack a transaction that another one had. It takes the right RELOAD. Where it cannot be
// had within a second, because of a statement that takes long, it is given up:
// nobody can write while it is waited for.
func (d *Dump) underLock(ctx context.Context) (done bool, err error) {
	const patience, end = "SET SESSION lock_wait_timeout=1;", "SET SESSION lock_wait_timeout=20"
	if err := d.control.exec(ctx, patience+"FLUSH TABLES WITH READ LOCK"); err != nil {
		if number(err) == 0 {
			return false, err
		}
		return false, d.control.exec(ctx, end)
	}
	limited, cancel := context.WithTimeout(ctx, lockFor)
	defer cancel()
	seen, err := d.start(limited, snapshotSQL)
	if e := d.control.exec(context.WithoutCancel(ctx), "UNLOCK TABLES;"+end); e != nil {
		return false, errors.Join(err, e)
	}
	if err != nil {
		return false, err
	}
	if !aligned(seen) {
		return false, nil
	}
	d.took(ctx, methodLock, seen[0])
	return true, nil
}

// stamp has all readers read as of one timestamp of TiDB, which knows neither
// the lock nor the place of a log.
func (d *Dump) stamp(ctx context.Context) error {
	at := ""
	err := d.control.query(ctx, "BEGIN;SELECT @@tidb_current_ts;COMMIT", func(_ int, v []driver.Value) error {
		at = orZero(asText(v[0]))
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.start(ctx, "START TRANSACTION READ ONLY AS OF TIMESTAMP TIDB_PARSE_TSO("+at+")")
	d.info.Method, d.info.GTID = methodStamp, ""
	return err
}
