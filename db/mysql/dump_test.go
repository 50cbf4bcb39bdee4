package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dump opens a dump that ends with the test.
func (c *company) dump(readers int) *Dump {
	c.Helper()
	d, err := OpenDump(c.Context(), c.url, readers, nil)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { d.Close() })
	return d
}

func (c *company) table(d *Dump, name string) DumpTable {
	c.Helper()
	for _, t := range d.Tables() {
		if t.Name == name {
			return t
		}
	}
	c.Fatalf("the dump has no table %s", name)
	return DumpTable{}
}

// line writes a row as text.
func line(t DumpTable, v []any) string {
	var out []string
	for i, x := range v {
		switch x := x.(type) {
		case nil:
			out = append(out, t.Columns[i]+"=NULL")
		case []byte:
			if t.Types[i] == "text" {
				out = append(out, t.Columns[i]+"="+string(x))
			} else {
				out = append(out, fmt.Sprintf("%s=%x", t.Columns[i], x))
			}
		default:
			out = append(out, fmt.Sprintf("%s=%v", t.Columns[i], x))
		}
	}
	return strings.Join(out, "|")
}

// read returns the rows of a table as one reader sees them.
func (c *company) read(d *Dump, reader int, name string) []string {
	c.Helper()
	var out []string
	t := c.table(d, name)
	if err := d.Rows(c.Context(), reader, t, func(v []any) error { out = append(out, line(t, v)); return nil }); err != nil {
		c.Fatal(err)
	}
	return out
}

func TestDumpHoldsEveryTable(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier'), ('Müller 🦆')", "CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b INT)", "INSERT INTO mine VALUES ('x', 1)")
	d := c.dump(1)
	var names []string
	for _, tb := range d.Tables() {
		names = append(names, tb.Name)
		n := 0
		if err := d.Rows(context.Background(), 0, tb, func([]any) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		if want := c.one("SELECT COUNT(*) FROM `" + tb.Name + "`"); fmt.Sprint(n) != want {
			t.Errorf("%d rows of %s, and not %s", n, tb.Name, want)
		}
		if !strings.HasPrefix(tb.Definition, "CREATE TABLE") {
			t.Errorf("%s is defined by %q", tb.Name, tb.Definition)
		}
	}
	for _, want := range []string{"contact", "sync_meta", "sync_audit", "sync_run", "sync_person", "mine"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	for _, not := range []string{"sync_outbox", "sync_feed", "sync_lease", "report_contact", "report_state"} {
		if slices.Contains(names, not) {
			t.Errorf("%s is in the dump", not)
		}
	}
	if got := c.read(d, 0, "contact"); len(got) != 2 || !strings.Contains(got[0]+got[1], "last_name=Müller 🦆") {
		t.Errorf("contacts %q", got)
	}
	i := d.Info()
	if fmt.Sprint(i.Position) != c.one("SELECT seq FROM sync_counter") || i.Position == 0 || i.Epoch != c.one("SELECT epoch FROM sync_meta") || i.Method != methodOne || i.Readers != 1 || i.At.IsZero() {
		t.Errorf("info %+v", i)
	}
}
