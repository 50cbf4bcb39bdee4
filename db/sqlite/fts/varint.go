package fts

import (
	"io"
)

// appendVarint adds a number as SQLite does: the high bits first, seven to a
// byte, eight in a ninth.
func appendVarint(b []byte, v uint64) []byte {
	if v < 1<<7 {
		return append(b, byte(v))
	}
	if v < 1<<14 {
		return append(b, byte(v>>7)|0x80, byte(v)&0x7f)
	}
	var buf [9]byte
	n := len(buf)
	if v >= 1<<56 {
		n--
		buf[n] = byte(v)
		v >>= 8
		for n > 0 {
			n--
			buf[n] = byte(v) | 0x80
			v >>= 7
		}
		return append(b, buf[:]...)
	}
	for more := byte(0); v > 0; more = 0x80 {
		n--
		buf[n] = byte(v)&0x7f | more
		v >>= 7
	}
	return append(b, buf[n:]...)
}

// varint returns a number and how many bytes it takes, 0 where it is cut off.
func varint(b []byte) (v uint64, n int) {
	for i, c := range b {
		if i == 8 {
			return v<<8 | uint64(c), 9
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// readVarint reads a number; the error is io.EOF only where none begins.
func readVarint(in io.ByteReader) (v uint64, err error) {
	for i := range 9 {
		c, err := in.ReadByte()
		if err != nil {
			if i > 0 {
				err = cut(err)
			}
			return 0, err
		}
		if i == 8 {
			return v<<8 | uint64(c), nil
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, nil
		}
	}
	return v, nil
}
