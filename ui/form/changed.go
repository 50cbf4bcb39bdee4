package form

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget"
)

// under is what became of the record while it is edited here: in another
// window, or by a colleague through the sync.
type under struct {
	rec    *model.Record
	gone   bool
	fields map[string]bool
	told   bool // the person was shown it at a save
}

// look reads the record again, because records changed. What is typed and where
// the cursor stands are not touched by it.
func (f *Form) look() tea.Cmd {
	if f.id == "" || f.rec == nil || f.saving || f.saved {
		return nil
	}
	ws, noun, id := f.env.Workspace, f.entity.Noun, f.id
	return f.watch.Load(func(ctx context.Context) (any, error) { return ws.Get(ctx, noun, id) })
}

func (f *Form) applyLook(v any, err error) {
	switch {
	case model.KindOf(err) == model.NotFound:
		f.under = under{gone: true}
	case err != nil:
		// The next change or the save says it again.
	default:
		now := v.(*model.Record)
		fields := map[string]bool{}
		for _, name := range model.ChangedFields(f.rec, now) {
			fields[name] = true
		}
		told := f.under.told && f.under.rec != nil && len(model.ChangedFields(f.under.rec, now)) == 0
		f.under = under{rec: now, fields: fields, told: told, gone: !now.DeletedAt.IsZero() && f.rec.DeletedAt.IsZero()}
	}
}

// news says in a line what changed under the form, "" if nothing did.
func (f *Form) news() string {
	u := &f.under
	switch {
	case u.gone && u.rec == nil:
		return "This record is not visible to you any more; what you type cannot be saved."
	case u.gone:
		return "Deleted meanwhile by " + u.who() + "."
	}
	var names []string
	for _, r := range f.rows {
		if u.fields[r.field.Name] {
			names = append(names, strings.ToLower(r.field.Label))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Changed meanwhile by " + u.who() + ": " + strings.Join(names, ", ") + "."
}

// who changed the record or one of its parts last.
func (u *under) who() string {
	if u.rec == nil {
		return "somebody"
	}
	last := u.rec
	for name := range u.fields {
		if f := u.rec.Entity().Field(name); f.Type != model.List {
			continue
		}
		for _, part := range u.rec.List(name) {
			if part.UpdatedAt.After(last.UpdatedAt) {
				last = part
			}
		}
	}
	if last.UpdatedBy == "" {
		return "somebody"
	}
	return last.UpdatedBy
}

// clash tells whether fields that were typed into changed underneath and the
// person has not been shown it yet. It is then said at each of them.
func (f *Form) clash() bool {
	u := &f.under
	if u.told || u.rec == nil {
		return false
	}
	found := false
	for _, r := range f.rows {
		if !r.typed() || !u.fields[r.field.Name] {
			continue
		}
		found = true
		msg := u.who() + " changed it to “" + widget.Value(r.field, u.rec.Values[r.field.Name], f.env.Now()) + "”; yours replaces that"
		if r.own != nil {
			r.own.err = msg
		} else {
			r.err = msg
		}
	}
	if found {
		u.told = true
		f.note = "not saved: changed meanwhile; " + f.env.Keys.KeyOf(keymap.Save, keymap.Form) + " again saves yours"
	}
	return found
}
