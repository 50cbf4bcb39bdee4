package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun makes a small workspace, measures it, and measures it again without
// making it.
func TestRun(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	for i, want := range []string{"rapport  ", "was there already"} {
		var out strings.Builder
		if err := run(context.Background(), []string{"--home", home, "--contacts", "60", "--only", "make,list"}, &out); err != nil {
			t.Fatalf("run %d: %v\n%s", i+1, err, out.String())
		}
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "first page                 50 rows") {
			t.Errorf("run %d printed:\n%s", i+1, out.String())
		}
	}
	if err := run(context.Background(), []string{"--only", "ghost"}, &strings.Builder{}); err == nil {
		t.Error("an unknown section is no error")
	}
}

// TestLines holds that a contact is one line, whatever is in its cells.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a.csv"), filepath.Join(dir, "a.txt")
	if err := os.WriteFile(from, []byte("id,first_name,notes,email\n1,\"Ada\nKing\",\"x, y\",a@b\n2,Bo,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := linesOf(from, to); n != 2 || err != nil {
		t.Fatalf("%d lines, %v", n, err)
	}
	if got, err := os.ReadFile(to); string(got) != "Ada King\ta@b\nBo\t\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
