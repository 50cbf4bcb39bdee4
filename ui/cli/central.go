package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) central() *cobra.Command {
	c := branch("central", "The administrator's side of the company's database: init, migrate, people, devices, standby, status",
		a.centralInit(), a.centralMigrate(), a.centralSweep(), a.centralStatus(), a.centralCheck(), a.centralUser(), a.centralGrant(), a.centralDevice(),
		a.centralReports(), a.centralRebuild(), a.centralStandby(), a.centralPromote(), a.centralRejoin())
	return c
}

// administer opens the workspace and makes sure that there is a central to
// administer.
func (a *app) administer(cmd *cobra.Command) (model.Workspace, error) {
	ws, err := a.open(cmd.Context())
	if err != nil {
		return nil, err
	}
	if ws.Settings().Central == "" {
		return nil, model.Errorf(model.NoCentral, "no central database is configured").
			WithHint("name it with --central mysql://user@host/database, RAPPORT_CENTRAL or in config.toml")
	}
	return ws, nil
}

func (a *app) centralInit() *cobra.Command {
	return a.centralSteps("init", "Make the tables in the company's database; harmless when run twice", model.Workspace.InitCentral)
}

func (a *app) centralMigrate() *cobra.Command {
	return a.centralSteps("migrate", "Add the columns that this version needs to the company's database", model.Workspace.MigrateCentral)
}

func (a *app) centralSweep() *cobra.Command {
	return a.centralSteps("sweep", "Remove from the company's database what nobody needs any more: old deletions, receipts and feed entries", model.Workspace.SweepCentral)
}

// centralSteps is a command that works on the central and tells what it did, a
// line each. They change no record that anybody can see, so none asks.
func (a *app) centralSteps(name, short string, do func(model.Workspace, context.Context) ([]string, error)) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: exactly(0),
		Example: "  rapport central " + name + " --central mysql://root@localhost/crm",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return model.Errorf(model.Invalid, "central %s has no dry run", name).WithHint("it changes no record that anybody can see; run it without --dry-run")
			}
			steps, err := do(ws, cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"central", redacted(ws.Settings().Central)}, {"done", list(steps)}})
			}
			for _, s := range steps {
				if err := a.print("%s", model.Visible(s)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) centralCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Look at everything that can be wrong with the company's database, and send a row through the feed", Args: exactly(0),
		Example: "  rapport central check --central mysql://root@localhost/crm",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			checks, err := ws.CheckCentral(cmd.Context())
			if err != nil {
				return err
			}
			return a.diagnosis(checks, nil)
		},
	}
}

func (a *app) centralStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the state of the company's database", Args: exactly(0), Example: "  rapport central status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			st, err := ws.CentralStatus(cmd.Context())
			if err != nil {
				return err
			}
			st.Address = redacted(st.Address)
			var servers *model.StandbyReport
			if strings.Contains(ws.Settings().Central, ",") {
				r, err := ws.StandbyStatus(cmd.Context())
				if err != nil {
					return err
				}
				servers, st.Checks = &r, append(st.Checks, r.Checks...)
			}
			st.Checks = list(st.Checks)
			if a.json {
				if servers == nil {
					return a.result(st)
				}
				return a.result(struct {
					model.CentralStatus
					Standby object `json:"standby"`
				}{st, standbyObject(*servers)})
			}
			if servers != nil {
				if err := a.serverTable(*servers); err != nil {
					return err
				}
			}
			if err := a.print("Address      %s\nServer       %s\nSchema       %d\nPosition     %d\nUnsequenced  %d\nClients      %d",
				model.Visible(st.Address), model.Visible(st.Server), st.SchemaVersion, st.Position, st.Unsequenced, st.Clients); err != nil {
				return err
			}
			if r := st.Reports; r != nil {
				if err := a.print("Reports      as of position %d, %d changes behind, refreshed %s, %d rows", r.Position, r.Behind, model.FormatTime(r.RefreshedAt), r.Rows); err != nil {
					return err
				}
			}
			t := &table{head: []string{"TABLE", "ROWS"}, right: []bool{false, true}}
			for _, name := range slices.Sorted(maps.Keys(st.Rows)) {
				t.add(name, fmt.Sprint(st.Rows[name]))
			}
			if err := t.write(a.Out); err != nil {
				return err
			}
			return a.checks(st.Checks)
		},
	}
}
