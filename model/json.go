package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// object writes a JSON object whose keys keep their order.
type object struct {
	b     bytes.Buffer
	first bool
}

func newObject() *object {
	o := &object{first: true}
	o.b.WriteByte('{')
	return o
}

func (o *object) put(key string, v any) {
	if !o.first {
		o.b.WriteByte(',')
	}
	o.first = false
	o.b.Write(encode(key))
	o.b.WriteByte(':')
	o.b.Write(encode(v))
}

func (o *object) close() json.RawMessage {
	o.b.WriteByte('}')
	return o.b.Bytes()
}

// encode writes JSON without escaping <, > and &, which terminals and diffs
// would show as noise.
func encode(v any) []byte {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// MarshalJSON writes the whole record as CLI commands print it: id, every
// field, times as RFC 3339 UTC, money as {amount, currency}, links as
// {id, name}, and the state towards the central.
func (r *Record) MarshalJSON() ([]byte, error) { return r.JSON(nil), nil }

// JSON is MarshalJSON for some fields only; nil means all. The id is always
// there.
func (r *Record) JSON(only []string) json.RawMessage {
	e := r.Entity()
	o := newObject()
	o.put("id", r.ID)
	wanted := func(name string) bool {
		if only == nil {
			return true
		}
		for _, n := range only {
			if n == name {
				return true
			}
		}
		return false
	}
	for i := range e.Fields {
		if f := &e.Fields[i]; wanted(f.Name) {
			o.put(f.Name, jsonValue(f, r.Values[f.Name]))
		}
	}
	for _, t := range []struct {
		name string
		v    any
	}{{ColumnCreatedAt, timeJSON(r.CreatedAt)}, {ColumnUpdatedAt, timeJSON(r.UpdatedAt)}, {ColumnCreatedBy, textJSON(r.CreatedBy)},
		{ColumnUpdatedBy, textJSON(r.UpdatedBy)}, {ColumnDeletedAt, timeJSON(r.DeletedAt)}, {"sync", r.Sync.String()}} {
		if wanted(t.name) {
			o.put(t.name, t.v)
		}
	}
	return o.close()
}

func timeJSON(t interface{ IsZero() bool }) any {
	if t.IsZero() {
		return nil
	}
	return FormatValue(t)
}

func textJSON(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// JSONValue returns what JSON shows for a field's value.
func JSONValue(f *Field, v any) json.RawMessage { return encode(jsonValue(f, v)) }

func jsonValue(f *Field, v any) any {
	switch x := v.(type) {
	case nil:
		switch f.Type {
		case List:
			return []any{}
		case Bool:
			return false
		}
		return nil
	case Money:
		o := newObject()
		o.put("amount", x.Amount())
		o.put("currency", x.Currency)
		return o.close()
	case Ref:
		return refJSON(f, x, newObject()).close()
	case []*Record:
		items := make([]any, 0, len(x))
		for _, part := range x {
			items = append(items, itemJSON(f, part))
		}
		return items
	case string:
		return x
	case int64, bool:
		return x
	}
	return FormatValue(v)
}

func refJSON(f *Field, ref Ref, o *object) *object {
	if len(f.To) > 1 {
		o.put("noun", ref.Noun)
	}
	o.put("id", ref.ID)
	o.put("name", textJSON(ref.Name))
	return o
}

func itemJSON(f *Field, part *Record) any {
	e := part.Entity()
	if f.Shape == Names {
		return part.Ref(f.Target).Name
	}
	o := newObject()
	if f.Shape == Linked {
		refJSON(e.Field(f.Target), part.Ref(f.Target), o)
	} else if e.Name != nil {
		o.put("id", part.ID)
	}
	where, _, _ := strings.Cut(f.Where, "=")
	for i := range e.Fields {
		pf := &e.Fields[i]
		if pf.ReadOnly || pf.Name == where || f.Shape == Linked && pf.Name == f.Target {
			continue
		}
		o.put(pf.Name, jsonValue(pf, part.Values[pf.Name]))
		if pf.Name == "value" && part.Text("kind") == "phone" {
			o.put("e164", part.Values["e164"])
		}
	}
	return o.close()
}

// EditFromJSON builds an Edit from a JSON object of field values, as --stdin
// and a file of records give them. Service keys (created_at, sync and the
// like) and null are accepted and skipped; null clears a field. An "id" goes
// into Edit.ID.
func EditFromJSON(e *Entity, data []byte, env Env) (Edit, error) {
	ed := Edit{Noun: e.Noun, Set: map[string]any{}}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return ed, Errorf(Invalid, "this is not a JSON object: %s", notJSON(err))
	}
	for name, v := range raw {
		switch name {
		case "id":
			var s string
			if json.Unmarshal(v, &s) != nil {
				return ed, Errorf(Invalid, "id is not a text")
			}
			id, ok := ParseID(s)
			if !ok && s != "" {
				return ed, Errorf(Invalid, "%q is not an id", s)
			}
			ed.ID = id
			continue
		case ColumnCreatedAt, ColumnUpdatedAt, ColumnCreatedBy, ColumnUpdatedBy, ColumnDeletedAt, "sync", "noun", "schema":
			continue
		}
		f := e.Field(name)
		if f != nil && f.ReadOnly {
			continue
		}
		f, err := WritableField(e, name)
		if err != nil {
			return ed, err
		}
		val, err := fromJSON(f, v, env)
		if err != nil {
			return ed, err
		}
		ed.Set[f.Name] = val
	}
	return ed, nil
}

func fromJSON(f *Field, data []byte, env Env) (any, error) {
	data = bytes.TrimSpace(data)
	if bytes.Equal(data, []byte("null")) {
		if f.Type == List {
			return []*Record{}, nil
		}
		return nil, nil
	}
	if f.Type == List {
		return listFromJSON(f, data, env)
	}
	if data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		v, err := ParseValue(f, s, env)
		if err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		return v, nil
	}
	switch {
	case f.Type == MoneyType && data[0] == '{':
		var m struct{ Amount, Currency string }
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		cur := m.Currency
		if cur == "" {
			cur = env.Currency
		}
		v, err := ParseMoney(m.Amount, strings.ToUpper(cur))
		if err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		return v, nil
	case f.Type == Link && data[0] == '{':
		var m struct{ Noun, ID, Name string }
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		return refFromJSON(f, m.Noun, m.ID, m.Name), nil
	case data[0] == '{' || data[0] == '[':
		return nil, Errorf(Invalid, "%s: a plain value is needed", f.Label)
	}
	v, err := ParseValue(f, string(data), env)
	if err != nil {
		return nil, Errorf(Invalid, "%s: %v", f.Label, err)
	}
	return v, nil
}

func refFromJSON(f *Field, noun, id, name string) Ref {
	ref := Ref{Noun: f.To[0], Name: name}
	for _, n := range f.To {
		if string(n) == noun {
			ref.Noun = n
		}
	}
	if full, ok := ParseID(id); ok {
		ref.ID = full
	} else if id != "" && name == "" {
		ref.Name = id
	}
	return ref
}

// notJSON says what is wrong with a value without the words of the decoder's
// own types.
func notJSON(err error) string {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return "it is a " + wrong.Value
	}
	return err.Error()
}

func listFromJSON(f *Field, data []byte, env Env) ([]*Record, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, Errorf(Invalid, "%s: a list is needed", f.Label)
	}
	items := make([]*Record, 0, len(raw))
	for _, item := range raw {
		item = bytes.TrimSpace(item)
		var part *Record
		var err error
		if item[0] == '"' {
			var s string
			if err = json.Unmarshal(item, &s); err == nil {
				part, err = ParseItem(f, s, env)
			}
		} else {
			part, err = itemFromJSON(f, item, env)
		}
		if err != nil {
			return nil, Errorf(Invalid, "%s: %v", f.Label, err)
		}
		items = append(items, part)
	}
	return items, nil
}

func itemFromJSON(f *Field, data []byte, env Env) (*Record, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, Errorf(Invalid, "an item is a text or an object: %s", notJSON(err))
	}
	part := newPart(f)
	e := part.Entity()
	if f.Shape != Objects {
		var m struct{ Noun, ID, Name string }
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, Errorf(Invalid, "noun, id and name are texts: %s", notJSON(err))
		}
		part.Values[f.Target] = refFromJSON(e.Field(f.Target), m.Noun, m.ID, m.Name)
	}
	for name, v := range raw {
		if f.Shape != Objects && (name == "id" || name == "name" || name == "noun") || name == "e164" {
			continue
		}
		if name == "id" {
			var s string
			if json.Unmarshal(v, &s) == nil {
				part.ID, _ = ParseID(s)
			}
			continue
		}
		pf, err := WritableField(e, name)
		if err != nil {
			return nil, err
		}
		val, err := fromJSON(pf, v, env)
		if err != nil {
			return nil, err
		}
		if val != nil {
			part.Values[pf.Name] = val
		}
	}
	return part, nil
}
