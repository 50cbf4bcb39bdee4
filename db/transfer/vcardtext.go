package transfer

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// exactParam carries the exact components of a value in which characters stand
// that a card cannot carry. It counts only while the value is what these
// characters were made into, so an edit by another program wins.
const exactParam = "X-RAPPORT-EXACT"

// carry makes a text fit for a card: line breaks are one character and other
// controls are left out.
func carry(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r < 0x20 && r != '\n' && r != '\t' || r == 0x7f:
			return -1
		}
		return r
	}, s)
}

var cardEscapes = strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`)

// cardLine appends a property with its components, folded at 75 bytes.
func cardLine(b []byte, head string, parts []string, sep string) []byte {
	exact := false
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = carry(p)
		exact = exact || out[i] != p
	}
	if exact {
		data, _ := json.Marshal(parts)
		head += ";" + exactParam + "=" + base64.RawURLEncoding.EncodeToString(data)
	}
	for i, p := range out {
		out[i] = cardEscapes.Replace(p)
	}
	return fold(b, head+":"+strings.Join(out, sep))
}

// fold appends a line, broken after at most 75 bytes between characters.
func fold(b []byte, line string) []byte {
	for room := 75; len(line) > room; room = 74 {
		n := room
		for n > 1 && !utf8.RuneStart(line[n]) {
			n--
		}
		b = append(b, line[:n]...)
		b = append(b, "\r\n "...)
		line = line[n:]
	}
	b = append(b, line...)
	return append(b, "\r\n"...)
}

// texts returns the components of a property without escapes, exactly as they
// were written where that is known.
func (p *property) texts(sep byte, old bool) []string {
	parts := components(p.value, sep, old)
	if code := p.param(exactParam); code != "" {
		var exact []string
		data, err := base64.RawURLEncoding.DecodeString(code)
		if err == nil && json.Unmarshal(data, &exact) == nil && len(exact) == len(parts) {
			for i := range exact {
				if carry(exact[i]) != parts[i] {
					return parts
				}
			}
			return exact
		}
	}
	return parts
}

// text returns a property's only component.
func (p *property) text(old bool) string { return p.texts(0, old)[0] }
