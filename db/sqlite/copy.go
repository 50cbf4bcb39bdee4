package sqlite

import (
	"context"
	"database/sql"
	"os"

	"rapport/model"
)

// CopyTo writes a compact copy of the cache to a path where no file is yet, as
// it is at one moment. Others may write meanwhile.
func (d *DB) CopyTo(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return model.Errorf(model.Invalid, "the copy %s cannot be written", path).Because(err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := d.writer.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		os.Remove(path)
		return mapError("copy", err)
	}
	return nil
}

// IntegrityCheck reads the whole file and returns what is damaged, nothing for
// a sound file. It does so over a connection of its own: one that searched
// before remembers how the search index was laid out then, and would call an
// index damaged that was merged since.
func (d *DB) IntegrityCheck(ctx context.Context) ([]string, error) {
	own, err := sql.Open("sqlite", dsn(d.path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, mapError("check", err)
	}
	defer own.Close()
	var out []string
	for _, q := range []string{"PRAGMA integrity_check(20)", "PRAGMA foreign_key_check"} {
		rows, err := own.QueryContext(ctx, q)
		if err != nil {
			return nil, mapError("check", err)
		}
		cols, err := rows.Columns()
		if err != nil {
			rows.Close()
			return nil, mapError("check", err)
		}
		for rows.Next() {
			values := make([]any, len(cols))
			dest := make([]any, len(cols))
			for i := range values {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				rows.Close()
				return nil, mapError("check", err)
			}
			if s := model.FormatValue(values[0]); s != "ok" {
				out = append(out, s)
			}
		}
		err = rows.Err()
		rows.Close()
		if err != nil {
			return nil, mapError("check", err)
		}
	}
	return out, nil
}

// countLiving counts the living records of an entity: all
// without the deleted ones. SQLite counts a whole table by its pages, which
// takes a thousandth of the time of looking at each row.
func countLiving(e *model.Entity) string {
	table := quote(string(e.Noun))
	return "SELECT (SELECT count(*) FROM " + table + ") - (SELECT count(*) FROM " + table + " WHERE deleted_at IS NOT NULL)"
}

// Counts returns how many records there are of each noun.
func (d *DB) Counts(ctx context.Context) (map[model.Noun]int64, error) {
	out := map[model.Noun]int64{}
	for _, e := range model.Records() {
		var n int64
		if err := d.read().QueryRowContext(ctx, countLiving(e)).Scan(&n); err != nil {
			return nil, mapError("count", err)
		}
		out[e.Noun] = n
	}
	return out, nil
}
