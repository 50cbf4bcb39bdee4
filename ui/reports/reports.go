// Package reports shows the reports, each as a chart with the numbers beside
// it and as a table below.
//
// Promises: the figures are the reporter's, nothing is worked out here but the
// totals of counts and of amounts in one currency; the file that is saved
// holds what is shown.
package reports

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// Screen shows one report of the list at a time.
type Screen struct {
	screen.Still
	env    *screen.Env
	load   *screen.Loader
	saving *screen.Loader

	infos  []model.ReportInfo
	at     int
	by     []int // chosen grouping of each report
	period int

	report model.Report
	loaded bool
	err    error
	row    int
}

// New returns the reports with the first one chosen.
func New(env *screen.Env, _ screen.OpenMsg) screen.Screen {
	infos := env.Workspace.Reports()
	return &Screen{env: env, load: screen.NewLoader(env.Context), saving: screen.NewLoader(env.Context), infos: infos, by: make([]int, len(infos))}
}

// period is a stretch of time that a report can be bounded by.
type period struct {
	name     string
	from, to string
}

// periods are the choices on a given day.
func periods(now time.Time) []period {
	y, m, _ := now.Date()
	day := func(y int, m time.Month, d int) string {
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format("2006-01-02")
	}
	q := (m-1)/3*3 + 1
	return []period{
		{"all time", "", ""},
		{"this month", day(y, m, 1), day(y, m+1, 0)},
		{"this quarter", day(y, q, 1), day(y, q+3, 0)},
		{"this year", day(y, 1, 1), day(y, 12, 31)},
		{"last year", day(y-1, 1, 1), day(y-1, 12, 31)},
	}
}

// Init loads the first report.
func (s *Screen) Init() tea.Cmd { return s.reload() }

// request is what is shown now.
func (s *Screen) request() model.ReportRequest {
	info := s.infos[s.at]
	p := periods(s.env.Now())[s.period]
	req := model.ReportRequest{Name: info.Name, From: p.from, To: p.to, Now: s.env.Now()}
	if len(info.By) > 0 {
		req.By = info.By[s.by[s.at]]
	}
	return req
}

func (s *Screen) reload() tea.Cmd {
	if len(s.infos) == 0 {
		return nil
	}
	ws, req := s.env.Workspace, s.request()
	return s.load.Load(func(ctx context.Context) (any, error) { return ws.Report(ctx, req) })
}

// Update takes the results of loads and the news that records changed.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.ChangedMsg:
		return s.reload()
	case screen.LoadedMsg:
		switch {
		case s.load.Take(m):
			s.loaded, s.err = true, m.Err
			if m.Err != nil {
				return screen.Fail(m.Err)
			}
			s.report = m.Value.(model.Report)
			s.row = max(0, min(s.row, len(s.report.Rows)-1))
		case s.saving.Take(m):
			if m.Err != nil {
				return screen.Fail(m.Err)
			}
			return screen.Notice("Saved as " + m.Value.(string) + ".")
		}
	}
	return nil
}

// Do carries out the actions of the reports.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	if len(s.infos) == 0 {
		return nil, false
	}
	if row, moved := screen.Scroll(a, s.row, 10, len(s.report.Rows)); moved {
		s.row = row
		return nil, true
	}
	n := len(s.infos)
	switch a {
	case keymap.Next:
		return s.choose((s.at + 1) % n), true
	case keymap.Previous:
		return s.choose((s.at + n - 1) % n), true
	case keymap.Group:
		by := s.infos[s.at].By
		if len(by) < 2 {
			return screen.Notice("This report is grouped in one way only."), true
		}
		s.by[s.at] = (s.by[s.at] + 1) % len(by)
		s.row = 0
		return s.reload(), true
	case keymap.Period:
		s.period = (s.period + 1) % len(periods(s.env.Now()))
		s.row = 0
		return s.reload(), true
	case keymap.Refresh:
		return s.reload(), true
	case keymap.Open:
		if !s.Can(a) {
			return screen.Notice("No list can be filtered to what this row counts."), true
		}
		return screen.Open(s.drill()), true
	case keymap.Export:
		return s.export(), true
	}
	return nil, false
}

// Can tells whether an action would do something here and now.
func (s *Screen) Can(a keymap.Action) bool {
	if len(s.infos) == 0 {
		return false
	}
	switch a {
	case keymap.Group:
		return len(s.infos[s.at].By) > 1
	case keymap.Open:
		return s.drill().Kind != ""
	}
	return true
}

func (s *Screen) choose(i int) tea.Cmd {
	s.at, s.row, s.loaded, s.err = i, 0, false, nil
	s.report = model.Report{}
	return s.reload()
}

// export asks for a file and writes the report that is shown.
func (s *Screen) export() tea.Cmd {
	if !s.loaded || s.err != nil {
		return screen.Notice("There is no report to save yet.")
	}
	r := s.report
	name := r.Name
	if by := s.request().By; by != "" {
		name += "-" + by
	}
	ask := screen.AskMsg{Title: "Save the report", Text: r.Title + ", " + draw.Plural(int64(len(r.Rows)), "row", "rows") +
		". A name that ends in .html gives a page, any other CSV.", Yes: "Save", Input: "File",
		Value: filepath.Join("~", name+"-"+s.env.Now().Format("2006-01-02")+".csv"),
		Do: func(path string) tea.Cmd {
			if strings.TrimSpace(path) == "" {
				return screen.Notice("The report needs the name of a file.")
			}
			return s.saving.Load(func(context.Context) (any, error) { return save(r, path) })
		}}
	return func() tea.Msg { return ask }
}

// save writes a report to a new file and returns its path.
func save(r model.Report, path string) (string, error) {
	write := r.WriteCSV
	if ext := strings.ToLower(filepath.Ext(strings.TrimSpace(path))); ext == ".html" || ext == ".htm" {
		write = r.WriteHTML
	}
	return screen.WriteNew(path, write)
}

// Title is the page's name.
func (s *Screen) Title() string { return "Reports" }

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope { return keymap.Report }

// About is no record.
func (s *Screen) About() model.Ref { return model.Ref{} }

// Working implements screen.Worker.
func (s *Screen) Working() string {
	if s.load.Busy() {
		return "reckoning"
	}
	return ""
}
