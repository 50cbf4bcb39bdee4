package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"rapport/model"
)

// outageTime is how long a backup waits for its place where nobody said it. The
// moment of the source stays open meanwhile, which costs a cache its journal and
// a server its old rows, so that it has an end.
const outageTime = 15 * time.Minute

// mostLook is the longest pause between two looks whether a place is back.
const mostLook = 30 * time.Second

// patient is the store of a backup that is being made. When the place is gone,
// its calls wait for it and go on with the object at which they were; how long,
// counts from the first call that failed to the next one that did not. A place
// that is there and says no is not waited for.
type patient struct {
	Store
	most  time.Duration
	now   func() time.Time
	pause func(ctx context.Context, attempt int) error
	tell  func(phase string)

	mu    sync.Mutex // guards until
	until time.Time  // when the present outage has lasted too long; zero for none
}

// patience returns the store with which a backup is made that waits for its
// place for so long.
func (b *Backuper) patience(s Store, most time.Duration, tell func(phase string)) Store {
	if most <= 0 {
		return s
	}
	return &patient{Store: s, most: most, now: b.o.Now, pause: b.o.look, tell: tell}
}

// impatient returns the store behind one that waits.
func impatient(s Store) Store {
	if p, ok := s.(*patient); ok {
		return p.Store
	}
	return s
}

// look pauses before another look at a place that is gone.
func look(ctx context.Context, attempt int) error {
	return rest(ctx, min(time.Second<<min(attempt, 10), mostLook))
}

// try repeats a call while the place is gone. again tells the call that an
// earlier one may have been carried out.
func (p *patient) try(ctx context.Context, call func(again bool) error) error {
	for n := 0; ; n++ {
		err := call(n > 0)
		if errors.Is(err, fs.ErrNotExist) && model.KindOf(err) != model.Unreachable {
			// A share that was taken away can leave an empty folder behind.
			if gone := stillThere(ctx, p.Store); model.KindOf(gone) == model.Unreachable {
				err = gone
			}
		}
		if model.KindOf(err) != model.Unreachable {
			p.back()
			return err
		}
		until, wait := p.gone()
		if !wait {
			return err
		}
		p.tell(messageOf(err) + "; waiting for it until " + until.Format("15:04"))
		if err := p.pause(ctx, n); err != nil {
			return stopped(err)
		}
	}
}

// gone notes that the place is gone and tells until when it is waited for.
func (p *patient) gone() (until time.Time, wait bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.until.IsZero() {
		p.until = now.Add(p.most)
	}
	return p.until, now.Before(p.until)
}

// back notes that the place answers.
func (p *patient) back() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Time{}
}

func (p *patient) Put(ctx context.Context, key string, data []byte) error {
	return p.try(ctx, func(bool) error { return p.Store.Put(ctx, key, data) })
}

// PutNew is that of the store. Of an object that is there when the place is
// back, its bytes tell whether it is the one that was to be made.
func (p *patient) PutNew(ctx context.Context, key string, data []byte) error {
	return p.try(ctx, func(again bool) error {
		err := p.Store.PutNew(ctx, key, data)
		if !again || !errors.Is(err, fs.ErrExist) {
			return err
		}
		there, gerr := p.Store.Get(ctx, key)
		if gerr == nil && !bytes.Equal(there, data) {
			return err
		}
		return gerr
	})
}

func (p *patient) Get(ctx context.Context, key string) (data []byte, err error) {
	err = p.try(ctx, func(bool) error { data, err = p.Store.Get(ctx, key); return err })
	return data, err
}

func (p *patient) GetRange(ctx context.Context, key string, from, to int64) (data []byte, err error) {
	err = p.try(ctx, func(bool) error { data, err = p.Store.GetRange(ctx, key, from, to); return err })
	return data, err
}

func (p *patient) Stat(ctx context.Context, key string) (o Object, err error) {
	err = p.try(ctx, func(bool) error { o, err = p.Store.Stat(ctx, key); return err })
	return o, err
}

// List is that of the store. Where it finds nothing, the place may be gone
// without a trace.
func (p *patient) List(ctx context.Context, prefix string) (list []Object, err error) {
	err = p.try(ctx, func(bool) error {
		if list, err = p.Store.List(ctx, prefix); err == nil && len(list) == 0 {
			return stillThere(ctx, p.Store)
		}
		return err
	})
	return list, err
}

func (p *patient) Delete(ctx context.Context, key string) error {
	return p.try(ctx, func(bool) error { return p.Store.Delete(ctx, key) })
}
