package mysql

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/model"
)

func (c *company) rebuild(req model.RebuildRequest) model.RebuildResult {
	c.Helper()
	res, err := RebuildTables(c.Context(), c.url, req, nil)
	if err != nil {
		c.Fatalf("rebuild: %v", err)
	}
	return res
}

// stand is everything that the tables hold. The triggers' own columns of rows
// that only the change log still knew come after the others, for they may say
// another moment of the same second.
func (c *company) stand() map[string]map[string][]string {
	c.Helper()
	out := map[string]map[string][]string{}
	for _, e := range model.Entities() {
		var names []string
		for _, n := range columnNames(e) {
			switch n {
			case model.ColumnVersion, model.ColumnUpdatedAt, model.ColumnCreatedAt:
			default:
				names = append(names, n)
			}
		}
		out[string(e.Noun)] = c.cells(string(e.Noun), "", names)
	}
	return out
}

// same holds that the tables hold what they did, and are whole.
func (c *company) same(want map[string]map[string][]string) {
	c.Helper()
	got := c.stand()
	for table, rows := range want {
		for id, row := range rows {
			if !slices.Equal(row, got[table][id]) {
				c.Errorf("%s %s\n  is   %q\n  want %q", table, id, got[table][id], row)
			}
		}
		for id := range got[table] {
			if rows[id] == nil {
				c.Errorf("%s %s was not there", table, id)
			}
		}
	}
	c.isWhole()
	c.sameReports()
}

// isWhole holds that a table that came back is as a migration makes it.
func (c *company) isWhole() {
	c.Helper()
	st, err := Status(c.Context(), c.url)
	if err != nil {
		c.Fatal(err)
	}
	for _, k := range st.Checks {
		if k.State == "fail" {
			c.Errorf("%+v", k)
		}
	}
	if done, err := Migrate(c.Context(), c.url); err != nil || len(done) != 1 || !strings.Contains(done[0], "everything was there") {
		c.Errorf("a migration afterwards did %q, %v", done, err)
	}
	if n := c.one("SELECT GROUP_CONCAT(trigger_name) FROM information_schema.triggers WHERE trigger_schema=DATABASE() AND (event_object_table LIKE 'report%' OR trigger_name LIKE '%\\_back')"); n != "NULL" {
		c.Errorf("triggers stayed behind: %s", n)
	}
	if n := c.one("SELECT GROUP_CONCAT(table_name,'.',constraint_name,' to ',referenced_table_name) FROM information_schema.referential_constraints WHERE constraint_schema=DATABASE() AND (table_name LIKE 'report%' OR referenced_table_name LIKE 'report%')"); n != "NULL" {
		c.Errorf("references lead astray: %s", n)
	}
	if n := c.one("SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema=DATABASE() AND (table_name LIKE '%\\_back' OR table_name LIKE '%\\_new' OR table_name LIKE '%\\_old')"); n != "NULL" {
		c.Errorf("tables stayed behind: %s", n)
	}
}

// busy is a company whose report tables are some changes behind.
func busy(t *testing.T) *company {
	c := newCompany(t)
	l := newLife(c, uint64(time.Now().UnixNano()))
	l.fill(4)
	c.sql("INSERT INTO user (id,login,name) VALUES (UNHEX(MD5('u')),'ann','Ann')",
		"INSERT INTO contact (id,last_name,job_title,owner_id) SELECT UNHEX(MD5(CONCAT('c',seq))),CONCAT('c',seq),'before',UNHEX(MD5('u')) FROM seq_1_to_20",
		"INSERT INTO contact_method (contact_id,kind,value) SELECT UNHEX(MD5(CONCAT('c',seq))),'email',CONCAT('c',seq,'@example.org') FROM seq_1_to_20")
	c.refresh(model.ReportsRequest{})
	for range 60 {
		l.step()
	}
	c.sql("UPDATE contact SET job_title='later 😀', birth_date='--02-29' WHERE last_name='c1'", "UPDATE contact SET job_title=NULL, do_not_call=1 WHERE last_name='c2'",
		"INSERT INTO contact (id,last_name,notes,owner_id) VALUES (UNHEX(MD5('new')),'new','a \\\\ \"note\"\n\nof two',UNHEX(MD5('u')))", "UPDATE contact SET department='and on' WHERE last_name='new'",
		"DELETE FROM contact_method WHERE contact_id=UNHEX(MD5('c3'))", "DELETE FROM contact WHERE id=UNHEX(MD5('c3'))",
		"UPDATE contact SET deleted_at=UTC_TIMESTAMP(3) WHERE last_name='c4'")
	return c
}

// TestRebuildLostTable puts a table back of which nothing is left, with every
// change that came after the copy.
func TestRebuildLostTable(t *testing.T) {
	for _, noun := range []model.Noun{"contact", "user"} {
		t.Run(string(noun), func(t *testing.T) {
			c := busy(t)
			want := c.stand()
			c.sql("SET foreign_key_checks=0; DROP TABLE `" + string(noun) + "`")
			plan := c.rebuild(model.RebuildRequest{Nouns: []model.Noun{noun}, DryRun: true})
			if n := c.one("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND (table_name='" + string(noun) + "' OR table_name LIKE '%\\_back')"); n != "0" {
				t.Errorf("a dry run left %s tables", n)
			}
			res := c.rebuild(model.RebuildRequest{Nouns: []model.Noun{noun}})
			w := res.Tables[0]
			if w != plan.Tables[0] || w.State != "gone" || w.Lost != 0 || w.Newer != w.FromLog+w.Removed || w.Rows != int64(len(want[string(noun)])) {
				t.Errorf("did %+v, planned %+v", w, plan.Tables[0])
			}
			if res.NewEpoch {
				t.Error("a new identity although nothing is lost")
			}
			if noun == "contact" && (w.Newer < 5 || w.Removed < 1) {
				t.Errorf("what is newer was not found: %+v", w)
			}
			c.same(want)
		})
	}
}

// TestRebuildDamagedTables puts back what was changed around the triggers, and
// keeps what was changed by them.
func TestRebuildDamagedTables(t *testing.T) {
	c := busy(t)
	want := c.stand()
	c.sql("DROP TRIGGER contact_before_update; DROP TRIGGER contact_after_update; DROP TRIGGER contact_after_delete; DROP TRIGGER contact_after_insert; DROP TRIGGER contact_before_insert;"+
		"UPDATE contact SET job_title='spoilt', department='spoilt' WHERE last_name IN ('c1','c5','c6')",
		"SET foreign_key_checks=0; DELETE FROM contact WHERE last_name IN ('c7','c8','new'); TRUNCATE contact_method; TRUNCATE deal",
		"INSERT INTO contact (id,last_name,row_version,scope_id) VALUES (UNHEX(MD5('extra')),'extra',1,UNHEX(REPEAT('0',32)))")
	res := c.rebuild(model.RebuildRequest{Nouns: []model.Noun{"contact", "contact_method", "deal"}})
	if w := res.Tables[1]; w.Noun != "deal" && res.Tables[0].Noun != "contact" {
		t.Fatalf("%+v", res)
	}
	for _, w := range res.Tables {
		switch w.Noun {
		case "contact":
			if w.State != "whole" || w.PutBack != 2 || w.Mended != 2 || w.Kept != 1 || w.Lost != 0 || !strings.HasPrefix(w.Replaced, "report_contact_replaced_2") {
				t.Errorf("%+v", w)
			}
			if got := c.one("SELECT GROUP_CONCAT(job_title ORDER BY last_name) FROM " + w.Replaced + " WHERE job_title='spoilt'"); got != "spoilt,spoilt,spoilt" {
				t.Errorf("what was replaced is not kept: %s", got)
			}
		default:
			if w.State != "empty" || w.PutBack == 0 || w.Lost != 0 {
				t.Errorf("%+v", w)
			}
		}
	}
	if got := c.one("SELECT last_name FROM contact WHERE id=UNHEX(MD5('extra'))"); got != "extra" {
		t.Errorf("the row that only the table had: %s", got)
	}
	c.sql("DELETE FROM contact WHERE id=UNHEX(MD5('extra'))")
	c.refresh(model.ReportsRequest{})
	c.same(want)
	for _, told := range []string{"c5", "c6", "c7", "c8"} {
		if got := c.one("SELECT COUNT(*)>1 FROM sync_feed WHERE tbl='contact' AND pk=UNHEX(MD5('" + told + "'))"); got != "1" {
			t.Errorf("laptops are not told of %s", told)
		}
	}
	c.sql("ALTER TABLE " + res.Tables[0].Replaced + " RENAME TO report_contact_replaced_20200101")
	if _, err := Sweep(t.Context(), c.url, model.KeepDeleted); err != nil {
		t.Fatal(err)
	}
	if n := c.one("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name='report_contact_replaced_20200101'"); n != "0" {
		t.Error("the sweep left a table that was replaced years ago")
	}
}

// TestRebuildTakesDeletesBack puts back what somebody deleted by mistake, also
// where the copies have followed that already.
func TestRebuildTakesDeletesBack(t *testing.T) {
	c := busy(t)
	c.sql("DELETE FROM activity_link") // meant
	c.refresh(model.ReportsRequest{})
	want := c.stand()
	since, err := time.Parse("2006-01-02 15:04:05.000", c.one("SELECT UTC_TIMESTAMP(3)"))
	if err != nil {
		t.Fatal(err)
	}
	since = since.Add(time.Millisecond)
	for c.one("SELECT UTC_TIMESTAMP(3)>'"+since.Format("2006-01-02 15:04:05.000")+"'") == "0" {
	}
	c.sql("DELETE FROM contact_method")
	c.refresh(model.ReportsRequest{})
	c.sql("DELETE FROM address")
	nouns := []model.Noun{"contact_method", "address", "activity_link"}
	if res := c.rebuild(model.RebuildRequest{Nouns: nouns, DryRun: true}); res.Tables[0].Rows+res.Tables[1].Rows != 0 {
		t.Errorf("deletes are taken back unasked: %+v", res)
	}
	c.rebuild(model.RebuildRequest{Nouns: nouns, DeletesSince: since})
	c.same(want)
}

// TestRebuildRefuses a copy that is no copy any more.
func TestRebuildRefuses(t *testing.T) {
	contacts := model.RebuildRequest{Nouns: []model.Noun{"contact"}}
	for name, spoil := range map[string]string{
		"no copy":                   "DROP TABLE report_contact; DELETE FROM report_state",
		"a value":                   "UPDATE report_contact SET last_name='x' LIMIT 1",
		"a row is gone":             "DELETE FROM report_contact LIMIT 1",
		"a value with its own hash": "UPDATE report_contact SET last_name='x', report_hash=UNHEX(SHA2('x',256)) LIMIT 1",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t)
			c.sql("INSERT INTO contact (last_name) SELECT CONCAT('c',seq) FROM seq_1_to_10")
			c.refresh(model.ReportsRequest{})
			c.sql(spoil, "SET foreign_key_checks=0; TRUNCATE contact")
			want := model.Corrupt
			if name == "no copy" {
				want = model.NotFound
			}
			if _, err := RebuildTables(t.Context(), c.url, contacts, nil); model.KindOf(err) != want {
				t.Errorf("got %v", err)
			}
			if n := c.one("SELECT COUNT(*) FROM contact"); n != "0" {
				t.Errorf("%s rows came from a copy that was changed", n)
			}
		})
	}
}

// TestRebuildColumn puts back a column that was dropped.
func TestRebuildColumn(t *testing.T) {
	c := busy(t)
	want := c.stand()
	c.sql("ALTER TABLE contact DROP COLUMN job_title")
	if res := c.rebuild(model.RebuildRequest{Nouns: []model.Noun{"contact"}}); res.Tables[0].Lost != 0 {
		t.Errorf("%+v", res.Tables)
	}
	c.same(want)
}
