package cli_test

import (
	"strings"
	"testing"
)

// TestBackupStatus tells how safe the data is, in words, as JSON and by the exit
// code.
func TestBackupStatus(t *testing.T) {
	s := newShell(t)
	s.ok("contact", "add", "--set", "last_name=Ada")
	if a := s.run("backup", "status"); a.code != 8 || !strings.Contains(a.out, "× Last verified  never: rapport backup create makes the first backup") || !strings.Contains(a.err, "not safe") {
		t.Errorf("without a backup: exit %d\n%s%s", a.code, a.out, a.err)
	}
	s.ok("backup", "create")
	if a := s.run("backup", "status"); a.code != 0 || !strings.Contains(a.out, "✓ Last verified") || !strings.Contains(a.out, "? Would restore  never tried: rapport backup verify --level V4 restores one") {
		t.Errorf("with one: exit %d\n%s%s", a.code, a.out, a.err)
	}
	if a := s.run("backup", "verify", "--level", "V4"); a.code != 0 {
		t.Fatalf("the trial: exit %d\n%s%s", a.code, a.out, a.err)
	}
	got := s.ok("backup", "status")
	answers := got["answers"].([]any)
	var states []string
	for _, x := range answers {
		states = append(states, x.(map[string]any)["state"].(string))
	}
	if strings.Join(states, " ") != "ok warn ok none none" || got["backups"] != 1.0 || got["trial"].(map[string]any)["ok"] != true || got["central"] != nil {
		t.Errorf("%v", got)
	}
}
