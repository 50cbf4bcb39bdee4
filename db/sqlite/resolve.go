package sqlite

import (
	"context"
	"slices"
	"strings"

	"rapport/model"
)

// makeable are the nouns that an edit with MakeLinks makes when a link names
// one that is missing.
var makeable = []model.Noun{"organization", "product", "tag", "user", "pipeline", "stage"}

// resolve turns a link by name into one by id.
func (t *Tx) resolve(f *model.Field, ref model.Ref, in *model.Record, ed model.Edit) (any, error) {
	if ref.IsZero() {
		return nil, nil
	}
	if ref.Noun == "" || len(f.To) == 1 {
		ref.Noun = f.To[0]
	}
	e := model.EntityOf(ref.Noun)
	if e == nil || !slices.Contains(f.To, e.Noun) {
		return nil, model.Errorf(model.Invalid, "%s cannot point to a %s", f.Label, ref.Noun)
	}
	if ref.ID != "" {
		row, err := t.row(e, ref.ID)
		if err != nil {
			return nil, err
		}
		if row == nil {
			if in.Ref(f.Name).ID == ref.ID { // not visible here, and not changed
				return in.Ref(f.Name), nil
			}
			return nil, missingLink(f, e, string(ref.ID))
		}
		return model.Ref{Noun: e.Noun, ID: ref.ID, Name: model.RecordOf(e, row).Title()}, nil
	}
	name := ref.Name
	var id model.ID
	var err error
	if e.Noun == "stage" {
		id, err = t.stageNamed(in.Ref("pipeline").ID, name, ed)
	} else {
		id, err = t.lookup(e, name, ed)
	}
	if model.KindOf(err) == model.NotFound {
		return nil, missingLink(f, e, name)
	}
	if err != nil {
		return nil, err
	}
	return model.Ref{Noun: e.Noun, ID: id, Name: name}, nil
}

// missingLink says that what a link names is not there. The value is wrong, not
// the record that is saved: the error is Invalid.
func missingLink(f *model.Field, e *model.Entity, name string) error {
	err := model.Errorf(model.Invalid, "%s: there is no %s %q", f.Label, e.Noun, name)
	if len(f.To) > 1 {
		forms := make([]string, len(f.To))
		for i, n := range f.To {
			forms[i] = string(n) + ":ID"
		}
		return err.WithHint("write it as one of %s", strings.Join(forms, ", "))
	}
	return err.WithHint("name one that is there, or add it first: rapport %s add", e.Noun)
}

// lookup returns the record that a name or a shortened id means, and makes it
// where the edit allows.
func (t *Tx) lookup(e *model.Entity, name string, ed model.Edit) (model.ID, error) {
	if t.db.isMe(e.Noun, name) {
		ref, err := t.me(true)
		return ref.ID, err
	}
	key := nameKey(e.Noun, model.Fold(name))
	if id, ok := t.names[key]; ok {
		return id, nil
	}
	ctx := context.Background()
	ids, err := t.db.named(ctx, prepared{t}, e.Noun, name)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 && !ed.MakeLinks {
		if ids, err = t.db.shortened(ctx, e, strings.ToLower(strings.TrimSpace(name))); err != nil {
			return "", err
		}
	}
	var id model.ID
	if len(ids) == 0 && (e.Noun == "tag" || ed.MakeLinks && slices.Contains(makeable, e.Noun)) {
		id, err = t.makeNamed(e, name, ed)
	} else {
		id, err = t.db.only(ctx, t, e, name, ids)
	}
	if err == nil {
		t.names[key] = id
	}
	return id, err
}

// makeNamed makes a record of which only the name is known.
func (t *Tx) makeNamed(e *model.Entity, name string, ed model.Edit) (model.ID, error) {
	made := model.Edit{Noun: e.Noun, Set: map[string]any{e.NameField().Name: name}, Action: ed.Action, Run: ed.Run}
	if e.Noun == "pipeline" {
		made.Set["stages"] = seedStages()
	}
	saved, err := t.save(made)
	return saved.ID, err
}

// seedStages are the stages of a new pipeline: those of the first one.
func seedStages() []*model.Record {
	var out []*model.Record
	e := model.EntityOf("stage")
	for _, row := range model.SeedRows()["stage"] {
		r := model.RecordOf(e, row)
		r.ID = ""
		out = append(out, r)
	}
	return out
}

// me returns the user of this workspace. Where nobody has the login yet it is
// made, if make says so, else the zero Ref is returned.
func (t *Tx) me(make bool) (model.Ref, error) {
	login := t.db.settings.Me
	ref := model.Ref{Noun: "user", Name: login}
	key := nameKey("user", "\x00me")
	if id, ok := t.names[key]; ok {
		ref.ID = id
		return ref, nil
	}
	e := model.EntityOf("user")
	ids, err := matching(context.Background(), prepared{t}, e, severalIDs, "login COLLATE NOCASE = ?", login)
	if err != nil {
		return ref, err
	}
	switch {
	case len(ids) > 0:
		ref.ID = ids[0]
	case !make:
		return model.Ref{}, nil
	default:
		saved, err := t.save(model.Edit{Noun: "user", Set: map[string]any{"login": login}})
		if err != nil {
			return ref, err
		}
		ref.ID = saved.ID
	}
	t.names[key] = ref.ID
	return ref, nil
}

// stageNamed returns the stage of a pipeline that is called so; "" as
// pipeline means the default one.
func (t *Tx) stageNamed(pipeline model.ID, name string, ed model.Edit) (model.ID, error) {
	var err error
	if pipeline == "" {
		if pipeline, err = t.defaultPipeline(); err != nil {
			return "", err
		}
	}
	key := nameKey("stage", model.Fold(name)) + "\x00" + string(pipeline)
	if id, ok := t.names[key]; ok {
		return id, nil
	}
	e, ctx := model.EntityOf("stage"), context.Background()
	ids, err := matching(ctx, prepared{t}, e, severalIDs, "pipeline_id = ? AND title_key = ?", pipeline.Bytes(), model.Fold(name))
	if err != nil {
		return "", err
	}
	if len(ids) == 0 && ed.MakeLinks {
		part := model.NewPart(model.EntityOf("pipeline").Field("stages"))
		part.Values["name"] = name
		_, err := t.save(model.Edit{Noun: "pipeline", ID: pipeline, Action: ed.Action, Run: ed.Run, Add: map[string][]*model.Record{"stages": {part}}})
		if err != nil {
			return "", err
		}
		if ids, err = matching(ctx, prepared{t}, e, severalIDs, "pipeline_id = ? AND title_key = ?", pipeline.Bytes(), model.Fold(name)); err != nil {
			return "", err
		}
	}
	id, err := t.db.only(ctx, t, e, name, ids)
	if model.KindOf(err) == model.NotFound {
		return "", model.Errorf(model.Invalid, "the pipeline has no stage %q", name).WithHint("see its stages with rapport pipeline list")
	}
	if err == nil {
		t.names[key] = id
	}
	return id, err
}

// defaultPipeline returns the pipeline of deals that name none.
func (t *Tx) defaultPipeline() (model.ID, error) {
	key := nameKey("pipeline", "\x00default")
	if id, ok := t.names[key]; ok {
		return id, nil
	}
	var b []byte
	if _, err := t.one([]any{&b}, "SELECT id\nFROM pipeline\nWHERE deleted_at IS NULL\nORDER BY is_default DESC, id\nLIMIT 1"); err != nil {
		return "", err
	}
	if b == nil {
		return "", model.Errorf(model.Invalid, "there is no pipeline yet").WithHint("make one with: pipeline add")
	}
	t.names[key] = model.IDFromBytes(b)
	return t.names[key], nil
}
