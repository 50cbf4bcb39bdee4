package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/model"
)

// dumpOf opens a dump of report tables that ends with the test. before is run
// when these are refreshed and the moment is still to come.
func (c *company) dumpOf(from DumpFrom, before func()) *Dump {
	c.Helper()
	d, err := OpenDumpFrom(c.Context(), c.url, from, 2, func(p model.Progress) {
		if p.Phase == "opening" && before != nil {
			before()
		}
	})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { d.Close() })
	return d
}

// lines returns the rows of a table, or of what changed in it, one behind the
// other.
func (c *company) lines(d *Dump, reader int, t DumpTable, since *DumpMark) []string {
	c.Helper()
	var out []string
	row := func(v []any) error { out = append(out, line(t, v)); return nil }
	var err error
	if since == nil {
		err = d.Rows(c.Context(), reader, t, row)
	} else {
		err = d.Changed(c.Context(), reader, t, *since, row, func(key []any) error { out = append(out, "gone "+keyText(key)); return nil })
	}
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// sameAsTables holds that a dump of copies reads, at its moment, what there is
// in the tables.
func (c *company) sameAsTables(d *Dump, since *DumpMark) {
	c.Helper()
	got := map[string][]string{}
	for i, t := range d.Tables() {
		if since == nil || t.Followed {
			reader := i % d.Info().Readers
			if !t.Alike {
				reader = 0
			}
			got[t.Name] = c.lines(d, reader, t, since)
		}
	}
	d.copies.of = nil
	for _, t := range d.Tables() {
		if since != nil && !t.Followed {
			continue
		}
		if want := c.lines(d, 0, t, since); !slices.Equal(got[t.Name], want) {
			c.Errorf("%s has\n%q in the copies and\n%q in the table", t.Name, got[t.Name], want)
		}
	}
}

// scribbles changes contacts without end, until the test does.
func (c *company) scribbles() {
	ctx, stop := context.WithCancel(c.Context())
	done := make(chan struct{})
	c.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		db := c.server.DB(c.database)
		defer db.Close()
		for i := 0; ctx.Err() == nil; i++ {
			for _, q := range []string{"INSERT INTO contact (last_name) VALUES ('scribble')", "UPDATE contact SET notes = CONCAT(COALESCE(notes, ''), 'x') WHERE last_name = 'c%d'", "DELETE FROM contact WHERE last_name = 'scribble' LIMIT 1"} {
				if strings.Contains(q, "%") {
					q = fmt.Sprintf(q, 1+i%250)
				}
				if _, err := db.ExecContext(ctx, q); err != nil && !passing(err) {
					return
				}
			}
		}
	}()
}

// TestDumpOfCopies reads report tables between random changes of every kind,
// also such as come after their refresh and while the moment is taken. Every
// dump and every increment has what the tables have at that moment.
func TestDumpOfCopies(t *testing.T) {
	c := newCompany(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := newLife(c, seed)
	l.fill(4)
	c.refresh(model.ReportsRequest{})
	c.sql("INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_250")
	c.scribbles()
	mark := c.dump(1).Info().Mark
	for round := range 3 {
		for range 40 {
			l.step()
		}
		late := func() {
			for range 10 * round {
				l.step()
			}
			if round == 2 {
				// More rows than are held at once, in every part of the table.
				l.exec("UPDATE contact SET notes = 'later' ORDER BY last_name LIMIT 220")
				l.exec("DELETE FROM contact WHERE last_name LIKE 'c1_'")
			}
		}
		d := c.dumpOf(DumpFrom{Copies: true, Check: round == 1}, late)
		copies := d.Copies()
		if copies == nil || len(copies.Tables) < len(model.Entities())-3 || len(d.Instead()) > 0 || round == 2 && copies.Newer < 220 {
			t.Fatalf("it reads %+v: %q", copies, d.Instead())
		}
		c.sameAsTables(d, nil)
		if got := d.Copies(); got != nil {
			t.Fatalf("the tables were compared with themselves: %+v", got)
		}
		for range 20 {
			l.step()
		}
		d = c.dumpOf(DumpFrom{Copies: true}, late)
		c.sameAsTables(d, &mark)
		if said := d.Instead(); len(said) > 0 {
			t.Fatalf("seed %d: %q", seed, said)
		}
		mark = d.Info().Mark
	}
}

// TestDumpOfCopiesSeesTwoRefreshes has the second reader see the copies as they
// were before a refresh that the first one sees.
func TestDumpOfCopiesSeesTwoRefreshes(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b'), ('c')")
	c.refresh(model.ReportsRequest{})
	d := c.dumpOf(DumpFrom{Copies: true}, nil)
	begin := func(reader int) {
		t.Helper()
		if err := d.readers[reader].exec(t.Context(), "ROLLBACK;"+beginSQL); err != nil {
			t.Fatal(err)
		}
	}
	c.sql("UPDATE contact SET notes = 'later' WHERE last_name = 'b'")
	begin(1)
	c.refresh(model.ReportsRequest{})
	begin(0)
	d.tables = nil
	if err := d.describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	contact := c.table(d, "contact")
	if first, second := c.lines(d, 0, contact, nil), c.lines(d, 1, contact, nil); len(first) != 3 || !slices.Equal(first, second) || !strings.Contains(strings.Join(first, ""), "later") || d.Copies().Newer != 1 {
		t.Errorf("they see\n%q and\n%q", first, second)
	}
}

// TestDumpOfCopiesSparesTheTables counts the rows of records that the server
// reads for a dump: one of each table at most, to see whether there is any.
func TestDumpOfCopiesSparesTheTables(t *testing.T) {
	c := newCompany(t)
	newLife(c, 1).fill(10)
	c.refresh(model.ReportsRequest{})
	c.server.SQL(t, "", "SET GLOBAL userstat = 1")
	read := func(table string) int64 {
		return asInt(c.one("SELECT COALESCE(SUM(rows_read), 0) FROM information_schema.table_statistics WHERE table_schema = DATABASE() AND table_name = '" + table + "'"))
	}
	before := map[string]int64{}
	d := c.dumpOf(DumpFrom{Copies: true}, func() {
		for _, e := range model.Entities() {
			before[string(e.Noun)] = read(string(e.Noun))
		}
	})
	copies := d.Copies()
	for range 2 {
		for _, tb := range d.Tables() {
			if n := len(c.lines(d, 0, tb, nil)); slices.Contains(copies.Tables, tb.Name) && n < 10 {
				t.Errorf("%d rows of %s", n, tb.Name)
			}
		}
	}
	for _, name := range copies.Tables {
		if n := read(name) - before[name]; n > 1 {
			t.Errorf("%d rows of %s were read", n, name)
		}
		if n := read("report_" + name); n < 20 {
			t.Errorf("%d rows of the copy of %s were read", n, name)
		}
	}
}

// TestDumpOfBadCopies reads the table of each copy that cannot be relied on, and
// says why.
func TestDumpOfBadCopies(t *testing.T) {
	c := newCompany(t)
	says := func(d *Dump, words ...string) {
		t.Helper()
		got := strings.Join(d.Instead(), "\n")
		for _, w := range words {
			if !strings.Contains(got, w) {
				t.Errorf("%q does not say %q", got, w)
			}
		}
		if n := len(d.Instead()); n != len(words) {
			t.Errorf("it says %d things: %q", n, got)
		}
	}
	newLife(c, 2).fill(3)
	d := c.dumpOf(DumpFrom{Copies: true}, nil)
	says(d, "the report tables were not read: there are none")
	if d.Copies() != nil {
		t.Errorf("it reads %+v", d.Copies())
	}
	c.sameAsTables(d, nil)
	c.refresh(model.ReportsRequest{})
	mark := c.dump(1).Info().Mark
	c.sql("ALTER TABLE organization ADD COLUMN shoe_size INT", "DROP TRIGGER product_after_delete", "ALTER TABLE tag MODIFY color VARCHAR(200)",
		"UPDATE contact SET notes = 'changed'")
	// While it is written to it, nothing is planted.
	c.refresh(model.ReportsRequest{})
	c.sql("UPDATE report_contact SET last_name = 'planted' ORDER BY id DESC LIMIT 1", "DELETE FROM report_deal ORDER BY id LIMIT 1",
		"UPDATE report_state SET definition = REPEAT('0', 64) WHERE tbl = 'activity'", "ALTER TABLE report_stage ENGINE = Aria")
	damaged := []string{"of contact the table was read and not its copy: a row of report_contact is not as it was copied",
		"of organization the table was read and not its copy: report_organization does not have its column shoe_size",
		"of product the table was read and not its copy: nobody notes what changes there"}
	// A refresh would make some of them anew; here it may not.
	c.server.SQL(t, "", "CREATE USER few@'127.0.0.1' IDENTIFIED BY 'p'", "GRANT SELECT, TRIGGER ON *.* TO few@'127.0.0.1'")
	t.Cleanup(func() { c.server.SQL(t, "", "DROP USER few@'127.0.0.1'") })
	root := c.url
	c.url = c.server.URLFor("few", "p", c.database)
	d = c.dumpOf(DumpFrom{Copies: true}, nil)
	c.sameAsTables(d, nil)
	says(d, append(damaged, "of deal the table was read and not its copy: report_deal has 2 rows, and its last refresh left 3",
		"of activity the table was read and not its copy: report_activity was made for other columns", "of stage the table was read and not its copy: report_stage is kept outside of transactions")...)
	// An increment proves the rows that it has, and no others.
	d = c.dumpOf(DumpFrom{Copies: true}, nil)
	c.sameAsTables(d, &mark)
	says(d, append(damaged, "of activity the", "of stage the")...)
	c.url = root
	t.Run("other rows than were left", func(t *testing.T) {
		c := newCompany(t)
		c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')")
		c.refresh(model.ReportsRequest{})
		c.sql("UPDATE report_state SET hash = REPEAT('0', 64) WHERE tbl = 'contact'")
		d := c.dumpOf(DumpFrom{Copies: true}, nil)
		err := d.Rows(t.Context(), 0, c.table(d, "contact"), func([]any) error { return nil })
		if model.KindOf(err) != model.Corrupt || !strings.Contains(err.Error(), "report_contact has other rows than its last refresh left") {
			t.Errorf("it gives %v", err)
		}
	})
	t.Run("others than the table's", func(t *testing.T) {
		c := newCompany(t)
		c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')")
		c.refresh(model.ReportsRequest{})
		c.sql("UPDATE report_contact SET last_name = 'planted' WHERE last_name = 'a'", "UPDATE report_state SET hash = NULL")
		for _, m := range mirrors(c.shapeOf()) {
			if m.entity.Noun == "contact" {
				c.sql("UPDATE report_contact r SET report_hash = " + m.rowHashSQL("r"))
			}
		}
		d := c.dumpOf(DumpFrom{Copies: true, Check: true}, nil)
		c.sameAsTables(d, nil)
		if said := strings.Join(d.Instead(), "\n"); said != "of contact the table was read and not its copy: 1 rows of report_contact are others than the table's without a trace" {
			t.Errorf("it says %q", said)
		}
	})
}

// shapeOf is which columns the server's tables have.
func (c *company) shapeOf() serverShape {
	c.Helper()
	s, err := adminSession(c.Context(), c.url)
	if err != nil {
		c.Fatal(err)
	}
	defer s.close()
	r := &refresher{builder: &builder{session: s, ctx: c.Context(), database: c.database}}
	r.useDatabase()
	if err := r.look(); err != nil || r.err != nil {
		c.Fatal(err, r.err)
	}
	return r.have
}

// TestDumpHoldsOffAnExchange makes the report tables anew while a dump reads
// them: they are exchanged when it is done.
func TestDumpHoldsOffAnExchange(t *testing.T) {
	c := newCompany(t)
	newLife(c, 3).fill(3)
	c.refresh(model.ReportsRequest{})
	d := c.dumpOf(DumpFrom{Copies: true}, nil)
	compared, done := make(chan struct{}), make(chan error, 1)
	go func() {
		once := false
		_, err := RefreshReports(c.Context(), c.url, model.ReportsRequest{Rebuild: true}, func(p model.Progress) {
			if p.Phase == "comparing" && !once {
				once = true
				close(compared)
			}
		})
		done <- err
	}()
	<-compared
	// It looks several times whether it may go on.
	const leaseSQL = "SELECT expires_at FROM sync_lease WHERE name = 'report'"
	for range 3 {
		c.waitFor("SELECT expires_at > '"+c.one(leaseSQL)+"' FROM sync_lease WHERE name = 'report'", "1")
	}
	c.sameAsTables(d, nil)
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := c.one("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE 'report%\\_new'"); n != "0" {
		t.Errorf("%s tables were left", fmt.Sprint(n))
	}
}
