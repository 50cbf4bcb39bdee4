package fts

import (
	"bytes"
	"encoding/binary"
)

// Ids of blocks: the segment, whether it is of a doclist index, the height in
// that, and the leaf.
const (
	segmentShift = 37
	indexShift   = 36
	heightShift  = 31
)

// leastIndexed is after how many leaves without a term, all of one term's
// rows, there is an index of the rows on them.
const leastIndexed = 4

const leafHeader = 4 // where the first row is, and where the footer is

// A segment writes terms and their rows to leaves. Its rules when a leaf is
// full are those of the engine.
type segment struct {
	out      Writer
	pageSize int
	err      error

	page       int    // number of the leaf, from 1
	leaf       []byte // its header, terms and rows
	footer     []byte // distances between its terms
	lastTermAt int
	noTerm     bool // nothing but rows of a term before is on the leaf
	noRow      bool // nor a row

	term     []byte // last term
	key      []byte // what leads to keyPage in %_idx
	keyPage  int
	rowsOnly int // leaves without a term after keyPage

	list   []byte // bytes of rows not yet on a leaf
	row    uint64 // last row on a leaf
	split  bool   // the rows of the term do not fit on one leaf
	levels []indexLevel
}

// indexLevel is a page of the doclist index that is being made.
type indexLevel struct {
	page  int
	last  uint64
	begun bool
	data  []byte
}

func newSegment(out Writer, pageSize int) *segment {
	return &segment{out: out, pageSize: pageSize, page: 1, leaf: make([]byte, leafHeader, pageSize+64), noTerm: true,
		keyPage: 1, levels: make([]indexLevel, 1)}
}

// begin begins a term. It must be larger than those before it.
func (s *segment) begin(term []byte) {
	if len(s.leaf)+len(s.footer)+len(term)+2 >= s.pageSize && len(s.leaf) > leafHeader {
		s.flush()
	}
	s.footer = appendVarint(s.footer, uint64(len(s.leaf)-s.lastTermAt))
	s.lastTermAt = len(s.leaf)
	same := 0
	switch {
	case !s.noTerm:
		same = common(s.term, term)
		s.leaf = appendVarint(s.leaf, uint64(same))
	case s.page != 1:
		// The shortest beginning that is larger than every term before.
		key := term[:1+common(s.term, term)]
		s.flushKey()
		s.key, s.keyPage = append(s.key[:0], key...), s.page
	}
	s.leaf = appendVarint(s.leaf, uint64(len(term)-same))
	s.leaf = append(s.leaf, term[same:]...)
	s.term = append(s.term[:0], term...)
	s.noTerm, s.noRow = false, false
	s.levels[0].page = s.page
	s.list, s.row, s.split = s.list[:0], 0, false
}

// add takes bytes of the term's rows: the first row and the distances that
// follow, cut anywhere.
func (s *segment) add(list []byte) {
	s.list = append(s.list, list...)
	if len(s.list) > s.pageSize {
		s.split = true
		s.place()
	}
}

// end ends the term.
func (s *segment) end() error {
	if !s.split && s.pageSize >= len(s.leaf)+len(s.footer)+len(s.list)+1 {
		s.leaf = append(s.leaf, s.list...)
	} else {
		s.place()
	}
	return s.err
}

// place puts the whole numbers of the list on leaves.
func (s *segment) place() {
	at := 0
	for {
		d, n := varint(s.list[at:])
		if n == 0 {
			break
		}
		s.row += d
		if s.noRow {
			put16(s.leaf, len(s.leaf))
			s.leaf = appendVarint(s.leaf, s.row)
			s.noRow = false
			s.indexRow()
		} else {
			s.leaf = append(s.leaf, s.list[at:at+n]...)
		}
		at += n
		if len(s.leaf)+len(s.footer) >= s.pageSize {
			s.flush()
		}
	}
	s.list = s.list[:copy(s.list, s.list[at:])]
}

// flush writes the leaf and begins the next.
func (s *segment) flush() {
	put16(s.leaf[2:], len(s.leaf))
	if s.noTerm {
		s.rowsOnly++
	} else {
		s.leaf = append(s.leaf, s.footer...)
	}
	s.block(int64(segmentID)<<segmentShift+int64(s.page), s.leaf)
	s.leaf = append(s.leaf[:0], 0, 0, 0, 0)
	s.footer, s.lastTermAt = s.footer[:0], 0
	s.page++
	s.noTerm, s.noRow = true, true
}

func (s *segment) block(id int64, data []byte) {
	if s.err == nil {
		s.err = s.out.Block(id, data)
	}
}

// flushKey writes the entry of %_idx for the last leaf with a term, and the
// doclist index of its last term if that is long enough to have one.
func (s *segment) flushKey() {
	indexed := int64(0)
	if len(s.levels[0].data) > 0 && s.rowsOnly >= leastIndexed {
		indexed = 1
	}
	for i := range s.levels {
		l := &s.levels[i]
		if len(l.data) == 0 {
			break
		}
		if indexed == 1 {
			s.block(indexID(i, l.page), l.data)
		}
		l.data, l.begun = l.data[:0], false
	}
	s.rowsOnly = 0
	if s.err == nil {
		s.err = s.out.Term(segmentID, s.key, indexed|int64(s.keyPage)<<1)
	}
}

func indexID(height, page int) int64 {
	return int64(segmentID)<<segmentShift + 1<<indexShift + int64(height)<<heightShift + int64(page)
}

// indexRow notes in the doclist index that a leaf without a term begins with
// the last row. A page of it that is full is written, and its row goes to the
// level above.
func (s *segment) indexRow() {
	for i := 0; ; i++ {
		l := &s.levels[i]
		full := len(l.data) >= s.pageSize
		if full {
			l.data[0] = 1 // not the root
			s.block(indexID(i, l.page), l.data)
			if i+1 == len(s.levels) {
				s.levels = append(s.levels, indexLevel{})
				l = &s.levels[i]
			}
			if above := &s.levels[i+1]; len(above.data) == 0 {
				_, n := varint(l.data[1:])
				first, _ := varint(l.data[1+n:])
				above.page = l.page
				above.data = appendVarint(append(above.data, 0), uint64(l.page))
				above.data = appendVarint(above.data, first)
				above.begun, above.last = true, first
			}
			l.data, l.begun = l.data[:0], false
			l.page++
		}
		row := s.row - l.last
		if !l.begun {
			page, flags := s.page, byte(0)
			if i > 0 {
				page = s.levels[i-1].page
			}
			if full {
				flags = 1
			}
			l.data = appendVarint(append(l.data, flags), uint64(page))
			row = s.row
		}
		l.data = appendVarint(l.data, row)
		l.begun, l.last = true, s.row
		if !full {
			return
		}
	}
}

// finish writes what is left and returns how many leaves there are.
func (s *segment) finish() (leaves int, err error) {
	if len(s.leaf) > leafHeader {
		s.flush()
	}
	if s.page > 1 {
		s.flushKey()
	}
	return s.page - 1, s.err
}

// common returns how many bytes two terms begin with alike.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	return i
}

// put16 writes a number as the headers of leaves have it.
func put16(b []byte, v int) { binary.BigEndian.PutUint16(b, uint16(v)) }
