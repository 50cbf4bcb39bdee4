package sqlite

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rapport/model"
)

// person is a contact to be found in tests.
type person struct {
	first, last, notes string
	phones, mails      []string
}

// searchDB returns a cache that holds people, in one load, and their ids.
func searchDB(t *testing.T, people ...person) (*DB, []model.ID) {
	t.Helper()
	d, err := Open(context.Background(), filepath.Join(t.TempDir(), FileName), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	var ids []model.ID
	err = d.Bulk(context.Background(), func(b *Bulk) error {
		for _, p := range people {
			rows := p.rows(d.ids)
			ids = append(ids, rows[0].ID())
			for i, row := range rows {
				n := model.Noun("contact")
				if i > 0 {
					n = "contact_method"
				}
				if err := b.Put(model.EntityOf(n), row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, ids
}

func (p person) rows(ids *model.IDSource) []model.Row {
	e, m := model.EntityOf("contact"), model.EntityOf("contact_method")
	row := model.NewRow(e)
	row[0] = ids.New()
	for name, v := range map[string]string{"first_name": p.first, "last_name": p.last, "notes": p.notes} {
		model.SetFieldValue(e, e.Field(name), row, v)
	}
	out := []model.Row{row}
	for kind, values := range map[string][]string{"phone": p.phones, "email": p.mails} {
		for _, v := range values {
			part := model.NewRow(m)
			part[0] = ids.New()
			part.Set(m, "contact_id", row[0])
			part.Set(m, "kind", kind)
			part.Set(m, "value", v)
			out = append(out, part)
		}
	}
	return out
}

func finds(t testing.TB, d *DB, text string) []model.ID {
	t.Helper()
	hits, err := d.Search(context.Background(), text, "", 50)
	if err != nil {
		t.Fatalf("search %q: %v", text, err)
	}
	var ids []model.ID
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// lists returns what the two ways of filtering a list find, which must agree.
func lists(t testing.TB, d *DB, text string) []model.ID {
	t.Helper()
	m := d.textMatch("contact", text)
	if m == nil {
		return nil
	}
	var out [2][]model.ID
	for i, clause := range []func() (string, []any){func() (string, []any) { return m.collect("+t.rid") }, func() (string, []any) { return m.collect("t.rid") }} {
		where, args := clause()
		rows, err := d.read().Query("SELECT t.id FROM contact AS t WHERE t.deleted_at IS NULL AND "+where+" ORDER BY t.rid", args...)
		if err != nil {
			t.Fatalf("filter by %q: %v", text, err)
		}
		for rows.Next() {
			var id []byte
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			out[i] = append(out[i], model.IDFromBytes(id))
		}
		if err := closeRows(rows, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(out[0], out[1]) {
		t.Fatalf("filter by %q: walking finds %v, looking up %v", text, out[0], out[1])
	}
	return out[0]
}

func TestSearchPhones(t *testing.T) {
	d, ids := searchDB(t,
		person{last: "Typed", phones: []string{"(415) 555-0100"}},
		person{last: "International", phones: []string{"+1 415 555 0100"}},
		person{last: "Extension", phones: []string{"4155550100 x12"}},
		person{last: "Zurich", phones: []string{"+41 44 668 18 00"}},
		person{last: "Broken", phones: []string{"000 77 ask Eva 31"}},
		person{last: "Narrow", phones: []string{"+41\u00a044\u202f668–18 (01)"}},
		person{last: "Trunk", phones: []string{"+44 (0)20 7946 0123"}},
	)
	us, zurich := ids[:3], []model.ID{ids[3], ids[5]}
	for text, want := range map[string][]model.ID{
		"5550100": us, "555-0100": us, "555 01": us, "(415) 555-0100": us, "+1 415": us, "1 415": us, "415.555.0100": us,
		"4155550100 x12": us, "+1 415 555 0100 ext. 12": us, "001 415": us, "0014155550100": us,
		"044668": zurich, "446": zurich, "+4144": zurich, "0041 44": zurich, "668 18": zurich, "44 668 18 0": zurich,
		"+41 (0)44 668": zurich, "+41\u00a044": zurich, "66818": zurich,
		"044 668 18 00": ids[3:4], "+41446681801": ids[5:6],
		"7731": ids[4:5], "00077": ids[4:5], "77": ids[4:5],
		"020 7946": ids[6:7], "+44 20": ids[6:7], "+44 (0) 20 79": ids[6:7], "9460123": ids[6:7],
		"5550101": nil, "55501000": nil, "0100": nil, "18 00": nil,
		"zurich 446": ids[3:4], "446 zurich": ids[3:4], "zurich 555": nil,
	} {
		for by, got := range map[string][]model.ID{"search": finds(t, d, text), "list": lists(t, d, text)} {
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s %q: got %d records %v, want %d", by, text, len(got), got, len(want))
			}
		}
	}
}

func TestSearchWords(t *testing.T) {
	d, ids := searchDB(t,
		person{first: "Ada", last: "Lovelace", mails: []string{"ada.lovelace@example.org"}, notes: "wrote the first programme"},
		person{first: "Søren", last: "Großmann-Łukasz", notes: "likes Straßenbahnen"},
		person{first: "山田", last: "太郎", mails: []string{"yamada@例え.jp"}},
		person{first: "José", last: "Núñez", notes: "Ada sent him"},
		person{last: "🦄 Ltd"},
	)
	for text, want := range map[string][]int{
		"ada": {0, 3}, "ADA": {0, 3}, "a": {0}, "lov": {0}, "lovelace ada": {0}, "example": {0}, "org": {0}, "ada.lovelace@example.org": {0}, "ada lov exa": {0},
		"soren": {1}, "grossmann": {1}, "luk": {1}, "søren gross": {1}, "strassenb": {1}, "grossmann strass": {1},
		"山": {2}, "太郎": {2}, "例": {2}, "nunez": {3}, "jose ada": {3}, "jose sent nunez": {3}, "🦄": {4},
		"ovelace": nil, "ada grossmann": nil, "programme ada": {0}, "wr": nil, "wro": {0}, "": nil, "   ": nil, "!?": nil, "\"": nil,
	} {
		var ws []model.ID
		for _, i := range want {
			ws = append(ws, ids[i])
		}
		for by, got := range map[string][]model.ID{"search": finds(t, d, text), "list": lists(t, d, text)} {
			slices.Sort(got)
			if !slices.Equal(got, ws) {
				t.Errorf("%s %q: got %v, want %v", by, text, got, ws)
			}
		}
	}
}

func TestSearchRank(t *testing.T) {
	d, ids := searchDB(t,
		person{last: "Noted", notes: "met max at the fair"},
		person{last: "Phone", mails: []string{"max@example.org"}},
		person{first: "Maximilian", last: "Kurz"},
		person{first: "Max", last: "Kurz", mails: []string{"kurz@example.org"}},
	)
	if got, want := finds(t, d, "max"), []model.ID{ids[3], ids[2], ids[1], ids[0]}; !slices.Equal(got, want) {
		t.Errorf("got %v, want the whole name, a longer one, the mail, the note: %v", got, want)
	}
	hits, err := d.Search(context.Background(), "max", "contact", 50)
	if err != nil {
		t.Fatal(err)
	}
	if hits[0].Snippet != "kurz@example.org" || !strings.Contains(hits[3].Snippet, "met max") {
		t.Errorf("snippets are %q and %q", hits[0].Snippet, hits[3].Snippet)
	}
	if hits, err := d.Search(context.Background(), "max", "deal", 50); err != nil || len(hits) != 0 {
		t.Errorf("among deals: %v, %v", hits, err)
	}
	if _, err := d.Search(context.Background(), "max", "ghost", 50); model.KindOf(err) != model.Invalid {
		t.Errorf("an unknown noun gives %v", err)
	}
}

// TestSearchFollows changes, deletes and restores a record, and takes one out
// whose number a later row gets.
func TestSearchFollows(t *testing.T) {
	d, ids := searchDB(t, person{first: "Ada", last: "Lovelace"}, person{last: "Last", phones: []string{"+41446681800"}})
	e := model.EntityOf("contact")
	change := func(id model.ID, fn func(row model.Row)) {
		t.Helper()
		if err := d.write(context.Background(), "test", func(tx *Tx) error {
			row, err := tx.row(e, id)
			if err != nil {
				return err
			}
			fn(row)
			return tx.put(e, row)
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(ids[0], func(row model.Row) { row.Set(e, "last_name", "King") })
	if len(finds(t, d, "lovelace")) != 0 || len(finds(t, d, "king")) != 1 {
		t.Error("the old name is found, or the new one is not")
	}
	change(ids[0], func(row model.Row) { row.Set(e, model.ColumnDeletedAt, int64(1)) })
	if len(finds(t, d, "king")) != 0 {
		t.Error("a deleted record is found")
	}
	change(ids[0], func(row model.Row) { row.Set(e, model.ColumnDeletedAt, nil) })
	if len(finds(t, d, "king")) != 1 {
		t.Error("a restored record is not found")
	}
	err := d.write(context.Background(), "test", func(tx *Tx) error {
		m := model.EntityOf("contact_method")
		var part []byte
		if err := tx.QueryRow("SELECT id FROM contact_method").Scan(&part); err != nil {
			return err
		}
		if err := tx.drop(m, model.IDFromBytes(part)); err != nil {
			return err
		}
		if err := tx.drop(e, ids[1]); err != nil {
			return err
		}
		return tx.put(e, person{last: "Successor"}.rows(d.ids)[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(finds(t, d, "last")) != 0 || len(finds(t, d, "446")) != 0 || len(finds(t, d, "successor")) != 1 {
		t.Error("the row of a record that is gone answers for another")
	}
}

// TestSearchBeginnings holds that a record is found by every beginning of
// every word of its names, mails and notes.
func TestSearchBeginnings(t *testing.T) {
	d, _ := searchDB(t)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aBzéßøŁ山 -.'0719\u0301🦄")), 1, 24, -1)
		p := person{first: text.Draw(r, "first"), last: text.Draw(r, "last"), notes: text.Draw(r, "notes"), mails: []string{text.Draw(r, "mail")}}
		var names, notes []string
		names = appendWords(appendWords(appendWords(names, p.first), p.last), p.mails[0])
		notes = appendWords(notes, p.notes)
		id := replacePerson(t, d, p)
		for _, w := range names {
			for i := range w + " " {
				if i > 0 && !slices.Contains(finds(t, d, w[:i]), id) {
					r.Fatalf("%q does not find %+v", w[:i], p)
				}
			}
		}
		for _, w := range notes {
			if !slices.Contains(finds(t, d, w), id) {
				r.Fatalf("%q does not find the note of %+v", w, p)
			}
		}
	})
}

// TestSearchPhoneBeginnings holds that a phone is found by every beginning, of
// two digits or more, in any writing.
func TestSearchPhoneBeginnings(t *testing.T) {
	d, _ := searchDB(t)
	rapid.Check(t, func(r *rapid.T) {
		national := rapid.StringMatching(`(44|31|79|22)[0-9]{7}`).Draw(r, "national")
		cut := rapid.IntRange(2, len(national)).Draw(r, "cut")
		gap := rapid.SampledFrom([]string{"", " ", "-", ".", "\u00a0", "/"})
		write := func(s string) string {
			var b strings.Builder
			for i, c := range s {
				if i > 0 {
					b.WriteString(gap.Draw(r, "gap"))
				}
				b.WriteRune(c)
			}
			return b.String()
		}
		id := replacePerson(t, d, person{last: "Phone", phones: []string{"+41 " + write(national)}})
		for _, q := range []string{write(national[:cut]), "0" + write(national[:cut]), "+41" + write(national[:cut]), "0041 " + write(national[:cut]), write(national[2:][:min(cut, 7)])} {
			if !slices.Contains(finds(t, d, q), id) {
				r.Fatalf("%q does not find +41 %s", q, national)
			}
		}
	})
}

// replacePerson makes a person the only contact.
func replacePerson(t *testing.T, d *DB, p person) model.ID {
	t.Helper()
	rows := p.rows(d.ids)
	err := d.write(context.Background(), "test", func(tx *Tx) error {
		for _, n := range []model.Noun{"contact_method", "contact"} {
			ids, err := tx.Query("SELECT id FROM " + string(n))
			if err != nil {
				return err
			}
			var all []model.ID
			for ids.Next() {
				var id []byte
				if err := ids.Scan(&id); err != nil {
					return err
				}
				all = append(all, model.IDFromBytes(id))
			}
			if err := closeRows(ids, nil); err != nil {
				return err
			}
			for _, id := range all {
				if err := tx.drop(model.EntityOf(n), id); err != nil {
					return err
				}
			}
		}
		for i, row := range rows {
			n := model.Noun("contact")
			if i > 0 {
				n = "contact_method"
			}
			if err := tx.put(model.EntityOf(n), row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].ID()
}

// TestSearchNaughty types each naughty string, and looks for a contact that
// has it in its notes.
func TestSearchNaughty(t *testing.T) {
	lines := []string{`"`, `""`, `*`, `a*`, `name:x`, `NEAR(a b)`, `a AND`, `OR`, `NOT x`, `{name}: x`, `^a`, `a + b`, `'; DROP TABLE contact`, "\x00", "\xff\xfe", "+", "(", "((((", "+0", "0", "00", "1", "+1", "x12", "1x12", "-- ", strings.Repeat("9", 400), strings.Repeat("a ", 600), strings.Repeat("ß", 300)}
	if dir := os.Getenv("RAPPORT_TESTDATA"); dir != "" {
		lines = append(lines, naughtyLines(t, dir)...)
	}
	d, _ := searchDB(t, person{last: "One", phones: []string{"+41446681800"}})
	for _, l := range lines {
		finds(t, d, l)
		lists(t, d, l)
	}
}

func naughtyLines(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "naughty-strings", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no naughty strings in %s: %v", dir, err)
	}
	var out []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			out = append(out, s.Text())
		}
	}
	return out
}
