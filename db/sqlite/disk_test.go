package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/model"
)

// TestFullDiskIsNamed holds that what SQLite takes back by itself is told as
// what it is, and that nothing is kept of it.
func TestFullDiskIsNamed(t *testing.T) {
	d, _ := testDB(t)
	if _, err := d.writer.Exec("PRAGMA max_page_count = 1"); err != nil { // no more than there are
		t.Fatal(err)
	}
	var edits []model.Edit
	for range 50 {
		edits = append(edits, model.Edit{Noun: "contact", Set: map[string]any{"last_name": "x", "notes": strings.Repeat("y", 20000)}})
	}
	_, err := d.SaveAll(ctx, edits, false)
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("%v", err)
	}
	if n := must(d.Count(ctx, model.Query{Noun: "contact"}))(t); n != 0 {
		t.Errorf("%d contacts were kept", n)
	}
}

func TestUnwritableFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.Mkdir(path, 0o700); err != nil { // which nobody can write as a file
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("%v", err)
	}
}

// TestSearchPutAsideIsNamed holds that a person is told of a search index that
// cannot be built for want of a file beside the cache, and keeps the old one.
func TestSearchPutAsideIsNamed(t *testing.T) {
	d, ids := searchDB(t, person{first: "Ada", notes: "counts"})
	path := d.path + buildNames[0]
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil { // which nobody can write as a file
		t.Fatal(err)
	}
	if err := d.RebuildSearch(ctx); err == nil || !strings.Contains(err.Error(), "could not be put aside") {
		t.Errorf("%v", err)
	}
	if got := finds(t, d, "ada"); len(got) != 1 || got[0] != ids[0] {
		t.Errorf("it finds %v", got)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := d.RebuildSearch(ctx); err != nil {
		t.Fatal(err)
	}
	asTheEngine(t, d)
}
