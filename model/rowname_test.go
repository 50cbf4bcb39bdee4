package model

import (
	"strings"
	"testing"
)

// TestRowName holds that what a database calls a record is what everybody else
// does, wherever a row tells it at all.
func TestRowName(t *testing.T) {
	for _, e := range Entities() {
		if (e.Name == nil) != (e.RowName == nil) {
			t.Errorf("%s has a title in one place only", e.Noun)
			continue
		}
		for i, line := range e.RowName {
			r := NewRecord(e.Noun)
			var want []string
			for _, name := range line {
				f := e.Field(name)
				if f == nil || f.Type != Text || f.Column != "" {
					t.Fatalf("%s.%s is no text of its own column", e.Noun, name)
				}
				r.Values[name] = "a " + name
				want = append(want, "a "+name)
			}
			for _, other := range e.RowName[i+1:] {
				for _, name := range other {
					r.Values[name] = "hidden"
				}
			}
			if got := r.Title(); got != strings.Join(want, " ") {
				t.Errorf("the title of %s is %q, its row tells %q", e.Noun, got, strings.Join(want, " "))
			}
		}
	}
}
