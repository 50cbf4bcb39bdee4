package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// smallPart is the stored size up to which a part is unpacked at once, so that
// many can be open together.
const smallPart = 128 << 10

// errDamaged is the cause of a damage that no library names.
func errDamaged(format string, args ...any) error { return fmt.Errorf(format, args...) }

// setReader reads the lines of a set in order and proves each part and their
// whole. What is not as the manifest says is Corrupt and names the part.
type setReader struct {
	ctx    context.Context
	store  Store
	place  place
	keys   keys
	set    set
	number int   // of the open part
	before int64 // rows in the parts before it
	rows   int64 // read of the open part
	lines  *lines
	zip    *zstd.Decoder
	all    hash.Hash
}

func newSetReader(ctx context.Context, s Store, p place, k keys, what set) *setReader {
	return &setReader{ctx: ctx, store: s, place: p, keys: k, set: what, all: sha256.New()}
}

// next returns the next line with its line feed, nil at the end. It is valid
// until the call after.
func (r *setReader) next() ([]byte, error) {
	for {
		if r.lines == nil {
			if r.number == len(r.set.parts) {
				return nil, r.whole()
			}
			if err := r.open(); err != nil {
				return nil, err
			}
		}
		if r.rows%4096 == 0 && r.ctx.Err() != nil {
			return nil, stopped(r.ctx.Err())
		}
		line, err := r.lines.next()
		if err != nil {
			return nil, r.bad(err)
		}
		if line[0] == '{' {
			if err := r.end(line); err != nil {
				return nil, r.bad(err)
			}
			continue
		}
		r.rows++
		r.all.Write(line)
		return line, nil
	}
}

// nextRow returns the values of the next line, nil at the end.
func (r *setReader) nextRow() (line []byte, values []any, err error) {
	line, err = r.next()
	if line == nil || err != nil {
		return nil, nil, err
	}
	values, err = r.set.encoding.parseRow(line[:len(line)-1], r.set.types)
	if err != nil {
		return nil, nil, r.bad(err)
	}
	return line, values, nil
}

// close frees what an open part holds.
func (r *setReader) close() {
	if r.zip != nil {
		r.zip.Close()
	}
	r.zip, r.lines = nil, nil
}

// bad says what is wrong with the open part, unless the store did not answer.
func (r *setReader) bad(err error) error {
	if unanswered(err) {
		return err
	}
	want, what := r.set.parts[r.number-1], "rows"
	if r.set.folder == goneFolder {
		what = "removed rows"
	}
	return damaged(r.place, want.Name, fmt.Sprintf("%s %d to %d of %s", what, r.before+1, r.before+want.Rows, r.set.table)).Because(err)
}

// open opens the next part.
func (r *setReader) open() error {
	r.number++
	r.rows = 0
	want := r.set.parts[r.number-1]
	if strings.TrimSuffix(want.Name, suffix) != partName(r.set.folder, r.set.table, r.number) {
		return r.bad(errDamaged("the name of the part is not that of part %d of %s", r.number, r.set.table))
	}
	// Nothing is taken from a part before its bytes are proved.
	data, err := storedPart(r.ctx, r.store, r.place, want)
	if errors.Is(err, fs.ErrNotExist) {
		if gone := stillThere(r.ctx, r.store); unanswered(gone) {
			return gone
		}
	}
	if err != nil {
		return r.bad(err)
	}
	plain, err := r.keys.open(want.Name, bytes.NewReader(data))
	if err == nil && r.zip == nil {
		r.zip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderLowmem(true))
	}
	if err != nil {
		return r.bad(err)
	}
	size := 64 << 10
	var unpacked io.Reader = r.zip
	if len(data) <= smallPart {
		// Many of them are open together, so that none holds a decoder.
		packed, err := io.ReadAll(plain)
		var text []byte
		if err == nil {
			text, err = r.zip.DecodeAll(packed, nil)
		}
		r.close()
		if err != nil {
			return r.bad(err)
		}
		unpacked, size = bytes.NewReader(text), 4<<10
	} else if err := r.zip.Reset(plain); err != nil {
		return r.bad(err)
	}
	r.lines = &lines{r: bufio.NewReaderSize(unpacked, size), hash: sha256.New()}
	if err := r.head(); err != nil {
		return r.bad(err)
	}
	return nil
}

// head checks a part's first line.
func (r *setReader) head() error {
	first, err := r.lines.next()
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return err
	}
	if h.Table != r.set.table || h.Part != r.number || h.Gone != (r.set.folder == goneFolder) || h.Encoding != r.set.encoding ||
		!slices.Equal(h.Columns, r.set.columns) || !slices.Equal(h.Types, r.set.types) {
		return errDamaged("the head of the part is not that of part %d of %s", r.number, r.set.table)
	}
	return nil
}

// end checks a part's last line and that nothing follows it.
func (r *setReader) end(line []byte) error {
	want := r.set.parts[r.number-1]
	var end trailer
	if err := json.Unmarshal(line, &end); err != nil {
		return err
	}
	if end.Rows != r.rows || r.rows != want.Rows || end.Hash != sumOf(r.lines.hash) {
		return errDamaged("the part has %d rows, its end says %d, the manifest %d", r.rows, end.Rows, want.Rows)
	}
	if _, err := r.lines.next(); !errors.Is(err, io.EOF) || sumOf(r.lines.hash) != want.Plain {
		return errDamaged("something follows the end of the part")
	}
	r.before += r.rows
	r.lines = nil
	return nil
}

// whole checks that the parts make the set whole.
func (r *setReader) whole() error {
	r.close()
	if r.before != r.set.rows || len(r.set.parts) > 0 && sumOf(r.all) != r.set.hash {
		return damaged(r.place, r.set.folder+"/"+r.set.table, "the parts of the table do not make it whole")
	}
	return nil
}

// storedPart reads the object of a part and compares it with the manifest.
func storedPart(ctx context.Context, s Store, p place, want part) ([]byte, error) {
	data, err := s.Get(ctx, p.prefix+want.Name)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != want.Size || hashOf(data) != want.Stored {
		return nil, errDamaged("%d bytes with the hash %s, want %d with %s", len(data), hashOf(data), want.Size, want.Stored)
	}
	return data, nil
}

// lines reads lines with their line feeds and hashes those before the current
// one.
type lines struct {
	r    *bufio.Reader
	hash hash.Hash
	line []byte // the current one, not hashed yet
	long []byte // holds a line that is longer than the reader's buffer
}

// next returns the next line, valid until the call after it. A last line
// without a line feed is io.ErrUnexpectedEOF.
func (l *lines) next() ([]byte, error) {
	l.hash.Write(l.line)
	l.line = nil
	chunk, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, chunk...)
			chunk, err = l.r.ReadSlice('\n')
		}
		l.long = append(l.long, chunk...)
		chunk = l.long
	}
	if errors.Is(err, io.EOF) && len(chunk) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	l.line = chunk
	return chunk, nil
}

// readSet passes each line of a set with its values.
func readSet(ctx context.Context, s Store, p place, k keys, what set, row func(line []byte, values []any) error) error {
	r := newSetReader(ctx, s, p, k, what)
	defer r.close()
	for {
		line, values, err := r.nextRow()
		if line == nil || err != nil {
			return err
		}
		if err := row(line, values); err != nil {
			return err
		}
	}
}
