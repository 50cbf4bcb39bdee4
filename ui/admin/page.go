package admin

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// row is one row of a page.
type row struct {
	head  bool // a heading, on which the cursor does not stand
	label string
	text  string
	note  string
	sign  string
	style *lipgloss.Style // of the sign and the text; nil is muted
	do    func() tea.Cmd  // what enter does; nil for a row that only tells
	of    any             // what the row is about
	id    string          // tells it from others of its label, "" where none has it
}

// page is a list of rows with a cursor: what all pages of this package are.
type page struct {
	screen.Still
	env   *screen.Env
	title string

	rows []row
	at   int
	top  int

	intro string // a sentence above the rows
	job   *job
	err   error
}

// set puts other rows in place, with the cursor on the same row as before
// where it is still there.
func (p *page) set(rows []row) {
	was := row{}
	if p.at < len(p.rows) {
		was = p.rows[p.at]
	}
	same := func(r row) bool { return r.id == was.id && (r.label == was.label || r.id != "") }
	p.rows = rows
	if p.at >= len(rows) || !same(rows[p.at]) {
		for i := range rows {
			if !rows[i].head && same(rows[i]) && was.label != "" {
				p.at = i
				p.settle(1)
				return
			}
		}
	}
	p.settle(1)
}

// goTo puts the cursor on the row of a label.
func (p *page) goTo(label string) {
	for i := range p.rows {
		if !p.rows[i].head && p.rows[i].label == label {
			p.at = i
		}
	}
	p.settle(1)
}

// settle keeps the cursor on a row that is no heading, looking on in the
// direction it came.
func (p *page) settle(by int) {
	p.at = max(0, min(p.at, len(p.rows)-1))
	for range 2 {
		for i := p.at; i >= 0 && i < len(p.rows); i += by {
			if !p.rows[i].head {
				p.at = i
				p.window()
				return
			}
		}
		by = -by
	}
}

// window keeps the cursor in sight, and the headings above the first row.
func (p *page) window() {
	h := p.room()
	p.top = draw.Window(p.top, p.at, len(p.rows), h)
	if p.at > 0 && p.top == p.at && p.rows[p.at-1].head {
		p.top--
	}
}

// room is how many rows are seen.
func (p *page) room() int { return max(1, p.Height-len(p.above())-len(p.below())) }

// Do carries out the actions of a page.
func (p *page) Do(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.Down:
		p.at++
		p.settle(1)
	case keymap.Up:
		p.at--
		p.settle(-1)
	case keymap.PageDown:
		p.at += p.room()
		p.settle(1)
	case keymap.PageUp:
		p.at -= p.room()
		p.settle(-1)
	case keymap.Top:
		p.at = 0
		p.settle(1)
	case keymap.Bottom:
		p.at = len(p.rows) - 1
		p.settle(-1)
	case keymap.Open:
		if p.at >= len(p.rows) || p.rows[p.at].do == nil {
			return nil, false
		}
		if p.job != nil && p.job.running() {
			return screen.Notice("One thing at a time: this is still running."), true
		}
		return p.rows[p.at].do(), true
	case keymap.Back:
		if p.job != nil && p.job.running() {
			return p.job.askLeave(), true
		}
		return nil, false
	default:
		return nil, false
	}
	return nil, true
}

// Can tells whether an action would do something here and now.
func (p *page) Can(a keymap.Action) bool {
	return a != keymap.Open || p.at < len(p.rows) && p.rows[p.at].do != nil
}

// above is what stands over the rows.
func (p *page) above() []string {
	if p.intro == "" {
		return nil
	}
	return append(draw.Paragraph(p.env.Theme.Muted, p.intro, p.Width), "")
}

// below is how far a job is, or what went wrong.
func (p *page) below() []string {
	switch {
	case p.job != nil && p.job.running():
		return append([]string{""}, p.job.lines(p.env.Theme, p.Width)...)
	case p.err != nil:
		return append([]string{""}, draw.Paragraph(p.env.Theme.Danger, "! "+p.env.Sentence(p.err), p.Width)...)
	}
	if s := p.cut(); s != "" {
		return append([]string{""}, draw.Paragraph(p.env.Theme.Text, s, p.Width)...)
	}
	return nil
}

// cut is the text of the row under the cursor where its line has no room for
// all of it.
func (p *page) cut() string {
	if p.at >= len(p.rows) || p.rows[p.at].head {
		return ""
	}
	r := p.rows[p.at]
	// The mark, the sign and the label come before it.
	room := p.Width - 2 - 2 - p.labelWidth() - 1
	if r.note != "" && p.Width >= 70 {
		room -= p.noteWidth(r) + 1
	}
	if s := model.Visible(r.text); draw.Width(s) > room {
		return s
	}
	return ""
}

// widestNote has room for a moment, or for a number of rows and bytes.
const widestNote = 22

func (p *page) noteWidth(r row) int { return min(draw.Width(r.note), max(widestNote, p.Width/4)) }

// labelWidth is that of the labels: as wide as they are, within bounds.
func (p *page) labelWidth() int {
	n := 8
	for _, r := range p.rows {
		if !r.head {
			n = max(n, draw.Width(model.Visible(r.label)))
		}
	}
	return min(n+1, max(10, p.Width/3))
}

// View draws the page.
func (p *page) View() string {
	if p.Width <= 0 || p.Height <= 0 {
		return ""
	}
	th := p.env.Theme
	lines := p.above()
	foot := p.below()
	h := p.Height - len(lines) - len(foot)
	lw := p.labelWidth()
	top := draw.Window(p.top, p.at, len(p.rows), h)
	for i := top; i < min(len(p.rows), top+max(0, h)); i++ {
		r := p.rows[i]
		if r.head {
			lines = append(lines, draw.Heading(th, model.Visible(r.label), r.note, p.Width, false))
			continue
		}
		style := th.Muted
		if r.style != nil {
			style = *r.style
		}
		cells := []draw.Cell{{Text: r.sign, Width: 1, Style: style}, {Text: r.label, Width: lw, Style: th.Text}, {Text: r.text, Style: style}}
		if r.note != "" && p.Width >= 70 {
			cells = append(cells, draw.Cell{Text: r.note, Width: p.noteWidth(r), Right: true, Style: th.Muted})
		}
		lines = append(lines, draw.Row(th, i == p.at, p.Width, cells...))
	}
	if len(lines)+len(foot) < p.Height || len(foot) > 0 {
		lines = append(lines, foot...)
	}
	return draw.View(lines, p.Width, p.Height)
}

// SetSize gives the page its rectangle.
func (p *page) SetSize(w, h int) {
	p.Width, p.Height = w, h
	p.window()
}

// Title is the page's name.
func (p *page) Title() string { return p.title }

// Scope is where its keys are looked up.
func (p *page) Scope() keymap.Scope { return keymap.Admin }

// Lasts is what goes on when the page is left.
func (p *page) Lasts() (what, stopped string) {
	if p.job == nil || !p.job.running() {
		return "", ""
	}
	return p.job.lasts(), p.job.stopped()
}

// Stop ends what runs.
func (p *page) Stop() {
	if p.job != nil {
		p.job.stop()
	}
}

// Failed is why what ran last did not succeed.
func (p *page) Failed() error {
	if p.job == nil {
		return nil
	}
	return p.job.failed
}

// About is no record.
func (p *page) About() model.Ref { return model.Ref{} }

// ask is a command that opens a question.
func ask(m screen.AskMsg) tea.Cmd { return func() tea.Msg { return m } }

// choose asks for one of some values.
func choose(title, text, now string, options []string, take func(string) tea.Cmd) tea.Cmd {
	return ask(screen.AskMsg{Title: title, Text: text, Yes: "Choose", Options: options, Value: now, Do: take})
}

// list joins words for a sentence.
func list(words []string) string { return strings.Join(words, ", ") }
