package sync_test

import (
	"testing"

	"rapport/db/mysql/servertest"
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
