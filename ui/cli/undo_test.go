package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUndoAndMerge takes an edit, a merge and an undo back by commands.
func TestUndoAndMerge(t *testing.T) {
	s := newShell(t)
	if a := s.run("undo"); a.code != 10 {
		t.Errorf("exit %d, want 10: %s", a.code, a.err)
	}
	one := s.ok("contact", "add", "--set", "last_name=Lovelace", "--set", "email=Ada@example.org")["id"].(string)
	two := s.ok("contact", "add", "--set", "last_name=Byron", "--set", "email=ada@example.org", "--set", "phone=+41446681800")["id"].(string)
	pairs := s.ok("contact", "duplicates")["items"].([]any)
	if len(pairs) != 1 || pairs[0].(map[string]any)["field"] != "email" {
		t.Fatalf("duplicates = %v", pairs)
	}
	if got := s.ok("status")["duplicates"]; got != float64(1) {
		t.Errorf("status tells of %v duplicates", got)
	}
	merged := s.ok("contact", "merge", one, two)
	if phones := merged["phone"].([]any); len(phones) != 1 || len(merged["email"].([]any)) != 1 {
		t.Errorf("merged: %v", merged)
	}
	if items := s.ok("contact", "duplicates")["items"].([]any); len(items) != 0 {
		t.Errorf("still asked about %v", items)
	}
	acts := s.ok("undo", "--list")["items"].([]any)
	if first := acts[0].(map[string]any); first["action"] != "merge" || first["records"] != float64(2) {
		t.Errorf("the last act is %v", first)
	}
	if would := s.ok("undo", "--dry-run"); would["action"] != "merge" || would["dry_run"] != true {
		t.Errorf("would take back %v", would)
	}
	s.ok("undo")
	if back := s.ok("contact", "show", two); back["deleted_at"] != nil || len(back["phone"].([]any)) != 1 {
		t.Errorf("after the undo: %v", back)
	}
	s.ok("undo", "--redo")
	if phones := s.ok("contact", "show", one)["phone"].([]any); len(phones) != 1 {
		t.Errorf("done again: %v", phones)
	}
	if a := s.run("undo", "seven"); a.code != 2 {
		t.Errorf("exit %d, want 2: %s", a.code, a.err)
	}
	if a := s.run("undo", "--list", "7"); a.code != 2 {
		t.Errorf("exit %d, want 2: %s", a.code, a.err)
	}
	if a := s.run("contact", "merge", one, one); a.code != 2 {
		t.Errorf("exit %d, want 2: %s", a.code, a.err)
	}
	if got := s.run("undo", "--list").out; !strings.Contains(got, "merge") || !strings.Contains(got, "Lovelace") {
		t.Errorf("the list reads\n%s", got)
	}
}

func TestDistinctRecordsStayTwo(t *testing.T) {
	s := newShell(t)
	one := s.ok("organization", "add", "--set", "name=Acme")["id"].(string)
	two := s.ok("organization", "add", "--set", "name=ACME")["id"].(string)
	if items := s.ok("org", "duplicates")["items"].([]any); len(items) != 1 {
		t.Fatalf("duplicates = %v", items)
	}
	s.ok("org", "distinct", one, two)
	if items := s.ok("org", "duplicates")["items"].([]any); len(items) != 0 {
		t.Errorf("asked again: %v", items)
	}
}

// An import is taken back as a whole, by its own command; what was done before
// can then be taken back again.
func TestUndoLeavesImportsToTheirOwn(t *testing.T) {
	s := newShell(t)
	id := s.ok("contact", "add", "--set", "last_name=Lovelace")["id"].(string)
	file := filepath.Join(t.TempDir(), "leads.csv")
	if err := os.WriteFile(file, []byte("last_name,email\nMeier,m@example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := s.ok("import", file, "--as", "contact")["run"].(string)
	if a := s.run("undo", "--json"); a.code != 2 || !strings.Contains(a.err, "import undo "+run) {
		t.Errorf("exit %d: %s", a.code, a.err)
	}
	s.ok("import", "undo", run)
	s.ok("undo") // the deletion that this was
	s.ok("undo")
	if got := s.ok("contact", "show", id); got["deleted_at"] == nil {
		t.Errorf("making the contact was not taken back: %v", got)
	}
}
