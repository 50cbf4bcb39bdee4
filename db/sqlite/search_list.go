package sqlite

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// A text filters a list by the set of its matches. Few are put in order; where
// there are more, the order is walked until the page is full. Where so many
// match that a page is found among the next rows of the order, the set is not
// gathered at all: those rows are read and compared in Go. Asking the index
// about each row instead would take minutes where the matches lie at the end.
const (
	fewRows   = 1500 // up to here the matches are put in order
	probeRows = 500  // matches from whose distance the whole number is guessed
	testRows  = 1200 // rows that are compared before the set is gathered after all
	earlyRows = 200  // rows after which half the matches that would do must have come
)

// textCondition adds the text of a query to its conditions, or returns it for
// a page whose rows are to be compared one by one. Deleted records are in no
// index: they are compared by title.
func (d *DB) textCondition(ctx context.Context, w *clauses, q model.Query) (*textMatch, error) {
	if q.Bin {
		w.add("instr(t."+columnTitleKey+", ?) > 0", model.Fold(q.Text))
		return nil, nil
	}
	m := d.textMatch(w.e.Noun, q.Text)
	if m == nil {
		w.add("0")
		return nil, nil
	}
	if missing, err := d.unindexed(ctx); missing || err != nil {
		if planOf(w.e).titled {
			cond, args := titleCondition("t", q.Text)
			w.add(cond, args...)
		} else {
			w.add("0")
		}
		return nil, err
	}
	column := "t.rid"
	if q.Limit > 0 && walksIndex(w.e, q.Sort) {
		n, all, err := m.guess(ctx, d.read())
		if err != nil {
			return nil, err
		}
		if len(q.Filter) == 0 && n*testRows > int64(q.Limit+1)*all {
			return m, nil
		}
		if n > fewRows {
			column = "+t.rid" // keeps SQLite from going through the matches one by one
		}
	}
	sql, args := m.collect(column)
	w.add(sql, args...)
	return nil, nil
}

// narrow returns a listing whose condition holds the matches that a part of it
// needs: those found by comparing the next rows of the order or, where these
// do not suffice, the set of all.
func (d *DB) narrow(ctx context.Context, l *listing, null bool, from *cursor, inclusive, reverse bool, limit int) (*listing, error) {
	out := *l
	out.text, out.args = nil, slices.Clone(l.args)
	rids, ok, err := d.compare(ctx, l, null, from, inclusive, reverse, limit)
	if err != nil {
		return nil, err
	}
	if ok {
		list, _ := json.Marshal(rids)
		out.where, out.args = l.where+" AND t.rid IN (SELECT value FROM json_each(?))", append(out.args, string(list))
		return &out, nil
	}
	sql, args := l.text.collect("+t.rid")
	out.where, out.args = l.where+" AND "+sql, append(out.args, args...)
	return &out, nil
}

// compare walks the order and returns the first limit records that match; ok
// is false where it gave up before it found them or met the end.
func (d *DB) compare(ctx context.Context, l *listing, null bool, from *cursor, inclusive, reverse bool, limit int) (rids []int64, ok bool, err error) {
	if limit <= 0 {
		return nil, false, nil
	}
	p := searchedNoun(l.e.Noun)
	selected, digits := "t.rid", hasDigits(l.text.groups)
	for i, c := range p.columns {
		if p.kinds[i] == model.SearchPhone && !digits {
			c = "NULL" // phones are many and slow to read
		}
		selected += ", " + c
	}
	query, args := partQuery(l, selected, null, from, inclusive, reverse, testRows)
	rows, err := d.read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	rids = []int64{}
	seen := 0
	for len(rids) < limit && rows.Next() {
		if seen++; seen > earlyRows && len(rids)*testRows < limit*seen/2 {
			seen = testRows
			break
		}
		rid, texts, scanErr := p.scanTexts(rows)
		if err = scanErr; err != nil {
			break
		}
		if l.text.matches(newDoc(rid, p.kinds, texts, d.region())) {
			rids = append(rids, rid)
		}
	}
	err = closeRows(rows, err)
	return rids, len(rids) >= limit || seen < testRows, err
}

// countText counts for a quick query by the index alone, which holds living
// records only; ok is false where the query asks for more than that.
func (d *DB) countText(ctx context.Context, q model.Query) (n int64, ok bool, err error) {
	if !q.Quick || q.Bin || len(q.Filter) > 0 || strings.TrimSpace(q.Text) == "" {
		return 0, false, nil
	}
	m := d.textMatch(q.Noun, q.Text)
	if m == nil {
		return 0, false, nil
	}
	arms, args := m.arms()
	query := "SELECT count(*) FROM (SELECT * FROM ("
	for i, arm := range arms {
		if i > 0 {
			query += "\nUNION SELECT * FROM ("
		}
		query += arm + " LIMIT " + strconv.FormatInt(model.Plenty+1, 10) + ")"
	}
	err = d.read().QueryRowContext(ctx, query+"\nLIMIT ?)", append(args, model.Plenty+1)...).Scan(&n)
	return n, true, err
}

// walksIndex tells whether a list in this order is read from an index.
func walksIndex(e *model.Entity, keys []model.SortKey) bool {
	if len(keys) == 0 || keys[0].Field == "" {
		return true
	}
	f := e.Field(keys[0].Field)
	return f != nil && (f.Sorted || f == titleField(e)) && len(keys) == 1
}

// textMatch is a text as it is looked up for one noun.
type textMatch struct {
	noun   model.Noun
	groups []wordGroup
}

// textMatch returns nil for a text without anything to look up.
func (d *DB) textMatch(noun model.Noun, text string) *textMatch {
	groups := parseSearch(text, d.region())
	if len(groups) == 0 || searchedNoun(noun) == nil {
		return nil
	}
	return &textMatch{noun, groups}
}

// base is where the noun's range begins, as SQL.
func (m *textMatch) base() string {
	return "((SELECT number FROM search_noun WHERE noun = '" + string(m.noun) + "') << 40)"
}

// arm selects the rids that match in one table.
func (m *textMatch) arm(table string) string {
	return "SELECT rowid - " + m.base() + " FROM " + table + " WHERE " + table + " MATCH ? AND rowid > " + m.base() + " AND rowid < " + m.base() + " + (1 << 40)"
}

// collect selects every match; column is compared with the set.
func (m *textMatch) collect(column string) (string, []any) {
	arms, args := m.arms()
	return column + " IN (" + strings.Join(arms, "\nUNION ALL ") + ")", args
}

// arms are the selections that make up the set of matches.
func (m *textMatch) arms() (arms []string, args []any) {
	arms = []string{m.arm("search_text"), m.arm("search_note")}
	args = []any{match(m.groups, anyBegin), match(m.groups, noteBegin)}
	for _, s := range splits(m.groups) {
		arms = append(arms, "SELECT * FROM ("+m.arm("search_text")+" INTERSECT "+m.arm("search_note")+")")
		args = append(args, match(s[0], anyBegin), match(s[1], noteBegin))
	}
	return arms, args
}

// guess returns about how many records match, and of how many: the distance
// that the first matches span says how dense they are. A wrong guess costs
// time, never a wrong answer.
func (m *textMatch) guess(ctx context.Context, q querier) (matching, all int64, err error) {
	f := &finder{ctx: ctx, q: q}
	last, err := f.rows("SELECT coalesce(max(rid), 0) FROM " + quote(string(m.noun)))
	if err != nil {
		return 0, 0, err
	}
	for i, table := range []string{"search_text", "search_note"} {
		at, err := f.rows(m.arm(table)+" LIMIT 1 OFFSET ?", match(m.groups, []reading{anyBegin, noteBegin}[i]), probeRows-1)
		if err != nil {
			return 0, 0, err
		}
		if len(at) > 0 {
			matching += probeRows * last[0] / max(at[0], 1)
		}
	}
	return matching, last[0], nil
}
