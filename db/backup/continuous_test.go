package backup

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rapport/model"
)

// TestContinuous backs up what changes as it changes, waits where nothing does,
// goes on after the place was away, and folds segments once an hour. Every point
// reads as it was.
func TestContinuous(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3, "contact")
	var clock atomic.Int64
	start := h.now
	h.Backuper.o.Now = func() time.Time { return start.Add(time.Duration(clock.Load())) }
	place := &switched{Store: Folder(t.TempDir())}
	h.store = place
	steps := make(chan model.BackupStep)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- h.BackUpContinuously(ctx, model.BackupRequest{}, time.Millisecond, func(s model.BackupStep) { steps <- s })
	}()
	want := map[string]map[string]tableSum{}
	next := func(kind string) model.BackupInfo {
		t.Helper()
		s := <-steps
		for s.Err != nil {
			t.Errorf("%+v", s)
			s = <-steps
		}
		if s.Info.Kind != kind || !s.Info.Verified {
			t.Errorf("%+v, want a %s", s.Info, kind)
		}
		want[s.Info.ID] = h.hashes()
		return s.Info
	}
	edit := func(i int) {
		t.Helper()
		if _, err := h.raw.Exec("UPDATE contact SET notes = ? WHERE rid % 2 = ?", fmt.Sprint(i), i%2); err != nil {
			t.Fatal(err)
		}
	}
	first := next(model.BackupFull)
	if first.Note == "" {
		t.Error("no word of why it is a full one")
	}
	for i := range 3 {
		edit(i)
		if s := next(model.BackupSegment); i == 0 && s.Parent != first.ID {
			t.Errorf("%+v", s)
		}
	}
	// The place goes away, and comes back.
	place.away.Store(true)
	edit(4)
	for pause := time.Duration(0); pause < 400*time.Millisecond; {
		s := <-steps
		if model.KindOf(s.Err) != model.Unreachable {
			t.Fatalf("%+v", s)
		}
		pause = s.Pause
	}
	place.away.Store(false)
	s := <-steps
	for s.Err != nil {
		s = <-steps
	}
	if s.Info.Kind != model.BackupSegment {
		t.Errorf("%+v", s)
	}
	want[s.Info.ID] = h.hashes()
	// An hour later what the segments hold is one increment.
	clock.Store(int64(foldTime))
	if folded := next(model.BackupIncremental); folded.Parent != first.ID {
		t.Errorf("%+v", folded)
	}
	edit(5)
	next(model.BackupSegment)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	list, err := entries(t.Context(), place, pins{})
	if err != nil || len(list) != len(want) {
		t.Fatalf("%d backups, %v, want %d", len(list), err, len(want))
	}
	for _, e := range list {
		c, err := openChain(t.Context(), place, keys{}, list, e)
		if err != nil {
			t.Fatal(err)
		}
		for name, sum := range c.sums(t) {
			if sum != want[string(e.id)][name] {
				t.Errorf("the %s has %v of %s", e.kind, sum, name)
			}
		}
	}
	_, err = h.VerifyBackup(t.Context(), model.BackupRequest{Level: model.LevelRestored}, nil)
	if err != nil {
		t.Error(err)
	}
}

// TestContinuousNeedsAPerson ends at what no waiting mends.
func TestContinuousNeedsAPerson(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	err := h.BackUpContinuously(t.Context(), model.BackupRequest{Source: model.SourceCentral}, time.Second, func(model.BackupStep) {})
	says(t, err, model.NoCentral, "no central")
	err = h.BackUpContinuously(t.Context(), model.BackupRequest{Recipients: []string{"age1nonsense"}}, time.Second, func(model.BackupStep) {})
	says(t, err, model.Invalid, "recipient")
}

// TestFolding makes increments of many segments, and shortens a chain that has
// become long.
func TestFolding(t *testing.T) {
	t.Parallel()
	src := &fakeSource{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), list: fakeTables()}
	for i := range 200 {
		src.put(src.list[1], []any{model.DerivedID("x", fmt.Sprint(i)).Bytes(), "some text of a row", int64(i)})
	}
	b := New(Options{Home: t.TempDir(), Now: func() time.Time { return src.now }})
	store := newMemory()
	c := &continuous{b: b, src: src, to: &target{store: store}, folded: src.now}
	count := map[string]int{}
	var longest int
	for i := range 40 {
		src.put(src.list[1], []any{model.DerivedID("x", fmt.Sprint(i%3)).Bytes(), "other", int64(i)})
		if i%2 == 1 {
			c.segments = foldCount
		}
		info, err := c.step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		count[info.Kind]++
		longest = max(longest, c.list[0].sum.Links)
	}
	if count[model.BackupSegment] < 15 || count[model.BackupIncremental] < 15 || count[model.BackupFull] != 1 || count[model.BackupDifferential] == 0 || longest > foldLinks+2 {
		t.Errorf("%v, the longest chain has %d", count, longest)
	}
	if _, err := c.step(t.Context()); err != errUnchanged {
		t.Errorf("without a change: %v", err)
	}
	list, err := entries(t.Context(), store, pins{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := openChain(t.Context(), store, keys{}, list, list[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := chainState(t.Context(), chain)
	if err != nil {
		t.Fatal(err)
	}
	if s := sameState(got, src.state(t)); s != "" {
		t.Error(s)
	}
}

// switched is a store that can be away.
type switched struct {
	Store
	away atomic.Bool
}

func (s *switched) gone() error {
	if s.away.Load() {
		return vanished(s)
	}
	return nil
}

func (s *switched) Put(ctx context.Context, key string, data []byte) error {
	if err := s.gone(); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, data)
}

func (s *switched) PutNew(ctx context.Context, key string, data []byte) error {
	if err := s.gone(); err != nil {
		return err
	}
	return s.Store.PutNew(ctx, key, data)
}

func (s *switched) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.gone(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

func (s *switched) List(ctx context.Context, prefix string) ([]Object, error) {
	if err := s.gone(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix)
}
