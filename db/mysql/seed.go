package mysql

import (
	"context"
	"database/sql/driver"
	"regexp"
	"slices"
	"strings"

	"rapport/model"
)

// seedBytes is about how long one INSERT of a copy is.
const seedBytes = 512 << 10

// seeder copies everything that people and programs keep on one server to
// another: databases with tables, sequences, views, triggers, procedures and events, and
// accounts with their rights. All rows are of one moment, whose place in the
// primary's log it knows, so that replication goes on from there.
//
// What it writes leaves no trace in the log of the server that it fills: there
// it would be transactions of the standby's own, which stop the first one of
// the primary that comes.
type seeder struct {
	from, to *node
	notify   model.Notify
	rows     int64
	notes    []string
}

// ownDatabases belong to a server itself.
const ownDatabases = "'mysql', 'information_schema', 'performance_schema', 'sys'"

// databases lists those that are not the server's own.
func (n *node) databases(ctx context.Context) ([]string, error) {
	out, err := n.lines(ctx, "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ("+ownDatabases+") ORDER BY schema_name")
	return out, mapError("list the databases", err)
}

// copy fills the server and returns the primary's GTID position to go on from.
func (s *seeder) copy(ctx context.Context) (position string, err error) {
	prepare := "SET SESSION sql_log_bin = 0, foreign_key_checks = 0, unique_checks = 0, check_constraint_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', idle_transaction_timeout = 0"
	if err := s.to.step(ctx, "write without leaving a trace in its log", "BINLOG ADMIN", prepare); err != nil {
		return "", err
	}
	dbs, err := s.from.databases(ctx)
	if err != nil {
		return "", err
	}
	accounts, err := s.accounts(ctx)
	if err != nil {
		return "", err
	}
	if err := s.from.exec(ctx, "SET SESSION idle_transaction_timeout = 0; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
		return "", mapError("prepare the primary", err)
	}
	place, err := beginSnapshot(ctx, s.from.session)
	if err != nil {
		return "", mapError("take a snapshot of the primary", err)
	}
	defer func() {
		if e := s.from.exec(context.WithoutCancel(ctx), "ROLLBACK; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err == nil {
			err = mapError("end the snapshot", e)
		}
	}()
	if position, err = place.gtid(ctx, s.from.session); err != nil {
		return "", mapError("find the snapshot in the log", err)
	}
	for _, db := range dbs {
		if err := s.database(ctx, db); err != nil {
			return "", err
		}
	}
	if err := s.rights(ctx, accounts); err != nil {
		return "", err
	}
	return position, s.to.step(ctx, "take over the accounts", "RELOAD", "FLUSH LOCAL PRIVILEGES")
}

// orZero keeps anything but digits out of a statement.
func orZero(s string) string {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return "0"
	}
	return s
}

// put runs a statement on the server that is filled.
func (s *seeder) put(ctx context.Context, q string) error {
	return s.to.step(ctx, "fill it", "ALL PRIVILEGES", q)
}

// database copies one database in the place of the one of that name.
func (s *seeder) database(ctx context.Context, db string) error {
	shown, err := s.from.shown(ctx, "SHOW CREATE DATABASE "+ident(db))
	if err != nil {
		return err
	}
	for _, q := range []string{"DROP DATABASE IF EXISTS " + ident(db), shown["create database"], "USE " + ident(db)} {
		if err := s.put(ctx, q); err != nil {
			return err
		}
	}
	if err := s.sequences(ctx, db); err != nil {
		return err
	}
	tables, others, err := shapes(ctx, s.from.session, db)
	if err != nil {
		return err
	}
	for i, t := range tables {
		s.notify.Tell("copying "+db, int64(i), int64(len(tables)))
		if err := s.table(ctx, db, t); err != nil {
			return err
		}
	}
	for _, o := range others {
		if !strings.HasPrefix(o, "the sequence ") {
			s.notes = append(s.notes, o+" is not copied")
		}
	}
	return s.objects(ctx, db)
}

// sequences copies what tables take numbers from, each as far as it has given
// any.
func (s *seeder) sequences(ctx context.Context, db string) error {
	names, err := s.from.lines(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = "+quote(db)+" AND table_type = 'SEQUENCE' ORDER BY table_name")
	if err != nil {
		return mapError("list the sequences", err)
	}
	for _, name := range names {
		sequence := ident(db) + "." + ident(name)
		shown, err := s.from.shown(ctx, "SHOW CREATE SEQUENCE "+sequence)
		if err != nil {
			return err
		}
		next, err := s.from.text(ctx, "SELECT CONCAT_WS(', ', next_not_cached_value, 0, cycle_count) FROM "+sequence)
		if err != nil {
			return mapError("read the sequence "+name, err)
		}
		for _, q := range []string{shown["create table"], "DO SETVAL(" + ident(name) + ", " + next + ")"} {
			if err := s.put(ctx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// objects copies what belongs to the tables.
func (s *seeder) objects(ctx context.Context, db string) error {
	if err := s.from.exec(ctx, "USE "+ident(db)); err != nil {
		return mapError("use the database", err)
	}
	all, err := objects(ctx, s.from.session, db)
	if err != nil {
		return mapError("list what belongs to the tables", err)
	}
	for _, o := range all {
		if err := s.put(ctx, o.statements()); err != nil {
			return err
		}
	}
	return s.put(ctx, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
}

// table copies one table with its rows.
func (s *seeder) table(ctx context.Context, db string, t *tableShape) error {
	table := ident(db) + "." + ident(t.name)
	shown, err := s.from.shown(ctx, "SHOW CREATE TABLE "+table)
	if err != nil {
		return err
	}
	if err := s.put(ctx, shown["create table"]); err != nil {
		return err
	}
	var columns, values []string
	for _, c := range t.columns {
		columns, values = append(columns, c.name), append(values, c.read())
	}
	head := "INSERT INTO " + ident(t.name) + " (" + idents(columns) + ") VALUES "
	b := []byte(head)
	var failed error
	flush := func() error {
		if len(b) == len(head) {
			return nil
		}
		failed = s.put(ctx, string(b))
		b = append(b[:0], head...)
		return failed
	}
	err = s.from.query(ctx, "SELECT "+strings.Join(values, ",")+" FROM "+table, func(_ int, v []driver.Value) error {
		if len(b) > len(head) {
			b = append(b, ',')
		}
		for i, value := range v {
			b = append(b, "(,"[min(i, 1)])
			b = appendSeed(b, t.columns[i].kind, value)
		}
		b = append(b, ')')
		s.rows++
		if len(b) > seedBytes {
			return flush()
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return mapError("copy "+t.name, err)
	}
	return flush()
}

// appendSeed writes a value as it is.
func appendSeed(b []byte, kind string, v driver.Value) []byte {
	if v == nil {
		return append(b, "NULL"...)
	}
	text := asText(v)
	switch {
	case slices.Contains(binaryTypes, kind):
		return append(b, hexBytes([]byte(text))...)
	case slices.Contains(numberTypes, kind):
		return append(b, text...)
	}
	return appendQuoted(b, text)
}

// createUser is how the server begins a statement that makes an account.
var createUser = regexp.MustCompile(`^CREATE USER `)

// accounts copies the accounts, which what belongs to tables runs as. The
// administrator's own and those of the server stay as they are.
func (s *seeder) accounts(ctx context.Context) ([]string, error) {
	var all, makes []string
	err := s.from.query(ctx, "SELECT QUOTE(user), QUOTE(host), is_role FROM mysql.user WHERE user NOT IN ('root', 'mysql', 'mariadb.sys', 'PUBLIC') AND CONCAT(user, '@', host) <> CURRENT_USER() ORDER BY is_role = 'Y' DESC", func(_ int, v []driver.Value) error {
		if asText(v[2]) == "Y" {
			all, makes = append(all, asText(v[0])), append(makes, "CREATE ROLE IF NOT EXISTS "+asText(v[0]))
		} else {
			all, makes = append(all, asText(v[0])+"@"+asText(v[1])), append(makes, "")
		}
		return nil
	})
	if err != nil {
		return nil, missingRight(s.from.address.where(), "read the accounts", "SELECT", err)
	}
	for i, account := range all {
		create := makes[i]
		if create == "" {
			if create, err = s.from.text(ctx, "SHOW CREATE USER "+account); err != nil {
				return nil, mapError("read an account", err)
			}
		}
		if err := s.put(ctx, createUser.ReplaceAllString(create, "CREATE OR REPLACE USER ")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// rights gives the accounts their rights, when what they are rights to is there.
func (s *seeder) rights(ctx context.Context, accounts []string) error {
	for _, a := range accounts {
		grants, err := s.from.lines(ctx, "SHOW GRANTS FOR "+a)
		if err != nil {
			return mapError("read the rights of an account", err)
		}
		for _, g := range grants {
			if err := s.to.step(ctx, "give an account its rights", "ALL PRIVILEGES", g); err != nil {
				return err
			}
		}
	}
	return nil
}
