package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"rapport/model"
)

// backupTable is the table of the configuration that says how to back up.
const backupTable = "backup"

// keepBackups writes where backups lie and who can read them to a
// configuration, and leaves the rest of it as its author wrote it.
func keepBackups(file string, s model.BackupSettings) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return model.Errorf(model.Invalid, "the configuration %s cannot be read", file).WithHint("check its rights").Because(err)
	}
	text := old
	set := func(key string, value any, is bool) {
		text = inTable(text, backupTable, key, value, is)
	}
	set("to", s.To, s.To != "")
	set("recipients", s.Recipients, len(s.Recipients) > 0)
	set("one_key", s.OneKey, s.OneKey)
	set("identity", s.Identity, s.Identity != "")
	set("credentials_file", s.CredentialsFile, s.CredentialsFile != "")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return model.Errorf(model.Invalid, "the folder of %s cannot be made", file).Because(err)
	}
	return writeFile(file, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// inTable sets a key of a table of a configuration, or takes it out where is is
// false.
func inTable(old []byte, table, key string, value any, is bool) []byte {
	header := []byte("[" + table + "]")
	line := append([]byte(key+" = "), encode(value)...)
	var out [][]byte
	inside, within, placed := false, false, !is
	for _, l := range bytes.Split(bytes.TrimRight(old, "\n"), []byte("\n")) {
		t := bytes.TrimSpace(l)
		switch {
		case within:
			within = !closes(t)
			continue
		case bytes.HasPrefix(t, []byte("[")):
			inside = bytes.Equal(bytes.TrimSpace(beforeComment(t)), header)
			out = append(out, l)
			if inside && !placed {
				out, placed = append(out, line), true
			}
			continue
		}
		name, rest, ok := bytes.Cut(t, []byte("="))
		if ok && inside && string(bytes.TrimSpace(name)) == key {
			rest = bytes.TrimSpace(rest)
			within = bytes.HasPrefix(rest, []byte("[")) && !closes(rest)
			continue
		}
		out = append(out, l)
	}
	if !placed {
		if len(bytes.TrimSpace(old)) > 0 {
			out = append(out, nil)
		}
		out = append(out, header, line)
	}
	return append(bytes.TrimLeft(bytes.Join(out, []byte("\n")), "\n"), '\n')
}

// beforeComment is a line without its comment.
func beforeComment(line []byte) []byte {
	before, _, _ := bytes.Cut(line, []byte("#"))
	return before
}
