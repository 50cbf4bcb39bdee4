package sqlite

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// kept are the rows of some records, as a backup has them.
type kept struct {
	records []PartRow
	parts   []PartRow
}

// keep reads the rows of records as a backup would.
func keep(t *testing.T, d *DB, records ...*model.Record) kept {
	t.Helper()
	var k kept
	read := func(e *model.Entity, where string, id model.ID) []PartRow {
		rows, err := d.read().Query("SELECT "+planOf(e).list+" FROM "+quote(string(e.Noun))+" WHERE "+where+" = ?", id.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []PartRow
		for rows.Next() {
			row, err := scanRow(e, rows)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, PartRow{e, row})
		}
		return out
	}
	for _, r := range records {
		e := r.Entity()
		k.records = append(k.records, read(e, "id", r.ID)...)
		for _, pe := range partsOf(e) {
			k.parts = append(k.parts, read(pe, ownerColumn(e), r.ID)...)
		}
	}
	return k
}

// bring brings them back.
func bring(t *testing.T, d *DB, o BackOptions, k kept) model.RecordsRestored {
	t.Helper()
	out, err := d.BringBack(ctx, o, func(b *Back) error {
		for _, r := range k.records {
			if _, err := b.Record(r.Entity, r.Row); err != nil {
				return err
			}
		}
		for _, pe := range model.Entities() {
			if !pe.IsPart() {
				continue
			}
			b.Parts(pe)
			for _, p := range k.parts {
				if p.Entity == pe {
					if err := b.Part(pe, p.Row); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// values are what a record says, without who said it when.
func values(t *testing.T, d *DB, r *model.Record) map[string]any {
	t.Helper()
	now := must(d.Get(ctx, r.Noun, r.ID))(t)
	out := map[string]any{"deleted": !now.DeletedAt.IsZero()}
	for k, v := range now.Values {
		if list, ok := v.([]*model.Record); ok {
			var items []map[string]any
			for _, p := range list {
				items = append(items, p.Values)
			}
			if v = items; len(items) == 0 {
				continue
			}
		}
		out[k] = v
	}
	return out
}

func edited(t *testing.T, d *DB, r *model.Record, set, add, remove []string) {
	t.Helper()
	ed, err := model.EditFromText(r.Entity(), set, add, remove, d.env())
	if err != nil {
		t.Fatal(err)
	}
	ed.ID, ed.MakeLinks = r.ID, true
	if _, err := d.Save(ctx, ed); err != nil {
		t.Fatal(err)
	}
}

func contactOf(t *testing.T, d *DB, set ...string) *model.Record {
	t.Helper()
	ed, err := model.EditFromText(model.EntityOf("contact"), set, nil, nil, d.env())
	if err != nil {
		t.Fatal(err)
	}
	ed.MakeLinks = true
	return must(d.Save(ctx, ed))(t)
}

// TestBringBack changes a record in every way, brings it back and takes that
// back again.
func TestBringBack(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, *DB, *model.Record){
		"edited": func(t *testing.T, d *DB, r *model.Record) {
			edited(t, d, r, []string{"last_name=King", "phone=+41791234567:mobile", "organization=Beta", "notes="}, []string{"email=new@example.org"}, []string{"tag=vip"})
		},
		"deleted": func(t *testing.T, d *DB, r *model.Record) {
			edited(t, d, r, []string{"email="}, nil, nil)
			if err := d.Delete(ctx, r.Noun, r.ID); err != nil {
				t.Fatal(err)
			}
		},
		"gone": func(t *testing.T, d *DB, r *model.Record) {
			if err := d.write(ctx, "drop", func(tx *Tx) error { return tx.dropRecord(r.Entity(), r.ID) }); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := testDB(t)
			r := contactOf(t, d, "first_name=Ada", "last_name=Lovelace", "phone=+41446681800:work", "phone=+41791234567:mobile", "email=ada@example.org",
				"tag=vip", "organization=Acme", "notes=one\ntwo", "birth_date=1815-12-10", "do_not_call=yes")
			want := values(t, d, r)
			k := keep(t, d, r)
			harm(t, d, r)
			harmed := map[string]any(nil)
			if name != "gone" {
				harmed = values(t, d, r)
			}

			plan := bring(t, d, BackOptions{DryRun: true, Note: "from a backup"}, k)
			if !plan.DryRun || plan.Records() != 1 || plan.Act != 0 || len(plan.Samples) != 1 {
				t.Errorf("the plan is %+v", plan)
			}
			if name != "gone" && !reflect.DeepEqual(values(t, d, r), harmed) {
				t.Error("the plan changed something")
			}
			done := bring(t, d, BackOptions{Note: "from a backup"}, k)
			if got := values(t, d, r); !reflect.DeepEqual(got, want) {
				t.Errorf("is\n%v, was\n%v", got, want)
			}
			action := map[string]string{"edited": "edit", "deleted": "restore", "gone": "add"}[name]
			if done.Records() != 1 || done.Act == 0 || done.Samples[0].Action != action {
				t.Errorf("did %+v", done)
			}
			if again := bring(t, d, BackOptions{}, k); again.Records() != 0 || again.Unchanged != 1 || again.Act != 0 {
				t.Errorf("the second time did %+v", again)
			}
			history := must(d.History(ctx, r.Noun, r.ID))(t)
			if !slices.ContainsFunc(history, func(h model.Revision) bool { return h.Note == "from a backup" && h.Action == action }) {
				t.Errorf("the history does not say where it comes from: %+v", history)
			}
			if pending := must(d.Pending(ctx))(t); !slices.ContainsFunc(pending, func(p model.PendingItem) bool { return p.ID == r.ID }) {
				t.Error("it would not be sent")
			}

			u, err := d.Undo(ctx, model.LastAct)
			if err != nil || u.Act.ID != done.Act || len(u.Stayed) > 0 {
				t.Fatalf("undone %+v, %v", u, err)
			}
			if name == "gone" {
				if got := values(t, d, r); got["deleted"] != true {
					t.Errorf("the undo left %v", got)
				}
			} else if got := values(t, d, r); !reflect.DeepEqual(got, harmed) {
				t.Errorf("the undo left\n%v, was\n%v", got, harmed)
			}
		})
	}
}

// TestBringBackOnlyMissing leaves what is here as it is.
func TestBringBackOnlyMissing(t *testing.T) {
	d, _ := testDB(t)
	ada, bob := contactOf(t, d, "last_name=Ada", "phone=1"), contactOf(t, d, "last_name=Bob", "phone=2")
	k := keep(t, d, ada, bob)
	edited(t, d, ada, []string{"last_name=Changed", "phone="}, nil, nil)
	if err := d.Delete(ctx, "contact", bob.ID); err != nil {
		t.Fatal(err)
	}
	out := bring(t, d, BackOptions{OnlyMissing: true}, k)
	if out.Restored != 1 || out.Unchanged != 1 || out.Edited+out.Added != 0 {
		t.Errorf("did %+v", out)
	}
	if got := values(t, d, ada); got["last_name"] != "Changed" || got["phone"] != nil {
		t.Errorf("changed what is here: %v", got)
	}
	if got := values(t, d, bob); got["deleted"] != false {
		t.Error("did not come back")
	}
}

// TestBringBackTakesNothingFromOthers brings a contact back that was merged:
// the phone stays with the one that has it now, and is copied.
func TestBringBackTakesNothingFromOthers(t *testing.T) {
	d, _ := testDB(t)
	ada, twin := contactOf(t, d, "last_name=Ada"), contactOf(t, d, "last_name=Ada", "phone=+41446681800:work")
	k := keep(t, d, twin)
	if _, err := d.Merge(ctx, "contact", ada.ID, twin.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		bring(t, d, BackOptions{}, k)
		for _, r := range []*model.Record{ada, twin} {
			if phones := must(d.Get(ctx, "contact", r.ID))(t).List("phone"); len(phones) != 1 || phones[0].Text("value") != "+41446681800" {
				t.Errorf("%s has the phones %v", r.ID.Short(), phones)
			}
		}
	}
}

// TestBringBackLeavesErased does not bring anybody back who was erased.
func TestBringBackLeavesErased(t *testing.T) {
	d, _ := testDB(t)
	ada := contactOf(t, d, "last_name=Ada", "phone=1")
	k := keep(t, d, ada)
	err := d.write(ctx, "erase", func(tx *Tx) error {
		if err := tx.put(erasureEntity, model.ErasureRow("contact", ada.ID)); err != nil {
			return err
		}
		return tx.erase(ada.Entity(), ada.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := bring(t, d, BackOptions{}, k); out.Erased != 1 || out.Records() != 0 {
		t.Errorf("did %+v", out)
	}
	if _, err := d.Get(ctx, "contact", ada.ID); model.KindOf(err) != model.NotFound {
		t.Errorf("is here again: %v", err)
	}
	if erased := must(d.WasErased(ctx, "contact", ada.ID))(t); !erased {
		t.Error("it is not told that it was erased")
	}
}

// TestBringBackDeal gives a deal its stage back, which is a move, and refuses to
// take away a stage in which deals are.
func TestBringBackDeal(t *testing.T) {
	d, _ := testDB(t)
	deal := save(t, d, "deal", "", map[string]any{"name": "Fleet", "stage": ref("stage", "Qualified")})
	pipeline := must(d.Get(ctx, "pipeline", deal.Ref("pipeline").ID))(t)
	k := keep(t, d, deal, pipeline)
	edited(t, d, pipeline, nil, []string{`stages={"name":"Newer"}`}, nil)
	other := save(t, d, "deal", "", map[string]any{"name": "Other", "stage": ref("stage", "Newer")})
	if _, err := d.MoveDeal(ctx, deal.ID, "Won", ""); err != nil {
		t.Fatal(err)
	}
	out := bring(t, d, BackOptions{}, k)
	now := must(d.Get(ctx, "deal", deal.ID))(t)
	if now.Ref("stage").Name != "Qualified" || now.Values["closed_at"] != nil {
		t.Errorf("the deal is in %v, closed %v", now.Ref("stage"), now.Values["closed_at"])
	}
	var moves int
	if err := d.read().QueryRow("SELECT count(*) FROM stage_history WHERE deal_id = ?", deal.ID.Bytes()).Scan(&moves); err != nil || moves != 3 {
		t.Errorf("%d moves, %v", moves, err)
	}
	if got := must(d.Get(ctx, "deal", other.ID))(t).Ref("stage").Name; got != "Newer" {
		t.Errorf("the stage of the other deal is %q", got)
	}
	if !slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, "Newer") && strings.Contains(n, "stays") }) {
		t.Errorf("notes %q", out.Notes)
	}
}

// TestBringBackNamesWhatIsMissing tells of an organization that is not here any
// more.
func TestBringBackNamesWhatIsMissing(t *testing.T) {
	d, _ := testDB(t)
	r := contactOf(t, d, "last_name=Ada", "organization=Acme")
	k := keep(t, d, r)
	org := r.Ref("organization").ID
	if err := d.Delete(ctx, "contact", r.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, "organization", org); err != nil {
		t.Fatal(err)
	}
	out := bring(t, d, BackOptions{}, k)
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "organization:"+string(org)+" Acme") {
		t.Errorf("notes %q", out.Notes)
	}
}

// TestOlderBackup brings a record back from before there was a column: what it
// holds today stays.
func TestOlderBackup(t *testing.T) {
	d, _ := testDB(t)
	r := contactOf(t, d, "last_name=Ada", "department=Engines", "phone=1:work")
	k := keep(t, d, r)
	k.records[0].Row.Set(r.Entity(), "department", model.Absent)
	k.parts[0].Row.Set(k.parts[0].Entity, "label", model.Absent)
	at := d.now()
	if got := must(d.Standings(ctx, r.Entity(), []model.Row{k.records[0].Row}, at))(t); got[r.ID] != model.StandingSame {
		t.Errorf("it is %s", got[r.ID])
	}
	edited(t, d, r, []string{"last_name=King", "department=Letters"}, nil, nil)
	then := must(d.Assemble(ctx, r.Entity(), k.records[0].Row, k.parts))(t)
	if diff := model.Differences(then, must(d.Get(ctx, "contact", r.ID))(t)); len(diff) != 1 || diff[0].Field != "last_name" {
		t.Errorf("%+v differ", diff)
	}
	bring(t, d, BackOptions{}, k)
	if got := values(t, d, r); got["last_name"] != "Ada" || got["department"] != "Letters" {
		t.Errorf("is %v", got)
	}
	if err := d.write(ctx, "drop", func(tx *Tx) error { return tx.dropRecord(r.Entity(), r.ID) }); err != nil {
		t.Fatal(err)
	}
	bring(t, d, BackOptions{}, k)
	if got := values(t, d, r); got["last_name"] != "Ada" || got["department"] != nil {
		t.Errorf("is %v", got)
	}
}

// TestStandings tells rows of a backup from today's.
func TestStandings(t *testing.T) {
	d, _ := testDB(t)
	same, other, bin := contactOf(t, d, "last_name=Same"), contactOf(t, d, "last_name=Other"), contactOf(t, d, "last_name=Bin")
	gone := model.NewRow(same.Entity())
	gone[0] = model.DerivedID("gone")
	k := keep(t, d, same, other, bin)
	at := d.now()
	edited(t, d, other, []string{"last_name=Changed"}, nil, nil)
	if err := d.Delete(ctx, "contact", bin.ID); err != nil {
		t.Fatal(err)
	}
	rows := []model.Row{gone}
	for _, r := range k.records {
		rows = append(rows, r.Row)
	}
	got := must(d.Standings(ctx, same.Entity(), rows, at))(t)
	want := map[model.ID]model.Standing{same.ID: model.StandingSame, other.ID: model.StandingChanged, bin.ID: model.StandingBin, gone.ID(): model.StandingGone}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
