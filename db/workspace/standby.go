package workspace

import (
	"context"
	"path/filepath"

	"rapport/db/mysql"
	"rapport/model"
)

// StandbyStatus looks at every server of the central's list.
func (w *Workspace) StandbyStatus(ctx context.Context) (model.StandbyReport, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.StandbyReport{}, err
	}
	return mysql.Standby(ctx, url)
}

// SetUpStandby fills an empty server from the primary and lets it follow.
func (w *Workspace) SetUpStandby(ctx context.Context, req model.StandbyRequest, n model.Notify) (model.StandbyResult, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.StandbyResult{}, err
	}
	return mysql.SetUpStandby(ctx, url, req, n)
}

// Rejoin makes a former primary follow the primary again.
func (w *Workspace) Rejoin(ctx context.Context, req model.StandbyRequest, n model.Notify) (model.StandbyResult, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.StandbyResult{}, err
	}
	if req.Orphans == "" {
		req.Orphans = filepath.Join(w.settings.Home, "orphans", w.now().UTC().Format("20060102-150405")+".ndjson")
	}
	return mysql.Rejoin(ctx, url, req, n)
}

// Promote makes a standby the primary.
func (w *Workspace) Promote(ctx context.Context, req model.PromoteRequest) (model.Promotion, error) {
	url, err := w.central(ctx)
	if err != nil {
		return model.Promotion{}, err
	}
	return mysql.Promote(ctx, url, req)
}
