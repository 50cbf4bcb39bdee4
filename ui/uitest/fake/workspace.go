// Package fake is a workspace without a store, for the tests of screens: it
// answers with what a test puts into it and counts how often it is asked.
//
// Promises: a method that a test did not provide for panics, so that a screen
// cannot ask unnoticed; the clock stands still.
package fake

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
)

// Workspace is a workspace of fixed answers.
type Workspace struct {
	model.Workspace

	Chosen    model.Settings
	Start     model.Overview
	Boards    []model.Board // by pipeline
	State     model.Status
	Items     []model.PendingItem
	Clashes   []model.Conflict
	Twins     []model.Duplicate
	Merged    []string // what was merged or kept as two
	TakenBack model.Undone
	Undos     []int64
	Hits      []model.Hit
	Pages     map[model.Noun][]*model.Record
	Infos     []model.ReportInfo
	Figures   model.Report
	Copies    []model.BackupInfo
	Tried     []model.BackupRequest // places
	Strangers int                   // keys of the places that are not known
	Made      []model.BackupRequest
	Proved    []model.BackupRequest
	Glance    model.BackupOverview
	Archived  map[model.Noun][]model.ArchivedRecord
	Looks     []model.ArchiveQuery
	Compared  model.Comparison
	Back      model.RecordsRestored
	Brought   []model.RecordsRequest
	Looked    model.ImportPreview
	Imported  model.ImportResult
	Overlook  model.CentralStatus
	Checks    []model.Check
	Exported  string
	Err       error // every method that can fails with it, if set
	Synced    model.SyncResult
	Asked     []model.ReportRequest
	Searched  []string
	Edits     []model.Edit
	Moves     []string
	Settled   []model.Settlement
	Retried   []model.ID
	Discarded []model.ID
	Imports   []model.ImportRequest
	Restored  []model.BackupRequest
	Folk      []model.Person
	Gear      []model.DeviceState
	Decided   []string // on people and devices, in order
	Restores  Restorer
	Retention

	mu    sync.Mutex
	calls int
}

// Calls is how often any method that reads or writes was called.
func (w *Workspace) Calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *Workspace) called(record func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if record != nil && w.Err == nil {
		record()
	}
	return w.Err
}

// Settings are known without asking a store.
func (w *Workspace) Settings() model.Settings { return w.Chosen }

// Overview answers with Start.
func (w *Workspace) Overview(context.Context, time.Time) (model.Overview, error) {
	return w.Start, w.called(nil)
}

// Status answers with State.
func (w *Workspace) Status(context.Context, bool) (model.Status, error) {
	return w.State, w.called(nil)
}

// Board answers with the board of the pipeline, the first one if none is named.
func (w *Workspace) Board(_ context.Context, pipeline model.ID, _ int) (model.Board, error) {
	err := w.called(nil)
	for _, b := range w.Boards {
		if pipeline == "" || b.Pipeline.ID == pipeline {
			return b, err
		}
	}
	return model.Board{}, err
}

// MoveDeal notes the move and answers with an empty deal.
func (w *Workspace) MoveDeal(_ context.Context, id model.ID, stage, reason string) (*model.Record, error) {
	err := w.called(func() { w.Moves = append(w.Moves, string(id)+" "+stage+" "+reason) })
	r := model.NewRecord("deal")
	r.ID = id
	return r, err
}

// Save notes the edit.
func (w *Workspace) Save(_ context.Context, e model.Edit) (*model.Record, error) {
	err := w.called(func() { w.Edits = append(w.Edits, e) })
	r := model.NewRecord(e.Noun)
	r.ID = e.ID
	return r, err
}

// Get answers with the record of Pages.
func (w *Workspace) Get(_ context.Context, n model.Noun, id model.ID) (*model.Record, error) {
	err := w.called(nil)
	for _, r := range w.Pages[n] {
		if r.ID == id {
			return r, err
		}
	}
	return nil, model.Errorf(model.NotFound, "there is no such %s", n)
}

// List answers with Pages.
func (w *Workspace) List(_ context.Context, q model.Query) (model.Page, error) {
	return model.Page{Items: w.Pages[q.Noun], Cursors: make([]string, len(w.Pages[q.Noun]))}, w.called(nil)
}

// Count counts Pages.
func (w *Workspace) Count(_ context.Context, q model.Query) (int64, error) {
	return int64(len(w.Pages[q.Noun])), w.called(nil)
}

// Search answers with Hits.
func (w *Workspace) Search(_ context.Context, text string, _ model.Noun, _ int) ([]model.Hit, error) {
	return w.Hits, w.called(func() { w.Searched = append(w.Searched, text) })
}

// Pending answers with Items.
func (w *Workspace) Pending(context.Context) ([]model.PendingItem, error) {
	return w.Items, w.called(nil)
}

// Conflicts answers with Clashes.
func (w *Workspace) Conflicts(context.Context) ([]model.Conflict, error) {
	return w.Clashes, w.called(nil)
}

// Duplicates answers with Twins.
func (w *Workspace) Duplicates(context.Context, model.Noun, bool) ([]model.Duplicate, error) {
	return w.Twins, w.called(nil)
}

// Distinct notes the pair.
func (w *Workspace) Distinct(_ context.Context, _ model.Noun, a, b model.ID) error {
	return w.called(func() { w.Merged = append(w.Merged, "two "+string(a)+" "+string(b)) })
}

// Merge notes which record the others are merged into.
func (w *Workspace) Merge(_ context.Context, n model.Noun, keep model.ID, others ...model.ID) (*model.Record, error) {
	return model.NewRecord(n), w.called(func() { w.Merged = append(w.Merged, fmt.Sprint("keep ", keep, " ", others)) })
}

// Undo answers with TakenBack and notes the act.
func (w *Workspace) Undo(_ context.Context, act int64) (model.Undone, error) {
	return w.TakenBack, w.called(func() { w.Undos = append(w.Undos, act) })
}

// Settle notes the choices.
func (w *Workspace) Settle(_ context.Context, _ model.ID, cs []model.Settlement) error {
	return w.called(func() { w.Settled = append(w.Settled, cs...) })
}

// Retry notes the ids.
func (w *Workspace) Retry(_ context.Context, ids ...model.ID) (int, error) {
	return len(ids), w.called(func() { w.Retried = append(w.Retried, ids...) })
}

// Discard notes the ids.
func (w *Workspace) Discard(_ context.Context, ids ...model.ID) (int, error) {
	return len(ids), w.called(func() { w.Discarded = append(w.Discarded, ids...) })
}

// Reports answers with Infos; it asks no store.
func (w *Workspace) Reports() []model.ReportInfo { return w.Infos }

// Report answers with Figures.
func (w *Workspace) Report(_ context.Context, req model.ReportRequest) (model.Report, error) {
	return w.Figures, w.called(func() { w.Asked = append(w.Asked, req) })
}

// InitBackups answers that everything may be done, and with keys that open
// nothing.
func (w *Workspace) InitBackups(_ context.Context, req model.BackupRequest) (model.BackupTarget, error) {
	t := model.BackupTarget{Address: req.To, Fresh: true, Read: true, Write: true, Exclusive: true, Delete: true}
	if !req.Trust {
		t.Strangers = w.Strangers
	}
	if req.NewKey {
		t.Recovery = &model.RecoveryKey{Identity: "AGE-SECRET-KEY-1" + strings.Repeat("QYZPRX9R", 7) + "5X", Recipient: "age1recovery"}
	}
	if req.OwnKey {
		t.Own = &model.OwnKey{File: "/home/ada/backup-identity.txt", Recipient: "age1own"}
	}
	return t, w.called(func() { w.Tried = append(w.Tried, req) })
}

// ChooseBackups notes the settings; it asks no store.
func (w *Workspace) ChooseBackups(s model.BackupSettings) { w.Chosen.Backup = s }

// ListBackups answers with Copies.
func (w *Workspace) ListBackups(context.Context, model.BackupRequest) ([]model.BackupInfo, error) {
	return w.Copies, w.called(nil)
}

// CreateBackup answers with the first of Copies and notes the request.
func (w *Workspace) CreateBackup(_ context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	n.Tell("copying", 1, 2)
	return w.Copies[0], w.called(func() { w.Made = append(w.Made, req) })
}

// VerifyBackup answers with the first of Copies and notes the request.
func (w *Workspace) VerifyBackup(_ context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, error) {
	return w.Copies[0], w.called(func() { w.Proved = append(w.Proved, req) })
}

// RestoreBackup notes the request.
func (w *Workspace) RestoreBackup(_ context.Context, req model.BackupRequest, n model.Notify) (model.BackupInfo, string, error) {
	return w.Copies[0], "/home/ada/backups/before-restore", w.called(func() { w.Restored = append(w.Restored, req) })
}

// Preview answers with Looked.
func (w *Workspace) Preview(context.Context, model.ImportRequest) (model.ImportPreview, error) {
	return w.Looked, w.called(nil)
}

// Import notes the request and answers with Imported.
func (w *Workspace) Import(_ context.Context, req model.ImportRequest, n model.Notify) (model.ImportResult, error) {
	n.Tell("reading", 10, 20)
	r := w.Imported
	r.DryRun = req.DryRun
	return r, w.called(func() { w.Imports = append(w.Imports, req) })
}

// Export writes Exported.
func (w *Workspace) Export(_ context.Context, _ model.ExportRequest, out io.Writer) (int64, error) {
	if err := w.called(nil); err != nil {
		return 0, err
	}
	_, err := io.WriteString(out, w.Exported)
	return 1, err
}

// CentralStatus answers with Overlook.
func (w *Workspace) CentralStatus(context.Context) (model.CentralStatus, error) {
	return w.Overlook, w.called(nil)
}

// RefreshReports does nothing.
func (w *Workspace) RefreshReports(context.Context, model.ReportsRequest, model.Notify) (model.ReportsResult, error) {
	return model.ReportsResult{}, nil
}

// RebuildTables does nothing.
func (w *Workspace) RebuildTables(context.Context, model.RebuildRequest, model.Notify) (model.RebuildResult, error) {
	return model.RebuildResult{}, nil
}

// SweepCentral does nothing.
func (w *Workspace) SweepCentral(context.Context) ([]string, error) {
	return []string{}, nil
}

// MigrateCentral does nothing.
func (w *Workspace) MigrateCentral(context.Context) ([]string, error) {
	return []string{"nothing to do"}, w.called(nil)
}

// InitCentral does nothing.
func (w *Workspace) InitCentral(context.Context) ([]string, error) {
	return []string{"nothing to do"}, w.called(nil)
}

// Doctor answers with Checks.
func (w *Workspace) Doctor(context.Context) []model.Check {
	_ = w.called(nil)
	return w.Checks
}

// Now is the moment at which the clock stands: a Friday morning.
func Now() time.Time {
	return time.Date(2026, 11, 20, 9, 30, 0, 0, time.FixedZone("CET", 3600))
}

// Env is the environment of a screen over this workspace.
func (w *Workspace) Env(ctx context.Context, th *theme.Theme) *screen.Env {
	return &screen.Env{Workspace: w, Keys: keymap.Default(), Theme: th, Now: Now, Context: ctx,
		Copy: func(string) tea.Cmd { return nil }}
}

// Record makes a record of a noun with the values of alternating names.
func Record(n model.Noun, id string, pairs ...any) *model.Record {
	r := model.NewRecord(n)
	r.ID = ID(id)
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Values[pairs[i].(string)] = pairs[i+1]
	}
	return r
}

// ID is a whole id for a short name.
func ID(name string) model.ID { return model.DerivedID("test", name) }
