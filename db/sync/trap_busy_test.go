package sync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/sync"
	"rapport/model"
)

// T27: the server answers that another transaction was in the way: a deadlock,
// a lock that was not given, a row that changed since it was read.
func TestT27InTheWay(t *testing.T) { bothWays(t, inTheWay) }

func inTheWay(t *testing.T, c *central, url string) {
	a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	// What this table counts stays when the transaction is undone.
	c.exec(t, "CREATE TABLE attempts (n INT NOT NULL, failing INT NOT NULL) ENGINE=Aria")
	c.exec(t, "INSERT INTO attempts VALUES (0, 0)")
	for _, number := range []int{1213, 1205, 1020} {
		c.exec(t, fmt.Sprintf(`CREATE OR REPLACE TRIGGER in_the_way BEFORE UPDATE ON contact FOR EACH ROW BEGIN
			UPDATE attempts SET n = n + 1;
			IF (SELECT n <= failing FROM attempts) THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = %d, MESSAGE_TEXT = 'in the way'; END IF;
		END`, number))
		c.exec(t, "UPDATE attempts SET n = 0, failing = 1")
		a.save(t, "contact", r.ID, map[string]any{"job_title": fmt.Sprint(number)})
		a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("beside ", number)})
		if res := a.sync(t); res.Pushed != 2 {
			t.Errorf("%d once: %+v", number, res)
		}
		if number == 1020 {
			continue // it is told and tried again as a deadlock is
		}
		c.exec(t, "UPDATE attempts SET n = 0, failing = 1000")
		a.save(t, "contact", r.ID, map[string]any{"department": fmt.Sprint(number)})
		a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("later ", number)})
		_, err := a.try(t)
		tells(t, err, model.Unreachable)
		// A lock is waited for five seconds each time, the others fail at once.
		if n := c.value(t, "SELECT n FROM attempts"); number == 1205 && n != "2" || number != 1205 && n != "8" {
			t.Errorf("%d for ever: tried %s times", number, n)
		}
		if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE last_name LIKE 'later%' AND department IS NULL AND last_name = ?", fmt.Sprint("later ", number)); n != "0" {
			t.Errorf("%d: half a batch was applied", number)
		}
		if n := len(a.pending(t)); n != 2 {
			t.Errorf("%d: %d records pending, want 2", number, n)
		}
		c.exec(t, "UPDATE attempts SET failing = 0")
		a.sync(t)
	}
	c.exec(t, "DROP TRIGGER in_the_way")
	if got := c.value(t, "SELECT CONCAT(job_title, ' ', department, ' ', (SELECT COUNT(*) FROM contact)) FROM contact WHERE id = ?", r.ID.Bytes()); got != "1020 1205 6" {
		t.Errorf("on the server: %s", got)
	}
	converge(t, c, a, b)
}

// T27: a real deadlock. The batch has the first row and waits for the second,
// whose holder asks for the first.
func TestT27Deadlock(t *testing.T) { bothWays(t, deadlock) }

func deadlock(t *testing.T, c *central, url string) {
	a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
	one := a.save(t, "contact", "", map[string]any{"last_name": "one"})
	two := a.save(t, "contact", "", map[string]any{"last_name": "two"})
	c.exec(t, "INSERT INTO product (name) SELECT CONCAT('p', seq) FROM seq_1_to_50")
	a.sync(t)
	for i := range times(3, 100) {
		a.save(t, "contact", one.ID, map[string]any{"job_title": fmt.Sprint(i)})
		a.save(t, "contact", two.ID, map[string]any{"job_title": fmt.Sprint(i)})
		tx, err := c.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		// The server undoes the transaction that did less.
		if i%3 != 2 {
			if _, err := tx.Exec("UPDATE product SET category = ?", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tx.Exec("UPDATE contact SET department = ? WHERE id = ?", fmt.Sprint(i), two.ID.Bytes()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := a.try(t); done <- err }()
		until(t, "the batch waits for the second row", func() bool {
			return c.value(t, "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_current_waits'") != "0"
		})
		_, err = tx.Exec("UPDATE contact SET department = ? WHERE id = ?", fmt.Sprint(i), one.ID.Bytes())
		if err == nil {
			err = tx.Commit()
		}
		if err != nil && !strings.Contains(err.Error(), "1213") {
			t.Fatal(err)
		}
		tx.Rollback()
		if err := <-done; err != nil {
			t.Errorf("round %d: %v", i, err)
		}
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(job_title) FROM contact"); got != fmt.Sprintf("%[1]d,%[1]d", times(3, 100)-1) {
		t.Errorf("on the server: %s", got)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// T27: a server of the newer kind, which refuses to change what was changed
// since the transaction read it.
func TestT27StrictSnapshots(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "SET GLOBAL innodb_snapshot_isolation = ON")
	t.Cleanup(func() { c.ExecContext(context.Background(), "SET GLOBAL innodb_snapshot_isolation = OFF") })
	homes := []*home{newHome(t, "ann", c.url), newHome(t, "bob", c.url), newHome(t, "cid", c.url)}
	r := homes[0].save(t, "contact", "", map[string]any{"last_name": "x"})
	for _, h := range homes {
		h.sync(t)
	}
	fields := []string{"job_title", "department", "salutation"}
	for i := range times(6, 200) {
		done := make(chan error)
		for j, h := range homes {
			h.save(t, "contact", r.ID, map[string]any{fields[j]: fmt.Sprint(i)})
			go func() { _, err := h.try(t); done <- err }()
		}
		for range homes {
			if err := <-done; err != nil {
				t.Errorf("round %d: %v", i, err)
			}
		}
	}
	converge(t, c, homes...)
	want := fmt.Sprintf("%[1]d %[1]d %[1]d", times(6, 200)-1)
	if got := c.value(t, "SELECT CONCAT_WS(' ', job_title, department, salutation) FROM contact"); got != want {
		t.Errorf("on the server: %s, want %s", got, want)
	}
}

// T32: a server that takes little in one request. A batch of small rows is
// split, a row that is larger than that is told at once.
func TestT32PacketLimit(t *testing.T) { bothWays(t, packetLimit) }

func packetLimit(t *testing.T, c *central, url string) {
	before := c.value(t, "SELECT @@global.max_allowed_packet")
	c.exec(t, "SET GLOBAL max_allowed_packet = 1048576")
	t.Cleanup(func() { c.ExecContext(context.Background(), "SET GLOBAL max_allowed_packet = "+before) })
	a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
	a.sync(t)
	large := a.save(t, "contact", "", map[string]any{"last_name": "large", "notes": strings.Repeat("n", 3<<20)})
	a.save(t, "contact", "", map[string]any{"last_name": "before", "notes": strings.Repeat("b", 40<<10)})
	long := a.save(t, "contact", "", map[string]any{"last_name": "long", "notes": strings.Repeat("l", 1000<<10)})
	note := strings.Repeat("'s", 5<<10)
	edits := make([]model.Edit, times(250, 500))
	for i := range edits {
		edits[i] = model.Edit{Noun: "contact", Set: map[string]any{"last_name": fmt.Sprint("small ", i), "notes": note}}
	}
	if _, err := a.SaveAll(t.Context(), edits, false); err != nil {
		t.Fatal(err)
	}
	res := a.sync(t)
	if res.Pushed != int64(len(edits)+2) || res.Refused != 1 || res.BytesSent < 3<<20 {
		t.Errorf("sync = %+v, want %d records sent and one refused", res, len(edits)+2)
	}
	// A batch that took two requests would hold its locks between them.
	if n := c.value(t, "SELECT COUNT(*) FROM sync_push"); n != fmt.Sprint(res.RoundTrips-2) {
		t.Errorf("%s batches in %d requests, of which one polls and one pulls", n, res.RoundTrips)
	}
	p := a.pending(t)
	if len(p) != 1 || p[0].ID != large.ID || p[0].Code != "too_long" || !strings.Contains(p[0].Error, "kB") {
		t.Errorf("pending = %+v", p)
	}
	if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE notes = ?", note); n != fmt.Sprint(len(edits)) {
		t.Errorf("%s small contacts on the server", n)
	}
	b.sync(t)
	if got := b.get(t, "contact", long.ID).Text("notes"); len(got) != 1000<<10 {
		t.Errorf("the long note arrived with %d bytes", len(got))
	}
	a.save(t, "contact", large.ID, map[string]any{"notes": "shorter"})
	converge(t, c, a, b)
}

// T31: a kept connection is dead when the laptop wakes up after nine hours, as
// the server ended it long ago. It is replaced once and nothing is sent twice.
func TestT31StaleConnection(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	var asleep time.Duration // guarded by being changed while the follow rests
	a := openHomeAt(t, "ann", t.TempDir(), p.URL(c.asPerson(t, "ann")), func() time.Time { return time.Now().Add(asleep) })
	b := newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	rests, wake := make(chan struct{}), make(chan time.Time)
	dials := 0
	engine := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
		dials++
		return a.connect(ctx)
	}, sync.Options{Now: a.now, Timer: func(time.Duration) (<-chan time.Time, func()) {
		rests <- struct{}{}
		return wake, func() {}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	var told []model.Following
	go func() {
		ended <- engine.Follow(ctx, sync.FollowOptions{FollowRequest: model.FollowRequest{
			Tell: func(f model.Following) { told = append(told, f) },
		}})
	}()
	<-rests
	for i := range times(1, 20) {
		title := fmt.Sprint("edited in the train ", i)
		a.save(t, "contact", r.ID, map[string]any{"job_title": title})
		for _, session := range c.column(t, "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") {
			c.exec(t, "KILL "+session)
		}
		until(t, "the server has ended the silent connection", func() bool {
			return c.value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") == "0"
		})
		told, dials = nil, 0
		receipts := c.value(t, "SELECT COUNT(*) FROM sync_push")
		asleep += 9 * time.Hour
		wake <- time.Now()
		<-rests
		last := told[len(told)-1]
		if last.State != model.FollowOnline || last.Result.Pushed != 1 || dials != 1 {
			t.Fatalf("after the sleep: %+v, %d connections", last, dials)
		}
		if got := c.value(t, "SELECT CONCAT(row_version, ' ', job_title) FROM contact"); got != fmt.Sprint(i+2, " ", title) {
			t.Errorf("on the server: %s", got)
		}
		if got := c.value(t, "SELECT COUNT(*) FROM sync_push"); got == receipts {
			t.Errorf("%s receipts, as before", got)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the follow ended with %v", err)
	}
	converge(t, c, a, b)
}

// T32: the limit changes between a push whose answer was lost and its repeat.
func TestT32LimitRaisedBetween(t *testing.T) { bothWays(t, limitRaisedBetween) }

func limitRaisedBetween(t *testing.T, c *central, url string) {
	p := servertest.NewProxy(t, servertest.Shared(t))
	before := c.value(t, "SELECT @@global.max_allowed_packet")
	t.Cleanup(func() { c.ExecContext(context.Background(), "SET GLOBAL max_allowed_packet = "+before) })
	a, b := newHome(t, "ann", p.URL(url)), newHome(t, "bob", c.url)
	a.sync(t)
	note := strings.Repeat("n", 2<<20)
	for i, limit := range []string{"1048576", before} {
		other := map[string]string{"1048576": before, before: "1048576"}[limit]
		c.exec(t, "SET GLOBAL max_allowed_packet = "+limit)
		a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("large ", i), "notes": note})
		p.On(pushRequest, func() bool { return false })
		_, err := a.try(t)
		tells(t, err, model.Unreachable)
		c.exec(t, "SET GLOBAL max_allowed_packet = "+other)
		a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("small ", i)})
		a.sync(t)
		c.exec(t, "SET GLOBAL max_allowed_packet = "+before)
		if _, err := a.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		if got := c.value(t, "SELECT COUNT(DISTINCT last_name) * 100 + COUNT(*) FROM contact"); got != fmt.Sprint(202*(i+1)) {
			t.Errorf("round %d: contacts on the server: %s", i, got)
		}
	}
	converge(t, c, a, b)
}

// T41: records that wait for a person hold nobody up, however many they are.
func TestT41WaitingRecordsHoldNobodyUp(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	var deals []model.ID
	for i := range 9 {
		deals = append(deals, a.save(t, "deal", "", map[string]any{"name": fmt.Sprint("deal ", i), "amount": eur(100)}).ID)
	}
	a.sync(t)
	b.sync(t)
	for _, id := range deals[:8] {
		a.save(t, "deal", id, map[string]any{"amount": eur(200)})
		b.save(t, "deal", id, map[string]any{"amount": eur(300)})
	}
	a.sync(t)
	if res := b.sync(t); res.Conflicts != 8 {
		t.Fatalf("conflicts = %d, want 8", res.Conflicts)
	}
	b.save(t, "deal", deals[8], map[string]any{"next_step": "call"})
	batch, err := b.NextBatch(t.Context(), 1, 1<<20)
	if err != nil || batch == nil || len(batch.Ops) != 1 || batch.Ops[0].ID != deals[8] {
		t.Fatalf("the next batch is %+v, %v", batch, err)
	}
	for _, cf := range b.conflicts(t) {
		if err := b.Settle(t.Context(), cf.ID, []model.Settlement{{Take: "mine"}}); err != nil {
			t.Fatal(err)
		}
	}
	converge(t, c, a, b)
}
