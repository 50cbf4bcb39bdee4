package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"rapport/model"
)

// backupTable is the table of the configuration that says how to back up.
const backupTable = "backup"

// keepBackups writes what is chosen about backups, and was otherwise, to a
// configuration, and leaves the rest of it as its author wrote it.
func keepBackups(file string, was, s model.BackupSettings) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return model.Errorf(model.Invalid, "the configuration %s cannot be read", file).WithHint("check its rights").Because(err)
	}
	text := old
	set := func(key string, was, value any) {
		if !reflect.DeepEqual(was, value) {
			text = inTable(text, backupTable, key, value, !reflect.ValueOf(value).IsZero())
		}
	}
	set("keep_yearly", was.Keep.Yearly, s.Keep.Yearly)
	set("keep_monthly", was.Keep.Monthly, s.Keep.Monthly)
	set("keep_weekly", was.Keep.Weekly, s.Keep.Weekly)
	set("keep_daily", was.Keep.Daily, s.Keep.Daily)
	set("keep_last", was.Keep.Last, s.Keep.Last)
	set("time_zone", was.Schedule.Zone, s.Schedule.Zone)
	set("trial", was.Trial.Expr, s.Trial.Expr)
	set("schedule", was.Schedule.Expr, s.Schedule.Expr)
	set("read_from", was.ReadFrom, s.ReadFrom)
	set("to", was.To, s.To)
	set("recipients", slices.Concat(was.Recipients), slices.Concat(s.Recipients)) // nil where there are none
	set("one_key", was.OneKey, s.OneKey)
	set("identity", was.Identity, s.Identity)
	set("credentials_file", was.CredentialsFile, s.CredentialsFile)
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
