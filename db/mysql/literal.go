package mysql

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// Statements are built as text because a packet may hold several of them and
// the server prepares only one at a time. Data reach a statement through the
// functions of this file and in no other way. They rely on the session's own
// settings: character set utf8mb4, and backslashes that escape.

// quote returns a text as a literal.
func quote(s string) string {
	return string(appendQuoted(make([]byte, 0, len(s)+2), s))
}

func appendQuoted[T string | []byte](b []byte, s T) []byte {
	b = append(b, '\'')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '\'' && c != '\\' {
			continue
		}
		switch c {
		case 0:
			c = '0'
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		case 0x1a:
			c = 'Z'
		case '\'', '\\':
		default:
			continue
		}
		b = append(append(b, s[start:i]...), '\\', c)
		start = i + 1
	}
	return append(append(b, s[start:]...), '\'')
}

// hexBytes returns bytes as a literal.
func hexBytes(b []byte) string { return "X'" + hex.EncodeToString(b) + "'" }

func idLiteral(id model.ID) string { return hexBytes(id.Bytes()) }

// literal returns a cell as a literal for its column.
func literal(c model.Column, v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case int64:
		if c.Type == model.ColTime {
			return timeLiteral(x)
		}
		return strconv.FormatInt(x, 10)
	case model.ID:
		if x == "" {
			return "NULL"
		}
		return idLiteral(x)
	case string:
		return quote(x)
	}
	return "NULL"
}

// timeLayout is how a DATETIME(3) is written.
const timeLayout = "2006-01-02 15:04:05.000"

func timeLiteral(ms int64) string {
	return "'" + time.UnixMilli(ms).UTC().Format(timeLayout) + "'"
}

// equals returns a condition that is true where the column holds exactly the
// value: text byte by byte, whatever the column's collation and character set,
// and everything else by its type, never by way of a floating-point number.
func equals(c model.Column, v any) string {
	col := ident(c.Name)
	if s, ok := v.(sum); ok {
		return "SHA2(CONVERT(" + col + " USING utf8mb4),256) <=> " + quote(string(s))
	}
	lit := literal(c, v)
	if lit == "NULL" {
		if c.Type == model.ColTime {
			return noMoment(col)
		}
		return col + " IS NULL"
	}
	switch c.Type {
	case model.ColText, model.ColLong:
		return "CAST(CONVERT(" + col + " USING utf8mb4) AS BINARY) <=> CAST(" + lit + " AS BINARY)"
	case model.ColDate:
		return "LEFT(CAST(" + col + " AS CHAR),10) <=> " + lit
	case model.ColDecimal:
		return col + " <=> CAST(" + lit + " AS DECIMAL(18,4))"
	case model.ColTime:
		// An administrator may have made the column finer than ours.
		return col + " BETWEEN " + lit + " AND " + strings.TrimSuffix(lit, "'") + "999'"
	default:
		return col + " <=> " + lit
	}
}

// noMoment is true where a column holds no moment: nothing, or one of the
// values with a zero for a year, a month or a day that other programs write.
// A client knows both as nothing.
func noMoment(col string) string {
	return "(" + col + " IS NULL OR YEAR(" + col + ")=0 OR MONTH(" + col + ")=0 OR DAYOFMONTH(" + col + ")=0)"
}

// idList returns ids as the inside of an IN.
func idList(ids []model.ID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(idLiteral(id))
	}
	return b.String()
}
