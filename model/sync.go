package model

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// SchemaVersion numbers the declaration for the sync: it rises when a client
// of an older version could no longer understand the rows.
const SchemaVersion int64 = 1

// OldestClient is the oldest version of a client that may sync with a central
// of this version. A migration raises the central's own number to it.
const OldestClient int64 = 1

// CompareEvery is how often every row is compared where the server cannot tell
// what other programs change: see Head.Blind.
const CompareEvery = 10 * time.Minute

// Position is how far a workspace has followed the central's feed.
type Position struct {
	Epoch  string // the central's identity; a restore by Rapport makes a new one
	Seq    int64  // the last feed position applied
	Run    int64  // the sequencer run that the position was seen in
	Nonce  string // that run's nonce, which tells a server restored by hand
	Loaded bool   // the first load is complete
	// Term rises when another server becomes the primary; one that has an
	// older term than a client has seen is a primary no more.
	Term int64
	// Schema is the fingerprint of what the two sides know of each other's
	// tables. When it changes, what was refused for want of a column is sent
	// again. Where tables were repaired it changes its capitals only.
	Schema string
	// Access is the fingerprint of what the person may see. When it changes,
	// every row is compared: some leave, others arrive.
	Access string
	// Ahead is true where rows were taken that may hold changes which no run
	// up to Run has given a position: a server that is put back to just before
	// those changes still knows Run, and its feed tells nothing.
	Ahead bool
	// Heard is when the server told of Run, by its own clock, in milliseconds:
	// what a server that was put back did later is of its new history.
	Heard int64
}

// AccessAll is the Access of somebody who sees every row.
const AccessAll = "all"

// Limited tells whether the server shows some of its rows only. A row that it
// does not show may be gone, or belong to somebody else.
func (p Position) Limited() bool { return p.Access != "" && p.Access != AccessAll }

// Device is what a copy of the workspace tells the central of itself, for the
// administrator's list of devices.
type Device struct {
	Client  ID     // "" for a look that is not noted
	Name    string // of the computer
	Program string // version of the program
	Pending int64  // records with unsent changes
}

// Head is what one poll tells.
type Head struct {
	Position
	Unsequenced int64 // changes that are committed but have no position yet
	// Changed names the nouns that changed after the position asked with,
	// where the server can tell cheaply; their rows are then fetched with
	// the feed instead of after it.
	Changed []Noun
	// Parent is the epoch that the central's own was made from, "" for none.
	Parent string
	// SameRun is false where the server does not know the run that the
	// client last saw: it was restored, or is another server.
	SameRun  bool
	ReadOnly bool
	// Watched is true where the connection also looks whether another server
	// of a list has become the primary.
	Watched bool
	// Blind is true where the feed holds what Rapport's clients change and
	// nothing else, because the server has no triggers.
	Blind         bool
	SchemaVersion int64
	MinClient     int64 // oldest client schema version that may sync
	MinSeq        int64 // oldest position the feed can still answer
	MaxPacket     int64 // bytes of one statement
	User          string
	Now           time.Time // the server's clock
	// Wipe is true where the administrator asked this device to empty its
	// cache: the laptop was lost or its owner has left.
	Wipe bool
}

// KeepDeleted is how long the central remembers what was deleted, and the runs of
// the sequencer: for a client that was away as long, what it missed is told.
const KeepDeleted = 180 * 24 * time.Hour

// Forgotten tells whether a server may have swept away the run that a client saw
// last, so that not to know it says nothing of a restore.
func (h Head) Forgotten(at Position) bool {
	return at.Heard == 0 || h.Heard-at.Heard >= KeepDeleted.Milliseconds()
}

// SequencedAtOnce is how many changes one run of the sequencer gives positions.
const SequencedAtOnce = 2000

// CaughtUp tells, of the head after a run of the sequencer, whether every change
// has a position that was committed when the run began. The feed had reached the
// position before already. A run that was not full left none behind; others go on
// writing, and are not waited for.
func (h Head) CaughtUp(before int64) bool {
	return h.Unsequenced == 0 || h.Seq-before < SequencedAtOnce
}

// Behind tells whether a server lacks what a client has seen already without
// having been restored: a standby that has not caught up, or a former primary
// that came back. Nothing is taken from it or given to it, or what is known
// here would go back in time.
func (h Head) Behind(at Position) bool {
	if at.Epoch == "" {
		return false
	}
	if h.Stale(at) {
		return true
	}
	return h.ReadOnly && (h.Epoch != at.Epoch || !h.SameRun || h.Seq < at.Seq)
}

// Stale tells whether a server has been the primary and is none any more.
func (h Head) Stale(at Position) bool { return at.Epoch != "" && h.Term < at.Term }

// FeedOp says what happened to a row.
type FeedOp int8

// The operations of the feed.
const (
	FeedUpsert FeedOp = 1
	FeedDelete FeedOp = 3 // the row is gone from the table
	FeedLeave  FeedOp = 4 // the row left the client's scope
)

// FeedEntry is one line of the feed.
type FeedEntry struct {
	Seq   int64
	Table Noun
	ID    ID
	Op    FeedOp
}

// FeedPage is a stretch of the feed with the current rows behind it.
type FeedPage struct {
	To     int64 // the position the page reaches
	MinSeq int64 // the oldest position that the feed could still answer when it was read, 0 if not told
	// Nonce is that of the newest run after the rows were read, if every change
	// that they may hold had a position then; else it is empty.
	Nonce   string
	Entries []FeedEntry
	Rows    map[Noun][]Row // the current state; a row that is missing is gone or out of scope
	// Since is what became of the rows since the server was last heard before
	// it was put back. Where it is not nil, what the server lost of a row is
	// offered to it again.
	Since map[ID][]RowChange
	// Unsure tells that the rows of the entries were asked for in vain, and that
	// the feed has yet to say whether they left or are gone.
	Unsure bool
}

// PushOp is one row's unsent change.
type PushOp struct {
	Table   Noun     `json:"table"`
	ID      ID       `json:"id"`
	Insert  bool     `json:"insert,omitempty"`
	Columns []string `json:"columns"`
	Base    []any    `json:"base,omitempty"` // what the columns held; absent for an insert
	Values  []any    `json:"values"`
	// Guard is the row_version that the row must still have, 0 for none. A
	// delete carries it.
	Guard int64 `json:"guard,omitempty"`
	// EditedAt is when the person made the change, milliseconds.
	EditedAt int64 `json:"edited_at"`
}

// PushBatch is a frozen set of unsent changes. The same batch may be sent any
// number of times; the central applies it once.
type PushBatch struct {
	Client ID       `json:"client"`
	Number int64    `json:"number"`
	Nonce  string   `json:"nonce"`
	Ops    []PushOp `json:"ops"`
}

// DecodeBatch reads a batch that json.Marshal wrote, with every value in the
// type of its column.
func DecodeBatch(data []byte) (*PushBatch, error) {
	var b PushBatch
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&b); err != nil {
		return nil, Errorf(Corrupt, "an unsent batch cannot be read").Because(err)
	}
	for i := range b.Ops {
		op := &b.Ops[i]
		e := EntityOf(op.Table)
		if e == nil {
			return nil, Errorf(TooNew, "an unsent batch names the unknown table %q", op.Table)
		}
		for j, name := range op.Columns {
			_, c := e.Column(name)
			for _, vs := range [][]any{op.Base, op.Values} {
				if j < len(vs) {
					vs[j] = cellOf(c, vs[j])
				}
			}
		}
	}
	return &b, nil
}

// cellOf gives a value read from JSON the type of its column.
func cellOf(c Column, v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
	case string:
		if c.Type == ColID {
			return ID(x)
		}
	}
	return v
}

// EncodeRow writes a row as a JSON array, for a base or a backup.
func EncodeRow(row Row) []byte { return encode([]any(row)) }

// DecodeRow reads a row that EncodeRow wrote. columns names its values in
// order; nil means the entity's own. A column that the entity does not have is
// dropped, one that is missing gets its fallback.
func DecodeRow(e *Entity, data []byte, columns []string) (Row, error) {
	var raw []any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&raw); err != nil {
		return nil, Errorf(Corrupt, "a stored %s row cannot be read", e.Noun).Because(err)
	}
	row := NewRow(e)
	if columns == nil {
		for i, c := range e.Columns() {
			if i < len(raw) {
				row[i] = cellOf(c, raw[i])
			}
		}
		return row, nil
	}
	for j, name := range columns {
		if i, c := e.Column(name); i >= 0 && j < len(raw) {
			row[i] = cellOf(c, raw[j])
		}
	}
	return row, nil
}

// PushOutcome is what became of one operation.
type PushOutcome int8

// The outcomes.
const (
	PushApplied PushOutcome = iota
	PushClashed             // the row changed there: pull it and merge
	PushRefused             // the server will not have it; see Refusal
)

// PushResult is the outcome of one operation.
type PushResult struct {
	Outcome PushOutcome `json:"outcome"`
	Code    string      `json:"code,omitempty"`    // stable: "not_visible", "too_long", "reference", "duplicate", "check", "not_allowed", "upgrade", "server"
	Message string      `json:"message,omitempty"` // the server's words in plain language
}

// Receipt answers a batch.
type Receipt struct {
	Results []PushResult
	// Foreign is true where the central has this batch number from another
	// copy of the workspace: the copy needs a client id of its own.
	Foreign bool
	Head    Head
}

// Central is the whole contract between a client and the central. A server
// without stored procedures is asked in plain statements, one with them
// through definer procedures; the client cannot tell. Every method is one
// request packet where nothing fails. Errors: Unreachable, Refused, TooNew,
// NoCentral (the database has no Rapport tables).
type Central interface {
	// Poll says where the feed is and whether the server is the one that
	// the position was taken from.
	// The first poll of a connection tells who is there.
	Poll(ctx context.Context, who Device, at Position) (Head, error)
	// Push sends a batch, applies it in one transaction and sequences it.
	Push(ctx context.Context, b *PushBatch, at Position) (Receipt, error)
	// Sequence gives positions to committed changes that have none.
	Sequence(ctx context.Context, at Position) (Head, error)
	// Pull returns the feed after from with the current rows, up to to or to
	// as many entries as make a page: the page says how far it reaches.
	// Positions are not dense. Rows of nouns are fetched with it; those of
	// others take one more packet.
	Pull(ctx context.Context, from, to int64, nouns []Noun) (FeedPage, error)
	// Fetch returns the current rows of ids. Those missing are gone or out
	// of scope; of a noun without a key in the map nothing can be told, for
	// the server's table cannot be read.
	Fetch(ctx context.Context, ids map[Noun][]ID) (map[Noun][]Row, error)
	// ChangesSince returns what happened to rows after a moment of the
	// server's clock, in milliseconds, in its order. Rows of which the server
	// tells nothing are left out, and those that it does not show.
	ChangesSince(ctx context.Context, ids map[Noun][]ID, moment int64) (map[ID][]RowChange, error)
	// Discards tells whether a restore ended an epoch by which what the
	// server lost of it is given up.
	Discards(ctx context.Context, epoch string) (bool, error)
	// Load streams the rows of a table in the order of ids, after one, for
	// the first load.
	Load(ctx context.Context, n Noun, after ID, each func(Row) error) error
	// Survey prepares a first load in one request: it counts the rows of
	// every table and gives each some rows that the person works with, for
	// use before the tables have come. A row's owner comes before it.
	Survey(ctx context.Context, each func(Noun, Row) error) (totals map[Noun]int64, err error)
	// Digest sums up the tables that bits names, each in 1<<bits buckets.
	// A table that the server does not have is left out.
	Digest(ctx context.Context, bits map[Noun]int) (map[Noun]Digest, error)
	// RowHashes returns the hash of every row in some of those buckets.
	RowHashes(ctx context.Context, bits map[Noun]int, buckets map[Noun][]uint32) (map[Noun]map[ID]uint64, error)
	// Traffic returns the request packets after login and the bytes on the
	// socket since the connection was made.
	Traffic() (roundTrips, sent, received int64)
	Close() error
}

// ApplyResult counts what a page or an acknowledgement changed here.
type ApplyResult struct {
	Records   map[ID]bool // records whose data changed, parts counted with their record
	Loaded    int64       // records that are new by the first load; they are too many to be named
	Conflicts int64       // conflicts that are new
	Missing   map[Noun][]ID
	// Suspect are rows that leaned on one which is gone: a foreign key of the
	// administrator may have deleted or changed them, which the feed does not
	// tell. Fetch them.
	Suspect map[Noun][]ID
}

// LoadMode says why everything is loaded or compared, and so what becomes of
// rows that the server does not have.
type LoadMode string

// The modes.
const (
	// FirstLoad fills a workspace that has not met the central yet.
	FirstLoad LoadMode = "first"
	// RefreshLoad compares everything anew: clean rows that the server does
	// not have any more are gone.
	RefreshLoad LoadMode = "refresh"
	// ForkLoad follows a server that was restored or replaced: rows and
	// versions that it lost are offered to it again.
	ForkLoad LoadMode = "fork"
	// DiscardLoad is a ForkLoad after a restore by which the administrator
	// gives up what the server lost: it is not offered, and stays in the
	// history and the bin here. What was never sent is sent all the same.
	DiscardLoad LoadMode = "discard"
	// AccessLoad follows a change of what the person may see: rows that the
	// server does not show any more have left.
	AccessLoad LoadMode = "access"
)

// Replica is the client's side of the sync: the cache with its pending
// changes. Each method is one transaction.
type Replica interface {
	// Client returns the id of this copy of the workspace.
	Client(ctx context.Context) (ID, error)
	// NewClient gives this copy a new id, after it met its own double.
	NewClient(ctx context.Context) (ID, error)
	Position(ctx context.Context) (Position, error)
	// SetPosition stores a position without rows, after a poll.
	SetPosition(ctx context.Context, p Position) error
	// NextBatch returns the batch that awaits its acknowledgement or
	// freezes the next one of at most ops operations and bytes of values,
	// none if ops is 0; nil when nothing is left to send. Refused rows and
	// fields in conflict are left out.
	NextBatch(ctx context.Context, ops, bytes int) (*PushBatch, error)
	// Acknowledge stores the outcomes of a batch and forgets it, with the
	// position: a server that loses what was sent is known by its runs. It
	// returns the records that reached the central and the rows that
	// clashed.
	Acknowledge(ctx context.Context, b *PushBatch, results []PushResult, at Position) (pushed map[ID]bool, clashed map[Noun][]ID, err error)
	// DropBatch forgets a batch without an outcome; its changes stay
	// pending.
	DropBatch(ctx context.Context) error
	// Apply merges a page and stores the position in one transaction. Rows
	// whose owner is neither here nor in the page are returned as Missing
	// and nothing is stored: fetch the owners, add them to the page, call
	// again.
	Apply(ctx context.Context, page *FeedPage, at Position) (ApplyResult, error)
	// Reconcile merges rows that differ from the server's and settles those
	// that the entries say it does not have, as the mode asks; else it is
	// Apply.
	Reconcile(ctx context.Context, mode LoadMode, page *FeedPage, at Position) (ApplyResult, error)
	// Sizes counts the rows of every table.
	Sizes(ctx context.Context) (map[Noun]int64, error)
	// Digest sums up the rows of a table as the server is known to have
	// them: without unsent edits and without what was made here.
	Digest(ctx context.Context, n Noun, bits int, columns []string) (Digest, error)
	// RowHashes returns the hash of every such row in some buckets.
	RowHashes(ctx context.Context, n Noun, bits int, columns []string, buckets []uint32) (map[ID]uint64, error)
	// NextCompare is when every row is to be compared with the server's; the
	// zero time where that was never said.
	NextCompare(ctx context.Context) (time.Time, error)
	SetNextCompare(ctx context.Context, at time.Time) error
	// BeginLoad prepares the first load of every table. One that was
	// interrupted goes on where it stopped; at is where the feed stood when
	// it began, and rows how many are to come.
	BeginLoad(ctx context.Context, at Position, rows int64) error
	// LoadedTo returns how far the first load of a table came: the last id,
	// and whether it is complete.
	LoadedTo(ctx context.Context, n Noun) (after ID, done bool, err error)
	// Load merges rows of the first load and stores how far it came.
	Load(ctx context.Context, n Noun, rows []Row, after ID, done bool) (ApplyResult, error)
	// FinishLoad builds what is built after a load (indexes, search) and
	// stores the position, which is the one that the load began at.
	FinishLoad(ctx context.Context) (ApplyResult, error)
	// Synced stores when a sync last ended well.
	Synced(ctx context.Context, at time.Time) error
	// Open counts the conflicts and the refused records that are open.
	Open(ctx context.Context) (conflicts, refused int64, err error)
	// Unsent counts the row changes that NextBatch would send: neither
	// refused nor in a conflict.
	Unsent(ctx context.Context) (int64, error)
	// PendingRecords counts the records with changes that the server has not
	// got, refused and waiting ones included, as Status does.
	PendingRecords(ctx context.Context) (int64, error)
	// Lock takes the workspace's sync lock until release is called. A sync
	// that is about to end is waited for. Error: Locked.
	Lock(ctx context.Context) (release func(), err error)
}
