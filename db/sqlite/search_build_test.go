package sqlite

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rapport/model"
)

// crowd returns people of all sorts: with names and notes in many scripts,
// several phones and mails, and some without anything to find.
func crowd(n int) []person {
	names := []string{"Ada", "Łukasz", "Jean-Luc", "王小明", "O'Brien", "Ærø", "🙂", "", "ﬁnn", "MÜLLER"}
	phones := []string{"+41 44 668 18 00", "044 668 91 40", "(667) 555-0174 x11", "call me", "1-333-555-0130", "+44 (0)20 7946 0065"}
	people := make([]person, n)
	for i := range people {
		p := &people[i]
		p.first, p.last = names[i%len(names)], strings.Repeat(names[(i/3)%len(names)], 1+i%4)
		if i%3 == 0 {
			p.notes = fmt.Sprintf("met in %d … likes %s; "+strings.Repeat("long", i%15), 1900+i, names[(i/7)%len(names)])
		}
		for k := range i % 3 {
			p.phones = append(p.phones, phones[(i+k)%len(phones)])
			p.mails = append(p.mails, fmt.Sprintf("%d.%d@example%d.org", i, k, i%9))
		}
	}
	return people
}

// putPerson stores a person under an id, a new one if it is empty.
func putPerson(t *testing.T, d *DB, id model.ID, p person) model.ID {
	t.Helper()
	rows := p.rows(d.ids)
	if id == "" {
		id = rows[0].ID()
	}
	rows[0][0] = id
	err := d.write(ctx, "test", func(tx *Tx) error {
		if err := tx.put(model.EntityOf("contact"), rows[0]); err != nil {
			return err
		}
		m := model.EntityOf("contact_method")
		for _, part := range rows[1:] {
			part.Set(m, "contact_id", id)
			if err := tx.put(m, part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// asTheEngine holds that both tables of the index have the entries that the
// full-text engine makes of the records, and that they are whole.
func asTheEngine(t *testing.T, d *DB) {
	t.Helper()
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := conn.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, table := range []searchTable{textTable, noteTable} {
		exec("INSERT INTO " + table.name + " (" + table.name + ") VALUES ('integrity-check')")
		made := table
		made.name = "made"
		exec(made.ddl())
		exec("BEGIN")
		err := d.EachSearchText(ctx, func(row int64, text, note string) error {
			if table.name == noteTable.name {
				text = note
			}
			if text != "" {
				exec("INSERT INTO made (rowid, "+table.column+") VALUES (?, ?)", row, text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		exec("COMMIT")
		var entries [2][]string
		for i, name := range []string{made.name, table.name} {
			exec("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, " + name + ", 'instance')")
			rows, err := conn.QueryContext(ctx, "SELECT doc || ' ' || term FROM temp.words ORDER BY doc, term")
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					t.Fatal(err)
				}
				entries[i] = append(entries[i], s)
			}
			if err := closeRows(rows, nil); err != nil {
				t.Fatal(err)
			}
			exec("DROP TABLE temp.words")
		}
		exec("DROP TABLE made")
		if len(entries[0]) == 0 || !slices.Equal(entries[0], entries[1]) {
			t.Errorf("%s has %d entries, the engine makes %d", table.name, len(entries[1]), len(entries[0]))
		}
	}
}

// TestRebuiltSearch holds that the index that is built has what the engine
// would put into it, and follows the edits that come after on the same
// connection.
func TestRebuiltSearch(t *testing.T) {
	d, ids := searchDB(t, crowd(500)...)
	asTheEngine(t, d)
	putPerson(t, d, ids[3], person{first: "Zebedee", notes: "afterwards", phones: []string{"+41791234567"}})
	if err := d.write(ctx, "test", func(tx *Tx) error {
		return errors.Join(tx.drop(model.EntityOf("contact"), ids[6]), tx.drop(model.EntityOf("contact"), ids[498]))
	}); err != nil {
		t.Fatal(err)
	}
	if got := finds(t, d, "zebed"); len(got) != 1 || got[0] != ids[3] {
		t.Errorf("found %v, want %s", got, ids[3])
	}
	asTheEngine(t, d)
	left := d.path + buildNames[1]
	if err := os.WriteFile(left, []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.RebuildSearch(ctx); err != nil {
		t.Fatal(err)
	}
	asTheEngine(t, d)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a build left behind is still there: %v", err)
	}
}

// TestSearchBesideEdits holds that an index that is built beside the cache has
// what changed while it was built, at any moment.
func TestSearchBesideEdits(t *testing.T) {
	d, ids := searchDB(t, crowd(298)...)
	b, err := d.newSearchBuild(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	putPerson(t, d, ids[1], person{first: "Early"})
	if err := b.fill(ctx); err != nil {
		t.Fatal(err)
	}
	putPerson(t, d, ids[2], person{first: "Late", mails: []string{"late@example.org"}})
	if err := d.write(ctx, "test", func(tx *Tx) error { return tx.drop(model.EntityOf("contact"), ids[297]) }); err != nil {
		t.Fatal(err)
	}
	if got := finds(t, d, "late"); len(got) != 1 || got[0] != ids[2] {
		t.Errorf("while there is no index it finds %v", got)
	}
	newest := putPerson(t, d, "", person{first: "Newest"}) // has the number of the one that went
	if err := b.take(ctx); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]model.ID{"early": ids[1], "late": ids[2], "newest": newest} {
		if got := finds(t, d, name); len(got) != 1 || got[0] != want {
			t.Errorf("%s finds %v, want %s", name, got, want)
		}
	}
	asTheEngine(t, d)
}

// TestSearchBesideIsCut holds that a program which is killed at any step of
// storing an index leaves a workspace whose search is built when it is opened
// next.
func TestSearchBesideIsCut(t *testing.T) {
	d, ids := searchDB(t, crowd(100)...)
	dead := errors.New("killed")
	for steps := 0; ; steps++ {
		if err := d.write(ctx, "test", func(tx *Tx) error { return tx.staleSearch() }); err != nil {
			t.Fatal(err)
		}
		b, err := d.newSearchBuild(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.fill(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.loading(ctx, func(tx *Tx) error { return tx.emptySearch(ctx) }); err != nil {
			t.Fatal(err)
		}
		done := 0
		_, err = b.index.store(func(step func(*Tx) error) error {
			if done++; done > steps {
				return dead
			}
			return d.loading(ctx, step)
		})
		if err != nil && !errors.Is(err, dead) {
			t.Fatal(err)
		}
		whole := err == nil
		path, settings := d.path, d.settings
		if err := errors.Join(b.close(), d.Close()); err != nil {
			t.Fatal(err)
		}
		if d, err = Open(ctx, path, Options{Settings: settings}); err != nil {
			t.Fatal(err)
		}
		if got := finds(t, d, "1900"); len(got) != 1 || got[0] != ids[0] {
			t.Errorf("after %d steps it finds %v, want %s", steps, got, ids[0])
		}
		asTheEngine(t, d)
		if whole {
			if steps == 0 {
				t.Error("there was nothing to cut")
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// TestFoldedWords holds that the quick way to fold gives the words that a query
// is made of.
func TestFoldedWords(t *testing.T) {
	pieces := []string{"a", "Z", "9", " ", "-", "\x00", "\t", "é", "E\u0301", "\u0301", "ß", "ﬁ", "½", "…", "王", "🙂", "\xff", "\xc3", "\u00a0", "\u2028", "İ", "Å", "<\u0338", "ẞ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(rt, "text"), "")
		want := ""
		for _, w := range appendWords(nil, text) {
			want += " x" + w
		}
		if got := string(appendFolded([]byte("first"), "x", []byte(text))); got != "first"+want {
			rt.Errorf("%q: got %q, want %q", text, got, "first"+want)
		}
	})
}
