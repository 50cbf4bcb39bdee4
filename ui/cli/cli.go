// Package cli is the command line: every command, its flags, what it prints
// and how it exits. Commands for the nouns are made from the declaration in
// package model.
//
// Promises:
//   - Results are the only thing on the standard output; questions, progress
//     and errors go to the standard error. With --json a result is one JSON
//     value and an error is {"error":{"code","message","hint"}}.
//   - The exit code follows from the kind of the error alone; see Run.
//   - Nothing here knows a store: commands speak to model.Backend and
//     model.Workspace.
//   - Text that is drawn on a terminal has its control characters made
//     visible; JSON and exports are never altered.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"rapport/keymap"
	"rapport/model"
)

// The exit codes, which scripts rely on.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitPartial     = 3
	exitConflicts   = 4
	exitUnreachable = 5
	exitRefused     = 6
	exitLocked      = 7
	exitCorrupt     = 8
	exitTooNew      = 9
	exitNotFound    = 10
	exitCrash       = 70
	exitInterrupted = 130
)

// Streams are where a command reads and writes, and which of them are
// terminals.
type Streams struct {
	In            io.Reader
	Out, Err      io.Writer
	InTerminal    bool
	OutTerminal   bool
	ErrTerminal   bool
	Width, Height int // of the terminal, 0 if unknown
	// ReadSecret reads a line from the terminal without showing it; nil where
	// that cannot be done.
	ReadSecret func(ctx context.Context) (string, error)
}

// UIOptions are what the terminal interface is started with.
type UIOptions struct {
	NoColor bool
	Theme   string
	Keys    *keymap.Map
	// Demo makes the demo workspace or finds it, Connect tries a central and
	// writes it to the configuration. After either the interface is to end;
	// it is then started anew with the other workspace.
	Demo    func(ctx context.Context) error
	Connect func(ctx context.Context, url string) error
	// Join comes in with an invite and a new password; the interface then ends
	// and is started anew.
	Join func(ctx context.Context, invite, next string) error
	// Password changes the person's password on the central and says where
	// the new one is kept; the interface goes on.
	Password func(ctx context.Context, next string) (string, error)
	// Backups writes how the workspace is backed up to the configuration; it
	// holds from then on, and the interface goes on.
	Backups func(ctx context.Context, s model.BackupSettings) error
}

// Build says what program this is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	SQLite  string `json:"sqlite"`
}

// Program is everything that the commands depend on.
type Program struct {
	Streams
	Backend model.Backend
	// TUI shows the terminal interface until the person quits.
	TUI   func(ctx context.Context, ws model.Workspace, o UIOptions) error
	Env   func(string) string
	Now   func() time.Time // in the person's time zone
	Build Build
	// Log is told where the log of this run belongs before a workspace is
	// opened; nil keeps none.
	Log func(file string) (*slog.Logger, error)
}

// Run carries out one command and returns its exit code: 0 ok, 1 other, 2
// usage or configuration, 3 partly done, 4 conflicts wait, 5 central
// unreachable, 6 not allowed, 7 locked, 8 verification failed, 9 too new, 10
// not found, 70 crash, 130 interrupted.
func Run(ctx context.Context, args []string, p Program) (code int) {
	if p.Now == nil {
		p.Now = time.Now
	}
	a := &app{Program: p, log: slog.New(slog.DiscardHandler)}
	a.json = hasFlag(args, "--json")
	defer func() {
		if r := recover(); r != nil {
			a.crashed(r, debug.Stack())
			code = exitCrash
		}
	}()
	root := a.root()
	root.SetArgs(args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	completion(root)
	cmd, err := root.ExecuteContextC(ctx)
	err = errors.Join(err, a.close())
	if err == nil {
		return exitOK
	}
	err = a.plain(ctx, err)
	code = exitCode(err)
	if cmd != nil {
		a.log.Error("command failed", "command", cmd.CommandPath(), "kind", model.KindOf(err).String(), "exit", code)
	}
	a.printError(err)
	return code
}

// hasFlag tells whether a flag is among the arguments, also where the command
// line as a whole cannot be read.
func hasFlag(args []string, name string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == name || arg == name+"=true" {
			return true
		}
	}
	return false
}

// usageError is a command line that cannot be understood.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// plain turns what a context did to a command into what a person can be told.
func (a *app) plain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return model.Errorf(model.Interrupted, "stopped; what was done until then is kept").Because(err)
	case errors.Is(err, context.DeadlineExceeded) && model.KindOf(err) == model.Other:
		return model.Errorf(model.Other, "this took longer than --timeout allows").Because(err)
	}
	return err
}

func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	switch model.KindOf(err) {
	case model.Invalid, model.Ambiguous, model.NoCentral:
		return exitUsage
	case model.Partial:
		return exitPartial
	case model.Conflicting:
		return exitConflicts
	case model.Unreachable:
		return exitUnreachable
	case model.Refused, model.Expired, model.Wiped:
		return exitRefused
	case model.Locked:
		return exitLocked
	case model.Corrupt:
		return exitCorrupt
	case model.TooNew:
		return exitTooNew
	case model.NotFound:
		return exitNotFound
	case model.Interrupted:
		return exitInterrupted
	}
	return exitOther
}

// printError tells what went wrong, once.
func (a *app) printError(err error) {
	code, msg, hint := describe(err)
	if a.json {
		fmt.Fprintf(a.Err, "%s\n", encode(object{{"error", object{{"code", code}, {"message", msg}, {"hint", hint}}}}))
		return
	}
	fmt.Fprintf(a.Err, "rapport: %s\n", model.VisibleLines(msg))
	if hint != "" {
		fmt.Fprintf(a.Err, "  %s\n", model.VisibleLines(hint))
	}
}

// describe returns the stable code, the sentence and the hint of an error. The
// cause is told where the error has no sentence of its own, or none that says
// what to do.
func describe(err error) (code, msg, hint string) {
	var usage *usageError
	if errors.As(err, &usage) {
		return "usage", usage.Error(), usage.hint
	}
	var e *model.Error
	if !errors.As(err, &e) {
		return model.Other.String(), err.Error(), ""
	}
	msg = e.Msg
	if msg == "" {
		msg = err.Error()
	} else if e.Kind == model.Other && e.Hint == "" && e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return e.Kind.String(), msg, e.Hint
}

// crashed writes where the program failed to a file that holds no record data
// and says so in a sentence.
func (a *app) crashed(reason any, stack []byte) {
	where := ""
	if a.home != "" {
		name := filepath.Join(a.home, "logs", "crash-"+a.Now().UTC().Format("20060102-150405")+".txt")
		text := fmt.Sprintf("rapport %s %s\n%T\n%s", a.Build.Version, a.Build.Commit, reason, stack)
		if os.MkdirAll(filepath.Dir(name), 0o700) == nil && os.WriteFile(name, []byte(text), 0o600) == nil {
			where = name
		}
	}
	err := model.Errorf(model.Other, "Rapport failed: %v", reason)
	if where != "" {
		err = err.WithHint("where it failed stands in %s", where)
	}
	a.printError(err)
}
