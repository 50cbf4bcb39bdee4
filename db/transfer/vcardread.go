package transfer

import (
	"bytes"
	"encoding/base64"
	"iter"
	"strings"
)

// property is one line of a card, unfolded and decoded, with its text still
// escaped.
type property struct {
	group   string
	name    string // upper case
	params  map[string][]string
	value   string
	binary  bool // base64 data, which is not kept
	western bool // read as windows-1252 because nothing else fits
}

// card is one vCard as read.
type card struct {
	line       int
	version    string
	properties []property
	raw        string
	problem    string
	strange    int // lines that are no property
}

// types returns the kinds that a property states, lower case, in all the ways
// of the versions: TYPE=a,b and TYPE="a,b" and bare words.
func (p *property) types() []string {
	var out []string
	for _, v := range p.params["TYPE"] {
		for _, w := range strings.Split(v, ",") {
			if w = strings.ToLower(strings.TrimSpace(w)); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

func (p *property) param(name string) string {
	if v := p.params[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// readCards reads every card of a file. Versions 2.1, 3.0 and 4.0 may be
// mixed; text outside cards is passed over.
func readCards(data []byte) iter.Seq[card] {
	return func(yield func(card) bool) {
		lines := physicalLines(decodeWide(data))
		var cur *card
		start, depth := 0, 0
		for i := 0; i < len(lines); {
			first := i
			logical, next := unfold(lines, i, cur)
			i = next
			p, ok := parseProperty(logical)
			begins := ok && p.name == "BEGIN" && strings.EqualFold(strings.TrimSpace(p.value), "VCARD")
			switch {
			case begins && cur != nil && depth == 1 && !insideAgent(cur):
				cur.problem, cur.raw = "the card has no end", rawLines(lines[start:first])
				if !yield(*cur) {
					return
				}
				cur, start = &card{line: first + 1}, first
			case begins && cur != nil:
				depth++
			case begins:
				cur, start, depth = &card{line: first + 1}, first, 1
			case cur == nil:
			case ok && p.name == "END" && strings.EqualFold(strings.TrimSpace(p.value), "VCARD"):
				if depth--; depth > 0 {
					continue
				}
				cur.raw = rawLines(lines[start:i])
				if !yield(*cur) {
					return
				}
				cur = nil
			case depth > 1:
			case !ok:
				if len(bytes.TrimSpace(logical)) > 0 {
					cur.strange++
				}
			case p.name == "VERSION":
				cur.version = strings.TrimSpace(p.value)
			default:
				cur.properties = append(cur.properties, p)
			}
		}
		if cur != nil {
			cur.problem, cur.raw = "the card has no end", rawLines(lines[start:])
			yield(*cur)
		}
	}
}

// insideAgent tells whether the card just opened an AGENT, whose value is a
// card of its own.
func insideAgent(c *card) bool {
	n := len(c.properties)
	return n > 0 && c.properties[n-1].name == "AGENT" && strings.TrimSpace(c.properties[n-1].value) == ""
}

func rawLines(lines [][]byte) string {
	s, _ := decodeCharset(bytes.Join(lines, []byte("\n")), "")
	return s
}

// physicalLines splits at line feeds and drops the carriage returns before
// them, of which some programs write two.
func physicalLines(b []byte) [][]byte {
	if bytes.IndexByte(b, '\n') < 0 {
		b = bytes.ReplaceAll(b, []byte{'\r'}, []byte{'\n'})
	}
	lines := bytes.Split(b, []byte{'\n'})
	for i, l := range lines {
		lines[i] = bytes.TrimRight(l, "\r")
	}
	return lines
}

// unfold joins a line with those that continue it: folded ones begin with a
// blank, quoted-printable ones follow an equals sign, and base64 data of
// version 2.1 ends at an empty line.
func unfold(lines [][]byte, i int, cur *card) (logical []byte, next int) {
	logical = lines[i]
	i++
	head := string(logical[:max(bytes.IndexByte(logical, ':'), 0)])
	upper := strings.ToUpper(head)
	if strings.Contains(upper, "QUOTED-PRINTABLE") {
		for bytes.HasSuffix(logical, []byte{'='}) && i < len(lines) {
			logical = append(append([]byte(nil), logical[:len(logical)-1]...), lines[i]...)
			i++
		}
		return logical, i
	}
	coded := strings.Contains(upper, "BASE64") || strings.Contains(upper, "ENCODING=B")
	var b bytes.Buffer
	folded := false
	for i < len(lines) {
		l := lines[i]
		if len(l) > 0 && (l[0] == ' ' || l[0] == '\t') {
			l = l[1:]
		} else if !coded || len(l) == 0 || bytes.IndexByte(l, ':') >= 0 {
			break
		}
		if !folded {
			b.Write(logical)
			folded = true
		}
		b.Write(l)
		i++
	}
	if folded {
		logical = b.Bytes()
	}
	return logical, i
}

// bareParams are the words that version 2.1 allows without a name.
var bareParams = map[string]string{"QUOTED-PRINTABLE": "ENCODING", "BASE64": "ENCODING", "8BIT": "ENCODING", "7BIT": "ENCODING", "B": "ENCODING", "URL": "VALUE", "URI": "VALUE"}

// parseProperty reads name, parameters and value of an unfolded line.
func parseProperty(line []byte) (property, bool) {
	p := property{params: map[string][]string{}}
	colon := -1
	quoted := false
	for i, c := range line {
		if c == '"' {
			quoted = !quoted
		}
		if c == ':' && !quoted {
			colon = i
			break
		}
	}
	if colon < 0 {
		colon = bytes.IndexByte(line, ':')
	}
	if colon <= 0 {
		return p, false
	}
	head, _ := decodeCharset(line[:colon], "")
	parts := splitOutsideQuotes(head, ';')
	p.name = strings.ToUpper(strings.TrimSpace(parts[0]))
	if g, n, ok := strings.Cut(p.name, "."); ok {
		p.group, p.name = g, n
	}
	if p.name == "" || strings.ContainsAny(p.name, " \t=,") {
		return p, false
	}
	for _, part := range parts[1:] {
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if !ok {
			value = strings.TrimSpace(part)
			if name = bareParams[strings.ToUpper(value)]; name == "" {
				name = "TYPE"
			}
		}
		for _, v := range splitOutsideQuotes(value, ',') {
			v = strings.Trim(strings.TrimSpace(v), `"`)
			v = strings.NewReplacer("^n", "\n", "^'", `"`, "^^", "^").Replace(v)
			p.params[name] = append(p.params[name], v)
		}
	}
	p.decode(line[colon+1:])
	return p, true
}

func (p *property) decode(value []byte) {
	switch strings.ToUpper(p.param("ENCODING")) {
	case "QUOTED-PRINTABLE":
		value = quotedPrintable(value)
	case "BASE64", "B":
		p.binary = true
		if plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(value)), "")); err == nil {
			value = plain
		}
	}
	if p.binary {
		p.value = string(value)
		return
	}
	p.value, p.western = decodeCharset(value, p.param("CHARSET"))
}

// quotedPrintable decodes =XX leniently; what is no code stays.
func quotedPrintable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '=' && i+2 < len(b) {
			hi, lo := unhex(b[i+1]), unhex(b[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

func splitOutsideQuotes(s string, sep byte) []string {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

// components splits a value at a separator that is not escaped and takes the
// escapes out. Version 2.1 knows fewer of them.
func components(s string, sep byte, old bool) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			c := s[i+1]
			switch {
			case (c == 'n' || c == 'N') && !old:
				b.WriteByte('\n')
			case old && !strings.ContainsRune(`;,:\`, rune(c)):
				b.WriteByte('\\')
				continue
			default:
				b.WriteByte(c)
			}
			i++
		case sep != 0 && s[i] == sep:
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}
