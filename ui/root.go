package ui

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/ui/dialog"
	"rapport/ui/screen"
	"rapport/ui/theme"
)

// MinWidth and MinHeight are the smallest terminal in which screens are drawn.
const (
	MinWidth  = 60
	MinHeight = 20
)

// frameTop and frameBottom are the lines above and below a screen.
const (
	frameTop    = 1
	frameBottom = 2
)

// Root is the model of a session. See New.
type Root struct {
	env  *screen.Env
	log  *slog.Logger
	opts Options
	ws   finishing
	w, h int

	tab    int
	stacks [len(tabs)][]entry
	away   []entry // left while they were at work, until they are opened again

	dialogs []dialog.Dialog
	boxX    int // where the top dialog was drawn last
	boxY    int

	chord    []string
	chordGen int
	whichKey bool

	notices []notice
	record  []notice // all notices of the session, for the messages dialog
	noticed int64

	status  statusLine
	keeping keeping
	// nextBackup is when the place of the backups is asked next whether one
	// is due; looking that somebody looks at the clock for it.
	nextBackup time.Time
	looking    bool
	waiting    wait
	help       struct {
		drawnHelp
		line string
	}
	leaving bool // ctrl+c was pressed once

	clickAt time.Time
	clickX  int
	clickY  int
}

// entry is a screen on the stack.
type entry struct {
	screen.Screen
	place place
	stale bool // records changed while it was hidden
	told  bool // of one that was left: how its work ended
}

type (
	hangupMsg   struct{}
	whichKeyMsg struct{ gen int }
	quitMsg     struct{} // the person agreed to lose what is typed
	backMsg     struct{} // the same for one screen
)

// begin puts the start page, and what is to be opened with it, on the stack.
func (r *Root) begin() {
	r.stacks = [len(tabs)][]entry{}
	r.tab, r.dialogs, r.chord = 0, nil, nil
	if s := r.make(tabs[0].open); s != nil {
		r.stacks[0] = []entry{{Screen: s}}
	} else {
		r.tab = 1
		r.stacks[1] = []entry{{Screen: r.make(tabs[1].open)}}
	}
	if r.opts.Start.Kind != "" {
		if s := r.make(r.opts.Start); s != nil {
			r.stacks[r.tab] = append(r.stacks[r.tab], entry{Screen: s, place: placeOf(r.opts.Start)})
		}
	}
}

// make builds a screen and tells it its size, nil if there is no such kind.
func (r *Root) make(m screen.OpenMsg) screen.Screen {
	build := factories()[m.Kind]
	if build == nil {
		return nil
	}
	s := build(r.env, withNoun(m))
	s.SetSize(r.body())
	return s
}

// body is the size of the rectangle that screens get.
func (r *Root) body() (w, h int) {
	return max(r.w, 0), max(0, r.h-frameTop-frameBottom)
}

// top returns the screen that is seen.
func (r *Root) top() screen.Screen {
	s := r.stacks[r.tab]
	return s[len(s)-1].Screen
}

// Init implements tea.Model.
func (r *Root) Init() tea.Cmd {
	cmds := []tea.Cmd{r.watch(), r.loadStatus(), r.followSoon(), r.dueSoon()}
	for _, e := range r.stacks[r.tab] {
		cmds = append(cmds, e.Init())
	}
	if !r.opts.NoColor && r.opts.Theme == "" {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// Update implements tea.Model.
func (r *Root) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := r.update(msg)
	if wait := r.attend(); wait != nil {
		cmd = tea.Batch(cmd, wait)
	}
	return r, cmd
}

func (r *Root) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		return r.resize(m)
	case tea.KeyPressMsg:
		return r.key(m)
	case tea.PasteMsg:
		return r.paste(m)
	case tea.MouseClickMsg:
		return r.click(m)
	case tea.MouseWheelMsg:
		return r.wheel(m)
	case tea.BackgroundColorMsg:
		return r.setTheme(m.IsDark())
	case dueMsg:
		return r.backUpIfDue()
	case backedMsg:
		return r.backed(m)
	case screen.ScheduledMsg:
		return r.rescheduled()
	case hangupMsg, quitMsg:
		return r.finish()
	case whichKeyMsg:
		r.whichKey = m.gen == r.chordGen && len(r.chord) > 0
		return nil
	case screen.OpenMsg:
		return r.open(m)
	case screen.BackMsg:
		return r.back()
	case backMsg:
		return r.pop()
	case screen.NoticeMsg:
		return r.notify(m)
	case noticeOverMsg:
		r.dropNotice(m.id)
		return nil
	case screen.AskMsg:
		r.dialogs = append(r.dialogs, dialog.NewAsk(r.env, m, false))
		return nil
	case screen.PasswordMsg:
		return r.askPassword(m, false)
	case screen.PasswordChangedMsg:
		return r.passwordChanged(m)
	case screen.ActMsg:
		cmd, _ := r.act(m.Action)
		return cmd
	case doMsg:
		cmd, _ := r.top().Do(m.action)
		return cmd
	case screen.ChangedMsg:
		return r.changed(m)
	}
	if cmd, ok := r.updateStatus(msg); ok {
		return cmd
	}
	if cmd, ok := r.updateFollow(msg); ok {
		return cmd
	}
	if cmd, ok := r.updateWaiting(msg); ok {
		return cmd
	}
	return r.everywhere(msg)
}

// everywhere gives a message to all open screens and dialogs: answers of loads
// carry the loader they belong to.
func (r *Root) everywhere(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, d := range r.dialogs {
		cmd, _ := d.Update(msg, "")
		cmds = append(cmds, cmd)
	}
	for _, s := range r.stacks {
		for _, e := range s {
			cmds = append(cmds, e.Update(msg))
		}
	}
	return tea.Batch(append(cmds, r.updateAway(msg)...)...)
}

func (r *Root) resize(m tea.WindowSizeMsg) tea.Cmd {
	r.w, r.h = m.Width, m.Height
	for _, s := range r.stacks {
		for _, e := range s {
			e.SetSize(r.body())
		}
	}
	return r.top().Update(m)
}

func (r *Root) setTheme(dark bool) tea.Cmd {
	if r.opts.NoColor || r.opts.Theme != "" || r.env.Theme.Dark == dark {
		return nil
	}
	r.env.Theme = theme.New(dark)
	return r.everywhere(screen.ThemeMsg{})
}

// changed tells the screen that is seen at once and the others when they are.
func (r *Root) changed(m screen.ChangedMsg) tea.Cmd {
	for i := range r.stacks {
		for j := range r.stacks[i] {
			r.stacks[i][j].stale = true
		}
	}
	for i := range r.away {
		r.away[i].stale = true
	}
	s := r.stacks[r.tab]
	s[len(s)-1].stale = false
	return tea.Batch(r.loadStatus(), r.top().Update(m))
}

// shown is called when another screen comes to the top.
func (r *Root) shown() tea.Cmd {
	s := r.stacks[r.tab]
	e := &s[len(s)-1]
	if !e.stale {
		return nil
	}
	e.stale = false
	return e.Update(screen.ChangedMsg{})
}

// open puts a screen on top of the stack.
func (r *Root) open(m screen.OpenMsg) tea.Cmd {
	if e, ok := r.fetch(placeOf(m)); ok {
		e.SetSize(r.body())
		r.stacks[r.tab] = append(r.stacks[r.tab], e)
		return r.shown()
	}
	s := r.make(m)
	if s == nil {
		return screen.Notice(fmt.Sprintf("there is no %s page yet", m.Kind))
	}
	st := r.stacks[r.tab]
	if m.Replace && len(st) > 0 {
		r.leave(st[len(st)-1])
		st = st[:len(st)-1]
	}
	r.stacks[r.tab] = append(st, entry{Screen: s, place: placeOf(m)})
	return r.start(s)
}

// start begins a screen, which is told at once where the sync stands.
func (r *Root) start(s screen.Screen) tea.Cmd {
	if !r.keeping.tried {
		return s.Init()
	}
	return tea.Batch(s.Init(), s.Update(r.syncState()))
}

// back leaves the screen that is seen, after a question if something typed
// would be lost.
func (r *Root) back() tea.Cmd {
	if len(r.stacks[r.tab]) < 2 {
		return nil
	}
	if !r.top().Dirty() {
		return r.pop()
	}
	r.dialogs = append(r.dialogs, dialog.NewAsk(r.env, screen.AskMsg{
		Title: "Unsaved changes", Text: "What you typed in “" + r.top().Title() + "” is not saved.",
		Yes: "Discard", Do: func(string) tea.Cmd { return func() tea.Msg { return backMsg{} } },
	}, false))
	return nil
}

func (r *Root) pop() tea.Cmd {
	s := r.stacks[r.tab]
	if len(s) < 2 {
		return nil
	}
	r.leave(s[len(s)-1])
	r.stacks[r.tab] = s[:len(s)-1]
	return r.shown()
}

// goTo shows a tab as it was left; a second time it goes to its first page.
func (r *Root) goTo(i int) tea.Cmd {
	if i == r.tab && len(r.stacks[i]) > 1 {
		if r.top().Dirty() {
			return r.back()
		}
		r.leave(r.stacks[i][1:]...)
		r.stacks[i] = r.stacks[i][:1]
		return r.shown()
	}
	if len(r.stacks[i]) > 0 {
		r.tab = i
		return r.shown()
	}
	s := r.make(tabs[i].open)
	if s == nil {
		return screen.Notice("there is no " + strings.ToLower(tabs[i].name) + " page yet")
	}
	r.tab = i
	r.stacks[i] = []entry{{Screen: s}}
	return r.start(s)
}

// quit ends the session, after a question if something typed would be lost.
func (r *Root) quit() tea.Cmd {
	dirty := ""
	for _, s := range r.stacks {
		for _, e := range s {
			if e.Dirty() {
				dirty = e.Title()
			}
		}
	}
	for _, d := range r.dialogs {
		if d.Dirty() {
			dirty = "the open dialog"
		}
	}
	text := r.underWay()
	if dirty != "" {
		text = strings.TrimSpace("What you typed in " + dirty + " is not saved. " + text)
	}
	if text == "" || r.leaving {
		return r.finish()
	}
	r.leaving = true
	r.dialogs = append(r.dialogs, dialog.NewAsk(r.env, screen.AskMsg{
		Title: "Quit Rapport", Text: text,
		Yes: "Quit", Do: func(string) tea.Cmd { return func() tea.Msg { return quitMsg{} } },
	}, false))
	return nil
}

// can tells whether an action of the screen's scope is there now.
func can(s screen.Screen, a keymap.Action) bool {
	if c, ok := s.(screen.Chooser); ok {
		return c.Can(a)
	}
	return true
}
