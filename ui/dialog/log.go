package dialog

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// QuickLog writes down a call, a note or a task about a record.
type QuickLog struct {
	env    *screen.Env
	kind   string
	about  model.Ref
	fields []quickField
	at     int
	cursor *tea.Cursor
	msg    string
}

type quickField struct {
	field *model.Field
	in    widget.Input
}

// quickFields are the fields that each kind asks for; enter saves in all but
// the long ones.
var quickFields = map[string][]string{
	"call": {"subject", "outcome", "body"},
	"note": {"subject", "body"},
	"task": {"subject", "due_at", "priority", "body"},
}

// NewQuickLog returns the dialog for a kind of activity.
func NewQuickLog(env *screen.Env, kind string, about model.Ref) *QuickLog {
	q := &QuickLog{env: env, kind: kind, about: about}
	e := model.EntityOf("activity")
	for _, name := range quickFields[kind] {
		if f := e.Field(name); f != nil {
			q.fields = append(q.fields, quickField{field: f, in: widget.Input{Multi: f.Type == model.LongText}})
		}
	}
	return q
}

// Dirty implements Dialog.
func (q *QuickLog) Dirty() bool {
	for i := range q.fields {
		if q.fields[i].in.Value() != "" {
			return true
		}
	}
	return false
}

// Cursor implements Dialog.
func (q *QuickLog) Cursor() *tea.Cursor { return q.cursor }

// Update implements Dialog.
func (q *QuickLog) Update(msg tea.Msg, a keymap.Action) (tea.Cmd, bool) {
	f := &q.fields[q.at]
	k, _ := msg.(tea.KeyPressMsg)
	switch {
	case a == keymap.No:
		return nil, true
	case a == keymap.Save, a == keymap.Yes && !f.in.Multi:
		return q.save()
	case k.String() == "tab", a == keymap.Down && (!f.in.Multi || f.in.AtEnd()):
		q.at = (q.at + 1) % len(q.fields)
		return nil, false
	case k.String() == "shift+tab", a == keymap.Up && (!f.in.Multi || f.in.AtStart()):
		q.at = (q.at + len(q.fields) - 1) % len(q.fields)
		return nil, false
	}
	if len(f.field.Options) > 0 && f.in.Value() == "" || isOption(f.field, f.in.Value()) {
		// Left and right go through the choices.
		if by := map[string]int{"left": -1, "right": 1}[k.String()]; by != 0 {
			f.in.SetValue(nextOption(f.field, f.in.Value(), by))
			return nil, false
		}
	}
	if f.in.Update(msg) {
		q.msg = ""
	}
	return nil, false
}

func isOption(f *model.Field, s string) bool {
	for _, o := range f.Options {
		if o == s {
			return true
		}
	}
	return false
}

func nextOption(f *model.Field, s string, by int) string {
	n := len(f.Options)
	for i, o := range f.Options {
		if o == s {
			return f.Options[(i+by+n)%n]
		}
	}
	if by < 0 {
		return f.Options[n-1]
	}
	return f.Options[0]
}

// save checks the fields and returns the command that writes the activity.
func (q *QuickLog) save() (tea.Cmd, bool) {
	env := q.env
	set := map[string]any{"kind": q.kind}
	text := false
	for i := range q.fields {
		f := &q.fields[i]
		v, err := model.ParseValue(f.field, f.in.Value(), env.Values())
		if err == nil {
			err = model.ValidateValue(f.field, v)
		}
		if err != nil && v != nil || err != nil && f.in.Value() != "" {
			q.msg, q.at = err.Error(), i
			return nil, false
		}
		if v != nil {
			set[f.field.Name] = v
			text = text || f.field.Name == "subject" || f.field.Name == "body"
		}
	}
	if !text {
		q.msg, q.at = "type what it is about", 0
		return nil, false
	}
	if q.kind != "task" {
		set["status"] = "done"
		set["start_at"] = env.Now().UTC()
	}
	if q.about.ID != "" {
		link := model.NewRecord("activity_link")
		link.Values["record"] = q.about
		set["about"] = []*model.Record{link}
	}
	ws, ctx, kind, about := env.Workspace, env.Context, q.kind, q.about
	return func() tea.Msg {
		saveOwner(ctx, ws, set)
		if _, err := ws.Save(ctx, model.Edit{Noun: "activity", Set: set}); err != nil {
			return screen.NoticeMsg{Err: err}
		}
		text := strings.ToUpper(kind[:1]) + kind[1:] + " saved"
		if about.Name != "" {
			text += " on " + about.Name
		}
		return screen.NoticeMsg{Text: text}
	}, true
}

// saveOwner makes the person the owner, if the workspace knows them as a user.
func saveOwner(ctx context.Context, ws model.Workspace, set map[string]any) {
	me := ws.Settings().Me
	if me == "" {
		return
	}
	if id, err := ws.Find(ctx, "user", me); err == nil {
		set["owner"] = model.Ref{Noun: "user", ID: id}
	}
}

// View implements Dialog.
func (q *QuickLog) View(w, h int) string {
	th := q.env.Theme
	inner := min(w-4, 66)
	const labels = 11
	var lines []string
	if q.about.ID != "" {
		lines = append(lines, th.Muted.Render(widget.Fit("about", labels))+th.Accent.Render(widget.Fit(q.about.Name, inner-labels)))
	}
	q.cursor = nil
	for i := range q.fields {
		f := &q.fields[i]
		focus := i == q.at
		if f.in.Multi {
			st, ls := th.Text, th.Muted
			if focus {
				st, ls = th.Input, th.Accent
			}
			rows := max(2, min(5, h-len(lines)-4))
			f.in.SetSize(inner-labels, rows)
			at := len(lines)
			for j, l := range strings.Split(f.in.View(st), "\n") {
				label := strings.Repeat(" ", labels)
				if j == 0 {
					label = ls.Render(widget.Fit(strings.ToLower(f.field.Label), labels))
				}
				lines = append(lines, label+l)
			}
			if focus {
				x, y := f.in.Cursor()
				q.cursor = tea.NewCursor(2+labels+x, 1+at+y)
			}
			continue
		}
		lines = append(lines, field(q.env, strings.ToLower(f.field.Label), &f.in, focus, labels, inner))
		if focus {
			x, _ := f.in.Cursor()
			q.cursor = tea.NewCursor(2+labels+x, len(lines))
		}
	}
	// One line is kept for what there is to say, so that the box stays as high
	// as it is.
	say := strings.Repeat(" ", labels) + th.Muted.Render(widget.Fit(q.hint(&q.fields[q.at]), inner-labels))
	if q.msg != "" {
		say = th.Danger.Render(widget.Fit("× "+q.msg, inner))
	}
	lines = append(lines, say)
	title := map[string]string{"call": "Log a call", "note": "Write a note", "task": "Add a task"}[q.kind]
	save := "enter"
	if q.fields[q.at].in.Multi {
		save = q.env.Keys.KeyOf(keymap.Save, keymap.Dialog)
	}
	return box(q.env, title, lines, inner, keys(q.env, save, "save", "tab", "next", "esc", "cancel"))
}

// hint says what a field takes, or how a date typed so far is read.
func (q *QuickLog) hint(f *quickField) string {
	switch f.field.Type {
	case model.Time, model.Date:
		if f.in.Value() == "" {
			return "tomorrow 9:00, fri, +3d, 1.12."
		}
		v, err := model.ParseValue(f.field, f.in.Value(), q.env.Values())
		if err != nil {
			return "…"
		}
		return widget.Value(f.field, v, q.env.Now())
	}
	if len(f.field.Options) > 0 {
		return "← → " + strings.Join(f.field.Options, ", ")
	}
	return ""
}
