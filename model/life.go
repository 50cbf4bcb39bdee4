package model

// Target is a record that a row belongs to or points to.
type Target struct {
	Noun Noun
	ID   ID
}

// Targets returns the living ends that a row needs: the record that it belongs
// to, and those that the columns at some positions point to; nil positions
// stand for all. A person is no such end: whoever has left stays named on what
// they did.
func (row Row) Targets(e *Entity, columns []int) []Target {
	var out []Target
	add := func(i int, c Column) {
		id, _ := row[i].(ID)
		if id == "" || c.Ref == "" || c.Ref == "user" {
			return
		}
		for _, t := range out {
			if t.ID == id {
				return
			}
		}
		out = append(out, Target{c.Ref, id})
	}
	for i, c := range e.Columns() {
		if c.Owner {
			add(i, c)
		}
	}
	if columns == nil {
		for i, c := range e.Columns() {
			add(i, c)
		}
	}
	for _, i := range columns {
		add(i, e.Columns()[i])
	}
	return out
}

// LifeCheck returns an operation that changes nothing: it clashes where a
// record is deleted that something else in the batch needs alive.
func LifeCheck(t Target) PushOp {
	return PushOp{Table: t.Noun, ID: t.ID, Columns: []string{ColumnDeletedAt}, Base: []any{nil}, Values: []any{nil}}
}

// ChecksLife tells whether an operation is one that LifeCheck made.
func (op *PushOp) ChecksLife() bool {
	return !op.Insert && len(op.Columns) == 1 && op.Columns[0] == ColumnDeletedAt &&
		len(op.Base) == 1 && op.Base[0] == nil && len(op.Values) == 1 && op.Values[0] == nil
}
