package model

import "slices"

// FieldConflict is a field that two people changed to different values. Both
// are kept until somebody chooses.
type FieldConflict struct {
	Field              string
	Base, Mine, Theirs any
}

// FieldChange is one field's change from one value to another.
type FieldChange struct {
	Field    string
	Old, New any
}

// Merged is the outcome of a three-way merge of one row.
type Merged struct {
	Row       Row             // what the cache shows
	Base      Row             // what unsent edits are measured against; equal to Row if none are left
	Conflicts []FieldConflict // fields that wait for a person; Row keeps mine, Base keeps the old base
	Overruled []FieldChange   // theirs lost against mine, which reaches the server later: Old is theirs
	Joined    []FieldChange   // texts that were joined line by line: Old is theirs
	Clashing  bool            // in one of them both sides changed the same lines, and both are kept
	Revived   bool            // one side deleted what the other edited: the edit stays
	DeletedAt any             // when it was deleted, where it was revived
}

// Merge joins my row and the server's, which both come from base, field by
// field. A nil base means that the server has not been known to have the row.
// A field changed on one side only is taken from there; equal changes are one
// change; different changes follow the field's policy. While a field waits for
// a person, those that follow from it wait too, and a yes that both sides
// differ about holds meanwhile: it is a "do not". An edit beats a delete.
// Rows are not modified.
//
// The rules are those of SymmetricDS' and Salesforce's per-field comparison;
// no per-field versions are needed, so rows that other programs write merge
// as well.
func Merge(e *Entity, base, mine, theirs Row) Merged { return MergeWaiting(e, base, mine, theirs, nil) }

// MergeWaiting is Merge for a row of which fields wait for a person already:
// they go on waiting, whatever their policy, until both sides agree.
func MergeWaiting(e *Entity, base, mine, theirs Row, waiting map[string]bool) Merged {
	if base == nil {
		base = make(Row, len(theirs))
		base[0] = theirs[0]
	}
	again := madeAnew(e, base, theirs)
	out := Merged{Row: slices.Clone(theirs), Base: slices.Clone(theirs)}
	mineEdited, theirsEdited := false, false
	asked := map[string]bool{}
	for _, g := range e.groups() {
		if (again || waiting[g.name] || g.policy(e, mine) == Ask) && !equalAt(mine, base, g.cols) && !equalAt(theirs, base, g.cols) && !equalAt(mine, theirs, g.cols) {
			asked[g.name] = true
		}
	}
	for _, g := range e.groups() {
		same := func(a, b Row) bool { return equalAt(a, b, g.cols) }
		mineEdited = mineEdited || g.counts() && !same(mine, base)
		theirsEdited = theirsEdited || g.counts() && !same(theirs, base)
		switch {
		case same(mine, theirs):
			// The server's value stands already.
		case asked[g.name] || g.field != nil && asked[g.field.Follows]:
			out.Conflicts = append(out.Conflicts, FieldConflict{Field: g.name,
				Base: g.value(e, base), Mine: g.value(e, mine), Theirs: g.value(e, theirs)})
			if g.value(e, theirs) != true {
				copyAt(out.Row, mine, g.cols)
			}
			copyAt(out.Base, base, g.cols)
		case same(mine, base):
			// Changed there alone.
		case same(theirs, base):
			copyAt(out.Row, mine, g.cols)
		case g.policy(e, mine) == JoinLines:
			out.join(e, g, base, mine, theirs)
		default:
			out.Overruled = append(out.Overruled, FieldChange{Field: g.name, Old: g.value(e, theirs), New: g.value(e, mine)})
			copyAt(out.Row, mine, g.cols)
		}
	}
	d, _ := e.Column(ColumnDeletedAt)
	switch mineGone, theirsGone := mine[d] != nil, theirs[d] != nil; {
	case mineGone && !theirsGone && base[d] == nil:
		if theirsEdited {
			// What was edited here before the deletion lives on with it.
			out.Revived, out.DeletedAt = true, mine[d]
		} else {
			out.Row[d] = mine[d]
		}
	case !mineGone && theirsGone && (mineEdited || base[d] != nil):
		out.Row[d] = nil
		if base[d] == nil {
			out.Revived, out.DeletedAt = true, theirs[d]
		}
	}
	if !SameData(e, out.Row, out.Base) {
		for _, c := range []string{ColumnUpdatedAt, ColumnUpdatedBy} {
			out.Row.Set(e, c, mine.Get(e, c))
		}
	}
	return out
}

// join joins two versions of a text.
func (m *Merged) join(e *Entity, g group, base, mine, theirs Row) {
	text := func(row Row) string { s, _ := g.value(e, row).(string); return s }
	version := func(row Row) Version {
		v := Version{Text: text(row)}
		v.By, _ = row.Get(e, ColumnUpdatedBy).(string)
		v.At, _ = row.Get(e, ColumnUpdatedAt).(int64)
		return v
	}
	joined, clean := JoinText(text(base), version(mine), version(theirs))
	SetFieldValue(e, g.field, m.Row, joined)
	if !equalAt(m.Row, theirs, g.cols) {
		m.Joined = append(m.Joined, FieldChange{Field: g.name, Old: g.value(e, theirs), New: joined})
	}
	m.Clashing = m.Clashing || !clean
}

// Edited tells whether a row differs from its base in what somebody wrote: a
// place in a list, or what the program keeps by itself, is no edit that beats a
// deletion.
func Edited(e *Entity, base, row Row) bool {
	for _, g := range e.groups() {
		if g.counts() && !equalAt(base, row, g.cols) {
			return true
		}
	}
	return false
}

// SameRecord tells whether two rows under one id were made as one: a row that
// somebody makes under the id of another one has a time of its own. Ids that
// derive from a name mean the same thing whoever makes them.
func SameRecord(e *Entity, a, b Row) bool {
	return e.Derived || a.Get(e, ColumnCreatedAt) == b.Get(e, ColumnCreatedAt)
}

// madeAnew tells whether the server's row is another one than the base: it was
// deleted and made again under its id, for somebody else. A program that
// replaces rows writes them with the name that they had.
func madeAnew(e *Entity, base, theirs Row) bool {
	was, _ := base.Get(e, ColumnCreatedAt).(int64)
	is, _ := theirs.Get(e, ColumnCreatedAt).(int64)
	if was == 0 || is <= was || e.Derived || e.Name == nil {
		return false
	}
	return Fold(RecordOf(e, base).Title()) != Fold(RecordOf(e, theirs).Title())
}

// SameData tells whether two rows agree in everything that travels: fields,
// owners and whether they are deleted. The service columns that the server
// keeps are left out.
func SameData(e *Entity, a, b Row) bool { return len(ChangedColumns(e, a, b)) == 0 }

// ChangedColumns returns the positions of the travelling columns in which two
// rows differ. A nil row differs in every column that is not NULL in the other.
func ChangedColumns(e *Entity, a, b Row) []int {
	var out []int
	for i, c := range e.Columns() {
		if i == 0 || c.Service && c.Name != ColumnDeletedAt {
			continue
		}
		var va, vb any
		if a != nil {
			va = a[i]
		}
		if b != nil {
			vb = b[i]
		}
		if va != vb {
			out = append(out, i)
		}
	}
	return out
}

// Changes returns the fields in which two rows of one entity differ, as values
// of fields. A nil row stands for one in which everything is absent. A change
// of deleted_at is reported under that name.
func Changes(e *Entity, old, new Row) []FieldChange {
	if old == nil {
		old = make(Row, len(new))
	}
	var out []FieldChange
	for _, g := range e.groups() {
		if !equalAt(old, new, g.cols) {
			out = append(out, FieldChange{Field: g.name, Old: g.value(e, old), New: g.value(e, new)})
		}
	}
	d, _ := e.Column(ColumnDeletedAt)
	if old[d] != new[d] {
		out = append(out, FieldChange{Field: ColumnDeletedAt, Old: old[d], New: new[d]})
	}
	return out
}

// FieldColumns returns the positions of the columns that store a field or,
// under the name OwnerField, a part's owner.
func FieldColumns(e *Entity, field string) []int {
	for _, g := range e.groups() {
		if g.name == field {
			return g.cols
		}
	}
	return nil
}

// group is the columns that change together: those of one field, or those of
// a part's owner.
type group struct {
	name  string
	field *Field
	cols  []int
}

// OwnerField is the name under which a change of a part's owner is reported.
const OwnerField = "owner_record"

var groupsOf = func() map[Noun][]group {
	m := make(map[Noun][]group, len(entities))
	for _, e := range entities {
		var gs []group
		for i, c := range e.Columns() {
			name := ""
			switch {
			case c.Owner:
				name = OwnerField
			case c.Field != nil:
				name = c.Field.Name
			default:
				continue
			}
			if n := len(gs); n > 0 && gs[n-1].name == name {
				gs[n-1].cols = append(gs[n-1].cols, i)
			} else {
				gs = append(gs, group{name: name, field: e.Field(name), cols: []int{i}})
			}
		}
		m[e.Noun] = gs
	}
	return m
}()

// counts tells whether a change is somebody's edit.
func (g group) counts() bool { return g.field == nil || !g.field.ReadOnly }

func (e *Entity) groups() []group { return groupsOf[e.Noun] }

func (g group) policy(e *Entity, row Row) Policy {
	if g.field == nil {
		return LastWrite
	}
	return PolicyOf(e, g.field, row)
}

// PolicyOf returns the policy of a field in a given row.
func PolicyOf(e *Entity, f *Field, row Row) Policy {
	if f.AskWhere == "" {
		return f.Policy
	}
	if name, value, ok := cutWhere(f.AskWhere); ok && row.Get(e, name) == value {
		return Ask
	}
	return f.Policy
}

func cutWhere(s string) (name string, value any, ok bool) {
	for i := range s {
		if s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return "", nil, false
}

func (g group) value(e *Entity, row Row) any {
	if g.field != nil {
		return FieldValue(e, g.field, row)
	}
	if n, id, ok := row.OwnerOf(e); ok {
		return Ref{Noun: n, ID: id}
	}
	return nil
}

func equalAt(a, b Row, cols []int) bool {
	for _, i := range cols {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func copyAt(dst, src Row, cols []int) {
	for _, i := range cols {
		dst[i] = src[i]
	}
}
