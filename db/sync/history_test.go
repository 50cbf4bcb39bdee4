package sync_test

import (
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// history reads what a workspace remembers of a record, newest first.
func (h *home) history(t *testing.T, noun model.Noun, id model.ID) []model.Revision {
	t.Helper()
	list, err := h.History(t.Context(), noun, id)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestHistoryOfWhatOthersDid tells what a colleague did as the colleague's own
// history does: when a record was made, that a tag is an edit of it, and a move
// along the board once.
func TestHistoryOfWhatOthersDid(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	b.sync(t)
	contact := a.save(t, "contact", "", map[string]any{"last_name": "Meier"})
	deal := a.save(t, "deal", "", map[string]any{"name": "Ten bikes"})
	a.sync(t)
	a.save(t, "contact", contact.ID, map[string]any{"job_title": "Buyer"})
	a.sync(t)
	b.sync(t)
	made, at := b.history(t, "contact", contact.ID), a.get(t, "contact", contact.ID).CreatedAt
	if len(made) != 1 || made[0].Action != "add" || !made[0].At.Equal(at) {
		t.Errorf("bob reads of the contact %+v", made)
	}

	tag, err := model.ParseItem(model.EntityOf("contact").Field("tag"), "vip", model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Save(t.Context(), model.Edit{Noun: "contact", ID: contact.ID, Add: map[string][]*model.Record{"tag": {tag}}, MakeLinks: true}); err != nil {
		t.Fatal(err)
	}
	a.save(t, "deal", deal.ID, map[string]any{"stage": model.Ref{Noun: "stage", Name: "Proposal"}})
	converge(t, c, a, b)
	if last := b.history(t, "contact", contact.ID)[0]; last.Action != "edit" || len(last.Changes) != 1 || last.Changes[0].Field != "tag" {
		t.Errorf("bob reads of the tag %+v", last)
	}
	for _, h := range []*home{a, b} {
		moves := 0
		for _, r := range h.history(t, "deal", deal.ID) {
			for _, ch := range r.Changes {
				if ch.Field == "stage" && ch.Old != nil {
					moves++
				}
				if model.EntityOf("deal").Field(ch.Field) == nil {
					t.Errorf("%s reads of a field %q: %+v", h.me, ch.Field, ch)
				}
			}
		}
		if moves != 1 {
			t.Errorf("%s reads of %d moves", h.me, moves)
		}
	}
}

// TestHistoryOfWhatWasRemoved removes a record of somebody who sees a few only,
// while it is edited there: her history says that it was deleted, and not that
// it was moved, although the server does not tell her the one from the other
// when it is asked for the record.
func TestHistoryOfWhatWasRemoved(t *testing.T) {
	o := newOffice(t)
	ann := o.hire("ann")
	ann.sync(t)
	id := ann.save(t, "contact", "", map[string]any{"last_name": "Meier"}).ID
	ann.sync(t)
	ann.save(t, "contact", id, map[string]any{"job_title": "Buyer"})
	o.exec(t, "DELETE FROM contact")
	ann.sync(t)
	if got := o.value(t, "SELECT job_title FROM contact"); got != "Buyer" || len(ann.pending(t)) > 0 {
		t.Errorf("after one sync the server has %q, and %d changes wait", got, len(ann.pending(t)))
	}
	agree(t, ann)
	var notes []string
	for _, r := range ann.history(t, "contact", id) {
		if r.Note != "" {
			notes = append(notes, r.Note)
		}
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "deleted in the company's database") {
		t.Errorf("ann reads %q", notes)
	}
}

// TestT66LinkFollows edits a contact and logs a call about it that meanwhile moved to
// somebody else: the link waits, named, and goes by itself when the contact
// comes back.
func TestT66LinkFollows(t *testing.T) {
	o := newOffice(t)
	ann, bob := o.hire("ann"), o.hire("bob")
	ann.sync(t)
	bob.sync(t)
	id := ann.save(t, "contact", "", map[string]any{"last_name": "Meier", "owner": model.Ref{Noun: "user", Name: ann.me}}).ID
	ann.sync(t)
	about := model.NewPart(model.EntityOf("activity").Field("about"))
	about.Values["record"] = model.Ref{Noun: "contact", ID: id}
	ann.save(t, "contact", id, map[string]any{"job_title": "Buyer"})
	call := ann.save(t, "activity", "", map[string]any{"kind": "call", "subject": "Call", "about": []*model.Record{about}})
	o.give(bob, id)
	bob.sync(t)
	ann.sync(t)
	waits := ann.pending(t)
	if !slices.ContainsFunc(waits, func(p model.PendingItem) bool {
		return p.ID == call.ID && p.Code == "reference" && strings.Contains(p.Error, "does not show to you")
	}) {
		t.Fatalf("waiting with ann: %+v", waits)
	}
	o.give(ann, id)
	agree(t, ann, bob)
	if p := ann.pending(t); len(p) > 0 {
		t.Errorf("still waiting with ann: %+v", p)
	}
	if got := o.value(t, "SELECT COUNT(*) FROM activity_link WHERE contact_id = ? AND deleted_at IS NULL", id.Bytes()); got != "1" {
		t.Errorf("the server has %s links", got)
	}
}
