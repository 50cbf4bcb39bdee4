package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsFit holds that every mutant still changes what it names: a text
// that is gone or occurs twice would break nothing, or something else.
func TestMutantsFit(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		for _, e := range m.edits {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(e.file)))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(data), e.old); n != 1 || e.old == e.new {
				t.Errorf("%s: %s has %d times, not once:\n%s", m.name, e.file, n, e.old)
			}
		}
	}
	if len(mutants) < 20 {
		t.Errorf("only %d rules are broken", len(mutants))
	}
}

// TestMutantIsCaught tries one mutant for real.
func TestMutantIsCaught(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if m.name != "an edit made during the push counts as sent" {
			continue
		}
		if v := m.try(t.Context(), dir); !v.Caught {
			t.Errorf("%s: not noticed: %+v", m.name, v)
		}
		return
	}
	t.Error("the mutant is not in the list")
}
