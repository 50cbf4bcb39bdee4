package fake

import (
	"context"

	"rapport/model"
)

// Restorer is what the fake answers about restores of the central, and what it
// was asked.
type Restorer struct {
	Plan     model.RestorePlan
	PlanErr  error
	Planned  []model.RestoreRequest
	Restored model.RestoreResult
	Asked    []model.RestoreRequest // for a restore, not for a plan
	UndoErr  error                  // there is nothing to take back
	Undone   int
}

// PlanRestore returns Plan and notes the request.
func (w *Workspace) PlanRestore(_ context.Context, req model.RestoreRequest, n model.Notify) (model.RestorePlan, error) {
	n.Tell("comparing", 1, 2)
	err := w.called(func() { w.Restores.Planned = append(w.Restores.Planned, req) })
	if err == nil {
		err = w.Restores.PlanErr
	}
	return w.Restores.Plan, err
}

// RestoreCentral notes the request.
func (w *Workspace) RestoreCentral(_ context.Context, req model.RestoreRequest, n model.Notify) (model.RestoreResult, error) {
	n.Tell("restoring", 1, 2)
	return w.Restores.Restored, w.called(func() { w.Restores.Asked = append(w.Restores.Asked, req) })
}

// UndoRestore counts what is no dry run.
func (w *Workspace) UndoRestore(_ context.Context, dryRun bool, _ model.Notify) (model.RestoreResult, error) {
	err := w.called(func() {
		if !dryRun {
			w.Restores.Undone++
		}
	})
	if err == nil {
		err = w.Restores.UndoErr
	}
	return w.Restores.Restored, err
}
