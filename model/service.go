package model

import (
	"context"
	"io"
	"time"
)

// Progress is told while something long runs.
type Progress struct {
	Phase       string // "sending", "receiving", "reading", …
	Done, Total int64  // rows; Total 0 if unknown
}

// Notify takes progress reports; it may be nil and must return at once.
type Notify func(Progress)

// Tell calls n if there is one.
func (n Notify) Tell(phase string, done, total int64) {
	if n != nil {
		n(Progress{Phase: phase, Done: done, Total: total})
	}
}

// SyncResult is what one sync did.
type SyncResult struct {
	Pushed        int64         `json:"pushed"` // records changed there
	Pulled        int64         `json:"pulled"` // records changed here
	Conflicts     int64         `json:"conflicts"`
	Refused       int64         `json:"refused"`
	RoundTrips    int64         `json:"round_trips"` // request packets after login
	BytesSent     int64         `json:"bytes_sent"`
	BytesReceived int64         `json:"bytes_received"`
	Duration      time.Duration `json:"-"`
	// Upgrade is true where the central is of a later version than this
	// program: what both know is synced, the rest waits.
	Upgrade bool `json:"upgrade,omitempty"`
}

// Syncer brings the workspace and the central together.
type Syncer interface {
	// Sync pushes and pulls once. Errors: NoCentral, Unreachable, Refused
	// (password, locked account), Locked (another sync runs), TooNew. The
	// result is valid, as far as it went, also with an error.
	Sync(ctx context.Context, full bool, n Notify) (SyncResult, error)
	// Follow keeps the workspace up to date: it sends soon after an edit,
	// polls the central in between, and waits longer and longer while that
	// cannot be reached. It returns when ctx ends, with the context's error,
	// and where only a person can help: NoCentral, Refused, Expired, TooNew,
	// Invalid, Corrupt.
	Follow(ctx context.Context, req FollowRequest) error
}

// FollowRequest says how a workspace is kept up to date.
type FollowRequest struct {
	Full bool // the first sync compares every row
	// Ask is received from when the person wants a sync at once; nil for
	// never.
	Ask    <-chan struct{}
	Notify Notify
	// Tell hears of every step. It must return soon; nil for nobody.
	Tell func(Following)
}

// FollowState is what a follow is at.
type FollowState int8

// The states.
const (
	// FollowSyncing says that something is on its way. A poll that finds
	// nothing is not told.
	FollowSyncing FollowState = iota
	// FollowOnline says that a sync ended well; Result tells what it did.
	FollowOnline
	// FollowOffline says that a sync failed with Err and is tried again.
	FollowOffline
	// FollowBusy says that another process syncs this workspace just now.
	FollowBusy
)

// Following is one step of a follow.
type Following struct {
	State  FollowState
	Asked  bool // the person asked for this sync
	Result SyncResult
	Err    error
	Pause  time.Duration // until the next attempt, unless something happens before
}

// ImportRequest describes one import run.
type ImportRequest struct {
	Files  []string
	As     Noun              // "" to tell from the preset or the file
	Preset string            // "" to tell from the header
	Map    map[string]string // source column to field; "" as field drops it
	Key    []string          // fields that recognise a record that is there already
	Mode   string            // create, update, upsert (the default)
	DryRun bool
	Format string // "" to tell from the file's name and beginning
	Env    Env
}

// Counts are the outcomes of the rows of an import.
type Counts struct {
	Read      int64 `json:"read"`
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`
}

// ImportResult is what an import did or, in a dry run, would do.
type ImportResult struct {
	Run string `json:"run"`
	Counts
	RejectsFile string          `json:"rejects_file,omitempty"`
	ByNoun      map[Noun]Counts `json:"by_noun,omitempty"`
	DryRun      bool            `json:"dry_run,omitempty"`
	Notes       []string        `json:"notes,omitempty"` // what was mended or not kept, by name and count
	Rejects     []Reject        `json:"-"`
}

// Reject is a row that was not imported.
type Reject struct {
	File    string
	Line    int
	Code    string
	Message string
	Source  []string // the row as read
}

// ImportRun is one past import.
type ImportRun struct {
	Run    string    `json:"run"`
	At     time.Time `json:"at"`
	Source string    `json:"source"`
	Counts
	Undone bool `json:"undone"`
}

// ExportRequest describes one export.
type ExportRequest struct {
	Query   Query
	Format  string   // csv, tsv, json, ndjson, vcf
	Columns []string // nil for all
	Raw     bool     // no guard before cells that a spreadsheet would run
	BOM     bool
}

// Transfer moves records in and out of files.
type Transfer interface {
	// Import reads files into the workspace. Errors: Invalid, NotFound.
	// Rejected rows are no error; they stand in the result and in its
	// rejects file.
	Import(ctx context.Context, req ImportRequest, n Notify) (ImportResult, error)
	ImportRuns(ctx context.Context) ([]ImportRun, error)
	// UndoImport takes a run back: records it made and nobody touched since
	// are deleted. It returns how many were and the ones it kept.
	UndoImport(ctx context.Context, run string) (undone int64, kept []Hit, err error)
	// Preview returns the header and the first rows of a file, the preset
	// that fits and the proposed mapping, for a person to check.
	Preview(ctx context.Context, req ImportRequest) (ImportPreview, error)
	// Export writes records and returns how many.
	Export(ctx context.Context, req ExportRequest, w io.Writer) (int64, error)
}

// ImportPreview is what a person checks before an import.
type ImportPreview struct {
	Format, Preset string
	As             Noun
	Header         []string
	Rows           [][]string
	Map            map[string]string
}

// ReportRequest asks for a report.
type ReportRequest struct {
	Name     string
	By       string
	From, To string // YYYY-MM-DD, inclusive; "" for no bound
	Pipeline ID
	Owner    string // login, "" for everybody
	Now      time.Time
}

// ReportColumn describes a column of a report. Types are text, number, money,
// percent, date, month.
type ReportColumn struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Label string `json:"label"`
}

// Report is a table of figures. A value is a string, an int64, a float64, a
// Money or nil; amounts in different currencies are in different rows.
type Report struct {
	Name    string
	Title   string
	AsOf    time.Time
	Columns []ReportColumn
	Rows    [][]any
	Chart   string // the column whose values a chart shows, "" for none
}

// ReportInfo names a report and the ways it can be grouped.
type ReportInfo struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	By      []string `json:"by"`
	Comment string   `json:"comment"`
}

// Reporter makes reports.
type Reporter interface {
	Reports() []ReportInfo
	Report(ctx context.Context, req ReportRequest) (Report, error)
}

// Check is one line of doctor's report.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, warn, fail
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// ReportsRequest says how the report tables are to be refreshed.
type ReportsRequest struct {
	// Rebuild makes every report table anew; else that is done to those
	// which cannot be followed up.
	Rebuild bool
	// Check compares every row with its table afterwards and makes anew what
	// differs.
	Check bool
	// AcceptLoss lets a rebuild go on where a table has lost rows or columns
	// that nobody noted, and the copy may be the last that has them.
	AcceptLoss bool
}

// ReportsResult is what a refresh did.
type ReportsResult struct {
	Position int64         `json:"position"` // of the feed, that every report table has reached
	Changed  int64         `json:"changed"`  // rows that were copied or went
	Rows     int64         `json:"rows"`     // rows in all of the tables
	Rebuilt  []string      `json:"rebuilt"`  // tables that were made anew
	Reasons  []string      `json:"reasons"`  // why, a line for each
	Checked  bool          `json:"checked"`  // every row was compared
	Duration time.Duration `json:"-"`
}

// ReportsState tells how fresh the report tables are.
type ReportsState struct {
	Position    int64     `json:"position"`     // of the feed, reached by all of them
	Behind      int64     `json:"behind"`       // changes that they do not have yet
	RefreshedAt time.Time `json:"refreshed_at"` // by the server's clock
	CheckedAt   time.Time `json:"checked_at"`   // the zero time where they never were
	Rows        int64     `json:"rows"`
}

// RebuildRequest says which tables of the central are to be made anew from
// their report tables.
type RebuildRequest struct {
	Nouns  []Noun // nil for all
	DryRun bool   // only tell what would be done
	// DeletesSince takes back what other programs removed from the tables
	// since then; the zero time leaves it removed.
	DeletesSince time.Time
}

// RebuiltTable is what a rebuild does to one table. Every row that the table or
// its copy has is counted in one of its figures or is the same in both.
type RebuiltTable struct {
	Noun     Noun   `json:"noun"`
	State    string `json:"state"`    // gone, empty, or whole where it has rows
	Rows     int64  `json:"rows"`     // that it has afterwards
	PutBack  int64  `json:"put_back"` // from the copy: the table had lost them
	Mended   int64  `json:"mended"`   // from the copy: the table had changed them without a trace
	Kept     int64  `json:"kept"`     // that only the table has
	Newer    int64  `json:"newer"`    // that changed since the copy
	FromLog  int64  `json:"from_log"` // of these, recovered from the change log
	Removed  int64  `json:"removed"`  // of these, removed by somebody who meant it
	Lost     int64  `json:"lost"`     // of these, older than they were or missing: laptops that have them offer them again
	Replaced string `json:"replaced"` // where the former table stays, "" if there was none
}

// RebuildResult is what a rebuild did or, in a dry run, would do.
type RebuildResult struct {
	DryRun bool `json:"dry_run"`
	// Position of the feed that the copies had reached, and when that was.
	Position    int64          `json:"position"`
	RefreshedAt time.Time      `json:"refreshed_at"`
	Tables      []RebuiltTable `json:"tables"`
	// NewEpoch is true where every laptop compares every row at its next sync
	// and offers what the tables have lost.
	NewEpoch bool     `json:"new_epoch"`
	Done     []string `json:"done"` // what was done and left beside the rows, a line each
}

// CentralStatus is what an administrator sees of the central.
type CentralStatus struct {
	Address       string           `json:"address"`
	Server        string           `json:"server"`
	Epoch         string           `json:"epoch"`
	SchemaVersion int64            `json:"schema_version"`
	Position      int64            `json:"position"` // of the feed
	Unsequenced   int64            `json:"unsequenced"`
	Clients       int64            `json:"clients"`
	Rows          map[string]int64 `json:"rows"`
	// Reports is nil where no report table was ever made, or cannot be seen.
	Reports *ReportsState `json:"reports"`
	Checks  []Check       `json:"checks"`
}

// CentralAdmin is the administrator's side of the central.
type CentralAdmin interface {
	// InitCentral makes the database and its tables, triggers and first
	// pipeline where they are missing. It is harmless when run twice and
	// refuses a database that holds other tables. It returns what it did,
	// a line each.
	InitCentral(ctx context.Context) ([]string, error)
	// MigrateCentral brings the central up to what this program declares: it
	// adds what is missing, widens columns and renews the triggers. It takes
	// nothing away, and returns what it did and what it left, a line each.
	// Error: TooNew for the central of a later version.
	MigrateCentral(ctx context.Context) ([]string, error)
	// SweepCentral removes what nobody needs any more: feed entries that
	// newer ones replace, old receipts and runs, and what was deleted half a
	// year ago. It returns what it did, a line each.
	SweepCentral(ctx context.Context) ([]string, error)
	CentralStatus(ctx context.Context) (CentralStatus, error)
	// RefreshReports brings the central's report tables up to date. Errors:
	// Locked while another process does it, Corrupt where a table has lost
	// what only its copy has yet.
	RefreshReports(ctx context.Context, req ReportsRequest, n Notify) (ReportsResult, error)
	// RebuildTables makes tables of the central anew from their report
	// tables, with what the change log knows beyond them. Errors: NotFound
	// where there is no copy, Corrupt where the copy itself was changed,
	// Locked.
	RebuildTables(ctx context.Context, req RebuildRequest, n Notify) (RebuildResult, error)
	PeopleAdmin
	StandbyAdmin
}

// DemoRequest asks for a workspace with sample data.
type DemoRequest struct {
	Contacts int
	Seed     int64
	Day      time.Time // the data is laid around it
}

// Settings are the workspace's own choices, from config.toml.
type Settings struct {
	Home     string
	Config   string // the file these come from; "" for config.toml in Home
	Me       string // login
	Currency string
	Region   string // ISO 3166 country in which phones without a country code lie
	Central  string // with its password: never print it
	// PasswordCommand prints the central's password, PasswordFile holds it;
	// they are asked only when the central is.
	PasswordCommand, PasswordFile string
	Backup                        BackupSettings
	// SyncInterval is the pause between two polls of the central; 0 lets it
	// vary with what happens, from 5 to 30 seconds.
	SyncInterval time.Duration
	Demo         bool
	ReadOnly     bool
}

// Workspace is one home with everything a screen or a command can ask of it.
type Workspace interface {
	Reader
	Writer
	Watcher
	Undoer
	Merger
	Inbox
	Syncer
	Transfer
	Reporter
	Backuper
	Archiver
	CentralAdmin
	CentralRestorer
	Privacy
	Account
	Settings() Settings
	// Doctor checks the workspace and, if one is configured, the central.
	Doctor(ctx context.Context) []Check
	Close() error
}

// Backend opens workspaces. It is how the commands and the interface reach the
// stores without knowing them.
type Backend interface {
	// Open opens the workspace of a home and makes it if it is absent.
	// Errors: Locked, TooNew, Corrupt, Invalid.
	Open(ctx context.Context, s Settings) (Workspace, error)
	// Demo makes a demo workspace in an empty or absent home. It returns
	// the number of records made by noun.
	Demo(ctx context.Context, s Settings, req DemoRequest, n Notify) (map[Noun]int64, error)
	// Restore restores a backup into a home that nobody has opened, also one
	// that is damaged; see Backuper.RestoreBackup.
	Restore(ctx context.Context, s Settings, req BackupRequest, n Notify) (info BackupInfo, safetyCopy string, err error)
	// Inspect tells what a home holds. A workspace that cannot be read has no
	// Counts.
	Inspect(ctx context.Context, home string) (HomeInfo, error)
}

// HomeInfo tells what a home holds.
type HomeInfo struct {
	Exists bool // there is a workspace
	Demo   bool // it was made by Demo
	Empty  bool // the folder is absent or empty
	Counts map[Noun]int64
}
