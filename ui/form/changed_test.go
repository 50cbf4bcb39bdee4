package form

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"rapport/db/sqlite"
	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// colleague changes a record as the sync does when somebody else did.
func colleague(t *testing.T, f *Form, db *sqlite.DB, set map[string]any) {
	t.Helper()
	if _, err := db.Save(t.Context(), model.Edit{Noun: "contact", ID: f.id, Set: set}); err != nil {
		t.Fatal(err)
	}
	run(f, f.Update(screen.ChangedMsg{}))
}

func frame(f *Form) string { return ansi.Strip(f.View()) }

// TestChangedUnderneath types into a form while the record changes: nothing
// that was typed moves, the form says what changed, and a field that both
// changed is replaced only by a second save.
func TestChangedUnderneath(t *testing.T) {
	env, db := open(t)
	rec, err := db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Meier", "job_title": "Buyer", "department": "Sales"}})
	if err != nil {
		t.Fatal(err)
	}
	f := newForm(env, screen.OpenMsg{Noun: "contact", ID: rec.ID})
	goTo(t, f, "job_title", "")
	typeText(f, " and more")
	frame(f)
	focus, cursor := f.focus, *f.cursor
	run(f, f.Update(screen.ChangedMsg{}))
	if s := frame(f); strings.Contains(s, "meanwhile") {
		t.Errorf("nothing changed:\n%s", s)
	}
	colleague(t, f, db, map[string]any{"department": "Purchasing"})
	if s := frame(f); !strings.Contains(s, "Changed meanwhile by anna: department.") || !strings.Contains(s, "Buyer and more") {
		t.Errorf("\n%s", s)
	}
	if f.focus != focus || *f.cursor != cursor || !f.Dirty() {
		t.Error("the form was disturbed")
	}
	colleague(t, f, db, map[string]any{"job_title": "Head of buying"})
	do(t, f, keymap.Save)
	if s := frame(f); !strings.Contains(s, "not saved: changed meanwhile") || !strings.Contains(s, "anna changed it to “Head of buying”") {
		t.Errorf("\n%s", s)
	}
	now, err := db.Get(t.Context(), "contact", rec.ID)
	if err != nil || now.Values["job_title"] != "Head of buying" {
		t.Fatalf("saved over a colleague's change: %v %v", now.Values, err)
	}
	do(t, f, keymap.Save)
	if now, err = db.Get(t.Context(), "contact", rec.ID); err != nil || now.Values["job_title"] != "Buyer and more" || now.Values["department"] != "Purchasing" {
		t.Errorf("%v %v", now.Values, err)
	}
}

// TestPhonesChangedUnderneath keeps a phone that a colleague added from being
// lost with a list that was typed into before.
func TestPhonesChangedUnderneath(t *testing.T) {
	env, db := open(t)
	rec, err := db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Meier"}})
	if err != nil {
		t.Fatal(err)
	}
	f := newForm(env, screen.OpenMsg{Noun: "contact", ID: rec.ID})
	goTo(t, f, "phone", "value")
	typeText(f, "+41446681800")
	part := model.NewPart(rec.Entity().Field("phone"))
	part.Values["value"] = "+41446681801"
	colleague(t, f, db, map[string]any{"phone": []*model.Record{part}})
	do(t, f, keymap.Save)
	if s := frame(f); !strings.Contains(s, "+41446681801") || !strings.Contains(s, "not saved") {
		t.Errorf("\n%s", s)
	}
	if now, err := db.Get(t.Context(), "contact", rec.ID); err != nil || len(now.List("phone")) != 1 {
		t.Errorf("%v %v", now.List("phone"), err)
	}
}

// TestGoneUnderneath says that the record left what the person may see.
func TestGoneUnderneath(t *testing.T) {
	env, db := open(t)
	rec, err := db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Meier"}})
	if err != nil {
		t.Fatal(err)
	}
	f := newForm(env, screen.OpenMsg{Noun: "contact", ID: rec.ID})
	if err := db.Delete(t.Context(), "contact", rec.ID); err != nil {
		t.Fatal(err)
	}
	run(f, f.Update(screen.ChangedMsg{}))
	if s := frame(f); !strings.Contains(s, "Deleted meanwhile by anna.") {
		t.Errorf("\n%s", s)
	}
	f.applyLook(nil, model.Errorf(model.NotFound, "there is no such contact"))
	if s := frame(f); !strings.Contains(s, "not visible to you any more") {
		t.Errorf("\n%s", s)
	}
}
