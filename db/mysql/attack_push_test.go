package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// push sends operations for somebody with a client of their own and returns
// the outcomes in a word each.
func (s *siege) push(central *Central, client model.ID, ops ...model.PushOp) string {
	s.Helper()
	s.batches++
	r, err := central.Push(s.Context(), &model.PushBatch{Client: client, Number: s.batches, Nonce: "n", Ops: ops}, model.Position{})
	if err != nil {
		return "error " + err.Error()
	}
	if r.Foreign {
		return "foreign"
	}
	var out []string
	for _, x := range r.Results {
		word := map[model.PushOutcome]string{model.PushApplied: "applied", model.PushClashed: "clashed"}[x.Outcome]
		if x.Outcome == model.PushRefused {
			word = x.Code
		}
		if strings.Contains(x.Message, secretOfAnn) {
			s.Errorf("a refusal shows %s", x.Message)
		}
		out = append(out, word)
	}
	if now := s.around(); now != s.fence {
		s.Errorf("%+v changes %s\n  into %s", ops, s.fence, now)
		s.fence = now
	}
	return strings.Join(out, " ")
}

// TestAttackPush changes, by well-formed batches, what is not bob's to change.
func TestAttackPush(t *testing.T) {
	s := newSiege(t)
	bob, client := s.as("bob"), s.ids.New()
	org := idOf(s.company, "org")
	for _, a := range []struct {
		name, want string
		op         model.PushOp
	}{
		{"a field of ann's contact, its value known", "clashed", update("contact", s.contact, "last_name", secretOfAnn, "mine")},
		{"a field of ann's contact, its value guessed", "clashed", update("contact", s.contact, "first_name", nil, "mine")},
		{"the owner of ann's contact", "clashed", update("contact", s.contact, "owner_id", s.ann, s.bob)},
		{"ann's contact deleted", "clashed", update("contact", s.contact, "deleted_at", nil, int64(1))},
		{"ann's contact made again", "not_visible", insert("contact", s.contact, map[string]any{"last_name": "mine", "owner_id": s.bob})},
		{"ann's organization made again", "not_visible", insert("organization", org, map[string]any{"name": "mine"})},
		{"a mail for ann's contact", "reference", insert("contact_method", s.ids.New(), map[string]any{"contact_id": s.contact, "value": "x", "kind": "email"})},
		{"a deal on ann's contact", "reference", insert("deal", s.ids.New(), map[string]any{"name": "d", "contact_id": s.contact})},
		{"a deal on nobody's contact", "reference", insert("deal", s.ids.New(), map[string]any{"name": "d", "contact_id": s.ids.New()})},
		{"an own contact moved to ann's organization", "reference", update("contact", s.own, "organization_id", nil, org)},
		{"an own contact moved to an organization that is none", "reference", update("contact", s.own, "organization_id", nil, s.ids.New())},
		{"a user", "not_allowed", insert("user", s.ids.New(), map[string]any{"login": "eve"})},
		{"the own team", "not_allowed", update("user", s.bob, "team", "west", "east")},
		{"a pipeline", "not_allowed", insert("pipeline", s.ids.New(), map[string]any{"name": "p"})},
		{"a product", "not_allowed", insert("product", s.ids.New(), map[string]any{"name": "p"})},
		{"an own contact", "applied", update("contact", s.own, "first_name", nil, "B")},
		{"a contact of nobody", "applied", insert("contact", s.ids.New(), map[string]any{"last_name": "new"})},
	} {
		if got := s.push(bob, client, a.op); got != a.want {
			t.Errorf("%s: %s, want %s", a.name, got, a.want)
		}
	}
	// A scope cannot be named: a new record is its maker's.
	op := insert("contact", s.ids.New(), map[string]any{"last_name": "planted", "scope_id": s.ann})
	if got := s.push(bob, client, op); got != "applied" || s.one("SELECT scope_id = "+idLiteral(s.bob)+" AND owner_id = "+idLiteral(s.bob)+" FROM contact WHERE last_name = 'planted'") != "1" {
		t.Errorf("a record for ann's scope: %s", got)
	}
	for _, other := range []struct{ name, want string }{{"ann", "foreign"}, {"bob", "applied"}} {
		if got := s.push(bob, map[string]model.ID{"ann": s.client, "bob": client}[other.name], update("contact", s.own, "job_title", nil, "x")); got != other.want {
			t.Errorf("a batch of %s's laptop: %s", other.name, got)
		}
	}
	if got := s.one("SELECT GROUP_CONCAT(DISTINCT person) FROM sync_audit WHERE changes LIKE '%planted%'"); got != "bob"+s.database {
		t.Errorf("the history names %s", got)
	}
}

// TestAttackCalls sends batches that no client makes.
func TestAttackCalls(t *testing.T) {
	s := newSiege(t)
	own, foreign := plainHex(s.own), plainHex(s.contact)
	client := idLiteral(s.ids.New())
	for i, ops := range []string{
		`[{"t":"contact","n":0,"k":"scope_id","o":[{"i":"` + own + `","c":{"scope_id":[null,"` + plainHex(s.ann) + `"]}}]}]`,
		`[{"t":"contact","n":0,"k":"id","o":[{"i":"` + own + `","c":{"id":["` + own + `","` + foreign + `"]}}]}]`,
		`[{"t":"contact","n":0,"k":"updated_by","o":[{"i":"` + own + `","c":{"updated_by":[null,"ann"]}}]}]`,
		`[{"t":"contact","n":0,"k":"last_name` + "`" + `=1 -- ","o":[{"i":"` + foreign + `","c":{}}]}]`,
		`[{"t":"contact","n":0,"k":"last_name,x') OR 1=1 -- ","o":[{"i":"` + foreign + `","c":{"last_name":["` + secretOfAnn + `","x"]}}]}]`,
		`[{"t":"contact` + "`" + ` t SET last_name=''x'' -- ","n":0,"k":"last_name","o":[{"i":"` + foreign + `","c":{}}]}]`,
		`[{"t":"sync_person","n":0,"k":"reach","o":[{"i":"` + own + `","c":{"reach":["own","all"]}}]}]`,
		`[{"t":"sync_scope_grant","n":1,"k":"login,scope","o":[{"i":"` + own + `","c":{"login":"bob"}}]}]`,
		`[{"t":"contact","n":0,"k":"","o":[{"i":"` + foreign + `","c":{}}]}]`,
		`[{"t":"contact","n":0,"k":"","o":[{"i":"` + foreign + `","g":1,"e":"2026-01-01 00:00:00","c":{}}]}]`,
		`[{"t":"contact","n":1,"k":"last_name","o":[{"i":"` + foreign + `","c":{"last_name":"x"}},{"i":"` + foreign + `","c":{"last_name":"y"}}]}]`,
		`[{"t":"contact","n":7,"k":"last_name","o":[{"i":"zz","c":{"last_name":"x"}},{"c":{"last_name":"y"}}]}]`,
		`[{"t":"contact","n":0,"k":"last_name","o":[{"i":"` + foreign + `","c":{"last_name":"x"}}]}]`,
		`[{"t":"contact","n":0,"k":"last_name","o":[{"i":"` + foreign + `","c":[["last_name"]]}]}]`,
		`[{"t":"user","n":0,"k":"team","o":[{"i":"` + plainHex(s.bob) + `","c":{"team":["west","east"]}}]}]`,
		`[{"t":null,"o":[{}]}]`, `{}`, `x`, `[[[]]]`, ``,
	} {
		q := fmt.Sprintf("CALL sync_push(%s,%d,'n',%s,0,1,X'00',0)", client, i, quote(ops))
		s.try(s.bobs, q)
		if got := s.one("SELECT CONCAT(HEX(scope_id), last_name) FROM contact WHERE id = " + idLiteral(s.own)); !strings.HasPrefix(got, strings.ToUpper(plainHex(s.bob))) {
			t.Fatalf("%s gives bob's contact to %s", q, got)
		}
	}
	if got := s.one("SELECT reach FROM sync_person WHERE login LIKE 'bob%'"); got != "own" {
		t.Errorf("bob reaches %s", got)
	}
}

// TestAttackSession turns every knob of the session that a procedure might rely
// on, and then works as usual.
func TestAttackSession(t *testing.T) {
	s := newSiege(t)
	s.person("dan", model.RoleSales, model.ScopeAll, "")
	s.fence = s.around()
	dan := s.raw("dan")
	client := idLiteral(s.ids.New())
	batch := 0
	call := func(op string) string {
		batch++
		return fmt.Sprintf("CALL sync_push(%s,%d,'n',%s,0,1,X'00',0)", client, batch, quote(op))
	}
	contact := func(name string) string {
		return `[{"t":"contact","n":1,"k":"last_name","o":[{"i":"` + plainHex(s.ids.New()) + `","c":{"last_name":"` + name + `"}}]}]`
	}
	for _, knob := range []string{"autocommit = 0", "completion_type = 1", "completion_type = 2", "timestamp = 1", "time_zone = '+13:00'", "sql_mode = ''", "sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
		"foreign_key_checks = 0", "unique_checks = 0", "check_constraint_checks = 0", "group_concat_max_len = 4", "sql_select_limit = 0", "sql_safe_updates = 1", "sql_auto_is_null = 1", "insert_id = 9223372036854775806",
		"auto_increment_increment = 65535", "tx_read_only = 1", "tx_isolation = 'SERIALIZABLE'", "character_set_connection = latin1", "character_set_client = latin1", "max_recursive_iterations = 0", "@rapport_client = 'ann'", "@rapport_sql = 'SELECT 1'",
		"old_mode = ''", "lc_time_names = 'de_DE'", "div_precision_increment = 0", "optimizer_switch = 'default'", "rand_seed1 = 1, rand_seed2 = 1"} {
		name := "knob " + strings.NewReplacer("'", "", "@", "").Replace(knob)
		conn := s.raw("dan")
		text, err := ask(t.Context(), conn, "SET "+knob+"; "+call(contact(name)))
		if err != nil || !strings.HasPrefix(text, "receipt=1 ") {
			t.Errorf("%s: %.300s, %v", knob, text, err)
			continue
		}
		if got := s.one("SELECT CONCAT(COUNT(*), '/', ABS(TIMESTAMPDIFF(SECOND, MAX(created_at), UTC_TIMESTAMP())) < 60) FROM contact WHERE last_name = " + quote(name)); got != "1/1" {
			t.Errorf("%s: %s", knob, got)
		}
	}
	if got := s.one("SELECT auto_increment < 100000 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'sync_outbox'"); got != "1" {
		t.Error("one person can use up the numbers of the outbox")
	}
	for name, op := range map[string]string{
		"foreign_key_checks = 0":      `[{"t":"contact","n":1,"k":"last_name,organization_id","o":[{"i":"` + plainHex(s.ids.New()) + `","c":{"last_name":"x","organization_id":"` + plainHex(s.ids.New()) + `"}}]}]`,
		"check_constraint_checks = 0": `[{"t":"contact_method","n":1,"k":"value","o":[{"i":"` + plainHex(s.ids.New()) + `","c":{"value":"x"}}]}]`,
		"sql_mode = ''":               `[{"t":"contact","n":1,"k":"salutation","o":[{"i":"` + plainHex(s.ids.New()) + `","c":{"salutation":"` + strings.Repeat("x", 500) + `"}}]}]`,
	} {
		if text, err := s.try(dan, "SET "+name+"; "+call(op)); err != nil || !strings.HasPrefix(text, `receipt=x {"0"`) {
			t.Errorf("with %s: %.200s, %v", name, text, err)
		}
	}
	if text, err := s.try(s.raw("bob"), "START TRANSACTION READ ONLY; "+fmt.Sprintf("CALL sync_push(%s,1,'n',%s,0,1,X'00',0)", idLiteral(s.ids.New()), quote(contact("within")))+"; ROLLBACK"); err != nil || s.one("SELECT COUNT(*) FROM contact WHERE last_name = 'within'") != "1" {
		t.Errorf("in a transaction of the caller: %s, %v", text, err)
	}
	s.try(s.raw("bob"), "XA START 'x'; CALL sync_sequence(1,X'00',0)")
}

// TestAttackSequencer interrupts the sequencer and keeps sessions open; others
// go on.
func TestAttackSequencer(t *testing.T) {
	s := newSiege(t)
	other := s.as("ann")
	s.sql("INSERT INTO tag (name) SELECT CONCAT('t', seq) FROM seq_1_to_4000")
	for i, q := range []string{
		"SET max_statement_time = 0.0001; CALL sync_sequence(1,X'00',0)", "SET max_statement_time = 0.001; CALL sync_sequence(1,X'00',0)", "SET max_statement_time = 0.004; CALL sync_sequence(1,X'00',0)",
		"SET STATEMENT max_statement_time = 0.002 FOR CALL sync_sequence(1,X'00',0)", "START TRANSACTION; CALL sync_sequence(1,X'00',0)", "SET autocommit = 0; CALL sync_sequence(1,X'00',0)",
		"SET completion_type = 1; START TRANSACTION; CALL sync_sequence(1,X'00',0)", "SET lock_wait_timeout = 0, innodb_lock_wait_timeout = 0; CALL sync_sequence(1,X'00',0)",
		"SET max_statement_time = 0.001; CALL sync_push(" + idLiteral(s.ids.New()) + ",1,'n','[]',0,1,X'00',0)", "BEGIN; CALL sync_pull(0,100)",
	} {
		s.try(s.raw("bob"), q)                                                   // that session stays open
		if _, err := other.Sequence(t.Context(), model.Position{}); err != nil { // it waits for a lock for five seconds
			t.Errorf("after %q nobody can sequence: %v", q, err)
		}
		s.sql(fmt.Sprintf("INSERT INTO tag (name) VALUES ('u%d')", i))
	}
	for h := (model.Head{Unsequenced: 1}); h.Unsequenced > 0; {
		var err error
		if h, err = other.Sequence(t.Context(), model.Position{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.one("SELECT CONCAT(COUNT(*) - COUNT(DISTINCT seq), '/', MAX(seq) - COUNT(*), '/', (SELECT COUNT(*) FROM sync_outbox)) FROM sync_feed"); got != "0/0/0" {
		t.Errorf("the feed: %s", got)
	}
}

// TestAttackNames logs in under names that look like ann's.
func TestAttackNames(t *testing.T) {
	s := newSiege(t)
	ann := "ann" + s.database
	for _, login := range []string{ann + "@evil.com", strings.ToUpper(ann), "ánn" + s.database, ann + "@localhost"} {
		account := quote(login) + "@'%'"
		s.sql("CREATE USER "+account+" IDENTIFIED BY 'secret'", "GRANT EXECUTE ON "+grantable(s.database)+".* TO "+account)
		t.Cleanup(func() { s.server.SQL(t, "", "DROP USER "+account) })
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName, cfg.MultiStatements = login, "secret", "tcp", s.server.Address(), s.database, true
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := openConnector(t, connector)
		for _, q := range []string{"CALL sync_load('contact', '')", "CALL sync_pull(0, 1000)", "CALL sync_sequence(1,X'00',0)", "CALL sync_push(" + idLiteral(s.client) + ",9,'n','[]',0,1,X'00',0)"} {
			_, err := s.try(db, q)
			var my *mysql.MySQLError
			if !errors.As(err, &my) || my.Number != 1370 {
				t.Errorf("%q: %s: %v", login, q, err)
			}
		}
	}
}
