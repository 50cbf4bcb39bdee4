package workspace

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"rapport/model"
)

// enough is the free space below which a backup or a sync may fail.
const enough = 200 << 20

// centralTime is how long a doctor waits for the central.
const centralTime = 10 * time.Second

// Doctor checks the workspace and, if one is configured, the central.
func (w *Workspace) Doctor(ctx context.Context) []model.Check {
	out := []model.Check{w.checkFile(ctx), w.checkSpace(), w.checkInbox(ctx), w.checkBackups(ctx)}
	if w.address() == "" {
		return out
	}
	return append(out, w.checkCentral(ctx)...)
}

func ok(name, format string, args ...any) model.Check {
	return model.Check{Name: name, State: "ok", Detail: fmt.Sprintf(format, args...)}
}

func warn(name, fix, format string, args ...any) model.Check {
	return model.Check{Name: name, State: "warn", Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(name, fix string, err error) model.Check {
	return model.Check{Name: name, State: "fail", Detail: sentence(err), Fix: fix}
}

// checkFile reads the whole cache.
func (w *Workspace) checkFile(ctx context.Context) model.Check {
	db := w.cache()
	problems, err := db.IntegrityCheck(ctx)
	if err != nil {
		return fail("database", "rapport backup restore latest", err)
	}
	if len(problems) > 0 {
		return fail("database", "rapport backup restore latest", fmt.Errorf("%d problems, the first: %s", len(problems), problems[0]))
	}
	info, err := os.Stat(db.Path())
	if err != nil {
		return fail("database", "", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return warn("database", "chmod 600 "+db.Path(), "sound, but others can read %s", db.Path())
	}
	return ok("database", "sound, %d MB, schema %d", (info.Size()+(1<<20)-1)>>20, model.SchemaVersion)
}

func (w *Workspace) checkSpace() model.Check {
	free, known := freeSpace(w.settings.Home)
	switch {
	case !known:
		return ok("disk space", "unknown on this system")
	case free < enough:
		return warn("disk space", "make room, or move the workspace with --home", "only %d MB are free", free>>20)
	}
	return ok("disk space", "%d MB free", free>>20)
}

func (w *Workspace) checkInbox(ctx context.Context) model.Check {
	st, err := w.cache().LocalStatus(ctx)
	switch {
	case err != nil:
		return fail("inbox", "", err)
	case st.Conflicts > 0:
		return warn("inbox", "rapport conflict list", "%d conflicts wait for a decision, %d changes are unsent", st.Conflicts, st.Pending)
	case st.Refused > 0:
		return warn("inbox", "rapport pending list", "the central refused %d changes", st.Refused)
	}
	return ok("inbox", "%d changes are unsent", st.Pending)
}

// checkBackups tells how old the last verified backup is and whether old ones
// are let go of.
func (w *Workspace) checkBackups(ctx context.Context) model.Check {
	ctx, cancel := context.WithTimeout(ctx, centralTime)
	defer cancel()
	st, err := w.backups.BackupState(ctx, model.BackupRequest{}, model.Schedule{})
	switch {
	case model.KindOf(err) == model.Unreachable:
		return warn("backups", "connect the disk or the network, then rapport backup schedule", "%s", sentence(err))
	case err != nil:
		return fail("backups", "rapport backup schedule", err)
	case len(st.Warnings) > 0:
		return warn("backups", "rapport backup schedule", "%s", strings.Join(st.Warnings, "; "))
	case st.Verified == nil:
		return ok("backups", "none was made, and none is scheduled")
	}
	return ok("backups", "the last verified one is of %s", st.Verified.At.Format(time.DateTime))
}

// checkCentral asks the central how it is and compares the clocks.
func (w *Workspace) checkCentral(ctx context.Context) []model.Check {
	ctx, cancel := context.WithTimeout(ctx, centralTime)
	defer cancel()
	st, err := w.CentralStatus(ctx)
	switch model.KindOf(err) {
	case model.Unreachable:
		return []model.Check{warn("central", "check the network and the address; everything works offline meanwhile", "%s", sentence(err))}
	case model.Other:
		if err == nil {
			out := []model.Check{ok("central", "%s, schema %d, position %d", st.Server, st.SchemaVersion, st.Position)}
			if c := w.checkClock(ctx); c.Name != "" {
				out = append(out, c)
			}
			return append(out, st.Checks...)
		}
	}
	return []model.Check{fail("central", "check the address, the login and the password", err)}
}

// checkClock compares this machine's clock with the server's. Nothing but the
// times that people read depends on it.
func (w *Workspace) checkClock(ctx context.Context) model.Check {
	head, err := w.head(ctx)
	if err != nil || head.Now.IsZero() {
		return model.Check{}
	}
	if d := w.now().Sub(head.Now).Round(time.Second); d > time.Minute || d < -time.Minute {
		return warn("clock", "set this machine's clock", "it differs from the central's by %s", d)
	}
	return ok("clock", "agrees with the central's")
}
