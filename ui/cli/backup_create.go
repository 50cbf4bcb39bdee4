package cli

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

const createHelp = `Back the workspace or the company's database up and prove the backup: it is read back from where it
lies and compared with its source, row by row, as that was at the same moment.

  full           needs no other backup
  incremental    what changed since the newest one
  differential   what changed since the newest full one

Where there is nothing that an incremental or differential one could follow, a full one is made and
says why. With --continuous what changes is backed up every few seconds until you stop it.

Where the place goes away meanwhile, a share or a network, the backup waits for it and goes on; --wait
says how long. One that was interrupted all the same begins anew, and takes away what it left.

Backups are signed by this copy of the workspace. They are encrypted for the recipients of [backup]
recipients in config.toml, of which there should be two: see rapport backup init --new-key.

`

// backupMemory is how much memory a process that makes backups keeps to, as far
// as it can.
const backupMemory = 40 << 20

// backupPause is how often a continuous backup looks for changes.
const backupPause = 5 * time.Second

func (a *app) backupCreate() *cobra.Command {
	var req model.BackupRequest
	var continuous bool
	var every, wait time.Duration
	c := &cobra.Command{
		Use: "create", Short: "Back the workspace or the company's database up and prove the backup", Args: exactly(0),
		Long: createHelp + readHelp + placesHelp,
		Example: "  rapport backup create\n  rapport backup create --kind incremental --to /media/usb/rapport\n" +
			"  rapport backup create --source central --to 's3://crm-backups/acme?region=eu-central-1'\n" +
			"  rapport backup create --source central --continuous --every 10s --to 's3://crm/acme?endpoint=minio.example.org:9000'\n" +
			"  rapport backup create --source central --read-from standby --central 'mysql://ann@db1.example.org,db2.example.org/crm'\n" +
			"  rapport backup create --source central --read-from report --check",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			kinds := []string{model.BackupFull, model.BackupIncremental, model.BackupDifferential}
			switch {
			case !slices.Contains(kinds, req.Kind):
				return model.Errorf(model.Invalid, "--kind is full, incremental or differential")
			case req.Source != model.SourceLocal && req.Source != model.SourceCentral:
				return model.Errorf(model.Invalid, "--source is local or central")
			case a.reading(req) != nil:
				return a.reading(req)
			case continuous && cmd.Flags().Changed("kind"):
				return model.Errorf(model.Invalid, "a continuous backup chooses its kinds by itself").WithHint("leave --kind out")
			case every < time.Second:
				return model.Errorf(model.Invalid, "--every is a second or more")
			case a.flags.dryRun:
				return noDryRun(cmd)
			}
			req.Wait = waitOf(wait)
			// What a backup leaves behind as garbage is cleared away early.
			debug.SetMemoryLimit(backupMemory)
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			if continuous {
				return a.backUpContinuously(ctx, ws, req, every)
			}
			b, err := ws.CreateBackup(ctx, req, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			if b.Note != "" {
				a.say("%s", model.Visible(b.Note))
			}
			return a.backupLine(b)
		},
	}
	f := c.Flags()
	f.StringVar(&req.Kind, "kind", model.BackupFull, "full, incremental or differential")
	f.StringVar(&req.To, "to", "", toHelp)
	f.StringVar(&req.Source, "source", model.SourceLocal, "local for this workspace, central for the company's database")
	readFlags(c, &req)
	f.DurationVar(&wait, "wait", 15*time.Minute, "how long to wait for a place that goes away meanwhile, 0 for not at all")
	f.BoolVar(&req.OneKey, "one-key", false, "encrypt for one recipient only, so that a lost key means lost backups")
	f.BoolVar(&continuous, "continuous", false, "keep on backing up what changes until stopped")
	f.DurationVar(&every, "every", backupPause, "with --continuous: how often to look for changes")
	return c
}

// waitOf is how a request says how long to wait.
func waitOf(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return d
}

// backUpContinuously prints each backup until the person stops it.
func (a *app) backUpContinuously(ctx context.Context, ws model.Workspace, req model.BackupRequest, every time.Duration) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !a.json {
		a.say("backing up what changes, every %s; ctrl+c ends it", every)
	}
	var made int64
	var last time.Time
	failing := ""
	err := ws.BackUpContinuously(inner, req, every, func(s model.BackupStep) {
		if s.Err != nil {
			if e := sentenceOf(s.Err); e != failing {
				failing = e
				a.say("%s  %s; it goes on by itself", a.Now().Format("15:04:05"), model.Visible(e))
			}
			return
		}
		failing = ""
		made, last = made+1, s.Info.At
		if s.Info.Note != "" {
			a.say("%s", model.Visible(s.Info.Note))
		}
		if err := a.backupLine(s.Info); err != nil {
			cancel(err) // nobody reads what is printed any more
		}
	})
	if cause := context.Cause(inner); ctx.Err() == nil && cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	if made == 0 {
		a.say("stopped: no backup was made")
		return nil
	}
	a.say("stopped: %s made, the newest as of %s; what changed since is in the next one", plural(made, "backup was", "backups were"), a.value(model.Time, last))
	return nil
}

// sentenceOf is what an error says to a person.
func sentenceOf(err error) string {
	if e, ok := err.(*model.Error); ok {
		return e.Msg
	}
	return err.Error()
}

// problemOf is why a backup does not count, with the command that helps.
func problemOf(b model.BackupInfo) string {
	if b.Remedy == model.TrustKeys {
		return b.Problem + "; rapport backup init --trust believes all keys of the place"
	}
	return b.Problem
}

func backupObject(b model.BackupInfo) object {
	o := object{{"id", b.ID}, {"kind", b.Kind}, {"rows", b.Rows}, {"bytes", b.Bytes}, {"verified", b.Verified}, {"at", orNull(b.At)},
		{"source", cmp.Or(b.Source, model.SourceLocal)}, {"parent", orNull(b.Parent)}, {"encrypted", b.Encrypted}, {"level", orNull(b.Level)}, {"checked_at", orNull(b.CheckedAt)}}
	if b.Position != 0 {
		o = append(o, pair{"position", b.Position})
	}
	for _, p := range []pair{{"path", b.Path}, {"problem", problemOf(b)}, {"note", b.Note}} {
		if p.value != "" {
			o = append(o, p)
		}
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
		if b.Level != "" {
			state += " " + b.Level + " " + a.value(model.Time, b.CheckedAt)
		}
	}
	if b.Problem != "" {
		state = problemOf(b)
	}
	source := ""
	if b.Source == model.SourceCentral {
		source = " of the central"
	}
	return a.print("%s  %s%s  %s  %s, %d bytes, %s", b.ID, b.Kind, source, a.value(model.Time, b.At), plural(b.Rows, "row", "rows"), b.Bytes, model.Visible(state))
}
