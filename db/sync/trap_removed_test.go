package sync_test

import (
	"testing"

	"rapport/model"
)

// inBinOf tells whether a contact lies in a laptop's bin.
func (h *home) inBinOf(t *testing.T, r *model.Record) bool {
	t.Helper()
	return !h.get(t, "contact", r.ID).DeletedAt.IsZero()
}

// T64, T60: a laptop is away for longer than deletions are kept, and meanwhile
// the server is put back, to a moment when it had removed records already. What
// the server removed before that moment is not offered to it again; what the
// laptop edited and did not send is; and what the server lost comes from the
// laptop that has it.
func TestT64AwayAcrossARestore(t *testing.T) {
	eitherRestore(t, func(t *testing.T, byRapport bool) {
		c, a, b := two(t)
		kept := a.save(t, "contact", "", map[string]any{"last_name": "kept", "job_title": "1"})
		removed := a.save(t, "contact", "", map[string]any{"last_name": "removed", "phone": []*model.Record{phone(t, "+41446681800")}})
		edited := a.save(t, "contact", "", map[string]any{"last_name": "edited"})
		both(t, a, b)
		b.save(t, "contact", edited.ID, map[string]any{"department": "unsent"})
		c.exec(t, "UPDATE contact SET job_title = '2' WHERE last_name IN ('kept', 'removed')")
		c.exec(t, "DELETE FROM contact_method")
		c.exec(t, "DELETE FROM contact WHERE last_name IN ('removed', 'edited')")
		a.sync(t)
		age(t, c)
		sweep(t, c)
		putBack := saved(t, c, byRapport)
		a.save(t, "contact", kept.ID, map[string]any{"job_title": "3"})
		lost := a.save(t, "contact", "", map[string]any{"last_name": "lost"})
		a.sync(t)
		putBack()
		b.sync(t)
		a.sync(t)
		converge(t, c, a, b)
		if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact"); got != "edited unsent,kept 3,lost" {
			t.Errorf("on the server: %s", got)
		}
		if !b.inBinOf(t, removed) || b.inBinOf(t, lost) {
			t.Error("bob's bin does not hold what the server removed, and that alone")
		}
	})
}

// T64: the server is put back to before the oldest state that the laptop knows.
// It has nothing of what the laptop has, and gets all of it, with what was not
// sent.
func TestT64RestoredToBeforeEverything(t *testing.T) {
	eitherRestore(t, func(t *testing.T, byRapport bool) {
		c, a, b := two(t)
		putBack := saved(t, c, byRapport)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "phone": []*model.Record{phone(t, "+41446681800")}})
		both(t, a, b)
		b.save(t, "contact", r.ID, map[string]any{"department": "unsent"})
		age(t, c)
		sweep(t, c)
		putBack()
		a.sync(t)
		b.sync(t)
		converge(t, c, a, b)
		if got := c.value(t, "SELECT CONCAT_WS(' ', last_name, department, (SELECT COUNT(*) FROM contact_method)) FROM contact"); got != "x unsent 1" {
			t.Errorf("on the server: %s", got)
		}
	})
}

// T60, T45: on the server that was put back another program removes records
// before the laptop comes. One of which the laptop has what the server lost is
// offered all the same, for an edit beats a deletion; one that was as the
// laptop knows it is gone. So it is for somebody who sees a part of the records.
func TestT60RemovedBeforeItIsOffered(t *testing.T) {
	o := newOffice(t)
	c := o.central
	a, b := newHome(t, "ann", c.url), o.hire("bob")
	removed := a.save(t, "contact", "", map[string]any{"last_name": "removed"})
	edited := a.save(t, "contact", "", map[string]any{"last_name": "edited", "job_title": "1"})
	a.sync(t)
	o.give(b, removed.ID, edited.ID)
	both(t, a, b)
	s := backup(t, c)
	b.save(t, "contact", edited.ID, map[string]any{"job_title": "2"})
	both(t, b, a)
	restoreBackup(t, c, s, nil, nil)
	c.exec(t, "DELETE FROM contact")
	b.sync(t)
	a.sync(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, job_title) FROM contact"); got != "edited2" {
		t.Errorf("on the server: %s", got)
	}
	for _, h := range []*home{a, b} {
		if !h.inBinOf(t, removed) {
			t.Errorf("%s has what was removed", h.me)
		}
	}
}
