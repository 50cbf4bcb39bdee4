package sqlite

import (
	"fmt"
	"testing"

	"rapport/model"
)

// TestLoadMeetsRows loads rows of which some are here already, alone among
// others or many together: each is stored once and counted once, and an unsent
// edit stays. Parts of nobody and of owners that did not come are left out.
func TestLoadMeetsRows(t *testing.T) {
	d, _ := testDB(t)
	contact, method := model.EntityOf("contact"), model.EntityOf("contact_method")
	edited := save(t, d, "contact", "", map[string]any{"last_name": "Before", "job_title": "clerk"})
	sent(t, d)
	theirs := must(d.Row(ctx, contact, edited.ID))(t)
	theirs.Set(contact, "department", "theirs")
	save(t, d, "contact", edited.ID, map[string]any{"job_title": "chief"})
	var contacts, methods []model.Row
	owner := func(id any) {
		row := model.NewRow(method)
		row.Set(method, model.ColumnID, model.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", 1000000+len(methods))))
		row.Set(method, "contact_id", id)
		row.Set(method, "kind", "email")
		row.Set(method, "value", fmt.Sprintf("m%d@example.com", len(methods)))
		methods = append(methods, row)
	}
	const n = 3*madeRows + 7
	for i := range n {
		row := model.NewRow(contact)
		row.Set(contact, model.ColumnID, model.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", i+1)))
		row.Set(contact, "last_name", fmt.Sprintf("Person %d", i))
		contacts = append(contacts, row)
		owner(row.ID())
	}
	contacts = append(contacts, theirs)
	owner(model.ID("00000000-0000-7000-8000-999999999999"))
	owner(nil)
	if err := d.BeginLoad(ctx, model.Position{Epoch: "e"}, bulkRows); err != nil {
		t.Fatal(err)
	}
	load := func(noun model.Noun, rows []model.Row) int64 {
		t.Helper()
		return must(d.Load(ctx, noun, rows, rows[len(rows)-1].ID(), false))(t).Loaded
	}
	// Of the second page the first rows are here, of the third every fifth.
	var fifth []model.Row
	for i := 0; i < n; i += 5 {
		fifth = append(fifth, contacts[i])
	}
	for _, page := range []struct {
		rows []model.Row
		new  int64
	}{{contacts[:40], 40}, {contacts[20:60], 20}, {fifth, int64(len(fifth)) - 12}, {contacts, int64(n - 60 - len(fifth) + 12)}, {contacts, 0}} {
		if got := load("contact", page.rows); got != page.new {
			t.Errorf("of %d rows %d were new, want %d", len(page.rows), got, page.new)
		}
	}
	load("contact_method", methods[:100])
	load("contact_method", methods)
	if _, err := d.FinishLoad(ctx); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"contact": n + 1, "contact_method": n} {
		var got int
		if err := d.read().QueryRow("SELECT count(*) FROM " + table).Scan(&got); err != nil || got != want {
			t.Errorf("%s has %d rows, %v, want %d", table, got, err, want)
		}
	}
	var wrong int
	if err := d.read().QueryRow("SELECT count(*) FROM contact WHERE title_key <> lower(title) OR sort_key <> title_key").Scan(&wrong); err != nil || wrong > 0 {
		t.Errorf("%d contacts have other keys than their titles, %v", wrong, err)
	}
	got := must(d.Get(ctx, "contact", edited.ID))(t)
	if got.Text("job_title") != "chief" || got.Text("department") != "theirs" || got.Sync == model.Clean {
		t.Errorf("the edited record has %q, %q, and is %s", got.Text("job_title"), got.Text("department"), got.Sync)
	}
	var sound string
	if err := d.read().QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("the file is %s, %v", sound, err)
	}
	if hits := must(d.Search(ctx, "m700@example.com", "contact", 5))(t); len(hits) != 1 || hits[0].ID != contacts[700].ID() {
		t.Errorf("a loaded address finds %+v", hits)
	}
}
