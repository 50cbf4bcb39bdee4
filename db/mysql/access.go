package mysql

import (
	"slices"
	"strings"

	"rapport/model"
)

// Who may see and change what is data in four tables, so that a right that is
// taken away is gone at once, also in sessions that are open.
//
// A record belongs to a scope, which is the id of the user who owns it; a
// record of nobody belongs to the company scope, and rows of shared nouns to
// the shared scope. A person reaches scopes: the own one, those of the team
// (users.team), those of the territory (the people with the same territory
// here), or all. sync_scope_grant is the closure of that; the server keeps it.
//
// A team's or territory's members see and change each other's records. What a
// person may do to a row in reach depends on the role alone.
var accessTables = []serviceTable{
	{"sync_person", `
  login VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY COMMENT 'name of the account on the server',
  user_id BINARY(16) NULL COMMENT 'the user that this person is in the CRM',
  role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'sales, support, administrator, readonly',
  reach VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'own, team, territory, all',
  scope BINARY(16) NOT NULL COMMENT 'scope of the own records: the id of the user',
  territory VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'people of one territory see each other''s records, if their reach is territory',
  active TINYINT(1) NOT NULL DEFAULT 1 COMMENT '0 refuses everything at once, also in open sessions',
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) COMMENT 'when, UTC',
  KEY person_of_user (user_id)`,
		"A person who works with the CRM through an account of the same name, and what that person may see."},
	{"sync_scope_grant", `
  login VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'who',
  scope BINARY(16) NOT NULL COMMENT 'sees the rows of which scope',
  may_write TINYINT(1) NOT NULL DEFAULT 1 COMMENT 'and may change them, as far as the role may',
  given TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1 granted by hand, beside what follows from the reach',
  PRIMARY KEY (login, scope)`,
		"Which scopes a person sees: the closure of sync_person.reach, kept by sync_closure, and what was given by hand. People who reach all need no row here."},
	{"sync_role_right", `
  role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in sync_person',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table',
  may_insert TINYINT(1) NOT NULL DEFAULT 0 COMMENT 'may make rows',
  may_update TINYINT(1) NOT NULL DEFAULT 0 COMMENT 'may change rows',
  may_delete TINYINT(1) NOT NULL DEFAULT 0 COMMENT 'may delete rows',
  PRIMARY KEY (role, tbl)`,
		"What a role may do to the rows of a table that are in its reach. Without a line here it may only look."},
	{"sync_field_right", `
  role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in sync_person',
  tbl VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'table',
  col VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'column that the role may not change',
  PRIMARY KEY (role, tbl, col)`,
		"Columns that a role may not set, although it may change the rows."},
	stageTable,
	moveTable,
}

var stageTable = serviceTable{"sync_stage", `
  client BINARY(16) NOT NULL COMMENT 'workspace',
  batch BIGINT NOT NULL COMMENT 'its batch number',
  part INT NOT NULL COMMENT 'order of the parts',
  body LONGTEXT NOT NULL COMMENT 'operations, as sync_push takes them',
  PRIMARY KEY (client, batch, part)`,
	"Parts of a batch that is too long for one request; they wait for the batch, which takes them."}

// roleRights are the rights that a new central begins with. Shared nouns are
// the administrator's, but for tags, which everybody who writes makes on the
// way. An administrator of the company may change a line by hand: it stays.
func roleRights() [][]string {
	var out [][]string
	add := func(role string, e *model.Entity, rights string) {
		out = append(out, []string{quote(role), quote(string(e.Noun)), rights})
	}
	for _, e := range model.Entities() {
		add(model.RoleAdministrator, e, "1,1,1")
		for _, role := range []string{model.RoleSales, model.RoleSupport} {
			switch {
			case e.Noun == "tag":
				add(role, e, "1,0,0")
			case !e.Shared:
				add(role, e, "1,1,1")
			}
		}
	}
	return out
}

// fieldRights are the columns that a new central closes to a role: support
// works on deals but does not decide what they are worth.
func fieldRights() [][]string {
	var out [][]string
	for _, f := range []struct{ noun, field string }{{"deal", "amount"}, {"deal_line", "price"}, {"deal_line", "discount"}} {
		for _, c := range model.EntityOf(model.Noun(f.noun)).Field(f.field).Columns() {
			out = append(out, []string{quote(model.RoleSupport), quote(f.noun), quote(c.Name)})
		}
	}
	return out
}

// accessRows writes the rights that are missing for a table that has none yet,
// so that what an administrator changed stays.
func (b *builder) accessRows() {
	b.run("INSERT INTO sync_field_right (role, tbl, col) SELECT x.role, x.tbl, x.col FROM (" + union(fieldRights(), "role", "tbl", "col") +
		") x WHERE NOT EXISTS (SELECT 1 FROM sync_role_right)")
	b.run("INSERT IGNORE INTO sync_role_right (role, tbl, may_insert, may_update, may_delete) VALUES " + values(roleRights()))
}

// scopes puts rows of an earlier version where their owners say, so that people
// find what is theirs. Rows that another program put elsewhere stay there.
func (b *builder) scopes() {
	moved := false
	for _, e := range model.Entities() {
		where := "scope_id <> " + sharedLiteral
		to := sharedLiteral
		if at, _ := e.Column(ownerColumn); at >= 0 {
			where, to = "owner_id IS NOT NULL AND scope_id = "+idLiteral(model.CompanyScope), ownerColumn
		} else if !e.Shared {
			continue
		}
		table := ident(string(e.Noun))
		if found := b.list("SELECT COUNT(*) FROM " + table + " WHERE " + where); b.err != nil || found[0] == "0" {
			continue
		}
		b.run("UPDATE " + table + " SET scope_id = " + to + " WHERE " + where)
		b.say("let people see the %s that are theirs", e.Plural)
		moved = true
	}
	if moved {
		b.sequence()
	}
}

// sequence gives positions to what was changed and to what follows it, so that
// the first client to come need not wait for it.
func (b *builder) sequence() {
	b.sequenceAll()
	if b.dialect.triggers() {
		b.run(followSQL)
		b.sequenceAll()
	}
}

// sequenceAll runs the sequencer until it finds nothing more.
func (b *builder) sequenceAll() {
	const head = "SELECT seq FROM sync_counter"
	for before := b.list(head); b.err == nil; {
		b.err = b.explain(retry(b.ctx, func() error { return b.exec(b.ctx, b.dialect.sequenceSQL()) }))
		after := b.list(head)
		if slices.Equal(before, after) {
			return
		}
		before = after
	}
}

func values(rows [][]string) string {
	var out []string
	for _, r := range rows {
		out = append(out, "("+strings.Join(r, ",")+")")
	}
	return strings.Join(out, ",")
}

func union(rows [][]string, names ...string) string {
	var out []string
	for _, r := range rows {
		var cols []string
		for i, v := range r {
			cols = append(cols, v+" AS "+names[i])
		}
		out = append(out, "SELECT "+strings.Join(cols, ","))
	}
	return strings.Join(out, " UNION ALL ")
}
