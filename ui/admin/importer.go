package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// importer is the page that imports files: choose, look, try, run.
type importer struct {
	page
	look *screen.Loader

	path   string
	files  []string
	req    model.ImportRequest
	seen   model.ImportPreview
	mapped bool // a person changed the mapping
	result *model.ImportResult
}

// looked is what a look at the files answers.
type looked struct {
	files []string
	seen  model.ImportPreview
}

func newImporter(env *screen.Env) screen.Screen {
	s := &importer{page: page{env: env, title: "Import", job: newJob(env),
		intro: "Nothing is written before you choose Import now. Rows that cannot be imported are kept in a file with the reason."}, look: screen.NewLoader(env.Context)}
	s.rebuild()
	return s
}

// Init asks for the file.
func (s *importer) Init() tea.Cmd { return s.askPath() }

// Update takes the preview, the progress and the result.
func (s *importer) Update(msg tea.Msg) tea.Cmd {
	m, ok := msg.(screen.LoadedMsg)
	if !ok {
		return nil
	}
	if s.look.Take(m) {
		return s.applyLook(m)
	}
	_, ended, cmd := s.job.take(m)
	if !ended {
		return cmd
	}
	return s.applyRun(m)
}

func (s *importer) applyLook(m screen.LoadedMsg) tea.Cmd {
	s.err = m.Err
	if m.Err != nil {
		s.files = nil
		s.rebuild()
		return nil
	}
	l := m.Value.(looked)
	s.files, s.seen = l.files, l.seen
	if s.req.Map == nil {
		s.req.Map = maps.Clone(l.seen.Map)
	}
	s.rebuild()
	s.goTo("Try it")
	return nil
}

func (s *importer) applyRun(m screen.LoadedMsg) tea.Cmd {
	s.err = m.Err
	r, ok := m.Value.(model.ImportResult)
	if ok && (m.Err == nil || r.Read > 0) {
		s.result = &r
	}
	s.rebuild()
	switch {
	case m.Err != nil:
		return nil
	case r.DryRun:
		s.goTo("Import now")
		return nil
	}
	s.goTo(lookAt)
	return screen.Notice(fmt.Sprintf("Imported: %s new, %s changed, %s rejected.", draw.Count(r.Created), draw.Count(r.Updated), draw.Count(r.Rejected)))
}

// preview looks at the files with the choices made so far.
func (s *importer) preview() tea.Cmd {
	s.result, s.err = nil, nil
	ws, req, path := s.env.Workspace, s.request(false), s.path
	return s.look.Load(func(ctx context.Context) (any, error) {
		files, err := screen.Files(path)
		if err != nil {
			return nil, err
		}
		req.Files = files
		seen, err := ws.Preview(ctx, req)
		return looked{files, seen}, err
	})
}

// request is the import as chosen. A mapping that nobody changed is left to the
// preset, which knows more than a mapping can say.
func (s *importer) request(dry bool) model.ImportRequest {
	req := s.req
	req.Files, req.DryRun, req.Env = s.files, dry, s.env.Values()
	if !s.mapped {
		req.Map = nil
	}
	return req
}

func (s *importer) run(dry bool) tea.Cmd {
	s.result, s.err = nil, nil
	ws, req := s.env.Workspace, s.request(dry)
	name := "Importing"
	if dry {
		name = "Trying"
	}
	return s.job.start(name, func(ctx context.Context, n model.Notify) (any, error) { return ws.Import(ctx, req, n) })
}

// askPath asks for the file.
func (s *importer) askPath() tea.Cmd {
	return ask(screen.AskMsg{Title: "Which file?", Text: "CSV, TSV, vCard, JSON or NDJSON. A folder or a pattern such as ~/crm/*.csv means several.",
		Yes: "Look at it", Input: "File", Value: s.path, Do: func(text string) tea.Cmd {
			if strings.TrimSpace(text) == "" {
				return nil
			}
			s.path = text
			s.req, s.mapped, s.seen = model.ImportRequest{}, false, model.ImportPreview{}
			return s.preview()
		}})
}

const (
	automatic = "as recognised"
	lookAt    = "Look at them"
)

// rebuild makes the rows anew from what is known.
func (s *importer) rebuild() {
	file, folder := "choose one", ""
	if len(s.files) == 1 {
		file, folder = filepath.Base(s.files[0]), filepath.Dir(s.files[0])
	} else if len(s.files) > 1 {
		var names []string
		for _, f := range s.files {
			names = append(names, filepath.Base(f))
		}
		file = draw.Plural(int64(len(s.files)), "file", "files") + ": " + list(names)
	}
	rows := []row{{label: "File", text: file, note: folder, do: s.askPath}}
	if len(s.files) > 0 {
		rows = append(rows, s.choices()...)
		rows = append(rows,
			row{head: true, label: "Go"},
			row{label: "Try it", text: "a dry run: all the figures, nothing written", do: func() tea.Cmd { return s.run(true) }},
			row{label: "Import now", text: "a copy of every rejected row is kept with its reason", do: func() tea.Cmd { return s.run(false) }})
		rows = append(rows, s.outcome()...)
		rows = append(rows, s.columns()...)
	}
	s.set(rows)
}

// or is a for a choice that was made, else what stands in its place.
func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s *importer) choices() []row {
	var nouns []string
	for _, e := range model.Records() {
		nouns = append(nouns, string(e.Noun))
	}
	kinds := or(string(s.seen.As), "several kinds")
	if len(s.files) > 1 {
		kinds = "as each file says; a dry run tells how many of which kind"
	}
	return []row{
		{label: "What it holds", text: kinds, note: s.seen.Format, do: func() tea.Cmd {
			return choose("What does the file hold?", filepath.Base(s.files[0]), string(s.seen.As), nouns, func(v string) tea.Cmd {
				s.req.As, s.req.Map, s.mapped = model.Noun(v), nil, false
				return s.preview()
			})
		}},
		{label: "Made by", text: or(s.seen.Preset, "nobody we know: see the columns below"), do: func() tea.Cmd {
			return choose("Which program made it?", "A preset knows that program's columns.", or(s.req.Preset, automatic), []string{automatic, "google", "outlook", "sales"}, func(v string) tea.Cmd {
				s.req.Preset, s.req.Map, s.mapped = v, nil, false
				if v == automatic {
					s.req.Preset = ""
				}
				return s.preview()
			})
		}},
		{label: "Known records", text: map[string]string{"": "are updated, others are made", "upsert": "are updated, others are made", "update": "are updated, others are left out", "create": "are left alone, others are made"}[s.req.Mode], do: func() tea.Cmd {
			return choose("What happens with records that are here already?", "upsert updates them and makes the others.", or(s.req.Mode, "upsert"), []string{"upsert", "update", "create"}, func(v string) tea.Cmd {
				s.req.Mode, s.result = v, nil
				s.rebuild()
				return nil
			})
		}},
		{label: "Recognised by", text: or(list(s.req.Key), automatic), do: func() tea.Cmd {
			return ask(screen.AskMsg{Title: "Recognised by which fields?", Text: "Names of fields with commas between, for example external_id or email. Nothing leaves it to the program.", Yes: "Set", Input: "Fields", Value: list(s.req.Key),
				Do: func(text string) tea.Cmd {
					s.req.Key = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
					s.result = nil
					s.rebuild()
					return nil
				}})
		}},
	}
}

const (
	leaveOut = "(leave out)"
	typeIt   = "another, typed …"
)

// columns shows where each column of the file goes.
func (s *importer) columns() []row {
	if len(s.seen.Header) == 0 || len(s.seen.Map) == 0 && s.seen.Preset != "" {
		return nil
	}
	out := []row{{head: true, label: "Columns", note: draw.Count(int64(len(s.seen.Header)))}}
	for i, name := range s.seen.Header {
		to := s.req.Map[name]
		sample := ""
		for _, r := range s.seen.Rows {
			if i < len(r) && strings.TrimSpace(r[i]) != "" {
				sample = model.Visible(r[i])
				break
			}
		}
		text, style := "→ "+to, s.env.Theme.Text
		if to == "" {
			text, style = "left out", s.env.Theme.Muted
		}
		out = append(out, row{label: or(name, "(no name)"), text: text, style: &style, note: sample, do: func() tea.Cmd { return s.askColumn(name, to) }})
	}
	return out
}

func (s *importer) askColumn(name, now string) tea.Cmd {
	options := []string{leaveOut}
	if e := model.EntityOf(s.seen.As); e != nil {
		for i := range e.Fields {
			if !e.Fields[i].ReadOnly {
				options = append(options, e.Fields[i].Name)
			}
		}
	}
	take := func(v string) tea.Cmd {
		if v == leaveOut {
			v = ""
		}
		if s.req.Map == nil {
			s.req.Map = map[string]string{}
		}
		s.req.Map = maps.Clone(s.req.Map)
		s.req.Map[name] = strings.TrimSpace(v)
		s.mapped, s.result = true, nil
		s.rebuild()
		return nil
	}
	if now != "" && !slices.Contains(options, now) {
		options = append(options, now)
	}
	return choose("Where does "+name+" go?", "A field of the record.", or(now, leaveOut), append(options, typeIt), func(v string) tea.Cmd {
		if v != typeIt {
			return take(v)
		}
		return ask(screen.AskMsg{Title: "Where does " + name + " go?", Text: "A field, field:label for a list such as phone:work, or a part such as address.city.", Yes: "Set", Input: "Field", Value: now, Do: take})
	})
}

// outcome tells what an import did or would do.
func (s *importer) outcome() []row {
	r := s.result
	if r == nil {
		return nil
	}
	th := s.env.Theme
	title := "What was done"
	if r.DryRun {
		title = "What would happen"
	}
	tell := func(label string, c model.Counts) row {
		text := fmt.Sprintf("%s new, %s changed, %s as they were", draw.Count(c.Created), draw.Count(c.Updated), draw.Count(c.Unchanged))
		if c.Skipped > 0 {
			text += ", " + draw.Count(c.Skipped) + " skipped"
		}
		out := row{label: label, text: text, note: draw.Count(c.Read) + " read", sign: "✓", style: &th.Good}
		if c.Rejected > 0 {
			out.sign, out.style = "!", &th.Warn
			out.text += ", " + draw.Count(c.Rejected) + " rejected"
		}
		return out
	}
	out := []row{{head: true, label: title}}
	if !r.DryRun {
		n := or(string(s.seen.As), "contact")
		if len(r.ByNoun) > 0 {
			n = string(slices.MaxFunc(slices.Sorted(maps.Keys(r.ByNoun)), func(a, b model.Noun) int {
				return cmp.Compare(r.ByNoun[a].Read, r.ByNoun[b].Read)
			}))
		}
		e := model.EntityOf(model.Noun(n))
		out = append(out, row{label: lookAt, text: "opens the " + e.Plural, do: func() tea.Cmd {
			return screen.Open(screen.OpenMsg{Kind: screen.List, Noun: e.Noun})
		}})
	}
	out = append(out, tell("All records", r.Counts))
	for _, n := range slices.Sorted(maps.Keys(r.ByNoun)) {
		label := string(n)
		if e := model.EntityOf(n); e != nil {
			label = e.Titles
		}
		out = append(out, tell(label, r.ByNoun[n]))
	}
	if r.RejectsFile != "" {
		out = append(out, row{label: "Rejected rows", text: r.RejectsFile, sign: "!", style: &th.Warn})
	}
	const most = 8
	for i, x := range r.Rejects {
		if i == most {
			out = append(out, row{label: "…", text: draw.Plural(int64(len(r.Rejects)-most), "more", "more")})
			break
		}
		out = append(out, row{label: fmt.Sprintf("line %d", x.Line), text: x.Message, sign: "×", style: &th.Danger, note: filepath.Base(x.File)})
	}
	for _, n := range r.Notes {
		out = append(out, row{label: "note", text: n})
	}
	return out
}
