package model

import (
	"context"
	"time"
)

// erasure is the ledger of what was erased because a person asked for it. It
// holds ids only and reaches every cache, which then forgets the record, and
// every backup, which then gives it back to nobody.
var erasure = &Entity{
	Noun: "erasure", Plural: "erasures", Title: "Erasure", Titles: "Erasures", Shared: true, Inner: true, Derived: true, PartKey: []string{"noun", "target"},
	Comment: "A record that was erased for good, because the person in it asked for it. It must never come back.",
	Fields: []Field{
		{Name: "noun", Label: "Noun", Type: Text, Max: 64, Required: true, Comment: "the table of the record"},
		{Name: "target", Label: "Record", Type: Text, Max: 36, Required: true, Sorted: true, Comment: "its id"},
	},
}

// Erasable are the nouns whose records can be erased: a person, and what was
// noted about that person alone.
var Erasable = []Noun{"contact", "activity"}

// Erased names a record that was erased.
type Erased struct {
	Noun Noun      `json:"noun"`
	ID   ID        `json:"id"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
}

// ErasureRow returns the row of the ledger for a record. Its id derives from
// the record, so that two ledgers agree.
func ErasureRow(noun Noun, id ID) Row {
	row := NewRow(erasure)
	row[0] = DerivedID(string(erasure.Noun), string(noun), string(id))
	row.Set(erasure, "noun", string(noun))
	row.Set(erasure, "target", string(id))
	return row
}

// ErasedBy reads a row of the ledger; ok is false if it names no record.
func ErasedBy(row Row) (e Erased, ok bool) {
	noun, _ := row.Get(erasure, "noun").(string)
	record, _ := row.Get(erasure, "target").(string)
	e = Erased{Noun: Noun(noun)}
	e.ID, ok = ParseID(record)
	e.By, _ = row.Get(erasure, ColumnCreatedBy).(string)
	if ms, isTime := row.Get(erasure, ColumnCreatedAt).(int64); isTime {
		e.At = time.UnixMilli(ms).UTC()
	}
	return e, ok && EntityOf(e.Noun) != nil && !EntityOf(e.Noun).IsPart()
}

// ErasurePlan tells what an erasure removes and what it leaves.
type ErasurePlan struct {
	Record Ref `json:"-"`
	// Erased counts what goes for good, by noun: the record, its parts, the
	// activities that were about it alone.
	Erased map[Noun]int64 `json:"erased"`
	// Unlinked counts what stays and no longer points to the record.
	Unlinked map[Noun]int64 `json:"unlinked"`
	// Look names what stays and may tell of the person in its words: deals and
	// activities that are about others too.
	Look []Ref `json:"-"`
	// Alike are other records that share an address or a number with it: the
	// same person may be in the database twice.
	Alike []Ref `json:"-"`
	// Backups counts the backups that still hold the record until retention
	// removes them; a restore leaves it out. -1 where their place cannot be
	// asked.
	Backups int `json:"backups"`
	// Done is false for a plan.
	Done  bool     `json:"done"`
	Notes []string `json:"notes"` // what the administrator has to see to, a line each
}

// Disclosure is everything that is known of a person.
type Disclosure struct {
	At      time.Time // when it was put together
	Record  *Record
	Related map[Noun][]*Record // what points to the record, by noun
	History []Revision
}

// Privacy answers a person who asks what is kept, or that it be erased.
type Privacy interface {
	// Disclose collects everything that the workspace knows of a person.
	Disclose(ctx context.Context, id ID) (Disclosure, error)
	// PlanErasure tells what EraseRecord would do, as far as this workspace
	// knows.
	PlanErasure(ctx context.Context, id ID) (ErasurePlan, error)
	// EraseRecord removes a contact for good, with its parts, its history and
	// what was noted about it alone: from the central and its report tables
	// at once, from every cache at its next sync, and out of every later
	// restore. It cannot be undone. Errors: NotFound, Refused for somebody
	// who is no administrator, Unreachable where the central does not answer:
	// then nothing is erased. What else holds the record only the plan tells:
	// Backups is 0 here.
	EraseRecord(ctx context.Context, id ID) (ErasurePlan, error)
	// Erasures lists the ledger, newest first.
	Erasures(ctx context.Context) ([]Erased, error)
}
