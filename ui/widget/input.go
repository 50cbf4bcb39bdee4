package widget

import (
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
)

// Input is a text field of one line or, if Multi, of several. It keeps what was
// typed byte for byte and shows control characters by their signs. The zero
// value is an empty field.
type Input struct {
	Multi bool
	value string
	pos   int // bytes before the cursor, at the border of a character
	off   int // first cell shown, or first line if Multi
	w, h  int
}

// Value returns the text.
func (in *Input) Value() string { return in.value }

// SetValue replaces the text and puts the cursor at its end.
func (in *Input) SetValue(s string) { in.value, in.pos, in.off = s, len(s), 0 }

// SetSize tells the cells there are; the height counts only if Multi.
func (in *Input) SetSize(w, h int) { in.w, in.h = max(1, w), max(1, h) }

// Home puts the cursor before the first character.
func (in *Input) Home() { in.pos, in.off = 0, 0 }

// AtStart and AtEnd tell whether the cursor stands in the first and in the last
// line, so that up and down may leave the field.
func (in *Input) AtStart() bool { return !strings.Contains(in.value[:in.pos], "\n") }

// AtEnd tells whether the cursor stands in the last line.
func (in *Input) AtEnd() bool { return !strings.Contains(in.value[in.pos:], "\n") }

// Update takes keys and pastes. It tells whether the message was one for a text
// field.
func (in *Input) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.PasteMsg:
		s := strings.ReplaceAll(strings.ReplaceAll(m.Content, "\r\n", "\n"), "\r", "\n")
		in.insert(s)
		return true
	case tea.KeyPressMsg:
		return in.key(m)
	}
	return false
}

func (in *Input) insert(s string) {
	if !in.Multi {
		s = strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", " ")
	}
	in.value = in.value[:in.pos] + s + in.value[in.pos:]
	in.pos += len(s)
}

func (in *Input) key(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "left", "ctrl+b":
		in.pos = in.before()
	case "right", "ctrl+f":
		in.pos = in.after()
	case "home", "ctrl+a":
		in.pos = in.lineStart()
	case "end", "ctrl+e":
		in.pos = in.lineEnd()
	case "alt+left", "ctrl+left", "alt+b":
		in.pos = in.wordBefore()
	case "alt+right", "ctrl+right", "alt+f":
		in.pos = in.wordAfter()
	case "backspace", "ctrl+h":
		in.cut(in.before(), in.pos)
	case "delete", "ctrl+d":
		in.cut(in.pos, in.after())
	case "alt+backspace", "ctrl+backspace", "ctrl+w":
		in.cut(in.wordBefore(), in.pos)
	case "ctrl+u":
		in.cut(in.lineStart(), in.pos)
	case "enter", "shift+enter", "alt+enter":
		if !in.Multi {
			return false
		}
		in.insert("\n")
	case "up", "down":
		if !in.Multi {
			return false
		}
		in.vertical(k.String() == "down")
	default:
		if k.Text == "" || !utf8.ValidString(k.Text) {
			return false
		}
		in.insert(k.Text)
	}
	return true
}

func (in *Input) cut(from, to int) {
	in.value = in.value[:from] + in.value[to:]
	in.pos = from
}

func (in *Input) after() int {
	if in.pos >= len(in.value) {
		return in.pos
	}
	c, _ := ansi.FirstGraphemeCluster(in.value[in.pos:], ansi.GraphemeWidth)
	return in.pos + max(1, len(c))
}

// before finds the border of the character before the cursor by walking from
// the beginning of the line: clusters cannot be told backwards.
func (in *Input) before() int {
	if in.pos == 0 {
		return 0
	}
	start := in.lineStart()
	if start == in.pos {
		return start - 1
	}
	last := start
	for p := start; p < in.pos; {
		last = p
		c, _ := ansi.FirstGraphemeCluster(in.value[p:], ansi.GraphemeWidth)
		p += max(1, len(c))
	}
	return last
}

func (in *Input) lineStart() int { return strings.LastIndexByte(in.value[:in.pos], '\n') + 1 }

func (in *Input) lineEnd() int {
	if i := strings.IndexByte(in.value[in.pos:], '\n'); i >= 0 {
		return in.pos + i
	}
	return len(in.value)
}

func (in *Input) wordBefore() int {
	s := strings.TrimRightFunc(in.value[:in.pos], unicode.IsSpace)
	return strings.LastIndexFunc(s, unicode.IsSpace) + 1
}

func (in *Input) wordAfter() int {
	s := in.value[in.pos:]
	t := strings.TrimLeftFunc(s, unicode.IsSpace)
	i := strings.IndexFunc(t, unicode.IsSpace)
	if i < 0 {
		return len(in.value)
	}
	return in.pos + len(s) - len(t) + i
}

// vertical moves the cursor by a line, keeping its cell where it can.
func (in *Input) vertical(down bool) {
	start := in.lineStart()
	cell := ansi.StringWidth(model.Visible(in.value[start:in.pos]))
	if down {
		end := in.lineEnd()
		if end == len(in.value) {
			in.pos = end
			return
		}
		in.pos = end + 1
	} else {
		if start == 0 {
			in.pos = 0
			return
		}
		in.pos = start - 1
		in.pos = in.lineStart()
	}
	end := in.lineEnd()
	for p := in.pos; p < end; {
		c, _ := ansi.FirstGraphemeCluster(in.value[p:end], ansi.GraphemeWidth)
		if cell -= ansi.StringWidth(model.Visible(c)); cell < 0 {
			break
		}
		p += max(1, len(c))
		in.pos = p
	}
}

// View draws the field: one line, or as many as SetSize said if Multi.
func (in *Input) View(st lipgloss.Style) string {
	lines, _, _ := in.layout()
	for i, l := range lines {
		lines[i] = st.Render(l)
	}
	return strings.Join(lines, "\n")
}

// Cursor returns the cell in which the cursor stands, inside the field.
func (in *Input) Cursor() (x, y int) {
	_, x, y = in.layout()
	return x, y
}

// layout returns the plain lines that are seen and the cell of the cursor.
func (in *Input) layout() (lines []string, x, y int) {
	w := max(1, in.w)
	if !in.Multi {
		before := ansi.StringWidth(model.Visible(in.value[:in.pos]))
		shown := model.Visible(in.value)
		off := min(in.off, before)
		if before-off > w-1 {
			off = before - w + 1
		}
		if total := ansi.StringWidth(shown); off > 0 && total-off < w-1 {
			off = max(0, total-w+1)
		}
		in.off = off
		return []string{Fit(ansi.Cut(shown, off, off+w), w)}, min(before-off, w-1), 0
	}
	var all []string
	seen := 0
	for i, l := range strings.Split(in.value, "\n") {
		if i > 0 {
			seen++
		}
		wrapped := hardLines(l, w)
		if in.pos >= seen && in.pos <= seen+len(l) {
			y, x = len(all), 0
			rest := in.pos - seen
			for j, part := range wrapped {
				if rest < len(part) || j == len(wrapped)-1 {
					x = ansi.StringWidth(model.Visible(part[:min(rest, len(part))]))
					y += j
					break
				}
				rest -= len(part)
			}
		}
		for _, part := range wrapped {
			all = append(all, Fit(part, w))
		}
		seen += len(l)
	}
	h := max(1, in.h)
	off := in.off
	if y < off {
		off = y
	}
	if y >= off+h {
		off = y - h + 1
	}
	in.off = max(0, min(off, len(all)-1))
	for i := range h {
		if in.off+i < len(all) {
			lines = append(lines, all[in.off+i])
		} else {
			lines = append(lines, strings.Repeat(" ", w))
		}
	}
	return lines, min(x, w-1), y - in.off
}

// hardLines cuts a line without breaks into raw pieces of fewer than w cells
// when drawn, at blanks where there are any.
func hardLines(s string, w int) []string {
	var out []string
	start, cells, blank := 0, 0, -1
	for p := 0; p < len(s); {
		c, _ := ansi.FirstGraphemeCluster(s[p:], ansi.GraphemeWidth)
		n := max(1, len(c))
		cw := ansi.StringWidth(model.Visible(s[p : p+n]))
		if cells+cw > w-1 && p > start {
			cut := p
			if blank > start {
				cut = blank
			}
			out = append(out, s[start:cut])
			start = cut
			cells = ansi.StringWidth(model.Visible(s[start:p]))
			blank = -1
		}
		cells += cw
		p += n
		if c == " " {
			blank = p
		}
	}
	return append(out, s[start:])
}
