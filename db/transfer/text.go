package transfer

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// decodeWide turns UTF-16 and UTF-8 with a mark at the beginning into plain
// UTF-8 and leaves other bytes alone.
func decodeWide(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		return b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return fromUTF16(b[2:], binary.BigEndian)
	}
	// Without a mark: western text in UTF-16 has a zero in every other byte.
	head := b[:min(len(b), 2048)&^1]
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	switch half := len(head) / 2; {
	case half < 4:
	case zeros[0] > half/2 && zeros[1] < half/8:
		return fromUTF16(b, binary.BigEndian)
	case zeros[1] > half/2 && zeros[0] < half/8:
		return fromUTF16(b, binary.LittleEndian)
	}
	return b
}

func fromUTF16(b []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// decodeText returns a whole file as UTF-8 and tells whether it had to be read
// as windows-1252, which is what spreadsheets of western Europe write.
func decodeText(b []byte) (s string, western bool) {
	b = decodeWide(b)
	if utf8.Valid(b) {
		return string(b), false
	}
	return fromWestern(b), true
}

func fromWestern(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(charmap.Windows1252.DecodeByte(c))
	}
	return out.String()
}

// decodeCharset reads bytes in a named charset. An unknown name falls back to
// UTF-8 and then to windows-1252. Bytes that are no UTF-8 although it is said
// that they are become U+FFFD.
func decodeCharset(b []byte, name string) (s string, western bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name != "" && name != "utf-8" && name != "us-ascii" {
		if enc, err := htmlindex.Get(name); err == nil {
			if out, err := enc.NewDecoder().Bytes(b); err == nil && utf8.Valid(out) {
				return string(out), false
			}
		}
	}
	if utf8.Valid(b) {
		return string(b), false
	}
	if name == "utf-8" {
		return strings.ToValidUTF8(string(b), "\ufffd"), false
	}
	return fromWestern(b), true
}
