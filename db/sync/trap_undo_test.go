package sync_test

import (
	"testing"

	"rapport/model"
)

// undo takes the last act of a laptop back.
func (h *home) undo(t *testing.T) model.Undone {
	t.Helper()
	u, err := h.Undo(t.Context(), model.LastAct)
	if err != nil {
		t.Fatalf("undo on %s: %v", h.me, err)
	}
	return u
}

// TestUndoTravels: an undo of something that was sent is sent too, and one of
// what was not sent leaves nothing to send.
func TestUndoTravels(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "job_title": "1"})
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "3"})
	a.undo(t)
	if p := a.pending(t); len(p) != 0 {
		t.Errorf("pending = %+v, want nothing", p)
	}
	a.undo(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT job_title FROM contact"); got != "1" {
		t.Errorf("job_title = %s, want 1", got)
	}
	if err := a.Delete(t.Context(), "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	both(t, a, b)
	a.undo(t)
	converge(t, c, a, b)
	alive(t, c, "contact", r.ID, a, b)
}

// TestUndoLeavesWhatOthersChanged: a value that somebody changed since stays
// and is named.
func TestUndoLeavesWhatOthersChanged(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "job_title": "1", "department": "1"})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2", "department": "2"})
	both(t, a, b)
	b.save(t, "contact", r.ID, map[string]any{"job_title": "3"})
	both(t, b, a)
	u := a.undo(t)
	if u.Records != 1 || len(u.Stayed) != 1 || u.Stayed[0].Field != "job_title" || u.Stayed[0].Now != "3" {
		t.Errorf("undone = %+v", u)
	}
	// Making the contact is not taken back: the colleague has worked on it.
	if u = a.undo(t); u.Records != 0 || len(u.Stayed) != 1 {
		t.Errorf("undone = %+v", u)
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT CONCAT(job_title, department) FROM contact"); got != "31" {
		t.Errorf("on the server: %s, want theirs and the earlier one", got)
	}
}

// TestUndoOfWhatASyncDecided: the value that lost, the text before it was
// joined, and the deletion that an edit overruled can be had back.
func TestUndoOfWhatASyncDecided(t *testing.T) {
	for _, tt := range []struct {
		name       string
		mine       func(t *testing.T, h *home, id model.ID)
		theirs     func(t *testing.T, h *home, id model.ID)
		query      string
		want, back string
	}{
		{"the later arrival",
			func(t *testing.T, h *home, id model.ID) {
				h.save(t, "contact", id, map[string]any{"job_title": "mine"})
			},
			func(t *testing.T, h *home, id model.ID) {
				h.save(t, "contact", id, map[string]any{"job_title": "theirs"})
			},
			"SELECT job_title FROM contact", "mine", "theirs"},
		{"joined notes",
			func(t *testing.T, h *home, id model.ID) { h.save(t, "contact", id, map[string]any{"notes": "A\nb\nc"}) },
			func(t *testing.T, h *home, id model.ID) { h.save(t, "contact", id, map[string]any{"notes": "a\nb\nC"}) },
			"SELECT notes FROM contact", "A\nb\nC", "a\nb\nC"},
		{"an edit over a deletion",
			func(t *testing.T, h *home, id model.ID) {
				h.save(t, "contact", id, map[string]any{"job_title": "mine"})
			},
			func(t *testing.T, h *home, id model.ID) {
				if err := h.Delete(t.Context(), "contact", id); err != nil {
					t.Fatal(err)
				}
			},
			"SELECT deleted_at IS NULL FROM contact", "1", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, a, b := two(t)
			r := a.save(t, "contact", "", map[string]any{"last_name": "x", "notes": "a\nb\nc"})
			both(t, a, b)
			tt.mine(t, a, r.ID)
			tt.theirs(t, b, r.ID)
			both(t, b, a)
			if got := c.value(t, tt.query); got != tt.want {
				t.Errorf("after the sync: %q, want %q", got, tt.want)
			}
			a.undo(t)
			converge(t, c, a, b)
			if got := c.value(t, tt.query); got != tt.back {
				t.Errorf("after the undo: %q, want %q", got, tt.back)
			}
			if _, err := a.Undo(t.Context(), model.LastUndo); err != nil {
				t.Fatal(err)
			}
			converge(t, c, a, b)
			if got := c.value(t, tt.query); got != tt.want {
				t.Errorf("done again: %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUndoOfASettledConflict: the value that was not taken can be had back.
func TestUndoOfASettledConflict(t *testing.T) {
	for take, want := range map[string]string{"mine": "200", "theirs": "300"} {
		t.Run(take, func(t *testing.T) {
			c, a, b := two(t)
			r := a.save(t, "deal", "", map[string]any{"name": "Engine", "amount": model.Money{Minor: 100, Currency: "EUR"}})
			both(t, a, b)
			b.save(t, "deal", r.ID, map[string]any{"amount": model.Money{Minor: 200, Currency: "EUR"}})
			a.save(t, "deal", r.ID, map[string]any{"amount": model.Money{Minor: 300, Currency: "EUR"}})
			both(t, b, a)
			open := a.conflicts(t)
			if len(open) != 1 {
				t.Fatalf("conflicts = %+v", open)
			}
			if err := a.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: take}}); err != nil {
				t.Fatal(err)
			}
			a.sync(t)
			a.undo(t)
			converge(t, c, a, b)
			if got := c.value(t, "SELECT amount_minor FROM deal"); got != want {
				t.Errorf("amount = %s, want %s", got, want)
			}
		})
	}
}

// TestStageConflictHoldsWhatFollows: while two people disagree on the stage,
// nothing else tells that the deal is closed; what is chosen is whole.
func TestStageConflictHoldsWhatFollows(t *testing.T) {
	for take, want := range map[string]string{"mine": "Lost price", "theirs": "Won -"} {
		t.Run(take, func(t *testing.T) {
			c, a, b := two(t)
			r := a.save(t, "deal", "", map[string]any{"name": "Engine"})
			both(t, a, b)
			if _, err := b.MoveDeal(t.Context(), r.ID, "Won", ""); err != nil {
				t.Fatal(err)
			}
			if _, err := a.MoveDeal(t.Context(), r.ID, "Lost", "price"); err != nil {
				t.Fatal(err)
			}
			both(t, b, a)
			open := a.conflicts(t)
			if len(open) != 1 || len(open[0].Fields) != 1 || open[0].Fields[0].Field != "stage" {
				t.Fatalf("conflicts = %+v", open)
			}
			const q = "SELECT CONCAT(s.name, ' ', COALESCE(d.lost_reason, '-')) FROM deal d JOIN stage s ON s.id = d.stage_id"
			if got := c.value(t, q); got != "Won -" {
				t.Errorf("meanwhile on the server: %s", got)
			}
			if err := a.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: take}}); err != nil {
				t.Fatal(err)
			}
			converge(t, c, a, b)
			if got := c.value(t, q); got != want {
				t.Errorf("on the server: %s, want %s", got, want)
			}
		})
	}
}

// TestMergedRecordsTravel: a merge and its undo arrive whole at colleagues.
func TestMergedRecordsTravel(t *testing.T) {
	c, a, b := two(t)
	keep := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "notes": "one", "phone": []*model.Record{phone(t, "+41446681800")}})
	other := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "first_name": "Ada", "notes": "two", "do_not_mail": true,
		"phone": []*model.Record{phone(t, "+41446681800"), phone(t, "+41446681801")}, "organization": model.Ref{Noun: "organization", Name: "Acme"}})
	a.save(t, "deal", "", map[string]any{"name": "Engine", "contact": model.Ref{Noun: "contact", ID: other.ID}})
	part := model.NewPart(model.EntityOf("activity").Field("about"))
	part.Values["record"] = model.Ref{Noun: "contact", ID: other.ID}
	a.save(t, "activity", "", map[string]any{"subject": "call", "about": []*model.Record{part}})
	both(t, a, b)
	if _, err := a.Merge(t.Context(), "contact", keep.ID, other.ID); err != nil {
		t.Fatal(err)
	}
	both(t, a, b)
	converge(t, c, a, b)
	got := b.get(t, "contact", keep.ID)
	if got.Text("first_name") != "Ada" || got.Text("notes") != "one\ntwo" || !got.Bool("do_not_mail") || got.Ref("organization").Name != "Acme" ||
		len(got.List("phone")) != 2 || len(got.List("organizations")) != 1 {
		t.Errorf("the one that stays: %v", got.Values)
	}
	if b.get(t, "contact", other.ID).DeletedAt.IsZero() {
		t.Error("the other one is not in the bin")
	}
	const links = "SELECT CONCAT((SELECT COUNT(*) FROM deal WHERE contact_id = ?), (SELECT COUNT(*) FROM deal_contact WHERE contact_id = ? AND deleted_at IS NULL), (SELECT COUNT(*) FROM activity_link WHERE contact_id = ? AND deleted_at IS NULL))"
	if n := c.value(t, links, keep.ID.Bytes(), keep.ID.Bytes(), keep.ID.Bytes()); n != "111" {
		t.Errorf("deals, roles and activities of the one that stays: %s", n)
	}
	if u := a.undo(t); len(u.Stayed) != 0 {
		t.Errorf("undone = %+v", u)
	}
	both(t, a, b)
	converge(t, c, a, b)
	if n := c.value(t, links, other.ID.Bytes(), other.ID.Bytes(), other.ID.Bytes()); n != "111" {
		t.Errorf("deals, roles and activities of the other one after the undo: %s", n)
	}
	was := b.get(t, "contact", keep.ID)
	if was.Text("first_name") != "" || was.Text("notes") != "one" || was.Bool("do_not_mail") || len(was.List("phone")) != 1 {
		t.Errorf("the one that stays after the undo: %v", was.Values)
	}
	if n := len(b.get(t, "contact", other.ID).List("phone")); n != 2 {
		t.Errorf("the other one has %d phones after the undo", n)
	}
}

// TestMergeMeetsAnAddition: a record that was merged away comes back when
// somebody put a phone on it meanwhile, and the pair is asked about again.
func TestMergeMeetsAnAddition(t *testing.T) {
	for _, first := range []string{"the merge first", "the phone first"} {
		t.Run(first, func(t *testing.T) {
			c, a, b := two(t)
			keep := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"})
			other := a.save(t, "contact", "", map[string]any{"last_name": "Byron"})
			both(t, a, b)
			if _, err := a.Merge(t.Context(), "contact", keep.ID, other.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Save(t.Context(), model.Edit{Noun: "contact", ID: other.ID, Add: map[string][]*model.Record{"phone": {phone(t, "+41446681801")}}}); err != nil {
				t.Fatal(err)
			}
			if first == "the merge first" {
				both(t, a, b)
			} else {
				both(t, b, a)
			}
			converge(t, c, a, b)
			alive(t, c, "contact", other.ID, a, b)
			if pairs, err := a.Duplicates(t.Context(), "contact", false); err != nil || len(pairs) != 1 {
				t.Errorf("duplicates = %+v, %v", pairs, err)
			}
		})
	}
}
