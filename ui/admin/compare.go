package admin

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// compare is the screen that sets one record of a backup against today's.
type compare struct {
	screen.Still
	env    *screen.Env
	backup model.ID
	ref    model.Ref
	load   *screen.Loader
	*bringing
	it     model.Comparison
	loaded bool
	err    error
	all    bool // every field, not the differences alone
	top    int
}

func newCompare(env *screen.Env, m screen.OpenMsg) screen.Screen {
	return &compare{env: env, backup: m.ID, ref: model.Ref{Noun: m.Noun, ID: m.Other}, load: screen.NewLoader(env.Context), bringing: newBringing(env)}
}

// Init reads the record.
func (s *compare) Init() tea.Cmd { return s.reload() }

func (s *compare) reload() tea.Cmd {
	ws, req, ref := s.env.Workspace, inBackup(string(s.backup)), s.ref
	return s.load.Load(func(ctx context.Context) (any, error) { return ws.Compare(ctx, req, ref) })
}

// Update takes the record, what would change, and the news that it changed.
func (s *compare) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		if s.loaded && !s.bringing.doing.Busy() && changes(m.Change, s.ref.Noun) {
			s.bringing.drop()
			return s.reload()
		}
	case screen.LoadedMsg:
		if s.load.Take(m) {
			s.loaded = true
			if s.err = m.Err; m.Err == nil {
				s.it = m.Value.(model.Comparison)
				s.ref.Name = s.it.Record.Title()
			}
			return nil
		}
		cmd, done, _ := s.bringing.take(m)
		if done {
			return tea.Batch(cmd, s.reload())
		}
		return cmd
	}
	return nil
}

// changes tells whether a change may concern a noun.
func changes(c model.Change, n model.Noun) bool {
	for _, x := range c.Nouns {
		if x == n {
			return true
		}
	}
	return c.Nouns == nil
}

// Do carries out the actions of the screen.
func (s *compare) Do(a keymap.Action) (tea.Cmd, bool) {
	if top, moved := screen.Scroll(a, s.top, max(1, s.Height-4), max(1, len(s.body())-s.room()+1)); moved {
		s.top = top
		return nil, true
	}
	if !s.Can(a) {
		return nil, false
	}
	switch a {
	case keymap.Restore:
		return s.bringing.ask(s.it.Backup, s.ref), true
	case keymap.Yes:
		return s.bringing.yes(), true
	case keymap.AllFields:
		s.all, s.top = !s.all, 0
		return nil, true
	case keymap.Open:
		return screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: s.ref.Noun, ID: s.ref.ID}), true
	case keymap.Back:
		return nil, s.bringing.drop()
	}
	return nil, false
}

// Can tells whether an action would do something here and now.
func (s *compare) Can(a keymap.Action) bool {
	switch a {
	case keymap.Restore:
		return s.it.Record != nil && s.it.Standing != model.StandingSame
	case keymap.Yes:
		return s.bringing.waits()
	case keymap.AllFields:
		return s.it.Record != nil && s.it.Today != nil
	case keymap.Open:
		return s.it.Today != nil
	case keymap.Back:
		return s.bringing.found != nil || s.bringing.plan.Busy()
	}
	return true
}

// room is how many lines of the values are seen.
func (s *compare) room() int { return max(1, s.Height-2-len(s.foot())) }

func (s *compare) foot() []string { return s.bringing.lines(s.env.Theme, keymap.Compare, s.Width) }

// View draws the record beside today's.
func (s *compare) View() string {
	if s.Width <= 0 || s.Height <= 0 {
		return ""
	}
	th := s.env.Theme
	switch {
	case s.err != nil:
		return draw.View(append([]string{""}, draw.Paragraph(th.Danger, "! "+s.env.Sentence(s.err), s.Width)...), s.Width, s.Height)
	case !s.loaded:
		return draw.View(nil, s.Width, s.Height)
	}
	_, words := standingWords(s.it.Standing)
	lines := []string{draw.Heading(th, string(s.ref.Noun)+" · "+model.Visible(s.ref.Name), words, s.Width, false), s.head()}
	body, foot := s.body(), s.foot()
	h := max(0, s.Height-len(lines)-len(foot))
	top := max(0, min(s.top, len(body)-h))
	lines = append(lines, body[top:min(len(body), top+h)]...)
	for len(lines)+len(foot) < s.Height {
		lines = append(lines, "")
	}
	return draw.View(append(lines, foot...), s.Width, s.Height)
}

// widths of the label and of each of the two values.
func (s *compare) widths() (label, value int) {
	label = min(20, max(8, s.Width/4))
	return label, max(1, (s.Width-4-label-2)/2)
}

func (s *compare) head() string {
	th := s.env.Theme
	label, w := s.widths()
	when := "on " + s.it.Backup.At.In(s.env.Now().Location()).Format("2 Jan 2006 15:04")
	return draw.Fit("    "+draw.Fit("", label)+" "+th.Muted.Render(draw.Fit(when, w))+" "+th.Muted.Render(draw.Fit("today", w)), s.Width)
}

// body is a block of lines for each value.
func (s *compare) body() []string {
	if s.it.Record == nil {
		return nil
	}
	var out []string
	e := s.it.Record.Entity()
	if s.it.Today == nil || s.all {
		for i := range e.Fields {
			out = append(out, s.field(&e.Fields[i])...)
		}
		return out
	}
	for _, d := range s.it.Differences {
		f := e.Field(d.Field)
		out = append(out, s.pair(f.Label, s.text(f, d.Backup), s.text(f, d.Now), true)...)
	}
	if len(out) == 0 {
		text := "Nothing differs from today."
		if s.it.Standing == model.StandingBin {
			text = "Nothing differs, but that it lies in the bin today."
		}
		out = draw.Paragraph(s.env.Theme.Muted, text, s.Width)
	}
	return out
}

// field is a whole field, beside today's where there is one.
func (s *compare) field(f *model.Field) []string {
	texts := func(r *model.Record) []string {
		if r == nil {
			return nil
		}
		if f.Type != model.List {
			return []string{s.text(f, r.Values[f.Name])}
		}
		var out []string
		for _, part := range r.List(f.Name) {
			out = append(out, s.text(f, part))
		}
		return out
	}
	then, now := texts(s.it.Record), texts(s.it.Today)
	var out []string
	label := f.Label
	for i := range max(len(then), len(now)) {
		a, b := "", ""
		if i < len(then) {
			a = then[i]
		}
		if i < len(now) {
			b = now[i]
		}
		if a == "" && b == "" {
			continue
		}
		out = append(out, s.pair(label, a, b, s.it.Today != nil && a != b)...)
		label = ""
	}
	return out
}

// text writes a value, or an item of a list with its label.
func (s *compare) text(f *model.Field, v any) string {
	part, ok := v.(*model.Record)
	if !ok {
		return widget.Value(f, v, s.env.Now())
	}
	text := widget.Item(f, part)
	for _, name := range []string{"label", "role"} {
		if l := part.Text(name); l != "" {
			text += " (" + l + ")"
		}
	}
	if part.Bool("primary") {
		text += ", primary"
	}
	return text
}

// tallestValue is how many lines one value may take.
const tallestValue = 8

// pair draws two values beside each other, in as many lines as they need.
func (s *compare) pair(label, then, now string, differ bool) []string {
	th := s.env.Theme
	lw, w := s.widths()
	wrap := func(text string) []string {
		if text == "" {
			return []string{"–"}
		}
		lines := widget.Wrap(text, w)
		if len(lines) > tallestValue {
			lines = append(lines[:tallestValue-1], "…")
		}
		return lines
	}
	sign, left, right := " ", th.Text, th.Muted
	if differ {
		sign, left = "●", th.Good
	}
	if s.it.Today == nil {
		now = ""
	}
	a, b := wrap(then), wrap(now)
	var out []string
	for i := range max(len(a), len(b)) {
		cell := func(lines []string, st lipgloss.Style) string {
			if i >= len(lines) {
				return strings.Repeat(" ", w)
			}
			return st.Render(widget.Fit(lines[i], w))
		}
		out = append(out, "  "+th.Warn.Render(sign)+" "+th.Text.Render(widget.Fit(label, lw))+" "+cell(a, left)+" "+cell(b, right))
		sign, label = " ", ""
	}
	return out
}

// Title is the screen's name.
func (s *compare) Title() string { return "Then and now" }

// Scope is where its keys are looked up.
func (s *compare) Scope() keymap.Scope { return keymap.Compare }

// About is today's record, where there is one.
func (s *compare) About() model.Ref {
	if s.it.Today == nil {
		return model.Ref{}
	}
	return screen.AboutOf(s.it.Today)
}

// Working says what the screen waits for.
func (s *compare) Working() string {
	if w := s.bringing.working(); w != "" {
		return w
	}
	if s.load.Busy() {
		return "reading the backup"
	}
	return ""
}
