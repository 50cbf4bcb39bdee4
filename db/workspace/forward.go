package workspace

import (
	"context"
	"io"
	"time"

	"rapport/model"
)

// What follows hands each question to the store that answers it. The cache is
// asked for anew each time, as a restore may have replaced it.

// List returns a page of records.
func (w *Workspace) List(ctx context.Context, q model.Query) (model.Page, error) {
	return w.cache().List(ctx, q)
}

// Count returns how many records a query has.
func (w *Workspace) Count(ctx context.Context, q model.Query) (int64, error) {
	return w.cache().Count(ctx, q)
}

// Get returns a whole record.
func (w *Workspace) Get(ctx context.Context, n model.Noun, id model.ID) (*model.Record, error) {
	return w.cache().Get(ctx, n, id)
}

// Find resolves an id or a name.
func (w *Workspace) Find(ctx context.Context, n model.Noun, ref string) (model.ID, error) {
	return w.cache().Find(ctx, n, ref)
}

// Search finds records of all nouns.
func (w *Workspace) Search(ctx context.Context, text string, in model.Noun, limit int) ([]model.Hit, error) {
	return w.cache().Search(ctx, text, in, limit)
}

// Related returns records that link to a record.
func (w *Workspace) Related(ctx context.Context, n model.Noun, id model.ID, of model.Noun, limit int) ([]*model.Record, error) {
	return w.cache().Related(ctx, n, id, of, limit)
}

// Timeline returns what happened around a record.
func (w *Workspace) Timeline(ctx context.Context, n model.Noun, id model.ID, limit int) ([]model.Event, error) {
	return w.cache().Timeline(ctx, n, id, limit)
}

// History returns a record's changes.
func (w *Workspace) History(ctx context.Context, n model.Noun, id model.ID) ([]model.Revision, error) {
	return w.cache().History(ctx, n, id)
}

// Board returns a pipeline's stages with their deals.
func (w *Workspace) Board(ctx context.Context, pipeline model.ID, perColumn int) (model.Board, error) {
	return w.cache().Board(ctx, pipeline, perColumn)
}

// Overview returns what the start page shows.
func (w *Workspace) Overview(ctx context.Context, now time.Time) (model.Overview, error) {
	return w.cache().Overview(ctx, now)
}

// Save applies one edit.
func (w *Workspace) Save(ctx context.Context, e model.Edit) (*model.Record, error) {
	return w.cache().Save(ctx, e)
}

// SaveAll applies edits in one transaction.
func (w *Workspace) SaveAll(ctx context.Context, edits []model.Edit, dryRun bool) ([]model.Saved, error) {
	return w.cache().SaveAll(ctx, edits, dryRun)
}

// Delete deletes records.
func (w *Workspace) Delete(ctx context.Context, n model.Noun, ids ...model.ID) error {
	return w.cache().Delete(ctx, n, ids...)
}

// Restore brings deleted records back.
func (w *Workspace) Restore(ctx context.Context, n model.Noun, ids ...model.ID) error {
	return w.cache().Restore(ctx, n, ids...)
}

// MoveDeal puts a deal into a stage.
func (w *Workspace) MoveDeal(ctx context.Context, id model.ID, stage, lostReason string) (*model.Record, error) {
	return w.cache().MoveDeal(ctx, id, stage, lostReason)
}

// Acts lists what was done here.
func (w *Workspace) Acts(ctx context.Context, limit int) ([]model.Act, error) {
	return w.cache().Acts(ctx, limit)
}

// Undo takes an act back.
func (w *Workspace) Undo(ctx context.Context, act int64) (model.Undone, error) {
	return w.cache().Undo(ctx, act)
}

// Duplicates lists the pairs of records that may be the same.
func (w *Workspace) Duplicates(ctx context.Context, n model.Noun, scan bool) ([]model.Duplicate, error) {
	return w.cache().Duplicates(ctx, n, scan)
}

// Distinct says that two records are not the same.
func (w *Workspace) Distinct(ctx context.Context, n model.Noun, a, b model.ID) error {
	return w.cache().Distinct(ctx, n, a, b)
}

// Merge joins records into one.
func (w *Workspace) Merge(ctx context.Context, n model.Noun, keep model.ID, others ...model.ID) (*model.Record, error) {
	return w.cache().Merge(ctx, n, keep, others...)
}

// Pending returns the records with unsent changes.
func (w *Workspace) Pending(ctx context.Context) ([]model.PendingItem, error) {
	return w.cache().Pending(ctx)
}

// Retry clears refusals.
func (w *Workspace) Retry(ctx context.Context, ids ...model.ID) (int, error) {
	return w.cache().Retry(ctx, ids...)
}

// Discard gives up unsent changes.
func (w *Workspace) Discard(ctx context.Context, ids ...model.ID) (int, error) {
	return w.cache().Discard(ctx, ids...)
}

// Conflicts returns the open conflicts.
func (w *Workspace) Conflicts(ctx context.Context) ([]model.Conflict, error) {
	return w.cache().Conflicts(ctx)
}

// Settle settles fields of a conflict.
func (w *Workspace) Settle(ctx context.Context, id model.ID, choices []model.Settlement) error {
	return w.cache().Settle(ctx, id, choices)
}

// Import reads files into the workspace.
func (w *Workspace) Import(ctx context.Context, req model.ImportRequest, n model.Notify) (model.ImportResult, error) {
	res, err := w.transfer().Import(ctx, req, n)
	w.log.Info("import ended", "kind", outcome(err), "run", res.Run, "read", res.Read, "created", res.Created,
		"updated", res.Updated, "rejected", res.Rejected, "dry_run", res.DryRun)
	return res, err
}

// ImportRuns returns past imports.
func (w *Workspace) ImportRuns(ctx context.Context) ([]model.ImportRun, error) {
	return w.transfer().ImportRuns(ctx)
}

// UndoImport takes an import back.
func (w *Workspace) UndoImport(ctx context.Context, run string) (int64, []model.Hit, error) {
	return w.transfer().UndoImport(ctx, run)
}

// Preview shows how a file would be read.
func (w *Workspace) Preview(ctx context.Context, req model.ImportRequest) (model.ImportPreview, error) {
	return w.transfer().Preview(ctx, req)
}

// Export writes records.
func (w *Workspace) Export(ctx context.Context, req model.ExportRequest, out io.Writer) (int64, error) {
	return w.transfer().Export(ctx, req, out)
}

// Reports lists the reports.
func (w *Workspace) Reports() []model.ReportInfo { return w.reporter().Reports() }

// Report makes a report.
func (w *Workspace) Report(ctx context.Context, req model.ReportRequest) (model.Report, error) {
	return w.reporter().Report(ctx, req)
}

// CreateBackup makes and proves a backup.
func (w *Workspace) CreateBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	info, err := w.backups.CreateBackup(ctx, req, n)
	w.log.Info("backup ended", "kind", outcome(err), "id", info.ID, "rows", info.Rows, "bytes", info.Bytes)
	return info, err
}

// BackUpContinuously backs up what changes until ctx ends.
func (w *Workspace) BackUpContinuously(ctx context.Context, req model.BackupRequest, every time.Duration, tell func(model.BackupStep)) error {
	err := w.backups.BackUpContinuously(ctx, req, every, func(s model.BackupStep) {
		w.log.Info("backup ended", "kind", outcome(s.Err), "id", s.Info.ID, "rows", s.Info.Rows, "bytes", s.Info.Bytes, "again_ms", s.Pause.Milliseconds())
		tell(s)
	})
	w.log.Info("continuous backup ended", "kind", outcome(err))
	return err
}

// InitBackups makes a place ready for backups and tries it out.
func (w *Workspace) InitBackups(ctx context.Context, req model.BackupRequest) (model.BackupTarget, error) {
	t, err := w.backups.InitBackups(ctx, req)
	w.log.Info("backup place tried", "kind", outcome(err), "read", t.Read, "write", t.Write, "exclusive", t.Exclusive, "delete", t.Delete)
	return t, err
}

// ListBackups lists backups.
func (w *Workspace) ListBackups(ctx context.Context, req model.BackupRequest) ([]model.BackupInfo, error) {
	return w.backups.ListBackups(ctx, req)
}

// VerifyBackup proves a backup.
func (w *Workspace) VerifyBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	return w.backups.VerifyBackup(ctx, req, n)
}

// ChooseBackups sets how the workspace is backed up from now on.
func (w *Workspace) ChooseBackups(s model.BackupSettings) {
	w.chosen.Store(&s)
	w.backups.ChooseBackups(s)
}

// RestoreBackup replaces the workspace's records by those of a backup.
func (w *Workspace) RestoreBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, string, error) {
	info, safety, err := w.backups.RestoreBackup(ctx, req, n)
	w.log.Info("restore ended", "kind", outcome(err), "id", info.ID, "rows", info.Rows)
	return info, safety, err
}
