package model

import (
	"testing"

	"pgregory.net/rapid"
)

// rowOf returns a contact row with these columns set.
func rowOf(e *Entity, values map[string]any) Row {
	row := NewRow(e)
	row[0] = ID("00000000-0000-7000-8000-000000000001")
	for k, v := range values {
		row.Set(e, k, v)
	}
	return row
}

func TestMergeTakesEachSidesFields(t *testing.T) {
	base := rowOf(contact, map[string]any{"first_name": "Ada", "job_title": "Analyst"})
	mine := rowOf(contact, map[string]any{"first_name": "Ada", "job_title": "Countess"})
	theirs := rowOf(contact, map[string]any{"first_name": "Augusta", "job_title": "Analyst"})
	m := Merge(contact, base, mine, theirs)
	if got := m.Row.Get(contact, "first_name"); got != "Augusta" {
		t.Errorf("first_name = %v, want theirs", got)
	}
	if got := m.Row.Get(contact, "job_title"); got != "Countess" {
		t.Errorf("job_title = %v, want mine", got)
	}
	if len(m.Conflicts)+len(m.Overruled) != 0 {
		t.Errorf("different fields are no conflict: %+v", m)
	}
	if cols := ChangedColumns(contact, m.Base, m.Row); len(cols) != 1 {
		t.Errorf("%d columns are unsent, want the job title alone", len(cols))
	}
}

func TestMergeSameField(t *testing.T) {
	d := func(minor int64, step string) Row {
		return rowOf(deal, map[string]any{"name": "x", "amount_minor": minor, "amount_currency": "EUR", "next_step": step})
	}
	t.Run("OK equal edits", func(t *testing.T) {
		m := Merge(deal, d(1, ""), d(2, "call"), d(2, "call"))
		if len(m.Conflicts)+len(m.Overruled) != 0 || !SameData(deal, m.Row, m.Base) {
			t.Errorf("equal edits are one edit: %+v", m)
		}
	})
	t.Run("an amount waits for a person", func(t *testing.T) {
		m := Merge(deal, d(1, ""), d(2, ""), d(3, ""))
		if len(m.Conflicts) != 1 || m.Conflicts[0].Field != "amount" {
			t.Fatalf("conflicts = %+v", m.Conflicts)
		}
		if c := m.Conflicts[0]; c.Base != (Money{1, "EUR"}) || c.Mine != (Money{2, "EUR"}) || c.Theirs != (Money{3, "EUR"}) {
			t.Errorf("conflict = %+v", c)
		}
		if m.Row.Get(deal, "amount_minor") != int64(2) || m.Base.Get(deal, "amount_minor") != int64(1) {
			t.Error("mine stays on the row, the old base stays the base")
		}
		// The same answer again opens the same conflict, no other.
		again := Merge(deal, m.Base, m.Row, d(3, ""))
		if len(again.Conflicts) != 1 || again.Conflicts[0] != m.Conflicts[0] {
			t.Errorf("again = %+v", again.Conflicts)
		}
	})
	t.Run("a next step goes to the later", func(t *testing.T) {
		m := Merge(deal, d(1, "a"), d(1, "b"), d(1, "c"))
		if len(m.Overruled) != 1 || m.Overruled[0].Old != "c" || m.Overruled[0].New != "b" {
			t.Fatalf("overruled = %+v", m.Overruled)
		}
		if m.Row.Get(deal, "next_step") != "b" || m.Base.Get(deal, "next_step") != "c" {
			t.Error("mine is to be sent over theirs")
		}
	})
}

func TestMergePolicyOfAMailAndAPhone(t *testing.T) {
	method := func(kind, value string) Row {
		return rowOf(contactMethod, map[string]any{"kind": kind, "value": value})
	}
	if m := Merge(contactMethod, method("email", "a@x"), method("email", "b@x"), method("email", "c@x")); len(m.Conflicts) != 1 {
		t.Errorf("a mail waits for a person: %+v", m)
	}
	if m := Merge(contactMethod, method("phone", "1"), method("phone", "2"), method("phone", "3")); len(m.Conflicts) != 0 || len(m.Overruled) != 1 {
		t.Errorf("a phone goes to the later: %+v", m)
	}
}

func TestMergeDelete(t *testing.T) {
	c := func(title string, deleted any) Row {
		return rowOf(contact, map[string]any{"last_name": "Meier", "job_title": title, "deleted_at": deleted})
	}
	gone := int64(1000)
	for _, tt := range []struct {
		name               string
		base, mine, theirs Row
		wantDeleted        any
		wantTitle          string
		wantRevived        bool
	}{
		{"OK they deleted, nothing here", c("a", nil), c("a", nil), c("a", gone), gone, "a", false},
		{"OK I deleted, nothing there", c("a", nil), c("a", gone), c("a", nil), gone, "a", false},
		{"OK both deleted", c("a", nil), c("a", gone), c("a", int64(2000)), int64(2000), "a", false},
		{"they deleted what I edited", c("a", nil), c("b", nil), c("a", gone), nil, "b", true},
		{"I deleted what they edited", c("a", nil), c("a", gone), c("b", nil), nil, "b", true},
		{"OK I restored", c("a", gone), c("a", nil), c("a", gone), nil, "a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Merge(contact, tt.base, tt.mine, tt.theirs)
			if got := m.Row.Get(contact, "deleted_at"); got != tt.wantDeleted {
				t.Errorf("deleted_at = %v, want %v", got, tt.wantDeleted)
			}
			if got := m.Row.Get(contact, "job_title"); got != tt.wantTitle {
				t.Errorf("title = %v, want %v", got, tt.wantTitle)
			}
			if m.Revived != tt.wantRevived {
				t.Errorf("revived = %v", m.Revived)
			}
		})
	}
}

// TestMergeProperties checks, for random rows, that a value of one side only
// is never lost, that merging with an unchanged side changes nothing, and that
// a second merge with the same server row settles nothing anew.
func TestMergeProperties(t *testing.T) {
	text := rapid.SampledFrom([]any{nil, "a", "b", "c", " a", "A"})
	row := rapid.Custom(func(t *rapid.T) Row {
		return rowOf(contact, map[string]any{
			"first_name": text.Draw(t, "first"), "last_name": "x", "job_title": text.Draw(t, "title"),
			"do_not_call": rapid.SampledFrom([]any{int64(0), int64(1)}).Draw(t, "call"),
			"owner_id":    rapid.SampledFrom([]any{nil, ID("o1"), ID("o2")}).Draw(t, "owner"),
		})
	})
	rapid.Check(t, func(t *rapid.T) {
		base, mine, theirs := row.Draw(t, "base"), row.Draw(t, "mine"), row.Draw(t, "theirs")
		m := Merge(contact, base, mine, theirs)
		for _, i := range ChangedColumns(contact, base, mine) {
			if theirs[i] == base[i] && m.Row[i] != mine[i] {
				t.Fatalf("column %d: mine %v was lost to %v", i, mine[i], m.Row[i])
			}
		}
		for _, i := range ChangedColumns(contact, base, theirs) {
			if mine[i] == base[i] && m.Row[i] != theirs[i] {
				t.Fatalf("column %d: theirs %v was lost to %v", i, theirs[i], m.Row[i])
			}
		}
		if quiet := Merge(contact, base, base, theirs); !SameData(contact, quiet.Row, theirs) {
			t.Fatal("without edits here the server's row stands")
		}
		if quiet := Merge(contact, base, mine, base); !SameData(contact, quiet.Row, mine) || len(quiet.Conflicts) > 0 {
			t.Fatal("without edits there mine stands")
		}
		again := Merge(contact, m.Base, m.Row, theirs)
		if !SameData(contact, again.Row, m.Row) || !SameData(contact, again.Base, m.Base) || len(again.Conflicts) != len(m.Conflicts) {
			t.Fatalf("a second merge differs: %+v, first %+v", again, m)
		}
	})
}
