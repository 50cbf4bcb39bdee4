package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rapport/model"
)

// Fault is a thing that goes wrong, or happens meanwhile, at one call of a
// sync.
type Fault string

// The faults of the wire, of the store, and what others do meanwhile.
const (
	LostRequest  Fault = "request lost"        // the server never got it
	LostAnswer   Fault = "answer lost"         // done, but the client does not know
	Repeated     Fault = "request repeated"    // the server got it twice
	Late         Fault = "request late"        // the server gets it after the client gave up
	CutLoad      Fault = "load cut"            // a load ends in the middle
	CrashBefore  Fault = "crash before commit" // of the client
	CrashAfter   Fault = "crash after commit"  // of the client
	StoreFailed  Fault = "store failed"        // a full disk, a locked file: nothing was stored
	EditInside   Fault = "edit during sync"    // by the person who syncs
	SyncInside   Fault = "sync during sync"    // by somebody else
	ForeignInner Fault = "foreign during sync" // another program writes or commits
	RestartInner Fault = "restart during sync" // of the server
	PurgeInside  Fault = "purge during sync"   // of the feed
	ClockInside  Fault = "clock during sync"   // the client's clock is set
	TwiceInside  Fault = "two syncs of a home" // at the same time
	RestoreInner Fault = "restore during sync" // of the server
)

var wireFaults = []Fault{LostRequest, LostAnswer, Repeated, Late, CutLoad}
var storeFaults = []Fault{CrashBefore, CrashAfter, StoreFailed}

// strike is a fault at the n-th call of one side within a sync.
type strike struct {
	Store bool // at the client's store, else on the wire
	At    int
	Fault Fault
	R     uint64 // what the fault needs of chance
}

// String writes the strike for a person who reads a failure.
func (s strike) String() string {
	side := "wire"
	if s.Store {
		side = "store"
	}
	return fmt.Sprintf("%s at %s call %d", s.Fault, side, s.At)
}

// attempt is one sync under way, with what strikes it.
type attempt struct {
	world   *World
	laptop  *laptop
	strikes []strike
	wire    int // calls so far
	store   int
	dead    bool // the client's process is gone
}

// endless is how many calls of one side no sync of a few rows takes.
const endless = 1000

var errCrash = errors.New("sim: the client's process is gone")

func errCut() error { return model.Errorf(model.Unreachable, "the connection broke") }

// next returns the strike at the next call of a side, if there is one.
func (a *attempt) next(store bool) (strike, bool) {
	at := &a.wire
	if store {
		at = &a.store
	}
	n := *at
	*at++
	if n > endless {
		a.world.fail("a sync of %s does not end", a.laptop.name)
	}
	for _, s := range a.strikes {
		if s.Store == store && s.At == n {
			return s, true
		}
	}
	return strike{}, false
}

// link is a client's connection over a bad wire.
type link struct {
	model.Central
	attempt *attempt
	cut     bool
	kept    bool // a request is still on its way
}

// Close ends the connection, unless a request is still on its way.
func (l *link) Close() error {
	if l.kept {
		return nil
	}
	return l.Central.Close()
}

// call sends a request as the next strike has it.
func (l *link) call(name string, send func() error) error {
	w, a := l.attempt.world, l.attempt
	if l.cut {
		return errCut()
	}
	w.now = w.now.Add(time.Millisecond)
	s, struck := a.next(false)
	if struck {
		w.count(s.Fault)
	}
	err := error(nil)
	switch {
	case !struck:
		err = send()
	case s.Fault == LostRequest:
		l.cut, err = true, errCut()
	case s.Fault == LostAnswer:
		err = send()
		l.cut, err = true, errors.Join(errCut(), err)
	case s.Fault == Repeated:
		if err = send(); err == nil {
			err = send()
		}
	case s.Fault == Late:
		l.cut, l.kept, err = true, true, errCut()
		w.late = append(w.late, func() {
			w.logf("  late %s: %s", name, outcome(send()))
			l.Central.Close()
		})
	default:
		a.meanwhile(s)
		err = send()
	}
	w.logf("  wire %s: %s", name, outcome(err))
	return err
}

// meanwhile lets something happen between two steps of a sync.
func (a *attempt) meanwhile(s strike) {
	w := a.world
	rng := w.chance(s.R)
	switch s.Fault {
	case EditInside:
		w.edit(a.laptop, rng)
	case SyncInside:
		if other := w.laptops[rng.IntN(len(w.laptops))]; other != a.laptop && !other.locked {
			w.sync(other, nil)
		}
	case ForeignInner:
		w.foreign(rng)
	case RestartInner:
		w.restart()
	case PurgeInside:
		w.purge(rng)
	case ClockInside:
		a.laptop.stepClock(rng)
	case TwiceInside:
		w.second(a.laptop)
	case RestoreInner:
		w.restoreServer(rng)
	}
}

func (l *link) Poll(ctx context.Context, who model.Device, at model.Position) (h model.Head, err error) {
	err = l.call("poll", func() error { h, err = l.Central.Poll(ctx, who, at); return err })
	return h, err
}

func (l *link) Push(ctx context.Context, b *model.PushBatch, at model.Position) (r model.Receipt, err error) {
	name := fmt.Sprintf("push %d of %d", b.Number, len(b.Ops))
	err = l.call(name, func() error { r, err = l.Central.Push(ctx, b, at); return err })
	return r, err
}

func (l *link) Sequence(ctx context.Context, at model.Position) (h model.Head, err error) {
	err = l.call("sequence", func() error { h, err = l.Central.Sequence(ctx, at); return err })
	return h, err
}

func (l *link) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (p model.FeedPage, err error) {
	name := fmt.Sprintf("pull (%d,%d]", from, to)
	err = l.call(name, func() error { p, err = l.Central.Pull(ctx, from, to, nouns); return err })
	return p, err
}

func (l *link) Fetch(ctx context.Context, ids map[model.Noun][]model.ID) (rows map[model.Noun][]model.Row, err error) {
	err = l.call("fetch", func() error { rows, err = l.Central.Fetch(ctx, ids); return err })
	return rows, err
}

func (l *link) ChangesSince(ctx context.Context, ids map[model.Noun][]model.ID, moment int64) (out map[model.ID][]model.RowChange, err error) {
	err = l.call("changes since", func() error { out, err = l.Central.ChangesSince(ctx, ids, moment); return err })
	return out, err
}

func (l *link) Discards(ctx context.Context, epoch string) (discards bool, err error) {
	err = l.call("discards", func() error { discards, err = l.Central.Discards(ctx, epoch); return err })
	return discards, err
}

func (l *link) Load(ctx context.Context, n model.Noun, after model.ID, each func(model.Row) error) error {
	left := -1
	if s, ok := l.peek(); ok && s.Fault == CutLoad {
		left = int(s.R % 3)
	}
	return l.call("load "+string(n), func() error {
		return l.Central.Load(ctx, n, after, func(row model.Row) error {
			if left == 0 {
				l.cut = true
				return errCut()
			}
			left--
			return each(row)
		})
	})
}

func (l *link) Survey(ctx context.Context, each func(model.Noun, model.Row) error) (totals map[model.Noun]int64, err error) {
	err = l.call("survey", func() error { totals, err = l.Central.Survey(ctx, each); return err })
	return totals, err
}

func (l *link) Digest(ctx context.Context, bits map[model.Noun]int) (out map[model.Noun]model.Digest, err error) {
	err = l.call("digest", func() error { out, err = l.Central.Digest(ctx, bits); return err })
	return out, err
}

func (l *link) RowHashes(ctx context.Context, bits map[model.Noun]int, buckets map[model.Noun][]uint32) (out map[model.Noun]map[model.ID]uint64, err error) {
	err = l.call("row hashes", func() error { out, err = l.Central.RowHashes(ctx, bits, buckets); return err })
	return out, err
}

// peek returns the strike that the next call on the wire will meet.
func (l *link) peek() (strike, bool) {
	for _, s := range l.attempt.strikes {
		if !s.Store && s.At == l.attempt.wire {
			return s, true
		}
	}
	return strike{}, false
}
