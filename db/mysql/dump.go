package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"rapport/model"
)

// Dump is one moment of a central, read by several sessions at once. Writers
// wait for nothing: no lock is taken when the sessions begin, none on rows, and
// a table is a reader's only while it is read. What all readers see alike are
// the tables whose triggers note every change, see dumpMoment; all others are
// the first reader's, so that they agree with each other and with its moment,
// which is that of the dump.
//
// While it is open no rebuild of a table begins, and none is under way: see
// sharedLease. Where somebody else alters a table all the same, reading that
// table gives ErrChanged, for the moment cannot be read to its end any more.
type Dump struct {
	control *session // asks the server that is read for definitions
	primary *session // sequences and holds the lease; nil where no server takes changes
	readers []*session
	info    DumpInfo
	tables  []DumpTable
	shared  *sharedLease // nil where the account may not write
	unread  []string
	from    DumpFrom
	copies  copies
	instead []string // what was read in place of what was asked for

	triggers dumpTriggers
	keys     changedKeys
}

// DumpInfo says which moment of which central was taken, and how.
type DumpInfo struct {
	At            time.Time // by the server's clock
	Epoch         string
	Position      int64 // head of the feed
	MinSeq        int64 // oldest position that the feed still answers
	SchemaVersion int64
	ColumnsHash   string
	Server        string // version, as the server says it
	Role          string // primary or replica
	Method        string // how the readers came to see the same moment
	GTID          string // place in the binary log, "" where it has none
	Readers       int
	Mark          DumpMark // for the increment that follows
}

// How readers come to see the same moment.
const (
	methodOne      = "one session"
	methodSame     = "sessions that see the same changes"
	methodStamp    = "sessions of one timestamp"
	rolePrimary    = "primary"
	roleReplica    = "replica"
	maxDumpReaders = 16
)

// DumpMark is how far a dump has seen a central. The next one begins there.
type DumpMark struct {
	Position int64     // of the feed
	Run      string    // newest run of the sequencer, with its nonce
	History  int64     // newest entry of sync_audit
	At       time.Time // by the server's clock
}

// DumpTable is a table of a dump.
type DumpTable struct {
	Name    string
	Columns []string // but for those that the server computes
	// Types of the columns: id (16 bytes), int (64 bits, signed), text, blob.
	Types []string
	// Key are the columns by which rows are told apart and come in order; all
	// of them where the table has no key.
	Key []string
	// Ordered tells whether the rows come in the order of the bytes and
	// numbers of their key, so that increments can be merged.
	Ordered bool
	// Followed tells whether Changed knows the rows that changed.
	Followed bool
	// Empty tells of a table without rows whose changes go into the feed. It is
	// not followed, for it may have been emptied without a trace; from here on
	// it can be.
	Empty bool
	// Alike tells whether every reader sees the table as the first one does.
	// Any other is read by the first one alone.
	Alike bool
	// Definition makes the table.
	Definition string
	// Loose tells of a table that the server keeps outside of transactions:
	// its rows may be of another moment.
	Loose bool

	selects []string // expressions that read the columns
	kinds   []string // data types of the columns
	keyed   bool     // it has a primary key
	rows    int64    // about how many
}

// ErrChanged is in the chain of an error that says that a table was altered or
// went while it was read. The whole dump has to begin anew.
var ErrChanged = errors.New("a table is not as it was when the dump began")

// DumpFrom says what a dump reads. The zero value means the tables of the
// primary.
type DumpFrom struct {
	// Copies has the rows of records come from their report tables, which are
	// refreshed before, as far as they can be relied on.
	Copies bool
	// Check has each copy that is read be compared with its table at the
	// moment of the dump.
	Check bool
	// Standby reads a server of the list that mirrors the primary, when it
	// has everything that the primary has.
	Standby bool
	// Wait is how long that is waited for; 0 means half a minute.
	Wait time.Duration
}

// dumpSession sets up a session that reads for a long time and waits for
// whoever takes what it reads. Where somebody alters a table it does not stand
// in line for long.
const dumpSession = "SET autocommit=1,net_write_timeout=7200,wait_timeout=86400,lock_wait_timeout=20/*M!100300 ,idle_transaction_timeout=0,max_statement_time=0*//*T! ,tidb_idle_transaction_timeout=0*/;" +
	"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;"

// dumpAnswer is how long a server may take for the next bytes of an answer.
const dumpAnswer = 15 * time.Minute

// dumpBuffer is how many bytes of an answer are read at once.
const dumpBuffer = 64 << 10

// OpenDump takes one moment of the central of a URL, which up to readers
// sessions see at once; it may be fewer. Errors: Invalid, NoCentral, Refused,
// Unreachable, Locked where a rebuild is under way.
func OpenDump(ctx context.Context, url string, readers int, n model.Notify) (*Dump, error) {
	return OpenDumpFrom(ctx, url, DumpFrom{}, readers, n)
}

// OpenDumpFrom is OpenDump of what is to be read. What cannot be read so is
// read as OpenDump does, and Instead says it.
func OpenDumpFrom(ctx context.Context, url string, from DumpFrom, readers int, n model.Notify) (*Dump, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	d := &Dump{from: from}
	if from.Copies {
		if err := d.freshen(ctx, url, n); err != nil {
			return nil, err
		}
	}
	o := DialOptions{Read: dumpAnswer, Program: "rapport-backup", buffer: dumpBuffer}
	if err := d.dial(ctx, a, o); err != nil {
		return nil, err
	}
	if err := d.open(ctx, o, min(max(readers, 1), maxDumpReaders), n); err != nil {
		return nil, errors.Join(mapError("begin a backup", err), d.Close())
	}
	return d, nil
}

func (d *Dump) open(ctx context.Context, o DialOptions, readers int, n model.Notify) error {
	n.Tell("opening", 0, 0)
	err := d.begin(ctx)
	if err != nil {
		return err
	}
	one := d.control.address
	d.readers = make([]*session, readers)
	errs := make([]error, readers)
	var group sync.WaitGroup
	for i := range d.readers {
		group.Go(func() {
			if d.readers[i], errs[i] = openOne(ctx, one, o, one.Database); errs[i] == nil {
				errs[i] = d.readers[i].exec(ctx, sessionSQL+dumpSession)
			}
			if i == 0 && errs[i] == nil {
				d.triggers, errs[i] = readTriggers(ctx, d.readers[i]) // a server takes its time for that
			}
		})
	}
	if d.primary == d.control {
		err = d.sequence(ctx)
	}
	group.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if err := d.snapshot(ctx); err != nil {
		return err
	}
	d.info.Readers = len(d.readers)
	if err := d.describe(ctx); err != nil {
		return err
	}
	if d.shared != nil {
		d.shared.keep()
	}
	return nil
}

// begin sets up the first session and takes the lease.
func (d *Dump) begin(ctx context.Context) error {
	found, version, closed := "", "", false
	err := d.control.query(ctx, sessionSQL+dumpSession+"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT "+readOnlySQL+",(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name IN ('"+metaTable+"','sync_lease')),VERSION()", func(_ int, v []driver.Value) error {
		closed, found, version = truth(asText(v[0])), asText(v[1]), asText(v[2])
		return nil
	})
	switch {
	case err != nil:
		return err
	case found == "0":
		return model.Errorf(model.NoCentral, "the central database is not set up").WithHint("run `rapport central init` first")
	case found != "2":
		return model.Errorf(model.TooNew, "the central is older than this program").WithHint("run `rapport central migrate`")
	}
	d.info.Server, d.info.Role = version, rolePrimary
	switch {
	case !closed:
		d.primary = d.control
		return d.note(ctx)
	case d.primary == nil:
		d.info.Role = roleReplica
		d.instead = append(d.instead, "a standby was read: no server answers that takes changes, and what only that has is not in the backup")
		return nil
	}
	d.info.Role = roleReplica
	there, err := d.beside(ctx)
	if err == nil && !there {
		if err = d.turnToPrimary("has not what the primary has"); err == nil {
			err = d.begin(ctx)
		}
	}
	return err
}

// note takes the lease.
func (d *Dump) note(ctx context.Context) (err error) {
	name := dumpLease
	if d.from.Copies && d.copies.unused == "" {
		name = copiesLease
	}
	d.shared, err = takeShared(ctx, d.primary, name)
	if err == nil && d.shared != nil && name == copiesLease {
		err = awaitExchange(ctx, d.primary)
	}
	return err
}

// sequence gives positions to what is committed, so that the next increment
// need not hold it again. It is no matter if it cannot: what has no position
// yet comes with the next increment.
func (d *Dump) sequence(ctx context.Context) error {
	for before := int64(-1); ; {
		err := retry(ctx, func() error { return d.primary.exec(ctx, d.primary.dialect.sequenceSQL()) })
		if number(err) != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := d.primary.text(ctx, "SELECT seq FROM sync_counter WHERE id=1")
		if err != nil {
			return err
		}
		head := asInt(text)
		// A run that was not full has caught up; others go on writing, and are
		// not waited for.
		if before >= 0 && head-before < sequenced {
			return nil
		}
		before = head
	}
}

// Info says which moment it is.
func (d *Dump) Info() DumpInfo { return d.info }

// Tables are what the dump holds, owners before their parts.
func (d *Dump) Tables() []DumpTable { return d.tables }

// Unread says what of the central the dump leaves out that a restore may miss,
// a line each.
func (d *Dump) Unread() []string { return d.unread }

// Close ends the sessions and gives the lease back.
func (d *Dump) Close() error {
	var errs []error
	for _, r := range d.readers {
		if r != nil {
			errs = append(errs, r.close())
		}
	}
	if d.shared != nil {
		d.shared.release()
	}
	if d.leads() {
		errs = append(errs, d.primary.close())
	}
	errs = append(errs, d.control.close())
	return mapError("end the backup", errors.Join(errs...))
}

// parseRun reads a run and its nonce.
func parseRun(s string) (run int64, nonce string, ok bool) {
	number, nonce, found := strings.Cut(s, ".")
	run, err := strconv.ParseInt(number, 10, 64)
	return run, nonce, found && err == nil && nonce != "" && hexOnly(nonce) == nonce
}

// Follows tells why what changed since a mark is not known any more, "" if it
// is. Whether both are of one central the epochs tell.
func (d *Dump) Follows(ctx context.Context, since DumpMark) (why string, err error) {
	run, nonce, ok := parseRun(since.Run)
	switch {
	case !ok:
		return "the earlier backup does not tell how far it had come", nil
	case since.Position < d.info.MinSeq:
		return fmt.Sprintf("the central tells changes from position %d on, and the earlier backup ends at %d", d.info.MinSeq, since.Position), nil
	case since.Position > d.info.Position:
		return "the central is behind the earlier backup: it was restored by hand", nil
	}
	known, err := d.readers[0].text(ctx, fmt.Sprintf("SELECT COUNT(*) FROM sync_run WHERE run_id=%d AND nonce=X'%s'", run, nonce))
	if err != nil {
		return "", d.reading("sync_run", err)
	}
	if known != "1" {
		return "the central does not know what the earlier backup has seen: it was restored by hand", nil
	}
	return "", nil
}
