package form

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
)

// labelWidth is the cells before a field for its label.
const labelWidth = 17

// twoFields is the width from which two narrow fields share a line.
const twoFields = 96

// line is one line of slots, or several where the slot holds a long text.
type line struct {
	label  string
	slots  []*slot
	rows   int // how many lines of the terminal a long text takes
	indent bool
	paired bool // two fields of the record, each with a label
}

// arrange lays the slots out in lines.
func (f *Form) arrange() {
	f.lines = nil
	for i := 0; i < len(f.rows); i++ {
		r := f.rows[i]
		switch {
		case r.list():
			f.arrangeList(r)
		case r.own.in.Multi:
			f.lines = append(f.lines, line{label: r.field.Label, slots: []*slot{r.own}, rows: max(3, min(6, f.h/4))})
		case f.w >= twoFields && r.field.Narrow && i+1 < len(f.rows) && f.rows[i+1].field.Narrow && f.rows[i+1].own != nil:
			f.lines = append(f.lines, line{label: r.field.Label, slots: []*slot{r.own, f.rows[i+1].own}, rows: 1, paired: true})
			i++
		default:
			f.lines = append(f.lines, line{label: r.field.Label, slots: []*slot{r.own}, rows: 1})
		}
	}
}

func (f *Form) arrangeList(r *row) {
	label := r.field.Label
	for _, p := range r.parts {
		if r.inLine() {
			f.lines = append(f.lines, line{label: label, slots: p.slots, rows: 1})
			label = ""
			continue
		}
		for _, s := range p.slots {
			l := line{label: s.of.Label, slots: []*slot{s}, rows: 1, indent: true}
			if s.in.Multi {
				l.rows = 2
			}
			if label != "" {
				l.label = label + " · " + s.of.Label
				if len(label)+len(s.of.Label)+3 > labelWidth-1 {
					f.lines = append(f.lines, line{label: label})
					l.label = s.of.Label
				}
				label = ""
			}
			f.lines = append(f.lines, l)
		}
	}
	if r.add != nil {
		f.lines = append(f.lines, line{label: label, slots: []*slot{r.add}, rows: 1})
	}
}

// order is all slots in the order of the tab key.
func (f *Form) order() []*slot {
	var out []*slot
	for _, l := range f.lines {
		out = append(out, l.slots...)
	}
	return out
}

// check settles and judges the slot that the cursor leaves.
func (f *Form) check() {
	if s := f.focus; s != nil {
		s.settle(f)
		s.close()
		s.check(f.env)
	}
	f.search.Stop()
	f.gen++
}

// leave moves the cursor by slots.
func (f *Form) leave(by int) tea.Cmd {
	f.check()
	all := f.order()
	for i, s := range all {
		if s == f.focus {
			f.focus = all[(i+by+len(all))%len(all)]
			break
		}
	}
	return nil
}

// leaveLine moves the cursor by lines, to the slot at the same place.
func (f *Form) leaveLine(by int) tea.Cmd {
	f.check()
	for i, l := range f.lines {
		for j, s := range l.slots {
			if s != f.focus {
				continue
			}
			for k := i + by; k >= 0 && k < len(f.lines); k += by {
				if n := len(f.lines[k].slots); n > 0 {
					f.focus = f.lines[k].slots[min(j, n-1)]
					break
				}
			}
			return nil
		}
	}
	return nil
}

// hint says what the slot takes, or how what is typed is read.
func (f *Form) hint(s *slot) string {
	v := s.in.Value()
	switch s.of.Type {
	case model.Date, model.Time, model.PartialDate, model.MoneyType:
		if v == "" {
			return map[model.Type]string{
				model.Date:        "tomorrow, fri, +3d, 1.12.",
				model.Time:        "tomorrow 9:00, fri, +3d",
				model.PartialDate: "1.12.1980, or --12-01",
				model.MoneyType:   "1200 or 1200.50 EUR",
			}[s.of.Type]
		}
		if v == s.was {
			return ""
		}
		if got, err := model.ParseValue(s.of, v, f.env.Values()); err == nil && got != nil {
			return "= " + preview(s.of, got, f)
		}
		return ""
	}
	switch {
	case s.kind == link && v == "" && !s.open:
		return "type a name, or " + f.chooseKey()
	case s.kind == link && s.ref.ID == "" && s.ref.Name != "":
		return "new " + string(s.ref.Noun)
	case s.kind == link && len(s.of.To) > 1 && s.ref.ID != "":
		return string(s.ref.Noun)
	case len(s.of.Options) > 0 && !s.open:
		return "← → " + strings.Join(s.of.Options, ", ")
	}
	return ""
}
