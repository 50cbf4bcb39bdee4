package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
)

// DumpExtra is a part of what a whole system needs beside its tables, as
// statements.
type DumpExtra struct {
	Name string
	SQL  []string
}

// ExtraDatabase is the name of the part that makes the database.
const ExtraDatabase = "database"

// Extras are the database's own definition, the server's settings that matter to
// it, what an administrator has made beside the tables, and the accounts that
// have rights to it, with these. What `rapport central migrate` makes is not
// among it.
//
// No password is in it, not even as a hash: whoever reads a backup could try
// words on it for as long as he likes. Accounts come locked, and get a new
// password from an administrator.
func (d *Dump) Extras(ctx context.Context) ([]DumpExtra, error) {
	if d.shared != nil {
		d.shared.turn.Lock()
		defer d.shared.turn.Unlock()
	}
	s, database := d.control, d.control.address.Database
	shown, err := s.shown(ctx, "SHOW CREATE DATABASE "+ident(database))
	if err != nil {
		return nil, err
	}
	out := []DumpExtra{{Name: ExtraDatabase, SQL: []string{shown["create database"]}}}
	for _, part := range []struct {
		name string
		read func(context.Context, *session, string) ([]string, error)
	}{{"settings", settingsOf}, {"objects", d.othersObjects}, {"accounts", accountsOf}} {
		statements, err := part.read(ctx, s, database)
		switch number(err) {
		case erAccessDenied, erDBAccessDenied, erTableDenied, erColumnDenied, erNeedsRight:
			statements, err = []string{"-- the account that made this backup may not read the " + part.name}, nil
		}
		if err != nil {
			return nil, mapError("read the "+part.name, err)
		}
		out = append(out, DumpExtra{part.name, statements})
	}
	return out, nil
}

// settingsOf reads the settings of a server that tell in a central.
func settingsOf(ctx context.Context, s *session, _ string) ([]string, error) {
	var out []string
	err := s.query(ctx, "SHOW GLOBAL VARIABLES WHERE variable_name IN ('character_set_server','collation_server','event_scheduler','innodb_lock_wait_timeout','log_bin_trust_function_creators','max_allowed_packet','max_connections','require_secure_transport','sql_mode','wait_timeout')", func(_ int, v []driver.Value) error {
		value := asText(v[1])
		if value == "" || strings.Trim(value, "0123456789") != "" {
			value = quote(value)
		}
		out = append(out, "SET GLOBAL "+asText(v[0])+" = "+value)
		return nil
	})
	return out, err
}

// object is what belongs to tables: a routine, a view, a trigger or an event.
type object struct {
	kind, name string // "VIEW", "open_deals"
	create     string
	// settled tells that what it means depends on the settings under which it
	// was made.
	settled         bool
	mode, collation string
}

// statements make it.
func (o object) statements() string {
	if !o.settled {
		return o.create
	}
	return "SET SESSION sql_mode = " + quote(o.mode) + ", collation_connection = " + quote(o.collation) + ";" + o.create
}

// Lists of what belongs to the tables of a database, as kinds and names. A
// procedure may be used by a view, a view by a trigger.
const (
	routinesSQL = "SELECT routine_type,routine_name FROM information_schema.routines WHERE routine_type IN ('PROCEDURE','FUNCTION') AND routine_schema=%[1]s ORDER BY 1,2;"
	viewsSQL    = "SELECT 'VIEW',table_name FROM information_schema.views WHERE table_schema=%[1]s ORDER BY 2;"
	triggersSQL = "SELECT 'TRIGGER',trigger_name FROM information_schema.triggers WHERE trigger_schema=%[1]s ORDER BY 2;"
	eventsSQL   = "SELECT 'EVENT',event_name FROM information_schema.events WHERE event_schema=%[1]s ORDER BY 2"
)

// list runs lists of objects.
func list(ctx context.Context, s *session, q, database string) ([]object, error) {
	var out []object
	err := s.query(ctx, fmt.Sprintf(q, quote(database)), func(_ int, v []driver.Value) error {
		out = append(out, object{kind: asText(v[0]), name: asText(v[1])})
		return nil
	})
	return out, err
}

// read reads how an object is made, in the database that the session uses.
func (o *object) read(ctx context.Context, s *session) error {
	shown, err := s.shown(ctx, "SHOW CREATE "+o.kind+" "+ident(o.name))
	if err != nil {
		return err
	}
	kind := strings.ToLower(o.kind)
	o.create = shown["create "+kind] + shown["sql original statement"]
	o.mode, o.settled = shown["sql_mode"]
	o.collation = shown["collation_connection"]
	if o.create == "" {
		return missingRight(s.address.where(), "read the "+kind+" "+o.name, "ALL PRIVILEGES", nil)
	}
	return nil
}

// objects reads what belongs to the tables of a database, which the session has
// to use.
func objects(ctx context.Context, s *session, database string) ([]object, error) {
	all, err := list(ctx, s, routinesSQL+viewsSQL+triggersSQL+eventsSQL, database)
	for i := range all {
		if err == nil {
			err = all[i].read(ctx, s)
		}
	}
	return all, err
}

// othersObjects are the objects that this program does not make itself.
func (d *Dump) othersObjects(ctx context.Context, s *session, database string) ([]string, error) {
	own := map[object]bool{}
	for _, t := range allTriggers() {
		own[object{kind: "TRIGGER", name: t.name}] = true
	}
	for _, p := range allProcedures(s.dialect) {
		own[object{kind: "PROCEDURE", name: p.name}] = true
	}
	all, err := list(ctx, s, routinesSQL+viewsSQL+eventsSQL, database)
	if err != nil {
		return nil, err
	}
	for _, name := range d.triggers.names {
		all = append(all, object{kind: "TRIGGER", name: name})
	}
	var out []string
	for _, o := range all {
		if own[o] {
			continue
		}
		if err := o.read(ctx, s); err != nil {
			return nil, err
		}
		out = append(out, o.statements())
	}
	return out, nil
}

// accountsOf reads the accounts that have rights to a database, and these.
func accountsOf(ctx context.Context, s *session, database string) ([]string, error) {
	escaped := strings.Trim(grantable(database), "`")
	in := "=" + quote(database) + " OR db=" + quote(escaped)
	rights := "SELECT user,host FROM mysql.db WHERE db" + in + " UNION SELECT user,host FROM mysql.tables_priv WHERE db" + in
	if s.dialect.triggers() {
		rights += " UNION SELECT user,host FROM mysql.procs_priv WHERE db" + in
	}
	var names, makes []string
	err := s.query(ctx, "SELECT DISTINCT user,host FROM ("+rights+") a ORDER BY host<>'',user,host", func(_ int, v []driver.Value) error {
		user, host := asText(v[0]), asText(v[1])
		switch {
		case user == definerName(database):
		case host == "": // a role
			names, makes = append(names, quote(user)), append(makes, "CREATE ROLE IF NOT EXISTS "+quote(user))
		default:
			names, makes = append(names, quote(user)+"@"+quote(host)), append(makes, "")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var grants []string
	for i, name := range names {
		if makes[i] == "" {
			create, err := s.text(ctx, "SHOW CREATE USER "+name)
			if err != nil {
				return nil, err
			}
			makes[i] = lockedAccount(create)
		}
		rights, err := s.lines(ctx, "SHOW GRANTS FOR "+name)
		if err != nil {
			return nil, err
		}
		for _, g := range rights {
			if strings.Contains(g, ident(database)+".") || strings.Contains(g, "`"+escaped+"`.") {
				grants = append(grants, withoutPassword(g))
			}
		}
	}
	return slices.Concat(makes, grants), nil
}

// lockedAccount is the statement that makes an account without its password, so
// that nobody can log in to it until an administrator gives it one.
func lockedAccount(create string) string {
	create = strings.Replace(withoutPassword(create), "CREATE USER ", "CREATE USER IF NOT EXISTS ", 1)
	for _, state := range []string{" ACCOUNT UNLOCK", " ACCOUNT LOCK"} {
		create = strings.Replace(create, state, "", 1)
	}
	return create + " ACCOUNT LOCK"
}

// withoutPassword takes from a statement about an account how it proves itself,
// and with it every hash.
func withoutPassword(statement string) string {
	words := words(statement)
	var out []string
	proving := false
	for i, w := range words {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case w == "IDENTIFIED":
			proving = true
		case w == "REQUIRE" || w == "ACCOUNT",
			w == "WITH" && (strings.HasPrefix(next, "MAX_") || next == "GRANT"),
			w == "PASSWORD" && slices.Contains([]string{"EXPIRE", "HISTORY", "REUSE", "REQUIRE"}, next):
			proving = false
		}
		if !proving {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// words splits a statement at its blanks, but for those in quotes.
func words(s string) []string {
	var out []string
	begin := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		case ' ':
			if i > begin {
				out = append(out, s[begin:i])
			}
			begin = i + 1
		}
	}
	if begin < len(s) {
		out = append(out, s[begin:])
	}
	return out
}

// shown returns the columns of the answer to SHOW CREATE.
func (s *session) shown(ctx context.Context, q string) (map[string]string, error) {
	out := map[string]string{}
	err := s.query(ctx, q, func(_ int, v []driver.Value) error {
		for i, name := range s.names {
			out[strings.ToLower(name)] = asText(v[i])
		}
		return nil
	})
	return out, mapError("read a definition", err)
}
