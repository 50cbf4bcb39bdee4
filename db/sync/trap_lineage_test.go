package sync_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"rapport/db/sync"
	"rapport/model"
)

// saved keeps the state of a central and returns what puts it back: by hand, or
// as Rapport does, which gives the central a new identity.
func saved(t *testing.T, c *central, byRapport bool) (putBack func()) {
	t.Helper()
	if byRapport {
		s := backup(t, c)
		return func() { restoreBackup(t, c, s, nil, nil) }
	}
	d := dump(t, c)
	return func() { d.restore(t, c) }
}

// eitherRestore runs a trap for both ways in which a server is put back.
func eitherRestore(t *testing.T, trap func(t *testing.T, byRapport bool)) {
	t.Helper()
	for _, byRapport := range []bool{false, true} {
		t.Run(map[bool]string{false: "by hand", true: "by Rapport"}[byRapport], func(t *testing.T) { trap(t, byRapport) })
	}
}

// changedFrom tells whether a record's history has a change of a field from a
// value.
func (h *home) changedFrom(t *testing.T, noun model.Noun, id model.ID, field, value string) bool {
	t.Helper()
	revisions, err := h.History(t.Context(), noun, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range revisions {
		for _, c := range r.Changes {
			if c.Field == field && c.Old == value {
				return true
			}
		}
	}
	return false
}

// T60, T61: on the server that was put back somebody else edits a record before
// the laptop comes that has a newer state of it. How often the record has
// changed says nothing then: what the server lost is offered to it again, and
// what the other one did stays.
func TestT60EditedBeforeItIsOffered(t *testing.T) {
	for _, tt := range []struct {
		edits     int // the laptop has version 3, the restored server version 1
		byRapport bool
		person    bool // the laptop's account has no right on the tables
	}{{edits: 1}, {edits: 2}, {edits: 3}, {edits: 2, byRapport: true}, {edits: 3, person: true}} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			c := newCentral(t)
			url := c.url
			if tt.person {
				url = c.asPerson(t, "ann")
			}
			a, b := newHome(t, "ann", url), newHome(t, "bob", c.url)
			r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1", "department": "d", "status": "s"})
			deal := a.save(t, "deal", "", map[string]any{"name": "d", "amount": model.Money{Minor: 100, Currency: "EUR"}})
			both(t, a, b)
			putBack := saved(t, c, tt.byRapport)
			a.save(t, "contact", r.ID, map[string]any{"job_title": "2", "status": "of ann"})
			a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 200, Currency: "EUR"}})
			a.sync(t)
			a.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
			a.save(t, "deal", deal.ID, map[string]any{"name": "e"})
			a.sync(t)
			putBack()
			for i := range tt.edits {
				b.save(t, "contact", r.ID, map[string]any{"department": fmt.Sprint("of bob ", i), "status": fmt.Sprint("of bob ", i)})
				b.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: int64(300 + i), Currency: "EUR"}})
				b.sync(t)
			}
			a.sync(t)
			if got, want := c.value(t, "SELECT CONCAT_WS('|', salutation, job_title, department, status) FROM contact"), fmt.Sprintf("Dr|2|of bob %[1]d|of bob %[1]d", tt.edits-1); got != want {
				t.Errorf("on the server: %s, want %s", got, want)
			}
			if !a.changedFrom(t, "contact", r.ID, "status", "of ann") {
				t.Error("the history does not tell which status did not stand")
			}
			if got, want := c.value(t, "SELECT CONCAT_WS('|', name, amount_minor) FROM deal"), fmt.Sprintf("e|%d", 299+tt.edits); got != want {
				t.Errorf("the deal on the server: %s, want %s until somebody decides", got, want)
			}
			open := a.conflicts(t)
			if len(open) != 1 || len(open[0].Fields) != 1 || open[0].Fields[0].Mine != (model.Money{Minor: 200, Currency: "EUR"}) {
				t.Fatalf("waiting on ann: %+v", open)
			}
			if err := a.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: "mine"}}); err != nil {
				t.Fatal(err)
			}
			converge(t, c, a, b)
		})
	}
}

// T60: two laptops have what the server lost. The first one offers it again and
// goes on working; the other one finds that the server has gone on from what it
// knows, and changes nothing back.
func TestT60OfferedByAnother(t *testing.T) {
	eitherRestore(t, func(t *testing.T, byRapport bool) {
		c, a, b := two(t)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
		deal := a.save(t, "deal", "", map[string]any{"name": "d", "amount": model.Money{Minor: 100, Currency: "EUR"}})
		both(t, a, b)
		putBack := saved(t, c, byRapport)
		a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
		a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 200, Currency: "EUR"}})
		made := a.save(t, "contact", "", map[string]any{"last_name": "new", "job_title": "n1"})
		both(t, a, b)
		a.save(t, "contact", made.ID, map[string]any{"department": "of ann"})
		a.sync(t) // bob does not see this
		putBack()
		b.sync(t)
		b.save(t, "contact", r.ID, map[string]any{"job_title": "3"})
		b.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 300, Currency: "EUR"}})
		b.save(t, "contact", made.ID, map[string]any{"job_title": "n2"})
		b.sync(t)
		a.sync(t)
		if n := len(a.conflicts(t)); n > 0 {
			t.Errorf("ann is asked about %d records of which she knows nothing newer", n)
		}
		converge(t, c, a, b)
		if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact"); got != "new n2 of ann,x 3" {
			t.Errorf("on the server: %s", got)
		}
		if got := c.value(t, "SELECT amount_minor FROM deal"); got != "300" {
			t.Errorf("the amount is %s", got)
		}
	})
}

// T60: a laptop that was away before the backup has nothing newer than the
// restored server, however old its values are.
func TestT60AwaySinceBeforeTheBackup(t *testing.T) {
	eitherRestore(t, func(t *testing.T, byRapport bool) {
		c, a, b := two(t)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
		both(t, a, b)
		a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
		a.sync(t)
		putBack := saved(t, c, byRapport)
		a.save(t, "contact", r.ID, map[string]any{"job_title": "lost"})
		a.sync(t)
		putBack()
		c.exec(t, "UPDATE contact SET job_title = '3'")
		c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
		if res := b.sync(t); res.Pushed > 0 {
			t.Errorf("bob sent %d records", res.Pushed)
		}
		if got := c.value(t, "SELECT job_title FROM contact"); got != "3" {
			t.Errorf("after bob's sync the job title is %s", got)
		}
		a.sync(t)
		converge(t, c, a, b)
		if got := c.value(t, "SELECT job_title FROM contact"); got != "3" {
			t.Errorf("the job title is %s", got)
		}
		if !a.changedFrom(t, "contact", r.ID, "job_title", "lost") {
			t.Error("ann's history does not tell what the server lost")
		}
	})
}

// T60: what is unsent on a record that was edited meanwhile is sent, with what
// the server lost of the record.
func TestT60EditedBesideUnsent(t *testing.T) {
	eitherRestore(t, func(t *testing.T, byRapport bool) {
		c, a, b := two(t)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1", "department": "d"})
		both(t, a, b)
		putBack := saved(t, c, byRapport)
		a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
		a.sync(t)
		a.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
		putBack()
		for i := range 2 {
			b.save(t, "contact", r.ID, map[string]any{"department": fmt.Sprint("of bob ", i)})
			b.sync(t)
		}
		a.sync(t)
		converge(t, c, a, b)
		if got := c.value(t, "SELECT CONCAT_WS('|', salutation, job_title, department) FROM contact"); got != "Dr|2|of bob 1" {
			t.Errorf("on the server: %s", got)
		}
	})
}

// T60, T45: what the server lost meets a deletion, and a deletion that it lost
// meets an edit: the edit beats the deletion.
func TestT60DeletedBeforeItIsOffered(t *testing.T) {
	c, a, b := two(t)
	edited := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	deleted := a.save(t, "contact", "", map[string]any{"last_name": "y", "job_title": "1"})
	both(t, a, b)
	putBack := saved(t, c, true)
	a.save(t, "contact", edited.ID, map[string]any{"job_title": "2"})
	if err := a.Delete(t.Context(), "contact", deleted.ID); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	putBack()
	if err := b.Delete(t.Context(), "contact", edited.ID); err != nil {
		t.Fatal(err)
	}
	b.save(t, "contact", deleted.ID, map[string]any{"job_title": "2"})
	b.sync(t)
	a.sync(t)
	converge(t, c, a, b)
	for _, r := range []*model.Record{edited, deleted} {
		alive(t, c, "contact", r.ID, a, b)
	}
	if got := c.value(t, "SELECT GROUP_CONCAT(job_title) FROM contact"); got != "2,2" {
		t.Errorf("on the server: %s", got)
	}
}

// T60: of a record that the server lost two laptops have different states. The
// one with the older state comes last and does not put it in the place of the
// newer one.
func TestT60OlderStateComesLast(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	both(t, a, b)
	putBack := saved(t, c, false)
	b.save(t, "contact", r.ID, map[string]any{"job_title": "2", "department": "of bob"})
	b.sync(t)
	a.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "3"})
	a.sync(t)
	putBack()
	a.sync(t)
	b.sync(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT CONCAT_WS('|', job_title, department) FROM contact"); got != "3|of bob" {
		t.Errorf("on the server: %s", got)
	}
}

// T60: the laptop was cut off between its push and the pull, so it never read
// its own change from the feed. The server that is put back lost it all the
// same.
func TestT60SentAndNotPulled(t *testing.T) {
	for _, others := range []bool{false, true} {
		t.Run(map[bool]string{false: "untouched", true: "edited by another"}[others], func(t *testing.T) {
			c, a, b := two(t)
			r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
			both(t, a, b)
			putBack := saved(t, c, false)
			a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
			engine := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
				inner, err := a.connect(ctx)
				return noPull{inner}, err
			}, sync.Options{})
			if _, err := engine.Sync(t.Context(), false, nil); !errors.Is(err, errCut) {
				t.Fatalf("the sync ended with %v", err)
			}
			if n := len(a.pending(t)); n > 0 {
				t.Fatalf("%d records are unsent", n)
			}
			putBack()
			if others {
				b.save(t, "contact", r.ID, map[string]any{"department": "of bob"})
				b.sync(t)
			}
			a.sync(t)
			converge(t, c, a, b)
			if got := c.value(t, "SELECT job_title FROM contact"); got != "2" {
				t.Errorf("the job title is %s", got)
			}
		})
	}
}

// noPull is a connection on which no page of the feed arrives.
type noPull struct{ model.Central }

func (noPull) Pull(context.Context, int64, int64, []model.Noun) (model.FeedPage, error) {
	return model.FeedPage{}, errCut
}

// TestT60PutBackAndSwept puts a server back, and its feed is swept beyond what a
// laptop has seen before that one comes: that it is behind what the feed tells
// does not hide that the server lost something, for the runs are kept for longer.
func TestT60PutBackAndSwept(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	both(t, a, b)
	backup := dump(t, c)
	id := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"}).ID
	a.sync(t)
	backup.restore(t, c)
	for range 3 {
		c.exec(t, "INSERT INTO contact (last_name) VALUES ('other')")
		b.sync(t)
	}
	c.exec(t, "DELETE FROM sync_feed")
	c.exec(t, "UPDATE sync_meta SET min_seq = (SELECT seq FROM sync_counter)")
	a.sync(t)
	if got := c.value(t, "SELECT last_name FROM contact WHERE id = ?", id.Bytes()); got != "Lovelace" {
		t.Errorf("the restored server holds %q", got)
	}
	converge(t, c, a, b)
}
