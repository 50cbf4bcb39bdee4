package form

import (
	"strings"

	"rapport/model"
)

// row is a declared field of the record: one slot, or a list with its items.
type row struct {
	field *model.Field
	own   *slot      // of a field that is no list
	parts []*partRow // of a list
	add   *slot      // of a list whose items take several lines
	cut   bool       // items were removed
	err   string     // of a list as a whole
}

// partRow is one item of a list.
type partRow struct {
	rec   *model.Record // what it began with
	slots []*slot
	isNew bool
}

// list tells whether the row is a list.
func (r *row) list() bool { return r.field.Type == model.List }

// inLine tells whether an item of the list fits into one line.
func (r *row) inLine() bool {
	fs := partFields(r.field)
	for _, f := range fs {
		if f.Type == model.LongText {
			return false
		}
	}
	return len(fs) <= 4
}

// partFields are the fields of a list's items that a person types.
func partFields(list *model.Field) []*model.Field {
	e := model.EntityOf(list.Part)
	fixed, _, _ := strings.Cut(list.Where, "=")
	var out []*model.Field
	for i := range e.Fields {
		if f := &e.Fields[i]; !f.ReadOnly && f.Name != fixed && f.Type != model.List {
			out = append(out, f)
		}
	}
	return out
}

// build makes the rows from the declaration and the record.
func (f *Form) build() {
	f.rows = nil
	for i := range f.entity.Fields {
		fd := &f.entity.Fields[i]
		if fd.ReadOnly {
			continue
		}
		r := &row{field: fd}
		if fd.Type != model.List {
			r.own = newSlot(r, nil, fd)
			r.own.start(f.rec.Values[fd.Name], f.env)
		} else {
			for _, p := range f.rec.List(fd.Name) {
				r.parts = append(r.parts, newPart(f, r, p, false))
			}
			if r.inLine() {
				r.parts = append(r.parts, newPart(f, r, model.NewPart(fd), true))
			} else {
				r.add = &slot{row: r, of: fd, kind: adder}
			}
		}
		f.rows = append(f.rows, r)
	}
	f.arrange()
	f.focus = f.first()
}

// first is where the cursor begins: the first field that a list shows, since
// what stands before it is rarely typed.
func (f *Form) first() *slot {
	all := f.order()
	for _, s := range all {
		if s.of.Essential {
			return s
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func newPart(f *Form, r *row, rec *model.Record, isNew bool) *partRow {
	p := &partRow{rec: rec, isNew: isNew}
	for _, pf := range partFields(r.field) {
		s := newSlot(r, p, pf)
		s.start(rec.Values[pf.Name], f.env)
		p.slots = append(p.slots, s)
	}
	return p
}

// insert adds an item that counts as typed before position at.
func (r *row) insert(f *Form, rec *model.Record, at int) {
	p := newPart(f, r, model.NewPart(r.field), true)
	for _, s := range p.slots {
		if v := rec.Values[s.of.Name]; v != nil {
			s.fill(v, f.env)
		}
	}
	at = max(0, min(at, len(r.parts)))
	r.parts = append(r.parts[:at:at], append([]*partRow{p}, r.parts[at:]...)...)
}

// blank tells that nothing was typed into a new item: it is not saved.
func (p *partRow) blank() bool {
	if !p.isNew {
		return false
	}
	for _, s := range p.slots {
		if !s.empty() && s.in.Value() != s.was {
			return false
		}
	}
	return true
}

// given tells whether the program filled something into the item.
func (p *partRow) given() bool {
	for _, s := range p.slots {
		if s.given.text != s.was {
			return true
		}
	}
	return false
}

func (p *partRow) changed() bool {
	for _, s := range p.slots {
		if s.changed() {
			return true
		}
	}
	return false
}

// typed tells whether the row differs from what it began with.
func (r *row) typed() bool {
	if r.own != nil {
		return r.own.changed()
	}
	for _, p := range r.parts {
		if p.isNew && !p.blank() || !p.isNew && p.changed() {
			return true
		}
	}
	return r.cut
}

// touched tells whether a person typed something into the row or took an item
// out of it.
func (r *row) touched() bool {
	if r.own != nil {
		return r.own.holds() != r.own.given
	}
	for _, p := range r.parts {
		for _, s := range p.slots {
			if s.holds() != s.given {
				return true
			}
		}
	}
	return r.cut
}

// grow keeps an empty item at the end of a list whose items take one line.
func (f *Form) grow(r *row) {
	if !r.list() || r.add != nil || len(r.parts) > 0 && r.parts[len(r.parts)-1].blank() {
		return
	}
	r.parts = append(r.parts, newPart(f, r, model.NewPart(r.field), true))
	f.arrange()
}

// addItem puts the cursor into the empty item of a list, which it makes if
// there is none.
func (f *Form) addItem(r *row) {
	n := len(r.parts)
	if n == 0 || !r.parts[n-1].blank() {
		r.parts = append(r.parts, newPart(f, r, model.NewPart(r.field), true))
		n++
		f.arrange()
	}
	f.check()
	f.focus = r.parts[n-1].slots[0]
}

// removeItem takes the item under the cursor out of its list.
func (f *Form) removeItem(s *slot) {
	r := s.row
	for i, p := range r.parts {
		if p != s.part {
			continue
		}
		r.parts = append(r.parts[:i:i], r.parts[i+1:]...)
		r.cut = r.cut || !p.isNew || p.given()
		if r.add == nil && (len(r.parts) == 0 || !r.parts[len(r.parts)-1].blank()) {
			r.parts = append(r.parts, newPart(f, r, model.NewPart(r.field), true))
		}
		f.arrange()
		if i < len(r.parts) {
			f.focus = r.parts[i].slots[0]
		} else {
			f.focus = r.add
		}
		return
	}
}
