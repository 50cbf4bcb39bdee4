package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// The attacks here are those of somebody with a password of his own and a
// plain program for the server. Rows of ann hold the word secretOfAnn, which
// bob may see in no result, no error and no warning.
const secretOfAnn = "SECRETOFANN"

// siege is a company that bob attacks.
type siege struct {
	*company
	ann, bob model.ID // users
	contact  model.ID // ann's
	own      model.ID // bob's contact
	bobs     *sql.Conn
	fence    string
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	c := newCompany(t)
	s := &siege{company: c, ann: c.person("ann", model.RoleSales, model.ScopeOwn, "east"), bob: c.person("bob", model.RoleSales, model.ScopeOwn, "west")}
	s.contact, s.own = c.ids.New(), c.ids.New()
	c.sql("INSERT INTO organization (id, name, owner_id) VALUES (UNHEX(MD5('org')), '"+secretOfAnn+" org', "+idLiteral(s.ann)+")",
		"INSERT INTO contact (id, last_name, notes, organization_id, owner_id) VALUES ("+idLiteral(s.contact)+", '"+secretOfAnn+"', '"+secretOfAnn+" 17', UNHEX(MD5('org')), "+idLiteral(s.ann)+")",
		"INSERT INTO contact_method (contact_id, kind, value) VALUES ("+idLiteral(s.contact)+", 'email', '"+secretOfAnn+"@example.org')",
		"INSERT INTO contact (id, last_name, owner_id) VALUES ("+idLiteral(s.own)+", 'Bob''s', "+idLiteral(s.bob)+")", sequenceSQL)
	ann := c.as("ann")
	c.client = c.ids.New()
	if _, err := ann.Poll(t.Context(), model.Device{Client: c.client, Name: "ann's laptop"}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	s.bobs = s.raw("bob")
	s.fence = s.around()
	return s
}

// raw connects somebody without any of this program's code.
func (s *siege) raw(login string) *sql.Conn {
	s.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.MultiStatements = login+s.database, "secret", "tcp", s.server.Address(), s.database, true
	cfg.Logger = driverLog{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		s.Fatal(err)
	}
	return openConnector(s.T, connector)
}

func openConnector(t *testing.T, connector driver.Connector) *sql.Conn {
	t.Helper()
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// around is what must not change whatever bob does: everything of ann's, and
// who may do what.
func (s *siege) around() string {
	s.Helper()
	return s.one("SELECT CONCAT_WS('/', (SELECT GROUP_CONCAT(HEX(id), row_version, last_name, HEX(scope_id), COALESCE(updated_by, '')) FROM contact WHERE id = " + idLiteral(s.contact) + ")," +
		" (SELECT GROUP_CONCAT(name, row_version) FROM organization), (SELECT GROUP_CONCAT(value, row_version) FROM contact_method WHERE contact_id = " + idLiteral(s.contact) + ")," +
		" (SELECT GROUP_CONCAT(login, role, reach, HEX(scope), active ORDER BY login) FROM sync_person), (SELECT GROUP_CONCAT(login, HEX(scope), may_write ORDER BY login, scope) FROM sync_scope_grant)," +
		" (SELECT GROUP_CONCAT(role, tbl, may_insert, may_update, may_delete ORDER BY role, tbl) FROM sync_role_right), (SELECT COUNT(*) FROM sync_field_right)," +
		" (SELECT GROUP_CONCAT(person, name, wiped_at IS NULL) FROM sync_client WHERE client = " + idLiteral(s.client) + "), (SELECT COUNT(*) FROM sync_push WHERE client = " + idLiteral(s.client) + ")," +
		" (SELECT COUNT(*) FROM sync_stage), (SELECT COUNT(*) FROM user), (SELECT epoch FROM sync_meta))")
}

// ask runs statements as a plain program does, and returns all that comes back.
func ask(ctx context.Context, conn *sql.Conn, q string) (string, error) {
	var out strings.Builder
	rows, err := conn.QueryContext(ctx, q)
	if err == nil {
		defer rows.Close()
		for {
			names, _ := rows.Columns()
			for rows.Next() {
				cells, dest := make([]sql.RawBytes, len(names)), make([]any, len(names))
				for i := range cells {
					dest[i] = &cells[i]
				}
				if err := rows.Scan(dest...); err != nil {
					return out.String(), err
				}
				for i, cell := range cells {
					fmt.Fprintf(&out, "%s=%s ", names[i], cell)
				}
			}
			if !rows.NextResultSet() {
				break
			}
		}
		err = rows.Err()
	}
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), err
}

// try runs an attack and checks that it showed and changed nothing.
func (s *siege) try(conn *sql.Conn, q string) (string, error) {
	s.Helper()
	text, err := ask(s.Context(), conn, q)
	warnings, _ := ask(s.Context(), conn, "SHOW WARNINGS")
	if strings.Contains(text+warnings, secretOfAnn) {
		s.Errorf("%s\n  shows %s %s", q, text, warnings)
	}
	if now := s.around(); now != s.fence {
		s.Errorf("%s\n  changes %s\n  into    %s", q, s.fence, now)
		s.fence = now
	}
	return text, err
}

// refused runs an attack that must end with an error of a missing right.
func (s *siege) refused(q string) {
	s.Helper()
	_, err := s.try(s.bobs, q)
	var my *mysql.MySQLError
	if !errors.As(err, &my) || !slices.Contains([]uint16{1044, 1095, 1142, 1143, 1227, 1345, 1370, 1410, 1419, 1045, 1290, 1305, 1698, 1699}, my.Number) {
		s.Errorf("%s: not refused: %v", q, err)
	}
}

func TestAttackTables(t *testing.T) {
	s := newSiege(t)
	tables := strings.Split(s.one("SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = DATABASE()"), ",")
	if len(tables) < 25 {
		t.Fatalf("only %d tables: %v", len(tables), tables)
	}
	for _, table := range tables {
		for _, q := range []string{"SELECT * FROM %s", "SELECT COUNT(*) FROM %s", "UPDATE %s SET tick = 1", "DELETE FROM %s", "INSERT INTO %s VALUES ()", "REPLACE INTO %s VALUES ()",
			"INSERT INTO %s () VALUES () ON DUPLICATE KEY UPDATE id = 1", "TRUNCATE %s", "DROP TABLE %s", "ALTER TABLE %s ADD COLUMN x INT", "DESCRIBE %s", "SHOW CREATE TABLE %s", "SHOW INDEX FROM %s",
			"HANDLER %s OPEN", "CHECKSUM TABLE %s", "LOCK TABLES %s READ", "CREATE TRIGGER x BEFORE INSERT ON %s FOR EACH ROW SET @a = 1", "CREATE VIEW x AS SELECT * FROM %s",
			"SET foreign_key_checks = 0; DELETE FROM %s", "EXPLAIN SELECT * FROM %s", "CREATE TEMPORARY TABLE %s (x INT)", "PREPARE p FROM 'SELECT * FROM %s'; EXECUTE p", "RENAME TABLE %s TO x"} {
			s.refused(fmt.Sprintf(q, table))
		}
	}
	for _, q := range []string{
		"SELECT 1 FROM contact WHERE (@x := last_name) IS NOT NULL", "UPDATE contact SET notes = '' WHERE (@x := last_name)", "SELECT CAST(last_name AS INT) > 1 FROM contact",
		"SELECT EXP(IF(last_name LIKE 'S%', 1000, 1)) FROM contact", "INSERT INTO contact (id, last_name) VALUES (" + idLiteral(s.contact) + ", 'x') ON DUPLICATE KEY UPDATE scope_id = " + idLiteral(s.bob),
		"REPLACE INTO contact (id, last_name) VALUES (" + idLiteral(s.contact) + ", 'mine')", "SELECT * FROM contact INTO OUTFILE 'x.txt'", "SELECT * FROM sync_feed WHERE seq > 0", "SELECT MAX(seq) FROM sync_feed",
		"UPDATE sync_counter SET tick = tick + 1", "SELECT * FROM sync_counter FOR UPDATE", "INSERT INTO sync_scope_grant (login, scope) VALUES ('bob', " + idLiteral(s.ann) + ")", "UPDATE sync_person SET reach = 'all'",
	} {
		s.refused(q)
	}
	if text, _ := s.try(s.bobs, "SHOW TABLES; SELECT @x; SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE(); SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE(); SELECT trigger_name FROM information_schema.triggers"); strings.Contains(text, "contact") {
		t.Errorf("the schema shows: %s", text)
	}
}

func TestAttackServer(t *testing.T) {
	s := newSiege(t)
	for _, p := range allProcedures(dialectOf(s.one("SELECT VERSION()"))) {
		if slices.Contains(personProcedures(), p.name) {
			continue
		}
		args := strings.Repeat("@a,", strings.Count(p.params, " IN ")+strings.Count(p.params, " OUT ")+1)
		s.refused("CALL " + p.name + "(" + strings.TrimSuffix(args, ",") + ")")
	}
	for _, q := range []string{
		"SELECT * FROM mysql.user", "SELECT * FROM mysql.proc", "SELECT * FROM mysql.procs_priv", "SELECT * FROM mysql.global_priv", "CREATE DATABASE other", "CREATE FUNCTION f() RETURNS INT RETURN 1",
		"CREATE PROCEDURE p() SELECT * FROM contact", "ALTER PROCEDURE sync_push SQL SECURITY INVOKER", "DROP PROCEDURE sync_push", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "CREATE USER x", "DROP USER ann",
		"GRANT ALL ON *.* TO CURRENT_USER()", "SET GLOBAL read_only = 1", "SET GLOBAL general_log = 1", "SHOW GRANTS FOR 'ann" + s.database + "'@'%'", "SET PASSWORD FOR 'ann" + s.database + "'@'%' = PASSWORD('x')",
		"ALTER USER '" + definerName(s.database) + "'@'localhost' ACCOUNT UNLOCK", "SET ROLE root", "SHOW BINARY LOGS", "SHOW MASTER STATUS", "FLUSH TABLES WITH READ LOCK", "FLUSH PRIVILEGES", "SHUTDOWN",
		"LOAD DATA INFILE '/etc/passwd' INTO TABLE contact", "KILL " + s.one("SELECT CONNECTION_ID()"), "SHOW ENGINE INNODB STATUS", "SET SESSION sql_log_bin = 0", "BINLOG 'x'",
	} {
		if strings.HasPrefix(q, "SET ROLE") {
			if _, err := s.try(s.bobs, q); err == nil {
				t.Errorf("%s is not refused", q)
			}
			continue
		}
		if strings.HasPrefix(q, "KILL") {
			s.try(s.bobs, q) // that connection is gone already
			continue
		}
		s.refused(q)
	}
	text, _ := s.try(s.bobs, "SHOW CREATE PROCEDURE sync_push; SELECT routine_definition FROM information_schema.routines WHERE routine_name LIKE 'sync%'; SHOW PROCEDURE CODE sync_push")
	if strings.Contains(text, "sync_op") || strings.Contains(text, "START TRANSACTION") {
		t.Errorf("the procedures' bodies show: %.200s", text)
	}
	if text, _ := s.try(s.bobs, "SHOW PROCESSLIST"); strings.Contains(text, "root") {
		t.Errorf("other sessions show: %s", text)
	}
	if err := s.as("bob").session.exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	if _, err := Dial(t.Context(), s.server.URLFor(definerName(s.database), "", s.database), DialOptions{}); model.KindOf(err) != model.Refused {
		t.Errorf("somebody logs in as the procedures' owner: %v", err)
	}
}

// TestAttackReads asks the procedures for what is not bob's.
func TestAttackReads(t *testing.T) {
	s := newSiege(t)
	foreign := plainHex(s.contact)
	for _, q := range []string{
		"CALL sync_pull(0, 9223372036854775807)", "CALL sync_pull(-9223372036854775808, 9223372036854775807)", "CALL sync_pull(NULL, NULL)",
		"CALL sync_load('contact', '')", "CALL sync_load('contact ', '')", "CALL sync_load('CONTACT', '')", "CALL sync_load('contact` t WHERE 1=1 -- ', '')", "CALL sync_load('sync_person', '')", "CALL sync_load('contact', NULL)",
		"CALL sync_load('contact', X'27204F5220313D31')", "CALL sync_load('organization', X'')", "CALL sync_load('contact_method', '')",
		`CALL sync_fetch('[{"t":"contact","i":["` + foreign + `"]}]')`, `CALL sync_fetch('[{"t":"contact","i":["` + foreign + `") OR 1=1 -- "]}]')`, `CALL sync_fetch('[{"t":"contact'' OR ''1","i":["` + foreign + `"]}]')`, `CALL sync_fetch('x')`, `CALL sync_fetch(NULL)`,
		`CALL sync_hashes('[{"t":"contact","n":0,"b":[0]}]')`, `CALL sync_digest('[{"t":"contact","n":0}]')`, `CALL sync_digest('[{"t":"contact","n":"0) OR 1=1 -- "}]')`, "CALL sync_survey()",
		"CALL sync_poll(X'00',1,'n','p',0,1,1,X'00',0)", "CALL sync_poll(" + idLiteral(s.client) + ",1,'mine','p',0,1,1,X'00',0)", "CALL sync_sequence(1,X'00',0)", "CALL sync_wiped(" + idLiteral(s.client) + ")",
		"CALL sync_stage(" + idLiteral(s.client) + ",1,0,'[]')",
		"CALL sync_give('contact', " + idLiteral(s.contact) + ", " + idLiteral(s.bob) + ")", "CALL sync_give('contact` SET last_name=''x'' -- ', " + idLiteral(s.contact) + ", " + idLiteral(s.bob) + ")",
	} {
		s.try(s.bobs, q)
		for _, left := range []string{"SELECT * FROM sync_op", "SELECT * FROM sync_page", "SELECT * FROM sync_want", "EXECUTE rapport_sql", "SELECT @rapport_sql, @rapport_tables, @x"} {
			if text, err := s.try(s.bobs, left); err == nil && strings.Contains(text, "=0") {
				t.Errorf("%s leaves behind %s: %s", q, left, text)
			}
		}
	}
	if text, err := s.try(s.bobs, "CALL sync_load('contact', '')"); err != nil || !strings.Contains(text, "Bob's") || strings.Count(text, "last_name=") != 1 {
		t.Errorf("bob's own contacts: %s, %v", text, err)
	}
	text, err := s.try(s.bobs, `CALL sync_digest('[{"t":"contact","n":0}]')`)
	if err != nil || !strings.Contains(text, "COUNT(*)=1 ") {
		t.Errorf("a sum covers more than bob's: %s, %v", text, err)
	}
}

// TestAttackByClient uses the server's own program, where it is installed.
func TestAttackByClient(t *testing.T) {
	s := newSiege(t)
	program := ""
	for _, name := range []string{"mariadb", "mysql"} {
		if p, err := exec.LookPath(name); err == nil && program == "" {
			program = p
		}
	}
	queries := []string{"SELECT * FROM contact", "CALL sync_pull(0, 1000000)", "CALL sync_load('contact','')", "SHOW TABLES", "SHOW CREATE PROCEDURE sync_apply"}
	for _, q := range queries {
		var text string
		if program == "" {
			text, _ = ask(t.Context(), s.bobs, q)
		} else {
			host, port, _ := strings.Cut(s.server.Address(), ":")
			out, _ := exec.CommandContext(t.Context(), program, "--no-defaults", "-h"+host, "-P"+port, "-ubob"+s.database, "-psecret", "-e", q+"; SHOW WARNINGS", s.database).CombinedOutput()
			text = string(out)
		}
		if strings.Contains(text, secretOfAnn) || q == "SELECT * FROM contact" && !strings.Contains(text, "1142") {
			t.Errorf("%s: %s", q, text)
		}
	}
}
