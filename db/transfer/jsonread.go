package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"rapport/model"
)

// jsonObject is one record of a JSON file as read.
type jsonObject struct {
	line    int
	data    json.RawMessage
	problem string
}

// readJSON reads an array, an object with "items", one object, or objects one
// after the other. schema is what the envelope says.
func readJSON(data []byte) (schema string, objects iter.Seq[jsonObject], err error) {
	data = bytes.TrimSpace(decodeWide(data))
	if len(data) == 0 {
		return "", func(func(jsonObject) bool) {}, nil
	}
	whole := json.Valid(data)
	if whole && data[0] == '{' {
		var env struct {
			Schema string            `json:"schema"`
			Items  []json.RawMessage `json:"items"`
		}
		if json.Unmarshal(data, &env) == nil && env.Items != nil {
			return env.Schema, listed(data, env.Items), nil
		}
	}
	if whole && data[0] == '[' {
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return "", nil, err
		}
		return "", listed(data, items), nil
	}
	if whole {
		return schemaOf(data), listed(data, []json.RawMessage{data}), nil
	}
	if first, _, _ := bytes.Cut(data, []byte("\n")); !json.Valid(first) {
		var v any
		return "", nil, json.Unmarshal(data, &v)
	}
	return schemaOf(data), func(yield func(jsonObject) bool) {
		for i, l := range bytes.Split(data, []byte("\n")) {
			if l = bytes.TrimSpace(l); len(l) == 0 {
				continue
			}
			o := jsonObject{line: i + 1, data: l}
			if !json.Valid(l) {
				o.problem = "this line is not JSON"
			}
			if !yield(o) {
				return
			}
		}
	}, nil
}

func schemaOf(data []byte) string {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	var env struct {
		Schema string `json:"schema"`
	}
	if json.Unmarshal(first, &env) != nil {
		_ = json.Unmarshal(data, &env)
	}
	return env.Schema
}

// listed numbers objects by the line on which they begin.
func listed(data []byte, items []json.RawMessage) iter.Seq[jsonObject] {
	return func(yield func(jsonObject) bool) {
		line, at := 1, 0
		for _, it := range items {
			if i := bytes.Index(data[at:], it); i >= 0 {
				line += bytes.Count(data[at:at+i], []byte("\n"))
				if !yield(jsonObject{line: line, data: it}) {
					return
				}
				line += bytes.Count(it, []byte("\n"))
				at += i + len(it)
				continue
			}
			if !yield(jsonObject{line: line, data: it}) {
				return
			}
		}
	}
}

// readObject turns a JSON object into an item. Keys are field names as our
// exports have them, or headers as in a table.
func (t *table) readObject(file string, o jsonObject, env model.Env, req model.ImportRequest, notes *notes) item {
	it := item{file: file, line: o.line, source: []string{string(o.data)}, header: []string{"object"}}
	if o.problem != "" {
		it.err = model.Errorf(model.Invalid, "%s", o.problem)
		return it
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(o.data, &raw); err != nil {
		it.err = model.Errorf(model.Invalid, "this is not a JSON object")
		return it
	}
	e := model.EntityOf(t.noun)
	fields := map[string]json.RawMessage{}
	var foreign string
	for key, v := range raw {
		v = bytes.TrimSpace(v)
		if key == model.ColumnID {
			var s string
			if json.Unmarshal(v, &s) != nil {
				s = string(v)
			}
			if _, ok := model.ParseID(s); ok {
				fields[key], it.own = v, true
			} else {
				foreign = s
			}
			continue
		}
		c, ok, err := mappedColumn(e, key, req.Map)
		if err != nil {
			it.err = err
			return it
		}
		if !ok {
			c, ok = knownColumn(e, key)
		}
		switch {
		case key == "sync" || key == "noun" || key == "schema" || key == model.ColumnDeletedAt || ok && c.role == ignored:
		case !ok || c.field == nil || c.role != whole:
			if len(v) > 0 && string(v) != "null" && string(v) != `""` {
				notes.add(notKept, fmt.Sprintf("key %q", key))
			}
		default:
			if c.field.Type == model.List && v[0] != '[' && string(v) != "null" {
				v = append(append([]byte("["), v...), ']')
			}
			fields[c.field.Name] = v
		}
	}
	data, err := json.Marshal(fields)
	if err == nil {
		it.edit, err = model.EditFromJSON(e, data, env)
	}
	if err != nil {
		it.err = model.Errorf(model.Invalid, "%s", sentence(err))
		return it
	}
	if !it.own {
		for name, v := range it.edit.Set {
			if list, ok := v.([]*model.Record); v == nil || ok && len(list) == 0 {
				delete(it.edit.Set, name)
			}
		}
	}
	if f := e.Field("external_id"); foreign != "" && f != nil && it.edit.Set[f.Name] == nil {
		it.edit.Set[f.Name] = foreign
	}
	it.edit.MakeLinks = true
	return it
}

// schemaNoun returns the noun of a schema such as rapport.contact/1.
func schemaNoun(schema string) model.Noun {
	s, ok := strings.CutPrefix(schema, "rapport.")
	if !ok {
		return ""
	}
	s, _, _ = strings.Cut(s, "/")
	if e := model.EntityOf(model.Noun(s)); e != nil {
		return e.Noun
	}
	return ""
}
