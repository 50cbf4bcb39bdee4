package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrivacy answers a person: what is known is written to a file, a dry run
// and a question without an answer erase nothing, and what is erased stays so
// after a restore of an earlier backup.
func TestPrivacy(t *testing.T) {
	s := newShell(t)
	id, _ := s.ok("contact", "add", "--set", "first_name=Ada", "--set", "last_name=Lovelace", "--set", "email=ada@example.com")["id"].(string)
	s.ok("activity", "add", "--set", "subject=Called Ada", "--set", "about=contact:"+id)
	s.ok("contact", "edit", id, "--set", "notes=likes engines")
	file := filepath.Join(t.TempDir(), "ada.json")
	if a := s.run("privacy", "export", "Ada Lovelace", "-o", file); a.code != 0 {
		t.Fatalf("exit %d %s", a.code, a.err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(data, &d); err != nil || !strings.Contains(string(data), "Called Ada") || !strings.Contains(string(data), "likes engines") || len(d["history"].([]any)) < 2 {
		t.Errorf("%v: %s", err, data)
	}
	plan := s.ok("privacy", "erase", id, "--dry-run")
	s.want(plan["dry_run"], "true")
	s.want(plan["erased"].(map[string]any)["activity"], "1")
	if a := s.run("privacy", "erase", id, "--no-input"); a.code != 2 {
		t.Errorf("without an answer: exit %d %s", a.code, a.err)
	}
	s.ok("contact", "show", id)
	s.ok("backup", "create")
	done := s.ok("privacy", "erase", id, "--yes")
	s.want(done["dry_run"], "false")
	s.want(done["backups"], "1")
	s.ok("backup", "restore", "--yes")
	if a := s.run("contact", "show", id); a.code != 10 {
		t.Errorf("after a restore: exit %d %s", a.code, a.out)
	}
	if n := len(s.ok("privacy", "list")["items"].([]any)); n != 2 {
		t.Errorf("%d in the ledger, want the contact and its activity", n)
	}
	if a := s.run("privacy", "erase", id, "--yes"); a.code != 10 {
		t.Errorf("a second time: exit %d %s", a.code, a.err)
	}
}
