package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"rapport/db/mysql"
	"rapport/model"
)

// dataFiles are the names in a home that records lie under: the cache with its
// journals, its copies and what is built from it, backups, and the rejected
// rows of imports.
var dataFiles = []string{"*.db", "*.db-*", "*.db.*", "backups", "imports"}

// answered takes the outcome of a sync. Where the administrator asked this
// device to empty itself, it is emptied before anybody hears of it.
func (w *Workspace) answered(ctx context.Context, err error) error {
	if model.KindOf(err) != model.Wiped {
		return err
	}
	return errors.Join(err, w.wipe(context.WithoutCancel(ctx)))
}

// wipe removes every record and the password from this device and tells the
// central that it did. What was not sent is lost: that was the administrator's
// decision. An empty cache takes the place of the old one, so that what is
// open goes on without failing.
func (w *Workspace) wipe(ctx context.Context) error {
	client, err := w.cache().Client(ctx)
	if err != nil {
		return err
	}
	// The password is needed once more, after it was removed.
	url, urlErr := w.central(ctx)
	err = w.exclusive(ctx, func() error {
		w.forgetCentral()
		return errors.Join(removeData(w.settings.Home), w.removeSecrets())
	})
	w.log.Warn("wiped", "kind", outcome(err))
	if err != nil || urlErr != nil {
		return errors.Join(err, urlErr)
	}
	ctx, cancel := context.WithTimeout(ctx, centralTime)
	defer cancel()
	if err := mysql.ConfirmWipe(ctx, url, client, w.dialOptions()); err != nil {
		// The records are gone, which is what counts; the administrator
		// sees that the device was told.
		w.log.Warn("wipe not confirmed", "kind", outcome(err))
	}
	return nil
}

// removeData removes what records lie in and leaves everything else of a home.
func removeData(home string) error {
	var errs []error
	for _, pattern := range dataFiles {
		found, err := filepath.Glob(filepath.Join(quoteGlob(home), pattern))
		errs = append(errs, err)
		for _, name := range found {
			errs = append(errs, os.RemoveAll(name))
		}
	}
	return errors.Join(errs...)
}

// quoteGlob keeps the signs in a folder's name from being taken for patterns.
func quoteGlob(dir string) string {
	var out []byte
	for i := range len(dir) {
		switch c := dir[i]; c {
		case '*', '?', '[', '\\':
			if filepath.Separator == '\\' {
				out = append(out, c)
				continue
			}
			out = append(out, '\\', c)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// removeSecrets removes the password's file and the configuration, whose
// address of the central may hold it.
func (w *Workspace) removeSecrets() error {
	config := w.settings.Config
	if config == "" {
		config = filepath.Join(w.settings.Home, "config.toml")
	}
	var errs []error
	for _, name := range []string{w.settings.PasswordFile, config} {
		if name == "" {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
