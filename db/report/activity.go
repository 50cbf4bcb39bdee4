package report

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// activity is the report of what users did and have to do: a row for each user
// and kind of activity, or for each kind.
func (r *Reporter) activity(ctx context.Context, q *request) (table, error) {
	where := []string{"a.deleted_at IS NULL"}
	args := []any{q.Now.UnixMilli()}
	// An activity lies where it happened, else where it is due.
	const moment = "COALESCE(a.start_at, a.done_at, a.due_at, a.created_at)"
	for _, bound := range []struct {
		day, cond string
		plus      int
	}{{q.From, moment + " >= ?", 0}, {q.To, moment + " < ?", 1}} {
		if bound.day != "" {
			day, err := time.ParseInLocation(dateLayout, bound.day, q.Now.Location())
			if err != nil {
				return table{}, err
			}
			where, args = append(where, bound.cond), append(args, day.AddDate(0, 0, bound.plus).UnixMilli())
		}
	}
	if q.owner != nil {
		where, args = append(where, "a.owner_id = ?"), append(args, q.owner)
	}
	type key struct{ user, kind string }
	type counts struct{ all, done, open, overdue int64 }
	sums := map[key]counts{}
	user := "a.owner_id"
	if q.By == "kind" {
		user = "NULL"
	}
	err := r.each(ctx, `
		SELECT `+user+` AS usr, a.kind, COUNT(*), COUNT(*) FILTER (WHERE a.status = 'done'),
			COUNT(*) FILTER (WHERE a.status = 'open'), COUNT(*) FILTER (WHERE a.status = 'open' AND a.due_at < ?)
		FROM "activity" a
		WHERE `+strings.Join(where, " AND ")+`
		GROUP BY usr, a.kind`, args, func(rows *sql.Rows) error {
		var id []byte
		var kind sql.NullString
		var c counts
		if err := rows.Scan(&id, &kind, &c.all, &c.done, &c.open, &c.overdue); err != nil {
			return err
		}
		sums[key{string(id), kind.String}] = c
		return nil
	})
	if err != nil {
		return table{}, err
	}
	names := map[string]string{}
	if q.By == "user" {
		if names, err = r.names(ctx, "user"); err != nil {
			return table{}, err
		}
	}
	keys := make([]key, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	kinds := model.EntityOf("activity").Field("kind").Options
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(compareGroups(a.user, b.user, names), cmp.Compare(slices.Index(kinds, a.kind), slices.Index(kinds, b.kind)), cmp.Compare(a.kind, b.kind))
	})
	t := table{chart: "count", columns: []model.ReportColumn{
		{Name: "user", Type: "text", Label: "User"}, {Name: "kind", Type: "text", Label: "Kind"},
		{Name: "count", Type: "number", Label: "Activities"}, {Name: "done", Type: "number", Label: "Done"},
		{Name: "open", Type: "number", Label: "Open"}, {Name: "overdue", Type: "number", Label: "Overdue"},
	}}
	if q.By == "kind" {
		t.columns = t.columns[1:]
	}
	for _, k := range keys {
		c := sums[k]
		row := []any{groupName(k.user, names), k.kind, c.all, c.done, c.open, c.overdue}
		if q.By == "kind" {
			row = row[1:]
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}
