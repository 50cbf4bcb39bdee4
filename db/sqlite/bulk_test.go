package sqlite

import (
	"context"
	"errors"
	"testing"

	"rapport/model"
)

// TestBulk holds that a load leaves what single writes would: the indexes, the
// titles that a record's lists decide, and nothing pending.
func TestBulk(t *testing.T) {
	d, ids := searchDB(t, person{mails: []string{"only@example.org"}}, person{first: "Ada", last: "Lovelace"})
	var title, sortKey string
	if err := d.read().QueryRow("SELECT title, sort_key FROM contact WHERE id = ?", ids[0].Bytes()).Scan(&title, &sortKey); err != nil {
		t.Fatal(err)
	}
	if title != "only@example.org" || sortKey != "only@example.org" {
		t.Errorf("a contact without a name is called %q, sorted by %q", title, sortKey)
	}
	if got := finds(t, d, "only"); len(got) != 1 || got[0] != ids[0] {
		t.Errorf("it is found as %v", got)
	}
	var pending int
	if err := d.read().QueryRow("SELECT count(*) FROM sync_base").Scan(&pending); err != nil || pending != 0 {
		t.Errorf("%d rows are pending, %v", pending, err)
	}
	for _, e := range model.Entities() {
		for _, ix := range indexes(e) {
			var n int
			if err := d.read().QueryRow("SELECT count(*) FROM sqlite_schema WHERE name = ?", ix.name).Scan(&n); err != nil || n != 1 {
				t.Errorf("index %s is there %d times, %v", ix.name, n, err)
			}
		}
	}
}

// TestBulkFails holds that a load that fails leaves nothing, and that the
// workspace goes on.
func TestBulkFails(t *testing.T) {
	d, _ := searchDB(t)
	want := errors.New("no more")
	err := d.Bulk(context.Background(), func(b *Bulk) error {
		if err := b.Put(model.EntityOf("contact"), person{last: "Gone"}.rows(d.ids)[0]); err != nil {
			return err
		}
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if got := finds(t, d, "gone"); len(got) != 0 {
		t.Errorf("a row of a load that failed is found: %v", got)
	}
	var n int
	if err := d.read().QueryRow("SELECT (SELECT count(*) FROM contact) + (SELECT count(*) FROM sqlite_schema WHERE name = 'ix_contact_sort_key')").Scan(&n); err != nil || n != 1 {
		t.Errorf("rows and index count %d, want the index alone; %v", n, err)
	}
}

// TestStaleSearch holds that a workspace whose load was killed before its
// search was built gets it when it is opened next.
func TestStaleSearch(t *testing.T) {
	d, ids := searchDB(t, person{first: "Ada", last: "Lovelace"})
	if err := d.write(context.Background(), "test", func(tx *Tx) error {
		if err := tx.emptySearch(context.Background()); err != nil {
			return err
		}
		return tx.staleSearch()
	}); err != nil {
		t.Fatal(err)
	}
	if got := finds(t, d, "ada"); len(got) != 1 {
		t.Errorf("without an index it finds %v by title", got)
	}
	var indexed int
	if err := d.read().QueryRow("SELECT count(*) FROM search_text WHERE search_text MATCH 'nada'").Scan(&indexed); err != nil || indexed != 0 {
		t.Fatalf("the index has %d entries, %v", indexed, err)
	}
	path := d.Path()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := finds(t, again, "ada"); len(got) != 1 || got[0] != ids[0] {
		t.Errorf("after opening it finds %v", got)
	}
}

// TestLoadFromOlderCentral holds that a first load of many rows takes those of
// a server that lacks columns: they hold what a new row would.
func TestLoadFromOlderCentral(t *testing.T) {
	d, _ := searchDB(t)
	ctx := context.Background()
	e := model.EntityOf("contact")
	row := person{last: "Old"}.rows(d.ids)[0]
	absent := 0
	for i, c := range e.Columns() {
		if c.Field != nil && c.Field.Name != "last_name" {
			row[i] = model.Absent
			absent++
		}
	}
	if err := d.BeginLoad(ctx, model.Position{Epoch: "e"}, bulkRows); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(ctx, "contact", []model.Row{row}, row.ID(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FinishLoad(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := d.Row(ctx, e, row.ID())
	if err != nil || got == nil {
		t.Fatalf("the row: %v, %v", got, err)
	}
	fresh := model.NewRow(e)
	for i, v := range row {
		if v == model.Absent && got[i] != fresh[i] {
			t.Errorf("%s is %v, want %v", e.Columns()[i].Name, got[i], fresh[i])
		}
	}
	if absent < 10 || got.Get(e, "last_name") != "Old" {
		t.Errorf("%d columns were absent, the name is %v", absent, got.Get(e, "last_name"))
	}
}
