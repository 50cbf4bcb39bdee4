package workspace

import (
	"context"
	"errors"

	"rapport/db/mysql"
	"rapport/model"
)

// office opens the central for an administrator's work and closes it after.
func office[T any](ctx context.Context, w *Workspace, work func(*mysql.Office) (T, error)) (out T, err error) {
	url, err := w.central(ctx)
	if err != nil {
		return out, err
	}
	f, err := mysql.OpenOffice(ctx, url, w.dialOptions())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return work(f)
}

// none is the result of work that only succeeds or fails.
type none = struct{}

// AddPerson lets somebody in.
func (w *Workspace) AddPerson(ctx context.Context, p model.NewPerson) (model.Invitation, error) {
	return office(ctx, w, func(f *mysql.Office) (model.Invitation, error) { return f.AddPerson(ctx, p) })
}

// People lists everybody who has or had an account.
func (w *Workspace) People(ctx context.Context) ([]model.Person, error) {
	return office(ctx, w, func(f *mysql.Office) ([]model.Person, error) { return f.People(ctx) })
}

// EditPerson changes who somebody is and what the person sees.
func (w *Workspace) EditPerson(ctx context.Context, login string, e model.PersonEdit) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.EditPerson(ctx, login, e) })
	return err
}

// LockPerson keeps somebody out at once.
func (w *Workspace) LockPerson(ctx context.Context, login string) (int, error) {
	return office(ctx, w, func(f *mysql.Office) (int, error) { return f.LockPerson(ctx, login) })
}

// UnlockPerson lets somebody in again.
func (w *Workspace) UnlockPerson(ctx context.Context, login string) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.UnlockPerson(ctx, login) })
	return err
}

// RemovePerson takes an account away.
func (w *Workspace) RemovePerson(ctx context.Context, login string) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.RemovePerson(ctx, login) })
	return err
}

// NewPassword gives somebody another one-time password.
func (w *Workspace) NewPassword(ctx context.Context, login string, i model.Invitee) (model.Invitation, error) {
	return office(ctx, w, func(f *mysql.Office) (model.Invitation, error) { return f.NewPassword(ctx, login, i) })
}

// HandOver makes everything that one person owns another's.
func (w *Workspace) HandOver(ctx context.Context, from, to string, n model.Notify) (map[model.Noun]int64, error) {
	return office(ctx, w, func(f *mysql.Office) (map[model.Noun]int64, error) { return f.HandOver(ctx, from, to, n) })
}

// Grant shows somebody a scope by hand.
func (w *Workspace) Grant(ctx context.Context, g model.ScopeGrant) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.Grant(ctx, g) })
	return err
}

// Revoke takes a scope back that was given by hand.
func (w *Workspace) Revoke(ctx context.Context, login, scope string) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.Revoke(ctx, login, scope) })
	return err
}

// Grants lists what was given by hand.
func (w *Workspace) Grants(ctx context.Context, login string) ([]model.ScopeGrant, error) {
	return office(ctx, w, func(f *mysql.Office) ([]model.ScopeGrant, error) { return f.Grants(ctx, login) })
}

// Devices lists the copies of workspaces.
func (w *Workspace) Devices(ctx context.Context) ([]model.DeviceState, error) {
	return office(ctx, w, func(f *mysql.Office) ([]model.DeviceState, error) { return f.Devices(ctx) })
}

// WipeDevice lets a device empty itself.
func (w *Workspace) WipeDevice(ctx context.Context, id model.ID) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.WipeDevice(ctx, id) })
	return err
}

// ForgetDevice takes a device off the list.
func (w *Workspace) ForgetDevice(ctx context.Context, id model.ID) error {
	_, err := office(ctx, w, func(f *mysql.Office) (none, error) { return none{}, f.ForgetDevice(ctx, id) })
	return err
}

// CheckCentral looks at everything that can be wrong with the central.
func (w *Workspace) CheckCentral(ctx context.Context) ([]model.Check, error) {
	st, err := w.CentralStatus(ctx)
	if err != nil {
		return nil, err
	}
	more, err := office(ctx, w, func(f *mysql.Office) ([]model.Check, error) { return f.Check(ctx) })
	return append(st.Checks, more...), err
}
