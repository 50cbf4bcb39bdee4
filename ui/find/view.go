package find

import (
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// View draws the box and the findings.
func (s *Screen) View() string {
	if s.w <= 0 || s.h <= 0 {
		return ""
	}
	th := s.env.Theme
	lines := []string{
		draw.Fit("  "+th.Strong.Render(prompt)+" "+s.in.View(th.Focus), s.w),
		s.note(),
		"",
	}
	for i := s.first; i < min(len(s.hits), s.first+s.room()); i++ {
		lines = append(lines, s.line(s.hits[i], i == s.row))
	}
	return draw.View(lines, s.w, s.h)
}

// note says what the findings are.
func (s *Screen) note() string {
	th := s.env.Theme
	switch {
	case s.err != nil:
		return draw.Fit("  "+th.Danger.Render(draw.Error(s.err)), s.w)
	case strings.TrimSpace(s.in.Value()) == "":
		return draw.Fit("  "+th.Muted.Render("names, e-mails, phones in any format, notes; the beginnings of words are enough"), s.w)
	case !s.done:
		return ""
	case len(s.hits) == 0:
		return draw.Fit("  "+th.Muted.Render("nothing begins like that; "+s.env.Keys.KeyOf(keymap.Cancel, keymap.Search)+" closes the search"), s.w)
	}
	n := draw.Plural(int64(len(s.hits)), "record", "records")
	if len(s.hits) == most {
		n = "the first " + n
	}
	return draw.Fit("  "+th.Muted.Render(n+", best first; "+s.env.Keys.KeyOf(keymap.Open, keymap.Search)+" opens"), s.w)
}

const nounWidth = 12

// line draws one finding: what it is, its title, and what tells it apart.
func (s *Screen) line(h model.Hit, here bool) string {
	th := s.env.Theme
	noun := string(h.Noun)
	title, snippet := model.Visible(h.Title), model.Visible(h.Snippet)
	rest := max(0, s.w-2-nounWidth-1)
	tw := min(rest, max(16, rest/2))
	sw := max(0, rest-tw-1)
	if here {
		return draw.Row(th, true, s.w, draw.Cell{Text: noun, Width: nounWidth}, draw.Cell{Text: title, Width: tw}, draw.Cell{Text: snippet, Width: sw})
	}
	words := model.Words(s.asked)
	line := "  " + th.Muted.Render(draw.Fit(noun, nounWidth)) + " " +
		marked(draw.Fit(title, tw), words, th.Text, th.Match) + " " + marked(draw.Fit(snippet, sw), words, th.Muted, th.Match)
	return draw.Fit(line, s.w)
}

// marked draws text with the beginnings of words that were asked for in a style
// of their own. Only letters that fold to as many letters are compared, so a
// mark never stands beside what it means.
func marked(text string, words []string, plain, match lipgloss.Style) string {
	runes := []rune(text)
	folded := make([]string, len(runes))
	for i, r := range runes {
		folded[i] = model.Fold(string(r))
	}
	var b strings.Builder
	from := 0
	flush := func(to int, st lipgloss.Style) {
		if to > from {
			b.WriteString(st.Render(string(runes[from:to])))
		}
		from = to
	}
	for i := 0; i < len(runes); i++ {
		if i > 0 && wordRune(runes[i-1]) || !wordRune(runes[i]) {
			continue
		}
		if n := matched(folded[i:], words); n > 0 {
			flush(i, plain)
			flush(i+n, match)
			i += n - 1
		}
	}
	flush(len(runes), plain)
	return b.String()
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// matched is how many runes at the beginning spell one of the words, the
// longest one that does.
func matched(folded []string, words []string) int {
	best := 0
	for _, w := range words {
		rest, n := w, 0
		for n < len(folded) && rest != "" && folded[n] != "" && strings.HasPrefix(rest, folded[n]) {
			rest = rest[len(folded[n]):]
			n++
		}
		if rest == "" {
			best = max(best, n)
		}
	}
	return best
}
