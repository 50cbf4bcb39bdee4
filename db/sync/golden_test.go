package sync_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/sqlite"
	"rapport/model"
)

// goldenFolder holds a cache for each schema that was ever released, left in
// the middle of everything.
const goldenFolder = "../sqlite/testdata/golden"

// TestGoldenCaches opens every cache of the past, brings it up to this program,
// and syncs what waits in it to a central that does not know it: a company that
// lost its server.
func TestGoldenCaches(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenFolder, "*.db.gz"))
	if err != nil || len(files) < 2 {
		t.Fatalf("golden caches: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".db.gz"), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, file, filepath.Join(dir, sqlite.FileName))
			c := newCentral(t)
			a := openHome(t, "ann", dir, c.url)
			lookAtGolden(t, a)
			a.sync(t)
			for _, conflict := range a.conflicts(t) {
				if err := a.Settle(t.Context(), conflict.ID, []model.Settlement{{Take: "mine"}}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := a.Retry(t.Context()); err != nil {
				t.Fatal(err)
			}
			b := newHome(t, "bob", c.url)
			converge(t, c, a, b)
			lookAtSynced(t, c)
		})
	}
}

func unpack(t *testing.T, file, to string) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lookAtGolden expects in an upgraded cache what its maker put there.
func lookAtGolden(t *testing.T, a *home) {
	t.Helper()
	if problems, err := a.IntegrityCheck(t.Context()); err != nil || len(problems) > 0 {
		t.Fatalf("integrity: %q, %v", problems, err)
	}
	waiting := map[string]model.PendingItem{}
	for _, p := range a.pending(t) {
		waiting[p.Title] = p
	}
	for title, action := range map[string]string{"Ada Golden": "edit", "Fresh": "add", "Gone": "delete", "Golden deal": "edit", "Later Ltd": "add", "Refused": "add"} {
		if waiting[title].Action != action {
			t.Errorf("%s waits as %+v, want %s", title, waiting[title], action)
		}
	}
	if waiting["Refused"].Code != "too_long" {
		t.Errorf("refused: %+v", waiting["Refused"])
	}
	open := a.conflicts(t)
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	if len(open) != 1 || len(open[0].Fields) != 1 || open[0].Fields[0].Mine != eur(200) || open[0].Fields[0].Theirs != eur(300) {
		t.Fatalf("conflicts: %+v", open)
	}
	history, err := a.History(t.Context(), "deal", open[0].Record)
	if err != nil || len(history) < 4 {
		t.Errorf("history of the deal: %d changes, %v", len(history), err)
	}
	hits, err := a.Search(t.Context(), "ada gold", "contact", 5)
	if err != nil || len(hits) != 1 {
		t.Fatalf("search finds %v, %v", hits, err)
	}
	ada := a.get(t, "contact", hits[0].ID)
	if ada.Text("job_title") != "waits" || ada.Text("department") != "after the freeze" || len(ada.List("email")) != 1 || len(ada.List("tag")) != 2 || ada.Text("birth_date") != "--12-10" {
		t.Errorf("Ada: %v", ada.Values)
	}
}

// lookAtSynced expects everything on the central, each row once.
func lookAtSynced(t *testing.T, c *central) {
	t.Helper()
	for query, want := range map[string]string{
		"SELECT CONCAT_WS('|', job_title, department, notes) FROM contact WHERE last_name = 'Golden'":                     "waits|after the freeze|first\nsecond",
		"SELECT COUNT(*) FROM contact WHERE deleted_at IS NULL":                                                           "3",
		"SELECT COUNT(*) FROM contact_method WHERE deleted_at IS NULL":                                                    "4",
		"SELECT CONCAT_WS('|', amount_minor, next_step) FROM deal WHERE name = 'Golden deal'":                             "200|mine",
		"SELECT s.name FROM deal d JOIN stage s ON s.id = d.stage_id":                                                     "Proposal",
		"SELECT CONCAT_WS('|', l.quantity, l.price_minor, p.code) FROM deal_line l JOIN product p ON p.id = l.product_id": "1.5000|9900|G-1",
		"SELECT COUNT(*) FROM activity_link WHERE deleted_at IS NULL":                                                     "2",
		"SELECT COUNT(*) FROM tagging WHERE deleted_at IS NULL":                                                           "3",
		"SELECT notes FROM organization WHERE name = 'Golden Ltd'":                                                        "näßlich\r\n😀",
		"SELECT COUNT(*) FROM organization":                                                                               "2",
	} {
		if got := c.value(t, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
