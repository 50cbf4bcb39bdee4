package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

// app is one run of the program: the flags that every command has and the
// workspace it opened.
type app struct {
	Program
	flags struct {
		home, config, central, color, me, theme string
		yes, quiet, dryRun, noInput, noColor    bool
		timeout                                 time.Duration
	}
	json     bool
	home     string // the folder of the workspace, absolute
	settings *settings
	ws       model.Workspace
	log      *slog.Logger
	cancel   context.CancelFunc
}

// root returns the whole tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rapport",
		Short: "A CRM for the terminal that works offline and syncs with your company's database",
		Long: "Rapport keeps contacts, organizations, deals and activities in a file on this machine,\n" +
			"works without a network, and syncs both ways with a company's MySQL or MariaDB.\n\n" +
			"Without a command it opens the terminal interface.",
		Example: "  rapport demo                      try it on sample data\n" +
			"  rapport                           open the interface\n" +
			"  rapport contact add --set first_name=Ada --set email=ada@example.org\n" +
			"  rapport deal list --filter 'stage=Proposal owner=me' --sort -amount\n" +
			"  rapport sync",
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.begin(cmd) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return a.interactive(cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		hint := "see " + cmd.CommandPath() + " --help"
		if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
			if near := model.Nearest(name, flagNames(cmd)); near != "" {
				hint = "did you mean --" + near + "?"
			}
		}
		// What the parser of numbers has to add helps nobody.
		if text, _, cut := strings.Cut(err.Error(), ": strconv."); cut {
			err = errors.New(text)
		}
		return &usageError{err: err, hint: hint}
	})
	f := root.PersistentFlags()
	f.StringVar(&a.flags.home, "home", "", "folder that holds the whole workspace")
	f.StringVar(&a.flags.config, "config", "", "configuration file instead of the workspace's config.toml")
	f.StringVar(&a.flags.central, "central", "", "the company's database, mysql://user@host/database")
	f.StringVar(&a.flags.me, "me", "", "your login, where it is not that of the central")
	f.BoolVar(&a.json, "json", a.json, "print results and errors as JSON")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "answer yes to confirmations")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "say nothing but results and errors")
	f.BoolVarP(&a.flags.dryRun, "dry-run", "n", false, "show what would be done and change nothing")
	f.BoolVar(&a.flags.noInput, "no-input", false, "never ask; a missing answer is an error")
	f.DurationVar(&a.flags.timeout, "timeout", 0, "give up after this time, for example 30s")
	f.StringVar(&a.flags.color, "color", "auto", "colours: auto, always or never")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colours")
	f.StringVar(&a.flags.theme, "theme", "", "dark or light; the terminal is asked if left out")
	root.Flags().Bool("version", false, "print the version")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)

	root.AddGroup(&cobra.Group{ID: "records", Title: "Records:"}, &cobra.Group{ID: "work", Title: "Find and sync:"},
		&cobra.Group{ID: "files", Title: "Files and reports:"}, &cobra.Group{ID: "program", Title: "The program:"})
	for _, e := range model.Records() {
		if e.Name != nil {
			root.AddCommand(a.noun(e))
		}
	}
	group(root, "work", a.search(), a.sync(), a.status(), a.pending(), a.conflict(), a.history(), a.undo())
	group(root, "files", a.importCommand(), a.export(), a.backup(), a.report())
	group(root, "program", a.demo(), a.join(), a.password(), a.central(), a.privacy(), a.config(), a.doctor(), a.keys(), a.logs(), a.man(), a.version())
	for _, name := range []string{"ticket", "campaign", "segment", "field", "view", "serve", "theme"} {
		root.AddCommand(unbuilt(name))
	}
	root.SetHelpCommandGroupID("program")
	root.SetCompletionCommandGroupID("program")
	setHelp(root)
	return root
}

// completion adds the command that prints completions. It writes where the root
// writes at this moment.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, needsChild
		}
	}
}

func group(root *cobra.Command, id string, cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.GroupID = id
		root.AddCommand(c)
	}
}

// unbuilt is a command that the contract names and that is not there yet. It
// says so instead of claiming that nobody ever heard of it.
func unbuilt(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return model.Errorf(model.Invalid, "%s is not built yet", strings.TrimPrefix(cmd.CommandPath(), "rapport ")).
				WithHint("see rapport --help for what is")
		},
	}
}

func flagNames(cmd *cobra.Command) []string {
	var out []string
	for _, word := range strings.Fields(cmd.Flags().FlagUsages() + cmd.InheritedFlags().FlagUsages()) {
		if name, ok := strings.CutPrefix(word, "--"); ok {
			out = append(out, name)
		}
	}
	return out
}

func unknownCommand(cmd *cobra.Command, name string) error {
	e := &usageError{err: fmt.Errorf("unknown command %q for %q", model.Visible(name), cmd.CommandPath()), hint: "see " + cmd.CommandPath() + " --help"}
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		e.hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return e
}

// branch is a command that only holds others. Called alone it shows its help;
// that is a usage error, as nothing was asked for.
func branch(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: needsChild}
	c.AddCommand(children...)
	return c
}

func needsChild(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	return &usageError{err: fmt.Errorf("%s needs a command", cmd.CommandPath()), hint: "one of " + strings.Join(childNames(cmd), ", ")}
}

func childNames(cmd *cobra.Command) []string {
	var out []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, c.Name())
		}
	}
	return out
}

// exactly, atLeast and between refuse a wrong number of arguments with the
// line that would be right.
func exactly(n int) cobra.PositionalArgs { return between(n, n) }
func atLeast(n int) cobra.PositionalArgs { return between(n, -1) }
func between(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= low && (high < 0 || len(args) <= high) {
			return nil
		}
		what := fmt.Sprintf("%d arguments do not fit here", len(args))
		if len(args) < low {
			what = "an argument is missing"
		}
		return &usageError{err: errors.New(what), hint: "use it as " + cmd.UseLine()}
	}
}

// begin runs before every command.
func (a *app) begin(cmd *cobra.Command) error {
	if a.flags.timeout > 0 {
		ctx, cancel := context.WithTimeout(cmd.Context(), a.flags.timeout)
		a.cancel = cancel
		cmd.SetContext(ctx)
	} else if a.flags.timeout < 0 {
		return model.Errorf(model.Invalid, "--timeout lies before now")
	}
	switch a.flags.color {
	case "auto", "always":
	case "never":
		a.flags.noColor = true
	default:
		return model.Errorf(model.Invalid, "--color is auto, always or never")
	}
	if a.Env("NO_COLOR") != "" && a.flags.color != "always" {
		a.flags.noColor = true
	}
	if a.flags.theme != "" && a.flags.theme != "dark" && a.flags.theme != "light" {
		return model.Errorf(model.Invalid, "--theme is dark or light")
	}
	return nil
}

// open opens the workspace of the command line, once.
func (a *app) open(ctx context.Context) (model.Workspace, error) {
	if a.ws != nil {
		return a.ws, nil
	}
	s, err := a.load()
	if err != nil {
		return nil, err
	}
	return a.openWith(ctx, s.workspace())
}

func (a *app) openWith(ctx context.Context, s model.Settings) (model.Workspace, error) {
	if err := makeHome(s.Home); err != nil {
		return nil, err
	}
	a.startLog(s.Home)
	ws, err := a.Backend.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	a.ws = ws
	return ws, nil
}

// startLog begins to log into a home. A log that cannot be written stops no
// work.
func (a *app) startLog(home string) {
	a.home = home
	if a.Log == nil {
		return
	}
	if l, err := a.Log(filepath.Join(home, "logs", "rapport.log")); err == nil {
		a.log = l
	}
}

// makeHome makes the folder for its owner only. A folder that was there keeps
// its mode, which doctor looks at.
func makeHome(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return model.Errorf(model.Invalid, "%s is no folder", dir).WithHint("name another with --home")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return model.Errorf(model.Invalid, "the folder %s cannot be made", dir).Because(err).WithHint("name another with --home")
	}
	return nil
}

func (a *app) close() error {
	if a.cancel != nil {
		defer a.cancel()
	}
	if a.ws == nil {
		return nil
	}
	err := a.ws.Close()
	a.ws = nil
	return err
}

// env is what reading a typed value needs to know.
func (a *app) env() model.Env {
	s := a.ws.Settings()
	return model.Env{Now: a.Now(), Currency: s.Currency, Me: s.Me}
}

// say tells something on the standard error that is no result.
func (a *app) say(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

// notify returns how progress is shown: on a terminal only.
func (a *app) notify() model.Notify {
	if !a.ErrTerminal || a.flags.quiet || a.json {
		return nil
	}
	last := time.Time{}
	var pace model.Pace
	return func(p model.Progress) {
		now := time.Now()
		words := pace.Words(now, p)
		if now.Sub(last) < 100*time.Millisecond && p.Done < p.Total {
			return
		}
		last = now
		fmt.Fprint(a.Err, "\r\x1b[K"+words)
	}
}

// quietly removes the line of progress.
func (a *app) quietly() {
	if a.notify() != nil {
		fmt.Fprint(a.Err, "\r\x1b[K")
	}
}
