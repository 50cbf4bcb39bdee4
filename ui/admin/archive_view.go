package admin

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/theme"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// archiveHead is how many lines stand above the rows: what is listed, and the
// kinds of records.
const archiveHead = 2

// room is how many rows are seen.
func (s *archive) room() int { return max(1, s.Height-archiveHead-len(s.foot())) }

// window is the first row that is seen.
func (s *archive) window(h int) int { return draw.Window(s.top, s.at, s.count(), h) }

// foot is what would change, or what went wrong.
func (s *archive) foot() []string {
	if s.err != nil {
		lines := append([]string{""}, draw.Paragraph(s.env.Theme.Danger, "! "+s.env.Sentence(s.err), s.Width)...)
		return append(lines, draw.Paragraph(s.env.Theme.Text, s.env.Keys.KeyOf(keymap.Back, keymap.Global)+" goes back to the backups.", s.Width)...)
	}
	return s.bringing.lines(s.env.Theme, keymap.Archive, s.Width)
}

// View draws the list.
func (s *archive) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	th := s.env.Theme
	lines := []string{s.infoLine(th), s.nounLine(th)}
	foot := s.foot()
	h := max(0, s.Height-len(lines)-len(foot))
	top := s.window(h)
	if s.loaded && s.count() == 0 && s.err == nil {
		lines = append(lines, draw.Paragraph(th.Muted, s.empty(), s.Width)...)
	}
	for i := top; i < top+h; i++ {
		it, ok := s.item(i)
		if !ok {
			break
		}
		lines = append(lines, s.line(th, it, i == s.at))
	}
	for len(lines)+len(foot) < s.Height {
		lines = append(lines, "")
	}
	return draw.View(append(lines, foot...), s.Width, s.Height)
}

// infoLine is the search while it is typed, else what is listed.
func (s *archive) infoLine(th *theme.Theme) string {
	if s.typing {
		return draw.Fit(th.Key.Render(" / ")+s.in.View(th.Focus)+"  "+th.Muted.Render("a piece of a name, a mail, a phone"), s.Width)
	}
	what := "reading the backup …"
	if s.backup.ID != "" {
		what = sourceWord(s.backup.Source) + " on " + s.backup.At.In(s.env.Now().Location()).Format("2 Jan 2006 15:04")
	}
	parts := []string{th.Strong.Render(what)}
	if s.search != "" {
		parts = append(parts, th.Accent.Render("/ "+model.Visible(s.search)))
	}
	if s.lost {
		parts = append(parts, th.Accent.Render("only what is missing or changed"))
	}
	return draw.Fit("  "+strings.Join(parts, "  "), s.Width)
}

// nounLine are the kinds of records, that which is listed marked.
func (s *archive) nounLine(th *theme.Theme) string {
	var b strings.Builder
	b.WriteString("  ")
	for i, e := range s.nouns {
		if i > 0 {
			b.WriteString("  ")
		}
		if i == s.noun {
			b.WriteString(th.Key.Render("[" + e.Titles + "]"))
		} else {
			b.WriteString(th.Muted.Render(e.Titles))
		}
	}
	return draw.Fit(ansi.Truncate(b.String(), s.Width, "…"), s.Width)
}

// standingWords says how a record of a backup is to today's, with its sign.
func standingWords(s model.Standing) (sign, words string) {
	switch s {
	case model.StandingGone:
		return "×", "not here any more"
	case model.StandingBin:
		return "×", "in the bin"
	case model.StandingChanged:
		return "●", "changed since"
	}
	return " ", "as it is today"
}

func (s *archive) line(th *theme.Theme, it model.ArchivedRecord, here bool) string {
	sign, words := standingWords(it.Standing)
	style := th.Muted
	switch it.Standing {
	case model.StandingGone, model.StandingBin:
		style = th.Danger
	case model.StandingChanged:
		style = th.Warn
	}
	cells := []draw.Cell{{Text: sign, Width: 1, Style: style}, {Text: it.Record.Title(), Style: th.Text}}
	if s.Width >= 80 {
		cells = append(cells, draw.Cell{Text: s.brief(it.Record), Width: s.Width / 4, Style: th.Muted})
	}
	cells = append(cells, draw.Cell{Text: words, Width: 17, Style: style})
	if s.Width >= 100 {
		cells = append(cells, draw.Cell{Text: draw.Ago(it.Record.UpdatedAt, s.env.Now()), Width: 17, Right: true, Style: th.Muted})
	}
	return draw.Row(th, here, s.Width, cells...)
}

// brief tells a record apart from its namesakes: its first essential values
// beside the name.
func (s *archive) brief(r *model.Record) string {
	e := s.entity()
	var out []string
	for i := range e.Fields {
		f := &e.Fields[i]
		if !f.Essential || f.Search == model.SearchName || f.Type == model.Link || f.Type == model.List {
			continue
		}
		if v := widget.Value(f, r.Values[f.Name], s.env.Now()); v != "" {
			out = append(out, v)
		}
	}
	return strings.Join(out, ", ")
}

// empty says why there is nothing to see.
func (s *archive) empty() string {
	back := s.env.Keys.KeyOf(keymap.Back, keymap.Global)
	e := s.entity()
	switch {
	case s.search != "":
		return "No " + strings.ToLower(e.Title) + " of the backup fits “" + model.Visible(s.search) + "”. " + back + " shows all again."
	case s.lost:
		return "Every one of the " + e.Plural + " is here as it was in the backup. " + s.env.Keys.KeyOf(keymap.Different, keymap.Archive) + " shows them."
	}
	return "The backup has no " + e.Plural + "."
}
