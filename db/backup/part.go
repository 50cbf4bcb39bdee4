package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// partSize is the plain size at which a part ends.
const partSize = 16 << 20

// window is how far back a part refers to itself. Twice as much makes it no
// smaller, and takes as much more memory of whoever writes or reads it.
const window = 1 << 20

// header is the first line of a part.
type header struct {
	Table    string   `json:"table"`
	Columns  []string `json:"columns"`
	Types    []string `json:"types"`
	Schema   int      `json:"schema"`
	Encoding encoding `json:"encoding"`
	Part     int      `json:"part"`
	Gone     bool     `json:"gone,omitempty"` // the lines are keys of rows that went
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

// partWriter writes parts into memory, one after the other.
type partWriter struct {
	keys   keys
	stored bytes.Buffer // what the last part is
	sealed io.WriteCloser
	zip    *zstd.Encoder
	out    *bufio.Writer
	hash   hash.Hash // of the plain text so far
	rows   int64
}

func newPartWriter(k keys) (*partWriter, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &partWriter{keys: k, zip: zip, out: bufio.NewWriterSize(zip, 64<<10), hash: sha256.New()}, nil
}

// headLine is the first line of a part.
func headLine(h header) ([]byte, error) {
	line, err := json.Marshal(h)
	return append(line, '\n'), err
}

// begin begins a part with its first line. What the one before it stored is
// gone.
func (w *partWriter) begin(head []byte) error {
	w.stored.Reset()
	w.hash.Reset()
	w.rows = 0
	var err error
	if w.sealed, err = w.keys.seal(&w.stored); err != nil {
		return err
	}
	w.zip.Reset(w.sealed)
	w.out.Reset(w.zip)
	return w.write(head)
}

func (w *partWriter) write(b []byte) error {
	w.hash.Write(b)
	_, err := w.out.Write(b)
	return err
}

// lines writes the lines of some rows with their line feeds.
func (w *partWriter) lines(data []byte, rows int64) error {
	w.rows += rows
	return w.write(data)
}

// end ends the part and returns its description without the name.
func (w *partWriter) end() (part, error) {
	end, err := json.Marshal(trailer{Rows: w.rows, Hash: sumOf(w.hash)})
	if err != nil {
		return part{}, err
	}
	err = w.write(append(end, '\n'))
	for _, f := range []func() error{w.out.Flush, w.zip.Close, w.sealed.Close} {
		if err == nil {
			err = f()
		}
	}
	return part{Rows: w.rows, Size: int64(w.stored.Len()), Plain: sumOf(w.hash), Stored: hashOf(w.stored.Bytes())}, err
}

// The folders of a backup in which its parts lie.
const (
	rowFolder  = "t" // rows
	goneFolder = "g" // keys of rows that went
)

// partName is the name of a part within its backup, before encryption adds its
// suffix. What could be mistaken in a name on some store is escaped, capital
// letters among it.
func partName(folder, table string, number int) string {
	var b strings.Builder
	for _, c := range []byte(table) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return fmt.Sprintf("%s/%s/%05d.jsonl.zst", folder, b.String(), number)
}
