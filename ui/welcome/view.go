package welcome

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

const (
	labelWidth = 10
	formTop    = 3 // lines above the first field
)

// View draws the choices or the form.
func (s *Screen) View() string {
	if s.w <= 0 || s.h <= 0 {
		return ""
	}
	if s.form {
		return draw.View(s.formLines(), s.w, s.h)
	}
	// What went wrong must be seen: the words of the other choices and the
	// space between them give way.
	var out []string
	for _, form := range []layout{{words: true, space: true}, {words: true}, {}} {
		if out = s.choiceLines(form); len(out) <= s.h {
			break
		}
	}
	return draw.View(out, s.w, s.h)
}

// layout is how much room the choices take.
type layout struct{ words, space bool }

func (s *Screen) choiceLines(l layout) []string {
	th := s.env.Theme
	out := []string{"", "  " + th.Strong.Render("Welcome to Rapport") + th.Muted.Render("  contacts, deals and tasks, also offline"), ""}
	for i, c := range s.choices {
		out = append(out, draw.Row(th, i == s.row, min(s.w, 72), draw.Cell{Text: c.title, Style: th.Strong}))
		for _, line := range draw.Wrap(c.text, min(s.w-6, 68)) {
			if l.words || i == s.row {
				out = append(out, "    "+th.Muted.Render(line))
			}
		}
		if l.space {
			out = append(out, "")
		}
	}
	keys := s.env.Keys
	foot := keys.KeyOf(keymap.Open, keymap.Welcome) + " chooses. Or begin by hand: " +
		keys.KeyOf(keymap.GoContacts, keymap.Global) + " opens the contacts, " + keys.KeyOf(keymap.Add, keymap.List) + " adds one there."
	return append(append(out, draw.Paragraph(th.Muted, foot, s.w)...), s.outcome()...)
}

// outcome says what is under way or what went wrong.
func (s *Screen) outcome() []string {
	th := s.env.Theme
	switch {
	case s.busy != "":
		return []string{"", "  " + th.Accent.Render(s.busy)}
	case s.err != nil:
		return append([]string{""}, draw.Paragraph(th.Danger, "! "+draw.Error(s.err), s.w)...)
	}
	return nil
}

func (s *Screen) formLines() []string {
	th := s.env.Theme
	out := []string{"", "  " + th.Strong.Render("Connect to the company's database"), ""}
	for i := range s.in {
		style := th.Input
		label := th.Muted.Render(draw.Fit(labels[i], labelWidth))
		if i == s.field {
			style = th.Focus
			label = th.Accent.Render(draw.Fit(labels[i], labelWidth))
		}
		in := &s.in[i]
		if i == password {
			in = s.masked()
		}
		out = append(out, "  "+label+" "+in.View(style))
	}
	text := "A server elsewhere must prove itself by TLS; a whole address such as mysql://host/db?tls=skip-verify says otherwise."
	out = append(out, "")
	out = append(out, draw.Paragraph(th.Muted, text, min(s.w, 76))...)
	out = append(out, draw.Paragraph(th.Muted, "The password is kept in config.toml of this workspace, which only you can read. It is sent to this server and nowhere else.", min(s.w, 76))...)
	keys := s.env.Keys
	foot := keys.KeyOf(keymap.Save, keymap.Connect) + " goes on and, after the password, connects; " + keys.KeyOf(keymap.Cancel, keymap.Connect) + " goes back."
	out = append(out, "")
	out = append(out, draw.Paragraph(th.Muted, foot, min(s.w, 76))...)
	return append(out, s.outcome()...)
}

// masked is the password's field with a sign for each character.
func (s *Screen) masked() *widget.Input {
	var in widget.Input
	in.SetSize(s.boxWidth(), 1)
	in.SetValue(strings.Repeat("*", utf8.RuneCountInString(s.in[password].Value())))
	return &in
}

// Cursor stands in the field of the form.
func (s *Screen) Cursor() *tea.Cursor {
	if !s.form || s.busy != "" || s.h <= formTop+s.field {
		return nil
	}
	in := &s.in[s.field]
	if s.field == password {
		in = s.masked()
	}
	x, _ := in.Cursor()
	return tea.NewCursor(2+labelWidth+1+x, formTop+s.field)
}
