package backup

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"rapport/model"
)

// A continuous backup keeps on making segments: increments of a few seconds.
// Once an hour, or where many have come together, what they hold is made one
// increment that takes their place, so that no restore has to read many.
const (
	foldTime   = time.Hour
	foldCount  = 120 // segments
	foldLinks  = 20  // backups of a chain, from which on a differential one shortens it
	mostPause  = 5 * time.Minute
	leastPause = 100 * time.Millisecond
)

// BackUpContinuously backs up what changes, every so often, until ctx ends or
// only a person can help. It tells of each backup that it made, and of each
// attempt that failed, after which it pauses longer and longer. The end of ctx
// is no error.
func (b *Backuper) BackUpContinuously(ctx context.Context, req model.BackupRequest, every time.Duration, tell func(model.BackupStep)) error {
	s, err := b.store(&req)
	if err != nil {
		return err
	}
	src, err := b.source(req, s)
	if err != nil {
		return err
	}
	c := &continuous{b: b, req: req, src: src}
	every = max(every, leastPause)
	for failures := 0; ; {
		step := model.BackupStep{Pause: every}
		step.Info, step.Err = c.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(step.Err, errUnchanged):
			failures = 0
			step.Err = nil
		case step.Err == nil:
			failures = 0
			tell(step)
		case hopeless(step.Err):
			return step.Err
		default:
			step.Pause = backOff(every, failures)
			failures++
			c.to = nil // what is there may be other when the place is back
			tell(step)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(step.Pause):
		}
	}
}

// hopeless tells whether only a person can help.
func hopeless(err error) bool {
	return slices.Contains([]model.Kind{model.Invalid, model.Refused, model.NoCentral, model.TooNew}, model.KindOf(err))
}

// backOff is the pause after a number of failures: it doubles, and is never
// quite the same.
func backOff(every time.Duration, failures int) time.Duration {
	pause := min(every<<min(failures, 20), mostPause)
	if pause <= 0 {
		pause = mostPause
	}
	return pause/2 + rand.N(pause/2+1)
}

// continuous is a continuous backup that is under way.
type continuous struct {
	b    *Backuper
	req  model.BackupRequest
	src  source
	to   *target // nil while the place was not reached
	list []entry // what is there, newest first
	last *mark   // of the newest backup that was made here

	folded   time.Time // when there was no segment
	segments int       // since then
}

// step makes a segment where something has changed, and an increment in place of
// the segments when it is time.
func (c *continuous) step(ctx context.Context) (model.BackupInfo, error) {
	if c.to == nil {
		if err := c.begin(ctx); err != nil {
			return model.BackupInfo{}, err
		}
	}
	o := order{kind: model.BackupSegment, list: c.list, unless: c.last}
	if c.segments >= foldCount || c.segments > 0 && c.b.o.Now().Sub(c.folded) >= foldTime {
		o.kind, o.unless = model.BackupIncremental, nil
		if i := slices.IndexFunc(c.list, func(e entry) bool { return e.kind != model.BackupSegment && e.info.Verified }); i >= 0 && c.list[i].sum.Links >= foldLinks {
			o.kind = model.BackupDifferential
		}
	}
	e, err := c.b.attempt(ctx, c.src, *c.to, o, nil)
	if err != nil {
		return e.info, err
	}
	c.list = slices.Insert(c.list, 0, e)
	c.last = &e.sum.Mark
	if c.segments++; e.kind != model.BackupSegment {
		c.segments, c.folded = 0, c.b.o.Now()
	}
	return e.info, nil
}

// begin opens the place and looks what is there.
func (c *continuous) begin(ctx context.Context) error {
	to, err := c.b.target(ctx, &c.req)
	if err != nil {
		return err
	}
	list, err := unmarked(ctx, to.store, c.b.pins())
	if err != nil {
		return err
	}
	source := cmp.Or(c.req.Source, model.SourceLocal)
	c.list = slices.DeleteFunc(list, func(e entry) bool { return e.info.Source != source })
	c.segments, c.folded = 0, c.b.o.Now()
	for _, e := range c.list {
		if e.kind != model.BackupSegment {
			c.folded = e.info.At
			break
		}
		c.segments++
	}
	c.to = &to
	return nil
}
