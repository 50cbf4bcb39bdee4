package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

const (
	defaultHits = 50
	candidates  = 200  // of one reading over all nouns
	sideRows    = 300  // rows of the rarer side of a mixed query
	mixedRows   = 5000 // rows of each side where both are frequent
)

// found is a candidate: a row of the index and the strictest reading in which
// it matches.
type found struct {
	row     int64
	reading reading
}

// Search finds records of all nouns, or of one. Every word of the text must
// begin a word of the record. The first findings are ranked, never all: names
// found whole come first, then names, mails, phones and notes.
//
// Where there are fewer findings than asked for, records are added that have
// some of the words in their names and the others in their notes. These are
// all that there are if one of the two sides matches no more than sideRows
// records; else those among the first mixedRows of either side, which may miss
// some. Words of notes are then looked up whole, and by their beginning only if
// that finds nothing. Filtering a list by the same text misses none. While a
// first load is under way, records are found by their titles only.
func (d *DB) Search(ctx context.Context, text string, in model.Noun, limit int) ([]model.Hit, error) {
	if limit <= 0 {
		limit = defaultHits
	}
	groups := parseSearch(text, d.region())
	if len(groups) == 0 {
		return []model.Hit{}, nil
	}
	if missing, err := d.unindexed(ctx); missing || err != nil {
		if err != nil {
			return nil, err
		}
		return d.searchTitles(ctx, text, in, limit)
	}
	s := &finder{ctx: ctx, q: d.read(), limit: limit, seen: map[int64]bool{}}
	if err := s.number(in); err != nil {
		return nil, mapError("search", err)
	}
	if err := s.find(groups); err != nil {
		return nil, mapError("search", err)
	}
	hits, err := s.hits(groups)
	return hits, mapError("search", err)
}

// finder collects candidates for one search.
type finder struct {
	ctx   context.Context
	q     querier
	limit int
	nouns []model.Noun // by their order in menus
	bases []int64
	seen  map[int64]bool
	found []found
}

// number reads where the searched nouns lie in the index.
func (s *finder) number(in model.Noun) error {
	numbers, err := nounNumbers(s.ctx, s.q)
	if err != nil {
		return err
	}
	only := model.EntityOf(in)
	if in != "" && (only == nil || searchedNoun(only.Noun) == nil) {
		return model.Errorf(model.Invalid, "there is nothing to search in %q", in)
	}
	for _, p := range searchPlans {
		if n, ok := numbers[p.noun]; ok && (only == nil || only.Noun == p.noun) {
			s.nouns, s.bases = append(s.nouns, p.noun), append(s.bases, n<<nounShift)
		}
	}
	return nil
}

func nounNumbers(ctx context.Context, q querier) (map[model.Noun]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT noun, number FROM search_noun")
	if err != nil {
		return nil, err
	}
	out := map[model.Noun]int64{}
	for rows.Next() {
		var noun string
		var number int64
		if err = rows.Scan(&noun, &number); err != nil {
			break
		}
		out[model.Noun(noun)] = number
	}
	return out, closeRows(rows, err)
}

// find reads strictly first and goes on only while there is room.
func (s *finder) find(groups []wordGroup) error {
	for r := nameExact; r <= noteBegin && len(s.found) < s.limit; r++ {
		if r == anyBegin && !hasDigits(groups) {
			continue
		}
		table := "search_text"
		if r >= noteExact {
			table = "search_note"
		}
		rows, err := s.read(table, match(groups, r))
		if err != nil {
			return err
		}
		s.take(rows, r)
	}
	if err := s.findMixed(groups, noteExact); err != nil || len(s.found) > 0 {
		return err
	}
	return s.findMixed(groups, noteBegin)
}

// findMixed looks some words up among the names and the others in the notes.
func (s *finder) findMixed(groups []wordGroup, r reading) error {
	for _, sides := range splits(groups) {
		if len(s.found) >= s.limit {
			return nil
		}
		rows, err := s.readBoth(match(sides[0], anyBegin), match(sides[1], r))
		if err != nil {
			return err
		}
		s.take(rows, mixed)
	}
	return nil
}

// read returns the first rows of the index that match. Where there are many,
// each noun gives its own first ones, so that a common word does not hide the
// organizations behind the contacts.
func (s *finder) read(table, match string) ([]int64, error) {
	if len(s.nouns) > 1 {
		rows, err := s.rows("SELECT rowid FROM "+table+" WHERE "+table+" MATCH ? LIMIT ?", match, candidates)
		if err != nil || len(rows) < candidates {
			return rows, err
		}
	}
	var out []int64
	for _, base := range s.bases {
		rows, err := s.rows("SELECT rowid FROM "+table+" WHERE "+table+" MATCH ? AND rowid > ? AND rowid < ? LIMIT ?",
			match, base, base+1<<nounShift, max(s.limit, candidates))
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// readBoth returns rows that match one side by name and the other by notes.
// The rarer side is looked up first and drives the other.
func (s *finder) readBoth(text, note string) ([]int64, error) {
	type side struct{ table, match string }
	sides := []side{{"search_text", text}, {"search_note", note}}
	for i, one := range sides {
		rows, err := s.rows("SELECT rowid FROM "+one.table+" WHERE "+one.table+" MATCH ? LIMIT ?", one.match, sideRows+1)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		if len(rows) <= sideRows {
			other := sides[1-i]
			list, _ := json.Marshal(rows)
			return s.rows("SELECT rowid FROM "+other.table+" WHERE "+other.table+" MATCH ? AND rowid IN (SELECT value FROM json_each(?))", other.match, string(list))
		}
	}
	return s.rows(`SELECT rowid FROM (SELECT rowid FROM search_text WHERE search_text MATCH ? LIMIT ?)
INTERSECT
SELECT rowid FROM (SELECT rowid FROM search_note WHERE search_note MATCH ? LIMIT ?)
LIMIT ?`, sides[0].match, mixedRows, sides[1].match, mixedRows, candidates)
}

func (s *finder) rows(query string, args ...any) ([]int64, error) {
	rows, err := s.q.QueryContext(s.ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("look up: %w", err)
	}
	var out []int64
	for rows.Next() {
		var row int64
		if err = rows.Scan(&row); err != nil {
			break
		}
		out = append(out, row)
	}
	return out, closeRows(rows, err)
}

// take keeps rows that are new, at most as many as there is room for, in turn
// from each noun.
func (s *finder) take(rows []int64, r reading) {
	byNoun := make([][]int64, len(s.nouns))
	for _, row := range rows {
		if i := s.nounOf(row); i >= 0 && !s.seen[row] {
			s.seen[row] = true
			byNoun[i] = append(byNoun[i], row)
		}
	}
	for turn, more := 0, true; more; turn++ {
		more = false
		for _, list := range byNoun {
			if turn < len(list) && len(s.found) < s.limit {
				s.found, more = append(s.found, found{list[turn], r}), true
			}
		}
	}
}

// nounOf returns the position of the noun that a row of the index belongs to,
// -1 if it is not searched.
func (s *finder) nounOf(row int64) int { return slices.Index(s.bases, row>>nounShift<<nounShift) }

// hits reads the findings' titles and orders them: by reading, then as in the
// menus, then by title.
func (s *finder) hits(groups []wordGroup) ([]model.Hit, error) {
	type ranked struct {
		model.Hit
		reading reading
		noun    int
		key     string
	}
	var all []ranked
	for i, noun := range s.nouns {
		p := searchedNoun(noun)
		byRid := map[int64]reading{}
		var list []int64
		for _, f := range s.found {
			if s.nounOf(f.row) == i {
				byRid[f.row-s.bases[i]] = f.reading
				list = append(list, f.row-s.bases[i])
			}
		}
		if len(list) == 0 {
			continue
		}
		ids, _ := json.Marshal(list)
		rows, err := s.q.QueryContext(s.ctx, "SELECT t.rid, t.id, t.title, t.title_key, "+p.snippet+", "+p.byPhone+
			"\nFROM "+quote(string(noun))+" AS t\nWHERE t.deleted_at IS NULL AND t.rid IN (SELECT value FROM json_each(?))", string(ids))
		if err != nil {
			return nil, fmt.Errorf("read hits: %w", err)
		}
		for rows.Next() {
			var rid int64
			var id []byte
			var snippet, byPhone string
			h := ranked{noun: i}
			if err = rows.Scan(&rid, &id, &h.Title, &h.key, &snippet, &byPhone); err != nil {
				break
			}
			h.Noun, h.ID, h.reading, h.Snippet = noun, model.IDFromBytes(id), byRid[rid], snippet
			if h.reading == anyBegin {
				h.Snippet = byPhone
			}
			all = append(all, h)
		}
		if err := closeRows(rows, err); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.reading, b.reading), cmp.Compare(a.noun, b.noun), cmp.Compare(a.key, b.key))
	})
	out := make([]model.Hit, 0, len(all))
	for _, h := range all {
		if h.reading >= noteExact {
			note, err := s.note(h.Hit, groups)
			if err != nil {
				return nil, err
			}
			h.Snippet = cmp.Or(note, h.Snippet)
		}
		out = append(out, h.Hit)
	}
	return out, nil
}

// note returns the piece of a record's notes that a query was found in.
func (s *finder) note(h model.Hit, groups []wordGroup) (string, error) {
	p := searchedNoun(h.Noun)
	rows, err := s.q.QueryContext(s.ctx, p.one, h.ID.Bytes())
	if err != nil {
		return "", err
	}
	var texts []sql.NullString
	if rows.Next() {
		_, texts, err = p.scanTexts(rows)
	}
	if err = closeRows(rows, err); err != nil {
		return "", err
	}
	for _, i := range p.notes {
		if i < len(texts) && slices.ContainsFunc(appendWords(nil, texts[i].String), func(word string) bool {
			return slices.ContainsFunc(groups, func(g wordGroup) bool {
				return slices.ContainsFunc(g.words, func(w string) bool { return strings.HasPrefix(word, w) })
			})
		}) {
			return piece(texts[i].String, groups), nil
		}
	}
	return "", nil
}
