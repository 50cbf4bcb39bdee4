package admin

import (
	"context"
	"maps"
	"slices"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// checks is a page that asks once and tells: the doctor, or the central.
type checks struct {
	page
	load  *screen.Loader
	ask   func(ctx context.Context, ws model.Workspace) (any, error)
	tell  func(v any) []row
	value any
}

func newChecks(env *screen.Env, title string, asks func(context.Context, model.Workspace) (any, error)) *checks {
	s := &checks{page: page{env: env, title: title}, load: screen.NewLoader(env.Context), ask: asks}
	s.rows = []row{{label: "Check again", text: "asking …", do: s.reload}}
	return s
}

func newDoctor(env *screen.Env) screen.Screen {
	s := newChecks(env, "Checks", func(ctx context.Context, ws model.Workspace) (any, error) { return ws.Doctor(ctx), nil })
	s.tell = func(v any) []row { return s.checkRows(v.([]model.Check)) }
	return s
}

func newCentral(env *screen.Env) screen.Screen {
	s := newChecks(env, "Central database", func(ctx context.Context, ws model.Workspace) (any, error) { return ws.CentralStatus(ctx) })
	s.tell = s.centralRows
	return s
}

// Init asks.
func (s *checks) Init() tea.Cmd { return s.reload() }

func (s *checks) reload() tea.Cmd {
	ws, ask := s.env.Workspace, s.ask
	return s.load.Load(func(ctx context.Context) (any, error) { return ask(ctx, ws) })
}

// Update takes the answer.
func (s *checks) Update(msg tea.Msg) tea.Cmd {
	m, ok := msg.(screen.LoadedMsg)
	if !ok || !s.load.Take(m) {
		return nil
	}
	rows := []row{{label: "Check again", text: "as of " + s.env.Now().Format("15:04:05"), do: s.reload}}
	s.err = m.Err
	if m.Err == nil {
		s.value = m.Value
		rows = append(rows, s.tell(m.Value)...)
	} else if model.KindOf(m.Err) == model.NoCentral {
		rows = append(rows, row{label: "How", text: "an administrator makes it with the command: rapport central init --central mysql://…"})
	}
	s.set(rows)
	return nil
}

// checkPages are the pages on which what is found by a check is mended, where
// its fix is a command.
var checkPages = map[string]struct {
	kind screen.Kind
	name string
}{
	"backups": {screen.Backups, "Backups"},
	"inbox":   {screen.Sync, "Sync"},
}

// checkRows tells each check with what mends it.
func (s *checks) checkRows(cs []model.Check) []row {
	th := s.env.Theme
	out := []row{{head: true, label: "Checks", note: draw.Count(int64(len(cs)))}}
	for _, c := range cs {
		r := row{label: c.Name, text: c.Detail, sign: "✓", style: &th.Good}
		switch c.State {
		case "warn":
			r.sign, r.style = "!", &th.Warn
		case "fail":
			r.sign, r.style = "×", &th.Danger
		}
		out = append(out, r)
		if c.Fix != "" && c.State != "ok" {
			fix := row{id: c.Name, text: c.Fix, sign: "→", style: &th.Text}
			if p, ok := checkPages[c.Name]; ok {
				fix.text = s.env.Keys.KeyOf(keymap.Open, keymap.Admin) + " opens the page " + p.name
				fix.do = func() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: p.kind}) }
			}
			out = append(out, fix)
		}
	}
	return out
}

func (s *checks) centralRows(v any) []row {
	c := v.(model.CentralStatus)
	th := s.env.Theme
	out := []row{
		{head: true, label: "Server"},
		{label: "Address", text: c.Address, style: &th.Text},
		{label: "Server", text: c.Server, style: &th.Text},
		{label: "Schema", text: "version " + draw.Count(c.SchemaVersion), style: &th.Text},
		{label: "Identity", text: c.Epoch},
		{label: "Feed position", text: draw.Count(c.Position), style: &th.Text},
		{label: "Not sequenced", text: draw.Count(c.Unsequenced)},
		{label: "Workspaces", text: draw.Count(c.Clients), style: &th.Text},
	}
	if len(c.Rows) > 0 {
		out = append(out, row{head: true, label: "Rows"})
		for _, n := range slices.Sorted(maps.Keys(c.Rows)) {
			out = append(out, row{label: n, text: draw.Count(c.Rows[n]), style: &th.Text})
		}
	}
	if len(c.Checks) > 0 {
		out = append(out, s.checkRows(c.Checks)...)
	}
	return out
}
