package backup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"rapport/db/sqlite"
	"rapport/model"
)

// Restore restores a backup into a home that nobody has open. See
// Backuper.RestoreBackup.
func Restore(ctx context.Context, home string, req model.BackupRequest, n model.Notify) (model.BackupInfo, string, error) {
	return New(Options{Home: home}).RestoreBackup(ctx, req, n)
}

// RestoreBackup replaces the records, unsent changes, conflicts and history of
// the workspace by those of a backup. req.To names where the backup lies.
//
// The backup is read, proved and loaded into a file of its own first; whatever
// is wrong with it leaves the workspace untouched. Then the cache is copied to
// the backups folder and replaced in one rename. Settings are written only
// where there are none. The restored workspace takes a new client id at its
// first sync.
func (b *Backuper) RestoreBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (info model.BackupInfo, safetyCopy string, err error) {
	s, err := b.store(&req)
	if err != nil {
		return info, "", err
	}
	k, err := readKeys(req.Identity)
	if err != nil {
		return info, "", err
	}
	list, err := entries(ctx, s, b.pins())
	if err != nil {
		return info, "", err
	}
	e, err := pick(s, of(list, model.SourceLocal), req.ID, true)
	if err != nil {
		return info, "", err
	}
	c, err := openChain(ctx, s, k, list, e)
	if err != nil {
		return e.info, "", err
	}
	m := c.end()
	if schema, err := sqlite.SchemaVersion(); err != nil {
		return e.info, "", err
	} else if m.Schema > schema {
		return e.info, "", model.Errorf(model.TooNew, "the backup %s was made by a newer Rapport", e.id.Short()).WithHint("update the program")
	}
	b.deadScratch(scratchRestore, func(string) bool { return true })
	temp, free, err := b.scratch(scratchRestore)
	if err != nil {
		return e.info, "", err
	}
	defer free(true)
	file := filepath.Join(temp, sqlite.FileName)
	if err := b.build(ctx, file, c, n); err != nil {
		return e.info, "", err
	}
	if err := b.forgetErased(ctx, s, file); err != nil {
		return e.info, "", err
	}
	exclusive := b.o.Exclusive
	if exclusive == nil {
		exclusive = b.locked
	}
	if err := exclusive(ctx, func() (err error) {
		safetyCopy, err = b.swap(ctx, file)
		return err
	}); err != nil {
		return e.info, safetyCopy, cannotRestore(b.o.Home, err)
	}
	if err := b.restoreSettings(m.Settings); err != nil {
		return e.info, safetyCopy, model.Errorf(model.Partial, "the records are restored, but the settings could not be written to %s", b.o.Config).Because(err)
	}
	return e.info, safetyCopy, nil
}

func cannotRestore(home string, err error) error {
	var own *model.Error
	if errors.As(err, &own) {
		return err
	}
	return model.Errorf(model.Other, "the workspace in %s could not be replaced", home).WithHint("check that there is room and that the folder can be written").Because(err)
}

// build makes a whole cache of a backup at a path where none is.
func (b *Backuper) build(ctx context.Context, path string, c *chain, n model.Notify) (err error) {
	settings := b.settingsOf()
	settings.ReadOnly = false
	db, err := sqlite.Open(ctx, path, sqlite.Options{Settings: settings, Now: b.o.Now, IDs: b.o.IDs})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil && cerr != nil {
			err = cannotRestore(b.o.Home, cerr)
		}
	}()
	fill, err := db.BeginRefill(ctx)
	if err != nil {
		return err
	}
	defer fill.Discard()
	sums := map[string]tableSum{}
	var done int64
	total := c.total()
	for _, te := range c.tables() {
		all, rows := sha256.New(), int64(0)
		err := c.lines(ctx, te.Name, func(line []byte, values []any) error {
			all.Write(line)
			rows++
			if done++; done%10000 == 0 {
				n.Tell("restoring", done, total)
			}
			return fill.Put(te.Name, te.Columns, values)
		})
		if err != nil {
			return err
		}
		sums[te.Name] = tableSum{rows, sumOf(all)}
	}
	for _, e := range model.Entities() {
		if c.table(string(e.Noun)) == nil {
			fill.Lacks()
		}
	}
	n.Tell("checking", 0, total)
	if err := fill.Finish(); err != nil {
		return err
	}
	return compareRestored(ctx, db, c, sums)
}

// tableSum is how many rows a table has, and the SHA-256 of their lines.
type tableSum struct {
	rows int64
	hash string
}

// compareRestored proves that the restored cache holds the rows of the backup:
// as many in each table, and where the columns are still the same, the very
// same.
func compareRestored(ctx context.Context, db *sqlite.DB, c *chain, sums map[string]tableSum) error {
	tables, err := db.Tables(ctx)
	if err != nil {
		return err
	}
	snapshot, err := db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Rollback()
	for _, t := range tables {
		te := c.table(t.Name)
		if te == nil || sqlite.IsOwn(t.Name) {
			continue
		}
		got, err := hashTable(ctx, snapshot, t, te.encoding)
		if err != nil {
			return err
		}
		same := slices.Equal(te.Columns, t.Columns) && slices.Equal(te.Types, t.Types) && slices.Equal(te.Key, t.Key)
		if want := sums[t.Name]; got.rows != want.rows || same && got.hash != want.hash {
			return model.Errorf(model.Corrupt, "the restored rows of %s are not those of the backup", t.Name).WithHint("the workspace was not touched; check the disk and try again")
		}
	}
	return nil
}

// hashTable sums the rows of a table in an encoding.
func hashTable(ctx context.Context, tx *sql.Tx, t sqlite.Table, in encoding) (tableSum, error) {
	all, rows := sha256.New(), int64(0)
	var line []byte
	err := scan(ctx, tx, t.Select(), nil, len(t.Columns), func(values []any) (err error) {
		if line, err = in.appendRow(line[:0], t.Types, values); err != nil {
			return err
		}
		rows++
		all.Write(append(line, '\n'))
		return nil
	})
	return tableSum{rows, sumOf(all)}, err
}

// locked calls swap while no sync of a home that is not open can run.
func (b *Backuper) locked(ctx context.Context, swap func() error) error {
	release, err := sqlite.LockFile(ctx, filepath.Join(b.o.Home, sqlite.FileName))
	if err != nil {
		return err
	}
	defer release()
	return swap()
}

// swap keeps a copy of the cache and puts the restored file in its place.
func (b *Backuper) swap(ctx context.Context, file string) (safety string, err error) {
	target := filepath.Join(b.o.Home, sqlite.FileName)
	if _, err := os.Stat(target); err == nil {
		if safety, err = b.safetyPath(); err != nil {
			return "", err
		}
		if err := sqlite.Retire(ctx, target, safety); model.KindOf(err) == model.Corrupt || model.KindOf(err) == model.Invalid {
			// A damaged file cannot be copied by the database: it is
			// kept as it is.
			if err := setAside(target, safety); err != nil {
				return "", err
			}
		} else if err != nil {
			return "", err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.Rename(file, target); err != nil {
		return safety, err
	}
	return safety, syncDir(b.o.Home)
}

// safetyPath returns a name that no safety copy has yet.
func (b *Backuper) safetyPath() (string, error) {
	dir := filepath.Join(b.o.Home, "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	base := filepath.Join(dir, "safety-"+b.o.Now().UTC().Format("20060102T150405Z"))
	for i := 1; ; i++ {
		name := base + ".db"
		if i > 1 {
			name = fmt.Sprintf("%s-%d.db", base, i)
		}
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}

// setAside moves a file with its journals.
func setAside(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(from+end, to+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
