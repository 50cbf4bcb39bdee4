package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"rapport/db/sqlite/fts"
	"rapport/model"
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

// rebuildSearch builds the index anew within the transaction.
func (t *Tx) rebuildSearch(ctx context.Context) (err error) {
	if err := t.emptySearch(ctx); err != nil {
		return err
	}
	bases, err := t.nounBases()
	if err != nil {
		return err
	}
	x, err := newSearchIndex(t.db.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	if err := x.fill(ctx, t, bases, t.db.region()); err != nil {
		return err
	}
	heads, err := x.store(func(step func(*Tx) error) error { return step(t) })
	if err != nil {
		return err
	}
	if err := t.storeHeads(heads); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM search_late"); err != nil {
		return err
	}
	return t.setState(keySearch, searchFingerprint())
}

// nounBases returns where the nouns lie in the index.
func (t *Tx) nounBases() (map[model.Noun]int64, error) {
	bases := map[model.Noun]int64{}
	for _, s := range searchPlans {
		base, err := t.nounBase(s.noun)
		if err != nil {
			return nil, err
		}
		bases[s.noun] = base
	}
	return bases, nil
}

// byNumber returns the nouns in the order in which they lie in the index.
func byNumber(bases map[model.Noun]int64) []*searched {
	plans := slices.Clone(searchPlans)
	slices.SortFunc(plans, func(a, b *searched) int { return int(bases[a.noun]>>nounShift - bases[b.noun]>>nounShift) })
	return plans
}

// buildNames are the files beside the cache in which the parts of an index are
// put aside that do not fit into memory while it is built. They are removed
// when it is built, and made anew where they were left.
var buildNames = []string{".search", ".search-notes"}

// asideError tells of a file beside the cache that failed.
func asideError(err error) error {
	var file *fs.PathError
	if !errors.As(err, &file) {
		return err
	}
	return &model.Error{Op: "build search", Msg: "a part of the search index could not be put aside",
		Hint: "look after the room on the disk and the rights of the home's folder, and try again", Err: err}
}

// How many bytes of the two tables are sorted at once.
const (
	textMemory = 4 << 20
	noteMemory = 1 << 20
)

// searchIndex is an index that is being built, outside of its tables: what the
// full-text engine would make of the records is made here and stored ready.
type searchIndex struct {
	text, note *fts.Builder
}

// newSearchIndex begins an index of the cache at path.
func newSearchIndex(path string) (*searchIndex, error) {
	for _, name := range buildNames {
		if err := os.Remove(path + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, asideError(err)
		}
	}
	return &searchIndex{
		text: fts.New(fts.Config{Prefixes: textTable.prefixes, Memory: textMemory, Spill: path + buildNames[0]}),
		note: fts.New(fts.Config{Prefixes: noteTable.prefixes, Memory: noteMemory, Spill: path + buildNames[1]}),
	}, nil
}

func (x *searchIndex) close() error { return errors.Join(x.text.Close(), x.note.Close()) }

// fill takes the records as a transaction sees them.
func (x *searchIndex) fill(ctx context.Context, tx querier, bases map[model.Noun]int64, region string) error {
	return asideError(eachDoc(ctx, tx, bases, region, func(row int64, text, note []byte) error {
		if len(text) > 0 {
			if err := x.text.Add(row, text); err != nil {
				return err
			}
		}
		if len(note) > 0 {
			return x.note.Add(row, note)
		}
		return nil
	}))
}

// storedHead is what makes the rows of a table count that were stored.
type storedHead struct {
	table searchTable
	head  fts.Head
}

// store writes the index into its empty tables, in one or many steps. It is
// still empty to those who read, until storeHeads.
func (x *searchIndex) store(in func(step func(*Tx) error) error) ([]storedHead, error) {
	var heads []storedHead
	for _, b := range []struct {
		table   searchTable
		builder *fts.Builder
	}{{textTable, x.text}, {noteTable, x.note}} {
		w := &indexWriter{table: b.table.name, in: in}
		head, err := b.builder.Write(w)
		if err == nil {
			err = w.flush()
		}
		if err != nil {
			return nil, asideError(err)
		}
		heads = append(heads, storedHead{b.table, head})
	}
	return heads, nil
}

// storeHeads makes what was stored the index.
func (t *Tx) storeHeads(heads []storedHead) error {
	for _, h := range heads {
		for id, block := range map[int64][]byte{fts.TotalsID: h.head.Totals, fts.StructureID: h.head.Structure} {
			if err := t.exec("REPLACE INTO "+h.table.name+"_data (id, block)\nVALUES (?, coalesce(?, x''))", id, block); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexWriter stores the rows of one full-text table's own tables, so many in
// a step that it takes some hundredths of a second.
type indexWriter struct {
	table  string
	in     func(step func(*Tx) error) error
	blocks []idRow
	terms  []termRow
	sizes  []any    // rows and sizes by turns
	size   [256]any // those of one byte, which most are
	bytes  int
}

type idRow struct {
	id    int64
	block []byte
}

type termRow struct {
	segment int
	term    []byte
	page    int64
}

const (
	stepBytes = 2 << 20
	stepSizes = 1 << 14
	sizeRows  = 128 // in one statement
)

// Block, Term and Size are those of fts.Writer.
func (w *indexWriter) Block(id int64, block []byte) error {
	w.blocks = append(w.blocks, idRow{id, slices.Clone(block)})
	w.bytes += len(block)
	if w.bytes >= stepBytes {
		return w.flush()
	}
	return nil
}

func (w *indexWriter) Term(segment int, term []byte, page int64) error {
	w.terms = append(w.terms, termRow{segment, append([]byte{}, term...), page})
	return nil
}

func (w *indexWriter) Size(row int64, size []byte) error {
	if len(size) != 1 {
		w.sizes = append(w.sizes, row, slices.Clone(size))
	} else {
		if w.size[size[0]] == nil {
			w.size[size[0]] = slices.Clone(size)
		}
		w.sizes = append(w.sizes, row, w.size[size[0]])
	}
	if len(w.sizes) >= 2*stepSizes {
		return w.flush()
	}
	return nil
}

// flush stores what was collected.
func (w *indexWriter) flush() error {
	err := w.in(func(t *Tx) error {
		for _, b := range w.blocks {
			if err := t.exec("INSERT INTO "+w.table+"_data (id, block)\nVALUES (?, ?)", b.id, b.block); err != nil {
				return err
			}
		}
		for _, r := range w.terms {
			if err := t.exec("INSERT INTO "+w.table+"_idx (segid, term, pgno)\nVALUES (?, ?, ?)", r.segment, r.term, r.page); err != nil {
				return err
			}
		}
		for rest := w.sizes; len(rest) > 0; {
			n := min(sizeRows, len(rest)/2)
			values := strings.Repeat(fmt.Sprintf(", (?, ?, %d)", fts.Origin), n)[2:]
			if err := t.exec("INSERT INTO "+w.table+"_docsize (id, sz, origin)\nVALUES "+values, rest[:2*n]...); err != nil {
				return err
			}
			rest = rest[2*n:]
		}
		return nil
	})
	w.blocks, w.terms, w.sizes, w.bytes = w.blocks[:0], w.terms[:0], w.sizes[:0], 0
	return err
}

// EachSearchText gives every row that the index would hold when built anew,
// for measuring other ways to build it.
func (d *DB) EachSearchText(ctx context.Context, each func(row int64, text, note string) error) error {
	const op = "read search texts"
	numbers, err := nounNumbers(ctx, d.read())
	if err != nil {
		return mapError(op, err)
	}
	for n := range numbers {
		numbers[n] <<= nounShift
	}
	return mapError(op, d.snapshot(ctx, func(q querier) error {
		return eachDoc(ctx, q, numbers, d.region(), func(row int64, text, note []byte) error {
			return each(row, string(text), string(note))
		})
	}))
}
