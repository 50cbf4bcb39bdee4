package backup

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// company is a central on a server that tests share, and a place for its
// backups.
type company struct {
	*testing.T
	url   string
	db    *sql.DB
	b     *Backuper
	store *memory
}

func newCompany(t *testing.T) *company {
	t.Helper()
	s := servertest.Shared(t)
	c := &company{T: t, url: s.Database(t), store: newMemory()}
	if _, err := mysql.Init(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	c.db = s.DB(servertest.Name(c.url))
	t.Cleanup(func() { c.db.Close() })
	c.b = New(Options{Home: t.TempDir()})
	return c
}

func (c *company) sql(queries ...string) {
	c.Helper()
	for _, q := range queries {
		if _, err := c.db.ExecContext(c.Context(), q); err != nil {
			c.Fatalf("%s: %v", q, err)
		}
	}
}

func (c *company) source() centralSource {
	return centralSource{url: func(context.Context) (string, error) { return c.url, nil }}
}

func (c *company) create(kind string) model.BackupInfo {
	c.Helper()
	info, err := c.b.create(c.Context(), c.source(), target{store: c.store}, order{kind: kind}, nil)
	if err != nil || !info.Verified || info.Source != model.SourceCentral || info.Position == 0 {
		c.Fatalf("%s: %+v, %v", kind, info, err)
	}
	return info
}

// sums returns the sum of each table of a source as it is now.
func (c *company) sums() map[string]tableSum {
	c.Helper()
	snap, err := c.source().open(c.Context(), 1, false, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer snap.close()
	out := map[string]tableSum{}
	for _, t := range snap.tables() {
		var all []byte
		n := int64(0)
		if err := snap.rows(c.Context(), 0, t, func(v []any) (err error) {
			all, err = written.appendRow(all, t.Types, v)
			all, n = append(all, '\n'), n+1
			return err
		}); err != nil {
			c.Fatal(err)
		}
		out[t.Name] = tableSum{n, hashOf(all)}
	}
	return out
}

// edit changes a central as other programs and people do.
func (c *company) edit(r *rand.Rand) {
	c.Helper()
	name := func() string { return strings.ReplaceAll(strange[r.IntN(3)], "'", "''") }
	for range r.IntN(6) {
		switch r.IntN(6) {
		case 0:
			c.sql(fmt.Sprintf("INSERT INTO contact (last_name, notes) VALUES ('%s', NULL), ('Müller 🦆', 'line\nfeed')", name()+"x"))
		case 1:
			c.sql(fmt.Sprintf("UPDATE contact SET notes = '%s', birth_date = '1980-02-0%d' ORDER BY id LIMIT %d", name(), 1+r.IntN(9), 1+r.IntN(3)))
		case 2:
			c.sql("DELETE FROM contact ORDER BY id LIMIT 1")
		case 3:
			c.sql(fmt.Sprintf("INSERT INTO organization (name, employees) VALUES ('%d', %d)", r.IntN(100), r.Int32()))
		case 4:
			c.sql(fmt.Sprintf("INSERT INTO mine (a, b, c, d) VALUES ('%d', %d, '12345678901234567890.1234567890', 18446744073709551615) ON DUPLICATE KEY UPDATE b = b - 1", r.IntN(10), -r.Int64()/2))
		default:
			c.sql("DELETE FROM mine ORDER BY a LIMIT 1")
		}
	}
}

// TestEveryPointOfACentral makes backups of all kinds between random changes of
// a central. Each reads as the very rows that there were.
func TestEveryPointOfACentral(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.sql("CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b BIGINT, c DECIMAL(40,10), d BIGINT UNSIGNED, e DATETIME(6) DEFAULT '2026-03-29 02:30:00.000001')",
		"INSERT INTO contact (last_name) VALUES ('a'), ('b'), ('c')")
	r := rand.New(rand.NewPCG(4, 2))
	want := map[string]map[string]tableSum{}
	kinds := []string{model.BackupFull, model.BackupIncremental, model.BackupIncremental, model.BackupDifferential, model.BackupSegment, model.BackupSegment, model.BackupIncremental, model.BackupDifferential, model.BackupIncremental, model.BackupFull, model.BackupIncremental}
	for _, kind := range kinds {
		c.edit(r)
		info := c.create(kind)
		if info.Kind != kind && !strings.Contains(info.Note, "more than half") {
			t.Errorf("%s became %s: %s", kind, info.Kind, info.Note)
		}
		want[info.ID] = c.sums()
	}
	list, err := entries(t.Context(), c.store, pins{})
	if err != nil || len(list) != len(kinds) {
		t.Fatalf("%d backups, %v", len(list), err)
	}
	for _, e := range list {
		chain, err := openChain(t.Context(), c.store, keys{}, list, e)
		if err != nil {
			t.Fatal(err)
		}
		for name, sum := range chain.sums(t) {
			if w := want[string(e.id)][name]; w != sum {
				t.Errorf("the %s backup of %d has %v of %s, want %v", e.kind, len(chain.links), sum, name, w)
			}
		}
		if m := chain.end(); m.Server == nil || m.Server.Version == "" || m.Server.Role != "primary" || m.Server.Method == "" || m.Server.Readers == 0 || len(m.Extras) == 0 || m.At.IsZero() {
			t.Errorf("the manifest says %+v", m.Server)
		}
	}
	newest, err := openChain(t.Context(), c.store, keys{}, list, list[0])
	if err == nil {
		err = c.b.proveRestore(t.Context(), newest, nil)
	}
	if err != nil || len(files(t, c.b.o.Home, ".trial-")) > 0 {
		t.Errorf("restored on trial: %v", err)
	}
	if names := slices.Collect(maps.Keys(want[string(list[0].id)])); !slices.Contains(names, "mine") || !slices.Contains(names, "sync_audit") {
		t.Errorf("tables %v", names)
	}
}

// TestCentralIsAltered alters a table while a backup reads it. The backup begins
// anew, and holds the table as it is then.
func TestCentralIsAltered(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.sql("CREATE TABLE mine (a INT PRIMARY KEY, b INT)", "INSERT INTO mine VALUES (1, 2)", "INSERT INTO contact (last_name) VALUES ('a')")
	altered := 0
	watching := &puts{Store: c.store, on: func(key string) {
		if strings.Contains(key, "/t/contact/") {
			if altered++; altered < 3 {
				c.sql("ALTER TABLE mine ADD COLUMN c"+fmt.Sprint(altered)+" INT DEFAULT 7, ALGORITHM=COPY", "INSERT INTO mine (a) VALUES ("+fmt.Sprint(10+altered)+")")
			}
		}
	}}
	info, err := c.b.create(t.Context(), oneReader{c.source()}, target{store: watching}, order{kind: model.BackupFull}, nil)
	if err != nil || !info.Verified || altered != 3 {
		t.Fatalf("%+v, %v after %d alterations", info, err, altered)
	}
	list, err := entries(t.Context(), c.store, pins{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d backups, %v", len(list), err)
	}
	chain, err := openChain(t.Context(), c.store, keys{}, list, list[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := chain.sums(t)["mine"], c.sums()["mine"]; got != want || got.rows != 3 {
		t.Errorf("%v of the altered table, want %v", got, want)
	}
	if left := slices.DeleteFunc(slices.Collect(maps.Keys(c.store.objects)), func(k string) bool { return k == repoName || strings.Contains(k, info.ID) }); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// Where it never ends, one is told.
	always := &puts{Store: c.store, on: func(key string) {
		if strings.Contains(key, "/t/contact/") {
			altered++
			c.sql("ALTER TABLE mine ADD COLUMN c" + fmt.Sprint(altered) + " INT DEFAULT 7, ALGORITHM=COPY")
		}
	}}
	_, err = c.b.create(t.Context(), oneReader{c.source()}, target{store: always}, order{kind: model.BackupFull}, nil)
	says(t, err, model.Locked, "the tables changed under the backup")
}

// oneReader is a source with one reader, so that what it reads comes in a known
// order.
type oneReader struct{ source }

func (s oneReader) open(ctx context.Context, _ int, follow bool, n model.Notify) (snapshot, error) {
	return s.source.open(ctx, 1, follow, n)
}

// puts is a store that tells of each object before it takes it.
type puts struct {
	Store
	on func(key string)
}

func (p *puts) Put(ctx context.Context, key string, data []byte) error {
	p.on(key)
	return p.Store.Put(ctx, key, data)
}
