package transfer

import (
	"context"
	"strings"

	"rapport/model"
)

// externalID is the field that holds the id of the system a row came from.
const externalID = "external_id"

// keysOf returns the keys by which a row's record is recognised, in the order
// in which they are tried; "" is the title. A row with the id of another
// system that is not here yet is also looked for among records without one.
func keysOf(e *model.Entity, row *model.Record) [][]string {
	has := func(name string) bool {
		f := e.Field(name)
		switch {
		case f == nil:
			return false
		case f.Type == model.List:
			return len(row.List(name)) > 0
		case f.Type == model.Link:
			return !row.Ref(name).IsZero()
		}
		return strings.TrimSpace(model.FormatValue(row.Values[name])) != ""
	}
	var keys [][]string
	if has(externalID) {
		keys = append(keys, []string{externalID})
	}
	for _, key := range otherKeys[e.Noun] {
		usable := true
		for _, name := range key {
			if name == "" {
				usable = usable && titled(row)
			} else {
				usable = usable && has(name)
			}
		}
		if usable {
			return append(keys, key)
		}
	}
	return keys
}

// otherKeys are the keys beside the external id; the first for which a row has
// all values is it.
var otherKeys = map[model.Noun][][]string{
	"contact":      {{"email", ""}, {"email"}, {"", "organization"}, {""}, {"organization"}, {"phone"}},
	"organization": {{""}, {"domain"}},
	"deal":         {{"", "organization"}, {"", "close_date", "amount"}, {"", "close_date"}, {"", "amount"}, {""}},
	"product":      {{"code"}, {""}},
	"user":         {{"login"}, {"email"}, {""}},
	"activity":     {{"", "due_at"}, {"", "start_at"}, {""}},
	"tag":          {{""}},
	"pipeline":     {{""}},
}

// matched is the record that a row means.
type matched struct {
	id      model.ID
	deleted bool
}

// match finds the record that a row means: by its own id, else by the keys.
// Two records that fit are Ambiguous.
func (im *importer) match(ctx context.Context, tx model.ImportTx, e *model.Entity, it item) (matched, error) {
	if it.edit.ID != "" {
		r, err := tx.Get(ctx, e.Noun, it.edit.ID)
		switch {
		case err == nil && !r.DeletedAt.IsZero():
			return matched{deleted: true}, nil
		case err == nil:
			return matched{id: r.ID}, nil
		case model.KindOf(err) != model.NotFound:
			return matched{}, err
		case !e.Derived && len(im.req.Key) == 0:
			return matched{}, nil
		}
	}
	row := &model.Record{Noun: e.Noun, Values: it.edit.Set}
	keys := keysOf(e, row)
	if len(im.req.Key) > 0 {
		keys = [][]string{im.req.Key}
	}
	for _, key := range keys {
		m, err := im.byKey(ctx, tx, e, row, key)
		if err != nil || m.id != "" || m.deleted {
			return m, err
		}
	}
	return matched{}, nil
}

// titled tells whether a row has a name of its own, not just a mail or an
// organization that stands for one.
func titled(row *model.Record) bool {
	e := row.Entity()
	if e.Field("last_name") != nil {
		return strings.TrimSpace(row.Text("first_name")+row.Text("middle_name")+row.Text("last_name")) != ""
	}
	return strings.TrimSpace(e.Name(row)) != ""
}

// byKey looks for living records and then for deleted ones that have a key's
// values.
func (im *importer) byKey(ctx context.Context, tx model.ImportTx, e *model.Entity, row *model.Record, key []string) (m matched, err error) {
	variants, ok := keyValues(e, row, key)
	if !ok {
		if len(im.req.Key) > 0 {
			return m, model.Errorf(model.Invalid, "the row does not have the key (%s)", keyName(key))
		}
		return m, nil
	}
	stranger := len(im.req.Key) == 0 && key[0] != externalID && row.Text(externalID) != ""
	found := map[model.ID]bool{}
	for _, parts := range variants {
		if stranger {
			parts = append(parts, model.KeyPart{Field: externalID})
		}
		ids, err := tx.FindKey(ctx, e.Noun, parts)
		if err != nil {
			return m, err
		}
		for _, id := range ids {
			found[id], m.id = true, id
		}
	}
	if len(found) > 1 {
		return matched{}, model.Errorf(model.Ambiguous, "ambiguous: several records have this key (%s)", keyName(key)).
			WithHint("merge them, or give another --key")
	}
	if len(found) == 1 {
		return m, nil
	}
	bin, err := im.bin(ctx, e)
	if err != nil {
		return m, err
	}
	for _, parts := range variants {
		m.deleted = m.deleted || bin[binKey(key, parts, false)] || !stranger && bin[binKey(key, parts, true)]
	}
	return m, nil
}

// keyName is a key as a person reads it.
func keyName(key []string) string {
	names := append([]string(nil), key...)
	for i, n := range names {
		if n == "" {
			names[i] = "name"
		}
	}
	return strings.Join(names, " and ")
}

// keyValues returns the values of a key in a row: one variant for each item
// where the key names a list.
func keyValues(e *model.Entity, row *model.Record, key []string) ([][]model.KeyPart, bool) {
	variants := [][]model.KeyPart{nil}
	for _, name := range key {
		var values []any
		f := e.Field(name)
		switch {
		case name == "" || name == "name" && f == nil:
			if s := strings.TrimSpace(e.Name(row)); s != "" && titled(row) {
				values = append(values, s)
			}
		case f == nil:
			return nil, false
		case f.Type == model.List:
			for _, it := range row.List(name) {
				if s := strings.TrimSpace(it.Text("value")); s != "" {
					values = append(values, s)
				}
			}
		case f.Type == model.Link:
			if ref := row.Ref(name); !ref.IsZero() {
				if ref.Noun == "" {
					ref.Noun = f.To[0]
				}
				values = append(values, ref)
			}
		default:
			v := row.Values[name]
			if s, ok := v.(string); v != nil && (!ok || strings.TrimSpace(s) != "") {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return nil, false
		}
		var next [][]model.KeyPart
		for _, had := range variants {
			for _, v := range values {
				next = append(next, append(append([]model.KeyPart(nil), had...), model.KeyPart{Field: name, Value: v}))
			}
		}
		variants = next
	}
	return variants, true
}

// binKey is the key of deleted records; foreign ones carry an external id.
func binKey(key []string, parts []model.KeyPart, foreign bool) string {
	s := strings.Join(key, "\x01")
	if foreign && key[0] != externalID {
		s += "\x02"
	}
	for _, p := range parts {
		v := p.Value
		if ref, ok := v.(model.Ref); ok {
			v = ref.Name
		}
		s += "\x00" + model.Fold(model.FormatValue(v))
	}
	return s
}

// bin returns the keys of the deleted records of a noun, read once in a run:
// there are few of them.
func (im *importer) bin(ctx context.Context, e *model.Entity) (map[string]bool, error) {
	if had, ok := im.binned[e.Noun]; ok {
		return had, nil
	}
	keys := append([][]string{{externalID}}, otherKeys[e.Noun]...)
	if len(im.req.Key) > 0 {
		keys = [][]string{im.req.Key}
	}
	out := map[string]bool{}
	for after := ""; ; {
		page, err := im.t.store.List(ctx, model.Query{Noun: e.Noun, Bin: true, Limit: 500, After: after})
		if err != nil {
			return nil, err
		}
		for _, r := range page.Items {
			for _, key := range keys {
				variants, _ := keyValues(e, r, key)
				for _, parts := range variants {
					out[binKey(key, parts, r.Text(externalID) != "" && len(im.req.Key) == 0)] = true
				}
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	im.binned[e.Noun] = out
	return out, nil
}
