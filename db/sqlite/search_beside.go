package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"rapport/model"
)

// searchBuild builds the search index beside the cache, so that it takes
// neither its lock nor its turn: on a second core it costs a first load little
// time. Records that change meanwhile are noted and indexed at the end.
type searchBuild struct {
	db    *DB
	bases map[model.Noun]int64
	index *searchIndex
}

// newSearchBuild begins a build: from here on it is noted what changes.
func (d *DB) newSearchBuild(ctx context.Context) (*searchBuild, error) {
	b := &searchBuild{db: d}
	var err error
	if b.index, err = newSearchIndex(d.path); err != nil {
		return nil, err
	}
	err = d.write(ctx, "build search", func(t *Tx) (err error) {
		if err := t.exec("DELETE FROM search_late"); err != nil {
			return err
		}
		if err := t.setState(keySearch, ""); err != nil {
			return err
		}
		b.bases, err = t.nounBases()
		return err
	})
	return b, err
}

// close removes what the build put aside.
func (b *searchBuild) close() error { return mapError("build search", b.index.close()) }

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

// fill makes the index of the records as they are.
func (b *searchBuild) fill(ctx context.Context) error {
	return mapError("build search", b.db.snapshot(ctx, func(q querier) error {
		return b.index.fill(ctx, q, b.bases, b.db.region())
	}))
}

// snapshot reads all records in one transaction.
//
// The engine is built with one store of pages for all connections, in which one
// that has its share takes the oldest page of any, and one that has not takes a
// new page. While others have more than their shares, the store is full, and a
// page of the latter goes as soon as it is let go of, the roots of indexes with
// each look-up. So a small share is what leaves it the most pages.
func (d *DB) snapshot(ctx context.Context, read func(querier) error) (err error) {
	conn, err := d.read().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA cache_size = 100"); err != nil {
		return err
	}
	defer func() {
		_, reset := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA cache_size = -2000")
		err = errors.Join(err, reset)
	}()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return read(tx)
}

// take puts the index in the place of the one in the cache, in short steps, and
// indexes what changed since it was begun. Until the last step there is no
// index to be trusted.
func (b *searchBuild) take(ctx context.Context) error {
	const op = "build search"
	err := b.db.loading(ctx, func(t *Tx) error { return t.emptySearch(ctx) })
	if err != nil {
		return mapError(op, err)
	}
	heads, err := b.index.store(func(step func(*Tx) error) error { return b.db.loading(ctx, step) })
	if err != nil {
		return mapError(op, err)
	}
	return b.db.write(ctx, op, func(t *Tx) error {
		if err := t.storeHeads(heads); err != nil {
			return err
		}
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
