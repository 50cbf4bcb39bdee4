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
	// columns are those that are to be offered; nil means all of them.
	columns []int
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

// offers returns what a laptop is to offer in its next sync: what the server
// that was put back lost and the laptop still has. Somebody may have changed the
// rest of such a contact since: there the offer is of the columns which nobody
// has been at.
func (w *World) offers(l *laptop) []loss {
	if len(w.lost) == 0 {
		return nil
	}
	e := model.EntityOf("contact")
	here, unsent, there := w.rows(l, e), w.unsent(l), w.contactRows()
	arrivals, err := w.site.arrivals(w.ctx)
	w.must(err, "read what arrived")
	arrived := map[arrival]bool{}
	for a := range arrivals {
		a.from = ""
		arrived[a] = true
	}
	var out []loss
	w.lost = slices.DeleteFunc(w.lost, func(x loss) bool {
		if x.laptop != l {
			return false
		}
		now := there[x.id]
		switch {
		case !slices.Equal(here[x.id], x.before) || unsent[rowKey{e.Noun, x.id}]:
		case slices.Equal(now, x.after):
			out = append(out, x)
		case now != nil && x.after != nil && x.before.Get(e, model.ColumnDeletedAt) == nil:
			x.columns = untouched(e, x, now, arrived)
			out = append(out, x)
		}
		return true
	})
	return out
}

// untouched lists the columns of a contact whose text the server lost and nobody
// has offered or changed since.
func untouched(e *model.Entity, x loss, now model.Row, arrived map[arrival]bool) []int {
	out := []int{}
	for i, c := range e.Columns() {
		s, followed := tokenOf(x.before[i])
		if followed && !c.Service && x.before[i] != x.after[i] && now[i] == x.after[i] && !arrived[arrival{rowKey{e.Noun, x.id}, c.Name, "", s}] {
			out = append(out, i)
		}
	}
	return out
}

// checkOffered checks after a sync that the server has again what it lost.
func (w *World) checkOffered(offers []loss) {
	if len(offers) == 0 {
		return
	}
	e, there := model.EntityOf("contact"), w.contactRows()
	for _, x := range offers {
		row := there[x.id]
		again := row != nil && (x.columns != nil || model.SameData(e, row, x.before))
		for _, i := range x.columns {
			again = again && row[i] == x.before[i]
		}
		if !again {
			w.fail("contact %s was lost by the restored server and not offered again by %s:\n  is   %q\n  want %q", x.id, x.laptop.name, row, x.before)
		}
	}
}
