package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) backup() *cobra.Command {
	return branch("backup", "Backups of the workspace: init, create, list, show, verify, restore, prune, schedule",
		a.backupInit(), a.whenDue(a.backupCreate()), a.backupList(), a.withBrowsing(a.backupOne("show", "Show one backup, its records, or how one of them differs from today's")), a.backupOne("verify", "Read a backup whole and prove that it restores"),
		a.withRecords(a.backupRestore()), a.backupPrune(), a.backupSchedule())
}

func backupObject(b model.BackupInfo) object {
	o := object{{"id", b.ID}, {"kind", b.Kind}, {"rows", b.Rows}, {"bytes", b.Bytes}, {"verified", b.Verified}, {"at", orNull(b.At)}}
	if b.Path != "" {
		o = append(o, pair{"path", b.Path})
	}
	if b.Problem != "" {
		o = append(o, pair{"problem", b.Problem})
	}
	return o
}

func (a *app) backupLine(b model.BackupInfo) error {
	if a.json {
		return a.result(backupObject(b))
	}
	state := "not verified"
	if b.Verified {
		state = "verified"
	}
	if b.Problem != "" {
		state = b.Problem
	}
	return a.print("%s  %s  %s  %s, %d bytes, %s", b.ID, b.Kind, a.value(model.Time, b.At), plural(b.Rows, "row", "rows"), b.Bytes, model.Visible(state))
}

func (a *app) backupCreate() *cobra.Command {
	var kind, to, source string
	c := &cobra.Command{
		Use: "create", Short: "Back the workspace up and prove the backup", Args: exactly(0),
		Long: "Back the workspace up and prove the backup: it is read back from where it lies and compared, row by row.\n\n" + placesHelp,
		Example: "  rapport backup create\n  rapport backup create --to /media/usb/rapport\n  rapport backup create --to 's3://crm-backups/ann?region=eu-central-1'\n" +
			"  rapport backup create --to 's3://crm/ann?endpoint=minio.example.org:9000'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case kind == "incremental" || kind == "differential":
				return model.Errorf(model.Invalid, "%s backups are not built yet", kind).WithHint("use --kind full")
			case kind != "full":
				return model.Errorf(model.Invalid, "--kind is full")
			case source == "central":
				return model.Errorf(model.Invalid, "backups of the central are not built yet").WithHint("use --source local")
			case source != "local":
				return model.Errorf(model.Invalid, "--source is local or central")
			}
			req := model.BackupRequest{Kind: kind, To: to}
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return model.Errorf(model.Invalid, "a backup has no dry run")
			}
			b, err := ws.CreateBackup(cmd.Context(), req, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			return a.backupLine(b)
		},
	}
	c.Flags().StringVar(&kind, "kind", "full", "full")
	c.Flags().StringVar(&to, "to", "", toHelp)
	c.Flags().StringVar(&source, "source", "local", "local")
	return c
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
	var from, identity string
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
	return c
}

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
