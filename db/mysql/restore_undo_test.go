package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// undo undoes the last restore and must succeed.
func (c *company) undo() Restored {
	c.Helper()
	out, err := UndoRestore(c.Context(), c.url, false, nil, nil)
	if err != nil {
		c.Fatalf("undo: %v", err)
	}
	return out
}

// everyRow reads tables whole, as plain SQL tells them, a line for each row.
func (c *company) everyRow(where string) string {
	c.Helper()
	var out []string
	db := c.server.DB(c.database)
	defer db.Close()
	for _, table := range strings.Split(c.one("SELECT COALESCE(GROUP_CONCAT(table_name ORDER BY table_name),'') FROM information_schema.tables WHERE table_schema=DATABASE() AND "+where), ",") {
		rows, err := db.Query("SELECT * FROM " + ident(table))
		if err != nil {
			c.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			c.Fatal(err)
		}
		values, into := make([]*string, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				c.Fatal(err)
			}
			line := table
			for i, v := range values {
				if v != nil {
					line += fmt.Sprintf(" %s=%q", columns[i], *v)
				}
			}
			out = append(out, line)
		}
		if err := rows.Close(); err != nil {
			c.Fatal(err)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// The tables that a restore replaced, and those of records as they are.
const (
	keptTables = `table_name LIKE '%\_replaced\_%'`
	liveTables = `table_name IN ('contact','contact_method','address','sync_audit','sync_run')`
)

// restoredAndWorkedOn is a central that was restored, with what was entered since
// on rows of every kind.
func restoredAndWorkedOn(t *testing.T, nouns ...model.Noun) *company {
	c := newCompany(t)
	id := func(name string) string { return "UNHEX(MD5('" + name + "'))" }
	c.sql("ALTER TABLE contact ADD COLUMN legacy VARCHAR(20) NULL",
		"INSERT INTO organization (id,name) VALUES ("+id("o")+",'o')",
		"INSERT INTO contact (id,last_name,job_title,department,legacy) VALUES ("+id("both")+",'both','1','1','1'),("+id("taken")+",'taken','1','1','1'),("+id("removed")+",'removed','1','1','1'),("+id("revived")+",'revived','1','1','1'),("+id("own")+",'own','1','1','1')",
		"INSERT INTO address (id,street,contact_id) VALUES ("+id("a")+",'of both',"+id("both")+")")
	s := c.take()
	c.sql("UPDATE contact SET job_title='theirs' WHERE last_name IN ('both','taken')", "UPDATE contact SET legacy='theirs' WHERE last_name='own'", "DELETE FROM contact WHERE last_name IN ('removed','revived')")
	c.restore(s, func(r *Restoring) { r.Nouns = nouns })
	c.sql("UPDATE contact SET department='mine' WHERE last_name='both'", "UPDATE contact SET department='mine' WHERE last_name='taken'", "UPDATE contact SET department='mine' WHERE last_name='revived'",
		"INSERT INTO contact (id,last_name) VALUES ("+id("new")+",'new'),("+id("gone")+",'gone')", "INSERT INTO address (street,contact_id) VALUES ('of new',"+id("new")+")", "UPDATE contact SET legacy='mine' WHERE last_name='own'")
	return c
}

// undoneRows tell what there is after the undoing, each row and line of the history
// once.
const undoneRows = "SELECT CONCAT_WS(' | ',(SELECT GROUP_CONCAT(CONCAT_WS(' ',last_name,job_title,department,legacy) ORDER BY last_name SEPARATOR ', ') FROM contact)," +
	"(SELECT GROUP_CONCAT(street ORDER BY street) FROM address)," +
	"(SELECT GROUP_CONCAT(CONCAT_WS(' ',(SELECT last_name FROM contact WHERE id=pk),action,IF(action='insert',NULL,changes)) ORDER BY action,changes SEPARATOR ', ') FROM sync_audit WHERE tbl='contact' AND (changes LIKE '%mine%' OR changes LIKE '%new%' OR changes LIKE '%legacy%'))," +
	"(SELECT COUNT(*) FROM sync_audit WHERE tbl='contact' AND action='delete' AND changes LIKE '%removed%'))"

// TestUndoSurvivesKill kills the undoing of a restore at each of its steps. Before
// the exchange the kept tables are as they were, to the last byte, once that is
// ended; people go on, take back what they had entered, and the next undoing merges
// what there is then. After it what is left is finished, and nothing undone twice.
func TestUndoSurvivesKill(t *testing.T) {
	c := restoredAndWorkedOn(t)
	kept, live := c.everyRow(keptTables), c.everyRow(liveTables)
	killed := func(marker string, n int) {
		t.Helper()
		if !c.killed(marker, n, "RAPPORT_TEST_UNDO") {
			t.Fatalf("no step %d of %s", n, marker)
		}
	}
	for _, at := range []struct {
		marker string
		n      int
		again  []string // at which the next undoing is killed in turn, while it puts back what the first one left
	}{{"_was_rapport_back", 1, nil}, {"UPDATE IGNORE", 1, nil}, {"INSERT IGNORE INTO `address_replaced", 1, nil}, {"n.`legacy`", 4, nil}, {"'delete',CONCAT", 3, nil}, {"CREATE TRIGGER `contact_", 1, []string{"DELETE m FROM", "DROP TABLE `contact_replaced"}}} {
		killed(at.marker, at.n)
		for _, marker := range at.again {
			killed(marker, 1)
		}
		if done, err := Migrate(t.Context(), c.url); err != nil || !strings.Contains(strings.Join(done, "\n"), "removed what was left of the undoing of a restore that was interrupted") {
			t.Fatalf("a migration after %s did %q, %v", at.marker, done, err)
		}
		sameRows(t, "the kept tables, killed at "+at.marker, c.everyRow(keptTables), kept)
		sameRows(t, "the tables, killed at "+at.marker, c.everyRow(liveTables), live)
	}

	killed("CREATE TRIGGER `contact_", 1)
	// Another program takes back what was entered, while nobody ends it.
	c.sql("UPDATE contact SET department='1' WHERE last_name='taken'", "DELETE FROM contact WHERE last_name='gone'", "UPDATE contact SET legacy='1' WHERE last_name='own'", "UPDATE contact SET legacy='mine too' WHERE last_name='both'")
	told, err := UndoRestore(t.Context(), c.url, true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	says(t, told.Done, "begins again")
	c.undo()
	want := `both theirs mine mine too, new, own 1 1 theirs, revived 1 mine 1, taken theirs 1 1 | of both,of new | new insert, revived update {"department":["1", "mine"]}, ` +
		`taken update {"department":["1", "mine"]}, both update {"department":["1", "mine"]}, taken update {"department":["mine", "1"]} | 2`
	if got := c.one(undoneRows); got != want {
		t.Errorf("after the undoing\n  is   %s\n  want %s", got, want)
	}
	c.whole()

	// From the exchange on the undoing is done.
	undone, _, _ := cutLast(want, " | ")
	for i, marker := range []string{"RENAME TABLE", "LOCK TABLES"} {
		c.undo() // the undoing is taken back
		if got := c.one("SELECT COUNT(*) FROM contact"); got != "6" {
			t.Errorf("%s contacts after the undoing was taken back", got)
		}
		killed(marker, 1+2*i)
		told, err := UndoRestore(t.Context(), c.url, true, nil, nil)
		if err != nil || len(told.Kept) > 0 {
			t.Fatalf("%+v, %v", told, err)
		}
		says(t, told.Done, "is finished")
		out := c.undo()
		says(t, out.Done, "finished the undoing of a restore that was interrupted")
		if got, _, _ := cutLast(c.one(undoneRows), " | "); got != undone {
			t.Errorf("killed at %s\n  is   %s\n  want %s", marker, got, undone)
		}
		c.whole()
	}
}

// sameRows holds that rows are what they were. A merge may have left lines in a
// kept history: the next one takes them out.
func sameRows(t *testing.T, what, got, want string) {
	t.Helper()
	is, was := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, l := range is {
		if !slices.Contains(was, l) && !strings.HasPrefix(l, "sync_audit_") {
			t.Errorf("%s: there is %s", what, l)
		}
	}
	for _, l := range was {
		if !slices.Contains(is, l) {
			t.Errorf("%s: gone is %s", what, l)
		}
	}
}

// TestUndoOfOneTableSurvivesKill: where a single table was restored the history
// went on for the others, and an attempt that was killed leaves no line in it.
func TestUndoOfOneTableSurvivesKill(t *testing.T) {
	c := restoredAndWorkedOn(t, "contact")
	kept, live := c.everyRow(keptTables), c.everyRow(liveTables)
	if !c.killed("CREATE TRIGGER `contact_", 1, "RAPPORT_TEST_UNDO") {
		t.Fatal("it was not killed")
	}
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "the kept tables", c.everyRow(keptTables), kept)
	sameRows(t, "the tables", c.everyRow(liveTables), live)
	c.undo()
	want := `both theirs mine 1, gone, new, own 1 1 mine, revived 1 mine 1, taken theirs mine 1 | of both,of new | new insert, revived update {"department":["1", "mine"]}, ` +
		`taken update {"department":["1", "mine"]}, both update {"department":["1", "mine"]}, own update {"legacy":["theirs", "mine"]} | 2`
	if got := c.one(undoneRows); got != want {
		t.Errorf("after the undoing\n  is   %s\n  want %s", got, want)
	}
	c.whole()
}

// TestUndoInEveryState: an undoing that cannot be, or that means something else
// than it seems, is told in one sentence, and nothing is touched.
func TestUndoInEveryState(t *testing.T) {
	c := restoredAndWorkedOn(t)
	tells := func(wanted ...string) {
		t.Helper()
		out, err := UndoRestore(t.Context(), c.url, true, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		says(t, out.Done, wanted...)
	}
	contacts := func(want string) {
		t.Helper()
		if got := c.one("SELECT GROUP_CONCAT(CONCAT_WS(' ',last_name,job_title) ORDER BY last_name) FROM contact"); got != want {
			t.Errorf("contacts are %s, want %s", got, want)
		}
	}
	c.sql("CREATE TABLE mine (a INT PRIMARY KEY)", "INSERT INTO mine VALUES (1)")
	tells("which brought the backup a backup")

	// After another restore, which is the last one then.
	second := c.take()
	c.sql("UPDATE contact SET job_title='second'", "INSERT INTO mine VALUES (2)")
	c.restore(second)
	c.sql("INSERT INTO mine VALUES (3)")
	tells("before it, stays: only the last one can be undone", "mine is as it was before the restore: what was written to it since stays beside it")
	out := c.undo()
	contacts("both second,gone second,new second,own second,removed second,revived second,taken second")
	says(t, out.Done, "mine is as it was before the restore: what was written to it since lies in mine_replaced_")
	if got := c.one("SELECT GROUP_CONCAT(a) FROM mine"); got != "1,2" {
		t.Errorf("the table of an administrator's own has %s", got)
	}

	// Twice: the second restore is there again, and nothing is lost by it.
	tells("this takes the undoing of")
	c.undo()
	contacts("both 1,gone,new,own 1,removed 1,revived 1,taken 1")

	// A table is gone that is there now: the former one comes back.
	c.sql("DROP TABLE mine", "SET FOREIGN_KEY_CHECKS=0;DROP TABLE address")
	c.undo()
	contacts("both second,gone second,new second,own second,removed second,revived second,taken second")
	if got := c.one("SELECT CONCAT((SELECT GROUP_CONCAT(a) FROM mine),' ',(SELECT GROUP_CONCAT(street ORDER BY street) FROM address))"); got != "1,2 of both,of new" {
		t.Errorf("tables that were gone have %s", got)
	}
	c.whole()

	// Kept tables are gone.
	former := c.one("SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE 'contact\\_replaced\\_%' AND table_name NOT LIKE '%\\_own' ORDER BY create_time DESC,table_name DESC LIMIT 1")
	before := c.everyRow(liveTables)
	c.sql("DROP TABLE " + ident(former))
	for _, dry := range []bool{true, false} {
		if _, err := UndoRestore(t.Context(), c.url, dry, nil, nil); model.KindOf(err) != model.NotFound || !strings.Contains(err.Error(), former) {
			t.Errorf("without %s: %v", former, err)
		}
	}
	sameRows(t, "the tables", c.everyRow(liveTables), before)
	c.whole()

	// Another program changes what is to stay, after it was merged.
	c.restore(c.take())
	_, err := UndoRestore(t.Context(), c.url, false, func(context.Context, *Loaded) error {
		c.sql("UPDATE contact SET job_title='late' WHERE last_name='own'")
		return nil
	}, nil)
	if model.KindOf(err) != model.Locked || !strings.Contains(err.Error(), "another program changed rows") {
		t.Errorf("somebody wrote meanwhile: %v", err)
	}
	c.undo()
	contacts("both second,gone second,new second,own late,removed second,revived second,taken second")
	c.whole()
}
