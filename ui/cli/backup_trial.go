package cli

import (
	"github.com/spf13/cobra"

	"rapport/model"
)

// whenTrialDue lets verify restore a backup on trial only if that is due.
func (a *app) whenTrialDue(c *cobra.Command) *cobra.Command {
	const flag, settings = "if-due", "settings"
	run := c.RunE
	var when string
	c.Flags().StringVar(&when, flag, "", "restore the newest one on trial (V4), only if none was since the last moment of a schedule: weekly, daily, a cron expression, or trial of the settings")
	c.Flags().Lookup(flag).NoOptDefVal = settings
	c.Long += "\n\nWith --if-due the newest verified backup is tried at V4 when that is due by the clock of the place; of several computers\n" +
		"one does it. A trial that fails ends with exit code 8, and is repeated as soon as there is a newer backup."
	c.Example += "\n  rapport backup verify --if-due\n  rapport backup verify --if-due=weekly --source central"
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(flag) {
			return run(cmd, args)
		}
		s, err := a.load()
		if err != nil {
			return err
		}
		var due model.Schedule
		if when != settings {
			if due, err = model.ParseSchedule(when, s.trial.Zone); err != nil {
				return err
			}
		}
		if len(args) > 0 || cmd.Flags().Changed("level") {
			return model.Errorf(model.Invalid, "what is due is a trial of the newest backup").WithHint("leave the ID and --level out; write --if-due=weekly with the =")
		}
		req := model.BackupRequest{}
		for name, into := range map[string]*string{"from": &req.To, "to": &req.To, "identity": &req.Identity, "source": &req.Source} {
			if f := cmd.Flags().Lookup(name); f.Changed {
				*into = f.Value.String()
			}
		}
		if req.Source != "" && req.Source != model.SourceLocal && req.Source != model.SourceCentral {
			return model.Errorf(model.Invalid, "--source is local or central")
		}
		ws, err := a.open(cmd.Context())
		if err != nil {
			return err
		}
		b, tried, err := ws.TrialIfDue(cmd.Context(), req, due, a.notify())
		a.quietly()
		if err != nil {
			return err
		}
		if a.json {
			return a.result(append(backupObject(b), pair{"tried", tried}))
		}
		if !tried {
			a.say("no trial is due, or another computer makes it now")
		}
		return a.backupLine(b)
	}
	return c
}
