package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// terminal tells whether the interface can be shown.
func (a *app) terminal() bool { return a.InTerminal && a.OutTerminal }

// interactive is the program without a command.
func (a *app) interactive(cmd *cobra.Command) error {
	if v, _ := cmd.Flags().GetBool("version"); v {
		return a.showVersion()
	}
	if !a.terminal() {
		cmd.SetOut(a.Err)
		if !a.json {
			if err := cmd.Help(); err != nil {
				return err
			}
		}
		return &usageError{err: errors.New("the interface needs a terminal"), hint: "give a command, or run rapport in a terminal"}
	}
	s, err := a.load()
	if err != nil {
		return err
	}
	return a.session(cmd.Context(), s.workspace())
}

// session shows the interface on a workspace, and again on another one for as
// long as it asks for that.
func (a *app) session(ctx context.Context, s model.Settings) error {
	if a.TUI == nil {
		return model.Errorf(model.Other, "this build has no interface")
	}
	theme, config := a.flags.theme, s.Home
	if a.settings != nil {
		theme, config = a.settings.theme, filepath.Dir(a.settings.config)
	}
	keys, err := LoadKeys(filepath.Join(config, KeysFile))
	if err != nil {
		return err
	}
	for {
		ws, err := a.openWith(ctx, s)
		if err != nil {
			return err
		}
		var next *model.Settings
		o := UIOptions{NoColor: a.flags.noColor, Theme: theme, Keys: keys}
		o.Demo = func(ctx context.Context) error {
			// Progress on the standard error would spoil the screen.
			demo, _, err := a.makeDemo(ctx, "", demoContacts, 1, false, nil)
			if err == nil {
				next = &demo
			}
			return err
		}
		o.Connect = func(ctx context.Context, url string) error {
			to := s
			to.Central, to.Demo = strings.TrimSpace(url), false
			if to.Me = userOf(to.Central); to.Me == "" {
				to.Me = s.Me
			}
			if err := a.connect(ctx, to, filepath.Join(config, configName)); err != nil {
				return err
			}
			next = &to
			return nil
		}
		o.Join = func(ctx context.Context, line, password string) error {
			invite, err := model.ParseInvite(line)
			if err != nil {
				return err
			}
			to, err := a.prepare(invite)
			if err != nil {
				return err
			}
			if err := a.comeIn(ctx, to, invite, password); err != nil {
				return err
			}
			joined := to.workspace()
			next = &joined
			return nil
		}
		if s.Central != "" {
			o.Password = func(ctx context.Context, next string) (string, error) { return a.changePassword(ctx, ws, "", next) }
		}
		o.Backups = func(_ context.Context, chosen model.BackupSettings) error {
			file := s.Config
			if file == "" {
				file = filepath.Join(s.Home, configName)
			}
			if err := keepBackups(file, ws.Settings().Backup, chosen); err != nil {
				return err
			}
			ws.ChooseBackups(chosen)
			return nil
		}
		if s.Demo {
			o.Demo, o.Connect, o.Join, o.Password = nil, nil, nil, nil
		}
		err = errors.Join(a.TUI(ctx, ws, o), a.close())
		if err != nil || next == nil {
			return err
		}
		s = *next
	}
}

// connect tries a central and writes it to the configuration.
func (a *app) connect(ctx context.Context, s model.Settings, config string) error {
	ws, err := a.Backend.Open(ctx, s)
	if err != nil {
		return err
	}
	_, err = ws.CentralStatus(ctx)
	if err = errors.Join(err, ws.Close()); err != nil {
		return err
	}
	old, err := os.ReadFile(config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return model.Errorf(model.Invalid, "the configuration %s cannot be read", config).Because(err)
	}
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		return err
	}
	return writeFile(config, func(w io.Writer) error {
		_, err := w.Write(withKey(old, "central", s.Central))
		return err
	})
}
