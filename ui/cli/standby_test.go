package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
)

// TestStandbyCommands sets up a standby, looks at it, promotes it and brings
// the former primary back, as an administrator does.
func TestStandbyCommands(t *testing.T) {
	server := func(id string) *servertest.Server {
		return servertest.Start(t, servertest.Flag("--server-id="+id), servertest.Flag("--log-bin=binlog"), servertest.Flag("--log-slave-updates"), servertest.Flag("--gtid-strict-mode=1"))
	}
	a, b := server("1"), server("2")
	// The administrator's password is in no output.
	for _, s := range []*servertest.Server{a, b} {
		s.SQL(t, "", "SET sql_log_bin = 0", "CREATE USER boss@'%' IDENTIFIED BY 'sesame'", "GRANT ALL PRIVILEGES ON *.* TO boss@'%' WITH GRANT OPTION", "RESET MASTER")
	}
	s := newShell(t)
	s.env["RAPPORT_CENTRAL"] = a.URLFor("boss", "sesame", "crm") + "," + b.URLFor("boss", "sesame", "crm")
	var printed strings.Builder
	run := func(code int, args ...string) answer {
		t.Helper()
		r := s.run(append([]string{"central"}, args...)...)
		if r.code != code {
			t.Fatalf("central %v: %d %s%s", args, r.code, r.out, r.err)
		}
		printed.WriteString(r.out + r.err)
		return r
	}
	run(0, "init")
	if out := run(0, "standby", "setup", "--dry-run").out; !strings.Contains(out, "CHANGE MASTER TO") || !strings.Contains(out, "MASTER_PASSWORD='…'") {
		t.Errorf("the plan:\n%s", out)
	}
	if r := run(2, "standby", "setup"); !strings.Contains(r.err, "--yes") {
		t.Errorf("without a question: %s", r.err)
	}
	run(0, "standby", "setup", "--yes")
	if out := run(0, "status").out; !strings.Contains(out, "the primary, term 1") || !strings.Contains(out, "newest heartbeat") || !strings.Contains(out, "semi-synchronous") {
		t.Errorf("status:\n%s", out)
	}
	backUpBeside(s, filepath.Join(t.TempDir(), "backups"))
	type servers struct {
		Servers []struct {
			Address, Role string
			Term          int64
			Applying      struct{ Running bool }
		}
	}
	got := decode[servers](run(0, "standby", "status", "--json"))
	if len(got.Servers) != 2 || got.Servers[0].Role != "primary" || got.Servers[1].Role != "standby" || !got.Servers[1].Applying.Running {
		t.Errorf("as JSON: %+v", got)
	}
	whole := decode[struct {
		Epoch   string
		Standby servers
	}](run(0, "status", "--json"))
	if whole.Epoch == "" || len(whole.Standby.Servers) != 2 {
		t.Errorf("status as JSON: %+v", whole)
	}
	if out := run(0, "promote", "--dry-run").out; !strings.Contains(out, "raise the term from 1 to 2") {
		t.Errorf("the plan:\n%s", out)
	}
	if r := run(2, "promote"); !strings.Contains(r.err, "--yes") {
		t.Errorf("without a question: %s", r.err)
	}
	if p := decode[struct{ Term, Lost int64 }](run(0, "promote", "--yes", "--json")); p.Term != 2 || p.Lost != 0 {
		t.Errorf("promoted: %+v", p)
	}
	if r := run(2, "promote", "--yes", "--to", b.Address()); !strings.Contains(r.err, "is the primary already") {
		t.Errorf("promoted again: %s", r.err)
	}
	if out := run(0, "rejoin", "--yes").out; !strings.Contains(out, "follows and has everything") {
		t.Errorf("rejoined:\n%s", out)
	}
	got = decode[servers](run(0, "standby", "status", "--json"))
	if got.Servers[0].Role != "standby" || got.Servers[1].Role != "primary" || got.Servers[1].Term != 2 {
		t.Errorf("afterwards: %+v", got)
	}
	if text := printed.String(); strings.Contains(text, "sesame") || strings.Contains(text, "PASSWORD '*") {
		t.Errorf("a password was printed:\n%s", text)
	}
}

// backUpBeside makes backups of a central that do not read its primary's tables
// of records, and one that follows them and does.
func backUpBeside(s *shell, to string) {
	s.t.Helper()
	create := func(args ...string) map[string]any {
		s.t.Helper()
		return s.ok(append([]string{"backup", "create", "--source", "central", "--to", to}, args...)...)
	}
	manifestOf := func(b map[string]any) string {
		s.t.Helper()
		files, err := filepath.Glob(filepath.Join(to, "b", "*", b["id"].(string)+"-*", "manifest.json"))
		if err != nil || len(files) != 1 {
			s.t.Fatalf("manifests %q, %v", files, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return string(data)
	}
	first := create("--read-from", "standby")
	if m := manifestOf(first); first["note"] != nil || first["verified"] != true || !strings.Contains(m, `"role": "replica"`) {
		s.t.Errorf("of the standby: %v\n%s", first, m)
	}
	if none := create("--read-from", "report", "--kind", "incremental"); none["note"] != "the report tables were not read: there are none; `rapport central refresh-reports` makes them" || none["kind"] != "incremental" || none["verified"] != true {
		s.t.Errorf("without report tables: %v", none)
	}
	s.ok("central", "refresh-reports")
	if r := s.run("backup", "create", "--source", "central", "--to", to, "--if-due", "* * * * *", "--read-from", "report", "--check"); r.code != 0 || !strings.Contains(r.out, "verified") || strings.Contains(r.err, "read") {
		s.t.Errorf("when due: %d %s%s", r.code, r.out, r.err)
	}
	s.env["RAPPORT_BACKUP__READ_FROM"] = "report"
	last := create("--check")
	if m := manifestOf(last); last["note"] != nil || !strings.Contains(m, `"copies": {`) || !strings.Contains(m, `"role": "primary"`) {
		s.t.Errorf("of the report tables: %v\n%s", last, m)
	}
	delete(s.env, "RAPPORT_BACKUP__READ_FROM")
	if follows := create("--kind", "incremental"); follows["kind"] != "incremental" || follows["parent"] != last["id"] {
		s.t.Errorf("of the tables: %v", follows)
	}
}

// decode reads what a command printed.
func decode[T any](a answer) (out T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.out), &out); err != nil {
		a.t.Fatalf("%v: %s", err, a.out)
	}
	return out
}
