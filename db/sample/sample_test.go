package sample

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

var day = time.Date(2026, 6, 10, 9, 0, 0, 0, time.UTC)

// rows returns every row that a request makes, as text.
func rows(t *testing.T, req model.DemoRequest) []string {
	t.Helper()
	var out []string
	m := newMaker(req, "you", "CHF")
	m.put = func(e *model.Entity, row model.Row) error {
		out = append(out, fmt.Sprint(e.Noun, row))
		return nil
	}
	if err := m.make(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameSeedSameRows(t *testing.T) {
	a, b := rows(t, model.DemoRequest{Contacts: 300, Seed: 7, Day: day}), rows(t, model.DemoRequest{Contacts: 300, Seed: 7, Day: day})
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed and day give other rows")
	}
	if c := rows(t, model.DemoRequest{Contacts: 300, Seed: 8, Day: day}); reflect.DeepEqual(a, c) {
		t.Error("another seed gives the same rows")
	}
}

// TestRowsAreValid holds that a person could have typed every record and that
// ids and the records they point to are sound.
func TestRowsAreValid(t *testing.T) {
	have := map[model.ID]bool{}
	refs := map[model.ID]string{}
	for noun, list := range model.SeedRows() {
		for _, row := range list {
			have[row.ID()] = true
			_ = noun
		}
	}
	m := newMaker(model.DemoRequest{Contacts: 500, Seed: 1, Day: day}, "you", "")
	m.put = func(e *model.Entity, row model.Row) error {
		if have[row.ID()] {
			t.Errorf("%s %s is made twice", e.Noun, row.ID())
		}
		have[row.ID()] = true
		r := model.RecordOf(e, row)
		if e.Noun == "deal" && (r.Text("name") == "" || strings.Contains(r.Text("name"), "{")) {
			t.Errorf("a deal is called %q", r.Text("name"))
		}
		if ps := model.Validate(r); len(ps) > 0 {
			t.Errorf("%v is not valid: %v", row, ps)
		}
		for i, c := range e.Columns() {
			if id, ok := row[i].(model.ID); ok && c.Ref != "" {
				refs[id] = fmt.Sprintf("%s.%s", e.Noun, c.Name)
			}
		}
		return nil
	}
	if err := m.make(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	for category := range dealNames {
		if !strings.Contains(strings.Join(products, "\n"), "|"+category+"|") {
			t.Errorf("no product is of the category %q", category)
		}
	}
	for id, from := range refs {
		if !have[id] {
			t.Errorf("%s points to %s, which is not there", from, id)
		}
	}
}

func TestFill(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 400} {
		d, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Settings: model.Settings{Me: "you"}, Now: func() time.Time { return day }})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		counts, err := Fill(ctx, d, model.DemoRequest{Contacts: n, Seed: 3, Day: day}, "you", nil)
		if err != nil {
			t.Fatalf("%d contacts: %v", n, err)
		}
		if counts["contact"] != int64(n) || counts["organization"] != int64(n/5) || counts["deal"] != int64(n/4) || counts["activity"] != int64(n) {
			t.Errorf("%d contacts: made %v", n, counts)
		}
		if n < 400 {
			continue
		}
		for _, text := range []string{"smith", "muller", "+41 44 668", "call", "a"} {
			hits, err := d.Search(ctx, text, "", 50)
			if err != nil || len(hits) == 0 {
				t.Errorf("%q: %d hits, %v", text, len(hits), err)
			}
			for _, h := range hits {
				if strings.TrimSpace(h.Title) == "" {
					t.Errorf("%q: %v has no title", text, h)
				}
			}
		}
	}
}
