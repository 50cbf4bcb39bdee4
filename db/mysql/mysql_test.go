package mysql

import (
	"context"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// company is a central of a test's own.
type company struct {
	*testing.T
	server   *servertest.Server
	url      string
	database string
	ids      *model.IDSource
	batches  int64
	client   model.ID
	calls    bool // clients log in as a person and so call procedures
}

// throughProcedures runs tests again with clients that are people.
const throughProcedures = "TestThroughProcedures"

func newCompany(t *testing.T) *company {
	t.Helper()
	s := servertest.Shared(t)
	url := s.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	ids := model.NewIDSource(nil, nil)
	c := &company{T: t, server: s, url: url, database: servertest.Name(url), ids: ids, client: ids.New()}
	if strings.HasPrefix(t.Name(), throughProcedures+"/") {
		c.calls = true
		c.person("eve", model.RoleAdministrator, model.ScopeAll, "")
		c.url = c.urlOf("eve")
	}
	return c
}

func (c *company) dial() *Central {
	c.Helper()
	central, err := Dial(c.Context(), c.url, DialOptions{})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { central.Close() })
	return central
}

// sql runs statements as another program.
func (c *company) sql(stmts ...string) {
	c.Helper()
	c.server.SQL(c, c.database, stmts...)
}

func (c *company) one(q string) string {
	c.Helper()
	db := c.server.DB(c.database)
	defer db.Close()
	var out *string
	if err := db.QueryRow(q).Scan(&out); err != nil {
		c.Fatalf("%s: %v", q, err)
	}
	if out == nil {
		return "NULL"
	}
	return *out
}

func (c *company) batch(ops ...model.PushOp) *model.PushBatch {
	c.batches++
	return &model.PushBatch{Client: c.client, Number: c.batches, Nonce: "n1", Ops: ops}
}

func (c *company) push(central *Central, ops ...model.PushOp) []model.PushResult {
	c.Helper()
	r, err := central.Push(c.Context(), c.batch(ops...), model.Position{})
	if err != nil {
		c.Fatal(err)
	}
	if r.Foreign || len(r.Results) != len(ops) {
		c.Fatalf("receipt %+v for %d operations", r, len(ops))
	}
	return r.Results
}

// follow sequences and pulls everything after a position.
func (c *company) follow(central *Central, at model.Position) (model.FeedPage, model.Position) {
	c.Helper()
	h, err := central.Sequence(c.Context(), at)
	if err != nil {
		c.Fatal(err)
	}
	page, err := central.Pull(c.Context(), at.Seq, h.Seq, []model.Noun{"contact"})
	if err != nil {
		c.Fatal(err)
	}
	return page, h.Position
}

func insert(n model.Noun, id model.ID, values map[string]any) model.PushOp {
	op := model.PushOp{Table: n, ID: id, Insert: true, EditedAt: time.Now().UnixMilli()}
	for _, col := range model.EntityOf(n).Columns() {
		if v, ok := values[col.Name]; ok {
			op.Columns, op.Values = append(op.Columns, col.Name), append(op.Values, v)
		}
	}
	return op
}

func update(n model.Noun, id model.ID, column string, base, value any) model.PushOp {
	return model.PushOp{Table: n, ID: id, Columns: []string{column}, Base: []any{base}, Values: []any{value}, EditedAt: time.Now().UnixMilli()}
}

func TestInitIsHarmlessTwice(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	done, err := Init(t.Context(), c.url)
	if err != nil || len(done) != 1 {
		t.Fatalf("the second run did %q, %v", done, err)
	}
	done, err = Migrate(t.Context(), c.url)
	if err != nil || len(done) != 1 {
		t.Fatalf("a migration with nothing to do did %q, %v", done, err)
	}
	st, err := Status(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	if st.Rows["contact"] != 1 || st.Rows["stage"] != 6 || st.Epoch == "" {
		t.Errorf("status %+v", st)
	}
	for _, ch := range st.Checks {
		if ch.State == "fail" {
			t.Errorf("%+v", ch)
		}
	}
}

func TestInitMakesTheDatabase(t *testing.T) {
	s := servertest.Shared(t)
	url := s.URL("made_by_init")
	t.Cleanup(func() { s.SQL(t, "", "DROP DATABASE IF EXISTS made_by_init") })
	if done, err := Init(t.Context(), url); err != nil || !strings.Contains(done[0], "made_by_init") {
		t.Fatalf("%q, %v", done, err)
	}
}

func TestInitRefuses(t *testing.T) {
	s := servertest.Shared(t)
	t.Run("tables of another program", func(t *testing.T) {
		url := s.Database(t)
		s.SQL(t, servertest.Name(url), "CREATE TABLE contact (a INT)")
		if _, err := Init(t.Context(), url); model.KindOf(err) != model.Refused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("missing rights", func(t *testing.T) {
		url := s.Database(t)
		db := servertest.Name(url)
		s.SQL(t, "", "CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'p'", "GRANT SELECT, INSERT, CREATE ON "+db+".* TO weak@'127.0.0.1'")
		t.Cleanup(func() { s.SQL(t, "", "DROP USER weak@'127.0.0.1'") })
		_, err := Init(t.Context(), s.URLFor("weak", "p", db))
		if model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "command denied") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("binary log without the setting", func(t *testing.T) {
		s := servertest.Start(t, servertest.Binlog())
		s.SQL(t, "", "CREATE DATABASE b", "CREATE USER u@'127.0.0.1' IDENTIFIED BY 'p'", "GRANT ALL ON b.* TO u@'127.0.0.1'")
		_, err := Init(t.Context(), s.URLFor("u", "p", "b"))
		if model.KindOf(err) != model.Refused {
			t.Fatalf("got %v", err)
		}
		if e := err.(*model.Error); !strings.Contains(e.Hint, "log_bin_trust_function_creators") {
			t.Errorf("hint %q", e.Hint)
		}
		s.SQL(t, "", "SET GLOBAL log_bin_trust_function_creators = 1")
		if _, err := Init(t.Context(), s.URLFor("u", "p", "b")); err != nil {
			t.Error(err)
		}
	})
}

// TestOtherProgramsMakeValidRows inserts into every table only what it cannot
// do without.
func TestOtherProgramsMakeValidRows(t *testing.T) {
	c := newCompany(t)
	c.sql("SET NAMES utf8mb4",
		"INSERT INTO contact (last_name) VALUES ('Meier')",
		"INSERT INTO organization (name) VALUES ('Acme')",
		"INSERT INTO deal (name) VALUES ('Big one')",
		"INSERT INTO product (name) VALUES ('Anvil')",
		"INSERT INTO user (login) VALUES ('anna@evil.com')",
		"INSERT INTO tag (name) VALUES ('vip')",
		"INSERT INTO pipeline (name) VALUES ('Other')",
		"INSERT INTO stage (name, pipeline_id) SELECT 'First', id FROM pipeline WHERE name='Other'",
		"INSERT INTO activity (subject) VALUES ('Call')",
		"INSERT INTO contact_method (value, contact_id) SELECT '+41 44 668 18 00', id FROM contact",
		"INSERT INTO address (city, organization_id) SELECT 'Bern', id FROM organization",
		"INSERT INTO contact_organization (contact_id, organization_id) SELECT c.id, o.id FROM contact c, organization o",
		"INSERT INTO tagging (contact_id, tag_id) SELECT c.id, t.id FROM contact c, tag t",
		"INSERT INTO deal_contact (deal_id, contact_id) SELECT d.id, c.id FROM deal d, contact c",
		"INSERT INTO deal_line (deal_id) SELECT id FROM deal",
		"INSERT INTO stage_history (deal_id) SELECT id FROM deal",
		"INSERT INTO activity_link (activity_id, contact_id) SELECT a.id, c.id FROM activity a, contact c",
		"INSERT INTO erasure (noun, target) VALUES ('contact', UUID())",
	)
	central := c.dial()
	for _, e := range model.Entities() {
		var rows []model.Row
		if err := central.Load(t.Context(), e.Noun, "", func(r model.Row) error { rows = append(rows, r); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			t.Errorf("no %s", e.Noun)
		}
		for _, r := range rows {
			if r.ID() == "" || r.Get(e, model.ColumnVersion) != int64(1) || r.Get(e, model.ColumnCreatedAt) == nil ||
				r.Get(e, model.ColumnUpdatedBy) != "root" || r.Get(e, model.ColumnScope) != model.NewRow(e).Get(e, model.ColumnScope) {
				t.Errorf("%s: %v", e.Noun, r)
			}
			if problems := model.Validate(model.RecordOf(e, r)); len(problems) > 0 {
				t.Errorf("%s: %v", e.Noun, problems)
			}
		}
	}
	if got := c.one("SELECT s.name FROM deal d JOIN stage s ON s.id=d.stage_id JOIN pipeline p ON p.id=d.pipeline_id WHERE p.name='Sales'"); got != "Prospecting" {
		t.Errorf("a deal without a stage is in %q", got)
	}
	page, _ := c.follow(central, model.Position{})
	if len(page.Entries) != 18+7 {
		t.Errorf("%d entries in the feed", len(page.Entries))
	}
}

// TestForeignIDsTellTheTime holds that the id of a row which another program
// inserts begins with the moment of that row, not of the table's opening.
func TestForeignIDsTellTheTime(t *testing.T) {
	c := newCompany(t)
	// The mariadb client's own character set is another than that of the tables.
	stmts := []string{"FLUSH TABLES tag", "SET NAMES utf8mb3"}
	for _, name := range []string{"a", "b", "c"} {
		stmts = append(stmts, "INSERT INTO tag (name) VALUES ('"+name+"')", "DO SLEEP(0.01)")
	}
	c.sql(stmts...)
	if got := c.one("SELECT GROUP_CONCAT(name ORDER BY id) FROM tag"); got != "a,b,c" {
		t.Errorf("in the order of their ids: %s", got)
	}
	if got := c.one("SELECT COUNT(DISTINCT LEFT(HEX(id), 12)) FROM tag WHERE ABS(CONV(LEFT(HEX(id), 12), 16, 10) / 1000 - UNIX_TIMESTAMP(created_at)) < 86400 AND HEX(id) LIKE '____________7___8%'"); got != "3" {
		t.Errorf("%s moments in three ids", got)
	}
}

func TestSchemaRefuses(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')", "INSERT INTO organization (name) VALUES ('Acme')", "INSERT INTO activity (subject) VALUES ('x')")
	db := c.server.DB(c.database)
	defer db.Close()
	for name, q := range map[string]string{
		"two owners":         "INSERT INTO contact_method (value, contact_id, organization_id) SELECT 'x', c.id, o.id FROM contact c, organization o",
		"no owner":           "INSERT INTO contact_method (value) VALUES ('x')",
		"unknown choice":     "INSERT INTO activity (subject, kind) VALUES ('x', 'Task')",
		"blank name":         "INSERT INTO organization (name) VALUES ('  ')",
		"dangling link":      "INSERT INTO contact (last_name, organization_id) VALUES ('x', UNHEX(MD5('x')))",
		"removed while used": "DELETE FROM contact WHERE last_name = 'Used'",
		"new id":             "UPDATE contact SET id = UNHEX(MD5('y')) WHERE last_name = 'Meier'",
	} {
		if name == "removed while used" {
			c.sql("INSERT INTO contact (last_name) VALUES ('Used')", "INSERT INTO contact_method (value, contact_id) SELECT 'x', id FROM contact WHERE last_name='Used'")
		}
		if _, err := db.Exec(q); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestEveryTableAndColumnHasAComment(t *testing.T) {
	c := newCompany(t)
	for _, q := range []string{
		"SELECT COALESCE(GROUP_CONCAT(table_name), '') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_comment = ''",
		"SELECT COALESCE(GROUP_CONCAT(table_name, '.', column_name), '') FROM information_schema.columns WHERE table_schema = DATABASE() AND column_comment = ''",
	} {
		if got := c.one(q); got != "" {
			t.Errorf("without a comment: %s", got)
		}
	}
}

func TestMigrateAddsAColumn(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO deal (name, next_step) VALUES ('d', 'x')",
		"ALTER TABLE deal DROP COLUMN next_step", "DROP TRIGGER deal_before_update", "DROP TRIGGER deal_after_update", "DROP TRIGGER deal_after_insert", "DROP TRIGGER deal_after_delete",
		"UPDATE sync_meta SET columns_hash = 'other'")
	st, err := Status(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, ch := range st.Checks {
		if ch.Fix == "rapport central migrate" {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("status notices %d of 2: %+v", failed, st.Checks)
	}
	// A client that is a column ahead reads what is there and is told which
	// change must wait.
	central := c.dial()
	var row model.Row
	if err := central.Load(context.Background(), "deal", "", func(r model.Row) error { row = r; return nil }); err != nil {
		t.Fatal(err)
	}
	deal := model.EntityOf("deal")
	if row.Get(deal, "name") != "d" || row.Get(deal, "next_step") != model.Absent {
		t.Errorf("row %v", row)
	}
	res := c.push(central, update("deal", row.ID(), "next_step", nil, "y"), update("deal", row.ID(), "name", "d", "e"))
	if res[0].Outcome != model.PushRefused || res[0].Code != "server" || res[1].Outcome != model.PushApplied {
		t.Errorf("results %+v", res)
	}
	if done, err := Migrate(t.Context(), c.url); err != nil || len(done) != 2 {
		t.Fatalf("%q, %v", done, err)
	}
	res = c.push(c.dial(), update("deal", row.ID(), "next_step", nil, "y"))
	if res[0].Outcome != model.PushApplied {
		t.Errorf("results %+v", res)
	}
}
