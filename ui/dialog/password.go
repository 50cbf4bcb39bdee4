package dialog

import (
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
	"rapport/ui/widget/draw"
)

// Password asks for a new password, twice, without drawing it.
type Password struct {
	env    *screen.Env
	m      screen.PasswordMsg
	in     [2]widget.Input
	at     int
	msg    string
	opened time.Time
	sudden bool
	cursor *tea.Cursor
}

var passwordLabels = [2]string{"New password", "Once more"}

// NewPassword returns the question. sudden tells that no key of the person's
// called it.
func NewPassword(env *screen.Env, m screen.PasswordMsg, sudden bool) *Password {
	return &Password{env: env, m: m, opened: env.Now(), sudden: sudden}
}

// Dirty implements Dialog.
func (p *Password) Dirty() bool { return p.in[0].Value() != "" }

// Cursor implements Dialog.
func (p *Password) Cursor() *tea.Cursor { return p.cursor }

// Update implements Dialog.
func (p *Password) Update(msg tea.Msg, a keymap.Action) (tea.Cmd, bool) {
	k, isKey := msg.(tea.KeyPressMsg)
	if isKey && p.sudden && p.env.Now().Sub(p.opened) < quiet {
		return nil, false
	}
	switch {
	case isKey && a == keymap.No:
		return nil, true
	case isKey && (a == keymap.Yes || a == keymap.Save):
		return p.accept()
	case isKey && (k.String() == "tab" || k.String() == "shift+tab" || a == keymap.Down || a == keymap.Up):
		p.at = 1 - p.at
		return nil, false
	case isKey && (k.String() == "left" || k.String() == "right" || k.String() == "home"):
		return nil, false // what is not seen is edited at its end only
	}
	if p.in[p.at].Update(msg) {
		p.msg = ""
	}
	return nil, false
}

// accept checks what was typed and hands it on.
func (p *Password) accept() (tea.Cmd, bool) {
	next := p.in[0].Value()
	if err := model.CheckPassword(p.m.Login, next); err != nil {
		p.at, p.msg = 0, draw.Error(err)
		return nil, false
	}
	if p.at == 0 && p.in[1].Value() == "" {
		p.at = 1
		return nil, false
	}
	if p.in[1].Value() != next {
		p.at, p.msg = 1, "The two are not the same."
		p.in[1].SetValue("")
		return nil, false
	}
	return p.m.Do(next), true
}

// View implements Dialog.
func (p *Password) View(w, h int) string {
	th := p.env.Theme
	inner := min(w-4, 60)
	var lines []string
	for _, l := range widget.Wrap(p.m.Text, inner) {
		lines = append(lines, th.Text.Render(l))
	}
	lines = append(lines, "")
	const labelWidth = 14
	p.cursor = nil
	for i := range p.in {
		var shown widget.Input
		shown.SetValue(strings.Repeat("*", utf8.RuneCountInString(p.in[i].Value())))
		lines = append(lines, field(p.env, passwordLabels[i], &shown, i == p.at, labelWidth, inner))
		if i == p.at {
			x, _ := shown.Cursor()
			p.cursor = tea.NewCursor(2+labelWidth+x, len(lines))
		}
	}
	if p.msg != "" {
		lines = append(lines, "")
		for _, l := range widget.Wrap("! "+p.msg, inner) {
			lines = append(lines, th.Danger.Render(l))
		}
	}
	if most := h - 2; len(lines) > most && most > 0 {
		lines = lines[len(lines)-most:]
		p.cursor = nil
	}
	return box(p.env, p.m.Title, lines, inner, keys(p.env, "enter", "go on", "tab", "other field", "esc", "cancel"))
}
