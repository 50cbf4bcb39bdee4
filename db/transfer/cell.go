package transfer

import (
	"encoding/json"
	"reflect"
	"strings"

	"rapport/model"
)

// role says which side of a field a column holds.
type role int

const (
	whole    role = iota // the value, or a list's items
	currency             // of a money field
	linkID               // of a link
	partText             // a field of one item of a list
	partKind             // the label of one item of a list
	nameBit              // a piece of a name that is put together from several columns
	ignored              // known and left out
)

// column is what one column of a table means.
type column struct {
	role   role
	field  *model.Field
	label  string // of the list items that the column holds
	group  string // columns of one list item share it
	part   string // the item's field
	clears bool   // a blank cell clears the field
	web    bool   // a web address of which the host is kept
	split  string // what separates several values in a cell; "" for the rule of the field
}

// tableColumns returns the columns of an export of an entity with their
// headers: the id, each field, and the service columns.
func tableColumns(e *model.Entity, only []string) (names []string) {
	wanted := func(n string) bool {
		for _, o := range only {
			if o == n {
				return true
			}
		}
		return only == nil
	}
	names = append(names, model.ColumnID)
	for i := range e.Fields {
		f := &e.Fields[i]
		if !wanted(f.Name) {
			continue
		}
		names = append(names, f.Name)
		switch f.Type {
		case model.MoneyType:
			names = append(names, f.Name+"_currency")
		case model.Link:
			names = append(names, f.Name+"_id")
		}
	}
	for _, n := range serviceColumns {
		if wanted(n) {
			names = append(names, n)
		}
	}
	return names
}

// serviceColumns stand at the end of an export and are not read back.
var serviceColumns = []string{model.ColumnCreatedAt, model.ColumnUpdatedAt, model.ColumnCreatedBy, model.ColumnUpdatedBy}

// cellOf returns a record's cell under one of the headers of tableColumns.
func cellOf(r *model.Record, name string) string {
	switch name {
	case model.ColumnID:
		return string(r.ID)
	case model.ColumnCreatedAt:
		return model.FormatValue(r.CreatedAt)
	case model.ColumnUpdatedAt:
		return model.FormatValue(r.UpdatedAt)
	case model.ColumnCreatedBy:
		return r.CreatedBy
	case model.ColumnUpdatedBy:
		return r.UpdatedBy
	}
	e := r.Entity()
	f := e.Field(name)
	if f == nil {
		base, suffix := name[:strings.LastIndexByte(name, '_')], name[strings.LastIndexByte(name, '_'):]
		switch v := r.Values[base].(type) {
		case model.Money:
			if suffix == "_currency" {
				return v.Currency
			}
		case model.Ref:
			return string(v.ID)
		}
		return ""
	}
	switch v := r.Values[name].(type) {
	case model.Money:
		return v.Amount()
	case []*model.Record:
		return listCell(f, v)
	case nil:
		if f.Type == model.Bool {
			return "false"
		}
		return ""
	default:
		return model.FormatValue(v)
	}
}

// listCell writes a list into one cell: an item on each line as a person types
// it, the primary one first, where that says everything, and else as JSON. An
// empty list is an empty cell.
func listCell(f *model.Field, items []*model.Record) string {
	if len(items) == 0 {
		return ""
	}
	var lines []string
	for _, it := range items {
		s, ok := plainItem(f, it)
		if !ok {
			return string(model.JSONValue(f, items))
		}
		lines = append(lines, s)
	}
	text := strings.Join(lines, "\n")
	back, err := parseListCell(f, text, column{field: f}, model.Env{})
	if err != nil || !sameItems(f, items, back) {
		return string(model.JSONValue(f, items))
	}
	return text
}

// plainItem writes an item as text if it consists of a value and a label, or
// of a name.
func plainItem(f *model.Field, it *model.Record) (string, bool) {
	if f.Shape == model.Names {
		return it.Ref(f.Target).Name, true
	}
	if it.Entity().Field("value") == nil {
		return "", false
	}
	s := it.Text("value")
	if label := it.Text("label"); label != "" {
		s += "::" + label
	}
	return s, true
}

// sameItems tells whether two lists say the same, ids of rows aside.
func sameItems(f *model.Field, a, b []*model.Record) bool {
	return reflect.DeepEqual(itemValues(f, a), itemValues(f, b))
}

func itemValues(f *model.Field, items []*model.Record) []json.RawMessage {
	var out []json.RawMessage
	for _, it := range items {
		c := model.NewRecord(it.Noun)
		for k, v := range it.Values {
			if v != nil && v != "" {
				c.Values[k] = v
			}
		}
		out = append(out, model.JSONValue(f, []*model.Record{c}))
	}
	return out
}

// parseListCell reads a cell of a list column: JSON where it begins with a
// bracket, else an item on each line. Tags may also be separated by commas or
// semicolons. The first item is the primary one unless the column has a label.
func parseListCell(f *model.Field, cell string, c column, env model.Env) ([]*model.Record, error) {
	if t := strings.TrimSpace(cell); strings.HasPrefix(t, "[") {
		if ed, err := model.EditFromJSON(ownerOf(f), []byte(`{"`+f.Name+`":`+t+`}`), env); err == nil {
			items, _ := ed.Set[f.Name].([]*model.Record)
			return items, nil
		}
	}
	seps := "\n"
	if f.Shape == model.Names {
		seps = "\n,;"
	}
	var parts []string
	if c.split != "" {
		parts = strings.Split(cell, c.split)
	} else {
		parts = strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(seps, r) })
	}
	var items []*model.Record
	for _, p := range parts {
		if f.Shape == model.Names || c.split != "" || c.label != "" {
			p = strings.TrimSpace(p)
		}
		if strings.TrimSpace(p) == "" {
			continue
		}
		it, err := parseListItem(f, p, c, env)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	if len(items) > 0 && c.label == "" && c.split == "" && items[0].Entity().Field("primary") != nil {
		items[0].Values["primary"] = true
	}
	return items, nil
}

func parseListItem(f *model.Field, s string, c column, env model.Env) (*model.Record, error) {
	if c.label == "" && c.split == "" {
		if f.Shape == model.Names {
			it := model.NewPart(f)
			it.Values[f.Target] = model.Ref{Noun: it.Entity().Field(f.Target).To[0], Name: s}
			return it, nil
		}
		return model.ParseItem(f, s, env)
	}
	it := model.NewPart(f)
	if f.Target != "" {
		it.Values[f.Target] = model.Ref{Noun: it.Entity().Field(f.Target).To[0], Name: s}
		return it, nil
	}
	if it.Entity().Field("value") == nil {
		return nil, model.Errorf(model.Invalid, "%s needs a column for each of its parts", f.Label)
	}
	it.Values["value"] = s
	if c.label != "" {
		it.Values["label"] = c.label
	}
	return it, nil
}

// ownerOf returns an entity that has the list field: its declaration is all
// that reading the JSON of the list needs.
func ownerOf(f *model.Field) *model.Entity {
	for _, e := range model.Entities() {
		if g := e.Field(f.Name); g != nil && g.Part == f.Part && g.Type == model.List {
			return e
		}
	}
	return nil
}
