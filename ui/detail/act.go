package detail

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
)

// Can implements screen.Chooser.
func (d *Detail) Can(a keymap.Action) bool {
	deleted := d.data != nil && !d.data.rec.DeletedAt.IsZero()
	switch a {
	case keymap.Next, keymap.Previous:
		return d.query.Noun != ""
	case keymap.Win, keymap.Lose:
		return d.entity.Noun == "deal" && !deleted
	case keymap.Done:
		f := d.entity.Field("status")
		return f != nil && slices.Contains(f.Options, "done") && !deleted
	case keymap.CopyCard:
		return d.entity.Noun == "contact" || d.entity.Noun == "organization"
	case keymap.Restore:
		return deleted
	case keymap.Delete, keymap.Edit:
		return !deleted
	case keymap.Add:
		return !deleted && len(addable(d.entity.Noun)) > 0
	}
	return true
}

// Do implements screen.Screen.
func (d *Detail) Do(a keymap.Action) (tea.Cmd, bool) {
	if !d.Can(a) {
		return nil, false
	}
	switch a {
	case keymap.Next:
		return d.advance(1), true
	case keymap.Previous:
		return d.advance(-1), true
	}
	if d.data == nil {
		return nil, true
	}
	switch a {
	case keymap.Up:
		d.move(-1)
	case keymap.Down:
		d.move(1)
	case keymap.PageUp:
		d.move(-max(1, d.Height-4))
	case keymap.PageDown:
		d.move(max(1, d.Height-4))
	case keymap.Top:
		d.focus = 0
		d.parts[0].cur = 0
	case keymap.Bottom:
		d.focus = len(d.parts) - 1
		d.parts[d.focus].cur = max(0, len(d.parts[d.focus].items)-1)
	case keymap.NextField:
		d.focus = (d.focus + 1) % len(d.parts)
	default:
		return d.act(a)
	}
	return nil, true
}

func (d *Detail) act(a keymap.Action) (tea.Cmd, bool) {
	noun, id := d.entity.Noun, d.id
	switch a {
	case keymap.Open:
		return d.open(), true
	case keymap.Edit:
		return screen.Open(screen.OpenMsg{Kind: screen.Form, Noun: noun, ID: id}), true
	case keymap.Add:
		return d.add(), true
	case keymap.HistoryView:
		return screen.Open(screen.OpenMsg{Kind: screen.History, Noun: noun, ID: id, Set: map[string]any{"title": d.Title()}}), true
	case keymap.Delete:
		return d.remove(), true
	case keymap.Restore:
		ws := d.env.Workspace
		return d.run("restored", func(ctx context.Context) error { return ws.Restore(ctx, noun, id) }), true
	case keymap.Done:
		ws := d.env.Workspace
		return d.run("done", func(ctx context.Context) error {
			_, err := ws.Save(ctx, model.Edit{Noun: noun, ID: id, Set: map[string]any{"status": "done"}})
			return err
		}), true
	case keymap.Win:
		return d.moveTo(model.StageWon, ""), true
	case keymap.Lose:
		return d.askReason(), true
	case keymap.CopyCell:
		if it := d.item(); it != nil {
			return d.env.Copy(it.copy), true
		}
		return nil, true
	case keymap.CopyRow:
		return d.env.Copy(d.recordText()), true
	case keymap.CopyCard:
		return screen.CopyCard(d.env, noun, id), true
	}
	return nil, false
}

// open opens what is under the cursor; a value that leads nowhere is copied.
func (d *Detail) open() tea.Cmd {
	it := d.item()
	switch {
	case it == nil:
		return nil
	case it.open.Kind != "":
		return screen.Open(it.open)
	case it.copy != "":
		return d.env.Copy(it.copy)
	}
	return nil
}

// run carries out work on the record and says so.
func (d *Detail) run(text string, work func(ctx context.Context) error) tea.Cmd {
	ctx, title := d.env.Context, model.Visible(d.Title())
	return func() tea.Msg {
		if err := work(ctx); err != nil {
			return screen.NoticeMsg{Err: err}
		}
		return tea.BatchMsg{
			screen.Notice("“" + title + "” " + text),
			func() tea.Msg { return screen.ChangedMsg{} },
		}
	}
}

// remove deletes the record and leaves its page.
func (d *Detail) remove() tea.Cmd {
	ws, ctx, noun, id, title := d.env.Workspace, d.env.Context, d.entity.Noun, d.id, model.Visible(d.Title())
	return func() tea.Msg {
		if err := ws.Delete(ctx, noun, id); err != nil {
			return screen.NoticeMsg{Err: err}
		}
		return tea.BatchMsg{screen.Notice("“" + title + "” deleted; it can be restored from the bin"), screen.Back}
	}
}

// moveTo moves the deal to the first stage of a kind in its pipeline.
func (d *Detail) moveTo(kind, reason string) tea.Cmd {
	ws, id, pipeline := d.env.Workspace, d.id, d.data.rec.Ref("pipeline")
	word := map[string]string{model.StageWon: "won", model.StageLost: "lost"}[kind]
	return d.run(word, func(ctx context.Context) error {
		p, err := ws.Get(ctx, "pipeline", pipeline.ID)
		if err != nil {
			return err
		}
		for _, s := range p.List("stages") {
			if s.Text("kind") == kind {
				_, err := ws.MoveDeal(ctx, id, s.Text("name"), reason)
				return err
			}
		}
		return model.Errorf(model.Invalid, "the pipeline %s has no stage for %s deals", p.Title(), word)
	})
}

// askReason asks why the deal was lost; the reasons are the field's options.
func (d *Detail) askReason() tea.Cmd {
	ask := screen.AskMsg{Title: "Lost: " + model.Visible(d.Title()), Text: "Why was it lost?", Yes: "Lost",
		Options: d.entity.Field("lost_reason").Options,
		Do:      func(reason string) tea.Cmd { return d.moveTo(model.StageLost, reason) }}
	return func() tea.Msg { return ask }
}

// addable are the fields by which records of other nouns link to one of this
// noun: what can be added to it.
func addable(n model.Noun) []*model.Field {
	var out []*model.Field
	for _, e := range model.Records() {
		for i := range e.Fields {
			if f := &e.Fields[i]; f.Type == model.Link && slices.Contains(f.To, n) && n != "user" {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// add opens the form of a new record that links to this one. Where records of
// several nouns can, the person chooses.
func (d *Detail) add() tea.Cmd {
	to := model.Ref{Noun: d.entity.Noun, ID: d.id, Name: d.Title()}
	forms := map[string]screen.OpenMsg{}
	var titles []string
	for _, e := range model.Records() {
		for _, f := range addable(d.entity.Noun) {
			if e.Field(f.Name) != f {
				continue
			}
			titles = append(titles, e.Title)
			forms[e.Title] = screen.OpenMsg{Kind: screen.Form, Noun: e.Noun, Set: map[string]any{f.Name: to}}
		}
	}
	if len(titles) == 1 {
		return screen.Open(forms[titles[0]])
	}
	ask := screen.AskMsg{Title: "New on " + model.Visible(d.Title()), Yes: "New", Options: titles,
		Do: func(title string) tea.Cmd { return screen.Open(forms[title]) }}
	return func() tea.Msg { return ask }
}
