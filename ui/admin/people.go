package admin

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// roster is a page of people or devices: it lists them and acts on one.
type roster[T any] struct {
	page
	load, acting *screen.Loader
	list         func(ctx context.Context, ws model.Workspace) ([]T, error)
	rowsOf       func(items []T) []row
	acted        func(v any) string // what to say of an act's result that is no text
	items        []T
	loaded       bool
}

func newRoster[T any](env *screen.Env, title, intro string, list func(model.Workspace, context.Context) ([]T, error)) *roster[T] {
	s := &roster[T]{page: page{env: env, title: title, intro: intro}, load: screen.NewLoader(env.Context), acting: screen.NewLoader(env.Context)}
	s.list = func(ctx context.Context, ws model.Workspace) ([]T, error) { return list(ws, ctx) }
	s.rows = []row{{label: "Look again", text: "asking …", do: s.reload}}
	return s
}

// Init lists.
func (s *roster[T]) Init() tea.Cmd { return s.reload() }

func (s *roster[T]) reload() tea.Cmd {
	ws, list := s.env.Workspace, s.list
	return s.load.Load(func(ctx context.Context) (any, error) { return list(ctx, ws) })
}

// act does something about one of them; said is told when it is done.
func (s *roster[T]) act(said string, do func(ctx context.Context, ws model.Workspace) error) tea.Cmd {
	if s.acting.Busy() {
		return screen.Notice("One thing at a time: this is still running.")
	}
	ws := s.env.Workspace
	return s.acting.Load(func(ctx context.Context) (any, error) { return said, do(ctx, ws) })
}

// Update takes the list and the outcome of an act.
func (s *roster[T]) Update(msg tea.Msg) tea.Cmd {
	m, ok := msg.(screen.LoadedMsg)
	if !ok {
		return nil
	}
	if s.acting.Take(m) {
		if m.Err != nil {
			return tea.Batch(screen.Fail(m.Err), s.reload())
		}
		said, plain := m.Value.(string)
		if !plain {
			said = s.acted(m.Value)
		}
		return tea.Batch(screen.Notice(said), s.reload())
	}
	if !s.load.Take(m) {
		return nil
	}
	if s.err = m.Err; m.Err == nil {
		s.items = m.Value.([]T)
	}
	rows := []row{{label: "Look again", text: "as of " + s.env.Now().Format("15:04:05"), do: s.reload},
		{head: true, label: s.title, note: draw.Count(int64(len(s.items)))}}
	s.set(append(rows, s.rowsOf(s.items)...))
	if !s.loaded && len(s.items) > 0 {
		s.at = 2
		s.settle(1)
	}
	s.loaded = true
	return nil
}

// Lasts is what goes on when the page is left.
func (s *roster[T]) Lasts() (what, stopped string) {
	if !s.acting.Busy() {
		return "", ""
	}
	return "changing the " + strings.ToLower(s.title), "The server may have done it already."
}

// Stop ends what is under way.
func (s *roster[T]) Stop() { s.acting.Stop() }

// joined joins the words of a row that are not empty.
func joined(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " · ")
}

// people is the page of the people with an account.
type people struct {
	*roster[model.Person]
	inv model.Invitation // of who was let in last; it is shown until the page is left
}

func newPeople(env *screen.Env) screen.Screen {
	s := &people{roster: newRoster(env, "People", "Who has an account on the company's database. Somebody who leaves is handed over and removed with the command rapport central user.", model.Workspace.People)}
	s.rowsOf = func(items []model.Person) []row { return append(s.inviteRows(), personRows(s.roster, items)...) }
	s.acted = func(v any) string {
		s.inv = v.(model.Invitation)
		return s.inv.Login + " is let in. The invite is shown until you leave this page."
	}
	return s
}

// inviteRows offer to let somebody in and show the invite of the last one.
func (s *people) inviteRows() []row {
	rows := []row{{label: "Let somebody in", text: "an account, and an invite to hand on", do: s.askLogin}}
	if s.inv.Login == "" {
		return rows
	}
	th := s.env.Theme
	line := s.inv.Line
	rows = append(rows, row{label: "Invite for " + s.inv.Login, text: line, sign: "→", style: &th.Text, do: func() tea.Cmd {
		return tea.Batch(s.env.Copy(line), screen.Notice("The invite is copied. Hand it on by a way that nobody else reads."))
	}})
	for _, n := range s.inv.Notes {
		rows = append(rows, row{text: n, sign: "!", style: &th.Warn})
	}
	return rows
}

// askLogin asks for what an account needs, one after the other.
func (s *people) askLogin() tea.Cmd {
	return ask(screen.AskMsg{Title: "Let somebody in", Text: "The name with which the person logs in: letters, digits, dots, - and _.", Yes: "Go on", Input: "Login", Do: func(login string) tea.Cmd {
		p := model.NewPerson{Person: model.Person{Login: strings.TrimSpace(login)}}
		return choose("What may "+p.Login+" do?", "Support may not change what a deal is worth.", model.RoleSales, model.Roles(), func(role string) tea.Cmd {
			p.Role = role
			return choose("Whose records does "+p.Login+" see?", "", model.ScopeOwn, model.Scopes(), func(scope string) tea.Cmd {
				p.Scope = scope
				return s.askGroup(p)
			})
		})
	}})
}

// askGroup asks for the team or the territory where the scope is one.
func (s *people) askGroup(p model.NewPerson) tea.Cmd {
	group := map[string]*string{model.ScopeTeam: &p.Team, model.ScopeTerritory: &p.Territory}[p.Scope]
	if group == nil {
		return s.add(p)
	}
	return ask(screen.AskMsg{Title: "Which " + p.Scope + "?", Text: "Its members see and change each other's records.", Yes: "Let in", Input: p.Scope, Do: func(name string) tea.Cmd {
		*group = strings.TrimSpace(name)
		return s.add(p)
	}})
}

func (s *people) add(p model.NewPerson) tea.Cmd {
	if s.acting.Busy() {
		return screen.Notice("One thing at a time: this is still running.")
	}
	ws := s.env.Workspace
	return s.acting.Load(func(ctx context.Context) (any, error) { return ws.AddPerson(ctx, p) })
}

func personRows(s *roster[model.Person], items []model.Person) []row {
	th := s.env.Theme
	var out []row
	for _, p := range items {
		r := row{label: p.Login, sign: "✓", style: &th.Text, do: func() tea.Cmd { return choosePerson(s, p) }}
		scope := map[string]string{model.ScopeOwn: "own records", model.ScopeTeam: "team " + p.Team, model.ScopeTerritory: "territory " + p.Territory, model.ScopeAll: "all records"}[p.Scope]
		state := ""
		switch {
		case !p.Active || p.Account == "locked":
			r.sign, r.style, state = "×", &th.Danger, "locked"
		case p.Account == "missing":
			r.sign, r.style, state = "!", &th.Warn, "no account on the server"
		}
		r.text = joined(state, p.Name, p.Role, scope, draw.Plural(p.Devices, "device", "devices"))
		r.note = "seen " + draw.Ago(p.LastSeen, s.env.Now())
		out = append(out, r)
	}
	return out
}

const (
	lockIt   = "keep this person out …"
	unlockIt = "let this person in again"
)

// choosePerson offers what can be done about somebody.
func choosePerson(s *roster[model.Person], p model.Person) tea.Cmd {
	if !p.Active || p.Account == "locked" {
		return choose(p.Login, "This person is kept out.", unlockIt, []string{unlockIt}, func(string) tea.Cmd {
			return s.act(p.Login+" can log in again.", func(ctx context.Context, ws model.Workspace) error { return ws.UnlockPerson(ctx, p.Login) })
		})
	}
	return choose(p.Login, joined(p.Name, p.Email, p.Role), lockIt, []string{lockIt}, func(string) tea.Cmd {
		text := fmt.Sprintf("%s is kept out at once, in open sessions too. What was not sent stays on %s.", p.Login, draw.Plural(p.Devices, "device", "devices"))
		return ask(screen.AskMsg{Title: "Keep " + p.Login + " out?", Text: text, Yes: "Lock", Do: func(string) tea.Cmd {
			return s.act(p.Login+" is kept out.", func(ctx context.Context, ws model.Workspace) error {
				_, err := ws.LockPerson(ctx, p.Login)
				return err
			})
		}})
	})
}

// newDevices is the page of the devices that sync with the central.
func newDevices(env *screen.Env) screen.Screen {
	s := newRoster(env, "Devices", "", model.Workspace.Devices)
	s.rowsOf = func(items []model.DeviceState) []row { return deviceRows(s, items) }
	return s
}

func deviceRows(s *roster[model.DeviceState], items []model.DeviceState) []row {
	th := s.env.Theme
	var out []row
	for _, d := range items {
		r := row{label: deviceLabel(d), sign: "✓", style: &th.Text, do: func() tea.Cmd { return chooseDevice(s, d) }}
		unsent, state := "", ""
		if d.Pending > 0 {
			r.sign, r.style, unsent = "●", &th.Warn, draw.Count(d.Pending)+" unsent"
		}
		switch {
		case !d.WipedAt.IsZero():
			r.sign, r.style, state = "×", &th.Muted, "emptied "+draw.Ago(d.WipedAt, s.env.Now())
		case !d.WipeAt.IsZero():
			r.sign, r.style, state = "!", &th.Danger, "is to empty itself"
		}
		version := ""
		if d.Program != "" {
			version = "Rapport " + d.Program
		}
		r.text = joined(state, d.Login, unsent, version)
		r.note = "seen " + draw.Ago(d.LastSeen, s.env.Now())
		out = append(out, r)
	}
	if len(out) == 0 {
		out = append(out, row{label: "None yet", text: "a device is listed from its first sync on"})
	}
	return out
}

// deviceLabel tells devices of one name apart by the end of their ids.
func deviceLabel(d model.DeviceState) string {
	if d.Name == "" {
		return d.ID.Short()
	}
	return d.Name + " " + d.ID.Short()
}

const (
	wipeIt   = "it is lost: let it empty itself …"
	forgetIt = "take it off the list …"
)

// chooseDevice offers what can be done about a device.
func chooseDevice(s *roster[model.DeviceState], d model.DeviceState) tea.Cmd {
	options := []string{forgetIt}
	if d.State() == "" {
		options = []string{wipeIt, forgetIt}
	}
	who := deviceLabel(d) + " of " + d.Login
	text := joined("first seen "+draw.Ago(d.FirstSeen, s.env.Now()), "last seen "+draw.Ago(d.LastSeen, s.env.Now()), draw.Plural(d.Pending, "change", "changes")+" unsent")
	return choose(who, text, options[0], options, func(v string) tea.Cmd {
		if v == wipeIt {
			return ask(screen.AskMsg{Title: "Empty " + who + "?", Yes: "Empty it",
				Text: "At its next contact it removes every record, its backups and its password. " + draw.Plural(d.Pending, "change that was", "changes that were") + " not sent when it was last seen are lost.",
				Do: func(string) tea.Cmd {
					return s.act("It empties itself at its next contact. Lock the account after that.", func(ctx context.Context, ws model.Workspace) error { return ws.WipeDevice(ctx, d.ID) })
				}})
		}
		text := "It comes back with its next sync, if it is in use."
		if d.State() == "wipe asked" {
			text = "It has not been emptied yet, and then never is."
		}
		return ask(screen.AskMsg{Title: "Take " + who + " off the list?", Text: text, Yes: "Forget", Do: func(string) tea.Cmd {
			return s.act("It is off the list.", func(ctx context.Context, ws model.Workspace) error { return ws.ForgetDevice(ctx, d.ID) })
		}})
	})
}
