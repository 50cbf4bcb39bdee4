package backup

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"rapport/model"
)

// TestRestoreRecords brings back one record, those of a filter, and only what is
// missing; each time one undo takes everything back.
func TestRestoreRecords(t *testing.T) {
	where := func(t *testing.T, n model.Noun, filter string) model.RecordsRequest {
		t.Helper()
		conds, err := model.ParseFilter(model.EntityOf(n), filter)
		if err != nil {
			t.Fatal(err)
		}
		return model.RecordsRequest{Noun: n, Where: conds}
	}
	for name, c := range map[string]struct {
		req  func(t *testing.T, ada, max *model.Record) model.RecordsRequest
		want []string // titles of those that are as in the backup afterwards
		did  string
	}{
		"one": {func(_ *testing.T, ada, _ *model.Record) model.RecordsRequest {
			return model.RecordsRequest{Records: []model.Ref{{Noun: "contact", ID: ada.ID}}}
		}, []string{"Ada Lovelace"}, "add 0 restore 0 edit 1 same 0"},
		"two": {func(_ *testing.T, ada, max *model.Record) model.RecordsRequest {
			return model.RecordsRequest{Records: []model.Ref{{Noun: "contact", Name: "Ada Lovelace"}, {Noun: "contact", Name: max.ID.Short()}}}
		}, []string{"Ada Lovelace", "Max Müller"}, "add 0 restore 1 edit 1 same 0"},
		"filter by field": {func(t *testing.T, _, _ *model.Record) model.RecordsRequest {
			return where(t, "contact", "last_name=Lovelace")
		}, []string{"Ada Lovelace"}, "add 0 restore 0 edit 1 same 0"},
		"filter by phone": {func(t *testing.T, _, _ *model.Record) model.RecordsRequest { return where(t, "contact", "phone~4930") }, []string{"Max Müller"}, "add 0 restore 1 edit 0 same 0"},
		"filter by link": {func(t *testing.T, _, _ *model.Record) model.RecordsRequest {
			return where(t, "contact", "organization=Acme tag=vip")
		}, []string{"Ada Lovelace"}, "add 0 restore 0 edit 1 same 0"},
		"filter, missing": {func(t *testing.T, _, _ *model.Record) model.RecordsRequest {
			r := where(t, "contact", "last_name!=Hopper")
			r.OnlyMissing = true
			return r
		}, []string{"Max Müller", "info@example.org"}, "add 1 restore 1 edit 0 same 0"},
		"all of a noun": {func(t *testing.T, _, _ *model.Record) model.RecordsRequest { return where(t, "contact", "") },
			[]string{"Ada Lovelace", "Max Müller", "info@example.org", "Grace Hopper"}, "add 1 restore 1 edit 1 same 1"},
		"only missing": {func(*testing.T, *model.Record, *model.Record) model.RecordsRequest {
			return model.RecordsRequest{OnlyMissing: true}
		}, []string{"Max Müller", "info@example.org"}, "add 1 restore 2 edit 0 same 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			grace, ada, max, nameless := people(h)
			was := map[string]*model.Record{}
			for _, r := range []*model.Record{grace, ada, max, nameless} {
				was[r.Title()] = h.get(r)
			}
			h.create(model.BackupRequest{})
			h.edit(ada, "last_name=King", "phone=+49301234567:home", "notes=", "tag=")
			newer := h.add("contact", "last_name=Newer")
			if err := h.db.Delete(t.Context(), "contact", max.ID); err != nil {
				t.Fatal(err)
			}
			if err := h.db.Delete(t.Context(), "tag", ada.List("tag")[0].Ref("tag").ID); err != nil {
				t.Fatal(err)
			}
			for _, q := range []string{"DELETE FROM contact_method WHERE contact_id = ?", "DELETE FROM contact WHERE id = ?"} {
				if _, err := h.raw.Exec(q, nameless.ID.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			records := func() map[string][]string {
				d := h.dump()
				return map[string][]string{"contact": d["contact"], "contact_method": d["contact_method"], "tagging": d["tagging"], "tag": d["tag"], "organization": d["organization"]}
			}
			harmed := records()

			req := c.req(t, ada, max)
			req.DryRun = true
			plan, err := h.RestoreRecords(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			sameDump(t, "after the plan", records(), harmed)
			req.DryRun = false
			done, err := h.RestoreRecords(t.Context(), req, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("add %d restore %d edit %d same %d", done.Added, done.Restored, done.Edited, done.Unchanged); got != c.did {
				t.Errorf("did %s, want %s", got, c.did)
			}
			if plan.Added != done.Added || plan.Restored != done.Restored || plan.Edited != done.Edited || plan.Unchanged != done.Unchanged || !reflect.DeepEqual(plan.Notes, done.Notes) || len(plan.Samples) != len(done.Samples) {
				t.Errorf("planned %+v, did %+v", plan, done)
			}
			for _, title := range c.want {
				now := h.get(was[title])
				if d := model.Differences(was[title], now); len(d) > 0 || !now.DeletedAt.IsZero() {
					t.Errorf("%s is not as it was: %+v", title, d)
				}
			}
			if h.get(newer).Title() != "Newer" {
				t.Error("a newer record was changed")
			}
			if u, err := h.db.Undo(t.Context(), model.LastAct); err != nil || u.Act.ID != done.Act || len(u.Stayed) > 0 {
				t.Fatalf("undone %+v, %v", u, err)
			}
			for title, r := range was {
				now, err := h.db.Get(t.Context(), "contact", r.ID)
				gone := model.KindOf(err) == model.NotFound || err == nil && !now.DeletedAt.IsZero()
				if want := title == "Max Müller" || title == "info@example.org"; gone != want {
					t.Errorf("after the undo %s is gone: %v", title, gone)
				}
			}
			if got := h.get(ada).Title(); got != "Ada King" {
				t.Errorf("the undo left %q", got)
			}
			if left, _ := filepath.Glob(filepath.Join(h.dir, ".restore-*")); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

// TestRestoreRecordWithWhatIsAboutIt brings a contact back with the activities
// that went with it, in one act.
func TestRestoreRecordWithWhatIsAboutIt(t *testing.T) {
	h := newHome(t)
	_, ada, max, _ := people(h)
	note := h.add("activity", "kind=note", "subject=Met at the fair", "about=contact:"+string(ada.ID))
	other := h.add("activity", "kind=note", "subject=Something else", "about=contact:"+string(max.ID))
	kept := h.add("activity", "kind=note", "subject=Stays", "about=contact:"+string(ada.ID))
	h.create(model.BackupRequest{})
	h.edit(kept, "subject=Edited")
	for table, id := range map[string]model.ID{"contact": ada.ID, "activity": note.ID} {
		for _, q := range []string{"DELETE FROM tagging WHERE contact_id = ?1", "DELETE FROM contact_method WHERE contact_id = ?1", "DELETE FROM contact_organization WHERE contact_id = ?1",
			"DELETE FROM activity_link WHERE activity_id = ?1", "DELETE FROM " + table + " WHERE id = ?1"} {
			if _, err := h.raw.Exec(q, id.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.db.Delete(t.Context(), "activity", other.ID); err != nil {
		t.Fatal(err)
	}
	conds, err := model.ParseFilter(model.EntityOf("activity"), "about=contact:"+string(ada.ID))
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.RestoreRecords(t.Context(), model.RecordsRequest{Records: []model.Ref{{Noun: "contact", ID: ada.ID}}, Noun: "activity", Where: conds, OnlyMissing: true}, nil)
	if err != nil || out.Added != 2 || out.Records() != 2 || len(out.Notes) > 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if d := model.Differences(ada, h.get(ada)); len(d) > 0 {
		t.Errorf("the contact: %+v", d)
	}
	if about := h.get(note).List("about"); len(about) != 1 || about[0].Ref("record").Name != "Ada Lovelace" {
		t.Errorf("the note is about %v", about)
	}
	if h.get(other).DeletedAt.IsZero() || h.get(kept).Title() != "Edited" {
		t.Error("something else came back")
	}
	if u, err := h.db.Undo(t.Context(), out.Act); err != nil || u.Records != 2 {
		t.Errorf("undone %+v, %v", u, err)
	}
}
