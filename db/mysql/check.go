package mysql

import (
	"context"
	"fmt"
	"strings"

	"rapport/model"
)

// Check looks at everything that can be wrong with the central beside what
// Status tells: who else gets in, how the server treats text and what other
// programs write, and whether a change travels from a table into the feed.
func (f *Office) Check(ctx context.Context) ([]model.Check, error) {
	c := &checker{Office: f, ctx: ctx}
	c.anonymous()
	c.public()
	c.bypass()
	c.people()
	c.charset()
	c.mode()
	c.cascades()
	c.canary()
	return c.out, c.err
}

// checker asks one thing after the other until the connection fails. What this
// account may not look at is a warning.
type checker struct {
	*Office
	ctx context.Context
	out []model.Check
	err error
}

func (c *checker) good(name, format string, args ...any) {
	c.out = append(c.out, model.Check{Name: name, State: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (c *checker) bad(state, name, fix, format string, args ...any) {
	c.out = append(c.out, model.Check{Name: name, State: state, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

// ask returns the first column of an answer; ok is false where the check ends
// there.
func (c *checker) ask(name, q string) (found []string, ok bool) {
	if c.err != nil {
		return nil, false
	}
	found, err := c.lines(c.ctx, q)
	switch n := number(err); {
	case err == nil:
		return found, true
	case n == erTableDenied || n == erDBAccessDenied || n == erColumnDenied || n == 1227:
		c.bad("warn", name, "check again as root or another account that may read the database mysql", "your account may not look at that")
	case n == 0:
		c.err = mapError("check the central", err)
	default:
		c.bad("warn", name, "", "this server cannot tell: %v", err)
	}
	return nil, false
}

// few lists names for a sentence.
func few(names []string) string {
	if len(names) > 4 {
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d more", len(names)-4)
	}
	return strings.Join(names, ", ")
}

// anonymous looks for accounts without a name: whoever uses one may call
// himself as he likes.
func (c *checker) anonymous() {
	const name = "central anonymous"
	hosts, ok := c.ask(name, "SELECT CONCAT('''''@''', host, '''') FROM mysql.user WHERE user = ''")
	switch {
	case !ok:
	case len(hosts) > 0:
		c.bad("fail", name, "DROP USER "+strings.Join(hosts, ", "), "the server has anonymous accounts, with which anybody can take any name: %s", few(hosts))
	default:
		c.good(name, "the server has no anonymous account")
	}
}

// public looks for rights that everybody has.
func (c *checker) public() {
	const name = "central public rights"
	where := " WHERE db IN (DATABASE(), '%') AND user IN ('', 'PUBLIC')"
	rights, ok := c.ask(name, "SELECT CONCAT('the database for ', IF(user = '', 'anybody', user)) FROM mysql.db"+where+
		" UNION SELECT CONCAT('the table ', table_name) FROM mysql.tables_priv"+where+" UNION SELECT CONCAT('the procedure ', routine_name) FROM mysql.procs_priv"+where)
	switch {
	case !ok:
	case len(rights) > 0:
		c.bad("fail", name, "REVOKE ALL PRIVILEGES ON "+ident(c.database)+".* FROM PUBLIC", "everybody on this server has rights to %s", few(rights))
	default:
		c.good(name, "nobody has rights without being named")
	}
}

// bypass looks for people who may read and write the tables themselves, past
// the procedures that limit them.
func (c *checker) bypass() {
	const name = "central table rights"
	if !c.dialect.procedures() {
		return // there the tables are the only way
	}
	who, ok := c.ask(name, "SELECT DISTINCT p.login FROM sync_person p JOIN mysql.db d ON CAST(d.user AS BINARY) = CAST(p.login AS BINARY) AND d.db IN (DATABASE(), REPLACE(DATABASE(), '_', '\\\\_'), '%')"+
		" WHERE p.role <> "+quote(model.RoleAdministrator)+" AND 'Y' IN (d.select_priv, d.insert_priv, d.update_priv, d.delete_priv)"+
		" UNION SELECT DISTINCT p.login FROM sync_person p JOIN mysql.tables_priv t ON CAST(t.user AS BINARY) = CAST(p.login AS BINARY) AND t.db = DATABASE() WHERE p.role <> "+quote(model.RoleAdministrator))
	switch {
	case !ok:
	case len(who) > 0:
		c.bad("fail", name, "REVOKE these rights, or make the person an administrator", "people can read and change tables past their limits: %s", few(who))
	default:
		c.good(name, "people reach the tables through procedures alone")
	}
}

// people compares the people with the accounts.
func (c *checker) people() {
	const name = "central people"
	if c.err != nil {
		return
	}
	people, err := c.People(c.ctx)
	if err != nil {
		c.err = err
		return
	}
	var missing, locked []string
	for _, p := range people {
		switch {
		case p.Account == "unknown":
			c.bad("warn", name, "check again as root or another account that may read the database mysql", "your account may not look at that")
			return
		case p.Account == "missing":
			missing = append(missing, p.Login)
		case p.Active && p.Account == "locked" || !p.Active && p.Account == "ok":
			locked = append(locked, p.Login)
		}
	}
	strangers, ok := c.ask(name, "SELECT DISTINCT d.user FROM mysql.db d LEFT JOIN sync_person p ON CAST(p.login AS BINARY) = CAST(d.user AS BINARY)"+
		" WHERE d.db IN (DATABASE(), REPLACE(DATABASE(), '_', '\\\\_')) AND p.login IS NULL AND d.user NOT IN ('', 'PUBLIC', "+quote(definerName(c.database))+")"+
		" UNION SELECT DISTINCT r.user FROM mysql.procs_priv r LEFT JOIN sync_person p ON CAST(p.login AS BINARY) = CAST(r.user AS BINARY) WHERE r.db = DATABASE() AND p.login IS NULL AND r.user NOT IN ('', 'PUBLIC')")
	if !ok {
		return
	}
	before := len(c.out)
	if len(missing) > 0 {
		c.bad("warn", name, "rapport central user remove LOGIN, then add again", "people without an account on the server: %s", few(missing))
	}
	if len(locked) > 0 {
		c.bad("warn", name, "rapport central user lock or unlock LOGIN", "Rapport and the server disagree on who is locked: %s", few(locked))
	}
	if len(strangers) > 0 {
		c.bad("warn", name, "rapport central user add LOGIN for people; other programs are fine", "accounts with rights here that are nobody in Rapport: %s", few(strangers))
	}
	if len(c.out) == before {
		c.good(name, "%d people, each with an account", len(people))
	}
}

// charset looks for columns that cannot hold every sign.
func (c *checker) charset() {
	const name = "central character set"
	var tables []string
	for _, e := range model.Entities() {
		tables = append(tables, quote(string(e.Noun)))
	}
	found, ok := c.ask(name, "SELECT CONCAT(table_name, '.', column_name, ' (', character_set_name, ')') FROM information_schema.columns WHERE table_schema = DATABASE() AND character_set_name <> 'utf8mb4' AND table_name IN ("+strings.Join(tables, ",")+")")
	switch {
	case !ok:
	case len(found) > 0:
		c.bad("fail", name, "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4", "columns that cannot hold every sign: %s", few(found))
	default:
		c.good(name, "every text is utf8mb4")
	}
}

// mode tells how the server treats what other programs write.
func (c *checker) mode() {
	const name = "central sql_mode"
	found, ok := c.ask(name, "SELECT @@global.sql_mode")
	switch {
	case !ok || len(found) == 0:
	case !strings.Contains(found[0], "STRICT_ALL_TABLES") && !strings.Contains(found[0], "STRICT_TRANS_TABLES"):
		c.bad("warn", name, "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES,…' and the same in the server's configuration", "not strict: what other programs write too long is cut without an error; Rapport itself is always strict")
	default:
		c.good(name, "strict for other programs too")
	}
}

// cascades looks for foreign keys by which rows change without a trigger.
func (c *checker) cascades() {
	const name = "central foreign keys"
	found, ok := c.ask(name, "SELECT CONCAT(table_name, '.', constraint_name) FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()"+
		" AND (delete_rule IN ('CASCADE', 'SET NULL') OR update_rule IN ('CASCADE', 'SET NULL'))")
	switch {
	case !ok:
	case len(found) > 0:
		c.bad("fail", name, "make them RESTRICT: ALTER TABLE … DROP FOREIGN KEY …, ADD FOREIGN KEY …", "rows change through these without anybody noting it: %s", few(found))
	default:
		c.good(name, "none of them changes other rows")
	}
}

// canary sends a row through the feed and removes it again. The row is born
// deleted, so that no laptop shows it.
func (c *checker) canary() {
	const name = "central feed"
	if c.err != nil || !c.dialect.triggers() {
		return
	}
	id := model.NewIDSource(nil, nil).New()
	label := quote("rapport check " + id.Short())
	key := idLiteral(id)
	gone := "DELETE FROM tag WHERE id = " + key
	steps := []struct{ q, op string }{
		{"INSERT INTO tag (id, name, deleted_at) VALUES (" + key + ", " + label + ", UTC_TIMESTAMP(3))", "1"},
		{gone, "3"},
	}
	for _, s := range steps {
		err := c.exec(c.ctx, s.q)
		if err == nil {
			err = c.drain(c.ctx)
		}
		n := ""
		if err == nil {
			n, err = c.text(c.ctx, "SELECT COUNT(*) FROM sync_feed WHERE tbl = 'tag' AND pk = "+key+" AND op = "+s.op)
		}
		if err != nil || n == "0" {
			// What is left of the row must not stay; that it cannot be
			// removed either is told by the same check.
			_ = c.exec(context.WithoutCancel(c.ctx), gone)
		}
		switch {
		case err != nil && number(err) == 0:
			c.err = mapError("send a row through the feed", err)
			return
		case err != nil:
			c.bad("fail", name, "rapport central migrate; then the rights of this account", "a row could not be sent through the feed: %v", err)
			return
		case n == "0":
			c.bad("fail", name, "rapport central migrate", "a change does not reach the feed: triggers are missing, or a transaction of another program has been open for long")
			return
		}
	}
	c.good(name, "a row went in and out again")
}
