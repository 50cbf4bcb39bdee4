package sqlite

import (
	"context"
	"fmt"
)

// ensureSearch makes the index where it is missing and builds it anew where
// this program would index otherwise.
func (t *Tx) ensureSearch(ctx context.Context) error {
	want := searchFingerprint()
	have, err := t.state(keySearch)
	if err != nil || have == want {
		return err
	}
	return t.rebuildSearch(ctx)
}

// keySearch is the state that says what the index was built with; it is absent
// while the index is not to be trusted.
const keySearch = "search"

// emptySearch makes the index without entries.
func (t *Tx) emptySearch(ctx context.Context) error {
	for _, q := range append([]string{"DROP TABLE IF EXISTS search_text", "DROP TABLE IF EXISTS search_note"}, searchSchema...) {
		if _, err := t.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("make the search index: %w", err)
		}
	}
	for _, s := range searchPlans {
		if _, err := t.ExecContext(ctx, `INSERT OR IGNORE INTO search_noun (noun, number)
VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM search_noun))`, string(s.noun)); err != nil {
			return fmt.Errorf("number the nouns: %w", err)
		}
	}
	return nil
}

// staleSearch says that the index does not fit the records any more: it is
// built when the file is opened next, if not before.
func (t *Tx) staleSearch() error {
	if err := t.setState(keyDeclaration, ""); err != nil {
		return err
	}
	return t.setState(keySearch, "")
}

// RebuildSearch builds the index anew from the records.
func (d *DB) RebuildSearch(ctx context.Context) error {
	return d.write(ctx, "build search", func(t *Tx) error {
		if err := t.rebuildSearch(ctx); err != nil {
			return err
		}
		return t.setState(keyDeclaration, fingerprint())
	})
}

// buildHash is how many bytes of entries the full-text engine sorts at once
// while the index is built, and the usual size.
const (
	buildHash = 32 << 20
	usualHash = 1 << 20
)

// rebuildSearch builds the index anew. Reading and folding run beside the
// writing, a batch ahead.
func (t *Tx) rebuildSearch(ctx context.Context) error {
	if err := t.emptySearch(ctx); err != nil {
		return err
	}
	if err := t.tuneSearch(buildHash); err != nil {
		return err
	}
	for _, s := range searchPlans {
		if err := t.buildNoun(ctx, s); err != nil {
			return err
		}
	}
	if err := t.tuneSearch(usualHash); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM search_late"); err != nil {
		return err
	}
	return t.setState(keySearch, searchFingerprint())
}

func (t *Tx) tuneSearch(hash int) error {
	for _, table := range []string{"search_text", "search_note"} {
		if _, err := t.Exec("INSERT INTO "+table+" ("+table+", rank) VALUES ('hashsize', ?)", hash); err != nil {
			return fmt.Errorf("tune the search index: %w", err)
		}
	}
	return nil
}

// docBatch is how many records are handed over at once.
const docBatch = 512

// buildNoun writes the entries of all records of one noun.
func (t *Tx) buildNoun(ctx context.Context, s *searched) error {
	base, err := t.nounBase(s.noun)
	if err != nil {
		return err
	}
	return eachDoc(ctx, t, s, t.db.region(), func(d doc) error { return t.insertDoc(base, d) })
}

// eachDoc gives every record of a noun as the index sees it, in the order of
// their rids. Reading and folding run a batch ahead.
func eachDoc(ctx context.Context, q querier, s *searched, region string, each func(doc) error) error {
	ctx, cancel := context.WithCancel(ctx)
	batches, failed := make(chan []doc, 2), make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- readDocs(ctx, q, s, region, batches)
	}()
	var writeErr error
	for batch := range batches {
		for _, d := range batch {
			if writeErr == nil {
				if writeErr = each(d); writeErr != nil {
					cancel()
				}
			}
		}
	}
	cancel()
	readErr := <-failed
	if writeErr != nil {
		return writeErr
	}
	return readErr
}

// readDocs sends a noun's records in the order of their rids.
func readDocs(ctx context.Context, q querier, s *searched, region string, out chan<- []doc) error {
	rows, err := q.QueryContext(ctx, s.all)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.noun, err)
	}
	batch := make([]doc, 0, docBatch)
	send := func() {
		select {
		case out <- batch:
		case <-ctx.Done():
		}
		batch = make([]doc, 0, docBatch)
	}
	for rows.Next() {
		var d doc
		if d, err = s.scan(rows, region); err != nil {
			break
		}
		if batch = append(batch, d); len(batch) == docBatch {
			send()
		}
	}
	if err == nil && len(batch) > 0 {
		send()
	}
	return closeRows(rows, err)
}

// EachSearchText gives every row that the index would hold when built anew,
// for measuring other ways to build it.
func (d *DB) EachSearchText(ctx context.Context, each func(row int64, text, note string) error) error {
	numbers, err := nounNumbers(ctx, d.read())
	if err != nil {
		return mapError("read search texts", err)
	}
	for _, s := range searchPlans {
		rows, err := d.read().QueryContext(ctx, s.all)
		if err != nil {
			return mapError("read search texts", err)
		}
		for rows.Next() {
			var one doc
			if one, err = s.scan(rows, d.region()); err != nil {
				break
			}
			if err = each(numbers[s.noun]<<nounShift+one.rid, one.text, one.note); err != nil {
				break
			}
		}
		if err := closeRows(rows, err); err != nil {
			return mapError("read search texts", err)
		}
	}
	return nil
}
