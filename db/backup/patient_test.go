package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rapport/model"
)

// outage is a store that is gone from its n-th call on, until it comes back.
type outage struct {
	Store
	left   atomic.Int64
	after  bool // the call itself is carried out, and its answer lost
	fixed  atomic.Bool
	looked atomic.Int64 // how often it was looked for
}

func (o *outage) call(do func() error) error {
	n := o.left.Add(-1)
	if n >= 0 || o.fixed.Load() {
		return do()
	}
	if o.after && n == -1 {
		if err := do(); err != nil {
			return err
		}
	}
	return vanished(o)
}

func (o *outage) Put(ctx context.Context, key string, data []byte) error {
	return o.call(func() error { return o.Store.Put(ctx, key, data) })
}

func (o *outage) PutNew(ctx context.Context, key string, data []byte) error {
	return o.call(func() error { return o.Store.PutNew(ctx, key, data) })
}

func (o *outage) Get(ctx context.Context, key string) (data []byte, err error) {
	err = o.call(func() error { data, err = o.Store.Get(ctx, key); return err })
	return data, err
}

func (o *outage) List(ctx context.Context, prefix string) (list []Object, err error) {
	err = o.call(func() error { list, err = o.Store.List(ctx, prefix); return err })
	return list, err
}

func (o *outage) Stat(ctx context.Context, key string) (x Object, err error) {
	err = o.call(func() error { x, err = o.Store.Stat(ctx, key); return err })
	return x, err
}

// told collects what a backup tells.
type told struct {
	mu     sync.Mutex
	phases []string
}

func (p *told) notify(x model.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phases = append(p.phases, x.Phase)
}

func (p *told) has(part string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.phases, func(s string) bool { return strings.Contains(s, part) })
}

// TestOutageAtEachCall takes the place away at each call of a backup, before
// and after the call is carried out, until it was looked for three times. The
// backup goes on where it was, and says what it waits for.
func TestOutageAtEachCall(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		h := newHome(t)
		h.fill(1, "contact", "contact_method")
		shelf := newShelf()
		h.store = shelf
		h.create(model.BackupRequest{})
		for n := int64(0); ; n++ {
			o := &outage{Store: shelf, after: after}
			// What opens the place is not waited for: nothing is under way yet.
			o.left.Store(n)
			h.o.look = func(context.Context, int) error {
				if o.looked.Add(1) >= 3 {
					o.fixed.Store(true)
				}
				return nil
			}
			h.store = o
			var said told
			info, err := h.CreateBackup(t.Context(), model.BackupRequest{Wait: time.Minute}, said.notify)
			h.store = shelf
			if err != nil {
				if model.KindOf(err) != model.Unreachable || o.looked.Load() > 0 || n > 2 {
					t.Fatalf("call %d failed and was not waited for: %v", n, err)
				}
				continue
			}
			if !info.Verified {
				t.Fatalf("call %d failed: %+v", n, info)
			}
			if o.left.Load() >= 0 || o.looked.Load() == 0 {
				if n < 15 {
					t.Fatalf("a backup made %d calls", n)
				}
				break // what comes after the backup is whole is not waited for
			}
			if !said.has("the shelf is not there any more; waiting for it until 10:01") {
				t.Fatalf("call %d failed: told %q", n, said.phases)
			}
			if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: info.ID}, nil); err != nil {
				t.Fatalf("call %d failed: %v", n, err)
			}
		}
		for _, key := range keysOf(t, shelf, "b/") {
			p, _, _ := placeOf(key)
			if whole, err := hasManifest(t.Context(), shelf, p.prefix); err != nil || !whole {
				t.Fatalf("left behind: %s, %v", key, err)
			}
		}
	}
}

// TestOutageThatLasts gives a place up when its time is over, and when the
// person has enough of it. The next backup begins anew.
func TestOutageThatLasts(t *testing.T) {
	t.Parallel()
	for name, enough := range map[string]bool{"for too long": false, "until the person stops it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.fill(2, "contact")
			var passed, looks atomic.Int64
			h.o.Now = func() time.Time { return h.now.Add(time.Duration(passed.Load())) }
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h.o.look = func(ctx context.Context, _ int) error {
				passed.Add(int64(4 * time.Minute))
				if looks.Add(1); enough {
					cancel()
				}
				return ctx.Err()
			}
			shelf := newShelf()
			h.store = shelf
			h.create(model.BackupRequest{})
			o := &outage{Store: shelf}
			o.left.Store(8)
			h.store = o
			_, err := h.CreateBackup(ctx, model.BackupRequest{Wait: 10 * time.Minute}, nil)
			if enough {
				says(t, withHint(err), model.Interrupted, "it was stopped")
			} else {
				says(t, err, model.Unreachable, "is not there any more")
				// Two readers look at it, each of them three times at most.
				if n := looks.Load(); n < 3 || n > 6 {
					t.Errorf("it was looked for %d times", n)
				}
			}
			h.store = shelf
			if list, err := h.ListBackups(t.Context(), model.BackupRequest{}); err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			h.create(model.BackupRequest{})
		})
	}
}

// withHint gives an error of a stopped backup, which needs none, a hint.
func withHint(err error) error {
	if e, ok := err.(*model.Error); ok {
		return e.WithHint("none")
	}
	return err
}

// TestShareComesBack takes the folder of a share away in the middle of a
// backup, once without a trace, once so that the empty mount point stays, and
// brings it back. Nothing is written meanwhile where it was.
func TestShareComesBack(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]bool{"without a trace": false, "an empty folder stays": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.fill(3)
			place := filepath.Join(t.TempDir(), "share")
			h.create(model.BackupRequest{To: place})
			var away, back sync.Once
			h.store = &busy{Store: Folder(place), work: func() {
				away.Do(func() {
					if err := os.Rename(place, place+".away"); err != nil {
						t.Error(err)
					}
					if leaves {
						if err := os.Mkdir(place, 0o700); err != nil {
							t.Error(err)
						}
					}
				})
			}}
			h.o.look = func(context.Context, int) error {
				back.Do(func() {
					// It fails where something was written into it.
					if err := os.Remove(place); leaves && err != nil || !leaves && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("the empty folder: %v", err)
					}
					if err := os.Rename(place+".away", place); err != nil {
						t.Error(err)
					}
				})
				return nil
			}
			info := h.create(model.BackupRequest{To: place, Wait: time.Minute})
			h.store = nil
			if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{To: place, ID: info.ID}, nil); err != nil {
				t.Error(err)
			}
			list, err := h.ListBackups(t.Context(), model.BackupRequest{To: place})
			if err != nil || len(list) != 2 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}
