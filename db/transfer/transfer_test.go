package transfer

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// world is a workspace with its transfers.
type world struct {
	*Transfer
	t    *testing.T
	db   *sqlite.DB
	home string
}

// newWorld makes an empty workspace with a clock that stands still.
func newWorld(t *testing.T) *world {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC) }
	home := t.TempDir()
	db, err := sqlite.Open(context.Background(), filepath.Join(home, sqlite.FileName), sqlite.Options{
		Settings: model.Settings{Home: home, Me: "ada", Currency: "EUR", Region: "CH"}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &world{Transfer: New(db, home, Options{Now: now}), t: t, db: db, home: home}
}

// file writes a file into the home and returns its path.
func (w *world) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.home, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// load imports files and fails the test on an error.
func (w *world) load(req model.ImportRequest) model.ImportResult {
	w.t.Helper()
	if req.Env.Currency == "" {
		req.Env.Currency = "EUR"
	}
	res, err := w.Import(context.Background(), req, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// save stores an edit.
func (w *world) save(ed model.Edit) *model.Record {
	w.t.Helper()
	r, err := w.db.Save(context.Background(), ed)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// list returns all records of a noun.
func (w *world) list(n model.Noun) []*model.Record {
	w.t.Helper()
	p, err := w.db.List(context.Background(), model.Query{Noun: n})
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Items
}

// export writes all records of a noun.
func (w *world) export(n model.Noun, format string) string {
	w.t.Helper()
	var b bytes.Buffer
	if _, err := w.Export(context.Background(), model.ExportRequest{Query: model.Query{Noun: n}, Format: format}, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// counts checks what a run counted: read, created, updated, unchanged,
// skipped, rejected.
func counts(t *testing.T, got model.Counts, want ...int64) {
	t.Helper()
	w := model.Counts{Read: want[0], Created: want[1], Updated: want[2], Unchanged: want[3], Skipped: want[4], Rejected: want[5]}
	if got != w {
		t.Errorf("counts %+v, want %+v", got, w)
	}
}

// testdata returns the folder of real files; the test is skipped where none is
// named.
func testdata(t *testing.T, parts ...string) string {
	t.Helper()
	dir := os.Getenv("RAPPORT_TESTDATA")
	if dir == "" {
		t.Skip("RAPPORT_TESTDATA is not set")
	}
	return filepath.Join(append([]string{dir}, parts...)...)
}

func noted(notes []string, part string) bool {
	for _, n := range notes {
		if strings.Contains(n, part) {
			return true
		}
	}
	return false
}
