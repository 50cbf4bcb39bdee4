package sync_test

import (
	"testing"

	"rapport/db/mysql"
	"rapport/model"
)

// TestRebuiltTableIsOfferedWhatItLost: a table comes back from its copy, which
// is older than what laptops have, and the change log knows nothing of the
// rest. They offer it, and nobody gets a row twice or an unsent edit lost.
func TestRebuiltTableIsOfferedWhatItLost(t *testing.T) {
	for name, lose := range map[string]string{
		"dropped":   "DROP TABLE contact",
		"truncated": "TRUNCATE contact",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCentral(t)
			a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
			old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
			gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
			a.sync(t)
			b.sync(t)
			if _, err := mysql.RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); err != nil {
				t.Fatal(err)
			}
			a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
			a.save(t, "contact", "", map[string]any{"last_name": "new"})
			if err := a.Delete(t.Context(), "contact", gone.ID); err != nil {
				t.Fatal(err)
			}
			a.sync(t)
			b.save(t, "contact", old.ID, map[string]any{"department": "unsent"})
			conn, err := c.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, q := range []string{"SET foreign_key_checks = 0", lose, "DELETE FROM sync_audit WHERE tbl = 'contact'"} {
				if _, err := conn.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			res, err := mysql.RebuildTables(t.Context(), c.url, model.RebuildRequest{Nouns: []model.Noun{"contact"}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if w := res.Tables[0]; w.Lost != 3 || w.FromLog != 0 || !res.NewEpoch {
				t.Errorf("the rebuild tells %+v", res)
			}
			if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "gone,old1" {
				t.Fatalf("from the copy came %s", got)
			}
			first, second := a, b
			if name == "truncated" {
				first, second = b, a // the one with the older state goes on from there
			}
			first.sync(t)
			second.sync(t)
			converge(t, c, a, b)
			if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, ''), COALESCE(department, '') ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != "new,old2unsent" {
				t.Errorf("on the server: %s", got)
			}
		})
	}
}

// TestRebuiltTableIsFelt by nobody where the change log knows everything: no
// laptop compares or gets a row that it has.
func TestRebuiltTableIsFelt(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	if _, err := mysql.RefreshReports(t.Context(), c.url, model.ReportsRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	a.save(t, "contact", r.ID, map[string]any{"job_title": "2"})
	a.sync(t)
	c.exec(t, "UPDATE contact SET notes = 'by another program'")
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{"SET foreign_key_checks = 0", "DROP TABLE contact"} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	a.save(t, "contact", r.ID, map[string]any{"department": "unsent"})
	a.try(t) // whatever it says, nothing may come of it
	res, err := mysql.RebuildTables(t.Context(), c.url, model.RebuildRequest{}, nil)
	if err != nil || res.NewEpoch {
		t.Fatalf("%+v, %v", res, err)
	}
	a.sync(t)
	converge(t, c, a)
	if got := c.value(t, "SELECT CONCAT_WS(' ', job_title, department, notes, row_version) FROM contact"); got != "2 unsent by another program 4" {
		t.Errorf("on the server: %s", got)
	}
}
