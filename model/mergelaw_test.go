package model

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawEdit changes some travelling columns of a row, but not whether it lives.
func drawEdit(t *rapid.T, e *Entity, base Row, name string) Row {
	row := slices.Clone(base)
	for i, c := range e.Columns() {
		if i == 0 || c.Service || c.Owner || !rapid.Bool().Draw(t, name) {
			continue
		}
		switch c.Type {
		case ColID:
			row[i] = rapid.SampledFrom([]any{nil, ID("00000000-0000-7000-8000-00000000000a"), ID("00000000-0000-7000-8000-00000000000b")}).Draw(t, name)
		case ColInt, ColTime:
			row[i] = rapid.SampledFrom([]any{int64(1), int64(2), int64(3)}).Draw(t, name)
		case ColBool:
			row[i] = rapid.SampledFrom([]any{int64(0), int64(1)}).Draw(t, name)
		default:
			row[i] = rapid.SampledFrom([]any{nil, "a", "b", "a\nb"}).Draw(t, name)
		}
	}
	return row
}

// TestMergeLaws holds for every entity and all edits: nothing is lost, a merge
// made again changes nothing, and edits of different fields do not depend on
// who comes first.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(Entities()).Draw(t, "entity")
		empty := NewRow(e)
		empty[0] = ID("00000000-0000-7000-8000-000000000001")
		base := drawEdit(t, e, empty, "base")
		mine, theirs := drawEdit(t, e, base, "mine"), drawEdit(t, e, base, "theirs")
		known := base
		if rapid.IntRange(0, 9).Draw(t, "unknown base") == 0 {
			known = nil
		}
		m := Merge(e, known, mine, theirs)
		for _, g := range e.groups() {
			checkKept(t, e, g, m, known, mine, theirs)
		}
		waiting := slices.Clone(m.Row)
		for _, c := range m.Conflicts {
			if g := FieldColumns(e, c.Field); g != nil {
				copyAt(waiting, mine, g)
			}
		}
		again := Merge(e, m.Base, waiting, theirs)
		if !SameData(e, again.Row, m.Row) || !SameData(e, again.Base, m.Base) || len(again.Overruled)+len(again.Joined) > 0 {
			t.Errorf("merged again:\n%q\n%q", m.Row, again.Row)
		}
	})
}

// checkKept tells whether what both sides wrote into a field is in the row, in
// a conflict or in the history.
func checkKept(t *rapid.T, e *Entity, g group, m Merged, base, mine, theirs Row) {
	t.Helper()
	got := g.value(e, m.Row)
	for side, row := range map[string]Row{"mine": mine, "theirs": theirs} {
		v := g.value(e, row)
		if v == got || base != nil && equalAt(row, base, g.cols) || v == nil {
			continue
		}
		found := slices.ContainsFunc(m.Conflicts, func(c FieldConflict) bool { return c.Field == g.name && (c.Mine == v || c.Theirs == v) }) ||
			slices.ContainsFunc(append(m.Overruled, m.Joined...), func(c FieldChange) bool { return c.Field == g.name && c.Old == v })
		if s, ok := v.(string); ok && !found {
			text, _ := got.(string)
			found = true
			for _, l := range textLines(s) {
				found = found && slices.Contains(textLines(text), l)
			}
		}
		if !found && base != nil && g.policy(e, mine) == JoinLines {
			found = true // a line that the other side took out is gone by its choice
		}
		if !found {
			t.Errorf("%s: %s wrote %v, the row has %v and nobody is told", g.name, side, v, got)
		}
	}
}

// Edits of different fields give one row, whichever side merges.
func TestMergeCommutesOnDisjointEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(Entities()).Draw(t, "entity")
		base := NewRow(e)
		base[0] = ID("00000000-0000-7000-8000-000000000001")
		mine, theirs := drawEdit(t, e, base, "mine"), drawEdit(t, e, base, "theirs")
		for _, g := range e.groups() {
			side := rapid.SampledFrom([]Row{mine, theirs}).Draw(t, "gives way")
			copyAt(side, base, g.cols)
		}
		one, other := Merge(e, base, mine, theirs), Merge(e, base, theirs, mine)
		if !SameData(e, one.Row, other.Row) || len(one.Conflicts)+len(one.Overruled)+len(other.Conflicts)+len(other.Overruled) > 0 {
			t.Errorf("%s: %q and %q", e.Noun, one.Row, other.Row)
		}
	})
}

func TestMergeJoinsNotes(t *testing.T) {
	base := rowOf(contact, map[string]any{"notes": "met at the fair\nlikes tea"})
	mine := rowOf(contact, map[string]any{"notes": "met at the fair in May\nlikes tea", ColumnUpdatedBy: "ann"})
	theirs := rowOf(contact, map[string]any{"notes": "met at the fair\nlikes tea\nhas two sons", ColumnUpdatedBy: "bob"})
	m := Merge(contact, base, mine, theirs)
	if got := m.Row.Get(contact, "notes"); got != "met at the fair in May\nlikes tea\nhas two sons" || m.Clashing {
		t.Errorf("notes = %q, clashing %v", got, m.Clashing)
	}
	if len(m.Joined) != 1 || m.Joined[0].Old != theirs.Get(contact, "notes") || SameData(contact, m.Row, m.Base) {
		t.Errorf("joined = %+v; the joined text is unsent", m.Joined)
	}
	theirs.Set(contact, "notes", "met at the fair in June\nlikes tea")
	m = Merge(contact, base, mine, theirs)
	if got, _ := m.Row.Get(contact, "notes").(string); !m.Clashing || !strings.Contains(got, "May") || !strings.Contains(got, "June") || !strings.Contains(got, "--- bob") {
		t.Errorf("notes = %q, clashing %v", got, m.Clashing)
	}
}

// A "do not" that the sides differ about holds until somebody decides.
func TestMergeHoldsRestrictions(t *testing.T) {
	for _, mine := range []int64{0, 1} {
		m := Merge(contact, nil, rowOf(contact, map[string]any{"do_not_call": mine}), rowOf(contact, map[string]any{"do_not_call": 1 - mine}))
		if len(m.Conflicts) != 1 || m.Row.Get(contact, "do_not_call") != int64(1) {
			t.Errorf("mine %d: do_not_call = %v, conflicts %+v", mine, m.Row.Get(contact, "do_not_call"), m.Conflicts)
		}
	}
}

// What follows from the stage waits with it: a deal is not won in one column
// and open in another.
func TestMergeHoldsWhatFollows(t *testing.T) {
	at := func(stage string, closed any) Row {
		return rowOf(deal, map[string]any{"name": "x", "stage_id": ID("00000000-0000-7000-8000-00000000000" + stage), "closed_at": closed})
	}
	m := Merge(deal, at("1", nil), at("2", nil), at("3", int64(5)))
	var fields []string
	for _, c := range m.Conflicts {
		fields = append(fields, c.Field)
	}
	if strings.Join(fields, " ") != "stage closed_at" || m.Row.Get(deal, "closed_at") != nil || !SameData(deal, m.Base, at("1", nil)) {
		t.Errorf("conflicts in %v, closed_at %v", fields, m.Row.Get(deal, "closed_at"))
	}
	if m = Merge(deal, at("1", nil), at("1", nil), at("3", int64(5))); len(m.Conflicts) != 0 || m.Row.Get(deal, "closed_at") != int64(5) {
		t.Errorf("a move on one side: %+v", m)
	}
}

// A row that was deleted and made again under its id for somebody else takes
// no edit unseen; one that a program replaced does.
func TestMergeOfRowMadeAnew(t *testing.T) {
	row := func(name, title string, made int64) Row {
		return rowOf(contact, map[string]any{"last_name": name, "job_title": title, ColumnCreatedAt: made})
	}
	m := Merge(contact, row("Ada", "1", 10), row("Ada", "2", 10), row("Bob", "3", 20))
	if len(m.Conflicts) != 1 || m.Conflicts[0].Field != "job_title" || m.Row.Get(contact, "last_name") != "Bob" {
		t.Errorf("made anew: %+v", m)
	}
	m = Merge(contact, row("Ada", "1", 10), row("Ada", "2", 10), row("Ada", "1", 20))
	if len(m.Conflicts) != 0 || m.Row.Get(contact, "job_title") != "2" {
		t.Errorf("replaced: %+v", m)
	}
}
