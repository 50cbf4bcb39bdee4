package mysql

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// chainCopy is what a chain of backups holds: rows by table and key.
type chainCopy map[string]map[string]string

// keyText writes a key so that its order is that of the texts.
func keyText(v []any) string {
	var out []string
	for _, k := range v {
		switch k := k.(type) {
		case int64:
			out = append(out, fmt.Sprintf("%020d", k))
		case []byte:
			out = append(out, fmt.Sprintf("%x", k))
		}
	}
	return strings.Join(out, " ")
}

// full copies a whole dump.
func (c *company) full(d *Dump) chainCopy {
	c.Helper()
	out := chainCopy{}
	for _, t := range d.Tables() {
		out[t.Name] = c.allRows(d, t)
	}
	return out
}

func (c *company) allRows(d *Dump, t DumpTable) map[string]string {
	c.Helper()
	rows, last := map[string]string{}, ""
	err := d.Rows(c.Context(), 0, t, func(v []any) error {
		key := c.keyOf(t, v)
		if t.Ordered && key <= last {
			c.Errorf("%s: %s comes behind %s", t.Name, key, last)
		}
		last, rows[key] = key, line(t, v)
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return rows
}

func (c *company) keyOf(t DumpTable, v []any) string {
	var key []any
	for _, k := range t.Key {
		key = append(key, v[slices.Index(t.Columns, k)])
	}
	return keyText(key)
}

// advance brings a copy to a later dump by what changed, and counts the rows and
// keys that this took.
func (c *company) advance(old chainCopy, since DumpMark, d *Dump) (out chainCopy, rows, gone int) {
	c.Helper()
	out = chainCopy{}
	for _, t := range d.Tables() {
		if !t.Followed {
			out[t.Name] = c.allRows(d, t)
			continue
		}
		of, last := maps.Clone(old[t.Name]), ""
		next := func(key string) {
			if key <= last {
				c.Errorf("%s: the change of %s comes behind that of %s", t.Name, key, last)
			}
			last = key
		}
		reader := 0
		if t.Alike {
			reader = d.Info().Readers - 1
		}
		err := d.Changed(c.Context(), reader, t, since, func(v []any) error {
			key := c.keyOf(t, v)
			next(key)
			of[key] = line(t, v)
			rows++
			return nil
		}, func(key []any) error {
			next(keyText(key))
			delete(of, keyText(key))
			gone++
			return nil
		})
		if err != nil {
			c.Fatal(err)
		}
		out[t.Name] = of
	}
	return out, rows, gone
}

// sameCopy holds that a copy is what a dump has.
func (c *company) sameCopy(got, want chainCopy) {
	c.Helper()
	for table, rows := range want {
		if !maps.Equal(got[table], rows) {
			c.Errorf("%s has %d rows and not %d: %q\nand not %q", table, len(got[table]), len(rows), slices.Sorted(maps.Values(got[table])), slices.Sorted(maps.Values(rows)))
		}
	}
}

func TestDumpChanges(t *testing.T) {
	c := newCompany(t)
	c.sql("SET NAMES utf8mb4", "INSERT INTO user (login) VALUES ('eva'), ('tom')",
		"INSERT INTO contact (last_name) SELECT CONCAT('c', seq) FROM seq_1_to_1200",
		"INSERT INTO contact_method (value, contact_id) SELECT 'x', id FROM contact LIMIT 300",
		"INSERT INTO organization (name) VALUES ('Acme')")
	first := c.dump(1)
	held := c.full(first)
	mark := first.Info().Mark
	first.Close()
	// Another program: edits, a scope that moves with its parts, rows that are
	// deleted, deleted and back, made and deleted, and untouched.
	c.sql("SET NAMES utf8mb4", "UPDATE contact SET notes = 'ß 🦆 \\\\ \"' WHERE last_name LIKE 'c1%'",
		"UPDATE contact SET owner_id = (SELECT id FROM user WHERE login = 'eva') WHERE last_name = 'c2'",
		"DELETE FROM contact_method WHERE contact_id IN (SELECT id FROM contact WHERE last_name LIKE 'c3%')",
		"DELETE FROM contact WHERE last_name LIKE 'c3%' AND id NOT IN (SELECT contact_id FROM contact_method)",
		"INSERT INTO contact (id, last_name) VALUES (UNHEX(REPEAT('0f', 16)), 'back')", "DELETE FROM contact WHERE last_name = 'back'", "INSERT INTO contact (id, last_name) VALUES (UNHEX(REPEAT('0f', 16)), 'back again')",
		"INSERT INTO contact (last_name) VALUES ('short')", "DELETE FROM contact WHERE last_name = 'short'",
		"UPDATE contact SET deleted_at = UTC_TIMESTAMP(3) WHERE last_name = 'c4'",
		"UPDATE sync_person SET active = 1", "INSERT INTO sync_person (login, role, reach, scope) VALUES ('eva', 'sales', 'own', UNHEX(REPEAT('1', 32)))")
	second := c.dump(2)
	got, rows, gone := c.advance(held, mark, second)
	c.sameCopy(got, c.full(second))
	changed, _ := strconv.Atoi(c.one("SELECT COUNT(DISTINCT tbl, pk) FROM sync_feed WHERE seq > " + fmt.Sprint(mark.Position)))
	if history := len(got["sync_audit"]); gone < 100 || rows+gone > changed+history+10 {
		t.Errorf("%d rows and %d that went, of %d changed", rows, gone, changed)
	}
	if why, err := second.Follows(t.Context(), mark); why != "" || err != nil {
		t.Errorf("it does not follow: %q, %v", why, err)
	}
	// Nothing happened since.
	third := c.dump(1)
	if _, rows, gone := c.advance(got, second.Info().Mark, third); rows+gone != 0 {
		t.Errorf("%d rows and %d that went, of nothing", rows, gone)
	}
}

// TestDumpOfALateCommit holds that what a slow transaction wrote before a dump
// and committed after it is among the changes since, with its history.
func TestDumpOfALateCommit(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	db := c.server.DB(c.database)
	defer db.Close()
	slow, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"UPDATE contact SET last_name = 'Keller'", "INSERT INTO contact (last_name) VALUES ('slow')"} {
		if _, err := slow.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	c.sql("INSERT INTO contact (last_name) VALUES ('quick')", "INSERT INTO organization (name) VALUES ('quick')")
	first := c.dump(1)
	held, mark := c.full(first), first.Info().Mark
	if len(held["contact"]) != 2 {
		t.Errorf("the first dump has %q", held["contact"])
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	second := c.dump(1)
	got, rows, _ := c.advance(held, mark, second)
	c.sameCopy(got, c.full(second))
	if len(got["contact"]) != 3 || rows == 0 {
		t.Errorf("after it %q", got["contact"])
	}
}

// TestDumpKnowsWhatIsNotNoted holds that a table is held whole where a change of
// it could pass by the feed.
func TestDumpKnowsWhatIsNotNoted(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')", "INSERT INTO tag (name) VALUES ('vip')", "INSERT INTO organization (name) VALUES ('Acme')", "INSERT INTO product (name) VALUES ('Anvil')",
		"DROP TRIGGER tag_after_delete", "SET foreign_key_checks = 0", "TRUNCATE TABLE organization", "SET foreign_key_checks = 1",
		"CREATE TABLE maker (id BINARY(16) PRIMARY KEY)", "ALTER TABLE product ADD COLUMN maker_id BINARY(16), ADD FOREIGN KEY (maker_id) REFERENCES maker (id) ON DELETE SET NULL",
		"ALTER TABLE stage ADD COLUMN shade INT", "ALTER TABLE pipeline ADD COLUMN initial CHAR(1) AS (LEFT(name, 1)) PERSISTENT")
	d := c.dump(1)
	for name, want := range map[string]bool{"contact": true, "pipeline": true, "stage": false, "sync_audit": true, "sync_run": true,
		"tag": false, "organization": false, "product": false, "maker": false, "sync_meta": false, "sync_person": false} {
		if got := c.table(d, name); got.Followed != want {
			t.Errorf("%s is followed: %v", name, got.Followed)
		}
	}
	if err := d.Changed(t.Context(), 0, c.table(d, "tag"), d.Info().Mark, nil, nil); model.KindOf(err) != model.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestDumpThatDoesNotFollow(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	first := c.dump(1)
	mark := first.Info().Mark
	first.Close()
	c.sql("INSERT INTO contact (last_name) VALUES ('Keller')", "UPDATE sync_counter SET tick = tick + 1", "UPDATE sync_meta SET min_seq = "+fmt.Sprint(mark.Position))
	d := c.dump(1)
	ahead, behind, other := mark, mark, mark
	ahead.Position += 1000
	behind.Position--
	run, nonce, _ := strings.Cut(mark.Run, ".")
	other.Run = run + "." + strings.Repeat("0", len(nonce))
	for name, m := range map[string]DumpMark{"ahead": ahead, "behind": behind, "other": other, "nothing": {}} {
		if why, err := d.Follows(t.Context(), m); why == "" || err != nil {
			t.Errorf("%s follows: %v", name, err)
		}
	}
	if err := d.Changed(t.Context(), 0, c.table(d, "contact"), behind, nil, nil); model.KindOf(err) != model.Invalid {
		t.Errorf("got %v", err)
	}
}

// TestDumpValues holds that every type comes as it is, in an administrator's own
// table and in a column of his.
func TestDumpValues(t *testing.T) {
	c := newCompany(t)
	c.sql("SET NAMES utf8mb4, sql_mode = '', time_zone = '+05:30'",
		"ALTER TABLE contact ADD COLUMN shoe DECIMAL(65,30)", "INSERT INTO contact (last_name, shoe) VALUES ('Meier', -0.000000000000000000000000000001)",
		`CREATE TABLE mine (k VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, small TINYINT ZEROFILL, big BIGINT, huge BIGINT UNSIGNED, mid INT UNSIGNED, dec_ DECIMAL(20,4), f FLOAT, d DOUBLE,
		  day DATE, at DATETIME(6), ts TIMESTAMP(3) NULL, t TIME(2), y YEAR, txt LONGTEXT, old VARCHAR(20) CHARACTER SET latin1, e ENUM('a','b'), s SET('x','y'), b BIT(10), bin VARBINARY(20), bl LONGBLOB, id16 BINARY(16), js JSON, p POINT, gen INT AS (big + 1))`,
		`INSERT INTO mine (k, small, big, huge, mid, dec_, f, d, day, at, ts, t, y, txt, old, e, s, b, bin, bl, id16, js, p) VALUES
		  ('full', 7, -9223372036854775808, 18446744073709551615, 4294967295, -12.5, 16777217, 0.1, '0000-00-00', '0000-00-00 00:00:00', '2026-03-29 02:30:00.5', '-838:59:58.99', 2026, '🦆\0\n', 'Zürich', 'b', 'x,y', b'1010101010', X'00ff27', X'5c00', UNHEX(MD5('x')), '{"b": 1, "a": "ü"}', POINT(1, 2)),
		  ('float', 1, 0, 0, 0, 0, 0.1, 1e300, '2026-02-00', '9999-12-31 23:59:59.999999', NULL, '00:00:00', 0, '', '', '', '', 0, '', '', NULL, '[]', NULL),
		  ('null', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		"CREATE TABLE heap_ (a INT, b VARCHAR(5)) ENGINE=MyISAM", "INSERT INTO heap_ VALUES (2, 'y'), (1, 'x'), (1, 'x')", "CREATE SEQUENCE numbers", "CREATE VIEW seen AS SELECT * FROM mine")
	d := c.dump(1)
	mine := c.table(d, "mine")
	if mine.Ordered || mine.Followed || slices.Contains(mine.Columns, "gen") || mine.Loose {
		t.Errorf("mine %+v", mine)
	}
	if want := "text int int text int text text text text text text text int text text text text blob blob blob id text blob"; strings.Join(mine.Types, " ") != want {
		t.Errorf("types %v", mine.Types)
	}
	got := c.read(d, 0, "mine")
	want := []string{
		"k=float|small=1|big=0|huge=0|mid=0|dec_=0.0000|f=0.10000000149011612|d=1e300|day=2026-02-00|at=9999-12-31 23:59:59.999999|ts=NULL|t=00:00:00.00|y=0|txt=|old=|e=|s=|b=0000|bin=|bl=|id16=NULL|js=[]|p=NULL",
		"k=full|small=7|big=-9223372036854775808|huge=18446744073709551615|mid=4294967295|dec_=-12.5000|f=16777216|d=0.1|day=0000-00-00|at=0000-00-00 00:00:00.000000|ts=2026-03-28 21:00:00.500|t=-838:59:58.99|y=2026|txt=🦆\x00\n|old=Zürich|e=b|s=x,y|b=02aa|bin=00ff27|bl=5c00|id16=9dd4e461268c8034f5c8564e155c67a6|js={\"b\": 1, \"a\": \"ü\"}|p=000000000101000000000000000000f03f0000000000000040",
		"k=null|small=NULL|big=NULL|huge=NULL|mid=NULL|dec_=NULL|f=NULL|d=NULL|day=NULL|at=NULL|ts=NULL|t=NULL|y=NULL|txt=NULL|old=NULL|e=NULL|s=NULL|b=NULL|bin=NULL|bl=NULL|id16=NULL|js=NULL|p=NULL",
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("row %d\n got %q\nwant %q", i, got, want[i])
		}
	}
	if got := c.read(d, 0, "contact"); len(got) != 1 || !strings.HasSuffix(got[0], "shoe=-0.000000000000000000000000000001") || c.table(d, "contact").Followed {
		t.Errorf("contact %q", got)
	}
	if h := c.table(d, "heap_"); !h.Loose || h.Ordered || !slices.Equal(h.Key, []string{"a", "b"}) || len(c.read(d, 0, "heap_")) != 3 {
		t.Errorf("heap_ %+v", h)
	}
	if got := strings.Join(d.Unread(), "\n"); !strings.Contains(got, "the sequence numbers") {
		t.Errorf("left out: %q", got)
	}
	if slices.ContainsFunc(d.Tables(), func(t DumpTable) bool { return t.Name == "seen" || t.Name == "numbers" }) {
		t.Error("a view or a sequence is among the tables")
	}
	row := []any{[]byte(`{"b": 1.50, "a": [12345678901234567890, "<ü>"], "aa": null}`)}
	if err := canonicalJSON(row, 0); err != nil || !bytes.Equal(row[0].([]byte), []byte(`{"a":[12345678901234567890,"<ü>"],"aa":null,"b":1.50}`)) {
		t.Errorf("%s, %v", row[0], err)
	}
}

// TestDumpOrder holds that owners come before their parts, also where an
// administrator made both.
func TestDumpOrder(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE TABLE zoo (id INT PRIMARY KEY)", "CREATE TABLE ape (id INT PRIMARY KEY, zoo_id INT, FOREIGN KEY (zoo_id) REFERENCES zoo (id))",
		"CREATE TABLE contact_replaced_20260101 (a INT PRIMARY KEY)", "CREATE TABLE report_contact_new (a INT PRIMARY KEY)", "CREATE TABLE report_money (a INT PRIMARY KEY)")
	var names []string
	for _, tb := range c.dump(1).Tables() {
		names = append(names, tb.Name)
	}
	at := func(n string) int { return slices.Index(names, n) }
	if at("zoo") > at("ape") || at("contact") > at("contact_method") || at("deal") < at("stage") || at("sync_meta") > at("zoo") {
		t.Errorf("order %v", names)
	}
	if at("contact_replaced_20260101") >= 0 || at("report_contact_new") >= 0 || at("report_money") < 0 {
		t.Errorf("tables %v", names)
	}
}

func TestDumpExtras(t *testing.T) {
	c := newCompany(t)
	c.person("eve", model.RoleSales, model.ScopeAll, "")
	c.sql("CREATE VIEW seen AS SELECT last_name FROM contact", "CREATE PROCEDURE hello() SELECT 1", "CREATE TRIGGER own_tag BEFORE DELETE ON tag FOR EACH ROW SET @x = 'a; b'")
	extras, err := c.adminDump().Extras(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range extras {
		all[e.Name] = strings.Join(e.SQL, "\n")
	}
	for part, wants := range map[string][]string{
		"database": {"CREATE DATABASE"}, "settings": {"SET GLOBAL sql_mode = '", "SET GLOBAL max_allowed_packet = "},
		"objects":  {"VIEW `seen`", "PROCEDURE `hello`", "TRIGGER own_tag", "SET @x = 'a; b'"},
		"accounts": {"CREATE USER IF NOT EXISTS `eve" + c.database + "`@", "ACCOUNT LOCK", "GRANT EXECUTE ON PROCEDURE", "sync_pull"},
	} {
		for _, want := range wants {
			if !strings.Contains(all[part], want) {
				t.Errorf("%s lacks %q: %s", part, want, all[part])
			}
		}
	}
	if strings.Contains(all["objects"], "sync_") || strings.Contains(all["accounts"], "IDENTIFIED") {
		t.Errorf("too much: %v", all)
	}
	few := servertest.Name(c.url)
	c.server.SQL(t, "", "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'p'", "GRANT SELECT ON "+few+".* TO reader@'127.0.0.1'")
	t.Cleanup(func() { c.server.SQL(t, "", "DROP USER reader@'127.0.0.1'") })
	c.url = c.server.URLFor("reader", "p", few)
	extras, err = c.dump(1).Extras(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(extras), "-- the account that made this backup may not read the accounts") {
		t.Errorf("%v, %v", extras, err)
	}
}

// adminDump is a dump by the administrator, whoever clients are.
func (c *company) adminDump() *Dump {
	c.url = c.server.URL(c.database)
	return c.dump(1)
}

func TestAccountsComeWithoutPasswords(t *testing.T) {
	for in, want := range map[string]string{
		"CREATE USER `eve`@`%` IDENTIFIED BY PASSWORD '*81F5E21E35407D884A6CD4A731AEBFB6AF209E1B' REQUIRE SSL WITH MAX_USER_CONNECTIONS 12":                       "CREATE USER IF NOT EXISTS `eve`@`%` REQUIRE SSL WITH MAX_USER_CONNECTIONS 12 ACCOUNT LOCK",
		"CREATE USER `a b`@`%` IDENTIFIED VIA ed25519 USING 'x\\' REQUIRE' OR unix_socket PASSWORD EXPIRE":                                                        "CREATE USER IF NOT EXISTS `a b`@`%` PASSWORD EXPIRE ACCOUNT LOCK",
		"CREATE USER `q`@`h` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$ab' REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT": "CREATE USER IF NOT EXISTS `q`@`h` REQUIRE NONE PASSWORD EXPIRE DEFAULT PASSWORD HISTORY DEFAULT ACCOUNT LOCK",
	} {
		if got := lockedAccount(in); got != want {
			t.Errorf("%s\nand not\n%s", got, want)
		}
	}
	const grant = "GRANT SELECT ON `d`.* TO `x`@`%` IDENTIFIED BY PASSWORD '*81F5E21E35407D884A6CD4A731AEBFB6AF209E1B' WITH GRANT OPTION"
	if got := withoutPassword(grant); got != "GRANT SELECT ON `d`.* TO `x`@`%` WITH GRANT OPTION" {
		t.Error(got)
	}
}
