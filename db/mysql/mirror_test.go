package mysql

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// twoServers is a central on one server, and a second server.
type twoServers struct {
	*testing.T
	a, b     *servertest.Server
	database string
	list     string // the central's address: both servers
}

// likeServer are the settings of a server that may be primary or standby.
func likeServer(id string) []servertest.Option {
	return []servertest.Option{servertest.Flag("--server-id=" + id), servertest.Flag("--log-bin=binlog"), servertest.Flag("--binlog-format=ROW"),
		servertest.Flag("--log-slave-updates"), servertest.Flag("--gtid-strict-mode=1"), servertest.Flag("--rpl-semi-sync-master-timeout=100")}
}

func newMirror(t *testing.T) *twoServers {
	t.Helper()
	m := &twoServers{T: t, a: servertest.Start(t, likeServer("1")...), b: servertest.Start(t, likeServer("2")...)}
	url := m.a.Database(t)
	m.database = servertest.Name(url)
	m.list = url + "," + m.b.URL(m.database)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return m
}

// setUp makes the second server a standby of the first.
func (m *twoServers) setUp() model.StandbyResult {
	m.Helper()
	r, err := SetUpStandby(m.Context(), m.list, model.StandbyRequest{}, nil)
	if err != nil {
		m.Fatal(err)
	}
	return r
}

func (m *twoServers) on(s *servertest.Server, stmts ...string) {
	m.Helper()
	s.SQL(m, m.database, stmts...)
}

func (m *twoServers) value(s *servertest.Server, q string) string {
	m.Helper()
	db := s.DB(m.database)
	defer db.Close()
	var out *string
	if err := db.QueryRow(q).Scan(&out); err != nil {
		m.Fatalf("%s: %v", q, err)
	}
	if out == nil {
		return "NULL"
	}
	return *out
}

// status returns the roles of the two servers and everything that is said of
// them.
func (m *twoServers) status() (roles string, said string) {
	m.Helper()
	r, err := Standby(m.Context(), m.list)
	if err != nil {
		m.Fatal(err)
	}
	var words []string
	for _, c := range r.Checks {
		words = append(words, c.State+" "+c.Detail)
	}
	return string(r.Servers[0].Role) + ", " + string(r.Servers[1].Role), strings.Join(words, "\n")
}

// tell fails the test unless an error is of a kind and says something.
func (m *twoServers) tell(err error, kind model.Kind, words ...string) {
	m.Helper()
	if model.KindOf(err) != kind {
		m.Errorf("the error is %v", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			m.Errorf("%q does not say %q", err, w)
		}
	}
}

// TestMirror lives through the life of a mirror: a server is filled and
// follows; it takes the place of the primary on purpose, which comes back as
// the standby; both take changes by mistake; and they are brought together
// without anything being lost.
func TestMirror(t *testing.T) {
	m := newMirror(t)
	m.on(m.a, "INSERT INTO contact (last_name, notes) VALUES ('Ünal 🙂', 'a\\\\b''c\\0d'), (NULL, NULL)", "UPDATE sync_counter SET tick = tick + 1",
		"CREATE SEQUENCE numbers START WITH 5 CACHE 3", "CREATE TABLE numbered (id BIGINT DEFAULT NEXTVAL(numbers) PRIMARY KEY)", "INSERT INTO numbered VALUES (), ()",
		"CREATE VIEW everybody AS SELECT last_name FROM contact", "CREATE USER reader@'%' IDENTIFIED BY 'secret'", "GRANT EXECUTE ON PROCEDURE sync_poll TO reader@'%'")
	plan, err := SetUpStandby(t.Context(), m.list, model.StandbyRequest{DryRun: true}, nil)
	if err != nil || !plan.Copies || !strings.Contains(strings.Join(plan.Steps, "\n"), "CHANGE MASTER TO MASTER_HOST='127.0.0.1'") {
		t.Errorf("the plan: %+v (%v)", plan, err)
	}
	m.setUp()
	if _, err := SetUpStandby(t.Context(), m.list, model.StandbyRequest{Server: m.b.URL(m.database)}, nil); err == nil {
		t.Error("a standby was set up over a standby")
	}
	// A standby that takes longer than the tenth of a second of likeServer is
	// waited for again as soon as it has confirmed.
	m.until("the primary to wait for its standby", func() bool {
		roles, said := m.status()
		return roles == "primary, standby" && strings.Contains(said, "newest heartbeat") && strings.Contains(said, "semi-synchronous: a change counts") && !strings.Contains(said, "fail")
	})
	m.same()

	// The standby takes the place of a primary that works.
	m.on(m.a, "INSERT INTO contact (last_name) VALUES ('before')", "INSERT INTO numbered VALUES ()")
	p, err := Promote(t.Context(), m.list, model.PromoteRequest{})
	if err != nil || p.Term != 2 || p.Lost != 0 || p.Epoch != "" || p.Down {
		t.Fatalf("the promotion: %+v (%v)", p, err)
	}
	if _, err := Promote(t.Context(), m.list, model.PromoteRequest{To: m.b.Address()}); err == nil {
		t.Error("the primary was promoted")
	}
	m.on(m.b, "INSERT INTO contact (last_name) VALUES ('after')", "INSERT INTO numbered VALUES (), ()")
	if roles, _ := m.status(); roles != "stopped, primary" {
		t.Errorf("after the promotion: %s", roles)
	}
	// What an administrator does is done on the primary, wherever it stands.
	if _, err := Migrate(t.Context(), m.list); err != nil {
		t.Errorf("migrate: %v", err)
	}
	office, err := OpenOffice(t.Context(), m.list, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := office.text(t.Context(), "SELECT @@server_id"); err != nil || at != "2" {
		t.Errorf("the office is on server %s (%v)", at, err)
	}
	office.Close()
	r, err := Rejoin(t.Context(), m.list, model.StandbyRequest{}, nil)
	if err != nil || r.Copies || r.Transactions != 0 {
		t.Fatalf("the former primary comes back: %+v (%v)", r, err)
	}
	m.same()

	// Both take changes.
	m.on(m.a, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
	m.on(m.a, "UPDATE contact SET department = 'orphan', job_title = 'orphan' WHERE last_name = 'before'", "INSERT INTO contact (last_name) VALUES ('orphan')",
		"INSERT INTO contact_method (contact_id, kind, value) SELECT id, 'phone', '+41 44 668 18 00' FROM contact WHERE last_name = 'orphan'", "DELETE FROM contact WHERE last_name = 'after'")
	m.on(m.b, "UPDATE contact SET job_title = 'of the primary', salutation = 'Dr' WHERE last_name = 'before'")
	if roles, said := m.status(); roles != "primary, primary" || !strings.Contains(said, "split brain") || !strings.Contains(said, "has fallen back") {
		t.Errorf("%s: %s", roles, said)
	}
	_, err = Rejoin(t.Context(), m.list, model.StandbyRequest{}, nil)
	m.tell(err, model.Invalid, "split brain")
	file := filepath.Join(t.TempDir(), "orphans", "o.ndjson")
	r, err = Rejoin(t.Context(), m.list, model.StandbyRequest{Server: m.a.Address(), Orphans: file}, nil)
	if err != nil || !r.Copies || r.Transactions != 4 {
		t.Fatalf("after the split: %+v (%v)", r, err)
	}
	outcomes := map[string]int{}
	for _, o := range r.Orphans {
		outcomes[o.Outcome]++
	}
	if outcomes["clash"] != 1 || outcomes["offered"] != 3 || len(r.Orphans) != 4 {
		t.Errorf("orphans: %v %+v", outcomes, r.Orphans)
	}
	if b, err := os.ReadFile(file); err != nil || strings.Count(string(b), "\n") != 4 || !strings.Contains(string(b), `"clash":true`) {
		t.Errorf("the file: %s (%v)", b, err)
	}
	if got := m.value(m.b, "SELECT GROUP_CONCAT(CONCAT_WS(' ', salutation, last_name, department, job_title, IF(deleted_at IS NULL, NULL, 'deleted')) ORDER BY last_name SEPARATOR ', ') FROM contact WHERE last_name IN ('before', 'after', 'orphan')"); got != "after deleted, Dr before orphan of the primary, orphan" {
		t.Errorf("on the primary: %s", got)
	}
	if got := m.value(m.b, "SELECT value FROM contact_method"); got != "+41 44 668 18 00" {
		t.Errorf("the orphan's phone: %s", got)
	}
	m.same()
	if roles, said := m.status(); roles != "standby, primary" || strings.Contains(said, "fail") {
		t.Errorf("%s: %s", roles, said)
	}
}

// same fails unless both servers hold the same, row by row, and the same
// accounts.
func (m *twoServers) same() {
	m.Helper()
	primary, standby := m.a, m.b
	if m.value(m.a, "SELECT @@global.read_only") == "1" {
		primary, standby = m.b, m.a
	}
	primary.CatchUp(m, standby)
	tables := strings.Split(m.value(primary, "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"), ",")
	if !slices.Contains(tables, "contact") {
		m.Fatalf("tables %v", tables)
	}
	for _, q := range []string{
		"SELECT MD5(GROUP_CONCAT(routine_name, routine_definition, sql_mode, definer ORDER BY routine_name)) FROM information_schema.routines WHERE routine_schema = DATABASE()",
		"SELECT MD5(GROUP_CONCAT(trigger_name, action_statement, sql_mode, definer ORDER BY trigger_name)) FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
		"SELECT GROUP_CONCAT(table_name) FROM information_schema.views WHERE table_schema = DATABASE()",
		"SELECT GROUP_CONCAT(user, host ORDER BY user) FROM mysql.user",
		"SELECT GROUP_CONCAT(user, routine_name ORDER BY user) FROM mysql.procs_priv",
	} {
		q = "SET STATEMENT group_concat_max_len = 100000000 FOR " + q
		if x, y := m.value(primary, q), m.value(standby, q); x != y {
			m.Errorf("%s:\n  the primary has %s\n  the standby has %s", q, x, y)
		}
	}
	sum := func(s *servertest.Server, table string) string {
		db := s.DB(m.database)
		defer db.Close()
		var name, sum string
		if err := db.QueryRow("CHECKSUM TABLE `"+table+"`").Scan(&name, &sum); err != nil {
			m.Fatal(err)
		}
		return sum
	}
	for _, t := range tables {
		if sum(primary, t) != sum(standby, t) {
			m.Errorf("the table %s differs", t)
		}
	}
}

// TestPromoteRefuses: whatever a standby lacks is named before it takes the
// place of the primary, and nothing is changed then; what is accepted is lost
// under a new epoch.
func TestPromoteRefuses(t *testing.T) {
	m := newMirror(t)
	m.setUp()
	ask := func(req model.PromoteRequest) error {
		t.Helper()
		_, err := Promote(t.Context(), m.list, req)
		if got := m.value(m.a, "SELECT @@global.read_only"); got != "0" {
			t.Errorf("the primary was left closed: %s", got)
		}
		return err
	}
	// A command that went into the standby's own log stops it one write
	// later, while everything else looks well.
	m.on(m.b, "FLUSH PRIVILEGES")
	m.on(m.a, "INSERT INTO contact (last_name) VALUES ('one')", "INSERT INTO contact (last_name) VALUES ('two')")
	m.until("the SQL thread to stop", func() bool {
		_, said := m.status()
		return strings.Contains(said, "it applies nothing of what it receives")
	})
	if _, said := m.status(); !strings.Contains(said, "FLUSH PRIVILEGES") || !strings.Contains(said, "of its own") {
		t.Errorf("status: %s", said)
	}
	m.tell(ask(model.PromoteRequest{}), model.Refused, "would lose changes", " that 127.0.0.1:", " lacks", "SQL thread")
	m.tell(ask(model.PromoteRequest{DryRun: true}), model.Refused, "would lose changes")

	// The primary is gone: what was received counts.
	m.a.Kill9()
	m.until("the standby to miss the primary", func() bool { roles, _ := m.status(); return roles == "unreachable, standby" })
	_, err := Promote(t.Context(), m.list, model.PromoteRequest{})
	m.tell(err, model.Refused, "has received")
	if got := m.value(m.b, "SELECT CONCAT(@@global.read_only + 0, ' ', writer_term) FROM sync_meta"); got != "1 1" {
		t.Errorf("after the refusal: %s", got)
	}
	before := m.value(m.b, "SELECT epoch FROM sync_meta")
	p, err := Promote(t.Context(), m.list, model.PromoteRequest{AcceptLoss: true})
	if err != nil || !p.Down || p.Lost < 2 || p.Epoch == before || p.Epoch == "" || p.Term != 2 {
		t.Fatalf("accepted: %+v (%v)", p, err)
	}
	if got := m.value(m.b, "SELECT CONCAT_WS(' ', @@global.read_only + 0, parent_epoch, fork_seq IS NOT NULL) FROM sync_meta"); got != "0 "+before+" 1" {
		t.Errorf("the central's row: %s", got)
	}
	// The old primary comes back, takes changes, and brings what was lost.
	if err := m.a.Restart(); err != nil {
		t.Fatal(err)
	}
	m.on(m.a, "SET GLOBAL rpl_semi_sync_master_enabled = 0", "INSERT INTO contact (last_name) VALUES ('three')")
	r, err := Rejoin(t.Context(), m.list, model.StandbyRequest{Orphans: filepath.Join(t.TempDir(), "o.ndjson")}, nil)
	if err != nil || !r.Copies || len(r.Orphans) != 3 {
		t.Fatalf("the old primary comes back: %+v (%v)", r, err)
	}
	if got := m.value(m.b, "SELECT GROUP_CONCAT(last_name ORDER BY last_name) FROM contact"); got != "one,three,two" {
		t.Errorf("on the new primary: %s", got)
	}
	m.same()
}

// TestRightsOfPromotion: an account that may not promote is told which right is
// missing, and nothing is changed.
func TestRightsOfPromotion(t *testing.T) {
	m := newMirror(t)
	m.setUp()
	m.on(m.a, "CREATE USER half@'%'", "GRANT ALL PRIVILEGES ON "+m.database+".* TO half@'%'")
	for _, right := range []string{"REPLICA MONITOR", "READ_ONLY ADMIN", "REPLICATION REPLICA ADMIN", "REPLICATION MASTER ADMIN", "RELOAD", ""} {
		m.a.CatchUp(t, m.b)
		list := m.a.URLFor("half", "", m.database) + "," + m.b.URLFor("half", "", m.database)
		p, err := Promote(t.Context(), list, model.PromoteRequest{To: m.b.Address(), DryRun: true})
		if right == "" {
			if err != nil || len(p.Steps) == 0 {
				t.Errorf("with every right: %v", err)
			}
			break
		}
		m.tell(err, model.Refused, right)
		var known *model.Error
		if !errors.As(err, &known) || !strings.Contains(known.Hint, "GRANT "+right) {
			t.Errorf("the hint of %v", err)
		}
		m.on(m.a, "GRANT "+right+" ON *.* TO half@'%'")
	}
	if roles, _ := m.status(); roles != "primary, standby" {
		t.Errorf("afterwards: %s", roles)
	}
}

// until waits for a condition.
func (m *twoServers) until(what string, ok func() bool) {
	m.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			_, said := m.status()
			m.Fatalf("waited for %s in vain:\n%s", what, said)
		}
	}
}
