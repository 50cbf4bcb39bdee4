package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
	"rapport/ui/widget/safety"
)

// backupStatus tells how safe the data is, as the page of backups does.
func (a *app) backupStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say how safe the data is: the last verified backup, how far back, whether it would restore, the standby, the reports", Args: exactly(0),
		Long: "Say how safe the data is: when the last verified backup was made, how far back one can go, whether it would\n" +
			"restore, how far behind the standby is, and how fresh the report tables are. The central is asked for at\n" +
			"most two seconds. The exit code is 8 where an answer is bad.",
		Example: "  rapport backup status\n  rapport backup status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			o, err := ws.BackupOverview(cmd.Context())
			if err != nil {
				return err
			}
			now := a.Now()
			return a.safetyTold(o, safety.Answers(o, ws.Settings().Backup.Schedule.Last(now), now))
		},
	}
}

// helpCommand is the command that helps with an answer.
func helpCommand(h safety.Help) string {
	return map[safety.Help]string{
		safety.Create: "rapport backup create", safety.Verify: "rapport backup verify", safety.Trial: "rapport backup verify --level V4",
		safety.Refresh: "rapport central refresh-reports", safety.Standby: "rapport central standby status", safety.SetUp: "rapport central standby setup",
	}[h]
}

func (a *app) safetyTold(o model.BackupOverview, answers []safety.Answer) error {
	var bad []string
	lines := []object{}
	for _, x := range answers {
		if x.Verdict == safety.Bad {
			bad = append(bad, strings.ToLower(x.Label)+": "+x.Text)
		}
		lines = append(lines, object{{"question", x.Label}, {"state", x.Verdict.String()}, {"answer", x.Text}, {"help", orNull(helpCommand(x.Help))}})
		if a.json {
			continue
		}
		text := x.Text
		if x.Does != "" {
			text += ": " + helpCommand(x.Help) + " " + x.Does
		}
		if err := a.print("%s %-14s %s", x.Verdict.Sign(), x.Label, text); err != nil {
			return err
		}
	}
	if a.json {
		if err := a.result(object{{"at", orNull(o.At)}, {"place", orNull(o.Place)}, {"answers", lines}, {"backups", len(o.Items)}, {"interrupted", o.Left}, {"trial", o.Trial},
			{"central", orNull(o.Central)}, {"central_problem", orNull(o.CentralProblem)}, {"reports", o.Reports}}); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return model.Errorf(model.Corrupt, "the data is not safe: %s", strings.Join(bad, "; "))
	}
	return nil
}
