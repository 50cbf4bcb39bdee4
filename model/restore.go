package model

import (
	"context"
	"time"
)

// EpochRestoring stands in the place of a central's epoch while a backup is put
// in the place of its records. A client that meets it exchanges nothing.
const EpochRestoring = "RESTORING"

// What a person is told meanwhile.
const (
	RestoringNow  = "the company's database is being restored from a backup; your changes are kept here"
	RestoringHint = "they are sent when that is done"
)

// RestoreRequest asks for the state of a central at a moment.
type RestoreRequest struct {
	BackupRequest // which backup, or "" for the newest that reaches the moment
	// At and Position name a moment: by the server's clock, or as a position
	// of the feed. Without them it is the end of the backup.
	At       time.Time
	Position int64
	// Nouns are the tables to replace, each with its parts; nil for
	// everything.
	Nouns []Noun
	// Into is the address of another database, which is made where it is not
	// there; "" replaces what the workspace's central has.
	Into string
	// Discard has laptops give up what they sent after the moment, instead of
	// offering it again: a mistake that has travelled does not come back. It
	// stays in their history and bins, and what they had not sent is sent.
	Discard bool
	// NoSafety leaves out the backup of what is replaced.
	NoSafety bool
}

// RestoreSample is one of the rows that a restore changes.
type RestoreSample struct {
	Action string   `json:"action"` // insert, update, delete
	ID     string   `json:"id"`
	Name   string   `json:"name,omitempty"`
	Fields []string `json:"fields,omitempty"` // that change
}

// RestoreTable is what a restore does to a table.
type RestoreTable struct {
	Table   string          `json:"table"`
	Rows    int64           `json:"rows"` // that it has afterwards
	Inserts int64           `json:"inserts"`
	Updates int64           `json:"updates"`
	Deletes int64           `json:"deletes"`
	Samples []RestoreSample `json:"samples,omitempty"`
	// Stays tells that the central's own rows stay, such as who may log in.
	Stays bool `json:"stays,omitempty"`
}

// RestoreLaptop is a computer that syncs with the central.
type RestoreLaptop struct {
	Person   string    `json:"person"`
	Name     string    `json:"name,omitempty"`
	LastSeen time.Time `json:"last_seen"`
	Position int64     `json:"position"`
	Pending  int64     `json:"pending"` // records with changes that it had not sent
}

// RestoreLoss is what somebody did that a restore takes away.
type RestoreLoss struct {
	Person  string `json:"person"`
	Changes int64  `json:"changes"`
}

// RestorePlan tells what a restore would do.
type RestorePlan struct {
	Target   string         `json:"target"` // without its password
	Fresh    bool           `json:"fresh"`  // there is nothing yet that could be replaced
	Backups  []BackupInfo   `json:"backups"`
	At       time.Time      `json:"at"`       // of the state that comes back
	Position int64          `json:"position"` // of the feed then
	Head     int64          `json:"head"`     // of the feed now
	Lost     int64          `json:"lost"`     // entries of the history after the moment
	Tables   []RestoreTable `json:"tables"`
	// Laptops will compare every row at their next sync and offer what the
	// central lost, or give it up where Discard says so.
	Laptops []RestoreLaptop `json:"laptops"`
	Discard bool            `json:"discard"`
	// Losses tell whose changes after the moment are lost, most first.
	Losses   []RestoreLoss `json:"losses"`
	Rows     int64         `json:"rows"`
	Bytes    int64         `json:"bytes"` // of the backups that are read
	Estimate time.Duration `json:"estimate_ns"`
	Notes    []string      `json:"notes"`
	Command  string        `json:"command"` // that does it
}

// RestoreResult is what a restore did.
type RestoreResult struct {
	Target   string        `json:"target"`
	At       time.Time     `json:"at"`
	Position int64         `json:"position"`
	Epoch    string        `json:"epoch"` // the central's new identity
	Parent   string        `json:"parent_epoch"`
	Rows     int64         `json:"rows"`
	Tables   []string      `json:"tables"`
	Safety   *BackupInfo   `json:"safety_backup"` // of what was there before
	Kept     []string      `json:"kept"`          // names under which the former tables stay
	Done     []string      `json:"done"`          // what else was done or left, a line each
	People   []string      `json:"people"`        // statements that make the people's accounts on another server
	Visible  time.Duration `json:"visible_ns"`    // until the restored rows could be seen
	Took     time.Duration `json:"took_ns"`
}

// CentralRestorer puts backups in the place of what a central has. Errors:
// NoCentral, NotFound for a backup or a moment that is not there, Corrupt for a
// backup that is damaged, TooNew for one of a later program, Locked while
// another restore or a backup runs, Refused where a right is missing.
type CentralRestorer interface {
	// PlanRestore compares every row and tells what would be.
	PlanRestore(ctx context.Context, req RestoreRequest, n Notify) (RestorePlan, error)
	// RestoreCentral does it: beside the tables first, compared with the
	// backup, and then all at once. The former tables stay for some days.
	RestoreCentral(ctx context.Context, req RestoreRequest, n Notify) (RestoreResult, error)
	// UndoRestore puts the tables back that the last restore replaced, or
	// ends one that was interrupted. With dryRun it only tells.
	UndoRestore(ctx context.Context, dryRun bool, n Notify) (RestoreResult, error)
}
