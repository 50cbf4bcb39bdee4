package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check the configuration, the workspace, the central and the terminal", Args: exactly(0),
		Example: "  rapport doctor\n  rapport doctor --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var checks []model.Check
			add := func(name, state, detail, fix string) {
				checks = append(checks, model.Check{Name: name, State: state, Detail: detail, Fix: fix})
			}
			s, err := a.load()
			if err != nil {
				_, msg, hint := describe(err)
				add("configuration", checkFail, msg, hint)
			} else {
				checks = append(checks, configChecks(s)...)
				if ws, err := a.open(ctx); err != nil {
					_, msg, hint := describe(err)
					add("workspace", checkFail, msg, hint)
				} else {
					checks = append(checks, ws.Doctor(ctx)...)
				}
			}
			checks = append(checks, a.terminalChecks()...)
			return a.diagnosis(checks, err)
		},
	}
}

// diagnosis prints the checks. A workspace that cannot be opened ends as it
// would end any other command.
func (a *app) diagnosis(checks []model.Check, cause error) error {
	failed := int64(0)
	for _, c := range checks {
		if c.State == checkFail {
			failed++
		}
	}
	if a.json {
		if err := a.result(object{{"ok", failed == 0}, {"items", list(checks)}}); err != nil {
			return err
		}
	} else if err := a.checks(checks); err != nil {
		return err
	}
	switch {
	case cause != nil:
		return cause
	case failed > 0:
		return model.Errorf(model.Other, "%s", plural(failed, "check failed", "checks failed"))
	}
	return nil
}

func (a *app) checks(checks []model.Check) error {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		if err := a.print("%-4s  %-*s  %s", c.State, width, c.Name, model.Visible(c.Detail)); err != nil {
			return err
		}
		if c.Fix != "" {
			if err := a.print("      %-*s  → %s", width, "", model.Visible(c.Fix)); err != nil {
				return err
			}
		}
	}
	return nil
}

func configChecks(s *settings) []model.Check {
	detail := s.config
	if !s.configFound {
		detail += " is absent, which is fine"
	}
	out := []model.Check{{Name: "configuration", State: checkOK, Detail: detail}}
	modes := model.Check{Name: "file modes", State: checkOK, Detail: "nobody else can read the workspace"}
	for _, name := range []string{s.home, s.config, filepath.Join(s.home, "rapport.db"), s.passwordFile, s.credentialsFile} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 && (name != s.config || strings.Contains(s.central, "@")) {
			modes.State, modes.Detail = checkWarn, fmt.Sprintf("others can read %s (mode %04o)", name, info.Mode().Perm())
			modes.Fix = "chmod go-rwx " + name
			break
		}
	}
	out = append(out, modes)
	if s.central == "" {
		return append(out, model.Check{Name: "central", State: checkOK, Detail: "none is configured; everything stays on this machine"})
	}
	if redacted(s.central) != s.central {
		out = append(out, model.Check{Name: "password", State: checkWarn, Detail: "the central's address holds its password",
			Fix: "take it out and set password_command or password_file in " + s.config})
	}
	return out
}

// terminalChecks tell what the interface will meet.
func (a *app) terminalChecks() []model.Check {
	if !a.OutTerminal {
		return []model.Check{{Name: "terminal", State: checkOK, Detail: "the output is no terminal; commands only"}}
	}
	var out []model.Check
	add := func(state, detail, fix string) {
		out = append(out, model.Check{Name: "terminal", State: state, Detail: detail, Fix: fix})
	}
	term := a.Env("TERM")
	switch {
	case term == "" || term == "dumb":
		add(checkWarn, "TERM is "+orNone(term), "set TERM, for example to xterm-256color")
	case a.flags.noColor:
		add(checkOK, term+", without colours as asked", "")
	case a.Env("COLORTERM") == "truecolor" || a.Env("COLORTERM") == "24bit":
		add(checkOK, term+", all colours", "")
	default:
		add(checkOK, term, "")
	}
	locale := a.Env("LC_ALL")
	for _, name := range []string{"LC_CTYPE", "LANG"} {
		if locale == "" {
			locale = a.Env(name)
		}
	}
	if l := strings.ToLower(locale); !strings.Contains(l, "utf-8") && !strings.Contains(l, "utf8") {
		add(checkWarn, "the locale is "+orNone(locale)+", not UTF-8", "set LANG, for example to C.UTF-8")
	}
	if a.Width > 0 && (a.Width < 60 || a.Height < 20) {
		add(checkWarn, fmt.Sprintf("%d×%d is small", a.Width, a.Height), "the interface needs 60×20")
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}
