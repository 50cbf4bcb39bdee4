package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"rapport/model"
)

// rejectHeader begins a rejects file; the columns of the source follow, so
// that it can be corrected and imported again.
var rejectHeader = []string{"file", "line", "code", "message"}

// reject notes a row that was refused.
func (im *importer) reject(it item, noun model.Noun, err *model.Error) {
	im.count(noun, func(c *model.Counts) { c.Rejected++ })
	msg := err.Msg
	if msg == "" {
		msg = err.Error()
	}
	im.result.Rejects = append(im.result.Rejects, model.Reject{File: it.file, Line: it.line, Code: err.Kind.String(), Message: msg, Source: it.source})
	im.rejected = append(im.rejected, it.header)
}

// writeRejects writes the rejected rows into the home's imports folder.
func (im *importer) writeRejects() error {
	if len(im.result.Rejects) == 0 || im.req.DryRun {
		return nil
	}
	columns := append([]string(nil), rejectHeader...)
	at := map[string]int{}
	for _, header := range im.rejected {
		for _, h := range header {
			if _, ok := at[h]; !ok {
				at[h] = len(columns)
				columns = append(columns, h)
			}
		}
	}
	data := appendCSVRow(nil, columns, ',')
	for i, r := range im.result.Rejects {
		row := make([]string, len(columns))
		copy(row, []string{guard(r.File, false), strconv.Itoa(r.Line), r.Code, guard(r.Message, false)})
		for j, h := range im.rejected[i] {
			if j < len(r.Source) {
				row[at[h]] = sourceCell(r.Source[j])
			}
		}
		data = appendCSVRow(data, row, ',')
	}
	path := filepath.Join(im.t.home, "imports", im.result.Run+"-rejects.csv")
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	im.result.RejectsFile = path
	return nil
}

// sourceCell guards a cell as read, so that reading it again gives the same.
func sourceCell(s string) string { return guard(unguard(s), false) }

// writeFile makes a file by writing another one, syncing it and renaming it,
// so that it is whole or absent.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rejects-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
