package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rapport/db/mysql"
	"rapport/model"
)

// dataFiles are the names in a home that records lie under: the cache with its
// journals, its copies and what is built from it, backups, and the rejected
// rows of imports.
var dataFiles = []string{"*.db", "*.db-*", "*.db.*", "backups", "imports"}

// wipedName is the file that tells, after a wipe, that this home may not fetch
// anything again before its person has come in anew. It also tells other
// processes, which still have the old cache open, to let go of it.
const wipedName = "wiped"

// wipedError is what a person is told of a home that was emptied.
func wipedError() *model.Error {
	return model.Errorf(model.Wiped, "the administrator asked this device to empty itself").
		WithHint("ask the administrator for a new invitation if that was a mistake, and come in with `rapport join`")
}

// wasWiped tells whether the home was emptied.
func (w *Workspace) wasWiped() bool {
	_, err := os.Stat(filepath.Join(w.settings.Home, wipedName))
	return err == nil
}

// welcome lets a home that was emptied fetch records again.
func (w *Workspace) welcome() error {
	err := os.Remove(filepath.Join(w.settings.Home, wipedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// noCentral is what asking for the central gives where none is configured.
func (w *Workspace) noCentral() error {
	if w.wasWiped() {
		return wipedError()
	}
	return noCentral()
}

// answered takes the outcome of a sync. Where the administrator asked this
// device to empty itself, it is emptied before anybody hears of it.
func (w *Workspace) answered(ctx context.Context, err error) error {
	if model.KindOf(err) != model.Wiped || w.address() == "" {
		return err
	}
	return errors.Join(err, w.wipe(context.WithoutCancel(ctx)))
}

// wipe removes every record and the password from this device and tells the
// central that it did. What was not sent is lost: that was the administrator's
// decision. An empty cache takes the place of the old one, so that what is
// open goes on without failing. Whatever it is interrupted by, the next sync
// goes on with it.
func (w *Workspace) wipe(ctx context.Context) error {
	mark := filepath.Join(w.settings.Home, wipedName)
	client, confirmed, err := w.wipedClient(ctx, mark)
	if err != nil {
		return err
	}
	// The password is needed once more, after it was removed.
	url, urlErr := w.central(ctx)
	err = w.exclusive(ctx, func() error {
		if !confirmed {
			if err := replaceFile(mark, string(client)+"\n"); err != nil {
				w.log.Warn("wipe not marked", "kind", outcome(err)) // the records must go all the same
			}
		}
		w.forgetCentral()
		return errors.Join(removeData(w.settings.Home), w.removeSecrets())
	})
	w.log.Warn("wiped", "kind", outcome(err))
	if err != nil || confirmed {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, centralTime)
	defer cancel()
	if err = urlErr; err == nil {
		err = mysql.ConfirmWipe(ctx, url, client, w.dialOptions())
	}
	if err == nil {
		err = replaceFile(mark, "")
	}
	if err != nil {
		// The records are gone, which is what counts; the administrator
		// sees that the device was told.
		w.log.Warn("wipe not confirmed", "kind", outcome(err))
	}
	return nil
}

// wipedClient returns which device is to be empty. Where a process began to
// empty it before, that stands in its mark, until the central knows.
func (w *Workspace) wipedClient(ctx context.Context, mark string) (client model.ID, confirmed bool, err error) {
	data, err := os.ReadFile(mark)
	if err == nil {
		client = model.ID(strings.TrimSpace(string(data)))
		return client, client == "", nil
	}
	client, err = w.cache().Client(ctx)
	return client, false, err
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
