package model

import (
	"context"
	"time"
)

// Query asks for one page of a list.
type Query struct {
	Noun   Noun
	Filter []Condition
	Text   string // words that the record's names, mails, phones or notes begin with; "" for all
	Sort   []SortKey
	Limit  int    // rows, 0 for all
	After  string // cursor of the row before the page, from Page.Next or Page.Cursors
	Before string // cursor of the row after the page: the page that ends there
	Last   bool   // the last page
	Around ID     // a page that begins at or before this record, if it is in the list
	Short  bool   // only the values that lists show: of the essential lists of parts the first item, no others
	Bin    bool   // deleted records instead of living ones
	Quick  bool   // Count may stop at Plenty: see Query.More
}

// Plenty is how many records with a text a quick Count counts.
const Plenty int64 = 10000

// More tells whether a Count of n means more than Plenty, not n.
func (q Query) More(n int64) bool { return q.Quick && q.Text != "" && n > Plenty }

// Page is one page of a list, in order.
type Page struct {
	Items   []*Record
	Cursors []string // of each item, for After and Before
	Next    string   // cursor for the following page, "" at the end
	Prev    string   // cursor for the page before (use as Before), "" at the beginning
}

// Hit is one finding of a search over everything.
type Hit struct {
	Noun    Noun
	ID      ID
	Title   string
	Snippet string // what matched or tells the record apart: a mail, a phone, an organization
}

// Event is one line of a record's timeline: an activity, or a change of the
// record itself.
type Event struct {
	At       time.Time
	Noun     Noun // the activity's noun, or "" for a change
	ID       ID
	Kind     string // task, call, meeting, note; or add, edit, delete, restore, merge, stage
	Title    string
	Body     string
	By       string
	Status   string
	DueAt    time.Time
	Changes  []FieldChange
	About    []Ref
	Conflict bool
}

// Revision is one entry of a record's history.
type Revision struct {
	At      time.Time
	By      string
	Action  string // add, edit, delete, restore, import, sync, merge, settle
	Noun    Noun   // the record's, or that of the part that changed
	ID      ID
	Changes []FieldChange
	Note    string // what the program decided by itself, "" if nothing
}

// BoardColumn is one stage of a board with its deals.
type BoardColumn struct {
	Stage    *Record
	Deals    []*Record // the first ones, by close date
	Count    int64
	Sum      []Money // one for each currency
	Weighted []Money
}

// Board is a pipeline's open and closed stages side by side.
type Board struct {
	Pipeline *Record
	Columns  []BoardColumn
}

// Overview is what the start page shows.
type Overview struct {
	Tasks    []*Record // my open activities that are due until the end of today, overdue first
	Upcoming []*Record // the next ones
	Pipeline []BoardColumn
	Rotting  []*Record // my open deals that stayed too long in their stage or missed their close date
	Counts   map[Noun]int64
	Recent   []Event
}

// Reader finds and reads records. Its methods return errors of kind NotFound,
// Ambiguous and Invalid, never anything about the network: the cache is local.
type Reader interface {
	// List returns a page; an unknown value in a filter is Invalid.
	List(ctx context.Context, q Query) (Page, error)
	// Count returns how many records a query has in all.
	Count(ctx context.Context, q Query) (int64, error)
	// Get returns a record with its parts and the names of its links, also
	// one that is deleted.
	Get(ctx context.Context, n Noun, id ID) (*Record, error)
	// Find resolves an id, a shortened id (8 or more characters of its
	// beginning or end), or an unambiguous name.
	Find(ctx context.Context, n Noun, ref string) (ID, error)
	// Search finds records of all nouns, or of one, best first.
	Search(ctx context.Context, text string, in Noun, limit int) ([]Hit, error)
	// Related returns records that link to a record: the contacts and deals
	// of an organization, the deals of a contact.
	Related(ctx context.Context, n Noun, id ID, of Noun, limit int) ([]*Record, error)
	Timeline(ctx context.Context, n Noun, id ID, limit int) ([]Event, error)
	History(ctx context.Context, n Noun, id ID) ([]Revision, error)
	Board(ctx context.Context, pipeline ID, perColumn int) (Board, error)
	Overview(ctx context.Context, now time.Time) (Overview, error)
}

// Saved is the outcome of one edit of several.
type Saved struct {
	ID      ID
	Created bool
	Changed bool
	Err     error // kind Invalid, NotFound, Ambiguous; the edit was not applied
}

// Writer changes records. Every change is written together with its pending
// change and its history entry, or not at all.
type Writer interface {
	// Save applies one edit and returns the record as it is then.
	Save(ctx context.Context, e Edit) (*Record, error)
	// SaveAll applies edits in one transaction; an edit that fails leaves
	// the others alone. With dryRun everything is rolled back at the end,
	// so the outcome is what a real run would give.
	SaveAll(ctx context.Context, edits []Edit, dryRun bool) ([]Saved, error)
	Delete(ctx context.Context, n Noun, ids ...ID) error
	Restore(ctx context.Context, n Noun, ids ...ID) error
	// MoveDeal puts a deal into a stage. A lost stage needs a reason.
	MoveDeal(ctx context.Context, id ID, stage string, lostReason string) (*Record, error)
}

// Watcher tells that the workspace changed, in this process or another. The
// channel delivers at most one waiting notice and is closed with ctx.
type Watcher interface {
	Watch(ctx context.Context) <-chan Change
}

// Change says which nouns changed; nil means possibly any.
type Change struct {
	Nouns []Noun
}

// PendingItem is one record with unsent changes.
type PendingItem struct {
	Noun   Noun
	ID     ID
	Title  string
	Fields []string // changed fields; empty for a new or deleted record
	Action string   // add, edit, delete, restore
	At     time.Time
	Code   string // why the server refused it, "" if it did not
	Error  string
}

// CodeLeft is the code of an unsent change whose record left what the person
// may see: it waits for them, and is sent if the record comes back.
const CodeLeft = "left_scope"

// Conflict is one record in which fields wait for a person.
type Conflict struct {
	ID     ID // of the conflict
	Noun   Noun
	Record ID
	Title  string
	Fields []ConflictField
}

// ConflictField is one such field with who said what and when.
type ConflictField struct {
	Field              string // a field of the record, or "email", where the part's value conflicts
	Base, Mine, Theirs any    // links carry their names
	MineAt, TheirsAt   time.Time
	TheirsBy           string
	Part               ID // the part's row, "" for the record itself
}

// Settlement settles one field of a conflict.
type Settlement struct {
	Field string // "" for every open field
	Take  string // "mine", "theirs", or "" to set Value
	Value any
}

// Status says where a workspace stands.
type Status struct {
	Pending, Conflicts, Refused int64
	Duplicates                  int64     // pairs of records that may be the same
	LastSync                    time.Time // zero if never
	Central                     string    // the address without its password, "" if none
	Online                      bool      // the central answered just now
	Syncing                     bool
	Problem                     string // why it is not online, in a sentence
}

// Inbox is the state of the sync as a person sees it.
type Inbox interface {
	Pending(ctx context.Context) ([]PendingItem, error)
	// Retry clears the refusal of records, all refused ones if none are
	// named, so that the next sync sends them again.
	Retry(ctx context.Context, ids ...ID) (int, error)
	// Discard gives up unsent changes: the record goes back to what the
	// server last said, a new one disappears.
	Discard(ctx context.Context, ids ...ID) (int, error)
	Conflicts(ctx context.Context) ([]Conflict, error)
	Settle(ctx context.Context, id ID, choices []Settlement) error
	// Status counts what is waiting. It asks the central for at most two
	// seconds if probe is true.
	Status(ctx context.Context, probe bool) (Status, error)
}
