package sync_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// T32: a note that is almost as long as a request may be is changed, cut and
// made long again. The old text does not travel, and yet a change is made only
// where the row still holds it byte for byte.
func TestT32LongNote(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		before := c.value(t, "SELECT @@global.max_allowed_packet")
		c.exec(t, "SET GLOBAL max_allowed_packet = 1048576")
		t.Cleanup(func() { c.ExecContext(context.Background(), "SET GLOBAL max_allowed_packet = "+before) })
		a := newHome(t, "ann", url)
		// Lines that differ, as a person writes them.
		note := func(word string, kB int) string {
			var b strings.Builder
			for i := 0; b.Len() < kB<<10; i++ {
				fmt.Fprintf(&b, "%s é %d, ", word, i)
			}
			return b.String()
		}
		r := a.save(t, "contact", "", map[string]any{"last_name": "long", "notes": note("one", 900)})
		a.sync(t)
		on := func() string { return c.value(t, "SELECT MD5(notes) FROM contact") }
		sum := func(s string) string { return c.value(t, "SELECT MD5(?)", s) }
		for _, text := range []string{note("two", 900), note("TWO", 70), note("three", 900)} {
			a.save(t, "contact", r.ID, map[string]any{"notes": text})
			if res := a.sync(t); res.Refused != 0 || res.Pushed != 1 || res.BytesSent > 1<<20 {
				t.Errorf("sync = %+v, %+v", res, a.pending(t))
			}
			if on() != sum(text) {
				t.Error("the server has another note")
			}
		}
		// The history has every text, old and new.
		for word, lines := range map[string]string{"one": "2", "two": "2", "TWO": "2", "three": "1"} {
			if got := c.value(t, "SELECT COUNT(*) FROM sync_audit WHERE changes LIKE BINARY ?", "%"+word+" é 7,%"); got != lines {
				t.Errorf("%s is in %s lines of the history, want %s", word, got, lines)
			}
		}
		// Another program changes nothing but the case, or empties it: what was
		// measured against the old text is not blindly put in its place.
		for what, theirs := range map[string]string{"case": "UPPER(notes)", "nothing": "NULL"} {
			c.exec(t, "UPDATE contact SET notes = '"+note("base", 80)+"'")
			a.sync(t)
			c.exec(t, "UPDATE contact SET notes = "+theirs)
			a.save(t, "contact", r.ID, map[string]any{"notes": note("mine", 80)})
			if res := a.sync(t); res.Refused != 0 {
				t.Errorf("%s: %+v", what, a.pending(t))
			}
			if what == "case" && (!strings.Contains(a.get(t, "contact", r.ID).Text("notes"), "BASE É 7,") || on() != sum(a.get(t, "contact", r.ID).Text("notes"))) {
				t.Errorf("%s: their text is gone", what)
			}
		}
		// Not even the new text has room.
		a.save(t, "contact", r.ID, map[string]any{"notes": note("much", 1100), "job_title": "j"})
		a.sync(t)
		oneRefused(t, a, "too_long", "Notes is 1100 kB", "1023 kB", "shorten", "max_allowed_packet")
		a.save(t, "contact", r.ID, map[string]any{"notes": "short"})
		converge(t, c, a)
	})
}
