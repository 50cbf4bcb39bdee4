package sim

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// ledger is what was acknowledged to people, kept outside of both sides.
type ledger struct {
	list    []acknowledged
	latest  map[ledgerKey]int   // place in list of the newest edit of a field on a laptop
	source  map[model.ID]string // what another program committed last
	gone    map[model.ID]bool   // contacts that another program removed
	deleted []ledgerKey         // contacts that a laptop deleted
	again   map[arrival]int     // how often a value may come back, see wentBack
}

// ledgerKey names a field of a record as one laptop edits it.
type ledgerKey struct {
	laptop int
	id     model.ID
	field  string
}

// acknowledged is one edit that a person made and that must not be lost.
type acknowledged struct {
	key   ledgerKey
	token string
	step  int
	// given is true where the person gave the edit up: they changed the
	// field again, took it back or discarded it.
	given bool
}

func newLedger() ledger {
	return ledger{latest: map[ledgerKey]int{}, source: map[model.ID]string{}, gone: map[model.ID]bool{}, again: map[arrival]int{}}
}

// acknowledge notes an edit that was stored. It takes the place of the one
// before it of the same field on the same laptop.
func (w *World) acknowledge(l *laptop, id model.ID, field, token string) {
	w.withdraw(l, id, field)
	key := ledgerKey{l.number, id, field}
	w.ledger.latest[key] = len(w.ledger.list)
	w.ledger.list = append(w.ledger.list, acknowledged{key: key, token: token, step: w.step})
}

// withdraw notes that the person gave an edit up.
func (w *World) withdraw(l *laptop, id model.ID, field string) {
	key := ledgerKey{l.number, id, field}
	if i, ok := w.ledger.latest[key]; ok {
		w.ledger.list[i].given = true
		delete(w.ledger.latest, key)
	}
}

// traces is every place in which an edit may be found, as text.
type traces struct {
	arrived string // values that came into the central's rows
	settled string // conflicts and decisions of the laptops, as a person sees them
	pending string // unsent values of the laptops
	past    string // what the laptops' histories say was there before
}

// find gathers the places in which edits may be found.
func (w *World) find() traces {
	var t traces
	var b strings.Builder
	arrivals, err := w.site.arrivals(w.ctx)
	w.must(err, "read what arrived")
	for a := range arrivals {
		b.WriteString(a.value + "\n")
	}
	for _, e := range model.Entities() {
		rows, err := w.site.table(w.ctx, e.Noun)
		w.must(err, "read the central")
		for _, row := range rows {
			for _, v := range row {
				if s, ok := tokenOf(v); ok {
					b.WriteString(s + "\n")
				}
			}
		}
	}
	t.arrived = b.String()
	for _, l := range w.laptops {
		t.settled += w.text1(l, "SELECT base || mine || theirs FROM sync_conflict") +
			w.text1(l, "SELECT changes || coalesce(note, '') FROM audit WHERE action IN ('merge', 'settle')")
		t.past += w.text1(l, "SELECT changes FROM audit WHERE action NOT IN ('add')")
		t.pending += w.unsentText(l)
	}
	return t
}

// text1 reads one column of a laptop's file as text.
func (w *World) text1(l *laptop, query string, args ...any) string {
	rows, err := l.db.QueryContext(w.ctx, query, args...)
	w.must(err, "read "+l.name)
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s), "read "+l.name)
		b.WriteString(s + "\n")
	}
	w.must(rows.Err(), "read "+l.name)
	return b.String()
}

// unsent returns the rows of a laptop with unsent edits.
func (w *World) unsent(l *laptop) map[rowKey]bool {
	rows, err := l.db.QueryContext(w.ctx, "SELECT tbl, id FROM sync_base")
	w.must(err, "read "+l.name)
	defer rows.Close()
	keys := map[rowKey]bool{}
	for rows.Next() {
		var table string
		var id []byte
		w.must(rows.Scan(&table, &id), "read "+l.name)
		keys[rowKey{model.Noun(table), model.IDFromBytes(id)}] = true
	}
	w.must(rows.Err(), "read "+l.name)
	return keys
}

// unsentText returns the values of the rows with unsent edits.
func (w *World) unsentText(l *laptop) string {
	var b strings.Builder
	for k := range w.unsent(l) {
		for _, v := range w.row(l, k.noun, k.id) {
			if s, ok := tokenOf(v); ok {
				b.WriteString(s + "\n")
			}
		}
	}
	return b.String()
}

// kept tells whether an edit can be found. Where a side went back in time, the
// history of a laptop counts as well, for it is where a person looks then.
func (t traces) kept(token string, strict bool) bool {
	return strings.Contains(t.arrived, token) || strings.Contains(t.settled, token) || strings.Contains(t.pending, token) ||
		!strict && strings.Contains(t.past, token)
}

// excuse gives up the edits that no copy has any more, after a side went back
// in time: a restore may lose what was nowhere else.
func (w *World) excuse() {
	t := w.find()
	for i := range w.ledger.list {
		if e := &w.ledger.list[i]; !t.kept(e.token, false) {
			e.given = true
		}
	}
}

// checkKept checks that no acknowledged edit was lost.
func (w *World) checkKept() {
	t := w.find()
	contacts, err := w.site.table(w.ctx, "contact")
	w.must(err, "read the central")
	for _, e := range w.ledger.list {
		if e.given || t.kept(e.token, w.strict) {
			continue
		}
		if contacts[e.key.id] == nil && slices.Contains(w.ledger.deleted, ledgerKey{e.key.laptop, e.key.id, ""}) {
			continue // deleted by the one who made it before the central ever had it
		}
		if !w.strict && w.laptops[e.key.laptop].name == w.limited {
			continue // it was in that laptop's history alone, which goes with a record that moves out of sight
		}
		w.fail("the edit of %s of %s by %s in step %d is lost: %q", e.key.field, e.key.id, w.laptops[e.key.laptop].name, e.step, e.token)
	}
}

// checkValues checks what can be told of values as long as no side went back
// in time.
func (w *World) checkValues() {
	if !w.strict {
		return
	}
	contacts, err := w.site.table(w.ctx, "contact")
	w.must(err, "read the central")
	w.checkOwn(contacts)
	w.checkNotes(contacts)
	arrivals, err := w.site.arrivals(w.ctx)
	w.must(err, "read what arrived")
	w.checkTwice(arrivals)
	w.checkKnown(arrivals)
}

// checkOwn checks that a field which one side alone edits holds its last
// value.
func (w *World) checkOwn(contacts map[model.ID]model.Row) {
	e := model.EntityOf("contact")
	for _, a := range w.ledger.list {
		row := contacts[a.key.id]
		if a.given || row == nil || w.ledger.gone[a.key.id] || a.key.field != ownFields[a.key.laptop] {
			continue // one that was removed is brought back as the one who wants it back knew it
		}
		if got := row.Get(e, a.key.field); got != a.token {
			w.fail("%s of %s is %q, not the %q that %s alone gave it in step %d", a.key.field, a.key.id, got, a.token, w.laptops[a.key.laptop].name, a.step)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.ledger.source)) {
		row := contacts[id]
		if row == nil || w.ledger.gone[id] {
			continue
		}
		if got := row.Get(e, "source"); got != w.ledger.source[id] {
			w.fail("source of %s is %q, not the %q that another program alone gave it", id, got, w.ledger.source[id])
		}
	}
}

// checkNotes checks that a long text to which everybody appended holds each
// line once, as a list in a test of isolation does.
func (w *World) checkNotes(contacts map[model.ID]model.Row) {
	e := model.EntityOf("contact")
	if e.Field("notes").Policy != model.JoinLines {
		return
	}
	for _, a := range w.ledger.list {
		row := contacts[a.key.id]
		if a.given || row == nil || w.ledger.gone[a.key.id] || !strings.HasPrefix(a.key.field, "notes ") {
			continue
		}
		notes, _ := row.Get(e, "notes").(string)
		if n := strings.Count(notes, a.token); n != 1 {
			w.fail("the notes of %s hold the line %q of step %d %d times: %q", a.key.id, a.token, a.step, n, notes)
		}
	}
}

// wentBack notes the values to which a person went back while the batch with
// the later ones was on its way: nobody knows whether that arrived, so it is
// sent again, and then the earlier values come to the central once more.
func (w *World) wentBack(l *laptop) {
	for _, payload := range strings.Split(w.text1(l, "SELECT payload FROM sync_batch"), "\n") {
		if payload == "" {
			continue
		}
		b, err := model.DecodeBatch([]byte(payload))
		w.must(err, "read the batch of "+l.name)
		for _, op := range b.Ops {
			row := w.row(l, op.Table, op.ID)
			for i, name := range op.Columns {
				if row == nil || row.Get(model.EntityOf(op.Table), name) == op.Values[i] {
					continue
				}
				if s, ok := tokenOf(row.Get(model.EntityOf(op.Table), name)); ok {
					w.ledger.again[arrival{rowKey{op.Table, op.ID}, name, "", s}]++
				}
			}
		}
	}
}

// checkTwice checks that nothing came to the central twice: a value that comes
// again after somebody changed it was sent again.
func (w *World) checkTwice(arrivals map[arrival]int) {
	times := map[arrival]int{}
	for a, n := range arrivals {
		if w.ledger.gone[a.key.id] || a.column == "notes" || w.author(a.value) == nil {
			continue
		}
		a.from = ""
		if times[a] += n; times[a] > 1+w.ledger.again[a] {
			w.fail("%s of %s %s became %q %d times", a.column, a.key.noun, a.key.id, a.value, times[a])
		}
	}
}

// checkMadeOnce checks that a tag which two laptops make under one id is the one
// that came first: nobody removes tags from the central.
func (w *World) checkMadeOnce() {
	k, ok := w.site.(memorySite)
	if !ok {
		return
	}
	if w.tags == nil {
		w.tags = map[model.ID]model.Row{}
	}
	e := model.EntityOf("tag")
	for id, row := range k.tables[e.Noun] {
		if was := w.tags[id]; was != nil && was.Get(e, model.ColumnCreatedAt) != row.Get(e, model.ColumnCreatedAt) {
			w.fail("the tag %s was made twice", id)
		}
		w.tags[id] = row
	}
}

// checkKnown checks that no laptop overwrote a value that it never knew: it
// either edited that value, or was told of it and decided.
func (w *World) checkKnown(arrivals map[arrival]int) {
	told := map[*laptop]string{}
	for a := range arrivals {
		l := w.author(a.value)
		if l == nil || a.from == "" || a.column == "notes" || w.ledger.gone[a.key.id] {
			continue
		}
		if told[l] == "" {
			told[l] = w.text1(l, "SELECT changes FROM audit UNION ALL SELECT theirs FROM sync_conflict")
		}
		if w.ledger.again[arrival{a.key, a.column, "", a.value}] > 0 {
			continue // another one went back to it, see wentBack
		}
		if l.name == w.limited && !strings.Contains(w.text1(l, "SELECT changes FROM audit WHERE action <> 'add' UNION ALL SELECT theirs FROM sync_conflict"), a.value) {
			continue // the history went with the record when it moved out of sight, and began anew when it came back
		}
		if !strings.Contains(told[l], a.from) {
			w.fail("%s overwrote %q by %q in %s of %s %s without a word", l.name, a.from, a.value, a.column, a.key.noun, a.key.id)
		}
	}
}

// author returns the laptop whose person made a text, nil for another program
// and for what is no such text.
func (w *World) author(value string) *laptop {
	if amount, err := strconv.Atoi(value); err == nil {
		for _, a := range w.ledger.list {
			if a.token == strconv.Itoa(amount) {
				return w.laptops[a.key.laptop]
			}
		}
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(value, forbiddenPrefix), mark)
	for _, l := range w.laptops {
		if l.name == name {
			return l
		}
	}
	return nil
}
