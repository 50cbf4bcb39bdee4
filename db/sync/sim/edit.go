package sim

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"rapport/model"
)

func formatAmount(minor int64) string { return strconv.FormatInt(minor, 10) }

// act is a thing that a person does, with how often it is done.
type act struct {
	weight int
	name   string
	do     func(*World, *laptop, *rand.Rand)
}

var acts = []act{
	{6, "add contact", (*World).addContact},
	{14, "edit own field", (*World).editOwn},
	{6, "edit shared field", (*World).editShared},
	{3, "edit held field", (*World).editHeld},
	{5, "append to notes", (*World).appendNote},
	{3, "add phone", (*World).addPhone},
	{2, "remove phone", (*World).removePhone},
	{2, "set mail", (*World).setMail},
	{3, "tag", (*World).tagContact},
	{2, "delete", (*World).deleteContact},
	{2, "restore", (*World).restoreContact},
	{2, "link organization", (*World).linkOrganization},
	{2, "add deal", (*World).addDeal},
	{4, "edit amount", (*World).editAmount},
	{2, "move deal", (*World).moveDeal},
	{2, "forbidden edit", (*World).editForbidden},
	{3, "settle", (*World).settleOne},
	{1, "discard", (*World).discardOne},
	{1, "retry", func(w *World, l *laptop, _ *rand.Rand) { w.retry(l) }},
	{1, "take back", (*World).takeBack},
}

// edit lets the person at a laptop do one thing.
func (w *World) edit(l *laptop, rng *rand.Rand) {
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	n := rng.IntN(total)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			w.logf("  %s: %s", l.name, a.name)
			a.do(w, l, rng)
			return
		}
	}
}

// save applies an edit and tells whether it was acknowledged. What is not here
// yet, or lies in the bin, cannot be edited.
func (w *World) save(l *laptop, ed model.Edit) (model.ID, bool) {
	saved, err := l.db.SaveAll(w.ctx, []model.Edit{ed}, false)
	w.must(err, "save")
	switch err := saved[0].Err; model.KindOf(err) {
	case model.Other:
		w.must(err, "save")
	default:
		w.logf("    %s", outcome(err))
		return "", false
	}
	return saved[0].ID, true
}

// set changes fields of a record.
func (w *World) set(l *laptop, n model.Noun, id model.ID, set map[string]any) bool {
	_, ok := w.save(l, model.Edit{Noun: n, ID: id, Set: set})
	return ok
}

// pick returns one of a list, "" if it is empty. Young records are picked more
// often: what happens to one record matters, not how many there are.
func pick(rng *rand.Rand, ids []model.ID) model.ID {
	if len(ids) == 0 {
		return ""
	}
	if recent := 4; rng.IntN(2) == 0 && len(ids) > recent {
		ids = ids[len(ids)-recent:]
	}
	return ids[rng.IntN(len(ids))]
}

func (w *World) addContact(l *laptop, rng *rand.Rand) {
	token := w.token(l.name)
	set := map[string]any{"last_name": token}
	ed := model.Edit{Noun: "contact", Set: set}
	phone := ""
	if rng.IntN(2) == 0 {
		phone = w.token(l.name)
		ed.Add = map[string][]*model.Record{"phone": {contactMethod("phone", phone)}}
	}
	id, ok := w.save(l, ed)
	if !ok {
		return
	}
	w.contacts = append(w.contacts, id)
	w.acknowledge(l, id, "last_name", token)
	if phone != "" {
		w.acknowledge(l, id, "phone "+phone, phone)
	}
}

func contactMethod(kind, value string) *model.Record {
	part := model.NewPart(model.EntityOf("contact").Field(kind))
	part.Values["value"] = value
	return part
}

// text edits a textual field of a contact to a new token.
func (w *World) text(l *laptop, id model.ID, field, prefix string) {
	token := prefix + w.token(l.name)
	if id != "" && w.set(l, "contact", id, map[string]any{field: token}) {
		w.acknowledge(l, id, field, token)
	}
}

func (w *World) editOwn(l *laptop, rng *rand.Rand) {
	w.text(l, pick(rng, w.contacts), ownFields[l.number], "")
}

func (w *World) editShared(l *laptop, rng *rand.Rand) {
	w.text(l, pick(rng, w.contacts), "status", "")
}

// editSame edits the field that was edited last by somebody else, if that is one
// which everybody edits.
func (w *World) editSame(l *laptop) {
	if len(w.ledger.list) == 0 {
		return
	}
	last := w.ledger.list[len(w.ledger.list)-1].key
	if last.laptop != l.number && last.field == "status" {
		w.text(l, last.id, last.field, "")
	}
}

// forbiddenPrefix begins the texts that the central refuses.
const forbiddenPrefix = "!"

func (w *World) editForbidden(l *laptop, rng *rand.Rand) {
	w.text(l, pick(rng, w.contacts), "status", forbiddenPrefix)
}

func (w *World) editHeld(l *laptop, rng *rand.Rand) {
	if id := pick(rng, w.contacts); id != "" {
		w.set(l, "contact", id, map[string]any{"do_not_call": rng.IntN(2) == 0})
	}
}

// row reads a row of a laptop, nil if it has none.
func (w *World) row(l *laptop, n model.Noun, id model.ID) model.Row {
	row, err := l.db.Row(w.ctx, model.EntityOf(n), id)
	w.must(err, "read a row")
	return row
}

func (w *World) appendNote(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.contacts)
	row := w.row(l, "contact", id)
	if row == nil {
		return
	}
	notes, _ := row.Get(model.EntityOf("contact"), "notes").(string)
	token := w.token(l.name)
	if w.set(l, "contact", id, map[string]any{"notes": strings.TrimPrefix(notes+"\n"+token, "\n")}) {
		w.acknowledge(l, id, "notes "+token, token)
	}
}

// phones returns the living phones of a contact on a laptop.
func (w *World) phones(l *laptop, id model.ID) []string {
	rows, err := l.db.QueryContext(w.ctx, "SELECT value FROM contact_method WHERE contact_id = ? AND kind = 'phone' AND deleted_at IS NULL ORDER BY id", id.Bytes())
	w.must(err, "read phones")
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s), "read phones")
		out = append(out, s)
	}
	w.must(rows.Err(), "read phones")
	return out
}

func (w *World) addPhone(l *laptop, rng *rand.Rand) {
	id, token := pick(rng, w.contacts), w.token(l.name)
	if id == "" {
		return
	}
	add := map[string][]*model.Record{"phone": {contactMethod("phone", token)}}
	if _, ok := w.save(l, model.Edit{Noun: "contact", ID: id, Add: add}); ok {
		w.acknowledge(l, id, "phone "+token, token)
	}
}

func (w *World) removePhone(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.contacts)
	phones := w.phones(l, id)
	if len(phones) == 0 {
		return
	}
	value := phones[rng.IntN(len(phones))]
	remove := map[string][]*model.Record{"phone": {contactMethod("phone", value)}}
	if _, ok := w.save(l, model.Edit{Noun: "contact", ID: id, Remove: remove}); ok {
		w.withdraw(l, id, "phone "+value)
	}
}

func (w *World) setMail(l *laptop, rng *rand.Rand) {
	id, token := pick(rng, w.contacts), w.token(l.name)
	if id == "" {
		return
	}
	set := map[string]any{"email": []*model.Record{contactMethod("email", token+"@x.org")}}
	if w.set(l, "contact", id, set) {
		w.acknowledge(l, id, "email", token)
	}
}

func (w *World) tagContact(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.contacts)
	if id == "" {
		return
	}
	f := model.EntityOf("contact").Field("tag")
	part := model.NewPart(f)
	part.Values[f.Target] = model.Ref{Noun: "tag", Name: "tag" + strconv.Itoa(rng.IntN(2))}
	ed := model.Edit{Noun: "contact", ID: id}
	if list := map[string][]*model.Record{"tag": {part}}; rng.IntN(3) > 0 {
		ed.Add = list
	} else {
		ed.Remove = list
	}
	w.save(l, ed)
}

func (w *World) deleteContact(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.contacts)
	if row := w.row(l, "contact", id); row != nil && row.Get(model.EntityOf("contact"), model.ColumnDeletedAt) == nil {
		w.must(l.db.Delete(w.ctx, "contact", id), "delete")
		w.ledger.deleted = append(w.ledger.deleted, ledgerKey{l.number, id, ""})
	}
}

func (w *World) restoreContact(l *laptop, rng *rand.Rand) {
	for range 3 {
		id := pick(rng, w.contacts)
		if row := w.row(l, "contact", id); row != nil && row.Get(model.EntityOf("contact"), model.ColumnDeletedAt) != nil {
			w.must(l.db.Restore(w.ctx, "contact", id), "restore")
			return
		}
	}
}

func (w *World) linkOrganization(l *laptop, rng *rand.Rand) {
	if len(w.organizations) < 2 {
		token := w.token(l.name)
		if id, ok := w.save(l, model.Edit{Noun: "organization", Set: map[string]any{"name": token}}); ok {
			w.organizations = append(w.organizations, id)
			w.acknowledge(l, id, "name", token)
		}
	}
	id, org := pick(rng, w.contacts), pick(rng, w.organizations)
	if id != "" && org != "" {
		w.set(l, "contact", id, map[string]any{"organization": model.Ref{Noun: "organization", ID: org}})
	}
}

func (w *World) addDeal(l *laptop, _ *rand.Rand) {
	token := w.token(l.name)
	if id, ok := w.save(l, model.Edit{Noun: "deal", Set: map[string]any{"name": token}}); ok {
		w.deals = append(w.deals, id)
		w.acknowledge(l, id, "name", token)
	}
}

// editAmount changes a field that waits for a person where two change it.
func (w *World) editAmount(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.deals)
	if id == "" {
		return
	}
	w.tokens++
	minor := int64(firstAmount + w.tokens)
	if w.set(l, "deal", id, map[string]any{"amount": model.Money{Minor: minor, Currency: "EUR"}}) {
		w.acknowledge(l, id, "amount", formatAmount(minor))
	}
}

func (w *World) moveDeal(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.deals)
	if w.row(l, "deal", id) == nil {
		return
	}
	stage := []string{"Prospecting", "Qualified", "Proposal"}[rng.IntN(3)]
	if _, err := l.db.MoveDeal(w.ctx, id, stage, ""); model.KindOf(err) == model.Other {
		w.must(err, "move a deal")
	}
}

// settleOne settles one conflict in one of the two ways.
func (w *World) settleOne(l *laptop, rng *rand.Rand) {
	open, err := l.db.Conflicts(w.ctx)
	w.must(err, "list conflicts")
	if len(open) == 0 {
		return
	}
	take := []string{"mine", "theirs"}[rng.IntN(2)]
	w.must(l.db.Settle(w.ctx, open[rng.IntN(len(open))].ID, []model.Settlement{{Take: take}}), "settle")
}

// discardOne gives up what is unsent of one record.
func (w *World) discardOne(l *laptop, rng *rand.Rand) {
	items, err := l.db.Pending(w.ctx)
	w.must(err, "list unsent changes")
	if len(items) > 0 {
		w.discard(l, items[rng.IntN(len(items))].ID)
	}
}

func (w *World) discard(l *laptop, id model.ID) {
	_, err := l.db.Discard(w.ctx, id)
	w.must(err, "discard")
	w.wentBack(l)
	for i := range w.ledger.list {
		if e := &w.ledger.list[i]; e.key.laptop == l.number && e.key.id == id {
			e.given = true
		}
	}
}

func (w *World) retry(l *laptop) {
	_, err := l.db.Retry(w.ctx)
	w.must(err, "retry")
}

// takeBack changes a field and changes it back: nothing is to be sent.
func (w *World) takeBack(l *laptop, rng *rand.Rand) {
	id := pick(rng, w.contacts)
	row := w.row(l, "contact", id)
	if row == nil {
		return
	}
	was, _ := row.Get(model.EntityOf("contact"), "source").(string)
	if w.set(l, "contact", id, map[string]any{"source": "for a moment"}) {
		w.set(l, "contact", id, map[string]any{"source": was})
	}
}
