package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"rapport/model"
)

// pollEvery is how often a watched file is asked whether another process
// changed it.
const pollEvery = 500 * time.Millisecond

// watchers are the channels that are told of changes.
type watchers struct {
	mu   sync.Mutex
	list []*watcher
}

// watcher is one channel with at most one waiting notice.
type watcher struct {
	ch chan model.Change
}

// tell leaves a notice. One that waits already is widened, so that nothing is
// lost and nobody blocks.
func (w *watcher) tell(c model.Change) {
	select {
	case old := <-w.ch:
		if old.Nouns == nil || c.Nouns == nil {
			c.Nouns = nil
		} else {
			c.Nouns = append(slices.Clone(old.Nouns), c.Nouns...)
			slices.Sort(c.Nouns)
			c.Nouns = slices.Compact(c.Nouns)
		}
	default:
	}
	w.ch <- c
}

// publish tells the watchers which nouns a commit changed.
func (d *DB) publish(changed map[model.Noun]bool) {
	if len(changed) == 0 {
		return
	}
	var c model.Change
	for n := range changed {
		c.Nouns = append(c.Nouns, n)
	}
	slices.Sort(c.Nouns)
	d.watch.tellAll(c)
}

// tellAll holds the lock while it tells: a watcher's channel has room for one
// notice and only holders of the lock send.
func (w *watchers) tellAll(c model.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.list {
		one.tell(c)
	}
}

// Watch tells of changes by this process at once and of those by others
// within half a second.
func (d *DB) Watch(ctx context.Context) <-chan model.Change {
	w := &watcher{ch: make(chan model.Change, 1)}
	d.watch.mu.Lock()
	d.watch.list = append(d.watch.list, w)
	d.watch.mu.Unlock()
	go func() {
		d.poll(ctx, w)
		d.watch.mu.Lock()
		d.watch.list = slices.DeleteFunc(d.watch.list, func(o *watcher) bool { return o == w })
		close(w.ch)
		d.watch.mu.Unlock()
	}()
	return w.ch
}

// poll asks the writing connection for the file's version until ctx ends: it
// counts the commits of other connections only.
func (d *DB) poll(ctx context.Context, w *watcher) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last int64
	for {
		var v int64
		if d.writer.QueryRowContext(ctx, "PRAGMA data_version").Scan(&v) == nil && v != last {
			if last != 0 {
				d.watch.mu.Lock()
				w.tell(model.Change{})
				d.watch.mu.Unlock()
			}
			last = v
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
