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
func (r *Root) askPassword(why string, sudden bool) tea.Cmd {
	if r.env.Hooks.Password == nil {
		return screen.Notice("the password is changed with the command rapport password")
	}
	for _, d := range r.dialogs {
		if _, open := d.(*dialog.Password); open {
			return nil
		}
	}
	first, _, _ := strings.Cut(r.env.Workspace.Settings().Central, ",")
	login := ""
	if u, err := url.Parse(first); err == nil {
		login = u.User.Username()
	}
	r.dialogs = append(r.dialogs, dialog.NewPassword(r.env, login, why, sudden))
	return nil
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
