package mysql

import (
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rapport/model"
)

// The undoing of a restore takes its tables away again, and with them what was
// entered since. That is brought into the tables that come back, row by row and
// field by field as a laptop would merge it: what both sides changed is as it was
// entered last, and an edit beats a removal. Its lines of the history come along,
// so that for every laptop it was always so. Rows that only the restore had
// brought back, and that nobody touched since, are noted as removed: else every
// laptop that got them would take them for lost and offer them.

// enteredRows is how many rows are merged at once.
const enteredRows = 500

// enteredSince merges what was entered since a restore.
type enteredSince struct {
	*restorer
	from    int64             // the first line of the history since
	history string            // where the history lies that comes back
	tables  map[string]string // of declared tables, where those lie that come back
	shapes  map[string]*tableShape
	added   map[string]bool // rows that were put there, by table and id
	// left are rows that an index of an administrator's does not let in as they
	// were entered, by table.
	left   map[string]map[string]bool
	merged int // rows
	values int // of columns that are not declared
}

// keepEntered brings what was entered since the restore that is undone into the
// tables that come back.
func (r *restorer) keepEntered(last *restoreEntry) {
	s := &enteredSince{restorer: r, from: last.History, history: r.now(historyTables[0]), tables: map[string]string{}, shapes: r.tableShapes(), added: map[string]bool{}, left: map[string]map[string]bool{}}
	if r.err != nil || s.from == 0 {
		return
	}
	r.since, r.entered = s.from, r.countEntered(s.from)
	for _, x := range r.entry.Tables {
		if x.records() != nil {
			s.tables[x.Table] = x.Made
		}
	}
	if s.ofItsOwn() {
		// An attempt that was interrupted may have been here. The lines since come
		// with their numbers, and what is noted meanwhile gets later ones.
		r.run(fmt.Sprintf("DELETE FROM %s WHERE seq>=%d", ident(s.history), s.from))
		if next := r.list(fmt.Sprintf("SELECT GREATEST(%d,COALESCE(MAX(seq),0)+1) FROM sync_audit", s.from)); r.err == nil {
			r.run("ALTER TABLE " + ident(s.history) + " AUTO_INCREMENT=" + orZero(next[0]))
		}
	}
	for _, x := range r.entry.Tables {
		if e := x.records(); e != nil {
			s.keepTable(x, e)
		}
	}
	s.unlink()
	for _, x := range r.entry.Tables {
		if e := x.records(); e != nil {
			s.noteRemoved(e)
		}
		if n := len(s.left[x.Table]); n > 0 && r.err == nil {
			r.say("%d rows of %s meet an index or a rule of the table and are not as they were entered since: so they lie in %s", n, x.Table, x.Former)
		}
	}
	if r.err == nil && s.merged > 0 {
		r.say("%d rows that were entered or changed since the restore stay so", s.merged)
	}
	if r.err == nil && s.values > 0 {
		r.say("%d values that were written since to columns that Rapport does not know stay so", s.values)
	}
}

// keepTable brings along what was entered in a table.
func (s *enteredSince) keepTable(x exchanged, e *model.Entity) {
	own, known := s.ownColumns(x, e, s.shapes)
	ids := s.list(fmt.Sprintf("SELECT DISTINCT HEX(pk) FROM sync_audit WHERE seq>=%d AND tbl=%s", s.from, quote(x.Table)))
	ids = append(ids, s.ownOnly(x, own)...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for some := range slices.Chunk(ids, enteredRows) {
		s.stillAlone()
		s.keep(x, e, some)
	}
	s.keepOwn(x, own)
	if !known && s.err == nil {
		s.say(ownUnknown, x.Table, "in "+x.Former)
	}
}

// ownUnknown is said of a table where nobody knows what the restore brought.
const ownUnknown = "what was written since to columns of %s that Rapport does not know cannot be told from what was restored: they are as before the restore, and the rest lies %s"

// countEntered counts the lines of the history since a restore.
func (b *builder) countEntered(from int64) string {
	if n := b.list(fmt.Sprintf("SELECT COUNT(*) FROM sync_audit WHERE seq>=%d", from)); b.err == nil {
		return n[0]
	}
	return ""
}

// ofItsOwn tells whether the history that comes back is the one of before the
// restore. Where single tables were restored it went on for the others.
func (s *enteredSince) ofItsOwn() bool { return len(s.entry.Nouns) == 0 }

// keep merges rows of a table.
func (s *enteredSince) keep(x exchanged, e *model.Entity, ids []string) {
	now, then := s.rows(e, x.Table, ids), s.rows(e, x.Made, ids)
	if s.err != nil {
		return
	}
	log, err := s.readLog(e, ids, s.from)
	if s.err = err; err != nil {
		return
	}
	var both, alone, statements []string
	merged := map[string]model.Row{}
	for _, id := range ids {
		switch mine, theirs := now[id], then[id]; {
		case mine == nil:
			// It was removed since; what comes back has it, or it is gone there too.
		case theirs == nil || s.added[x.Table+id]:
			alone = append(alone, id)
		default:
			both = append(both, id)
			merged[id] = mergeEntered(e, log[id], mine, theirs)
			statements = append(statements, s.update(e, id, merged[id], theirs))
		}
	}
	if len(both) > 0 {
		s.remember(x.Table, "SELECT id FROM "+ident(x.Made)+" WHERE id IN ("+hexList(both)+")")
		s.atOnce(statements...)
		for id, row := range s.rows(e, x.Made, both) {
			if !slices.Equal(row, merged[id]) {
				s.leave(x.Table, id)
			}
		}
	}
	alone = s.insert(e, alone)
	if s.ofItsOwn() && len(both)+len(alone) > 0 {
		// A row that both sides made was changed by whoever made it last.
		action := "action"
		if len(both) > 0 {
			action = "IF(pk IN (" + hexList(both) + "),'update',action)"
		}
		s.run(fmt.Sprintf("INSERT INTO %s (seq,at,person,client,tbl,pk,action,changes) SELECT seq,at,person,client,tbl,pk,%s,changes FROM sync_audit FORCE INDEX (audit_of_row) WHERE tbl=%s AND pk IN (%s) AND seq>=%d",
			ident(s.history), action, quote(x.Table), hexList(slices.Concat(both, alone)), s.from))
	}
	s.merged += len(both) + len(alone)
	s.bringAlong(e, slices.Concat(both, alone), alone)
}

// rows reads rows by id in hexadecimal.
func (s *enteredSince) rows(e *model.Entity, table string, ids []string) map[string]model.Row {
	out := map[string]model.Row{}
	if s.err != nil {
		return out
	}
	var at []int
	var names []string
	for _, name := range s.columnsOf(e) {
		if i, _ := e.Column(name); i >= 0 {
			at, names = append(at, i), append(names, name)
		}
	}
	columns := e.Columns()
	s.err = s.query(s.ctx, "SELECT HEX(id),"+idents(names)+" FROM "+ident(table)+" WHERE id IN ("+hexList(ids)+")", func(_ int, v []driver.Value) error {
		row := model.NewRow(e)
		for n, i := range at {
			row[i] = cell(&columns[i], v[n+1])
		}
		out[asText(v[0])] = row
		return nil
	})
	return out
}

// columnsOf lists the columns that a table has on both sides.
func (s *enteredSince) columnsOf(e *model.Entity) []string {
	return s.common(exchanged{Table: string(e.Noun), Made: s.tables[string(e.Noun)]})
}

// mergeEntered merges a row as it is now with the one that comes back. Both come
// from what the restore brought, which is the row now without its changes.
func mergeEntered(e *model.Entity, log []logged, mine, theirs model.Row) model.Row {
	base := slices.Clone(mine)
	for _, l := range slices.Backward(log) {
		for name, change := range l.changes {
			if i, c := e.Column(name); i >= 0 && base != nil {
				base[i] = logValue(c, change[0])
			}
		}
		if l.action == "insert" {
			base = nil
			break
		}
	}
	out := model.Merge(e, base, mine, theirs).Row
	if base != nil && base.Get(e, model.ColumnScope) != mine.Get(e, model.ColumnScope) {
		out.Set(e, model.ColumnScope, mine.Get(e, model.ColumnScope))
	}
	for _, c := range []string{model.ColumnUpdatedAt, model.ColumnUpdatedBy} {
		out.Set(e, c, mine.Get(e, c))
	}
	// As if its changes had been made to the row that comes back.
	had, _ := theirs.Get(e, model.ColumnVersion).(int64)
	has, _ := mine.Get(e, model.ColumnVersion).(int64)
	out.Set(e, model.ColumnVersion, max(had, has)+int64(len(log)))
	return out
}

// update writes the columns of a row that differ.
func (s *enteredSince) update(e *model.Entity, id string, row, had model.Row) string {
	var set []string
	for i, c := range e.Columns() {
		if row[i] != had[i] {
			set = append(set, ident(c.Name)+"="+literal(c, row[i]))
		}
	}
	// What would meet a unique index of an administrator stays as it was.
	return "UPDATE IGNORE " + ident(s.tables[string(e.Noun)]) + " SET " + strings.Join(set, ",") + " WHERE id=X'" + id + "'"
}

// insert takes rows over that are not in the table that comes back, and returns
// those that are there then. Whoever knows an earlier state of one must not take
// it for newer.
func (s *enteredSince) insert(e *model.Entity, ids []string) (there []string) {
	table := string(e.Noun)
	made := ident(s.tables[table])
	owned := s.owners(e, ids)
	todo := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return s.added[table+id] })
	if len(todo) == 0 {
		return ids
	}
	names, in := idents(s.columnsOf(e)), " IN ("+hexList(todo)+")"
	s.remember(table, "SELECT id FROM "+ident(table)+" WHERE id"+in)
	s.atOnce("INSERT IGNORE INTO "+made+" ("+names+") SELECT "+names+" FROM "+ident(table)+" t WHERE id"+in+owned,
		fmt.Sprintf("UPDATE %s m SET m.row_version=m.row_version+2*(SELECT COUNT(*) FROM %s a WHERE a.tbl=%s AND a.pk=m.id AND a.seq<%d) WHERE m.id%s", made, ident(s.history), quote(table), s.from, in))
	for _, id := range s.list("SELECT HEX(id) FROM " + made + " WHERE id" + in) {
		s.added[table+id] = true
	}
	for _, id := range ids {
		if s.added[table+id] {
			there = append(there, id)
		} else {
			s.leave(table, id)
		}
	}
	return there
}

// owners takes over the records of some parts, and returns a condition on a part
// that its record is there: an index may not have let it in.
func (s *enteredSince) owners(e *model.Entity, ids []string) (there string) {
	for _, owner := range e.Owner {
		made, col := s.tables[string(owner)], ident(string(owner)+"_id")
		if made == "" || len(ids) == 0 {
			continue
		}
		s.follow(model.EntityOf(owner), "SELECT DISTINCT HEX(t."+col+") FROM "+ident(string(e.Noun))+" t LEFT JOIN "+ident(made)+" o ON o.id=t."+col+
			" WHERE t.id IN ("+hexList(ids)+") AND t."+col+" IS NOT NULL AND o.id IS NULL")
		there += " AND (t." + col + " IS NULL OR EXISTS (SELECT 1 FROM " + ident(made) + " o WHERE o.id=t." + col + "))"
	}
	return there
}

// unlink lets rows point to nothing that would point to one that an index did not
// let in.
func (s *enteredSince) unlink() {
	for _, x := range s.entry.Tables {
		e := x.records()
		if e == nil {
			continue
		}
		for _, c := range e.Columns() {
			gone := slices.Sorted(maps.Keys(s.left[string(c.Ref)]))
			if c.Ref == "" || c.Owner || len(gone) == 0 || required(e, c) {
				continue
			}
			col, of := ident(c.Name), ident(s.tables[string(c.Ref)])
			dangling := " FROM " + ident(x.Made) + " m LEFT JOIN " + of + " o ON o.id=m." + col + " WHERE m." + col + " IN (" + hexList(gone) + ") AND o.id IS NULL"
			s.remember(x.Table, "SELECT m.id"+dangling)
			s.atOnce("UPDATE" + strings.Replace(strings.TrimPrefix(dangling, " FROM"), " WHERE ", " SET m."+col+"=NULL WHERE ", 1))
		}
	}
}

// leave notes a row that is not as it was entered.
func (s *enteredSince) leave(table, id string) {
	if s.err != nil {
		return
	}
	if s.left[table] == nil {
		s.left[table] = map[string]bool{}
	}
	s.left[table][id] = true
}

// bringAlong takes over what rows need that are not in the table that comes
// back, and the parts of records that were not either.
func (s *enteredSince) bringAlong(e *model.Entity, rows, records []string) {
	if s.err != nil || len(rows) == 0 {
		return
	}
	have := s.columnsOf(e)
	for _, c := range e.Columns() {
		target := s.tables[string(c.Ref)]
		if c.Ref == "" || target == "" || !slices.Contains(have, c.Name) {
			continue
		}
		col := ident(c.Name)
		s.follow(model.EntityOf(c.Ref), "SELECT DISTINCT HEX(t."+col+") FROM "+ident(s.tables[string(e.Noun)])+" t LEFT JOIN "+ident(target)+" o ON o.id=t."+col+
			" WHERE t.id IN ("+hexList(rows)+") AND t."+col+" IS NOT NULL AND o.id IS NULL")
	}
	for _, part := range model.Entities() {
		made := s.tables[string(part.Noun)]
		if made == "" || len(records) == 0 || !slices.Contains(part.Owner, e.Noun) {
			continue
		}
		s.follow(part, "SELECT HEX(p.id) FROM "+ident(string(part.Noun))+" p LEFT JOIN "+ident(made)+" m ON m.id=p.id WHERE p."+ident(string(e.Noun)+"_id")+" IN ("+hexList(records)+") AND m.id IS NULL")
	}
}

// follow takes over the rows that a query finds, with what they need.
func (s *enteredSince) follow(e *model.Entity, find string) {
	for ids := range slices.Chunk(s.list(find), enteredRows) {
		if there := s.insert(e, ids); len(there) > 0 {
			s.bringAlong(e, there, there)
		}
	}
}

// noteRemoved notes the rows that the tables which come back do not have as
// removed, but for those that somebody touched: these are offered.
func (s *enteredSince) noteRemoved(e *model.Entity) {
	have := s.columnsOf(e)
	var pieces []string
	for _, c := range audited(e) {
		if slices.Contains(have, c.Name) {
			n := "e." + ident(c.Name)
			pieces = append(pieces, fmt.Sprintf("IF(%s IS NULL, NULL, CONCAT('\"%s\":', JSON_ARRAY(%s, NULL)))", n, c.Name, jsonOf(c, n)))
		}
	}
	table := string(e.Noun)
	s.run(fmt.Sprintf("INSERT INTO %[1]s (at,person,client,tbl,pk,action,changes) SELECT UTC_TIMESTAMP(3),%[2]s,NULL,%[3]s,e.id,'delete',CONCAT('{',CONCAT_WS(',',%[4]s),'}') FROM %[5]s e LEFT JOIN %[6]s m ON m.id=e.id"+
		" WHERE m.id IS NULL AND NOT EXISTS (SELECT 1 FROM sync_audit a WHERE a.tbl=%[3]s AND a.pk=e.id AND a.seq>=%[7]d AND a.action<>'delete')",
		ident(s.history), personSQL, quote(table), strings.Join(pieces, ","), ident(table), ident(s.tables[table]), s.from))
}
