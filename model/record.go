package model

import (
	"slices"
	"strings"
	"time"
)

// Ref points to another record. Name is filled when a record is read; when a
// record is written a Ref without an ID is looked up by its Name.
type Ref struct {
	Noun Noun
	ID   ID
	Name string
}

// IsZero tells whether the Ref points nowhere.
func (r Ref) IsZero() bool { return r.ID == "" && r.Name == "" }

// SyncState says where a record stands towards the central.
type SyncState int

// The states, worst last.
const (
	Clean SyncState = iota
	Pending
	Conflicted
	Rejected
)

// String returns the word that commands print.
func (s SyncState) String() string {
	return [...]string{"clean", "pending", "conflict", "refused"}[s]
}

// Record is one record, or one part of a record, with its values by field
// name. An absent value is missing from Values or nil there.
type Record struct {
	Noun   Noun
	ID     ID
	Values map[string]any

	Scope                           ID
	RowVersion                      int64
	CreatedAt, UpdatedAt, DeletedAt time.Time
	CreatedBy, UpdatedBy            string
	Sync                            SyncState
}

// NewRecord returns an empty record of a noun.
func NewRecord(n Noun) *Record { return &Record{Noun: n, Values: map[string]any{}} }

// Entity returns the record's declaration.
func (r *Record) Entity() *Entity { return EntityOf(r.Noun) }

// Title is the name under which the record is shown, never empty for a saved
// record.
func (r *Record) Title() string {
	e := r.Entity()
	if e != nil && e.Name != nil {
		if s := strings.TrimSpace(e.Name(r)); s != "" {
			return s
		}
	}
	return "(" + r.ID.Short() + ")"
}

// SortKey is what lists are ordered by: folded, so that case and accents do
// not matter.
func (r *Record) SortKey() string {
	e := r.Entity()
	if e.Sort != nil {
		return Fold(e.Sort(r))
	}
	if e.Name != nil {
		return Fold(e.Name(r))
	}
	return ""
}

// Text returns a textual value, "" if absent.
func (r *Record) Text(field string) string { s, _ := r.Values[field].(string); return s }

// Int returns a whole number, 0 if absent.
func (r *Record) Int(field string) int64 { n, _ := r.Values[field].(int64); return n }

// Bool returns a yes or no, false if absent.
func (r *Record) Bool(field string) bool { b, _ := r.Values[field].(bool); return b }

// Time returns a moment, the zero time if absent.
func (r *Record) Time(field string) time.Time { t, _ := r.Values[field].(time.Time); return t }

// Money returns an amount; ok is false if absent.
func (r *Record) Money(field string) (m Money, ok bool) {
	m, ok = r.Values[field].(Money)
	return m, ok
}

// Ref returns a link, the zero Ref if absent.
func (r *Record) Ref(field string) Ref { ref, _ := r.Values[field].(Ref); return ref }

// List returns the parts in a list, the primary one first.
func (r *Record) List(field string) []*Record { l, _ := r.Values[field].([]*Record); return l }

// Row is one row of a synced table: the values of Entity.Columns in their
// order. It is what the stores and the sync move about.
type Row []any

// ID returns the row's id, which is its first column.
func (row Row) ID() ID { id, _ := row[0].(ID); return id }

// Get returns the value of a column, nil if the entity has none of that name.
func (row Row) Get(e *Entity, column string) any {
	if i, _ := e.Column(column); i >= 0 && i < len(row) {
		return row[i]
	}
	return nil
}

// Set changes the value of a column that the entity has.
func (row Row) Set(e *Entity, column string, v any) {
	if i, _ := e.Column(column); i >= 0 {
		row[i] = v
	}
}

// OwnerOf returns the record that a part belongs to; ok is false for a row of
// a record and for a part without an owner.
func (row Row) OwnerOf(e *Entity) (n Noun, id ID, ok bool) {
	for i, c := range e.Columns() {
		if c.Owner {
			if id, ok := row[i].(ID); ok && id != "" {
				return c.Ref, id, true
			}
		}
	}
	return "", "", false
}

// NewRow returns a row of the entity in which every column has its fallback.
func NewRow(e *Entity) Row {
	cols := e.Columns()
	row := make(Row, len(cols))
	for i, c := range cols {
		row[i] = c.Fallback
	}
	return row
}

// Absent stands in a row that comes from the central for a column that its
// table does not have: the central is older than this program, or an
// administrator took the column away.
var Absent any = absent{}

type absent struct{}

// Complete returns the row with the values of another in the place of those
// that are absent, or with their fallbacks where the other is nil.
func (r Row) Complete(e *Entity, from Row) Row {
	if !slices.Contains(r, Absent) {
		return r
	}
	if from == nil {
		from = NewRow(e)
	}
	out := slices.Clone(r)
	for i, v := range out {
		if v == Absent {
			out[i] = from[i]
		}
	}
	return out
}

// FieldValue reads a field's value out of a row. It returns nil for a List and
// for a value that is NULL. A Link has no Name yet.
func FieldValue(e *Entity, f *Field, row Row) any {
	cols := f.Columns()
	if len(cols) == 0 {
		return nil
	}
	switch f.Type {
	case Link:
		for _, c := range cols {
			if id, ok := row.Get(e, c.Name).(ID); ok && id != "" {
				return Ref{Noun: c.Ref, ID: id}
			}
		}
		return nil
	case MoneyType:
		minor, ok := row.Get(e, cols[0].Name).(int64)
		if !ok {
			return nil
		}
		cur, _ := row.Get(e, cols[1].Name).(string)
		return Money{Minor: minor, Currency: cur}
	}
	v := row.Get(e, cols[0].Name)
	switch x := v.(type) {
	case int64:
		switch f.Type {
		case Bool:
			return x != 0
		case Time:
			return time.UnixMilli(x).UTC()
		}
	}
	return v
}

// SetFieldValue writes a field's value into a row: the opposite of FieldValue.
// A List is ignored. A row that holds the value already stays as it is, since
// another program may have written it in a form of its own: an empty text, a
// truth that is 2, an amount without a currency.
func SetFieldValue(e *Entity, f *Field, row Row, v any) {
	if sameValue(FieldValue(e, f, row), v) {
		return
	}
	cols := f.Columns()
	switch f.Type {
	case List:
	case Link:
		ref, _ := v.(Ref)
		for _, c := range cols {
			if ref.ID != "" && (ref.Noun == c.Ref || len(cols) == 1) {
				row.Set(e, c.Name, ref.ID)
			} else {
				row.Set(e, c.Name, nil)
			}
		}
	case MoneyType:
		if m, ok := v.(Money); ok {
			row.Set(e, cols[0].Name, m.Minor)
			row.Set(e, cols[1].Name, m.Currency)
		} else {
			row.Set(e, cols[0].Name, nil)
			row.Set(e, cols[1].Name, nil)
		}
	case Bool:
		b, _ := v.(bool)
		n := int64(0)
		if b {
			n = 1
		}
		row.Set(e, cols[0].Name, n)
	case Time:
		if t, ok := v.(time.Time); ok && !t.IsZero() {
			row.Set(e, cols[0].Name, t.UnixMilli())
		} else {
			row.Set(e, cols[0].Name, nil)
		}
	default:
		if v == "" {
			v = nil
		}
		row.Set(e, cols[0].Name, v)
	}
}

// sameValue tells whether two values of a field are one.
func sameValue(a, b any) bool {
	switch x := a.(type) {
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	case Ref:
		y, ok := b.(Ref)
		return ok && x.Noun == y.Noun && x.ID == y.ID
	case nil, string, int64, bool, Money:
		return a == b
	}
	return false
}

// ChangedFields names the fields in which two states of a record differ. A
// list differs where an item came, went or changed.
func ChangedFields(a, b *Record) []string {
	var out []string
	e := a.Entity()
	for i := range e.Fields {
		name := e.Fields[i].Name
		if e.Fields[i].Type != List {
			if !sameValue(a.Values[name], b.Values[name]) {
				out = append(out, name)
			}
			continue
		}
		same := func(x, y *Record) bool { return x.ID == y.ID && len(ChangedFields(x, y)) == 0 }
		if !slices.EqualFunc(a.List(name), b.List(name), same) {
			out = append(out, name)
		}
	}
	return out
}

// RecordOf turns a row into a record without its lists and the names of its
// links.
func RecordOf(e *Entity, row Row) *Record {
	r := &Record{Noun: e.Noun, ID: row.ID(), Values: make(map[string]any, len(e.Fields))}
	for i := range e.Fields {
		f := &e.Fields[i]
		if v := FieldValue(e, f, row); v != nil {
			r.Values[f.Name] = v
		}
	}
	r.Scope, _ = row.Get(e, ColumnScope).(ID)
	r.RowVersion, _ = row.Get(e, ColumnVersion).(int64)
	r.CreatedAt = timeOf(row.Get(e, ColumnCreatedAt))
	r.UpdatedAt = timeOf(row.Get(e, ColumnUpdatedAt))
	r.DeletedAt = timeOf(row.Get(e, ColumnDeletedAt))
	r.CreatedBy, _ = row.Get(e, ColumnCreatedBy).(string)
	r.UpdatedBy, _ = row.Get(e, ColumnUpdatedBy).(string)
	return r
}

func timeOf(v any) time.Time {
	if ms, ok := v.(int64); ok {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}
