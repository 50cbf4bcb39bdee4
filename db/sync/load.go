package sync

import (
	"context"
	"errors"

	"rapport/model"
)

// load makes a whole load where one is due: at the first meeting, when the
// server was restored or replaced, when the feed does not reach back to our
// position, and when the person asks for it. It leaves r.at at the place in
// the feed at which the load began, so that the pull brings what changed
// meanwhile.
func (r *run) load(ctx context.Context, full bool) error {
	mode, due := r.loadMode(full)
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
	start.Loaded = false
	if err := r.replica.BeginLoad(ctx, mode, start); err != nil {
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
	r.at, err = r.replica.Position(ctx)
	return err
}

// loadMode tells whether a load is due and why.
func (r *run) loadMode(full bool) (model.LoadMode, bool) {
	known := r.at.Epoch != ""
	switch {
	case known && (!r.head.SameRun || r.head.Epoch != r.at.Epoch || r.head.Seq < r.at.Seq):
		return model.ForkLoad, true
	case !r.at.Loaded:
		return model.FirstLoad, true
	case full || r.at.Seq < r.head.MinSeq:
		return model.RefreshLoad, true
	}
	return "", false
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
