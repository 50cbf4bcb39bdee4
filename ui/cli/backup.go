package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) backup() *cobra.Command {
	return branch("backup", "Backups of the workspace: init, create, list, show, verify, restore, prune, schedule",
		a.backupStatus(), a.backupInit(), a.whenDue(a.backupCreate()), a.backupList(), a.withBrowsing(a.backupOne("show", "Show one backup, its records, or how one of them differs from today's")), a.whenTrialDue(a.backupOne("verify", "Read a backup whole and prove that it restores")),
		a.withRecords(a.backupRestore()), a.backupPrune(), a.backupSchedule())
}

// fromFlags names the place of backups; both words are understood everywhere.
func fromFlags(c *cobra.Command, place, identity *string) {
	c.Flags().StringVar(place, "from", "", toHelp)
	c.Flags().StringVar(place, "to", "", "the same as --from")
	c.Flags().StringVar(identity, "identity", "", "age identity file of an encrypted backup")
}

func (a *app) backupList() *cobra.Command {
	var from, identity string
	c := &cobra.Command{
		Use: "list", Short: "List backups", Args: exactly(0), Example: "  rapport backup list\n  rapport backup list --from gs://crm-backups/ann",
		RunE: func(cmd *cobra.Command, _ []string) error {
			items, err := a.backups(cmd.Context(), from, identity)
			if err != nil {
				return err
			}
			if a.json {
				out := []object{}
				for _, b := range items {
					out = append(out, backupObject(b))
				}
				return a.result(object{{"items", out}})
			}
			if len(items) == 0 {
				a.say("no backups")
				return nil
			}
			for _, b := range items {
				if err := a.backupLine(b); err != nil {
					return err
				}
			}
			return nil
		},
	}
	fromFlags(c, &from, &identity)
	return c
}

func (a *app) backups(ctx context.Context, from, identity string) ([]model.BackupInfo, error) {
	req := model.BackupRequest{To: from, Identity: identity}
	ws, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return ws.ListBackups(ctx, req)
}

// backupOne shows or verifies one backup.
func (a *app) backupOne(name, short string) *cobra.Command {
	var from, identity, level, source string
	c := &cobra.Command{
		Use: name + " [ID|latest]", Short: short, Args: between(0, 1), Example: "  rapport backup " + name + " latest",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			req := model.BackupRequest{To: from, Identity: identity}
			if len(args) == 1 {
				req.ID = args[0]
			}
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			if name == "verify" {
				req.Level, req.Source = strings.ToUpper(level), source
				b, err := ws.VerifyBackup(ctx, req, a.notify())
				a.quietly()
				if err != nil {
					return err
				}
				return a.backupLine(b)
			}
			items, err := ws.ListBackups(ctx, req)
			if err != nil {
				return err
			}
			b, err := oneBackup(items, req.ID)
			if err != nil {
				return err
			}
			return a.backupLine(b)
		},
	}
	fromFlags(c, &from, &identity)
	if name == "verify" {
		c.Long = verifyHelp
		c.Example += "\n  rapport backup verify latest --source central --level V4"
		c.Flags().StringVar(&level, "level", model.LevelRead, "V0, V1, V2 or V4")
		c.Flags().StringVar(&source, "source", "", "of the newest ones, that of the local workspace or of the central")
	}
	return c
}

const verifyHelp = `Prove a backup and those that it needs, without touching anything:

  V0   it is signed, its chain is whole, and every part is there with its size
  V1   every byte that lies there is the one that was written
  V2   every row can be read
  V4   it is restored beside the workspace, and every row is there

V3, the comparison with the source, is made with each backup. The outcome is kept beside the backup, so that
list shows it; a key of the place that may not add is no hindrance. V2 and V4 need the key of an encrypted backup.`

// oneBackup finds a backup by its id or takes the newest.
func oneBackup(items []model.BackupInfo, ref string) (model.BackupInfo, error) {
	if len(items) > 0 && (ref == "" || ref == "latest") {
		return items[0], nil
	}
	ids := make([]model.ID, len(items))
	for i, b := range items {
		ids[i] = model.ID(b.ID)
	}
	id, err := among(ids, cmp.Or(ref, "latest"), "backup")
	if err != nil {
		return model.BackupInfo{}, err
	}
	return items[slices.Index(ids, id)], nil
}
