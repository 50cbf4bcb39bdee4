package fake

import (
	"context"

	"rapport/model"
)

// Restorer is what the fake answers about restores of the central, and what it
// was asked.
type Restorer struct {
	Plan     model.RestorePlan
	Restored model.RestoreResult
	Asked    []model.RestoreRequest // for a restore, not for a plan
	Undone   int
}

// PlanRestore returns Plan.
func (w *Workspace) PlanRestore(context.Context, model.RestoreRequest, model.Notify) (model.RestorePlan, error) {
	return w.Restores.Plan, nil
}

// RestoreCentral notes the request.
func (w *Workspace) RestoreCentral(_ context.Context, req model.RestoreRequest, _ model.Notify) (model.RestoreResult, error) {
	w.Restores.Asked = append(w.Restores.Asked, req)
	return w.Restores.Restored, nil
}

// UndoRestore counts what is no dry run.
func (w *Workspace) UndoRestore(_ context.Context, dryRun bool, _ model.Notify) (model.RestoreResult, error) {
	if !dryRun {
		w.Restores.Undone++
	}
	return w.Restores.Restored, nil
}
