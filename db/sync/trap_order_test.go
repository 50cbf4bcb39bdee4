package sync_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"rapport/model"
)

// T02: many writers with pauses and rollbacks commit in any order while a
// laptop follows them.
func TestT02ManyWriters(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_20")
	a.sync(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for i := range 12 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(i)))
			for ctx.Err() == nil {
				foreignTransaction(ctx, c, rng, i)
			}
		})
	}
	ended := time.Now().Add(time.Duration(times(1500, 60_000)) * time.Millisecond)
	for syncs := 0; syncs < 3 || time.Now().Before(ended); syncs++ {
		a.sync(t)
	}
	cancel()
	writers.Wait()
	converge(t, c, a)
}

// foreignTransaction is one of another program: two statements with a pause
// between them, rolled back now and then. It may lose to another one or to the
// end of the test; what it then did is undone.
func foreignTransaction(ctx context.Context, c *central, rng *rand.Rand, writer int) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return
	}
	defer tx.Rollback()
	for range 2 {
		if rng.IntN(3) == 0 {
			_, err = tx.ExecContext(ctx, "INSERT INTO contact (last_name) VALUES (?)", fmt.Sprint("of ", writer))
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE contact SET job_title = ? WHERE last_name = ?", fmt.Sprint(rng.IntN(1000)), fmt.Sprint("c", 1+rng.IntN(20)))
		}
		if err != nil {
			return
		}
		time.Sleep(time.Duration(rng.IntN(15)) * time.Millisecond)
	}
	if rng.IntN(100) >= 12 {
		_ = tx.Commit() // lost to the end of the test, it is undone
	}
}

// T03: a transaction that took numbers is rolled back. Nobody waits for the
// hole that it leaves.
func TestT03RollbackGap(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.sync(t)
	for i := range times(30, 1000) {
		tx, err := c.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO contact (last_name) VALUES ('never')"); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			c.exec(t, "INSERT INTO contact (last_name) VALUES (?)", fmt.Sprint("kept ", i))
		}
		res := a.sync(t)
		if want := int64((3 - i%3) / 3); res.Pulled != want || res.RoundTrips > 3 {
			t.Fatalf("round %d: %+v, want %d records in 3 round trips at most", i, res, want)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if res := a.sync(t); res.Pulled != 0 || res.RoundTrips != 1 {
			t.Fatalf("round %d after the rollback: %+v", i, res)
		}
	}
	converge(t, c, a)
}

// session is a connection of another program with settings of its own.
func session(t *testing.T, c *central, set ...string) func(query string, args ...any) {
	t.Helper()
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.ExecContext(context.Background(), "SET timestamp = DEFAULT, time_zone = DEFAULT")
		conn.Close()
	})
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, s := range set {
		run("SET " + s)
	}
	return run
}

// T04: one statement gives very many rows the same time.
func TestT04EqualTimes(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	rows := times(2500, 50_000)
	session(t, c, "timestamp = 1790000000")("INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_" + fmt.Sprint(rows))
	if n := c.value(t, "SELECT COUNT(DISTINCT updated_at) FROM contact"); n != "1" {
		t.Fatalf("%s times, want one", n)
	}
	res := a.sync(t)
	if pages := int64(rows/2000 + 1); res.Pulled != int64(rows) || res.RoundTrips > 3*pages+2 {
		t.Errorf("pulled %d in %d round trips, want %d in about %d", res.Pulled, res.RoundTrips, rows, 2*pages)
	}
	converge(t, c, a, b)
}

// T05: two updates fall into one moment, with a sync between them.
func TestT05OneMoment(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('x')")
	a.sync(t)
	other := session(t, c, "timestamp = 1790000000.5")
	for _, title := range []string{"first", "second", "third"} {
		other("UPDATE contact SET job_title = ?", title)
		a.sync(t)
		if got := only(t, a, "x").Text("job_title"); got != title {
			t.Errorf("job_title = %q, want %q", got, title)
		}
	}
	converge(t, c, a)
}

// T06: the server's clock goes back, for other programs and for the sequencer.
func TestT06ServerClockBack(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	now := time.Now().Unix()
	for i, back := range []int64{0, 600, 3600, 86400 * 365, 10} {
		then := session(t, c, fmt.Sprint("timestamp = ", now-back))
		then("UPDATE contact SET job_title = ?", fmt.Sprint("title ", i))
		then("INSERT INTO contact (last_name) VALUES (?)", fmt.Sprint("new ", i))
		if i%2 == 0 {
			then("UPDATE sync_counter SET tick = tick + 1")
		}
		a.save(t, "contact", r.ID, map[string]any{"department": fmt.Sprint("dep ", i)})
		a.sync(t)
		b.sync(t)
		for _, h := range []*home{a, b} {
			got := h.get(t, "contact", r.ID)
			if got.Text("job_title") != fmt.Sprint("title ", i) || got.Text("department") != fmt.Sprint("dep ", i) {
				t.Errorf("%d seconds back, on %s: %q", back, h.me, got.Values)
			}
			only(t, h, fmt.Sprint("new ", i))
		}
	}
	converge(t, c, a, b)
}

// berlin makes sure that the server knows the zone Europe/Berlin, whose clocks
// showed 02:30 twice on 2026-10-25 and never on 2026-03-29.
func berlin(t *testing.T, c *central) {
	t.Helper()
	if c.value(t, "SELECT CONVERT_TZ('2026-10-25 12:00:00', 'UTC', 'Europe/Berlin')") != "NULL" {
		return
	}
	for _, zone := range []string{"UTC", "Europe/Berlin"} {
		res, err := c.ExecContext(t.Context(), "INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')")
		if err != nil {
			t.Fatal(err)
		}
		id, err := res.LastInsertId()
		if err != nil {
			t.Fatal(err)
		}
		c.exec(t, "INSERT INTO mysql.time_zone_name VALUES (?, ?)", zone, id)
		if zone == "UTC" {
			c.exec(t, "INSERT INTO mysql.time_zone_transition_type VALUES (?, 0, 0, 0, 'UTC')", id)
			continue
		}
		c.exec(t, "INSERT INTO mysql.time_zone_transition_type VALUES (?, 0, 7200, 1, 'CEST'), (?, 1, 3600, 0, 'CET')", id, id)
		for at, kind := range map[int64]int{1743296400: 0, 1761440400: 1, 1774746000: 0, 1792890000: 1, 1806195600: 0} {
			c.exec(t, "INSERT INTO mysql.time_zone_transition VALUES (?, ?, ?)", id, at, kind)
		}
	}
	c.exec(t, "FLUSH TABLES")
}

// T07: the server and the other programs live in a zone whose clocks are put
// back and forward. Two instants that read the same there stay two.
func TestT07ClocksChange(t *testing.T) {
	c := newCentral(t)
	berlin(t, c)
	c.exec(t, "SET GLOBAL time_zone = 'Europe/Berlin'")
	t.Cleanup(func() { c.ExecContext(context.Background(), "SET GLOBAL time_zone = 'SYSTEM'") })
	a := newHome(t, "ann", c.url)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('x')")
	c.exec(t, "INSERT INTO activity (kind, subject, due_at) VALUES ('task', 'first', '2026-10-25 00:30:00'), ('task', 'second', '2026-10-25 01:30:00'), ('task', 'gap', '2026-03-29 02:30:00')")
	a.sync(t)
	for i, at := range []int64{1774745999, 1774746001, 1792888200, 1792891800} {
		there := session(t, c, "time_zone = 'Europe/Berlin'", fmt.Sprint("timestamp = ", at))
		there("UPDATE contact SET job_title = ?, department = DATE_FORMAT(NOW(), '%H:%i')", fmt.Sprint(i))
		if shows := c.value(t, "SELECT department FROM contact"); i >= 2 && shows != "02:30" {
			t.Fatalf("the server's clock shows %s: the trap was not sprung", shows)
		}
		a.sync(t)
		got := only(t, a, "x")
		if got.Text("job_title") != fmt.Sprint(i) || got.UpdatedAt.Unix() != at {
			t.Errorf("edit %d: title %q at %s, want it at %s", i, got.Text("job_title"), got.UpdatedAt.UTC(), time.Unix(at, 0).UTC())
		}
	}
	for subject, want := range map[string]string{"first": "2026-10-25T00:30:00Z", "second": "2026-10-25T01:30:00Z", "gap": "2026-03-29T02:30:00Z"} {
		page, err := a.List(t.Context(), model.Query{Noun: "activity", Filter: []model.Condition{{Field: "subject", Op: model.Equal, Value: subject}}})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("%d activities %s (%v)", len(page.Items), subject, err)
		}
		r := page.Items[0]
		due, _ := r.Values["due_at"].(time.Time)
		if due.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s is due at %s, want %s", subject, due.UTC(), want)
		}
		a.save(t, "activity", r.ID, map[string]any{"priority": "high"})
	}
	converge(t, c, a)
	if n := c.value(t, "SELECT COUNT(*) FROM activity WHERE priority = 'high' AND due_at IN ('2026-10-25 00:30:00', '2026-10-25 01:30:00', '2026-03-29 02:30:00')"); n != "3" {
		t.Errorf("%s of 3 instants survived an edit of another field", n)
	}
}

// T08: one laptop believes that it is 1970, the other that it is 2099. The
// order is the server's, and no record is from the future.
func TestT08ClientClocksWrong(t *testing.T) {
	c := newCentral(t)
	at := func(year int) func() time.Time {
		now := time.Date(year, 1, 1, 0, 0, 5, 0, time.UTC)
		return func() time.Time { now = now.Add(time.Millisecond); return now }
	}
	a, b := openHomeAt(t, "ann", t.TempDir(), c.url, at(1970)), openHomeAt(t, "bob", t.TempDir(), c.url, at(2099))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	for i, first := range []*home{a, b, a} {
		second := b
		if first == b {
			second = a
		}
		first.save(t, "contact", r.ID, map[string]any{"job_title": fmt.Sprint("first ", i)})
		second.save(t, "contact", r.ID, map[string]any{"job_title": fmt.Sprint("second ", i)})
		second.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("new ", i)})
		first.sync(t)
		second.sync(t)
		if got := c.value(t, "SELECT job_title FROM contact WHERE last_name = 'x'"); got != fmt.Sprint("second ", i) {
			t.Errorf("job_title = %s, want that of the later arrival", got)
		}
	}
	if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE GREATEST(created_at, updated_at) > UTC_TIMESTAMP(3) OR updated_at < created_at"); n != "0" {
		t.Errorf("%s contacts are from the future, or were changed before they were made", n)
	}
	converge(t, c, a, b)
}

// T09: a laptop's clock jumps to and fro while it syncs.
func TestT09ClientClockJumps(t *testing.T) {
	c := newCentral(t)
	step := 0
	a := openHomeAt(t, "ann", t.TempDir(), c.url, func() time.Time {
		step++
		return time.Now().Round(0).Add(time.Duration(step%3-1) * time.Hour)
	})
	b := newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	for i := range 6 {
		a.save(t, "contact", r.ID, map[string]any{"job_title": fmt.Sprint(i)})
		b.save(t, "contact", r.ID, map[string]any{"department": fmt.Sprint(i)})
		b.sync(t)
		if res := a.sync(t); res.Pushed != 1 || res.Duration < 0 {
			t.Errorf("sync %d: %+v", i, res)
		}
		b.sync(t)
		got := b.get(t, "contact", r.ID)
		if got.Text("job_title") != fmt.Sprint(i) || got.Text("department") != fmt.Sprint(i) {
			t.Errorf("round %d: %q", i, got.Values)
		}
	}
	converge(t, c, a, b)
}

// T10: laptops at both ends of the day. A date is a date, wherever one is.
func TestT10ZoneOfClient(t *testing.T) {
	c := newCentral(t)
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	east, west := time.FixedZone("Kiritimati", 14*3600), time.FixedZone("St. John's", -3*3600-1800)
	time.Local = east
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "birth_date": "1990-03-25"})
	d := a.save(t, "deal", "", map[string]any{"name": "d", "close_date": "2026-12-31"})
	a.sync(t)
	time.Local = west
	b.sync(t)
	if got := b.get(t, "contact", r.ID).Text("birth_date"); got != "1990-03-25" {
		t.Errorf("born on %s", got)
	}
	if got := b.get(t, "deal", d.ID).Text("close_date"); got != "2026-12-31" {
		t.Errorf("closes on %s", got)
	}
	b.save(t, "contact", r.ID, map[string]any{"birth_date": "1990-01-01"})
	b.sync(t)
	time.Local = east
	a.sync(t)
	if got := a.get(t, "contact", r.ID).Text("birth_date"); got != "1990-01-01" {
		t.Errorf("born on %s", got)
	}
	if got := c.value(t, "SELECT CONCAT(birth_date, ' ', close_date) FROM contact, deal"); got != "1990-01-01 2026-12-31" {
		t.Errorf("on the server: %s", got)
	}
	converge(t, c, a, b)
}

// T11: the outbox numbers its rows from the beginning again, as old servers do
// after a restart and every server after TRUNCATE.
func TestT11NumbersBeginAgain(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	for i := range 4 {
		c.exec(t, "INSERT INTO contact (last_name) VALUES (?), (?)", fmt.Sprint("x", i), fmt.Sprint("y", i))
		c.exec(t, "UPDATE contact SET job_title = ?", fmt.Sprint(i))
		a.sync(t)
		only(t, a, fmt.Sprint("y", i))
		c.exec(t, "TRUNCATE TABLE sync_outbox")
	}
	if n := c.value(t, "SELECT COUNT(*) - COUNT(DISTINCT oid) FROM sync_feed"); n == "0" {
		t.Error("no number was given twice: the trap was not sprung")
	}
	converge(t, c, a)
}

// T12: another program changes very many rows in one long transaction. Pushes
// do not wait for it, and afterwards its rows come in pages.
func TestT12LongTransaction(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	rows := times(2500, 500_000)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_"+fmt.Sprint(rows))
	own := a.save(t, "contact", "", map[string]any{"last_name": "own"})
	a.sync(t)
	// At a stricter level it would also lock the rows that it merely looks at.
	etl, err := c.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	defer etl.Rollback()
	if _, err := etl.Exec("UPDATE contact SET department = 'moved' WHERE last_name LIKE 'c%'"); err != nil {
		t.Fatal(err)
	}
	const waitsSQL = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_waits'"
	waits := c.value(t, waitsSQL)
	for i := range times(10, 100) {
		a.save(t, "contact", own.ID, map[string]any{"job_title": fmt.Sprint(i)})
		if res := a.sync(t); res.Pushed != 1 {
			t.Fatalf("sync beside the transaction: %+v", res)
		}
	}
	if now := c.value(t, waitsSQL); now != waits {
		t.Errorf("somebody waited for a row beside the transaction: %s times, before it %s", now, waits)
	}
	if err := etl.Commit(); err != nil {
		t.Fatal(err)
	}
	var largest, last int64
	res, err := a.engine().Sync(t.Context(), false, func(p model.Progress) {
		if p.Phase == "receiving" {
			largest, last = max(largest, p.Done-last), p.Done
		}
	})
	if err != nil || res.Pulled != int64(rows) {
		t.Fatalf("after the commit: %+v, %v", res, err)
	}
	if largest == 0 || largest > 2000 {
		t.Errorf("a page of %d changes", largest)
	}
	converge(t, c, a)
}
