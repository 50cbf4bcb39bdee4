package mysql

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// restoreUntilKilled puts what one central has in the place of what another one
// has, and ends the process.
func restoreUntilKilled(url, from string) {
	ctx := context.Background()
	d, err := OpenDump(ctx, from, 1, nil)
	if err == nil {
		i := d.Info()
		_, err = Restore(ctx, url, dumpSource{d}, Restoring{Backup: "a backup", Epoch: i.Epoch, At: i.At, Position: i.Position}, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// undoUntilKilled undoes the last restore of a central, and ends the process.
func undoUntilKilled(url string) {
	if _, err := UndoRestore(context.Background(), url, false, nil, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// killedRestore runs a restore in a process of its own and kills it; see killed.
func (c *company) killedRestore(from *company, marker string, n int) bool {
	c.Helper()
	return c.killed(marker, n, "RAPPORT_TEST_RESTORE", "RAPPORT_TEST_SOURCE="+from.url)
}

// killed lets a process of its own do something with the central, of which
// variable tells the URL, and kills it when it sends the n-th of the commands that
// hold a marker, or when it ends. The server gets that command, and it is carried
// out when this returns.
func (c *company) killed(marker string, n int, variable string, env ...string) bool {
	c.Helper()
	var killed atomic.Bool
	before := c.one("SELECT COALESCE(MAX(id),0) FROM information_schema.processlist")
	p := servertest.NewProxy(c, c.server)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), variable+"="+p.URL(c.url)), env...)
	var said strings.Builder
	cmd.Stderr = &said
	started := make(chan struct{})
	var hook func() bool
	hook = func() bool {
		if n--; n > 0 {
			p.On(marker, hook) // it was taken away for this call
			return true
		}
		killed.Store(true)
		<-started
		if err := cmd.Process.Kill(); err != nil {
			c.Error(err)
		}
		return false
	}
	p.On(marker, hook)
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	close(started)
	if err := cmd.Wait(); err != nil && !killed.Load() {
		c.Fatalf("it ended by itself: %v: %s", err, said.String())
	}
	c.waitFor("SELECT COUNT(*) FROM information_schema.processlist WHERE db=DATABASE() AND id>"+before+" AND id<>CONNECTION_ID()", "0")
	return killed.Load()
}

// TestRestoreSurvivesKill kills a restore at each of its steps. The central is
// what it was or what it is to be, and the next run goes on or begins anew.
func TestRestoreSurvivesKill(t *testing.T) {
	c := newCompany(t)
	l := newLife(c, 5)
	l.fill(3)
	s := c.take()
	from := &company{T: t, server: c.server, url: c.server.Database(t)}
	from.database = servertest.Name(from.url)
	from.restore(s)
	for range 10 {
		l.step()
	}
	changed := c.take()
	killed := func(marker string, n int) {
		t.Helper()
		if !c.killedRestore(from, marker, n) {
			t.Fatalf("no step %d of %s", n, marker)
		}
		was := changed
		if c.one("SELECT COUNT(*) FROM sync_restore r JOIN sync_meta m ON m.epoch=r.epoch WHERE r.state='begun'") == "1" {
			was = s
		}
		for _, noun := range []string{"contact", "deal", "activity"} {
			if got, want := c.one("SELECT COUNT(*) FROM "+noun), fmt.Sprint(len(was.rows[noun])); got != want {
				t.Errorf("after %s: %s rows of %s, and not %s", marker, got, noun, want)
			}
		}
	}

	killed("CREATE TABLE", 9)
	if out, err := UndoRestore(t.Context(), c.url, false, nil, nil); err != nil || len(out.Done) == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	c.holds(changed)

	killed("RENAME TABLE", 1)
	c.restore(s)
	c.holds(s)

	c.sql("UPDATE contact SET last_name='later'")
	changed = c.take()
	killed("LOCK TABLES", 4)
	if done, err := Migrate(t.Context(), c.url); err != nil || !strings.Contains(strings.Join(done, "\n"), "finished a restore") {
		t.Errorf("a migration did %q, %v", done, err)
	}
	c.holds(s)
}

// TestRestoreIntoEmpty makes a whole central where there is nothing.
func TestRestoreIntoEmpty(t *testing.T) {
	c := newCompany(t)
	l := newLife(c, 4)
	l.fill(3)
	c.sql("INSERT INTO sync_client (client,person,schema_version,position,first_seen,last_seen,wipe_at) VALUES (REPEAT('x',16),'ann',1,1,NOW(),NOW(),NOW())",
		"INSERT INTO sync_person (login,user_id,role,reach,scope) SELECT 'ann',id,'sales','own',id FROM user LIMIT 1", "UPDATE sync_meta SET writer_term=4")
	s := c.take()
	s.asked.Term = 4
	to := &company{T: t, server: c.server, url: c.server.URL("made_by_restore"), database: "made_by_restore"}
	t.Cleanup(func() { c.sql("DROP DATABASE IF EXISTS made_by_restore") })
	out := to.restore(s)
	if len(out.Kept) > 0 {
		t.Errorf("kept %v", out.Kept)
	}
	to.holds(s)
	for _, q := range []string{"SELECT GROUP_CONCAT(login,HEX(scope),reach) FROM sync_person", "SELECT GROUP_CONCAT(person,wipe_at) FROM sync_client", "SELECT COUNT(*) FROM sync_audit", "SELECT GROUP_CONCAT(login,HEX(scope) ORDER BY login,scope) FROM sync_scope_grant"} {
		if got, want := to.one(q), c.one(q); got != want {
			t.Errorf("%s: %s, and not %s", q, got, want)
		}
	}
	if got := to.one("SELECT CONCAT_WS(' ',parent_epoch,writer_term) FROM sync_meta"); got != s.asked.Epoch+" 5" {
		t.Errorf("it comes from %s", got)
	}
	if _, err := UndoRestore(t.Context(), to.url, false, nil, nil); model.KindOf(err) != model.NotFound {
		t.Errorf("there is something to undo: %v", err)
	}
}
