package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/sqlite"
	"rapport/model"
)

// full syncs once and compares every row.
func (h *home) full(t *testing.T) model.SyncResult {
	t.Helper()
	res, err := h.engine().Sync(t.Context(), true, nil)
	if err != nil {
		t.Fatalf("full sync of %s: %v", h.me, err)
	}
	return res
}

// sweep runs the administrator's sweep.
func sweep(t *testing.T, c *central) []string {
	t.Helper()
	done, err := mysql.Sweep(t.Context(), c.url, model.KeepDeleted)
	if err != nil {
		t.Fatalf("sweep: %v", err)
	}
	return done
}

// age makes everything that the server noted so far look half a year older
// than it is.
func age(t *testing.T, c *central) {
	t.Helper()
	for _, table := range []string{"sync_run", "sync_push"} {
		c.exec(t, "UPDATE "+table+" SET at = at - INTERVAL 200 DAY")
	}
}

// T61: the server is put back and then written to until its positions are past
// those that the laptop knows. The run's nonce still tells.
func TestT61RestoredAndOvertaken(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.save(t, "contact", "", map[string]any{"last_name": "old"})
	a.sync(t)
	snapshot := dump(t, c)
	a.save(t, "contact", "", map[string]any{"last_name": "lost"})
	a.sync(t)
	snapshot.restore(t, c)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('later', seq) FROM seq_1_to_1000")
	c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	a.save(t, "contact", "", map[string]any{"last_name": "unsent"})
	a.sync(t)
	if got := c.value(t, "SELECT COUNT(*) FROM contact WHERE last_name IN ('lost', 'unsent')"); got != "2" {
		t.Errorf("%s of the two records reached the restored server", got)
	}
	converge(t, c, a)
}

// T62: a laptop is put back to an old copy of its file. What it sent since is
// on the server and comes back; nothing is sent twice.
func TestT62RestoredLaptop(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	first := a.save(t, "contact", "", map[string]any{"last_name": "first", "job_title": "1"})
	a.sync(t)
	a.save(t, "contact", first.ID, map[string]any{"department": "unsent when copied"})
	old := filepath.Join(t.TempDir(), sqlite.FileName)
	if err := a.CopyTo(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	a.save(t, "contact", first.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "second"})
	a.sync(t)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(a.dir, sqlite.FileName+suffix))
	}
	data, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, sqlite.FileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	a = openHome(t, "ann", a.dir, c.url)
	a.save(t, "contact", "", map[string]any{"last_name": "third"})
	converge(t, c, a)
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "first2,second,third" {
		t.Errorf("on the server: %s", got)
	}
	if got := c.value(t, "SELECT department FROM contact WHERE last_name = 'first'"); got != "unsent when copied" {
		t.Errorf("department = %s", got)
	}
}

// T64: a laptop stays away for longer than deletions are kept. It finds what
// changed and went by comparing, and keeps its own edits.
func TestT64AwayForTooLong(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', LPAD(seq, 3, '0')) FROM seq_1_to_100")
	a.sync(t)
	b.sync(t)
	var mine []model.ID
	for i := range 5 {
		r := only(t, a, fmt.Sprintf("c%03d", 20+i))
		mine = append(mine, r.ID)
		a.save(t, "contact", r.ID, map[string]any{"department": "mine"})
	}
	c.exec(t, "DELETE FROM contact WHERE last_name BETWEEN 'c001' AND 'c005'")
	for i := range 5 {
		if err := b.Delete(t.Context(), "contact", only(t, b, fmt.Sprintf("c%03d", 6+i)).ID); err != nil {
			t.Fatal(err)
		}
	}
	b.sync(t)
	c.exec(t, "UPDATE contact SET job_title = 'theirs' WHERE last_name BETWEEN 'c020' AND 'c029'")
	c.exec(t, "UPDATE contact SET deleted_at = deleted_at - INTERVAL 200 DAY WHERE deleted_at IS NOT NULL")
	b.sync(t)
	age(t, c)
	// A later run is younger, as it would be on a server that is in use.
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('young')")
	b.sync(t)
	done := sweep(t, c)
	for _, want := range []string{"clients follow the feed from position", "rows that were deleted more than 180 days ago", "runs of the sequencer"} {
		if !strings.Contains(strings.Join(done, "\n"), want) {
			t.Errorf("the sweep did not tell %q: %q", want, done)
		}
	}
	if got := c.value(t, "SELECT COUNT(*) FROM contact"); got != "91" {
		t.Errorf("%s contacts on the server after the sweep, want 91", got)
	}
	a.sync(t)
	if n, err := a.Count(t.Context(), model.Query{Noun: "contact"}); n != 91 || err != nil {
		t.Errorf("%d contacts live here, want 91 (%v)", n, err)
	}
	for _, id := range mine {
		r := a.get(t, "contact", id)
		if r.Text("department") != "mine" || r.Text("job_title") != "theirs" {
			t.Errorf("%s: department %q, job title %q", r.Title(), r.Text("department"), r.Text("job_title"))
		}
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT COUNT(*) FROM contact WHERE department = 'mine'"); got != "5" {
		t.Errorf("%s of the five unsent edits arrived", got)
	}
}

// TestSweepIsFelt by nobody: two run at once beside writers and a laptop, and a
// laptop that follows the feed needs no comparison because of it.
func TestSweepIsFelt(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_50")
	a.sync(t)
	b.sync(t)
	for i := range 20 {
		c.exec(t, "UPDATE contact SET job_title = ?", fmt.Sprint(i))
		c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writing gosync.WaitGroup
	writing.Go(func() {
		// None is broken off: a server goes on with a statement whose client left.
		for i := 0; ctx.Err() == nil; i++ {
			c.ExecContext(t.Context(), "UPDATE contact SET department = ? ORDER BY RAND() LIMIT 5", fmt.Sprint(i))
		}
	})
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := mysql.Sweep(t.Context(), c.url, model.KeepDeleted)
			errs <- err
		}()
	}
	for range 3 {
		b.sync(t)
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("sweep: %v", err)
		}
	}
	cancel()
	writing.Wait()
	b.sync(t)
	sweep(t, c)
	if n := c.value(t, "SELECT COUNT(*) - COUNT(DISTINCT tbl, pk) FROM sync_feed"); n != "0" {
		t.Errorf("%s entries of the feed are replaced by newer ones and still there", n)
	}
	res := a.sync(t)
	if res.Pulled != 50 || res.RoundTrips > 3 {
		t.Errorf("the sync over the holes = %+v, want 50 records in 3 round trips at most", res)
	}
	converge(t, c, a, b)
}

// T70: another program works around the triggers. The check names those that
// are missing, and the next comparison repairs what they did not see.
func TestT70AroundTheTriggers(t *testing.T) {
	c := newCentral(t)
	clock := time.Now()
	a := openHomeAt(t, "ann", t.TempDir(), c.url, func() time.Time { return clock })
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_300")
	c.exec(t, "INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'email', CONCAT(last_name, '@example.com') FROM contact")
	c.exec(t, "INSERT INTO address (contact_id, city) SELECT id, 'Bern' FROM contact")
	a.sync(t)
	dirty := only(t, a, "c7")
	a.save(t, "contact", dirty.ID, map[string]any{"department": "mine"})

	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{
		"SET foreign_key_checks = 0",
		"TRUNCATE address",
		"CREATE TABLE copied LIKE contact",
		"INSERT INTO copied SELECT * FROM contact WHERE last_name <> 'c9'",
		"DROP TABLE contact",
		"RENAME TABLE copied TO contact",
		"UPDATE contact SET job_title = 'unseen' WHERE last_name IN ('c7', 'c8')",
		"INSERT INTO contact (id, last_name) VALUES (UNHEX(REPLACE(UUID(), '-', '')), 'unseen')",
		"DELETE FROM contact_method WHERE value = 'c9@example.com'",
	} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	st, err := mysql.Status(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(st.Checks, func(k model.Check) bool { return k.Name == "central triggers" && k.State != "ok" && k.Fix != "" }) {
		t.Errorf("the check does not miss the triggers: %+v", st.Checks)
	}
	if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	if got := only(t, a, "c8").Text("job_title"); got != "" {
		t.Fatalf("the feed told of it after all: %q", got)
	}
	clock = clock.Add(9 * 24 * time.Hour)
	a.sync(t)
	if got := only(t, a, "c8").Text("job_title"); got != "unseen" {
		t.Errorf("job title of c8 = %q", got)
	}
	only(t, a, "unseen")
	if r := a.get(t, "contact", dirty.ID); r.Text("department") != "mine" || r.Text("job_title") != "unseen" {
		t.Errorf("c7: department %q, job title %q", r.Text("department"), r.Text("job_title"))
	}
	if n, err := a.Count(t.Context(), model.Query{Noun: "contact"}); n != 300 || err != nil {
		t.Errorf("%d contacts live here, want 300 (%v)", n, err)
	}
	if l := a.get(t, "contact", dirty.ID).List("address"); len(l) != 0 {
		t.Errorf("%d addresses are left of a truncated table", len(l))
	}
	converge(t, c, a)
}

// TestReconcileOfEqualRows costs little: both sides are compared in two round
// trips and a few bytes for each hundred rows.
func TestReconcileOfEqualRows(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	const rows = 8000
	c.exec(t, "INSERT INTO contact (last_name, job_title, notes, birth_date) SELECT CONCAT('c', seq), 'größer 😀', REPEAT('x', seq % 300), '1980-02-29' FROM seq_1_to_8000")
	c.exec(t, "INSERT INTO deal (name, amount_minor, amount_currency, closed_at) SELECT CONCAT('d', seq), seq, 'EUR', UTC_TIMESTAMP(3) FROM seq_1_to_200")
	c.exec(t, "INSERT INTO deal_line (deal_id, quantity) SELECT id, amount_minor / 7 FROM deal")
	a.sync(t)
	a.sync(t)
	res := a.full(t)
	if res.Pulled != 0 || res.RoundTrips > 3 || res.BytesReceived+res.BytesSent > rows*4 {
		t.Errorf("comparing %d equal rows = %+v, want at most 3 round trips and %d bytes", rows, res, rows*4)
	}
	converge(t, c, a)
}
