package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// differsSQL selects the rows in which a table and its copy differ, in either
// direction: by the hash of every column, that of the copy as it is, and what
// the copy has beside its columns.
func (m *mirror) differsSQL() string {
	values, joins := m.copied()
	table, copied := ident(string(m.entity.Noun)), ident(m.table)
	conds := []string{"r.id IS NULL", "NOT (r." + columnHash + "<=>" + values[len(values)-1] + ")", "NOT (r." + columnHash + "<=>" + m.rowHashSQL("r") + ")"}
	beside := values[len(m.columns) : len(values)-1]
	for i, n := range m.names {
		conds = append(conds, "NOT (CAST(r."+ident(n.name)+" AS BINARY)<=>CAST("+beside[i]+" AS BINARY))")
	}
	if m.links != nil {
		conds = append(conds, "NOT (r."+columnActivity+"<=>"+beside[len(beside)-1]+")")
	}
	return "SELECT HEX(t.id) FROM " + table + " t LEFT JOIN " + copied + " r ON r.id=t.id AND r." + columnGone + " IS NULL" + joins +
		" WHERE " + strings.Join(conds, " OR ") +
		" UNION ALL SELECT HEX(r.id) FROM " + copied + " r LEFT JOIN " + table + " t ON t.id=r.id WHERE t.id IS NULL AND r." + columnGone + " IS NULL"
}

// check compares every row of the report tables but some with their tables, and
// counts by table those that differ although nothing is known of a change.
func (r *refresher) check(but map[*mirror]bool) (map[*mirror]int, error) {
	wrong := map[*mirror]int{}
	var titles []string
	for _, m := range r.mirrors {
		if but[m] {
			continue
		}
		if err := r.lease.renew(r.ctx, false); err != nil {
			return nil, err
		}
		ids, err := r.lines(r.ctx, m.differsSQL())
		if err != nil {
			return nil, err
		}
		for some := range slices.Chunk(ids, idChunk) {
			rows, err := r.unexplained(m, some)
			if err != nil {
				return nil, err
			}
			wrong[m] += rows
		}
		if wrong[m] == 0 {
			delete(wrong, m)
			titles = append(titles, quote(string(m.entity.Noun)))
		}
	}
	if len(titles) == 0 {
		return wrong, nil
	}
	return wrong, r.inLease([]string{checkedSQL + " WHERE tbl IN (" + strings.Join(titles, ",") + ")"})
}

// unexplained counts the rows that nobody noted a change of since the copy. A
// change that was seen when the rows were compared has left its note by now.
func (r *refresher) unexplained(m *mirror, ids []string) (int, error) {
	in, noun := hexList(ids), quote(string(m.entity.Noun))
	explained, err := r.lines(r.ctx, fmt.Sprintf("SELECT HEX(pk) FROM sync_outbox WHERE tbl=%s AND pk IN (%s) UNION SELECT HEX(pk) FROM sync_feed WHERE tbl=%[1]s AND pk IN (%[2]s) AND seq>%d",
		noun, in, r.states[m.title()].position))
	return len(ids) - len(explained), err
}

// reportsState reads how fresh the report tables are; nil where none was ever
// made.
func reportsState(ctx context.Context, s *session) (*model.ReportsState, string, error) {
	var st *model.ReportsState
	age := ""
	q := "SELECT MIN(s.position),MAX(c.seq)+(SELECT COUNT(*) FROM sync_outbox)-MIN(s.position),MIN(s.refreshed_at),MIN(COALESCE(s.checked_at,'1000-01-01')),SUM(s.copied),TIMESTAMPDIFF(MINUTE,MIN(s.refreshed_at),UTC_TIMESTAMP(3)),COUNT(*)" +
		" FROM report_state s JOIN sync_counter c ON c.id=1"
	err := s.query(ctx, q, func(_ int, v []driver.Value) error {
		if integer(v[6]) == 0 {
			return nil
		}
		st = &model.ReportsState{Position: integer(v[0]), Behind: integer(v[1]), Rows: integer(v[4])}
		age = asText(v[5])
		for i, to := range map[int]*time.Time{2: &st.RefreshedAt, 3: &st.CheckedAt} {
			if at, ok := parseMillis([]byte(asText(v[i]))); ok && at > 0 {
				*to = time.UnixMilli(at).UTC()
			}
		}
		return nil
	})
	if number(err) == erNoTable {
		return nil, "", nil
	}
	return st, age, mapError("ask how fresh the report tables are", err)
}

// staleAfter is how old report tables are that changes wait for, in minutes,
// when an administrator is told.
const staleAfter = 24 * 60

// reportsCheck says in one line how fresh the report tables are.
func reportsCheck(st *model.ReportsState, age string) model.Check {
	c := model.Check{Name: "central report tables", State: "ok"}
	switch minutes := integer([]byte(age)); {
	case st == nil:
		c.Detail = "none are made yet; `rapport central refresh-reports` makes them"
	case st.Behind == 0:
		c.Detail = fmt.Sprintf("up to date with position %d, refreshed %s ago", st.Position, span(minutes))
	default:
		c.Detail = fmt.Sprintf("as of position %d, %d changes behind, refreshed %s ago", st.Position, st.Behind, span(minutes))
		if minutes >= staleAfter {
			c.State, c.Fix = "warn", "rapport central refresh-reports"
		}
	}
	return c
}

// span writes minutes for a person.
func span(minutes int64) string {
	switch {
	case minutes < 1:
		return "less than a minute"
	case minutes < 120:
		return fmt.Sprintf("%d minutes", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%d hours", minutes/60)
	}
	return fmt.Sprintf("%d days", minutes/60/24)
}
