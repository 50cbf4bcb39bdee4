package backup

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"

	"rapport/model"
)

// says holds that an error is one sentence with a hint, of the right kind, and
// tells no key.
func says(t *testing.T, err error, kind model.Kind, part string) {
	t.Helper()
	tellsNoSecret(t, err)
	e, _ := err.(*model.Error)
	if e == nil || e.Kind != kind || !strings.Contains(e.Msg, part) || e.Hint == "" || strings.Contains(e.Msg, "\n") {
		t.Errorf("%v (%+v), want %v: %s", err, e, kind, part)
	}
}

// TestServersThatFail has each remote store meet what goes wrong on the way and
// on the server. What passes is repeated; nothing that arrived in part is seen.
func TestServersThatFail(t *testing.T) {
	t.Parallel()
	for _, b := range remotes(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			serversThatFail(t, b)
		})
	}
}

func serversThatFail(t *testing.T, b *backend) {
	ctx := t.Context()
	s := b.open(t, "fails")
	data := []byte(strings.Repeat("some bytes ", 20_000))
	times := func(most int, a act) func(int, *http.Request) act {
		return func(n int, _ *http.Request) act {
			if n < most {
				return a
			}
			return act{}
		}
	}
	always := func(a act) func(int, *http.Request) act { return func(int, *http.Request) act { return a } }
	for _, c := range []struct {
		name     string
		do       func(int, *http.Request) act
		requests int
		kind     model.Kind
		sentence string // "" for success
	}{
		{"busy for a while", times(3, act{status: 503, code: "SlowDown"}), 4, 0, ""},
		{"an error of its own", times(1, act{status: 500, code: "InternalError"}), 2, 0, ""},
		{"cut in the middle", times(2, act{cut: true}), 3, 0, ""},
		{"the answer is lost", times(1, act{lost: true}), 2, 0, ""},
		{"busy for good", always(act{status: 503, code: "SlowDown"}), attempts, model.Unreachable, "does not answer"},
		{"cut for good", always(act{cut: true}), attempts, model.Unreachable, "does not answer"},
		{"refused", always(b.refused), 1, model.Refused, "does not allow that with this key"},
		{"full", always(b.full), 1, model.Other, "no room left"},
		{"nonsense", always(act{status: 418, code: "Teapot"}), 1, model.Other, "answers with an error"},
	} {
		for how, put := range map[string]func(context.Context, string, []byte) error{"put": s.Put, "new": s.PutNew} {
			key := "b/" + how + "/" + strings.ReplaceAll(c.name, " ", "-")
			b.wire.does(c.do)
			err := put(ctx, key, data)
			if n := b.wire.requests(); n != c.requests && !(how == "new" && c.name == "the answer is lost" && n == 3) {
				t.Errorf("%s, %s: %d requests, want %d", c.name, how, n, c.requests)
			}
			b.wire.does(nil)
			got, gerr := s.Get(ctx, key)
			if c.sentence != "" {
				says(t, err, c.kind, c.sentence)
				if !errors.Is(gerr, fs.ErrNotExist) {
					t.Errorf("%s, %s: afterwards there are %d bytes, %v", c.name, how, len(got), gerr)
				}
				continue
			}
			if err != nil || gerr != nil || string(got) != string(data) {
				t.Errorf("%s, %s: %v; then %d bytes, %v", c.name, how, err, len(got), gerr)
			}
		}
	}

	key := "b/put/cut-in-the-middle"
	b.wire.does(times(2, act{cutAnswer: true}))
	if got, err := s.Get(ctx, key); err != nil || string(got) != string(data) {
		t.Errorf("an answer that was cut: %d bytes, %v", len(got), err)
	}
	b.wire.does(times(1, act{lost: true}))
	if err := s.PutNew(ctx, key, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one whose answer was lost: %v", err)
	}
	b.wire.does(times(1, act{status: 500, code: "InternalError"}))
	if err := s.PutNew(ctx, key, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one after an error: %v", err)
	}
	for what, do := range []func() error{
		func() error { _, err := s.List(ctx, "b/"); return err },
		func() error { _, err := s.Stat(ctx, key); return err },
		func() error { _, err := s.GetRange(ctx, key, 1, 5); return err },
		func() error { return s.Delete(ctx, key) },
	} {
		b.wire.does(always(act{status: 503, code: "ServiceUnavailable"}))
		says(t, do(), model.Unreachable, "does not answer")
		b.wire.does(always(b.refused))
		says(t, do(), model.Refused, "does not allow")
		b.wire.does(times(2, act{status: 500, code: "InternalError"}))
		if err := do(); err != nil {
			t.Errorf("call %d after two errors: %v", what, err)
		}
	}

	ended, cancel := context.WithCancel(ctx)
	b.wire.does(func(int, *http.Request) act { cancel(); return act{hang: true} })
	if err := s.Put(ended, "b/hangs", data); model.KindOf(err) != model.Interrupted {
		t.Errorf("a server that hangs: %v", err)
	}
	b.wire.does(nil)
	says(t, b.openAddress(t, b.elsewhere).Put(ctx, "x", data), model.Invalid, "there is no")
	_, err := b.openAddress(t, b.elsewhere).Get(ctx, "x")
	if b.name == "azblob" {
		says(t, err, model.Invalid, "there is no container")
	} else {
		says(t, err, model.Invalid, "there is no bucket")
	}
	plain := b.openAddress(t, b.address("tls")+"&insecure=false")
	says(t, plain.Put(ctx, "x", data), model.Invalid, "speaks no TLS")
	nobody := b.openAddress(t, strings.Replace(b.address("p"), b.wire.Listener.Addr().String(), closedPort, 1))
	says(t, nobody.Put(ctx, "x", data), model.Unreachable, "does not answer")
	unknown := b.openAddress(t, strings.Replace(b.address("p"), b.wire.Listener.Addr().String(), "no-such-host.invalid&insecure=true", 1))
	err = unknown.Put(ctx, "x", data)
	if e, _ := err.(*model.Error); e == nil || e.Kind != model.Unreachable {
		t.Errorf("a host that is not there: %v", err)
	}
	if got := keysOf(t, s, "b/hangs"); len(got) > 0 {
		t.Errorf("what hung is there: %v", got)
	}
}

// closedPort is where nobody listens. One that was free a moment ago may be a
// server's by now.
const closedPort = "127.0.0.1:1"

// TestClockOfS3 has a server whose clock is an hour ahead.
func TestClockOfS3(t *testing.T) {
	t.Parallel()
	w := s3Server(t, gofakes3.WithTimeSource(gofakes3.FixedTimeSource(time.Now().Add(time.Hour))))
	b := remotes(t)[0]
	s := b.openAddress(t, "s3://bucket/p?endpoint="+w.Listener.Addr().String())
	says(t, s.Put(t.Context(), "x", []byte("x")), model.Invalid, "the clock of this computer differs")
}

// TestProbeSaysWhatHolds gives keys that may do less, and servers that know
// less, and makes a backup with each that can.
func TestProbeSaysWhatHolds(t *testing.T) {
	t.Parallel()
	for _, b := range remotes(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			refuse := func(methods ...string) func(int, *http.Request) act {
				return func(_ int, r *http.Request) act {
					if slices.Contains(methods, r.Method) {
						return b.refused
					}
					return act{}
				}
			}
			for _, c := range []struct {
				name           string
				do             func(int, *http.Request) act
				r, w, x, d, ok bool
			}{
				{"everything", nil, true, true, true, true, true},
				{"adds only", refuse("DELETE"), true, true, true, false, true},
				{"writes only", refuse("DELETE", "GET", "HEAD"), false, true, true, false, false},
				{"reads only", refuse("DELETE", "PUT"), true, false, false, false, false},
				{"knows no condition", func(_ int, r *http.Request) act {
					if r.Header.Get("If-None-Match") != "" {
						return act{status: 501, code: "NotImplemented"}
					}
					return act{}
				}, true, true, false, true, true},
				{"ignores the condition", func(int, *http.Request) act { return act{condition: true} }, true, true, false, true, true},
			} {
				t.Run(c.name, func(t *testing.T) {
					h := newHome(t)
					h.fill(2, "contact")
					place := strings.ReplaceAll(c.name, " ", "-")
					b.wire.does(nil)
					if _, err := New(Options{Home: h.dir, Open: func(string) (Store, error) { return b.open(t, place), nil }}).InitBackups(t.Context(), model.BackupRequest{}); err != nil {
						t.Fatal(err)
					}
					h.store = b.open(t, place)
					b.wire.does(c.do)
					var got model.BackupTarget
					var err error
					if c.r {
						got, err = h.InitBackups(t.Context(), model.BackupRequest{})
					} else {
						got, err = Probe(t.Context(), h.store, model.DerivedID(b.name, c.name))
					}
					want := model.BackupTarget{Address: h.store.String(), Read: c.r, Write: c.w, Exclusive: c.x, Delete: c.d, Left: got.Left}
					if err != nil || got != want || (got.Left != "") != (c.w && !c.d) {
						t.Errorf("%+v, %v; want %+v", got, err, want)
					}
					info, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
					if c.ok != (err == nil && info.Verified) {
						t.Errorf("backup: %+v, %v", info, err)
					}
					if !c.ok {
						says(t, err, model.Refused, "does not allow")
					}
				})
			}
		})
	}
}

// once is a store whose n-th call alone fails.
type once struct {
	Store
	left atomic.Int64
	err  error
}

func (o *once) call() error {
	if o.left.Add(-1) == -1 {
		return o.err
	}
	return nil
}

func (o *once) Put(ctx context.Context, key string, data []byte) error {
	if err := o.call(); err != nil {
		return err
	}
	return o.Store.Put(ctx, key, data)
}

func (o *once) PutNew(ctx context.Context, key string, data []byte) error {
	if err := o.call(); err != nil {
		return err
	}
	return o.Store.PutNew(ctx, key, data)
}

func (o *once) Get(ctx context.Context, key string) ([]byte, error) {
	if err := o.call(); err != nil {
		return nil, err
	}
	return o.Store.Get(ctx, key)
}

func (o *once) List(ctx context.Context, prefix string) ([]Object, error) {
	if err := o.call(); err != nil {
		return nil, err
	}
	return o.Store.List(ctx, prefix)
}

func (o *once) Delete(ctx context.Context, key string) error {
	if err := o.call(); err != nil {
		return err
	}
	return o.Store.Delete(ctx, key)
}

// TestOneCallFails has each call of a backup's store fail, one at a time, and
// the rest succeed. What is listed as verified verifies, and the next backup
// works.
func TestOneCallFails(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(1, "contact", "contact_method")
	target := remotes(t)[0].open(t, "once")
	for _, cause := range []error{vanished(target), errors.New("input/output error")} {
		for n := int64(0); ; n++ {
			o := &once{Store: target, err: cause}
			o.left.Store(n)
			h.store = o
			info, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
			h.store = target
			list, lerr := h.ListBackups(t.Context(), model.BackupRequest{})
			if lerr != nil {
				t.Fatal(lerr)
			}
			for _, b := range list {
				if _, verr := h.VerifyBackup(t.Context(), model.BackupRequest{ID: b.ID}, nil); verr != nil && b.Verified {
					t.Fatalf("call %d failed: the listed backup %+v does not verify: %v", n, b, verr)
				}
				for _, key := range keysOf(t, target, "b/") {
					if strings.Contains(key, b.ID) {
						if err := target.Delete(t.Context(), key); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if err == nil && !info.Verified {
				t.Fatalf("call %d failed: %+v", n, info)
			}
			if unanswered(cause) && err != nil && model.KindOf(err) != model.Unreachable {
				t.Fatalf("call %d failed: %v", n, err)
			}
			if o.left.Load() >= 0 {
				if n < 15 || err != nil {
					t.Fatalf("a backup made %d calls, %v", n, err)
				}
				break
			}
		}
	}
	h.create(model.BackupRequest{})
}

// TestShareIsDisconnected takes the folder away in the middle of a backup,
// once without a trace, once so that the empty mount point stays. Nothing is
// written where the share was, and afterwards all goes on.
func TestShareIsDisconnected(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]bool{"without a trace": false, "an empty folder stays": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.fill(3)
			place := filepath.Join(t.TempDir(), "share")
			kept := h.create(model.BackupRequest{To: place})
			var away sync.Once
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
			_, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
			says(t, err, model.Unreachable, "is not there any more")
			if leaves {
				if left := files(t, place, ""); len(left) > 0 {
					t.Errorf("written where the share was: %v", left)
				}
				os.RemoveAll(place)
			} else if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the folder was made again: %v", err)
			}
			if err := os.Rename(place+".away", place); err != nil {
				t.Fatal(err)
			}
			h.store = nil
			h.create(model.BackupRequest{To: place})
			list, err := h.ListBackups(t.Context(), model.BackupRequest{To: place})
			if err != nil || len(list) != 2 || !list[1].Verified || list[1].ID != kept.ID {
				t.Errorf("list: %+v, %v", list, err)
			}
		})
	}
}

// TestShareIsNotConnected begins a backup where the share would be. It is told
// apart from a place that is new, and begun anew only on demand.
func TestShareIsNotConnected(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(1)
	place := filepath.Join(t.TempDir(), "share")
	h.create(model.BackupRequest{To: place})
	for _, empty := range []bool{true, false} {
		if err := os.RemoveAll(place); err != nil {
			t.Fatal(err)
		}
		if empty {
			if err := os.Mkdir(place, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		_, err := h.CreateBackup(t.Context(), model.BackupRequest{To: place}, nil)
		says(t, err, model.Unreachable, "the backups that were in "+place)
		_, err = h.ListBackups(t.Context(), model.BackupRequest{To: place})
		says(t, err, model.Unreachable, "the backups that were in "+place)
	}
	if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	if got, err := h.InitBackups(t.Context(), model.BackupRequest{To: place}); err != nil || !got.Fresh || !got.Exclusive || !got.Delete {
		t.Errorf("init: %+v, %v", got, err)
	}
	if list, err := h.ListBackups(t.Context(), model.BackupRequest{To: place}); err != nil || len(list) != 0 {
		t.Errorf("begun anew: %v, %v", list, err)
	}
	h.create(model.BackupRequest{To: place})
}

// TestShareIsGoneWhileReading does not call a backup damaged because the share
// is away.
func TestShareIsGoneWhileReading(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	place := filepath.Join(t.TempDir(), "share")
	h.create(model.BackupRequest{To: place})
	h.store = &reading{Store: Folder(place), work: func() { os.Rename(place, place+".away") }}
	_, err := h.VerifyBackup(t.Context(), model.BackupRequest{}, nil)
	says(t, err, model.Unreachable, "is not there any more")
}

// reading does something whenever a part is read.
type reading struct {
	Store
	work func()
}

func (r *reading) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, "/t/") {
		r.work()
	}
	return r.Store.Get(ctx, key)
}

// TestFullDisk makes backups on a disk that fills up, and goes on when there is
// room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	place := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place).Run(); err != nil {
		t.Logf("no disk can be made here (%v): an error of the store stands in for it", err)
		full := &failing{Store: Folder(place), err: &fs.PathError{Op: "write", Path: place, Err: syscall.ENOSPC}}
		full.left.Store(3)
		h.store = full
		_, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
		says(t, err, model.Other, "no room left")
		return
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", place).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	kept := h.create(model.BackupRequest{To: place})
	if _, err := h.raw.Exec(`UPDATE contact SET notes = hex(randomblob(1000000))`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := h.CreateBackup(t.Context(), model.BackupRequest{To: place}, nil)
		says(t, err, model.Other, "no room left in "+place)
		list, err := h.ListBackups(t.Context(), model.BackupRequest{To: place})
		if err != nil || len(list) != 1 || list[0].ID != kept.ID {
			t.Fatalf("list: %+v, %v", list, err)
		}
		if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{To: place}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mount", "-o", "remount,size=64m", place).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v %s", err, out)
	}
	h.create(model.BackupRequest{To: place})
	if left := files(t, place, tempPrefix); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
