package form

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
)

// searchPause is how long a search waits for the next letter; maxPicks is how
// many proposals are shown.
const (
	searchPause = 80 * time.Millisecond
	maxPicks    = 7
)

// foundPicks is what a search for a link found.
type foundPicks struct {
	slot  *slot
	typed string
	picks []pick
}

// choose opens the proposals of a slot: its options, or records to link to.
func (f *Form) choose(s *slot) tea.Cmd {
	if s.kind == link {
		return f.startSearch()
	}
	s.picks = nil
	for _, o := range s.of.Options {
		s.picks = append(s.picks, pick{text: o})
	}
	s.open, s.at = true, max(0, optionAt(s.of, s.in.Value()))
	return nil
}

// startSearch looks for records whose name begins with what was typed.
func (f *Form) startSearch() tea.Cmd {
	s := f.focus
	if s == nil || s.kind != link {
		return nil
	}
	typed := strings.TrimSpace(s.in.Value())
	if s.ref.ID != "" {
		typed = ""
	}
	if model.EntityOf(s.of.To[0]).IsPart() {
		s.picks, s.at = f.partPicks(typed), 0
		s.open = len(s.picks) > 0
		return nil
	}
	ws, to, single := f.env.Workspace, s.of.To, len(s.of.To) == 1
	return f.search.Load(func(ctx context.Context) (any, error) {
		if single {
			return listPicks(ctx, ws, s, to[0], typed)
		}
		return searchPicks(ctx, ws, s, to, typed)
	})
}

// partPicks are the stages that fit, those of the chosen pipeline only if one
// is chosen.
func (f *Form) partPicks(typed string) []pick {
	owner := model.ID("")
	for _, r := range f.rows {
		if r.own != nil && r.own.kind == link && slices.Contains(slices.Collect(owners(f.owners)), r.own.ref.ID) {
			owner = r.own.ref.ID
		}
	}
	var out []pick
	for _, ref := range f.stages {
		if (owner == "" || f.owners[ref.ID] == owner) && strings.HasPrefix(model.Fold(ref.Name), model.Fold(typed)) {
			out = append(out, pick{text: ref.Name, ref: ref})
		}
	}
	return out
}

func owners(m map[model.ID]model.ID) func(yield func(model.ID) bool) {
	return func(yield func(model.ID) bool) {
		for _, id := range m {
			if !yield(id) {
				return
			}
		}
	}
}

func listPicks(ctx context.Context, ws model.Reader, s *slot, to model.Noun, typed string) (any, error) {
	p, err := ws.List(ctx, model.Query{Noun: to, Text: typed, Limit: maxPicks, Short: true})
	if err != nil {
		return nil, err
	}
	out := foundPicks{slot: s, typed: typed}
	for _, r := range p.Items {
		out.picks = append(out.picks, pick{text: r.Title(), note: tell(r), ref: model.Ref{Noun: to, ID: r.ID, Name: r.Title()}})
	}
	return out, nil
}

// tell is what tells a record from another of the same name.
func tell(r *model.Record) string {
	e := r.Entity()
	for i := range e.Fields {
		f := &e.Fields[i]
		if !f.Essential || f.Search == model.SearchName {
			continue
		}
		switch x := r.Values[f.Name].(type) {
		case model.Ref:
			if x.Name != "" {
				return x.Name
			}
		case []*model.Record:
			if len(x) > 0 && x[0].Text("value") != "" {
				return x[0].Text("value")
			}
		case string:
			if f.Type == model.Text {
				return x
			}
		}
	}
	return ""
}

func searchPicks(ctx context.Context, ws model.Reader, s *slot, to []model.Noun, typed string) (any, error) {
	out := foundPicks{slot: s, typed: typed}
	if typed == "" {
		return out, nil
	}
	hits, err := ws.Search(ctx, typed, "", 4*maxPicks)
	if err != nil {
		return nil, err
	}
	for _, h := range hits {
		if slices.Contains(to, h.Noun) && len(out.picks) < maxPicks {
			out.picks = append(out.picks, pick{text: h.Title, note: string(h.Noun), ref: model.Ref{Noun: h.Noun, ID: h.ID, Name: h.Title}})
		}
	}
	return out, nil
}

// canMake tells whether a record that a link names may be made by saving.
func canMake(f *model.Field) bool {
	return len(f.To) == 1 && slices.Contains([]model.Noun{"organization", "tag", "product"}, f.To[0])
}

// found shows the proposals and, where the typed name is none of them, the one
// to make it.
func (f *Form) found(m screen.LoadedMsg) tea.Cmd {
	if m.Err != nil {
		return screen.Fail(m.Err)
	}
	got := m.Value.(foundPicks)
	s := got.slot
	if s != f.focus {
		return nil
	}
	s.picks, s.at = got.picks, 0
	exact := slices.ContainsFunc(got.picks, func(p pick) bool { return model.Fold(p.text) == model.Fold(got.typed) })
	if got.typed != "" && !exact && canMake(s.of) {
		s.picks = append(s.picks, pick{text: "+ new " + string(s.of.To[0]) + " “" + got.typed + "”", ref: model.Ref{Noun: s.of.To[0], Name: got.typed}})
	}
	s.open = len(s.picks) > 0
	return nil
}

// settle takes the proposal that is named exactly, when the cursor leaves a
// link.
func (s *slot) settle(f *Form) {
	if s.kind != link || s.ref.ID != "" || s.ref.Name != "" {
		return
	}
	picks := s.picks
	if model.EntityOf(s.of.To[0]).IsPart() {
		picks = f.partPicks(strings.TrimSpace(s.in.Value()))
	}
	for _, p := range picks {
		if p.ref.ID != "" && model.Fold(p.text) == model.Fold(s.in.Value()) {
			s.take(p, f.env)
			return
		}
	}
}
