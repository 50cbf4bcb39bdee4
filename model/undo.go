package model

import (
	"context"
	"fmt"
	"time"
)

// Act is one thing that was done here, or that the program decided here by
// itself. It is taken back as a whole.
type Act struct {
	ID      int64
	At      time.Time
	By      string
	Action  string // of its first change: add, edit, delete, restore, import, merge, settle, undo
	Record  Ref    // the first record that it changed
	Records int    // how many it changed
	Changes []FieldChange
	Note    string // what the program decided by itself, "" if nothing
	Undoes  int64  // the act that it took back, 0 if none
	Undone  bool   // it was taken back, or could not be
}

// Stayed is a value that an undo did not touch, because somebody changed it
// since.
type Stayed struct {
	Record Ref
	Field  string // "" for the whole record
	Now    any    // what it is
	By     string // who changed it, "" if nobody knows
}

// Undone is what an undo did.
type Undone struct {
	Act     Act
	Records int      // how many records it changed
	Stayed  []Stayed // what was left as it is
}

// Which act an undo takes back, where it is not named by its number.
const (
	LastAct  int64 = 0  // the last one that still holds and is no undo itself
	LastUndo int64 = -1 // the last undo: what it took back is done again
)

// Undoer takes back what was done in this workspace. An undo is an edit like
// any other: it travels, stands in the history and can be taken back.
type Undoer interface {
	// Acts lists what was done here, newest first.
	Acts(ctx context.Context, limit int) ([]Act, error)
	// Undo takes an act back: what holds the values that the act gave gets
	// the earlier ones. What somebody changed since stays as it is and is
	// returned; where that is all of it, Records is 0 and the next undo goes
	// on to the act before. Errors: NotFound, Invalid for an import, which
	// has an undo of its own.
	Undo(ctx context.Context, act int64) (Undone, error)
}

// Duplicate is a pair of records that may be the same thing.
type Duplicate struct {
	First, Second Ref
	Field         string // in which they agree
	Value         string // what they agree in
	FoundAt       time.Time
}

// Merger joins records that turned out to be the same thing.
type Merger interface {
	// Duplicates lists the pairs that wait for a person, of one noun or of
	// all, newest first. With scan every record is compared before.
	Duplicates(ctx context.Context, n Noun, scan bool) ([]Duplicate, error)
	// Distinct says that two records are not the same.
	Distinct(ctx context.Context, n Noun, a, b ID) error
	// Merge joins records into one: it gets the others' parts, links and
	// activities and, where it is empty, their values; they go to the bin.
	Merge(ctx context.Context, n Noun, keep ID, others ...ID) (*Record, error)
}

// Mergeable tells whether records of a noun can be joined.
func Mergeable(n Noun) bool { return n == "contact" || n == "organization" }

// StayedSentence says what an undo left as it is and why, "" if nothing.
func StayedSentence(u Undone) string {
	if len(u.Stayed) == 0 {
		return ""
	}
	s := u.Stayed[0]
	who := s.By
	if who == "" {
		who = "somebody"
	}
	what := Visible(s.Record.Name)
	if what == "" {
		what = string(s.Record.Noun) + " " + s.Record.ID.Short()
	}
	if f := EntityOf(s.Record.Noun).Field(s.Field); f != nil {
		what = f.Label + " of " + what
	}
	text := what + " was changed since by " + Visible(who) + " and stays as it is"
	if n := len(u.Stayed) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}
