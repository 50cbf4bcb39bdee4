package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"rapport/model"
)

// Scenes are what schedules meet too seldom by chance: several people at one
// contact, in an order in which much can be lost.

// after returns the laptop that comes after another one.
func (w *World) after(l *laptop) *laptop { return w.laptops[(l.number+1)%len(w.laptops)] }

// shared returns a contact that two laptops know as the central does, "" if
// something stands in the way of that.
func (w *World) shared(l, other *laptop, rng *rand.Rand) model.ID {
	for range 2 {
		for range 2 { // what the second one sends is known to the first afterwards
			if !w.both(l, other) {
				return ""
			}
		}
		theirs := w.alive(other)
		if id := pick(rng, slices.DeleteFunc(w.alive(l), func(id model.ID) bool { return !slices.Contains(theirs, id) })); id != "" {
			return id
		}
		w.addContact(l, rng)
	}
	return ""
}

// alive returns the contacts that a laptop has and did not delete, and of which
// everything is sent: what is refused of one holds the rest of it up.
func (w *World) alive(l *laptop) []model.ID {
	e := model.EntityOf("contact")
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

// bury has one laptop delete a contact that another one, which has not heard of
// it, edits. Whoever comes first: the edit beats the deletion.
func (w *World) bury(l *laptop, rng *rand.Rand) {
	e, other := model.EntityOf("contact"), w.after(l)
	id := w.shared(l, other, rng)
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

// editLetters has another program change the case of a text and nothing else,
// and a laptop edit it that has not heard of that.
func (w *World) editLetters(l *laptop, rng *rand.Rand) {
	other := w.after(l)
	id := w.shared(l, other, rng)
	if id == "" {
		return
	}
	w.text(l, id, "status", "")
	if !w.both(l, other) {
		return
	}
	t, err := w.site.begin()
	w.must(err, "begin a transaction")
	one := &foreignTx{writer: t}
	if w.wrote(one, "case", w.changeCase(one, id)) {
		w.commit(one)
	}
	if rng.IntN(2) == 0 {
		w.text(other, id, "status", "")
	}
	w.both(other, l)
}

// overtake puts the central, or its contacts alone, back to just before what a
// laptop sent, and has another one go on from there before that laptop meets it
// again.
func (w *World) overtake(l *laptop, rng *rand.Rand) {
	other := w.after(l)
	id := w.shared(l, other, rng)
	if id == "" {
		return
	}
	k := w.site.(keeper)
	w.snapshots = append(w.snapshots, k.snapshot())
	for range 1 + rng.IntN(2) {
		w.text(l, id, ownFields[l.number], "")
		if rng.IntN(2) == 0 {
			w.text(l, id, "status", "")
		}
		if _, err := w.sync(l, nil); err != nil {
			return
		}
	}
	last := len(w.snapshots) - 1
	if rng.IntN(3) == 0 {
		w.logf("  the contacts are rebuilt")
		w.lose(func() { k.rebuild(w.snapshots[last]) })
		w.backInTime()
	} else {
		w.restoreTo(last, rng.IntN(2) == 0)
	}
	for range rng.IntN(4) {
		w.now = w.now.Add(time.Second)
		w.text(other, id, []string{ownFields[other.number], "status"}[rng.IntN(2)], "")
		if _, err := w.sync(other, nil); err != nil {
			return
		}
	}
	w.both(l, other)
}
