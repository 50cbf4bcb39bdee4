package sim

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"rapport/model"
)

// foreign lets another program work on the central: it begins transactions
// that stay open, writes in them and ends them in any order, or writes at once.
func (w *World) foreign(rng *rand.Rand) {
	w.forgetEnded()
	switch n := rng.IntN(10); {
	case n < 2 && len(w.writers) < 2:
		t, err := w.site.begin()
		w.must(err, "begin a transaction")
		w.logf("  etl begins")
		w.writers = append(w.writers, &foreignTx{writer: t})
		w.write(w.writers[len(w.writers)-1], rng, true)
	case n < 3 && len(w.writers) > 0:
		w.write(w.writers[rng.IntN(len(w.writers))], rng, true)
	case n < 5 && len(w.writers) > 0:
		i := rng.IntN(len(w.writers))
		if t := w.writers[i]; rng.IntN(6) == 0 {
			w.logf("  etl rolls back")
			t.Rollback()
		} else {
			w.commit(t)
		}
	default:
		t, err := w.site.begin()
		w.must(err, "begin a transaction")
		one := &foreignTx{writer: t}
		if w.write(one, rng, false) {
			w.commit(one)
		}
	}
	w.forgetEnded()
}

// move lets another program move a contact that a laptop has to another scope.
func (w *World) move(l *laptop, rng *rand.Rand) {
	id := pick(rng, sortedKeys(w.rows(l, model.EntityOf("contact"))))
	if id == "" {
		return
	}
	t, err := w.site.begin()
	w.must(err, "begin a transaction")
	one := &foreignTx{writer: t}
	if w.wrote(one, "scope", t.Update("contact", id, map[string]any{model.ColumnScope: scopes[rng.IntN(len(scopes))]})) {
		w.commit(one)
	}
}

// foreignTx is a transaction of another program with what it wrote.
type foreignTx struct {
	writer
	source map[model.ID]string // what it gave the field that it alone edits
	made   []model.ID
	gone   []model.ID
}

// forgetEnded leaves out the transactions that are over.
func (w *World) forgetEnded() {
	kept := w.writers[:0]
	for _, t := range w.writers {
		if !t.Ended() {
			kept = append(kept, t)
		}
	}
	w.writers = kept
}

// commit commits a foreign transaction and takes note of what it did.
func (w *World) commit(t *foreignTx) {
	if t.Ended() {
		return
	}
	t.Commit()
	w.logf("  etl commits")
	for id, token := range t.source {
		w.ledger.source[id] = token
	}
	if w.portable {
		w.reserved = append(w.reserved, t.made...)
	} else {
		w.contacts = append(w.contacts, t.made...)
	}
	for _, id := range t.gone {
		w.ledger.gone[id] = true
	}
}

// foreignTarget is a contact that a foreign transaction may write. A real
// server lets writers wait for each other, so there open transactions and
// people keep apart.
func (w *World) foreignTarget(rng *rand.Rand, open bool) model.ID {
	if w.portable && open {
		return pick(rng, w.reserved)
	}
	return pick(rng, w.contacts)
}

// write writes one thing in a foreign transaction. An error ends it.
func (w *World) write(t *foreignTx, rng *rand.Rand, open bool) bool {
	id := w.foreignTarget(rng, open)
	n := rng.IntN(20)
	if id == "" || n < 4 || w.lookup("contact", id) == nil {
		return w.wrote(t, "insert", w.foreignInsert(t, rng))
	}
	what, err := "", error(nil)
	switch {
	case n < 9:
		what = "source"
		token := w.token("etl")
		if err = t.Update("contact", id, map[string]any{"source": token}); err == nil {
			if t.source == nil {
				t.source = map[model.ID]string{}
			}
			t.source[id] = token
		}
	case n < 11:
		what, err = "status", t.Update("contact", id, map[string]any{"status": w.token("etl")})
	case n < 12:
		what, err = "case", w.changeCase(t, id)
	case n < 13:
		what, err = "nothing", t.Update("contact", id, map[string]any{})
	case n < 14:
		what = "there and back"
		if err = t.Update("contact", id, map[string]any{"first_name": "for a moment"}); err == nil {
			err = t.Update("contact", id, map[string]any{"first_name": nil})
		}
	case n < 15 && !open:
		what = "held field"
		err = t.Update("contact", id, map[string]any{"do_not_call": int64(rng.IntN(2))})
	case n < 16 && !open && len(w.deals) > 0:
		w.tokens++
		what, err = "amount", t.Update("deal", pick(rng, w.deals), map[string]any{"amount_minor": int64(firstAmount + w.tokens), "amount_currency": "EUR"})
	case n < 17:
		what, err = "scope", t.Update("contact", id, map[string]any{model.ColumnScope: scopes[rng.IntN(len(scopes))]})
	case n < 18 && !open:
		what, err = "remove phones", w.foreignPhones(t, id)
	case n < 19 && !open:
		what, err = "remove contact", w.foreignDelete(t, id)
	default:
		what, err = "revive", t.Update("contact", id, map[string]any{model.ColumnDeletedAt: nil})
	}
	return w.wrote(t, what, err)
}

func (w *World) wrote(t *foreignTx, what string, err error) bool {
	w.logf("  etl writes %s: %s", what, outcome(err))
	if err != nil {
		t.Rollback()
	}
	return err == nil
}

// scopes are those between which records move.
var scopes = []model.ID{model.CompanyScope, model.DerivedID("scope", "one"), model.DerivedID("scope", "two")}

// lookup reads a committed row of the central.
func (w *World) lookup(n model.Noun, id model.ID) model.Row {
	rows, err := w.site.table(w.ctx, n)
	w.must(err, "read the central")
	return rows[id]
}

func (w *World) foreignInsert(t *foreignTx, rng *rand.Rand) error {
	w.made++
	id := model.DerivedID("etl", strconv.FormatUint(w.seed, 10), strconv.Itoa(w.made))
	if err := t.Insert("contact", id, map[string]any{"last_name": w.token("etl")}); err != nil {
		return err
	}
	t.made = append(t.made, id)
	if rng.IntN(2) == 0 {
		return nil
	}
	part := model.DerivedID("etl phone", string(id))
	return t.Insert("contact_method", part, map[string]any{"contact_id": id, "kind": "phone", "value": w.token("etl")})
}

// changeCase changes the case of a text and nothing else.
func (w *World) changeCase(t *foreignTx, id model.ID) error {
	row := w.lookup("contact", id)
	if row == nil {
		return nil
	}
	s, _ := row.Get(model.EntityOf("contact"), "status").(string)
	if s == "" {
		return nil
	}
	return t.Update("contact", id, map[string]any{"status": strings.ToUpper(s)})
}

// owned calls fn for each committed row of a part that belongs to a contact.
func (w *World) owned(n model.Noun, id model.ID, fn func(model.Row) error) error {
	e := model.EntityOf(n)
	rows, err := w.site.table(w.ctx, n)
	w.must(err, "read the central")
	for _, key := range sortedKeys(rows) {
		if on, owner, ok := rows[key].OwnerOf(e); ok && on == "contact" && owner == id {
			if err := fn(rows[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *World) foreignPhones(t *foreignTx, id model.ID) error {
	return w.owned("contact_method", id, func(row model.Row) error { return t.remove("contact_method", row.ID()) })
}

// foreignDelete removes a contact with its parts for good, the parts first.
func (w *World) foreignDelete(t *foreignTx, id model.ID) error {
	for _, e := range model.Entities() {
		if !e.IsPart() {
			continue
		}
		if err := w.owned(e.Noun, id, func(row model.Row) error { return t.remove(e.Noun, row.ID()) }); err != nil {
			return err
		}
	}
	return t.remove("contact", id)
}

// remove removes a row for good.
func (t *foreignTx) remove(n model.Noun, id model.ID) error {
	t.gone = append(t.gone, id)
	return t.Delete(n, id)
}
