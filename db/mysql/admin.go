package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// adminSession is what an administrator's command does its work on. Statements
// that rebuild a table take their time, so there is no limit on an answer.
func adminSession(ctx context.Context, url string) (*session, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	// The database may not be there yet, so the login names none.
	s, err := openPrimary(ctx, a, DialOptions{Read: 1 << 50, Program: "rapport-central"}, "")
	if err != nil {
		return nil, err
	}
	if err := s.exec(ctx, sessionSQL); err != nil {
		s.close()
		return nil, mapError("set up the session", err)
	}
	return s, nil
}

// Init makes the database with its tables, triggers and first pipeline where
// they are missing, and returns what it did, a line each. It may be run any
// number of times. It refuses a database that holds other tables, and names
// the right or the setting that is missing.
func Init(ctx context.Context, url string) ([]string, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.close()
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	b.makeDatabase()
	b.refuseForeign()
	if slices.Contains(b.tables(), metaTable) {
		b.refuseLater()
	}
	b.probeRights()
	b.serviceTables()
	b.entityTables()
	b.procedures()
	b.triggers()
	b.accessRows()
	b.seed()
	if b.err == nil && len(b.done) == 0 {
		b.say("everything was there already")
	}
	return b.done, b.err
}

// builder runs statements until one fails.
type builder struct {
	*session
	ctx      context.Context
	database string
	done     []string
	err      error
	byTable  map[string][]trigger // see triggersFor
}

func (b *builder) say(format string, args ...any) {
	b.done = append(b.done, fmt.Sprintf(format, args...))
}

func (b *builder) run(q string) {
	if b.err == nil {
		b.err = b.explain(b.exec(b.ctx, q))
	}
}

func (b *builder) list(q string) []string {
	if b.err != nil {
		return nil
	}
	out, err := b.lines(b.ctx, q)
	b.err = b.explain(err)
	return out
}

// explain names the right or the setting that a failed statement wanted.
func (b *builder) explain(err error) error {
	if err == nil {
		return nil
	}
	var my *mysql.MySQLError
	if !errors.As(err, &my) {
		return mapError("central", err)
	}
	switch my.Number {
	case erNeedsSuperBinlog, erBinlogCreateFuncs:
		return model.Errorf(model.Refused, "the server writes a binary log and so refuses triggers of this account").
			WithHint("the server's administrator sets log_bin_trust_function_creators=1 (SET GLOBAL log_bin_trust_function_creators = 1), or `rapport central init` runs once under an account with SUPER").Because(err)
	case erDBAccessDenied, erTableDenied, 1227, 1370:
		return model.Errorf(model.Refused, "this account may not make what the central needs in the database %s: %s", b.database, my.Message).
			WithHint("grant it: GRANT ALL PRIVILEGES ON `%s`.* TO the account of the address", b.database).Because(err)
	}
	mapped := mapError("central", err)
	var known *model.Error
	if errors.As(mapped, &known) && known.Kind == model.Other {
		known.Msg = "the server reports: " + my.Message
	}
	return mapped
}

func (b *builder) makeDatabase() {
	if b.err == nil && number(b.exec(b.ctx, "USE "+ident(b.database))) == erUnknownDB {
		b.run("CREATE DATABASE IF NOT EXISTS " + ident(b.database) + " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
		if b.err == nil {
			b.say("made the database %s", b.database)
		}
	}
	b.run("USE " + ident(b.database))
}

func (b *builder) tables() []string {
	return b.list("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
}

const probeTable = "sync_probe"

// refuseForeign stops where other tables are and ours are not. The table with
// the central's identity is made first, so an interrupted Init can go on.
func (b *builder) refuseForeign() {
	have := b.tables()
	if b.err != nil || slices.Contains(have, metaTable) {
		return
	}
	have = slices.DeleteFunc(have, func(t string) bool { return t == probeTable })
	if len(have) > 0 {
		slices.Sort(have)
		names := strings.Join(have[:min(3, len(have))], ", ")
		if len(have) > 3 {
			names += ", …"
		}
		b.err = model.Errorf(model.Refused, "the database %s holds %d tables of another program (%s)", b.database, len(have), names).
			WithHint("give Rapport a database of its own: another name at the end of the address")
	}
}

// probeRights tries on a table of its own what the set-up needs, before
// anything else is made.
func (b *builder) probeRights() {
	if b.err != nil {
		return
	}
	probes := []string{
		"DROP TABLE IF EXISTS " + probeTable,
		"CREATE TABLE " + probeTable + " (id BINARY(16) NOT NULL DEFAULT (" + b.dialect.newID() + ") PRIMARY KEY, up BINARY(16) NULL, n BIGINT, KEY (up), FOREIGN KEY (up) REFERENCES " + probeTable + " (id)) ENGINE=InnoDB",
		"ALTER TABLE " + probeTable + " ADD COLUMN m INT NULL",
		"INSERT INTO " + probeTable + " (m) VALUES (1)",
		"UPDATE " + probeTable + " SET m = JSON_LENGTH(JSON_ARRAY(1, 2))",
		"DELETE FROM " + probeTable,
	}
	if b.dialect.triggers() {
		probes = slices.Insert(probes, 2, "CREATE TRIGGER "+probeTable+"_t BEFORE INSERT ON "+probeTable+" FOR EACH ROW SET NEW.n = (SELECT MAX(x.r) FROM (SELECT ROW_NUMBER() OVER (ORDER BY 1) AS r) x)")
	}
	for _, q := range probes {
		b.run(q)
	}
	if err := b.exec(b.ctx, "DROP TABLE IF EXISTS "+probeTable); b.err == nil {
		b.err = b.explain(err)
	}
}

func (b *builder) serviceTables() {
	have := b.tables()
	made := 0
	for _, t := range serviceTables {
		if b.err == nil && !slices.Contains(have, t.name) {
			b.run("CREATE TABLE IF NOT EXISTS " + t.name + " (" + t.body + "\n)" + tableOptions + quote(t.comment))
			made++
		}
	}
	b.run(fmt.Sprintf("INSERT INTO sync_meta (id, epoch, schema_version, columns_hash) VALUES (1, UUID(), %d, %s) ON DUPLICATE KEY UPDATE id = id",
		model.SchemaVersion, quote(columnsHash())))
	b.run("INSERT INTO sync_run (run_id, last_seq, nonce, at) SELECT 0, 0, " + nonceSQL + ", UTC_TIMESTAMP(3) FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM sync_counter)")
	b.run("INSERT INTO sync_counter (id, seq, run_id, tick) VALUES (1, 0, 0, 0) ON DUPLICATE KEY UPDATE id = id")
	if b.err == nil && made > 0 {
		b.say("made %d tables of the sync", made)
	}
}

// missingServiceColumns adds the columns that a service table of an older
// version has not.
func (b *builder) missingServiceColumns() {
	have := b.columns()
	for _, t := range serviceTables {
		for _, def := range strings.Split(t.body, ",\n") {
			def = strings.TrimSpace(def)
			name, _, _ := strings.Cut(def, " ")
			if b.err != nil || name == "KEY" || name == "UNIQUE" || name == "PRIMARY" || name == "CONSTRAINT" || have[model.Noun(t.name)][name] {
				continue
			}
			b.run("ALTER TABLE " + t.name + " ADD COLUMN " + def)
			b.say("added %s.%s", t.name, name)
		}
	}
}

func (b *builder) entityTables() {
	have := b.tables()
	var made []string
	for _, e := range model.Entities() {
		if b.err == nil && !slices.Contains(have, string(e.Noun)) {
			b.run(createTable(b.dialect, e))
			made = append(made, string(e.Noun))
		}
	}
	if b.err == nil && len(made) > 0 {
		b.say("made the tables %s", strings.Join(made, ", "))
	}
}

// columns returns which columns the server's synced tables have.
func (b *builder) columns() map[model.Noun]map[string]bool {
	if b.err != nil {
		return nil
	}
	out, err := serverColumns(b.ctx, b.session)
	b.err = b.explain(err)
	return out
}

func serverColumns(ctx context.Context, s *session) (map[model.Noun]map[string]bool, error) {
	out := map[model.Noun]map[string]bool{}
	err := s.query(ctx, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()", func(_ int, v []driver.Value) error {
		n := model.Noun(asText(v[0]))
		if out[n] == nil {
			out[n] = map[string]bool{}
		}
		out[n][asText(v[1])] = true
		return nil
	})
	return out, err
}

// triggers makes the triggers that are missing and replaces those of another
// version. A replacement leaves no moment without a trigger: MariaDB replaces
// in one step, elsewhere writers are locked out meanwhile.
func (b *builder) triggers() {
	if !b.dialect.triggers() {
		return
	}
	bodies := map[string]string{}
	if b.err == nil {
		err := b.query(b.ctx, "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()", func(_ int, v []driver.Value) error {
			bodies[asText(v[0])] = asText(v[1])
			return nil
		})
		b.err = b.explain(err)
	}
	if b.err != nil {
		return
	}
	count := 0
	for _, t := range allTriggers() {
		body, there := bodies[t.name]
		if b.err != nil || there && strings.Contains(body, t.mark()) {
			continue
		}
		count++
		switch {
		case !there:
			b.run(t.create())
		case b.dialect.replacesTriggers():
			b.run(strings.Replace(t.create(), "CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1))
		default:
			b.run("LOCK TABLES " + ident(t.table) + " WRITE")
			b.run("DROP TRIGGER " + ident(t.name))
			b.run(t.create())
			b.run("UNLOCK TABLES")
		}
	}
	if b.err == nil && count > 0 {
		b.say("made or renewed %d triggers", count)
	}
}

func allTriggers() []trigger {
	out := append([]trigger{sequencer(), mover()}, accessTriggers()...)
	for _, e := range model.Entities() {
		out = append(out, triggersOf(e)...)
	}
	return out
}

// seed inserts the rows that every database begins with, where they are
// missing.
func (b *builder) seed() {
	rows := model.SeedRows()
	made := 0
	for _, e := range model.Entities() {
		for _, row := range rows[e.Noun] {
			if b.err != nil {
				return
			}
			found, err := b.text(b.ctx, "SELECT COUNT(*) FROM "+ident(string(e.Noun))+" WHERE id = "+idLiteral(row.ID()))
			if b.err = b.explain(err); b.err != nil || found != "0" {
				continue
			}
			var names, values []string
			for i, c := range e.Columns() {
				if row[i] != nil && !(c.Service && c.Name != model.ColumnCreatedAt && c.Name != model.ColumnUpdatedAt) {
					names, values = append(names, c.Name), append(values, literal(c, row[i]))
				}
			}
			b.run("INSERT INTO " + ident(string(e.Noun)) + " (" + idents(names) + ") VALUES (" + strings.Join(values, ", ") + ") ON DUPLICATE KEY UPDATE id = " + ident(string(e.Noun)) + ".id")
			made++
		}
	}
	if made > 0 {
		b.run(b.dialect.sequenceSQL())
		if b.err == nil {
			b.say("made the first pipeline, %s, with its stages", model.DefaultPipeline)
		}
	}
}
