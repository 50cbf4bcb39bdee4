package sync

import (
	"context"

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
	if mode == model.ForkLoad && r.head.Epoch != r.at.Epoch {
		discards, err := r.central.Discards(ctx, r.at.Epoch)
		if err != nil {
			return err
		}
		if discards {
			mode = model.DiscardLoad
		}
	}
	if err := r.askAgain(ctx, mode); err != nil {
		return err
	}
	for caughtUp := r.head.Unsequenced == 0; !caughtUp && !r.head.ReadOnly; {
		before := r.head.Seq
		head, err := r.central.Sequence(ctx, r.at)
		if err != nil {
			return err
		}
		r.head, caughtUp = head, head.CaughtUp(before)
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
	case known && r.head.Epoch != r.at.Epoch, known && !r.head.SameRun && !r.head.Forgotten(r.at):
		return model.ForkLoad, true
	case r.at.Seq < r.head.MinSeq:
		return model.RefreshLoad, true
	case known && (!r.head.SameRun || r.head.Seq < r.at.Seq):
		return model.ForkLoad, true
	case r.head.Access != r.at.Access:
		return model.AccessLoad, true
	}
	return "", false
}

// askAgain finds out what became of a batch whose answer was lost before rows
// are compared: the server may have taken it, and others may have changed the
// rows since. A server that was restored is compared first, for what it lost
// would look like a change.
func (r *run) askAgain(ctx context.Context, mode model.LoadMode) error {
	if r.head.ReadOnly || mode == model.FirstLoad || mode == model.ForkLoad || mode == model.DiscardLoad {
		return nil
	}
	b, err := r.replica.NextBatch(ctx, 0, 0)
	if err != nil || b == nil {
		return err
	}
	r.touched, r.clashed = map[model.Noun]bool{}, map[model.ID]model.Row{}
	clashed, err := r.deliver(ctx, b)
	if err != nil || len(clashed) == 0 {
		return err
	}
	return r.merge(ctx, b, clashed)
}
