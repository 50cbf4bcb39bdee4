package transfer

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"rapport/model"
)

// file is one input file, read and recognised but not parsed.
type file struct {
	path   string
	name   string
	format string
	data   []byte
	text   string // of a table
	delim  byte
	header []string
	table  *table
}

// open reads every file and finds out what it holds.
func (im *importer) open() error {
	var files []*file
	for _, path := range im.req.Files {
		f, err := readFile(path, im.req.Format)
		if err != nil {
			return err
		}
		files = append(files, f)
		if f.text != "" && f.delim != 0 {
			if _, western := decodeText(f.data); western {
				im.notes.add(readAs, f.name+" is not UTF-8, taken for windows-1252")
			}
		}
	}
	sales, err := im.openSales(files)
	if err != nil {
		return err
	}
	im.sources = append(im.sources, sales...)
	for _, f := range files {
		if f.table != nil {
			continue
		}
		src, err := im.openFile(f)
		if err != nil {
			return err
		}
		im.sources = append(im.sources, src)
	}
	for _, src := range im.sources {
		im.total += src.total
		if e := model.EntityOf(src.noun); e != nil {
			for _, k := range im.req.Key {
				if _, err := model.WritableField(e, k); err != nil && k != "name" {
					return err
				}
			}
		}
	}
	return nil
}

// readFile reads a file and tells its format by the request, its name or its
// beginning.
func readFile(path, format string) (*file, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, model.Errorf(model.NotFound, "there is no file %s", path)
	}
	if err != nil {
		return nil, model.Errorf(model.Invalid, "%s cannot be read", path).Because(err)
	}
	f := &file{path: path, name: filepath.Base(path), data: data, format: strings.ToLower(format)}
	if f.format == "" {
		f.format = guessFormat(path, data)
	}
	switch f.format {
	case "csv", "tsv":
		f.text, _ = decodeText(data)
		if f.delim = '\t'; f.format == "csv" {
			f.delim = sniffDelimiter(f.text)
		}
		for row := range readCSV(f.text, f.delim) {
			f.header = row.Cells
			if row.Problem != "" {
				return nil, model.Errorf(model.Invalid, "%s: %s in its header", f.name, row.Problem)
			}
			break
		}
	case "json", "ndjson", "vcf":
	case "xlsx":
		return nil, model.Errorf(model.Invalid, "%s: xlsx files are not read", f.name).WithHint("save it as CSV")
	default:
		return nil, model.Errorf(model.Invalid, "there is no format %q", f.format).WithHint("it is csv, tsv, json, ndjson or vcf")
	}
	return f, nil
}

// guessFormat tells a file's format by its name, else by its beginning.
func guessFormat(path string, data []byte) string {
	switch ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), ".")); ext {
	case "csv", "tsv", "json", "ndjson", "vcf", "xlsx":
		return ext
	case "tab":
		return "tsv"
	case "jsonl":
		return "ndjson"
	case "vcard":
		return "vcf"
	}
	head := bytes.TrimSpace(decodeWide(data[:min(len(data), 4096)]))
	switch {
	case len(head) >= 11 && strings.EqualFold(string(head[:11]), "BEGIN:VCARD"):
		return "vcf"
	case len(head) > 0 && (head[0] == '{' || head[0] == '['):
		return "json"
	}
	return "csv"
}

// openFile makes a source of a file.
func (im *importer) openFile(f *file) (source, error) {
	src := source{noun: im.req.As}
	switch f.format {
	case "vcf":
		if src.noun == "" {
			src.noun = "contact"
		}
		src.total = int64(bytes.Count(bytes.ToUpper(f.data), []byte("BEGIN:VCARD")))
		src.items = im.cards(f)
		return src, nil
	case "json", "ndjson":
		schema, objects, err := readJSON(f.data)
		if err != nil {
			return src, model.Errorf(model.Invalid, "%s is not JSON", f.name).Because(err)
		}
		t := &table{noun: im.req.As}
		if t.noun == "" {
			t.noun = schemaNoun(schema)
		}
		if t.noun == "" {
			return src, model.Errorf(model.Invalid, "nothing in %s says what its records are", f.name).WithHint("say it with --as")
		}
		src.noun = t.noun
		src.items = func(yield func(item) bool) {
			for o := range objects {
				if !yield(t.readObject(f.name, o, im.req.Env, im.req, im.notes)) {
					return
				}
			}
		}
		return src, nil
	}
	t, err := mapTable(f.name, f.header, im.req)
	if err != nil {
		return src, err
	}
	src.noun, src.total, src.items = t.noun, int64(strings.Count(f.text, "\n")), im.rows(f, t)
	return src, nil
}

// body reads the rows after the header.
func (f *file) body() iter.Seq[csvRow] {
	return func(yield func(csvRow) bool) {
		header := true
		for row := range readCSV(f.text, f.delim) {
			if !header && !yield(row) {
				return
			}
			header = false
		}
	}
}

// rows are the rows of a table after its header.
func (im *importer) rows(f *file, t *table) iter.Seq[item] {
	return func(yield func(item) bool) {
		for row := range f.body() {
			it := t.readRow(f.name, row, im.req.Env, im.notes)
			if it.edit.Noun == "" {
				it.edit.Noun = t.noun
			}
			if !yield(it) {
				return
			}
		}
	}
}

// cards are the cards of a vCard file. A file without any is refused as one.
func (im *importer) cards(f *file) iter.Seq[item] {
	return func(yield func(item) bool) {
		any := false
		for c := range readCards(f.data) {
			any = true
			if !yield(readCard(f.name, &c, im.req.As, im.req.Env, im.notes)) {
				return
			}
		}
		if !any {
			yield(item{file: f.name, line: 1, header: []string{"card"}, source: []string{""},
				err: model.Errorf(model.Invalid, "there is no vCard in this file")})
		}
	}
}
