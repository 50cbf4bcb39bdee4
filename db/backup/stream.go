package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"

	"rapport/model"
)

// chunkSize is about how many bytes of lines go from the reader of a table to
// what takes them at once.
const chunkSize = 64 << 10

// chunk is a number of whole lines of one set.
type chunk struct {
	data []byte
	rows int64
	gone bool // keys of rows that went
	last bool // a part ends with it
}

// taker takes the lines of a table.
type taker interface {
	take(c chunk) error
	end() error
}

// feeder makes chunks of rows.
type feeder struct {
	set  set
	head func(number int) ([]byte, error) // the first line of a part, nil for none
	gone bool
	buf  []byte
	rows int64
	size int // of the part so far, of its plain text
	part int
	send func(chunk) ([]byte, error) // returns an empty buffer
}

// row adds a row.
func (f *feeder) row(values []any) error {
	if f.size == 0 {
		f.part++
		head, err := f.head(f.part)
		if err != nil {
			return err
		}
		f.size = len(head)
	}
	before := len(f.buf)
	b, err := f.set.encoding.appendRow(f.buf, f.set.types, values)
	if err != nil {
		return err
	}
	f.buf = append(b, '\n')
	f.rows++
	f.size += len(f.buf) - before
	if f.size >= partSize || len(f.buf) >= chunkSize {
		return f.flush()
	}
	return nil
}

// flush sends what there is.
func (f *feeder) flush() (err error) {
	if f.rows == 0 {
		return nil
	}
	c := chunk{f.buf, f.rows, f.gone, f.size >= partSize}
	if c.last {
		f.size = 0
	}
	f.rows = 0
	f.buf, err = f.send(c)
	return err
}

// pass reads a table, or what changed of it, and gives it to a taker. Reading
// and taking go on beside each other.
func (w *writer) pass(ctx context.Context, reader int, t table, te *tableEntry, to taker) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	const buffers = 3
	full, empty := make(chan chunk, buffers), make(chan []byte, buffers+2)
	for range buffers {
		empty <- make([]byte, 0, chunkSize+chunkSize/4)
	}
	taken := make(chan error, 1)
	go func() {
		err := takeAll(inner, full, empty, to)
		if err != nil {
			cancel()
		}
		taken <- err
	}()
	err := w.feed(inner, reader, t, te, func(c chunk) ([]byte, error) {
		select {
		case full <- c:
		case <-inner.Done():
			return nil, stopped(inner.Err())
		}
		select {
		case b := <-empty:
			return b[:0], nil
		case <-inner.Done():
			return nil, stopped(inner.Err())
		}
	})
	if err == nil {
		close(full)
	} else {
		cancel()
	}
	terr := <-taken
	switch {
	case ctx.Err() != nil:
		return stopped(ctx.Err())
	case terr != nil && terr != errAbandoned:
		return terr
	}
	return err
}

// errAbandoned is the end of a taker whose lines come no more.
var errAbandoned = errors.New("abandoned")

// takeAll gives every chunk to a taker and its buffer back.
func takeAll(ctx context.Context, full <-chan chunk, empty chan<- []byte, to taker) error {
	for {
		select {
		case c, more := <-full:
			if !more {
				return to.end()
			}
			if err := to.take(c); err != nil {
				return err
			}
			empty <- c.data
		case <-ctx.Done():
			return errAbandoned
		}
	}
}

// feed reads the rows of a table, or those that changed and the keys of those
// that went.
func (w *writer) feed(ctx context.Context, reader int, t table, te *tableEntry, send func(chunk) ([]byte, error)) error {
	rows := &feeder{set: te.rowSet(), send: send, head: w.headOf(te.rowSet())}
	keys := &feeder{set: te.goneSet(), send: send, head: w.headOf(te.goneSet()), gone: true}
	bad := func(err error) error {
		if errors.Is(err, errNoForm) {
			return model.Errorf(model.Corrupt, "a row of %s cannot be backed up", t.Name).Because(err)
		}
		return err
	}
	var err error
	if w.since == nil || t.Whole {
		err = w.snap.rows(ctx, reader, t, rows.row)
	} else {
		err = w.snap.changed(ctx, reader, t, *w.since, rows.row, keys.row)
	}
	if err != nil {
		return bad(err)
	}
	return errors.Join(rows.flush(), keys.flush())
}

// headOf returns what makes the first lines of a set's parts.
func (w *writer) headOf(s set) func(int) ([]byte, error) {
	return func(number int) ([]byte, error) {
		return headLine(header{Table: s.table, Columns: s.columns, Types: s.types, Schema: w.m.Schema, Encoding: s.encoding, Part: number, Gone: s.folder == goneFolder})
	}
}

// packer is the taker that writes parts.
type packer struct {
	ctx  context.Context
	w    *writer
	te   *tableEntry
	sets [2]packed // of rows, and of keys that went
}

// packed is one set that is being written.
type packed struct {
	of    set
	out   **partWriter // made when the first line comes, used again for the next table
	hash  hash.Hash
	open  bool
	parts []part
	rows  int64
}

func (w *writer) newPacker(ctx context.Context, te *tableEntry, out *[2]*partWriter) *packer {
	return &packer{ctx, w, te, [2]packed{{of: te.rowSet(), out: &out[0], hash: sha256.New(), parts: []part{}}, {of: te.goneSet(), out: &out[1], hash: sha256.New(), parts: []part{}}}}
}

func (p *packer) take(c chunk) error {
	s := &p.sets[0]
	if c.gone {
		s = &p.sets[1]
	}
	if !s.open {
		head, err := p.w.headOf(s.of)(len(s.parts) + 1)
		if err != nil {
			return err
		}
		if *s.out == nil {
			if *s.out, err = newPartWriter(p.w.keys); err != nil {
				return err
			}
		}
		if err := (*s.out).begin(head); err != nil {
			return err
		}
		s.open = true
	}
	s.hash.Write(c.data)
	s.rows += c.rows
	if err := (*s.out).lines(c.data, c.rows); err != nil {
		return err
	}
	p.w.meter.add("writing", c.rows)
	if c.last {
		return p.store(s)
	}
	return nil
}

// store ends a part and stores it.
func (p *packer) store(s *packed) error {
	d, err := (*s.out).end()
	if err != nil {
		return err
	}
	d.Name = partName(s.of.folder, s.of.table, len(s.parts)+1) + p.w.keys.suffix()
	if err := p.w.store.Put(p.ctx, p.w.place.prefix+d.Name, (*s.out).stored.Bytes()); err != nil {
		return err
	}
	s.parts = append(s.parts, d)
	s.open = false
	return nil
}

func (p *packer) end() error {
	for i := range p.sets {
		if p.sets[i].open {
			if err := p.store(&p.sets[i]); err != nil {
				return err
			}
		}
	}
	rows, keys := &p.sets[0], &p.sets[1]
	p.te.Rows, p.te.Parts, p.te.Hash = rows.rows, rows.parts, sumOf(rows.hash)
	if p.w.since != nil && !p.te.Whole && keys.rows > 0 {
		p.te.Gone = &gone{Rows: keys.rows, Hash: sumOf(keys.hash), Parts: keys.parts}
	}
	return nil
}

// comparer is the taker that compares the lines with what lies in the store.
type comparer struct {
	w    *writer
	te   *tableEntry
	sets [2]*setReader
	n    [2]int64
}

func (w *writer) newComparer(ctx context.Context, te *tableEntry) *comparer {
	read := func(s set) *setReader { return newSetReader(ctx, w.store, w.place, w.keys, s) }
	return &comparer{w: w, te: te, sets: [2]*setReader{read(te.rowSet()), read(te.goneSet())}}
}

func (c *comparer) take(k chunk) error {
	i := 0
	if k.gone {
		i = 1
	}
	for rest := k.data; len(rest) > 0; {
		line, err := c.sets[i].next()
		if err != nil {
			return err
		}
		if line == nil || !bytes.HasPrefix(rest, line) {
			return c.different(i)
		}
		rest = rest[len(line):]
		c.n[i]++
	}
	c.w.meter.add("comparing", k.rows)
	return nil
}

func (c *comparer) different(i int) error {
	what := "row"
	if i == 1 {
		what = "removed row"
	}
	return model.Errorf(model.Corrupt, "%s %d of %s is not that of %s", what, c.n[i]+1, c.te.Name, sourceWord(c.w.m.Source))
}

func (c *comparer) end() error {
	for i, r := range c.sets {
		line, err := r.next()
		if err != nil {
			return err
		}
		if line != nil {
			return c.different(i)
		}
	}
	if want := c.te.Total; want != nil && (c.te.Whole || c.w.since == nil) && *want != c.n[0] {
		return model.Errorf(model.Corrupt, "of %d rows of %s %d were compared", *want, c.te.Name, c.n[0])
	}
	return nil
}

func (c *comparer) close() {
	for _, r := range c.sets {
		r.close()
	}
}

// sourceWord names a source in a sentence.
func sourceWord(source string) string {
	if source == model.SourceCentral {
		return "the central"
	}
	return "the workspace"
}
