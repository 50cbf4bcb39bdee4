package sqlite

import (
	"context"
	"fmt"
	"strings"

	"rapport/model"
)

// While a first load is under way there is no index: records are then found by
// their titles, those that have arrived by a look at each.

// unindexed tells whether there is no search index to be trusted.
func (d *DB) unindexed(ctx context.Context) (bool, error) {
	s, err := d.readState(ctx, keySearch)
	return s == "", err
}

// titleCondition is true for records whose title holds every word of a text.
func titleCondition(alias, text string) (string, []any) {
	var conds []string
	var args []any
	for _, w := range appendWords(nil, text) {
		conds, args = append(conds, "instr("+alias+"."+columnTitleKey+", ?) > 0"), append(args, w)
	}
	if len(conds) == 0 {
		return "0", nil
	}
	return strings.Join(conds, " AND "), args
}

// searchTitles is Search without an index.
func (d *DB) searchTitles(ctx context.Context, text string, in model.Noun, limit int) ([]model.Hit, error) {
	cond, args := titleCondition("t", text)
	hits := []model.Hit{}
	only := model.EntityOf(in)
	if in != "" && (only == nil || searchedNoun(only.Noun) == nil) {
		return nil, model.Errorf(model.Invalid, "there is nothing to search in %q", in)
	}
	for _, s := range searchPlans {
		e := model.EntityOf(s.noun)
		if !planOf(e).titled || only != nil && only != e || len(hits) >= limit {
			continue
		}
		rows, err := d.read().QueryContext(ctx, fmt.Sprintf("SELECT t.id, t.title FROM %s AS t WHERE t.deleted_at IS NULL AND %s LIMIT %d",
			quote(string(s.noun)), cond, limit-len(hits)), args...)
		if err != nil {
			return nil, mapError("search", err)
		}
		for rows.Next() {
			var id []byte
			h := model.Hit{Noun: s.noun}
			if err = rows.Scan(&id, &h.Title); err != nil {
				break
			}
			h.ID = model.IDFromBytes(id)
			hits = append(hits, h)
		}
		if err := closeRows(rows, err); err != nil {
			return nil, mapError("search", err)
		}
	}
	return hits, nil
}
