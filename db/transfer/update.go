package transfer

import (
	"context"

	"rapport/model"
)

// update changes a record by what a row says that the record does not say
// already. Lists of a foreign file are added to, those of our own exports are
// the whole list.
func (im *importer) update(ctx context.Context, tx model.ImportTx, e *model.Entity, id model.ID, it item) (outcome, error) {
	old, err := tx.Get(ctx, e.Noun, id)
	if err != nil {
		return 0, err
	}
	ed := it.edit
	ed.ID, ed.Set = id, map[string]any{}
	for name, v := range it.edit.Set {
		f := e.Field(name)
		if f == nil {
			continue
		}
		if f.Type != model.List {
			if !sameValue(old.Values[name], v) {
				ed.Set[name] = v
			}
			continue
		}
		items, _ := v.([]*model.Record)
		if !it.own {
			var changed bool
			if items, changed = mergeItems(old.List(name), items); !changed {
				continue
			}
		} else if sameParts(old.List(name), items) {
			continue
		}
		ed.Set[name] = items
	}
	if len(ed.Set) == 0 {
		return wasUnchanged, nil
	}
	saved, err := tx.SaveOld(ctx, ed)
	if err != nil {
		return 0, err
	}
	if !saved.Changed {
		return wasUnchanged, nil
	}
	return wasUpdated, nil
}

// sameValue tells whether a record says already what a row says.
func sameValue(old, new any) bool {
	if a, ok := old.(model.Ref); ok {
		b, _ := new.(model.Ref)
		if b.ID != "" {
			return a.ID == b.ID
		}
		return model.Fold(a.Name) == model.Fold(b.Name)
	}
	if new == nil || new == "" {
		return old == nil || old == "" || old == false
	}
	if new == false && old == nil {
		return true
	}
	return old == new
}

// mergeItems adds items to a list. One that is there already only gets what it
// lacks: a label, a region; it does not become the primary one.
func mergeItems(old, more []*model.Record) (out []*model.Record, changed bool) {
	at := map[string]int{}
	for i, o := range old {
		c := *o
		c.Values = map[string]any{}
		for k, v := range o.Values {
			c.Values[k] = v
		}
		at[model.PartKeyOf(o)] = i
		out = append(out, &c)
	}
	for _, m := range more {
		i, there := at[model.PartKeyOf(m)]
		if !there {
			if len(old) > 0 {
				delete(m.Values, "primary")
			}
			at[model.PartKeyOf(m)] = len(out)
			out, changed = append(out, m), true
			continue
		}
		for name, v := range m.Values {
			if name == "primary" || v == nil || v == "" {
				continue
			}
			if had := out[i].Values[name]; had == nil || had == "" {
				out[i].Values[name], changed = v, true
			}
		}
	}
	return out, changed
}

// sameParts tells whether a list is already what an export says: the same
// items in the same order.
func sameParts(old, new []*model.Record) bool {
	if len(old) != len(new) {
		return false
	}
	for i, n := range new {
		for j := range n.Entity().Fields {
			f := &n.Entity().Fields[j]
			if f.ReadOnly {
				continue
			}
			if !sameValue(old[i].Values[f.Name], n.Values[f.Name]) {
				return false
			}
		}
	}
	return true
}

// resolveLinks gives the links of an edit their ids and makes records that are
// only named and missing, so that the run knows them as its own.
func (im *importer) resolveLinks(ctx context.Context, tx model.ImportTx, e *model.Entity, ed *model.Edit) error {
	for i := range e.Fields {
		f := &e.Fields[i]
		switch v := ed.Set[f.Name].(type) {
		case model.Ref:
			ref, err := im.resolve(ctx, tx, f, v)
			if err != nil {
				return err
			}
			ed.Set[f.Name] = ref
		case []*model.Record:
			pe := model.EntityOf(f.Part)
			for _, part := range v {
				for j := range pe.Fields {
					pf := &pe.Fields[j]
					ref, ok := part.Values[pf.Name].(model.Ref)
					if !ok {
						continue
					}
					ref, err := im.resolve(ctx, tx, pf, ref)
					if err != nil {
						return err
					}
					part.Values[pf.Name] = ref
				}
			}
		}
	}
	return nil
}

// made are the nouns that an import makes where a link names one that is
// missing. Stages and pipelines are made by the store, which knows their
// order.
var made = map[model.Noun]bool{"organization": true, "product": true, "tag": true, "user": true}

// resolve finds the record that a link names.
func (im *importer) resolve(ctx context.Context, tx model.ImportTx, f *model.Field, ref model.Ref) (model.Ref, error) {
	if ref.Noun == "" || len(f.To) == 1 {
		ref.Noun = f.To[0]
	}
	if ref.ID != "" {
		if _, err := tx.Get(ctx, ref.Noun, ref.ID); err == nil || ref.Name == "" {
			return ref, nil
		}
	}
	if !made[ref.Noun] {
		if ref.ID != "" {
			ref.ID = ""
		}
		return ref, nil
	}
	key := string(ref.Noun) + "\x00" + model.Fold(ref.Name) + "\x00" + string(ref.ID)
	if had, ok := im.links[key]; ok {
		return had, nil
	}
	ids, err := im.named(ctx, tx, ref)
	if err != nil {
		return ref, err
	}
	switch len(ids) {
	case 0:
		e := model.EntityOf(ref.Noun)
		ed := model.Edit{Noun: ref.Noun, ID: ref.ID, Set: map[string]any{"name": ref.Name}, Action: "import", Run: im.result.Run, MakeLinks: true}
		if e.Field("login") != nil {
			ed.Set["login"] = loginOf(ref.Name)
		}
		saved, err := tx.SaveNew(ctx, ed)
		if err != nil {
			return ref, err
		}
		ref.ID = saved.ID
	case 1:
		ref.ID = ids[0]
	default:
		return ref, model.Errorf(model.Ambiguous, "%s: several are called %q", f.Label, ref.Name)
	}
	im.links[key] = ref
	return ref, nil
}

// named returns the records that a link by name may mean. A link that carries
// an id means that record only, unless its id is derived from its name.
func (im *importer) named(ctx context.Context, tx model.ImportTx, ref model.Ref) ([]model.ID, error) {
	e := model.EntityOf(ref.Noun)
	if ref.ID != "" && !e.Derived {
		return nil, nil
	}
	ids, err := tx.FindKey(ctx, ref.Noun, []model.KeyPart{{Value: ref.Name}})
	if err != nil || len(ids) > 0 {
		return ids, err
	}
	for _, f := range e.Alternates() {
		ids, err := tx.FindKey(ctx, ref.Noun, []model.KeyPart{{Field: f.Name, Value: ref.Name}})
		if err != nil || len(ids) > 0 {
			return ids, err
		}
	}
	if e.Field("login") != nil {
		return tx.FindKey(ctx, ref.Noun, []model.KeyPart{{Field: "login", Value: loginOf(ref.Name)}})
	}
	return nil, nil
}
