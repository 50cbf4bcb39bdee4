package sync_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/model"
)

// T01: a transaction that commits after a later one is not lost.
func TestT01CommitInversion(t *testing.T) {
	for _, tt := range []struct{ name, slow, quick, want string }{
		{"INSERT", "INSERT INTO contact (last_name) VALUES ('slow')", "INSERT INTO contact (last_name) VALUES ('quick')", "slow"},
		{"UPDATE", "UPDATE contact SET job_title = 'slow' WHERE last_name = 'one'", "UPDATE contact SET job_title = 'quick' WHERE last_name = 'two'", ""},
		{"DELETE", "DELETE FROM contact WHERE last_name = 'one'", "UPDATE contact SET job_title = 'quick' WHERE last_name = 'two'", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCentral(t)
			c.exec(t, "INSERT INTO contact (last_name) VALUES ('one'), ('two')")
			a := newHome(t, "ann", c.url)
			a.sync(t)
			slow, err := c.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer slow.Rollback()
			if _, err := slow.Exec(tt.slow); err != nil {
				t.Fatal(err)
			}
			c.exec(t, tt.quick)
			if res := a.sync(t); res.Pulled != 1 {
				t.Errorf("the committed change: pulled %d, want 1", res.Pulled)
			}
			if err := slow.Commit(); err != nil {
				t.Fatal(err)
			}
			if res := a.sync(t); res.Pulled != 1 {
				t.Errorf("the late commit: pulled %d, want 1", res.Pulled)
			}
			if tt.name != "DELETE" { // a row that is gone there stays in the bin here
				converge(t, c, a)
			}
		})
	}
}

// T20: the acknowledgement is lost after the server committed.
func TestT20LostAcknowledgement(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a := newHome(t, "ann", p.URL(c.url))
	a.sync(t)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"})
	p.On("sync_push", func() bool { return false })
	if _, err := a.try(t); model.KindOf(err) != model.Unreachable {
		t.Fatalf("sync = %v, want Unreachable", err)
	}
	if len(a.pending(t)) == 0 {
		t.Error("the change must stay pending until it is acknowledged")
	}
	res := a.sync(t)
	if res.Pushed == 0 {
		t.Errorf("the record counts as sent by the sync that learns it: %+v", res)
	}
	if n := c.value(t, "SELECT COUNT(*) FROM contact WHERE last_name = 'Lovelace' AND row_version = 1"); n != "1" {
		t.Errorf("%s rows on the server, want one, written once", n)
	}
	if got := a.get(t, "contact", r.ID); got.Sync != model.Clean {
		t.Errorf("sync state = %s", got.Sync)
	}
	converge(t, c, a)
}

// T52: the acknowledgement is lost, then a colleague changes the same field.
func TestT52LostAcknowledgementThenLaterEdit(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"})
	a.sync(t)
	b.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "Analyst"})
	p.On("sync_push", func() bool { return false })
	if _, err := a.try(t); err == nil {
		t.Fatal("the sync should have been cut")
	}
	b.sync(t)
	b.save(t, "contact", r.ID, map[string]any{"job_title": "Countess"})
	b.sync(t)
	converge(t, c, a, b)
	if got := a.get(t, "contact", r.ID).Text("job_title"); got != "Countess" {
		t.Errorf("job_title = %q, want the later one", got)
	}
}

// T40: different fields of one record.
func TestT40DifferentFields(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "Lovelace"})
	a.sync(t)
	b.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"department": "Engines"})
	b.save(t, "contact", r.ID, map[string]any{"job_title": "Analyst"})
	a.sync(t)
	b.sync(t)
	converge(t, c, a, b)
	for _, h := range []*home{a, b} {
		got := h.get(t, "contact", r.ID)
		if got.Text("department") != "Engines" || got.Text("job_title") != "Analyst" {
			t.Errorf("on %s: %v", h.me, got.Values)
		}
		if n := len(h.conflicts(t)); n != 0 {
			t.Errorf("%d conflicts on %s", n, h.me)
		}
	}
}

// T41: one field, two values. A low-risk field goes to the later arrival and
// the other value stands in the history; an amount waits for a person.
func TestT41SameField(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "deal", "", map[string]any{"name": "Engine", "amount": model.Money{Minor: 100, Currency: "EUR"}})
	a.sync(t)
	b.sync(t)
	a.save(t, "deal", r.ID, map[string]any{"next_step": "call", "amount": model.Money{Minor: 200, Currency: "EUR"}})
	b.save(t, "deal", r.ID, map[string]any{"next_step": "visit", "amount": model.Money{Minor: 300, Currency: "EUR"}})
	a.sync(t)
	res := b.sync(t)
	if res.Conflicts != 1 {
		t.Fatalf("conflicts = %d, want 1", res.Conflicts)
	}
	open := b.conflicts(t)
	if len(open) != 1 || open[0].Record != r.ID || len(open[0].Fields) != 1 {
		t.Fatalf("conflicts = %+v", open)
	}
	f := open[0].Fields[0]
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	if f.Field != "amount" || f.Base != eur(100) || f.Mine != eur(300) || f.Theirs != eur(200) {
		t.Errorf("conflict = %+v", f)
	}
	if got := c.value(t, "SELECT next_step FROM deal WHERE name = 'Engine'"); got != "visit" {
		t.Errorf("next_step on the server = %s, want the later arrival", got)
	}
	history, err := b.History(t.Context(), "deal", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	lost := false
	for _, rev := range history {
		for _, ch := range rev.Changes {
			lost = lost || ch.Field == "next_step" && ch.Old == "call"
		}
	}
	if !lost {
		t.Errorf("the losing value is not in the history: %+v", history)
	}
	if err := b.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: "mine"}}); err != nil {
		t.Fatal(err)
	}
	if len(b.pending(t)) != 1 {
		t.Error("settled with mine means pending until the next sync")
	}
	converge(t, c, a, b)
	for _, h := range []*home{a, b} {
		if got, _ := h.get(t, "deal", r.ID).Money("amount"); got != eur(300) {
			t.Errorf("amount on %s = %s", h.me, got)
		}
	}
	if got := c.value(t, "SELECT amount_minor FROM deal WHERE name = 'Engine'"); got != "300" {
		t.Errorf("amount on the server = %s", got)
	}
}

// T41 the other way: the person takes theirs.
func TestT41TakeTheirs(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "deal", "", map[string]any{"name": "Engine", "close_date": "2026-01-01"})
	a.sync(t)
	b.sync(t)
	a.save(t, "deal", r.ID, map[string]any{"close_date": "2026-02-02"})
	b.save(t, "deal", r.ID, map[string]any{"close_date": "2026-03-03", "next_step": "mail"})
	a.sync(t)
	b.sync(t)
	if got := c.value(t, "SELECT next_step FROM deal"); got != "mail" {
		t.Errorf("the other fields of the edit do not wait: next_step = %s", got)
	}
	open := b.conflicts(t)
	if len(open) != 1 {
		t.Fatalf("conflicts = %+v", open)
	}
	if err := b.Settle(t.Context(), open[0].ID, []model.Settlement{{Take: "theirs"}}); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a, b)
	if got := b.get(t, "deal", r.ID).Text("close_date"); got != "2026-02-02" {
		t.Errorf("close_date = %s", got)
	}
}

// T42: one field, the same value.
func TestT42SameValue(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "deal", "", map[string]any{"name": "Engine"})
	a.sync(t)
	b.sync(t)
	a.save(t, "deal", r.ID, map[string]any{"close_date": "2026-02-02"})
	b.save(t, "deal", r.ID, map[string]any{"close_date": "2026-02-02"})
	a.sync(t)
	if res := b.sync(t); res.Conflicts != 0 {
		t.Errorf("equal edits are no conflict")
	}
	converge(t, c, a, b)
}

// T44: a value changed and changed back offline sends nothing.
func TestT44BackAgain(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
	a.sync(t)
	b.sync(t)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", r.ID, map[string]any{"job_title": "1"})
	if p := a.pending(t); len(p) != 0 {
		t.Errorf("pending = %+v, want nothing", p)
	}
	b.save(t, "contact", r.ID, map[string]any{"job_title": "5"})
	b.sync(t)
	if res := a.sync(t); res.Pushed != 0 || res.Pulled != 1 {
		t.Errorf("sync = %+v, want nothing up and one down", res)
	}
	converge(t, c, a, b)
	if got := a.get(t, "contact", r.ID).Text("job_title"); got != "5" {
		t.Errorf("job_title = %s, want 5", got)
	}
}

// T48: an edit made while the push is on its way.
func TestT48EditDuringPush(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  map[string]any
		want string
	}{
		{"same field", map[string]any{"job_title": "3"}, "3"},
		{"other field", map[string]any{"department": "D"}, "2"},
		{"back to what it was", map[string]any{"job_title": "1"}, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCentral(t)
			p := servertest.NewProxy(t, servertest.Shared(t))
			a := newHome(t, "ann", p.URL(c.url))
			r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1"})
			a.sync(t)
			a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
			p.On("sync_push", func() bool {
				a.save(t, "contact", r.ID, tt.set)
				return true
			})
			a.sync(t)
			converge(t, c, a)
			got := a.get(t, "contact", r.ID)
			if got.Text("job_title") != tt.want {
				t.Errorf("job_title = %q, want %q", got.Text("job_title"), tt.want)
			}
			for k, v := range tt.set {
				if got.Text(k) != v {
					t.Errorf("%s = %q, want the later edit %q", k, got.Text(k), v)
				}
			}
		})
	}
}

// T49: an edit made while pages are applied.
func TestT49EditDuringPull(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a := newHome(t, "ann", p.URL(c.url))
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "1", "department": "1"})
	a.sync(t)
	c.exec(t, "UPDATE contact SET job_title = '2'")
	p.On("sync_feed", func() bool {
		a.save(t, "contact", r.ID, map[string]any{"department": "2"})
		return true
	})
	a.sync(t)
	converge(t, c, a)
	got := a.get(t, "contact", r.ID)
	if got.Text("job_title") != "2" || got.Text("department") != "2" {
		t.Errorf("got %v", got.Values)
	}
}

// T50: one's own change coming back rewrites nothing.
func TestT50Echo(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	res := a.sync(t)
	if res.Pushed == 0 || res.Pulled != 0 {
		t.Errorf("sync = %+v, want nothing pulled", res)
	}
	before := a.get(t, "contact", r.ID)
	if res := a.sync(t); res.Pushed != 0 || res.Pulled != 0 || res.RoundTrips != 1 {
		t.Errorf("the sync after it = %+v", res)
	}
	if after := a.get(t, "contact", r.ID); !after.UpdatedAt.Equal(before.UpdatedAt) || after.RowVersion != 1 {
		t.Errorf("updated_at %s → %s, row_version %d", before.UpdatedAt, after.UpdatedAt, after.RowVersion)
	}
	converge(t, c, a)
}

// T45: one side deletes what the other edits: the edit stays, either way round.
func TestT45DeleteAgainstUpdate(t *testing.T) {
	for _, first := range []string{"delete first", "edit first"} {
		t.Run(first, func(t *testing.T) {
			c := newCentral(t)
			a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
			r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
			a.sync(t)
			b.sync(t)
			if err := a.Delete(t.Context(), "contact", r.ID); err != nil {
				t.Fatal(err)
			}
			b.save(t, "contact", r.ID, map[string]any{"job_title": "kept"})
			if first == "delete first" {
				a.sync(t)
				b.sync(t)
			} else {
				b.sync(t)
				a.sync(t)
			}
			converge(t, c, a, b)
			for _, h := range []*home{a, b} {
				got := h.get(t, "contact", r.ID)
				if !got.DeletedAt.IsZero() || got.Text("job_title") != "kept" {
					t.Errorf("on %s: deleted %s, title %q", h.me, got.DeletedAt, got.Text("job_title"))
				}
			}
		})
	}
}

// T45 with another program's DELETE: the edit made here is sent again as a new
// row; without one the last state goes to the bin.
func TestT45DeletedByAnotherProgram(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	kept := a.save(t, "contact", "", map[string]any{"last_name": "kept"})
	gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
	a.sync(t)
	a.save(t, "contact", kept.ID, map[string]any{"job_title": "edited"})
	c.exec(t, "DELETE FROM contact")
	a.sync(t)
	a.sync(t)
	if got := c.value(t, "SELECT CONCAT(last_name, ' ', job_title) FROM contact"); got != "kept edited" {
		t.Errorf("on the server: %s", got)
	}
	if got := a.get(t, "contact", gone.ID); got.DeletedAt.IsZero() {
		t.Error("what is gone there lies in the bin here")
	}
	if err := a.Restore(t.Context(), "contact", gone.ID); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	if got := c.value(t, "SELECT COUNT(*) FROM contact WHERE deleted_at IS NULL"); got != "2" {
		t.Errorf("after the restore there are %s contacts on the server, want 2", got)
	}
	converge(t, c, a)
}

// T28: a row that the server refuses does not hold up the others.
func TestT28RefusedRow(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.sync(t)
	c.exec(t, "ALTER TABLE contact ADD CONSTRAINT contact_no_bots CHECK (last_name <> 'bot')")
	for _, name := range []string{"one", "bot", "two"} {
		a.save(t, "contact", "", map[string]any{"last_name": name})
	}
	res := a.sync(t)
	if res.Refused != 1 {
		t.Errorf("refused = %d, want 1", res.Refused)
	}
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name ORDER BY last_name) FROM contact"); got != "one,two" {
		t.Errorf("on the server: %s", got)
	}
	p := a.pending(t)
	if len(p) != 1 || p[0].Code == "" || p[0].Error == "" {
		t.Fatalf("pending = %+v", p)
	}
	c.exec(t, "ALTER TABLE contact DROP CONSTRAINT contact_no_bots")
	if n, err := a.Retry(t.Context()); n != 1 || err != nil {
		t.Fatalf("retry = %d, %v", n, err)
	}
	converge(t, c, a)
}

// TestForeignInsert: a row of another program arrives whole, with its defaults.
func TestForeignInsert(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.sync(t)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('Meier')")
	c.exec(t, "INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'phone', '+41 44 668 18 00' FROM contact")
	c.exec(t, "INSERT INTO deal (name) VALUES ('Straight in')")
	if res := a.sync(t); res.Pulled != 2 {
		t.Errorf("pulled = %d, want 2", res.Pulled)
	}
	page, err := a.List(t.Context(), model.Query{Noun: "contact", Text: "meier", Limit: 10})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("list = %+v, %v", page, err)
	}
	got := a.get(t, "contact", page.Items[0].ID)
	if ph := got.List("phone"); len(ph) != 1 || ph[0].Text("value") != "+41 44 668 18 00" {
		t.Errorf("phones = %+v", ph)
	}
	converge(t, c, a)
}

// T53, T55: two people make the same tag offline; it is one tag.
func TestTwinsMeet(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	b.sync(t)
	vip := model.NewPart(model.EntityOf("contact").Field("tag"))
	vip.Values["tag"] = model.Ref{Noun: "tag", Name: "vip"}
	for _, h := range []*home{a, b} {
		if _, err := h.Save(t.Context(), model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{"tag": {vip}}}); err != nil {
			t.Fatal(err)
		}
	}
	a.sync(t)
	b.sync(t)
	converge(t, c, a, b)
	if n := c.value(t, "SELECT CONCAT((SELECT COUNT(*) FROM tag), ' ', (SELECT COUNT(*) FROM tagging))"); n != "1 1" {
		t.Errorf("tags and taggings: %s, want 1 1", n)
	}
}

// T63: a copied workspace gets an id of its own, and both copies' edits arrive.
func TestT63Clone(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	dir := t.TempDir()
	if err := a.CopyTo(t.Context(), dir+"/rapport.db"); err != nil {
		t.Fatal(err)
	}
	a2 := openHome(t, "ann2", dir, c.url)
	a.save(t, "contact", r.ID, map[string]any{"job_title": "from the first"})
	a2.save(t, "contact", r.ID, map[string]any{"department": "from the copy"})
	a.sync(t)
	a2.sync(t)
	converge(t, c, a, a2)
	got := a.get(t, "contact", r.ID)
	if got.Text("job_title") != "from the first" || got.Text("department") != "from the copy" {
		t.Errorf("got %v", got.Values)
	}
}

// T60: the server is put back to yesterday. What it lost is offered again.
func TestT60RestoredServer(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
	a.sync(t)
	snapshot := dump(t, c)
	a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "new"})
	a.sync(t)
	snapshot.restore(t, c)
	if got := c.value(t, "SELECT COUNT(*) FROM contact"); got != "1" {
		t.Fatalf("the restore left %s contacts", got)
	}
	a.sync(t)
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "new,old2" {
		t.Errorf("on the server: %s", got)
	}
	converge(t, c, a)
}

// TestInterruptedLoadGoesOn: a load that was cut after the server was put back
// to yesterday still offers what the server lost.
func TestInterruptedLoadGoesOn(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a := newHome(t, "ann", c.url)
	old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
	a.sync(t)
	snapshot := dump(t, c)
	a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "new"})
	a.sync(t)
	snapshot.restore(t, c)
	a.url = p.URL(c.url)
	p.On("FROM `contact`", func() bool { return false })
	if _, err := a.try(t); err == nil {
		t.Fatal("the cut load reported success")
	}
	converge(t, c, a)
	if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "new,old2" {
		t.Errorf("on the server: %s", got)
	}
}

// TestNewColumnIsFilled: a workspace that gets a column by an update of the
// program also gets what the server has in it for rows that came before, and
// misses nothing that happened meanwhile.
func TestNewColumnIsFilled(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "department": "lab"})
	gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
	a.sync(t)
	b.sync(t)
	b.Close()
	old, err := sql.Open("sqlite", filepath.Join(b.dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, q := range []string{"ALTER TABLE contact DROP COLUMN department", "UPDATE state SET value = 'old' WHERE key = 'declaration'"} {
		if _, err := old.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	c.exec(t, "DELETE FROM contact WHERE last_name = 'gone'")
	b = openHome(t, "bob", b.dir, c.url)
	b.sync(t)
	if got := b.get(t, "contact", r.ID).Text("department"); got != "lab" {
		t.Errorf("department is %q, want lab", got)
	}
	if b.get(t, "contact", gone.ID).DeletedAt.IsZero() {
		t.Error("a record that was deleted meanwhile lives on")
	}
	if res := b.sync(t); res.RoundTrips != 1 {
		t.Errorf("the next sync took %d round trips", res.RoundTrips)
	}
}

// TestUnreachable: an absent server is told as such and loses nothing.
func TestUnreachable(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", strings.Replace(c.url, "127.0.0.1:", "127.0.0.1:1", 1))
	a.url = "mysql://root@127.0.0.1:1/none"
	a.save(t, "contact", "", map[string]any{"last_name": "x"})
	if _, err := a.try(t); model.KindOf(err) != model.Unreachable {
		t.Errorf("sync = %v, want Unreachable", err)
	}
	if len(a.pending(t)) == 0 {
		t.Error("nothing may be lost")
	}
}
