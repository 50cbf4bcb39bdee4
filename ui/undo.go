package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// takeBack takes an act of this workspace back, the last one or the last undo,
// and says which it was.
func (r *Root) takeBack(act int64) tea.Cmd {
	ws, ctx := r.env.Workspace, r.env.Context
	again := r.env.Keys.KeyOf(keymap.Redo, keymap.Global)
	return func() tea.Msg {
		u, err := ws.Undo(ctx, act)
		if err != nil {
			return screen.NoticeMsg{Err: err}
		}
		return screen.NoticeMsg{Text: undoneText(u, act, again)}
	}
}

// undoneText says what an undo did and what it left.
func undoneText(u model.Undone, act int64, again string) string {
	var text []string
	if u.Records > 0 {
		verb, hint := "Took back: ", " "+again+" does it again."
		if act == model.LastUndo {
			verb, hint = "Did again: ", ""
		}
		text = append(text, verb+actText(u.Act)+"."+hint)
	}
	if left := model.StayedSentence(u); left != "" {
		text = append(text, left+".")
	}
	if len(text) == 0 {
		return "Nothing of it is left to take back: " + actText(u.Act) + "."
	}
	return strings.Join(text, " ")
}

// shownFields is how many fields of an act are named.
const shownFields = 3

// actText names an act: what was done, to which record, in which fields.
func actText(a model.Act) string {
	e := model.EntityOf(a.Record.Noun)
	var fields []string
	for _, c := range a.Changes {
		f := e.Field(c.Field)
		if f == nil || f.ReadOnly {
			continue
		}
		if label := strings.ToLower(f.Label); !slices.Contains(fields, label) {
			fields = append(fields, label)
		}
	}
	s := a.Action + " of " + model.Visible(a.Record.Name)
	if a.Records > 1 {
		s += fmt.Sprintf(" and %d more", a.Records-1)
	}
	if len(fields) == 0 || a.Action == "add" || a.Action == "delete" {
		return s
	}
	if len(fields) > shownFields {
		fields = append(fields[:shownFields], "…")
	}
	return s + " (" + strings.Join(fields, ", ") + ")"
}
