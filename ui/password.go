package ui

import (
	"net/url"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/dialog"
	"rapport/ui/screen"
)

// askPassword lays the question after a new password over the screen, once.
// What is left out of m is that of the workspace's own central.
func (r *Root) askPassword(m screen.PasswordMsg, sudden bool) tea.Cmd {
	if m.Do == nil && r.env.Hooks.Password == nil {
		return screen.Notice("the password is changed with the command rapport password")
	}
	for _, d := range r.dialogs {
		if _, open := d.(*dialog.Password); open {
			return nil
		}
	}
	if m.Title == "" {
		m.Title = "Change your password"
	}
	if m.Text == "" {
		m.Text = "The new password takes the place of the old one, here and on the server."
	}
	if m.Do == nil {
		m.Login, m.Do = r.login(), r.changePassword
	}
	r.dialogs = append(r.dialogs, dialog.NewPassword(r.env, m, sudden))
	return nil
}

// login is that of the workspace's central, "" if it has none.
func (r *Root) login() string {
	first, _, _ := strings.Cut(r.env.Workspace.Settings().Central, ",")
	if u, err := url.Parse(first); err == nil {
		return u.User.Username()
	}
	return ""
}

func (r *Root) changePassword(next string) tea.Cmd {
	hook, ctx := r.env.Hooks.Password, r.env.Context
	return func() tea.Msg {
		told, err := hook(ctx, next)
		return screen.PasswordChangedMsg{Text: told, Err: err}
	}
}

// passwordChanged says how it went, and syncs with the new password. One that
// was changed but could not be stored is in use all the same.
func (r *Root) passwordChanged(m screen.PasswordChangedMsg) tea.Cmd {
	if m.Err != nil && model.KindOf(m.Err) != model.Partial {
		return screen.Fail(m.Err)
	}
	told := screen.Notice("The password is changed. " + m.Text)
	if m.Err != nil {
		told = screen.Fail(m.Err)
	}
	return tea.Batch(told, r.syncNow())
}
