package model

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. It decides the exit code of a
// command and what a screen offers.
type Kind int

// The kinds of failure. Other is the zero value.
const (
	Other       Kind = iota
	Invalid          // the input breaks a rule; the message says which
	NotFound         // no such record, file, backup or run
	Ambiguous        // a shortened id or a name fits several records
	Refused          // the central or the rights of the person forbid it
	Unreachable      // the central does not answer; work is queued
	Locked           // another process holds the workspace
	Corrupt          // an integrity check or a verification failed
	TooNew           // a file or a server is newer than this program
	Conflicting      // conflicts wait for a person
	Partial          // some rows were rejected
	NoCentral        // no central database is configured
	Interrupted      // stopped by the person; what was done is kept
	Expired          // the password must be changed before anything else
	Wiped            // the administrator emptied this copy of the workspace
)

var kindCodes = [...]string{"other", "invalid", "not_found", "ambiguous", "refused", "unreachable",
	"locked", "corrupt", "too_new", "conflict", "partial", "no_central", "interrupted", "expired", "wiped"}

// String returns the code that `--json` prints for the kind.
func (k Kind) String() string { return kindCodes[k] }

// Error is what a person can be told: a kind, a sentence and what to do about
// it. The cause is for the log.
type Error struct {
	Kind Kind
	Op   string // what was being done, for the log: "save deal"
	Msg  string // one sentence for the person
	Hint string // what to do, may be empty; where it names a command, see Remedy
	Err  error  // the cause, may be nil
	// Remedy is what to do where a screen has a key for what the hint names a
	// command for; screens tell it instead.
	Remedy Remedy
}

// Remedy names something that a person can do about an error.
type Remedy int

// The remedies. AsHinted is the zero value.
const (
	AsHinted     Remedy = iota // what the hint says
	OtherBackup                // choose another backup
	NewBackup                  // make a backup
	OtherPlace                 // see to the place of the backups, or choose another
	MissingPlace               // connect the place, or begin anew in it
	SignPlace                  // become one of those who may write to the place
	PlaceForm                  // write the address of a place as it is read
	KeyFile                    // name the file of the key that opens a backup
	SecondKey                  // make a second key
	TrustKeys                  // believe the keys that a place names
	NoSafety                   // go without a backup before
)

// Error returns the message with its cause.
func (e *Error) Error() string {
	s := e.Msg
	if s == "" {
		s = e.Kind.String()
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind from a sentence for the person.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// WithHint returns e with a hint: what to do or press.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// By returns e with the remedy for which screens have a key.
func (e *Error) By(r Remedy) *Error {
	e.Remedy = r
	return e
}

// RemedyOf returns the remedy of the outermost Error in err's chain, AsHinted
// if there is none.
func RemedyOf(err error) Remedy {
	var e *Error
	if errors.As(err, &e) {
		return e.Remedy
	}
	return AsHinted
}

// Because returns e with its cause, which goes to the log.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// KindOf returns the kind of the outermost Error in err's chain, Other if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Other
}
