// Package fts builds the index of a full-text table of SQLite (FTS5) from
// documents, in the form in which the engine itself keeps it, several times
// faster than inserting them one by one.
//
// Promises:
//   - What is built for documents is byte for byte what the engine writes when
//     they are inserted in one transaction into a new table of one column with
//     content=”, contentless_delete=1, detail=none and tokenize='ascii', apart
//     from the level at which its one segment stands: that is the one at which
//     the engine would have a segment of this size after merging by fours, so
//     that later edits do not soon merge the whole of it anew.
//   - The engine goes on with it: rows can be inserted and deleted, and
//     segments merged.
//   - Memory does not grow with the documents. What exceeds a bound is sorted
//     and written to a file, which is readable by its owner only and gone when
//     the Builder is closed.
//
// The form is described in the comments of ext/fts5/fts5_index.c of SQLite, at
// https://sqlite.org/src/file?name=ext/fts5/fts5_index.c, and the tables that
// hold it in section 7 of https://sqlite.org/fts5.html. The blocks lie in the
// table %_data: the leaves of a segment, each with terms and the rows that have
// them, the doclist indexes of terms whose rows fill many leaves, a record that
// says which segments there are, and one with totals. The table %_idx says
// which leaf a term is on, and %_docsize how many words each row has.
package fts

import (
	"errors"
	"fmt"
	"io"
)

// The ids of the two blocks that Write returns.
const (
	TotalsID    = 1
	StructureID = 10
)

// Origin is what the column origin of %_docsize has for every row that is
// built: it names the segment that a row's words are in.
const Origin = 1

// DefaultPageSize is how large the leaves of a table become, unless it was
// told otherwise.
const DefaultPageSize = 4050

const (
	segmentID  = 1
	maxWord    = 32768 // bytes; the engine cuts longer words
	mainIndex  = '0'   // leads the terms of whole words; those of the i-th prefix index begin with '1'+i
	defaultMem = 8 << 20
)

// Config says what an index is like and what its building may take.
type Config struct {
	Prefixes []int  // of the option prefix: numbers of characters, in its order
	PageSize int    // of the leaves; 0 means DefaultPageSize
	Memory   int    // about how many bytes are sorted at once; 0 means 8 MB
	Spill    string // path of the file for what exceeds that
}

// Writer takes the rows of the table's own tables. It must not keep the
// slices.
type Writer interface {
	// Block is a row of %_data. Ids ascend but for those of doclist indexes.
	Block(id int64, block []byte) error
	// Term is a row of %_idx.
	Term(segment int, term []byte, page int64) error
	// Size is a row of %_docsize, whose origin is Origin. Rows ascend.
	Size(row int64, size []byte) error
}

// Head holds the two blocks that make the others count. They replace those of
// the empty table.
type Head struct {
	Totals    []byte
	Structure []byte
}

// Builder collects documents. It needs New, and Close when it is done with.
type Builder struct {
	config Config
	run    run
	spill  spill
	folded []byte
	last   int64
	docs   int64
	words  int64
}

// New returns a Builder without documents.
func New(c Config) *Builder {
	if c.PageSize == 0 {
		c.PageSize = DefaultPageSize
	}
	if c.Memory == 0 {
		c.Memory = defaultMem
	}
	return &Builder{config: c, run: newRun(c.Prefixes), spill: spill{path: c.Spill}}
}

// Close removes the file.
func (b *Builder) Close() error { return b.spill.close() }

// Docs returns how many documents there are.
func (b *Builder) Docs() int64 { return b.docs }

// Add adds a document. Its row must be larger than those before it. As to the
// engine, a word is a run of ASCII letters and digits and of bytes outside
// ASCII, and the case of ASCII letters is ignored.
func (b *Builder) Add(row int64, text []byte) error {
	if b.docs > 0 && row <= b.last {
		return fmt.Errorf("index row %d after %d: rows must ascend", row, b.last)
	}
	words := 0
	for i := 0; i < len(text); {
		if kinds[text[i]] == divider {
			i++
			continue
		}
		from, upper := i, false
		for i < len(text) && kinds[text[i]] != divider {
			upper = upper || kinds[text[i]] == capital
			i++
		}
		word := text[from:i]
		if upper {
			word = b.fold(word)
		}
		b.run.add(word[:min(len(word), maxWord)], row)
		words++
	}
	b.run.size(row, words)
	b.last = row
	b.docs++
	b.words += int64(words)
	if b.run.used() < b.config.Memory {
		return nil
	}
	if err := b.spill.add(&b.run); err != nil {
		return fmt.Errorf("put a part of the index aside: %w", err)
	}
	b.run.reset()
	return nil
}

func (b *Builder) fold(word []byte) []byte {
	b.folded = append(b.folded[:0], word...)
	for i, c := range b.folded {
		if kinds[c] == capital {
			b.folded[i] = c + 'a' - 'A'
		}
	}
	return b.folded
}

// Write gives all rows but the two of the Head, which must be stored last:
// until then the table is empty to the engine. Nothing can be added after it.
func (b *Builder) Write(w Writer) (Head, error) {
	m, err := newMerge(&b.spill, &b.run)
	if err != nil {
		return Head{}, fmt.Errorf("read the index: %w", err)
	}
	s := newSegment(w, b.config.PageSize)
	for err == nil {
		err = m.next(s)
	}
	if !errors.Is(err, io.EOF) {
		return Head{}, fmt.Errorf("merge the index: %w", err)
	}
	leaves, err := s.finish()
	if err != nil {
		return Head{}, fmt.Errorf("write the index: %w", err)
	}
	if err := b.sizes(w); err != nil {
		return Head{}, fmt.Errorf("write the sizes of documents: %w", err)
	}
	return b.head(leaves), nil
}

// head returns the records of an index of so many leaves.
func (b *Builder) head(leaves int) Head {
	totals := appendVarint(nil, uint64(b.docs))
	totals = appendVarint(totals, uint64(b.words))
	if b.docs == 0 {
		totals = nil
	}
	levels, segments, level := uint64(0), uint64(0), 0
	if leaves > 0 {
		for n := leaves; n > 4; n /= 4 {
			level++
		}
		levels, segments = uint64(level)+1, 1
	}
	s := []byte{0, 0, 0, 0, 0xff, 0, 0, 1} // a cookie, and the form that knows origins
	for _, v := range []uint64{levels, segments, uint64(leaves)} {
		s = appendVarint(s, v)
	}
	for range level {
		s = append(s, 0, 0)
	}
	if leaves > 0 {
		// No merge, one segment: its id, its leaves, the origins in it, no
		// deletions, and how many rows it holds.
		for _, v := range []uint64{0, 1, segmentID, 1, uint64(leaves), Origin, Origin, 0, 0, uint64(b.docs)} {
			s = appendVarint(s, v)
		}
	}
	return Head{Totals: totals, Structure: s}
}

// What a byte is to the tokenizer.
const (
	divider = iota
	letter
	capital
)

// kinds is what every byte is to the tokenizer.
var kinds = func() (k [256]byte) {
	for c := range k {
		switch {
		case c >= 'A' && c <= 'Z':
			k[c] = capital
		case c >= 0x80 || c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			k[c] = letter
		}
	}
	return k
}()

// begin returns the bytes of a word's first characters, nil if it has fewer.
// They are counted like the engine does, which matters where a word is no
// UTF-8: a byte from 0xc0 on takes those after it that continue a character.
func begin(word []byte, characters int) []byte {
	n := 0
	for i := range characters {
		if n >= len(word) {
			return nil
		}
		n++
		if word[n-1] < 0xc0 {
			continue
		}
		if n >= len(word) {
			return nil
		}
		for word[n]&0xc0 == 0x80 {
			n++
			if n < len(word) {
				continue
			}
			if i+1 < characters {
				return nil
			}
			break
		}
	}
	return word[:n]
}
