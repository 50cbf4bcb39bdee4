package model

import (
	"context"
	"slices"
	"time"
)

// Standing is how a record of a backup is to the workspace of today.
type Standing string

// The standings.
const (
	StandingSame    Standing = "same"
	StandingChanged Standing = "changed" // it, or one of its parts
	StandingBin     Standing = "bin"     // it was deleted since and can be restored from the bin too
	StandingGone    Standing = "gone"    // the workspace does not have it
)

// ArchiveRequest says which backup is looked into. At or Position name a moment
// of a central instead, as in a RestoreRequest.
type ArchiveRequest struct {
	BackupRequest // its Source chooses among the newest
	At            time.Time
	Position      int64
}

// ArchiveQuery asks for one page of the records of a backup.
type ArchiveQuery struct {
	ArchiveRequest
	Noun   Noun
	Search string // a piece of the record's name, a mail or a phone; "" for all
	// Different leaves out the records that are here today as they were then.
	Different bool
	After     ID  // the last record of the page before, "" for the first page
	Limit     int // records, 0 for 50
}

// ArchivedRecord is a record as it was in a backup, and how it is today.
type ArchivedRecord struct {
	Record   *Record
	Standing Standing
}

// ArchivePage is one page of the records of a backup, in the order in which
// they were made.
type ArchivePage struct {
	Backup BackupInfo
	// Items have the values of their own row: no parts, and no names of links.
	Items []ArchivedRecord
	Next  ID // ArchiveQuery.After of the following page, "" at the end
}

// Difference is one value that was another one in a backup than it is today.
// The value of a list is one of its items, a *Record. nil is nothing: the item
// is new, or gone.
type Difference struct {
	Field       string
	Backup, Now any
}

// Comparison sets a record of a backup against today's.
type Comparison struct {
	Backup      BackupInfo
	Record      *Record // as it was, with its parts
	Today       *Record // nil if the workspace does not have it
	Standing    Standing
	Differences []Difference
}

// RecordsRequest says which records of a backup are to come back.
type RecordsRequest struct {
	ArchiveRequest
	// Records names them by id, by a shortened id or by their whole name.
	Records []Ref
	// Noun and Where choose those that a filter fits as they were in the
	// backup; without conditions all of the noun. Noun is "" for none, and
	// where nothing else is asked for, for every noun.
	Noun  Noun
	Where []Condition
	// OnlyMissing brings back what is in the bin or not here at all, and
	// leaves every record that is here as it is.
	OnlyMissing bool
	DryRun      bool // only tell what would be done
}

// RecordRestored is what happens to one record of a restore.
type RecordRestored struct {
	Record      Ref
	Action      string // add for one that was not here, restore for one in the bin, edit
	Differences []Difference
}

// RecordsRestored is what a restore of records did or, in a dry run, would do.
// Every record that was chosen is counted once.
type RecordsRestored struct {
	Backup    BackupInfo
	DryRun    bool
	Added     int64            // were not here
	Restored  int64            // were in the bin
	Edited    int64            // were different
	Unchanged int64            // were as in the backup, or here at all with OnlyMissing
	Erased    int64            // were erased for good since: they stay so
	Samples   []RecordRestored // the first ten
	// Notes say what a person should know: what stays as it is, what is missing
	// around the records. A line each.
	Notes []string
	Act   int64 // the act that an undo takes back, 0 if nothing was changed
}

// Records is how many records are or would be different.
func (r RecordsRestored) Records() int64 { return r.Added + r.Restored + r.Edited }

// TrialRestore is the outcome of restoring a backup into a place of its own, to
// prove that it can be.
type TrialRestore struct {
	At      time.Time `json:"at"`
	Source  string    `json:"source,omitempty"` // what the backup is of
	Backup  string    `json:"backup"`
	OK      bool      `json:"ok"`
	Problem string    `json:"problem,omitempty"`
}

// BackupOverview answers what an administrator wants to know of backups at a
// glance. What could not be asked has a problem in a sentence.
type BackupOverview struct {
	At    time.Time    // of the answer
	Place string       // where the backups lie
	Items []BackupInfo // newest first
	// PlaceProblem is why the place cannot be asked.
	PlaceProblem string
	// Left counts the backups that were interrupted and have not been removed
	// yet.
	Left int
	// Trial is the last trial restore, of that source of which it failed if it
	// did of one; nil if there never was any.
	Trial *TrialRestore
	// Central is the address of the central, "" if there is none;
	// CentralProblem why it does not answer.
	Central, CentralProblem string
	Reports                 *ReportsState  // nil if there are none
	Standby                 *StandbyReport // nil where it is not known
}

// Archiver looks into backups, and brings single records back. Errors: NotFound
// for a backup or a record that is not there, Ambiguous, Invalid, Corrupt for a
// damaged backup, Refused for a missing key.
type Archiver interface {
	// ListArchive returns a page of the records of a backup.
	ListArchive(ctx context.Context, q ArchiveQuery) (ArchivePage, error)
	// Compare sets one record of a backup against today's.
	Compare(ctx context.Context, req ArchiveRequest, ref Ref) (Comparison, error)
	// RestoreRecords brings records back as they were in a backup, with their
	// parts. They become edits like any other: they are sent, conflicts go by
	// the usual rules, and one undo takes all of them back.
	RestoreRecords(ctx context.Context, req RecordsRequest, n Notify) (RecordsRestored, error)
	// BackupOverview asks the place of the backups, and the central for at
	// most two seconds.
	BackupOverview(ctx context.Context) (BackupOverview, error)
}

// Differences sets a record of a backup against today's. Items of lists are
// told apart by their ids, and where those differ by what they are.
func Differences(backup, now *Record) []Difference {
	var out []Difference
	e := backup.Entity()
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Type == List {
			out = append(out, itemDifferences(f, backup.List(f.Name), now.List(f.Name))...)
		} else if a, b := backup.Values[f.Name], now.Values[f.Name]; !alike(a, b) {
			out = append(out, Difference{Field: f.Name, Backup: a, Now: b})
		}
	}
	return out
}

// alike is sameValue where a no is as good as nothing.
func alike(a, b any) bool {
	if a == false {
		a = nil
	}
	if b == false {
		b = nil
	}
	return sameValue(a, b)
}

func itemDifferences(f *Field, backup, now []*Record) []Difference {
	var out []Difference
	left := slices.Clone(now)
	take := func(fits func(*Record) bool) *Record {
		i := slices.IndexFunc(left, fits)
		if i < 0 {
			return nil
		}
		item := left[i]
		left = slices.Delete(left, i, i+1)
		return item
	}
	var gone []*Record
	for _, was := range backup {
		is := take(func(r *Record) bool { return r.ID == was.ID })
		switch {
		case is == nil:
			gone = append(gone, was)
		case !sameItem(was, is):
			out = append(out, Difference{Field: f.Name, Backup: was, Now: is})
		}
	}
	for _, was := range gone {
		if take(func(r *Record) bool { return sameItem(was, r) }) == nil {
			out = append(out, Difference{Field: f.Name, Backup: was})
		}
	}
	for _, is := range left {
		out = append(out, Difference{Field: f.Name, Now: is})
	}
	return out
}

// sameItem tells whether two items say the same, wherever they stand in their
// lists.
func sameItem(a, b *Record) bool {
	e := a.Entity()
	return !slices.ContainsFunc(e.Fields, func(f Field) bool {
		return !f.ReadOnly && !alike(a.Values[f.Name], b.Values[f.Name])
	})
}
