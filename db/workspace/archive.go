package workspace

import (
	"context"
	"slices"
	"sync"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// listTime is how long an overview waits for the place of the backups.
const listTime = 20 * time.Second

// ListArchive returns a page of the records of a backup.
func (w *Workspace) ListArchive(ctx context.Context, q model.ArchiveQuery) (model.ArchivePage, error) {
	return w.backups.ListArchive(ctx, q)
}

// Compare sets one record of a backup against today's.
func (w *Workspace) Compare(ctx context.Context, req model.ArchiveRequest, ref model.Ref) (model.Comparison, error) {
	return w.backups.Compare(ctx, req, ref)
}

// RestoreRecords brings records of a backup back.
func (w *Workspace) RestoreRecords(ctx context.Context, req model.RecordsRequest, n model.Notify) (model.RecordsRestored, error) {
	out, err := w.backups.RestoreRecords(ctx, req, n)
	w.log.Info("restore of records ended", "kind", outcome(err), "id", out.Backup.ID, "added", out.Added, "restored", out.Restored, "edited", out.Edited, "dry_run", out.DryRun)
	return out, err
}

// answers tells whether a server could be looked at.
func answers(s model.ServerState) bool { return s.Role != model.RoleUnreachable }

// BackupOverview asks the place of the backups and, at the same time, the
// central.
func (w *Workspace) BackupOverview(ctx context.Context) (model.BackupOverview, error) {
	out := model.BackupOverview{At: w.now().UTC()}
	var wait sync.WaitGroup
	wait.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, listTime)
		defer cancel()
		if err := w.backups.Overview(ctx, &out); err != nil {
			out.PlaceProblem = sentence(err)
		}
	})
	if address := w.address(); address != "" {
		if a, err := mysql.ParseURL(address); err == nil {
			out.Central = a.String()
		}
		var reports, standby error
		inner, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		wait.Go(func() {
			var url string
			if url, reports = w.central(inner); reports == nil {
				out.Reports, reports = mysql.Reports(inner, url)
			}
		})
		wait.Go(func() {
			var r model.StandbyReport
			if r, standby = w.StandbyStatus(inner); standby == nil && slices.ContainsFunc(r.Servers, answers) {
				out.Standby = &r
			}
		})
		wait.Wait()
		for _, err := range []error{standby, reports} {
			if err != nil {
				out.CentralProblem = sentence(err)
			}
		}
	}
	wait.Wait()
	return out, ctx.Err()
}
