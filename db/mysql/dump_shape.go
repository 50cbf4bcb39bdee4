package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// tableShape is a table as a server has it.
type tableShape struct {
	name    string
	loose   bool // kept outside of transactions
	rows    int64
	columns []columnShape // but for those that the server computes
	key     []string
	owners  []string // tables that it refers to
	follows bool     // a reference of it changes rows without their triggers
}

// columnShape is a column that somebody fills.
type columnShape struct {
	name, kind, full string // "int", "int(10) unsigned"
}

// binaryTypes are the types whose values are bytes; numberTypes those whose
// values are written without quotes, wholeTypes those of them that have no
// fraction.
var (
	binaryTypes = []string{"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
	numberTypes = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year"}
	wholeTypes  = []string{"tinyint", "smallint", "mediumint", "int", "bigint", "year"}
)

// read is the expression that reads a column exactly: a number of four bytes is
// written with six digits where nobody asks for more.
func (c columnShape) read() string {
	switch c.kind {
	case "float", "double":
		return "CAST(" + ident(c.name) + "+0E0 AS CHAR)"
	}
	return ident(c.name)
}

// archived is the type of the column in a dump. What does not fit into 64 bits
// with a sign is a text.
func (c columnShape) archived() string {
	switch {
	case c.full == "binary(16)":
		return "id"
	case slices.Contains(binaryTypes, c.kind):
		return "blob"
	case slices.Contains(wholeTypes, c.kind) && !(c.kind == "bigint" && strings.Contains(c.full, "unsigned")):
		return "int"
	}
	return "text"
}

// ordered tells whether the server orders the column's values by their bytes or
// as numbers, as a dump does.
func (c columnShape) ordered() bool {
	switch c.archived() {
	case "id", "int":
		return true
	case "blob":
		return c.kind == "binary" || c.kind == "varbinary"
	}
	return false
}

// shapesSQL asks for the tables of a database, its columns, keys and references.
func shapesSQL(database string) string {
	in := "=" + quote(database)
	return "SELECT table_name,engine,COALESCE(table_rows,0),table_type FROM information_schema.tables WHERE table_schema" + in + " AND table_type<>'VIEW' ORDER BY table_name;" +
		"SELECT table_name,column_name,LOWER(data_type),LOWER(column_type) FROM information_schema.columns WHERE table_schema" + in + " AND COALESCE(generation_expression,'')='' ORDER BY table_name,ordinal_position;" +
		"SELECT table_name,column_name FROM information_schema.statistics WHERE table_schema" + in + " AND index_name='PRIMARY' ORDER BY table_name,seq_in_index;" +
		"SELECT table_name,referenced_table_name,delete_rule,update_rule FROM information_schema.referential_constraints WHERE constraint_schema" + in
}

// shapes reads the tables of a database, by name, and what there is beside them
// that holds data.
func shapes(ctx context.Context, s *session, database string) (out []*tableShape, others []string, err error) {
	of := map[string]*tableShape{}
	err = s.query(ctx, shapesSQL(database), func(set int, v []driver.Value) error {
		name := asText(v[0])
		if set == 0 {
			switch kind := asText(v[3]); kind {
			case "BASE TABLE":
			case "SYSTEM VERSIONED":
				others = append(others, "the past of the versioned table "+name)
			default:
				others = append(others, "the "+strings.ToLower(kind)+" "+name)
				return nil
			}
			of[name] = &tableShape{name: name, rows: integer(v[2]), loose: !slices.Contains([]string{"innodb", "rocksdb", "tokudb", ""}, strings.ToLower(asText(v[1])))}
			out = append(out, of[name])
			return nil
		}
		t := of[name]
		switch {
		case t == nil: // a view has columns too
		case set == 1:
			t.columns = append(t.columns, columnShape{asText(v[1]), asText(v[2]), asText(v[3])})
		case set == 2:
			t.key = append(t.key, asText(v[1]))
		default:
			t.owners = append(t.owners, asText(v[1]))
			for _, rule := range v[2:] {
				t.follows = t.follows || !slices.Contains([]string{"RESTRICT", "NO ACTION"}, asText(rule))
			}
		}
		return nil
	})
	return out, others, mapError("read the tables", err)
}

// undumped tables hold what means nothing in a copy: what has no position yet,
// what clients are told, and who does what at this moment.
var undumped = []string{"sync_outbox", "sync_feed", "sync_push", "sync_move", "sync_stage", "sync_lease", "sync_heartbeat", "sync_restore", probeTable}

// replacedName is how a table is called that another one took the place of, what
// is kept with it, or that a restore loads.
var replacedName = regexp.MustCompile(`(_replaced_\d{8}(_\d+)?(` + ownSuffix + `)?|` + restoreSuffix + `)$`)

// dumped tells whether a table belongs to a backup. Report tables can be made
// from the others.
func dumped(name string) bool {
	if slices.Contains(undumped, name) || replacedName.MatchString(name) {
		return false
	}
	rest, report := strings.CutPrefix(name, reportPrefix)
	for _, mark := range []string{shadowSuffix, backSuffix} {
		rest = strings.TrimSuffix(rest, mark)
	}
	e := model.EntityOf(model.Noun(rest))
	declared := e != nil && string(e.Noun) == rest
	return !(report && (rest == "state" || declared) || name != rest && declared)
}

// autoIncrement is the part of a definition that changes with each row.
var autoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// describe reads what the moment is of, and which tables there are. It asks
// after the snapshot began: what is altered between the two shows when the table
// is read.
func (d *Dump) describe(ctx context.Context) error {
	fed := d.triggers.fed
	if err := d.head(ctx); err != nil {
		return err
	}
	all, others, err := shapes(ctx, d.control, d.control.address.Database)
	if err != nil {
		return err
	}
	for _, o := range others {
		d.unread = append(d.unread, o+" is not in the backup")
	}
	shapes := slices.Clone(all)
	all = inOrder(slices.DeleteFunc(all, func(t *tableShape) bool { return !dumped(t.name) }))
	empty, err := d.leaveEmpty(ctx, all, fed)
	if err != nil {
		return err
	}
	var q []string
	for _, t := range all {
		dt := t.table(fed[t.name])
		dt.Empty = empty[t.name]
		// Sessions of one timestamp see all alike; one session is alone.
		dt.Alike = d.info.Method != methodSame || dt.Followed && !slices.Contains(appended, t.name)
		d.tables = append(d.tables, dt)
		q = append(q, "SHOW CREATE TABLE "+ident(t.name))
	}
	err = d.control.query(ctx, strings.Join(q, ";"), func(set int, v []driver.Value) error {
		d.tables[set].Definition = autoIncrement.ReplaceAllString(asText(v[1]), "")
		return nil
	})
	if err == nil && d.from.Copies {
		return d.useCopies(ctx, shapes)
	}
	return d.reading("the definitions", err)
}

// head reads where the central is at the moment of the snapshot.
func (d *Dump) head(ctx context.Context) error {
	q := d.freely("SELECT m.epoch,c.seq,m.min_seq,m.schema_version,m.columns_hash,c.run_id,LOWER(HEX(r.nonce)),(SELECT COALESCE(MAX(seq),0) FROM sync_audit),UTC_TIMESTAMP(3)" +
		" FROM sync_meta m JOIN sync_counter c ON c.id=m.id LEFT JOIN sync_run r ON r.run_id=c.run_id WHERE m.id=1")
	found := false
	err := d.readers[0].query(ctx, q, func(_ int, v []driver.Value) error {
		found = true
		i := &d.info
		i.Epoch, i.Position, i.MinSeq, i.SchemaVersion, i.ColumnsHash = asText(v[0]), integer(v[1]), integer(v[2]), integer(v[3]), asText(v[4])
		ms, _ := parseMillis([]byte(asText(v[8])))
		i.At = time.UnixMilli(ms).UTC()
		i.Mark = DumpMark{Position: i.Position, Run: fmt.Sprintf("%s.%s", asText(v[5]), asText(v[6])), History: integer(v[7]), At: i.At}
		return nil
	})
	if err == nil && !found {
		return model.Errorf(model.NoCentral, "the central database is not set up").WithHint("run `rapport central init` first")
	}
	if err == nil && d.leads() {
		// Backups of one central are dated by one clock.
		now := ""
		if now, err = d.primary.text(ctx, "SELECT UTC_TIMESTAMP(3)"); err == nil {
			ms, _ := parseMillis([]byte(now))
			d.info.At = time.UnixMilli(ms).UTC()
			d.info.Mark.At = d.info.At
		}
	}
	return d.reading(metaTable, err)
}

// dumpTriggers are the triggers of a database. A server reads each of them to
// tell their names, so that it is asked once.
type dumpTriggers struct {
	names []string
	fed   map[string]bool // tables of which every change goes into the feed
}

func readTriggers(ctx context.Context, s *session) (dumpTriggers, error) {
	out := dumpTriggers{fed: map[string]bool{}}
	if !s.dialect.triggers() {
		return out, nil
	}
	noted := map[[2]string]bool{} // tables, and what is done to their rows
	err := s.query(ctx, "SELECT trigger_name,event_object_table,event_manipulation,action_timing='AFTER' AND action_statement LIKE '%INSERT INTO sync_outbox%' FROM information_schema.triggers WHERE trigger_schema=DATABASE() ORDER BY 1", func(_ int, v []driver.Value) error {
		out.names = append(out.names, asText(v[0]))
		if table := asText(v[1]); asText(v[3]) == "1" {
			noted[[2]string{table, asText(v[2])}] = true
			out.fed[table] = noted[[2]string{table, "INSERT"}] && noted[[2]string{table, "UPDATE"}] && noted[[2]string{table, "DELETE"}]
		}
		return nil
	})
	return out, mapError("look for the triggers", err)
}

// leaveEmpty takes away the tables without a row and returns them: one may have
// been emptied without a trace, and it costs nothing to be held whole.
func (d *Dump) leaveEmpty(ctx context.Context, all []*tableShape, fed map[string]bool) (empty map[string]bool, err error) {
	empty = map[string]bool{}
	var any []string
	for _, t := range all {
		if fed[t.name] {
			any = append(any, "SELECT "+quote(t.name)+",EXISTS (SELECT 1 FROM "+ident(t.name)+")")
		}
	}
	if len(any) == 0 {
		return empty, nil
	}
	err = d.readers[0].query(ctx, d.freely(strings.Join(any, " UNION ALL ")), func(_ int, v []driver.Value) error {
		name := asText(v[0])
		fed[name] = asText(v[1]) == "1"
		empty[name] = !fed[name]
		return nil
	})
	return empty, d.reading("the tables", err)
}

// inOrder puts owners before what refers to them: the declared tables first, in
// the order of their declaration, then those of the sync, then an
// administrator's own.
func inOrder(all []*tableShape) []*tableShape {
	rank := func(t *tableShape) int {
		for i, e := range model.Entities() {
			if string(e.Noun) == t.name {
				return i
			}
		}
		if strings.HasPrefix(t.name, "sync_") {
			return len(model.Entities())
		}
		return len(model.Entities()) + 1
	}
	slices.SortStableFunc(all, func(a, b *tableShape) int { return rank(a) - rank(b) })
	of := map[string]*tableShape{}
	for _, t := range all {
		of[t.name] = t
	}
	var out []*tableShape
	seen := map[*tableShape]bool{}
	var put func(t *tableShape)
	put = func(t *tableShape) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true // before its owners: references may go round
		for _, owner := range t.owners {
			put(of[owner])
		}
		out = append(out, t)
	}
	for _, t := range all {
		put(t)
	}
	return out
}

// appended are tables of the sync to which rows are only ever added.
var appended = []string{"sync_audit", "sync_run"}

// table is the shape as a dump has it.
func (t *tableShape) table(fed bool) DumpTable {
	out := DumpTable{Name: t.name, Key: t.key, Loose: t.loose, keyed: len(t.key) > 0, rows: t.rows}
	of := map[string]columnShape{}
	for _, c := range t.columns {
		of[c.name] = c
		out.Columns, out.Types = append(out.Columns, c.name), append(out.Types, c.archived())
		out.selects, out.kinds = append(out.selects, c.read()), append(out.kinds, c.kind)
	}
	if !out.keyed {
		out.Key = out.Columns
	}
	out.Ordered = out.keyed
	for _, k := range t.key {
		c, filled := of[k]
		out.Ordered = out.Ordered && filled && c.ordered()
	}
	out.Followed = out.Ordered && (slices.Contains(appended, t.name) || fed && t.declared() && !t.follows && !t.loose && slices.Equal(t.key, []string{model.ColumnID}) && of[model.ColumnID].archived() == "id")
	return out
}

// declared tells whether every column is a declared one: a change of any other
// the triggers do not note.
func (t *tableShape) declared() bool {
	e := model.EntityOf(model.Noun(t.name))
	return e != nil && !slices.ContainsFunc(t.columns, func(c columnShape) bool {
		return !slices.ContainsFunc(e.Columns(), func(own model.Column) bool { return own.Name == c.name })
	})
}
