package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"rapport/db/sqlite"
	"rapport/model"
)

// home is a workspace with rows of every kind in every table.
type home struct {
	t   *testing.T
	dir string
	db  *sqlite.DB
	raw *sql.DB
	now time.Time
	*Backuper
	store Store // in place of the folder, if set
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	h.open()
	t.Cleanup(func() { h.close() })
	h.Backuper = New(Options{Home: h.dir, Wait: -1, Now: func() time.Time { return h.now }, DB: func() *sqlite.DB { return h.db },
		Exclusive: func(ctx context.Context, swap func() error) error {
			release, err := h.db.Lock(ctx)
			if err != nil {
				return err
			}
			defer release()
			h.close()
			defer h.open()
			return swap()
		},
		Open: func(address string) (Store, error) {
			if h.store != nil {
				return h.store, nil
			}
			return OpenStore(address)
		}})
	return h
}

// newShelved makes a home of n contacts whose backups lie on a shelf. pass lets
// time go by for both.
func newShelved(t *testing.T, n int) (h *home, s *shelf, pass func(time.Duration)) {
	t.Helper()
	h, s = newHome(t), newShelf()
	h.fill(n, "contact")
	h.store = s
	return h, s, func(d time.Duration) { h.now = h.now.Add(d); s.pass(d) }
}

func (h *home) open() {
	h.t.Helper()
	var err error
	if h.db, err = sqlite.Open(h.t.Context(), filepath.Join(h.dir, sqlite.FileName), sqlite.Options{}); err != nil {
		h.t.Fatal(err)
	}
	if h.raw, err = sql.Open("sqlite", "file:"+h.db.Path()+"?_pragma=busy_timeout(60000)&_pragma=synchronous(off)"); err != nil {
		h.t.Fatal(err)
	}
	h.raw.SetMaxOpenConns(1)
}

func (h *home) close() {
	h.raw.Close()
	if err := h.db.Close(); err != nil {
		h.t.Error(err)
	}
}

// strange are texts that archives get wrong.
var strange = []string{"", " ", "Müller & Söhne", "\"quoted\" \\ back", "line\nfeed\r\ttab", "nul\x00byte", "not utf-8 \xff\xfe", "\u2028 \U0001f4a9", "[1,2]", "null", "\x7f\x1b[31m", `{"b64":"AA=="}`}

// fill puts n rows with every sort of value into the tables named, all if none
// is, in one transaction.
func (h *home) fill(n int, only ...string) {
	h.t.Helper()
	tables, err := h.db.Tables(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	tx, err := h.raw.Begin()
	if err != nil {
		h.t.Fatal(err)
	}
	defer tx.Rollback()
	for _, t := range tables {
		if t.Name == "state" || len(only) > 0 && !slices.Contains(only, t.Name) {
			continue
		}
		e := model.EntityOf(model.Noun(t.Name))
		for i := range n {
			values := make([]any, len(t.Columns))
			for j, c := range t.Columns {
				values[j] = h.value(t, c, t.Types[j], i, j)
				if e != nil {
					if _, col := e.Column(c); col.Owner && j > 1 {
						values[j] = nil
					} else if col.Owner {
						values[j] = rowID(string(col.Ref), i)
					}
				}
			}
			q := fmt.Sprintf("INSERT INTO %q (%s) VALUES (%s)", t.Name, `"`+strings.Join(t.Columns, `","`)+`"`, strings.TrimSuffix(strings.Repeat("?,", len(values)), ","))
			if _, err := tx.Exec(q, values...); err != nil {
				h.t.Fatalf("%s: %v", q, err)
			}
		}
	}
	for k, v := range map[string]string{"client": string(model.DerivedID("client")), "position": `{"Epoch":"e","Seq":7}`, "batch_number": "12"} {
		if _, err := tx.Exec(`INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)`, k, v); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		h.t.Fatal(err)
	}
}

func rowID(table string, i int) []byte { return model.DerivedID(table, fmt.Sprint(i)).Bytes() }

func (h *home) value(t sqlite.Table, column, typ string, i, j int) any {
	key := slices.Contains(t.Key, column)
	switch {
	case column == "id" && (typ == "id" || typ == "blob"):
		return rowID(t.Name, i)
	case column == "seq" || column == "number":
		return int64(i + 1)
	case column == "settled_at" || column == "deleted_at" && i%3 > 0:
		return nil
	case typ == "int":
		return []int64{0, 1, -1, 1 << 62, -1 << 63, 1<<63 - 1}[(i+j)%6]
	case typ == "id", typ == "blob":
		return rowID(column, i)
	case key, column == "field":
		return fmt.Sprintf("%d %s", i, strange[(i+j)%len(strange)])
	}
	return strange[(i+j)%len(strange)]
}

// dump returns every row of every table as text, without the states that
// belong to a copy.
func (h *home) dump() map[string][]string {
	h.t.Helper()
	tables, err := h.db.Tables(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, t := range tables {
		rows, err := h.raw.Query(t.Select())
		if err != nil {
			h.t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(t.Columns))
			for i := range values {
				values[i] = &values[i]
			}
			dest := make([]any, len(values))
			for i := range dest {
				dest[i] = new(any)
			}
			if err := rows.Scan(dest...); err != nil {
				h.t.Fatal(err)
			}
			line := ""
			for _, d := range dest {
				line += fmt.Sprintf("%T %q|", *d.(*any), *d.(*any))
			}
			if t.Name == "state" && (strings.Contains(line, `"client"`) || strings.Contains(line, `"batch_number"`) || strings.Contains(line, `"backup_lineage"`) || strings.Contains(line, `"backup_places"`) || strings.Contains(line, `"backup_number"`)) {
				continue
			}
			out[t.Name] = append(out[t.Name], line)
		}
		if err := rows.Err(); err != nil {
			h.t.Fatal(err)
		}
		rows.Close()
	}
	return out
}

func sameDump(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s: %s differs: %d rows, want %d", what, table, len(got[table]), len(want[table]))
			for i, l := range want[table] {
				if i >= len(got[table]) || got[table][i] != l {
					g := "nothing"
					if i < len(got[table]) {
						g = got[table][i]
					}
					t.Errorf("first at row %d:\n got %s\nwant %s", i, g, l)
					break
				}
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d tables with rows, want %d", what, len(got), len(want))
	}
}

func (h *home) create(req model.BackupRequest) model.BackupInfo {
	h.t.Helper()
	info, err := h.CreateBackup(h.t.Context(), req, nil)
	if err != nil {
		h.t.Fatalf("create: %v", err)
	}
	if !info.Verified || info.Problem != "" || info.Rows == 0 || info.Bytes == 0 || info.Kind != "full" || info.At.IsZero() {
		h.t.Fatalf("create: %+v", info)
	}
	return info
}

// failing is a store whose n-th call and every one after it fail, as if the
// process had been killed there.
type failing struct {
	Store
	left atomic.Int64
	err  error
}

func (f *failing) call() error {
	if f.left.Add(-1) < 0 {
		return f.err
	}
	return nil
}

func (f *failing) Put(ctx context.Context, key string, data []byte) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Store.Put(ctx, key, data)
}

func (f *failing) PutNew(ctx context.Context, key string, data []byte) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Store.PutNew(ctx, key, data)
}

func (f *failing) Get(ctx context.Context, key string) ([]byte, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) List(ctx context.Context, prefix string) ([]Object, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, prefix)
}

func (f *failing) Delete(ctx context.Context, key string) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key)
}

// files returns the paths of all files under a folder whose name holds part.
func files(t *testing.T, dir, part string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(filepath.ToSlash(name), part) {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// addsOnly is a store that lets nothing be overwritten or deleted.
type addsOnly struct{ Store }

func (a addsOnly) Put(ctx context.Context, key string, data []byte) error {
	if err := a.Store.PutNew(ctx, key, data); errors.Is(err, fs.ErrExist) {
		return model.Errorf(model.Refused, "the place does not allow that with this key").WithHint("give it more rights")
	} else if err != nil {
		return err
	}
	return nil
}

func (a addsOnly) Delete(context.Context, string) error {
	return model.Errorf(model.Refused, "the place does not allow that with this key").WithHint("give it more rights")
}

// addsNothing is a store that can be read only.
type addsNothing struct {
	Store
	why error
}

func (a addsNothing) Put(context.Context, string, []byte) error { return a.why }

func (a addsNothing) PutNew(context.Context, string, []byte) error { return a.why }
