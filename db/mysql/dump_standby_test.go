package mysql

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/model"
)

// TestDumpOfAStandby reads the mirror of a primary: what the primary has, and
// not a row of it, and nothing is written there. Where the mirror lacks
// something or does not answer, the primary is read, and where that does not,
// the mirror as it is.
func TestDumpOfAStandby(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	m.setUp()
	c := &company{T: t, server: m.a, url: m.list, database: m.database, ids: model.NewIDSource(nil, nil)}
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')", "SET GLOBAL userstat = 1")
	read := func() string {
		return c.one("SELECT COALESCE(SUM(rows_read), 0) FROM information_schema.table_statistics WHERE table_schema = DATABASE() AND table_name IN ('contact', 'sync_audit')")
	}
	open := func(wait time.Duration, instead string) (*Dump, []string) {
		t.Helper()
		d, err := OpenDumpFrom(t.Context(), c.url, DumpFrom{Standby: true, Wait: wait}, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		if said := strings.Join(d.Instead(), "\n"); said != instead {
			t.Errorf("it says %q and not %q", said, instead)
		}
		return d, c.lines(d, 0, c.table(d, "contact"), nil)
	}
	before := read()
	d, rows := open(0, "")
	if i := d.Info(); i.Role != roleReplica || i.Readers != 2 || i.Position == 0 || m.value(m.a, "SELECT seq FROM sync_counter") != m.value(m.b, "SELECT seq FROM sync_counter") ||
		i.Position != asInt(m.value(m.a, "SELECT seq FROM sync_counter")) || i.At.IsZero() || !i.At.Equal(i.Mark.At) {
		t.Errorf("info %+v", i)
	}
	if len(rows) != 2 || read() != before {
		t.Errorf("%q, and %s rows of the primary after %s", rows, read(), before)
	}
	if by := c.one("SELECT COUNT(*) FROM sync_lease WHERE name LIKE 'dump %'"); by != "1" {
		t.Errorf("%s leases on the primary", by)
	}
	mark := d.Info().Mark
	d.Close()
	c.sql("UPDATE contact SET notes = 'later' WHERE last_name = 'b'")
	d, _ = open(0, "")
	if why, err := d.Follows(t.Context(), mark); err != nil || why != "" {
		t.Errorf("it does not follow: %s, %v", why, err)
	}
	if got := c.lines(d, 0, c.table(d, "contact"), &mark); len(got) != 1 || !strings.Contains(got[0], "later") {
		t.Errorf("changed are %q", got)
	}
	if at := m.value(m.b, "SELECT @@global.gtid_binlog_pos"); strings.Contains(at, "-2-") {
		t.Errorf("the standby has written %s", at)
	}
	d.Close()
	// One that does not apply what it receives.
	m.on(m.b, "STOP SLAVE SQL_THREAD")
	c.sql("INSERT INTO contact (last_name) VALUES ('c')")
	d, rows = open(10*time.Millisecond, "the primary was read: the standby has not what the primary has")
	if d.Info().Role != rolePrimary || len(rows) != 3 {
		t.Errorf("%+v, %q", d.Info(), rows)
	}
	d.Close()
	if n := c.one("SELECT COUNT(*) FROM sync_lease WHERE name LIKE 'dump %'"); n != "0" {
		t.Errorf("%s leases stay", n)
	}
	m.on(m.b, "START SLAVE SQL_THREAD")
	m.a.CatchUp(t, m.b)
	m.a.Kill9()
	if d, rows = open(0, "a standby was read: no server answers that takes changes, and what only that has is not in the backup"); d.Info().Role != roleReplica || len(rows) != 3 {
		t.Errorf("%+v, %q", d.Info(), rows)
	}
	d.Close()
	if err := m.a.Restart(); err != nil {
		t.Fatal(err)
	}
	m.b.Kill9()
	if d, rows = open(0, "the primary was read: no standby of it answers"); d.Info().Role != rolePrimary || len(rows) != 3 {
		t.Errorf("%+v, %q", d.Info(), rows)
	}
	c.url = m.a.URL(m.database)
	_, err := OpenDumpFrom(t.Context(), c.url, DumpFrom{Standby: true}, 1, nil)
	m.tell(err, model.Invalid, "names no standby")
	if !slices.Equal(rows, c.lines(c.dump(1), 0, c.table(c.dump(1), "contact"), nil)) {
		t.Errorf("%q of the primary", rows)
	}
}
