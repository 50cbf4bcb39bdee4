package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// announceMost is how many rows that a rebuild changed are told by the feed.
// With more of them every laptop compares every row instead, which costs less.
const announceMost = 5000

// remake is a table on its way back.
type remake struct {
	*mirror                     // with the columns of the copy
	out     *model.RebuiltTable // what is told of it
	gone    bool                // there is no such table
	lacking bool                // the table has not every column of its copy
	newer   []string            // rows that changed since the copy, in hexadecimal
	since   time.Time
}

// RebuildTables makes tables of records anew from their report tables: beside
// the table, with what the change log knows beyond the copy; then the two are
// exchanged, and the former one stays under another name. Triggers, indexes,
// references and rules are as a migration makes them. Where something could not
// be recovered, the central gets a new identity, by which every laptop offers
// what it has. See model.CentralAdmin.
func RebuildTables(ctx context.Context, url string, req model.RebuildRequest, n model.Notify) (model.RebuildResult, error) {
	out := model.RebuildResult{DryRun: req.DryRun}
	r, err := openRefresher(ctx, url, n)
	if err != nil {
		return out, err
	}
	defer r.close()
	err = r.rebuildTables(req, &out)
	return out, mapError("rebuild", r.explain(err))
}

func (r *refresher) rebuildTables(req model.RebuildRequest, out *model.RebuildResult) error {
	if !req.DryRun {
		guard, err := alone(r.ctx, r.session)
		if err != nil {
			return err
		}
		defer guard.release()
		r.lease.beside = guard
	}
	if err := r.sequenceOnce(); err != nil {
		return err
	}
	if err := r.look(); err != nil {
		return err
	}
	for _, n := range req.Nouns {
		if e := model.EntityOf(n); e == nil || e.Noun != n {
			return model.Errorf(model.NotFound, "there is no table %q", n)
		}
	}
	var work []*remake
	for _, e := range model.Entities() {
		if req.Nouns != nil && !slices.Contains(req.Nouns, e.Noun) {
			continue
		}
		w, err := r.plan(e, req.DeletesSince)
		if err != nil {
			return err
		}
		st := r.states[w.title()]
		if out.Position == 0 || st.position < out.Position {
			out.Position = st.position
		}
		work = append(work, w)
	}
	if st, _, err := reportsState(r.ctx, r.session); err != nil {
		return err
	} else if st != nil {
		out.RefreshedAt = st.RefreshedAt
	}
	for _, w := range work {
		if err := r.make(w); err != nil {
			return err
		}
		out.Tables = append(out.Tables, *w.out)
		out.NewEpoch = out.NewEpoch || w.out.Lost > 0 || w.out.PutBack+w.out.Mended+w.out.Kept > announceMost
	}
	if req.DryRun {
		return r.drop(work)
	}
	if err := r.putInPlace(work, out); err != nil {
		return err
	}
	for i, w := range work {
		out.Tables[i] = *w.out
	}
	out.Done = r.done
	return nil
}

// plan looks at a table and its copy, and refuses a copy that is not as the
// last refresh left it.
func (r *refresher) plan(e *model.Entity, since time.Time) (*remake, error) {
	title := reportPrefix + string(e.Noun)
	st := r.states[title]
	if r.have[title] == nil || st == nil {
		return nil, model.Errorf(model.NotFound, "there is no report table of %s", e.Noun).WithHint("`rapport central refresh-reports` makes them while the tables are there; a backup may have the rows")
	}
	copied := serverShape{}
	for t, columns := range r.have {
		copied[t] = columns
	}
	copied[string(e.Noun)] = r.have[title]
	w := &remake{out: &model.RebuiltTable{Noun: e.Noun, State: "whole"}, gone: r.have[string(e.Noun)] == nil, since: since}
	for _, m := range mirrors(copied) {
		if m.entity == e {
			w.mirror = m
		}
	}
	for _, c := range w.columns {
		if _, there := r.have[string(e.Noun)][c.Name]; !there {
			w.lacking = true
		}
	}
	var sum reportSum
	wrong := int64(0)
	err := r.query(r.ctx, "SELECT "+sumSQL("r")+",COALESCE(SUM(NOT (r."+columnHash+"<=>"+w.rowHashSQL("r")+")),0) FROM "+ident(title)+" r WHERE r."+columnGone+" IS NULL", func(_ int, v []driver.Value) error {
		sum, wrong = readSum(v), integer(v[1+hashParts])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if wrong > 0 || st.summed && sum != st.sum {
		return nil, model.Errorf(model.Corrupt, "%s itself was changed: %d of its rows are not as they were copied, and it has %d rows where the last refresh left %d", title, wrong, sum.rows, st.sum.rows).
			WithHint("nothing was touched; restore %s from a backup instead", e.Noun)
	}
	st.sum, st.summed = sum, true
	switch any := ""; {
	case w.gone:
		w.out.State = "gone"
	default:
		if any, err = r.text(r.ctx, "SELECT EXISTS (SELECT 1 FROM "+ident(string(e.Noun))+")"); any == "0" {
			w.out.State = "empty"
		}
	}
	if err != nil {
		return nil, err
	}
	w.newer, err = r.newer(w)
	return w, err
}

// newer lists the rows of which the feed knows a change that the copy does not
// have. Where the feed does not reach back to the copy, the change log tells.
func (r *refresher) newer(w *remake) ([]string, error) {
	st := r.states[w.title()]
	noun := quote(string(w.entity.Noun))
	q := fmt.Sprintf("SELECT DISTINCT HEX(pk) FROM sync_feed WHERE tbl=%s AND seq>%d UNION SELECT HEX(pk) FROM sync_outbox WHERE tbl=%[1]s", noun, st.position)
	if st.position < r.minimum || st.position > r.head || !st.known {
		q += " UNION SELECT HEX(pk) FROM sync_audit WHERE tbl=" + noun + " AND at>=(SELECT refreshed_at FROM report_state WHERE tbl=" + noun + ")-INTERVAL 1 HOUR"
	}
	if !w.since.IsZero() {
		q += " UNION SELECT HEX(id) FROM " + ident(w.title()) + " WHERE " + columnGone + ">=" + timeLiteral(w.since.UnixMilli())
	}
	return r.lines(r.ctx, q)
}

func (w *remake) back() string { return w.title() + backSuffix }

// make makes the table from its copy under a name of its own.
func (r *refresher) make(w *remake) error {
	back := ident(w.back())
	r.notify.Tell("putting back "+string(w.entity.Noun), 0, r.states[w.title()].sum.rows)
	if err := r.exec(r.ctx, "SET SESSION foreign_key_checks=0;DROP TABLE IF EXISTS "+back); err != nil {
		return err
	}
	define := "CREATE TABLE " + back + " LIKE " + ident(string(w.entity.Noun))
	if w.gone || w.lacking {
		define = r.bareTable(w)
	}
	if err := r.exec(r.ctx, define); err != nil {
		return err
	}
	names, values, join := w.carried(r)
	if err := r.exec(r.ctx, "INSERT INTO "+back+" ("+idents(names)+") SELECT "+strings.Join(values, ",")+" FROM "+ident(w.title())+" r"+join+" WHERE r."+columnGone+" IS NULL"); err != nil {
		return err
	}
	var sum reportSum
	proof := *w.mirror
	proof.table = w.back()
	hash := strings.ReplaceAll(sumSQL("h"), "h."+columnHash, "h.x")
	if err := r.query(r.ctx, "SELECT "+hash+" FROM (SELECT "+proof.rowHashSQL("t")+" AS x FROM "+back+" t) h", func(_ int, v []driver.Value) error {
		sum = readSum(v)
		return nil
	}); err != nil {
		return err
	}
	if sum != r.states[w.title()].sum {
		return model.Errorf(model.Corrupt, "the rows of %s that were put back are not those of the copy; nothing was touched", w.entity.Noun)
	}
	if err := r.compareTables(w); err != nil {
		return err
	}
	for ids := range slices.Chunk(w.newer, idChunk) {
		if err := r.recover(w, ids); err != nil {
			return err
		}
	}
	rows, err := r.text(r.ctx, "SELECT COUNT(*) FROM "+back)
	w.out.Rows = integer([]byte(rows))
	return err
}

// carried lists the columns that come from the copy, and from the table those
// that only it has: an administrator may have added some.
func (w *remake) carried(r *refresher) (names, values []string, join string) {
	for _, c := range w.columns {
		names, values = append(names, c.Name), append(values, "r."+ident(c.Name))
	}
	if w.gone || w.lacking {
		return names, values, ""
	}
	var extra []string
	for name, p := range r.have[string(w.entity.Noun)] {
		if at, _ := w.entity.Column(name); at < 0 && p.null {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra)
	for _, name := range extra {
		names, values = append(names, name), append(values, "t."+ident(name))
	}
	if len(extra) > 0 {
		join = " LEFT JOIN " + ident(string(w.entity.Noun)) + " t ON t.id=r.id"
	}
	return names, values, join
}

// bareTable makes the declared table without references, which are added when
// it stands in its place. A column that an administrator made larger stays so.
func (r *refresher) bareTable(w *remake) string {
	var lines []string
	for _, c := range w.entity.Columns() {
		def := columnDef(r.dialect, w.entity, c)
		if p, there := r.have[w.title()][c.Name]; there {
			if f := fit(p.kind, strings.ToLower(columnType(c))); f == wider || f == other {
				def = strings.Replace(def, ident(c.Name)+" "+columnType(c), ident(c.Name)+" "+p.kind, 1)
			}
		}
		lines = append(lines, def)
	}
	lines = append(lines, "PRIMARY KEY (`id`)")
	for _, ix := range indexes(w.entity) {
		lines = append(lines, "KEY "+ident(ix.name)+" ("+keyParts(w.entity, ix.columns)+")")
	}
	return "CREATE TABLE " + ident(w.back()) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + tableOptions + quote(tableComment(w.entity))
}

// notNewer is a condition on an id: the row did not change since the copy.
func (w *remake) notNewer(id string) string {
	if len(w.newer) == 0 {
		return "TRUE"
	}
	return id + " NOT IN (" + hexList(w.newer) + ")"
}

// compareTables counts how the table differs from its copy, but for the rows
// that changed since, and keeps what only the table has.
func (r *refresher) compareTables(w *remake) error {
	if w.gone {
		w.out.PutBack = r.states[w.title()].sum.rows
		n, err := r.text(r.ctx, "SELECT COUNT(*) FROM "+ident(w.back())+" b WHERE "+w.notNewer("b.id"))
		w.out.PutBack = integer([]byte(n))
		return err
	}
	table, back := ident(string(w.entity.Noun)), ident(w.back())
	mended := "COALESCE(SUM(t.id IS NOT NULL),0)" // a column is put back into each
	if !w.lacking {
		mended = "COALESCE(SUM(t.id IS NOT NULL AND NOT (" + w.rowHashSQL("t") + "<=>" + w.rowHashSQL("b") + ")),0)"
	}
	err := r.query(r.ctx, "SELECT COALESCE(SUM(t.id IS NULL),0),"+mended+" FROM "+back+" b LEFT JOIN "+table+" t ON t.id=b.id WHERE "+w.notNewer("b.id"), func(_ int, v []driver.Value) error {
		w.out.PutBack, w.out.Mended = integer(v[0]), integer(v[1])
		return nil
	})
	if err != nil {
		return err
	}
	only, err := r.lines(r.ctx, "SELECT HEX(t.id) FROM "+table+" t LEFT JOIN "+back+" b ON b.id=t.id WHERE b.id IS NULL AND "+w.notNewer("t.id"))
	if err != nil {
		return err
	}
	w.out.Kept = int64(len(only))
	for ids := range slices.Chunk(only, idChunk) {
		if err := r.fromTable(w, ids); err != nil {
			return err
		}
	}
	return nil
}

// fromTable takes rows from the table as they are.
func (r *refresher) fromTable(w *remake, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	columns := r.have[string(w.entity.Noun)]
	var names []string
	for name, p := range columns {
		if at, _ := w.entity.Column(name); at >= 0 || !w.lacking && p.null {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return r.exec(r.ctx, "REPLACE INTO "+ident(w.back())+" ("+idents(names)+") SELECT "+idents(names)+" FROM "+ident(string(w.entity.Noun))+" WHERE id IN ("+hexList(ids)+")")
}

// recover puts the rows that changed since the copy into the new table: from
// the table where that has what the change log tells, from the copy and the
// change log where it has not, and from the table where the change log knows
// nothing, because another program writes around it.
func (r *refresher) recover(w *remake, ids []string) error {
	e := w.entity
	log, err := r.readLog(e, ids, 0)
	if err != nil {
		return err
	}
	keep := " AND " + columnGone + " IS NULL"
	if !w.since.IsZero() {
		keep = ""
	}
	copied, err := r.copies(w.mirror, w.title(), keep, ids)
	if err != nil {
		return err
	}
	present := map[string]model.Row{}
	if !w.gone && !w.lacking {
		if present, err = r.copies(w.mirror, string(e.Noun), "", ids); err != nil {
			return err
		}
	}
	var rows, asIs, out []string
	var names []string
	for _, c := range w.columns {
		names = append(names, c.Name)
	}
	for _, id := range ids {
		w.out.Newer++
		raw, err := hex.DecodeString(id)
		if err != nil {
			return err
		}
		told := replay(e, model.IDFromBytes(raw), copied[id], log[id], w.since)
		there := present[id]
		out = append(out, id)
		switch {
		case told.removed:
			w.out.Removed++
		case there != nil && (told.short || sameContent(e, told.row, there)):
			asIs = append(asIs, id)
		case told.row != nil:
			rows = append(rows, rowSQL(e, told.row, names))
			if told.short {
				w.out.Lost++
			} else {
				w.out.FromLog++
			}
		default:
			w.out.Lost++
		}
	}
	back := ident(w.back())
	if err := r.exec(r.ctx, "DELETE FROM "+back+" WHERE id IN ("+hexList(out)+")"); err != nil {
		return err
	}
	if len(rows) > 0 {
		if err := r.exec(r.ctx, "INSERT INTO "+back+" ("+idents(names)+") VALUES "+strings.Join(rows, ",")); err != nil {
			return err
		}
	}
	return r.fromTable(w, asIs)
}

// drop removes tables that were only made to tell what would be.
func (r *refresher) drop(work []*remake) error {
	for _, w := range work {
		if err := r.exec(r.ctx, "DROP TABLE IF EXISTS "+ident(w.back())); err != nil {
			return err
		}
	}
	return nil
}
