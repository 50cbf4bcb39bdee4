package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"rapport/model"
)

// index is one index of a synced table.
type index struct {
	name  string
	table model.Noun
	ddl   string
	owner bool // leads from owners to their parts
}

// sqlTypes are SQLite's names of the column types; STRICT tables keep to them.
var sqlTypes = map[model.ColumnType]string{
	model.ColText: "TEXT", model.ColLong: "TEXT", model.ColDate: "TEXT", model.ColDecimal: "TEXT",
	model.ColInt: "INTEGER", model.ColBool: "INTEGER", model.ColTime: "INTEGER", model.ColID: "BLOB",
}

// columnDDL declares one column. Only a part's link to its owner is a foreign
// key: they travel together. A link between records may point to what is not
// visible here.
func columnDDL(c model.Column) string {
	s := quote(c.Name) + " " + sqlTypes[c.Type]
	if c.Name == model.ColumnID {
		return s + " NOT NULL UNIQUE CHECK (length(id) = 16)"
	}
	if c.Owner {
		return s + " REFERENCES " + quote(string(c.Ref)) + " (id) DEFERRABLE INITIALLY DEFERRED"
	}
	if c.NotNull {
		s += " NOT NULL"
		switch v := c.Fallback.(type) {
		case int64:
			s += fmt.Sprintf(" DEFAULT %d", v)
		case model.ID:
			s += fmt.Sprintf(" DEFAULT x'%s'", strings.ReplaceAll(string(v), "-", ""))
		}
	}
	return s
}

// tableColumns returns the declarations of an entity's columns by name, in
// order.
func tableColumns(e *model.Entity) (names, ddl []string) {
	for _, c := range e.Columns() {
		names, ddl = append(names, c.Name), append(ddl, columnDDL(c))
	}
	if e.Name != nil {
		for _, n := range []string{columnTitle, columnTitleKey, columnSortKey} {
			names, ddl = append(names, n), append(ddl, quote(n)+" TEXT NOT NULL DEFAULT ''")
		}
	}
	return names, ddl
}

// tableDDL makes the table of an entity.
func tableDDL(e *model.Entity) string {
	_, cols := tableColumns(e)
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (\n  rid INTEGER PRIMARY KEY,\n  %s\n) STRICT",
		quote(string(e.Noun)), strings.Join(cols, ",\n  "))
}

// questions are the indexes that one screen asks for: the board's columns by
// close date and their sums, and a person's open tasks by due date.
var questions = []struct {
	table model.Noun
	name  string
	on    string
}{
	{"deal", "board", "stage_id, close_date, id"},
	{"deal", "sums", "stage_id, amount_currency, amount_minor, probability"},
	{"deal", "mine", "owner_id, stage_id, stage_entered_at"},
	{"activity", "mine", "owner_id, status, due_at"},
}

// indexes returns the indexes of an entity's table beside the one on its id.
func indexes(e *model.Entity) []index {
	var out []index
	add := func(name, on, where string) {
		full := fmt.Sprintf("ix_%s_%s", e.Noun, name)
		out = append(out, index{full, e.Noun, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s) WHERE %s", quote(full), quote(string(e.Noun)), on, where), false})
	}
	const live = "deleted_at IS NULL"
	if e.Name != nil {
		add(columnSortKey, "sort_key, id", live)
		add(columnTitleKey, "title_key", live)
		add("bin", model.ColumnDeletedAt, "deleted_at IS NOT NULL") // what is not living is few: see countLiving
	}
	for _, c := range e.Columns() {
		switch f := c.Field; {
		case c.Ref != "":
			add(c.Name, quote(c.Name), quote(c.Name)+" IS NOT NULL")
			out[len(out)-1].owner = c.Owner
		case f == nil || c.Name != f.Columns()[0].Name:
		case f.Sorted:
			add(c.Name, sortColumn(c)+", id", live)
		case e.IsPart() && indexedItem(f):
			add(c.Name, sortColumn(c), live)
		}
	}
	for _, q := range questions {
		if q.table == e.Noun {
			add(q.name, q.on, live)
		}
	}
	return out
}

// foundBy returns the columns by which an entity's indexes find its rows, but for
// the moment of the last change, which is another one each time.
func foundBy(e *model.Entity) map[string]bool {
	out := map[string]bool{}
	for _, ix := range indexes(e) {
		for _, word := range strings.FieldsFunc(ix.ddl, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			out[word] = true
		}
	}
	delete(out, model.ColumnUpdatedAt)
	return out
}

// indexedItem tells whether parts are found by the index on a text of theirs,
// which is compared without regard to ASCII case: one that each part has and
// that is searched.
func indexedItem(f *model.Field) bool { return f.Required && f.Search != model.NoSearch }

// sortColumn is how an indexed column is ordered and compared: text without
// regard to ASCII case.
func sortColumn(c model.Column) string {
	if c.Type == model.ColText {
		return quote(c.Name) + " COLLATE NOCASE"
	}
	return quote(c.Name)
}

// fingerprint tells one declaration from another.
func fingerprint() string {
	h := sha256.New()
	for _, e := range model.Entities() {
		h.Write([]byte(tableDDL(e)))
		for _, ix := range indexes(e) {
			h.Write([]byte(ix.ddl))
		}
	}
	h.Write([]byte(searchFingerprint()))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// applyDeclaration adds the tables, columns and indexes that the declaration
// has and the file lacks, and tells whether there were such tables or columns.
// It never takes anything away.
func applyDeclaration(ctx context.Context, tx *sql.Tx) (grew bool, err error) {
	for _, e := range model.Entities() {
		have, err := columnsInFile(ctx, tx, e)
		if err != nil {
			return false, err
		}
		if len(have) == 0 {
			grew = true
			if _, err := tx.ExecContext(ctx, tableDDL(e)); err != nil {
				return false, fmt.Errorf("make table %s: %w", e.Noun, err)
			}
		} else if added, err := addColumns(ctx, tx, e, have); err != nil {
			return false, err
		} else if added {
			grew = true
		}
		if err := applyIndexes(ctx, tx, e); err != nil {
			return false, err
		}
	}
	return grew, nil
}

// addColumns adds the columns that a table lacks.
func addColumns(ctx context.Context, tx *sql.Tx, e *model.Entity, have map[string]bool) (added bool, err error) {
	names, ddl := tableColumns(e)
	for i, n := range names {
		if have[n] {
			continue
		}
		added = true
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", quote(string(e.Noun)), ddl[i])); err != nil {
			return false, fmt.Errorf("add column %s.%s: %w", e.Noun, n, err)
		}
	}
	return added, nil
}

func columnsInFile(ctx context.Context, tx *sql.Tx, e *model.Entity) (map[string]bool, error) {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", string(e.Noun))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		have[name] = true
	}
	return have, rows.Err()
}

// applyIndexes makes an entity's indexes and makes those anew whose
// definition changed.
func applyIndexes(ctx context.Context, tx *sql.Tx, e *model.Entity) error {
	for _, ix := range indexes(e) {
		var old string
		err := tx.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", ix.name).Scan(&old)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
		if old == strings.Replace(ix.ddl, "IF NOT EXISTS ", "", 1) {
			continue
		}
		for _, q := range []string{"DROP INDEX IF EXISTS " + quote(ix.name), ix.ddl} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("make index %s: %w", ix.name, err)
			}
		}
	}
	return nil
}
