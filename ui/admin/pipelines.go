package admin

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// pipelines is the page of the pipelines with their stages.
type pipelines struct {
	page
	load   *screen.Loader
	items  []*model.Record
	loaded bool
}

func newPipelines(env *screen.Env) screen.Screen {
	s := &pipelines{page: page{env: env, title: "Pipelines and stages"}, load: screen.NewLoader(env.Context)}
	s.rebuild()
	return s
}

// Init lists the pipelines.
func (s *pipelines) Init() tea.Cmd { return s.reload() }

func (s *pipelines) reload() tea.Cmd {
	ws := s.env.Workspace
	return s.load.Load(func(ctx context.Context) (any, error) {
		p, err := ws.List(ctx, model.Query{Noun: "pipeline"})
		return p.Items, err
	})
}

// Update takes the list and the news that pipelines changed.
func (s *pipelines) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		return s.reload()
	case screen.LoadedMsg:
		if !s.load.Take(m) {
			return nil
		}
		if s.err = m.Err; m.Err == nil {
			s.items = m.Value.([]*model.Record)
		}
		s.rebuild()
		if !s.loaded {
			s.at = 0
			s.settle(1)
		}
		s.loaded = true
	}
	return nil
}

func (s *pipelines) rebuild() {
	th := s.env.Theme
	form := func(id model.ID) func() tea.Cmd {
		return func() tea.Cmd {
			return screen.Open(screen.OpenMsg{Kind: screen.Form, Noun: "pipeline", ID: id})
		}
	}
	var rows []row
	for _, p := range s.items {
		note := p.Text("currency")
		if p.Bool("is_default") {
			note = "the default " + note
		}
		stages := p.List("stages")
		rows = append(rows, row{head: true, label: p.Title(), note: note},
			row{label: "Edit " + p.Title(), text: "name, " + draw.Plural(int64(len(stages)), "stage", "stages") + ", probabilities", do: form(p.ID)})
		for _, st := range stages {
			r := row{label: "  " + st.Title(), text: fmt.Sprintf("%3d %%", st.Int("probability")), do: form(p.ID)}
			switch st.Text("kind") {
			case model.StageWon:
				r.sign, r.style, r.text = "✓", &th.Good, r.text+"  won"
			case model.StageLost:
				r.sign, r.style, r.text = "×", &th.Danger, r.text+"  lost"
			default:
				r.style = &th.Text
				if n := st.Int("rot_days"); n > 0 {
					r.text += "  rots after " + draw.Plural(n, "day", "days")
				}
			}
			rows = append(rows, r)
		}
	}
	rows = append(rows, row{head: true, label: "Another way of selling"},
		row{label: "New pipeline", text: "with stages of its own", do: form("")})
	s.set(rows)
}
