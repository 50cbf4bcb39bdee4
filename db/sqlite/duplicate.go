package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// Two people who are offline make the same contact, and both arrive: nothing
// forbids it, since what one of them may see the other may not. So records that
// come in or are saved are looked for under another id, and pairs that agree
// wait for a person. What is compared is folded, so that case, accents and
// blanks do not matter.

// fewLooked is how many records are looked for by the folded words of their
// mails too, which takes thirty times as long: of more, as they come with a
// long absence, the index finds those that differ in ASCII case and blanks, and
// Duplicates with a scan the others.
const fewLooked = 50

// oneOfMany is how many findings are compared with a record.
const oneOfMany = 20

// pair is two records that agree in a field.
type pair struct {
	noun         model.Noun
	a, b         model.ID
	field, value string
}

// look notes that a record may be here already under another id: it is new, or
// has another name or e-mail.
func (t *Tx) look(e *model.Entity, old, row model.Row) {
	k := recordOf(e, row)
	if deleted(e, row) || !model.Mergeable(k.noun) {
		return
	}
	relevant := old == nil
	for _, i := range model.ChangedColumns(e, old, row) {
		if f := e.Columns()[i].Field; f != nil && (f.Search == model.SearchName || f.Search == model.SearchMail || f.Name == "value") {
			relevant = true
		}
	}
	if relevant {
		if t.looked == nil {
			t.looked = map[recordKey]bool{}
		}
		t.looked[k] = true
	}
}

// pairUp looks for records that are here already under another id and keeps
// the pairs for a person. What was stored is stored, so nobody hears of it where
// this fails: a scan finds what was not looked for.
func (d *DB) pairUp(ctx context.Context, looked map[recordKey]bool) {
	if len(looked) > 0 {
		_ = d.keepTwins(ctx, looked)
	}
}

func (d *DB) keepTwins(ctx context.Context, looked map[recordKey]bool) error {
	var pairs []pair
	for k := range looked {
		r, err := d.Get(ctx, k.noun, k.id)
		if model.KindOf(err) == model.NotFound || err == nil && !r.DeletedAt.IsZero() {
			continue
		}
		if err != nil {
			return err
		}
		more, err := d.pairsOf(ctx, r, len(looked) <= fewLooked)
		if err != nil {
			return err
		}
		pairs = append(pairs, more...)
	}
	return d.keepPairs(ctx, pairs)
}

// pairsOf finds the records that agree with one.
func (d *DB) pairsOf(ctx context.Context, r *model.Record, folded bool) ([]pair, error) {
	var out []pair
	e := r.Entity()
	add := func(field, value string, ids []model.ID) {
		for _, id := range ids {
			if id != r.ID {
				out = append(out, pair{r.Noun, r.ID, id, field, value})
			}
		}
	}
	for _, mail := range r.List("email") {
		ids, err := d.withMail(ctx, e, mail.Text("value"), folded)
		if err != nil {
			return nil, err
		}
		add("email", mail.Text("value"), ids)
	}
	name := model.Fold(e.Name(&model.Record{Noun: r.Noun, Values: ownName(r)}))
	switch org := r.Ref("organization"); {
	case name == "":
	case r.Noun == "organization":
		ids, err := matching(ctx, d.read(), e, oneOfMany, "title_key = ?", name)
		if err != nil {
			return nil, mapError("find duplicates", err)
		}
		add("name", r.Title(), ids)
	case org.ID != "":
		ids, err := matching(ctx, d.read(), e, oneOfMany, "title_key = ? AND organization_id = ?", name, org.ID.Bytes())
		if err != nil {
			return nil, mapError("find duplicates", err)
		}
		add("name", r.Title(), ids)
	}
	if domain := strings.TrimSpace(r.Text("domain")); domain != "" {
		ids, err := matching(ctx, d.read(), e, oneOfMany, "domain COLLATE NOCASE = ?", domain)
		if err != nil {
			return nil, mapError("find duplicates", err)
		}
		add("domain", domain, ids)
	}
	return out, nil
}

// ownName are the values of a record's name without the lists that stand in for
// a name where there is none.
func ownName(r *model.Record) map[string]any {
	out := map[string]any{}
	for _, name := range []string{"first_name", "middle_name", "last_name", "name"} {
		if v := r.Values[name]; v != nil {
			out[name] = v
		}
	}
	return out
}

// withMail finds the living records of a noun that have an e-mail; with folded
// also where letters have accents that it has not.
func (d *DB) withMail(ctx context.Context, e *model.Entity, mail string, folded bool) ([]model.ID, error) {
	key := model.Fold(mail)
	if key == "" {
		return nil, nil
	}
	typed := strings.TrimSpace(mail)
	// Blanks at the end sort before any other character.
	out, err := matching(ctx, d.read(), e, oneOfMany, "id IN (SELECT "+ownerColumn(e)+` FROM contact_method
  WHERE value COLLATE NOCASE >= ? AND value COLLATE NOCASE < ? AND fold(value) = ? AND kind = 'email' AND deleted_at IS NULL)`, typed, typed+"!", key)
	if err != nil {
		return nil, mapError("find duplicates", err)
	}
	if !folded {
		return out, nil
	}
	hits, err := d.Search(ctx, key, e.Noun, oneOfMany)
	if err != nil {
		return nil, err
	}
	for _, h := range hits {
		if slices.Contains(out, h.ID) {
			continue
		}
		r, err := d.Get(ctx, e.Noun, h.ID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(r.List("email"), func(p *model.Record) bool { return model.Fold(p.Text("value")) == key }) {
			out = append(out, h.ID)
		}
	}
	return out, nil
}

// scanPairs compares all living records of a noun. Where many agree, each is
// paired with the first of them.
func (d *DB) scanPairs(ctx context.Context, n model.Noun) ([]pair, error) {
	table, owner := quote(string(n)), ownerColumn(model.EntityOf(n))
	queries := map[string]string{
		"email": "SELECT fold(m.value), m.value, m." + owner + " FROM contact_method AS m JOIN " + table + " AS r ON r.id = m." + owner +
			" WHERE m.kind = 'email' AND m.deleted_at IS NULL AND r.deleted_at IS NULL ORDER BY 1, 3",
	}
	if n == "contact" {
		queries["name"] = "SELECT title_key || hex(organization_id), title, id FROM contact WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND coalesce(first_name, last_name) IS NOT NULL ORDER BY 1, 3"
	} else {
		queries["name"] = "SELECT title_key, title, id FROM organization WHERE deleted_at IS NULL ORDER BY 1, 3"
		queries["domain"] = "SELECT fold(domain), domain, id FROM organization WHERE domain IS NOT NULL AND deleted_at IS NULL ORDER BY 1, 3"
	}
	var out []pair
	for _, field := range []string{"email", "name", "domain"} {
		if queries[field] == "" {
			continue
		}
		rows, err := d.read().QueryContext(ctx, queries[field])
		if err != nil {
			return nil, mapError("find duplicates", err)
		}
		last, first := "", model.ID("")
		for rows.Next() {
			var key, value string
			var id []byte
			if err := rows.Scan(&key, &value, &id); err != nil {
				rows.Close()
				return nil, mapError("find duplicates", err)
			}
			switch x := model.IDFromBytes(id); {
			case key != last || first == "":
				last, first = key, x
			case x != first && key != "":
				out = append(out, pair{n, first, x, field, value})
			}
		}
		if err := rows.Err(); err != nil {
			rows.Close()
			return nil, mapError("find duplicates", err)
		}
		rows.Close()
	}
	return out, nil
}

// keepPairs stores pairs that nobody was asked about yet.
func (d *DB) keepPairs(ctx context.Context, pairs []pair) error {
	if len(pairs) == 0 {
		return nil
	}
	return d.write(ctx, "keep duplicates", func(t *Tx) error {
		for _, p := range pairs {
			a, b := ordered(p.a, p.b)
			err := t.exec("INSERT INTO duplicate (noun, first_id, second_id, field, value, found_at)\nVALUES (?, ?, ?, ?, ?, ?)\nON CONFLICT DO NOTHING",
				string(p.noun), a.Bytes(), b.Bytes(), p.field, p.value, t.now.UnixMilli())
			if err != nil {
				return err
			}
			t.changed[p.noun] = true
		}
		return nil
	})
}

// ordered returns two ids, the smaller one first.
func ordered(a, b model.ID) (first, second model.ID) {
	if b < a {
		return b, a
	}
	return a, b
}

// openPairs is the condition that a pair waits for a person and both records
// live.
const openPairs = `settled_at IS NULL
  AND (noun = 'contact' AND EXISTS (SELECT 1 FROM contact WHERE id = first_id AND deleted_at IS NULL) AND EXISTS (SELECT 1 FROM contact WHERE id = second_id AND deleted_at IS NULL)
    OR noun = 'organization' AND EXISTS (SELECT 1 FROM organization WHERE id = first_id AND deleted_at IS NULL) AND EXISTS (SELECT 1 FROM organization WHERE id = second_id AND deleted_at IS NULL))`

// Duplicates lists the pairs that wait for a person, newest first.
func (d *DB) Duplicates(ctx context.Context, n model.Noun, scan bool) ([]model.Duplicate, error) {
	if n != "" && !model.Mergeable(n) {
		return nil, notMergeable(n)
	}
	if scan {
		for _, noun := range []model.Noun{"contact", "organization"} {
			if n != "" && n != noun {
				continue
			}
			pairs, err := d.scanPairs(ctx, noun)
			if err != nil {
				return nil, err
			}
			if err := d.keepPairs(ctx, pairs); err != nil {
				return nil, err
			}
		}
	}
	rows, err := d.read().QueryContext(ctx, "SELECT noun, first_id, second_id, field, value, found_at\nFROM duplicate\nWHERE (? = '' OR noun = ?) AND "+openPairs+"\nORDER BY found_at DESC, first_id, second_id", string(n), string(n))
	if err != nil {
		return nil, mapError("list duplicates", err)
	}
	defer rows.Close()
	out := []model.Duplicate{}
	names := map[recordKey]string{}
	for rows.Next() {
		var noun string
		var a, b []byte
		var at int64
		var x model.Duplicate
		if err := rows.Scan(&noun, &a, &b, &x.Field, &x.Value, &at); err != nil {
			return nil, mapError("list duplicates", err)
		}
		x.First, x.Second = model.Ref{Noun: model.Noun(noun), ID: model.IDFromBytes(a)}, model.Ref{Noun: model.Noun(noun), ID: model.IDFromBytes(b)}
		x.FoundAt = time.UnixMilli(at).UTC()
		names[recordKey{x.First.Noun, x.First.ID}], names[recordKey{x.Second.Noun, x.Second.ID}] = "", ""
		out = append(out, x)
	}
	if err := rows.Err(); err != nil {
		return nil, mapError("list duplicates", err)
	}
	rows.Close()
	if err := titles(ctx, d.read(), names); err != nil {
		return nil, mapError("list duplicates", err)
	}
	for i := range out {
		for _, ref := range []*model.Ref{&out[i].First, &out[i].Second} {
			ref.Name = names[recordKey{ref.Noun, ref.ID}]
		}
	}
	return out, nil
}

func notMergeable(n model.Noun) error {
	return model.Errorf(model.Invalid, "records of the noun %s cannot be merged", n).WithHint("contacts and organizations can")
}

// Distinct says that two records are not the same.
func (d *DB) Distinct(ctx context.Context, n model.Noun, a, b model.ID) error {
	if !model.Mergeable(n) {
		return notMergeable(n)
	}
	if a == b {
		return model.Errorf(model.Invalid, "these are one record")
	}
	return d.write(ctx, "keep both", func(t *Tx) error { return t.settlePair(n, a, b, "distinct") })
}

// settlePair notes what a person said about two records. A pair that nobody
// found but the person is known by that, should it be asked about again.
func (t *Tx) settlePair(n model.Noun, a, b model.ID, resolution string) error {
	a, b = ordered(a, b)
	t.changed[n] = true
	return t.exec(`INSERT INTO duplicate (noun, first_id, second_id, field, value, found_at, settled_at, resolution)
VALUES (?1, ?2, ?3, ?5, 'before', ?4, ?4, ?5)
ON CONFLICT DO UPDATE SET settled_at = excluded.settled_at, resolution = excluded.resolution`,
		string(n), a.Bytes(), b.Bytes(), t.now.UnixMilli(), resolution)
}
