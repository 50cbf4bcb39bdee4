package model

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// letters that no decomposition takes apart, with what people type for them.
var letters = strings.NewReplacer("ß", "ss", "ẞ", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d",
	"þ", "th", "ł", "l", "ħ", "h", "ı", "i", "ŋ", "n")

// Fold returns the key under which text is compared, searched and sorted:
// lower case, without accents, compatibility forms made plain, blanks
// collapsed. It is never stored in place of the text.
func Fold(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return strings.Join(strings.Fields(letters.Replace(b.String())), " ")
}

// foldASCII is Fold for a text of ASCII, as most are; ok is false for any other.
func foldASCII(s string) (folded string, ok bool) {
	blank := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
	already, before := true, byte(' ')
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return "", false
		}
		if c >= 'A' && c <= 'Z' || blank(c) && (c != ' ' || before == ' ') {
			already = false
		}
		before = c
	}
	if already && (before != ' ' || s == "") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case blank(c):
			if n := len(out); n > 0 && out[n-1] != ' ' {
				out = append(out, ' ')
			}
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(bytes.TrimSuffix(out, []byte(" "))), true
}

// Words returns the folded words of a text: runs of letters and digits.
func Words(s string) []string {
	return strings.FieldsFunc(Fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}

// Visible makes control characters visible and harmless, so that text from
// anywhere can be drawn on one line of a terminal: a line break becomes ⏎, a
// tab a blank, every other control or direction-changing character its symbol
// or ·. Invalid UTF-8 becomes U+FFFD.
func Visible(s string) string {
	clean := true
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r > 0x7e {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '⏎'
		case r == '\t' || r == 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		case r == '\r':
			return '␍'
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return '␡'
		case r >= 0x80 && r < 0xa0:
			return '·'
		case r == 0x200b || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff ||
			r == 0x061c || r == 0x180e || r >= 0xfff0 && r <= 0xfffb || r >= 0xe0000 && r <= 0xe0fff || r == 0xad:
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// VisibleLines is Visible for text of several lines: line breaks stay.
func VisibleLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = Visible(l)
	}
	return strings.Join(lines, "\n")
}

// firstLine returns the first line that is not blank, trimmed.
func firstLine(s string) string {
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			return l
		}
	}
	return ""
}
