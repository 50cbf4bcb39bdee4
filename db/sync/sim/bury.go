package sim

import (
	"maps"
	"math/rand/v2"
	"slices"

	"rapport/model"
)

// bury has one laptop delete a contact that another one, which has not heard of
// it, edits. Whoever comes first: the edit beats the deletion.
func (w *World) bury(l *laptop, rng *rand.Rand) {
	other := w.laptops[(l.number+1)%len(w.laptops)]
	if !w.both(l, other) {
		return
	}
	e := model.EntityOf("contact")
	mine, theirs := w.alive(l, e), w.alive(other, e)
	id := pick(rng, slices.DeleteFunc(mine, func(id model.ID) bool { return !slices.Contains(theirs, id) }))
	if id == "" {
		return
	}
	w.must(l.db.Delete(w.ctx, e.Noun, id), "delete")
	w.ledger.deleted = append(w.ledger.deleted, ledgerKey{l.number, id, ""})
	w.text(other, id, ownFields[other.number], "")
	first, second := l, other
	if rng.IntN(2) == 0 {
		first, second = other, l
	}
	if !w.both(first, second) {
		return
	}
	if row := w.lookup(e.Noun, id); row == nil || row.Get(e, model.ColumnDeletedAt) != nil {
		w.fail("the contact %s that %s edited is deleted, because %s deleted it: %q", id, other.name, l.name, row)
	}
}

// alive returns the rows that a laptop has and did not delete, and of which
// everything is sent: what is refused of one holds the rest of it up.
func (w *World) alive(l *laptop, e *model.Entity) []model.ID {
	rows, unsent := w.rows(l, e), w.unsent(l)
	maps.DeleteFunc(rows, func(id model.ID, row model.Row) bool {
		return row.Get(e, model.ColumnDeletedAt) != nil || unsent[rowKey{e.Noun, id}]
	})
	return sortedKeys(rows)
}

// both lets two laptops sync, one after the other, and tells whether nothing
// stood in their way.
func (w *World) both(first, second *laptop) bool {
	for _, l := range []*laptop{first, second} {
		if _, err := w.sync(l, nil); err != nil {
			return false
		}
	}
	return true
}
