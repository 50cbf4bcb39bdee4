package sync_test

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// killed runs a child that dies at a point and tells whether it did.
func killed(t *testing.T, h *home, point int, env ...string) bool {
	t.Helper()
	out, err := child(h, append(env, fmt.Sprint("RAPPORT_TEST_POINT=", point))...).CombinedOutput()
	if err == nil {
		return false
	}
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != -1 {
		t.Fatalf("the child did not die at point %d: %v %s", point, err, out)
	}
	return true
}

// T25: the client dies at each point of a sync that pushes, meets a clash,
// merges, and pulls.
func TestT25KilledAtEachPoint(t *testing.T) { bothWays(t, killedAtEachPoint) }

func killedAtEachPoint(t *testing.T, c *central, url string) {
	a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	kills, rounds := 0, 0
	first, step := 1, times(2, 1)
	if testing.Short() {
		step = 6
	}
	if url != c.url {
		first = times(2, 1) // the two ways take turns in the short form
	}
	for range times(1, 12) {
		for point := first; ; point += step {
			rounds++
			value := fmt.Sprint("round ", rounds)
			c.exec(t, "UPDATE contact SET job_title = ? WHERE id = ?", "theirs of "+value, r.ID.Bytes())
			c.exec(t, "INSERT INTO contact (last_name) VALUES (?)", "foreign "+value)
			a.save(t, "contact", r.ID, map[string]any{"job_title": value})
			a.save(t, "contact", "", map[string]any{"last_name": "new " + value})
			died := killed(t, a, point)
			a.sync(t)
			whole(t, c, a, r.ID, value, rounds)
			if t.Failed() {
				t.Fatalf("killed at point %d", point)
			}
			if !died {
				break
			}
			kills++
		}
	}
	t.Logf("killed %d times", kills)
	if kills < 16/step {
		t.Errorf("killed at %d points only", kills)
	}
	converge(t, c, a, b)
	if problems, err := a.IntegrityCheck(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// T25: the client dies during its first load, ever further on.
func TestT25KilledDuringLoad(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_4500")
	a := newHome(t, "ann", c.url)
	own := a.save(t, "contact", "", map[string]any{"last_name": "own"})
	kills := 0
	for point := 1; killed(t, a, point); point += times(4, 1) {
		kills++
	}
	t.Logf("killed %d times", kills)
	if kills < 5 {
		t.Errorf("killed at %d points only", kills)
	}
	converge(t, c, a)
	if got := a.get(t, "contact", own.ID); got.Sync != model.Clean {
		t.Errorf("the record made before the first sync is %s", got.Sync)
	}
	if problems, err := a.IntegrityCheck(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// unseen changes rows behind the feed's back, as a program does that switches
// the triggers off.
func unseen(t *testing.T, c *central, changes ...string) {
	t.Helper()
	tx, err := c.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, q := range append(changes, "DELETE FROM sync_outbox") {
		if _, err := tx.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// T25: the client dies while it compares every row and repairs what differs.
func TestT25KilledDuringCompare(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.asPerson(t, "ann"))
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_300")
	a.sync(t)
	r := only(t, a, "c7")
	kills := 0
	for point := 1; ; point += times(4, 1) {
		value := fmt.Sprint("point ", point)
		unseen(t, c, "UPDATE contact SET job_title = '"+value+"' WHERE last_name LIKE 'c7%'", "DELETE FROM contact WHERE last_name LIKE 'c1%' LIMIT 1",
			"INSERT INTO contact (last_name) VALUES ('"+value+"')")
		a.save(t, "contact", r.ID, map[string]any{"department": value})
		died := killed(t, a, point, "RAPPORT_TEST_FULL=1")
		if _, err := a.engine().Sync(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
		compared(t, c, a, r.ID, value)
		if !died || t.Failed() {
			break
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	if kills < 3 {
		t.Errorf("killed at %d points only", kills)
	}
	converge(t, c, a)
}

// compared holds that a full sync found what the feed did not tell, and that
// the edit made here is on both sides.
func compared(t *testing.T, c *central, h *home, id model.ID, value string) {
	t.Helper()
	got := h.get(t, "contact", id)
	if got.Text("job_title") != value || got.Text("department") != value || got.Sync != model.Clean {
		t.Errorf("%s: here %q, %s", value, got.Values, got.Sync)
	}
	if there := c.value(t, "SELECT CONCAT(job_title, '|', department) FROM contact WHERE id = ?", id.Bytes()); there != value+"|"+value {
		t.Errorf("%s: there %s", value, there)
	}
	n, err := h.Count(t.Context(), model.Query{Noun: "contact"})
	if err != nil || c.value(t, "SELECT COUNT(*) FROM contact") != fmt.Sprint(n) {
		t.Errorf("%s: %d contacts here (%v)", value, n, err)
	}
}

// T26: the server is killed while it works on a batch, and comes back.
func TestT26KilledServer(t *testing.T) {
	srv := servertest.Start(t, servertest.Flag("--innodb-flush-log-at-trx-commit=1"))
	url := srv.Database(t)
	if _, err := mysql.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c := &central{DB: srv.DB(servertest.Name(url)), url: url, name: servertest.Name(url)}
	p := servertest.NewProxy(t, srv)
	person := c.asPerson(t, "ann")
	a, b := newHome(t, "ann", p.URL(person)), newHome(t, "bob", url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	c.exec(t, "CREATE TRIGGER slow BEFORE INSERT ON contact FOR EACH ROW DO SLEEP(0.005)")
	rng := rand.New(rand.NewPCG(26, 1))
	for i := range times(3, 100) {
		value := fmt.Sprint("round ", i)
		a.save(t, "contact", r.ID, map[string]any{"job_title": value})
		for j := range 8 {
			a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("new ", i, " ", j)})
		}
		dead := make(chan bool)
		p.On([]string{pushRequest, pullRequest(person)}[i%3/2], func() bool {
			time.AfterFunc(time.Duration(rng.IntN(50))*time.Millisecond, func() { srv.Kill9(); close(dead) })
			return true
		})
		_, err := a.try(t)
		<-dead
		if err != nil {
			tells(t, err, model.Unreachable)
		}
		if _, err := a.try(t); err == nil {
			t.Error("a sync with a dead server went well")
		} else {
			tells(t, err, model.Unreachable)
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		whole(t, c, a, r.ID, value, 8*(i+1))
	}
	c.exec(t, "DROP TRIGGER slow")
	converge(t, c, a, b)
}

// tellProcess sends a signal by the program, as Windows has no such signals.
func tellProcess(t *testing.T, cmd *exec.Cmd, name string) {
	t.Helper()
	if out, err := exec.Command("kill", "-"+name, fmt.Sprint(cmd.Process.Pid)).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// T24: a laptop falls asleep inside a push or a pull. Nobody waits for it.
func TestT24HalfOpen(t *testing.T) {
	for _, what := range []string{"push", "pull"} {
		t.Run(what, func(t *testing.T) {
			bothWays(t, func(t *testing.T, c *central, url string) {
				p := servertest.NewProxy(t, servertest.Shared(t))
				a, b := newHome(t, "ann", p.URL(url)), newHome(t, "bob", c.url)
				r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
				a.sync(t)
				b.sync(t)
				a.save(t, "contact", r.ID, map[string]any{"job_title": "asleep"})
				c.exec(t, "UPDATE contact SET notes = 'to pull'")
				cmd := child(a)
				asleep := make(chan bool)
				marker := pushRequest
				if what == "pull" {
					marker = pullRequest(url)
				}
				p.On(marker, func() bool {
					tellProcess(t, cmd, "STOP")
					close(asleep)
					return true
				})
				var errs strings.Builder
				cmd.Stderr = &errs
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
				select {
				case <-asleep:
				case <-time.After(time.Minute):
					t.Fatalf("the child did not come to its %s: %s", what, errs.String())
				}
				session(t, c, "innodb_lock_wait_timeout = 3")("UPDATE contact SET department = 'awake'")
				b.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
				b.sync(t)
				tellProcess(t, cmd, "CONT")
				if err := cmd.Wait(); err != nil {
					t.Fatalf("the sync that slept: %v %s", err, errs.String())
				}
				converge(t, c, a, b)
				if got := c.value(t, "SELECT CONCAT_WS(' ', salutation, last_name, job_title, department) FROM contact"); got != "Dr x asleep awake" {
					t.Errorf("on the server: %s", got)
				}
			})
		})
	}
}

// T33: two processes sync one workspace at once. One of them does it, the
// other says so, and nothing is sent twice.
func TestT33TwoSyncs(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	a.sync(t)
	for i := range times(1, 50) {
		r := a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("c", i)})
		cmd := child(a)
		p.On(pushRequest, func() bool {
			_, err := a.try(t)
			tells(t, err, model.Locked)
			// Work goes on meanwhile.
			a.save(t, "contact", r.ID, map[string]any{"job_title": "meanwhile"})
			return true
		})
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		// Any number at the same time, in the order that chance gives.
		var all []*exec.Cmd
		for range 3 {
			cmd := child(a)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, cmd)
		}
		won := 0
		for _, cmd := range all {
			if cmd.Wait() == nil {
				won++
			}
		}
		if won == 0 {
			t.Error("none of three syncs went through")
		}
		if got := c.value(t, "SELECT CONCAT(row_version, job_title) FROM contact WHERE id = ?", r.ID.Bytes()); got != "2meanwhile" {
			t.Errorf("round %d, on the server: %s", i, got)
		}
	}
	converge(t, c, a, b)
}

// T24: where statements travel alone, a laptop can fall asleep between two of
// them and hold a row. The server frees it after fifteen seconds.
func TestT24AsleepBetweenStatements(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	p.OneAtATime.Store(true)
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "asleep"})
	held := func() bool { return c.value(t, "SELECT COUNT(*) FROM information_schema.innodb_trx") != "0" }
	p.On("UPDATE sync_push", func() bool {
		if !held() {
			t.Error("the laptop holds nothing: the trap was not sprung")
		}
		for range times(0, 1) {
			session(t, c, "innodb_lock_wait_timeout = 30")("UPDATE contact SET department = 'awake'")
		}
		return false
	})
	_, err := a.try(t)
	tells(t, err, model.Unreachable)
	until(t, "the row is free when the laptop is gone", func() bool { time.Sleep(100 * time.Millisecond); return !held() })
	converge(t, c, a, b)
}
