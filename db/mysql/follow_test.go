package mysql

import (
	"fmt"
	"strings"
	"testing"

	"rapport/model"
)

// TestNothingIsSeenBeforeItFollows: what belongs to a record that somebody else
// got is out of its old owner's sight and reach from then on, although nobody
// has sequenced, and within the first look of the new one.
func TestNothingIsSeenBeforeItFollows(t *testing.T) {
	for what, look := range map[string]func(*Central, model.ID, model.ID) string{
		"load": func(c *Central, _, _ model.ID) string {
			var out []string
			if err := c.Load(t.Context(), "contact_method", "", func(r model.Row) error {
				out = append(out, string(r.ID()))
				return nil
			}); err != nil {
				t.Error(err)
			}
			return strings.Join(out, " ")
		},
		"fetch": func(c *Central, part, activity model.ID) string {
			rows, err := c.Fetch(t.Context(), map[model.Noun][]model.ID{"contact_method": {part}, "activity": {activity}})
			if err != nil {
				t.Error(err)
			}
			if len(rows["contact_method"]) != len(rows["activity"]) {
				t.Errorf("fetch: %d parts, %d activities", len(rows["contact_method"]), len(rows["activity"]))
			}
			if len(rows["contact_method"]) == 0 {
				return ""
			}
			return string(part)
		},
		"push": func(c *Central, part, _ model.ID) string {
			b := &model.PushBatch{Client: model.NewIDSource(nil, nil).New(), Number: 1, Nonce: "n", Ops: []model.PushOp{update("contact_method", part, "value", "1", "2")}}
			r, err := c.Push(t.Context(), b, model.Position{})
			if err != nil {
				t.Error(err)
			}
			if r.Results[0].Outcome != model.PushApplied {
				return ""
			}
			return string(part)
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCompany(t)
			ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, ""), c.person("bob", model.RoleSales, model.ScopeOwn, "")
			contact, part, activity := c.ids.New(), c.ids.New(), c.ids.New()
			c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES ("+idLiteral(contact)+", 'a', "+idLiteral(ann)+")",
				"INSERT INTO contact_method (id, contact_id, value) VALUES ("+idLiteral(part)+", "+idLiteral(contact)+", '1')",
				"INSERT INTO activity (id, kind, subject, owner_id) VALUES ("+idLiteral(activity)+", 'call', 's', "+idLiteral(ann)+")",
				"INSERT INTO activity_link (activity_id, contact_id) VALUES ("+idLiteral(activity)+", "+idLiteral(contact)+")")
			anns, bobs := c.as("ann"), c.as("bob")
			c.follow(anns, model.Position{})
			c.sql("UPDATE contact SET owner_id = " + idLiteral(bob))
			if got := look(anns, part, activity); got != "" {
				t.Errorf("ann still has %s", got)
			}
			c.sql("UPDATE contact SET owner_id = "+idLiteral(ann), "UPDATE contact SET owner_id = "+idLiteral(bob))
			if got := look(bobs, part, activity); got != string(part) {
				t.Errorf("bob has %q", got)
			}
			if got := c.one("SELECT COUNT(*) FROM sync_move"); got != "0" {
				t.Errorf("%s moves are left", got)
			}
		})
	}
}

// TestHeldPartFollowsLater: a part that another program holds stays noted and
// stops nobody but the one who had the record, and it follows as soon as it is
// free.
func TestHeldPartFollowsLater(t *testing.T) {
	c := newCompany(t)
	ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, ""), c.person("bob", model.RoleSales, model.ScopeOwn, "")
	c.sql("INSERT INTO contact (last_name, owner_id) VALUES ('a', "+idLiteral(ann)+")", "INSERT INTO contact_method (contact_id, value) SELECT id, '1' FROM contact",
		"INSERT INTO address (contact_id, city) SELECT id, 'Bern' FROM contact")
	anns, bobs := c.as("ann"), c.as("bob")
	c.follow(anns, model.Position{})
	tx, err := c.server.DB(c.database).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	c.sql("UPDATE contact SET owner_id = " + idLiteral(bob))
	if _, err := tx.ExecContext(t.Context(), "UPDATE contact_method SET value = '2'"); err != nil {
		t.Fatal(err)
	}
	page, at := c.follow(bobs, model.Position{})
	if len(page.Rows["contact"]) != 1 || len(page.Rows["address"]) != 1 || len(page.Rows["contact_method"]) != 0 {
		t.Errorf("bob gets %d contacts, %d addresses, %d phones", len(page.Rows["contact"]), len(page.Rows["address"]), len(page.Rows["contact_method"]))
	}
	if err := anns.Load(t.Context(), "contact_method", "", func(model.Row) error { return nil }); model.KindOf(err) != model.Unreachable {
		t.Errorf("ann is answered: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := c.rowsOf(anns, "contact_method", "value"); got != "" {
		t.Errorf("ann still has %s", got)
	}
	if page, _ = c.follow(bobs, at); len(page.Rows["contact_method"]) != 1 {
		t.Errorf("bob is told %+v", page.Entries)
	}
	if got := c.rowsOf(bobs, "contact_method", "value"); got != "2" {
		t.Errorf("bob has %q", got)
	}
}

// TestInterruptedFollowing: whoever interrupts the following leaves nothing half
// done and holds up nobody.
func TestInterruptedFollowing(t *testing.T) {
	const parts = 400
	c := newCompany(t)
	ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, ""), c.person("bob", model.RoleSales, model.ScopeOwn, "")
	c.sql("INSERT INTO contact (last_name, owner_id) VALUES ('a', "+idLiteral(ann)+")",
		fmt.Sprintf("INSERT INTO contact_method (contact_id, value) SELECT id, seq FROM contact, seq_1_to_%d", parts))
	c.follow(c.as("ann"), model.Position{})
	s := &siege{company: c}
	anns := s.raw("ann")
	c.sql("UPDATE contact SET owner_id = " + idLiteral(bob))
	for _, limit := range []string{"0.002", "0.005", "0.01", "0.02"} {
		ask(t.Context(), anns, "SET max_statement_time = "+limit+"; CALL sync_load('contact_method', '')")
		if got := c.one("SELECT COUNT(DISTINCT scope_id) FROM contact_method"); got != "1" {
			t.Fatalf("interrupted after %s s the parts are in %s scopes", limit, got)
		}
	}
	if n := len(strings.Fields(c.rowsOf(c.as("bob"), "contact_method", "value"))); n != parts {
		t.Errorf("bob has %d parts", n)
	}
}

// older makes of the central one of the form in which parts followed a record in
// the trigger of its table, and nothing was settled.
func (c *company) older() {
	c.Helper()
	replaced := func(t trigger) string {
		return strings.Replace(t.create(), "CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
	}
	counter := sequencer()
	from := strings.Index(counter.body, "      INSERT INTO sync_move")
	counter.body = counter.body[:from] + counter.body[from+strings.Index(counter.body[from:], "\n")+1:]
	contact := trigger{"contact_after_update", "contact", "AFTER UPDATE", afterUpdate(model.EntityOf("contact")) +
		"  IF NOT OLD.scope_id <=> NEW.scope_id THEN UPDATE contact_method SET scope_id = NEW.scope_id WHERE contact_id = NEW.id; END IF;\n"}
	c.sql(replaced(counter), replaced(contact), "DROP PROCEDURE sync_settle", "DROP TABLE sync_move")
	s, err := adminSession(c.Context(), c.server.URL(c.database))
	if err != nil {
		c.Fatal(err)
	}
	defer s.close()
	for _, p := range allProcedures(s.dialect) {
		body := strings.ReplaceAll(strings.ReplaceAll(p.body, settled, ""), followSQL+";", "")
		if p.name != "sync_settle" && body != p.body {
			p.body = body
			c.sql(p.create("", true))
		}
	}
}

// TestOlderCentralIsSettled: a client of this version works with a central that
// settles nothing, whichever way it takes, and Migrate brings that up.
func TestOlderCentralIsSettled(t *testing.T) {
	c := newCompany(t)
	owners := []model.ID{c.person("ann", model.RoleSales, model.ScopeOwn, ""), c.person("bob", model.RoleSales, model.ScopeOwn, "")}
	contact := c.ids.New()
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES ("+idLiteral(contact)+", 'a', "+idLiteral(owners[0])+")",
		"INSERT INTO contact_method (contact_id, value) VALUES ("+idLiteral(contact)+", '1')")
	holder := 0
	give := func(central *Central) {
		t.Helper()
		to := 1 - holder
		if got := c.push(central, update("contact", contact, "owner_id", owners[holder], owners[to])); got[0].Outcome != model.PushApplied {
			t.Fatalf("%+v", got)
		}
		holder = to
		for i, login := range []string{"ann", "bob"} {
			want := ""
			if i == holder {
				want = "1"
			}
			one := c.as(login)
			if page, _ := c.follow(one, model.Position{}); len(page.Rows["contact_method"]) != len(want) {
				t.Errorf("%s pulls %d parts, want %q", login, len(page.Rows["contact_method"]), want)
			}
			if got := c.rowsOf(one, "contact_method", "value"); got != want {
				t.Errorf("%s sees %q, want %q", login, got, want)
			}
		}
	}
	c.older()
	plain := c.dial()
	for range 2 {
		give(plain)
	}
	c.person("dan", model.RoleSales, model.ScopeAll, "")
	c.client = c.ids.New()
	for range 2 {
		give(c.as("dan"))
	}
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	for _, proof := range []string{"SELECT COUNT(*) = 0 FROM sync_move", "SELECT COUNT(*) = 1 FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = 'sync_settle'"} {
		if c.one(proof) != "1" {
			t.Errorf("migrated, not so: %s", proof)
		}
	}
	give(c.as("dan"))
	c.client = c.ids.New()
	give(c.dial())
}

// TestOlderClientMoves: a client of a version that knows of no settling, and so
// sequences only, moves a record. Nobody is shown a part too many for it, and it
// is told of the part as soon as anybody has settled.
func TestOlderClientMoves(t *testing.T) {
	c := newCompany(t)
	ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, ""), c.person("bob", model.RoleSales, model.ScopeOwn, "")
	contact := c.ids.New()
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES ("+idLiteral(contact)+", 'a', "+idLiteral(ann)+")",
		"INSERT INTO contact_method (contact_id, value) VALUES ("+idLiteral(contact)+", '1')")
	old := c.dial()
	old.alone = true
	_, at := c.follow(old, model.Position{})
	if got := c.push(old, update("contact", contact, "owner_id", ann, bob)); got[0].Outcome != model.PushApplied {
		t.Fatalf("%+v", got)
	}
	page, at := c.follow(old, at)
	if len(page.Rows["contact"]) != 1 || len(page.Rows["contact_method"]) != 0 || c.one("SELECT COUNT(*) FROM sync_move") != "1" {
		t.Fatalf("it settled: %+v", page.Entries)
	}
	if got := c.rowsOf(c.as("ann"), "contact_method", "value"); got != "" {
		t.Errorf("ann still has %q", got)
	}
	if got := c.rowsOf(c.as("bob"), "contact_method", "value"); got != "1" {
		t.Errorf("bob has %q", got)
	}
	if page, _ = c.follow(old, at); len(page.Rows["contact_method"]) != 1 {
		t.Errorf("it is told %+v", page.Entries)
	}
}
