package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/db/sqlite"
	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/uitest/fake"
)

type rest struct{ *fake.Workspace }

// workspace is a real cache; the sync and what is not built on the cache are
// fakes. It counts how often it is asked.
type workspace struct {
	*sqlite.DB
	rest
	settings model.Settings
	status   model.Status
	request  model.FollowRequest // of the follow that began last
	follows  int
	asked    atomic.Int64
}

func (w *workspace) Settings() model.Settings { return w.settings }
func (w *workspace) Close() error             { return nil }

func (w *workspace) List(ctx context.Context, q model.Query) (model.Page, error) {
	w.asked.Add(1)
	return w.DB.List(ctx, q)
}

func (w *workspace) Status(context.Context, bool) (model.Status, error) {
	w.asked.Add(1)
	return w.status, nil
}

// Follow returns at once: a test says by messages what it would tell.
func (w *workspace) Follow(_ context.Context, req model.FollowRequest) error {
	w.request = req
	w.follows++
	return nil
}

func (w *workspace) Watch(context.Context) <-chan model.Change {
	// Nothing changes unless a test says so.
	c := make(chan model.Change)
	close(c)
	return c
}

// session is a root with everything around it.
type session struct {
	t    *testing.T
	r    *Root
	ws   *workspace
	now  time.Time
	late []tea.Msg // what was to come later
	quit bool
	clip []string
}

func begin(t *testing.T, w, h int, s model.Settings) *session {
	t.Helper()
	s.Currency = "EUR"
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/db.sqlite", sqlite.Options{Settings: s, Now: fake.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var edits []model.Edit
	for i := range 60 {
		edits = append(edits, model.Edit{Noun: "contact", MakeLinks: true, Set: map[string]any{"first_name": "Ada", "last_name": fmt.Sprintf("Meier %02d", i), "job_title": "Buyer",
			"organization": model.Ref{Noun: "organization", Name: "Muster AG"}}})
	}
	if _, err := db.SaveAll(t.Context(), edits, false); err != nil {
		t.Fatal(err)
	}
	x := &session{t: t, now: fake.Now(), ws: &workspace{DB: db, rest: rest{&fake.Workspace{}}, settings: s}}
	x.r = New(t.Context(), x.ws, Options{Width: w, Height: h, Theme: "dark", Now: func() time.Time { return x.now },
		After: func(d time.Duration, m tea.Msg) tea.Cmd {
			return func() tea.Msg { return laterMsg{d, m} }
		}})
	x.r.env.Copy = func(s string) tea.Cmd { x.clip = append(x.clip, s); return nil }
	x.run(x.r.Init())
	return x
}

type laterMsg struct {
	d time.Duration
	m tea.Msg
}

// run carries out a command and what follows. What is to come within a tenth of
// a second comes at once, the rest when a test asks for it.
func (x *session) run(cmd tea.Cmd) {
	queue := []tea.Cmd{cmd}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if c == nil {
			continue
		}
		switch m := c().(type) {
		case nil:
		case tea.BatchMsg:
			queue = append(queue, m...)
		case tea.QuitMsg:
			x.quit = true
		case laterMsg:
			if m.d <= 100*time.Millisecond {
				queue = append(queue, x.r.update(m.m))
			} else {
				x.late = append(x.late, m.m)
			}
		default:
			queue = append(queue, x.r.update(m))
		}
	}
}

func (x *session) press(keys ...string) {
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "space": tea.KeySpace, "f1": tea.KeyF1}
	for _, k := range keys {
		msg := tea.KeyPressMsg{Text: k}
		if c, ok := named[k]; ok {
			msg = tea.KeyPressMsg{Code: c}
			if k == "space" {
				msg.Text = " "
			}
		} else if rest, ok := strings.CutPrefix(k, "ctrl+"); ok {
			msg = tea.KeyPressMsg{Code: rune(rest[0]), Mod: tea.ModCtrl}
		} else {
			msg.Code = []rune(k)[0]
		}
		if got := msg.String(); got != k {
			x.t.Fatalf("%q is sent as %q", k, got)
		}
		x.run(x.r.update(msg))
	}
}

func (x *session) text(s string) {
	for _, r := range s {
		x.run(x.r.update(tea.KeyPressMsg{Code: r, Text: string(r)}))
	}
}

// screen is the text of the frame, whose size is checked.
func (x *session) screen() string {
	x.t.Helper()
	v := x.r.View()
	if !v.AltScreen || v.MouseMode != tea.MouseModeCellMotion {
		x.t.Error("a frame leaves the terminal's modes")
	}
	lines := strings.Split(v.Content, "\n")
	if len(lines) != x.r.h {
		x.t.Errorf("%d lines of %d", len(lines), x.r.h)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n != x.r.w {
			x.t.Errorf("line %d has %d cells of %d: %q", i, n, x.r.w, ansi.Strip(l))
		}
	}
	return ansi.Strip(v.Content)
}

func (x *session) sees(want ...string) {
	x.t.Helper()
	s := x.screen()
	for _, w := range want {
		if !strings.Contains(s, w) {
			x.t.Errorf("%q is not on the screen:\n%s", w, s)
		}
	}
}

func (x *session) misses(want ...string) {
	x.t.Helper()
	s := x.screen()
	for _, w := range want {
		if strings.Contains(s, w) {
			x.t.Errorf("%q is on the screen:\n%s", w, s)
		}
	}
}

func TestBrowsing(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2")
	x.sees("Contacts", "60", "›● Ada Meier 00", "on this computer only")
	x.press("down", "down", "enter")
	x.sees("Ada Meier 02", "Organization", "Muster AG", "Timeline")
	x.press("right")
	x.sees("Ada Meier 03")
	x.press("left", "left", "left", "left")
	x.sees("Ada Meier 00", "no further record")
	x.press("esc")
	x.sees("›● Ada Meier 00")
	x.press("3")
	x.sees("Organizations", "Muster AG")
	x.press("2")
	x.sees("›● Ada Meier 00")
	x.press("/")
	x.text("meier 4")
	x.sees("/ meier 4", "10 of 60")
	x.press("enter", "enter")
	x.sees("Ada Meier 40")
	x.press("esc")
	x.sees("10 of 60")
	x.press("esc")
	x.sees("Contacts  60")
}

// TestTheListFollowsItsPages goes on from record to record, further than the
// list had read, and back.
func TestTheListFollowsItsPages(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "enter")
	for range 50 {
		x.press("right")
	}
	x.sees("Ada Meier 50")
	x.press("esc")
	x.sees("Contacts", "›● Ada Meier 50")
}

func TestChords(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "G")
	x.sees("›● Ada Meier 59")
	x.press("g", "g")
	x.sees("›● Ada Meier 00")
	x.press("a")
	x.misses("log a note")
	for _, m := range x.late {
		x.run(x.r.update(m))
	}
	x.sees("log a call", "log a note", "a …")
	x.press("esc")
	x.misses("log a note")
	x.press("y", "y")
	if len(x.clip) != 1 || x.clip[0] != "Ada Meier 00" {
		t.Errorf("copied %q", x.clip)
	}
	x.press("y", "Z")
	x.sees("Contacts")
}

func TestQuickLog(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "down", "a", "c")
	x.sees("Log a call", "Ada Meier 01")
	x.press("enter")
	x.sees("type what it is about")
	x.text("prices")
	x.press("enter")
	x.sees("Call saved on Ada Meier 01")
	x.press("enter")
	x.sees("prices")
	x.press("a", "t")
	x.text("send offer")
	x.press("tab")
	x.text("never")
	x.press("enter")
	x.sees("not a time")
	x.press("esc")
	x.misses("Add a task")
	p, err := x.ws.DB.List(t.Context(), model.Query{Noun: "activity"})
	if err != nil || len(p.Items) != 1 || p.Items[0].Text("kind") != "call" || p.Items[0].Text("status") != "done" {
		t.Errorf("saved are %v, %v", p.Items, err)
	}
}

func TestDirtyFormsAsk(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "n")
	x.text("Dr q?")
	x.sees("New contact", "Dr q?")
	x.press("esc")
	x.sees("Unsaved changes", "[ No ]")
	x.press("enter")
	x.sees("New contact", "Dr q?")
	x.press("ctrl+c")
	x.sees("Quit Rapport")
	if x.quit {
		t.Fatal("the session ended with text unsaved")
	}
	x.press("n", "esc", "y")
	x.sees("Contacts  60")
	x.press("n")
	x.text("a")
	x.press("ctrl+c", "ctrl+c")
	if !x.quit {
		t.Error("pressing ctrl+c twice does not quit")
	}
}

func TestQuit(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("q")
	if !x.quit {
		t.Error("q does not quit")
	}
}

// TestHelpIsTrue tries every key that help shows for a list.
func TestHelpIsTrue(t *testing.T) {
	for _, b := range keymap.Default().In(keymap.List) {
		x := begin(t, 80, 24, model.Settings{})
		x.press("2", "down")
		x.press("?")
		x.sees("Keys that work here")
		x.press("esc")
		if shown := can(x.r.top(), b.Action); shown {
			if _, ok := x.r.top().Do(b.Action); !ok {
				t.Errorf("help shows %s, which does nothing", b.Action)
			}
		} else if _, ok := x.r.top().Do(b.Action); ok {
			t.Errorf("help hides %s, which works", b.Action)
		}
	}
}

func TestPalette(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("ctrl+p")
	x.text("go to orga")
	x.sees("› Go to organizations")
	x.press("enter")
	x.sees("Organizations  1")
	x.press(":")
	x.text("zzz")
	x.sees("no such command")
	x.press("esc", ":")
	x.text("new")
	x.press("enter")
	x.sees("New organization")
}

func TestTooSmallKeepsItsState(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	x.press("2", "down", "down")
	x.run(x.r.update(tea.WindowSizeMsg{Width: 59, Height: 19}))
	x.sees("Rapport needs 60×20 cells; here are 59×19.")
	x.press("down", "d")
	for _, size := range [][2]int{{0, 0}, {1, 1}, {60, 20}, {300, 90}, {80, 24}} {
		x.run(x.r.update(tea.WindowSizeMsg{Width: size[0], Height: size[1]}))
		if size[0] > 0 {
			x.screen()
		}
	}
	x.sees("›● Ada Meier 02", "60")
}

func TestNotices(t *testing.T) {
	x := begin(t, 80, 24, model.Settings{})
	for i := range 5 {
		x.run(x.r.update(screen.NoticeMsg{Text: fmt.Sprintf("note %d", i)}))
	}
	x.misses("note 0", "note 1")
	x.sees("note 2", "note 4")
	for _, m := range x.late {
		x.run(x.r.update(m))
	}
	x.misses("note 4")
	x.run(x.r.update(screen.NoticeMsg{Err: &model.Error{Kind: model.Invalid, Msg: "it\x1b[31mfailed", Err: errors.New("the cause")}}))
	for _, m := range x.late {
		x.run(x.r.update(m))
	}
	x.sees("it␛[31mfailed")
	x.press("2")
	x.misses("failed")
}

// TestEventLoopAsksNoStore presses keys without running any command.
func TestEventLoopAsksNoStore(t *testing.T) {
	x := begin(t, 100, 30, model.Settings{})
	x.press("2")
	before := x.ws.asked.Load()
	for _, k := range "jkGsl/x" {
		x.r.update(tea.KeyPressMsg{Code: k, Text: string(k)})
		x.r.View()
	}
	x.r.update(screen.ChangedMsg{})
	x.r.update(tea.WindowSizeMsg{Width: 90, Height: 40})
	x.r.View()
	if n := x.ws.asked.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestMouse(t *testing.T) {
	x := begin(t, 110, 24, model.Settings{})
	line := strings.Split(x.screen(), "\n")[0]
	x.run(x.r.update(tea.MouseClickMsg{X: strings.Index(line, "Contacts"), Y: 0, Button: tea.MouseLeft}))
	x.sees("Contacts  60")
	header := strings.Split(x.screen(), "\n")[2]
	x.run(x.r.update(tea.MouseClickMsg{X: strings.Index(header, "Name"), Y: 2, Button: tea.MouseLeft}))
	x.sees("Name ↓")
	x.press("g", "g", "s")
	x.sees("Name ↑")
	x.press("g", "g")
	click := tea.MouseClickMsg{X: 10, Y: 1 + 1 + 1 + 4, Button: tea.MouseLeft}
	x.run(x.r.update(click))
	x.sees("›● Ada Meier 04")
	x.run(x.r.update(tea.MouseWheelMsg{X: 10, Y: 10, Button: tea.MouseWheelDown}))
	x.sees("›● Ada Meier 07")
	x.now = x.now.Add(time.Minute)
	x.run(x.r.update(click))
	x.sees("Contacts  60")
	x.run(x.r.update(click))
	x.sees("Timeline")
}

// TestQuitFinishesWrites quits while a save runs.
func TestQuitFinishesWrites(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	slow := &slowWorkspace{saving: make(chan struct{}), release: make(chan struct{})}
	r := New(ctx, slow, Options{Width: 80, Height: 24})
	ended := make(chan error)
	go func() {
		_, err := r.env.Workspace.Save(ctx, model.Edit{})
		ended <- err
	}()
	<-slow.saving
	quit := make(chan struct{})
	go func() {
		r.quit()()
		close(quit)
	}()
	end()
	select {
	case <-quit:
		t.Error("the session ended before the save")
	case slow.release <- struct{}{}:
	}
	if err := <-ended; err != nil {
		t.Errorf("the save was stopped: %v", err)
	}
	<-quit
}

// slowWorkspace saves when it is told to.
type slowWorkspace struct {
	fake.Workspace
	saving, release chan struct{}
}

func (s *slowWorkspace) Save(ctx context.Context, _ model.Edit) (*model.Record, error) {
	close(s.saving)
	<-s.release
	return nil, ctx.Err()
}
