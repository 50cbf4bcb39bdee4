package sqlite

import (
	"encoding/json"

	"rapport/model"
)

// revision is one history entry: what happened to one row of a record.
type revision struct {
	At      int64  // milliseconds; 0 for now
	Action  string // add, edit, delete, restore, import, sync, merge, settle, undo
	By      string // "" for the person of this workspace
	Noun    model.Noun
	Record  model.ID
	Entity  *model.Entity // of the row
	Row     model.ID
	Changes []model.FieldChange
	Note    string // what the program decided by itself
	Run     string // the import run
	Foreign bool   // it came from the central: not for this workspace to take back
	Undoes  int64  // the act that it takes back, 0 if none
}

// beginAct makes what is logged from now on an act of its own. Without it, what
// one transaction does is one act.
func (t *Tx) beginAct() { t.act = 0 }

// currentAct returns the number of the act that is under way.
func (t *Tx) currentAct() (int64, error) {
	if t.act != 0 {
		return t.act, nil
	}
	_, err := t.one([]any{&t.act}, "SELECT coalesce(max(act), 0) + 1\nFROM audit\nWHERE act IS NOT NULL")
	return t.act, err
}

// log stores a history entry.
func (t *Tx) log(r revision) error {
	if r.By == "" {
		r.By = t.db.settings.Me
	}
	if r.At == 0 {
		r.At = t.now.UnixMilli()
	}
	var act, undoes any
	if !r.Foreign {
		n, err := t.currentAct()
		if err != nil {
			return err
		}
		act = n
	}
	if r.Undoes != 0 {
		undoes = r.Undoes
	}
	return t.exec(`INSERT INTO audit (at, by, action, noun, record_id, tbl, row_id, changes, note, run, act, undoes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.At, text(r.By), r.Action, string(r.Noun), r.Record.Bytes(), string(r.Entity.Noun), r.Row.Bytes(),
		encodeChanges(r.Entity, r.Changes), text(r.Note), text(r.Run), act, undoes)
}

// encodeField writes a field's value as the JSON array of its columns' cells.
func encodeField(e *model.Entity, field string, v any) []any {
	f := e.Field(field)
	if f == nil { // a service column or a part's owner
		if ref, ok := v.(model.Ref); ok {
			return []any{string(ref.Noun), ref.ID}
		}
		return []any{v}
	}
	row := make(model.Row, len(e.Columns()))
	if v != nil {
		model.SetFieldValue(e, f, row, v)
	}
	var cells []any
	for _, i := range model.FieldColumns(e, field) {
		cells = append(cells, row[i])
	}
	return cells
}

// decodeField is the opposite of encodeField. Links have no name yet.
func decodeField(e *model.Entity, field string, cells []any) any {
	f := e.Field(field)
	if f == nil {
		if len(cells) == 2 {
			noun, _ := cells[0].(string)
			id, _ := cells[1].(string)
			return model.Ref{Noun: model.Noun(noun), ID: model.ID(id)}
		}
		if len(cells) == 1 {
			return cells[0]
		}
		return nil
	}
	row := make(model.Row, len(e.Columns()))
	cols := e.Columns()
	for n, i := range model.FieldColumns(e, field) {
		if n >= len(cells) {
			break
		}
		row[i] = cells[n]
		if s, ok := cells[n].(string); ok && cols[i].Type == model.ColID {
			row[i] = model.ID(s)
		}
	}
	return model.FieldValue(e, f, row)
}

// encodeCells writes one value for sync_conflict.
func encodeCells(e *model.Entity, field string, v any) string {
	data, _ := json.Marshal(encodeField(e, field, v))
	return string(data)
}

// decodeCells is the opposite of encodeCells.
func decodeCells(e *model.Entity, field, data string) any {
	var cells []any
	if unmarshal(data, &cells) != nil {
		return nil
	}
	return decodeField(e, field, cells)
}

func encodeChanges(e *model.Entity, changes []model.FieldChange) string {
	list := make([][]any, 0, len(changes))
	for _, c := range changes {
		list = append(list, []any{c.Field, encodeField(e, c.Field, c.Old), encodeField(e, c.Field, c.New)})
	}
	data, _ := json.Marshal(list)
	return string(data)
}

func decodeChanges(e *model.Entity, data string) []model.FieldChange {
	var list [][]any
	if unmarshal(data, &list) != nil {
		return nil
	}
	var out []model.FieldChange
	for _, item := range list {
		if len(item) != 3 {
			continue
		}
		name, _ := item[0].(string)
		old, _ := item[1].([]any)
		new, _ := item[2].([]any)
		out = append(out, model.FieldChange{Field: name, Old: decodeField(e, name, old), New: decodeField(e, name, new)})
	}
	return out
}
