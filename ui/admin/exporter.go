package admin

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// exporter is the page that writes records to a file.
type exporter struct {
	page
	req    model.ExportRequest
	filter string
	path   string // "" for the one that is proposed
	done   string
}

type exported struct {
	count int64
	path  string
}

// newExporter takes over the query of the list it was opened from.
func newExporter(env *screen.Env, m screen.OpenMsg) screen.Screen {
	s := &exporter{page: page{env: env, title: "Export", job: newJob(env)}}
	s.req = model.ExportRequest{Query: m.Query, Format: "csv"}
	s.req.Query.Limit, s.req.Query.Short, s.req.Query.Around = 0, false, ""
	if m.Noun != "" {
		s.req.Query.Noun = m.Noun
	}
	if s.req.Query.Noun == "" {
		s.req.Query.Noun = "contact"
	}
	s.rebuild()
	s.goTo("Export now")
	return s
}

// Init does nothing: the page needs no data.
func (s *exporter) Init() tea.Cmd { return nil }

// Update takes the outcome.
func (s *exporter) Update(msg tea.Msg) tea.Cmd {
	m, ended, cmd := s.job.take(msg)
	if !ended {
		return cmd
	}
	if s.err = m.Err; m.Err != nil {
		return nil
	}
	x := m.Value.(exported)
	s.done = draw.Plural(x.count, "record", "records") + " in " + x.path
	s.rebuild()
	return screen.Notice("Exported " + s.done + ".")
}

// formats are those that a noun has.
func (s *exporter) formats() []string {
	out := []string{"csv", "tsv", "json", "ndjson"}
	if s.req.Query.Noun == "contact" {
		out = append(out, "vcf")
	}
	return out
}

// file is where the records go.
func (s *exporter) file() string {
	if s.path != "" {
		return s.path
	}
	return filepath.Join("~", model.EntityOf(s.req.Query.Noun).Plural+"-"+s.env.Now().Format("2006-01-02")+"."+s.req.Format)
}

func (s *exporter) rebuild() {
	e := model.EntityOf(s.req.Query.Noun)
	var nouns []string
	for _, e := range model.Records() {
		nouns = append(nouns, string(e.Noun))
	}
	which := "all of them"
	if s.filter != "" {
		which = "where " + s.filter
	} else if n := len(s.req.Query.Filter); n > 0 || s.req.Query.Text != "" {
		which = "those of the list you came from"
	}
	rows := []row{
		{label: "Records", text: e.Titles, do: func() tea.Cmd {
			return choose("Which records?", "Each kind has a file of its own.", string(e.Noun), nouns, func(v string) tea.Cmd {
				s.req.Query, s.filter, s.done = model.Query{Noun: model.Noun(v)}, "", ""
				if !slices.Contains(s.formats(), s.req.Format) {
					s.req.Format = "csv"
				}
				s.rebuild()
				return nil
			})
		}},
		{label: "Which ones", text: which, do: s.askFilter},
		{label: "Format", text: s.req.Format, do: func() tea.Cmd {
			return choose("Which format?", "vcf is for contacts: every address book reads it.", s.req.Format, s.formats(), func(v string) tea.Cmd {
				s.req.Format, s.done = v, ""
				s.rebuild()
				return nil
			})
		}},
	}
	if s.req.Format == "csv" || s.req.Format == "tsv" {
		guard := "yes: no cell can run as a formula"
		if s.req.Raw {
			guard = "no: every cell as it is"
		}
		rows = append(rows, row{label: "Safe for spreadsheets", text: guard, do: func() tea.Cmd {
			s.req.Raw, s.done = !s.req.Raw, ""
			s.rebuild()
			return nil
		}})
	}
	rows = append(rows, row{label: "File", text: s.file(), do: func() tea.Cmd {
		return ask(screen.AskMsg{Title: "Which file?", Text: "A file that is there is never replaced.", Yes: "Set", Input: "File", Value: s.file(), Do: func(text string) tea.Cmd {
			s.path, s.done = strings.TrimSpace(text), ""
			s.rebuild()
			return nil
		}})
	}}, row{label: "Export now", text: "write the file", do: s.run})
	if s.done != "" {
		rows = append(rows, row{label: "Done", text: s.done, sign: "✓", style: &s.env.Theme.Good})
	}
	s.set(rows)
}

func (s *exporter) askFilter() tea.Cmd {
	e := model.EntityOf(s.req.Query.Noun)
	return ask(screen.AskMsg{Title: "Which " + e.Plural + "?", Text: "field=value, field~part, field>value, with blanks between; nothing means all.", Yes: "Set", Input: "Filter", Value: s.filter,
		Do: func(text string) tea.Cmd {
			conditions, err := model.ParseFilter(e, text)
			if err != nil {
				return screen.Fail(err)
			}
			s.filter, s.done = strings.TrimSpace(text), ""
			s.req.Query = model.Query{Noun: e.Noun, Filter: conditions}
			s.rebuild()
			return nil
		}})
}

func (s *exporter) run() tea.Cmd {
	s.err, s.done = nil, ""
	ws, req, path := s.env.Workspace, s.req, s.file()
	return s.job.start("Exporting", func(ctx context.Context, _ model.Notify) (any, error) {
		var n int64
		full, err := screen.WriteNew(path, func(w io.Writer) error {
			b := bufio.NewWriterSize(w, 1<<16)
			var err error
			if n, err = ws.Export(ctx, req, b); err != nil {
				return err
			}
			return b.Flush()
		})
		return exported{n, full}, err
	})
}
