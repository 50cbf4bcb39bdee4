package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// holding lists the columns of every table that hold a word, also as a part of
// bytes.
func (c *company) holding(word string) []string {
	c.Helper()
	db := c.server.DB(c.database)
	defer db.Close()
	rows, err := db.Query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2")
	if err != nil {
		c.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			c.Fatal(err)
		}
		var found int
		if err := db.QueryRow("SELECT COUNT(*) FROM `"+table+"` WHERE LOCATE(BINARY LOWER(?), LOWER(CONVERT(`"+column+"` USING utf8mb4))) > 0", word).Scan(&found); err != nil {
			c.Fatalf("%s.%s: %v", table, column, err)
		}
		if found > 0 {
			out = append(out, table+"."+column)
		}
	}
	return out
}

// TestErase erases a contact of which every kind of table has a copy: no table
// holds a word of it, what was about others too stays, and nobody brings it
// back.
func TestErase(t *testing.T) {
	c := newCompany(t)
	const word = "qxzvwjkp"
	a, deal, alone, shared := c.ids.New(), c.ids.New(), c.ids.New(), c.ids.New()
	x := func(id model.ID) string { return idLiteral(id) }
	c.sql("INSERT INTO contact (id, last_name, notes) VALUES ("+x(a)+", 'Qxzvwjkp', 'about Qxzvwjkp')",
		"UPDATE contact SET notes = 'more about Qxzvwjkp' WHERE id = "+x(a),
		"INSERT INTO contact_method (contact_id, kind, value) VALUES ("+x(a)+", 'email', 'qxzvwjkp@example.com')",
		"INSERT INTO deal (id, name, contact_id) VALUES ("+x(deal)+", 'Big', "+x(a)+")",
		"INSERT INTO deal_contact (deal_id, contact_id) VALUES ("+x(deal)+", "+x(a)+")",
		"INSERT INTO activity (id, kind, subject) VALUES ("+x(alone)+", 'note', 'called Qxzvwjkp'), ("+x(shared)+", 'note', 'met')",
		"INSERT INTO activity_link (activity_id, contact_id) VALUES ("+x(alone)+", "+x(a)+"), ("+x(shared)+", "+x(a)+")",
		"INSERT INTO activity_link (activity_id, deal_id) VALUES ("+x(shared)+", "+x(deal)+")")
	c.refresh(model.ReportsRequest{})
	c.sql("CREATE TABLE contact_replaced_20260101 LIKE contact", "INSERT INTO contact_replaced_20260101 SELECT * FROM contact",
		"CREATE TABLE report_deal_replaced_20260101 LIKE report_deal", "INSERT INTO report_deal_replaced_20260101 SELECT * FROM report_deal")
	if found := c.holding(word); len(found) < 8 {
		t.Fatalf("only %v hold the word", found)
	}
	plan, err := Erase(t.Context(), c.url, a)
	if err != nil {
		t.Fatal(err)
	}
	want := map[model.Noun]int64{"contact": 1, "contact_method": 1, "activity": 1, "activity_link": 1}
	for n, count := range want {
		if plan.Erased[n] != count {
			t.Errorf("%d rows of %s erased, want %d", plan.Erased[n], n, count)
		}
	}
	if plan.Unlinked["deal"] != 1 || plan.Unlinked["deal_contact"] != 1 || plan.Unlinked["activity_link"] != 1 {
		t.Errorf("unlinked %v", plan.Unlinked)
	}
	if found := c.holding(word); len(found) > 0 {
		t.Errorf("the word stands in %v", found)
	}
	if got := c.one("SELECT CONCAT((SELECT COUNT(*) FROM deal WHERE contact_id IS NULL), (SELECT COUNT(*) FROM activity), (SELECT COUNT(*) FROM activity_link), (SELECT COUNT(*) FROM erasure))"); got != "1112" {
		t.Errorf("deals, activities, links, ledger: %s, want 1112", got)
	}
	db := c.server.DB(c.database)
	defer db.Close()
	if _, err := db.Exec("INSERT INTO contact (id, last_name) VALUES (" + x(a) + ", 'Again')"); err == nil || !strings.Contains(err.Error(), "was erased") {
		t.Errorf("the contact came back: %v", err)
	}
	if _, err := Erase(t.Context(), c.url, a); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if _, err := Erase(t.Context(), c.url, c.ids.New()); model.KindOf(err) != model.NotFound {
		t.Errorf("one that never was: %v", err)
	}
}

// TestEraseIsTheAdministrators refuses it to somebody who sees every record and
// is no administrator.
func TestEraseIsTheAdministrators(t *testing.T) {
	c := newCompany(t)
	c.person("ann", model.RoleSales, model.ScopeAll, "")
	id := c.ids.New()
	c.sql("INSERT INTO contact (id, last_name) VALUES (" + idLiteral(id) + ", 'x')")
	if _, err := Erase(t.Context(), c.urlOf("ann"), id); model.KindOf(err) != model.Refused {
		t.Errorf("a rep erased: %v", err)
	}
	if n := c.one("SELECT COUNT(*) FROM contact"); n != "1" {
		t.Errorf("%s contacts are left", n)
	}
}

// TestCopied tells copies of tables of records from other tables.
func TestCopied(t *testing.T) {
	for table, want := range map[string]string{"contact": "", "report_contact": "contact", "contact_method": "", "report_contact_method_new": "contact_method",
		"deal_replaced_20260101": "deal", "report_state": "", "contact_old": "contact", "their_old": "", "contacts_old": ""} {
		if got := copied(table); got != want {
			t.Errorf("%s is a copy of %q, want %q", table, got, want)
		}
	}
}
