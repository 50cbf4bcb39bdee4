package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// ident quotes an identifier. Identifiers come from the declaration only.
func ident(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

// tableOptions are those of every table. The collation is for people who ask
// questions; everything that Rapport compares it compares byte by byte.
const tableOptions = " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT="

// serviceTable is a table that holds no records of people.
type serviceTable struct{ name, body, comment string }

// serviceTables are the tables of the sync itself, in the order in which they
// are made. The first one marks a database as Rapport's.
var serviceTables = slices.Concat([]serviceTable{
	{metaTable, `
  id TINYINT NOT NULL PRIMARY KEY COMMENT 'always 1',
  epoch CHAR(36) CHARACTER SET ascii NOT NULL COMMENT 'identity of this central; a restore makes a new one',
  parent_epoch CHAR(36) CHARACTER SET ascii NULL COMMENT 'the identity it was restored from',
  fork_seq BIGINT NULL COMMENT 'feed position at which it left its parent',
  writer_term BIGINT NOT NULL DEFAULT 1 COMMENT 'rises when another server becomes the primary',
  schema_version BIGINT NOT NULL COMMENT 'version of the declaration the tables were made from',
  min_client BIGINT NOT NULL DEFAULT 1 COMMENT 'oldest version of a client that may sync',
  min_seq BIGINT NOT NULL DEFAULT 0 COMMENT 'oldest feed position that can still be followed',
  columns_hash CHAR(16) CHARACTER SET ascii NOT NULL COMMENT 'fingerprint of the synced columns'`,
		"One row: the identity of this central and what it understands."},
	{"sync_counter", `
  id TINYINT NOT NULL PRIMARY KEY COMMENT 'always 1',
  seq BIGINT NOT NULL COMMENT 'position of the newest feed entry',
  run_id BIGINT NOT NULL COMMENT 'newest run of the sequencer',
  tick BIGINT NOT NULL COMMENT 'raise it to run the sequencer: UPDATE sync_counter SET tick = tick + 1'`,
		"One row: the head of the feed. Changing tick gives positions to up to 2000 committed changes."},
	{"sync_outbox", `
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'no order is meant by it',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table of the row that changed',
  pk BINARY(16) NOT NULL COMMENT 'its id',
  op TINYINT NOT NULL COMMENT '1 inserted or updated, 3 deleted',
  scope_old BINARY(16) NULL COMMENT 'who saw it before; NULL if it is new',
  scope_new BINARY(16) NULL COMMENT 'who sees it now; NULL if it is gone',
  origin VARCHAR(36) CHARACTER SET ascii NULL COMMENT 'workspace that made the change, a hint',
  at DATETIME(6) NOT NULL COMMENT 'when, UTC'`,
		"Changes that are written but have no position in the feed yet; filled by triggers."},
	{"sync_feed", `
  seq BIGINT NOT NULL PRIMARY KEY COMMENT 'position, dense and in the order in which changes became visible',
  scope BINARY(16) NULL COMMENT 'who is told',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table of the row that changed',
  pk BINARY(16) NOT NULL COMMENT 'its id',
  op TINYINT NOT NULL COMMENT '1 inserted or updated, 3 deleted, 4 left this scope',
  origin VARCHAR(36) CHARACTER SET ascii NULL COMMENT 'workspace that made the change, a hint',
  oid BIGINT NOT NULL COMMENT 'the outbox row it came from',
  KEY feed_of_scope (scope, seq),
  KEY feed_of_row (tbl, pk, scope)`,
		"Every change in the order in which it became visible; clients follow it by position."},
	{"sync_run", `
  run_id BIGINT NOT NULL PRIMARY KEY COMMENT 'dense',
  last_seq BIGINT NOT NULL COMMENT 'newest feed position after the run',
  nonce BINARY(8) NOT NULL COMMENT 'random: tells a server that was restored',
  at DATETIME(3) NOT NULL COMMENT 'when, UTC'`,
		"One run of the sequencer. A client that knows a run this table does not have met another history."},
	{"sync_push", `
  client BINARY(16) NOT NULL COMMENT 'workspace',
  batch BIGINT NOT NULL COMMENT 'its batch number',
  nonce VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'tells two copies of one workspace apart',
  result LONGTEXT NULL COMMENT 'what became of each change',
  at DATETIME(3) NOT NULL COMMENT 'when, UTC',
  PRIMARY KEY (client, batch)`,
		"Receipts: a batch that is sent twice is applied once."},
	{"sync_client", `
  client BINARY(16) NOT NULL PRIMARY KEY COMMENT 'workspace',
  person VARCHAR(128) NOT NULL COMMENT 'login it used last',
  schema_version BIGINT NOT NULL COMMENT 'version of the declaration it knows',
  position BIGINT NOT NULL COMMENT 'feed position it had when it was last seen',
  first_seen DATETIME(3) NOT NULL COMMENT 'UTC',
  last_seen DATETIME(3) NOT NULL COMMENT 'UTC, to the minute',
  name VARCHAR(255) NULL COMMENT 'of the computer, as it says itself',
  program VARCHAR(64) NULL COMMENT 'version of Rapport, as it says itself',
  pending BIGINT NOT NULL DEFAULT 0 COMMENT 'records with changes that it had not sent when it was last seen',
  wipe_at DATETIME(3) NULL COMMENT 'when an administrator asked it to empty itself, UTC; it is answered nothing else since',
  wiped_at DATETIME(3) NULL COMMENT 'when it said that it is empty, UTC'`,
		"Workspaces that sync with this central, one for each device and person."},
	{"sync_audit", `
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'no order of commits is meant by it',
  at DATETIME(3) NOT NULL COMMENT 'when, UTC',
  person VARCHAR(80) NOT NULL COMMENT 'login that made the change',
  client VARCHAR(36) CHARACTER SET ascii NULL COMMENT 'workspace it came from, NULL for another program',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table of the row',
  pk BINARY(16) NOT NULL COMMENT 'its id',
  action VARCHAR(10) CHARACTER SET ascii NOT NULL COMMENT 'insert, update or delete',
  changes LONGTEXT NOT NULL COMMENT 'JSON: {"column": [old, new], ...} of the columns that changed',
  KEY audit_of_row (tbl, pk, seq)`,
		"Who changed what, when, from what to what. Filled by triggers, also for other programs."},
}, accessTables, reportTables, []serviceTable{heartbeatTable, restoreTable})

const metaTable = "sync_meta"

// required tells whether a row cannot do without a value in the column.
func required(e *model.Entity, c model.Column) bool {
	if c.NotNull || c.Owner && len(e.Owner) == 1 {
		return true
	}
	return c.Field != nil && c.Field.Required && len(c.Field.Columns()) == 1
}

// columnType returns the SQL type of a column.
func columnType(c model.Column) string {
	switch c.Type {
	case model.ColText:
		return "VARCHAR(" + strconv.Itoa(c.Max) + ")"
	case model.ColLong:
		return "LONGTEXT"
	case model.ColDate:
		return "DATE"
	case model.ColDecimal:
		return "DECIMAL(18,4)"
	case model.ColInt:
		return "BIGINT"
	case model.ColBool:
		return "TINYINT(1)"
	case model.ColTime:
		return "DATETIME(3)"
	default:
		return "BINARY(16)"
	}
}

// columnDef returns a column's definition with its default, so that another
// program may leave out everything that is not required, and its comment.
func columnDef(d dialect, e *model.Entity, c model.Column) string {
	def := ident(c.Name) + " " + columnType(c)
	must := required(e, c)
	if must {
		def += " NOT NULL"
	} else {
		def += " NULL"
	}
	switch {
	case c.Name == model.ColumnID:
		def += " DEFAULT (" + d.newID() + ")"
	case c.Fallback != nil:
		def += " DEFAULT " + literal(c, defaultOf(c.Fallback))
	case !must && c.Type != model.ColLong:
		def += " DEFAULT NULL"
	}
	return def + " COMMENT " + quote(columnComment(c))
}

func defaultOf(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

func columnComment(c model.Column) string {
	if c.Ref == "" {
		return c.Comment
	}
	return c.Comment + "; a " + string(c.Ref) + " that is used here cannot be removed"
}

// foreignKey returns the constraint of a column that points to a table. The
// rule is the same everywhere: what is pointed to cannot be removed. Nothing
// cascades, because a cascade passes by the triggers that feed the sync.
func foreignKey(e *model.Entity, c model.Column) string {
	return fmt.Sprintf("CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (`id`) ON DELETE RESTRICT ON UPDATE RESTRICT",
		ident(string(e.Noun)+"_"+c.Name), ident(c.Name), ident(string(c.Ref)))
}

// index is a secondary index, named for the question that it answers.
type index struct {
	name    string
	columns []string
}

// indexes returns the indexes of an entity's table: one for each link (whose
// is it, what belongs to it), one for who sees it, one for the name, one for
// each other field that lists are sorted by or people are looked up by.
func indexes(e *model.Entity) []index {
	var out []index
	add := func(question string, columns ...string) {
		ix := index{name: string(e.Noun) + "_by_" + question, columns: columns}
		if !slices.ContainsFunc(out, func(o index) bool { return o.name == ix.name || slices.Equal(o.columns, columns) }) {
			out = append(out, ix)
		}
	}
	for _, c := range e.Columns() {
		if c.Ref != "" {
			add(strings.TrimSuffix(c.Name, "_id"), c.Name)
		}
	}
	if !e.Shared {
		add("scope", model.ColumnScope)
	}
	var name []string
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Search == model.SearchName && f.Essential && f.Type == model.Text {
			// The family name is declared last and looked up first.
			name = append([]string{f.Columns()[0].Name}, name...)
		}
	}
	if len(name) > 0 {
		add("name", name...)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Sorted || f.Search == model.SearchMail || f.Search == model.SearchPhone {
			var cols []string
			for _, c := range f.Columns() {
				cols = append(cols, c.Name)
			}
			if len(cols) > 0 {
				add(f.Name, cols...)
			}
		}
	}
	return out
}

// keyWidth is how many characters of a text an index holds. Two such columns
// stay below InnoDB's 3,072 bytes.
const keyWidth = 191

// keyParts lists the columns of an index, long texts by their beginning.
func keyParts(e *model.Entity, columns []string) string {
	var out []string
	for _, name := range columns {
		part := ident(name)
		if _, c := e.Column(name); c.Type == model.ColText && c.Max > keyWidth {
			part += fmt.Sprintf("(%d)", keyWidth)
		}
		out = append(out, part)
	}
	return strings.Join(out, ", ")
}

// check is a rule that every row of a table keeps.
type check struct{ name, clause string }

func (c check) def() string { return "CONSTRAINT " + ident(c.name) + " CHECK " + c.clause }

// checks returns the named constraints of an entity's table: a part with
// several possible owners has exactly one, and so has a link to one of several
// nouns, or at most one if it is not required.
func checks(e *model.Entity) []check {
	var out []check
	one := func(name string, columns []string, op string) {
		var terms []string
		for _, c := range columns {
			terms = append(terms, "("+ident(c)+" IS NOT NULL)")
		}
		out = append(out, check{string(e.Noun) + "_" + name, fmt.Sprintf("(%s %s 1)", strings.Join(terms, " + "), op)})
	}
	if len(e.Owner) > 1 {
		var cols []string
		for _, n := range e.Owner {
			cols = append(cols, string(n)+"_id")
		}
		one("has_one_owner", cols, "=")
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type != model.Link || len(f.To) < 2 {
			continue
		}
		var cols []string
		for _, c := range f.Columns() {
			cols = append(cols, c.Name)
		}
		if f.Required {
			one("has_one_"+f.Name, cols, "=")
		} else {
			one("has_at_most_one_"+f.Name, cols, "<=")
		}
	}
	return out
}

// createTable returns the statement that makes an entity's table.
func createTable(d dialect, e *model.Entity) string {
	var lines []string
	for _, c := range e.Columns() {
		lines = append(lines, columnDef(d, e, c))
	}
	lines = append(lines, "PRIMARY KEY (`id`)")
	for _, ix := range indexes(e) {
		lines = append(lines, "KEY "+ident(ix.name)+" ("+keyParts(e, ix.columns)+")")
	}
	for _, c := range e.Columns() {
		if c.Ref != "" {
			lines = append(lines, foreignKey(e, c))
		}
	}
	for _, ck := range checks(e) {
		lines = append(lines, ck.def())
	}
	return "CREATE TABLE IF NOT EXISTS " + ident(string(e.Noun)) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + tableOptions + quote(tableComment(e))
}

func tableComment(e *model.Entity) string {
	s := e.Comment
	if e.IsPart() {
		var owners []string
		for _, n := range e.Owner {
			owners = append(owners, string(n))
		}
		s += " Belongs to one " + strings.Join(owners, ", ") + "."
	}
	return s + " Times are UTC; a row with deleted_at is deleted."
}

// columnsHash is the fingerprint of the declaration's columns. A client whose
// own differs asks the server which columns it has.
func columnsHash() string {
	h := sha256.New()
	for _, e := range model.Entities() {
		for _, c := range e.Columns() {
			fmt.Fprintf(h, "%s.%s\n", e.Noun, c.Name)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// sameColumns tells whether a server's fingerprint is that of the declaration's
// columns. Capitals do not matter: see nextFingerprint.
func sameColumns(hash string) bool { return strings.EqualFold(hash, columnsHash()) }

// nextFingerprint is the fingerprint that a central gets which had another one
// and was changed. It never stays as it was: clients learn by it that what was
// refused for want of a column or a table may be sent again.
func nextFingerprint(had string) string {
	hash := columnsHash()
	if had == hash {
		return strings.ToUpper(hash)
	}
	return hash
}
