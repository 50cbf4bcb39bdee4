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

// checkRounds is how often rows that differ are looked at again, each time
// after the feed was followed: what somebody changed meanwhile is the same then.
const checkRounds = 8

// differsSQL selects the rows in which a table and its copy differ, in either
// direction: by the hash of every column, that of the copy as it is, and what
// the copy has beside its columns. where may name rows as k.
func (m *mirror) differsSQL(where string) string {
	values, joins := m.copied()
	table, copied := ident(string(m.entity.Noun)), ident(m.table)
	conds := []string{"r.id IS NULL", "NOT (r." + columnHash + "<=>" + values[len(values)-1] + ")", "NOT (r." + columnHash + "<=>" + m.rowHashSQL("r") + ")"}
	beside := values[len(m.columns) : len(values)-1]
	for i, n := range m.names {
		conds = append(conds, "NOT (CAST(r."+ident(n.name)+" AS BINARY)<=>CAST("+beside[i]+" AS BINARY))")
	}
	if m.active {
		conds = append(conds, "NOT (r."+columnActivity+"<=>"+beside[len(beside)-1]+")")
	}
	in := func(alias string) string {
		if where == "" {
			return ""
		}
		return alias + ".id IN (" + where + ") AND "
	}
	return "SELECT HEX(t.id) FROM " + table + " t LEFT JOIN " + copied + " r ON r.id=t.id AND r." + columnGone + " IS NULL" + joins +
		" WHERE " + in("t") + "(" + strings.Join(conds, " OR ") + ")" +
		" UNION ALL SELECT HEX(r.id) FROM " + copied + " r LEFT JOIN " + table + " t ON t.id=r.id WHERE " + in("r") + "t.id IS NULL AND r." + columnGone + " IS NULL"
}

// check compares every row of the report tables but some with their tables, and
// counts by table those that differ although the feed was followed.
func (r *refresher) check(but map[*mirror]bool) (map[*mirror]int, error) {
	wrong := map[*mirror][]string{}
	var followed []*mirror
	for _, m := range r.mirrors {
		if but[m] {
			continue
		}
		followed = append(followed, m)
		ids, err := r.differing(m, nil)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			wrong[m] = ids
		}
	}
	for range checkRounds {
		if len(wrong) == 0 {
			break
		}
		if err := r.sequenceOnce(); err != nil {
			return nil, err
		}
		if err := r.advance(followed, r.head); err != nil {
			return nil, err
		}
		for m, ids := range wrong {
			var still []string
			for some := range slices.Chunk(ids, idChunk) {
				found, err := r.differing(m, some)
				if err != nil {
					return nil, err
				}
				still = append(still, found...)
			}
			if wrong[m] = still; len(still) == 0 {
				delete(wrong, m)
			}
		}
	}
	out := map[*mirror]int{}
	for m, ids := range wrong {
		out[m] = len(ids)
	}
	if len(out) > 0 {
		return out, nil
	}
	var titles []string
	for _, m := range followed {
		if m.live() {
			titles = append(titles, quote(string(m.entity.Noun)))
		}
	}
	if len(titles) == 0 {
		return out, nil
	}
	return out, r.inLease([]string{checkedSQL + " WHERE tbl IN (" + strings.Join(titles, ",") + ")"})
}

// differing lists the rows that differ, of all or of some.
func (r *refresher) differing(m *mirror, of []string) ([]string, error) {
	if err := r.lease.renew(r.ctx, false); err != nil {
		return nil, err
	}
	where := ""
	if of != nil {
		where = hexList(of)
	}
	return r.lines(r.ctx, m.differsSQL(where))
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
