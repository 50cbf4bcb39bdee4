package model

import (
	"slices"
	"strings"
)

// Noun names an entity. It is also the name of its table in both databases.
type Noun string

// Type is what a field holds.
type Type int

// The types of a field and the Go type of their values in a Record. A value
// that is absent is nil.
const (
	Text        Type = iota // string, one line
	LongText                // string, many lines
	Choice                  // string, one of Options
	Int                     // int64
	Bool                    // bool
	Decimal                 // string in canonical form, at most 4 decimals
	Date                    // string, YYYY-MM-DD
	PartialDate             // string, YYYY-MM-DD or --MM-DD when the year is unknown
	Time                    // time.Time, UTC, milliseconds
	MoneyType               // Money
	Link                    // Ref
	List                    // []*Record, the parts of the record
)

// Policy says what happens when two people changed the same field.
type Policy int

const (
	// LastWrite lets the change win that reaches the server later. The
	// other value stands in the history.
	LastWrite Policy = iota
	// Ask keeps both values until a person chooses.
	Ask
	// JoinLines joins two texts line by line; where both changed the same
	// lines both stay.
	JoinLines
)

// Search says in which search key a field's words are found.
type Search int

// The search keys, in the order in which hits are ranked.
const (
	NoSearch Search = iota
	SearchName
	SearchMail
	SearchPhone
	SearchNote
)

// Shape is how the items of a List are written in JSON.
type Shape int

const (
	// Objects writes each part as an object of its fields.
	Objects Shape = iota
	// Linked writes each part as {id, name, …}: the record it links to with
	// the part's other fields.
	Linked
	// Names writes each part as the bare name of the record it links to.
	Names
)

// Field is one declared field of an entity.
type Field struct {
	Name    string // snake_case; the same in Go, SQL, JSON and flags
	Label   string // what a person reads
	Comment string // the column's comment on the central, after the label
	Type    Type
	Column  string // SQL name where it differs from Name
	Max     int    // longest text, in characters; 0 means the type's default

	Required bool
	ReadOnly bool     // set by the program, shown but not typed
	Options  []string // choices, or mere suggestions if Open
	Open     bool     // other values than Options are allowed
	Default  any

	To []Noun // what a Link may point to; one column each

	Part   Noun   // the entity of a List's items
	Where  string // the part's discriminating value, as "kind=phone"
	Shape  Shape
	Target string // the part's Link that Linked and Names write out

	Search    Search
	Policy    Policy
	AskWhere  string // Policy is Ask only for rows where this holds, as "kind=email"
	Follows   string // the field that decides it: while that one waits for a person, so does this
	Sorted    bool   // lists can be sorted by it quickly: it has an index
	Narrow    bool   // a short value: forms may set two side by side
	Essential bool   // shown in the short form and in the list by default
}

// Entity declares one kind of record, or one kind of part that belongs to a
// record (a phone, a deal line).
type Entity struct {
	Noun    Noun
	Alias   []Noun
	Plural  string // "contacts"
	Title   string // "Contact"
	Titles  string // "Contacts"
	Comment string // what a row is: the table's comment
	Fields  []Field

	Owner   []Noun   // for a part: what it may belong to; one column each
	PartKey []string // for a part: the fields that tell it from its siblings
	Derived bool     // ids derive from owner and PartKey (or from PartKey alone), so twins meet
	Shared  bool     // everybody sees its rows, whoever may change them: what records refer to
	Inner   bool     // the program keeps its rows: no screen, command or search shows them

	Name func(*Record) string // the title of a record, "" if it has none
	// RowName is how a row by itself tells the title, for a database: the
	// texts of the first line that holds any, joined. A record may have a
	// title where its row tells none, by its parts.
	RowName [][]string
	Sort    func(*Record) string // what lists are ordered by; nil means Name
	rule    func(*Record) []Problem
}

// IsPart tells whether the entity's rows belong to a record of another entity.
func (e *Entity) IsPart() bool { return len(e.Owner) > 0 }

// Field returns the declared field of that name, nil if there is none.
func (e *Entity) Field(name string) *Field {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return &e.Fields[i]
		}
	}
	return nil
}

// NameField returns the field that a record gets of which only a name is
// known: the first text that it needs. nil if it needs none.
func (e *Entity) NameField() *Field {
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Type == Text && f.Required {
			return f
		}
	}
	return nil
}

// Alternates returns the fields by which a record is named where its title is
// not: a user's login or e-mail, a product's code, an organization's domain.
func (e *Entity) Alternates() []*Field {
	var out []*Field
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type == Text && (f.Search == SearchMail || f.Search != NoSearch && f.Sorted) {
			out = append(out, f)
		}
	}
	return out
}

// Lists returns the fields that hold parts.
func (e *Entity) Lists() []*Field {
	var out []*Field
	for i := range e.Fields {
		if e.Fields[i].Type == List {
			out = append(out, &e.Fields[i])
		}
	}
	return out
}

// Records returns the entities a person works with, in the order of menus.
func Records() []*Entity {
	var out []*Entity
	for _, e := range entities {
		if !e.IsPart() && !e.Inner {
			out = append(out, e)
		}
	}
	return out
}

// Entities returns every declared entity, each after those it links to, so
// that rows can be written in this order under foreign keys.
func Entities() []*Entity { return slices.Clone(entities) }

// One names one of its records: "a contact", "an organization".
func (e *Entity) One() string {
	word := strings.ToLower(e.Title)
	if word != "" && strings.IndexByte("aeio", word[0]) >= 0 {
		return "an " + word
	}
	return "a " + word
}

// EntityOf returns the entity of a noun or one of its aliases or its plural,
// nil if there is none.
func EntityOf(n Noun) *Entity {
	if e := byNoun[n]; e != nil {
		return e
	}
	for _, e := range entities {
		if slices.Contains(e.Alias, n) || Noun(e.Plural) == n {
			return e
		}
	}
	return nil
}

// entities is the declaration of the whole CRM. A new entity is one line here
// and one file with its fields.
var entities = []*Entity{
	user, tag, product, pipeline, stage,
	organization, contact, deal, activity,
	contactMethod, address, contactOrganization, tagging,
	dealContact, dealLine, stageHistory, activityLink,
	erasure,
}

var byNoun = func() map[Noun]*Entity {
	m := make(map[Noun]*Entity, len(entities))
	for _, e := range entities {
		m[e.Noun] = e
	}
	return m
}()
