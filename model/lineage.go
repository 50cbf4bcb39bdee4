package model

import "slices"

// RowChange is one change of a row in the server's history.
type RowChange struct {
	Made bool // the row was made by it
	Gone bool // the row was removed by it
	// Columns holds what the columns that changed held before it and after it.
	Columns map[string][2]any
}

// LostBase tells whether a server that was put back lost what is known here of
// a row, and if so what that is to be measured against. theirs is the server's
// row, since what became of it, in order, since the server was last heard before
// it was put back; known is the row as it was heard of then.
//
// The number of changes alone says nothing once somebody changed the restored
// row: whether the server's row comes from the one that is known here is told by
// the version that it had before those changes.
//
// The base is the row as the server had it when it was put back. A field that
// has had the value known here since then comes from it; and where somebody has
// changed a field since that is settled by the order of arrival, the value that
// was lost had arrived before: such fields count as changed there alone.
func LostBase(e *Entity, known, theirs Row, since []RowChange) (base Row, lost bool) {
	past, lost := pastOf(e, known, theirs, since)
	if !lost {
		return nil, false
	}
	origin := past[len(past)-1]
	base = slices.Clone(origin)
	comes := func(cols []int) bool {
		return slices.ContainsFunc(past, func(row Row) bool { return equalAt(row, known, cols) })
	}
	for _, g := range e.groups() {
		if comes(g.cols) || g.policy(e, known) == LastWrite && !equalAt(theirs, origin, g.cols) {
			copyAt(base, known, g.cols)
		}
	}
	if d, _ := e.Column(ColumnDeletedAt); comes([]int{d}) {
		base[d] = known[d]
	}
	return base, true
}

// pastOf returns the server's row with what it was before each change since, back
// to what it was when the server was put back, and whether that is older than
// what is known here.
func pastOf(e *Entity, known, theirs Row, since []RowChange) (past []Row, older bool) {
	i, _ := e.Column(ColumnVersion)
	version, _ := theirs[i].(int64)
	born := slices.IndexFunc(since, func(c RowChange) bool { return c.Made }) >= 0
	past = []Row{theirs}
	for _, c := range slices.Backward(since) {
		version--
		if c.Made {
			break
		}
		row := slices.Clone(past[len(past)-1])
		for name, values := range c.Columns {
			if at, _ := e.Column(name); at >= 0 {
				row[at] = values[0]
			}
		}
		past = append(past, row)
	}
	if born {
		version = 0 // it was made again: whatever is known here came before that
	}
	had, _ := known[i].(int64)
	return past, had > version
}

// GivenUp is what becomes of a row of which a server that was put back lost
// something, where that is not to come back.
type GivenUp struct {
	Base, Mine Row           // the row as the server was put back to it, and with what is unsent here
	Changes    []FieldChange // what is given up: New is what the server was put back to
}

// GiveUp tells what is given up of a row, which is known as it was heard of
// before the server was put back and is mine with what is unsent; ok is false
// where the server lost nothing. See LostBase for the rest.
func GiveUp(e *Entity, known, mine, theirs Row, since []RowChange) (out GivenUp, ok bool) {
	past, lost := pastOf(e, known, theirs, since)
	if !lost {
		return out, false
	}
	out.Base = past[len(past)-1]
	out.Mine = slices.Clone(out.Base)
	for _, g := range e.groups() {
		if !equalAt(mine, known, g.cols) {
			copyAt(out.Mine, mine, g.cols)
		}
	}
	d, _ := e.Column(ColumnDeletedAt)
	if (mine[d] == nil) != (known[d] == nil) {
		out.Mine[d] = mine[d]
	}
	for _, c := range []string{ColumnUpdatedAt, ColumnUpdatedBy} {
		out.Mine.Set(e, c, mine.Get(e, c))
	}
	out.Changes = Changes(e, known, out.Base)
	return out, true
}

// Removed tells whether a row that a server which was put back does not have was
// removed there, and with nothing lost: since is what became of it since the
// server was last heard before, and known, the row as it was heard of, is what
// it was at some time of these. A row that is known otherwise has changes that
// the server lost, which beat the removal.
func Removed(e *Entity, known Row, since []RowChange) bool {
	var row Row // after the change, nil where there is none
	for _, c := range slices.Backward(since) {
		switch {
		case c.Gone:
			row = make(Row, len(e.Columns()))
		case row == nil:
			return false // it went without a trace
		}
		for name, values := range c.Columns {
			if at, _ := e.Column(name); at >= 0 {
				row[at] = values[0]
			}
		}
		if c.Made {
			row = nil
		} else if SameData(e, row, known) {
			return true
		}
	}
	return false
}
