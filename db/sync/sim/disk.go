package sim

import (
	"context"
	"errors"
	"time"

	"rapport/model"
)

// disk is a client's store on a machine that may crash. Once it has, every
// call fails, as nothing of the process is left.
type disk struct {
	model.Replica
	attempt *attempt
}

// call does one transaction as the next strike has it.
func (d *disk) call(name string, do func() error) error {
	w, a := d.attempt.world, d.attempt
	if a.dead {
		return errCrash
	}
	s, struck := a.next(true)
	if struck {
		w.count(s.Fault)
	}
	err := error(nil)
	switch {
	case !struck:
		err = do()
	case s.Fault == CrashBefore:
		a.dead, err = true, errCrash
	case s.Fault == CrashAfter:
		err = do()
		a.dead, err = true, errors.Join(errCrash, err)
	case s.Fault == StoreFailed:
		err = model.Errorf(model.Other, "the disk is full")
	default:
		a.meanwhile(s)
		err = do()
	}
	if err != nil {
		w.logf("  store %s: %s", name, outcome(err))
	}
	return err
}

func (d *disk) Client(ctx context.Context) (id model.ID, err error) {
	err = d.call("client", func() error { id, err = d.Replica.Client(ctx); return err })
	return id, err
}

func (d *disk) NewClient(ctx context.Context) (id model.ID, err error) {
	err = d.call("new client", func() error { id, err = d.Replica.NewClient(ctx); return err })
	return id, err
}

func (d *disk) Position(ctx context.Context) (p model.Position, err error) {
	err = d.call("position", func() error { p, err = d.Replica.Position(ctx); return err })
	return p, err
}

func (d *disk) SetPosition(ctx context.Context, p model.Position) error {
	return d.call("set position", func() error { return d.Replica.SetPosition(ctx, p) })
}

func (d *disk) NextBatch(ctx context.Context, ops, bytes int) (b *model.PushBatch, err error) {
	err = d.call("next batch", func() error { b, err = d.Replica.NextBatch(ctx, ops, bytes); return err })
	return b, err
}

func (d *disk) Acknowledge(ctx context.Context, b *model.PushBatch, results []model.PushResult, at model.Position) (pushed map[model.ID]bool, clashed map[model.Noun][]model.ID, err error) {
	err = d.call("acknowledge", func() error { pushed, clashed, err = d.Replica.Acknowledge(ctx, b, results, at); return err })
	return pushed, clashed, err
}

func (d *disk) DropBatch(ctx context.Context) error {
	return d.call("drop batch", func() error { return d.Replica.DropBatch(ctx) })
}

func (d *disk) Apply(ctx context.Context, page *model.FeedPage, at model.Position) (res model.ApplyResult, err error) {
	err = d.call("apply", func() error { res, err = d.Replica.Apply(ctx, page, at); return err })
	return res, err
}

func (d *disk) BeginLoad(ctx context.Context, at model.Position, rows int64) error {
	return d.call("begin load", func() error { return d.Replica.BeginLoad(ctx, at, rows) })
}

func (d *disk) LoadedTo(ctx context.Context, n model.Noun) (after model.ID, done bool, err error) {
	err = d.call("loaded to", func() error { after, done, err = d.Replica.LoadedTo(ctx, n); return err })
	return after, done, err
}

func (d *disk) Load(ctx context.Context, n model.Noun, rows []model.Row, after model.ID, done bool) (res model.ApplyResult, err error) {
	err = d.call("load", func() error { res, err = d.Replica.Load(ctx, n, rows, after, done); return err })
	return res, err
}

func (d *disk) FinishLoad(ctx context.Context) (res model.ApplyResult, err error) {
	err = d.call("finish load", func() error { res, err = d.Replica.FinishLoad(ctx); return err })
	return res, err
}

func (d *disk) Synced(ctx context.Context, at time.Time) error {
	return d.call("synced", func() error { return d.Replica.Synced(ctx, at) })
}

// Lock takes the laptop's lock, which is one in memory: the one of the
// operating system is waited for.
func (d *disk) Lock(context.Context) (release func(), err error) {
	l := d.attempt.laptop
	if l.locked {
		return nil, model.Errorf(model.Locked, "another sync of this workspace is running")
	}
	l.locked = true
	return func() { l.locked = false }, nil
}

func (d *disk) Unsent(ctx context.Context) (n int64, err error) {
	err = d.call("unsent", func() error { n, err = d.Replica.Unsent(ctx); return err })
	return n, err
}

func (d *disk) PendingRecords(ctx context.Context) (n int64, err error) {
	err = d.call("pending", func() error { n, err = d.Replica.PendingRecords(ctx); return err })
	return n, err
}

func (d *disk) Open(ctx context.Context) (conflicts, refused int64, err error) {
	if d.attempt.dead {
		return 0, 0, errCrash
	}
	return d.Replica.Open(ctx)
}
