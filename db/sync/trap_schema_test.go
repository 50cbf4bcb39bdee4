package sync_test

import (
	"fmt"
	"strings"
	"testing"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// otherTriggers puts triggers of another version on a table: they note changes
// as ours do and name no column that may be gone.
func (c *central) otherTriggers(t *testing.T, table string) {
	t.Helper()
	for _, when := range []string{"before_insert", "before_update", "after_insert", "after_update", "after_delete"} {
		c.exec(t, "DROP TRIGGER `"+table+"_"+when+"`")
	}
	note := "INSERT INTO sync_outbox (tbl, pk, op, scope_old, scope_new, at) VALUES ('" + table + "', %s.id, %d, %s, %s, UTC_TIMESTAMP(6))"
	c.exec(t, "CREATE TRIGGER `"+table+"_before_update` BEFORE UPDATE ON `"+table+"` FOR EACH ROW SET NEW.row_version = OLD.row_version + 1")
	c.exec(t, "CREATE TRIGGER `"+table+"_after_insert` AFTER INSERT ON `"+table+"` FOR EACH ROW "+fmt.Sprintf(note, "NEW", 1, "NULL", "NEW.scope_id"))
	c.exec(t, "CREATE TRIGGER `"+table+"_after_update` AFTER UPDATE ON `"+table+"` FOR EACH ROW "+fmt.Sprintf(note, "NEW", 1, "OLD.scope_id", "NEW.scope_id"))
	c.exec(t, "CREATE TRIGGER `"+table+"_after_delete` AFTER DELETE ON `"+table+"` FOR EACH ROW "+fmt.Sprintf(note, "OLD", 3, "OLD.scope_id", "NULL"))
}

// oneRefused returns the one pending record, which must be refused.
func oneRefused(t *testing.T, h *home, code string, words ...string) model.PendingItem {
	t.Helper()
	p := h.pending(t)
	if len(p) != 1 || p[0].Code != code {
		t.Fatalf("pending %+v, want one with code %q", p, code)
	}
	for _, w := range words {
		if !strings.Contains(p[0].Error, w) {
			t.Errorf("%q does not say %q", p[0].Error, w)
		}
	}
	return p[0]
}

// T87: a column of a later version stays as it is under the edits of an older
// client, and its default stands in the rows that such a client makes.
func TestT87ColumnAdded(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	c.exec(t, "ALTER TABLE contact ADD region VARCHAR(20) NOT NULL DEFAULT 'north'")
	c.exec(t, "UPDATE contact SET region = 'south'")
	c.exec(t, "UPDATE sync_meta SET schema_version = schema_version + 1, columns_hash = 'later'")
	a.save(t, "contact", r.ID, map[string]any{"job_title": "y"})
	a.save(t, "contact", "", map[string]any{"last_name": "new"})
	if res := a.sync(t); !res.Upgrade {
		t.Error("the sync does not say that an upgrade is due")
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT(last_name, ' ', COALESCE(job_title, '-'), ' ', region) ORDER BY last_name) FROM contact"); got != "new - north,x y south" {
		t.Errorf("rows: %s", got)
	}
}

// T88: a column is renamed by a later version. An older client keeps what it
// knew of it, goes on with the rest, and is told to upgrade.
func TestT88ColumnRenamed(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "old"})
	other := a.save(t, "contact", "", map[string]any{"last_name": "other"})
	a.sync(t)
	c.otherTriggers(t, "contact")
	c.exec(t, "ALTER TABLE contact RENAME COLUMN job_title TO position_held")
	c.exec(t, "UPDATE sync_meta SET schema_version = schema_version + 1, columns_hash = 'later'")
	c.exec(t, "UPDATE contact SET department = 'there' WHERE last_name = 'x'")
	b := newHome(t, "bob", c.url)
	b.sync(t)
	a.save(t, "contact", other.ID, map[string]any{"department": "here"})
	if res := a.sync(t); res.Pushed != 1 || !res.Upgrade {
		t.Errorf("result %+v", res)
	}
	if got := a.get(t, "contact", r.ID); got.Text("department") != "there" || got.Text("job_title") != "old" {
		t.Errorf("after the pull: %v", got.Values)
	}
	a.save(t, "contact", r.ID, map[string]any{"job_title": "new"})
	if res := a.sync(t); res.Refused != 1 {
		t.Errorf("refused %d", res.Refused)
	}
	oneRefused(t, a, "upgrade", "Job title", "upgrade Rapport")
	if res := a.sync(t); res.Refused != 1 || res.RoundTrips != 1 {
		t.Errorf("a refused change is sent again: %+v", res)
	}
	// The column is back: what waited goes by itself, nothing was lost.
	c.exec(t, "ALTER TABLE contact RENAME COLUMN position_held TO job_title")
	if _, err := mysql.Migrate(t.Context(), c.url); model.KindOf(err) != model.TooNew {
		t.Errorf("an older program migrated a later central: %v", err)
	}
	c.exec(t, "UPDATE sync_meta SET schema_version = ?", model.SchemaVersion)
	if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a, b)
	if got := c.value(t, "SELECT job_title FROM contact WHERE last_name = 'x'"); got != "new" {
		t.Errorf("job title %s", got)
	}
}

// T88: an administrator takes a column away by hand and tells nobody.
func TestT88ColumnDropped(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "kept"})
	a.sync(t)
	b.sync(t)
	c.otherTriggers(t, "contact")
	c.exec(t, "ALTER TABLE contact DROP COLUMN job_title")
	c.exec(t, "UPDATE contact SET department = 'there'")
	b.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
	b.sync(t)
	a.sync(t)
	if got := a.get(t, "contact", r.ID); got.Text("department") != "there" || got.Text("salutation") != "Dr" || got.Text("job_title") != "kept" {
		t.Errorf("on ann: %v", got.Values)
	}
	a.save(t, "contact", r.ID, map[string]any{"job_title": "edited"})
	a.sync(t)
	oneRefused(t, a, "server", "Job title", "central migrate")
	fresh := newHome(t, "cid", c.url)
	fresh.sync(t)
	if got := fresh.get(t, "contact", r.ID); got.Text("department") != "there" {
		t.Errorf("a first load without the column: %v", got.Values)
	}
	lines, err := mysql.Migrate(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "added contact.job_title") {
		t.Errorf("migrate says %q", lines)
	}
	if n, err := a.Retry(t.Context()); err != nil || n != 1 {
		t.Errorf("retried %d: %v", n, err)
	}
	a.sync(t)
	if got := c.value(t, "SELECT job_title FROM contact"); got != "edited" {
		t.Errorf("job title %s", got)
	}
}

// T88: a column is made narrower, or must hold something: what does not fit is
// refused with the field named, the rest goes on.
func TestT88ColumnNarrowed(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	fits := a.save(t, "contact", "", map[string]any{"last_name": "fits", "department": "here"})
	a.sync(t)
	c.exec(t, "ALTER TABLE contact MODIFY job_title VARCHAR(8) NULL, MODIFY department VARCHAR(255) NOT NULL")
	a.save(t, "contact", fits.ID, map[string]any{"job_title": "12345678"})
	long := a.save(t, "contact", "", map[string]any{"last_name": "long", "job_title": "123456789", "department": "d"})
	if res := a.sync(t); res.Pushed != 1 || res.Refused != 1 {
		t.Errorf("result %+v", res)
	}
	oneRefused(t, a, "too_long", "Job title")
	a.save(t, "contact", long.ID, map[string]any{"job_title": "short"})
	none := a.save(t, "contact", "", map[string]any{"last_name": "none"})
	a.sync(t)
	oneRefused(t, a, "check", "Department", "needed")
	a.save(t, "contact", none.ID, map[string]any{"department": "d"})
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(COALESCE(job_title, '-') ORDER BY last_name) FROM contact"); got != "12345678,short,-" {
		t.Errorf("rows: %s", got)
	}
}

// T88: a later version demands a value in a column that an older client does
// not know.
func TestT88ColumnDemanded(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	c.exec(t, "ALTER TABLE contact ADD region VARCHAR(20) NOT NULL")
	a.save(t, "contact", r.ID, map[string]any{"job_title": "edits go on"})
	fresh := a.save(t, "contact", "", map[string]any{"last_name": "new"})
	a.sync(t)
	if p := oneRefused(t, a, "upgrade", "upgrade Rapport", "region"); p.ID != fresh.ID {
		t.Errorf("refused %+v", p)
	}
	if got := c.value(t, "SELECT job_title FROM contact"); got != "edits go on" {
		t.Errorf("the edit beside it: %s", got)
	}
	c.exec(t, "ALTER TABLE contact MODIFY region VARCHAR(20) NOT NULL DEFAULT ''")
	c.exec(t, "UPDATE sync_meta SET columns_hash = 'changed'")
	converge(t, c, a)
	if got := c.value(t, "SELECT COUNT(*) FROM contact"); got != "2" {
		t.Errorf("%s contacts", got)
	}
}

// T88: a choice becomes an ENUM with a value that an older client does not
// know.
func TestT88ChoiceAdded(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	c.otherTriggers(t, "activity")
	c.exec(t, "ALTER TABLE activity MODIFY priority ENUM('low', 'normal', 'urgent') NOT NULL DEFAULT 'normal'")
	c.exec(t, "INSERT INTO activity (kind, subject, priority) VALUES ('task', 'x', 'urgent')")
	a.sync(t)
	id := onlyID(t, a, "activity")
	if got := a.get(t, "activity", id).Text("priority"); got != "urgent" {
		t.Errorf("priority %q", got)
	}
	a.save(t, "activity", id, map[string]any{"subject": "y"})
	a.sync(t)
	if got := c.value(t, "SELECT CONCAT(subject, ' ', priority) FROM activity"); got != "y urgent" {
		t.Errorf("on the server: %s", got)
	}
	a.save(t, "activity", id, map[string]any{"priority": "high"})
	a.sync(t)
	oneRefused(t, a, "check", "Priority")
	a.save(t, "activity", id, map[string]any{"priority": "low"})
	converge(t, c, a)
}

// T88: a table is gone. Its rows stay here, the others go on, and after the
// administrator's migration it fills again.
func TestT88TableDropped(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	r := a.save(t, "deal", "", map[string]any{"name": "d"})
	line := model.Edit{Noun: "deal", ID: r.ID, Add: map[string][]*model.Record{"lines": {{Noun: "deal_line", Values: map[string]any{"name": "thing", "quantity": "2"}}}}}
	if _, err := a.Save(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	c.exec(t, "UPDATE deal_line SET discount = 1")
	c.exec(t, "DROP TABLE deal_line")
	c.exec(t, "UPDATE deal SET next_step = 'there'")
	a.sync(t)
	if got := a.get(t, "deal", r.ID); got.Text("next_step") != "there" || len(got.List("lines")) != 1 {
		t.Fatalf("after the pull: %v", got.Values)
	}
	if _, err := a.Save(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	oneRefused(t, a, "server", "central migrate")
	if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	if got := c.value(t, "SELECT COUNT(*) FROM deal_line"); got != "1" {
		t.Errorf("%s lines on the server, want the new one", got)
	}
	if got := a.get(t, "deal", r.ID); len(got.List("lines")) != 2 {
		t.Errorf("%d lines here", len(got.List("lines")))
	}
}

// T88: a central that clients of this version may not use any more says so,
// and their changes wait.
func TestT88TooOldToSync(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.sync(t)
	a.save(t, "contact", "", map[string]any{"last_name": "x"})
	c.exec(t, "UPDATE sync_meta SET min_client = ?", model.SchemaVersion+1)
	if _, err := a.try(t); model.KindOf(err) != model.TooNew || !strings.Contains(err.Error(), "newer Rapport") {
		t.Errorf("sync: %v", err)
	}
	if n := c.value(t, "SELECT COUNT(*) FROM contact"); n != "0" || len(a.pending(t)) != 1 {
		t.Errorf("%s contacts on the server, %d pending", n, len(a.pending(t)))
	}
	c.exec(t, "UPDATE sync_meta SET min_client = 1")
	converge(t, c, a)
}

// T89: a client of a later version meets an older central. It does without what
// that lacks, alters nothing, and what waited goes once the administrator has
// migrated.
func TestT89OlderCentral(t *testing.T) {
	c := newCentral(t)
	for _, table := range []string{"deal", "contact"} {
		c.otherTriggers(t, table)
	}
	c.exec(t, "ALTER TABLE deal DROP COLUMN next_step")
	c.exec(t, "ALTER TABLE contact DROP COLUMN department, DROP COLUMN source")
	c.exec(t, "DROP TABLE activity_link")
	c.exec(t, "ALTER TABLE sync_client DROP COLUMN name, DROP COLUMN program, DROP COLUMN pending, DROP COLUMN wipe_at, DROP COLUMN wiped_at")
	c.exec(t, "UPDATE sync_meta SET schema_version = schema_version - 1, columns_hash = 'earlier'")
	const shape = "SELECT GROUP_CONCAT(CONCAT(table_name, '.', column_name, column_type) ORDER BY 1 SEPARATOR ',') FROM information_schema.columns WHERE table_schema = DATABASE()"
	c.exec(t, "SET GLOBAL group_concat_max_len = 1000000")
	before := c.value(t, shape)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	known := a.save(t, "contact", "", map[string]any{"last_name": "known", "job_title": "j"})
	waits := a.save(t, "deal", "", map[string]any{"name": "waits", "next_step": "call"})
	if res := a.sync(t); res.Pushed != 1 || res.Refused != 1 {
		t.Errorf("result %+v", res)
	}
	oneRefused(t, a, "server", "Next step", "central migrate")
	b.sync(t)
	b.save(t, "contact", known.ID, map[string]any{"job_title": "k"})
	b.sync(t)
	a.sync(t)
	if got := a.get(t, "contact", known.ID).Text("job_title"); got != "k" {
		t.Errorf("job title %q", got)
	}
	if got := c.value(t, shape); got != before {
		t.Error("a laptop altered the central")
	}
	if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	converge(t, c, a, b)
	if got := b.get(t, "deal", waits.ID).Text("next_step"); got != "call" {
		t.Errorf("next step %q", got)
	}
}

// T90, T91: the server's own settings change nothing: another way to quote,
// backslashes that escape nothing, values that are cut without an error, and
// table names in small letters only. A column of an administrator may have any
// name.
func TestT90T91ServerSettings(t *testing.T) {
	srv := servertest.Start(t, servertest.Flag("--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT"), servertest.Flag("--lower-case-table-names=1"))
	url := srv.URL("CRM")
	for range 2 {
		if _, err := mysql.Init(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err := mysql.Migrate(t.Context(), url); err != nil || len(lines) != 1 || lines[0] != "everything was there already" {
		t.Errorf("migrate: %q, %v", lines, err)
	}
	c := &central{DB: srv.DB("CRM"), url: url, name: "CRM"}
	t.Cleanup(func() { c.DB.Close() })
	a, b := newHome(t, "ann", url), newHome(t, "bob", url)
	r := a.save(t, "contact", "", map[string]any{"last_name": `O'Neil \ "x" || 'y'\`, "notes": "nul\x00\r\n\x1a\\'"})
	long := a.save(t, "contact", "", map[string]any{"last_name": "long"})
	a.sync(t)
	b.sync(t)
	b.save(t, "contact", r.ID, map[string]any{"last_name": `\'`, "job_title": `"`})
	c.exec(t, `ALTER TABLE contact ADD "select" INT, ADD "a b'c""d" INT, ADD "`+strings.Repeat("n", 64)+`" INT, MODIFY job_title VARCHAR(8)`)
	c.exec(t, `UPDATE contact SET "select" = 7, "a b'c""d" = 8`)
	a.save(t, "contact", long.ID, map[string]any{"job_title": "123456789"})
	a.sync(t)
	oneRefused(t, a, "too_long", "Job title")
	if got := c.value(t, "SELECT COUNT(*) FROM contact WHERE job_title = '12345678'"); got != "0" {
		t.Error("a value was cut without a word")
	}
	a.save(t, "contact", long.ID, map[string]any{"job_title": "short"})
	converge(t, c, a, b)
	if got := c.value(t, `SELECT "select" || ' ' || "a b'c""d" || ' ' || last_name FROM contact WHERE job_title = '"'`); got != `7 8 \'` {
		t.Errorf("row: %s", got)
	}
}

// T92: thousands of unsent rows, as after an import without a network, go in
// batches of a bounded size; columns of an administrator, however many, cost
// nothing.
func TestT92ManyRows(t *testing.T) {
	c := newCentral(t)
	var add []string
	for i := range 200 {
		add = append(add, fmt.Sprintf("ADD custom_%d VARCHAR(20)", i))
	}
	c.exec(t, "ALTER TABLE contact "+strings.Join(add, ", "))
	a := newHome(t, "ann", c.url)
	a.sync(t)
	const most = 500
	rows := times(2500, 30_000)
	var edits []model.Edit
	for i := range rows {
		edits = append(edits, model.Edit{Noun: "contact", Set: map[string]any{"last_name": fmt.Sprint("c", i), "notes": strings.Repeat("n", 200)}})
	}
	if _, err := a.SaveAll(t.Context(), edits, false); err != nil {
		t.Fatal(err)
	}
	res := a.sync(t)
	if res.Pushed != int64(rows) {
		t.Errorf("sent %d of %d", res.Pushed, rows)
	}
	if n := c.value(t, "SELECT COUNT(*) FROM sync_push"); n != fmt.Sprint(rows/most) {
		t.Errorf("%s batches for %d rows", n, rows)
	}
	if n := c.value(t, "SELECT MAX(CHAR_LENGTH(result)) FROM sync_push"); n != fmt.Sprint(most) {
		t.Errorf("the largest batch has %s rows", n)
	}
	// One request for each batch and page, and a few at the ends.
	if most := int64(2*rows/most + 6); res.RoundTrips > most {
		t.Errorf("%d round trips, want at most %d", res.RoundTrips, most)
	}
	converge(t, c, a)
}
