package sync_test

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestListOfServers: of the servers in an address the one is used that takes
// changes; where none does one can still read; and a former primary that comes
// back never takes the place of the new one.
func TestListOfServers(t *testing.T) {
	p := newPair(t)
	url := func(me string, servers ...string) string {
		for i, s := range servers {
			server := map[string]string{"primary": p.primary.URLFor(me, "", p.database), "replica": p.replica.URLFor(me, "", p.database)}[s]
			servers[i] = server
		}
		return strings.Join(servers, ",")
	}
	a, b := newHome(t, "ann", url("ann", "replica", "primary")), newHome(t, "bob", url("bob", "primary", "replica"))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	if res := a.sync(t); res.Pushed != 1 {
		t.Errorf("with the replica first: %+v", res)
	}
	b.sync(t)
	b.save(t, "contact", r.ID, map[string]any{"department": "of bob"})
	b.sync(t)
	p.primary.CatchUp(t, p.replica)

	// The primary is gone: what the replica has arrives, edits wait.
	p.primary.Kill9()
	b.save(t, "contact", r.ID, map[string]any{"job_title": "waits"})
	if _, err := b.try(t); model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), "standby") || len(b.pending(t)) != 1 {
		t.Errorf("an edit with the replica alone: %v", err)
	}
	if res := a.sync(t); res.Pulled != 1 {
		t.Errorf("reading from the replica: %+v", res)
	}

	// The replica takes over, and the former primary comes back.
	p.replica.Promote(t)
	now := p.on(p.replica)
	now.exec(t, "UPDATE sync_meta SET writer_term = writer_term + 1")
	b.sync(t)
	a.sync(t)
	if err := p.primary.Restart(); err != nil {
		t.Fatal(err)
	}
	a.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
	a.url = url("ann", "primary")
	before, err := a.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.try(t); model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), "behind") {
		t.Errorf("the former primary alone: %v", err)
	}
	if after, err := a.Position(t.Context()); err != nil || after != before {
		t.Errorf("the position is %+v, it was %+v (%v)", after, before, err)
	}
	a.url = url("ann", "primary", "replica")
	if res := a.sync(t); res.Pushed != 1 {
		t.Errorf("past the former primary: %+v", res)
	}
	if got := now.value(t, "SELECT CONCAT_WS(' ', salutation, department, job_title) FROM contact"); got != "Dr of bob waits" {
		t.Errorf("on the new primary: %s", got)
	}
	if got := p.on(p.primary).value(t, "SELECT CONCAT_WS(' ', salutation, department, job_title) FROM contact"); got != "of bob" {
		t.Errorf("the former primary was written to: %s", got)
	}
	converge(t, now, a, b)
}
