package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"rapport/model"
)

// clock is a clock that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) step(d time.Duration) { c.at = c.at.Add(d) }

// testDB opens an empty cache in a folder of its own.
func testDB(t *testing.T) (*DB, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC)}
	d, err := Open(context.Background(), filepath.Join(t.TempDir(), "home", FileName), Options{
		Settings: model.Settings{Me: "ada", Currency: "EUR", Region: "CH"}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, c
}

func TestOpenNewFile(t *testing.T) {
	d, _ := testDB(t)
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{d.Path(): 0o600, filepath.Dir(d.Path()): 0o700, d.Path() + "-wal": 0o600} {
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := st.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
			}
		}
	}
	counts, err := d.Counts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if counts["pipeline"] != 1 {
		t.Errorf("a new file holds %v", counts)
	}
	if bad, err := d.IntegrityCheck(context.Background()); err != nil || len(bad) > 0 {
		t.Errorf("integrity: %v %v", bad, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	t.Run("newer file", func(t *testing.T) {
		d, _ := testDB(t)
		if _, err := d.writer.Exec("PRAGMA user_version = 99"); err != nil {
			t.Fatal(err)
		}
		d.Close()
		_, err := Open(ctx, d.Path(), Options{})
		if model.KindOf(err) != model.TooNew {
			t.Errorf("got %v", err)
		}
	})
	t.Run("text file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(ctx, path, Options{})
		if model.KindOf(err) != model.Invalid {
			t.Errorf("got %v", err)
		}
		if data, _ := os.ReadFile(path); string(data) != "hello" {
			t.Error("the file was changed")
		}
	})
	t.Run("another program's database", func(t *testing.T) {
		d, _ := testDB(t)
		if _, err := d.writer.Exec("PRAGMA application_id = 7"); err != nil {
			t.Fatal(err)
		}
		d.Close()
		_, err := Open(ctx, d.Path(), Options{})
		if model.KindOf(err) != model.Invalid {
			t.Errorf("got %v", err)
		}
	})
}

// TestDeclarationGrows opens a file that lacks a column, an index and a table
// of the declaration.
func TestDeclarationGrows(t *testing.T) {
	d, _ := testDB(t)
	for _, q := range []string{
		"DROP TABLE deal_line", "DROP INDEX ix_deal_board", "ALTER TABLE contact DROP COLUMN department",
		"UPDATE state SET value = 'old' WHERE key = 'declaration'",
	} {
		if _, err := d.writer.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	d.Close()
	d2, err := Open(context.Background(), d.Path(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d2.Close()
	for _, q := range []string{"SELECT department FROM contact", "SELECT id FROM deal_line", "SELECT id FROM deal INDEXED BY ix_deal_board WHERE deleted_at IS NULL"} {
		if _, err := d2.writer.Exec(q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// TestRefillOfLessIsCompared fills a cache by rows with and without a column
// that is declared: what the server has in it must be fetched.
func TestRefillOfLessIsCompared(t *testing.T) {
	e := model.EntityOf("tag")
	row := model.NewRow(e)
	row[0] = model.DerivedID("tag", "vip")
	row.Set(e, "name", "vip")
	var columns []string
	var values []any
	for i, c := range e.Columns() {
		columns, values = append(columns, c.Name), append(values, cell(row[i]))
	}
	for missing := range 2 {
		d, _ := testDB(t)
		fill, err := d.BeginRefill(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n := len(columns) - missing
		err = errors.Join(fill.Put("state", []string{"key", "value"}, []any{statePosition, `{"Epoch":"e","Seq":7,"Loaded":true}`}),
			fill.Put("tag", columns[:n], values[:n]), fill.Finish())
		if err != nil {
			t.Fatal(err)
		}
		at, err := d.Position(context.Background())
		if err != nil || at.Seq != 7 || !at.Loaded {
			t.Errorf("without %d columns: %+v, %v", missing, at, err)
		}
		next, err := d.NextCompare(context.Background())
		if err != nil || next.IsZero() != (missing == 0) || next.After(time.Now()) {
			t.Errorf("without %d columns every row is compared at %v, %v", missing, next, err)
		}
	}
}
