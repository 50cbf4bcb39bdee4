package fts

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
)

// A spill is the file of runs that did not fit into memory. Each is the sizes
// of its documents, led by their length, and then its terms in order.
type spill struct {
	path    string
	file    *os.File
	regions []region
	size    int64
}

// region is where a run lies in the file.
type region struct{ sizes, terms, end int64 }

// A term in the file is
//
//	varint  length of the term
//	bytes   the term, with its leading byte
//	varint  first row
//	varint  distance of the last row from it
//	varint  length of the distances
//	bytes   the distances
const fileBuffer = 64 << 10

// add writes a run.
func (s *spill) add(r *run) (err error) {
	if s.file == nil {
		if s.path == "" {
			return errors.New("it is larger than its memory and has no file")
		}
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
	}
	at := region{sizes: s.size, terms: s.size + int64(len(r.sizes))}
	w := bufio.NewWriterSize(s.file, fileBuffer)
	w.Write(r.sizes)
	n := int64(len(r.sizes))
	var head []byte
	for _, id := range r.sorted() {
		e := r.entry(id)
		length := 0
		r.distances(e, func(b []byte) { length += len(b) })
		head = appendVarint(head[:0], uint64(e.size)+1)
		head = append(append(head, e.index), r.key(e)...)
		head = appendVarint(head, uint64(e.first))
		head = appendVarint(head, uint64(e.last)-uint64(e.first))
		head = appendVarint(head, uint64(length))
		w.Write(head)
		r.distances(e, func(b []byte) { w.Write(b) })
		n += int64(len(head) + length)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s.size += n
	at.end = s.size
	s.regions = append(s.regions, at)
	return nil
}

func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), os.Remove(s.path))
	s.file = nil
	return err
}

// reader returns a reader of a part of the file.
func (s *spill) reader(from, to int64, buffer int) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(s.file, from, to-from), buffer)
}

// cursor reads the terms of a run in order.
type cursor interface {
	// next goes to the next term; it ends with io.EOF.
	next() error
	// term is that term with its leading byte, rows its first and last row.
	term() []byte
	rows() (first, last int64)
	// distances gives the bytes of the distances between its rows. It is
	// called once for each term.
	distances(each func([]byte)) error
}

// memoryCursor reads a run that is in memory.
type memoryCursor struct {
	run *run
	ids []uint32
	cur *entry
	key []byte
}

func (c *memoryCursor) next() error {
	if len(c.ids) == 0 {
		return io.EOF
	}
	c.cur, c.ids = c.run.entry(c.ids[0]), c.ids[1:]
	c.key = append(append(c.key[:0], c.cur.index), c.run.key(c.cur)...)
	return nil
}

func (c *memoryCursor) term() []byte              { return c.key }
func (c *memoryCursor) rows() (first, last int64) { return c.cur.first, c.cur.last }

func (c *memoryCursor) distances(each func([]byte)) error {
	c.run.distances(c.cur, each)
	return nil
}

// fileCursor reads a run in the file.
type fileCursor struct {
	in          *bufio.Reader
	key         []byte
	first, last int64
	length      int
}

func (c *fileCursor) next() error {
	n, err := readVarint(c.in)
	if err != nil {
		return err
	}
	c.key = slices.Grow(c.key[:0], int(n))[:n]
	if _, err := io.ReadFull(c.in, c.key); err != nil {
		return cut(err)
	}
	var fields [3]uint64
	for i := range fields {
		if fields[i], err = readVarint(c.in); err != nil {
			return cut(err)
		}
	}
	c.first, c.last, c.length = int64(fields[0]), int64(fields[0]+fields[1]), int(fields[2])
	return nil
}

func (c *fileCursor) term() []byte              { return c.key }
func (c *fileCursor) rows() (first, last int64) { return c.first, c.last }

func (c *fileCursor) distances(each func([]byte)) error {
	for c.length > 0 {
		b, err := c.in.Peek(min(c.length, c.in.Size()))
		if err != nil {
			return cut(err)
		}
		each(b)
		c.length -= len(b)
		if _, err := c.in.Discard(len(b)); err != nil {
			return err
		}
	}
	return nil
}

// cut is the error where a run ends within a term.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// merge reads the terms of all runs in order. The rows of a later run are
// larger than those of an earlier one.
type merge struct {
	cursors []cursor // in the order of the runs
	heap    []int    // of cursors by term and run
	term    []byte
	scratch []byte
}

// mergeMemory is what the buffers of the files take together, but for the
// least that a buffer needs.
const (
	mergeMemory = 4 << 20
	leastBuffer = 4 << 10
)

func newMerge(s *spill, last *run) (*merge, error) {
	m := &merge{}
	buffer := fileBuffer
	if n := len(s.regions); n > 0 {
		buffer = max(leastBuffer, min(buffer, mergeMemory/n))
	}
	for _, at := range s.regions {
		m.cursors = append(m.cursors, &fileCursor{in: s.reader(at.terms, at.end, buffer)})
	}
	m.cursors = append(m.cursors, &memoryCursor{run: last, ids: last.sorted()})
	for i, c := range m.cursors {
		if err := c.next(); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return nil, err
		}
		m.heap = append(m.heap, i)
		for k := len(m.heap) - 1; k > 0 && m.less(k, (k-1)/2); k = (k - 1) / 2 {
			m.heap[k], m.heap[(k-1)/2] = m.heap[(k-1)/2], m.heap[k]
		}
	}
	return m, nil
}

func (m *merge) less(a, b int) bool {
	a, b = m.heap[a], m.heap[b]
	if c := bytes.Compare(m.cursors[a].term(), m.cursors[b].term()); c != 0 {
		return c < 0
	}
	return a < b
}

// sink puts the top of the heap where it belongs.
func (m *merge) sink() {
	for i := 0; ; {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(m.heap); k++ {
			if m.less(k, least) {
				least = k
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// next gives a segment the next term with its rows. It ends with io.EOF.
func (m *merge) next(s *segment) error {
	if len(m.heap) == 0 {
		return io.EOF
	}
	m.term = append(m.term[:0], m.cursors[m.heap[0]].term()...)
	s.begin(m.term)
	for previous := uint64(0); len(m.heap) > 0; {
		c := m.cursors[m.heap[0]]
		if !bytes.Equal(c.term(), m.term) {
			break
		}
		first, last := c.rows()
		m.scratch = appendVarint(m.scratch[:0], uint64(first)-previous)
		s.add(m.scratch)
		if err := c.distances(s.add); err != nil {
			return err
		}
		previous = uint64(last)
		if err := c.next(); errors.Is(err, io.EOF) {
			end := len(m.heap) - 1
			m.heap[0], m.heap = m.heap[end], m.heap[:end]
		} else if err != nil {
			return err
		}
		m.sink()
	}
	return s.end()
}

// sizes gives the sizes of all documents.
func (b *Builder) sizes(w Writer) error {
	var size []byte
	each := func(in io.ByteReader) error {
		for row := uint64(0); ; {
			d, err := readVarint(in)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			words, err := readVarint(in)
			if err != nil {
				return cut(err)
			}
			row += d
			size = appendVarint(size[:0], words)
			if err := w.Size(int64(row), size); err != nil {
				return err
			}
		}
	}
	for _, at := range b.spill.regions {
		if err := each(b.spill.reader(at.sizes, at.terms, fileBuffer)); err != nil {
			return err
		}
	}
	return each(bytes.NewReader(b.run.sizes))
}
