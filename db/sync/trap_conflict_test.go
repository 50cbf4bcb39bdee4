package sync_test

import (
	"strings"
	"testing"

	"rapport/model"
)

// two returns a central and two laptops on it.
func two(t *testing.T) (*central, *home, *home) {
	t.Helper()
	c := newCentral(t)
	return c, newHome(t, "ann", c.url), newHome(t, "bob", c.url)
}

// both syncs one laptop after the other, twice, so that each has met what the
// other sent.
func both(t *testing.T, a, b *home) {
	t.Helper()
	for range 2 {
		a.sync(t)
		b.sync(t)
	}
}

// noted tells whether a record's history has a note with some words.
func (h *home) noted(t *testing.T, noun model.Noun, id model.ID, words string) bool {
	t.Helper()
	revisions, err := h.History(t.Context(), noun, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range revisions {
		if strings.Contains(r.Note, words) {
			return true
		}
	}
	return false
}

// alive fails unless a record lives on every laptop and on the server.
func alive(t *testing.T, c *central, noun model.Noun, id model.ID, homes ...*home) {
	t.Helper()
	if got := c.value(t, "SELECT COUNT(*) FROM `"+string(noun)+"` WHERE id = ? AND deleted_at IS NULL", id.Bytes()); got != "1" {
		t.Errorf("the %s is not alive on the server", noun)
	}
	for _, h := range homes {
		if r := h.get(t, noun, id); !r.DeletedAt.IsZero() {
			t.Errorf("the %s is deleted on %s", noun, h.me)
		}
	}
}

// T43: the server's value went to another one and back while it was changed
// here: by value nothing clashes.
func TestT43ThereAndBack(t *testing.T) {
	c, a, b := two(t)
	r := b.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	both(t, b, a)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "3"})
	for _, v := range []string{"2", "1"} {
		b.save(t, "contact", r.ID, map[string]any{"job_title": v})
		b.sync(t)
	}
	if res := a.sync(t); res.Conflicts != 0 || res.Pushed != 1 {
		t.Errorf("sync = %+v", res)
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT job_title FROM contact"); got != "3" {
		t.Errorf("job_title = %s, want 3", got)
	}
	if n := c.value(t, `SELECT COUNT(*) FROM sync_audit WHERE tbl = 'contact' AND changes LIKE '%"job_title":["1", "2"]%'`); n != "1" {
		t.Errorf("the server's history has %s times the value between", n)
	}
}

// T46: both delete, and nobody hears of it.
func TestT46BothDelete(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "phone": []*model.Record{phone(t, "+41446681800")}})
	both(t, a, b)
	for _, h := range []*home{a, b} {
		if err := h.Delete(t.Context(), "contact", r.ID); err != nil {
			t.Fatal(err)
		}
	}
	both(t, a, b)
	converge(t, c, a, b)
	for _, h := range []*home{a, b} {
		if h.get(t, "contact", r.ID).DeletedAt.IsZero() || len(h.conflicts(t)) != 0 || h.noted(t, "contact", r.ID, "deleted") {
			t.Errorf("on %s: %+v", h.me, h.get(t, "contact", r.ID))
		}
	}
}

func phone(t *testing.T, number string) *model.Record {
	t.Helper()
	p, err := model.ParseItem(model.EntityOf("contact").Field("phone"), number, model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// T47: one deletes a record while the other puts something on it. It comes back
// and says so, whoever is first.
func TestT47DeletedWhileAddedTo(t *testing.T) {
	for name, add := range map[string]func(t *testing.T, h *home, id model.ID){
		"a phone": func(t *testing.T, h *home, id model.ID) {
			_, err := h.Save(t.Context(), model.Edit{Noun: "organization", ID: id, Add: map[string][]*model.Record{"phone": {phone(t, "+41446681801")}}})
			if err != nil {
				t.Fatal(err)
			}
		},
		"an edit of its phone": func(t *testing.T, h *home, id model.ID) {
			p := h.get(t, "organization", id).List("phone")[0]
			p.Values["label"] = "reception"
			h.save(t, "organization", id, map[string]any{"phone": []*model.Record{p}})
		},
		"a contact": func(t *testing.T, h *home, id model.ID) {
			h.save(t, "contact", "", map[string]any{"last_name": "new", "organization": model.Ref{Noun: "organization", ID: id}})
		},
		"an activity": func(t *testing.T, h *home, id model.ID) {
			part := model.NewPart(model.EntityOf("activity").Field("about"))
			part.Values["record"] = model.Ref{Noun: "organization", ID: id}
			h.save(t, "activity", "", map[string]any{"subject": "call them", "about": []*model.Record{part}})
		},
		"a deal that moves to it": func(t *testing.T, h *home, id model.ID) {
			page, err := h.List(t.Context(), model.Query{Noun: "deal", Limit: 1})
			if err != nil || len(page.Items) != 1 {
				t.Fatal(page, err)
			}
			h.save(t, "deal", page.Items[0].ID, map[string]any{"organization": model.Ref{Noun: "organization", ID: id}})
		},
	} {
		for _, first := range []string{"the deletion first", "the addition first"} {
			t.Run(name+"/"+first, func(t *testing.T) {
				t.Parallel()
				c, a, b := two(t)
				org := a.save(t, "organization", "", map[string]any{"name": "Acme", "phone": []*model.Record{phone(t, "+41446681800")}})
				a.save(t, "deal", "", map[string]any{"name": "Engine"})
				both(t, a, b)
				if err := a.Delete(t.Context(), "organization", org.ID); err != nil {
					t.Fatal(err)
				}
				add(t, b, org.ID)
				if first == "the deletion first" {
					both(t, a, b)
				} else {
					both(t, b, a)
				}
				converge(t, c, a, b)
				alive(t, c, "organization", org.ID, a, b)
				if !a.noted(t, "organization", org.ID, "came back") && !b.noted(t, "organization", org.ID, "comes back") {
					t.Error("nobody is told")
				}
			})
		}
	}
}

// T47 with another program, which deletes the row itself: the child that is
// refused for want of it brings it back.
func TestT47DeletedByAnotherProgram(t *testing.T) {
	c, a, _ := two(t)
	org := a.save(t, "organization", "", map[string]any{"name": "Acme", "phone": []*model.Record{phone(t, "+41446681800")}})
	a.sync(t)
	a.save(t, "contact", "", map[string]any{"last_name": "new", "organization": model.Ref{Noun: "organization", ID: org.ID}})
	c.exec(t, "DELETE FROM contact_method")
	c.exec(t, "DELETE FROM organization")
	if res := a.sync(t); res.Refused != 0 {
		t.Errorf("sync = %+v: what was refused for want of the organization goes with it", res)
	}
	a.sync(t)
	converge(t, c, a)
	alive(t, c, "organization", org.ID, a)
	if got := c.value(t, "SELECT o.name FROM contact c JOIN organization o ON o.id = c.organization_id"); got != "Acme" {
		t.Errorf("the contact belongs to %s", got)
	}
	if len(a.get(t, "organization", org.ID).List("phone")) != 1 {
		t.Error("its phone did not come back with it")
	}
}

// T51: a trigger of the administrator changes what is written; the client takes
// over what the server made of it.
func TestT51ServerNormalises(t *testing.T) {
	c, a, b := two(t)
	c.exec(t, "CREATE TRIGGER lower_mail_insert BEFORE INSERT ON contact_method FOR EACH ROW SET NEW.value = LOWER(NEW.value)")
	c.exec(t, "CREATE TRIGGER lower_mail_update BEFORE UPDATE ON contact_method FOR EACH ROW PRECEDES contact_method_before_update SET NEW.value = LOWER(NEW.value)")
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "email": []*model.Record{mail(t, "Ada@Example.ORG")}})
	a.sync(t)
	if got := a.get(t, "contact", r.ID).List("email")[0].Text("value"); got != "ada@example.org" {
		t.Errorf("after the insert: %s", got)
	}
	p := a.get(t, "contact", r.ID).List("email")[0]
	p.Values["value"] = "COUNTESS@example.org"
	a.save(t, "contact", r.ID, map[string]any{"email": []*model.Record{p}})
	a.sync(t)
	if got := a.get(t, "contact", r.ID).List("email")[0].Text("value"); got != "countess@example.org" {
		t.Errorf("after the update: %s", got)
	}
	converge(t, c, a, b)
}

func mail(t *testing.T, address string) *model.Record {
	t.Helper()
	p, err := model.ParseItem(model.EntityOf("contact").Field("email"), address, model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// T53: two laptops make the same contact. Both arrive, and each is told.
func TestT53SameContactTwice(t *testing.T) {
	for _, tt := range []struct{ name, one, other string }{
		{"the same", "ada@example.org", "ada@example.org"},
		{"case", "Ada@Example.org", "ada@EXAMPLE.org"},
		{"blank at the end", "ada@example.org", "ada@example.org "},
		{"accent", "jose@example.org", "josé@example.org"},
		{"sharp s", "strasse@example.org", "straße@example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, a, b := two(t)
			one := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "email": []*model.Record{mail(t, tt.one)}})
			other := b.save(t, "contact", "", map[string]any{"last_name": "Byron", "email": []*model.Record{mail(t, tt.other)}})
			both(t, a, b)
			converge(t, c, a, b)
			for _, h := range []*home{a, b} {
				pairs, err := h.Duplicates(t.Context(), "contact", false)
				if err != nil || len(pairs) != 1 || pairs[0].Field != "email" {
					t.Errorf("duplicates on %s = %+v, %v", h.me, pairs, err)
				}
			}
			if _, err := a.Merge(t.Context(), "contact", one.ID, other.ID); err != nil {
				t.Fatal(err)
			}
			both(t, a, b)
			converge(t, c, a, b)
			if pairs, err := b.Duplicates(t.Context(), "contact", true); err != nil || len(pairs) != 0 {
				t.Errorf("after the merge: %+v, %v", pairs, err)
			}
		})
	}
}

// T53 where the administrator forbids it: the second one is told apart from
// other refusals, and the rest goes on.
func TestT53UniqueIndex(t *testing.T) {
	c, a, b := two(t)
	both(t, a, b)
	c.exec(t, "CREATE UNIQUE INDEX one_external_id ON contact (external_id)")
	a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "external_id": "A-1"})
	b.save(t, "contact", "", map[string]any{"last_name": "Byron", "external_id": "A-1"})
	free := b.save(t, "contact", "", map[string]any{"last_name": "Babbage"})
	late := b.save(t, "contact", "", map[string]any{"last_name": "Somerville", "external_id": "A-2"})
	a.sync(t)
	if res := b.sync(t); res.Refused != 1 {
		t.Errorf("sync = %+v, want one refused", res)
	}
	p := b.pending(t)
	if len(p) != 1 || p[0].Code != "duplicate" || !strings.Contains(p[0].Error, "possible duplicate") || !strings.Contains(p[0].Error, "External id") {
		t.Fatalf("pending = %+v", p)
	}
	alive(t, c, "contact", free.ID, b)
	b.save(t, "contact", late.ID, map[string]any{"external_id": "A-1"}) // an update meets it as well
	if res := b.sync(t); res.Refused != 2 {
		t.Errorf("sync = %+v, want two refused", res)
	}
	b.save(t, "contact", late.ID, map[string]any{"external_id": "A-3"})
	b.save(t, "contact", p[0].ID, map[string]any{"external_id": "A-4"})
	both(t, a, b)
	converge(t, c, a, b)
}

// T54: two rows exchange values that must not occur twice.
func TestT54UniqueSwap(t *testing.T) {
	c, a, b := two(t)
	var ids []model.ID
	for _, code := range []string{"1", "2", "3"} {
		ids = append(ids, a.save(t, "contact", "", map[string]any{"last_name": "number " + code, "external_id": code}).ID)
	}
	both(t, a, b)
	c.exec(t, "CREATE UNIQUE INDEX one_external_id ON contact (external_id)")
	for i, code := range []string{"2", "3", "1"} { // a ring of three
		a.save(t, "contact", ids[i], map[string]any{"external_id": code})
	}
	if res := a.sync(t); res.Refused != 0 {
		t.Errorf("sync = %+v", res)
	}
	b.save(t, "contact", ids[0], map[string]any{"job_title": "engineer"})
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, '=', external_id ORDER BY last_name) FROM contact"); got != "number 1=2,number 2=3,number 3=1" {
		t.Errorf("on the server: %s", got)
	}
}
