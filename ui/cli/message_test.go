package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMessagesNameWhatIsWrong holds the exit code and the words of errors that
// people run into, and that no words of a library stand in them.
func TestMessagesNameWhatIsWrong(t *testing.T) {
	s := newShell(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, in string
		code     int
		words    string
	}{
		{"demo --contacts x", "", 2, `"--contacts"`},
		{"contact list --limit 1.5", "", 2, `"--limit"`},
		{"contact add --stdin", "5", 2, "this is not a JSON object: it is a number"},
		{"contact add --stdin", `{"email":[5]}`, 2, "an item is a text or an object: it is a number"},
		{"deal list --filter lines=Nothing", "", 2, "there is no product"},
		{"import " + dir, "", 2, "is a folder"},
		{"import " + file + "s", "", 10, "there is no file"},
		{"import -", "a,b\n1,2\n", 2, "standard-input"},
		{"contact list --home " + file, "", 2, "is no folder"},
		{"export contact -o " + filepath.Join(dir, "absent", "x.csv"), "", 2, "cannot be written"},
		{"backup show 12345678", "", 10, "there is no backup"},
		{"completion nushell", "", 2, "unknown command"},
		{"completion", "", 2, "needs a command"},
	} {
		a := s.input(c.in, append(strings.Fields(c.args), "--json")...)
		if a.code != c.code || a.out != "" || !strings.Contains(strings.ReplaceAll(a.err, `\"`, `"`), c.words) {
			t.Errorf("%s: exit %d, want %d with %q; %s%s", c.args, a.code, c.code, c.words, a.out, a.err)
		}
		for _, foreign := range []string{"strconv", "json:", "Go value", "stdin-"} {
			if strings.Contains(a.err, foreign) {
				t.Errorf("%s: %q stands in %s", c.args, foreign, a.err)
			}
		}
	}
}

// TestDemoDryRunTellsItsCounts holds that a dry run prints what the run makes
// and makes nothing.
func TestDemoDryRunTellsItsCounts(t *testing.T) {
	s := newShell(t)
	plan := s.ok("demo", "--contacts", "37", "--dry-run")
	if _, err := os.Stat(s.home); err == nil {
		t.Error("a dry run made the home")
	}
	made := s.ok("demo", "--contacts", "37")
	again := s.ok("demo", "--contacts", "9", "--reset", "--dry-run")
	for _, key := range []string{"contacts", "organizations", "deals", "activities"} {
		s.want(plan[key], text(made[key]))
	}
	s.want(again["contacts"], "9")
	s.want(plan["dry_run"], "true")
	if len(s.ok("contact", "list", "--limit", "0")["items"].([]any)) != 37 {
		t.Error("the dry run of a reset changed the demo")
	}
}

// TestBackupIsFoundByItsEnd holds that show takes what verify takes.
func TestBackupIsFoundByItsEnd(t *testing.T) {
	s := newShell(t)
	id := s.ok("backup", "create")["id"].(string)
	for _, ref := range []string{id, id[28:], id[:13], "latest"} {
		s.want(s.ok("backup", "show", ref)["id"], text(id))
		s.want(s.ok("backup", "verify", ref)["id"], text(id))
	}
}

// TestBackupKeepsTheConfigurationOfXDG holds that a workspace without --home
// is backed up with its configuration, which lies elsewhere.
func TestBackupKeepsTheConfigurationOfXDG(t *testing.T) {
	dir := t.TempDir()
	s := newShell(t)
	s.home = ""
	s.env["XDG_DATA_HOME"], s.env["XDG_CONFIG_HOME"] = filepath.Join(dir, "data"), filepath.Join(dir, "config")
	config := filepath.Join(dir, "config", "rapport", "config.toml")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("currency = \"CHF\"\ncentral = \"mysql://eve:geheim@127.0.0.1:1/crm\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("deal", "add", "--set", "name=D", "--set", "amount=5")
	to := filepath.Join(dir, "backups")
	s.ok("backup", "create", "--to", to)
	s.env["XDG_DATA_HOME"], s.env["XDG_CONFIG_HOME"] = filepath.Join(dir, "data2"), filepath.Join(dir, "config2")
	s.ok("backup", "restore", "--from", to)
	restored, err := os.ReadFile(filepath.Join(dir, "config2", "rapport", "config.toml"))
	if err != nil || !strings.Contains(string(restored), "CHF") || strings.Contains(string(restored), "geheim") {
		t.Fatalf("%q, %v", restored, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data2", "rapport", "config.toml")); err == nil {
		t.Error("the configuration lies in the data folder")
	}
	s.want(s.ok("config")["currency"], `"CHF"`)
	s.want(s.ok("deal", "list")["total"], "1")
}

// TestDryRunFailsWhereTheRunWould holds that a dry run of a verb tries all of
// it, says that it is one and keeps nothing.
func TestDryRunFailsWhereTheRunWould(t *testing.T) {
	s := newShell(t)
	id := s.ok("deal", "add", "--set", "name=D")["id"].(string)
	if a := s.run("deal", "move", id, "--stage", "Nope", "--dry-run", "--json"); a.code != 2 || a.out != "" {
		t.Errorf("exit %d, %s", a.code, a.out)
	}
	for _, args := range [][]string{
		{"deal", "move", id, "--stage", "Proposal"}, {"deal", "win", id}, {"deal", "lose", id, "--reason", "price"}, {"deal", "delete", id},
	} {
		v := s.ok(append(args, "--dry-run")...)
		s.want(v["dry_run"], "true")
		s.want(v["items"].([]any)[0].(map[string]any)["id"], text(id))
	}
	r := s.ok("deal", "show", id)
	s.want(r["stage"].(map[string]any)["name"], `"Prospecting"`)
	s.want(r["deleted_at"], "null")
}

// TestStdinTakesShortIDs holds that an object on the standard input names its
// record as the command line does.
func TestStdinTakesShortIDs(t *testing.T) {
	s := newShell(t)
	id := s.ok("contact", "add", "--set", "last_name=A")["id"].(string)
	if a := s.input(`{"id":"`+id[28:]+`","notes":"<b>"}`, "contact", "edit", "--stdin", "--json"); a.code != 0 || a.json()["notes"] != "<b>" {
		t.Errorf("exit %d, %s%s", a.code, a.out, a.err)
	}
	if a := s.input(`{"id":"12345678","notes":"x"}`, "contact", "edit", "--stdin", "--json"); a.code != 10 {
		t.Errorf("exit %d, %s%s", a.code, a.out, a.err)
	}
	if a := s.input(`{"id":5,"notes":"x"}`, "contact", "edit", "--stdin", "--json"); a.code != 2 {
		t.Errorf("exit %d, %s%s", a.code, a.out, a.err)
	}
}
