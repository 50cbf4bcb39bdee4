package main

import (
	"context"
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
