package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// source is what backups are made of: the cache of a workspace, or a central.
type source interface {
	// open takes one moment of the source, which up to readers readers see at
	// once. With follow the source begins to note its changes, if it does not
	// yet and has to be told, so that a later backup can hold them alone.
	open(ctx context.Context, readers int, follow bool, n model.Notify) (snapshot, error)
}

// snapshot is one moment of a source. Each reader is used by one goroutine at a
// time. Values are int64, string, []byte or nil, digits of an int column also
// as []byte; the slice and the bytes are valid during the call only. Rows and
// keys come in the order of their key. An error of a callback ends the reading
// and is returned as it is. With errMoved in its chain, an error says that the
// moment is lost and that a new one has to be opened.
type snapshot interface {
	// info says what the snapshot is of. What was read instead of what was
	// asked for is known to its end when all is read.
	info() moment
	// tables are what a backup holds, owners before their parts.
	tables() []table
	// count returns about how many rows a table has; exact tells whether it
	// is that number.
	count(ctx context.Context, reader int, t table) (n int64, exact bool, err error)
	rows(ctx context.Context, reader int, t table, row func(values []any) error) error
	// changed passes the rows that changed since a mark, as they are now,
	// and the keys of those that went. It is for tables that are not whole.
	changed(ctx context.Context, reader int, t table, since mark, row func(values []any) error, gone func(key []any) error) error
	// follows tells why the changes since another backup are not known, ""
	// if they are.
	follows(ctx context.Context, id model.ID, since mark) (why string, err error)
	// keep notes that a verified backup of the moment is complete.
	keep(ctx context.Context, id model.ID, full bool) error
	close() error
}

// moment says what a snapshot is of.
type moment struct {
	Source  string
	Lineage string
	At      time.Time // by the clock of the source
	Schema  int
	Readers int // that may be used at once
	Mark    mark
	Server  *server // of a central
	Extras  []extra // of a central
}

// mark says how far a backup has seen its source. The increment that follows it
// begins there.
type mark struct {
	Position int64     `json:"position,omitempty"` // of the central's feed
	Run      string    `json:"run,omitempty"`      // what tells a feed that was restored by hand from the one that was seen
	History  int64     `json:"history,omitempty"`  // the newest entry of the central's history
	Note     int64     `json:"note,omitempty"`     // the newest note of a change in a cache
	At       time.Time `json:"at"`
	// Tables says of each table what changes when its rows are replaced and
	// nobody tells of it, "" of the server that said so. Of a central, where it
	// could be asked.
	Tables map[string]string `json:"tables,omitempty"`
	// Begins is when the history begins that the backup holds: back to there it
	// tells what rows were before it. Of a central.
	Begins time.Time `json:"begins,omitzero"`
}

// server is what a manifest says about the server that a backup was read from.
type server struct {
	Version string   `json:"version"`
	Role    string   `json:"role"`   // primary or replica
	Method  string   `json:"method"` // how its readers came to see the same moment
	Readers int      `json:"readers"`
	GTID    string   `json:"gtid,omitempty"`
	MinSeq  int64    `json:"min_seq,omitempty"`
	Schema  int      `json:"schema_version"`
	Columns string   `json:"columns_hash,omitempty"`
	Unread  []string `json:"unread,omitempty"`  // what of it is not in the backup, a sentence each
	Copies  *copied  `json:"copies,omitempty"`  // report tables that were read
	Instead []string `json:"instead,omitempty"` // what was read in place of what was asked for, and why, a sentence each
}

// copied says what was read from report tables.
type copied struct {
	Position int64    `json:"position"` // of the feed, that all of them had reached
	Tables   []string `json:"tables"`   // whose rows are those of their copies
	Newer    int64    `json:"newer"`    // but for so many, which were newer and read from the tables
}

// extra is what a whole system needs beside its tables: statements for people
// and rights. It holds no password in clear.
type extra struct {
	Name string   `json:"name"`
	SQL  []string `json:"sql"`
}

// table is one table as a backup sees it. Types are id (16 bytes), int (64
// bits, signed), text and blob. Key are the columns that order its rows.
type table struct {
	Name    string
	Columns []string
	Types   []string
	Key     []string
	// Whole has each increment hold all rows: the table is small, or the order
	// of its key is not that of its bytes and numbers, or its changes are not
	// told.
	Whole bool
	// Untold says that the changes from this moment on are not told: the next
	// increment cannot but hold the table whole. Not every table that is whole
	// now is so.
	Untold bool
	// Definition is what else makes the table what it is: a statement that
	// makes it, or "".
	Definition string
	// First says that only reader 0 sees the table at the moment: for another
	// reader it may be that of a little earlier or later.
	First bool `json:"-"` // how it is read is not what it is
}

// definitionOf names what the tables of a snapshot are, so that an increment
// follows only a backup of the very same tables.
func definitionOf(schema int, tables []table) (string, error) {
	of := slices.Clone(tables)
	for i := range of {
		// How the changes are told is not what the table is.
		of[i].Whole, of[i].Untold = false, false
	}
	data, err := json.Marshal(struct {
		Schema int
		Tables []table
	}{schema, of})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// namesOf returns the names of some of the tables.
func namesOf(tables []table, which func(table) bool) []string {
	var out []string
	for _, t := range tables {
		if which(t) {
			out = append(out, t.Name)
		}
	}
	return out
}

// keyOf returns where the key's columns stand among the columns of a table.
func keyOf(columns, key []string) []int {
	out := make([]int, len(key))
	for i, k := range key {
		out[i] = slices.Index(columns, k)
	}
	return out
}

// localTables describes the tables of a cache.
func localTables(ctx context.Context, db *sqlite.DB) ([]table, error) {
	list, err := db.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []table
	for _, t := range list {
		whole := !sqlite.IsNoted(t.Name)
		out = append(out, table{Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key, Whole: whole, Untold: whole})
	}
	return out, nil
}
