package fts_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"rapport/db/sqlite/fts"
)

// document is what is indexed.
type document struct {
	row  int64
	text string
}

// shape is how the tables of a test are made.
type shape struct {
	prefixes []int
	pageSize int
	memory   int
}

func (s shape) options() string {
	o := "content='', contentless_delete=1, detail=none, tokenize='ascii'"
	if len(s.prefixes) > 0 {
		o += ", prefix='" + strings.Trim(fmt.Sprint(s.prefixes), "[]") + "'"
	}
	return o
}

// pair is a file with two full-text tables of the same documents: in one the
// engine put them, one at a time in one transaction, the other was built.
type pair struct {
	t    testing.TB
	path string
	db   *sql.DB
}

const (
	engine = "engine"
	built  = "built"
)

var tables = []string{engine, built}

func newPair(t testing.TB, dir string, s shape, docs []document) *pair {
	t.Helper()
	p := &pair{t: t, path: filepath.Join(dir, "pair.db")}
	p.open()
	for _, table := range tables {
		p.exec("DROP TABLE IF EXISTS " + table)
		p.exec("DROP TABLE IF EXISTS words_" + table)
		p.exec("CREATE VIRTUAL TABLE " + table + " USING fts5(words, " + s.options() + ")")
		p.exec("CREATE VIRTUAL TABLE words_" + table + " USING fts5vocab(" + table + ", 'instance')")
		p.exec("INSERT INTO "+table+" ("+table+", rank) VALUES ('hashsize', ?)", 1<<30)
		if s.pageSize != 0 {
			p.exec("INSERT INTO "+table+" ("+table+", rank) VALUES ('pgsz', ?)", s.pageSize)
		}
	}
	p.transaction(func() {
		for _, d := range docs {
			p.exec("INSERT INTO "+engine+" (rowid, words) VALUES (?, ?)", d.row, d.text)
		}
	})
	p.build(s, docs)
	p.close()
	p.open()
	return p
}

func (p *pair) open() {
	p.t.Helper()
	db, err := sql.Open("sqlite", "file:"+p.path+"?_pragma=synchronous(0)&_pragma=journal_mode(MEMORY)")
	if err != nil {
		p.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	p.db = db
}

func (p *pair) close() {
	p.t.Helper()
	if err := p.db.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) exec(query string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Exec(query, args...); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

func (p *pair) transaction(do func()) {
	p.t.Helper()
	p.exec("BEGIN")
	do()
	p.exec("COMMIT")
}

// Block, Term and Size store what is built.
func (p *pair) Block(id int64, block []byte) error {
	p.exec("INSERT INTO "+built+"_data (id, block) VALUES (?, ?)", id, block)
	return nil
}

func (p *pair) Term(segment int, term []byte, page int64) error {
	p.exec("INSERT INTO "+built+"_idx (segid, term, pgno) VALUES (?, coalesce(?, x''), ?)", segment, term, page)
	return nil
}

func (p *pair) Size(row int64, size []byte) error {
	p.exec("INSERT INTO "+built+"_docsize (id, sz, origin) VALUES (?, ?, ?)", row, size, fts.Origin)
	return nil
}

func (p *pair) build(s shape, docs []document) {
	p.t.Helper()
	b := fts.New(fts.Config{Prefixes: s.prefixes, PageSize: s.pageSize, Memory: s.memory, Spill: p.path + ".spill"})
	for _, d := range docs {
		if err := b.Add(d.row, []byte(d.text)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.transaction(func() {
		head, err := b.Write(p)
		if err != nil {
			p.t.Fatal(err)
		}
		for id, block := range map[int64][]byte{fts.TotalsID: head.Totals, fts.StructureID: head.Structure} {
			p.exec("REPLACE INTO "+built+"_data (id, block) VALUES (?, coalesce(?, x''))", id, block)
		}
	})
	if err := b.Close(); err != nil {
		p.t.Fatal(err)
	}
	if left, err := filepath.Glob(p.path + ".spill*"); err != nil || len(left) > 0 {
		p.t.Fatalf("%v is left, %v", left, err)
	}
}

// rows reads a query's rows as text.
func (p *pair) rows(query string, args ...any) []string {
	p.t.Helper()
	rows, err := p.db.Query(query, args...)
	if err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			p.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return out
}

// both asks the same of both tables and holds that the answers are equal.
func (p *pair) both(query string, args ...any) []string {
	p.t.Helper()
	var got [2][]string
	for i, table := range tables {
		got[i] = p.rows(strings.ReplaceAll(query, "$", table), args...)
	}
	if !slices.Equal(got[0], got[1]) {
		p.t.Fatalf("%s %v: %s\nwas built, the engine has %s", query, args, cut(got[1]), cut(got[0]))
	}
	return got[0]
}

func cut(s []string) string {
	all := fmt.Sprintf("%d rows %q", len(s), s)
	return all[:min(len(all), 2000)]
}

// same holds that both tables hold the same bytes.
func (p *pair) same() {
	p.t.Helper()
	p.both("SELECT id || ' ' || hex(block) FROM $_data WHERE id <> 10 ORDER BY id")
	p.both("SELECT segid || ' ' || hex(term) || ' ' || pgno FROM $_idx ORDER BY segid, term")
	p.both("SELECT id || ' ' || hex(sz) || ' ' || origin FROM $_docsize ORDER BY id")
	var structures [2][]byte
	for i, table := range tables {
		if err := p.db.QueryRow("SELECT block FROM " + table + "_data WHERE id = 10").Scan(&structures[i]); err != nil {
			p.t.Fatal(err)
		}
	}
	e, b := structures[0], structures[1]
	// Before the levels stand the cookie of the configuration, which the test
	// changes, the form and the numbers of levels and segments.
	if !bytes.Equal(e[4:8], b[4:8]) || e[9] != b[9] || b[8] < e[8] {
		p.t.Fatalf("the structure is % x, the engine's % x", b, e)
	}
	if n := int(b[8]) - int(e[8]); n > 0 {
		leaves := 10
		for b[leaves] >= 0x80 {
			leaves++
		}
		b = append(slices.Clone(b[:leaves+1]), b[leaves+1+2*n:]...)
	}
	if !bytes.Equal(e[9:], b[9:]) {
		p.t.Fatalf("the structure is % x, the engine's % x", b, e)
	}
}

// agree holds that both tables answer alike and are whole.
func (p *pair) agree(vocabulary []string, prefixes []int) {
	p.t.Helper()
	for _, table := range tables {
		p.exec("INSERT INTO " + table + " (" + table + ") VALUES ('integrity-check')")
	}
	p.both("SELECT hex(term) || ' ' || doc FROM words_$ ORDER BY term, doc")
	p.both("SELECT id FROM $_docsize ORDER BY id")
	for _, word := range vocabulary {
		asked := []string{quoted(word)}
		for i := range word {
			if i > 0 && i <= 9 {
				asked = append(asked, quoted(word[:i])+" *")
			}
		}
		for _, q := range asked {
			all := p.both("SELECT rowid FROM $ WHERE $ MATCH ?", q)
			if len(all) > 2 {
				from, to := all[len(all)/3], all[2*len(all)/3]
				part := p.both("SELECT rowid FROM $ WHERE $ MATCH ? AND rowid BETWEEN CAST(? AS INTEGER) AND CAST(? AS INTEGER)", q, from, to)
				if want := all[len(all)/3 : 2*len(all)/3+1]; !slices.Equal(part, want) {
					p.t.Fatalf("%s between %s and %s: got %s\nwant %s", q, from, to, cut(part), cut(want))
				}
				p.both("SELECT rowid FROM $ WHERE $ MATCH ? AND rowid >= CAST(? AS INTEGER) ORDER BY rowid DESC", q, from)
			}
		}
	}
	if len(vocabulary) > 1 {
		p.both("SELECT rowid FROM $ WHERE $ MATCH ?", quoted(vocabulary[0])+" AND "+quoted(vocabulary[1]))
		p.both("SELECT rowid FROM $ WHERE $ MATCH ?", quoted(vocabulary[0])+" NOT "+quoted(vocabulary[1]))
	}
}

func quoted(word string) string { return `"` + word + `"` }

// letters are what words are made of: of all lengths in bytes, and bytes that
// are no UTF-8.
var letters = []string{"a", "b", "c", "z", "A", "Q", "0", "9", "é", "ß", "你", "🙂", "\xff", "\xc3", "\x80"}

// dividers stand between words.
var dividers = []string{" ", "  ", "\x00", "-", "@", "_", ".\n"}

func drawWord(t *rapid.T) string {
	n := rapid.IntRange(1, 9).Draw(t, "letters")
	var b strings.Builder
	for range n {
		b.WriteString(rapid.SampledFrom(letters).Draw(t, "letter"))
	}
	if rapid.IntRange(0, 40).Draw(t, "long") == 0 {
		return strings.Repeat(b.String(), rapid.IntRange(10, 6000).Draw(t, "times"))
	}
	return b.String()
}

func drawShape(t *rapid.T) shape {
	return shape{
		prefixes: rapid.SampledFrom([][]int{nil, {1}, {3}, {2, 3, 4, 5, 6, 7}}).Draw(t, "prefixes"),
		pageSize: rapid.SampledFrom([]int{0, 32, 40, 64, 200, 1000}).Draw(t, "page"),
		memory:   rapid.SampledFrom([]int{0, 1, 9000, 12000}).Draw(t, "memory"),
	}
}

func drawDocs(t *rapid.T, vocabulary []string) []document {
	docs := make([]document, rapid.IntRange(0, 120).Draw(t, "documents"))
	row := rapid.SampledFrom([]int64{1, -5, 6 << 40}).Draw(t, "row")
	for i := range docs {
		var text strings.Builder
		for range rapid.IntRange(0, 6).Draw(t, "words") {
			text.WriteString(rapid.SampledFrom(vocabulary).Draw(t, "word"))
			text.WriteString(rapid.SampledFrom(dividers).Draw(t, "divider"))
		}
		docs[i] = document{row, text.String()}
		row += rapid.SampledFrom([]int64{1, 1, 1, 2, 300, 1 << 40}).Draw(t, "distance")
	}
	return docs
}

// TestSameBytes holds that what is built is what the engine writes.
func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawShape(rt)
		vocabulary := rapid.SliceOfN(rapid.Custom(drawWord), 1, 12).Draw(rt, "vocabulary")
		p := newPair(t, dir, s, drawDocs(rt, vocabulary))
		defer p.close()
		p.same()
	})
}

// TestEngineGoesOn holds that the engine edits and merges what was built, and
// that it answers then what it answers where it made the index itself.
func TestEngineGoesOn(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawShape(rt)
		vocabulary := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9é🙂]{1,9}`), 2, 12).Draw(rt, "vocabulary")
		docs := drawDocs(rt, vocabulary)
		p := newPair(t, dir, s, docs)
		defer p.close()
		p.agree(vocabulary, s.prefixes)
		for range rapid.IntRange(1, 12).Draw(rt, "edits") {
			edit := rapid.SampledFrom([]string{"insert", "delete", "replace", "optimize", "merge", "reopen"}).Draw(rt, "edit")
			p.edit(rt, edit, docs, vocabulary)
		}
		p.agree(vocabulary, s.prefixes)
	})
}

func (p *pair) edit(rt *rapid.T, edit string, docs []document, vocabulary []string) {
	row := int64(rapid.IntRange(-10, 1000).Draw(rt, "row"))
	if len(docs) > 0 && rapid.Bool().Draw(rt, "known") {
		row = rapid.SampledFrom(docs).Draw(rt, "document").row
	}
	text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 4).Draw(rt, "text"), " ")
	if edit == "reopen" {
		p.close()
		p.open()
		return
	}
	for _, table := range tables {
		switch edit {
		case "insert", "replace":
			p.exec("REPLACE INTO "+table+" (rowid, words) VALUES (?, ?)", row, text)
		case "delete":
			p.exec("DELETE FROM "+table+" WHERE rowid = ?", row)
		case "optimize":
			p.exec("INSERT INTO " + table + " (" + table + ") VALUES ('optimize')")
		case "merge":
			p.exec("INSERT INTO "+table+" ("+table+", rank) VALUES ('merge', ?)", -3)
		}
	}
}

// TestLongLists holds that words of very many rows are built like the engine
// builds them: with doclist indexes of several levels, from many parts put
// aside.
func TestLongLists(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var docs []document
	row := int64(6) << 40
	for i := range 2500 {
		text := "common"
		if i%3 == 0 {
			text += " third"
		}
		if i%500 == 499 {
			text += " seldom"
		}
		text += fmt.Sprintf(" w%d %040d", random.IntN(3000), i)
		docs = append(docs, document{row, text})
		row += 1 + int64(random.IntN(400))
	}
	for _, s := range []shape{{prefixes: []int{2, 3}, pageSize: 32, memory: 20000}, {prefixes: []int{2}, pageSize: 100}, {}} {
		p := newPair(t, t.TempDir(), s, docs)
		p.same()
		p.agree([]string{"common", "third", "seldom", "w1", "w29"}, s.prefixes)
		for _, table := range tables {
			p.exec("DELETE FROM " + table + " WHERE rowid IN (SELECT id FROM " + table + "_docsize WHERE id % 3 = 0)")
			p.exec("INSERT INTO " + table + " (" + table + ") VALUES ('optimize')")
		}
		p.agree([]string{"common", "third", "seldom", "w1", "w29"}, s.prefixes)
		p.close()
	}
}

// TestEngineMerges holds that an index that was built and then edited many
// times, until the engine merges its segments by itself, answers alike.
func TestEngineMerges(t *testing.T) {
	var docs []document
	for i := range int64(1500) {
		docs = append(docs, document{row: 1 + 2*i, text: fmt.Sprintf("all w%d v%d", i%7, i%400)})
	}
	s := shape{prefixes: []int{2, 3}, pageSize: 64}
	p := newPair(t, t.TempDir(), s, docs)
	defer p.close()
	for i := range int64(300) {
		for _, table := range tables {
			p.exec("DELETE FROM "+table+" WHERE rowid = ?", 1+6*i)
			p.exec("REPLACE INTO "+table+" (rowid, words) VALUES (?, ?)", 10*i, fmt.Sprintf("all new%d v%d", i, i%400))
		}
	}
	if n := p.rows("SELECT count(DISTINCT segid) FROM built_idx")[0]; n == "1" || len(n) > 2 {
		t.Errorf("there are %s segments", n)
	}
	p.agree([]string{"all", "w3", "v33", "v399", "new1", "new299"}, s.prefixes)
}

// TestRowsAscend holds that rows in another order are refused.
func TestRowsAscend(t *testing.T) {
	b := fts.New(fts.Config{})
	for _, row := range []int64{7, 9} {
		if err := b.Add(row, []byte("a")); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []int64{9, 8} {
		if err := b.Add(row, []byte("a")); err == nil {
			t.Errorf("row %d was taken after 9", row)
		}
	}
	if b.Docs() != 2 {
		t.Errorf("there are %d documents, want 2", b.Docs())
	}
}

// TestFails holds that what does not work is told.
func TestFails(t *testing.T) {
	for name, c := range map[string]fts.Config{
		"no file":   {Memory: 1},
		"no folder": {Memory: 1, Spill: filepath.Join(t.TempDir(), "gone", "file")},
	} {
		if err := fts.New(c).Add(1, []byte("a")); err == nil {
			t.Errorf("%s: a part was put aside", name)
		}
	}
	for name, w := range map[string]refusing{"blocks": {blocks: true}, "terms": {terms: true}, "sizes": {sizes: true}} {
		b := fts.New(fts.Config{})
		if err := b.Add(1, []byte("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Write(w); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v, want %v", name, err, errFull)
		}
	}
	path := filepath.Join(t.TempDir(), "spill")
	b := fts.New(fts.Config{Memory: 1, Spill: path})
	defer b.Close()
	for row := range int64(3) {
		if err := b.Add(row, []byte("some words")); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the file is %v, %v", info, err)
	}
	if err := os.Truncate(path, 30); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(refusing{}); err == nil {
		t.Error("an index was made of half a file")
	}
}

var errFull = errors.New("full")

// refusing takes all rows but some.
type refusing struct{ blocks, terms, sizes bool }

func (r refusing) Block(int64, []byte) error     { return refuse(r.blocks) }
func (r refusing) Term(int, []byte, int64) error { return refuse(r.terms) }
func (r refusing) Size(int64, []byte) error      { return refuse(r.sizes) }

func refuse(yes bool) error {
	if yes {
		return errFull
	}
	return nil
}
