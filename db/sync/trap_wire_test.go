package sync_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/model"
)

// offsets are the bytes at which an exchange of so many is cut: each of the
// first few, then ever further ones up to the middle, then in fixed steps to
// the end.
func offsets(total int64, steps int) []int64 {
	var out []int64
	n := int64(1)
	for ; n < total/2 && len(out) < steps/3; n += 1 + n/8 {
		out = append(out, n)
	}
	step := max(1, (total-n)/int64(steps-len(out)))
	for ; n < total; n += step {
		out = append(out, n)
	}
	return append(out, total-1, total)
}

// T22: the connection is cut at every class of byte of a push and of a pull,
// in both directions. After each cut a sync over a sound wire finds the edit
// applied whole and once.
func TestT22CutAtEveryByte(t *testing.T) { bothWays(t, cutAtEveryByte) }

func cutAtEveryByte(t *testing.T, c *central, url string) {
	w := wire.New(t, servertest.Shared(t).Address())
	a := newHome(t, "ann", w.URL(url))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	all, felt, steps := 0, 0, 27
	if testing.Short() {
		steps = 9
	}
	sweep := func(what string, cut func(int64) []wire.Fault, change func(string), total func(model.SyncResult) int64) {
		change(what)
		all++
		end := total(a.sync(t))
		for _, n := range offsets(end, times(steps, int(end))) {
			value := fmt.Sprint(what, " ", n)
			change(value)
			w.Is(t, cut(n))
			if _, err := a.try(t); err != nil {
				felt++
				tells(t, err, model.Unreachable)
			}
			all++
			w.Is(t)
			a.sync(t)
			whole(t, c, a, r.ID, value, all)
			if t.Failed() {
				t.Fatalf("%s: cut after %d of %d bytes", what, n, end)
			}
		}
	}
	here := func(value string) {
		a.save(t, "contact", r.ID, map[string]any{"job_title": value})
		a.save(t, "contact", "", map[string]any{"last_name": "new " + value})
	}
	there := func(value string) {
		c.exec(t, "UPDATE contact SET job_title = ? WHERE id = ?", value, r.ID.Bytes())
		c.exec(t, "INSERT INTO contact (last_name) VALUES (?)", "new "+value)
	}
	sent := func(res model.SyncResult) int64 { return res.BytesSent }
	received := func(res model.SyncResult) int64 { return res.BytesReceived }
	sweep("push cut on its way up", wire.CutUp, here, sent)
	sweep("push cut on its way down", wire.CutDown, here, received)
	sweep("pull cut on its way up", wire.CutUp, there, sent)
	sweep("pull cut on its way down", wire.CutDown, there, received)
	t.Logf("%d cuts were felt", felt)
	// A sync whose pull is cut connects again by itself and may get through.
	if felt < all/2 {
		t.Errorf("only %d of %d cuts were felt", felt, all)
	}
	converge(t, c, a)
}

// T22: the connection is cut while every row is compared.
func TestT22CutDuringCompare(t *testing.T) { bothWays(t, cutDuringCompare) }

func cutDuringCompare(t *testing.T, c *central, url string) {
	w := wire.New(t, servertest.Shared(t).Address())
	a := newHome(t, "ann", w.URL(url))
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_200")
	a.sync(t)
	r := only(t, a, "c7")
	cuts := 0
	for name, cut := range map[string]func(int64) []wire.Fault{"up": wire.CutUp, "down": wire.CutDown} {
		for n, end := int64(200), int64(1<<40); n < end; n += 50 + n/int64(times(2, 30)) {
			value := fmt.Sprint(name, " ", n)
			unseen(t, c, "UPDATE contact SET job_title = '"+value+"' WHERE last_name LIKE 'c7%'", "DELETE FROM contact WHERE last_name LIKE 'c1%' LIMIT 1")
			a.save(t, "contact", r.ID, map[string]any{"department": value})
			w.Is(t, cut(n))
			if _, err := a.engine().Sync(t.Context(), true, nil); err != nil {
				cuts++
				tells(t, err, model.Unreachable)
			} else {
				end = n
			}
			w.Is(t)
			if _, err := a.engine().Sync(t.Context(), true, nil); err != nil {
				t.Fatal(err)
			}
			compared(t, c, a, r.ID, value)
			if t.Failed() {
				t.Fatalf("cut after %s bytes", value)
			}
		}
	}
	t.Logf("%d cuts", cuts)
	if cuts < 8 {
		t.Errorf("only %d cuts", cuts)
	}
	converge(t, c, a)
}

// whole is a cheap look at both sides between two cuts: the value of one
// contact is there, and so many others were made, once each.
func whole(t *testing.T, c *central, h *home, id model.ID, value string, others int) {
	t.Helper()
	want := fmt.Sprintf("%s %d", value, others)
	got := c.value(t, "SELECT CONCAT_WS(' ', job_title, (SELECT COUNT(*) FROM contact WHERE last_name LIKE 'new%')) FROM contact WHERE id = ?", id.Bytes())
	if got != want {
		t.Errorf("on the server: %s, want %s", got, want)
	}
	n, err := h.Count(t.Context(), model.Query{Noun: "contact", Filter: []model.Condition{{Field: "last_name", Op: model.Contains, Value: "new"}}})
	if err != nil {
		t.Fatal(err)
	}
	if here := fmt.Sprintf("%s %d", h.get(t, "contact", id).Text("job_title"), n); here != want {
		t.Errorf("on %s: %s, want %s", h.me, here, want)
	}
	if p := h.pending(t); len(p) > 0 {
		t.Errorf("%d records are pending after the sync", len(p))
	}
}

// T21: the connection ends while the server works on the batch. The server
// goes on; the next sync waits for it and learns what became of the batch.
func TestT21CutDuringBatch(t *testing.T) { bothWays(t, cutDuringBatch) }

func cutDuringBatch(t *testing.T, c *central, url string) {
	p := servertest.NewProxy(t, servertest.Shared(t))
	w := wire.New(t, p.Address())
	a, b := newHome(t, "ann", w.URL(p.URL(url))), newHome(t, "bob", c.url)
	a.sync(t)
	c.exec(t, "CREATE TRIGGER slow BEFORE INSERT ON contact FOR EACH ROW DO SLEEP(0.01)")
	const rows = 6
	for i := range times(5, 200) {
		for j := range rows {
			a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("round ", i, " ", j)})
		}
		after := time.Duration(i%10) * rows * 10 * time.Millisecond / 5
		cut := make(chan error, 1)
		p.On(pushRequest, func() bool {
			time.AfterFunc(after, func() { cut <- w.Cut() })
			return true
		})
		if _, err := a.try(t); err != nil {
			tells(t, err, model.Unreachable)
		}
		if err := <-cut; err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE row_version = 1"); n != fmt.Sprint(rows*(i+1)) {
			t.Fatalf("cut after %s: %s contacts on the server, want %d", after, n, rows*(i+1))
		}
	}
	c.exec(t, "DROP TRIGGER slow")
	converge(t, c, a, b)
}

// T23: the wire is so bad that it ends long before a first load does. Each
// attempt goes on at the last row that came.
func TestT23SlowPeer(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name, notes) SELECT CONCAT('c', seq), REPEAT('n', 400) FROM seq_1_to_3000")
	url := c.asPerson(t, "ann")
	whole := newHome(t, "bob", url).sync(t).BytesReceived
	w := wire.New(t, servertest.Shared(t).Address())
	a := newHome(t, "ann", w.URL(url))
	part := whole / int64(times(6, 60))
	w.Is(t, wire.CutDown(part), wire.Slices(1000, 10*time.Microsecond))
	attempts, received := int64(1), int64(0)
	for ; ; attempts++ {
		res, err := a.try(t)
		received += res.BytesReceived
		if err == nil {
			break
		}
		tells(t, err, model.Unreachable)
		if attempts > 2*whole/part {
			t.Fatalf("after %d attempts of %d bytes each the load of %d bytes is not done", attempts, part, whole)
		}
	}
	t.Logf("%d attempts of %d bytes, %d bytes in all, %d bytes at one go", attempts, part, received, whole)
	// Each attempt costs a login, the head, the columns' names and what had come
	// of a page that the wire cut, about 9 kB.
	if attempts < 3 || received > whole+attempts*12_000 {
		t.Errorf("%d bytes came in %d attempts, at one go it is %d", received, attempts, whole)
	}
	w.Is(t)
	converge(t, c, a)
}

// T23, the other end: a peer that falls silent in the middle of a load does not
// hold the sync for ever, and nothing that came is asked for again.
func TestT23SilentPeer(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name, notes) SELECT CONCAT('c', seq), REPEAT('n', 400) FROM seq_1_to_6000")
	w := wire.New(t, servertest.Shared(t).Address())
	a := newHome(t, "ann", w.URL(c.url))
	a.dial = mysql.DialOptions{Read: 2 * time.Second} // what a loaded machine takes to answer, and more
	w.Is(t, wire.Bandwidth(4000))
	silent := false
	res, err := a.engine().Sync(t.Context(), false, func(p model.Progress) {
		if p.Phase == "loading" && p.Done >= 2000 && !silent {
			silent = true
			w.Is(t, wire.Silence())
		}
	})
	if err == nil {
		t.Fatalf("the load came through a silent wire: %+v", res)
	}
	tells(t, err, model.Unreachable)
	w.Is(t)
	a.dial = mysql.DialOptions{}
	if rest := a.sync(t); rest.Pulled > 6000-2000 {
		t.Errorf("%d records came again after those that had come already", rest.Pulled)
	}
	converge(t, c, a)
}

// T35: something on the way to the server takes one statement at a time. The
// sync is slower and otherwise the same, also where the line breaks or a row is
// refused.
func TestT35OneStatementAtATime(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	p.OneAtATime.Store(true)
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "semi;colon", "notes": `it's; "quoted" \; and 'so; on'`})
	a.sync(t)
	c.exec(t, "ALTER TABLE contact ADD CONSTRAINT contact_no_bots CHECK (last_name <> 'bot')")
	for _, name := range []string{"one", "bot", "two"} {
		a.save(t, "contact", "", map[string]any{"last_name": name})
	}
	b.sync(t)
	b.save(t, "contact", r.ID, map[string]any{"job_title": "theirs", "department": "theirs"})
	b.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "mine"})
	for _, lost := range []string{"START TRANSACTION", "UPDATE `contact`", "COMMIT", "SELECT result"} {
		p.On(lost, func() bool { return false })
		_, err := a.try(t)
		tells(t, err, model.Unreachable)
	}
	if res := a.sync(t); res.Refused != 1 {
		t.Errorf("refused = %d, want 1", res.Refused)
	}
	c.exec(t, "ALTER TABLE contact DROP CONSTRAINT contact_no_bots")
	if n, err := a.Retry(t.Context()); n != 1 || err != nil {
		t.Fatalf("retry = %d, %v", n, err)
	}
	if res := a.sync(t); res.RoundTrips < 10 {
		t.Errorf("%d round trips: the statements did travel together", res.RoundTrips)
	}
	if got := c.value(t, "SELECT CONCAT_WS('|', job_title, department) FROM contact WHERE id = ?", r.ID.Bytes()); got != "mine|theirs" {
		t.Errorf("on the server: %s", got)
	}
	if got := c.value(t, "SELECT COUNT(*) FROM contact"); got != "4" {
		t.Errorf("%s contacts on the server", got)
	}
	converge(t, c, a, b)
}

// T23: a laptop that was away for long has much to pull over a wire that ends
// long before a page is through.
func TestT23SlowPeerWithMuchToPull(t *testing.T) { bothWays(t, muchToPull) }

func muchToPull(t *testing.T, c *central, url string) {
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_1500")
	w := wire.New(t, servertest.Shared(t).Address())
	a := newHome(t, "ann", w.URL(url))
	a.sync(t)
	c.exec(t, "UPDATE contact SET notes = REPEAT('n', 400)")
	const part = 120_000 // bytes until the wire ends; all that changed is five times as much
	w.Is(t, wire.CutDown(part))
	last := int64(0)
	for attempts := 1; ; attempts++ {
		_, err := a.try(t)
		if err == nil {
			t.Logf("%d syncs", attempts)
			break
		}
		tells(t, err, model.Unreachable)
		at, err := a.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if at.Seq <= last {
			t.Fatalf("sync %d got nowhere from position %d", attempts, last)
		}
		last = at.Seq
	}
	w.Is(t)
	converge(t, c, a)
}
