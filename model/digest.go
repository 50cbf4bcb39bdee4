package model

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A table is compared with its copy by sums: its rows fall into buckets by
// their ids, and of each bucket both sides tell how many rows it holds and the
// exclusive or of their hashes. Only buckets that differ are looked into. A
// hash covers every column of a row, so that a change which no trigger saw is
// found too. It is cut from MD5 and not a CRC, whose sums cancel out where two
// rows change alike; nobody gains from a collision that he makes himself.

// Bucket sums up some rows of a table.
type Bucket struct {
	Rows int64
	Hash uint64 // exclusive or of the rows' hashes
}

// Digest sums up a table.
type Digest struct {
	Columns []string // what the hashes are made of, in this order
	Buckets map[uint32]Bucket
}

// rowsPerBucket is how many rows a bucket holds about: fewer make the sums
// longer, more make it dearer to find the one that differs.
const rowsPerBucket = 64

// maxBucketBits bounds the buckets of one table.
const maxBucketBits = 14

// BucketBits returns into how many buckets, as a power of two, a table of so
// many rows is cut.
func BucketBits(rows int64) int {
	if rows <= rowsPerBucket {
		return 0
	}
	return min(bits.Len64(uint64(rows-1)/rowsPerBucket), maxBucketBits)
}

// BucketOf returns the bucket of an id among 1<<n buckets.
func BucketOf(id ID, n int) uint32 {
	return uint32(uint64(crc32.ChecksumIEEE(id.Bytes())) >> (32 - n))
}

// hashBreak stands between the values of a row that is hashed, hashNull for
// NULL.
const (
	hashBreak = "\x1f"
	hashNull  = "\x00"
)

// RowHasher hashes rows over some columns.
type RowHasher struct {
	columns []Column
	at      []int
	text    strings.Builder
}

// NewRowHasher returns a hasher for an entity's rows. Columns that the entity
// does not have are left out, which makes the hashes differ from those of one
// that has them.
func NewRowHasher(e *Entity, columns []string) *RowHasher {
	h := &RowHasher{}
	for _, name := range columns {
		if i, c := e.Column(name); i >= 0 {
			h.columns, h.at = append(h.columns, c), append(h.at, i)
		}
	}
	return h
}

// Hash returns the first eight bytes of the MD5 of a row's values, as a
// central writes them as text.
func (h *RowHasher) Hash(row Row) uint64 {
	h.text.Reset()
	for i, c := range h.columns {
		if i > 0 {
			h.text.WriteString(hashBreak)
		}
		h.text.WriteString(hashText(c, row[h.at[i]]))
	}
	sum := md5.Sum([]byte(h.text.String()))
	return binary.BigEndian.Uint64(sum[:8])
}

// hashText writes a value as a central's CAST to text does. Long texts stand
// for themselves by their MD5, so that the text of a row stays below what a
// server puts together.
func hashText(c Column, v any) string {
	switch x := v.(type) {
	case nil:
		return hashNull
	case ID:
		return strings.ToUpper(strings.ReplaceAll(string(x), "-", ""))
	case int64:
		if c.Type == ColTime {
			return time.UnixMilli(x).UTC().Format("2006-01-02 15:04:05.000")
		}
		return strconv.FormatInt(x, 10)
	case string:
		switch c.Type {
		case ColLong:
			sum := md5.Sum([]byte(x))
			return hex.EncodeToString(sum[:])
		case ColDecimal:
			return fourDecimals(x)
		}
		return x
	}
	return hashNull
}

// fourDecimals writes a canonical decimal with all the places of its column.
func fourDecimals(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	return whole + "." + fraction + strings.Repeat("0", max(0, 4-len(fraction)))
}
