package screen

import (
	"bytes"
	"context"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
)

// AboutOf is what a call, note or task logged on a record is about: the record
// itself, or for an activity the first record it is about. The zero Ref where
// activities cannot be about it.
func AboutOf(r *model.Record) model.Ref {
	link := model.EntityOf("activity_link").Field("record")
	for _, n := range link.To {
		if n == r.Noun {
			return model.Ref{Noun: r.Noun, ID: r.ID, Name: r.Title()}
		}
	}
	for _, part := range r.List("about") {
		return part.Ref("record")
	}
	return model.Ref{}
}

// CopyCard returns a command that copies a record as a vCard.
func CopyCard(env *Env, n model.Noun, id model.ID) tea.Cmd {
	ws, ctx, clip := env.Workspace, env.Context, env.Copy
	return func() tea.Msg {
		card, err := export(ctx, ws, n, id, "vcf")
		if err != nil {
			return NoticeMsg{Err: err}
		}
		return tea.BatchMsg{clip(card)}
	}
}

func export(ctx context.Context, ws model.Transfer, n model.Noun, id model.ID, format string) (string, error) {
	var b bytes.Buffer
	q := model.Query{Noun: n, Filter: []model.Condition{{Field: "id", Op: model.Equal, Value: string(id)}}}
	_, err := ws.Export(ctx, model.ExportRequest{Query: q, Format: format, Raw: true}, &b)
	return b.String(), err
}

// AboutRef returns a link itself where an activity can be about it, the zero
// Ref otherwise.
func AboutRef(ref model.Ref) model.Ref {
	for _, n := range model.EntityOf("activity_link").Field("record").To {
		if n == ref.Noun {
			return ref
		}
	}
	return model.Ref{}
}

// OpenRef opens the record that a page's cursor stands on; ok is false where it
// stands on none.
func OpenRef(ref model.Ref) (cmd tea.Cmd, ok bool) {
	if ref.IsZero() {
		return nil, false
	}
	return Open(OpenMsg{Kind: Detail, Noun: ref.Noun, ID: ref.ID}), true
}
