package screen

import (
	"context"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"
)

// Loader runs the loads of one screen. A new load cancels the one before and
// raises the generation, so that a late answer is recognised and dropped. The
// zero value is not usable; see NewLoader. It is used on the event loop only.
type Loader struct {
	parent context.Context
	id     int64
	gen    int64
	cancel context.CancelFunc
	busy   bool
}

// loaders numbers the loaders of a process, so that no screen takes another's
// answer for its own.
var loaders atomic.Int64

// NewLoader returns a loader whose loads end with parent.
func NewLoader(parent context.Context) *Loader {
	return &Loader{parent: parent, id: loaders.Add(1)}
}

// LoadedMsg carries the result of a load to the screen that asked for it. The
// root gives it to every open screen, hidden ones included.
type LoadedMsg struct {
	loader, gen int64
	Value       any
	Err         error
}

// Load returns a command that runs work and answers with a LoadedMsg. work
// captures locals only and obeys its context.
func (l *Loader) Load(work func(ctx context.Context) (any, error)) tea.Cmd {
	l.Stop()
	ctx, cancel := context.WithCancel(l.parent)
	l.cancel, l.busy = cancel, true
	id, gen := l.id, l.gen
	return func() tea.Msg {
		v, err := work(ctx)
		return LoadedMsg{loader: id, gen: gen, Value: v, Err: err}
	}
}

// Take tells whether a result is the one waited for; if so the load is over.
func (l *Loader) Take(m LoadedMsg) bool {
	if m.loader != l.id || m.gen != l.gen || !l.busy {
		return false
	}
	l.busy = false
	l.cancel()
	return true
}

// Busy tells whether a load is under way.
func (l *Loader) Busy() bool { return l.busy }

// Stop cancels the load that is under way.
func (l *Loader) Stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.gen++
	l.busy = false
}
