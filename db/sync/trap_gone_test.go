package sync_test

import (
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// T46: what somebody changed before deleting a record that another program
// removed at the same time was sent to nobody. When a third one brings the
// record back, that is one key away.
func TestT46ChangedBeforeBothDelete(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"status": "mine"})
	b.save(t, "contact", r.ID, map[string]any{"department": "theirs"})
	if err := a.Delete(t.Context(), "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	c.exec(t, "DELETE FROM contact WHERE id = ?", r.ID.Bytes())
	both(t, a, b)
	converge(t, c, a, b)
	const query = "SELECT CONCAT_WS(' ', status, department) FROM contact"
	if got := c.value(t, query); got != "theirs" {
		t.Errorf("the contact that came back has %q, want what was brought", got)
	}
	if !a.noted(t, "contact", r.ID, "was not sent") || b.noted(t, "contact", r.ID, "was not sent") {
		t.Error("the history does not say whose change was not sent")
	}
	a.undo(t)
	converge(t, c, a, b)
	if got := c.value(t, query); got != "mine theirs" {
		t.Errorf("after the undo the contact has %q, want both changes", got)
	}
}

// T46 with a part: one that was changed is kept like the record, and nothing
// says that it is sent again; one that was added waits for the record and goes
// with it when somebody else brings it back.
func TestT46PartBeforeBothDelete(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "phone": []*model.Record{phone(t, "+41446681800")}})
	both(t, a, b)
	next := phone(t, "+41446681801")
	if _, err := a.Save(t.Context(), model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{"phone": {next}}}); err != nil {
		t.Fatal(err)
	}
	first := a.get(t, "contact", r.ID).List("phone")[0]
	first.Values["label"] = "work"
	if _, err := a.Save(t.Context(), model.Edit{Noun: "contact", ID: r.ID, Set: map[string]any{"phone": []*model.Record{first, next}}}); err != nil {
		t.Fatal(err)
	}
	b.save(t, "contact", r.ID, map[string]any{"department": "theirs"})
	if err := a.Delete(t.Context(), "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	c.exec(t, "DELETE FROM contact_method")
	c.exec(t, "DELETE FROM contact")
	both(t, a, b)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(value) FROM contact_method WHERE deleted_at IS NULL"); got != "+41446681800,+41446681801" {
		t.Errorf("the contact that came back has the phones %s", got)
	}
	if !a.noted(t, "contact", r.ID, "was not sent") || a.noted(t, "contact", r.ID, "is sent again") {
		t.Error("the history says something else of the phone that was changed")
	}
}

// T52 with T64: the answer to a push is lost, somebody else changes the same
// field, and the feed is gone by the time of the next sync. What became of the
// push is found out before rows are compared: the later value stands, and
// nothing says that two people changed it at the same time.
func TestT52LostAnswerThenPurge(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"status": "Analyst"})
	p.On("sync_push", func() bool { return false })
	if _, err := a.try(t); err == nil {
		t.Fatal("the sync should have been cut")
	}
	until(t, "the server has the push", func() bool { return c.value(t, "SELECT status FROM contact") == "Analyst" })
	b.sync(t)
	b.save(t, "contact", r.ID, map[string]any{"status": "Countess"})
	b.sync(t)
	c.exec(t, "DELETE FROM sync_feed")
	c.exec(t, "UPDATE sync_meta SET min_seq = (SELECT seq FROM sync_counter)")
	converge(t, c, a, b)
	for _, h := range []*home{a, b} {
		if got := h.get(t, "contact", r.ID).Text("status"); got != "Countess" {
			t.Errorf("status = %q on %s, want the later one", got, h.me)
		}
		if h.noted(t, "contact", r.ID, "two people changed this") {
			t.Errorf("the history on %s tells of a clash that was none", h.me)
		}
	}
}
