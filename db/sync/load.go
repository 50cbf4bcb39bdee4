package sync

import (
	"context"
	"errors"

	"rapport/model"
)

// whole loads or compares every row before anything else where the feed cannot
// lead from our position to its head: at the first meeting, when the server was
// restored or replaced, when the feed does not reach back to us, and when the
// person may see other rows than before. It leaves r.at at the place in the
// feed at which it began, so that the pull brings what changed meanwhile.
func (r *run) whole(ctx context.Context) error {
	mode, due := r.loadMode()
	if !due {
		return nil
	}
	for r.head.Unsequenced > 0 && !r.head.ReadOnly {
		before := r.head.Seq
		head, err := r.central.Sequence(ctx, r.at)
		if err != nil {
			return err
		}
		r.head = head
		if head.Seq == before {
			break
		}
	}
	start := r.head.Position
	start.Loaded = mode != model.FirstLoad
	if mode == model.FirstLoad {
		return r.load(ctx, start)
	}
	return r.reconcile(ctx, mode, start)
}

// loadMode tells whether every row is due and why.
func (r *run) loadMode() (model.LoadMode, bool) {
	known := r.at.Epoch != ""
	switch {
	case !r.at.Loaded:
		return model.FirstLoad, true
	case known && r.head.Epoch != r.at.Epoch:
		return model.ForkLoad, true
	case r.at.Seq < r.head.MinSeq:
		// The runs of so long ago are not known to the server any more.
		return model.RefreshLoad, true
	case known && (!r.head.SameRun || r.head.Seq < r.at.Seq):
		return model.ForkLoad, true
	case r.head.Access != r.at.Access:
		return model.AccessLoad, true
	}
	return "", false
}

// load makes the first load, or goes on with it.
func (r *run) load(ctx context.Context, start model.Position) error {
	if err := r.replica.BeginLoad(ctx, start); err != nil {
		return err
	}
	var done int64
	for _, e := range model.Entities() {
		if err := r.loadTable(ctx, e, &done); err != nil {
			return err
		}
	}
	r.notify.Tell("indexing", done, 0)
	res, err := r.replica.FinishLoad(ctx)
	if err != nil {
		return err
	}
	r.count(res)
	if r.at, err = r.replica.Position(ctx); err != nil {
		return err
	}
	next := r.nextCompare()
	if !r.head.SameRun {
		next = r.now() // the server was put back while we loaded
	}
	return r.replica.SetNextCompare(ctx, next)
}

// loadTable streams one table from where an earlier load left it.
func (r *run) loadTable(ctx context.Context, e *model.Entity, done *int64) error {
	after, complete, err := r.replica.LoadedTo(ctx, e.Noun)
	if err != nil || complete {
		return err
	}
	page := make([]model.Row, 0, loadRows)
	flush := func(last bool) error {
		if len(page) > 0 {
			after = page[len(page)-1].ID()
		}
		res, err := r.replica.Load(ctx, e.Noun, page, after, last)
		if err != nil {
			return err
		}
		r.count(res)
		*done += int64(len(page))
		r.notify.Tell("loading", *done, 0)
		page = page[:0]
		return nil
	}
	var unstored error
	err = r.central.Load(ctx, e.Noun, after, func(row model.Row) error {
		page = append(page, row)
		if len(page) == loadRows {
			unstored = flush(false)
		}
		return unstored
	})
	switch {
	case err == nil:
		return flush(true)
	case unstored != nil || len(page) == 0:
		return err
	}
	// What came is kept, also of a sync that was stopped: where the line
	// breaks before each page is full, a load would never get on otherwise.
	ctx = context.WithoutCancel(ctx)
	return errors.Join(err, flush(false))
}
