package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// Report tables are complete copies of the synced tables, kept for reading:
// report_contact beside contact. A copy holds every column of its table and
// every row, the deleted ones too, with what reports ask for beside it: the
// name behind each link, and when something last happened with a record. It has
// indexes of its own and no reference, rule or trigger, and changes with a
// refresh only: report.position in report_state says up to where. A row that
// went from its table stays, with the moment in report_gone_at, for as long as
// deletions are kept. Each row carries the SHA-256 of its columns, so that a
// copy can be compared with its table and either made from the other.

// Names of what a report table has beside its table's columns.
const (
	reportPrefix   = "report_"
	shadowSuffix   = "_new" // a copy that is being made
	columnGone     = "report_gone_at"
	columnHash     = "report_hash"
	columnActivity = "last_activity_at"
)

var reportTables = []serviceTable{
	{"sync_lease", `
  name VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'what only one may do at a time',
  holder VARCHAR(160) NOT NULL COMMENT 'login and connection that does it',
  token BIGINT NOT NULL COMMENT 'rises with each holder: one that has an older token has lost the lease',
  expires_at DATETIME(3) NOT NULL COMMENT 'when another may take it, UTC'`,
		"Who does what only one may do at a time, such as refreshing the report tables."},
	{"report_state", `
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'table that is copied',
  position BIGINT NOT NULL COMMENT 'feed position that the copy has reached; a row may be newer',
  run_id BIGINT NOT NULL COMMENT 'run of the sequencer at the refresh',
  nonce BINARY(8) NOT NULL COMMENT 'its nonce: tells a server that was restored',
  refreshed_at DATETIME(3) NOT NULL COMMENT 'when, UTC',
  copied BIGINT NOT NULL COMMENT 'rows of the table that are in the copy',
  hash CHAR(64) CHARACTER SET ascii NULL COMMENT 'sum of the rows'' SHA-256, in four parts; NULL while not known',
  definition CHAR(64) CHARACTER SET ascii NOT NULL COMMENT 'what the copy was made from',
  checked_at DATETIME(3) NULL COMMENT 'when the copy was last compared with its table, UTC'`,
		"How far the report tables have followed their tables, a row for each."},
}

// mirrored is a column of a table as a report table copies it.
type mirrored struct {
	model.Column
	kind    string // its type on the server
	charset string
}

// named is the name behind a link, beside the link.
type named struct {
	column string     // of the link
	name   string     // of the report table's column
	to     *mirror    // the report table of what it links to
	texts  [][]string // the columns that tell its name
}

// mirror is a report table, or one that is being made.
type mirror struct {
	entity  *model.Entity
	table   string // its present name
	columns []mirrored
	names   []named
	// A record that activities are about tells when something last happened
	// with it; that comes from these. Both are nil for others.
	activities, links *mirror
	filling           bool // what comes from later tables is not there yet
}

// title is the final name of the table.
func (m *mirror) title() string { return reportPrefix + string(m.entity.Noun) }

// serverShape is which columns the server's tables have, by table.
type serverShape map[string]map[string]present

// mirrors returns the report tables of the declaration as the server's tables
// are now. Columns that the server does not have are left out, which the
// definition tells.
func mirrors(have serverShape) []*mirror {
	var out []*mirror
	of := map[model.Noun]*mirror{}
	for _, e := range model.Entities() {
		of[e.Noun] = &mirror{entity: e, table: reportPrefix + string(e.Noun)}
	}
	for _, e := range model.Entities() {
		m := of[e.Noun]
		for _, c := range e.Columns() {
			p, there := have[string(e.Noun)][c.Name]
			if !there {
				continue
			}
			m.columns = append(m.columns, mirrored{c, p.kind, p.charset})
			to := model.EntityOf(c.Ref)
			if c.Ref == "" || to.RowName == nil {
				continue
			}
			n := named{column: c.Name, name: strings.TrimSuffix(c.Name, "_id") + "_name", to: of[to.Noun]}
			for _, line := range to.RowName {
				var texts []string
				for _, field := range line {
					if _, there := have[string(to.Noun)][field]; there {
						texts = append(texts, field)
					}
				}
				if len(texts) > 0 {
					n.texts = append(n.texts, texts)
				}
			}
			m.names = append(m.names, n)
		}
		if slices.Contains(activityTargets(), e.Noun) {
			m.activities, m.links = of["activity"], of["activity_link"]
		}
		out = append(out, m)
	}
	return out
}

// activityTargets are the nouns that an activity may be about.
func activityTargets() []model.Noun { return model.EntityOf("activity_link").Field("record").To }

// nameWidth is how many characters of a name stand beside a link.
const nameWidth = 255

// titleSQL is the name of a row, NULL if it tells none.
func titleSQL(alias string, texts [][]string) string {
	var lines []string
	for _, line := range texts {
		var parts []string
		for _, t := range line {
			parts = append(parts, "NULLIF("+alias+"."+ident(t)+",'')")
		}
		lines = append(lines, "NULLIF(CONCAT_WS(' ',"+strings.Join(parts, ",")+"),'')")
	}
	if len(lines) == 0 {
		return "NULL"
	}
	return fmt.Sprintf("LEFT(COALESCE(%s),%d)", strings.Join(lines, ","), nameWidth)
}

// lastSQL is the moment of an activity that happened: what is still to be done
// did not, a note did from the beginning.
const lastSQL = "MAX(COALESCE(a.done_at,a.start_at,a.due_at,a.created_at))"

// happenedSQL selects from the activities about records of the table.
func (m *mirror) happenedSQL() string {
	return fmt.Sprintf(" FROM %s l STRAIGHT_JOIN %s a ON a.id=l.activity_id WHERE l.%s IS NULL AND a.%[3]s IS NULL AND l.deleted_at IS NULL AND a.deleted_at IS NULL AND (a.status='done' OR a.kind='note')",
		ident(m.links.table), ident(m.activities.table), columnGone)
}

// about is the column of a link that names records of the table.
func (m *mirror) about() string { return "l." + ident(string(m.entity.Noun)+"_id") }

// activitySQL is when something last happened with the record of an id.
func (m *mirror) activitySQL(id string) string {
	if m.filling {
		return "NULL"
	}
	return "(SELECT " + lastSQL + m.happenedSQL() + " AND " + m.about() + "=" + id + ")"
}

// sumSQL sums the hashes of rows up in four parts.
func sumSQL(alias string) string {
	parts := []string{"COUNT(*)"}
	for i := range hashParts {
		parts = append(parts, fmt.Sprintf("COALESCE(SUM(CAST(CONV(HEX(SUBSTR(%s.%s,%d,8)),16,10) AS DECIMAL(20,0))),0)", alias, columnHash, i*8+1))
	}
	return strings.Join(parts, ",")
}

// into lists the columns that copySQL fills.
func (m *mirror) into() string {
	var out []string
	for _, c := range m.columns {
		out = append(out, c.Name)
	}
	for _, n := range m.names {
		out = append(out, n.name)
	}
	if m.links != nil {
		out = append(out, columnActivity)
	}
	return idents(append(out, columnHash))
}

// copied lists the values of a report row made from its table's row t, and the
// joins that they need. What stands beside the table's columns comes from the
// other report tables, so that they fit together at any moment, and so that it
// is enough to follow those.
func (m *mirror) copied() (values []string, joins string) {
	var join strings.Builder
	for _, c := range m.columns {
		values = append(values, "t."+ident(c.Name))
	}
	for i, n := range m.names {
		alias := fmt.Sprintf("l%d", i)
		values = append(values, titleSQL(alias, n.texts))
		fmt.Fprintf(&join, " LEFT JOIN %s %s ON %s.id=t.%s AND %s.%s IS NULL", ident(n.to.table), alias, alias, ident(n.column), alias, columnGone)
	}
	if m.links != nil {
		values = append(values, m.activitySQL("t.id"))
	}
	return append(values, m.rowHashSQL("t")), join.String()
}

// copySQL copies rows of the table; from names them as t.
func (m *mirror) copySQL(from, where string) string {
	values, joins := m.copied()
	return "REPLACE INTO " + ident(m.table) + " (" + m.into() + ") SELECT " + strings.Join(values, ",") + " FROM " + from + joins + where
}

// createSQL makes the table, with its indexes or without: those of many rows
// are quicker to build when these are there.
func (m *mirror) createSQL(table string, indexed bool) string {
	var lines []string
	for _, c := range m.columns {
		def := ident(c.Name) + " " + c.kind
		if c.charset != "" && c.charset != "utf8mb4" {
			def += " CHARACTER SET " + c.charset
		}
		if c.Name == model.ColumnID {
			def += " NOT NULL"
		} else {
			def += " NULL"
		}
		lines = append(lines, def+" COMMENT "+quote(c.Comment))
	}
	for _, n := range m.names {
		lines = append(lines, fmt.Sprintf("%s VARCHAR(%d) NULL COMMENT %s", ident(n.name), nameWidth, quote("name of "+n.column)))
	}
	if m.links != nil {
		lines = append(lines, columnActivity+" DATETIME(3) NULL COMMENT 'when something last happened with it: the latest note or activity that is done, UTC'")
	}
	lines = append(lines,
		columnHash+" BINARY(32) NOT NULL COMMENT 'SHA-256 of the row as it was copied'",
		columnGone+" DATETIME(3) NULL COMMENT 'when the row was missing from its table for the first time, UTC; NULL while it is there'",
		"PRIMARY KEY (`id`)")
	if indexed {
		lines = append(lines, m.keys()...)
	}
	return "CREATE TABLE " + ident(table) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + tableOptions +
		quote("A copy of "+string(m.entity.Noun)+" for reports; only `rapport central refresh-reports` writes to it.")
}

// keys are the indexes of the table.
func (m *mirror) keys() []string {
	var out []string
	has := func(columns []string) bool {
		for _, name := range columns {
			if !slices.ContainsFunc(m.columns, func(c mirrored) bool { return c.Name == name }) {
				return false
			}
		}
		return true
	}
	key := func(name, parts string) { out = append(out, "KEY "+ident(reportPrefix+name)+" ("+parts+")") }
	for _, ix := range indexes(m.entity) {
		if has(ix.columns) && !strings.HasSuffix(ix.name, "_by_scope") {
			key(ix.name, keyParts(m.entity, ix.columns))
		}
	}
	if has([]string{model.ColumnUpdatedAt}) {
		key(string(m.entity.Noun)+"_by_updated", model.ColumnUpdatedAt)
	}
	if m.links != nil {
		key(string(m.entity.Noun)+"_by_activity", columnActivity)
	}
	key(string(m.entity.Noun)+"_by_gone", columnGone)
	return out
}

// indexSQL adds the indexes to a table that was made without.
func (m *mirror) indexSQL(table string) string {
	return "ALTER TABLE " + ident(table) + " ADD " + strings.Join(m.keys(), ", ADD ")
}

// definition is the fingerprint of what a report table is made of. One of
// another definition is made anew.
func (m *mirror) definition() string {
	text := m.createSQL("x", true) + m.rowHashSQL("t") + lastSQL
	for _, n := range m.names {
		text += titleSQL("l", n.texts)
	}
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}
