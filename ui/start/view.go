package start

import (
	"strings"

	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// wide is the width from which the page has two columns.
const wide = 100

// View draws the page.
func (s *Screen) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	lines := []string{s.greeting()}
	s.spots = s.spots[:0]
	switch {
	case !s.loaded:
	case s.err != nil && s.data.Counts == nil:
		lines = append(lines, draw.Paragraph(s.env.Theme.Danger, draw.Error(s.err), s.Width)...)
	case s.Width >= wide:
		lines = append(lines, "")
		left := (s.Width - 3) / 2
		right := s.Width - 3 - left
		h := s.Height - len(lines)
		lines = append(lines, draw.Beside(
			s.column(0, 2, left, h, tasks, attention),
			s.column(left+3, 2, right, h, pipeline, state, recent), left, 3, right)...)
	default:
		lines = append(lines, s.column(0, 1, s.Width, s.Height-1, tasks, attention, pipeline, state, recent)...)
	}
	return draw.View(lines, s.Width, s.Height)
}

// greeting is the first line: a word for the time of day, who, and the date.
func (s *Screen) greeting() string {
	now := s.env.Now()
	word := "Good evening"
	switch h := now.Hour(); {
	case h < 5:
	case h < 12:
		word = "Good morning"
	case h < 18:
		word = "Good afternoon"
	}
	if me := s.env.Workspace.Settings().Me; me != "" {
		word += ", " + model.Visible(me)
	}
	date := now.Format("Monday 2 January 2006")
	th := s.env.Theme
	w := s.Width - 2 - draw.Width(date) - 2
	if w < 14 {
		return "  " + th.Strong.Render(word)
	}
	return "  " + th.Strong.Render(draw.Fit(word, w)) + " " + th.Muted.Render(date)
}

// column draws parts below each other and shares the height among them. Its
// place is noted for the mouse.
func (s *Screen) column(x, y, w, h int, ps ...part) []string {
	bodies := make([][]string, len(ps))
	least, want := make([]int, len(ps)), make([]int, len(ps))
	for i, p := range ps {
		bodies[i] = s.body(p, w)
		want[i] = 1 + len(bodies[i])
		least[i] = min(want[i], 3)
		switch p {
		case tasks:
			least[i] = min(want[i], 6)
		case pipeline:
			least[i] = min(want[i], 5)
		}
	}
	enough := 0
	for _, n := range want {
		enough += min(n, 8)
	}
	room, gap := h-(len(ps)-1), 1
	if room < enough {
		room, gap = h, 0
	}
	heights := s.share(ps, least, want, room)
	var out []string
	for i, p := range ps {
		if heights[i] == 0 {
			continue
		}
		if len(out) > 0 && gap > 0 {
			out = append(out, "")
		}
		out = append(out, draw.Heading(s.env.Theme, s.heading(p), s.note(p), w, p == s.at))
		n := heights[i] - 1
		top := 0
		if p != pipeline && p != state {
			top = draw.Window(0, s.row[p]+s.words(p), len(bodies[i]), n)
		}
		shown := bodies[i][top:min(len(bodies[i]), top+n)]
		s.spots = append(s.spots, spot{part: p, x: x, y: y + len(out), w: w, h: len(shown), top: top - s.words(p)})
		out = append(out, shown...)
	}
	return out
}

// words is how many lines of a part stand above its first row.
func (s *Screen) words(p part) int {
	if p == tasks && len(s.data.Tasks) == 0 && len(s.data.Upcoming) > 0 {
		return 1
	}
	return 0
}

func (s *Screen) heading(p part) string {
	return [...]string{"Today", "Needs attention", "My pipeline", "Sync", "Recent"}[p]
}

// note stands at the right of a part's heading.
func (s *Screen) note(p part) string {
	switch p {
	case tasks:
		late, due := int64(0), int64(0)
		for _, r := range s.data.Tasks {
			if s.statusOf(r) == "done" {
				continue
			}
			due++
			if s.late(r) {
				late++
			}
		}
		n := draw.Plural(due, "task", "tasks")
		if late > 0 {
			n += ", " + draw.Count(late) + " overdue"
		}
		return n
	case attention:
		return draw.Plural(int64(len(s.data.Rotting)), "deal", "deals")
	case pipeline:
		return s.total()
	}
	return ""
}

// late tells whether a task was due before today.
func (s *Screen) late(r *model.Record) bool {
	now := s.env.Now()
	due := r.Time("due_at")
	y, m, d := now.Date()
	ly, lm, ld := due.In(now.Location()).Date()
	return !due.IsZero() && due.Before(now) && (y != ly || m != lm || d != ld)
}

// total is the sum of the open stages, in each currency, and what is to be
// expected of it.
func (s *Screen) total() string {
	var sums, weighted []model.Money
	for _, c := range s.data.Pipeline {
		if k := c.Stage.Text("kind"); k == model.StageWon || k == model.StageLost {
			continue
		}
		for _, m := range c.Sum {
			sums = add(sums, m)
		}
		for _, m := range c.Weighted {
			weighted = add(weighted, m)
		}
	}
	if len(sums) == 0 {
		return ""
	}
	return draw.Sums(sums, draw.Brief) + ", " + draw.Sums(weighted, draw.Brief) + " weighted"
}

// share hands out the height, first of all to the part with the cursor, which
// must be seen.
func (s *Screen) share(ps []part, least, want []int, room int) []int {
	order := make([]int, 0, len(ps))
	for i, p := range ps {
		if p == s.at {
			order = append([]int{i}, order...)
		} else {
			order = append(order, i)
		}
	}
	l, w := make([]int, len(ps)), make([]int, len(ps))
	for to, from := range order {
		l[to], w[to] = least[from], want[from]
	}
	out := make([]int, len(ps))
	for to, n := range draw.Share(l, w, room) {
		out[order[to]] = n
	}
	return out
}

func add(sums []model.Money, m model.Money) []model.Money {
	for i := range sums {
		if sums[i].Currency == m.Currency {
			sums[i].Minor += m.Minor
			return sums
		}
	}
	return append(sums, m)
}

// body draws the lines of a part.
func (s *Screen) body(p part, w int) []string {
	switch p {
	case tasks:
		return s.taskLines(w)
	case attention:
		return s.attentionLines(w)
	case pipeline:
		return s.pipelineLines(w)
	case state:
		return s.stateLines(w)
	}
	return s.recentLines(w)
}

func (s *Screen) empty(w int, words ...string) []string {
	var said []string
	for _, x := range words {
		if x != "" {
			said = append(said, x)
		}
	}
	return []string{draw.Fit("  "+s.env.Theme.Muted.Render(strings.Join(said, " · ")), w)}
}

func (s *Screen) taskLines(w int) []string {
	th, now := s.env.Theme, s.env.Now()
	if s.rows(tasks) == 0 {
		return s.empty(w, "Nothing is due.", s.hint(keymap.LogTask, "adds a task"))
	}
	var out []string
	if len(s.data.Tasks) == 0 {
		out = s.empty(w, "Nothing is due today. Next:")
	}
	narrow := w < 54
	dues := 0
	rows := make([][]draw.Cell, s.rows(tasks))
	for i := range rows {
		r := s.task(i)
		sign, style, due := "○", th.Text, draw.When(r.Time("due_at"), now)
		dueStyle := th.Muted
		switch {
		case s.statusOf(r) == "done":
			sign, style, due = "✓", th.Muted, "done"
		case s.late(r):
			sign, dueStyle, due = "!", th.Danger, "overdue "+r.Time("due_at").In(now.Location()).Format("2 Jan")
		case i >= len(s.data.Tasks):
			style = th.Muted
		}
		var about []string
		for _, l := range r.List("about") {
			about = append(about, l.Ref("record").Name)
		}
		cells := []draw.Cell{{Text: sign, Width: 1, Style: dueStyle}, {Text: r.Title(), Style: style}}
		if w >= 70 {
			cells = append(cells, draw.Cell{Text: strings.Join(about, ", "), Width: w / 3, Style: th.Muted})
		} else if w >= 44 && len(about) > 0 {
			cells = append(cells, draw.Cell{Text: about[0], Width: w / 4, Style: th.Muted})
		}
		if narrow {
			due = strings.TrimPrefix(due, "overdue ")
		}
		dues = max(dues, draw.Width(due))
		rows[i] = append(cells, draw.Cell{Text: due, Right: true, Style: dueStyle})
	}
	for i, cells := range rows {
		cells[len(cells)-1].Width = dues
		out = append(out, draw.Row(th, s.at == tasks && s.row[tasks] == i, w, cells...))
	}
	return out
}

func (s *Screen) attentionLines(w int) []string {
	th, now := s.env.Theme, s.env.Now()
	if len(s.data.Rotting) == 0 {
		return s.empty(w, "No deal waits too long.")
	}
	var out []string
	for i, r := range s.data.Rotting {
		why := draw.Age(r.Time("stage_entered_at"), now) + " in " + r.Ref("stage").Name
		if d := r.Text("close_date"); d != "" && d < now.Format("2006-01-02") {
			why = "close missed " + draw.Day(d, now)
		}
		amount := ""
		if m, ok := r.Money("amount"); ok {
			amount = draw.Brief(m)
		}
		n := 24
		if w < 54 {
			n = 18
		}
		out = append(out, draw.Row(th, s.at == attention && s.row[attention] == i, w,
			draw.Cell{Text: "!", Width: 1, Style: th.Warn}, draw.Cell{Text: r.Title(), Style: th.Text},
			draw.Cell{Text: why, Width: n, Style: th.Warn}, draw.Cell{Text: amount, Width: 10, Right: true, Style: th.Muted}))
	}
	return out
}

// value is the length of a bar: the sum in the workspace's currency, or in the
// first one there is.
func (s *Screen) value(ms []model.Money) float64 {
	for _, m := range ms {
		if m.Currency == s.env.Workspace.Settings().Currency {
			return float64(m.Minor)
		}
	}
	if len(ms) > 0 {
		return float64(ms[0].Minor)
	}
	return 0
}

func (s *Screen) pipelineLines(w int) []string {
	th := s.env.Theme
	if len(s.data.Pipeline) == 0 {
		return s.empty(w, "No open deal is yours.", s.hint(keymap.GoBoard, "opens the board"))
	}
	var bars []draw.Bar
	for _, c := range s.data.Pipeline {
		weighted := ""
		if len(c.Weighted) > 0 {
			weighted = draw.Sums(c.Weighted, draw.Brief) + " weighted"
		}
		b := draw.Bar{Label: c.Stage.Title(), Value: s.value(c.Sum), Part: s.value(c.Weighted),
			Notes: []string{draw.Plural(c.Count, "deal", "deals"), draw.Sums(c.Sum, draw.Brief), weighted}}
		if s.Width < 64 {
			b.Notes = []string{draw.Count(c.Count), draw.Sums(c.Sum, draw.Brief), weighted}
		}
		switch c.Stage.Text("kind") {
		case model.StageWon:
			b.Style = &th.Good
		case model.StageLost:
			b.Style = &th.Danger
		}
		bars = append(bars, b)
	}
	return draw.Bars(th, bars, w)
}

// stateLines says in words where the sync stands.
func (s *Screen) stateLines(w int) []string {
	th, st := s.env.Theme, s.status
	now := s.env.Now()
	say := func(style lipgloss.Style, text string) string { return style.Render(text) }
	var words []string
	switch {
	case st.Central == "":
		words = append(words, say(th.Muted, "on this computer only: no central database"))
	case st.Syncing:
		words = append(words, say(th.Accent, "syncing now"))
	default:
		words = append(words, say(th.Muted, "last sync "+draw.Ago(st.LastSync, now)))
	}
	if st.Conflicts > 0 {
		words = append(words, say(th.Danger, "! "+draw.Plural(st.Conflicts, "conflict", "conflicts")))
	}
	if st.Refused > 0 {
		words = append(words, say(th.Danger, "× "+draw.Count(st.Refused)+" refused"))
	}
	switch {
	case st.Pending > 0 && st.Central != "":
		words = append(words, say(th.Warn, "● "+draw.Count(st.Pending)+" pending"))
	case st.Central != "":
		words = append(words, say(th.Good, "✓ nothing pending"))
	}
	return []string{draw.Fit("  "+strings.Join(words, th.Muted.Render(" · ")), w)}
}

func (s *Screen) recentLines(w int) []string {
	th, now := s.env.Theme, s.env.Now()
	if len(s.data.Recent) == 0 {
		return s.empty(w, "Nothing happened yet.", s.hint(keymap.LogNote, "writes a note"))
	}
	whens, kinds := 0, 0
	for _, e := range s.data.Recent {
		whens, kinds = max(whens, draw.Width(draw.When(e.At, now))), max(kinds, draw.Width(e.Kind))
	}
	var out []string
	for i, e := range s.data.Recent {
		about := e.Body
		if len(e.About) > 0 && e.About[0].Name != e.Title {
			about = e.About[0].Name
		}
		cells := []draw.Cell{{Text: draw.When(e.At, now), Width: whens, Style: th.Muted}, {Text: e.Kind, Width: min(kinds, 12), Style: th.Accent},
			{Text: e.Title, Style: th.Text}}
		if about != "" && w >= 54 {
			cells = append(cells, draw.Cell{Text: about, Width: w / 4, Style: th.Muted})
		}
		out = append(out, draw.Row(th, s.at == recent && s.row[recent] == i, w, cells...))
	}
	return out
}
