package workspace

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"rapport/db/mysql"
	"rapport/model"
)

// ChangePassword gives the person's account a new password and keeps it where
// the old one was, as far as that is this package's to write: in the password
// file. One that stood in the address is in Settings from now on.
func (w *Workspace) ChangePassword(ctx context.Context, current, next string) (model.PasswordPlace, error) {
	s := w.Settings()
	if s.Central == "" {
		return "", noCentral()
	}
	place := model.Nowhere
	switch {
	case hasPassword(s.Central):
		place = model.InAddress
	case s.PasswordCommand != "":
		place = model.InCommand
	case s.PasswordFile != "":
		place = model.InFile
	}
	url := withPassword(withoutPassword(s.Central), current)
	if current == "" {
		var err error
		if url, err = w.central(ctx); err != nil {
			return place, err
		}
	}
	if err := mysql.ChangePassword(ctx, url, next, w.dialOptions()); err != nil {
		return place, err
	}
	w.log.Info("password changed", "place", string(place))
	if err := w.welcome(); err != nil {
		return place, err
	}
	switch place {
	case model.InFile:
		if err := replaceFile(s.PasswordFile, next+"\n"); err != nil {
			return place, model.Errorf(model.Partial, "the password was changed, but %s cannot be written", s.PasswordFile).
				WithHint("write the new password into it by hand").Because(err)
		}
	case model.InAddress, model.Nowhere:
		changed := withPassword(withoutPassword(s.Central), next)
		w.changed.Store(&changed)
	}
	return place, nil
}

// forgetCentral lets the workspace stand on its own from now on.
func (w *Workspace) forgetCentral() {
	none := ""
	w.changed.Store(&none)
}

// address is the central's as it is now: a new password may have come into it.
func (w *Workspace) address() string {
	if a := w.changed.Load(); a != nil {
		return *a
	}
	return w.settings.Central
}

// dialOptions are those of every connection of the workspace.
func (w *Workspace) dialOptions() mysql.DialOptions {
	return mysql.DialOptions{Program: "rapport", Now: w.now}
}

// replaceFile writes a file for its owner alone, whole or not at all.
func replaceFile(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".rapport-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
