package sqlite

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// actionImport is the action of edits that come from a file: they get no
// owner, no date of today and no question for a lost reason.
const actionImport = "import"

// errDryRun rolls a transaction back that did all it should.
var errDryRun = errors.New("dry run")

// Save applies one edit and returns the record as it is then.
func (d *DB) Save(ctx context.Context, ed model.Edit) (*model.Record, error) {
	var saved model.Saved
	var looked map[recordKey]bool
	err := d.write(ctx, "save "+string(ed.Noun), func(t *Tx) (err error) {
		saved, err = t.save(ed)
		looked = t.looked
		return err
	})
	if err != nil {
		return nil, err
	}
	d.pairUp(ctx, looked)
	return d.Get(ctx, ed.Noun, saved.ID)
}

// SaveAll applies edits in one transaction; one that fails leaves the others
// alone. A dry run does the same and takes everything back at the end.
func (d *DB) SaveAll(ctx context.Context, edits []model.Edit, dryRun bool) ([]model.Saved, error) {
	out := make([]model.Saved, len(edits))
	err := d.write(ctx, "save", func(t *Tx) error {
		for i, ed := range edits {
			if err := ctx.Err(); err != nil {
				return model.Errorf(model.Interrupted, "it was stopped; nothing of this step was kept").Because(err)
			}
			saved, err := t.alone(func() (model.Saved, error) { return t.save(ed) })
			if own := (*model.Error)(nil); err != nil && !errors.As(err, &own) {
				return err
			}
			if out[i] = saved; err != nil {
				out[i] = model.Saved{ID: ed.ID, Err: err}
			}
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return out, err
}

// MoveDeal puts a deal into a stage, named or by id.
func (d *DB) MoveDeal(ctx context.Context, id model.ID, stage, lostReason string) (*model.Record, error) {
	ref := model.Ref{Noun: "stage", Name: stage}
	if sid, ok := model.ParseID(stage); ok {
		ref.ID, ref.Name = sid, ""
	}
	ed := model.Edit{Noun: "deal", ID: id, Set: map[string]any{"stage": ref}}
	if lostReason != "" {
		ed.Set["lost_reason"] = lostReason
	}
	return d.Save(ctx, ed)
}

// Delete puts records into the bin.
func (d *DB) Delete(ctx context.Context, n model.Noun, ids ...model.ID) error {
	return d.mark(ctx, n, ids, "delete")
}

// Restore takes records out of the bin.
func (d *DB) Restore(ctx context.Context, n model.Noun, ids ...model.ID) error {
	return d.mark(ctx, n, ids, "restore")
}

// mark sets or clears deleted_at. Parts stay with their record.
func (d *DB) mark(ctx context.Context, n model.Noun, ids []model.ID, action string) error {
	e := model.EntityOf(n)
	if e == nil || e.IsPart() {
		return model.Errorf(model.Invalid, "there is no noun %q", n)
	}
	return d.write(ctx, action+" "+string(e.Noun), func(t *Tx) error {
		for _, id := range ids {
			if err := t.mark(e, id, action); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) mark(e *model.Entity, id model.ID, action string) error {
	old, err := t.row(e, id)
	if err != nil {
		return err
	}
	if old == nil {
		return model.Errorf(model.NotFound, "there is no %s %s", e.Noun, id.Short())
	}
	var at any
	if action == "delete" {
		if old.Get(e, model.ColumnDeletedAt) != nil {
			return nil
		}
		if err := t.mayDelete(e, id); err != nil {
			return err
		}
		at = t.now.UnixMilli()
	}
	row := slices.Clone(old)
	row.Set(e, model.ColumnDeletedAt, at)
	return t.change(e, old, row, revision{Action: action, Noun: e.Noun, Record: id})
}

// change edits a row and logs it; nothing happens where the rows agree.
func (t *Tx) change(e *model.Entity, old, row model.Row, r revision) error {
	if old != nil && model.SameData(e, old, row) {
		return nil
	}
	r.Entity, r.Row, r.Changes = e, row.ID(), model.Changes(e, old, row)
	if old == nil {
		r.Changes = slices.DeleteFunc(r.Changes, func(c model.FieldChange) bool { return c.New == false })
	}
	if err := t.edit(e, old, row); err != nil {
		return err
	}
	if r.Action != actionImport {
		t.look(e, old, row)
	}
	if old != nil && planOf(e).titled {
		if err := t.renamed(e, old, row); err != nil {
			return err
		}
	}
	return t.log(r)
}

// saving is one edit on its way into the tables.
type saving struct {
	t      *Tx
	ed     model.Edit
	e      *model.Entity
	newID  model.ID      // wanted for a new record, "" for any
	old    *model.Record // nil for a new record
	oldRow model.Row
	rec    *model.Record   // what the record becomes
	lists  map[string]bool // lists that the edit touches
}

// imported tells whether the edit comes from a file.
func (s *saving) imported() bool { return s.ed.Action == actionImport }

// sets tells whether the edit itself gives a field.
func (s *saving) sets(field string) bool { _, ok := s.ed.Set[field]; return ok }

// alone does one thing of several; if it fails, it alone is undone.
func (t *Tx) alone(fn func() (model.Saved, error)) (model.Saved, error) {
	if err := t.exec("SAVEPOINT one"); err != nil {
		return model.Saved{}, err
	}
	saved, err := fn()
	if err != nil {
		if undo := t.exec("ROLLBACK TO one"); undo != nil {
			// The file took the whole transaction back, as it does on a full
			// disk: what went wrong first is what a person must hear.
			if own := (*model.Error)(nil); errors.As(err, &own) {
				err = undo
			}
			return model.Saved{}, err
		}
		clear(t.names)
	}
	if end := t.exec("RELEASE one"); end != nil {
		return model.Saved{}, end
	}
	return saved, err
}

// save applies one edit.
func (t *Tx) save(ed model.Edit) (model.Saved, error) { return t.saveUnder(ed, "") }

// saveUnder applies one edit and gives a new record that id, unless its id
// derives from its name; without one it gets an id of its own.
func (t *Tx) saveUnder(ed model.Edit, id model.ID) (model.Saved, error) {
	s, err := t.begin(ed)
	if err != nil {
		return model.Saved{}, err
	}
	s.newID = id
	for _, step := range []func() error{s.setFields, s.identify, s.setLists, s.applyRules, s.validate, s.checkCycles} {
		if err := step(); err != nil {
			return model.Saved{}, err
		}
	}
	return s.store()
}

func (s *saving) validate() error { return model.Problems(s.e, model.Validate(s.rec)) }

// begin loads the record that an edit changes, or starts a new one.
func (t *Tx) begin(ed model.Edit) (*saving, error) {
	e := model.EntityOf(ed.Noun)
	if e == nil || e.IsPart() {
		return nil, model.Errorf(model.Invalid, "there is no noun %q", ed.Noun)
	}
	s := &saving{t: t, ed: ed, e: e, lists: map[string]bool{}}
	s.ed.Set = map[string]any{}
	maps.Copy(s.ed.Set, ed.Set)
	if ed.ID == "" {
		s.rec = model.NewRecord(e.Noun)
		for i := range e.Fields {
			if f := &e.Fields[i]; f.Default != nil {
				s.rec.Values[f.Name] = f.Default
			}
		}
		if f := e.Field("owner"); f != nil && !s.sets("owner") && !s.imported() && t.db.settings.Me != "" {
			ref, err := t.me(false)
			if err != nil {
				return nil, err
			}
			if !ref.IsZero() {
				s.rec.Values["owner"] = ref
			}
		}
		return s, nil
	}
	if err := s.load(ed.ID); err != nil {
		return nil, err
	}
	if s.old == nil {
		return nil, model.Errorf(model.NotFound, "there is no %s %s", e.Noun, ed.ID.Short())
	}
	if !s.old.DeletedAt.IsZero() {
		return nil, model.Errorf(model.Invalid, "this %s is deleted", e.Noun).WithHint("restore it first")
	}
	return s, nil
}

// load reads the stored record and makes a copy to change.
func (s *saving) load(id model.ID) error {
	row, err := s.t.row(s.e, id)
	if err != nil || row == nil {
		return err
	}
	old := model.RecordOf(s.e, row)
	if err := s.t.db.fill(context.Background(), prepared{s.t}, s.e, []*model.Record{old}, false); err != nil {
		return err
	}
	rec := *old
	rec.Values = maps.Clone(old.Values)
	s.old, s.oldRow, s.rec = old, row, &rec
	return nil
}

// setFields gives the record the edit's values, lists apart. Fields are taken
// in their declared order: a stage is looked up in its pipeline.
func (s *saving) setFields() error {
	for name := range s.ed.Set {
		f := s.e.Field(name)
		if f == nil {
			_, err := model.WritableField(s.e, name)
			return err
		}
		if f.ReadOnly && !s.imported() {
			return model.Errorf(model.Invalid, "%s is set by the program", name)
		}
	}
	for i := range s.e.Fields {
		f := &s.e.Fields[i]
		v, ok := s.ed.Set[f.Name]
		if !ok || f.Type == model.List {
			continue
		}
		v, err := s.t.value(f, v, s.rec, s.ed)
		if err != nil {
			return err
		}
		s.rec.Values[f.Name] = v
	}
	return nil
}

// value checks the type of a field's value and resolves a link.
func (t *Tx) value(f *model.Field, v any, in *model.Record, ed model.Edit) (any, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	ok := false
	switch x := v.(type) {
	case string:
		switch f.Type {
		case model.Text, model.LongText, model.Choice, model.Decimal, model.Date, model.PartialDate:
			ok = true
		}
	case int64:
		ok = f.Type == model.Int
	case bool:
		ok = f.Type == model.Bool
	case time.Time:
		if x.IsZero() {
			return nil, nil
		}
		v, ok = x.UTC().Truncate(time.Millisecond), f.Type == model.Time
	case model.Money:
		if x.Currency == "" {
			x.Currency = t.db.settings.Currency
		}
		x.Currency = strings.ToUpper(x.Currency)
		v, ok = x, f.Type == model.MoneyType
	case model.Ref:
		if f.Type == model.Link {
			return t.resolve(f, x, in, ed)
		}
	}
	if !ok {
		return nil, model.Errorf(model.Invalid, "%s cannot hold %q", f.Label, model.FormatValue(v))
	}
	return v, nil
}

// identify gives a new record its id. Where the id derives from a name, a
// deleted record of that name comes back to life.
func (s *saving) identify() error {
	if s.old != nil {
		return nil
	}
	if !s.e.Derived {
		if s.rec.ID = s.newID; s.rec.ID == "" {
			s.rec.ID = s.t.db.ids.New()
		}
		return nil
	}
	id := model.DerivedID(string(s.e.Noun), model.PartKeyOf(s.rec))
	row, err := s.t.row(s.e, id)
	if err != nil {
		return err
	}
	if row == nil {
		s.rec.ID = id
		return nil
	}
	if row.Get(s.e, model.ColumnDeletedAt) == nil {
		return model.Errorf(model.Invalid, "there is %s %q already", s.e.One(), model.RecordOf(s.e, row).Title())
	}
	wanted := s.rec.Values
	if err := s.load(id); err != nil {
		return err
	}
	maps.Copy(s.rec.Values, wanted)
	return nil
}

// checkCycles refuses a record that would stand above itself: a parent, a
// manager.
func (s *saving) checkCycles() error {
	for i := range s.e.Fields {
		f := &s.e.Fields[i]
		if f.Type != model.Link || len(f.To) != 1 || f.To[0] != s.e.Noun {
			continue
		}
		seen := map[model.ID]bool{s.rec.ID: true}
		for id := s.rec.Ref(f.Name).ID; id != ""; {
			if seen[id] {
				return model.Errorf(model.Invalid, "%s: that would make a circle", f.Label)
			}
			seen[id] = true
			row, err := s.t.row(s.e, id)
			if err != nil {
				return err
			}
			if row == nil {
				break
			}
			ref, _ := model.FieldValue(s.e, f, row).(model.Ref)
			id = ref.ID
		}
	}
	return nil
}

// store writes the record's row and the touched lists.
func (s *saving) store() (model.Saved, error) {
	out := model.Saved{ID: s.rec.ID, Created: s.old == nil}
	row := s.t.newRow(s.e, s.rec.ID)
	if s.oldRow != nil {
		row = slices.Clone(s.oldRow)
		row.Set(s.e, model.ColumnDeletedAt, nil)
	}
	for i := range s.e.Fields {
		f := &s.e.Fields[i]
		model.SetFieldValue(s.e, f, row, s.rec.Values[f.Name])
	}
	r := revision{Action: s.ed.Action, Noun: s.e.Noun, Record: s.rec.ID, Run: s.ed.Run}
	if r.Action == "" {
		if r.Action = "edit"; s.old == nil {
			r.Action = "add"
		}
	}
	out.Changed = s.old == nil || !model.SameData(s.e, s.oldRow, row)
	if err := s.t.change(s.e, s.oldRow, row, r); err != nil {
		return out, err
	}
	for _, f := range s.e.Lists() {
		if !s.lists[f.Name] {
			continue
		}
		changed, err := s.storeList(f, r)
		if err != nil {
			return out, err
		}
		out.Changed = out.Changed || changed
	}
	changed, err := s.storeHistory(r)
	out.Changed = out.Changed || changed
	return out, err
}

// newRow returns a row that the server has never had.
func (t *Tx) newRow(e *model.Entity, id model.ID) model.Row {
	row := model.NewRow(e)
	row[0] = id
	row.Set(e, model.ColumnVersion, int64(0))
	row.Set(e, model.ColumnCreatedAt, t.now.UnixMilli())
	row.Set(e, model.ColumnCreatedBy, text(t.db.settings.Me))
	return row
}
