package workspace

import (
	"context"
	"time"

	"rapport/db/backup"
	"rapport/db/mysql"
	"rapport/model"
)

// leaseTime is how long a prune waits for the central before it does without.
const leaseTime = 10 * time.Second

// PruneBackups lets go of old backups.
func (w *Workspace) PruneBackups(ctx context.Context, req model.PruneRequest, n model.Notify) (model.PruneResult, error) {
	res, err := w.backups.PruneBackups(ctx, req, n)
	w.log.Info("prune ended", "kind", outcome(err), "kept", len(res.Kept), "marked", len(res.Marked), "deleted", len(res.Deleted), "spared", len(res.Spared), "swept", res.Swept, "guard", res.Guard, "dry_run", res.DryRun)
	return res, err
}

// BackupIfDue makes a backup if one is due.
func (w *Workspace) BackupIfDue(ctx context.Context, req model.BackupRequest, s model.Schedule, n model.Notify) (model.BackupInfo, bool, error) {
	info, made, err := w.backups.BackupIfDue(ctx, req, s, n)
	if made || err != nil {
		w.log.Info("backup ended", "kind", outcome(err), "id", info.ID, "rows", info.Rows, "bytes", info.Bytes)
	}
	return info, made, err
}

// TrialIfDue restores a backup on trial if that is due.
func (w *Workspace) TrialIfDue(ctx context.Context, req model.BackupRequest, s model.Schedule, n model.Notify) (model.BackupInfo, bool, error) {
	info, tried, err := w.backups.TrialIfDue(ctx, req, s, n)
	if tried || err != nil {
		w.log.Info("trial restore ended", "kind", outcome(err), "id", info.ID, "rows", info.Rows)
	}
	return info, tried, err
}

// BackupState tells how the backups are.
func (w *Workspace) BackupState(ctx context.Context, req model.BackupRequest, s model.Schedule) (model.BackupState, error) {
	return w.backups.BackupState(ctx, req, s)
}

// lease takes a lease of the central. A workspace without one has none to take.
func (w *Workspace) lease(ctx context.Context, name string) (backup.Lease, error) {
	if w.address() == "" {
		return nil, w.noCentral()
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	url, err := w.central(ctx)
	if err != nil {
		return nil, err
	}
	l, err := mysql.TakeLease(ctx, url, name)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// serverNow asks the central's clock.
func (w *Workspace) serverNow(ctx context.Context) (time.Time, error) {
	if w.address() == "" {
		return time.Time{}, w.noCentral()
	}
	head, err := w.head(ctx)
	return head.Now, err
}
