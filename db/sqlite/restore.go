package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// keyLineage is the state under which the lineage of the workspace's backups
// is kept.
const keyLineage = "backup_lineage"

// keyPlaces is the state under which the places outside the home are kept that
// backups of this copy went to: a JSON list of their names.
const keyPlaces = "backup_places"

// keyNumber is the state under which the backups of the lineage are counted.
const keyNumber = "backup_number"

// serviceTables are the tables beside those of the declaration whose rows a
// backup holds: what is unsent, in conflict, and known of the past. Everything
// else in the file is derived from the records.
var serviceTables = []string{"sync_base", "sync_batch", "sync_conflict", "audit", "duplicate", "state", "load_state", "load_late", "import_run"}

// ownState are the states that belong to one copy of a workspace. A restored
// copy makes its own, except for the declaration, which is that of its file.
var ownState = []string{stateClient, stateBatch, keyLineage, keyPlaces, keyNumber, keyDeclaration, keySearch}

// QueryContext runs a query on the pool of readers.
func (d *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := d.read().QueryContext(ctx, query, args...)
	return rows, mapError("query", err)
}

// Snapshot returns a transaction that sees the cache as it is now, for as long
// as it is open, whatever is written meanwhile. Roll it back when done.
func (d *DB) Snapshot(ctx context.Context) (*sql.Tx, error) {
	tx, err := d.read().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, mapError("begin snapshot", err)
	}
	// The snapshot is taken by the first read.
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		tx.Rollback()
		return nil, mapError("begin snapshot", err)
	}
	return tx, nil
}

// Lineage names the line of backups of this copy of the workspace. It is made
// at the first call.
func (d *DB) Lineage(ctx context.Context) (string, error) {
	s, err := d.readState(ctx, keyLineage)
	if s != "" || err != nil {
		return s, err
	}
	return s, d.write(ctx, "make backup lineage", func(t *Tx) error {
		if s, err = t.state(keyLineage); s != "" || err != nil {
			return err
		}
		s = string(d.ids.New())
		return t.setState(keyLineage, s)
	})
}

// NumberBackup counts one more backup of this copy and returns how many there
// were. It tells which of two is newer whatever the clock said.
func (d *DB) NumberBackup(ctx context.Context) (int64, error) {
	var n int64
	return n, d.write(ctx, "number backup", func(t *Tx) error {
		s, err := t.state(keyNumber)
		if err != nil {
			return err
		}
		if s != "" {
			if n, err = strconv.ParseInt(s, 10, 64); err != nil {
				return err
			}
		}
		n++
		return t.setState(keyNumber, strconv.FormatInt(n, 10))
	})
}

// KnowsBackupPlace tells whether backups of this copy went to a place.
func (d *DB) KnowsBackupPlace(ctx context.Context, name string) (bool, error) {
	s, err := d.readState(ctx, keyPlaces)
	if s == "" || err != nil {
		return false, err
	}
	var places []string
	err = json.Unmarshal([]byte(s), &places)
	return slices.Contains(places, name), err
}

// KnowBackupPlace keeps that backups of this copy go to a place.
func (d *DB) KnowBackupPlace(ctx context.Context, name string) error {
	if known, err := d.KnowsBackupPlace(ctx, name); known || err != nil {
		return err
	}
	return d.write(ctx, "keep place of backups", func(t *Tx) error {
		s, err := t.state(keyPlaces)
		if err != nil {
			return err
		}
		var places []string
		if s != "" {
			if err := json.Unmarshal([]byte(s), &places); err != nil {
				return err
			}
		}
		data, err := json.Marshal(append(places, name))
		if err != nil {
			return err
		}
		return t.setState(keyPlaces, string(data))
	})
}

// Table describes one table as a backup sees it. Types are id (16 bytes), int,
// text and blob. Key are the columns that order its rows.
type Table struct {
	Name    string
	Columns []string
	Types   []string
	Key     []string
}

// Select returns the statement that reads the table's rows in their order.
func (t Table) Select() string {
	return fmt.Sprintf("SELECT %s\nFROM %s\nORDER BY %s", quoteAll(t.Columns), quote(t.Name), quoteAll(t.Key))
}

func quoteAll(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quote(n)
	}
	return strings.Join(out, ", ")
}

// Tables returns the tables that a backup holds, owners before their parts.
func (d *DB) Tables(ctx context.Context) ([]Table, error) {
	var out []Table
	for _, e := range model.Entities() {
		t := Table{Name: string(e.Noun), Key: []string{model.ColumnID}}
		for _, c := range e.Columns() {
			typ := strings.ToLower(sqlTypes[c.Type])
			switch c.Type {
			case model.ColID:
				typ = "id"
			case model.ColInt, model.ColBool, model.ColTime:
				typ = "int"
			}
			t.Columns, t.Types = append(t.Columns, c.Name), append(t.Types, typ)
		}
		out = append(out, t)
	}
	for _, name := range serviceTables {
		t, err := d.serviceTable(ctx, name)
		if err != nil {
			return nil, mapError("describe tables", err)
		}
		out = append(out, t)
	}
	return out, nil
}

func (d *DB) serviceTable(ctx context.Context, name string) (Table, error) {
	t := Table{Name: name}
	rows, err := d.read().QueryContext(ctx, "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", name)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	key := map[int]string{}
	for rows.Next() {
		var column, typ string
		var pk int
		if err := rows.Scan(&column, &typ, &pk); err != nil {
			return t, err
		}
		t.Columns = append(t.Columns, column)
		t.Types = append(t.Types, map[string]string{"INTEGER": "int", "TEXT": "text", "BLOB": "blob"}[typ])
		if pk > 0 {
			key[pk] = column
		}
	}
	for i := 1; i <= len(key); i++ {
		t.Key = append(t.Key, key[i])
	}
	return t, rows.Err()
}

// SchemaVersion is the version of the service tables that this program writes.
func SchemaVersion() (int, error) {
	scripts, err := migrations()
	return len(scripts), err
}

// refillBatch is how many rows one transaction of a refill writes.
const refillBatch = 20000

// Refill replaces everything in a cache that nobody else has open by rows from
// elsewhere. Rows come table by table, owners before their parts. Nothing is
// complete before Finish.
type Refill struct {
	d      *DB
	ctx    context.Context
	tx     *Tx
	rows   int
	insert map[string]string
	unsure []recordKey // records whose title their lists decide
	lacks  bool        // rows come from a program that declared less
}

// BeginRefill empties the cache. The file is written without regard to power
// failures until Finish: it must be one that can be thrown away.
func (d *DB) BeginRefill(ctx context.Context) (*Refill, error) {
	for _, q := range []string{"PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF"} {
		if _, err := d.writer.ExecContext(ctx, q); err != nil {
			return nil, mapError("refill", err)
		}
	}
	r := &Refill{d: d, ctx: ctx, insert: map[string]string{}}
	if err := r.begin(); err != nil {
		return nil, err
	}
	for _, e := range model.Entities() {
		for _, ix := range indexes(e) {
			if _, err := r.tx.ExecContext(ctx, "DROP INDEX IF EXISTS "+quote(ix.name)); err != nil {
				return nil, r.failed(err)
			}
		}
		if _, err := r.tx.ExecContext(ctx, "DELETE FROM "+quote(string(e.Noun))); err != nil {
			return nil, r.failed(err)
		}
	}
	for _, name := range serviceTables {
		q := "DELETE FROM " + quote(name)
		if name == "state" {
			q += " WHERE key <> '" + keyDeclaration + "'"
		}
		if _, err := r.tx.ExecContext(ctx, q); err != nil {
			return nil, r.failed(err)
		}
	}
	return r, nil
}

func (r *Refill) begin() error {
	tx, err := r.d.writer.BeginTx(r.ctx, nil)
	if err != nil {
		return mapError("refill", err)
	}
	r.tx, r.rows = r.d.newTx(tx), 0
	return nil
}

func (r *Refill) commit() error {
	r.tx.closeStatements()
	return mapError("refill", r.tx.Commit())
}

// failed gives up: the file is to be thrown away.
func (r *Refill) failed(err error) error {
	r.Discard()
	return mapError("refill", err)
}

// Discard ends a refill that is not finished.
func (r *Refill) Discard() {
	if r.tx != nil {
		r.tx.closeStatements()
		r.tx.Rollback()
		r.tx = nil
	}
}

// Put stores one row: int64, string, []byte or nil for each of the columns,
// which must be the same for all rows of a table. A column or a table that
// this program does not know is TooNew.
func (r *Refill) Put(table string, columns []string, values []any) error {
	if r.rows++; r.rows > refillBatch {
		if err := r.commit(); err != nil {
			return err
		}
		if err := r.begin(); err != nil {
			return err
		}
	}
	if e := model.EntityOf(model.Noun(table)); e != nil && string(e.Noun) == table {
		return r.putRecord(e, columns, values)
	}
	if table == "state" && isOwnState(values[0]) {
		return nil
	}
	q, ok := r.insert[table]
	if !ok {
		if err := r.known(table, columns); err != nil {
			return err
		}
		q = fmt.Sprintf("INSERT INTO %s (%s)\nVALUES (%s)", quote(table), quoteAll(columns), marks(len(columns)))
		r.insert[table] = q
	}
	return mapError("refill "+table, r.tx.exec(q, values...))
}

func isOwnState(key any) bool {
	for _, k := range ownState {
		if k == key {
			return true
		}
	}
	return false
}

// known refuses what this program has no place for.
func (r *Refill) known(table string, columns []string) error {
	for _, name := range serviceTables {
		if name != table {
			continue
		}
		t, err := r.d.serviceTable(r.ctx, name)
		if err != nil {
			return mapError("refill", err)
		}
		have := map[string]bool{}
		for _, c := range t.Columns {
			have[c] = true
		}
		for _, c := range columns {
			if !have[c] {
				return unknownPlace(table + "." + c)
			}
		}
		return nil
	}
	return unknownPlace(table)
}

func unknownPlace(what string) error {
	return model.Errorf(model.TooNew, "this program has no place for %s", what).WithHint("update the program")
}

// putRecord stores the row of a declared table. A column that is missing gets
// its fallback.
func (r *Refill) putRecord(e *model.Entity, columns []string, values []any) error {
	row := model.NewRow(e)
	r.lacks = r.lacks || len(columns) < len(row)
	for j, name := range columns {
		i, c := e.Column(name)
		if i < 0 {
			return unknownPlace(string(e.Noun) + "." + name)
		}
		row[i] = values[j]
		if b, ok := values[j].([]byte); ok && c.Type == model.ColID {
			row[i] = model.IDFromBytes(b)
		}
	}
	p := planOf(e)
	args := make([]any, len(row), len(row)+3)
	for i, v := range row {
		args[i] = cell(v)
	}
	if p.titled {
		title, sortKey, sure := rowTitle(e, row)
		args = append(args, title, model.Fold(title), sortKey)
		if !sure {
			r.unsure = append(r.unsure, recordKey{e.Noun, row.ID()})
		}
	}
	return mapError("refill "+string(e.Noun), r.tx.store(p, args))
}

// Lacks tells that a declared table is missing where the rows come from.
func (r *Refill) Lacks() { r.lacks = true }

// Finish makes what is derived: indexes, titles and search. Where the rows lack
// what this program declares, the next sync looks for it. Then it checks the
// whole file; a file that is not sound is Corrupt.
func (r *Refill) Finish() error {
	if r.lacks {
		if err := r.tx.compareSoon(); err != nil {
			return r.failed(err)
		}
	}
	for _, e := range model.Entities() {
		if err := applyIndexes(r.ctx, r.tx.Tx, e); err != nil {
			return r.failed(err)
		}
	}
	for _, k := range r.unsure {
		if err := r.tx.retell(model.EntityOf(k.noun), k.id); err != nil {
			return r.failed(err)
		}
	}
	if err := r.tx.rebuildSearch(r.ctx); err != nil {
		return r.failed(err)
	}
	if err := r.commit(); err != nil {
		return err
	}
	r.tx = nil
	if _, err := r.d.writer.ExecContext(r.ctx, "PRAGMA synchronous = FULL"); err != nil {
		return mapError("refill", err)
	}
	if _, err := r.d.writer.ExecContext(r.ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return mapError("refill", err)
	}
	damage, err := r.d.IntegrityCheck(r.ctx)
	if err != nil {
		return err
	}
	if len(damage) > 0 {
		return model.Errorf(model.Corrupt, "the restored workspace is not sound: %s", damage[0])
	}
	return nil
}

// IsOwn tells whether a table holds values that belong to one copy of a
// workspace, so that a restored copy may differ in it: its state, and how far a
// load came.
func IsOwn(table string) bool {
	return table == "state" || table == "load_state" || table == "load_late"
}

// LockFile takes the sync lock of the cache at path, which need not be there.
// Error: Locked.
func LockFile(ctx context.Context, path string) (release func(), err error) {
	return (&DB{path: path}).Lock(ctx)
}

// Retire makes the cache at path ready to be replaced: it proves that nobody
// has it open, merges its journal into it, and writes a copy to safety. Errors:
// Locked, Corrupt, Invalid for a file that is no cache.
func Retire(ctx context.Context, path, safety string) error {
	db, err := sql.Open("sqlite", plainDSN(path))
	if err != nil {
		return mapError("retire", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	// The journal can be left only by the one connection that there is.
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode); err != nil {
		if err = mapError("retire", err); model.KindOf(err) == model.Locked {
			return errInUse(err)
		}
		return err
	}
	if mode != "delete" {
		return errInUse(nil)
	}
	if err := createFile(safety); err != nil {
		return model.Errorf(model.Invalid, "the copy %s cannot be written", safety).Because(err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", safety); err != nil {
		os.Remove(safety)
		return mapError("copy", err)
	}
	return nil
}

func errInUse(err error) error {
	return model.Errorf(model.Locked, "another process has the workspace open").WithHint("close it and try again").Because(err)
}

// plainDSN is the address of a file that keeps whatever journal it has.
func plainDSN(path string) string {
	slash := filepath.ToSlash(path)
	if slash[0] != '/' {
		slash = "/" + slash
	}
	u := url.URL{Scheme: "file", Path: slash, RawQuery: "_pragma=busy_timeout(2000)"}
	return u.String()
}
