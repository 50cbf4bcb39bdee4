package mysql

import (
	"crypto/rand"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// Procedures are how people reach the central: an account of a person may
// execute those of personProcedures and nothing else, so that whatever program
// it is used with sees and changes only what the person may. They run with the
// rights of their definer and ask USER() who called.
//
// A caller controls the session, so a procedure relies on nothing of it:
// prelude ends a transaction that is open and sets every variable that the
// work depends on; sql_mode and character sets are frozen in the procedure.
// A statement that is put together from pieces holds only pieces of these
// bodies, numbers, and the caller's own scopes as hexadecimal literals.

// procedure is one stored procedure.
type procedure struct {
	name, params, body string
}

// create returns the statement that makes the procedure for a definer, "" for
// the account that is connected.
func (p procedure) create(definer string, replace bool) string {
	q := "CREATE "
	if replace {
		q += "OR REPLACE "
	}
	if definer != "" {
		q += "DEFINER=" + definer + " "
	}
	return q + "PROCEDURE " + ident(p.name) + "(" + p.params + ")\nMODIFIES SQL DATA SQL SECURITY DEFINER\nBEGIN " + p.mark() + "\n" + p.body + "END"
}

// mark tells the procedure's version, as that of a trigger does.
func (p procedure) mark() string {
	h := sha256.Sum256([]byte(p.name + p.params + p.body))
	return "/* rapport " + hex.EncodeToString(h[:8]) + " */"
}

// personProcedures are the procedures that an account of a person executes.
func personProcedures() []string {
	return []string{"sync_poll", "sync_sequence", "sync_push", "sync_stage", "sync_pull", "sync_fetch", "sync_since", "sync_discards", "sync_load", "sync_digest", "sync_hashes", "sync_survey", "sync_give", "sync_wiped"}
}

// allProcedures returns the procedures of a server.
func allProcedures(d dialect) []procedure {
	if !d.procedures() {
		return []procedure{closureProcedure, settleProcedure()} // triggers and plain statements call them
	}
	out := []procedure{enterProcedure, closureProcedure, settleProcedure(), headProcedure(), pollProcedure(), sequenceProcedure(), wipedProcedure(), giveProcedure(),
		listProcedure(), hashProcedure(), pullProcedure(), fetchProcedure(), sinceProcedure(), discardsProcedure(), loadProcedure(), digestProcedure(), hashesProcedure(), surveyProcedure(),
		pushProcedure(), stageProcedure(), applyProcedure()}
	out = append(out, alteredProcedures()...)
	for _, e := range model.Entities() {
		out = append(out, fieldsProcedure(e))
	}
	for i := range out {
		out[i].body = strings.ReplaceAll(out[i].body, preludeMark, d.prelude())
	}
	return out
}

// preludeMark stands in a body for the dialect's prelude.
const preludeMark = "{prelude}"

// prelude undoes what an interrupted call left open and takes the session's
// variables out of the caller's hands. insert_id would let one person use up the numbers of
// the outbox for everybody.
func (d dialect) prelude() string {
	set := "  SET SESSION completion_type=0;\n  ROLLBACK;\n" +
		"  SET SESSION autocommit=1, foreign_key_checks=1, unique_checks=1, timestamp=DEFAULT, time_zone='+00:00', group_concat_max_len=67108864,\n" +
		"    insert_id=0, auto_increment_increment=DEFAULT, auto_increment_offset=DEFAULT, sql_auto_is_null=0, sql_safe_updates=0, sql_select_limit=DEFAULT"
	if d.product == mariaDB {
		set += ", check_constraint_checks=1"
	}
	return set + ";\n  SET SESSION TRANSACTION READ WRITE;\n  SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\n"
}

// procedures tells whether the server can run the central's procedures.
func (d dialect) procedures() bool {
	switch d.product {
	case mariaDB:
		return !d.release.before(release{10, 6, 5})
	case mySQL:
		return !d.release.before(release{8, 0, 21})
	}
	return false
}

// procedures makes the procedures that are missing and replaces those of
// another version or definer.
func (b *builder) procedures() {
	if b.err != nil || !b.dialect.triggers() {
		return
	}
	definer := b.definer()
	type routine struct{ body, definer string }
	have := map[string]routine{}
	err := b.query(b.ctx, "SELECT routine_name, routine_definition, definer FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_type = 'PROCEDURE'", func(_ int, v []driver.Value) error {
		have[asText(v[0])] = routine{asText(v[1]), asText(v[2])}
		return nil
	})
	if b.err = b.explain(err); b.err != nil {
		return
	}
	count := 0
	_, inUse := have["sync_poll"]
	for _, p := range allProcedures(b.dialect) {
		r, there := have[p.name]
		if b.err != nil || there && strings.Contains(r.body, p.mark()) && (definer == "" || r.definer == strings.NewReplacer("'", "", "`", "").Replace(definer)) {
			continue
		}
		count++
		if !there || b.dialect.product == mariaDB {
			b.run(p.create(definer, there))
			if !there && inUse && slices.Contains(personProcedures(), p.name) {
				b.share(p.name)
			}
			continue
		}
		b.renew(p, definer)
	}
	if b.err == nil && count > 0 {
		b.say("made or renewed %d procedures", count)
	}
}

// share gives the right on a procedure that is new to the people who are there
// already: those who may poll. People do without it where this account may give
// no rights.
func (b *builder) share(name string) {
	accounts, err := b.executors("sync_poll")
	for _, a := range accounts {
		if err == nil && b.err == nil {
			err = b.exec(b.ctx, "GRANT EXECUTE ON PROCEDURE "+ident(name)+" TO "+a)
		}
	}
	if err != nil {
		b.say("this account may not give people the right on the new procedure %s: `rapport central grant` does", name)
	}
}

// executors are the accounts that have the right on a procedure.
func (b *builder) executors(name string) (accounts []string, err error) {
	err = b.query(b.ctx, "SELECT user, host FROM mysql.procs_priv WHERE db = DATABASE() AND routine_name = "+quote(name), func(_ int, v []driver.Value) error {
		accounts = append(accounts, quote(asText(v[0]))+"@"+quote(asText(v[1])))
		return nil
	})
	return accounts, err
}

// renew replaces a procedure where the server can only remove and make it:
// removing it takes away the rights on it, which are given again.
func (b *builder) renew(p procedure, definer string) {
	accounts, err := b.executors(p.name)
	b.err = b.explain(err)
	b.run("DROP PROCEDURE " + ident(p.name))
	b.run(p.create(definer, false))
	for _, a := range accounts {
		b.run("GRANT EXECUTE ON PROCEDURE " + ident(p.name) + " TO " + a)
	}
}

// definerName is the account of a database that its procedures run as. Nobody
// logs in to it.
func definerName(database string) string {
	name := "rapport_" + database
	if len(name) > 32 {
		h := sha256.Sum256([]byte(database))
		name = "rapport_" + hex.EncodeToString(h[:8])
	}
	return name
}

// definer makes the account that the procedures run as: locked, and with no
// right outside of the database. Where the connected account may not make it,
// the procedures run as that one, and definer returns "".
func (b *builder) definer() string {
	if b.err != nil {
		return ""
	}
	account := quote(definerName(b.database)) + "@'localhost'"
	var secret [24]byte
	if _, b.err = rand.Read(secret[:]); b.err != nil {
		return ""
	}
	for _, q := range []string{
		"CREATE USER IF NOT EXISTS " + account + " IDENTIFIED BY " + quote(hex.EncodeToString(secret[:])) + " ACCOUNT LOCK",
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES, EXECUTE ON " + grantable(b.database) + ".* TO " + account,
		"CREATE DEFINER=" + account + " PROCEDURE sync_probe() SQL SECURITY DEFINER SELECT 1",
		"DROP PROCEDURE sync_probe",
	} {
		err := b.exec(b.ctx, q)
		if n := number(err); slices.Contains([]uint16{1044, 1142, 1227, 1410, 1370, 1419}, n) {
			b.say("this account may not make an account that is locked: the procedures run as this account, so keep it")
			return ""
		}
		if b.err = b.explain(err); b.err != nil {
			return ""
		}
	}
	return account
}

// grantable quotes a database's name in a GRANT, in which _ and % stand for
// other characters.
func grantable(database string) string {
	return ident(strings.NewReplacer("_", `\_`, "%", `\%`).Replace(database))
}

// runSQL executes a statement that is put together from pieces.
func runSQL(text string) string {
	return "  SET @rapport_sql = CONCAT(" + text + ");\n  PREPARE rapport_sql FROM @rapport_sql;\n  EXECUTE rapport_sql;\n  DEALLOCATE PREPARE rapport_sql;\n  SET @rapport_sql = NULL;\n"
}

// me declares and fills what a procedure knows of its caller.
const me = `  DECLARE me VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  DECLARE my_role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin;
  DECLARE everything, known TINYINT;
  DECLARE my_user BINARY(16);
  DECLARE scopes, writable LONGTEXT CHARACTER SET utf8mb4;
`

const enter = preludeMark + "  CALL sync_enter(me, my_role, everything, my_user, scopes, writable, known);\n"

const mustBeKnown = "  IF NOT known THEN SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1370, MESSAGE_TEXT = 'this account is no person of the CRM'; END IF;\n"

// enterProcedure tells who calls, what that person may see and change, and
// refuses everything to somebody who was locked out, also in an open session.
var enterProcedure = procedure{"sync_enter",
	"OUT me VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, OUT my_role VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin, OUT everything TINYINT, OUT my_user BINARY(16), OUT scopes LONGTEXT CHARACTER SET utf8mb4, OUT writable LONGTEXT CHARACTER SET utf8mb4, OUT known TINYINT",
	`  DECLARE working TINYINT DEFAULT 0;
  SET me = ` + personSQL + `, known = 0;
  SELECT p.role, p.reach = 'all', p.user_id, p.active AND COALESCE(u.active, 1) AND u.deleted_at IS NULL, 1
    INTO my_role, everything, my_user, working, known
    FROM sync_person p LEFT JOIN user u ON u.id = p.user_id
    WHERE p.login = me;
  IF known THEN
    IF NOT working THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 4151, MESSAGE_TEXT = 'this account is locked'; END IF;
    SELECT COALESCE(GROUP_CONCAT('X''', HEX(scope), '''' ORDER BY scope), 'NULL'), COALESCE(GROUP_CONCAT(IF(may_write, CONCAT('X''', HEX(scope), ''''), NULL) ORDER BY scope), 'NULL')
      INTO scopes, writable
      FROM sync_scope_grant
      WHERE login = me;
  END IF;
`}

// closureProcedure works out which scopes people see: everybody, or those whom
// a change of one login or of two teams concerns. What was given by hand stays.
// It changes only what differs, and no table that calls it by a trigger.
var closureProcedure = procedure{"sync_closure",
	"IN one VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, IN team_a VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, IN team_b VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, IN land_a VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, IN land_b VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	`  DECLARE all_of_them TINYINT DEFAULT one IS NULL AND team_a IS NULL AND team_b IS NULL AND land_a IS NULL AND land_b IS NULL;
  DELETE g FROM sync_scope_grant g LEFT JOIN sync_person p ON p.login = g.login LEFT JOIN user u ON u.id = p.user_id
    WHERE NOT g.given AND (p.login IS NULL OR (` + concerned + `) AND g.scope <> p.scope AND g.scope <> ` + sharedLiteral + `
      AND NOT (p.reach = 'team' AND EXISTS (SELECT 1 FROM user m WHERE m.id = g.scope AND m.team COLLATE utf8mb4_bin = u.team COLLATE utf8mb4_bin AND m.team <> '' AND m.deleted_at IS NULL))
      AND NOT (p.reach = 'territory' AND EXISTS (SELECT 1 FROM sync_person m WHERE m.scope = g.scope AND m.territory = p.territory AND m.territory <> '')));
  INSERT IGNORE INTO sync_scope_grant (login, scope)
    SELECT p.login, p.scope FROM sync_person p LEFT JOIN user u ON u.id = p.user_id WHERE ` + concerned + `
    UNION SELECT p.login, ` + sharedLiteral + ` FROM sync_person p LEFT JOIN user u ON u.id = p.user_id WHERE ` + concerned + `
    UNION SELECT p.login, m.id FROM sync_person p JOIN user u ON u.id = p.user_id JOIN user m ON m.team COLLATE utf8mb4_bin = u.team COLLATE utf8mb4_bin AND m.team <> '' AND m.deleted_at IS NULL
      WHERE p.reach = 'team' AND (` + concerned + `)
    UNION SELECT p.login, m.scope FROM sync_person p LEFT JOIN user u ON u.id = p.user_id JOIN sync_person m ON m.territory = p.territory AND m.territory <> ''
      WHERE p.reach = 'territory' AND (` + concerned + `);
`}

const concerned = "all_of_them OR p.login = one OR p.reach = 'team' AND u.team COLLATE utf8mb4_bin IN (team_a, team_b) OR p.reach = 'territory' AND p.territory IN (land_a, land_b)"

var sharedLiteral = idLiteral(model.SharedScope)

// accessTriggers keep the closure when a person or a user's team changes.
func accessTriggers() []trigger {
	return []trigger{
		{"sync_person_after_insert", "sync_person", "AFTER INSERT", "  CALL sync_closure(NEW.login, NULL, NULL, NULL, NEW.territory);\n"},
		{"sync_person_after_update", "sync_person", "AFTER UPDATE", "  IF OLD.login <> NEW.login THEN CALL sync_closure(OLD.login, NULL, NULL, NULL, NULL); END IF;\n" +
			"  IF NOT (OLD.login = NEW.login AND OLD.scope = NEW.scope AND OLD.reach = NEW.reach AND OLD.territory <=> NEW.territory AND OLD.user_id <=> NEW.user_id) THEN\n" +
			"    CALL sync_closure(NEW.login, NULL, NULL, OLD.territory, NEW.territory);\n  END IF;\n"},
		{"sync_person_after_delete", "sync_person", "AFTER DELETE", "  CALL sync_closure(OLD.login, NULL, NULL, OLD.territory, NULL);\n"},
	}
}

// teamChanges ends the triggers of the users' table: who is in which team says
// who sees what.
func teamChanges(e *model.Entity, event string) string {
	if e.Noun != "user" {
		return ""
	}
	const call = "CALL sync_closure('', COALESCE(%s, ''), COALESCE(%s, ''), NULL, NULL);\n"
	switch event {
	case "insert":
		return "  " + fmt.Sprintf(call, "NEW.team", "NULL")
	case "delete":
		return "  " + fmt.Sprintf(call, "OLD.team", "NULL")
	}
	return "  IF NOT (CAST(OLD.team AS BINARY) <=> CAST(NEW.team AS BINARY) AND OLD.deleted_at <=> NEW.deleted_at) THEN\n    " + fmt.Sprintf(call, "OLD.team", "NEW.team") + "  END IF;\n"
}
