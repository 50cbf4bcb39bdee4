package sim

import (
	"slices"

	"rapport/model"
)

// loss is a contact that the server had, and a laptop has, in a newer state
// than the server that was put back. What the laptop has is to be offered again.
type loss struct {
	laptop *laptop
	id     model.ID
	before model.Row // what the server lost
	after  model.Row // what it has instead, nil for nothing
}

// lose notes what the server loses when it is put back by do. People who see
// some scopes only are left out: what they do not see they cannot offer.
func (w *World) lose(do func()) {
	e := model.EntityOf("contact")
	was := w.contactRows()
	do()
	is := w.contactRows()
	w.lost = nil
	for _, l := range w.laptops {
		if l.name == w.limited {
			continue
		}
		here, unsent := w.rows(l, e), w.unsent(l)
		for _, id := range sortedKeys(was) {
			before, after := was[id], is[id]
			gone := after == nil && before.Get(e, model.ColumnDeletedAt) == nil
			newer := after != nil && version(e, before) > version(e, after)
			if (gone || newer) && slices.Equal(here[id], before) && !unsent[rowKey{e.Noun, id}] {
				w.lost = append(w.lost, loss{laptop: l, id: id, before: before, after: after})
			}
		}
	}
}

func version(e *model.Entity, row model.Row) int64 {
	n, _ := row.Get(e, model.ColumnVersion).(int64)
	return n
}

func (w *World) contactRows() map[model.ID]model.Row {
	rows, err := w.site.table(w.ctx, "contact")
	w.must(err, "read the central")
	return rows
}

// offers returns what a laptop is to offer in its next sync: what the restored
// server lost, if nobody has touched it since on either side.
func (w *World) offers(l *laptop) []loss {
	if len(w.lost) == 0 {
		return nil
	}
	e := model.EntityOf("contact")
	here, unsent, there := w.rows(l, e), w.unsent(l), w.contactRows()
	var out []loss
	w.lost = slices.DeleteFunc(w.lost, func(x loss) bool {
		if x.laptop != l {
			return false
		}
		if slices.Equal(here[x.id], x.before) && !unsent[rowKey{e.Noun, x.id}] && slices.Equal(there[x.id], x.after) {
			out = append(out, x)
		}
		return true
	})
	return out
}

// checkOffered checks after a sync that the server has again what it lost.
func (w *World) checkOffered(offers []loss) {
	if len(offers) == 0 {
		return
	}
	e, there := model.EntityOf("contact"), w.contactRows()
	for _, x := range offers {
		if row := there[x.id]; row == nil || !model.SameData(e, row, x.before) {
			w.fail("contact %s was lost by the restored server and not offered again by %s:\n  is   %q\n  want %q", x.id, x.laptop.name, row, x.before)
		}
	}
}
