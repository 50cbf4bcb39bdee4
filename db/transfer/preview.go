package transfer

import (
	"context"

	"rapport/model"
)

// previewRows is how many rows a preview shows.
const previewRows = 10

// Preview returns the header and the first rows of the first file, the preset
// that fits and the proposed mapping. Of files that are no tables it shows the
// records' titles and what was found in them. Errors: Invalid, NotFound.
func (t *Transfer) Preview(_ context.Context, req model.ImportRequest) (model.ImportPreview, error) {
	im := &importer{t: t, req: req, notes: newNotes(), links: map[string]model.Ref{}}
	if err := im.check(); err != nil {
		return model.ImportPreview{}, err
	}
	im.req.Files = req.Files[:1]
	f, err := readFile(req.Files[0], req.Format)
	if err != nil {
		return model.ImportPreview{}, err
	}
	out := model.ImportPreview{Format: f.format, As: im.req.As, Map: map[string]string{}}
	if f.delim != 0 {
		return previewTable(f, im.req, out)
	}
	if err := im.open(); err != nil {
		return out, err
	}
	out.As = im.sources[0].noun
	e := model.EntityOf(out.As)
	for i := range e.Fields {
		if !e.Fields[i].ReadOnly {
			out.Header = append(out.Header, e.Fields[i].Name)
			out.Map[e.Fields[i].Name] = e.Fields[i].Name
		}
	}
	for it := range im.sources[0].items {
		if len(out.Rows) == previewRows {
			break
		}
		r := &model.Record{Noun: e.Noun, ID: it.edit.ID, Values: it.edit.Set}
		row := make([]string, len(out.Header))
		for i, name := range out.Header {
			if it.err == nil && it.edit.Noun == e.Noun {
				row[i] = cellOf(r, name)
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// previewTable shows a table's first rows as they stand in the file.
func previewTable(f *file, req model.ImportRequest, out model.ImportPreview) (model.ImportPreview, error) {
	out.Header = f.header
	if out.Preset = guessPreset(f.header); req.Preset != "" {
		out.Preset = req.Preset
	}
	for row := range f.body() {
		if out.Rows = append(out.Rows, row.Cells); len(out.Rows) == previewRows {
			break
		}
	}
	if out.Preset == presetSales {
		out.As = salesNouns[salesFile(f.header)]
		return out, nil
	}
	t, err := mapTable(f.name, f.header, req)
	if err != nil {
		if req.As == "" && len(req.Map) == 0 {
			err = nil // the person has to say what it is
		}
		return out, err
	}
	out.As, out.Map = t.noun, t.mapping()
	return out, nil
}
