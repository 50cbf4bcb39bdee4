// Package ui is the root of the interface: it keeps the stack of screens, gives
// keys to whom they belong, draws the frame around the screen that is seen, and
// runs the sync in the background.
//
// Promises: Update and View do no I/O and never wait; every frame has the same
// terminal modes, whatever it shows; a form with unsaved text is never left
// without a question; the status line says in words where one stands.
package ui

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
)

// Options are what a session is started with. The zero value is a session in
// the terminal of the process.
type Options struct {
	NoColor bool   // NO_COLOR is set to anything, or --no-color was given
	Theme   string // "dark" or "light"; "" asks the terminal
	Keys    *keymap.Map
	Log     *slog.Logger
	Start   screen.OpenMsg // opened on top of the start page; a zero Kind means none
	Hooks   screen.Hooks

	Width, Height int // the size before the terminal tells its own, for tests
	Input         io.Reader
	Output        io.Writer
	Environ       []string
	Now           func() time.Time
	After         func(time.Duration, tea.Msg) tea.Cmd
}

// Run shows the interface until the person quits, the terminal goes away or ctx
// ends. It does not close the workspace.
func Run(ctx context.Context, ws model.Workspace, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := New(ctx, ws, o)
	opts := []tea.ProgramOption{tea.WithContext(ctx)}
	if o.NoColor {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Output != nil {
		opts = append(opts, tea.WithOutput(o.Output))
	}
	if o.Environ != nil {
		opts = append(opts, tea.WithEnvironment(o.Environ))
	}
	if o.Width > 0 {
		opts = append(opts, tea.WithWindowSize(o.Width, o.Height))
	}
	p := tea.NewProgram(r, opts...)

	// Bubble Tea leaves the terminal as it is when the line hangs up.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-hup:
			p.Send(hangupMsg{})
		case <-done:
		}
	}()
	_, err := p.Run()
	gone := ctx.Err() != nil
	signal.Stop(hup)
	close(done)
	cancel()
	r.waitFollow()
	if errors.Is(err, tea.ErrProgramKilled) && gone {
		return nil
	}
	return err
}

// New returns the root of a session without running it.
func New(ctx context.Context, ws model.Workspace, o Options) *Root {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys == nil {
		o.Keys = keymap.Default()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	th := theme.New(o.Theme != "light")
	if o.NoColor {
		th = theme.NewMono()
	}
	r := &Root{log: o.Log, opts: o, w: o.Width, h: o.Height, ws: finishing{ws, &sync.WaitGroup{}, &sync.WaitGroup{}}}
	r.env = &screen.Env{Workspace: r.ws, Keys: o.Keys, Theme: th, Now: o.Now, Context: ctx, Hooks: o.Hooks, After: o.After,
		Copy: func(text string) tea.Cmd {
			return tea.Batch(tea.SetClipboard(text), screen.Notice("copied"))
		}}
	r.begin()
	return r
}
