package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"time"
)

// beginSQL begins a transaction that sees one moment. The level is set before
// because READ COMMITTED, the level of all other work, takes the statement and
// makes no snapshot. It must not be said that the transaction reads only: TiDB
// does not know that.
const beginSQL = "START TRANSACTION WITH CONSISTENT SNAPSHOT"

// placeSQL asks within a snapshot where that is in the binary log.
const placeSQL = "SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'"

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
	err := s.query(ctx, beginSQL+";"+placeSQL, func(_ int, v []driver.Value) error {
		p.note(v)
		return nil
	})
	return p, err
}

// dumpMoment is what a reader sees of a central at its snapshot. Two readers of
// the same head and the same rest see the same of every table whose triggers
// note its changes.
//
// Whoever changes a row of such a table adds a row to sync_outbox in the same
// transaction, and it is not changed any more. Only a run of the sequencer
// takes it away, and the row of sync_counter tells the runs that a reader sees,
// for each of them changes it. So a transaction that one reader sees and the
// other does not shows in what they see waiting in sync_outbox.
//
// A snapshot need not come about at one stroke: one that began while a
// transaction and then a run of the sequencer upon it ended might see the run
// and not the transaction. Therefore the head must also be what it was before
// the readers began: then every run that they see had ended by then, and what
// it gave positions to as well.
//
// The place in the binary log proves less. Many transactions write nothing to
// it, those of other databases move it, and servers tell it from memory that
// sessions share: of readers that asked at once, one was told that of another.
type dumpMoment struct{ head, rest string }

const counterSQL = "CONCAT_WS(' ',tick,seq,run_id)"

// momentOfSQL asks for a dumpMoment. It looks through what waits for a
// position: little, for whoever dumps has sequenced before.
const momentOfSQL = "SELECT " + counterSQL + ",CONCAT_WS(' ',(SELECT CONCAT_WS(' ',epoch,min_seq) FROM " + metaTable + " WHERE id=1),(SELECT COALESCE(MAX(seq),0) FROM sync_audit)," +
	"(SELECT CONCAT_WS(' ',COUNT(*),COALESCE(SUM(id),0),COALESCE(MIN(id),0),COALESCE(MAX(id),0),BIT_XOR(CAST(CONV(LEFT(MD5(CONCAT_WS(' ',id,tbl,HEX(pk),op,at)),16),16,10) AS UNSIGNED))) FROM sync_outbox)) FROM sync_counter WHERE id=1"

// freely has a read in a snapshot give the table back at once: else whoever
// wants to alter it would wait for the dump's end, and everybody who wants to
// write to it behind that one. On TiDB nobody waits for readers.
func (d *Dump) freely(q string) string {
	if d.control.dialect.product == tiDB {
		return q
	}
	return "SAVEPOINT dump;" + q + ";ROLLBACK TO SAVEPOINT dump"
}

// start begins the snapshots of all readers at once and asks each of them.
func (d *Dump) start(ctx context.Context, q string, row func(reader int, v []driver.Value)) error {
	errs := make([]error, len(d.readers))
	var group sync.WaitGroup
	for i, r := range d.readers {
		group.Go(func() {
			errs[i] = r.query(ctx, q, func(_ int, v []driver.Value) error {
				row(i, v)
				return nil
			})
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// snapshot has all readers see the same moment. Nobody waits for that: no lock
// is taken. One reader goes on where they do not come to it, and where no trigger
// is seen to note changes: an account sees triggers by the right TRIGGER.
func (d *Dump) snapshot(ctx context.Context) error {
	if d.control.dialect.product == tiDB {
		return d.stamp(ctx)
	}
	d.info.Method = methodOne
	if len(d.readers) > 1 {
		same, err := len(d.triggers.fed) > 0, error(nil)
		if same {
			same, err = d.align(ctx)
		}
		if err != nil {
			return err
		}
		if same {
			d.info.Method = methodSame
			d.where(ctx)
			return nil
		}
		for _, r := range d.readers[1:] {
			if err := r.close(); err != nil {
				return err
			}
		}
		d.readers = d.readers[:1]
	}
	place, err := beginSnapshot(ctx, d.readers[0])
	d.at(ctx, place)
	return err
}

// where notes the place in the binary log of the first reader, who alone asks
// for it.
func (d *Dump) where(ctx context.Context) {
	var p logPlace
	// Not every server has a log.
	_ = d.readers[0].query(ctx, placeSQL, func(_ int, v []driver.Value) error {
		p.note(v)
		return nil
	})
	d.at(ctx, p)
}

// at notes a place in the binary log as the transactions' names.
func (d *Dump) at(ctx context.Context, p logPlace) {
	if p.file == "" {
		return
	}
	// Not every account may ask.
	if at, err := p.gtid(ctx, d.control); err == nil {
		d.info.GTID = at
	}
}

// alignTries is how often readers try to begin at the same moment. A try takes
// a millisecond or two and fails where somebody commits within the fraction of
// it in which they begin; the pauses between tries grow by alignPause.
const (
	alignTries = 200
	alignPause = 100 * time.Microsecond
)

// align begins the snapshots of all readers again and again until they see the
// same. It gives up where the account may not read what that takes.
func (d *Dump) align(ctx context.Context) (bool, error) {
	for tries := range alignTries {
		seen, err := d.look(ctx)
		switch {
		case number(err) != 0:
			return false, nil
		case err != nil:
			return false, err
		case aligned(seen):
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(time.Duration(tries) * alignPause):
		}
	}
	return false, nil
}

// look begins the snapshots of all readers. It returns what each of them sees,
// and before that what the head was earlier.
func (d *Dump) look(ctx context.Context) (seen []dumpMoment, err error) {
	seen = make([]dumpMoment, 1+len(d.readers))
	if seen[0].head, err = d.control.text(ctx, "SELECT "+counterSQL+" FROM sync_counter WHERE id=1"); err != nil {
		return nil, err
	}
	err = d.start(ctx, "ROLLBACK;"+beginSQL+";"+d.freely(momentOfSQL), func(i int, v []driver.Value) {
		seen[1+i] = dumpMoment{asText(v[0]), asText(v[1])}
	})
	return seen, err
}

// aligned tells whether all readers see the same, and no run of the sequencer
// that ended only after they were about to begin.
func aligned(seen []dumpMoment) bool {
	for _, s := range seen[1:] {
		if s.head == "" || s.head != seen[0].head || s.rest != seen[1].rest {
			return false
		}
	}
	return true
}

// stamp has all readers read as of one timestamp of TiDB.
func (d *Dump) stamp(ctx context.Context) error {
	at := ""
	err := d.control.query(ctx, "BEGIN;SELECT @@tidb_current_ts;COMMIT", func(_ int, v []driver.Value) error {
		at = orZero(asText(v[0]))
		return nil
	})
	if err != nil {
		return err
	}
	d.info.Method, d.info.GTID = methodStamp, ""
	return d.start(ctx, "ROLLBACK;START TRANSACTION READ ONLY AS OF TIMESTAMP TIDB_PARSE_TSO("+at+")", func(int, []driver.Value) {})
}
