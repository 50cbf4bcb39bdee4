package transfer

import (
	"iter"
	"strings"
)

// csvRow is one row of a CSV file. Problem says why it could not be read.
type csvRow struct {
	Line    int
	Cells   []string
	Problem string
}

// readCSV reads CSV leniently: quotes within a cell are literal unless they
// enclose it, and line breaks within quotes are kept as they are, bytes and
// all. Blank lines are left out.
func readCSV(s string, delim byte) iter.Seq[csvRow] {
	return func(yield func(csvRow) bool) {
		line := 1
		for i := 0; i < len(s); {
			row := csvRow{Line: line}
			var n int
			row.Cells, row.Problem, n = readCSVRow(s[i:], delim)
			line += strings.Count(s[i:i+n], "\n")
			if line == row.Line {
				line += strings.Count(s[i:i+n], "\r")
			}
			i += n
			if len(row.Cells) == 1 && row.Cells[0] == "" && row.Problem == "" {
				continue
			}
			if !yield(row) {
				return
			}
		}
	}
}

// readCSVRow reads the first row of s and returns how many bytes it took.
func readCSVRow(s string, delim byte) (cells []string, problem string, n int) {
	i := 0
	for {
		cell, end, closed := readCell(s, i, delim)
		cells, i = append(cells, cell), end
		switch {
		case !closed:
			return cells, "a quote is opened and not closed", len(s)
		case i >= len(s):
			return cells, "", len(s)
		case s[i] == delim:
			i++
			if i == len(s) {
				return append(cells, ""), "", i
			}
		case s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n':
			return cells, "", i + 2
		default:
			return cells, "", i + 1
		}
	}
}

// readCell reads the cell at i; end is where its delimiter or line end stands.
func readCell(s string, i int, delim byte) (cell string, end int, closed bool) {
	start := i
	if i < len(s) && s[i] == '"' {
		var b strings.Builder
		for i++; i < len(s); i++ {
			if s[i] != '"' {
				b.WriteByte(s[i])
				continue
			}
			if i+1 < len(s) && s[i+1] == '"' {
				b.WriteByte('"')
				i++
				continue
			}
			rest := cellEnd(s, i+1, delim)
			b.WriteString(s[i+1 : rest])
			return b.String(), rest, true
		}
		return s[start:], len(s), false
	}
	end = cellEnd(s, i, delim)
	return s[i:end], end, true
}

func cellEnd(s string, i int, delim byte) int {
	for ; i < len(s); i++ {
		if s[i] == delim || s[i] == '\n' || s[i] == '\r' {
			return i
		}
	}
	return i
}

// sniffDelimiter returns the delimiter of a file: the one that its first row
// has most of outside quotes. A comma wins a tie.
func sniffDelimiter(s string) byte {
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		cells, problem, _ := readCSVRow(s, d)
		if problem == "" && len(cells) > most {
			best, most = d, len(cells)
		}
	}
	return best
}

// spreadsheetRuns are the beginnings of cells that a spreadsheet would run as
// a formula.
const spreadsheetRuns = "=+-@\t\r"

// guarded tells whether a text consists of n apostrophes followed by what a
// spreadsheet would run.
func guarded(s string) (n int, ok bool) {
	for n < len(s) && s[n] == '\'' {
		n++
	}
	return n, n < len(s) && strings.IndexByte(spreadsheetRuns, s[n]) >= 0
}

// guard puts an apostrophe before a cell that a spreadsheet would run, and
// before one that unguard would otherwise change. Raw leaves formulas alone.
func guard(s string, raw bool) string {
	if n, ok := guarded(s); ok && (n > 0 || !raw) {
		return "'" + s
	}
	return s
}

// unguard is the opposite of guard.
func unguard(s string) string {
	if n, ok := guarded(s); ok && n > 0 {
		return s[1:]
	}
	return s
}

// appendCSVRow writes a row with CRLF at its end. Cells are quoted where they
// need it.
func appendCSVRow(b []byte, cells []string, delim byte) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, delim)
		}
		if c == "" && len(cells) == 1 || c != "" && (strings.ContainsAny(c, "\"\r\n"+string(delim)) || c[0] == ' ' || c[len(c)-1] == ' ') {
			b = append(b, '"')
			b = append(b, strings.ReplaceAll(c, `"`, `""`)...)
			b = append(b, '"')
			continue
		}
		b = append(b, c...)
	}
	return append(b, "\r\n"...)
}
