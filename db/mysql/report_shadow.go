package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// Sizes of the steps in which a copy is made. A step is a statement of its own
// that reads committed data; it is made smaller where it takes long, so that
// who writes meanwhile gets at the processor and the disk.
const (
	stepRows = 500
	stepMost = 2000
	stepLong = 30 * time.Millisecond
	manyRows = 5000 // whose indexes are built when the rows are there
)

// rebuild makes report tables anew beside the old ones, follows the feed with
// them, compares every row with the tables, and exchanges them all at once. A
// run that is interrupted leaves the old tables in place.
func (r *refresher) rebuild(anew map[*mirror]bool, acceptLoss bool) error {
	var ms []*mirror
	for _, m := range r.mirrors {
		if anew[m] {
			ms = append(ms, m)
		}
	}
	if err := r.sequenceOnce(); err != nil {
		return err
	}
	from := r.head
	for i, m := range ms {
		r.notify.Tell("copying "+string(m.entity.Noun), int64(i), int64(len(ms)))
		if !acceptLoss {
			if err := r.nothingLost(m); err != nil {
				return err
			}
		}
		if err := r.fill(m); err != nil {
			return err
		}
		r.states[m.title()] = &reportState{position: from, summed: true}
	}
	err := r.happened(ms)
	if err == nil {
		err = r.exchange(ms, from)
	}
	if err != nil {
		r.removeShadows(ms)
	}
	return err
}

// removeShadows removes what was being made. That it fails leaves it to the
// next rebuild.
func (r *refresher) removeShadows(ms []*mirror) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 10*time.Second)
	defer cancel()
	for _, m := range ms {
		_ = r.exec(ctx, "ROLLBACK;DROP TABLE IF EXISTS "+ident(m.title()+shadowSuffix))
	}
}

// nothingLost refuses to make a copy anew that has rows which its table lost
// without anybody noting it. On a server without triggers nobody notes what
// other programs remove: there half of the rows may go.
func (r *refresher) nothingLost(m *mirror) error {
	if r.have[m.title()] == nil {
		return nil
	}
	// What has an entry in the feed was removed by somebody who meant it.
	title := ident(m.title())
	found, err := r.text(r.ctx, fmt.Sprintf("SELECT CONCAT_WS(' ',COUNT(*),(SELECT COUNT(*) FROM %s)) FROM %s r LEFT JOIN %s t ON t.id=r.id WHERE t.id IS NULL AND r.%s IS NULL"+
		"%s AND NOT EXISTS (SELECT 1 FROM sync_feed f WHERE f.tbl=%s AND f.pk=r.id AND f.op=%d)",
		title, title, ident(string(m.entity.Noun)), columnGone, r.intact(m), quote(string(m.entity.Noun)), model.FeedDelete))
	if err != nil {
		return err
	}
	var lost, all int64
	if _, err := fmt.Sscan(found, &lost, &all); err != nil {
		return err
	}
	if lost == 0 || !r.dialect.triggers() && lost*2 < all {
		return nil
	}
	return lostRows(string(m.entity.Noun), lost)
}

// intact is a condition on rows r of an old report table: nobody changed them
// since they were copied. It is "" where the table was made for other columns.
func (r *refresher) intact(m *mirror) string {
	if st := r.states[m.title()]; st == nil || st.definition != m.definition() {
		return ""
	}
	return " AND r." + columnHash + "<=>" + m.rowHashSQL("r")
}

// fill makes the copy beside the old one and lets the mirror name it.
func (r *refresher) fill(m *mirror) error {
	shadow := m.title() + shadowSuffix
	if err := r.exec(r.ctx, "DROP TABLE IF EXISTS "+ident(shadow)); err != nil {
		return err
	}
	source := ident(string(m.entity.Noun))
	many, err := r.text(r.ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s LIMIT 1 OFFSET %d)", source, manyRows))
	if err != nil {
		return err
	}
	if err := r.exec(r.ctx, m.createSQL(shadow, many == "0")); err != nil {
		return err
	}
	m.table, m.filling = shadow, true
	defer func() { m.filling = false }()
	err = r.inSteps(string(m.entity.Noun), func(in func(string) string) string { return m.copySQL(source+" t", " WHERE "+in("t.id")) })
	if err != nil {
		return err
	}
	if many != "0" {
		if err := r.exec(r.ctx, m.indexSQL(shadow)); err != nil {
			return err
		}
	}
	for _, n := range m.names {
		if n.to != m {
			continue
		}
		// What a row links to within its own table may have come after it.
		err := r.inSteps(shadow, func(in func(string) string) string {
			return fmt.Sprintf("UPDATE %s t JOIN %[1]s l ON l.id=t.%s SET t.%s=%s WHERE %s", ident(shadow), ident(n.column), ident(n.name), titleSQL("l", n.texts), in("t.id"))
		})
		if err != nil {
			return err
		}
	}
	return r.keepGone(m)
}

// inSteps runs a statement for a stretch of a table's ids after the other. Each
// is a transaction that is short, also for those who wait until it is in the
// binary log.
func (r *refresher) inSteps(table string, statement func(in func(column string) string) string) error {
	after, rows := "", stepRows
	for {
		if err := r.lease.renew(r.ctx, false); err != nil {
			return err
		}
		begin := "TRUE"
		if after != "" {
			begin = "id>X'" + after + "'"
		}
		last, err := r.text(r.ctx, fmt.Sprintf("SELECT HEX(id) FROM %s WHERE %s ORDER BY id LIMIT 1 OFFSET %d", ident(table), begin, rows-1))
		if err != nil {
			return err
		}
		in := func(column string) string {
			out := column + " IS NOT NULL"
			if after != "" {
				out += " AND " + column + ">X'" + after + "'"
			}
			if last != "" {
				out += " AND " + column + "<=X'" + last + "'"
			}
			return out
		}
		began := time.Now()
		if err := retry(r.ctx, func() error { return r.exec(r.ctx, statement(in)) }); err != nil {
			return err
		}
		switch took := time.Since(began); {
		case took > stepLong:
			rows = max(rows/2, stepRows/5)
		case took < stepLong/2:
			rows = min(rows*2, stepMost)
		}
		if last == "" {
			return nil
		}
		after = last
	}
}

// happened writes when something last happened with the records of new report
// tables.
func (r *refresher) happened(ms []*mirror) error {
	for _, m := range ms {
		if m.links == nil {
			continue
		}
		about := m.about()
		err := r.inSteps(m.table, func(in func(string) string) string {
			return "UPDATE " + ident(m.table) + " t JOIN (SELECT " + about + " AS id," + lastSQL + " AS last" + m.happenedSQL() + " AND " + in(about) + " GROUP BY " + about + ") x ON x.id=t.id SET t." + columnActivity + "=x.last WHERE t." + columnGone + " IS NULL"
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepGone takes over from the old report table the rows that are in it and
// not in the table any more.
func (r *refresher) keepGone(m *mirror) error {
	old := r.have[m.title()]
	if old == nil || old[columnGone].kind == "" {
		return nil
	}
	var names, values []string
	for _, c := range m.columns {
		if p, there := old[c.Name]; there && p.kind == c.kind {
			names, values = append(names, c.Name), append(values, "r."+ident(c.Name))
		}
	}
	names, values = append(names, columnHash, columnGone), append(values, "r."+columnHash, "COALESCE(r."+columnGone+",UTC_TIMESTAMP(3))")
	return r.exec(r.ctx, "INSERT INTO "+ident(m.table)+" ("+idents(names)+") SELECT "+strings.Join(values, ",")+" FROM "+ident(m.title())+" r LEFT JOIN "+ident(m.table)+" n ON n.id=r.id WHERE n.id IS NULL"+r.intact(m))
}

// exchange brings new report tables up to date, proves them, and puts them in
// the place of the old ones.
func (r *refresher) exchange(ms []*mirror, from int64) error {
	if err := r.sequenceOnce(); err != nil {
		return err
	}
	if err := r.advance(r.mirrors, r.head); err != nil {
		return err
	}
	r.notify.Tell("comparing", 0, 0)
	wrong, err := r.check(nil)
	if err != nil {
		return err
	}
	for _, m := range r.mirrors {
		// Without triggers nobody notes what other programs write meanwhile.
		if rows := wrong[m]; rows > 0 && r.dialect.triggers() {
			return model.Errorf(model.Corrupt, "%d rows of %s changed without a trace while it was copied; the report tables stay as they were", rows, m.entity.Noun).
				WithHint("look with `rapport central check` for triggers that are missing, then run it again")
		}
	}
	if err := r.swap(ms, from); err != nil {
		return err
	}
	var q []string
	for _, m := range ms {
		m.table = m.title()
		st := r.states[m.title()]
		if err := r.sumUp(m, st); err != nil {
			return err
		}
		q = append(q, stateSQL(m, st))
	}
	// The tables may have been followed by somebody else only if the lease is
	// lost; then these states are not ours to write.
	return r.inLease(append(q, checkedSQL))
}

const checkedSQL = "UPDATE report_state SET checked_at=UTC_TIMESTAMP(3)"

// inLease runs statements in a transaction that holds the lease.
func (r *refresher) inLease(q []string) error {
	return r.atomically(r.ctx, func() error {
		held, err := r.text(r.ctx, r.lease.holdSQL())
		if err == nil && held == "" {
			err = lostLease()
		}
		if err == nil {
			err = r.exec(r.ctx, strings.Join(q, ";"))
		}
		return err
	})
}

// swapWait is how long an exchange of tables is tried for: somebody's long
// report keeps it waiting.
const swapWait = 2 * time.Minute

// swap exchanges tables in one statement. The states are set back first: a
// state that is older than its table is put right by the next refresh, one that
// is newer would hide changes.
func (r *refresher) swap(ms []*mirror, from int64) error {
	var titles, drop, back []string
	var rename []string
	for _, m := range ms {
		titles = append(titles, quote(string(m.entity.Noun)))
		if r.have[m.title()] != nil {
			rename = append(rename, ident(m.title())+" TO "+ident(m.title()+"_old"))
			drop = append(drop, ident(m.title()+"_old"))
		}
		rename = append(rename, ident(m.title()+shadowSuffix)+" TO "+ident(m.title()))
	}
	back = append(back, fmt.Sprintf("UPDATE report_state SET position=LEAST(position,%d),hash=NULL WHERE tbl IN (%s)", from, strings.Join(titles, ",")))
	if err := r.inLease(back); err != nil {
		return err
	}
	for _, old := range drop {
		if err := r.exec(r.ctx, "DROP TABLE IF EXISTS "+old); err != nil {
			return err
		}
	}
	if err := r.rename(strings.Join(rename, ",")); err != nil {
		return err
	}
	for _, old := range drop {
		if err := r.exec(r.ctx, "DROP TABLE IF EXISTS "+old); err != nil {
			return err
		}
	}
	return nil
}

// rename renames tables when nobody is reading them, and no backup is. One that
// waits holds up everybody who comes after it, so it waits as short as the
// server lets it and tries again. Error: Locked where a backup goes on.
func (r *refresher) rename(list string) error {
	wait := 1
	if r.dialect.product == mariaDB {
		wait = 0
	}
	deadline := time.Now().Add(swapWait)
	for tries := 1; ; tries++ {
		if err := r.lease.renew(r.ctx, true); err != nil {
			return err
		}
		by, err := heldBy(r.ctx, r.session, "name LIKE "+quote(copiesLease+"%"))
		switch {
		case err != nil:
			return err
		case by == "":
			err = r.exec(r.ctx, "SET SESSION lock_wait_timeout="+strconv.Itoa(wait)+";RENAME TABLE "+list)
			// Everything else waits for those who are still at work, such as
			// the last statement of a refresher that was killed.
			if e := r.exec(context.WithoutCancel(r.ctx), "SET SESSION lock_wait_timeout=20"); err == nil && e != nil {
				return e
			}
			if n := number(err); err == nil || n != erLockTimeout && n != erDeadlock || time.Now().After(deadline) {
				return err
			}
		case time.Now().After(deadline):
			return model.Errorf(model.Locked, "%s makes a backup from the report tables at this moment", by).WithHint("try again when it is done")
		}
		if err := pause(r.ctx, min(tries, 4)); err != nil {
			return err
		}
	}
}
