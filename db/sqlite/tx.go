package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"rapport/model"
)

// recordKey names one record.
type recordKey struct {
	noun model.Noun
	id   model.ID
}

// Tx is one write transaction. Helpers take it; they never begin, commit or
// publish.
type Tx struct {
	*sql.Tx
	db   *DB
	conn *sql.Conn // what it runs on, in the steps of a load
	now  time.Time

	statements map[string]*sql.Stmt
	touched    map[recordKey]bool // whether the row alone gave its title
	order      []recordKey
	names      map[string]model.ID // names resolved in this transaction
	changed    map[model.Noun]bool
	bases      map[model.Noun]int64 // where each noun lies in the search index
	looked     map[recordKey]bool   // records that may be here already under another id
	act        int64                // what is logged belongs to it; 0 before the first entry
	erased     bool                 // something was erased: see scrub
}

func (d *DB) newTx(tx *sql.Tx) *Tx {
	return &Tx{Tx: tx, db: d, now: d.now().UTC().Truncate(time.Millisecond), statements: map[string]*sql.Stmt{},
		touched: map[recordKey]bool{}, names: map[string]model.ID{}, changed: map[model.Noun]bool{}}
}

// write runs fn in one transaction that holds the write lock from its
// beginning. Before the commit the touched records get their derived columns
// and their search entries; after it the change is published.
func (d *DB) write(ctx context.Context, op string, fn func(*Tx) error) error {
	if d.settings.ReadOnly {
		return model.Errorf(model.Refused, "the workspace is open for reading only")
	}
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return mapError(op, err)
	}
	return d.within(tx, op, fn)
}

// within runs fn in a transaction that was begun, and ends it.
func (d *DB) within(tx *sql.Tx, op string, fn func(*Tx) error) error {
	defer tx.Rollback()
	t := d.newTx(tx)
	defer t.closeStatements()
	if err := fn(t); err != nil {
		return mapError(op, err)
	}
	if err := t.finish(); err != nil {
		return mapError(op, err)
	}
	t.closeStatements()
	if err := tx.Commit(); err != nil {
		return mapError(op, err)
	}
	d.publish(t.changed)
	return nil
}

// stmt returns a statement that stays prepared for the transaction.
func (t *Tx) stmt(query string) (*sql.Stmt, error) {
	if s := t.statements[query]; s != nil {
		return s, nil
	}
	s, err := t.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	t.statements[query] = s
	return s, nil
}

// exec runs a prepared statement.
func (t *Tx) exec(query string, args ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	_, err = s.Exec(args...)
	return err
}

// query runs a prepared query.
func (t *Tx) query(query string, args ...any) (*sql.Rows, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.Query(args...)
}

// one runs a prepared query for one row; found is false if there is none.
func (t *Tx) one(dest []any, query string, args ...any) (found bool, err error) {
	rows, err := t.query(query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest...)
}

// prepared reads by statements that stay prepared. A query must be read to its
// end before the same one is run again.
type prepared struct{ *Tx }

// QueryContext runs a prepared query. The transaction's own context ends it.
func (p prepared) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.query(query, args...)
}

func (t *Tx) closeStatements() {
	for _, s := range t.statements {
		s.Close()
	}
	clear(t.statements)
}

// row returns a stored row, nil if there is none.
func (t *Tx) row(e *model.Entity, id model.ID) (model.Row, error) {
	rows, err := t.query(planOf(e).byID, id.Bytes())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	return scanRow(e, rows)
}

// put stores a row under its id, with the derived columns as far as the row
// gives them, and marks its record as touched.
func (t *Tx) put(e *model.Entity, row model.Row) error {
	p := planOf(e)
	args := make([]any, len(row), len(row)+3)
	for i, v := range row {
		args[i] = cell(v)
	}
	sure := true
	if p.titled {
		var title, sortKey string
		title, sortKey, sure = rowTitle(e, row)
		key := model.Fold(title)
		args = append(args, title, key, sortKey)
		delete(t.names, nameKey(e.Noun, key))
	}
	if err := t.store(p, args); err != nil {
		return fmt.Errorf("store %s %s: %w", e.Noun, row.ID(), err)
	}
	if n, id, ok := row.OwnerOf(e); ok {
		t.touch(n, id)
		return nil
	}
	t.touch(e.Noun, row.ID())
	if planOf(e).listed {
		t.touched[recordKey{e.Noun, row.ID()}] = sure
	}
	return nil
}

// store writes all columns of a row, there or not.
func (t *Tx) store(p *plan, args []any) error {
	if err := t.exec(p.upsert, args...); err != nil || p.move == "" {
		return err
	}
	moved := make([]any, 0, 1+len(p.found))
	moved = append(moved, args[0])
	for _, i := range p.found {
		moved = append(moved, args[i])
	}
	return t.exec(p.move, moved...)
}

// drop removes a row for good and marks its record as touched.
func (t *Tx) drop(e *model.Entity, id model.ID) error {
	row, err := t.row(e, id)
	if err != nil || row == nil {
		return err
	}
	if err := t.forget(e.Noun, id); err != nil {
		return err
	}
	if err := t.exec(planOf(e).drop, id.Bytes()); err != nil {
		return fmt.Errorf("remove %s %s: %w", e.Noun, id, err)
	}
	clear(t.names)
	if n, owner, ok := row.OwnerOf(e); ok {
		t.touch(n, owner)
	} else {
		t.touch(e.Noun, id)
	}
	return nil
}

// touch notes that a record or one of its parts changed.
func (t *Tx) touch(n model.Noun, id model.ID) {
	k := recordKey{n, id}
	if _, ok := t.touched[k]; !ok {
		t.touched[k] = false
		t.order = append(t.order, k)
		t.changed[n] = true
	}
}

// finish gives the touched records their titles and search entries.
func (t *Tx) finish() error {
	for _, k := range t.order {
		if e := model.EntityOf(k.noun); planOf(e).listed && !t.touched[k] {
			if err := t.retell(e, k.id); err != nil {
				return err
			}
		}
	}
	if err := t.reindex(t.order); err != nil {
		return err
	}
	t.order, t.touched = nil, map[recordKey]bool{}
	return nil
}

// renamed touches the records that may be called after a record whose title
// changed: a contact without a name has that of its organization.
func (t *Tx) renamed(e *model.Entity, old, row model.Row) error {
	was, _, _ := rowTitle(e, old)
	if is, _, _ := rowTitle(e, row); is == was {
		return nil
	}
	for _, other := range model.Records() {
		for _, c := range other.Columns() {
			if !planOf(other).listed || c.Ref != e.Noun {
				continue
			}
			ids, err := scanIDs(t.query("SELECT id\nFROM "+quote(string(other.Noun))+"\nWHERE "+quote(c.Name)+" = ?", row.ID().Bytes()))
			if err != nil {
				return err
			}
			for _, id := range ids {
				t.touch(other.Noun, id)
			}
		}
	}
	return nil
}

// retell stores the title of a record whose lists may decide it.
func (t *Tx) retell(e *model.Entity, id model.ID) error {
	row, err := t.row(e, id)
	if err != nil || row == nil {
		return err
	}
	title, sortKey, sure := rowTitle(e, row)
	if !sure {
		r, err := t.record(e, id)
		if err != nil {
			return err
		}
		title, sortKey = r.Title(), r.SortKey()
	}
	return t.exec(planOf(e).retell, title, model.Fold(title), sortKey, id.Bytes())
}

// state returns a value that the workspace keeps about itself, "" if absent.
func (t *Tx) state(key string) (string, error) {
	var v string
	err := t.QueryRow("SELECT value FROM state WHERE key = ?", key).Scan(&v)
	if err == sql.ErrNoRows {
		return "", nil
	}
	return v, err
}

// setState stores such a value; "" removes it.
func (t *Tx) setState(key, value string) error {
	if value == "" {
		_, err := t.Exec("DELETE FROM state WHERE key = ?", key)
		return err
	}
	_, err := t.Exec("INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}

// nameKey is the key of a folded name in Tx.names.
func nameKey(n model.Noun, folded string) string { return string(n) + "\x00" + folded }
