package ui

import (
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/dialog"
	"rapport/ui/theme"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// View implements tea.Model.
func (r *Root) View() tea.View {
	if r.w <= 0 || r.h <= 0 {
		return r.frame("", nil)
	}
	if r.small() {
		text := fmt.Sprintf("Rapport needs %d×%d cells; here are %d×%d.", MinWidth, MinHeight, r.w, r.h)
		return r.frame(widget.Center(widget.Wrap(text, r.w), r.w, r.h), nil)
	}
	s := r.top()
	lines := make([]string, 0, r.h)
	lines = append(lines, r.headLine())
	lines = append(lines, strings.Split(s.View(), "\n")...)
	for len(lines) < r.h-frameBottom {
		lines = append(lines, "")
	}
	lines = append(lines[:r.h-frameBottom], r.statusLine(), r.helpLine())
	r.drawNotices(lines)
	cursor := s.Cursor()
	if cursor != nil {
		cursor.Y += frameTop
	}
	if r.whichKey {
		box := r.whichKeyBox()
		widget.Overlay(lines, box, r.w-width(box)-1, r.h-frameBottom-strings.Count(box, "\n")-1)
	}
	for i, d := range r.dialogs {
		box := d.View(r.w-4, r.h-4)
		x, y := (r.w-width(box))/2, max(1, (r.h-strings.Count(box, "\n")-1)/3)
		widget.Overlay(lines, box, x, y)
		if i == len(r.dialogs)-1 {
			r.boxX, r.boxY = x, y
			if cursor = d.Cursor(); cursor != nil {
				cursor.X, cursor.Y = cursor.X+x, cursor.Y+y
			}
		}
	}
	return r.frame(strings.Join(lines, "\n"), cursor)
}

// frame builds every view, so that the terminal's modes never depend on what
// is shown.
func (r *Root) frame(content string, cursor *tea.Cursor) tea.View {
	v := tea.NewView(content)
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "Rapport"
	v.Cursor = cursor
	return v
}

func (r *Root) small() bool { return r.w < MinWidth || r.h < MinHeight }

func width(box string) int {
	first, _, _ := strings.Cut(box, "\n")
	return ansi.StringWidth(first)
}

// headLine is the program, the tabs and where in the active one the person is.
// Where there is no room the program's name goes first, then the long names of
// the tabs.
func (r *Root) headLine() string {
	th := r.env.Theme
	for level := 0; ; level++ {
		used := 0
		var parts []string
		put := func(st lipgloss.Style, s string) {
			used += ansi.StringWidth(s)
			parts = append(parts, st.Render(s))
		}
		if level == 0 {
			put(th.Bar.Bold(true), " Rapport ")
		}
		for i, t := range tabs {
			name := [...]string{t.name, t.short, ""}[level]
			st := th.BarMuted
			if i == r.tab {
				st = th.Selected
				if level == 2 {
					name = t.short
				}
			}
			label := strings.TrimRight(" "+strconv.Itoa(i+1)+" "+name, " ") + " "
			if level == 1 && i != r.tab {
				label = strings.TrimSuffix(label, " ")
			}
			put(st, label)
		}
		if used > r.w && level < 2 {
			continue
		}
		trail := ""
		if st := r.stacks[r.tab]; len(st) > 1 && r.w-used > 12 {
			trail = " › " + ansi.Truncate(model.Visible(r.top().Title()), r.w-used-4, "…")
		}
		return strings.Join(parts, "") + th.Bar.Render(draw.Fit(trail, max(0, r.w-used)))
	}
}

// statusLine says where one stands, and who and where one is.
func (r *Root) statusLine() string {
	th := r.env.Theme
	bar := func(st lipgloss.Style) lipgloss.Style { return th.Bar.Foreground(st.GetForeground()) }
	words, grades := r.words()
	var b strings.Builder
	used := 1
	b.WriteString(th.Bar.Render(" "))
	for i, w := range words {
		if i > 0 {
			b.WriteString(th.BarMuted.Render(" · "))
			used += 3
		}
		st, sign := th.Bar, ""
		switch grades[i] {
		case good:
			st = bar(th.Good)
			sign = "✓ "
		case unsent:
			st = bar(th.Warn)
			sign = "⇅ "
		case warning:
			st = bar(th.Warn)
			sign = "● "
		case danger:
			st = bar(th.Danger).Bold(true)
			sign = "! "
		}
		w = ansi.Truncate(sign+w, max(0, r.w-used-1), "…")
		b.WriteString(st.Render(w))
		used += ansi.StringWidth(w)
	}
	right := model.Visible(r.env.Workspace.Settings().Me)
	if s := r.waitingText(); s != "" {
		right = s
	}
	if s := r.chordText(); s != "" {
		right = s
	}
	right = ansi.Truncate(right, max(0, r.w-used-3), "…")
	b.WriteString(th.BarMuted.Render(draw.Right(right+" ", r.w-used)))
	return b.String()
}

func (r *Root) chordText() string {
	if len(r.chord) == 0 {
		return ""
	}
	return strings.Join(r.chord, " ") + " …"
}

// helpLine shows the most useful keys that work here; those of the highest
// rank go first where there is no room.
func (r *Root) helpLine() string {
	th := r.env.Theme
	items := r.helpItems()
	was := drawnHelp{theme: th, w: r.w}
	for _, b := range items {
		was.items += string(b.Scope) + " " + string(b.Action) + " " + b.Keys[0] + " "
	}
	if r.help.drawnHelp == was {
		return r.help.line
	}
	r.help.drawnHelp = was
	total := func() int {
		n := 1
		for _, b := range items {
			n += ansi.StringWidth(dialog.ShowKey(b.Keys[0])) + 1 + ansi.StringWidth(b.Help) + 2
		}
		return n
	}
	for total() > r.w && len(items) > 0 {
		worst := 0
		for i, b := range items {
			if b.Rank >= items[worst].Rank {
				worst = i
			}
		}
		items = append(items[:worst:worst], items[worst+1:]...)
	}
	var b strings.Builder
	b.WriteString(" ")
	for _, x := range items {
		b.WriteString(th.Key.Render(dialog.ShowKey(x.Keys[0])) + " " + th.Muted.Render(x.Help) + "  ")
	}
	r.help.line = draw.Fit(b.String(), r.w)
	return r.help.line
}

// drawnHelp is what the help line was drawn from. It is the same from frame to
// frame and would be half of the work of one.
type drawnHelp struct {
	theme *theme.Theme
	w     int
	items string
}

func (r *Root) helpItems() []keymap.Binding {
	var items []keymap.Binding
	if len(r.dialogs) > 0 {
		return nil
	}
	for _, sec := range r.sections(true) {
		for _, b := range sec.Bindings {
			if !(b.Action == keymap.Back && len(r.stacks[r.tab]) < 2) {
				items = append(items, b)
			}
		}
	}
	return items
}

// drawNotices lays the notices over the last lines of the screen, at the
// right.
func (r *Root) drawNotices(lines []string) {
	th := r.env.Theme
	for i, n := range r.notices {
		st, sign := th.Bar, " • "
		if n.bad {
			st, sign = th.Bar.Foreground(th.Danger.GetForeground()).Bold(true), " × "
		}
		text := ansi.Truncate(model.Visible(n.text), r.w-8, "…")
		box := st.Render(sign + text + " ")
		widget.Overlay(lines, box, r.w-ansi.StringWidth(box)-1, r.h-frameBottom-len(r.notices)+i)
	}
}

// whichKeyBox shows how a begun chord can end.
func (r *Root) whichKeyBox() string {
	th := r.env.Theme
	s := r.top()
	begun := strings.Join(r.chord, " ") + " "
	var rows []string
	w := 0
	for _, b := range r.env.Keys.Following([]keymap.Scope{s.Scope(), keymap.Global}, r.chord) {
		if b.Scope != keymap.Global && !can(s, b.Action) {
			continue
		}
		for _, k := range b.Keys {
			if rest, ok := strings.CutPrefix(k, begun); ok {
				row := th.Key.Render(draw.Right(dialog.ShowKey(rest), 6)) + "  " + th.Text.Render(b.Help) + " "
				rows = append(rows, row)
				w = max(w, ansi.StringWidth(row))
			}
		}
	}
	out := []string{th.Border.Render("╭" + strings.Repeat("─", w) + "╮")}
	for _, row := range rows {
		out = append(out, th.Border.Render("│")+draw.Fit(row, w)+th.Border.Render("│"))
	}
	return strings.Join(append(out, th.Border.Render("╰"+strings.Repeat("─", w)+"╯")), "\n")
}
