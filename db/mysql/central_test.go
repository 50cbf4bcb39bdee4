package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

func TestPollIsOneSmallPacket(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	if n, _, _ := central.Traffic(); n != 0 {
		t.Fatalf("%d requests after the login", n)
	}
	h, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		n0, s0, r0 := central.Traffic()
		h2, err := central.Poll(t.Context(), model.Device{Client: c.client}, h.Position)
		if err != nil {
			t.Fatal(err)
		}
		n1, s1, r1 := central.Traffic()
		if n0 != int64(i+1) || n1-n0 != 1 || s1-s0 > 1000 || r1-r0 > 1000 {
			t.Errorf("poll %d: %d requests, %d bytes up, %d down", i, n1-n0, s1-s0, r1-r0)
		}
		if !h2.SameRun || h2.Unsequenced != 0 || h2.Seq != h.Seq || len(h2.Changed) != 0 || h2.User != "root" || h2.MaxPacket == 0 {
			t.Errorf("head %+v", h2)
		}
		if d := time.Since(h2.Now); d > time.Minute || d < -time.Minute {
			t.Errorf("the server's clock reads %v", h2.Now)
		}
	}
	if got := c.one("SELECT COUNT(*) FROM sync_client"); got != "1" {
		t.Errorf("%s clients", got)
	}
	c.sql("UPDATE sync_run SET nonce = 'restored'")
	if h, err = central.Poll(t.Context(), model.Device{Client: c.client}, h.Position); err != nil || h.SameRun {
		t.Errorf("a restored server is not noticed: %+v, %v", h, err)
	}
}

// TestRequestsAreCountedAsSent compares Traffic with the packets on the wire.
func TestRequestsAreCountedAsSent(t *testing.T) {
	c := newCompany(t)
	p := servertest.NewProxy(t, c.server)
	central, err := Dial(t.Context(), p.URL(c.url), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer central.Close()
	p.Commands.Store(0)
	id := c.ids.New()
	h, err := central.Poll(t.Context(), model.Device{Client: c.client}, model.Position{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := central.Push(t.Context(), c.batch(insert("contact", id, map[string]any{"last_name": strings.Repeat("long ", 30)}),
		insert("contact", c.ids.New(), map[string]any{"notes": strings.Repeat("x", 9<<20)})), h.Position)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := central.Pull(t.Context(), h.Seq, r.Head.Seq, []model.Noun{"contact"}); err != nil {
		t.Fatal(err)
	}
	n, _, _ := central.Traffic()
	if n != 3 || p.Commands.Load() != 3 {
		t.Errorf("counted %d requests, sent %d, want 3", n, p.Commands.Load())
	}
}

func TestCommitInversion(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (id, last_name) VALUES (UNHEX(MD5('1')), 'changed'), (UNHEX(MD5('2')), 'removed')")
	central := c.dial()
	_, at := c.follow(central, model.Position{})
	db := c.server.DB(c.database)
	defer db.Close()
	slow, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"INSERT INTO contact (last_name) VALUES ('slow')", "UPDATE contact SET last_name='Changed' WHERE id=UNHEX(MD5('1'))", "DELETE FROM contact WHERE id=UNHEX(MD5('2'))"} {
		if _, err := slow.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	c.sql("INSERT INTO contact (last_name) VALUES ('quick')")
	page, at := c.follow(central, at)
	if len(page.Entries) != 1 {
		t.Fatalf("before the slow commit: %+v", page.Entries)
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	h, err := central.Poll(t.Context(), model.Device{Client: c.client}, at)
	if err != nil || h.Unsequenced != 3 {
		t.Fatalf("head %+v, %v", h, err)
	}
	page, _ = c.follow(central, at)
	if len(page.Entries) != 3 || len(page.Rows["contact"]) != 2 || page.Entries[2].Op != model.FeedDelete {
		t.Errorf("after it: %+v", page.Entries)
	}
}

func TestRollbackLeavesNoHole(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	_, at := c.follow(central, model.Position{})
	db := c.server.DB(c.database)
	defer db.Close()
	for range 20 {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO contact (last_name) VALUES ('gone')"); err != nil {
			t.Fatal(err)
		}
		tx.Rollback()
	}
	h, err := central.Sequence(t.Context(), at)
	at.Heard = h.Heard // the clock alone goes on
	if err != nil || h.Position != at {
		t.Fatalf("a rollback moved the feed from %+v to %+v, %v", at, h.Position, err)
	}
	c.sql("INSERT INTO contact (last_name) VALUES ('stays')")
	if page, next := c.follow(central, at); len(page.Entries) != 1 || next.Seq != at.Seq+1 {
		t.Errorf("%+v to %+v", page.Entries, next)
	}
}

func TestUpdatesByOtherPrograms(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	c.sql("INSERT INTO contact (last_name) VALUES ('Smith')")
	_, at := c.follow(central, model.Position{})
	for _, step := range []struct {
		name, q string
		entries int
		version string
	}{
		{"nothing changes", "UPDATE contact SET last_name = last_name", 0, "1"},
		{"only service columns are touched", "UPDATE contact SET row_version = 9, updated_at = '2001-01-01', updated_by = 'x'", 0, "1"},
		{"case", "UPDATE contact SET last_name = 'SMITH'", 1, "2"},
		{"trailing blank", "UPDATE contact SET last_name = 'SMITH '", 1, "3"},
		{"NULL to empty", "UPDATE contact SET first_name = ''", 1, "4"},
		{"number of its own", "UPDATE contact SET row_version = 99, notes = 'x'", 1, "5"},
	} {
		c.sql(step.q)
		page, next := c.follow(central, at)
		if len(page.Entries) != step.entries {
			t.Errorf("%s: %d entries", step.name, len(page.Entries))
		}
		if got := c.one("SELECT row_version FROM contact"); got != step.version {
			t.Errorf("%s: row_version %s", step.name, got)
		}
		at = next
	}
	if got := c.one(`SELECT changes FROM sync_audit WHERE action='update' ORDER BY seq LIMIT 1`); got != `{"last_name":["Smith", "SMITH"]}` {
		t.Errorf("history %s", got)
	}
	if got := c.one("SELECT COUNT(*) FROM sync_audit WHERE tbl='contact'"); got != "5" {
		t.Errorf("%s rows of history", got)
	}
	// REPLACE is a delete and an insert; it arrives as one change.
	c.sql("REPLACE INTO contact SELECT * FROM contact")
	if page, _ := c.follow(central, at); len(page.Entries) != 1 || page.Entries[0].Op != model.FeedUpsert || len(page.Rows["contact"]) != 1 {
		t.Errorf("REPLACE: %+v", page)
	}
}

func TestPartsFollowTheirOwnersScope(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a')", "INSERT INTO contact_method (value, contact_id) SELECT 'x', id FROM contact",
		"UPDATE contact SET scope_id = UNHEX(MD5('east'))", "INSERT INTO address (city, contact_id) SELECT 'Bern', id FROM contact")
	central := c.dial()
	page, at := c.follow(central, model.Position{})
	for _, table := range []string{"contact_method", "address"} {
		if got := c.one("SELECT COUNT(*) FROM " + table + " WHERE scope_id = UNHEX(MD5('east'))"); got != "1" {
			t.Errorf("%s stayed behind", table)
		}
	}
	for _, e := range page.Entries {
		if e.Op == model.FeedLeave {
			t.Errorf("a client that sees every scope is told of %+v", e)
		}
	}
	if got := c.one("SELECT COUNT(*) FROM sync_feed WHERE op = 4"); got != "2" {
		t.Errorf("%s rows left a scope", got)
	}
	if n := c.one("SELECT MAX(seq) FROM sync_feed"); n != fmt.Sprint(at.Seq) {
		t.Errorf("feed ends at %s, head says %d", n, at.Seq)
	}
}

func TestSequencerDoesNotWaitForWriters(t *testing.T) {
	c := newCompany(t)
	db := c.server.DB(c.database)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO contact (last_name) VALUES ('open')"); err != nil {
		t.Fatal(err)
	}
	// Two bursts, each more than one run moves.
	c.sql("INSERT INTO tag (name) SELECT CONCAT('t', seq) FROM seq_1_to_3000")
	central := c.dial()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // no less than a wait for a row and its repeat
	defer cancel()
	at := model.Position{}
	h, err := central.Poll(ctx, model.Device{Client: c.client}, at)
	for runs := 0; err == nil && h.Unsequenced > 0; runs++ {
		if runs > 3 {
			t.Fatalf("the outbox does not empty: %+v", h)
		}
		h, err = central.Sequence(ctx, at)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := c.one("SELECT COUNT(*) FROM sync_feed WHERE tbl='tag'"); got != "3000" || h.Seq != 3007 {
		t.Errorf("%s of 3000 in the feed, head %d", got, h.Seq)
	}
	if got := c.one("SELECT COUNT(DISTINCT nonce) - COUNT(*) FROM sync_run"); got != "0" {
		t.Errorf("nonces repeat")
	}
}

// TestManyWritersAndSequencers checks that nothing is lost and nothing has two
// positions while everybody works at once.
func TestManyWritersAndSequencers(t *testing.T) {
	c := newCompany(t)
	const writers, changes = 4, 25
	errs := make(chan error, writers+2)
	db := c.server.DB(c.database)
	defer db.Close()
	stop := make(chan struct{})
	for range writers {
		go func() { errs <- writeSome(db, changes) }()
	}
	seen := map[model.ID]bool{}
	done := make(chan error, 1)
	other := c.dial()
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if _, err := other.Sequence(c.Context(), model.Position{}); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	central, at := c.dial(), model.Position{}
	pull := func() {
		page, next := c.follow(central, at)
		for _, e := range page.Entries {
			if e.Table == "contact" {
				seen[e.ID] = true
			}
		}
		at = next
	}
	for finished := 0; finished < writers; {
		select {
		case err := <-errs:
			if err != nil {
				t.Error(err)
			}
			finished++
		default:
			pull()
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	pull()
	pull()
	if got := c.one("SELECT COUNT(*) FROM contact"); got != fmt.Sprint(len(seen)) {
		t.Errorf("saw %d of %s rows", len(seen), got)
	}
	if got := c.one("SELECT COUNT(*) FROM sync_outbox"); got != "0" {
		t.Errorf("%s left in the outbox", got)
	}
	if got := c.one("SELECT MAX(seq) - COUNT(*) FROM sync_feed"); got != "0" {
		t.Errorf("the feed has %s holes", got)
	}
}

func writeSome(db *sql.DB, changes int) error {
	for i := range changes {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := tx.Exec("INSERT INTO contact (last_name) VALUES ('w')"); err != nil {
				return err
			}
			time.Sleep(time.Duration(i%5) * time.Millisecond)
		}
		if i%8 == 7 {
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
