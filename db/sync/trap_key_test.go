package sync_test

import (
	"context"
	"testing"

	"rapport/db/sqlite"
	"rapport/db/sync"
	"rapport/model"
)

// T55: two people under one id stay two, with what belongs to each.
func TestT55OneIDTwoPeople(t *testing.T) {
	c, a, b := two(t)
	both(t, a, b)
	mine := b.save(t, "contact", "", map[string]any{"last_name": "Byron", "phone": []*model.Record{phone(t, "+41446681801")}})
	b.save(t, "deal", "", map[string]any{"name": "Engine", "contact": model.Ref{Noun: "contact", ID: mine.ID}})
	c.exec(t, "INSERT INTO contact (id, last_name, created_at) VALUES (?, 'Lovelace', '2020-01-01')", mine.ID.Bytes())
	c.exec(t, "INSERT INTO contact_method (contact_id, kind, value) VALUES (?, 'phone', '+41446681800')", mine.ID.Bytes())
	both(t, b, a)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(c.last_name, m.value ORDER BY c.last_name) FROM contact c JOIN contact_method m ON m.contact_id = c.id"); got != "Byron+41446681801,Lovelace+41446681800" {
		t.Errorf("on the server: %s", got)
	}
	if got := c.value(t, "SELECT c.last_name FROM deal d JOIN contact c ON c.id = d.contact_id"); got != "Byron" {
		t.Errorf("the deal is with %s", got)
	}
}

// T56: a row is deleted and made again under its id for somebody else while it
// is edited here: the edit waits for a person.
func TestT56MadeAnew(t *testing.T) {
	c, a, b := two(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "job_title": "Analyst"})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "Countess"})
	c.exec(t, "DELETE FROM contact")
	c.exec(t, "INSERT INTO contact (id, last_name, job_title, created_at) VALUES (?, 'Byron', 'Poet', '2030-01-01')", r.ID.Bytes())
	c.exec(t, "UPDATE contact SET created_at = UTC_TIMESTAMP(3) + INTERVAL 1 SECOND")
	a.sync(t)
	open := a.conflicts(t)
	if len(open) != 1 || len(open[0].Fields) != 1 || open[0].Fields[0].Mine != "Countess" || open[0].Fields[0].Theirs != "Poet" {
		t.Fatalf("conflicts = %+v", open)
	}
	if got := c.value(t, "SELECT CONCAT(last_name, ' ', job_title) FROM contact"); got != "Byron Poet" {
		t.Errorf("on the server: %s", got)
	}
	if err := a.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: "theirs"}}); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a, b)
	if got := a.get(t, "contact", r.ID); got.Title() != "Byron" || got.Text("job_title") != "Poet" {
		t.Errorf("got %v", got.Values)
	}
}

// single is a replica that sends one operation at a time, so that a batch ends
// at every row.
type single struct{ *sqlite.DB }

func (s single) NextBatch(ctx context.Context, _, bytes int) (*model.PushBatch, error) {
	return s.DB.NextBatch(ctx, 1, bytes)
}

// T57: records that link to each other arrive whole, wherever a batch ends.
func TestT57OrderOfLinks(t *testing.T) {
	c, a, b := two(t)
	both(t, a, b)
	child := a.save(t, "organization", "", map[string]any{"name": "child"})
	parent := a.save(t, "organization", "", map[string]any{"name": "parent"})
	a.save(t, "organization", child.ID, map[string]any{"parent": model.Ref{Noun: "organization", ID: parent.ID}})
	ada := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "organization": model.Ref{Noun: "organization", ID: child.ID}})
	deal := a.save(t, "deal", "", map[string]any{"name": "Engine", "contact": model.Ref{Noun: "contact", ID: ada.ID}})
	part := model.NewPart(model.EntityOf("activity").Field("about"))
	part.Values["record"] = model.Ref{Noun: "deal", ID: deal.ID}
	a.save(t, "activity", "", map[string]any{"subject": "call", "about": []*model.Record{part}})
	engine := sync.New(single{a.DB}, a.connect, sync.Options{})
	if res, err := engine.Sync(t.Context(), false, nil); err != nil || res.Refused != 0 || res.Conflicts != 0 {
		t.Fatalf("sync = %+v, %v", res, err)
	}
	converge(t, c, a, b)
	if got := b.get(t, "organization", child.ID).Ref("parent"); got.Name != "parent" {
		t.Errorf("the parent is %+v", got)
	}
	// Two laptops put each above the other: a circle that neither could make.
	a.save(t, "organization", child.ID, map[string]any{"parent": nil})
	both(t, a, b)
	a.save(t, "organization", child.ID, map[string]any{"parent": model.Ref{Noun: "organization", ID: parent.ID}})
	b.save(t, "organization", parent.ID, map[string]any{"parent": model.Ref{Noun: "organization", ID: child.ID}})
	both(t, a, b)
	converge(t, c, a, b)
	if _, err := a.Save(t.Context(), model.Edit{Noun: "organization", ID: child.ID, Set: map[string]any{"parent": nil}}); err != nil {
		t.Errorf("the circle cannot be broken: %v", err)
	}
	converge(t, c, a, b)
}

// cascade makes a foreign key act as an administrator wants it.
func cascade(t *testing.T, c *central, table, column, target, action string) {
	t.Helper()
	name := c.value(t, "SELECT constraint_name FROM information_schema.key_column_usage WHERE table_schema = ? AND table_name = ? AND column_name = ? AND referenced_table_name = ?", c.name, table, column, target)
	c.exec(t, "ALTER TABLE "+table+" DROP FOREIGN KEY "+name)
	c.exec(t, "ALTER TABLE "+table+" ADD CONSTRAINT "+name+" FOREIGN KEY ("+column+") REFERENCES "+target+" (id) ON DELETE "+action)
}

// T58: a contact moves to another organization here while somebody deletes the
// old one with all that hangs on it.
func TestT58MovedAway(t *testing.T) {
	c, a, b := two(t)
	old := a.save(t, "organization", "", map[string]any{"name": "old"})
	next := a.save(t, "organization", "", map[string]any{"name": "new"})
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace", "organization": model.Ref{Noun: "organization", ID: old.ID}, "phone": []*model.Record{phone(t, "+41446681800")}})
	both(t, a, b)
	a.save(t, "contact", r.ID, map[string]any{"organization": model.Ref{Noun: "organization", ID: next.ID}})
	cascade(t, c, "contact", "organization_id", "organization", "CASCADE")
	cascade(t, c, "contact_organization", "organization_id", "organization", "CASCADE")
	cascade(t, c, "contact_organization", "contact_id", "contact", "CASCADE")
	cascade(t, c, "contact_method", "contact_id", "contact", "CASCADE")
	c.exec(t, "DELETE FROM organization WHERE name = 'old'")
	both(t, a, b)
	converge(t, c, a, b)
	alive(t, c, "contact", r.ID, a, b)
	if got := a.get(t, "contact", r.ID); got.Ref("organization").Name != "new" || len(got.List("phone")) != 1 {
		t.Errorf("got %v", got.Values)
	}
	// It still is a member of the old one, which therefore is not lost either.
	if !a.noted(t, "contact", r.ID, "sent again") {
		t.Error("nobody is told")
	}
}

// T59: a foreign key of the administrator deletes or empties children on the
// server, which no trigger sees; the laptops see it with the deletion.
func TestT59Cascade(t *testing.T) {
	for action, want := range map[string]string{"CASCADE": "deleted", "SET NULL": "alive"} {
		t.Run(action, func(t *testing.T) {
			c, a, b := two(t)
			org := a.save(t, "organization", "", map[string]any{"name": "Acme"})
			r := a.save(t, "deal", "", map[string]any{"name": "Engine", "organization": model.Ref{Noun: "organization", ID: org.ID}})
			both(t, a, b)
			cascade(t, c, "deal", "organization_id", "organization", action)
			cascade(t, c, "stage_history", "deal_id", "deal", "CASCADE")
			c.exec(t, "DELETE FROM organization")
			a.sync(t)
			b.sync(t)
			for _, h := range []*home{a, b} {
				got := h.get(t, "deal", r.ID)
				if (want == "alive") != got.DeletedAt.IsZero() || want == "alive" && !got.Ref("organization").IsZero() {
					t.Errorf("on %s: deleted %s, organization %v", h.me, got.DeletedAt, got.Ref("organization"))
				}
			}
			converge(t, c, a, b)
		})
	}
}
