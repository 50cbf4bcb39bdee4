package keymap

import (
	"slices"
	"strings"
	"testing"
)

func TestDefaultKeysDoNotClash(t *testing.T) {
	for _, c := range Default().Clashes() {
		t.Error(c)
	}
}

// TestTerminalsTellTheKeysApart holds that no default is one that terminals
// send as another key.
func TestTerminalsTellTheKeysApart(t *testing.T) {
	for _, b := range Default().bindings {
		for _, k := range b.Keys {
			for _, part := range strings.Fields(k) {
				if slices.Contains([]string{"ctrl+i", "ctrl+m", "ctrl+[", "ctrl+c", " "}, part) {
					t.Errorf("%s in %s is bound to %q", b.Action, b.Scope, k)
				}
			}
		}
	}
}

// TestMovingNeedsNoLetters holds that the keys everybody knows move every
// cursor, whatever the letters do.
func TestMovingNeedsNoLetters(t *testing.T) {
	m := Default()
	for _, s := range []Scope{List, Detail, Board, Start, Report, Sync, Conflict, Admin, Backups, Archive, Compare, Welcome} {
		for a, k := range map[Action]string{Up: "up", Down: "down", Top: "home", Bottom: "end"} {
			if got, match := m.Lookup([]Scope{s}, []string{k}); match != Full || got != a {
				t.Errorf("%s in %s means %q", k, s, got)
			}
		}
	}
}

func TestEveryBindingHasHelp(t *testing.T) {
	for _, b := range Default().bindings {
		if b.Help == "" || len(b.Keys) == 0 {
			t.Errorf("%s in %s has keys %v and help %q", b.Action, b.Scope, b.Keys, b.Help)
		}
	}
}

func TestLookup(t *testing.T) {
	m := Default()
	scopes := []Scope{List, Global}
	for _, c := range []struct {
		keys  []string
		want  Action
		match Match
	}{
		{[]string{"g"}, "", Prefix},
		{[]string{"g", "g"}, Top, Full},
		{[]string{"g", "x"}, "", None},
		{[]string{"a"}, "", Prefix},
		{[]string{"a", "t"}, LogTask, Full},
		{[]string{"enter"}, Open, Full},
		{[]string{"q"}, Quit, Full},
		{[]string{"Z"}, "", None},
	} {
		if a, match := m.Lookup(scopes, c.keys); a != c.want || match != c.match {
			t.Errorf("%v is %q, %v; want %q, %v", c.keys, a, match, c.want, c.match)
		}
	}
}

func TestFollowing(t *testing.T) {
	var got []Action
	for _, b := range Default().Following([]Scope{List, Global}, []string{"y"}) {
		got = append(got, b.Action)
	}
	if !slices.Equal(got, []Action{CopyCell, CopyRow, CopyCard}) {
		t.Errorf("after y come %v", got)
	}
}

func TestOverride(t *testing.T) {
	m := Default()
	if err := m.Override(List, Open, []string{"o"}); err != nil {
		t.Fatal(err)
	}
	if _, match := m.Lookup([]Scope{List}, []string{"enter"}); match != None {
		t.Error("the default key is merged with the new one")
	}
	if a, _ := m.Lookup([]Scope{List}, []string{"o"}); a != Open {
		t.Errorf("o is %q", a)
	}
	if m.Override(List, "fly", []string{"o"}) == nil {
		t.Error("an unknown action was taken")
	}
	if err := m.Override(List, Edit, []string{"o x"}); err != nil {
		t.Fatal(err)
	}
	if c := m.Clashes(); len(c) != 1 || !strings.Contains(c[0], "o x") {
		t.Errorf("a key that begins another's chord is told as %v", c)
	}
	if err := m.Override(List, Edit, nil); err != nil {
		t.Fatal(err)
	}
	if m.KeyOf(Edit, List) != "" {
		t.Error("no keys do not unbind")
	}
	if a, _ := Default().Lookup([]Scope{List}, []string{"enter"}); a != Open {
		t.Error("an override reached the defaults")
	}
}

func TestMarkdownHasEveryScope(t *testing.T) {
	md := Default().Markdown()
	for _, want := range []string{"## global", "## list", "## form", "| `g g` | first |", "| `home` `g g` | first |"} {
		if strings.Contains(md, want) == (want == "| `g g` | first |") {
			t.Errorf("%q: found is %v", want, strings.Contains(md, want))
		}
	}
}
