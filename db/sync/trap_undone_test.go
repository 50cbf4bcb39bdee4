package sync_test

import (
	"fmt"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// T27: a transaction within a procedure is undone by one of another Galera node.
// The session then answers each further call with the same error until it is
// told to roll back, which a trigger plays here: the request after the error
// begins with that, and everything goes on.
func TestT27UndoneElsewhere(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a := newHome(t, "ann", p.URL(c.asPerson(t, "ann")))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	c.exec(t, "CREATE TABLE undone (n INT)")
	c.exec(t, "INSERT INTO undone VALUES (1)")
	c.exec(t, "CREATE TRIGGER undone BEFORE UPDATE ON contact FOR EACH ROW BEGIN IF EXISTS (SELECT 1 FROM undone) THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'undone elsewhere'; END IF; END")
	told := false
	p.On("ROLLBACK", func() bool {
		told = true
		c.exec(t, "DELETE FROM undone")
		return true
	})
	a.save(t, "contact", r.ID, map[string]any{"job_title": "1"})
	if res := a.sync(t); res.Pushed != 1 || !told {
		t.Errorf("%+v; told to roll back: %v", res, told)
	}
	c.exec(t, "DROP TRIGGER undone")
	c.exec(t, "DROP TABLE undone")
	converge(t, c, a)
}

// undoing lets a server take back the transaction of the next push and go on as
// if nothing had happened, as a Galera node may that has lost to another one: in
// the middle of the batch, or where it commits. What it returns tells whether
// that has come.
type undoing func(t *testing.T, c *central, p *servertest.Proxy, middle bool) (done func() bool)

// undoPlain slips a ROLLBACK in among the statements.
func undoPlain(t *testing.T, _ *central, p *servertest.Proxy, middle bool) func() bool {
	place := "COMMIT;"
	if middle {
		place = "INSERT INTO `contact_method`"
	}
	return p.Change(place, "ROLLBACK;"+place)
}

// undoCalls slips one into the procedure, which does it once.
func undoCalls(t *testing.T, c *central, _ *servertest.Proxy, middle bool) func() bool {
	t.Helper()
	var body string
	var skip any
	if err := c.QueryRow("SHOW CREATE PROCEDURE sync_push").Scan(&skip, &skip, &body, &skip, &skip, &skip); err != nil {
		t.Fatal(err)
	}
	c.exec(t, "CREATE TABLE IF NOT EXISTS undone (n INT)")
	c.exec(t, "INSERT INTO undone VALUES (1)")
	place := "IF tell THEN ROLLBACK;"
	if middle {
		place = "SET turn = turn + 1;"
	}
	const undo = "IF EXISTS (SELECT 1 FROM undone) THEN ROLLBACK; DELETE FROM undone; COMMIT; END IF;"
	changed := strings.Replace(strings.Replace(body, undo, "", 1), place, undo+place, 1)
	c.exec(t, strings.Replace(changed, "CREATE DEFINER", "CREATE OR REPLACE DEFINER", 1))
	return func() bool { return c.value(t, "SELECT COUNT(*) FROM undone") == "0" }
}

// T27: a server takes back the transaction of a batch without a word, goes on
// with the rest of it and answers the COMMIT. What was taken back is no receipt:
// the batch runs again, and nothing of the first time stays.
func TestT27UndoneInSilence(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		undo := undoing(undoPlain)
		if url != c.url {
			undo = undoCalls
		}
		p := servertest.NewProxy(t, servertest.Shared(t))
		a := newHome(t, "ann", p.URL(url))
		old := a.save(t, "contact", "", map[string]any{"last_name": "old"})
		a.sync(t)
		for i, middle := range []bool{false, true} {
			mark := fmt.Sprint("new ", i)
			a.save(t, "contact", "", map[string]any{"last_name": mark, "phone": []*model.Record{phone(t, "+41446681800")}})
			a.save(t, "contact", old.ID, map[string]any{"job_title": mark})
			done := undo(t, c, p, middle)
			if res := a.sync(t); res.Pushed != 2 || res.Refused != 0 || res.Conflicts != 0 || len(a.pending(t)) != 0 {
				t.Errorf("undone in the middle %v: %+v", middle, res)
			}
			if !done() {
				t.Errorf("nothing was undone in the middle %v", middle)
			}
			if got := c.value(t, "SELECT REPLACE(result, '1', '') FROM sync_push ORDER BY batch DESC LIMIT 1"); got != "" {
				t.Errorf("undone in the middle %v: found from the first time: %s", middle, got)
			}
			for query, want := range map[string]string{
				"SELECT COUNT(*) FROM contact c JOIN contact_method p ON p.contact_id = c.id WHERE c.last_name = ?": "1",
				"SELECT COUNT(*) FROM contact WHERE job_title = ?":                                                  "1",
				"SELECT COUNT(*) FROM sync_audit WHERE action = 'update' AND changes LIKE CONCAT('%', ?, '%')":      "1",
			} {
				if got := c.value(t, query, mark); got != want {
					t.Errorf("undone in the middle %v: %s: %s, want %s", middle, query, got, want)
				}
			}
		}
		converge(t, c, a)
	})
}
