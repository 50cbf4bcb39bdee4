package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rapport/model"
)

var ctx = context.Background()

func save(t *testing.T, d *DB, n model.Noun, id model.ID, set map[string]any) *model.Record {
	t.Helper()
	r, err := d.Save(ctx, model.Edit{Noun: n, ID: id, Set: set})
	if err != nil {
		t.Fatalf("save %s: %v", n, err)
	}
	return r
}

func ref(n model.Noun, name string) model.Ref { return model.Ref{Noun: n, Name: name} }

// sampleValue returns a value that a field can hold; n tells values apart.
func sampleValue(f *model.Field, n int) any {
	switch f.Type {
	case model.Text, model.LongText:
		s := fmt.Sprintf("Zoë %s %d", f.Name, n)
		if f.Max > 0 && len([]rune(s)) > f.Max {
			s = s[:f.Max-1]
		}
		if f.Max == 3 {
			s = "CHF"
		}
		return s
	case model.Choice:
		return f.Options[n%len(f.Options)]
	case model.Int:
		return int64(n + 1)
	case model.Bool:
		return n%2 == 0
	case model.Decimal:
		return fmt.Sprintf("%d.25", n+1)
	case model.Date, model.PartialDate:
		return fmt.Sprintf("2026-03-%02d", n%28+1)
	case model.Time:
		return time.Date(2026, 3, n%28+1, 10, 11, 12, 13e6, time.UTC)
	case model.MoneyType:
		return model.Money{Minor: int64(n*100 + 5), Currency: "CHF"}
	}
	return nil
}

// TestRoundTrip saves and reads every field of every entity, as the
// declaration has them, also after the file was closed and opened again.
func TestRoundTrip(t *testing.T) {
	d, _ := testDB(t)
	targets := map[model.Noun]model.Ref{}
	for _, e := range model.Records() {
		r := save(t, d, e.Noun, "", minimal(e, "Target"))
		targets[e.Noun] = model.Ref{Noun: e.Noun, ID: r.ID, Name: r.Title()}
	}
	stages := must(d.Get(ctx, "pipeline", targets["pipeline"].ID))(t).List("stages")
	targets["stage"] = model.Ref{Noun: "stage", ID: stages[1].ID, Name: stages[1].Title()}
	want := map[model.ID]map[string]any{}
	nouns := map[model.ID]model.Noun{}
	for _, e := range model.Records() {
		set := map[string]any{}
		for i := range e.Fields {
			f := &e.Fields[i]
			if f.ReadOnly {
				continue
			}
			switch f.Type {
			case model.List:
				set[f.Name] = sampleList(f, targets)
			case model.Link:
				if !(len(f.To) == 1 && f.To[0] == e.Noun) {
					set[f.Name] = targets[f.To[0]]
				}
			default:
				set[f.Name] = sampleValue(f, i)
			}
		}
		r := save(t, d, e.Noun, "", set)
		want[r.ID], nouns[r.ID] = set, e.Noun
	}
	path := d.Path()
	d.Close()
	d, err := Open(ctx, path, Options{Settings: model.Settings{Me: "ada"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for id, set := range want {
		r := must(d.Get(ctx, nouns[id], id))(t)
		for name, v := range set {
			if list, ok := v.([]*model.Record); ok {
				got := r.List(name)
				if len(got) != len(list) {
					t.Errorf("%s.%s: %d items, want %d", nouns[id], name, len(got), len(list))
					continue
				}
				for i, part := range list {
					for pn, pv := range part.Values {
						if pn != "primary" && !reflect.DeepEqual(got[i].Values[pn], pv) && pv != false {
							t.Errorf("%s.%s[%d].%s = %#v, want %#v", nouns[id], name, i, pn, got[i].Values[pn], pv)
						}
					}
				}
			} else if !reflect.DeepEqual(r.Values[name], v) && v != false {
				t.Errorf("%s.%s = %#v, want %#v", nouns[id], name, r.Values[name], v)
			}
		}
		if r.Sync != model.Pending || r.RowVersion != 0 || r.CreatedBy != "ada" {
			t.Errorf("%s: sync %v, version %d, by %q", nouns[id], r.Sync, r.RowVersion, r.CreatedBy)
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// minimal are the values that a record of an entity needs at least.
func minimal(e *model.Entity, name string) map[string]any {
	set := map[string]any{}
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Required && f.Default == nil {
			set[f.Name] = name
		}
	}
	if len(set) == 0 {
		for i := range e.Fields {
			if f := &e.Fields[i]; f.Search == model.SearchName {
				set[f.Name] = name
				break
			}
		}
	}
	return set
}

func sampleList(f *model.Field, targets map[model.Noun]model.Ref) []*model.Record {
	var out []*model.Record
	n := 3
	if f.Target != "" {
		n = 1
	}
	for i := range n {
		part := model.NewPart(f)
		pe := part.Entity()
		for j := range pe.Fields {
			pf := &pe.Fields[j]
			switch {
			case pf.ReadOnly || strings.HasPrefix(f.Where, pf.Name+"="):
			case pf.Type == model.Link:
				part.Values[pf.Name] = targets[pf.To[0]]
			case pf.Name == "primary":
				part.Values[pf.Name] = i == 0
			default:
				part.Values[pf.Name] = sampleValue(pf, i+j)
			}
		}
		out = append(out, part)
	}
	return out
}

func TestNaughtyText(t *testing.T) {
	d, _ := testDB(t)
	for _, s := range []string{"a\x00b", "\x1b[31mred", "Zoë e\u0301", "'; DROP TABLE contact;--", "\u202eabc", "😀", " both ends ", "line\r\nline", "\ufeffbom", "$1 ? @x :y %s"} {
		r := save(t, d, "organization", "", map[string]any{"name": s, "notes": s})
		got := must(d.Get(ctx, "organization", r.ID))(t)
		if got.Text("name") != s || got.Text("notes") != s {
			t.Errorf("%q came back as %q, %q", s, got.Text("name"), got.Text("notes"))
		}
		if strings.ContainsRune(s, 0) {
			continue // SQL functions see text up to a NUL only
		}
		p, err := d.List(ctx, model.Query{Noun: "organization", Filter: []model.Condition{{Field: "notes", Op: model.Equal, Value: s}}})
		if err != nil || len(p.Items) != 1 {
			t.Errorf("%q: found %d, %v", s, len(p.Items), err)
		}
	}
}

func TestLists(t *testing.T) {
	d, _ := testDB(t)
	e := model.EntityOf("contact")
	env := d.env()
	edit := func(id model.ID, set, add, remove []string) *model.Record {
		t.Helper()
		ed, err := model.EditFromText(e, set, add, remove, env)
		if err != nil {
			t.Fatal(err)
		}
		ed.ID, ed.MakeLinks = id, true
		r, err := d.Save(ctx, ed)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	show := func(r *model.Record, field, part string) string {
		var out []string
		for _, p := range r.List(field) {
			s := model.FormatValue(p.Values[part])
			if p.Bool("primary") {
				s += "*"
			}
			out = append(out, s)
		}
		return strings.Join(out, " ")
	}
	r := edit("", []string{"last_name=Lovelace", "phone=+41446681800:work", "phone=+41791234567:mobile", "email=ada@example.org", "tag=vip", "organization=Acme"}, nil, nil)
	if got := show(r, "phone", "value"); got != "+41446681800* +41791234567" {
		t.Errorf("phones %s", got)
	}
	if got := show(r, "organizations", "organization"); got != "Acme" {
		t.Errorf("organizations %s", got)
	}
	second := r.List("phone")[1].ID
	r = edit(r.ID, []string{"phone=+41791234567"}, []string{"tag=new", "organizations=Beta"}, []string{"tag=vip"})
	if got := show(r, "phone", "value"); got != "+41791234567*" || r.List("phone")[0].ID != second || r.List("phone")[0].Text("label") != "mobile" {
		t.Errorf("phones %s: the row or its label was not kept", got)
	}
	if got := show(r, "tag", "tag"); got != "new" {
		t.Errorf("tags %s", got)
	}
	if got := show(r, "organizations", "organization"); got != "Acme Beta" || r.Ref("organization").Name != "Acme" {
		t.Errorf("organizations %s", got)
	}
	r = edit(r.ID, []string{"organization=Beta"}, []string{"tag=VIP"}, nil)
	if got := show(r, "organizations", "organization"); got != "Beta Acme" {
		t.Errorf("organizations %s", got)
	}
	if got := show(r, "tag", "tag"); got != "vip new" && got != "new vip" {
		t.Errorf("the tag did not come back as itself: %s", got)
	}
	r = edit(r.ID, nil, nil, []string{"organizations=Beta"})
	if got := r.Ref("organization").Name; got != "Acme" {
		t.Errorf("organization %q", got)
	}
	r = edit(r.ID, []string{"organizations="}, nil, nil)
	if !r.Ref("organization").IsZero() || len(r.List("organizations")) != 0 {
		t.Errorf("organizations %v", r.Values["organizations"])
	}
	var n int
	d.read().QueryRow("SELECT count(*) FROM tagging WHERE contact_id = ?", r.ID.Bytes()).Scan(&n)
	if n != 2 {
		t.Errorf("%d taggings, want 2: a tag that is set again is the same row", n)
	}
}

// TestPendingComesAndGoes: A-B-A leaves nothing to send.
func TestPendingComesAndGoes(t *testing.T) {
	d, c := testDB(t)
	r := save(t, d, "organization", "", map[string]any{"name": "Acme", "industry": "tools"})
	sent(t, d)
	if got := must(d.Get(ctx, "organization", r.ID))(t); got.Sync != model.Clean {
		t.Fatalf("after sending: %v", got.Sync)
	}
	c.step(time.Hour)
	if got := save(t, d, "organization", r.ID, map[string]any{"industry": "toys"}); got.Sync != model.Pending || !got.UpdatedAt.After(r.UpdatedAt) {
		t.Errorf("after B: %v", got.Sync)
	}
	items := must(d.Pending(ctx))(t)
	if len(items) != 1 || items[0].Action != "edit" || !reflect.DeepEqual(items[0].Fields, []string{"industry"}) {
		t.Errorf("pending %+v", items)
	}
	if got := save(t, d, "organization", r.ID, map[string]any{"industry": "tools"}); got.Sync != model.Clean || !got.UpdatedAt.Equal(r.UpdatedAt) {
		t.Errorf("after A-B-A: %v, %v", got.Sync, got.UpdatedAt)
	}
	if err := d.Delete(ctx, "organization", r.ID); err != nil {
		t.Fatal(err)
	}
	if items := must(d.Pending(ctx))(t); len(items) != 1 || items[0].Action != "delete" {
		t.Errorf("pending %+v", items)
	}
	if err := d.Restore(ctx, "organization", r.ID); err != nil {
		t.Fatal(err)
	}
	if items := must(d.Pending(ctx))(t); len(items) != 0 {
		t.Errorf("pending %+v", items)
	}
}

// sent makes the cache look as if the server had every row.
func sent(t *testing.T, d *DB) {
	t.Helper()
	err := d.write(ctx, "test", func(tx *Tx) error {
		if _, err := tx.Exec("DELETE FROM sync_base"); err != nil {
			return err
		}
		for _, e := range model.Entities() {
			if _, err := tx.Exec("UPDATE " + quote(string(e.Noun)) + " SET row_version = row_version + 1"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDealRules(t *testing.T) {
	d, c := testDB(t)
	r := save(t, d, "deal", "", map[string]any{"name": "Big", "amount": model.Money{Minor: 100}})
	if r.Ref("stage").Name != "Prospecting" || r.Ref("pipeline").Name != "Sales" || r.Int("probability") != 10 || !r.Ref("owner").IsZero() || r.Text("opened_on") != "2026-06-15" {
		t.Errorf("new deal: %v", r.Values)
	}
	if m, _ := r.Money("amount"); m.Currency != "EUR" {
		t.Errorf("currency %q", m.Currency)
	}
	c.step(time.Hour)
	_, err := d.MoveDeal(ctx, r.ID, "Lost", "")
	if model.KindOf(err) != model.Invalid {
		t.Errorf("lost without a reason: %v", err)
	}
	r = must(d.MoveDeal(ctx, r.ID, "lost", "price"))(t)
	if r.Time("closed_at") != c.at || r.Text("lost_reason") != "price" || r.Int("probability") != 0 || r.Time("stage_entered_at") != c.at {
		t.Errorf("lost: %v", r.Values)
	}
	r = must(d.MoveDeal(ctx, r.ID, "Qualified", ""))(t)
	if r.Values["closed_at"] != nil || r.Values["lost_reason"] != nil || r.Int("probability") != 25 {
		t.Errorf("reopened: %v", r.Values)
	}
	r = save(t, d, "deal", r.ID, map[string]any{"probability": int64(60)})
	r = save(t, d, "deal", r.ID, map[string]any{"next_step": "call"})
	if r.Int("probability") != 60 {
		t.Errorf("an own probability was lost: %v", r.Values["probability"])
	}
	var n int
	d.read().QueryRow("SELECT count(*) FROM stage_history WHERE deal_id = ?", r.ID.Bytes()).Scan(&n)
	if n != 3 {
		t.Errorf("%d moves in the history, want 3", n)
	}
	imp := must(d.SaveAll(ctx, []model.Edit{{Noun: "deal", Action: "import", MakeLinks: true, Set: map[string]any{
		"name": "Old", "stage": ref("stage", "Lost"), "close_date": "2017-03-01", "organization": ref("organization", "New Co")}}}, false))(t)
	if imp[0].Err != nil {
		t.Fatal(imp[0].Err)
	}
	r = must(d.Get(ctx, "deal", imp[0].ID))(t)
	if r.Time("closed_at").Format(time.DateOnly) != "2017-03-01" || r.Text("lost_reason") != "not given" || !r.Ref("owner").IsZero() || r.Values["opened_on"] != nil {
		t.Errorf("imported: %v", r.Values)
	}
}

func TestSaveAllIsolatesFailures(t *testing.T) {
	d, _ := testDB(t)
	edits := []model.Edit{
		{Noun: "organization", Set: map[string]any{"name": "One"}},
		{Noun: "organization", Set: map[string]any{"name": "  "}},
		{Noun: "deal", MakeLinks: true, Set: map[string]any{"organization": ref("organization", "Ghost")}},
		{Noun: "contact", Set: map[string]any{"last_name": "X", "organization": ref("organization", "Ghost")}},
		{Noun: "contact", Set: map[string]any{"last_name": "Y", "organization": ref("organization", "one")}},
	}
	for _, dry := range []bool{true, false} {
		out := must(d.SaveAll(ctx, edits, dry))(t)
		var kinds []string
		for _, s := range out {
			k := "ok"
			if s.Err != nil {
				k = model.KindOf(s.Err).String()
			}
			kinds = append(kinds, k)
		}
		if got := strings.Join(kinds, " "); got != "ok invalid invalid invalid ok" {
			t.Errorf("dry %v: %s", dry, got)
		}
		n := must(d.Count(ctx, model.Query{Noun: "organization"}))(t)
		if want := map[bool]int64{true: 0, false: 1}[dry]; n != want {
			t.Errorf("dry %v: %d organizations, want %d", dry, n, want)
		}
	}
}

// TestTitleFollows: a contact without a name is called after what it has.
func TestTitleFollows(t *testing.T) {
	d, _ := testDB(t)
	org := save(t, d, "organization", "", map[string]any{"name": "Acme"})
	r := save(t, d, "contact", "", map[string]any{"organization": ref("organization", "Acme")})
	stored := func() (s string) {
		if err := d.read().QueryRow("SELECT title FROM contact WHERE id = ?", r.ID.Bytes()).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := stored(); s != "Acme" {
		t.Errorf("title %q", s)
	}
	save(t, d, "organization", org.ID, map[string]any{"name": "Beta"})
	if s := stored(); s != "Beta" {
		t.Errorf("title %q after the organization was renamed", s)
	}
	if _, err := d.Save(ctx, model.Edit{Noun: "contact", ID: r.ID, Add: map[string][]*model.Record{
		"email": {{Noun: "contact_method", Values: map[string]any{"kind": "email", "value": "a@b.ch"}}}}}); err != nil {
		t.Fatal(err)
	}
	if s := stored(); s != "a@b.ch" {
		t.Errorf("title %q after a mail was added", s)
	}
	save(t, d, "contact", r.ID, map[string]any{"first_name": "Ada"})
	if id := must(d.Find(ctx, "contact", "ada"))(t); id != r.ID {
		t.Errorf("found %v", id)
	}
}

func TestTwinsMeet(t *testing.T) {
	a, _ := testDB(t)
	b, _ := testDB(t)
	ids := map[model.ID]int{}
	for _, d := range []*DB{a, b} {
		r := must(d.Save(ctx, model.Edit{Noun: "organization", Set: map[string]any{"name": "X"}, Add: map[string][]*model.Record{
			"tag": {{Noun: "tagging", Values: map[string]any{"tag": ref("tag", "Very  Important")}}}}}))(t)
		ids[r.List("tag")[0].Ref("tag").ID]++
		p := must(d.List(ctx, model.Query{Noun: "pipeline"}))(t)
		ids[p.Items[0].ID]++
	}
	if len(ids) != 2 {
		t.Errorf("twins: %v", ids)
	}
	tag := must(a.List(ctx, model.Query{Noun: "tag"}))(t).Items[0]
	if err := a.Delete(ctx, "tag", tag.ID); err != nil {
		t.Fatal(err)
	}
	if again := save(t, a, "tag", "", map[string]any{"name": "very important"}); again.ID != tag.ID || !again.DeletedAt.IsZero() {
		t.Errorf("a deleted tag did not come back: %v", again)
	}
}

func TestRefusals(t *testing.T) {
	d, _ := testDB(t)
	a := save(t, d, "organization", "", map[string]any{"name": "A"})
	b := save(t, d, "organization", "", map[string]any{"name": "B", "parent": ref("organization", "A")})
	save(t, d, "organization", "", map[string]any{"name": "twin"})
	save(t, d, "organization", "", map[string]any{"name": "Twin"})
	for name, c := range map[string]struct {
		ed   model.Edit
		kind model.Kind
	}{
		"circle":        {model.Edit{Noun: "organization", ID: a.ID, Set: map[string]any{"parent": model.Ref{Noun: "organization", ID: b.ID}}}, model.Invalid},
		"ambiguous":     {model.Edit{Noun: "contact", Set: map[string]any{"last_name": "x", "organization": ref("organization", "TWIN")}}, model.Ambiguous},
		"unknown field": {model.Edit{Noun: "contact", Set: map[string]any{"nose": "x"}}, model.Invalid},
		"wrong type":    {model.Edit{Noun: "contact", Set: map[string]any{"last_name": int64(3)}}, model.Invalid},
		"no name":       {model.Edit{Noun: "contact", Set: map[string]any{"notes": "x"}}, model.Invalid},
		"absent":        {model.Edit{Noun: "contact", ID: a.ID, Set: map[string]any{"notes": "x"}}, model.NotFound},
		"unknown link":  {model.Edit{Noun: "contact", Set: map[string]any{"last_name": "x", "organization": ref("organization", "Nobody")}}, model.Invalid},
		"unknown stage": {model.Edit{Noun: "deal", Set: map[string]any{"name": "x", "stage": ref("stage", "Nowhere")}}, model.Invalid},
	} {
		if _, err := d.Save(ctx, c.ed); model.KindOf(err) != c.kind {
			t.Errorf("%s: got %v (%v), want %v", name, model.KindOf(err), err, c.kind)
		}
	}
	if id, err := d.Find(ctx, "organization", a.ID.Short()); err != nil || id != a.ID {
		t.Errorf("find by the end of the id: %v %v", id, err)
	}
	if _, err := d.Find(ctx, "organization", "twin"); model.KindOf(err) != model.Ambiguous {
		t.Errorf("find twin: %v", err)
	}
	if id, err := d.Find(ctx, "organization", " b "); err != nil || id != b.ID {
		t.Errorf("find by name: %v %v", id, err)
	}
}

// TestNaughtyStrings stores each string of the public list of naughty strings
// as a contact's notes and as an organization's name.
func TestNaughtyStrings(t *testing.T) {
	folder := os.Getenv("RAPPORT_TESTDATA")
	if folder == "" {
		t.Skip("RAPPORT_TESTDATA does not name the folder of test data")
	}
	data, err := os.ReadFile(filepath.Join(folder, "naughty-strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	d, _ := testDB(t)
	var edits []model.Edit
	var want []string
	for _, s := range list {
		if strings.TrimSpace(s) == "" {
			continue
		}
		want = append(want, s)
		edits = append(edits, model.Edit{Noun: "contact", Set: map[string]any{"last_name": "x", "notes": s}},
			model.Edit{Noun: "organization", Set: map[string]any{"name": s}})
	}
	saved := must(d.SaveAll(ctx, edits, false))(t)
	for i, s := range want {
		for j, field := range []string{"notes", "name"} {
			one := saved[2*i+j]
			if one.Err != nil {
				if len([]rune(s)) <= 255 || field == "notes" {
					t.Errorf("%q: %v", s, one.Err)
				}
				continue
			}
			if got := must(d.Get(ctx, edits[2*i+j].Noun, one.ID))(t).Text(field); got != s {
				t.Errorf("%s %q came back as %q", field, s, got)
			}
		}
	}
	if len(want) < 400 {
		t.Errorf("only %d strings", len(want))
	}
}
