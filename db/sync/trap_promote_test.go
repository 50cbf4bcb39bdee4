package sync_test

import (
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// list is the central's address with both servers.
func (p *pair) list(me string, servers ...*servertest.Server) string {
	var out []string
	for _, s := range servers {
		out = append(out, s.URLFor(me, "", p.database))
	}
	return strings.Join(out, ",")
}

// T30: a laptop waits with an edit beside the standby when that is promoted. It
// follows over the connection that it has, refuses the old primary that comes
// back and takes changes, and one that has heard of nothing finds the new one.
func TestT30PromotionWhileWaiting(t *testing.T) {
	p := newPair(t)
	both := p.list("root", p.primary, p.replica)
	a := newHome(t, "ann", p.list("ann", p.primary, p.replica))
	b := newHome(t, "bob", p.list("bob", p.primary, p.replica))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	p.primary.CatchUp(t, p.replica)
	f := a.followCentral(t)
	f.until("first sync", online)

	p.primary.Kill9()
	a.save(t, "contact", r.ID, map[string]any{"job_title": "waits"})
	waiting := f.untilAny("the standby", func(s model.Following) bool { return s.State == model.FollowOffline })
	if !strings.Contains(waiting.Err.Error(), "standby") || waiting.Pause > 500*time.Millisecond {
		t.Errorf("beside the standby: %v, again in %s", waiting.Err, waiting.Pause)
	}
	dials := f.dials
	f.untilAny("another look", func(s model.Following) bool { return s.State == model.FollowOffline })
	if _, err := mysql.Promote(t.Context(), both, model.PromoteRequest{}); err != nil {
		t.Fatal(err)
	}
	f.untilAny("the push", func(s model.Following) bool { return online(s) && s.Result.Pushed == 1 })
	if f.dials != dials {
		t.Errorf("%d connections to follow the promotion", f.dials-dials)
	}

	// The old primary comes back and takes changes. Its term is 1.
	if err := p.primary.Restart(); err != nil {
		t.Fatal(err)
	}
	// Bob was away and is asked first by the old primary.
	b.save(t, "contact", r.ID, map[string]any{"department": "of bob"})
	if res := b.sync(t); res.Pushed != 1 {
		t.Errorf("bob's sync: %+v", res)
	}
	b.url = p.list("bob", p.primary)
	b.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
	if _, err := b.try(t); model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), "stale primary") {
		t.Errorf("the former primary alone: %v", err)
	}
	b.url = p.list("bob", p.primary, p.replica)
	b.sync(t)
	now := p.on(p.replica)
	if got := now.value(t, "SELECT CONCAT_WS(' ', salutation, last_name, department, job_title) FROM contact"); got != "Dr x of bob waits" {
		t.Errorf("on the new primary: %s", got)
	}
	if got := p.on(p.primary).value(t, "SELECT CONCAT_WS(' ', salutation, last_name, department, job_title) FROM contact"); got != "x" {
		t.Errorf("the old primary was given %s", got)
	}
	converge(t, now, a, b)
}

// T30, T60: a promotion that loses changes, which is accepted: under the new
// epoch laptops offer again what they have seen.
func TestT30AcceptedLoss(t *testing.T) {
	p := newPair(t)
	a := newHome(t, "ann", p.list("ann", p.primary, p.replica))
	b := newHome(t, "bob", p.list("bob", p.primary, p.replica))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	a.sync(t)
	b.sync(t)
	p.primary.CatchUp(t, p.replica)
	p.replica.SQL(t, "", "STOP SLAVE SQL_THREAD")
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "of ann"})
	a.sync(t)
	p.primary.Kill9()
	both := p.list("root", p.primary, p.replica)
	if _, err := mysql.Promote(t.Context(), both, model.PromoteRequest{}); model.KindOf(err) != model.Refused {
		t.Fatalf("not refused: %v", err)
	}
	done, err := mysql.Promote(t.Context(), both, model.PromoteRequest{AcceptLoss: true})
	if err != nil || done.Epoch == "" {
		t.Fatalf("%+v (%v)", done, err)
	}
	b.save(t, "contact", r.ID, map[string]any{"department": "meanwhile"})
	a.sync(t)
	b.sync(t)
	now := p.on(p.replica)
	converge(t, now, a, b)
	if got := now.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact"); got != "of ann,x 2 meanwhile" {
		t.Errorf("on the new primary: %s", got)
	}
}
