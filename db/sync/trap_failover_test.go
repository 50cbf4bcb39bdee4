package sync_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/model"
)

// pair is a central on a primary server with a replica, and a wire that leads
// to either. People have no special rights, so that the replica takes nothing
// from them.
type pair struct {
	primary, replica *servertest.Server
	wire             *wire.Wire
	at               *central // the primary, as the administrator sees it
	database         string
}

func newPair(t *testing.T, opts ...servertest.Option) *pair {
	t.Helper()
	p := &pair{primary: servertest.Start(t, servertest.Binlog())}
	p.replica = p.primary.Replica(t, opts...)
	url := p.primary.Database(t)
	p.database = servertest.Name(url)
	if _, err := mysql.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	p.primary.SQL(t, "", "CREATE USER ann@'127.0.0.1', bob@'127.0.0.1'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON "+p.database+".* TO ann@'127.0.0.1', bob@'127.0.0.1'")
	p.primary.CatchUp(t, p.replica)
	p.at = p.on(p.primary)
	p.wire = wire.New(t, p.primary.Address())
	return p
}

// on is the central as it is on one of the two servers.
func (p *pair) on(s *servertest.Server) *central {
	return &central{DB: s.DB(p.database), url: s.URL(p.database), name: p.database}
}

// home is the laptop of a person who reaches the central by the wire.
func (p *pair) home(t *testing.T, me string) *home {
	t.Helper()
	return newHome(t, me, p.wire.URL(p.primary.URLFor(me, "", p.database)))
}

// T13: a laptop follows a replica that applies with eight threads what the
// primary committed.
func TestT13ParallelReplica(t *testing.T) {
	p := newPair(t, servertest.Flag("--slave-parallel-threads=8"), servertest.Flag("--slave-parallel-mode=optimistic"))
	reader := newHome(t, "ann", p.replica.URLFor("ann", "", p.database))
	writer := p.home(t, "bob")
	p.at.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_20")
	p.primary.CatchUp(t, p.replica)
	reader.sync(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(times(1000, 60_000))*time.Millisecond)
	defer cancel()
	var writers sync.WaitGroup
	for i := range 6 {
		writers.Go(func() {
			for ctx.Err() == nil {
				// One that loses to another is undone.
				_, _ = p.at.ExecContext(t.Context(), "UPDATE contact SET job_title = UUID() WHERE last_name = ?", fmt.Sprint("c", 1+i*3))
				_, _ = p.at.ExecContext(t.Context(), "INSERT INTO contact (last_name) VALUES (?)", fmt.Sprint("of ", i))
			}
		})
	}
	last := int64(0)
	for last == 0 || ctx.Err() == nil {
		writer.sync(t) // it runs the sequencer
		reader.sync(t)
		at, err := reader.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if at.Seq < last {
			t.Fatalf("the position went back from %d to %d", last, at.Seq)
		}
		last = at.Seq
	}
	writers.Wait()
	writer.sync(t)
	p.primary.CatchUp(t, p.replica)
	reader.sync(t)
	for id, row := range serverRows(t, p.at.url, model.EntityOf("contact")) {
		if got := reader.get(t, "contact", id); got.RowVersion != row.Get(model.EntityOf("contact"), model.ColumnVersion) {
			t.Errorf("%s is of version %d beside the replica", got.Title(), got.RowVersion)
		}
	}
	converge(t, p.at, reader, writer)
}

// T30: the primary fails and the replica, which has everything, takes its
// place. Before that the laptops also met it while it lagged behind.
func TestT30Failover(t *testing.T) {
	p := newPair(t)
	a, b := p.home(t, "ann"), p.home(t, "bob")
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	p.primary.CatchUp(t, p.replica)

	p.replica.SQL(t, "", "STOP SLAVE SQL_THREAD")
	b.save(t, "contact", r.ID, map[string]any{"department": "seen"})
	b.sync(t)
	a.sync(t)
	before, err := a.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.save(t, "contact", r.ID, map[string]any{"job_title": "edited"})
	p.wire.To(t, p.replica.Address())
	for range 2 {
		_, err = a.try(t)
		tells(t, err, model.Unreachable)
	}
	if after, err := a.Position(t.Context()); err != nil || after != before {
		t.Errorf("the position is %+v, it was %+v (%v)", after, before, err)
	}
	if got := a.get(t, "contact", r.ID); got.Text("department") != "seen" || got.Text("job_title") != "edited" {
		t.Errorf("beside a replica that lags: %q", got.Values)
	}

	p.replica.SQL(t, "", "START SLAVE SQL_THREAD")
	p.primary.CatchUp(t, p.replica)
	_, err = a.try(t)
	tells(t, err, model.Unreachable) // it takes no changes yet
	if n := len(a.pending(t)); n != 1 {
		t.Errorf("%d records pending", n)
	}

	p.primary.Kill9()
	p.replica.Promote(t)
	if res := a.sync(t); res.Pushed != 1 || res.RoundTrips > 4 {
		t.Errorf("the first sync with the new primary: %+v", res)
	}
	b.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
	b.sync(t)
	now := p.on(p.replica)
	converge(t, now, a, b)
	if got := now.value(t, "SELECT CONCAT_WS(' ', salutation, last_name, department, job_title) FROM contact"); got != "Dr x seen edited" {
		t.Errorf("on the new primary: %s", got)
	}
}

// T30, T60: the primary fails and the replica lacks its last seconds. What it
// lacks is offered to it again by those who saw it.
func TestT30FailoverThatLostSeconds(t *testing.T) {
	p := newPair(t)
	a, b := p.home(t, "ann"), p.home(t, "bob")
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	a.sync(t)
	b.sync(t)
	p.primary.CatchUp(t, p.replica)
	p.replica.SQL(t, "", "STOP SLAVE")
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "of ann"})
	b.save(t, "contact", "", map[string]any{"last_name": "of bob"})
	a.sync(t)
	b.sync(t)
	p.primary.Kill9()
	a.save(t, "contact", r.ID, map[string]any{"department": "meanwhile"})
	p.replica.Promote(t)
	p.wire.To(t, p.replica.Address())
	now := p.on(p.replica)
	// Others go on with the new primary before the laptops come.
	now.exec(t, "INSERT INTO contact (last_name) VALUES ('of another program')")
	now.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	a.sync(t)
	b.sync(t)
	converge(t, now, a, b)
	if got := now.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact"); got != "of ann,of another program,of bob,x 2 meanwhile" {
		t.Errorf("on the new primary: %s", got)
	}
}

// T30: the address is a list. The primary dies, the standby is read from and
// then promoted, and the old primary comes back with what it had and takes
// changes: nobody follows it.
func TestT30ListOfServers(t *testing.T) {
	p := newPair(t)
	list := p.primary.URLFor("ann", "", p.database) + "," + p.replica.URLFor("ann", "", p.database)
	a := newHome(t, "ann", list)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	if res := a.sync(t); res.Pushed != 1 {
		t.Fatalf("beside both: %+v", res)
	}
	p.at.exec(t, "UPDATE contact SET department = 'of the primary'")
	p.at.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	p.primary.CatchUp(t, p.replica)
	p.primary.Kill9()

	a.save(t, "contact", r.ID, map[string]any{"job_title": "kept"})
	_, err := a.try(t)
	tells(t, err, model.Unreachable)
	if got := a.get(t, "contact", r.ID); got.Text("department") != "of the primary" || got.Sync != model.Pending {
		t.Errorf("beside the standby: %q, %s", got.Values, got.Sync)
	}

	p.replica.Promote(t)
	p.replica.SQL(t, p.database, "UPDATE sync_meta SET writer_term = writer_term + 1")
	if res := a.sync(t); res.Pushed != 1 {
		t.Fatalf("beside the new primary: %+v", res)
	}
	if err := p.primary.Restart(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		a.save(t, "contact", r.ID, map[string]any{"salutation": fmt.Sprint("after ", i)})
		a.sync(t)
	}
	now := p.on(p.replica)
	if got := now.value(t, "SELECT CONCAT_WS('|', salutation, department, job_title) FROM contact"); got != "after 2|of the primary|kept" {
		t.Errorf("on the new primary: %s", got)
	}
	if got := p.on(p.primary).value(t, "SELECT COALESCE(salutation, job_title, 'nothing') FROM contact"); got != "nothing" {
		t.Errorf("the old primary was given %q", got)
	}
	converge(t, now, a)
}
