package model

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// ID names one row. It is a UUID in its usual form: 36 characters, lower case.
// The empty ID means "none".
type ID string

// CompanyScope is the scope of rows that belong to the whole company. A row
// that another program inserts without a scope gets it.
const CompanyScope ID = "00000000-0000-0000-0000-000000000000"

// SharedScope is the scope of rows that everybody sees: those of shared nouns.
const SharedScope ID = "00000000-0000-0000-0000-000000000001"

// IDSource makes ids that sort by the time they were made (UUIDv7, RFC 9562).
// Ids of one source never repeat and never go back, even when the clock does.
// The zero value is not usable; see NewIDSource.
type IDSource struct {
	mu   sync.Mutex
	now  func() time.Time
	read func([]byte) (int, error)
	last int64
	seq  uint16
}

// NewIDSource returns a source that takes the time from now and randomness
// from read. A nil now means time.Now, a nil read means crypto/rand.
func NewIDSource(now func() time.Time, read func([]byte) (int, error)) *IDSource {
	if now == nil {
		now = time.Now
	}
	if read == nil {
		read = rand.Read
	}
	return &IDSource{now: now, read: read}
}

// New returns the next id. It panics if the source of randomness fails, which
// crypto/rand never does.
func (s *IDSource) New() ID {
	var b [16]byte
	if _, err := s.read(b[:]); err != nil {
		panic("model: no randomness for an id: " + err.Error())
	}
	s.mu.Lock()
	ms := s.now().UnixMilli()
	if ms > s.last {
		s.last, s.seq = ms, uint16(b[6]&0x07)<<8|uint16(b[7])
	} else if s.seq++; s.seq > 0x0fff {
		s.last, s.seq = s.last+1, 0
	}
	ms, seq := s.last, s.seq
	s.mu.Unlock()
	b[0], b[1], b[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	b[3], b[4], b[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	b[6] = 0x70 | byte(seq>>8)
	b[7] = byte(seq)
	b[8] = b[8]&0x3f | 0x80
	return formatID(b)
}

// DerivedID returns the id that these parts always have (UUIDv8 over SHA-256).
// Rows that two people may make independently and that mean the same thing,
// such as the tag "vip" or its use on one contact, are named this way, so that
// they meet as one row instead of becoming twins.
func DerivedID(parts ...string) ID {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	var b [16]byte
	copy(b[:], h[:16])
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return formatID(b)
}

func formatID(b [16]byte) ID {
	var s [36]byte
	hex.Encode(s[:], b[:4])
	s[8] = '-'
	hex.Encode(s[9:], b[4:6])
	s[13] = '-'
	hex.Encode(s[14:], b[6:8])
	s[18] = '-'
	hex.Encode(s[19:], b[8:10])
	s[23] = '-'
	hex.Encode(s[24:], b[10:])
	return ID(s[:])
}

// ParseID reads a whole id in any case. ok is false for anything else.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return "", false
	}
	id = ID(strings.ToLower(s))
	_, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	return id, err == nil
}

// Bytes returns the 16 bytes that both databases store, nil for the empty id
// and for text that is no id.
func (id ID) Bytes() []byte {
	if len(id) != 36 {
		return nil
	}
	b := make([]byte, 16)
	at := 0
	for i := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++ // the dash
		}
		high, low := hexDigit(id[at]), hexDigit(id[at+1])
		if high > 15 || low > 15 {
			return nil
		}
		b[i] = high<<4 | low
		at += 2
	}
	return b
}

// hexDigit returns what a digit stands for, 255 if it is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// IDFromBytes is the opposite of Bytes. Anything but 16 bytes gives the empty
// id.
func IDFromBytes(b []byte) ID {
	if len(b) != 16 {
		return ""
	}
	return formatID([16]byte(b))
}

// Short is the form that tables show: the last eight characters. A UUIDv7
// begins with the time, so records of one import share their beginning.
func (id ID) Short() string {
	if len(id) < 8 {
		return string(id)
	}
	return string(id[len(id)-8:])
}
