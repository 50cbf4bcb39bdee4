package board

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

const (
	leastWidth = 22 // of a column
	headLines  = 4  // the board's line, and a column's name, figures and rule
	cardLines  = 3
)

// columns is how many columns fit, and how wide each is.
func (s *Screen) columns() (n, width int) {
	n = max(1, min((s.Width+1)/(leastWidth+1), len(s.board.Columns)))
	return n, max(0, (s.Width-(n-1))/n)
}

// gap is the blank lines between two cards.
func (s *Screen) gap() int {
	if s.Height >= 30 {
		return 1
	}
	return 0
}

// fit is how many cards of a column are seen at once. The last line says which
// they are.
func (s *Screen) fit() int { return max(1, (s.Height-headLines-1+s.gap())/(cardLines+s.gap())) }

// View draws the board.
func (s *Screen) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	th := s.env.Theme
	if !s.loaded {
		return draw.View(nil, s.Width, s.Height)
	}
	if len(s.board.Columns) == 0 {
		lines := []string{"", ""}
		if s.err != nil {
			lines = append(lines, draw.Paragraph(th.Danger, draw.Error(s.err), s.Width)...)
		} else {
			lines = append(lines, draw.Paragraph(th.Muted, "There is no pipeline yet. "+
				s.env.Keys.KeyOf(keymap.GoAdmin, keymap.Global)+" opens the administration, where one is made.", s.Width)...)
		}
		return draw.View(lines, s.Width, s.Height)
	}
	n, width := s.columns()
	lines := []string{s.headLine(n)}
	drawn := make([][]string, n)
	for i := range n {
		drawn[i] = draw.Block(s.column(s.left+i, width), width, s.Height-1)
	}
	for y := range s.Height - 1 {
		parts := make([]string, n)
		for i := range n {
			parts[i] = drawn[i][y]
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return draw.View(lines, s.Width, s.Height)
}

// headLine sums up the open stages and says which columns are seen.
func (s *Screen) headLine(n int) string {
	th := s.env.Theme
	var count int64
	var sum, weighted []model.Money
	for _, c := range s.board.Columns {
		if k := c.Stage.Text("kind"); k == model.StageWon || k == model.StageLost {
			continue
		}
		count += c.Count
		for _, m := range c.Sum {
			sum = plus(sum, m, 1)
		}
		for _, m := range c.Weighted {
			weighted = plus(weighted, m, 1)
		}
	}
	words := draw.Plural(count, "open deal", "open deals")
	if len(sum) > 0 {
		words += " · " + draw.Sums(sum, draw.Brief) + " · " + draw.Sums(weighted, draw.Brief) + " weighted"
	}
	where := ""
	if total := len(s.board.Columns); n < total {
		before, after := " ", " "
		if s.left > 0 {
			before = "‹"
		}
		if s.left+n < total {
			after = "›"
		}
		where = fmt.Sprintf("%s %d–%d of %d %s", before, s.left+1, s.left+n, total, after)
		if n == 1 {
			where = fmt.Sprintf("%s %d of %d %s", before, s.left+1, total, after)
		}
	}
	name := model.Visible(s.board.Pipeline.Title())
	w := s.Width - draw.Width(where) - 1
	if draw.Width(name)+2+draw.Width(words) > w && len(weighted) > 0 {
		words = strings.TrimSuffix(words, " weighted")
	}
	left := th.Strong.Render(name) + "  " + th.Muted.Render(words)
	return draw.Fit(left, max(0, w)) + " " + th.Accent.Render(where)
}

// column draws one stage: its head and the cards that fit.
func (s *Screen) column(c, w int) []string {
	th, col := s.env.Theme, s.board.Columns[c]
	style, sign := th.Strong, ""
	switch col.Stage.Text("kind") {
	case model.StageWon:
		style, sign = th.Good.Bold(true), "✓ "
	case model.StageLost:
		style, sign = th.Danger.Bold(true), "× "
	}
	if c == s.col {
		sign = "› " + sign
	}
	count := draw.Count(col.Count)
	name := draw.Fit(sign+model.Visible(col.Stage.Title()), max(0, w-draw.Width(count)-1))
	if c == s.col {
		style = th.Accent.Bold(true)
	}
	figures := draw.Sums(col.Sum, draw.Brief)
	if len(col.Weighted) > 0 && col.Stage.Text("kind") == model.StageOpen {
		figures += " · " + draw.Sums(col.Weighted, draw.Brief)
		if w >= 34 {
			figures += " weighted"
		}
	}
	out := []string{style.Render(name) + " " + th.Strong.Render(count), th.Muted.Render(draw.Fit(figures, w)), th.Border.Render(strings.Repeat("─", w))}
	fit := s.fit()
	if len(col.Deals) == 0 {
		if c == s.col {
			out = append(out, th.Muted.Render(draw.Fit("no deals here", w)), th.Muted.Render(draw.Fit(s.env.Keys.KeyOf(keymap.Add, keymap.Board)+" adds one", w)))
		}
		return out
	}
	top := s.top[c]
	end := min(len(col.Deals), top+fit)
	for i := top; i < end; i++ {
		out = append(out, s.card(col, col.Deals[i], w, c == s.col && i == s.row[c])...)
		for range s.gap() {
			out = append(out, "")
		}
	}
	if int64(end-top) < col.Count {
		for len(out) < s.Height-2 {
			out = append(out, "")
		}
		out = out[:max(0, s.Height-2)]
		out = append(out, th.Muted.Render(draw.Right(fmt.Sprintf("%s of %s", rows(top, end), draw.Count(col.Count)), w)))
	}
	return out
}

func rows(top, end int) string {
	if end-top == 1 {
		return fmt.Sprint(end)
	}
	return fmt.Sprintf("%d–%d", top+1, end)
}

// card draws a deal: its name, its customer, and its figures.
func (s *Screen) card(col model.BoardColumn, d *model.Record, w int, here bool) []string {
	th, now := s.env.Theme, s.env.Now()
	name := model.Visible(d.Title())
	who := model.Visible(d.Ref("organization").Name)
	if who == "" {
		who = model.Visible(d.Ref("contact").Name)
	}
	second := who
	if second == "" {
		second = "–"
	} else if rest, ok := strings.CutPrefix(name, who+" "); ok {
		// Many deals are named after their customer: the rest of the name
		// says more than the customer again.
		name, second = who, rest
	}
	amount := "no amount"
	if m, ok := d.Money("amount"); ok {
		amount = draw.Brief(m)
	}
	if m := mark(d.Sync); m != "" {
		name = m + " " + name
	}
	open := col.Stage.Text("kind") == model.StageOpen || col.Stage.Text("kind") == ""
	since := d.Time("stage_entered_at")
	age, style := draw.Age(since, now), th.Muted
	if !open {
		age = ""
	} else if rot := col.Stage.Int("rot_days"); rot > 0 && int64(draw.Days(since, now)) > rot && !since.IsZero() {
		age, style = "!"+age, th.Warn
	}
	day := ""
	if c := d.Text("close_date"); c != "" {
		day = draw.ShortDay(c, now)
		if open && c < now.Format("2006-01-02") {
			day, style = "!"+day, th.Danger
		}
	}
	right := strings.TrimSpace(day + " " + age)
	line := draw.Fit(amount, max(0, w-3-draw.Width(right))) + " " + right
	if here {
		sel := func(text string) string { return th.Selected.Render(draw.Fit("› "+text, w)) }
		cont := func(text string) string { return th.Selected.Render(draw.Fit("  "+text, w)) }
		return []string{sel(name), cont(second), cont(line)}
	}
	edge := th.Border.Render("▏") + " "
	put := func(st lipgloss.Style, text string) string {
		return draw.Fit(edge+st.Render(draw.Fit(text, max(0, w-2))), w)
	}
	third := edge + th.Text.Render(draw.Fit(amount, max(0, w-3-draw.Width(right)))) + " " + style.Render(right)
	return []string{put(th.Strong, name), put(th.Muted, second), draw.Fit(third, w)}
}

// mark is the sign of a deal's state towards the central.
func mark(st model.SyncState) string {
	return [...]string{"", "●", "!", "×"}[st]
}
