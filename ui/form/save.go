package form

import (
	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// save checks every field and writes what was changed.
func (f *Form) save() tea.Cmd {
	f.settleAll()
	ed, ok := f.edit()
	if !ok {
		return f.refuse()
	}
	if f.id != "" && len(ed.Set) == 0 {
		f.saved = true
		return tea.Batch(screen.Notice("nothing was changed"), screen.Back)
	}
	if f.clash() {
		return nil
	}
	f.saving, f.note = true, ""
	ws, ctx := f.env.Workspace, f.env.Context
	return func() tea.Msg {
		rec, err := ws.Save(ctx, ed)
		return savedMsg{f, rec, err}
	}
}

func (f *Form) settleAll() {
	for _, l := range f.lines {
		for _, s := range l.slots {
			s.settle(f)
			s.close()
		}
	}
}

// edit reads the slots. ok is false where one of them, or the record they make,
// breaks a rule; the rule stands at its field then.
func (f *Form) edit() (ed model.Edit, ok bool) {
	ed = model.Edit{Noun: f.entity.Noun, ID: f.id, Set: map[string]any{}}
	whole := &model.Record{Noun: f.entity.Noun, ID: f.id, Values: map[string]any{}}
	for name, v := range f.rec.Values {
		whole.Values[name] = v
	}
	ok = true
	for _, r := range f.rows {
		v, good := f.rowValue(r, &ed)
		ok = ok && good
		if !good || !r.typed() && f.id != "" {
			continue
		}
		if r.typed() {
			ed.Set[r.field.Name] = v
		}
		whole.Values[r.field.Name] = v
		if v == nil {
			delete(whole.Values, r.field.Name)
		}
	}
	if !ok {
		return ed, false
	}
	for _, p := range model.Validate(whole) {
		ok = false
		f.blame(p)
	}
	return ed, ok
}

// blame puts a broken rule to the row of its field.
func (f *Form) blame(p model.Problem) {
	for _, r := range f.rows {
		if r.field.Name != p.Field {
			continue
		}
		if r.own != nil {
			r.own.err = p.Msg
		} else {
			r.err = p.Msg
		}
		return
	}
	f.note = p.Msg
}

func (f *Form) rowValue(r *row, ed *model.Edit) (any, bool) {
	r.err = ""
	if r.own != nil {
		return f.slotValue(r.own, ed)
	}
	ok := true
	list := []*model.Record{}
	for _, p := range r.parts {
		if p.blank() {
			continue
		}
		part := model.NewPart(r.field)
		part.ID = p.rec.ID
		for name, v := range p.rec.Values {
			part.Values[name] = v
		}
		for _, s := range p.slots {
			v, good := f.slotValue(s, ed)
			ok = ok && good
			if !s.changed() && !p.isNew {
				continue
			}
			if v == nil {
				delete(part.Values, s.of.Name)
			} else {
				part.Values[s.of.Name] = v
			}
		}
		list = append(list, part)
	}
	return list, ok
}

func (f *Form) slotValue(s *slot, ed *model.Edit) (any, bool) {
	s.err = ""
	if !s.changed() && (s.part == nil || !s.part.isNew) && f.id != "" {
		// What the person did not touch is not judged by its text.
		return f.rec.Values[s.of.Name], true
	}
	v, err := s.value(f.env)
	if err != nil {
		s.err = message(err)
		return nil, false
	}
	if ref, is := v.(model.Ref); is && ref.ID == "" {
		ed.MakeLinks = true
	}
	return v, true
}

// refuse shows how many fields are wrong and puts the cursor into the first.
func (f *Form) refuse() tea.Cmd {
	n := int64(0)
	var first *slot
	for _, l := range f.lines {
		for _, s := range l.slots {
			if s.err != "" {
				n++
				if first == nil {
					first = s
				}
			}
		}
	}
	for _, r := range f.rows {
		if r.err != "" {
			n++
			if first == nil && len(r.parts) > 0 {
				first = r.parts[0].slots[0]
			}
		}
	}
	if first != nil {
		f.focus = first
	}
	f.note = "not saved: " + draw.Plural(max(1, n), "field needs", "fields need") + " another value"
	return nil
}

func (f *Form) applySaved(m savedMsg) tea.Cmd {
	f.saving = false
	if m.err != nil {
		f.note = "not saved: " + draw.Error(m.err)
		return screen.Fail(m.err)
	}
	f.saved = true
	notice := screen.Notice("“" + model.Visible(m.rec.Title()) + "” saved")
	if f.id == "" {
		return tea.Batch(notice, screen.Open(screen.OpenMsg{Kind: screen.Detail, Noun: m.rec.Noun, ID: m.rec.ID, Replace: true}))
	}
	return tea.Batch(notice, screen.Back)
}
