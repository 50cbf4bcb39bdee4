package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rapport/model"
)

// Columns that an administrator added to a table are not declared, and no trigger
// notes what is written to them. So a restore keeps what it brought in them, beside
// the former table: what is something else when the restore is undone was written
// since, and stays.

// ownSuffix ends the name of the table with what a restore brought in the own
// columns of another one.
const ownSuffix = "_own"

// brought is the name of that table.
func (x exchanged) brought() string { return x.Former + ownSuffix }

// records returns the declaration of a table that takes another one's place, nil
// where it has none.
func (x exchanged) records() *model.Entity {
	e := model.EntityOf(model.Noun(x.Table))
	if e == nil || string(e.Noun) != x.Table || x.Passing || x.Former == "" {
		return nil
	}
	return e
}

// ownColumn is an administrator's column of a table.
type ownColumn struct {
	columnShape
	added bool   // the table that comes back was given it
	base  string // what a restore brought in it: b is a row as it was then, n as it is now
}

// The kinds of columns whose values are compared as they are, but for numbers.
var timeTypes = []string{"date", "time", "datetime", "timestamp"}

// exactly writes a value of the column so that no two are equal, whatever the
// column's collation.
func (c columnShape) exactly(value string) string {
	switch {
	case slices.Contains(binaryTypes, c.kind):
		return "HEX(" + value + ")"
	case slices.Contains(numberTypes, c.kind), slices.Contains(timeTypes, c.kind):
		return value
	}
	return "CAST(CONVERT(" + value + " USING utf8mb4) AS BINARY)"
}

// stored is a type that holds every value of the column.
func (c columnShape) stored() string {
	if slices.Contains(binaryTypes, c.kind) || slices.Contains(numberTypes, c.kind) || slices.Contains(timeTypes, c.kind) {
		return c.full
	}
	return "LONGTEXT CHARACTER SET utf8mb4"
}

// differs is a condition that compares the column in the row n with something.
func (c columnShape) differs(from string) string {
	return "NOT (" + c.exactly("n."+ident(c.name)) + "<=>" + c.exactly(from) + ")"
}

// told writes a value for a line of the history.
func (c columnShape) told(side string) string {
	n := side + "." + ident(c.name)
	if slices.Contains(binaryTypes, c.kind) {
		return "CONCAT('0x',HEX(" + n + "))"
	}
	if r := c.read(); r != ident(c.name) {
		return strings.Replace(r, ident(c.name), n, 1)
	}
	return "CONVERT(" + n + " USING utf8mb4)"
}

// written is a condition on a row n: somebody wrote to the column since.
func (c ownColumn) written() string { return c.differs(c.base) }

// news is a condition on a row n that both sides have: its value is to be taken.
func (c ownColumn) news() string {
	other := c.differs("m." + ident(c.name))
	if c.added {
		return other
	}
	return c.written() + " AND " + other
}

// lost is a condition on the same row: a value of the side m gives way.
func (c ownColumn) lost() string {
	if c.added {
		return "FALSE"
	}
	m := "m." + ident(c.name)
	return m + " IS NOT NULL AND NOT (" + c.exactly(m) + "<=>" + c.exactly(c.base) + ")"
}

// tableShapes reads the tables of the database, by name.
func (b *builder) tableShapes() map[string]*tableShape {
	out := map[string]*tableShape{}
	if b.err != nil {
		return out
	}
	all, _, err := shapes(b.ctx, b.session, b.database)
	b.err = err
	for _, t := range all {
		out[t.name] = t
	}
	return out
}

// ownOf lists the columns of a table that are not declared.
func (t *tableShape) ownOf(e *model.Entity) []columnShape {
	if t == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(t.columns), func(c columnShape) bool {
		at, _ := e.Column(c.name)
		return at >= 0
	})
}

// keepBrought keeps what a restore brings in own columns.
func (r *restorer) keepBrought() {
	of := r.tableShapes()
	for _, x := range r.entry.Tables {
		e := x.records()
		if e == nil || r.err != nil {
			continue
		}
		columns, names := "", []string{model.ColumnID}
		for _, c := range of[x.Made].ownOf(e) {
			columns += ", " + ident(c.name) + " " + c.stored() + " NULL"
			names = append(names, c.name)
		}
		if columns == "" {
			continue
		}
		r.stillAlone()
		table := ident(x.brought())
		r.persist(func() { r.run("DROP TABLE IF EXISTS " + table) })
		r.persist(func() {
			r.run("CREATE TABLE IF NOT EXISTS " + table + " (id BINARY(16) NOT NULL PRIMARY KEY" + columns + ")" + tableOptions + quote("What a restore brought in columns of "+x.Table+" that Rapport does not know"))
		})
		r.atOnce("INSERT INTO " + table + " (" + idents(names) + ") SELECT " + idents(names) + " FROM " + ident(x.Made))
	}
}

// constantDefault is a default that is the same for every row, in the definition of
// a column; noDefault is one that is nothing.
var (
	constantDefault = regexp.MustCompile(`(?i) DEFAULT ('|[-+]?\d|b'|x'|_|true|false)`)
	noDefault       = regexp.MustCompile(`(?i) DEFAULT NULL\b`)
)

// initialOf is what a new row n has in a column. What a server makes up for each
// row nobody wrote.
func initialOf(line, name string) string {
	n := "n." + ident(name)
	line, _, _ = strings.Cut(line, " COMMENT '")
	switch {
	case constantDefault.MatchString(line):
		return "DEFAULT(" + n + ")"
	case noDefault.MatchString(line):
		return "NULL"
	case strings.Contains(strings.ToUpper(line), " DEFAULT "), strings.Contains(line, " AUTO_INCREMENT"):
		return n
	}
	return "NULL"
}

// ownColumns lists the own columns that a table and the one that comes back in its
// place have, and tells whether it is known what a restore brought in them.
func (b *builder) ownColumns(x exchanged, e *model.Entity, of map[string]*tableShape) (out []ownColumn, known bool) {
	own, then, kept := of[x.Table].ownOf(e), of[x.Made].ownOf(e), of[x.Made+ownSuffix]
	if len(own) == 0 || b.err != nil {
		return nil, true
	}
	known = true
	now := b.shown(x.Table)
	for _, c := range own {
		o := ownColumn{columnShape: c}
		same := func(other columnShape) bool { return other.name == c.name }
		if !slices.ContainsFunc(then, same) {
			continue // it could not be added
		}
		o.added = slices.Contains(x.Added, c.name)
		o.base = initialOf(now.line(c.name), c.name)
		switch {
		case kept != nil && slices.ContainsFunc(kept.columns, same):
			o.base = "IF(b.id IS NULL," + o.base + ",b." + ident(c.name) + ")"
		case kept == nil && !o.added:
			known = false
			continue
		}
		out = append(out, o)
	}
	return out, known
}

// line is the line of a column, "" where there is none.
func (d definition) line(column string) string {
	for _, l := range d.lines {
		if m := lineName.FindStringSubmatch(l); m != nil && unquoted(m[1]) == column {
			return l
		}
	}
	return ""
}

// columnsSince lists the columns that were added to a table since, and those that
// are gone since.
func columnsSince(now, then []string) (added, gone []string) {
	for _, c := range now {
		if !slices.Contains(then, c) {
			added = append(added, c)
		}
	}
	for _, c := range then {
		if !slices.Contains(now, c) {
			gone = append(gone, c)
		}
	}
	return added, gone
}

// names lists the columns that somebody fills.
func (t *tableShape) names() (out []string) {
	for _, c := range t.columns {
		out = append(out, c.name)
	}
	return out
}

// columnBack is said of a column that is in the table only that comes back.
const columnBack = "%s.%s comes back, which is gone since"

// takeColumns adds the columns that a table has now to the one that comes back, and
// makes those wider that are wider now. What cannot be added is told and stays in
// the table that goes.
func (r *restorer) takeColumns() {
	of := r.tableShapes()
	for i := range r.entry.Tables {
		x := &r.entry.Tables[i]
		if x.records() == nil || r.err != nil {
			continue
		}
		now, then := r.shown(x.Table), r.shown(x.Made)
		added, gone := columnsSince(now.columns(), then.columns())
		for _, c := range gone {
			r.say(columnBack, x.Table, c)
		}
		for _, c := range added {
			x.Added = append(x.Added, c)
			r.savePlan()
			r.alterBack(*x, "ADD COLUMN "+strings.Replace(now.line(c), " AUTO_INCREMENT", "", 1), fmt.Sprintf("%s.%s, which is new since, could not be added", x.Table, c))
		}
		for _, c := range of[x.Made].columns {
			at := slices.IndexFunc(of[x.Table].columns, func(n columnShape) bool { return n.name == c.name })
			if at >= 0 && fit(c.full, of[x.Table].columns[at].full) == narrower {
				r.alterBack(*x, "MODIFY COLUMN "+now.line(c.name), fmt.Sprintf("%s.%s, which is wider since, could not be made so", x.Table, c.name))
			}
		}
	}
}

// alterBack alters a table that comes back, or tells why not.
func (r *restorer) alterBack(x exchanged, alter, otherwise string) {
	r.persist(func() { r.run("ALTER TABLE " + ident(x.Made) + " " + alter) })
	if number(r.err) != 0 && r.ctx.Err() == nil {
		r.say("%s: its values lie in %s", otherwise, x.Former)
		r.err = nil
	}
}

// fromOwn joins what a restore brought to the rows of a table as they are now.
func fromOwn(x exchanged, of map[string]*tableShape) string {
	from := ident(x.Table) + " n"
	if of[x.Made+ownSuffix] == nil {
		return from
	}
	return from + " LEFT JOIN " + ident(x.Made+ownSuffix) + " b ON b.id=n.id"
}

// ownOnly finds the rows that do not come back, of which somebody wrote to an own
// column since.
func (s *enteredSince) ownOnly(x exchanged, columns []ownColumn) []string {
	var written []string
	for _, c := range columns {
		written = append(written, c.written())
	}
	if len(written) == 0 {
		return nil
	}
	return s.list("SELECT HEX(n.id) FROM " + fromOwn(x, s.shapes) + " LEFT JOIN " + ident(x.Made) + " m ON m.id=n.id WHERE m.id IS NULL AND (" + strings.Join(written, " OR ") + ")")
}

// keepOwn brings what was written to own columns since into the rows that come
// back. A value that gives way is in the history.
func (s *enteredSince) keepOwn(x exchanged, columns []ownColumn) {
	from := fromOwn(x, s.shapes) + " JOIN " + ident(x.Made) + " m ON m.id=n.id"
	for _, c := range columns {
		where := " WHERE " + c.news()
		ids := s.list("SELECT HEX(n.id) FROM " + from + where)
		if s.err != nil || len(ids) == 0 {
			continue
		}
		s.remember(x.Table, "SELECT n.id FROM "+from+where)
		take := func(and string) {
			s.atOnce(fmt.Sprintf("INSERT INTO %s (at,person,client,tbl,pk,action,changes) SELECT UTC_TIMESTAMP(3),%s,NULL,%s,n.id,'update',CONCAT('{',JSON_QUOTE(%s),':',JSON_ARRAY(%s,%s),'}') FROM %s%s%s AND %s",
				ident(s.history), personSQL, quote(x.Table), quote(c.name), c.told("m"), c.told("n"), from, where, and, c.lost()),
				"UPDATE "+from+" SET m."+ident(c.name)+"=n."+ident(c.name)+where+and)
		}
		if take(""); refused(s.err) {
			// One of them does not fit, or meets an index of an administrator.
			for _, id := range ids {
				if refused(s.err) {
					s.err = nil
				}
				take(" AND n.id=X'" + id + "'")
			}
			if refused(s.err) {
				s.err = nil
			}
		}
		left := s.list("SELECT HEX(n.id) FROM " + from + where)
		s.values += len(ids) - len(left)
		if len(left) > 0 {
			s.say("%d values of %s.%s do not fit into the column that comes back: they lie in %s", len(left), x.Table, c.name, x.Former)
		}
	}
}

// refused tells whether a server will not have a value.
func refused(err error) bool {
	switch number(err) {
	case erDupEntry, erNullColumn, erOutOfRange, erTruncatedValue, erWrongValue, erIncorrectString, erTooLong, erTooLongToHandle, erBadReference, erCheckMySQL, erCheckMariaDB:
		return true
	}
	return false
}
