package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"rapport/model"
)

// applicationID marks our files: "RPRT".
const applicationID = 0x52505254

//go:embed migrations/*.sql
var migrationFiles embed.FS

// keyDeclaration is the state under which the fingerprint of the declaration
// is kept that the file follows.
const keyDeclaration = "declaration"

// migrations returns the numbered scripts in order. Script n brings the
// service tables to version n.
func migrations() ([]string, error) {
	entries, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var out []string
	for _, e := range entries {
		data, err := migrationFiles.ReadFile("migrations/" + e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, string(data))
	}
	return out, nil
}

// prepare checks that the file is ours and brings it up to this program. A
// file that is up to date costs two short reads.
func (d *DB) prepare(ctx context.Context) error {
	if err := checkHeader(d.path); err != nil {
		return err
	}
	scripts, err := migrations()
	if err != nil {
		return err
	}
	version, fresh, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	if version > len(scripts) {
		return model.Errorf(model.TooNew, "this workspace was made by a newer Rapport").WithHint("update the program; the workspace was not touched")
	}
	want := fingerprint()
	if !fresh && version == len(scripts) {
		var have string
		err := d.writer.QueryRowContext(ctx, "SELECT value FROM state WHERE key = ?", keyDeclaration).Scan(&have)
		if err != nil && err != sql.ErrNoRows {
			return mapError("open", err)
		}
		if have == want || have == loadingMark(want) {
			return nil
		}
	}
	if !fresh && version < len(scripts) {
		copyPath := filepath.Join(filepath.Dir(d.path), fmt.Sprintf("rapport-before-v%d.db", len(scripts)))
		if err := d.CopyTo(ctx, copyPath); err != nil {
			return err
		}
	}
	return d.upgrade(ctx, scripts, want)
}

// checkHeader refuses a file of another program before SQLite touches it.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return mapError("open", err)
	}
	defer f.Close()
	var head [100]byte
	n, err := io.ReadFull(f, head[:])
	if n == 0 && err == io.EOF {
		return nil
	}
	id := binary.BigEndian.Uint32(head[68:])
	if err != nil || string(head[:16]) != "SQLite format 3\x00" || id != 0 && id != applicationID {
		return model.Errorf(model.Invalid, "%s is no Rapport file", path).WithHint("if it was one, it is damaged: restore a backup; else name another home with --home")
	}
	return nil
}

// inspect reads the file's version. fresh is true for a file without tables.
func (d *DB) inspect(ctx context.Context) (version int, fresh bool, err error) {
	var app, tables int
	err = d.writer.QueryRowContext(ctx, `
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_schema)`).Scan(&app, &version, &tables)
	if err != nil {
		return 0, false, mapError("open", err)
	}
	if tables > 0 && app != applicationID {
		return 0, false, model.Errorf(model.Invalid, "%s is no Rapport file", d.path).WithHint("name another home with --home")
	}
	return version, tables == 0, nil
}

// upgrade runs the missing scripts and follows the declaration, all in one
// transaction. Another process may have done it meanwhile, so it looks again.
func (d *DB) upgrade(ctx context.Context, scripts []string, want string) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return mapError("upgrade", err)
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return mapError("upgrade", err)
	}
	fresh := version == 0
	for _, s := range scripts[min(version, len(scripts)):] {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return mapError("upgrade", err)
		}
	}
	grew, err := applyDeclaration(ctx, tx)
	if err != nil {
		return mapError("upgrade", err)
	}
	for _, q := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", len(scripts)),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return mapError("upgrade", err)
		}
	}
	t := d.newTx(tx)
	if err := t.ensureSearch(ctx); err != nil {
		return mapError("upgrade", err)
	}
	if grew {
		if err := t.compareSoon(); err != nil {
			return mapError("upgrade", err)
		}
	}
	if err := t.setState(keyDeclaration, want); err != nil {
		return mapError("upgrade", err)
	}
	if fresh {
		rows := model.SeedRows()
		for _, e := range model.Entities() {
			for _, row := range rows[e.Noun] {
				if err := t.put(e, row); err != nil {
					return mapError("upgrade", err)
				}
			}
		}
		if err := t.finish(); err != nil {
			return mapError("upgrade", err)
		}
	}
	t.closeStatements()
	return mapError("upgrade", tx.Commit())
}
