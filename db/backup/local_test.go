package backup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/db/sqlite"
	"rapport/model"
)

// hashes returns the sum of each table of the cache as it is now.
func (h *home) hashes() map[string]tableSum {
	h.t.Helper()
	tables, err := h.db.Tables(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	tx, err := h.db.Snapshot(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	defer tx.Rollback()
	out := map[string]tableSum{}
	for _, t := range tables {
		if out[t.Name], err = hashTable(h.t.Context(), tx, t, written); err != nil {
			h.t.Fatal(err)
		}
	}
	delete(out, "state") // each backup counts itself there
	return out
}

// sums returns the sum of each table as a chain gives it.
func (c *chain) sums(t *testing.T) map[string]tableSum {
	t.Helper()
	out := map[string]tableSum{}
	for _, te := range c.tables() {
		var all []byte
		n := int64(0)
		if err := c.lines(t.Context(), te.Name, func(line []byte, _ []any) error {
			all, n = append(all, line...), n+1
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		out[te.Name] = tableSum{n, hashOf(all)}
	}
	delete(out, "state")
	return out
}

// localStep is one random change of the cache, by a statement of its own.
type localStep struct {
	query string
	args  []any
}

// localSteps draws changes of every sort: new rows, other values, rows that go,
// rows that go and come back, keys that move, and statements that clash and are
// told to go on.
var localSteps = rapid.Custom(func(t *rapid.T) []localStep {
	text := func() any {
		switch rapid.IntRange(0, 4).Draw(t, "sort") {
		case 0:
			return nil
		case 1:
			return rapid.StringN(0, 30, -1).Draw(t, "text")
		}
		return rapid.SampledFrom(strange).Draw(t, "strange")
	}
	id := func(table string) []byte { return rowID(table, rapid.IntRange(0, 15).Draw(t, "id")) }
	number := func() any {
		return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{1 << 62, -1 << 63, 0})).Draw(t, "number")
	}
	kinds := []func() localStep{
		func() localStep {
			return localStep{"INSERT INTO contact (id, first_name, notes) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET first_name = excluded.first_name", []any{id("contact"), text(), text()}}
		},
		func() localStep {
			return localStep{"INSERT OR IGNORE INTO organization (id, name, employees) VALUES (?, ?, ?)", []any{id("organization"), "name", number()}}
		},
		func() localStep {
			return localStep{"UPDATE OR IGNORE organization SET name = coalesce(?, ''), employees = ? WHERE id <> ?", []any{text(), number(), id("organization")}}
		},
		func() localStep { return localStep{"DELETE FROM contact WHERE id = ?", []any{id("contact")}} },
		func() localStep {
			return localStep{"UPDATE OR IGNORE organization SET id = ? WHERE id = ?", []any{id("organization"), id("organization")}}
		},
		func() localStep {
			return localStep{"INSERT INTO audit (at, action, noun, record_id, tbl, row_id, changes) VALUES (?, 'edit', 'contact', ?, 'contact', ?, coalesce(?, ''))", []any{number(), id("contact"), id("contact"), text()}}
		},
		func() localStep {
			return localStep{"DELETE FROM audit WHERE seq % 3 = ?", []any{rapid.IntRange(0, 2).Draw(t, "rest")}}
		},
		func() localStep {
			return localStep{"INSERT OR REPLACE INTO sync_base (tbl, id, noun, record_id, base, first_at, seq) VALUES (?, ?, 'contact', ?, ?, 1, 2)", []any{rapid.SampledFrom([]string{"contact", "deal", "Contact"}).Draw(t, "tbl"), id("contact"), id("contact"), text()}}
		},
		func() localStep { return localStep{"DELETE FROM sync_base WHERE id < ?", []any{id("contact")}} },
		func() localStep {
			return localStep{"INSERT OR REPLACE INTO state (key, value) VALUES ('position', ?)", []any{fmt.Sprint(number())}}
		},
		func() localStep {
			return localStep{"INSERT OR REPLACE INTO duplicate (noun, first_id, second_id, field, value, found_at) VALUES ('contact', ?, ?, 'email', coalesce(?, ''), ?)", []any{id("a"), id("b"), text(), number()}}
		},
		func() localStep {
			return localStep{"UPDATE duplicate SET settled_at = ? WHERE second_id > ?", []any{number(), id("b")}}
		},
	}
	var out []localStep
	for range rapid.IntRange(0, 12).Draw(t, "steps") {
		out = append(out, kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")]())
	}
	return out
})

// TestEveryPointOfAWorkspace makes backups of all kinds between random changes
// of a cache. Each reads as the very rows that there were, and is restored to
// them.
func TestEveryPointOfAWorkspace(t *testing.T) {
	t.Parallel()
	kinds := rapid.SliceOfN(rapid.SampledFrom([]string{model.BackupFull, model.BackupIncremental, model.BackupIncremental, model.BackupDifferential}), 8, 8)
	for seed := range 6 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			target := t.TempDir()
			want := map[string]map[string]tableSum{}
			var last string
			dumps := map[string]map[string][]string{}
			noted := false
			for i, kind := range kinds.Example(seed) {
				for _, s := range localSteps.Example(seed*100 + i) {
					if _, err := h.raw.Exec(s.query, s.args...); err != nil {
						t.Fatalf("%s: %v", s.query, err)
					}
				}
				h.now = h.now.Add(time.Minute)
				info, err := h.CreateBackup(t.Context(), model.BackupRequest{To: target, Kind: kind}, nil)
				if err != nil || !info.Verified {
					t.Fatalf("%s: %+v, %v", kind, info, err)
				}
				if promoted := kind != model.BackupFull && !noted; promoted != (info.Kind != kind) && !strings.Contains(info.Note, "more than half") {
					t.Fatalf("%s became %s: %s", kind, info.Kind, info.Note)
				}
				noted = noted || kind != model.BackupFull
				last = info.ID
				want[last], dumps[last] = h.hashes(), h.dump()
			}
			s := Folder(target)
			list, err := entries(t.Context(), s, pins{})
			if err != nil || len(list) != len(want) {
				t.Fatalf("%d backups, %v", len(list), err)
			}
			for _, e := range list {
				c, err := openChain(t.Context(), s, keys{}, list, e)
				if err != nil {
					t.Fatal(err)
				}
				if got := c.sums(t); !maps.Equal(got, want[string(e.id)]) {
					for name, w := range want[string(e.id)] {
						if got[name] != w {
							t.Errorf("the %s backup of %d has %v of %s, want %v", e.kind, len(c.links), got[name], name, w)
						}
					}
				}
			}
			for _, id := range []string{last, string(list[len(list)/2].id)} {
				dir := t.TempDir()
				if _, _, err := Restore(t.Context(), dir, model.BackupRequest{To: target, ID: id}, nil); err != nil {
					t.Fatal(err)
				}
				n := &home{t: t, dir: dir}
				n.open()
				sameDump(t, "restored", n.dump(), dumps[id])
				n.close()
			}
		})
	}
}

// TestChangesAreNotedOnlyForChains makes full backups, which cost no note, and
// then a chain.
func TestChangesAreNotedOnlyForChains(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	count := func(query string) (n int) {
		t.Helper()
		if err := h.raw.QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const triggers, notes, marks = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'backup%'", "SELECT count(*) FROM backup_note", "SELECT count(*) FROM backup_mark"
	make := func(kind, want string) model.BackupInfo {
		t.Helper()
		info, err := h.CreateBackup(t.Context(), model.BackupRequest{Kind: kind}, nil)
		if err != nil || info.Kind != want || (kind == want) == (info.Note != "") {
			t.Fatalf("%+v, %v", info, err)
		}
		return info
	}
	make(model.BackupFull, model.BackupFull)
	if n := count(triggers) + count(marks); n != 0 {
		t.Errorf("%d triggers and marks after a full backup alone", n)
	}
	first := make(model.BackupIncremental, model.BackupFull)
	if !strings.Contains(first.Note, "does not know what changed") {
		t.Errorf("note: %s", first.Note)
	}
	if count(triggers) == 0 || count(marks) != 1 || count(notes) != 0 {
		t.Errorf("%d triggers, %d marks, %d notes", count(triggers), count(marks), count(notes))
	}
	if _, err := h.raw.Exec("UPDATE contact SET notes = 'x'; UPDATE contact SET notes = 'y'; DELETE FROM address"); err != nil {
		t.Fatal(err)
	}
	if n := count(notes); n != 6 {
		t.Errorf("%d notes of 3 changed and 3 removed rows", n)
	}
	second := make(model.BackupIncremental, model.BackupIncremental)
	if second.Parent != first.ID || count(notes) != 6 {
		t.Errorf("parent %s, %d notes", second.Parent, count(notes))
	}
	// What two places need does not get in each other's way.
	other := t.TempDir()
	if info, err := h.CreateBackup(t.Context(), model.BackupRequest{Kind: model.BackupIncremental, To: other}, nil); err != nil || info.Kind != model.BackupFull || count(notes) != 6 {
		t.Errorf("%+v, %v, %d notes", info, err, count(notes))
	}
	third := make(model.BackupDifferential, model.BackupDifferential)
	if third.Parent != first.ID || third.Rows < 6 {
		t.Errorf("%+v", third)
	}
	make(model.BackupFull, model.BackupFull)
	if n := count(notes); n != 0 {
		t.Errorf("%d notes that no chain needs", n)
	}
	// Without a trigger, nobody knows what was missed.
	if _, err := h.raw.Exec("DROP TRIGGER backup_contact_update"); err != nil {
		t.Fatal(err)
	}
	if info := make(model.BackupIncremental, model.BackupFull); !strings.Contains(info.Note, "does not know") {
		t.Errorf("note: %s", info.Note)
	}
	make(model.BackupIncremental, model.BackupIncremental)
}

// TestCopiesOfAWorkspace copies a home, so that two copies go on from one
// backup, and takes one of them back. Each follows only what it knows.
func TestCopiesOfAWorkspace(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	target := t.TempDir()
	req := model.BackupRequest{To: target, Kind: model.BackupIncremental}
	first, err := h.CreateBackup(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := h.db.CopyTo(t.Context(), filepath.Join(dir, sqlite.FileName)); err != nil {
		t.Fatal(err)
	}
	c := &home{t: t, dir: dir, now: h.now}
	c.open()
	defer c.close()
	c.Backuper = New(Options{Home: dir, Now: func() time.Time { return c.now }, DB: func() *sqlite.DB { return c.db }})
	want := map[string]map[string]tableSum{}
	for i := range 3 {
		for j, x := range []*home{h, c} {
			if _, err := x.raw.Exec("UPDATE contact SET notes = ?; DELETE FROM address WHERE rid = ?", fmt.Sprint(i, j), i+j+1); err != nil {
				t.Fatal(err)
			}
			info, err := x.CreateBackup(t.Context(), req, nil)
			if err != nil || info.Kind != model.BackupIncremental || i == 0 && info.Parent != first.ID {
				t.Fatalf("%+v, %v", info, err)
			}
			want[info.ID] = x.hashes()
		}
	}
	list, err := entries(t.Context(), Folder(target), pins{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		chain, err := openChain(t.Context(), Folder(target), keys{}, list, e)
		if err != nil {
			t.Fatal(err)
		}
		if w := want[string(e.id)]; w != nil && !maps.Equal(chain.sums(t), w) {
			t.Errorf("the backup %s is not what its copy was", e.id.Short())
		}
	}
	if len(slices.Collect(maps.Keys(want))) != 6 {
		t.Errorf("%d backups", len(want))
	}
}

// TestKilledInAChain stops an increment at each call of its store. What is
// listed as verified can be read, and the next increment holds all that changed.
func TestKilledInAChain(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2, "contact", "contact_method", "audit")
	target := Folder(t.TempDir())
	req := model.BackupRequest{Kind: model.BackupIncremental}
	h.store = target
	if _, err := h.CreateBackup(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	first, err := entries(t.Context(), target, pins{})
	if err != nil || len(first) != 1 {
		t.Fatal(err)
	}
	base := first[0]
	died := errors.New("killed")
	for n := int64(0); ; n++ {
		if _, err := h.raw.Exec("UPDATE contact SET notes = ?", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		f := &failing{Store: target, err: died}
		f.left.Store(n)
		h.store = f
		info, err := h.CreateBackup(t.Context(), req, nil)
		if err != nil && !errors.Is(err, died) {
			t.Fatalf("stopped at call %d: %v", n, err)
		}
		list, lerr := entries(t.Context(), target, pins{})
		if lerr != nil {
			t.Fatal(lerr)
		}
		for i, e := range list {
			c, cerr := openChain(t.Context(), target, keys{}, list, e)
			if cerr == nil {
				cerr = c.prove(t.Context(), nil)
			}
			if cerr != nil {
				t.Fatalf("stopped at call %d: the listed backup %+v does not verify: %v", n, e.info, cerr)
			}
			if i == 0 && err == nil && !maps.Equal(c.sums(t), h.hashes()) {
				t.Errorf("the increment after %d that were stopped is not what the workspace is", n)
			}
			if err == nil || e.id == base.id {
				continue
			}
			// Each backup that is read makes the next one's list longer.
			for _, name := range files(t, string(target), string(e.id)) {
				os.Remove(name)
			}
		}
		if err == nil {
			if n < 10 || info.Kind != model.BackupIncremental {
				t.Errorf("%+v after %d calls", info, n)
			}
			return
		}
	}
}
