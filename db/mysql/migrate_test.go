package mysql

import (
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		have, want string
		fits       fitting
	}{
		{"varchar(255)", "varchar(255)", same},
		{"varchar(80)", "varchar(255)", narrower},
		{"char(3)", "varchar(3)", narrower},
		{"text", "longtext", narrower},
		{"varchar(4096)", "varchar(255)", wider},
		{"longtext", "varchar(255)", wider},
		{"int(11)", "bigint", narrower},
		{"bigint(20)", "bigint", same},
		{"bigint", "bigint", same},
		{"int(10) unsigned", "bigint", narrower},
		{"bigint(20) unsigned", "bigint", other},
		{"bigint(20)", "tinyint(1)", wider},
		{"tinyint(4)", "tinyint(1)", same},
		{"datetime", "datetime(3)", narrower},
		{"datetime(6)", "datetime(3)", wider},
		{"timestamp(3)", "datetime(3)", other},
		{"decimal(10,2)", "decimal(18,4)", narrower},
		{"decimal(20,6)", "decimal(18,4)", wider},
		{"decimal(18,6)", "decimal(18,4)", other},
		{"decimal(12,4)", "decimal(18,4)", narrower},
		{"enum('a','b')", "varchar(20)", other},
		{"double", "decimal(18,4)", other},
		{"binary(16)", "binary(16)", same},
		{"varbinary(16)", "binary(16)", other},
		{"date", "date", same},
	} {
		if got := fit(tt.have, tt.want); got != tt.fits {
			t.Errorf("%s to %s: %d, want %d", tt.have, tt.want, got, tt.fits)
		}
	}
}

// shapeSQL is everything about the tables that a migration answers for.
const shapeSQL = `SELECT CONCAT_WS(' ', table_name, column_name, column_type, is_nullable, character_set_name, column_default, column_comment) FROM information_schema.columns WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name, sub_part) FROM information_schema.statistics WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT_WS(' ', table_name, constraint_name, constraint_type) FROM information_schema.table_constraints WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT_WS(' ', constraint_name, check_clause) FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()
UNION ALL SELECT CONCAT_WS(' ', trigger_name, action_statement) FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1`

func (c *company) shape() []string {
	c.Helper()
	s, err := adminSession(c.Context(), c.url)
	if err != nil {
		c.Fatal(err)
	}
	defer s.close()
	b := &builder{session: s, ctx: c.Context(), database: s.address.Database}
	b.useDatabase()
	lines := b.list(shapeSQL)
	if b.err != nil {
		c.Fatal(b.err)
	}
	return lines
}

// TestMigrateEarlierCentral takes a central apart as an earlier declaration
// would have made it, with rows in it, and expects after the migration the
// shape of a new one with the rows as they were.
func TestMigrateEarlierCentral(t *testing.T) {
	c := newCompany(t)
	want := c.shape()
	c.sql("INSERT INTO contact (last_name, notes, job_title) VALUES ('x', 'näß', 'j')",
		"INSERT INTO deal (name, probability) VALUES ('d', 7)",
		"ALTER TABLE contact MODIFY job_title VARCHAR(40) NOT NULL DEFAULT 'j', MODIFY notes TEXT CHARACTER SET latin1 NULL, MODIFY last_name VARCHAR(60) CHARACTER SET utf8mb3 NULL, DROP KEY contact_by_name",
		"ALTER TABLE deal MODIFY probability SMALLINT NULL, MODIFY closed_at DATETIME NULL, DROP KEY deal_by_amount, ADD KEY deal_by_amount (amount_minor), DROP FOREIGN KEY deal_stage_id, DROP KEY deal_by_stage",
		"ALTER TABLE deal_line MODIFY quantity DECIMAL(10,2) NULL DEFAULT 1, DROP COLUMN discount",
		"ALTER TABLE contact_method DROP CONSTRAINT contact_method_has_one_owner",
		"ALTER TABLE address DROP CONSTRAINT address_has_one_owner, ADD CONSTRAINT address_has_one_owner CHECK (contact_id IS NOT NULL)",
		"ALTER TABLE sync_client DROP COLUMN program",
		"DROP TRIGGER deal_line_after_update", "DROP TRIGGER deal_line_before_update", "DROP TRIGGER deal_line_after_insert", "DROP TRIGGER deal_line_after_delete",
		"DROP TABLE activity_link",
		"UPDATE sync_meta SET schema_version = schema_version - 1, columns_hash = 'earlier'")
	done, err := Migrate(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(done, "\n")
	for _, words := range []string{
		"contact.job_title is varchar(510) now, it was varchar(40) and may be empty now", "contact.notes is longtext now, it was text and takes every character now, it was latin1",
		"added the index contact_by_name", "made the index deal_by_amount anew", "deal.probability is bigint now", "deal.closed_at is datetime(3) now",
		"added the rule deal_stage_id", "deal_line.quantity is decimal(18,4) now", "added deal_line.discount", "added the rule contact_method_has_one_owner",
		"added the rule address_has_one_owner", "added sync_client.program", "made the tables activity_link", "contact.last_name",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("it does not say %q:\n%s", words, said)
		}
	}
	got := c.shape()
	for _, line := range want {
		if !slices.Contains(got, line) && !strings.HasPrefix(line, "sync_client program") {
			t.Errorf("not as a new one: %.200s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) && !strings.HasPrefix(line, "sync_client program") {
			t.Errorf("left over: %.200s", line)
		}
	}
	if got := c.one("SELECT CONCAT_WS(' ', last_name, notes, job_title, (SELECT probability FROM deal)) FROM contact"); got != "x näß j 7" {
		t.Errorf("rows: %s", got)
	}
	if done, err := Migrate(t.Context(), c.url); err != nil || len(done) != 1 || done[0] != "everything was there already" {
		t.Errorf("a second time: %q, %v", done, err)
	}
}

// TestMigrateSequences fills a table past the triggers, as a copy of another
// CRM does, and expects that people see the rows that are theirs and that no
// client has to wait for their positions in the feed.
func TestMigrateSequences(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO user (id, login, name) VALUES (UNHEX(MD5('owner')), 'ann', 'Ann')", "DROP TRIGGER contact_before_insert", "DROP TRIGGER contact_after_insert",
		"INSERT INTO contact (id, last_name, owner_id) SELECT UNHEX(MD5(seq)), 'x', UNHEX(MD5('owner')) FROM seq_1_to_4500",
		"INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'email', 'x@example.com' FROM contact")
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	const q = "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM sync_outbox), (SELECT COUNT(*) FROM contact c JOIN contact_method m ON m.contact_id = c.id WHERE c.scope_id = c.owner_id AND m.scope_id = c.scope_id), (SELECT COUNT(*) >= 4500 FROM sync_feed))"
	if got := c.one(q); got != "0 4500 1" {
		t.Errorf("left in the outbox, seen by their owners, in the feed: %s", got)
	}
}

// TestMigrateLeaves: what would take something away stays, and is said.
func TestMigrateLeaves(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name, notes) VALUES ('x', '')",
		"ALTER TABLE contact MODIFY notes LONGTEXT NOT NULL DEFAULT '', MODIFY job_title LONGTEXT NULL, ADD region VARCHAR(20) NOT NULL DEFAULT 'n'",
		"ALTER TABLE activity MODIFY priority ENUM('low','normal','urgent') NULL, MODIFY due_at DATETIME(6) NULL",
		"ALTER TABLE organization DROP KEY organization_by_name, MODIFY name VARCHAR(510) NULL",
		"DROP TRIGGER organization_before_insert", "INSERT INTO organization (name) VALUES (NULL)",
		"ALTER TABLE contact_method DROP CONSTRAINT contact_method_has_one_owner", "DROP TRIGGER contact_method_before_insert",
		"INSERT INTO contact_method (kind, value) VALUES ('email', 'nobody@example.org')")
	done, err := Migrate(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(done, "\n")
	for _, words := range []string{
		"left activity.priority as it is: it is enum(", "left organization.name as it is: 1 rows hold nothing there",
		"left the rule contact_method_has_one_owner out: 1 rows of contact_method break it", "contact.notes may be empty now",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("it does not say %q:\n%s", words, said)
		}
	}
	if got := c.one("SELECT GROUP_CONCAT(column_type ORDER BY column_name) FROM information_schema.columns WHERE table_schema = DATABASE() AND (table_name, column_name) IN (('contact', 'job_title'), ('contact', 'region'), ('activity', 'due_at'))"); got != "datetime(6),longtext,varchar(20)" {
		t.Errorf("columns of the administrator: %s", got)
	}
}

// TestMigrateRefusesLater: an older program leaves the central of a newer one
// alone, whether that says its version or only has triggers that know more.
func TestMigrateRefusesLater(t *testing.T) {
	c := newCompany(t)
	before := c.shape()
	c.sql("UPDATE sync_meta SET schema_version = schema_version + 1")
	refused := func(words string) {
		t.Helper()
		for what, run := range map[string]func() ([]string, error){
			"migrate": func() ([]string, error) { return Migrate(t.Context(), c.url) },
			"init":    func() ([]string, error) { return Init(t.Context(), c.url) },
		} {
			if _, err := run(); model.KindOf(err) != model.TooNew || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	refused("of version 2, this program knows version 1")
	if !slices.Equal(c.shape(), before) {
		t.Error("something was changed")
	}
	c.sql("UPDATE sync_meta SET schema_version = schema_version - 1",
		"ALTER TABLE contact ADD region VARCHAR(20) NULL",
		"CREATE OR REPLACE TRIGGER contact_after_update AFTER UPDATE ON contact FOR EACH ROW BEGIN /* rapport 0123456789abcdef */ SET @x = NEW.`region`; END")
	refused("it knows the column region of contact")
	c.sql("DROP TRIGGER contact_after_update")
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Errorf("a column of an administrator: %v", err)
	}
}
