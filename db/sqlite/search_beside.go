package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"

	"rapport/model"
)

// buildName is the file beside the cache in which a search index is built. It
// is removed when the index is taken over, and made anew where it was left.
const buildName = ".search"

// besideHash is buildHash where a load holds memory too.
const besideHash = 4 << 20

// searchBuild builds the search index in a file of its own, so that it takes
// neither the lock of the cache nor its turn: on a second core it costs a first
// load no time. Records that change meanwhile are noted and indexed at the end.
type searchBuild struct {
	db    *DB
	path  string
	bases map[model.Noun]int64
}

// newSearchBuild begins a build: from here on it is noted what changes.
func (d *DB) newSearchBuild(ctx context.Context) (*searchBuild, error) {
	b := &searchBuild{db: d, path: d.path + buildName, bases: map[model.Noun]int64{}}
	err := d.write(ctx, "build search", func(t *Tx) error {
		if err := t.exec("DELETE FROM search_late"); err != nil {
			return err
		}
		if err := t.setState(keySearch, ""); err != nil {
			return err
		}
		for _, s := range searchPlans {
			base, err := t.nounBase(s.noun)
			if err != nil {
				return err
			}
			b.bases[s.noun] = base
		}
		return nil
	})
	return b, err
}

func (b *searchBuild) remove() { os.Remove(b.path) }

// indexLater notes records for when there is an index.
func (t *Tx) indexLater(keys []recordKey) error {
	for _, k := range keys {
		if searchedNoun(k.noun) == nil {
			continue
		}
		if err := t.exec("INSERT OR IGNORE INTO search_late (noun, id) VALUES (?, ?)", string(k.noun), k.id.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// fill builds the index from the records as they are.
func (b *searchBuild) fill(ctx context.Context) (err error) {
	b.remove()
	if err := createFile(b.path); err != nil {
		return fmt.Errorf("build search: %w", err)
	}
	side, err := sql.Open("sqlite", "file:"+b.path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(0)&_pragma=cache_size(-2048)&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return mapError("build search", err)
	}
	side.SetMaxOpenConns(1)
	defer func() { err = mapError("build search", errors.Join(err, side.Close())) }()
	for _, q := range searchSchema {
		if _, err := side.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	tx, err := side.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	t := b.db.newTx(tx)
	defer t.closeStatements()
	if err := t.tuneSearch(besideHash); err != nil {
		return err
	}
	for _, s := range searchPlans {
		base := b.bases[s.noun]
		if err := eachDoc(ctx, b.db.read(), s, b.db.region(), func(d doc) error { return t.insertDoc(base, d) }); err != nil {
			return err
		}
	}
	t.closeStatements()
	return tx.Commit()
}

// shadows are the tables in which the full-text engine keeps an index.
var shadows = []string{"data", "idx", "docsize"}

// take puts the index that was built in the place of the one in the cache, and
// indexes what changed since it was begun.
func (b *searchBuild) take(ctx context.Context) error {
	const op = "build search"
	conn, err := b.db.writer.Conn(ctx)
	if err != nil {
		return mapError(op, err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "ATTACH ? AS built", b.path); err != nil {
		return mapError(op, err)
	}
	err = b.copyIndex(ctx, conn)
	_, detach := conn.ExecContext(context.WithoutCancel(ctx), "DETACH built")
	if err = errors.Join(err, detach); err != nil {
		return mapError(op, err)
	}
	// The full-text engine keeps in memory what it knows of an index, and does
	// not see that its tables were filled by others: a new connection does.
	_ = conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	return b.db.write(ctx, op, func(t *Tx) error {
		keys, err := t.lateKeys(ctx, "search_late", -1)
		if err != nil {
			return err
		}
		if err := t.exec("DELETE FROM search_late"); err != nil {
			return err
		}
		if err := t.setState(keySearch, searchFingerprint()); err != nil {
			return err
		}
		if err := t.setState(keyDeclaration, fingerprint()); err != nil {
			return err
		}
		for _, s := range searchPlans {
			t.changed[s.noun] = true
		}
		return t.reindex(keys)
	})
}

// copyIndex makes the cache's index a copy of the one that was built.
func (b *searchBuild) copyIndex(ctx context.Context, conn *sql.Conn) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, table := range []string{"search_text", "search_note"} {
		queries := []string{"DROP TABLE IF EXISTS main." + table}
		for _, q := range searchSchema {
			if strings.Contains(q, " "+table+" ") {
				queries = append(queries, q)
			}
		}
		for _, s := range shadows {
			name := table + "_" + s
			queries = append(queries, "DELETE FROM main."+name, "INSERT INTO main."+name+" SELECT * FROM built."+name)
		}
		for _, q := range queries {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("take the search index over: %w", err)
			}
		}
	}
	return tx.Commit()
}
