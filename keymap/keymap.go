// Package keymap holds every key of the interface as data: which keys call
// which action in which scope, with the words that help shows for it.
//
// Promises: a binding replaces the defaults of its action, it is never merged
// with them; a lookup tells a complete match from the beginning of a chord;
// within one scope and those it inherits no two actions share a key, which
// Clashes reports for overrides.
package keymap

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a part of the interface in which a binding holds.
type Scope string

// The scopes. Global holds everywhere except while a person types text; Text
// holds while they type.
const (
	Global    Scope = "global"
	Text      Scope = "text"
	List      Scope = "list"
	Detail    Scope = "detail"
	Form      Scope = "form"
	Board     Scope = "board"
	Start     Scope = "start"
	Report    Scope = "report"
	Sync      Scope = "sync"
	Conflict  Scope = "conflict"
	Duplicate Scope = "duplicate"
	Admin     Scope = "admin"
	Backups   Scope = "backups"
	Archive   Scope = "archive" // the records of a backup
	Compare   Scope = "compare" // one of them beside today's
	Search    Scope = "search"
	Welcome   Scope = "welcome"
	Dialog    Scope = "dialog"
	Choice    Scope = "choice" // a dialog in which nothing is typed
	Connect   Scope = "connect"
)

// Action names what a key does.
type Action string

// Binding ties an action to its keys in a scope. A key is written as Bubble
// Tea's Key.String gives it; a chord is its keys separated by a blank ("g g").
type Binding struct {
	Scope  Scope
	Action Action
	Keys   []string
	Help   string // a word or two: "open"
	Rank   int    // the short help line drops the highest ranks first; 0 is never in it
}

// Map is a set of bindings. The zero value is empty; see Default.
type Map struct {
	bindings []Binding
}

// New returns a map of these bindings.
func New(bs []Binding) *Map { return &Map{bindings: slices.Clone(bs)} }

// Match tells what a sequence of keys means.
type Match int

// The matches.
const (
	None   Match = iota
	Prefix       // the beginning of a chord: wait for the next key
	Full
)

// Lookup finds the action of a sequence of keys in the first of the scopes
// that knows it.
func (m *Map) Lookup(scopes []Scope, keys []string) (Action, Match) {
	seq := strings.Join(keys, " ")
	begun, prefix := seq+" ", false
	for _, s := range scopes {
		for _, b := range m.bindings {
			if b.Scope != s {
				continue
			}
			for _, k := range b.Keys {
				if k == seq {
					return b.Action, Full
				}
				prefix = prefix || strings.HasPrefix(k, begun)
			}
		}
	}
	if prefix {
		return "", Prefix
	}
	return "", None
}

// Following returns the bindings that a begun chord can end in.
func (m *Map) Following(scopes []Scope, keys []string) []Binding {
	seq := strings.Join(keys, " ") + " "
	var out []Binding
	for _, s := range scopes {
		for _, b := range m.bindings {
			if b.Scope == s && slices.ContainsFunc(b.Keys, func(k string) bool { return strings.HasPrefix(k, seq) }) {
				out = append(out, b)
			}
		}
	}
	return out
}

// In returns the bindings of a scope in the order of their declaration.
func (m *Map) In(s Scope) []Binding {
	var out []Binding
	for _, b := range m.bindings {
		if b.Scope == s && len(b.Keys) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// KeyOf returns the first key of an action in the first scope that has it, ""
// if none does.
func (m *Map) KeyOf(a Action, scopes ...Scope) string {
	for _, s := range scopes {
		for _, b := range m.bindings {
			if b.Scope == s && b.Action == a && len(b.Keys) > 0 {
				return b.Keys[0]
			}
		}
	}
	return ""
}

// Override replaces the keys of an action in a scope; no keys unbind it. An
// unknown scope or action is an error.
func (m *Map) Override(s Scope, a Action, keys []string) error {
	for i := range m.bindings {
		if b := &m.bindings[i]; b.Scope == s && b.Action == a {
			b.Keys = slices.Clone(keys)
			return nil
		}
	}
	return fmt.Errorf("no action %q in %q", a, s)
}

// Clashes lists, in words, keys that two actions share where both hold, and
// keys that are the beginning of another's chord.
func (m *Map) Clashes() []string {
	var out []string
	for i, a := range m.bindings {
		for _, b := range m.bindings[i+1:] {
			if a.Scope != b.Scope {
				continue
			}
			for _, ka := range a.Keys {
				for _, kb := range b.Keys {
					if ka == kb || strings.HasPrefix(ka, kb+" ") || strings.HasPrefix(kb, ka+" ") {
						out = append(out, fmt.Sprintf("%s: %q is %s, %q is %s", a.Scope, ka, a.Action, kb, b.Action))
					}
				}
			}
		}
	}
	return out
}

// Markdown returns all bindings as tables, one for each scope.
func (m *Map) Markdown() string {
	var b strings.Builder
	var seen []Scope
	for _, x := range m.bindings {
		if slices.Contains(seen, x.Scope) {
			continue
		}
		seen = append(seen, x.Scope)
		fmt.Fprintf(&b, "## %s\n\n| key | action |\n|---|---|\n", x.Scope)
		for _, y := range m.In(x.Scope) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(y.Keys, "` `"), y.Help)
		}
		b.WriteString("\n")
	}
	return b.String()
}
