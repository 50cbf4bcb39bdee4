package mysql

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rapport/model"
)

// How a value is written into the hash of its row.
const (
	hashBytes   = iota // in hexadecimal
	hashLong           // as the SHA-256 of it
	hashCounted        // with its number of characters before it
	hashPlain          // as the server writes it
)

// hashing tells how the values of a column are written into the hash of a row.
func (c mirrored) hashing() int {
	switch {
	case strings.HasPrefix(c.kind, "binary") || strings.Contains(c.kind, "blob") || strings.HasPrefix(c.kind, "varbinary"):
		return hashBytes
	case c.Type == model.ColLong:
		return hashLong
	case c.charset != "":
		return hashCounted
	}
	return hashPlain
}

// rowHashSQL is the SHA-256 of a row: which columns are NULL, and every value
// with its length, so that no two rows are written the same.
func (m *mirror) rowHashSQL(alias string) string {
	var null, values []string
	for _, c := range m.columns {
		col := alias + "." + ident(c.Name)
		null = append(null, "ISNULL("+col+")")
		text := "CAST(" + col + " AS CHAR)"
		switch c.hashing() {
		case hashBytes:
			text = "HEX(" + col + ")"
		case hashLong:
			text = "SHA2(CONVERT(" + col + " USING utf8mb4),256)"
		case hashCounted:
			text = "CONCAT(CHAR_LENGTH(" + col + "),':',CONVERT(" + col + " USING utf8mb4))"
		}
		values = append(values, "IFNULL("+text+",'')")
	}
	return "UNHEX(SHA2(CONCAT(" + strings.Join(null, ",") + ",'|',CONCAT_WS('|'," + strings.Join(values, ",") + ")),256))"
}

// rowHasher returns what computes rowHashSQL here, from rows of some columns as
// a dump reads them: a server needs longer for the hash of a row than for the
// row. The result is valid until the next call.
func (m *mirror) rowHasher(columns []string) func(v []any) []byte {
	at, how := make([]int, len(m.columns)), make([]int, len(m.columns))
	for i, c := range m.columns {
		at[i], how[i] = slices.Index(columns, c.Name), c.hashing()
	}
	var line []byte
	var sum [sha256.Size]byte
	return func(v []any) []byte {
		line = line[:0]
		for _, k := range at {
			is := byte('0')
			if v[k] == nil {
				is = '1'
			}
			line = append(line, is)
		}
		for i, k := range at {
			line = append(line, '|')
			switch x := v[k].(type) {
			case int64:
				line = strconv.AppendInt(line, x, 10)
			case []byte:
				switch how[i] {
				case hashBytes:
					from := len(line)
					line = hex.AppendEncode(line, x)
					upper(line[from:])
				case hashLong:
					long := sha256.Sum256(x)
					line = hex.AppendEncode(line, long[:])
				case hashCounted:
					line = append(strconv.AppendInt(line, int64(utf8.RuneCount(x)), 10), ':')
					line = append(line, x...)
				default:
					line = append(line, x...)
				}
			}
		}
		sum = sha256.Sum256(line)
		return sum[:]
	}
}

// upper turns hexadecimal digits into capitals.
func upper(digits []byte) {
	for i, c := range digits {
		if c >= 'a' {
			digits[i] = c - 'a' + 'A'
		}
	}
}

// withHash is the sum with the hash of one more row.
func (s reportSum) withHash(hash []byte) reportSum {
	s.rows++
	for i := range s.hash {
		s.hash[i] += binary.BigEndian.Uint64(hash[i*8:])
	}
	return s
}
