package ui

import (
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
)

// finishing is a workspace whose writes are finished even when the person
// quits meanwhile: what was saved with one key is not lost by the next.
type finishing struct {
	model.Workspace
	writes *sync.WaitGroup
	jobs   *sync.WaitGroup // what is stopped when the person quits, and clears up then
}

// begin counts a write and takes the session's end out of its context.
func (f finishing) begin(ctx context.Context) context.Context {
	f.writes.Add(1)
	return context.WithoutCancel(ctx)
}

// Save implements model.Writer.
func (f finishing) Save(ctx context.Context, e model.Edit) (*model.Record, error) {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.Save(ctx, e)
}

// SaveAll implements model.Writer.
func (f finishing) SaveAll(ctx context.Context, edits []model.Edit, dryRun bool) ([]model.Saved, error) {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.SaveAll(ctx, edits, dryRun)
}

// Delete implements model.Writer.
func (f finishing) Delete(ctx context.Context, n model.Noun, ids ...model.ID) error {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.Delete(ctx, n, ids...)
}

// Restore implements model.Writer.
func (f finishing) Restore(ctx context.Context, n model.Noun, ids ...model.ID) error {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.Restore(ctx, n, ids...)
}

// MoveDeal implements model.Writer.
func (f finishing) MoveDeal(ctx context.Context, id model.ID, stage, lostReason string) (*model.Record, error) {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.MoveDeal(ctx, id, stage, lostReason)
}

// Settle implements model.Inbox.
func (f finishing) Settle(ctx context.Context, id model.ID, choices []model.Settlement) error {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.Settle(ctx, id, choices)
}

// RestoreRecords implements model.Archiver.
func (f finishing) RestoreRecords(ctx context.Context, req model.RecordsRequest, n model.Notify) (model.RecordsRestored, error) {
	ctx = f.begin(ctx)
	defer f.writes.Done()
	return f.Workspace.RestoreRecords(ctx, req, n)
}

// CreateBackup implements model.Backuper.
func (f finishing) CreateBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	f.jobs.Add(1)
	defer f.jobs.Done()
	return f.Workspace.CreateBackup(ctx, req, n)
}

// RestoreBackup implements model.Backuper.
func (f finishing) RestoreBackup(ctx context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, string, error) {
	f.jobs.Add(1)
	defer f.jobs.Done()
	return f.Workspace.RestoreBackup(ctx, req, n)
}

// RestoreCentral implements model.CentralRestorer.
func (f finishing) RestoreCentral(ctx context.Context, req model.RestoreRequest, n model.Notify) (model.RestoreResult, error) {
	f.jobs.Add(1)
	defer f.jobs.Done()
	return f.Workspace.RestoreCentral(ctx, req, n)
}

// UndoRestore implements model.CentralRestorer.
func (f finishing) UndoRestore(ctx context.Context, dryRun bool, n model.Notify) (model.RestoreResult, error) {
	f.jobs.Add(1)
	defer f.jobs.Done()
	return f.Workspace.UndoRestore(ctx, dryRun, n)
}

// stopGrace is how long what was stopped may take to clear up after itself.
const stopGrace = 5 * time.Second

// startGrace is how long a write may take from its key to its beginning.
const startGrace = 15 * time.Millisecond

// finish returns the command that ends the session once the writes that were
// called have come to their end, and what was stopped has too, or has had its
// time.
func (f finishing) finish() tea.Cmd {
	writes, jobs := f.writes, f.jobs
	return func() tea.Msg {
		// The command of a write that was called just before may not run yet.
		time.Sleep(startGrace)
		writes.Wait()
		ended := make(chan struct{})
		go func() {
			jobs.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(stopGrace):
		}
		return tea.QuitMsg{}
	}
}
