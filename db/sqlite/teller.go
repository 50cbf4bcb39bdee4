package sqlite

import "rapport/model"

// teller tells the titles of many rows of one entity, as rowTitle does for one.
// It fills the same two records again and again, because a first load asks
// about millions of rows. It is not for concurrent use.
type teller struct {
	entity  *model.Entity
	record  *model.Record
	strange *model.Record // the same with strange lists and links; nil where they do not matter
	fields  []toldField
}

// toldField is a field that a row gives.
type toldField struct {
	*model.Field
	column int          // of its value as it is in the row, -1 where that is another
	links  []toldColumn // of a link
}

// toldColumn is a column of a link, and what it leads to.
type toldColumn struct {
	at   int
	noun model.Noun
}

func newTeller(e *model.Entity) *teller {
	t := &teller{entity: e, record: &model.Record{Noun: e.Noun, Values: map[string]any{}}}
	if planOf(e).listed {
		t.strange = probe(t.record)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type == model.List {
			continue
		}
		told := toldField{Field: f, column: -1}
		switch f.Type {
		case model.Link:
			for _, c := range f.Columns() {
				at, _ := e.Column(c.Name)
				told.links = append(told.links, toldColumn{at, c.Ref})
			}
		case model.MoneyType, model.Bool, model.Time:
		default:
			if cols := f.Columns(); len(cols) == 1 {
				told.column, _ = e.Column(cols[0].Name)
			}
		}
		t.fields = append(t.fields, told)
	}
	return t
}

// tell is rowTitle, with the title folded.
func (t *teller) tell(row model.Row) (title, titleKey, sortKey string, sure bool) {
	t.record.ID = row.ID()
	for _, f := range t.fields {
		v := f.value(t.entity, row)
		f.set(t.record, v)
		if t.strange != nil && f.Type != model.Link {
			f.set(t.strange, v)
		}
	}
	sure = true
	if t.strange != nil {
		t.strange.ID = t.record.ID
		sure = t.entity.Name(t.record) == t.entity.Name(t.strange)
	}
	title = t.record.Title()
	titleKey = model.Fold(title)
	if t.entity.Sort == nil && title == t.entity.Name(t.record) {
		sortKey = titleKey
	} else {
		sortKey = t.record.SortKey()
	}
	return title, titleKey, sortKey, sure
}

// value is FieldValue.
func (f *toldField) value(e *model.Entity, row model.Row) any {
	switch {
	case f.column >= 0:
		return row[f.column]
	case f.links == nil:
		return model.FieldValue(e, f.Field, row)
	}
	for _, c := range f.links {
		if id, ok := row[c.at].(model.ID); ok && id != "" {
			return model.Ref{Noun: c.noun, ID: id}
		}
	}
	return nil
}

// set gives a record a value, or takes the one of the row before away.
func (f toldField) set(r *model.Record, v any) {
	if v == nil {
		delete(r.Values, f.Name)
	} else {
		r.Values[f.Name] = v
	}
}
