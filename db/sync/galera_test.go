package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// cluster is a central on two Galera nodes that both take changes.
type cluster struct {
	*servertest.Cluster
	on     [2]*central
	person string // login and password of somebody who goes by procedures
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{Cluster: servertest.Galera(t)}
	const name = "crm"
	if _, err := mysql.Init(t.Context(), c.Nodes[0].URL(name)); err != nil {
		t.Fatal(err)
	}
	for i, s := range c.Nodes {
		c.CatchUp(t, i)
		c.on[i] = &central{DB: s.DB(name), url: s.URL(name), name: name}
		t.Cleanup(func() { c.on[i].Close() })
	}
	c.person, _, _ = strings.Cut(strings.TrimPrefix(c.on[0].asPerson(t, "ann"), "mysql://"), "@")
	return c
}

// url is the address of a node, or of both in an order.
func (c *cluster) url(login string, nodes ...int) string {
	var out []string
	for _, i := range nodes {
		out = append(out, strings.Replace(c.on[i].url, "root@", login+"@", 1))
	}
	return strings.Join(out, ",")
}

// check holds that every home is as the cluster is, and each node as the other:
// on both the feed and the runs of the sequencer have no hole, each note has one
// position, and none is left without.
func (c *cluster) check(t *testing.T, homes ...*home) {
	t.Helper()
	for i, h := range homes {
		h.url = c.url("root", i%2)
	}
	converge(t, c.on[0], homes...)
	for i := range c.on {
		c.CatchUp(t, i)
		for query, want := range map[string]string{
			"SELECT COUNT(*) FROM sync_outbox":                                                                          "0",
			"SELECT MAX(seq) - MIN(seq) + 1 - COUNT(*) FROM sync_feed":                                                  "0",
			"SELECT COUNT(*) - COUNT(DISTINCT oid) FROM sync_feed WHERE op = 1":                                         "0",
			"SELECT seq - (SELECT MAX(seq) FROM sync_feed) FROM sync_counter":                                           "0",
			"SELECT MAX(run_id) - MIN(run_id) + 1 - COUNT(*) FROM sync_run":                                             "0",
			"SELECT run_id - (SELECT MAX(run_id) FROM sync_run) FROM sync_counter":                                      "0",
			"SELECT COUNT(*) FROM sync_run a JOIN sync_run b ON b.run_id = a.run_id + 1 WHERE b.last_seq <= a.last_seq": "0",
			"SELECT COUNT(*) FROM contact WHERE id NOT IN (SELECT pk FROM sync_feed WHERE tbl = 'contact')":             "0",
		} {
			if got := c.on[i].value(t, query); got != want {
				t.Errorf("node %d: %s: %s, want %s", i+1, query, got, want)
			}
		}
	}
	for _, e := range model.Entities() {
		a, b := serverRows(t, c.on[0].url, e), serverRows(t, c.on[1].url, e)
		for id, row := range a {
			if fmt.Sprintf("%q", row) != fmt.Sprintf("%q", b[id]) {
				t.Errorf("%s %s is %q on one node and %q on the other", e.Noun, id, row, b[id])
			}
		}
		if len(a) != len(b) {
			t.Errorf("%d rows of %s on one node and %d on the other", len(a), e.Noun, len(b))
		}
	}
}

// undone is how many transactions of the cluster lost to one on the other node.
func (c *cluster) undone(t *testing.T) (n int) {
	t.Helper()
	for _, s := range c.Nodes {
		db := s.DB("")
		defer db.Close()
		var here int
		if err := db.QueryRow("SELECT SUM(variable_value) FROM information_schema.global_status WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')").Scan(&here); err != nil {
			t.Fatal(err)
		}
		n += here
	}
	return n
}

// TestGalera is a life of a central on a cluster of two nodes.
func TestGalera(t *testing.T) {
	c := newCluster(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"what is in force", galeraStatus},
		{"two runs of the sequencer", galeraSequencers},
		{"a node that is behind", galeraBehind},
		{"everybody at once", galeraAtOnce},
		{"nodes fail and come back", galeraFails},
		{"an administrator's work is undone", galeraUndone},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(t, c) })
	}
}

// galeraStatus: an administrator and a person read that it is a node.
func galeraStatus(t *testing.T, c *cluster) {
	for _, url := range []string{c.url("root", 0), c.url(c.person, 1)} {
		st, err := mysql.Status(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		told := ""
		for _, check := range st.Checks {
			if check.Name == "central cluster" {
				told = check.State + " " + check.Detail
			}
		}
		if !strings.HasPrefix(told, "ok a node of a Galera cluster of 2: clients may use any node") {
			t.Errorf("the status of %s says %q", url, told)
		}
	}
}

// galeraSequencers: of two runs at once on two nodes one is undone with all
// that it numbered. Nothing is numbered twice, and nothing is left out.
func galeraSequencers(t *testing.T, c *cluster) {
	const sequence = "UPDATE sync_counter SET tick = tick + 1"
	c.on[0].exec(t, "INSERT INTO contact (last_name) VALUES ('seen by both')")
	c.CatchUp(t, 1)
	late, err := c.on[1].BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Rollback()
	if _, err := late.Exec(sequence); err != nil {
		t.Fatal(err)
	}
	c.on[0].exec(t, sequence)
	var lost *driver.MySQLError
	if err := late.Commit(); !errors.As(err, &lost) || lost.Number != 1213 {
		t.Errorf("the run that came second ended with %v", err)
	}

	// As clients run it: whoever loses runs it again.
	var group gosync.WaitGroup
	for i := range c.on {
		group.Go(func() {
			client, err := mysql.Dial(t.Context(), c.url([]string{c.person, "root"}[i], i), mysql.DialOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			for k := range times(20, 500) {
				_, insertErr := c.on[i].ExecContext(t.Context(), "INSERT INTO contact (last_name) VALUES (?)", fmt.Sprintf("numbered %d-%d", i, k))
				_, err := client.Sequence(t.Context(), model.Position{})
				if err != nil || insertErr != nil {
					t.Errorf("run %d on node %d: %v, %v", k, i+1, err, insertErr)
				}
			}
		})
	}
	group.Wait()
	c.CatchUp(t, 0)
	c.on[0].exec(t, sequence)
	c.check(t, newHome(t, "seq", c.on[0].url))
}

// galeraBehind: a client that saw a change on one node comes to the other,
// which has yet to apply it. It waits there, and takes the node neither for a
// server that was restored nor for one that others have changed.
func galeraBehind(t *testing.T, c *cluster) {
	for _, login := range []string{c.person, "root"} {
		a := newHome(t, "ann", c.url(login, 0))
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "before"})
		a.sync(t)
		c.CatchUp(t, 1)
		release := c.hold(t, 1)
		c.on[0].exec(t, "UPDATE contact SET job_title = 'after' WHERE id = ?", r.ID.Bytes())
		c.on[0].exec(t, "UPDATE sync_counter SET tick = tick + 1")
		if res := a.sync(t); res.Pulled != 1 {
			t.Fatalf("beside the first node: %+v", res)
		}
		at, err := a.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		late, err := mysql.Dial(t.Context(), c.url(login, 1), mysql.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		answer := make(chan error, 1)
		go func() {
			head, err := late.Poll(t.Context(), model.Device{}, at)
			if err == nil && (!head.SameRun || head.Seq < at.Seq) {
				err = fmt.Errorf("the node is at %d and the laptop at %d", head.Seq, at.Seq)
			}
			answer <- err
		}()
		c.waits(t, 1, answer)
		release()
		if err := <-answer; err != nil {
			t.Errorf("beside the node that was behind: %v", err)
		}
		a.url = c.url(login, 1)
		if res := a.sync(t); res.Pushed != 0 || res.Pulled != 0 {
			t.Errorf("beside the node that was behind: %+v", res)
		}
		c.check(t, a)
	}
}

// hold keeps a node from applying what the other commits until release is
// called.
func (c *cluster) hold(t *testing.T, node int) (release func()) {
	t.Helper()
	conn, err := c.on[node].Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(query string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	run("FLUSH TABLES WITH READ LOCK")
	return func() {
		t.Helper()
		run("UNLOCK TABLES")
		conn.Close()
	}
}

// waits returns when one and the same request of a client goes on for a while
// on a node. An answer meanwhile fails the test.
func (c *cluster) waits(t *testing.T, node int, answer <-chan error) {
	t.Helper()
	last := ""
	for seen := 0; seen < 20; seen++ {
		select {
		case err := <-answer:
			t.Fatalf("the client did not wait: %v", err)
		default:
		}
		query := c.on[node].value(t, "SELECT MAX(query_id) FROM information_schema.processlist WHERE command = 'Query' AND db = DATABASE() AND id <> CONNECTION_ID()")
		if query == "NULL" || query != last {
			last, seen = query, 0
		}
	}
}

// galeraAtOnce: clients sync with either node and change it at will, all of
// them edit one record, some make records that clash, and another program
// writes to each node.
func galeraAtOnce(t *testing.T, c *cluster) {
	c.on[0].exec(t, "CREATE UNIQUE INDEX one_external_id ON contact (external_id)")
	before := c.undone(t)
	logins := []string{c.person, "root", c.person, "root"}
	var homes []*home
	for i := range logins {
		homes = append(homes, newHome(t, fmt.Sprint("p", i), c.on[0].url))
		homes[i].sync(t)
	}
	shared := homes[0].save(t, "contact", "", map[string]any{"last_name": "shared"}).ID
	homes[0].sync(t)
	for _, h := range homes {
		h.sync(t)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients, programs gosync.WaitGroup
	rounds := times(4, 200)
	for i, h := range homes {
		clients.Go(func() {
			for k := range rounds {
				h.save(t, "contact", "", map[string]any{"last_name": fmt.Sprintf("made %d-%d", i, k), "external_id": fmt.Sprint(k)})
				h.save(t, "contact", shared, map[string]any{"job_title": fmt.Sprintf("%d-%d", i, k)})
				h.url = c.url(logins[i], (i+k)%2)
				if _, err := h.try(t); err != nil { // it lost too often and tries later
					tells(t, err, model.Unreachable)
				}
			}
		})
	}
	written := make([]int, len(c.on))
	for i := range c.on {
		programs.Go(func() {
			for k := 0; ctx.Err() == nil && k < 40*rounds; k++ {
				if _, err := c.on[i].Exec("INSERT INTO contact (last_name) VALUES (?)", fmt.Sprintf("of program %d", i)); err == nil {
					written[i]++
				}
				// One that loses to another is undone.
				_, _ = c.on[i].Exec("UPDATE contact SET department = ? WHERE id = ?", fmt.Sprintf("%d-%d", i, k), shared.Bytes())
			}
		})
	}
	clients.Wait()
	stop()
	programs.Wait()
	for _, h := range homes {
		h.sync(t) // what lost too often
	}

	// Of those with the same id one is in, the others wait for a person.
	clashes := 0
	for i, h := range homes {
		for _, p := range h.pending(t) {
			if p.Code == "duplicate" {
				clashes++
				h.save(t, p.Noun, p.ID, map[string]any{"external_id": fmt.Sprintf("other %d %s", i, p.ID)})
			}
		}
	}
	if want := (len(homes) - 1) * rounds; clashes != want {
		t.Errorf("%d clashes of a value that must not occur twice, want %d", clashes, want)
	}
	settleAll(t, homes)
	c.check(t, homes...)
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM contact WHERE last_name LIKE 'made %'":                  len(homes) * rounds,
		"SELECT COUNT(DISTINCT last_name) FROM contact WHERE last_name LIKE 'made %'": len(homes) * rounds,
		"SELECT COUNT(*) FROM contact WHERE last_name = 'of program 0'":               written[0],
		"SELECT COUNT(*) FROM contact WHERE last_name = 'of program 1'":               written[1],
	} {
		if got := c.on[1].value(t, query); got != fmt.Sprint(want) {
			t.Errorf("%s: %s, want %d", query, got, want)
		}
	}
	// An edit of the record that all edit came to the server once, or gave way
	// to another and stands in the history.
	for i, h := range homes {
		for k := range rounds {
			value := fmt.Sprintf("%d-%d", i, k)
			sent := c.on[0].value(t, "SELECT COUNT(*) FROM sync_audit WHERE pk = ? AND changes LIKE ?", shared.Bytes(), `%"job_title":[%, "`+value+`"]%`)
			if sent != "1" && (sent != "0" || !h.remembers(t, shared, value)) {
				t.Errorf("the edit %s came to the server %s times", value, sent)
			}
		}
	}
	if c.undone(t) == before {
		t.Error("no transaction met one on the other node")
	}
}

// remembers tells whether the history of a contact has a value.
func (h *home) remembers(t *testing.T, id model.ID, value string) bool {
	t.Helper()
	revisions, err := h.History(t.Context(), "contact", id)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(revisions, func(r model.Revision) bool {
		return slices.ContainsFunc(r.Changes, func(c model.FieldChange) bool { return fmt.Sprint(c.New) == value })
	})
}

// galeraFails: a node dies while a client syncs with it, and the client goes on
// with the other one of its list. Then the other one dies, and the node that is
// left takes no requests: clients are told so and keep their edits until it
// goes on. Each node comes back and takes what it missed.
func galeraFails(t *testing.T, c *cluster) {
	a, b := newHome(t, "ann", c.url(c.person, 1, 0)), newHome(t, "bob", c.url("root", 0, 1))
	homes := []*home{a, b}
	for _, h := range homes {
		h.sync(t)
	}
	saved := map[model.ID]string{}
	save := func(h *home, name string) {
		t.Helper()
		saved[h.save(t, "contact", "", map[string]any{"last_name": name}).ID] = name
	}
	// Each sync may meet the moment at which the node is gone.
	killed := make(chan struct{})
	for k := 0; ; k++ {
		save(a, fmt.Sprint("of ann ", k))
		if k == 2 {
			go func() { c.Nodes[1].Kill9(); close(killed) }()
		}
		_, err := a.try(t)
		if err != nil {
			tells(t, err, model.Unreachable)
		}
		if k > 2 && err == nil {
			break
		}
		if k > 50 {
			t.Fatalf("a client that knows both nodes cannot go on with the other: %v", err)
		}
	}
	<-killed
	c.Await(t, 0, 1)
	save(a, "beside one node")
	save(b, "beside one node too")
	c.on[0].exec(t, "INSERT INTO contact (last_name) VALUES ('of a program beside one node')")
	for _, h := range homes {
		h.sync(t)
	}
	c.Rejoin(t, 1)
	a.url = c.url(c.person, 1)
	save(a, "beside the node that came back")
	a.sync(t)

	// Without the first node, which has two votes, the second is not ready.
	a.url = c.url(c.person, 0, 1)
	c.Nodes[0].Kill9()
	save(a, "beside no node")
	for cut := false; !cut; {
		_, err := a.try(t)
		tells(t, err, model.Unreachable)
		cut = err != nil && strings.Contains(err.Error(), "node of a cluster that takes no requests now")
	}
	a.url = c.url(c.person, 1)
	_, err := a.try(t)
	tells(t, err, model.Unreachable)
	if _, err := mysql.Status(t.Context(), c.url("root", 1)); err == nil || !strings.Contains(err.Error(), "node of a cluster that takes no requests now") {
		t.Errorf("the status of a node that is cut off: %v", err)
	}
	if n := len(a.pending(t)); n != 1 {
		t.Errorf("%d records pending, want 1", n)
	}
	c.GoOn(t, 1)
	a.sync(t)
	c.Rejoin(t, 0)
	save(b, "beside both")
	c.check(t, homes...)
	for id, name := range saved {
		for i := range c.on {
			if got := c.on[i].value(t, "SELECT GROUP_CONCAT(last_name) FROM contact WHERE id = ?", id.Bytes()); got != name {
				t.Errorf("%q is %q on node %d", name, got, i+1)
			}
		}
	}
}

// galeraUndone: a transaction of an administrator's command loses to one on the
// other node within its last request, between the statements, where a node goes
// on and answers the COMMIT as if all were well. The command does it again, as
// things are by then. It comes last, because a sweep leaves holes in the feed.
func galeraUndone(t *testing.T, c *cluster) {
	p := servertest.NewProxy(t, c.Nodes[1])
	url := p.URL(c.url("root", 1))
	// loses runs a command on the second node and a change on the first while
	// the command is about to commit.
	loses := func(change string, command func() error) {
		t.Helper()
		c.CatchUp(t, 1)
		before := c.undone(t)
		done := p.Change("COMMIT;", "DO SLEEP(600);COMMIT;")
		answer := make(chan error, 1)
		go func() { answer <- command() }()
		for sleeps := "0"; sleeps == "0"; {
			sleeps = c.on[1].value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'")
			select {
			case err := <-answer:
				t.Fatalf("the command did not come to its COMMIT: %v", err)
			default:
			}
		}
		c.on[0].exec(t, change)
		if err := <-answer; err != nil || !done() || c.undone(t) == before {
			t.Errorf("%s: %v, undone: %v", change, err, c.undone(t) > before)
		}
		c.CatchUp(t, 0)
	}
	refresh := func(url string) error {
		_, err := mysql.RefreshReports(t.Context(), url, model.ReportsRequest{}, nil)
		return err
	}
	if err := refresh(c.url("root", 0)); err != nil {
		t.Fatal(err)
	}
	c.on[0].exec(t, "INSERT INTO contact (last_name) VALUES ('to be copied')")
	loses("UPDATE report_state SET checked_at = UTC_TIMESTAMP(3)", func() error { return refresh(url) })
	// The sweep goes by their ids.
	c.on[0].exec(t, "INSERT INTO contact (id, last_name, deleted_at) VALUES (X'00000000000000000000000000000001', 'restored meanwhile', UTC_TIMESTAMP(3) - INTERVAL 200 DAY), (X'00000000000000000000000000000002', 'old', UTC_TIMESTAMP(3) - INTERVAL 200 DAY)")
	c.on[0].exec(t, "INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'email', 'old@example.com' FROM contact WHERE deleted_at IS NOT NULL")
	var told []string
	loses("UPDATE contact SET deleted_at = NULL WHERE last_name = 'restored meanwhile'", func() (err error) {
		told, err = mysql.Sweep(t.Context(), url, model.KeepDeleted)
		return err
	})
	if !slices.Contains(told, "1 rows that were deleted more than 180 days ago are gone") {
		t.Errorf("the sweep told %q", told)
	}
	for i := range c.on {
		for query, want := range map[string]string{
			"SELECT COUNT(*) FROM report_contact WHERE last_name = 'to be copied'":                                                                                     "1",
			"SELECT GROUP_CONCAT(c.last_name, m.value) FROM contact_method m JOIN contact c ON c.id = m.contact_id WHERE c.last_name IN ('restored meanwhile', 'old')": "restored meanwhileold@example.com",
			"SELECT COUNT(*) FROM contact WHERE last_name = 'old'":                                                                                                     "0",
		} {
			if got := c.on[i].value(t, query); got != want {
				t.Errorf("node %d: %s: %s, want %s", i+1, query, got, want)
			}
		}
	}
	converge(t, c.on[1], newHome(t, "ann", c.on[1].url))

	// What an administrator does alone on one node nobody does on the other,
	// where the connection is not seen.
	lease, err := mysql.TakeLease(t.Context(), c.url("root", 0), "prune")
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	c.CatchUp(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := mysql.TakeLease(ctx, c.url("root", 1), "prune"); err == nil {
		t.Error("two have a lease that is for one")
	}
}
