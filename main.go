// Rapport is a CRM for the terminal that works offline and syncs both ways
// with a company's MySQL or MariaDB. This file only puts the parts together.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // for systems that know no time zones

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"

	"rapport/db/workspace"
	"rapport/model"
	"rapport/ui"
	"rapport/ui/cli"
	"rapport/ui/screen"
)

func main() { os.Exit(run()) }

func run() int {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := build()
	p := cli.Program{
		Streams: streams(),
		Backend: workspace.New(workspace.Options{Program: b.Version}),
		TUI: func(ctx context.Context, ws model.Workspace, o cli.UIOptions) error {
			return ui.Run(ctx, ws, ui.Options{NoColor: o.NoColor, Theme: o.Theme, Keys: o.Keys, Log: slog.Default(),
				Hooks: screen.Hooks{Demo: o.Demo, Connect: o.Connect, Join: o.Join, Password: o.Password, Backups: o.Backups}})
		},
		Env:   os.Getenv,
		Now:   time.Now,
		Build: b,
		Log: func(file string) (*slog.Logger, error) {
			l, err := cli.OpenLog(file)
			if err == nil {
				slog.SetDefault(l)
			}
			return l, err
		},
	}
	return cli.Run(ctx, os.Args[1:], p)
}

func streams() cli.Streams {
	s := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal: isTerminal(os.Stdin), OutTerminal: isTerminal(os.Stdout), ErrTerminal: isTerminal(os.Stderr)}
	if s.InTerminal {
		s.ReadSecret = readSecret
	}
	if s.OutTerminal {
		if rows, cols, err := pty.Getsize(os.Stdout); err == nil {
			s.Width, s.Height = cols, rows
		}
	}
	return s
}

// readSecret reads a line that is not shown. Whoever is stopped meanwhile gets
// a terminal back that shows what is typed.
func readSecret(ctx context.Context) (string, error) {
	fd := os.Stdin.Fd()
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	case l := <-read:
		return string(l.text), l.err
	}
}

// isTerminal asks with an environment of its own, so that the answer is about
// the file alone.
func isTerminal(f *os.File) bool {
	return colorprofile.Detect(f, []string{"TERM=xterm-256color", "COLORTERM=truecolor"}) > colorprofile.NoTTY
}

// version is set when a release is linked.
var version = ""

func build() cli.Build {
	b := cli.Build{Version: version, Go: runtime.Version(), SQLite: workspace.SQLiteVersion}
	info, ok := debug.ReadBuildInfo()
	if b.Version == "" {
		b.Version = "devel"
		if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
	}
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	return b
}
