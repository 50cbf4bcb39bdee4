package backup

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"rapport/model"
)

// encoding is the number of a form of rows. The forms differ in ids.
type encoding int

const (
	// encodingUUID writes an id as a UUID, with its dashes.
	encodingUUID encoding = 1
	// encodingShort writes an id in base64, which makes backups a tenth smaller
	// and less to hash.
	encodingShort encoding = 2
	// written is the encoding of new backups.
	written = encodingShort
)

// known tells whether this program reads an encoding.
func (e encoding) known() bool { return e == encodingUUID || e == encodingShort }

// appendRow appends the canonical form of a row: a JSON array. Texts and the
// digits of numbers may come as bytes.
func (e encoding) appendRow(b []byte, types []string, values []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		switch x := v.(type) {
		case nil:
			b = append(b, "null"...)
		case int64:
			b = strconv.AppendInt(b, x, 10)
		case string:
			switch {
			case types[i] != "text":
				err = fmt.Errorf("%w: a text in a column of type %s", errNoForm, types[i])
			case utf8.ValidString(x):
				b = appendText(b, x)
			default:
				b = e.appendBytes(b, types[i], []byte(x))
			}
		case []byte:
			switch {
			case types[i] == "text" && utf8.Valid(x):
				b = appendText(b, x)
			case types[i] == "int" && isInt(x):
				b = append(b, x...)
			default:
				b = e.appendBytes(b, types[i], x)
			}
		default:
			err = fmt.Errorf("%w: a value of type %T in a column of type %s", errNoForm, v, types[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// isInt tells whether digits are a number of 64 bits in its only form.
func isInt(x []byte) bool {
	digits := x
	if len(x) > 0 && x[0] == '-' {
		digits = x[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(x) > 1 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	if len(digits) < 19 {
		return true
	}
	_, err := strconv.ParseInt(string(x), 10, 64)
	return err == nil
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = hex.AppendEncode(b, []byte{c})
		}
	}
	return append(append(b, s[start:]...), '"')
}

// idStart are where the groups of a UUID begin.
var idStart = [...]int{0, 4, 6, 8, 10}

func (e encoding) appendBytes(b []byte, typ string, x []byte) []byte {
	switch {
	case typ == "id" && len(x) == 16 && e == encodingShort:
		b = append(b, '"')
		b = base64.RawStdEncoding.AppendEncode(b, x)
		return append(b, '"')
	case typ == "id" && len(x) == 16:
		b = append(b, '"')
		for i, end := range []int{4, 6, 8, 10, 16} {
			if i > 0 {
				b = append(b, '-')
			}
			b = hex.AppendEncode(b, x[idStart[i]:end])
		}
		return append(b, '"')
	case typ == "blob":
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, x)
		return append(b, '"')
	}
	b = append(b, `{"b64":"`...)
	b = base64.StdEncoding.AppendEncode(b, x)
	return append(b, `"}`...)
}

// errNoForm is the error of a value that an archive cannot hold.
var errNoForm = errors.New("a value has no form")

var errForm = errors.New("a row is not in the form of this archive")

// parseRow reads a row that appendRow wrote. The values are int64, string,
// []byte or nil, as the database gives them.
func (e encoding) parseRow(line []byte, types []string) ([]any, error) {
	out := make([]any, 0, len(types))
	if len(line) < 2 || line[0] != '[' {
		return nil, errForm
	}
	rest := line[1:]
	for i, typ := range types {
		if i > 0 {
			if len(rest) == 0 || rest[0] != ',' {
				return nil, errForm
			}
			rest = rest[1:]
		}
		v, n, err := e.parseValue(rest, typ)
		if err != nil {
			return nil, err
		}
		out, rest = append(out, v), rest[n:]
	}
	if string(rest) != "]" {
		return nil, errForm
	}
	return out, nil
}

// shortID is how long an id is in encodingShort, with its quotes.
const shortID = 24

// parseValue reads one value and tells its length.
func (e encoding) parseValue(b []byte, typ string) (v any, n int, err error) {
	if len(b) == 0 {
		return nil, 0, errForm
	}
	switch {
	case b[0] == '"' && typ == "id" && e == encodingShort:
		id := make([]byte, 16)
		if len(b) < shortID || b[shortID-1] != '"' {
			return nil, 0, errForm
		}
		if n, err := base64.RawStdEncoding.Strict().Decode(id, b[1:shortID-1]); err != nil || n != len(id) {
			return nil, 0, errForm
		}
		return id, shortID, nil
	case b[0] == '"':
		s, n, err := parseText(b)
		if err != nil || typ == "text" {
			return s, n, err
		}
		if typ == "id" {
			id, ok := model.ParseID(s)
			if !ok {
				return nil, 0, errForm
			}
			return id.Bytes(), n, nil
		}
		data, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || typ != "blob" {
			return nil, 0, errForm
		}
		return data, n, nil
	case b[0] == 'n' && len(b) >= 4 && string(b[:4]) == "null":
		return nil, 4, nil
	case b[0] == '{':
		const head = `{"b64":`
		if len(b) < len(head) || string(b[:len(head)]) != head {
			return nil, 0, errForm
		}
		s, n, err := parseText(b[len(head):])
		n += len(head)
		if err != nil || n >= len(b) || b[n] != '}' {
			return nil, 0, errForm
		}
		data, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, 0, errForm
		}
		if typ == "text" {
			return string(data), n + 1, nil
		}
		return data, n + 1, nil
	}
	for n < len(b) && (b[n] == '-' || b[n] >= '0' && b[n] <= '9') {
		n++
	}
	x, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if err != nil {
		return nil, 0, errForm
	}
	return x, n, nil
}

// parseText reads a JSON string at the beginning of b and tells its length.
func parseText(b []byte) (s string, n int, err error) {
	if len(b) == 0 || b[0] != '"' {
		return "", 0, errForm
	}
	escaped := false
	for n = 1; n < len(b); n++ {
		switch c := b[n]; {
		case c == '\\':
			escaped = true
			n++
		case c < 0x20:
			return "", 0, errForm
		case c == '"':
			n++
			if !escaped {
				return string(b[1 : n-1]), n, nil
			}
			if json.Unmarshal(b[:n], &s) != nil {
				return "", 0, errForm
			}
			return s, n, nil
		}
	}
	return "", 0, errForm
}
