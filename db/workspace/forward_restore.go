package workspace

import (
	"context"

	"rapport/model"
)

// PlanRestore tells what a restore of the central would do.
func (w *Workspace) PlanRestore(ctx context.Context, req model.RestoreRequest, n model.Notify) (model.RestorePlan, error) {
	plan, err := w.backups.PlanRestore(ctx, req, n)
	w.log.Info("restore planned", "kind", outcome(err), "position", plan.Position, "rows", plan.Rows, "lost", plan.Lost)
	return plan, err
}

// RestoreCentral puts a backup in the place of what the central has.
func (w *Workspace) RestoreCentral(ctx context.Context, req model.RestoreRequest, n model.Notify) (model.RestoreResult, error) {
	res, err := w.backups.RestoreCentral(ctx, req, n)
	w.log.Info("restore of the central ended", "kind", outcome(err), "position", res.Position, "rows", res.Rows, "epoch", res.Epoch)
	return res, err
}

// UndoRestore puts back what a restore of the central replaced.
func (w *Workspace) UndoRestore(ctx context.Context, dryRun bool, n model.Notify) (model.RestoreResult, error) {
	res, err := w.backups.UndoRestore(ctx, dryRun, n)
	w.log.Info("restore of the central undone", "kind", outcome(err), "epoch", res.Epoch, "dry_run", dryRun)
	return res, err
}
