package model

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func join(t *testing.T, base, mine, theirs string) (string, bool) {
	t.Helper()
	return JoinText(base, Version{mine, "ann", 60000}, Version{theirs, "bob", 120000})
}

func TestJoinText(t *testing.T) {
	for _, tt := range []struct {
		name, base, mine, theirs, want string
		clean                          bool
	}{
		{"OK both ends", "a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC", true},
		{"OK a line more on each side", "a\nb\nc", "a\nx\nb\nc", "a\nb\ny\nc", "a\nx\nb\ny\nc", true},
		{"OK the same edit", "a\nb", "a\nB", "a\nB", "a\nB", true},
		{"OK a deletion and an edit elsewhere", "a\nb\nc", "b\nc", "a\nb\nC", "b\nC", true},
		{"OK an edit beats a deletion", "a\nb\nc", "a\nc", "a\nB\nc", "a\nB\nc", true},
		{"OK one side wrote more of the same", "a", "a\nx", "a\nx\ny", "a\nx\ny", true},
		{"OK carriage returns stay", "a\r\nb\r\nc", "A\r\nb\r\nc", "a\r\nb\r\nC", "A\r\nb\r\nC", true},
		{"OK line break at the end", "a\nb\n", "A\nb\n", "a\nb\nc\n", "A\nb\nc\n", true},
		{"both write at the end", "a", "a\nx", "a\ny",
			"a\n--- ann, 1970-01-01 00:01 UTC:\nx\n--- bob, 1970-01-01 00:02 UTC:\ny", false},
		{"both edit one line", "a\nb\nc", "a\nX\nc", "a\nY\nc",
			"a\n--- ann, 1970-01-01 00:01 UTC:\nX\n--- bob, 1970-01-01 00:02 UTC:\nY\n---\nc", false},
		{"two first texts", "", "x", "y", "--- ann, 1970-01-01 00:01 UTC:\nx\n--- bob, 1970-01-01 00:02 UTC:\ny", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, clean := join(t, tt.base, tt.mine, tt.theirs)
			if got != tt.want || clean != tt.clean {
				t.Errorf("got %q, clean %v, want %q, %v", got, clean, tt.want, tt.clean)
			}
		})
	}
}

func TestJoinTextOfStrangers(t *testing.T) {
	got, _ := JoinText("", Version{Text: "x"}, Version{Text: "y", By: "bob"})
	if want := "--- another program:\nx\n--- bob:\ny"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// someText draws a text of few different lines, so that they repeat.
func someText(t *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", ""}), 0, 12).Draw(t, name), "\n")
}

// joinLaws are what holds for every three texts.
func joinLaws(t interface {
	Helper()
	Errorf(string, ...any)
}, base, mine, theirs string) {
	t.Helper()
	a, b := Version{mine, "ann", 60000}, Version{theirs, "bob", 120000}
	got, clean := JoinText(base, a, b)
	if again, also := JoinText(base, b, a); again != got || also != clean {
		t.Errorf("the order of the sides matters: %q and %q", got, again)
	}
	if only, ok := JoinText(base, a, Version{base, "bob", 1}); only != mine || !ok {
		t.Errorf("mine alone gives %q, want %q", only, mine)
	}
	if only, ok := JoinText(base, Version{base, "ann", 1}, b); only != theirs || !ok {
		t.Errorf("theirs alone gives %q, want %q", only, theirs)
	}
	if same, ok := JoinText(base, a, Version{mine, "bob", 1}); same != mine || !ok {
		t.Errorf("equal edits give %q, want %q", same, mine)
	}
	// Every line that a side wrote is there; none that both kept is gone.
	count := func(text, line string) (n int) {
		for _, l := range textLines(text) {
			if l == line {
				n++
			}
		}
		return n
	}
	for _, l := range slices.Concat(textLines(mine), textLines(theirs)) {
		written := max(count(mine, l), count(theirs, l))
		if count(base, l) == 0 && count(got, l) < min(written, 1) {
			t.Errorf("the new line %q is lost in %q", l, got)
		}
		if least := min(count(mine, l), count(theirs, l), count(base, l)); count(got, l) == 0 && least > 0 && !clean {
			t.Errorf("the line %q that nobody took out is lost in %q", l, got)
		}
	}
}

func TestJoinTextLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		joinLaws(t, someText(t, "base"), someText(t, "mine"), someText(t, "theirs"))
	})
}

// Edits that a line keeps apart are both there, whatever they are.
func TestJoinTextKeepsEditsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edit := func(name string) string {
			return strings.Join(rapid.SliceOfN(rapid.StringMatching("[m-p]{1,3}"), 1, 4).Draw(t, name), "\n")
		}
		head, tail := edit("head"), edit("tail")
		newHead, newTail := edit("new head"), edit("new tail")
		got, clean := JoinText(head+"\n=\n"+tail, Version{Text: newHead + "\n=\n" + tail}, Version{Text: head + "\n=\n" + newTail})
		if want := newHead + "\n=\n" + newTail; got != want || !clean {
			t.Errorf("got %q, clean %v, want %q", got, clean, want)
		}
	})
}

func FuzzJoinText(f *testing.F) {
	f.Add("a\nb", "a\nB", "A\nb")
	f.Add("", "x\r\n", "\n\n")
	f.Add("a\n\na", "\na\n", "a")
	f.Fuzz(func(t *testing.T, base, mine, theirs string) { joinLaws(t, base, mine, theirs) })
}

// A shortest path keeps as many lines as there are in common.
func TestKeptIsLongest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := textLines(someText(t, "old")), textLines(someText(t, "new"))
		n, last := 0, -1
		for i, at := range kept(old, new) {
			if at < 0 {
				continue
			}
			if at <= last || old[i] != new[at] {
				t.Fatalf("line %d stands at %d after %d", i, at, last)
			}
			n, last = n+1, at
		}
		longest := make([][]int, len(old)+1)
		for i := range longest {
			longest[i] = make([]int, len(new)+1)
		}
		for i := range old {
			for j := range new {
				longest[i+1][j+1] = max(longest[i][j+1], longest[i+1][j])
				if old[i] == new[j] {
					longest[i+1][j+1] = longest[i][j] + 1
				}
			}
		}
		if want := longest[len(old)][len(new)]; n != want {
			t.Errorf("%d lines are kept of %q in %q, want %d", n, old, new, want)
		}
	})
}

func TestKeptOfLongTexts(t *testing.T) {
	var old, new []string
	for i := range 20000 {
		old, new = append(old, "old "+string(rune('a'+i%26))), append(new, "new "+string(rune('a'+i%26)))
	}
	old[0], new[0] = "=", "="
	if at := kept(old, new); at[0] != 0 || at[1] != -1 {
		t.Errorf("kept %v", at[:2])
	}
}
