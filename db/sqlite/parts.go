package sqlite

import (
	"maps"
	"slices"

	"rapport/model"
)

// setLists works out what the lists become that the edit touches, and keeps a
// list of links and the record's own primary link in step.
func (s *saving) setLists() error {
	for _, f := range s.e.Lists() {
		_, set := s.ed.Set[f.Name]
		if set || len(s.ed.Add[f.Name]) > 0 || len(s.ed.Remove[f.Name]) > 0 {
			s.lists[f.Name] = true
			list, err := s.mergeList(f)
			if err != nil {
				return err
			}
			s.rec.Values[f.Name] = list
		}
		if link := primaryLink(s.e, f); link != nil {
			s.alignPrimary(f, link)
		}
	}
	for name := range s.ed.Add {
		if f := s.e.Field(name); f == nil || f.Type != model.List {
			return model.Errorf(model.Invalid, "%s has no list %q", s.e.One(), name)
		}
	}
	return nil
}

// mergeList returns the items of a list after the edit. Items that are there
// already keep their rows: they are known by their id, else by what tells them
// from their siblings.
func (s *saving) mergeList(f *model.Field) ([]*model.Record, error) {
	current := slices.Clone(s.rec.List(f.Name))
	taken := map[*model.Record]bool{}
	find := func(item *model.Record) *model.Record {
		for _, c := range current {
			if item.ID != "" && c.ID == item.ID {
				return c
			}
		}
		key := model.PartKeyOf(item)
		for _, c := range current {
			if !taken[c] && key != "" && model.PartKeyOf(c) == key {
				return c
			}
		}
		return nil
	}
	out := current
	if v, ok := s.ed.Set[f.Name]; ok {
		out = nil
		items, isList := v.([]*model.Record)
		if v != nil && !isList {
			return nil, model.Errorf(model.Invalid, "%s is a list", f.Label)
		}
		marked := slices.ContainsFunc(items, func(p *model.Record) bool { return p.Bool("primary") })
		for _, item := range items {
			part, err := s.item(f, item, find, taken)
			if err != nil {
				return nil, err
			}
			if part == nil {
				continue
			}
			if marked && item.Values["primary"] == nil {
				delete(part.Values, "primary")
			}
			out = append(out, part)
		}
	}
	for _, item := range s.ed.Add[f.Name] {
		part, err := s.item(f, item, find, map[*model.Record]bool{})
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(p *model.Record) bool { return part.ID != "" && p.ID == part.ID })
		if i < 0 && part.Entity().Derived {
			i = slices.IndexFunc(out, func(p *model.Record) bool { return model.PartKeyOf(p) == model.PartKeyOf(part) })
		}
		if part.Bool("primary") {
			for _, p := range out {
				delete(p.Values, "primary")
			}
		}
		if i >= 0 {
			out[i] = part
		} else {
			out = append(out, part)
		}
	}
	out, err := s.removeItems(f, out)
	onePrimary(f, out)
	return out, err
}

// item returns the part that an item of an edit stands for: a copy of the
// known one with the item's values, or a new one. It is nil for a repeated
// item of a list that holds each only once.
func (s *saving) item(f *model.Field, item *model.Record, find func(*model.Record) *model.Record, taken map[*model.Record]bool) (*model.Record, error) {
	pe := model.EntityOf(f.Part)
	wanted := &model.Record{Noun: pe.Noun, ID: item.ID, Values: map[string]any{}}
	for i := range pe.Fields {
		pf := &pe.Fields[i]
		v, ok := item.Values[pf.Name]
		if !ok {
			continue
		}
		v, err := s.t.value(pf, v, s.rec, s.ed)
		if err != nil {
			return nil, err
		}
		wanted.Values[pf.Name] = v
	}
	part := model.NewPart(f)
	if known := find(wanted); known != nil {
		if taken[known] {
			return nil, nil
		}
		taken[known] = true
		part.ID, part.Values = known.ID, maps.Clone(known.Values)
	} else if pe.Derived {
		key := model.PartKeyOf(wanted)
		for other := range taken {
			if model.PartKeyOf(other) == key {
				return nil, nil
			}
		}
		taken[wanted] = true
	}
	maps.Copy(part.Values, wanted.Values)
	return part, nil
}

// removeItems takes the items out that the edit removes.
func (s *saving) removeItems(f *model.Field, list []*model.Record) ([]*model.Record, error) {
	for _, item := range s.ed.Remove[f.Name] {
		pe := model.EntityOf(f.Part)
		wanted := &model.Record{Noun: pe.Noun, ID: item.ID, Values: map[string]any{}}
		ed := s.ed
		ed.MakeLinks = false
		for name, v := range item.Values {
			if pf := pe.Field(name); pf != nil && slices.Contains(pe.PartKey, name) {
				v, err := s.t.value(pf, v, s.rec, ed)
				if err != nil {
					return nil, err
				}
				wanted.Values[name] = v
			}
		}
		i := slices.IndexFunc(list, func(p *model.Record) bool {
			return item.ID != "" && p.ID == item.ID || item.ID == "" && model.PartKeyOf(p) == model.PartKeyOf(wanted)
		})
		if i < 0 {
			i = s.samePhone(list, wanted)
		}
		if i < 0 {
			return nil, model.Errorf(model.Invalid, "%s: there is no such item to remove", f.Label).
				WithHint("show prints what is there")
		}
		list = slices.Delete(slices.Clone(list), i, i+1)
	}
	return list, nil
}

// samePhone finds the phone that is the wanted number written in another way,
// -1 if there is none.
func (s *saving) samePhone(list []*model.Record, wanted *model.Record) int {
	number := func(p *model.Record) string {
		if p.Text("kind") != "phone" {
			return ""
		}
		return s.t.db.e164(p.Text("value"))
	}
	want := number(wanted)
	return slices.IndexFunc(list, func(p *model.Record) bool { return want != "" && number(p) == want })
}

// onePrimary sees to it that exactly one item is the primary one, the first
// unless another is marked.
func onePrimary(f *model.Field, list []*model.Record) {
	if model.EntityOf(f.Part).Field("primary") == nil || len(list) == 0 {
		return
	}
	first := max(slices.IndexFunc(list, func(p *model.Record) bool { return p.Bool("primary") }), 0)
	for i, p := range list {
		p.Values["primary"] = i == first
	}
}

// alignPrimary keeps a list of links and the record's own link in step: the
// link is one of the items, the first unless it says another.
func (s *saving) alignPrimary(f, link *model.Field) {
	list, ref := s.rec.List(f.Name), s.rec.Ref(link.Name)
	at := func(id model.ID) int {
		return slices.IndexFunc(list, func(p *model.Record) bool { return p.Ref(f.Target).ID == id })
	}
	if s.lists[f.Name] && !s.sets(link.Name) {
		if ref.ID == "" || at(ref.ID) < 0 {
			if delete(s.rec.Values, link.Name); len(list) > 0 {
				s.rec.Values[link.Name] = list[0].Ref(f.Target)
			}
		}
		return
	}
	if !s.sets(link.Name) {
		return
	}
	if s.old != nil {
		if was := s.old.Ref(link.Name).ID; ref.ID == "" && was != "" && !s.lists[f.Name] {
			if i := at(was); i >= 0 {
				s.rec.Values[f.Name] = slices.Delete(slices.Clone(list), i, i+1)
				s.lists[f.Name] = true
			}
			return
		}
		if ref.ID == s.old.Ref(link.Name).ID && !s.lists[f.Name] {
			return
		}
	}
	if ref.ID != "" && at(ref.ID) < 0 {
		part := model.NewPart(f)
		part.Values[f.Target] = ref
		s.rec.Values[f.Name] = append([]*model.Record{part}, list...)
	}
	s.lists[f.Name] = s.lists[f.Name] || ref.ID != ""
}

// storeList writes the parts that differ from the stored ones and deletes
// those that are gone.
func (s *saving) storeList(f *model.Field, r revision) (changed bool, err error) {
	pe := model.EntityOf(f.Part)
	list := s.rec.List(f.Name)
	place(pe, list)
	kept := map[model.ID]bool{}
	for _, part := range list {
		known := part.ID != ""
		if !known {
			part.ID = s.t.partID(pe, s.rec.ID, part)
		}
		kept[part.ID] = true
		var old model.Row
		if known || pe.Derived {
			if old, err = s.t.row(pe, part.ID); err != nil {
				return changed, err
			}
		}
		row := s.t.newRow(pe, part.ID)
		if old != nil {
			row = slices.Clone(old)
			row.Set(pe, model.ColumnDeletedAt, nil)
		}
		row.Set(pe, string(s.e.Noun)+"_id", s.rec.ID)
		for i := range pe.Fields {
			model.SetFieldValue(pe, &pe.Fields[i], row, part.Values[pe.Fields[i].Name])
		}
		changed = changed || old == nil || !model.SameData(pe, old, row)
		if err := s.t.change(pe, old, row, r); err != nil {
			return changed, err
		}
	}
	if s.old == nil {
		return changed, nil
	}
	for _, part := range s.old.List(f.Name) {
		if part.ID == "" || kept[part.ID] {
			continue
		}
		if err := s.t.mayDelete(pe, part.ID); err != nil {
			return changed, err
		}
		old, err := s.t.row(pe, part.ID)
		if err != nil || old == nil {
			return changed, err
		}
		row := slices.Clone(old)
		row.Set(pe, model.ColumnDeletedAt, s.t.now.UnixMilli())
		changed = true
		if err := s.t.change(pe, old, row, r); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// partID is the id of a new part: derived where twins shall meet.
func (t *Tx) partID(pe *model.Entity, owner model.ID, part *model.Record) model.ID {
	if pe.Derived {
		return model.DerivedID(string(pe.Noun), string(owner), model.PartKeyOf(part))
	}
	return t.db.ids.New()
}

// place numbers the items of a list in their order, and changes as few
// numbers as it can.
func place(pe *model.Entity, list []*model.Record) {
	if pe.Field("position") == nil {
		return
	}
	last := int64(0)
	for _, p := range list {
		if p.Int("position") <= last {
			p.Values["position"] = last + 1
		}
		last = p.Int("position")
	}
}
