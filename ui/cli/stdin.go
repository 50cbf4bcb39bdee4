package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"rapport/model"
)

// rejected is a record of many that was not saved.
type rejected struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// document is one JSON value of the input, or what is wrong with it.
type document struct {
	line int
	data json.RawMessage
	err  error
}

// documents takes the input apart: an array, or values one after the other. A
// value that cannot be read is an error of its own, and reading goes on at the
// next line that begins an object.
func documents(data []byte) (docs []document, many bool, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, false, model.Errorf(model.Invalid, "the standard input is empty").WithHint("give a JSON object, an array or NDJSON")
	}
	if trimmed[0] == '[' {
		docs, err = arrayItems(data)
		return docs, true, err
	}
	start := 0
	for {
		rest := data[start:]
		blank := len(rest) - len(bytes.TrimLeft(rest, " \t\r\n"))
		if blank == len(rest) {
			return docs, len(docs) > 1, nil
		}
		start += blank
		line := 1 + bytes.Count(data[:start], []byte("\n"))
		dec := json.NewDecoder(bytes.NewReader(data[start:]))
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			docs = append(docs, document{line: line, err: model.Errorf(model.Invalid, "line %d is not JSON: %v", line, err)})
			at := bytes.Index(data[start:], []byte("\n{"))
			if at < 0 {
				return docs, len(docs) > 1, nil
			}
			start += at + 1
			continue
		}
		docs = append(docs, document{line: line, data: raw})
		start += int(dec.InputOffset())
	}
}

// arrayItems returns the items of an array with the lines they begin on.
func arrayItems(data []byte) ([]document, error) {
	bad := func(err error) error {
		return model.Errorf(model.Invalid, "the standard input is not a JSON array: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return nil, bad(err)
	}
	var docs []document
	for dec.More() {
		at := int(dec.InputOffset())
		at += len(data[at:]) - len(bytes.TrimLeft(data[at:], " \t\r\n,"))
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, bad(err)
		}
		docs = append(docs, document{line: 1 + bytes.Count(data[:at], []byte("\n")), data: raw})
	}
	if _, err := dec.Token(); err != nil {
		return nil, bad(err)
	}
	return docs, nil
}

// saveStdin saves what the standard input holds. base carries the values of
// the flags, which hold for every record, and the id of an edit that names one.
func (a *app) saveStdin(ctx context.Context, ws model.Workspace, e *model.Entity, base model.Edit, add bool) error {
	data, err := a.readAll(ctx)
	if err != nil {
		return err
	}
	docs, many, err := documents(data)
	if err != nil {
		return err
	}
	if many && base.ID != "" {
		return model.Errorf(model.Invalid, "one id cannot be that of %d records", len(docs)).WithHint("leave the id out and write \"id\" into each object")
	}
	var edits []model.Edit
	var lines []int
	out := []rejected{}
	var firstErr error
	reject := func(line int, err error) {
		if firstErr == nil {
			firstErr = err
		}
		code, msg, _ := describe(err)
		out = append(out, rejected{Line: line, Code: code, Message: msg})
	}
	for _, d := range docs {
		ed, err := a.editOf(ctx, ws, e, base, d, add)
		if err != nil {
			reject(d.line, err)
			continue
		}
		edits, lines = append(edits, ed), append(lines, d.line)
	}
	if !many {
		if firstErr != nil {
			return firstErr
		}
		verb := "Changed"
		if add {
			verb = "Added"
		}
		return a.save(ctx, ws, edits[0], verb)
	}
	saved, err := ws.SaveAll(ctx, edits, a.flags.dryRun)
	if err != nil {
		return err
	}
	items := []*model.Record{}
	good := 0
	for i, s := range saved {
		if s.Err != nil {
			reject(lines[i], s.Err)
			continue
		}
		good++
		if a.flags.dryRun {
			continue
		}
		r, err := ws.Get(ctx, e.Noun, s.ID)
		if err != nil {
			return err
		}
		items = append(items, r)
	}
	return a.printMany(e, items, good, out)
}

// editOf reads one document.
func (a *app) editOf(ctx context.Context, ws model.Reader, e *model.Entity, base model.Edit, d document, add bool) (model.Edit, error) {
	if d.err != nil {
		return base, d.err
	}
	data, err := d.data, error(nil)
	if !add {
		if data, err = wholeID(ctx, ws, e, data); err != nil {
			return base, err
		}
	}
	ed, err := model.EditFromJSON(e, data, a.env())
	if err != nil {
		return ed, err
	}
	set := maps.Clone(base.Set)
	maps.Copy(set, ed.Set)
	ed.Set, ed.Add, ed.Remove = set, base.Add, base.Remove
	switch {
	case add:
		// A record that was printed elsewhere may be added here; it
		// becomes a new one.
		ed.ID = ""
	case base.ID != "" && ed.ID != "" && ed.ID != base.ID:
		return ed, model.Errorf(model.Invalid, "the object has the id of another record")
	case base.ID != "":
		ed.ID = base.ID
	case ed.ID == "":
		return ed, model.Errorf(model.Invalid, "the object has no id")
	}
	return ed, nil
}

// wholeID writes out the id of an object that has a shortened one.
func wholeID(ctx context.Context, ws model.Reader, e *model.Entity, data json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	var ref string
	if json.Unmarshal(data, &members) != nil || json.Unmarshal(members["id"], &ref) != nil || ref == "" {
		return data, nil // what is wrong is told when the object is read
	}
	if _, whole := model.ParseID(ref); whole {
		return data, nil
	}
	id, err := ws.Find(ctx, e.Noun, ref)
	if err != nil {
		return nil, err
	}
	members["id"] = encode(id)
	return encode(members), nil
}

// printMany prints the outcome of several records.
func (a *app) printMany(e *model.Entity, items []*model.Record, good int, bad []rejected) error {
	if a.json {
		o := object{{"items", items}, {"rejected", bad}}
		if a.flags.dryRun {
			o = append(o, pair{"dry_run", true}, pair{"accepted", good})
		}
		if err := a.result(o); err != nil {
			return err
		}
	} else {
		for _, r := range items {
			if err := a.print("%s  %s", r.ID.Short(), model.Visible(r.Title())); err != nil {
				return err
			}
		}
		for _, r := range bad {
			fmt.Fprintf(a.Err, "line %d: %s\n", r.Line, model.Visible(r.Message))
		}
	}
	if len(bad) > 0 {
		return model.Errorf(model.Partial, "%d of %s rejected", len(bad), plural(int64(good+len(bad)), "record was", "records were")).
			WithHint("the others are saved; correct these and add them again")
	}
	return nil
}
