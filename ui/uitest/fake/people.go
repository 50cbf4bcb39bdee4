package fake

import (
	"context"

	"rapport/model"
)

// People answers with Folk.
func (w *Workspace) People(context.Context) ([]model.Person, error) { return w.Folk, w.called(nil) }

// AddPerson notes whom and answers with an invite.
func (w *Workspace) AddPerson(_ context.Context, p model.NewPerson) (model.Invitation, error) {
	err := w.called(func() {
		w.Decided = append(w.Decided, "add "+p.Login+" "+p.Role+" "+p.Scope+" "+p.Team+p.Territory)
	})
	return model.Invitation{Login: p.Login, Password: "once", Line: "rapport1-abc", Notes: []string{"no TLS"}}, err
}

// LockPerson notes whom.
func (w *Workspace) LockPerson(_ context.Context, login string) (int, error) {
	return 1, w.called(func() { w.Decided = append(w.Decided, "lock "+login) })
}

// UnlockPerson notes whom.
func (w *Workspace) UnlockPerson(_ context.Context, login string) error {
	return w.called(func() { w.Decided = append(w.Decided, "unlock "+login) })
}

// Devices answers with Gear.
func (w *Workspace) Devices(context.Context) ([]model.DeviceState, error) {
	return w.Gear, w.called(nil)
}

// WipeDevice notes which.
func (w *Workspace) WipeDevice(_ context.Context, id model.ID) error {
	return w.called(func() { w.Decided = append(w.Decided, "wipe "+string(id)) })
}

// ForgetDevice notes which.
func (w *Workspace) ForgetDevice(_ context.Context, id model.ID) error {
	return w.called(func() { w.Decided = append(w.Decided, "forget "+string(id)) })
}
