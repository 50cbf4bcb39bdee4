package fake

import (
	"context"

	"rapport/model"
)

// Retention is what the fake answers about old and due backups, and what it was
// asked.
type Retention struct {
	Backups    model.BackupState
	IsDue      bool // the first of Copies is made when one asks for what is due
	Prunes     model.PruneResult
	Pruned     []model.PruneRequest
	DueAsked   []model.BackupRequest
	DueSetting []model.Schedule
	TrialAsked []model.BackupRequest
}

// PruneBackups notes the request.
func (w *Workspace) PruneBackups(_ context.Context, req model.PruneRequest, _ model.Notify) (model.PruneResult, error) {
	return w.Prunes, w.called(func() { w.Pruned = append(w.Pruned, req) })
}

// BackupIfDue notes the request and answers with the first of Copies.
func (w *Workspace) BackupIfDue(_ context.Context, req model.BackupRequest, s model.Schedule, _ model.Notify) (model.BackupInfo, bool, error) {
	err := w.called(func() { w.DueAsked, w.DueSetting = append(w.DueAsked, req), append(w.DueSetting, s) })
	if len(w.Copies) == 0 {
		return model.BackupInfo{}, false, err
	}
	return w.Copies[0], w.IsDue && err == nil, err
}

// TrialIfDue notes the request and answers with the first of Copies.
func (w *Workspace) TrialIfDue(_ context.Context, req model.BackupRequest, _ model.Schedule, _ model.Notify) (model.BackupInfo, bool, error) {
	err := w.called(func() { w.TrialAsked = append(w.TrialAsked, req) })
	if len(w.Copies) == 0 {
		return model.BackupInfo{}, false, err
	}
	return w.Copies[0], w.IsDue && err == nil, err
}

// BackupState answers with Backups.
func (w *Workspace) BackupState(context.Context, model.BackupRequest, model.Schedule) (model.BackupState, error) {
	return w.Backups, w.called(nil)
}
