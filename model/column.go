package model

import "strings"

// ColumnType is how a column is stored: as text, as a whole number, or as the
// 16 bytes of an id. Both databases keep the same value in their own form.
type ColumnType int

// The column types, with the Go type of their values in a Row. NULL is nil.
const (
	ColText    ColumnType = iota // string
	ColLong                      // string of any length
	ColDate                      // string, YYYY-MM-DD
	ColDecimal                   // string, canonical, at most 4 decimals
	ColInt                       // int64
	ColBool                      // int64, 0 or 1
	ColTime                      // int64, milliseconds since 1970 UTC
	ColID                        // ID
)

// Column is one column of a synced table.
type Column struct {
	Name     string
	Type     ColumnType
	Max      int    // code points, for ColText
	Ref      Noun   // the table a ColID points to, "" if none
	Field    *Field // the field it stores; nil for id, owner and service columns
	Owner    bool   // the column points from a part to its owner
	Service  bool   // one of the columns that every synced table carries
	NotNull  bool
	Comment  string
	Fallback any // what a row gets that is inserted without it
}

// Names of the columns that every synced table carries.
const (
	ColumnID         = "id"
	ColumnScope      = "scope_id"
	ColumnVersion    = "row_version"
	ColumnCreatedAt  = "created_at"
	ColumnUpdatedAt  = "updated_at"
	ColumnCreatedBy  = "created_by"
	ColumnUpdatedBy  = "updated_by"
	ColumnDeletedAt  = "deleted_at"
	defaultTextWidth = 255
)

var serviceColumns = []Column{
	{Name: ColumnScope, Type: ColID, Service: true, NotNull: true, Fallback: CompanyScope, Comment: "who may see the row: the id of the user who owns it; all zeros means the company scope, which belongs to nobody"},
	{Name: ColumnVersion, Type: ColInt, Service: true, NotNull: true, Fallback: int64(1), Comment: "counts the changes of this row; kept by a trigger"},
	{Name: ColumnCreatedAt, Type: ColTime, Service: true, Comment: "when the row was made, UTC"},
	{Name: ColumnUpdatedAt, Type: ColTime, Service: true, Comment: "when the row was last changed, UTC; kept by a trigger"},
	{Name: ColumnCreatedBy, Type: ColText, Max: 80, Service: true, Comment: "login of who made the row"},
	{Name: ColumnUpdatedBy, Type: ColText, Max: 80, Service: true, Comment: "login of who changed the row last; kept by a trigger"},
	{Name: ColumnDeletedAt, Type: ColTime, Service: true, Comment: "when the row was deleted, UTC; NULL while it lives"},
}

// Columns returns the columns of a synced table: the id, the owners of a part,
// the fields, and the service columns. The order is fixed: it is the order of a
// Row.
func (e *Entity) Columns() []Column { return columnsOf[e.Noun] }

// Column returns the position of a column and the column itself; position -1
// if there is none of that name.
func (e *Entity) Column(name string) (int, Column) {
	if i, ok := columnIndex[e.Noun][name]; ok {
		return i, columnsOf[e.Noun][i]
	}
	return -1, Column{}
}

var columnsOf = func() map[Noun][]Column {
	m := make(map[Noun][]Column, len(entities))
	for _, e := range entities {
		m[e.Noun] = e.makeColumns()
	}
	return m
}()

var columnIndex = func() map[Noun]map[string]int {
	m := make(map[Noun]map[string]int, len(entities))
	for n, cols := range columnsOf {
		m[n] = make(map[string]int, len(cols))
		for i, c := range cols {
			m[n][c.Name] = i
		}
	}
	return m
}()

func (e *Entity) makeColumns() []Column {
	cols := []Column{{Name: ColumnID, Type: ColID, NotNull: true, Comment: "the row's UUID"}}
	for _, n := range e.Owner {
		cols = append(cols, Column{Name: string(n) + "_id", Type: ColID, Ref: n, Owner: true, Comment: "the " + string(n) + " it belongs to"})
	}
	for i := range e.Fields {
		cols = append(cols, e.Fields[i].Columns()...)
	}
	for _, c := range serviceColumns {
		if c.Name == ColumnScope && e.Shared {
			c.Fallback, c.Comment = SharedScope, "who may see the row: everybody"
		}
		cols = append(cols, c)
	}
	return cols
}

// Columns returns the columns that store the field: none for a List, two for
// money, one for each noun a Link may point to, else one.
func (f *Field) Columns() []Column {
	name := f.Column
	if name == "" {
		name = f.Name
	}
	comment := f.Label
	if f.Comment != "" {
		comment += ": " + f.Comment
	}
	if len(f.Options) > 0 && !f.Open {
		comment += ": " + strings.Join(f.Options, ", ")
	}
	c := Column{Name: name, Field: f, Comment: comment, Fallback: f.Default}
	switch f.Type {
	case List:
		return nil
	case Link:
		var cols []Column
		for _, n := range f.To {
			cc := c
			cc.Type, cc.Ref, cc.Name = ColID, n, name+"_id"
			if len(f.To) > 1 {
				cc.Name = string(n) + "_id"
			}
			cols = append(cols, cc)
		}
		return cols
	case MoneyType:
		minor, currency := c, c
		minor.Name, minor.Type, minor.Comment = name+"_minor", ColInt, comment+", in the smallest unit of its currency (cents)"
		currency.Name, currency.Type, currency.Max, currency.Comment = name+"_currency", ColText, 3, comment+", ISO 4217 code of its currency"
		return []Column{minor, currency}
	case LongText:
		c.Type = ColLong
	case Int:
		c.Type = ColInt
	case Bool:
		c.Type, c.NotNull = ColBool, true
		if c.Fallback == nil {
			c.Fallback = int64(0)
		} else if c.Fallback == true {
			c.Fallback = int64(1)
		}
	case Decimal:
		c.Type = ColDecimal
	case Date:
		c.Type = ColDate
	case PartialDate:
		c.Type, c.Max = ColText, 10
	case Time:
		c.Type = ColTime
	default:
		c.Type, c.Max = ColText, f.Max
		if c.Max == 0 {
			c.Max = defaultTextWidth
		}
		if f.Type == Text {
			c.Max *= storedWidth
		}
	}
	return []Column{c}
}
