// Package transfer moves records in and out of files: CSV, TSV, JSON, NDJSON
// and vCard.
//
// Promises:
//   - A row or a card becomes a record or is refused by name with the reason;
//     the others go on. What a record cannot keep is named with its count.
//   - A dry run does what the run does, in one transaction that is rolled
//     back, so its numbers are the run's.
//   - Importing again changes nothing. A key that fits two records rejects the
//     row; nothing is ever deleted by an import, and a record that was deleted
//     here is not made again.
//   - Text comes back byte for byte from an export that is imported again.
package transfer

import (
	"context"
	"time"

	"rapport/model"
)

// Store is what transfers need of the cache.
type Store interface {
	model.Reader
	// ImportBatch runs fn in one transaction, which is rolled back if fn
	// fails or dryRun is true.
	ImportBatch(ctx context.Context, dryRun bool, fn func(model.ImportTx) error) error
	// RecordImportRun stores the outcome of a run under its name.
	RecordImportRun(ctx context.Context, run model.ImportRun) error
	// ListImportRuns returns past runs, newest first.
	ListImportRuns(ctx context.Context) ([]model.ImportRun, error)
	// UndoImportRun deletes the records that a run made and nobody touched
	// or linked to since. It returns how many and the ones it kept.
	UndoImportRun(ctx context.Context, run string) (int64, []model.Hit, error)
}

// Options are what transfers need to know beside the store. Zero values give
// the real clock and fresh ids.
type Options struct {
	Now func() time.Time
	IDs *model.IDSource
}

// Transfer imports into and exports from one store. It implements
// model.Transfer.
type Transfer struct {
	store Store
	home  string
	now   func() time.Time
	ids   *model.IDSource
}

// New returns the transfers of a store whose files lie in home.
func New(store Store, home string, o Options) *Transfer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.IDs == nil {
		o.IDs = model.NewIDSource(o.Now, nil)
	}
	return &Transfer{store: store, home: home, now: o.Now, ids: o.IDs}
}

// ImportRuns returns past imports, newest first.
func (t *Transfer) ImportRuns(ctx context.Context) ([]model.ImportRun, error) {
	return t.store.ListImportRuns(ctx)
}

// UndoImport takes a run back: records it made and nobody touched since are
// deleted. Errors: NotFound for an unknown run, Invalid for one that was taken
// back already.
func (t *Transfer) UndoImport(ctx context.Context, run string) (int64, []model.Hit, error) {
	return t.store.UndoImportRun(ctx, run)
}

// newRun names a run by its moment, which people recognise, and a random end.
func (t *Transfer) newRun() string {
	return t.now().UTC().Format("20060102-150405-") + string(t.ids.New()[32:])
}
