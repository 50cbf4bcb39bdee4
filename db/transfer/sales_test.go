package transfer

import (
	"path/filepath"
	"testing"

	"rapport/model"
)

func salesFiles(t *testing.T) []string {
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
	dry := w.load(model.ImportRequest{Files: files, DryRun: true})
	if got := len(w.list("deal")); got != 0 {
		t.Fatalf("the dry run left %d deals", got)
	}
	res := w.load(model.ImportRequest{Files: files})
	t.Log(res.Counts, res.ByNoun)
	for _, n := range res.Notes {
		t.Log(n)
	}
	if dry.Counts != res.Counts {
		t.Errorf("the dry run said %+v, the run %+v", dry.Counts, res.Counts)
	}
	again := w.load(model.ImportRequest{Files: files})
	t.Log(again.Counts)
	for _, r := range again.Rejects {
		t.Log(r.Message)
	}
}
