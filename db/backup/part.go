package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// partSize is the plain size at which a part ends.
const partSize = 16 << 20

// header is the first line of a part.
type header struct {
	Table    string   `json:"table"`
	Columns  []string `json:"columns"`
	Types    []string `json:"types"`
	Schema   int      `json:"schema"`
	Encoding int      `json:"encoding"`
	Part     int      `json:"part"`
}

// trailer is the last line of a part.
type trailer struct {
	Rows int64  `json:"rows"`
	Hash string `json:"sha256"`
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// partWriter writes one part into memory.
type partWriter struct {
	stored bytes.Buffer
	sealed io.WriteCloser
	zip    *zstd.Encoder
	out    *bufio.Writer
	hash   hash.Hash // of the plain text so far
	size   int       // of the plain text so far
	rows   int64
}

func newPartWriter(k keys, h header) (*partWriter, error) {
	w := &partWriter{hash: sha256.New()}
	var err error
	if w.sealed, err = k.seal(&w.stored); err != nil {
		return nil, err
	}
	w.zip, err = zstd.NewWriter(w.sealed, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewWriterSize(w.zip, 64<<10)
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return w, w.line(append(line, '\n'))
}

func (w *partWriter) line(b []byte) error {
	w.hash.Write(b)
	w.size += len(b)
	_, err := w.out.Write(b)
	return err
}

// row writes a row's line with its line feed.
func (w *partWriter) row(line []byte) error {
	w.rows++
	return w.line(line)
}

// close ends the part and returns its description without the name.
func (w *partWriter) close() (part, error) {
	end, err := json.Marshal(trailer{Rows: w.rows, Hash: sumOf(w.hash)})
	if err != nil {
		return part{}, err
	}
	err = w.line(append(end, '\n'))
	for _, f := range []func() error{w.out.Flush, w.zip.Close, w.sealed.Close} {
		if err == nil {
			err = f()
		}
	}
	return part{Rows: w.rows, Size: int64(w.stored.Len()), Plain: sumOf(w.hash), Stored: hashOf(w.stored.Bytes())}, err
}

// errDamaged is the cause of a damage that no library names.
func errDamaged(format string, args ...any) error { return fmt.Errorf(format, args...) }

// readPart reads a part back and calls row for the line and the values of each
// row. What is not as the manifest says is Corrupt and names the part; an error
// of row is returned as it is. before is how many rows of the table lie in the
// parts before.
func readPart(ctx context.Context, s Store, p place, k keys, t *tableEntry, number int, before int64, row func(line []byte, values []any) error) error {
	want := t.Parts[number-1]
	bad := func(err error) error {
		if unanswered(err) {
			return err
		}
		return damaged(p, want.Name, fmt.Sprintf("rows %d to %d of %s", before+1, before+want.Rows, t.Name)).Because(err)
	}
	if strings.TrimSuffix(want.Name, suffix) != partName(t.Name, number) {
		return bad(errDamaged("the name of the part is not that of part %d of %s", number, t.Name))
	}
	// Nothing is taken from a part before its bytes are proved.
	data, err := storedPart(ctx, s, p, want)
	if errors.Is(err, fs.ErrNotExist) {
		if gone := stillThere(ctx, s); unanswered(gone) {
			return gone
		}
	}
	if err != nil {
		return bad(err)
	}
	plain, err := k.open(want.Name, bytes.NewReader(data))
	if err != nil {
		return bad(err)
	}
	zip, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return bad(err)
	}
	defer zip.Close()
	l := &lines{r: bufio.NewReaderSize(zip, 256<<10), hash: sha256.New()}
	first, err := l.next()
	if err != nil {
		return bad(err)
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return bad(err)
	}
	if h.Table != t.Name || h.Part != number || h.Encoding != encodingVersion || !slices.Equal(h.Columns, t.Columns) || !slices.Equal(h.Types, t.Types) {
		return bad(errDamaged("the head of the part is not that of part %d of %s", number, t.Name))
	}
	for n := int64(0); ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return stopped(ctx.Err())
		}
		line, err := l.next()
		if err != nil {
			return bad(err)
		}
		if line[0] == '{' {
			return endPart(l, line, want, n, bad)
		}
		values, err := parseRow(line[:len(line)-1], t.Types)
		if err != nil {
			return bad(err)
		}
		if err := row(line, values); err != nil {
			return err
		}
	}
}

// endPart checks a part's last line and that nothing follows it.
func endPart(l *lines, line []byte, want part, rows int64, bad func(error) error) error {
	var end trailer
	if err := json.Unmarshal(line, &end); err != nil {
		return bad(err)
	}
	if end.Rows != rows || rows != want.Rows || end.Hash != sumOf(l.hash) {
		return bad(errDamaged("the part has %d rows, its end says %d, the manifest %d", rows, end.Rows, want.Rows))
	}
	if _, err := l.next(); !errors.Is(err, io.EOF) || sumOf(l.hash) != want.Plain {
		return bad(errDamaged("something follows the end of the part"))
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

// partName is the name of a part within its backup, before encryption adds its
// suffix.
func partName(table string, number int) string {
	return fmt.Sprintf("t/%s/%05d.jsonl.zst", table, number)
}

// lines reads lines with their line feeds and hashes those before the current
// one.
type lines struct {
	r    *bufio.Reader
	hash hash.Hash
	buf  []byte
}

// next returns the next line, valid until the call after it. A last line
// without a line feed is io.ErrUnexpectedEOF.
func (l *lines) next() ([]byte, error) {
	l.hash.Write(l.buf)
	l.buf = l.buf[:0]
	for {
		chunk, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, chunk...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(l.buf) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		return l.buf, nil
	}
}
