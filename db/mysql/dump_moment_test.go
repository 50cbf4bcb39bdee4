package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// companyOn is a central on a server of the test's own.
func companyOn(t *testing.T, s *servertest.Server, name string) *company {
	t.Helper()
	c := &company{T: t, server: s, url: s.URL(name), database: name, ids: model.NewIDSource(nil, nil)}
	if _, err := Init(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDumpSeesOneMoment holds that several readers need no log and no right but
// to read.
func TestDumpSeesOneMoment(t *testing.T) {
	same := func(t *testing.T, c *company, role string) {
		t.Helper()
		d := c.dump(3)
		if i := d.Info(); i.Method != methodSame || i.Readers != 3 || i.Role != role {
			t.Errorf("info %+v", i)
		}
		for r := range d.readers {
			if got := c.read(d, r, "contact"); len(got) != 1 {
				t.Errorf("reader %d sees %q", r, got)
			}
		}
	}
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	c.server.SQL(t, "", "CREATE USER few@'127.0.0.1' IDENTIFIED BY 'p'", "GRANT SELECT, TRIGGER ON "+c.database+".* TO few@'127.0.0.1'")
	t.Cleanup(func() { c.server.SQL(t, "", "DROP USER few@'127.0.0.1'") })
	c.url = c.server.URLFor("few", "p", c.database)
	same(t, c, rolePrimary)
	t.Run("on a server that takes no changes", func(t *testing.T) {
		s := servertest.Start(t, servertest.Binlog(), servertest.Flag("--binlog-ignore-db=silent"))
		c := companyOn(t, s, "silent")
		c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
		same(t, c, rolePrimary)
		s.SQL(t, "", "SET GLOBAL read_only = 1")
		same(t, c, roleReplica)
	})
}

// TestDumpDoesNotHoldUpWriters holds that a dump which begins while a statement
// takes long has its readers and lets writers go on: behind a lock that waits for
// the statement they would wait too.
func TestDumpDoesNotHoldUpWriters(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE TABLE slow (a INT) ENGINE=InnoDB")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		db := c.server.DB(c.database)
		defer db.Close()
		_, _ = db.ExecContext(ctx, "INSERT INTO slow SELECT SLEEP(60)") // it is ended before
	}()
	c.waitFor("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO slow%'", "1")
	if i := c.dump(2).Info(); i.Method != methodSame || i.Readers != 2 {
		t.Errorf("%d readers by %s", i.Readers, i.Method)
	}
	c.sql("SET SESSION lock_wait_timeout = 1", "INSERT INTO contact (last_name) VALUES ('Meier')")
	stop()
	<-done
}

// TestDumpOfAlteredTables holds that what is altered under a dump is told as
// that, and that a dump keeps nobody from it.
func TestDumpOfAlteredTables(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')", "CREATE TABLE mine (a INT PRIMARY KEY)", "CREATE TABLE other LIKE mine", "CREATE TABLE emptied LIKE mine", "INSERT INTO emptied VALUES (1)")
	d := c.dump(1)
	for _, name := range []string{"contact", "mine", "other", "emptied"} {
		c.read(d, 0, name)
	}
	c.sql("SET SESSION lock_wait_timeout = 2", "ALTER TABLE contact ADD COLUMN shoe INT, ALGORITHM=COPY", "DROP TABLE mine", "CREATE TABLE next LIKE other", "RENAME TABLE other TO former, next TO other", "TRUNCATE TABLE emptied")
	for _, name := range []string{"contact", "mine", "other", "emptied"} {
		err := d.Rows(t.Context(), 0, c.table(d, name), func([]any) error { return nil })
		if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := c.read(d, 0, "organization"); got != nil {
		t.Errorf("after that %q", got)
	}
}

func TestDumpOfAReaderThatDies(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	d := c.dump(2)
	id, err := d.readers[1].text(t.Context(), "SELECT CONNECTION_ID()")
	if err != nil {
		t.Fatal(err)
	}
	c.sql("KILL " + id)
	err = d.Rows(t.Context(), 1, c.table(d, "contact"), func([]any) error { return nil })
	if model.KindOf(err) != model.Unreachable || errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	if got := c.read(d, 0, "contact"); len(got) != 1 {
		t.Errorf("the other one reads %q", got)
	}
	_ = d.Close() // what is dead cannot say goodbye
	if got := c.one("SELECT COUNT(*) FROM sync_lease WHERE name LIKE 'dump %'"); got != "0" {
		t.Errorf("%s leases are left", got)
	}
}

// TestDumpOfACallerThatStops holds that a reader goes on after a table whose
// reading was ended in the middle.
func TestDumpOfACallerThatStops(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) SELECT seq FROM seq_1_to_500")
	d := c.dump(1)
	full := errors.New("full")
	if err := d.Rows(t.Context(), 0, c.table(d, "contact"), func([]any) error { return full }); err != full {
		t.Errorf("got %v", err)
	}
	if got := c.read(d, 0, "contact"); len(got) != 500 {
		t.Errorf("%d rows after that", len(got))
	}
}

// TestDumpsAndExchanges holds that no table is exchanged while a dump is open,
// and that neither waits for one that is gone.
func TestDumpsAndExchanges(t *testing.T) {
	c := newCompany(t)
	s, err := adminSession(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.exec(t.Context(), "USE "+ident(c.database)); err != nil {
		t.Fatal(err)
	}
	first, second := c.dump(1), c.dump(1)
	if by, err := heldBy(t.Context(), s, "name LIKE 'dump %'"); err != nil || !strings.HasPrefix(by, "root at ") {
		t.Errorf("dumps are held by %q, %v", by, err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.waitFor("SELECT COUNT(*) FROM sync_lease WHERE name='tables' AND expires_at>UTC_TIMESTAMP(3)", "1")
		_ = first.Close()
		_ = second.Close() // its session ends in any case
	}()
	l, err := alone(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	<-closed
	opened := make(chan error)
	go func() {
		d, err := OpenDump(t.Context(), c.url, 1, nil)
		if err == nil {
			err = d.Close()
		}
		opened <- err
	}()
	c.waitFor("SELECT COUNT(*) FROM information_schema.processlist WHERE db=DATABASE() AND id<>CONNECTION_ID()", "2")
	l.release()
	if err := <-opened; err != nil {
		t.Errorf("after an exchange: %v", err)
	}
	c.sql("INSERT INTO sync_lease VALUES ('dump gone', CONCAT('root at ', @@hostname, ':', @@port, ' on connection 1'), 1, UTC_TIMESTAMP(3) + INTERVAL 1 HOUR), ('tables', CONCAT('root at ', @@hostname, ':', @@port, ' on connection 2'), 9, UTC_TIMESTAMP(3) + INTERVAL 1 HOUR) ON DUPLICATE KEY UPDATE holder = VALUES(holder), expires_at = VALUES(expires_at)")
	c.dump(1)
}

// waitFor waits until a question has an answer.
func (c *company) waitFor(q, want string) {
	c.Helper()
	db := c.server.DB(c.database)
	defer db.Close()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(2 * time.Millisecond) {
		got := sql.NullString{}
		if err := db.QueryRow(q).Scan(&got); err == nil && got.String == want {
			return
		} else if err != nil || time.Now().After(deadline) {
			c.Errorf("waited in vain for %s of %s: %q, %v", want, q, got.String, err)
			return
		}
	}
}

// TestDumpKeepsTablesInPlace holds that nobody alters or exchanges tables while
// a dump is open, but is told why.
func TestDumpKeepsTablesInPlace(t *testing.T) {
	t.Parallel() // both are waited for
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	if _, err := RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	d := c.dump(1)
	_, err := Migrate(t.Context(), c.url)
	if model.KindOf(err) != model.Locked || !strings.Contains(err.Error(), "makes a backup") {
		t.Errorf("a migration gives %v", err)
	}
	_, err = RebuildTables(t.Context(), c.url, model.RebuildRequest{Nouns: []model.Noun{"contact"}}, nil)
	if model.KindOf(err) != model.Locked || !strings.Contains(err.Error(), "makes a backup") {
		t.Errorf("a rebuild gives %v", err)
	}
	if got := c.read(d, 0, "contact"); len(got) != 1 {
		t.Errorf("the dump reads %q", got)
	}
	d.Close()
	if _, err := RebuildTables(t.Context(), c.url, model.RebuildRequest{Nouns: []model.Noun{"contact"}}, nil); err != nil {
		t.Error(err)
	}
}
