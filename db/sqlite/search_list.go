package sqlite

import (
	"context"
	"strings"

	"rapport/model"
)

// A text filters a list by the set of its matches. Few are put in order; where
// there are more, the order is walked until the page is full. Asking the index
// about each row instead would be quicker for a letter that half the records
// have, and take minutes where the matches lie at the end of the order.
const (
	fewRows   = 1500 // up to here the matches are put in order
	probeRows = 500  // matches from whose distance the whole number is guessed
)

// textCondition adds the text of a query to its conditions. Deleted records
// are in no index: they are compared by title.
func (d *DB) textCondition(ctx context.Context, w *clauses, q model.Query) error {
	if q.Bin {
		w.add("instr(t."+columnTitleKey+", ?) > 0", model.Fold(q.Text))
		return nil
	}
	sql, args := d.textClause(w.e.Noun, q.Text)
	if q.Limit > 0 && walksIndex(w.e, q.Sort) {
		var err error
		if sql, args, err = d.pageClause(ctx, w.e.Noun, q.Text); err != nil {
			return err
		}
	}
	w.add(sql, args...)
	return nil
}

// walksIndex tells whether a list in this order is read from an index.
func walksIndex(e *model.Entity, keys []model.SortKey) bool {
	if len(keys) == 0 || keys[0].Field == "" {
		return true
	}
	f := e.Field(keys[0].Field)
	return f != nil && (f.Sorted || f == titleField(e)) && len(keys) == 1
}

// textClause returns the condition that a record, under the alias t, has words
// that begin with those of text. It collects every match and so suits reads of
// whole lists.
func (d *DB) textClause(noun model.Noun, text string) (string, []any) {
	if c := d.textMatch(noun, text); c != nil {
		return c.collect("t.rid")
	}
	return "0", nil
}

// pageClause is textClause for a page that is read by walking an index in
// order until it is full.
func (d *DB) pageClause(ctx context.Context, noun model.Noun, text string) (string, []any, error) {
	c := d.textMatch(noun, text)
	if c == nil {
		return "0", nil, nil
	}
	n, err := c.guess(ctx, d.read())
	if err != nil {
		return "", nil, err
	}
	column := "t.rid"
	if n > fewRows {
		column = "+t.rid" // keeps SQLite from going through the matches one by one
	}
	sql, args := c.collect(column)
	return sql, args, nil
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
	arms := []string{m.arm("search_text"), m.arm("search_note")}
	args := []any{match(m.groups, anyBegin), match(m.groups, noteBegin)}
	for _, s := range splits(m.groups) {
		arms = append(arms, "SELECT * FROM ("+m.arm("search_text")+" INTERSECT "+m.arm("search_note")+")")
		args = append(args, match(s[0], anyBegin), match(s[1], noteBegin))
	}
	return column + " IN (" + strings.Join(arms, "\nUNION ALL ") + ")", args
}

// guess returns about how many records match: the distance that some matches
// span, at the beginning and in the middle of the noun's range, says how dense
// they are. A wrong guess costs time, never a wrong answer.
func (m *textMatch) guess(ctx context.Context, q querier) (int64, error) {
	f := &finder{ctx: ctx, q: q}
	last, err := f.rows("SELECT coalesce(max(rid), 0) FROM " + quote(string(m.noun)))
	if err != nil {
		return 0, err
	}
	var total int64
	for i, table := range []string{"search_text", "search_note"} {
		expr := match(m.groups, []reading{anyBegin, noteBegin}[i])
		var most int64
		for _, from := range []int64{0, last[0] / 2} {
			at, err := f.rows(m.arm(table)+" AND rowid > ? + "+m.base()+" LIMIT 1 OFFSET ?", expr, from, probeRows-1)
			if err != nil {
				return 0, err
			}
			if len(at) > 0 {
				most = max(most, probeRows*last[0]/max(at[0]-from, 1))
			}
		}
		total += most
	}
	return total, nil
}
