package screen

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rapport/model"
)

// HomePath replaces a leading ~ by the person's home folder.
func HomePath(path string) (string, error) {
	path = strings.TrimSpace(path)
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", model.Errorf(model.NotFound, "there is no home folder for %s", path).Because(err)
	}
	return filepath.Join(home, rest), nil
}

// Files finds the files that a typed path means: one file, all files of a
// folder, or those that a pattern with * fits. It belongs into a command. The
// error is of kind NotFound.
func Files(path string) ([]string, error) {
	path, err := HomePath(path)
	if err != nil {
		return nil, err
	}
	if strings.Contains(path, "*") {
		found, err := filepath.Glob(path)
		if err != nil || len(found) == 0 {
			return nil, model.Errorf(model.NotFound, "no file fits %s", path).Because(err)
		}
		return found, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, model.Errorf(model.NotFound, "there is no file %s", path).Because(err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, model.Errorf(model.NotFound, "the folder %s cannot be read", path).Because(err)
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	if slices.Sort(out); len(out) == 0 {
		return nil, model.Errorf(model.NotFound, "the folder %s is empty", path)
	}
	return out, nil
}

// WriteNew writes a file that was not there, readable by its owner alone, and
// returns its whole path. It never replaces a file; one that could not be
// written to its end is taken away. It belongs into a command.
func WriteNew(path string, write func(io.Writer) error) (string, error) {
	path, err := HomePath(path)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return "", model.Errorf(model.Invalid, "%s is there already", path).WithHint("choose another name")
	}
	if err != nil {
		return "", model.Errorf(model.Invalid, "%s cannot be written", path).Because(err)
	}
	err = write(f)
	if e := f.Sync(); err == nil && e != nil {
		err = model.Errorf(model.Other, "%s could not be written to its end", path).Because(e)
	}
	if e := f.Close(); err == nil && e != nil {
		err = model.Errorf(model.Other, "%s could not be written to its end", path).Because(e)
	}
	if err != nil {
		_ = os.Remove(path) // the error that is told is the one of writing
		return "", err
	}
	return path, nil
}
