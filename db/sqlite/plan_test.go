package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"rapport/model"
)

// TestPagesUseIndexes asks SQLite how it would read the pages that screens
// show: none may sort all records or look at each.
func TestPagesUseIndexes(t *testing.T) {
	d, _ := testDB(t)
	save(t, d, "deal", "", map[string]any{"name": "x", "amount": model.Money{Minor: 1}, "close_date": "2026-01-01"})
	save(t, d, "contact", "", map[string]any{"last_name": "x"})
	save(t, d, "activity", "", map[string]any{"subject": "x"})
	stage := must(d.Board(ctx, "", 0))(t).Columns[0].Stage.ID
	for _, x := range []struct {
		name, index string
		q           model.Query
	}{
		{"contacts by name", "ix_contact_sort_key", model.Query{Noun: "contact"}},
		{"contacts backwards", "ix_contact_sort_key", model.Query{Noun: "contact", Sort: []model.SortKey{{Desc: true}}}},
		{"deals by amount", "ix_deal_amount_minor", model.Query{Noun: "deal", Sort: []model.SortKey{{Field: "amount", Desc: true}}}},
		{"deals by close date", "ix_deal_close_date", model.Query{Noun: "deal", Sort: []model.SortKey{{Field: "close_date"}}}},
		{"activities by due date", "ix_activity_due_at", model.Query{Noun: "activity", Sort: []model.SortKey{{Field: "due_at"}}}},
		{"deals by external id", "ix_deal_external_id", model.Query{Noun: "deal", Filter: []model.Condition{{Field: "external_id", Op: model.Equal, Value: "1"}}}},
		{"contacts by mail", "ix_contact_method_value", model.Query{Noun: "contact", Filter: []model.Condition{{Field: "email", Op: model.Equal, Value: "a@b"}}}},
		{"deals of a stage", "ix_deal_", model.Query{Noun: "deal", Filter: []model.Condition{{Field: "stage", Op: model.Equal, Value: string(stage)}}}},
		{"organizations by name", "ix_organization_title_key", model.Query{Noun: "organization", Filter: []model.Condition{{Field: "name", Op: model.Equal, Value: "x"}}}},
	} {
		l, err := d.listing(ctx, x.q)
		if err != nil {
			t.Fatal(err)
		}
		at := &cursor{values: make([]any, len(l.terms))}
		for i := range at.values {
			at.values[i] = "x"
		}
		for _, from := range []*cursor{nil, at} {
			for _, reverse := range []bool{false, true} {
				query, args := partQuery(l, columnList(l.e, "t"), false, from, false, reverse, 50)
				plan := explain(t, d, query, args)
				if !strings.Contains(plan, x.index) || len(x.q.Filter) == 0 && strings.Contains(plan, "TEMP B-TREE") {
					t.Errorf("%s (cursor %v, reverse %v):\n%s\n%s", x.name, from != nil, reverse, plan, query)
				}
			}
		}
	}
}

// explain returns SQLite's plan of a query.
func explain(t *testing.T, d *DB, query string, args []any) string {
	t.Helper()
	rows, err := d.read().QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id, parent, unused sql.NullInt64
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		out = append(out, detail)
	}
	return strings.Join(out, "\n")
}
