package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPendingExport(t *testing.T) {
	s := newShell(t)
	id := s.ok("contact", "add", "--set", "last_name=Lovelace", "--set", "phone=+41446681800")["id"].(string)
	s.ok("organization", "add", "--set", "name=Acme & Söhne")
	if a := s.run("pending", "export"); a.code != 0 || a.out != "" {
		t.Errorf("nothing was refused, yet: exit %d, %q", a.code, a.out)
	}
	var line struct {
		Noun, Action string
		Error        any
		Record       map[string]any
	}
	a := s.run("pending", "export", id)
	if err := json.Unmarshal([]byte(a.out), &line); err != nil || line.Noun != "contact" || line.Action != "add" || line.Error != nil || line.Record["last_name"] != "Lovelace" {
		t.Errorf("%v: %s", err, a.out)
	}
	file := filepath.Join(t.TempDir(), "unsent.ndjson")
	if got := s.ok("pending", "export", "--all", "-o", file); got["records"] != float64(2) {
		t.Errorf("wrote %v", got)
	}
	data, err := os.ReadFile(file)
	if err != nil || strings.Count(string(data), "\n") != 2 || !strings.Contains(string(data), "Acme & Söhne") {
		t.Errorf("%v\n%s", err, data)
	}
}
