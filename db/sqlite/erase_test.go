package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/model"
)

// secret is a word that nothing else in a cache holds.
const secret = "Qxzvwjkp"

// holds tells where in the files of a cache a word stands. The cache must be
// closed.
func holds(t *testing.T, path, word string) []string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{word, strings.ToLower(word)} {
			if i := bytes.Index(data, []byte(w)); i >= 0 {
				out = append(out, fmt.Sprintf("%s at %d: %q", f, i, data[max(0, i-80):min(len(data), i+40)]))
			}
		}
	}
	return out
}

// erasable makes a contact whose every text holds the word, an activity about
// it alone, one about a deal too, and a deal that points to it.
func erasable(t *testing.T, d *DB) (person, alone, shared, deal *model.Record) {
	t.Helper()
	parse := func(n model.Noun, list, text string) *model.Record {
		t.Helper()
		part, err := model.ParseItem(model.EntityOf(n).Field(list), text, model.Env{Currency: "EUR"})
		if err != nil {
			t.Fatal(err)
		}
		return part
	}
	r, err := d.Save(ctx, model.Edit{Noun: "contact", Set: map[string]any{"last_name": secret, "notes": "about " + secret},
		Add: map[string][]*model.Record{"email": {parse("contact", "email", secret+"@example.com")}, "tag": {parse("contact", "tag", "vip")}}, MakeLinks: true})
	if err != nil {
		t.Fatal(err)
	}
	save(t, d, "contact", r.ID, map[string]any{"notes": "changed for " + secret})
	deal = save(t, d, "deal", "", map[string]any{"name": "Big deal", "contact": model.Ref{Noun: "contact", ID: r.ID}})
	about := func(subject string, refs ...model.Ref) *model.Record {
		e := model.Edit{Noun: "activity", Set: map[string]any{"kind": "note", "subject": subject}, Add: map[string][]*model.Record{}}
		for _, to := range refs {
			e.Add["about"] = append(e.Add["about"], parse("activity", "about", string(to.Noun)+":"+string(to.ID)))
		}
		out, err := d.Save(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	who := model.Ref{Noun: "contact", ID: r.ID}
	return r, about("called "+secret, who), about("met at the fair", who, model.Ref{Noun: "deal", ID: deal.ID}), deal
}

// TestPlanErasureWaitsForNobody who writes.
func TestPlanErasureWaitsForNobody(t *testing.T) {
	d, _ := testDB(t)
	person, _, _, _ := erasable(t, d)
	err := d.write(ctx, "hold the lock", func(*Tx) error {
		plan, err := d.PlanErasure(ctx, person.ID)
		if err == nil && (plan.Done || plan.Erased["contact"] != 1) {
			t.Errorf("planned %+v", plan)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEraseRecord erases a contact: no file of the cache holds a word of it,
// what was about others too stays and points to it no more, and it never comes
// back.
func TestEraseRecord(t *testing.T) {
	d, _ := testDB(t)
	person, alone, shared, deal := erasable(t, d)
	plan, err := d.PlanErasure(ctx, person.ID)
	if err != nil {
		t.Fatal(err)
	}
	done, err := d.EraseRecord(ctx, person.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !done.Done || plan.Done || len(plan.Look) != 2 || done.Erased["contact"] != 1 || done.Erased["activity"] != 1 || plan.Erased["contact_method"] != 1 {
		t.Errorf("planned %+v, did %+v", plan, done)
	}
	for _, r := range []*model.Record{person, alone} {
		if n := remains(t, d, r.Noun, r.ID); n != 0 {
			t.Errorf("%d rows of %s remain", n, r.Noun)
		}
	}
	if r, err := d.Get(ctx, "deal", deal.ID); err != nil || r.Ref("contact").ID != "" {
		t.Errorf("the deal points to %v: %v", r.Ref("contact"), err)
	}
	if r, err := d.Get(ctx, "activity", shared.ID); err != nil || len(r.Values["about"].([]*model.Record)) != 1 {
		t.Errorf("the shared activity is about %v: %v", r.Values["about"], err)
	}
	list, err := d.Erasures(ctx)
	if err != nil || len(list) != 2 {
		t.Errorf("the ledger is %+v: %v", list, err)
	}
	if hits, err := d.Search(ctx, secret, "", 5); err != nil || len(hits) > 0 {
		t.Errorf("found %v: %v", hits, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if found := holds(t, d.path, secret); len(found) > 0 {
		t.Errorf("the word stands in %v", found)
	}
}

// TestErasureArrives lets a ledger's row arrive while the contact has an unsent
// edit: all of it goes, and a later row of it is not taken in.
func TestErasureArrives(t *testing.T) {
	d, _ := testDB(t)
	person, alone, _, _ := erasable(t, d)
	pushAll(t, d, "")
	again := shown(t, d, "contact", person.ID)
	save(t, d, "contact", person.ID, map[string]any{"notes": "unsent about " + secret})
	page := &model.FeedPage{To: 7, Rows: map[model.Noun][]model.Row{}}
	for i, r := range []*model.Record{person, alone} {
		row := model.ErasureRow(r.Noun, r.ID)
		row.Set(erasureEntity, model.ColumnVersion, int64(1))
		row.Set(erasureEntity, model.ColumnScope, model.SharedScope)
		for _, c := range []string{model.ColumnCreatedAt, model.ColumnUpdatedAt} {
			row.Set(erasureEntity, c, int64(1000+i))
		}
		page.Rows["erasure"] = append(page.Rows["erasure"], row)
		page.Entries = append(page.Entries, model.FeedEntry{Seq: int64(6 + i), Table: "erasure", ID: row.ID(), Op: model.FeedUpsert})
	}
	apply(t, d, page)
	apply(t, d, again)
	for _, r := range []*model.Record{person, alone} {
		if n := remains(t, d, r.Noun, r.ID); n != 0 {
			t.Errorf("%d rows of %s remain", n, r.Noun)
		}
	}
	if n, err := d.Unsent(ctx); err != nil || n != 0 {
		t.Errorf("%d rows wait: %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if found := holds(t, d.path, secret); len(found) > 0 {
		t.Errorf("the word stands in %v", found)
	}
}
