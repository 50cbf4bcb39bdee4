package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"rapport/model"
)

const pruneHelp = `Let go of old backups, in two steps: what no rule keeps is marked, and a prune
at least a day later deletes what is marked and still not needed.

A rule keeps the newest N backups, or the newest of each of N days, weeks, months
or years that have one, of each source and lineage apart. Only verified backups
count. What a kept backup needs is kept; so are the newest verified full backup
and the newest two, whatever rules and clocks say.

The rules come from keep_last, keep_daily, keep_weekly, keep_monthly and
keep_yearly of [backup] in config.toml. With an ID that backup is marked instead.`

func (a *app) backupPrune() *cobra.Command {
	var from, identity, source string
	var rules model.KeepRules
	var cascade bool
	c := &cobra.Command{
		Use: "prune [ID…]", Short: "Let go of old backups", Long: pruneHelp,
		Example: "  rapport backup prune --dry-run\n  rapport backup prune --keep-daily 14 --keep-weekly 8 --keep-monthly 12\n  rapport backup prune 3f9a41c2 --cascade",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := a.load()
			if err != nil {
				return err
			}
			req := model.PruneRequest{BackupRequest: model.BackupRequest{To: from, Identity: identity, Source: source}, Only: args, Cascade: cascade, DryRun: true}
			if source != "" && source != model.SourceLocal && source != model.SourceCentral {
				return model.Errorf(model.Invalid, "--source is local or central")
			}
			req.Rules = s.keep
			for flag, into := range map[string][2]*int{"keep-last": {&req.Rules.Last, &rules.Last}, "keep-daily": {&req.Rules.Daily, &rules.Daily}, "keep-weekly": {&req.Rules.Weekly, &rules.Weekly},
				"keep-monthly": {&req.Rules.Monthly, &rules.Monthly}, "keep-yearly": {&req.Rules.Yearly, &rules.Yearly}} {
				if cmd.Flags().Changed(flag) {
					*into[0] = *into[1]
				}
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			res, err := ws.PruneBackups(ctx, req, nil)
			if err != nil {
				return err
			}
			switch n := int64(len(res.Deleted) + len(res.Marked)); {
			case a.flags.dryRun:
				return a.printPrune(res)
			case n+int64(len(res.Kept)) == 0:
				return a.printPrune(res)
			case n > 0:
				if err := a.confirm(ctx, "Delete %s now, and mark %d that may be deleted in a day?", plural(int64(len(res.Deleted)), "old backup", "old backups"), len(res.Marked)); err != nil {
					return err
				}
			}
			req.DryRun = false
			res, err = ws.PruneBackups(ctx, req, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			return a.printPrune(res)
		},
	}
	fromFlags(c, &from, &identity)
	c.Flags().StringVar(&source, "source", "", "local or central; without it both")
	c.Flags().IntVar(&rules.Last, "keep-last", 0, "keep the newest N")
	c.Flags().IntVar(&rules.Daily, "keep-daily", 0, "keep the newest of N days")
	c.Flags().IntVar(&rules.Weekly, "keep-weekly", 0, "keep the newest of N weeks")
	c.Flags().IntVar(&rules.Monthly, "keep-monthly", 0, "keep the newest of N months")
	c.Flags().IntVar(&rules.Yearly, "keep-yearly", 0, "keep the newest of N years")
	c.Flags().BoolVar(&cascade, "cascade", false, "with an ID: delete with it what needs it")
	return c
}

func prunedObjects(list []model.PrunedBackup) []object {
	out := []object{}
	for _, b := range list {
		o := append(backupObject(b.BackupInfo), pair{"why", b.Why})
		if !b.From.IsZero() {
			o = append(o, pair{"from", b.From})
		}
		out = append(out, o)
	}
	return out
}

func (a *app) printPrune(r model.PruneResult) error {
	if a.json {
		return a.result(object{{"dry_run", r.DryRun}, {"kept", prunedObjects(r.Kept)}, {"marked", prunedObjects(r.Marked)}, {"deleted", prunedObjects(r.Deleted)},
			{"spared", prunedObjects(r.Spared)}, {"swept", r.Swept}, {"guard", orNull(r.Guard)}})
	}
	for _, part := range []struct {
		word string
		list []model.PrunedBackup
	}{{"kept", r.Kept}, {"spared", r.Spared}, {"marked", r.Marked}, {"deleted", r.Deleted}} {
		if part.word == "kept" && !r.DryRun {
			continue
		}
		for _, b := range part.list {
			when := ""
			if !b.From.IsZero() {
				when = ", may go from " + a.value(model.Time, b.From) + " on"
			}
			if err := a.print("%-8s%s  %s  %s  %s%s", part.word, b.ID, b.Kind, a.value(model.Time, b.At), model.Visible(b.Why), when); err != nil {
				return err
			}
		}
	}
	a.say("%d kept, %d marked, %d deleted", len(r.Kept), len(r.Marked), len(r.Deleted))
	return nil
}

// whenDue lets create make a backup only if one is due.
func (a *app) whenDue(c *cobra.Command) *cobra.Command {
	const flag, settings = "if-due", "settings"
	run := c.RunE
	var when string
	c.Flags().StringVar(&when, flag, "", "only if none was made since the last moment of a schedule: hourly, daily, weekly, a cron expression, or that of the settings")
	c.Flags().Lookup(flag).NoOptDefVal = settings
	c.Example += "\n  rapport backup create --if-due\n  rapport backup create --if-due='30 2 * * *'"
	c.Args = between(0, 1)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(flag) {
			if len(args) > 0 {
				return exactly(0)(cmd, args)
			}
			return run(cmd, args)
		}
		s, err := a.load()
		if err != nil {
			return err
		}
		if len(args) == 1 && when == settings {
			when = args[0]
		} else if len(args) > 0 {
			return exactly(0)(cmd, args)
		}
		var due model.Schedule
		if when != settings {
			if due, err = model.ParseSchedule(when, s.schedule.Zone); err != nil {
				return err
			}
		}
		req := model.BackupRequest{}
		for name, into := range map[string]*string{"kind": &req.Kind, "to": &req.To, "source": &req.Source, "read-from": &req.ReadFrom} {
			if *into, err = cmd.Flags().GetString(name); err != nil {
				return err
			}
		}
		for name, into := range map[string]*bool{"one-key": &req.OneKey, "check": &req.Check} {
			if *into, err = cmd.Flags().GetBool(name); err != nil {
				return err
			}
		}
		wait, err := cmd.Flags().GetDuration("wait")
		if err != nil {
			return err
		}
		req.Wait = waitOf(wait)
		if !slices.Contains([]string{model.SourceLocal, model.SourceCentral}, req.Source) {
			return model.Errorf(model.Invalid, "--source is local or central")
		}
		if err := a.reading(req); err != nil {
			return err
		}
		if a.flags.dryRun {
			return model.Errorf(model.Invalid, "a backup has no dry run").WithHint("rapport backup schedule tells whether one is due")
		}
		ws, err := a.open(cmd.Context())
		if err != nil {
			return err
		}
		b, made, err := ws.BackupIfDue(cmd.Context(), req, due, a.notify())
		a.quietly()
		if err != nil {
			return err
		}
		if a.json {
			return a.result(append(backupObject(b), pair{"made", made}))
		}
		switch {
		case !made:
			a.say("not due: the newest verified backup stands")
		case b.Note != "":
			a.say("%s", model.Visible(b.Note))
		}
		return a.backupLine(b)
	}
	return c
}
