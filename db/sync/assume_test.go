package sync_test

import (
	"testing"

	"rapport/model"
)

// TestEditsOnOpenConnection: over a connection that just told how the server
// is, edits take two round trips, one to send them and one for what the server
// made of them. That the server was put back meanwhile is seen all the same,
// and so is a connection that has ended.
func TestEditsOnOpenConnection(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ada", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	f := a.followCentral(t)
	sent := func(s model.Following) bool { return online(s) && s.Result.Pushed == 1 }
	f.until("first push", sent)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "1"})
	if s := f.until("edit", sent); s.Result.RoundTrips != 2 {
		t.Errorf("an edit on an open connection = %+v, want two round trips", s.Result)
	}
	snapshot := dump(t, c)
	a.save(t, "contact", "", map[string]any{"last_name": "lost"})
	f.until("push before the restore", sent)
	snapshot.restore(t, c)
	a.save(t, "contact", r.ID, map[string]any{"department": "2"})
	f.until("push after the restore", func(s model.Following) bool { return online(s) && s.Result.Pushed == 2 })
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(department, '') ORDER BY last_name) FROM contact"); got != "lost,x2" {
		t.Errorf("on the restored server: %s", got)
	}
	for _, id := range c.column(t, "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") {
		c.exec(t, id)
	}
	a.save(t, "contact", r.ID, map[string]any{"department": "3"})
	f.until("push over a new connection", sent)
	converge(t, c, a)
}
