package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// Migrate brings a central that an earlier version made up to this program's
// declaration, and returns what it did and what it left, a line each. It adds
// tables, columns, indexes, references and rules, widens columns, and renews
// the triggers. It never narrows a column, never drops one, and never puts a
// value where none was: what would need that it leaves and says so. A central
// of a later version is refused with TooNew and not touched.
func Migrate(ctx context.Context, url string) ([]string, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.close()
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	b.useDatabase()
	if b.err == nil && !slices.Contains(b.tables(), metaTable) {
		return nil, mapError("migrate", &mysql.MySQLError{Number: erNoTable})
	}
	b.refuseLater()
	b.finishRestore(url)
	// A statement that waits for a table holds up everybody who comes after it.
	b.run("SET SESSION lock_wait_timeout = 30")
	b.serviceTables()
	b.missingServiceColumns()
	if b.err != nil {
		return b.done, b.err
	}
	guard, err := alone(ctx, s)
	if err != nil {
		return b.done, err
	}
	defer guard.release()
	b.entityTables()
	b.alterTables()
	b.procedures()
	b.triggers()
	b.accessRows()
	b.scopes()
	if had := b.list("SELECT columns_hash FROM sync_meta"); len(had) > 0 && (len(b.done) > 0 || !sameColumns(had[0])) {
		b.run("UPDATE sync_meta SET columns_hash = " + quote(nextFingerprint(had[0])))
	}
	b.run(fmt.Sprintf("UPDATE sync_meta SET schema_version = %d, min_client = GREATEST(min_client, %d)", model.SchemaVersion, model.OldestClient))
	if b.err == nil && len(b.done) == 0 {
		b.say("everything was there already")
	}
	return b.done, b.err
}

func (b *builder) useDatabase() {
	if b.err == nil {
		b.err = mapError("open the database", b.exec(b.ctx, "USE "+ident(b.database)))
	}
}

var triggerColumn = regexp.MustCompile("(?:OLD|NEW)\\.`([^`]+)`")

// refuseLater stops where a later version of this program made the central: its
// triggers would be replaced by ones that know less.
func (b *builder) refuseLater() {
	later := func(why string) {
		b.err = model.Errorf(model.TooNew, "the central was made by a newer Rapport: %s", why).
			WithHint("upgrade this program, then run it again; nothing was changed")
	}
	if b.err != nil {
		return
	}
	text, err := b.text(b.ctx, "SELECT schema_version FROM sync_meta")
	if b.err = b.explain(err); b.err != nil {
		return
	}
	version, _ := strconv.ParseInt(text, 10, 64)
	if version > model.SchemaVersion {
		later(fmt.Sprintf("its tables are of version %d, this program knows version %d", version, model.SchemaVersion))
	}
	if version != model.SchemaVersion {
		return
	}
	err = b.query(b.ctx, "SELECT event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()", func(_ int, v []driver.Value) error {
		e := model.EntityOf(model.Noun(asText(v[0])))
		if e == nil || !strings.Contains(asText(v[1]), "/* rapport ") {
			return nil
		}
		for _, m := range triggerColumn.FindAllStringSubmatch(asText(v[1]), -1) {
			if at, _ := e.Column(m[1]); at < 0 && b.err == nil {
				later(fmt.Sprintf("it knows the column %s of %s", m[1], e.Noun))
			}
		}
		return nil
	})
	if err != nil {
		b.err = b.explain(err)
	}
}

// present is a column as the server has it.
type present struct {
	kind, charset string // "varchar(255)", "utf8mb4"
	null          bool
}

// shape is what the server's tables consist of.
type shape struct {
	columns map[model.Noun]map[string]present
	indexes map[string]string // columns with the lengths of their beginnings, by name
	rules   map[string]string // check clauses and references, by name
}

// inPlace is a condition on tables that none has taken the place of: those that
// were replaced have indexes and rules of the same names.
const inPlace = `table_name NOT LIKE '%\_replaced\_%'`

func (b *builder) shape() shape {
	s := shape{map[model.Noun]map[string]present{}, map[string]string{}, map[string]string{}}
	if b.err != nil {
		return s
	}
	q := `SELECT table_name, column_name, column_type, COALESCE(character_set_name, ''), is_nullable FROM information_schema.columns WHERE table_schema = DATABASE();
SELECT index_name, GROUP_CONCAT(CONCAT(column_name, COALESCE(CONCAT('(', sub_part, ')'), '')) ORDER BY seq_in_index) FROM information_schema.statistics WHERE table_schema = DATABASE() AND ` + inPlace + ` GROUP BY table_name, index_name;
SELECT constraint_name, '' FROM information_schema.table_constraints WHERE table_schema = DATABASE() AND ` + inPlace + `;
SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()`
	err := b.query(b.ctx, q, func(set int, v []driver.Value) error {
		switch set {
		case 0:
			n := model.Noun(asText(v[0]))
			if s.columns[n] == nil {
				s.columns[n] = map[string]present{}
			}
			s.columns[n][asText(v[1])] = present{asText(v[2]), asText(v[3]), asText(v[4]) == "YES"}
		case 1:
			s.indexes[asText(v[0])] = asText(v[1])
		default:
			s.rules[asText(v[0])] = asText(v[1])
		}
		return nil
	})
	b.err = b.explain(err)
	return s
}

// alterTables makes of each table what the declaration says, in one statement
// for its columns and indexes and one for each rule.
func (b *builder) alterTables() {
	s := b.shape()
	for _, e := range model.Entities() {
		if b.err != nil {
			return
		}
		b.alterColumns(e, s)
		b.addRules(e, s)
	}
}

func (b *builder) alterColumns(e *model.Entity, s shape) {
	var alter, done []string
	for _, c := range e.Columns() {
		have, there := s.columns[e.Noun][c.Name]
		if !there {
			alter = append(alter, "ADD COLUMN "+columnDef(b.dialect, e, c))
			done = append(done, fmt.Sprintf("added %s.%s", e.Noun, c.Name))
			continue
		}
		what := b.change(e, c, have)
		if len(what) > 0 {
			alter = append(alter, "MODIFY COLUMN "+columnDef(b.dialect, e, c))
			done = append(done, fmt.Sprintf("%s.%s %s", e.Noun, c.Name, strings.Join(what, " and ")))
		}
	}
	for _, ix := range indexes(e) {
		parts := keyParts(e, ix.columns)
		have, there := s.indexes[ix.name]
		switch {
		case !there:
			alter = append(alter, "ADD KEY "+ident(ix.name)+" ("+parts+")")
			done = append(done, fmt.Sprintf("added the index %s", ix.name))
		case have != strings.NewReplacer("`", "", ", ", ",").Replace(parts):
			alter = append(alter, "DROP KEY "+ident(ix.name), "ADD KEY "+ident(ix.name)+" ("+parts+")")
			done = append(done, fmt.Sprintf("made the index %s anew", ix.name))
		}
	}
	if len(alter) == 0 {
		return
	}
	b.run("ALTER TABLE " + ident(string(e.Noun)) + " " + strings.Join(alter, ", "))
	if b.err == nil {
		b.done = append(b.done, done...)
	}
}

// change returns what must change of a column and can without harm, in words.
// What cannot it says.
func (b *builder) change(e *model.Entity, c model.Column, have present) []string {
	var what []string
	want := strings.ToLower(columnType(c))
	switch fit(have.kind, want) {
	case narrower:
		what = append(what, "is "+want+" now, it was "+have.kind)
	case other:
		b.say("left %s.%s as it is: it is %s, this program declares %s; the administrator decides", e.Noun, c.Name, have.kind, want)
		return nil
	case wider:
		if have.null == !required(e, c) || have.null {
			return nil // an administrator made more room: that stays
		}
		b.say("left %s.%s as it is: it must hold something there, this program allows nothing; run ALTER TABLE %s MODIFY %s %s NULL", e.Noun, c.Name, ident(string(e.Noun)), ident(c.Name), have.kind)
		return nil
	}
	if have.charset != "" && have.charset != "utf8mb4" {
		what = append(what, "takes every character now, it was "+have.charset)
	}
	switch must := required(e, c); {
	case !must && !have.null:
		what = append(what, "may be empty now")
	case must && have.null && c.Name != model.ColumnID:
		empty, err := b.text(b.ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s IS NULL", ident(string(e.Noun)), ident(c.Name)))
		if b.err = b.explain(err); b.err != nil {
			return nil
		}
		if empty != "0" {
			b.say("left %s.%s as it is: %s rows hold nothing there, and this program needs something; fill them, then migrate again", e.Noun, c.Name, empty)
			return nil
		}
		what = append(what, "must hold something now")
	}
	return what
}

// fitting says how a column's type stands to the declared one.
type fitting int

const (
	same     fitting = iota
	narrower         // every value fits into the declared type
	wider            // every value of the declared type fits
	other
)

var (
	typeParts  = regexp.MustCompile(`^([a-z]+)(?:\((\d+)(?:,(\d+))?\))?( unsigned)?$`)
	textRanks  = map[string]int{"tinytext": 255, "text": 65535, "mediumtext": 1<<24 - 1, "longtext": 1<<32 - 1}
	wholeRanks = map[string]int{"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
)

// fit compares a server's type with the declared one.
func fit(have, want string) fitting {
	h, w := typeParts.FindStringSubmatch(have), typeParts.FindStringSubmatch(want)
	if h == nil || w == nil {
		return other
	}
	num := func(s string) int { n, _ := strconv.Atoi(s); return n }
	unsigned := h[4] != ""
	compare := func(a, b int) fitting {
		switch {
		case a < b:
			return narrower
		case a > b:
			return wider
		}
		return same
	}
	width := func(m []string) int {
		if n, ok := textRanks[m[1]]; ok {
			return n
		}
		return num(m[2])
	}
	isText := func(kind string) bool { return kind == "varchar" || kind == "char" || textRanks[kind] > 0 }
	switch {
	case isText(h[1]) && isText(w[1]):
		if f := compare(width(h), width(w)); f != same || h[1] == w[1] {
			return f
		}
		return narrower
	case wholeRanks[h[1]] > 0 && wholeRanks[w[1]] > 0:
		f := compare(wholeRanks[h[1]], wholeRanks[w[1]])
		if unsigned && f != narrower {
			return other
		}
		return f
	case h[1] != w[1]:
		return other
	case h[1] == "datetime":
		return compare(num(h[2]), num(w[2]))
	case h[1] == "decimal":
		whole, fraction := compare(num(h[2])-num(h[3]), num(w[2])-num(w[3])), compare(num(h[3]), num(w[3]))
		if whole == fraction || fraction == same {
			return whole
		}
		if whole == same {
			return fraction
		}
		return other
	}
	if f := compare(num(h[2]), num(w[2])); f == same {
		return same
	}
	return other
}

// addRules adds the references and checks that a table lacks, where its rows
// keep to them.
func (b *builder) addRules(e *model.Entity, s shape) {
	if !b.dialect.rules() {
		return
	}
	table := ident(string(e.Noun))
	for _, c := range e.Columns() {
		name := string(e.Noun) + "_" + c.Name
		if _, there := s.rules[name]; c.Ref == "" || there {
			continue
		}
		b.addRule(e, name, foreignKey(e, c), fmt.Sprintf("SELECT COUNT(*) FROM %s AS t LEFT JOIN %s AS r ON r.id = t.%s WHERE t.%s IS NOT NULL AND r.id IS NULL",
			table, ident(string(c.Ref)), ident(c.Name), ident(c.Name)))
	}
	for _, ck := range checks(e) {
		have, there := s.rules[ck.name]
		if there && plain(have) == plain(ck.clause) {
			continue
		}
		if there {
			b.run("ALTER TABLE " + table + " DROP CONSTRAINT " + ident(ck.name))
		}
		b.addRule(e, ck.name, ck.def(), "SELECT COUNT(*) FROM "+table+" WHERE NOT "+ck.clause)
	}
}

func (b *builder) addRule(e *model.Entity, name, def, broken string) {
	if b.err != nil {
		return
	}
	n, err := b.text(b.ctx, broken)
	if b.err = b.explain(err); b.err != nil {
		return
	}
	if n != "0" {
		b.say("left the rule %s out: %s rows of %s break it; mend them, then migrate again", name, n, e.Noun)
		return
	}
	b.run("ALTER TABLE " + ident(string(e.Noun)) + " ADD " + def)
	if b.err == nil {
		b.say("added the rule %s", name)
	}
}

// plain takes out of a clause what servers write in ways of their own.
func plain(clause string) string {
	return strings.NewReplacer("`", "", "(", "", ")", "", " ", "").Replace(strings.ToLower(clause))
}
