package transfer

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"rapport/model"
)

// naughtyStrings are the strings that break programs; blank ones are left out.
func naughtyStrings(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(testdata(t, "naughty-strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all, out []string
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return append(out, "a\x00b", "line\rback", "crlf\r\nend", "'=1+1", "''@x", "=cmd|' /C calc'!A0", "back\\slash\\n", " blanks around ", "a,b;c:d", "\"", "[1]", "{}", "x::work")
}

func TestNaughtyStringsSurvive(t *testing.T) {
	naughty := naughtyStrings(t)
	w := newWorld(t)
	var people, orgs []model.Edit
	for _, s := range naughty {
		name := s
		if len([]rune(name)) > 255 {
			name = string([]rune(name)[:255])
		}
		orgs = append(orgs, model.Edit{Noun: "organization", Set: map[string]any{"name": name, "notes": s}})
		people = append(people, model.Edit{Noun: "contact", MakeLinks: true, Set: map[string]any{"last_name": "Naughty", "notes": s, "job_title": name}})
	}
	for _, edits := range [][]model.Edit{orgs, people} {
		saved, err := w.db.SaveAll(t.Context(), edits, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range saved {
			if s.Err != nil {
				t.Fatalf("%q: %v", edits[i].Set["notes"], s.Err)
			}
		}
	}
	// Each person works at the organization of the same number.
	var links []model.Edit
	for i, r := range w.list("contact") {
		o := w.list("organization")
		if i == 0 && len(o) != len(naughty) {
			t.Fatalf("%d organizations for %d strings", len(o), len(naughty))
		}
		links = append(links, model.Edit{Noun: "contact", ID: r.ID, Set: map[string]any{"organization": model.Ref{Noun: "organization", ID: o[i].ID}}})
		if i > 20 {
			break
		}
	}
	if _, err := w.db.SaveAll(t.Context(), links, false); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"csv", "tsv", "json", "ndjson", "vcf", "vcf4"} {
		t.Run(format, func(t *testing.T) {
			other := newWorld(t)
			for _, noun := range []model.Noun{"organization", "contact"} {
				path := other.file(string(noun)+"."+strings.TrimRight(format, "4"), w.export(noun, format))
				res := other.load(model.ImportRequest{Files: []string{path}, As: noun})
				n := int64(len(naughty))
				counts(t, res.Counts, n, n, 0, 0, 0, 0)
				for _, r := range res.Rejects {
					t.Log(r.Line, r.Message)
				}
				mine, theirs := values(w.list(noun)), values(other.list(noun))
				for id, want := range mine {
					if theirs[id] != want {
						t.Errorf("%s %q came back as %q", noun, want, theirs[id])
					}
				}
				again := other.load(model.ImportRequest{Files: []string{path}, As: noun})
				counts(t, again.Counts, n, 0, 0, n, 0, 0)
			}
		})
	}
}

// values are the texts of records by their ids.
func values(records []*model.Record) map[model.ID]string {
	out := map[model.ID]string{}
	for _, r := range records {
		out[r.ID] = r.Text("name") + "\x01" + r.Text("notes") + "\x01" + r.Text("job_title") + "\x01" + string(r.Ref("organization").ID)
	}
	return out
}
