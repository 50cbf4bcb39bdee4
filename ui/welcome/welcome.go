// Package welcome is the first page of an empty workspace: try the demo, import
// a file, come in with an invite, or connect to the company's database.
//
// Promises: a choice that the program cannot carry out is not offered; the
// password is never drawn and never part of a message.
package welcome

import (
	"context"
	"net/url"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget"
)

// Screen is the welcome page, or the form that asks for the database.
type Screen struct {
	env  *screen.Env
	load *screen.Loader
	w, h int

	choices []choice
	row     int

	form  bool
	field int
	in    [fields]widget.Input
	busy  string // what is under way, "" if nothing
	err   error
}

// choice is one of the things to begin with.
type choice struct {
	title, text string
	do          func() tea.Cmd
}

// The fields of the form.
const (
	address = iota
	database
	user
	password
	fields
)

var labels = [fields]string{"Server", "Database", "User", "Password"}

// New returns the welcome page.
func New(env *screen.Env, _ screen.OpenMsg) screen.Screen {
	s := &Screen{env: env, load: screen.NewLoader(env.Context)}
	if env.Hooks.Demo != nil {
		s.choices = append(s.choices, choice{"Try the demo", "A workspace with believable sample data, beside your own. Nothing you do there touches your data.", s.demo})
	}
	s.choices = append(s.choices, choice{"Import a file", "Contacts, organizations or deals from CSV, vCard or JSON. You see what would happen before it does.",
		func() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: screen.Import}) }})
	if env.Hooks.Join != nil {
		s.choices = append(s.choices, choice{"Come in with an invite", "The line that an administrator gave you: it knows the server, and you choose a password of your own.", s.askInvite})
	}
	if env.Hooks.Connect != nil {
		s.choices = append(s.choices, choice{"Connect to the company's database", "Work with everybody else on a MySQL or MariaDB server, also while it is out of reach.",
			func() tea.Cmd { s.form = true; return nil }})
	}
	s.in[database].SetValue("rapport")
	return s
}

// Init does nothing: the page needs no data.
func (s *Screen) Init() tea.Cmd { return nil }

func (s *Screen) demo() tea.Cmd {
	hook := s.env.Hooks.Demo
	s.busy, s.err = "Making the demo …", nil
	return s.load.Load(func(ctx context.Context) (any, error) { return nil, hook(ctx) })
}

// askInvite asks for the invite, then for a password.
func (s *Screen) askInvite() tea.Cmd {
	s.err = nil
	m := screen.AskMsg{Title: "Come in with an invite", Text: "Paste the whole line that the administrator gave you.", Yes: "Go on", Input: "Invite", Do: func(line string) tea.Cmd {
		invite, err := model.ParseInvite(line)
		if err != nil {
			return screen.Fail(err)
		}
		login := ""
		if u, err := url.Parse(invite.Central); err == nil {
			login = u.User.Username()
		}
		ask := screen.PasswordMsg{Title: "Welcome, " + login, Text: "Choose a password of your own. The one in the invite works once.", Login: login,
			Do: func(next string) tea.Cmd { return s.join(line, next) }}
		return func() tea.Msg { return ask }
	}}
	return func() tea.Msg { return m }
}

func (s *Screen) join(line, next string) tea.Cmd {
	hook := s.env.Hooks.Join
	s.busy, s.err = "Coming in …", nil
	return s.load.Load(func(ctx context.Context) (any, error) { return nil, hook(ctx, line, next) })
}

// connect tries the database that was typed.
func (s *Screen) connect() tea.Cmd {
	u, err := s.url()
	if err != nil {
		s.err = err
		return nil
	}
	hook := s.env.Hooks.Connect
	s.busy, s.err = "Trying the server …", nil
	return s.load.Load(func(ctx context.Context) (any, error) { return nil, hook(ctx, u) })
}

// url puts the fields together. The server may also be a whole address
// beginning with mysql://, whose parts the other fields add to.
func (s *Screen) url() (string, error) {
	server := strings.TrimSpace(s.in[address].Value())
	if server == "" {
		s.field = address
		return "", model.Errorf(model.Invalid, "the server is needed").WithHint("for example crm.example.com or 10.0.0.5:3306")
	}
	if !strings.Contains(server, "://") {
		server = "mysql://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "mysql" || u.Host == "" && u.Query().Get("socket") == "" {
		s.field = address
		return "", model.Errorf(model.Invalid, "this is not the address of a server").WithHint("for example crm.example.com or mysql://crm.example.com:3306/crm?tls=true")
	}
	if name := strings.TrimSpace(s.in[database].Value()); strings.Trim(u.Path, "/") == "" {
		if name == "" {
			s.field = database
			return "", model.Errorf(model.Invalid, "the name of the database is needed")
		}
		u.Path = "/" + name
	}
	if who := strings.TrimSpace(s.in[user].Value()); who != "" {
		u.User = url.User(who)
		if secret := s.in[password].Value(); secret != "" {
			u.User = url.UserPassword(who, secret)
		}
	}
	if u.User == nil {
		s.field = user
		return "", model.Errorf(model.Invalid, "the user is needed").WithHint("the account that the administrator gave you")
	}
	return u.String(), nil
}

// Update takes typed text and the outcome of a hook. A hook that succeeds has
// arranged another workspace, with which the program begins anew.
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case screen.LoadedMsg:
		if !s.load.Take(m) {
			return nil
		}
		s.busy, s.err = "", m.Err
		if m.Err == nil {
			return tea.Quit
		}
		if model.KindOf(m.Err) == model.Unreachable {
			s.err = model.Errorf(model.Unreachable, "the server does not answer").WithHint("check its address; nothing was changed").Because(m.Err)
		}
	case tea.PasteMsg:
		if s.form && s.busy == "" {
			s.in[s.field].Update(m)
		}
	case tea.KeyPressMsg:
		if s.form && s.busy == "" {
			s.typed(m)
		}
	}
	return nil
}

func (s *Screen) typed(k tea.KeyPressMsg) {
	switch k.String() {
	case "left", "right", "home", "end", "ctrl+a", "ctrl+b", "ctrl+e", "ctrl+f", "alt+b", "alt+f", "alt+left", "alt+right", "ctrl+left", "ctrl+right":
		// The password is drawn as signs with the cursor behind them.
		if s.field != password {
			s.in[s.field].Update(k)
		}
	default:
		s.in[s.field].Update(k)
	}
}

// Do carries out the actions of the page, or of the form while it is typed in.
func (s *Screen) Do(a keymap.Action) (tea.Cmd, bool) {
	if s.form {
		return s.doForm(a)
	}
	last := len(s.choices) - 1
	switch a {
	case keymap.Down, keymap.PageDown:
		s.row = min(s.row+1, last)
	case keymap.Up, keymap.PageUp:
		s.row = max(s.row-1, 0)
	case keymap.Top:
		s.row = 0
	case keymap.Bottom:
		s.row = last
	case keymap.Open:
		if s.busy != "" {
			return nil, true
		}
		return s.choices[s.row].do(), true
	default:
		return nil, false
	}
	return nil, true
}

func (s *Screen) doForm(a keymap.Action) (tea.Cmd, bool) {
	switch a {
	case keymap.NextField:
		s.field = (s.field + 1) % fields
	case keymap.PrevField:
		s.field = (s.field + fields - 1) % fields
	case keymap.Down:
		s.field = min(s.field+1, fields-1)
	case keymap.Up:
		s.field = max(s.field-1, 0)
	case keymap.Save:
		if s.busy != "" {
			return nil, true
		}
		if s.field < password {
			s.field++
			return nil, true
		}
		return s.connect(), true
	case keymap.Cancel:
		s.load.Stop()
		s.form, s.busy, s.err = false, "", nil
	default:
		return nil, false
	}
	return nil, true
}

// SetSize gives the page its rectangle.
func (s *Screen) SetSize(w, h int) {
	s.w, s.h = w, h
	for i := range s.in {
		s.in[i].SetSize(s.boxWidth(), 1)
	}
}

func (s *Screen) boxWidth() int { return max(1, min(50, s.w-4-labelWidth-2)) }

// Title is the page's name.
func (s *Screen) Title() string { return "Welcome" }

// Scope is where its keys are looked up.
func (s *Screen) Scope() keymap.Scope {
	if s.form {
		return keymap.Connect
	}
	return keymap.Welcome
}

// Typing tells whether the form is open.
func (s *Screen) Typing() bool { return s.form }

// Dirty is never true: nothing is kept before it works.
func (s *Screen) Dirty() bool { return false }

// About is no record.
func (s *Screen) About() model.Ref { return model.Ref{} }
