package fake

import (
	"context"
	"time"

	"rapport/model"
)

// BackUpContinuously notes the request, tells of Copies and waits for the end.
func (w *Workspace) BackUpContinuously(ctx context.Context, req model.BackupRequest, every time.Duration, tell func(model.BackupStep)) error {
	w.Made = append(w.Made, req)
	for _, b := range w.Copies {
		tell(model.BackupStep{Info: b, Pause: every})
	}
	<-ctx.Done()
	return w.called(nil)
}
