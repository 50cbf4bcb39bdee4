package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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

// TestPutStoresEveryColumn puts rows that differ from what is there in one
// column, by case, a blank, no value or another value, among them those that
// the second statement of a put stores: each is read back as it was put, with
// its title, and no index disagrees with its table.
func TestPutStoresEveryColumn(t *testing.T) {
	d, _ := testDB(t)
	values := func(c model.Column) []any {
		switch c.Type {
		case model.ColText, model.ColLong:
			return []any{"Ada", "ada", "ada ", "", nil, "Ada"}
		case model.ColDate:
			return []any{"2026-01-02", nil, "2026-01-03"}
		case model.ColDecimal:
			return []any{"1.0", "1.00", nil, "2"}
		case model.ColBool:
			return []any{int64(0), nil, int64(1)}
		case model.ColID:
			return []any{d.ids.New(), nil, d.ids.New()}
		}
		return []any{int64(7), nil, int64(1) << 62}
	}
	// The rows point to nothing: all is taken back in the end.
	undone := errors.New("undone")
	if err := d.write(ctx, "test", func(tx *Tx) error {
		if _, err := tx.Exec("PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		for _, e := range model.Entities() {
			row := model.Row(make([]any, len(e.Columns())))
			for i, c := range e.Columns() {
				row[i] = values(c)[0]
			}
			put := func(c string) error {
				if err := tx.put(e, row); err != nil {
					return err
				}
				if got, err := tx.row(e, row.ID()); err != nil || !slices.Equal(got, row) {
					t.Errorf("%s, %s: stored %v, %v, want %v", e.Noun, c, got, err, row)
				}
				if e.Name == nil {
					return nil
				}
				title, sortKey, _ := rowTitle(e, row)
				var got [3]string
				if err := tx.QueryRow("SELECT title, title_key, sort_key FROM "+quote(string(e.Noun))+" WHERE id = ?", row.ID().Bytes()).Scan(&got[0], &got[1], &got[2]); err != nil {
					return err
				}
				if want := [3]string{title, model.Fold(title), sortKey}; got != want {
					t.Errorf("%s, %s: stored the title as %q, want %q", e.Noun, c, got, want)
				}
				return nil
			}
			for i, c := range e.Columns()[1:] {
				for _, v := range values(c) {
					if v == nil && c.NotNull {
						continue
					}
					row[i+1] = v
					if err := put(c.Name); err != nil {
						return err
					}
				}
			}
		}
		var sound string
		if err := tx.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
			t.Errorf("the file is %s, %v", sound, err)
		}
		return undone
	}); !errors.Is(err, undone) {
		t.Fatal(err)
	}
}

// TestSamePutLeavesIndexes asks SQLite what the first statement of a put takes
// out of indexes where a row is there: out of that of the moment of the last
// change, and out of no other.
func TestSamePutLeavesIndexes(t *testing.T) {
	d, _ := testDB(t)
	count := func(query string, args ...any) (n int) {
		t.Helper()
		if err := d.read().QueryRow(query, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, e := range model.Entities() {
		moment := count("SELECT count(*) FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i WHERE i.name = ?", string(e.Noun), model.ColumnUpdatedAt)
		rows, err := d.read().Query("EXPLAIN "+planOf(e).upsert, make([]any, planOf(e).stored)...)
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for rows.Next() {
			var op string
			var rest [7]any
			if err := rows.Scan(&rest[0], &op, &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], &rest[6]); err != nil {
				t.Fatal(err)
			}
			if op == "IdxDelete" {
				taken++
			}
		}
		if err := rows.Close(); err != nil || taken != moment {
			t.Errorf("%s: a put takes its row out of %d indexes, %v, want %d", e.Noun, taken, err, moment)
		}
	}
}
