package mysql

import (
	"regexp"
	"slices"
	"strings"

	"rapport/model"
)

// definition is a table as SHOW CREATE TABLE tells it: its lines, which are
// columns, keys and rules, and what stands behind them.
type definition struct {
	name                   string
	lines                  []string
	charset, collation     string
	comment                string
	hasComment, increments bool
	// without names what a table made of the definition does not have.
	without []string
}

// The parts of a definition that are taken over. Whatever else stands behind
// the lines is the server's own choice: where the table lies, how its rows are
// packed, where its numbers go on.
var (
	definitionHead   = regexp.MustCompile("^CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)` \\(")
	definitionSet    = regexp.MustCompile(`(?:DEFAULT )?(?:CHARSET=|CHARACTER SET )([a-z0-9_]+)`)
	definitionOrder  = regexp.MustCompile(`COLLATE[= ]([a-z0-9_]+)`)
	definitionEngine = regexp.MustCompile(`ENGINE=([A-Za-z]+)`)
	definitionRemark = regexp.MustCompile(`COMMENT='((?:[^'\\]|''|\\.)*)'`)
	lineName         = regexp.MustCompile("^`((?:[^`]|``)+)` ")
	keyName          = regexp.MustCompile("^(?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)+)` ")
	checkName        = regexp.MustCompile("^CONSTRAINT `((?:[^`]|``)+)` CHECK ")
)

// parseDefinition reads a definition. It comes from a server, perhaps by way of
// an archive, so that it is taken apart: nothing of it can end the statement
// that it is put into.
func parseDefinition(text string) (definition, error) {
	bad := model.Errorf(model.Corrupt, "the definition of a table cannot be read")
	head := definitionHead.FindStringSubmatch(text)
	if head == nil {
		return definition{}, bad
	}
	d := definition{name: unquoted(head[1])}
	rest := text[len(head[0]):]
	depth, begin, end := 0, 0, -1
	for i := 0; i < len(rest) && end < 0; i++ {
		switch c := rest[i]; c {
		case '\'', '"', '`':
			n := quotedLength(rest[i:])
			if n == 0 {
				return d, bad
			}
			i += n - 1
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				end = i
			}
		case ',':
			if depth == 0 {
				d.lines = append(d.lines, strings.TrimSpace(rest[begin:i]))
				begin = i + 1
			}
		case ';', '#':
			return d, bad
		case '-', '/':
			if i+1 < len(rest) && (rest[i:i+2] == "--" || rest[i:i+2] == "/*") {
				return d, bad
			}
		}
	}
	if end < 0 {
		return d, bad
	}
	d.lines = append(d.lines, strings.TrimSpace(rest[begin:end]))
	tail := rest[end+1:]
	if m := definitionRemark.FindStringSubmatch(tail); m != nil {
		d.comment, d.hasComment = m[1], true
		tail = strings.Replace(tail, m[0], "", 1)
	}
	if m := definitionSet.FindStringSubmatch(tail); m != nil {
		d.charset = m[1]
	}
	if m := definitionOrder.FindStringSubmatch(tail); m != nil {
		d.collation = m[1]
	}
	if m := definitionEngine.FindStringSubmatch(tail); m != nil && m[1] != "InnoDB" {
		d.without = append(d.without, "the engine "+m[1]+" (InnoDB instead)")
	}
	if strings.Contains(tail, "PARTITION BY ") {
		d.without = append(d.without, "its partitions")
	}
	if strings.Contains(tail, "WITH SYSTEM VERSIONING") {
		d.without = append(d.without, "the earlier versions of its rows")
	}
	for _, line := range d.lines {
		d.increments = d.increments || lineName.MatchString(line) && strings.Contains(line, " AUTO_INCREMENT")
		if lineName.FindString(line) == "" && keyName.FindString(line) == "" && checkName.FindString(line) == "" && !strings.HasPrefix(line, "PRIMARY KEY ") && !isReference(line) {
			return d, model.Errorf(model.Corrupt, "the definition of the table %s holds what this program does not know: %s", d.name, line)
		}
	}
	return d, nil
}

func isReference(line string) bool {
	_, ok := referenceOf(line)
	return ok
}

// quotedLength is how long what begins with a quotation mark is, 0 where it does
// not end.
func quotedLength(s string) int {
	mark := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && mark != '`':
			i++
		case s[i] == mark && i+1 < len(s) && s[i+1] == mark:
			i++
		case s[i] == mark:
			return i + 1
		}
	}
	return 0
}

// columns lists the columns' names.
func (d definition) columns() []string {
	var out []string
	for _, line := range d.lines {
		if m := lineName.FindStringSubmatch(line); m != nil {
			out = append(out, unquoted(m[1]))
		}
	}
	return out
}

// options are what stands behind the lines.
func (d definition) options() string {
	out := " ENGINE=InnoDB"
	if d.charset != "" {
		out += " DEFAULT CHARACTER SET " + d.charset
	}
	if d.collation != "" {
		out += " COLLATE " + d.collation
	}
	if d.hasComment {
		out += " COMMENT='" + d.comment + "'"
	}
	return out
}

// isKey tells whether a line is an index beside the primary key.
func isKey(line string) bool { return keyName.MatchString(line) }

// bare is the statement that makes the table with its columns, primary key and
// checks under another name; later are the lines that can be added when its rows
// are there. references name what they refer to by its name to be.
func (d definition) bare(name string, checks, indexed bool, target func(table string) string) (create string, later []string) {
	var lines []string
	for _, line := range d.lines {
		switch r, refers := referenceOf(line); {
		case refers:
			line = r.def(backName(r.name), target(r.table))
			if !indexed {
				later = append(later, line)
				continue
			}
		case isKey(line) && !indexed && !d.increments && !strings.HasPrefix(line, "FULLTEXT") && !strings.HasPrefix(line, "SPATIAL"):
			later = append(later, line)
			continue
		case checkName.MatchString(line) && !checks:
			continue
		}
		lines = append(lines, line)
	}
	return "CREATE TABLE " + ident(name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + d.options(), later
}

// withDeclared adds what the declaration has and the definition has not: the
// columns, as statements to be run when the rows are there, and the indexes.
func (d definition) withDeclared(dl dialect, e *model.Entity) []string {
	var add []string
	have := d.columns()
	for _, c := range e.Columns() {
		if !slices.Contains(have, c.Name) {
			add = append(add, "COLUMN "+columnDef(dl, e, c))
		}
	}
	for _, ix := range indexes(e) {
		if !slices.ContainsFunc(d.lines, func(line string) bool {
			m := keyName.FindStringSubmatch(line)
			return m != nil && unquoted(m[1]) == ix.name
		}) {
			add = append(add, "KEY "+ident(ix.name)+" ("+keyParts(e, ix.columns)+")")
		}
	}
	return add
}
