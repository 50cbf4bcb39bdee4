package form

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// kind is how a slot takes what is typed.
type kind int

const (
	text   kind = iota
	toggle      // yes or no
	choice      // one of the declared options, nothing else
	link        // another record
	adder       // the line that adds an item to a list of several lines
)

// slot is one place the cursor can stand in: a field of the record or of one
// of its parts.
type slot struct {
	row  *row
	part *partRow // nil for a field of the record itself
	of   *model.Field
	kind kind

	in  widget.Input
	on  bool
	ref model.Ref

	was    string
	wasOn  bool
	wasRef model.Ref
	given  held // what the program filled in last

	err   string
	open  bool // the proposals are shown
	picks []pick
	at    int
}

// held is what a slot holds.
type held struct {
	text string
	on   bool
	ref  model.ID
}

func (s *slot) holds() held { return held{s.in.Value(), s.on, s.ref.ID} }

// pick is one proposal for a slot.
type pick struct {
	text string
	note string
	ref  model.Ref // of a link; without an id for a record that is to be made
}

func newSlot(r *row, p *partRow, of *model.Field) *slot {
	s := &slot{row: r, part: p, of: of}
	switch of.Type {
	case model.Bool:
		s.kind = toggle
	case model.Link:
		s.kind = link
	case model.Choice:
		if !of.Open {
			s.kind = choice
		}
	case model.LongText:
		s.in.Multi = true
	}
	return s
}

// fill puts a value into the slot. It is saved like a typed one, but nobody
// misses it who leaves the form without another.
func (s *slot) fill(v any, env *screen.Env) {
	switch x := v.(type) {
	case bool:
		s.on = x
	case model.Ref:
		s.ref = x
		s.in.SetValue(x.Name)
		if x.Name == "" && x.ID != "" {
			s.in.SetValue("(not visible to you)")
		}
	default:
		s.in.SetValue(textOf(s.of, v, env))
	}
	s.in.Home()
	if !s.in.Multi {
		s.in.SetValue(s.in.Value())
	}
	s.given = s.holds()
}

// start is fill with a value that is stored already.
func (s *slot) start(v any, env *screen.Env) {
	if v != nil {
		s.fill(v, env)
	}
	s.was, s.wasOn, s.wasRef, s.given = s.in.Value(), s.on, s.ref, s.holds()
}

// textOf writes a value as a person would type it.
func textOf(f *model.Field, v any, env *screen.Env) string {
	if t, ok := v.(interface{ IsZero() bool }); ok && f.Type == model.Time {
		if t.IsZero() {
			return ""
		}
		at, _ := model.ParseTime(model.FormatValue(v), env.Now())
		return at.In(env.Now().Location()).Format("2006-01-02 15:04")
	}
	return model.FormatValue(v)
}

// changed tells whether the slot holds something else than at the start.
func (s *slot) changed() bool {
	switch s.kind {
	case toggle:
		return s.on != s.wasOn
	case link:
		return s.ref.ID != s.wasRef.ID || s.in.Value() != s.was
	case adder:
		return false
	}
	return s.in.Value() != s.was
}

// empty tells whether the slot holds nothing that a person typed.
func (s *slot) empty() bool {
	return s.kind == adder || s.kind == toggle || s.in.Value() == "" || s.kind == choice && s.in.Value() == s.was
}

// value reads the slot. The error is a sentence for the person.
func (s *slot) value(env *screen.Env) (any, error) {
	var v any
	var err error
	switch s.kind {
	case toggle:
		return s.on, nil
	case link:
		if v, err = s.linkValue(); err != nil {
			return nil, err
		}
	default:
		if v, err = model.ParseValue(s.of, s.in.Value(), env.Values()); err != nil {
			return nil, err
		}
	}
	return v, model.ValidateValue(s.of, v)
}

// linkValue is the record that the slot points to. Text that names none is an
// error, but for tags, which are made as they are used.
func (s *slot) linkValue() (any, error) {
	typed := strings.TrimSpace(s.in.Value())
	switch {
	case typed == "":
		return nil, nil
	case s.ref.ID != "" || s.ref.Name != "":
		return s.ref, nil
	case s.row.field.Shape == model.Names:
		return model.Ref{Noun: s.of.To[0], Name: typed}, nil
	}
	return nil, model.Errorf(model.Invalid, "choose one of the proposals")
}

// check tells at the field what is wrong with it, when the cursor leaves.
func (s *slot) check(env *screen.Env) {
	s.err = ""
	if s.part != nil && s.part.blank() {
		return
	}
	if _, err := s.value(env); err != nil {
		s.err = message(err)
	}
}

func message(err error) string {
	if e, ok := err.(*model.Error); ok {
		return e.Msg
	}
	return err.Error()
}

func (s *slot) close() { s.open, s.picks, s.at = false, nil, 0 }

// take puts a proposal into the slot.
func (s *slot) take(p pick, env *screen.Env) {
	if s.kind == link {
		s.ref = p.ref
		s.in.SetValue(p.ref.Name)
	} else {
		s.in.SetValue(p.text)
	}
	s.err = ""
	s.close()
}

// update takes a key or a paste; false for one that means nothing here.
func (s *slot) update(msg tea.Msg) bool {
	k, isKey := msg.(tea.KeyPressMsg)
	name := ""
	if isKey {
		name = k.String()
	}
	switch s.kind {
	case adder:
		return false
	case toggle:
		switch name {
		case "space", "left", "right", "x":
			s.on = !s.on
		case "y", "j":
			s.on = true
		case "n", "backspace", "delete":
			s.on = false
		default:
			return false
		}
		return true
	case choice:
		return s.updateChoice(k, isKey, name)
	}
	if by := map[string]int{"left": -1, "right": 1}[name]; by != 0 && len(s.of.Options) > 0 {
		if v := s.in.Value(); v == "" || optionAt(s.of, v) >= 0 {
			s.cycle(by)
			return true
		}
	}
	return s.in.Update(msg)
}

func (s *slot) updateChoice(k tea.KeyPressMsg, isKey bool, name string) bool {
	switch {
	case !isKey:
		return false
	case name == "left":
		s.cycle(-1)
	case name == "right" || name == "space":
		s.cycle(1)
	case name == "backspace" || name == "delete":
		s.in.SetValue("")
	case k.Text != "":
		for i := 1; i <= len(s.of.Options); i++ {
			o := s.of.Options[(max(0, optionAt(s.of, s.in.Value()))+i)%len(s.of.Options)]
			if strings.HasPrefix(o, strings.ToLower(k.Text)) {
				s.in.SetValue(o)
				return true
			}
		}
		return false
	default:
		return false
	}
	return true
}

func optionAt(f *model.Field, v string) int {
	for i, o := range f.Options {
		if o == v {
			return i
		}
	}
	return -1
}

// cycle goes to the next of the options.
func (s *slot) cycle(by int) {
	n := len(s.of.Options)
	at := optionAt(s.of, s.in.Value())
	if at < 0 && by < 0 {
		at = 0
	}
	s.in.SetValue(s.of.Options[(at+by+n)%n])
}
