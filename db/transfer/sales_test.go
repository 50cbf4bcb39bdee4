package transfer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"rapport/model"
)

// salesFiles are the files of the dataset in a bad order.
func salesFiles(t *testing.T) []string {
	t.Helper()
	dir := testdata(t, "maven-crm")
	var out []string
	for _, n := range []string{"sales_pipeline", "sales_teams", "accounts", "products"} {
		out = append(out, filepath.Join(dir, n+".csv"))
	}
	return out
}

func TestSalesDataset(t *testing.T) {
	w := newWorld(t)
	files := salesFiles(t)
	res := w.load(model.ImportRequest{Files: files})
	counts(t, res.Counts, 8927, 8927, 0, 0, 0, 0)
	for noun, n := range map[model.Noun]int64{"organization": 85, "product": 7, "user": 35, "deal": 8800} {
		if res.ByNoun[noun].Created != n {
			t.Errorf("%s: %+v", noun, res.ByNoun[noun])
		}
	}
	for _, n := range []string{`"technolgy" to "technology" (12)`, `"Philipines" to "Philippines" (1)`, `product "GTXPro" to "GTX Pro" (1480)`, "names none (1425)", `"Engaging" (open, 30 %)`} {
		if !noted(res.Notes, n) {
			t.Errorf("no note says %s: %q", n, res.Notes)
		}
	}
	t.Run("deals", func(t *testing.T) { checkSalesDeals(t, w) })
	t.Run("organizations", func(t *testing.T) { checkSalesOrganizations(t, w) })
	t.Run("again", func(t *testing.T) {
		again := w.load(model.ImportRequest{Files: files})
		counts(t, again.Counts, 8927, 0, 0, 8927, 0, 0)
	})
}

func checkSalesDeals(t *testing.T, w *world) {
	stages := map[string]int{}
	var won int64
	loose, unopened, open := 0, 0, 0
	for _, d := range w.list("deal") {
		stage := d.Ref("stage").Name
		stages[stage]++
		m, ok := d.Money("amount")
		if stage == "Won" {
			won += m.Minor
		}
		if ok && m.Currency != "USD" {
			t.Fatalf("%s: %s", d.Title(), m)
		}
		if d.Ref("organization").IsZero() {
			loose++
		}
		if d.Text("opened_on") == "" {
			unopened++
		}
		if !ok {
			open++
		}
		if len(d.List("lines")) != 1 || d.Ref("owner").IsZero() {
			t.Fatalf("%s has %d lines, owner %v", d.Title(), len(d.List("lines")), d.Ref("owner"))
		}
		if stage == "Lost" && d.Text("lost_reason") != "not given" {
			t.Fatalf("%s was lost because of %q", d.Title(), d.Text("lost_reason"))
		}
	}
	if won != 1_000_553_400 {
		t.Errorf("the won deals sum to %d cents", won)
	}
	for stage, n := range map[string]int{"Won": 4238, "Lost": 2473, "Engaging": 1589, "Prospecting": 500} {
		if stages[stage] != n {
			t.Errorf("%d deals in %s, want %d", stages[stage], stage, n)
		}
	}
	if loose != 1425 || unopened != 500 || open != 2089 {
		t.Errorf("%d without organization, %d without a first day, %d without amount", loose, unopened, open)
	}
}

func checkSalesOrganizations(t *testing.T, w *world) {
	parents := 0
	for _, o := range w.list("organization") {
		if !o.Ref("parent").IsZero() {
			parents++
		}
		if o.Title() == "Acme Corporation" {
			m, _ := o.Money("annual_revenue")
			if m.String() != "1100040000.00 USD" || o.Text("industry") != "technology" || o.Int("founded") != 1996 || o.Int("employees") != 2822 || o.List("address")[0].Text("country") != "United States" {
				t.Errorf("Acme is %s", o.JSON(nil))
			}
		}
	}
	if parents != 15 {
		t.Errorf("%d organizations have a parent", parents)
	}
	id, err := w.db.Find(t.Context(), "user", "moses.frase")
	if err != nil {
		t.Fatal(err)
	}
	u, err := w.db.Get(t.Context(), "user", id)
	if err != nil || u.Title() != "Moses Frase" || u.Text("team") != "Central" || u.Ref("manager").Name != "Dustin Brinkmann" {
		t.Errorf("%v %s", err, u.JSON(nil))
	}
}

func TestSalesDryRunAndUndo(t *testing.T) {
	w := newWorld(t)
	// A tenth of the deals is enough here.
	data, err := os.ReadFile(salesFiles(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	files := append([]string{w.file("sales_pipeline.csv", string(data[:bytes.LastIndexByte(data[:len(data)/10], '\n')+1]))}, salesFiles(t)[1:]...)
	dry := w.load(model.ImportRequest{Files: files, DryRun: true})
	if n := len(w.list("organization")); n != 0 {
		t.Fatalf("the dry run left %d organizations", n)
	}
	res := w.load(model.ImportRequest{Files: files})
	if dry.Counts != res.Counts {
		t.Errorf("the dry run said %+v, the run %+v", dry.Counts, res.Counts)
	}
	deal := w.list("deal")[0]
	w.save(model.Edit{Noun: "deal", ID: deal.ID, Set: map[string]any{"next_step": "call"}})
	undone, kept, err := w.UndoImport(t.Context(), res.Run)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.list("deal")) != 1 || undone < res.Created-10 {
		t.Errorf("%d undone of %d, %d deals left", undone, res.Created, len(w.list("deal")))
	}
	if len(kept) == 0 || kept[len(kept)-1].Title == "" {
		t.Errorf("kept %v", kept)
	}
	if _, _, err := w.UndoImport(t.Context(), res.Run); model.KindOf(err) != model.Invalid {
		t.Errorf("undoing twice: %v", err)
	}
	if runs, err := w.ImportRuns(t.Context()); err != nil || len(runs) != 1 || !runs[0].Undone || runs[0].Read != res.Read {
		t.Errorf("%+v %v", runs, err)
	}
}
