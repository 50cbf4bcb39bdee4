package sqlite

import (
	"testing"
	"time"

	"rapport/model"
)

func takeBack(t *testing.T, d *DB, act int64) model.Undone {
	t.Helper()
	u, err := d.Undo(ctx, act)
	if err != nil {
		t.Fatalf("undo: %v", err)
	}
	return u
}

// TestUndoOfEachKind takes back what can be done to a record, newest first,
// until nothing is left.
func TestUndoOfEachKind(t *testing.T) {
	d, _ := testDB(t)
	r := save(t, d, "contact", "", map[string]any{"last_name": "Lovelace", "job_title": "Analyst"})
	save(t, d, "contact", r.ID, map[string]any{"job_title": "Countess", "phone": []*model.Record{itemOf(t, "phone", "+41446681800")}})
	if _, err := d.Save(ctx, model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{"tag": {itemOf(t, "tag", "vip")}}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Restore(ctx, "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	look := func() *model.Record {
		t.Helper()
		got, err := d.Get(ctx, "contact", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	takeBack(t, d, model.LastAct)
	if look().DeletedAt.IsZero() {
		t.Error("the restore was not taken back")
	}
	takeBack(t, d, model.LastAct)
	if !look().DeletedAt.IsZero() {
		t.Error("the deletion was not taken back")
	}
	takeBack(t, d, model.LastAct)
	if n := len(look().List("tag")); n != 0 {
		t.Errorf("%d tags are left", n)
	}
	u := takeBack(t, d, model.LastAct)
	if got := look(); got.Text("job_title") != "Analyst" || len(got.List("phone")) != 0 || u.Records != 1 {
		t.Errorf("the edit was not taken back: %v, %+v", got.Values, u)
	}
	takeBack(t, d, model.LastAct)
	if look().DeletedAt.IsZero() {
		t.Error("making the contact was not taken back")
	}
	if _, err := d.Undo(ctx, model.LastAct); model.KindOf(err) != model.NotFound {
		t.Errorf("one more undo: %v", err)
	}
	for range 5 {
		takeBack(t, d, model.LastUndo)
	}
	if got := look(); !got.DeletedAt.IsZero() || got.Text("job_title") != "Countess" || len(got.List("phone")) != 1 || len(got.List("tag")) != 1 {
		t.Errorf("all done again: %v", got.Values)
	}
	acts, err := d.Acts(ctx, 3)
	if err != nil || len(acts) != 3 || acts[0].Undoes == 0 || acts[0].Record.Name != "Lovelace" {
		t.Errorf("acts = %+v, %v", acts, err)
	}
}

func itemOf(t *testing.T, field, text string) *model.Record {
	t.Helper()
	p, err := model.ParseItem(model.EntityOf("contact").Field(field), text, model.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestUndoOfAMove takes a deal back into its stage, which is a move of its own.
func TestUndoOfAMove(t *testing.T) {
	d, _ := testDB(t)
	r := save(t, d, "deal", "", map[string]any{"name": "Engine"})
	if _, err := d.MoveDeal(ctx, r.ID, "Won", ""); err != nil {
		t.Fatal(err)
	}
	takeBack(t, d, model.LastAct)
	got, err := d.Get(ctx, "deal", r.ID)
	if err != nil || got.Ref("stage") != r.Ref("stage") || !got.Time("closed_at").IsZero() {
		t.Errorf("after the undo: %v, %v", got.Values, err)
	}
	var moves int
	if err := d.read().QueryRowContext(ctx, "SELECT count(*) FROM stage_history WHERE deal_id = ?", r.ID.Bytes()).Scan(&moves); err != nil || moves != 3 {
		t.Errorf("%d moves are noted, %v: into the first stage, there and back", moves, err)
	}
}

// TestUndoOfManyIsOne: what one command did to many records is one act.
func TestUndoOfManyIsOne(t *testing.T) {
	d, _ := testDB(t)
	var edits []model.Edit
	for range 500 {
		edits = append(edits, model.Edit{Noun: "contact", Set: map[string]any{"last_name": "x"}})
	}
	if _, err := d.SaveAll(ctx, edits, false); err != nil {
		t.Fatal(err)
	}
	if u := takeBack(t, d, model.LastAct); u.Records != 500 || u.Act.Records != 500 {
		t.Errorf("undone = %d of %d", u.Records, u.Act.Records)
	}
	if n, err := d.Count(ctx, model.Query{Noun: "contact"}); n != 0 || err != nil {
		t.Errorf("%d are left, %v", n, err)
	}
	if _, err := d.Undo(ctx, 4711); model.KindOf(err) != model.NotFound {
		t.Errorf("undo of nothing: %v", err)
	}
	if acts, err := d.Acts(ctx, 0); err != nil || len(acts) != 2 {
		t.Errorf("acts = %d, %v", len(acts), err)
	} else if _, err := d.Undo(ctx, acts[1].ID); model.KindOf(err) != model.Invalid {
		t.Errorf("undo of what was taken back: %v", err)
	}
}

// TestLastChangeCountsParts: who adds a phone has changed the contact, in what
// is shown, sorted by and filtered by, and the contact's own row is as it was.
func TestLastChangeCountsParts(t *testing.T) {
	d, clock := testDB(t)
	one := save(t, d, "contact", "", map[string]any{"last_name": "one"})
	clock.step(time.Hour)
	save(t, d, "contact", "", map[string]any{"last_name": "two"})
	clock.step(time.Hour)
	if _, err := d.Save(ctx, model.Edit{Noun: "contact", ID: one.ID, Add: map[string][]*model.Record{"phone": {itemOf(t, "phone", "+41446681800")}}}); err != nil {
		t.Fatal(err)
	}
	page, err := d.List(ctx, model.Query{Noun: "contact", Sort: []model.SortKey{{Field: "updated_at", Desc: true}}, Limit: 1})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != one.ID || !page.Items[0].UpdatedAt.Equal(clock.now().Truncate(time.Millisecond)) {
		t.Errorf("the last changed one: %+v, %v", page.Items, err)
	}
	since := model.FormatTime(clock.now().Add(-time.Minute))
	if n, err := d.Count(ctx, model.Query{Noun: "contact", Filter: []model.Condition{{Field: "updated_at", Op: model.Greater, Value: since}}}); n != 1 || err != nil {
		t.Errorf("%d were changed in the last minute, %v", n, err)
	}
	row, err := d.Row(ctx, model.EntityOf("contact"), one.ID)
	if err != nil || row.Get(model.EntityOf("contact"), model.ColumnUpdatedAt) != one.UpdatedAt.UnixMilli() {
		t.Errorf("the contact's own row changed: %v, %v", row, err)
	}
}
