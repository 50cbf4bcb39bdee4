package workspace_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
)

// TestNaughtyStrings takes every string of the big list that is not blank as a
// contact's notes and as an organization's name through the cache, the sync to
// a second laptop, and files of three formats to a third, byte for byte.
func TestNaughtyStrings(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(realData(t), "naughty-strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all, naughty []string
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if strings.TrimSpace(s) != "" && !slices.Contains(naughty, s) {
			naughty = append(naughty, s)
		}
	}
	if len(naughty) < 400 {
		t.Fatalf("only %d strings", len(naughty))
	}
	srv := servertest.Shared(t)
	url := srv.Database(t)
	a, b := &laptop{t, t.TempDir(), url}, &laptop{t, t.TempDir(), url}
	a.json("central", "init")
	add(a, "organization", "name", naughty, nil)
	add(a, "contact", "notes", naughty, map[string]any{"last_name": "N"})
	same(t, "the cache", a, naughty)
	a.json("sync")
	b.json("sync")
	same(t, "the sync", b, naughty)
	for _, format := range []string{"csv", "json", "vcf"} {
		c := &laptop{t, t.TempDir(), ""}
		for _, noun := range []string{"organization", "contact"} {
			file := filepath.Join(t.TempDir(), noun+"."+format)
			if code, _, errs := b.run("", "export", noun, "--format", format, "-o", file); code != 0 {
				t.Fatalf("export %s as %s: exit %d: %s", noun, format, code, errs)
			}
			got := c.json("import", file, "--as", noun)
			want(t, "import of "+format, got, map[string]float64{"rejected": 0, "read": float64(len(naughty))})
		}
		same(t, format, c, naughty)
	}
}

// add makes one record for each string.
func add(l *laptop, noun, field string, texts []string, set map[string]any) {
	l.t.Helper()
	var in strings.Builder
	for _, s := range texts {
		rec := map[string]any{field: s}
		for k, v := range set {
			rec[k] = v
		}
		line, err := json.Marshal(rec)
		if err != nil {
			l.t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	if code, out, errs := l.run(in.String(), noun, "add", "--stdin", "--json"); code != 0 {
		l.t.Fatalf("add: exit %d: %s %.300s", code, errs, out)
	}
}

// same compares the texts of a home with those expected, as sets.
func same(t *testing.T, after string, l *laptop, want []string) {
	t.Helper()
	for noun, field := range map[string]string{"organization": "name", "contact": "notes"} {
		var got []string
		for _, item := range l.json(noun, "list", "--limit", "0")["items"].([]any) {
			s, _ := item.(map[string]any)[field].(string)
			got = append(got, s)
		}
		slices.Sort(got)
		expected := slices.Sorted(slices.Values(want))
		for _, s := range expected {
			if _, ok := slices.BinarySearch(got, s); !ok {
				t.Errorf("after %s: %s %s %q is missing", after, noun, field, s)
			}
		}
		if len(got) != len(expected) {
			t.Errorf("after %s: %d %ss, want %d", after, len(got), noun, len(expected))
		}
	}
}
