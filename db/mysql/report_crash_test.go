package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestMain lets the test binary be the process that a test kills: with a central
// in the environment it refreshes, rebuilds or restores until it is killed.
func TestMain(m *testing.M) {
	if url := os.Getenv("RAPPORT_TEST_RESTORE"); url != "" {
		restoreUntilKilled(url, os.Getenv("RAPPORT_TEST_SOURCE"))
	}
	if url := os.Getenv("RAPPORT_TEST_UNDO"); url != "" {
		undoUntilKilled(url)
	}
	if url := os.Getenv("RAPPORT_TEST_REFRESH"); url != "" {
		for ctx := context.Background(); ; {
			_, err := RefreshReports(ctx, url, model.ReportsRequest{Rebuild: os.Getenv("RAPPORT_TEST_REBUILD") != ""}, nil)
			if err != nil && model.KindOf(err) != model.Locked {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	os.Exit(m.Run())
}

// refresherProcess starts a process that refreshes for ever.
func (c *company) refresherProcess(rebuild string) *exec.Cmd {
	c.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RAPPORT_TEST_REFRESH="+c.url, "RAPPORT_TEST_REBUILD="+rebuild)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	return cmd
}

// write changes rows until the context ends, and returns what it was told. It
// ends after a statement: one that is cut may be carried out all the same.
func (l *life) write(ctx context.Context) error {
	for ctx.Err() == nil {
		e := pick(l.Rand, model.Entities())
		if len(l.ids[e.Noun]) == 0 {
			continue
		}
		_, err := l.conn.Exec("UPDATE " + ident(string(e.Noun)) + " SET deleted_at=IF(deleted_at IS NULL,UTC_TIMESTAMP(3),NULL) WHERE id=" + pick(l.Rand, l.ids[e.Noun]))
		if err == nil && l.IntN(3) == 0 {
			_, err = l.conn.Exec("UPDATE user SET name=" + quote(fmt.Sprint("u", l.IntN(3))) + " WHERE id=" + pick(l.Rand, l.ids["user"]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestReportsSurviveKilledRefresher kills refreshers at random moments while
// rows change. The next one goes on at once, and the copies come out right.
func TestReportsSurviveKilledRefresher(t *testing.T) {
	c := newCompany(t)
	l := newLife(c, 7)
	l.fill(5)
	c.refresh(model.ReportsRequest{})
	for i := range 5 {
		writing, stop := context.WithCancel(t.Context())
		var w sync.WaitGroup
		var failed error
		w.Go(func() { failed = l.write(writing) })
		cmd := c.refresherProcess(strings.Repeat("x", i%2))
		time.Sleep(time.Duration(20+rand.IntN(250)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.Exited() {
			t.Fatalf("the refresher ended by itself: %v", err)
		}
		stop()
		w.Wait()
		if failed != nil {
			t.Fatalf("a writer failed: %v", failed)
		}
		c.refresh(model.ReportsRequest{})
		if c.sameReports(); t.Failed() {
			t.Fatalf("after kill %d", i)
		}
	}
	if res := c.refresh(model.ReportsRequest{Check: true}); len(res.Rebuilt) > 0 {
		t.Errorf("the check finds fault: %q", res.Reasons)
	}
	c.refresh(model.ReportsRequest{Rebuild: true})
	if n := c.one("SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema=DATABASE() AND (table_name LIKE '%\\_new' OR table_name LIKE '%\\_old')"); n != "NULL" {
		t.Errorf("tables stayed behind: %s", n)
	}
}

// TestReportsSurviveKilledServer kills the server, with a binary log in rows,
// while a refresher works.
func TestReportsSurviveKilledServer(t *testing.T) {
	s := servertest.Start(t, servertest.Binlog(), servertest.Flag("--innodb-flush-log-at-trx-commit=1"), servertest.Flag("--sync-binlog=1"))
	url := s.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c := &company{T: t, server: s, url: url, database: servertest.Name(url), ids: model.NewIDSource(nil, nil)}
	l := newLife(c, 9)
	l.fill(5)
	c.refresh(model.ReportsRequest{})
	for i := range 2 {
		for range 30 {
			l.step()
		}
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := RefreshReports(t.Context(), url, model.ReportsRequest{Rebuild: i%2 == 0}, nil); err != nil {
					ended <- err
					return
				}
			}
		}()
		time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		s.Kill9()
		if err := <-ended; model.KindOf(err) != model.Unreachable {
			t.Errorf("the refresher said %v", err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		c.refresh(model.ReportsRequest{})
		if c.sameReports(); t.Failed() {
			t.Fatalf("after kill %d", i)
		}
	}
}

// TestReportsOneAtATime: of refreshers at once one works and the others wait or
// say who does; nobody reads half of a refresh.
func TestReportsOneAtATime(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO organization (id,name) VALUES (UNHEX(MD5('o')),'0')", "INSERT INTO contact (last_name,organization_id) SELECT CONCAT('c',seq),UNHEX(MD5('o')) FROM seq_1_to_30")
	c.refresh(model.ReportsRequest{})
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for i := range 3 {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := RefreshReports(ctx, c.url, model.ReportsRequest{Rebuild: i == 0 && n%3 == 0}, nil)
				if kind := model.KindOf(err); err != nil && ctx.Err() == nil && kind != model.Locked {
					t.Errorf("refresher %d: %v", i, err)
					return
				}
			}
		})
	}
	db := c.server.DB(c.database)
	defer db.Close()
	for n := range 80 {
		// The record and the row that shows its name change together.
		if _, err := db.Exec(fmt.Sprintf("START TRANSACTION; UPDATE organization SET name='%d'; UPDATE contact SET job_title='%d'; COMMIT", n, n)); err != nil {
			t.Fatal(err)
		}
		var titles, names, orgs int
		if err := db.QueryRow("SELECT COUNT(*),COUNT(DISTINCT c.organization_name),COUNT(DISTINCT o.name<=>c.organization_name) FROM report_contact c JOIN report_organization o ON o.id=c.organization_id").Scan(&titles, &names, &orgs); err != nil {
			t.Fatal(err)
		}
		if titles != 30 || names != 1 || orgs != 1 {
			t.Fatalf("a reader saw %d rows with %d names of one organization", titles, names)
		}
	}
	stop()
	wait.Wait()
	c.refresh(model.ReportsRequest{})
	c.sameReports()
	// Somebody holds the lease whom this account cannot see end.
	c.sql("UPDATE sync_lease SET holder='ann on connection 1',expires_at=UTC_TIMESTAMP(3)+INTERVAL 1 HOUR WHERE name='report'")
	var e *model.Error
	if _, err := RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); !errors.As(err, &e) || e.Kind != model.Locked || !strings.Contains(e.Msg, "ann on connection 1") {
		t.Errorf("beside another holder: %v", err)
	}
	c.sql("UPDATE sync_lease SET expires_at=UTC_TIMESTAMP(3)-INTERVAL 1 SECOND")
	c.refresh(model.ReportsRequest{})
}

// TestReportsLoseTheLease: one who was suspended for longer than the lease
// changes nothing any more.
func TestReportsLoseTheLease(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a')")
	c.refresh(model.ReportsRequest{})
	c.sql("INSERT INTO contact (last_name) VALUES ('b')")
	r, err := openRefresher(t.Context(), c.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.session.close()
	if err := errors.Join(r.look(), r.sequenceOnce()); err != nil {
		t.Fatal(err)
	}
	c.sql("UPDATE sync_lease SET expires_at=UTC_TIMESTAMP(3)-INTERVAL 1 SECOND")
	c.refresh(model.ReportsRequest{})
	before := c.one("SELECT GROUP_CONCAT(tbl,position,refreshed_at ORDER BY tbl) FROM report_state")
	for name, try := range map[string]func() error{
		"follow":  func() error { return r.follow(r.mirrors) },
		"rebuild": func() error { return r.rebuild(map[*mirror]bool{r.mirrors[0]: true}, false) },
	} {
		if err := try(); model.KindOf(err) != model.Locked {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := c.one("SELECT GROUP_CONCAT(tbl,position,refreshed_at ORDER BY tbl) FROM report_state"); after != before {
		t.Error("the states changed")
	}
	c.sameReports()
}

// TestReportsSwapBesideReader: a long report keeps an exchange waiting, and
// nobody else.
func TestReportsSwapBesideReader(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a')")
	c.refresh(model.ReportsRequest{})
	db := c.server.DB(c.database)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM report_contact").Scan(&n); err != nil {
		t.Fatal(err)
	}
	compared, done := make(chan struct{}), make(chan error, 1)
	go func() {
		tell := sync.OnceFunc(func() { close(compared) })
		_, err := RefreshReports(t.Context(), c.url, model.ReportsRequest{Rebuild: true}, func(p model.Progress) {
			if p.Phase == "comparing" {
				tell()
			}
		})
		done <- err
	}()
	<-compared
	// One that would have to wait is refused.
	hasty, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	if _, err := hasty.ExecContext(t.Context(), "SET lock_wait_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	// Each try to exchange the tables renews the lease.
	const leaseSQL = "SELECT expires_at FROM sync_lease WHERE name = 'report'"
	for tries, last := 0, c.one(leaseSQL); tries < 4; {
		if err := hasty.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM report_contact").Scan(&n); err != nil {
			t.Fatalf("beside an exchange that is tried: %v", err)
		}
		if now := c.one(leaseSQL); now != last {
			tries, last = tries+1, now
		}
	}
	select {
	case err := <-done:
		t.Fatalf("the tables were exchanged under a reader: %v", err)
	default:
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.sameReports()
}

// TestReportsWithoutTriggers follow what clients note themselves, on a server
// that has no triggers; what other programs write is found by comparing.
func TestReportsWithoutTriggers(t *testing.T) {
	srv := servertest.Shared(t)
	p := servertest.NewProxy(t, srv)
	p.Pose("8.0.30-Vitess")
	url := srv.Database(t)
	c := &company{T: t, server: srv, url: p.URL(url), database: servertest.Name(url), ids: model.NewIDSource(nil, nil), client: model.NewIDSource(nil, nil).New()}
	if _, err := Init(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	central := c.dial()
	id, org := c.ids.New(), c.ids.New()
	c.push(central, insert("organization", org, map[string]any{"name": "Acme"}), insert("contact", id, map[string]any{"last_name": "a", "organization_id": org}))
	c.refresh(model.ReportsRequest{})
	c.sameReports()
	c.push(central, update("organization", org, "name", "Acme", "Beta"), update("contact", id, "last_name", "a", "á 😀"))
	c.refresh(model.ReportsRequest{})
	c.sameReports()
	c.sql("UPDATE contact SET notes='by another program'")
	if res := c.refresh(model.ReportsRequest{Check: true}); !slices.Equal(res.Rebuilt, []string{"report_contact"}) {
		t.Errorf("%+v", res)
	}
	c.push(central, update("contact", id, "job_title", nil, "later"))
	want := c.stand()
	const references = "SELECT GROUP_CONCAT(constraint_name ORDER BY constraint_name) FROM information_schema.referential_constraints WHERE constraint_schema=DATABASE() AND (table_name='contact' OR referenced_table_name='contact')"
	before := c.one(references)
	c.sql("SET foreign_key_checks=0; DROP TABLE contact")
	if res := c.rebuild(model.RebuildRequest{Nouns: []model.Noun{"contact"}}); res.Tables[0].FromLog != 1 || res.Tables[0].Lost != 0 {
		t.Errorf("%+v", res.Tables)
	}
	for table, rows := range c.stand() {
		for id, row := range rows {
			if !slices.Equal(row, want[table][id]) {
				t.Errorf("%s %s is %q, want %q", table, id, row, want[table][id])
			}
		}
	}
	if n := c.one(references); n != before {
		t.Errorf("the references are %s, were %s", n, before)
	}
}
