package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(0), Example: "  rapport version --json",
		RunE: func(*cobra.Command, []string) error { return a.showVersion() },
	}
}

func (a *app) showVersion() error {
	b := a.Build
	if a.json {
		return a.result(object{{"version", b.Version}, {"commit", orNull(b.Commit)}, {"go", b.Go}, {"sqlite", orNull(b.SQLite)},
			{"schema", model.SchemaVersion}, {"protocol", model.SchemaVersion}})
	}
	commit := ""
	if b.Commit != "" {
		commit = " (" + b.Commit[:min(12, len(b.Commit))] + ")"
	}
	return a.print("rapport %s%s, %s, schema %d", b.Version, commit, b.Go, model.SchemaVersion)
}

func (a *app) keys() *cobra.Command {
	return &cobra.Command{
		Use: "keys", Short: "Print the keys of the interface as Markdown", Args: exactly(0), Example: "  rapport keys > keys.md",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.load()
			if err != nil {
				return err
			}
			keys, err := LoadKeys(filepath.Join(filepath.Dir(s.config), KeysFile))
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"markdown", keys.Markdown()}})
			}
			_, err = io.WriteString(a.Out, keys.Markdown())
			return err
		},
	}
}

func (a *app) config() *cobra.Command {
	show := func(*cobra.Command, []string) error {
		s, err := a.load()
		if err != nil {
			return err
		}
		values := object{{"home", s.home}, {"config", s.config}, {"central", orNull(redacted(s.central))}, {"me", s.me}, {"currency", s.currency},
			{"region", orNull(s.region)}, {"theme", orNull(s.theme)}, {"password_command", s.passwordCommand != ""}, {"password_file", orNull(s.passwordFile)},
			{"sync", object{{"interval", orNull(pause(s.syncInterval))}}},
			{"backup", object{{"to", orNull(redactedPlace(s.backupTo))}, {"recipients", list(s.recipients)}, {"one_key", s.oneKey},
				{"credentials_command", s.credentialsCommand != ""}, {"credentials_file", orNull(s.credentialsFile)},
				{"read_from", orNull(s.readFrom)}, {"schedule", orNull(s.schedule.Expr)}, {"trial", orNull(s.trial.Expr)}, {"time_zone", orNull(s.schedule.Zone)}, {"keep", s.keep}}}}
		if a.json {
			return a.result(values)
		}
		width := 0
		for _, p := range values {
			width = max(width, len(p.key))
		}
		for _, p := range values {
			text := strings.Trim(string(encode(p.value)), `"`)
			if text == "null" {
				text = "-"
			}
			if err := a.print("%-*s  %s", width, p.key, model.Visible(text)); err != nil {
				return err
			}
		}
		return nil
	}
	c := branch("config", "Show the settings that hold, or check the file", &cobra.Command{
		Use: "show", Short: "Show the settings that hold and where they lie", Args: exactly(0), Example: "  rapport config show", RunE: show,
	}, &cobra.Command{
		Use: "check", Short: "Check config.toml", Args: exactly(0), Example: "  rapport config check",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.load()
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"config", s.config}, {"found", s.configFound}, {"ok", true}})
			}
			if !s.configFound {
				return a.print("%s is absent; nothing needs it", s.config)
			}
			return a.print("%s is fine", s.config)
		},
	})
	// Alone it shows the settings: there is something to show.
	others := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return others(cmd, args)
		}
		return show(cmd, args)
	}
	return c
}

func (a *app) logs() *cobra.Command {
	var lines int
	c := &cobra.Command{
		Use: "logs", Short: "Print the end of the log", Args: exactly(0), Example: "  rapport logs --lines 100",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.load()
			if err != nil {
				return err
			}
			name := filepath.Join(s.home, "logs", "rapport.log")
			data, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return model.Errorf(model.Other, "the log %s cannot be read", name).Because(err)
			}
			rows := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
			if len(data) == 0 {
				rows = nil
				a.say("no log yet")
			}
			if lines > 0 && len(rows) > lines {
				rows = rows[len(rows)-lines:]
			}
			for _, r := range rows {
				if _, err := fmt.Fprintf(a.Out, "%s\n", r); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&lines, "lines", 50, "how many lines, 0 for all")
	return c
}
