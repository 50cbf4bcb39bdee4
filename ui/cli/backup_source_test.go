package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadFromFlags refuses what cannot be read, before anything is done.
func TestReadFromFlags(t *testing.T) {
	s := newShell(t)
	for args, says := range map[string]string{
		"--read-from report":                                     "--read-from and --check are for --source central",
		"--check":                                                "--read-from and --check are for --source central",
		"--source central --read-from moon":                      "--read-from is primary, standby or report",
		"--source central --check":                               "--check compares the report tables",
		"--source central --check --read-from standby":           "--check compares the report tables",
		"--source central --if-due=daily --read-from moon":       "--read-from is primary, standby or report",
		"--source central --if-due=daily --read-from x --check":  "--read-from is primary, standby or report",
		"--source local --if-due=daily --read-from standby":      "are for --source central",
		"--source central --read-from standby --continuous":      "no central database",
		"--source central --read-from report --check --if-due=*": "is no schedule",
	} {
		if r := s.run(append([]string{"backup", "create"}, strings.Fields(args)...)...); r.code != 2 || !strings.Contains(r.err, says) {
			t.Errorf("%s: exit %d, %s", args, r.code, r.err)
		}
	}
	file := filepath.Join(s.home, "config.toml")
	if err := os.WriteFile(file, []byte("[backup]\nread_from = \"standby\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(s.ok("config")["backup"].(map[string]any)["read_from"], `"standby"`)
	// It is for the central, and a workspace is backed up as ever.
	s.ok("backup", "create")
	if err := os.WriteFile(file, []byte("[backup]\nread_from = \"moon\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.run("backup", "list"); r.code != 2 || !strings.Contains(r.err, `cannot be read from "moon"`) {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}
