package mysql

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// advance is a transaction, run by atomically, that follows the feed with some
// report tables. It
// reads committed data and so takes no lock on a record. A row is copied as it
// is at that moment, which may be newer than the target: then it is copied
// again by the next refresh. It locks the lease and its tables' states first.
type advance struct {
	*refresher
	target  int64
	states  map[string]*reportState // as they are after it
	touched map[model.Noun][]string // records with which something may have happened last
	changed int64
}

// idChunk is how many ids stand in one statement.
const idChunk = 500

func (a *advance) run(ms []*mirror) error {
	if err := a.begin(ms); err != nil {
		return err
	}
	news, err := a.news(ms)
	if err != nil {
		return err
	}
	names := map[model.Noun]map[string]string{}
	if err := a.linked(news); err != nil {
		return err
	}
	for _, m := range ms {
		st := *a.refresher.states[m.title()]
		if slices.Contains(news, m) {
			renamed, err := a.copy(m, &st)
			if err != nil {
				return err
			}
			names[m.entity.Noun] = renamed
		}
		a.states[m.title()] = &st
	}
	if err := a.linked(news); err != nil {
		return err
	}
	for _, m := range ms {
		if err := a.name(m, names); err != nil {
			return err
		}
		if err := a.happened(m); err != nil {
			return err
		}
	}
	return a.note(ms)
}

// begin locks what a refresh locks and makes sure that the states are those
// that were looked at.
func (a *advance) begin(ms []*mirror) error {
	at := map[string]int64{}
	held := false
	err := a.query(a.ctx, a.lease.holdSQL()+";SELECT tbl,position FROM report_state ORDER BY tbl FOR UPDATE", func(set int, v []driver.Value) error {
		if len(v) == 1 {
			held = true
		} else {
			at[reportPrefix+asText(v[0])] = integer(v[1])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range ms {
		if m.live() && at[m.title()] != a.refresher.states[m.title()].position {
			held = false
		}
	}
	if !held {
		return lostLease()
	}
	return nil
}

// window selects the ids of a table's rows that changed on the way.
func (a *advance) window(m *mirror) string {
	return fmt.Sprintf("(SELECT DISTINCT pk FROM sync_feed FORCE INDEX (PRIMARY) WHERE seq>%d AND seq<=%d AND tbl=%s) f", a.refresher.states[m.title()].position, a.target, quote(string(m.entity.Noun)))
}

// news returns the tables of which something changed.
func (a *advance) news(ms []*mirror) ([]*mirror, error) {
	from := a.target
	for _, m := range ms {
		from = min(from, a.refresher.states[m.title()].position)
	}
	found, err := a.lines(a.ctx, fmt.Sprintf("SELECT DISTINCT tbl FROM sync_feed FORCE INDEX (PRIMARY) WHERE seq>%d AND seq<=%d", from, a.target))
	if err != nil {
		return nil, err
	}
	var out []*mirror
	for _, m := range ms {
		if slices.Contains(found, string(m.entity.Noun)) && a.refresher.states[m.title()].position < a.target {
			out = append(out, m)
		}
	}
	return out, nil
}

// copy copies the rows of a table that changed and marks those that are gone.
// It returns the names that are others than before, by id: "" for none.
func (a *advance) copy(m *mirror, st *reportState) (map[string]string, error) {
	window, table := a.window(m), ident(m.table)
	before, rows, err := a.measure(m, window)
	if err != nil {
		return nil, err
	}
	old, err := a.titles(m, window)
	if err != nil {
		return nil, err
	}
	gone, err := a.lines(a.ctx, "SELECT HEX(f.pk) FROM "+window+" LEFT JOIN "+ident(string(m.entity.Noun))+" t ON t.id=f.pk WHERE t.id IS NULL")
	if err != nil {
		return nil, err
	}
	if err := a.exec(a.ctx, m.copySQL(window+" STRAIGHT_JOIN "+ident(string(m.entity.Noun))+" t ON t.id=f.pk", "")); err != nil {
		return nil, err
	}
	for ids := range slices.Chunk(gone, idChunk) {
		if err := a.exec(a.ctx, "UPDATE "+table+" SET "+columnGone+"=UTC_TIMESTAMP(3) WHERE "+columnGone+" IS NULL AND id IN ("+hexList(ids)+")"); err != nil {
			return nil, err
		}
	}
	after, _, err := a.measure(m, window)
	if err != nil {
		return nil, err
	}
	a.changed += rows
	st.sum = st.sum.add(after.less(before))
	names, err := a.titles(m, window)
	if err != nil {
		return nil, err
	}
	for id := range old {
		if names[id] == old[id] {
			delete(names, id)
		} else if _, there := names[id]; !there {
			names[id] = ""
		}
	}
	return names, nil
}

// measure sums up the copies of the rows in a window, and counts those.
func (a *advance) measure(m *mirror, window string) (sum reportSum, rows int64, err error) {
	err = a.query(a.ctx, "SELECT "+sumSQL("r")+" FROM "+window+" STRAIGHT_JOIN "+ident(m.table)+" r ON r.id=f.pk WHERE r."+columnGone+" IS NULL;SELECT COUNT(*) FROM "+window,
		func(set int, v []driver.Value) error {
			if set == 0 {
				sum = readSum(v)
			} else {
				rows = integer(v[0])
			}
			return nil
		})
	return sum, rows, err
}

// titles returns the names of the copies in a window, where other tables show
// them.
func (a *advance) titles(m *mirror, window string) (map[string]string, error) {
	out := map[string]string{}
	var texts [][]string
	for _, o := range a.mirrors {
		for _, n := range o.names {
			if n.to.entity == m.entity {
				texts = n.texts
			}
		}
	}
	if texts == nil {
		return out, nil
	}
	err := a.query(a.ctx, "SELECT HEX(r.id),"+titleSQL("r", texts)+" FROM "+window+" STRAIGHT_JOIN "+ident(m.table)+" r ON r.id=f.pk WHERE r."+columnGone+" IS NULL", func(_ int, v []driver.Value) error {
		out[asText(v[0])] = asText(v[1])
		return nil
	})
	return out, err
}

// name writes the names that changed beside the links to them.
func (a *advance) name(m *mirror, names map[model.Noun]map[string]string) error {
	for _, n := range m.names {
		names := names[n.to.entity.Noun]
		var ids []string
		for id := range names {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for some := range slices.Chunk(ids, idChunk) {
			var cases strings.Builder
			for _, id := range some {
				to := "NULL"
				if s := names[id]; s != "" {
					to = quote(s)
				}
				fmt.Fprintf(&cases, " WHEN X'%s' THEN %s", id, to)
			}
			err := a.exec(a.ctx, fmt.Sprintf("UPDATE %s SET %s=CASE %s%s END WHERE %s IN (%s) AND %s IS NULL", ident(m.table), ident(n.name), ident(n.column), cases.String(), ident(n.column), hexList(some), columnGone))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// linked notes with which records something may have happened last: those that
// an activity or a link is about which changed. It is asked before and after
// the copy, for a link may point elsewhere since.
func (a *advance) linked(news []*mirror) error {
	var links *mirror
	for _, m := range a.mirrors {
		if m.entity.Noun == "activity_link" {
			links = m
		}
	}
	for _, m := range news {
		on := "id"
		switch m.entity.Noun {
		case "activity":
			on = "activity_id"
		case "activity_link":
		default:
			continue
		}
		for _, n := range activityTargets() {
			col := ident(string(n) + "_id")
			if links.live() && a.have[links.table] == nil {
				continue // its targets are made anew with it
			}
			ids, err := a.lines(a.ctx, "SELECT DISTINCT HEX(r."+col+") FROM "+a.window(m)+" STRAIGHT_JOIN "+ident(links.table)+" r ON r."+on+"=f.pk WHERE r."+col+" IS NOT NULL")
			if err != nil {
				return err
			}
			a.touched[n] = append(a.touched[n], ids...)
		}
	}
	return nil
}

// happened writes when something last happened with the records of a table.
func (a *advance) happened(m *mirror) error {
	if m.links == nil {
		return nil
	}
	ids := a.touched[m.entity.Noun]
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), idChunk) {
		err := a.exec(a.ctx, fmt.Sprintf("UPDATE %s r SET %s=%s WHERE r.id IN (%s) AND r.%s IS NULL", ident(m.table), columnActivity, m.activitySQL("r.id"), hexList(some), columnGone))
		if err != nil {
			return err
		}
	}
	return nil
}

// purgeRows is how many copies of rows that went a refresh forgets at once.
const purgeRows = 1000

// note forgets copies of rows that went long ago, and notes how far the tables
// are.
func (a *advance) note(ms []*mirror) error {
	var q []string
	cutoff := fmt.Sprintf("UTC_TIMESTAMP(3)-INTERVAL %d SECOND", int64(model.KeepDeleted.Seconds()))
	for _, m := range ms {
		st := a.states[m.title()]
		st.position, st.known = a.target, true
		// What was deleted so long ago that it is gone is nobody's business.
		q = append(q, fmt.Sprintf("DELETE FROM %s WHERE %s<%s OR %[2]s IS NOT NULL AND deleted_at<%[3]s LIMIT %[4]d", ident(m.table), columnGone, cutoff, purgeRows))
		if !m.live() {
			continue
		}
		if !st.summed {
			if err := a.sumUp(m, st); err != nil {
				return err
			}
		}
		q = append(q, stateSQL(m, st))
	}
	return a.exec(a.ctx, strings.Join(q, ";"))
}

// sumUp sums a whole report table up.
func (r *refresher) sumUp(m *mirror, st *reportState) error {
	err := r.query(r.ctx, "SELECT "+sumSQL("r")+" FROM "+ident(m.table)+" r WHERE r."+columnGone+" IS NULL", func(_ int, v []driver.Value) error {
		st.sum, st.summed = readSum(v), true
		return nil
	})
	return err
}

// stateSQL notes how far a report table is.
func stateSQL(m *mirror, st *reportState) string {
	return fmt.Sprintf("INSERT INTO report_state (tbl,position,run_id,nonce,refreshed_at,copied,hash,definition)"+
		" SELECT %s,%d,r.run_id,r.nonce,UTC_TIMESTAMP(3),%d,%s,%s FROM sync_counter c JOIN sync_run r ON r.run_id=c.run_id WHERE c.id=1"+
		" ON DUPLICATE KEY UPDATE position=VALUES(position),run_id=VALUES(run_id),nonce=VALUES(nonce),refreshed_at=VALUES(refreshed_at),copied=VALUES(copied),hash=VALUES(hash),definition=VALUES(definition)",
		quote(string(m.entity.Noun)), st.position, st.sum.rows, quote(st.sum.text()), quote(m.definition()))
}
