package sqlite

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// The search index is two full-text tables that hold no text of their own: one
// with the names, mails and phone keys of every record, one with the words of
// notes, which need no index of short beginnings. A record's row in both is
// the number of its noun followed by its rid, so that the records of one noun
// are one range. The words are cut and folded here, not by SQLite; its
// tokenizer only splits at blanks. In the first table each word begins with a
// mark for where it comes from, which costs less than columns: a beginning that
// is common in mails and rare in names is then not searched for in vain.
const (
	markName  = "n"
	markMail  = "m"
	markPhone = "p"

	nounShift    = 40
	maxWordRunes = 40
	partBreak    = "\x1f" // between the values of several parts
)

// searchTable is one of the two full-text tables.
type searchTable struct {
	name, column string
	prefixes     []int // the lengths of beginnings that are indexed
}

var (
	textTable = searchTable{"search_text", "words", []int{2, 3, 4, 5, 6, 7}}
	noteTable = searchTable{"search_note", "note", []int{3}}
)

func (t searchTable) ddl() string {
	return "CREATE VIRTUAL TABLE IF NOT EXISTS " + t.name + " USING fts5(" + t.column +
		", content='', contentless_delete=1, detail=none, prefix='" + strings.Trim(fmt.Sprint(t.prefixes), "[]") + "', tokenize='ascii')"
}

var searchSchema = []string{
	`CREATE TABLE IF NOT EXISTS search_noun (
  noun   TEXT    PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE        -- of the noun in the index; never given anew
) STRICT, WITHOUT ROWID`,
	textTable.ddl(),
	noteTable.ddl(),
}

// searchVersion rises when the way words are cut or keys are made changes, so
// that the index of an older program is built anew.
const searchVersion = 1

// searched is what the declaration says about the search of one noun.
type searched struct {
	noun    model.Noun
	kinds   []model.Search // of each column that the query returns after the rid
	columns []string       // SQL of those texts, of the alias t
	all     string         // selects every living record: rid and the texts
	one     string         // the same of one id
	notes   []int          // positions of the note columns
	snippet string         // SQL for what tells a record apart
	byPhone string         // the same with the phone first
	source  source         // reads what all reads, for a whole index
}

var searchPlans = func() []*searched {
	var out []*searched
	for _, e := range model.Records() {
		out = append(out, newSearched(e))
	}
	return out
}()

func newSearched(e *model.Entity) *searched {
	s := &searched{noun: e.Noun}
	var cols, mails, phones, others []string
	add := func(kind model.Search, expr string) {
		if kind == model.SearchNote {
			s.notes = append(s.notes, len(s.kinds))
		}
		s.kinds, cols = append(s.kinds, kind), append(cols, expr)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		switch {
		case f.Type == model.List:
			pe := model.EntityOf(f.Part)
			where := partCondition(e, f)
			for j := range pe.Fields {
				pf := &pe.Fields[j]
				kind := partSearch(f, pf)
				if kind == model.NoSearch {
					continue
				}
				col := "p." + quote(pf.Columns()[0].Name)
				from := " FROM " + quote(string(f.Part)) + " AS p WHERE " + where
				add(kind, "(SELECT group_concat("+col+", char(31))"+from+")")
				first := "(SELECT " + col + from + firstPart(pe) + " LIMIT 1)"
				switch kind {
				case model.SearchMail:
					mails = append(mails, first)
				case model.SearchPhone:
					phones = append(phones, first)
				}
			}
		case f.Search != model.NoSearch:
			col := "t." + quote(f.Columns()[0].Name)
			add(f.Search, col)
			if f.Search == model.SearchMail {
				mails = append(mails, col)
			}
		case f.Type == model.Link && f.Essential && len(f.To) == 1 && f.To[0] != "user" && model.EntityOf(f.To[0]).Name != nil:
			others = append(others, fmt.Sprintf("(SELECT title FROM %s AS o WHERE o.id = t.%s)", quote(string(f.To[0])), quote(f.Columns()[0].Name)))
		case f.Type == model.Choice && f.Essential:
			others = append(others, "t."+quote(f.Columns()[0].Name))
		}
	}
	first := func(lists ...[]string) string {
		expr := "coalesce("
		for _, l := range lists {
			for _, x := range l {
				expr += "nullif(" + x + ", ''), "
			}
		}
		return expr + "'', '')"
	}
	s.source = newSource(e)
	s.snippet, s.byPhone = first(mails, phones, others), first(phones, mails, others)
	list := "t.rid"
	if len(cols) > 0 {
		list += ", " + strings.Join(cols, ", ")
	}
	s.columns = cols
	base := "SELECT " + list + "\nFROM " + quote(string(e.Noun)) + " AS t\nWHERE t.deleted_at IS NULL"
	s.all = base + "\nORDER BY t.rid"
	s.one = base + "\n  AND t.id = ?"
	return s
}

// partSearch says where the words of a part's field belong in a list: a list
// of mails puts its values under mails although the field is shared with the
// phones.
func partSearch(list, f *model.Field) model.Search {
	if f.Search == model.SearchPhone && list.Where != "" && f.AskWhere == list.Where {
		return model.SearchMail
	}
	return f.Search
}

// partCondition selects the living parts p of a list of the record t.
func partCondition(e *model.Entity, f *model.Field) string {
	where := "p." + quote(string(e.Noun)+"_id") + " = t.id AND p.deleted_at IS NULL"
	if name, value, ok := strings.Cut(f.Where, "="); ok {
		where += " AND p." + quote(name) + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return where
}

// firstPart orders parts the way a record's list does.
func firstPart(pe *model.Entity) string {
	var by []string
	for _, name := range []string{"primary", "position"} {
		if f := pe.Field(name); f != nil {
			by = append(by, "p."+quote(f.Columns()[0].Name)+map[string]string{"primary": " DESC"}[name])
		}
	}
	if len(by) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(by, ", ")
}

func searchedNoun(n model.Noun) *searched {
	for _, s := range searchPlans {
		if s.noun == n {
			return s
		}
	}
	return nil
}

// searchFingerprint tells whether an index fits this program's declaration.
func searchFingerprint() string {
	var b strings.Builder
	fmt.Fprintln(&b, searchVersion)
	for _, q := range searchSchema {
		b.WriteString(q)
	}
	for _, s := range searchPlans {
		b.WriteString(s.all)
		fmt.Fprintln(&b, s.kinds)
	}
	return b.String()
}

// nounBase returns where a noun's range begins in the index.
func (t *Tx) nounBase(n model.Noun) (int64, error) {
	if base, ok := t.bases[n]; ok {
		return base, nil
	}
	var number int64
	if err := t.QueryRow("SELECT number FROM search_noun WHERE noun = ?", string(n)).Scan(&number); err != nil {
		return 0, fmt.Errorf("read the number of %s: %w", n, err)
	}
	if t.bases == nil {
		t.bases = map[model.Noun]int64{}
	}
	t.bases[n] = number << nounShift
	return number << nounShift, nil
}

// insertDoc writes a record's entries to a row of the index.
func (t *Tx) insertDoc(row int64, d doc) error {
	if d.text != "" {
		if err := t.exec("INSERT INTO search_text (rowid, words)\nVALUES (?, ?)", row, d.text); err != nil {
			return fmt.Errorf("index a record: %w", err)
		}
	}
	if d.note != "" {
		if err := t.exec("INSERT INTO search_note (rowid, note)\nVALUES (?, ?)", row, d.note); err != nil {
			return fmt.Errorf("index a note: %w", err)
		}
	}
	return nil
}

// reindex brings the search entries of records up to date. Deleted records
// have none. While there is no index it is noted what to do when it is built.
func (t *Tx) reindex(keys []recordKey) error {
	if len(keys) == 0 {
		return nil
	}
	have, err := t.state(keySearch)
	if err != nil {
		return err
	}
	if have == "" {
		return t.indexLater(keys)
	}
	entries := make([]searchEntry, 0, len(keys))
	for _, k := range keys {
		e := searchEntry{plan: searchedNoun(k.noun), key: k}
		if e.plan == nil {
			continue
		}
		if e.row, err = t.searchRow(k.noun, k.id); err != nil {
			return err
		}
		if e.row != 0 {
			entries = append(entries, e)
		}
	}
	// The index puts what it holds back into a segment of its own whenever a row
	// comes that is before the last one.
	slices.SortFunc(entries, func(a, b searchEntry) int { return cmp.Compare(a.row, b.row) })
	for _, e := range entries {
		if err := t.reindexOne(e); err != nil {
			return err
		}
	}
	return nil
}

// searchEntry is a record whose entries are brought up to date, and their row
// in the index.
type searchEntry struct {
	plan *searched
	key  recordKey
	row  int64
}

func (t *Tx) reindexOne(e searchEntry) error {
	if err := t.takeOut(e.row); err != nil {
		return err
	}
	rows, err := t.query(e.plan.one, e.key.id.Bytes())
	if err != nil {
		return err
	}
	var d doc
	if rows.Next() {
		d, err = e.plan.scan(rows, t.db.region())
	}
	if err = closeRows(rows, err); err != nil || d.rid == 0 {
		return err
	}
	return t.insertDoc(e.row, d)
}

// forget takes the entries of a record out of the index, if there is one. It
// must come before the row goes: a later row may get its number. The tables of
// an index that is being built are not to be touched; what is left in it of a
// record that goes meanwhile is never shown, and gone with a later row of its
// number.
func (t *Tx) forget(n model.Noun, id model.ID) error {
	if searchedNoun(n) == nil {
		return nil
	}
	if have, err := t.state(keySearch); err != nil || have == "" {
		return err
	}
	row, err := t.searchRow(n, id)
	if err != nil || row == 0 {
		return err
	}
	return t.takeOut(row)
}

// searchRow returns the row of a record's entries, 0 for a record that is not
// there.
func (t *Tx) searchRow(n model.Noun, id model.ID) (int64, error) {
	base, err := t.nounBase(n)
	if err != nil {
		return 0, err
	}
	rows, err := t.query("SELECT rid FROM "+quote(string(n))+" WHERE id = ?", id.Bytes())
	if err != nil {
		return 0, err
	}
	var rid int64
	if rows.Next() {
		err = rows.Scan(&rid)
	}
	if err = closeRows(rows, err); err != nil || rid == 0 {
		return 0, err
	}
	return base + rid, nil
}

// takeOut removes the entries in a row of the index.
func (t *Tx) takeOut(row int64) error {
	if err := t.exec("DELETE FROM search_text WHERE rowid = ?", row); err != nil {
		return fmt.Errorf("take a record out of the index: %w", err)
	}
	if err := t.exec("DELETE FROM search_note WHERE rowid = ?", row); err != nil {
		return fmt.Errorf("take a note out of the index: %w", err)
	}
	return nil
}

// scan reads a row of the plan's queries.
func (s *searched) scan(rows *sql.Rows, region string) (doc, error) {
	rid, texts, err := s.scanTexts(rows)
	if err != nil {
		return doc{}, err
	}
	return newDoc(rid, s.kinds, texts, region), nil
}

func (s *searched) scanTexts(rows *sql.Rows) (int64, []sql.NullString, error) {
	texts := make([]sql.NullString, len(s.kinds))
	var rid int64
	dest := make([]any, 0, len(texts)+1)
	dest = append(dest, &rid)
	for i := range texts {
		dest = append(dest, &texts[i])
	}
	if err := rows.Scan(dest...); err != nil {
		return 0, nil, fmt.Errorf("read the texts of %s: %w", s.noun, err)
	}
	return rid, texts, nil
}

// closeRows closes a result and returns the first error it had.
func closeRows(rows *sql.Rows, err error) error {
	if cerr := rows.Err(); err == nil {
		err = cerr
	}
	if cerr := rows.Close(); err == nil {
		err = cerr
	}
	return err
}
