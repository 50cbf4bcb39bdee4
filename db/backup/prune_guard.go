package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"rapport/model"
)

// guardFor is how long a guard lasts without being renewed, by the clock of the
// store.
const guardFor = time.Minute

// Names of guards.
const (
	guardPrune  = "prune"
	guardBackup = "backup-" // and the source
	guardTrial  = "trial-"  // and the source
)

// Ends of the names of objects that say how a guard was given back.
const (
	freed = "-free"
	done  = "-done" // what it was for went to its end
)

// guard is the right to do alone in a store what only one may do at a time.
// Its objects are l/<name>/<token>: the highest token holds it. Who takes it
// makes the object with the next one where none is, so of several one does, and
// who lost it without knowing sees a higher token than its own. It lasts a
// minute by the clock of the store, which is that of the objects' times. Where
// the central can be asked, its lease of the same name is held as well.
type guard struct {
	store  Store
	dir    string
	token  int64
	self   []byte
	lease  Lease
	now    time.Time // by the clock of the store
	server time.Time // by that of the central's server; zero where there is none
}

// takeGuard takes a guard. Error: Locked.
func (b *Backuper) takeGuard(ctx context.Context, s Store, name string) (*guard, error) {
	g := &guard{store: s, dir: "l/" + name + "/", self: []byte(string(b.o.IDs.New()) + "\n")}
	top, err := g.top(ctx)
	if err != nil {
		return nil, err
	}
	if top.token > 0 && !top.free {
		now, err := storeNow(ctx, s, b.o.IDs.New())
		if err != nil {
			return nil, err
		}
		// One from the future was made under a clock that was wrong.
		if age := now.Sub(top.at); age < guardFor && age > -guardFor {
			return nil, taken()
		}
	}
	g.token = top.token + 1
	if err := s.PutNew(ctx, g.key(), g.self); errors.Is(err, fs.ErrExist) {
		return nil, taken()
	} else if err != nil {
		return nil, cannotWrite(s, err)
	}
	// A store that knows no conditions may have let two pass.
	if there, err := s.Get(ctx, g.key()); err != nil {
		return nil, cannotRead(s, err)
	} else if !bytes.Equal(there, g.self) {
		return nil, taken()
	}
	if b.asksCentral(s, name) {
		lease, err := b.o.Lease(ctx, name)
		if model.KindOf(err) == model.Locked {
			g.release(ctx, false)
			return nil, err
		}
		// Where the central cannot be asked the store's own guard must do.
		if err == nil {
			g.lease = lease
		}
	}
	if err := g.keep(ctx); err != nil {
		g.release(ctx, false)
		return nil, err
	}
	return g, nil
}

// asksCentral tells whether the guard is for work that destroys, or that is of a
// central, and others than this computer may want it, so that the central is
// asked too. Two trials at once do no harm.
func (b *Backuper) asksCentral(s Store, name string) bool {
	_, folder := s.(Folder)
	return b.o.Lease != nil && (name == guardPrune || name == guardBackup+model.SourceCentral) && !(folder && b.within(s))
}

func taken() error {
	return model.Errorf(model.Locked, "another process does that at this moment").WithHint("try again when it is done, at the latest in %s", guardFor)
}

func (g *guard) key() string { return fmt.Sprintf("%s%010d", g.dir, g.token) }

// holding is what the objects of a guard say.
type holding struct {
	token int64
	free  bool
	at    time.Time
	done  time.Time // when what it is for went to its end last
}

// readGuard reads the name of an object of a guard.
func readGuard(key string) (token int64, end string, ok bool) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	digits, rest, found := strings.Cut(name, "-")
	if found {
		end = "-" + rest
	}
	token, err := strconv.ParseInt(digits, 10, 64)
	return token, end, err == nil && len(digits) == 10 && (end == "" || end == freed || end == done)
}

// top returns who holds the guard.
func (g *guard) top(ctx context.Context) (holding, error) {
	var h holding
	objects, err := g.store.List(ctx, g.dir)
	if err != nil {
		return h, cannotRead(g.store, err)
	}
	for _, o := range objects {
		token, end, ok := readGuard(o.Key)
		if !ok {
			continue
		}
		if token > h.token {
			h.token, h.free = token, false
		}
		if end == done && o.At.After(h.done) {
			h.done = o.At
		}
		h.free = h.free || end != "" && token == h.token
		if token == h.token && end == "" {
			h.at = o.At
		}
	}
	return h, nil
}

// keep makes sure that the guard is still held, prolongs it, and reads the
// clocks. It comes before every step that destroys. Error: Locked where
// somebody else has taken over.
func (g *guard) keep(ctx context.Context) error {
	h, err := g.top(ctx)
	if err != nil {
		return err
	}
	if h.token != g.token || h.free {
		return lostGuard()
	}
	if g.lease != nil {
		if g.server, err = g.lease.Keep(ctx); err != nil {
			return err
		}
	}
	if err := g.store.Put(ctx, g.key(), g.self); err != nil {
		return cannotWrite(g.store, err)
	}
	o, err := g.store.Stat(ctx, g.key())
	if errors.Is(err, fs.ErrNotExist) {
		return lostGuard()
	}
	if err != nil {
		return cannotRead(g.store, err)
	}
	g.now = o.At
	return nil
}

// hold keeps the guard while long work goes on, until stop is called. Whether it
// was lost is no matter to the work.
func (g *guard) hold(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		t := time.NewTicker(guardFor / 3)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = g.keep(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wait.Wait() }
}

func lostGuard() error {
	return model.Errorf(model.Locked, "another process took over meanwhile").WithHint("run it again to see how far that came")
}

// release lets the next one in. That it fails costs the next one a minute.
func (g *guard) release(ctx context.Context, well bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	if g.lease != nil {
		g.lease.Release()
	}
	end := freed
	if well {
		end = done
	}
	_ = g.store.PutNew(ctx, g.key()+end, g.self)
}

// storeNow asks the clock of a store, which stands on what it keeps.
func storeNow(ctx context.Context, s Store, id model.ID) (time.Time, error) {
	key := "l/clock-" + string(id)
	if err := s.PutNew(ctx, key, []byte("rapport clock "+string(id)+"\n")); err != nil {
		return time.Time{}, cannotWrite(s, err)
	}
	o, err := s.Stat(ctx, key)
	if err != nil {
		return time.Time{}, cannotRead(s, err)
	}
	// A key that may only add leaves it; a prune sweeps it.
	_ = s.Delete(ctx, key)
	return o.At, nil
}
