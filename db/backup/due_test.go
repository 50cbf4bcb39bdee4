package backup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

func schedule(t *testing.T, expr, zone string) model.Schedule {
	t.Helper()
	s, err := model.ParseSchedule(expr, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBackupIfDue makes one backup for each due moment, also when that was
// missed, and none in between. One that is not verified does not count, nor
// one from the future.
func TestBackupIfDue(t *testing.T) {
	t.Parallel()
	h, _, _ := newShelved(t, 2)
	nightly := schedule(t, "30 2 * * *", "Europe/Zurich")
	due := func(at string, want bool) model.BackupInfo {
		t.Helper()
		now, err := time.Parse(time.DateTime, at)
		if err != nil {
			t.Fatal(err)
		}
		h.now = now
		info, made, err := h.BackupIfDue(t.Context(), model.BackupRequest{}, nightly, nil)
		if err != nil || made != want || !info.Verified {
			t.Fatalf("at %s: made %v, %+v, %v", at, made, info, err)
		}
		return info
	}
	first := due("2026-11-21 10:00:00", true)
	if again := due("2026-11-21 10:00:01", false); again != first {
		t.Errorf("the newest is %+v", again)
	}
	due("2026-11-22 01:29:59", false)
	due("2026-11-22 01:30:00", true)
	due("2026-11-23 01:00:00", false)
	// Two nights were missed.
	due("2026-11-25 08:00:00", true)
	due("2026-11-25 09:00:00", false)
	// The clock is a year ahead for a while.
	due("2027-11-25 09:00:00", true)
	due("2026-11-26 00:00:00", false)
	due("2026-11-26 09:00:00", true)
	due("2026-11-26 09:10:00", false)
	// It is a year behind.
	due("2025-11-26 09:00:00", true)
	due("2025-11-26 09:10:00", false)
	due("2026-11-26 09:20:00", false)
	// What differs from its source is no backup.
	h.now = h.now.Add(day)
	if err := h.failOnce(); err != nil {
		t.Fatal(err)
	}
	if _, made, err := h.BackupIfDue(t.Context(), model.BackupRequest{}, nightly, nil); made || model.KindOf(err) != model.Corrupt {
		t.Fatalf("made %v, %v", made, err)
	}
	h.store = h.store.(*wrong).Store
	if _, made, err := h.BackupIfDue(t.Context(), model.BackupRequest{}, nightly, nil); !made || err != nil {
		t.Fatalf("made %v, %v", made, err)
	}
}

// wrong is a store that keeps other bytes of the first part than it was given.
type wrong struct {
	Store
	once sync.Once
}

func (w *wrong) Put(ctx context.Context, key string, data []byte) error {
	if strings.Contains(key, "/t/") {
		w.once.Do(func() { data = slices.Clone(data); data[len(data)/2] ^= 1 })
	}
	return w.Store.Put(ctx, key, data)
}

func (h *home) failOnce() error {
	h.store = &wrong{Store: h.store}
	return nil
}

// meeting is a store before whose first manifests those who come wait for each
// other.
type meeting struct {
	Store
	all sync.WaitGroup
}

func (m *meeting) Put(ctx context.Context, key string, data []byte) error {
	err := m.Store.Put(ctx, key, data)
	if strings.HasSuffix(key, summaryName) {
		m.all.Done()
		m.all.Wait()
	}
	return err
}

// TestTwoFindItDue has two processes of one workspace make the same backup at
// once. One manifest is written; nothing of the others stays.
func TestTwoFindItDue(t *testing.T) {
	t.Parallel()
	h, shelf, _ := newShelved(t, 2)
	m := &meeting{Store: shelf}
	const racers = 2
	m.all.Add(racers)
	h.store = m
	if _, err := openRepo(t.Context(), shelf, func() (repo, error) { return h.newRepo(nil), nil }); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	made := make(chan model.BackupInfo, racers)
	for range racers {
		// Each process has the cache open for itself.
		db, err := sqlite.Open(t.Context(), h.db.Path(), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		o := h.o
		o.DB = func() *sqlite.DB { return db }
		all.Go(func() {
			info, did, err := New(o).BackupIfDue(t.Context(), model.BackupRequest{}, schedule(t, "daily", ""), nil)
			if err != nil || !info.Verified {
				t.Errorf("%+v, %v", info, err)
			}
			if did {
				made <- info
			}
		})
	}
	all.Wait()
	h.store = shelf
	list, err := h.ListBackups(t.Context(), model.BackupRequest{})
	if err != nil || len(list) != 1 || len(made) != 1 || list[0] != <-made {
		t.Fatalf("%d say that they made one; the list: %+v, %v", len(made), list, err)
	}
	for _, key := range keysOf(t, shelf, "b/") {
		if !strings.Contains(key, list[0].ID) {
			t.Errorf("left behind: %s", key)
		}
	}
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Error(err)
	}
}

// TestBackupOfAMarkedParent holds that a new backup does not build upon one that
// is to be deleted, and that one whose parent goes meanwhile is not made.
func TestBackupOfAMarkedParent(t *testing.T) {
	t.Parallel()
	h, shelf, _ := newShelved(t, 2)
	if _, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	make := func() model.BackupInfo {
		t.Helper()
		h.now = h.now.Add(time.Minute)
		h.fillMore()
		info, err := h.CreateBackup(t.Context(), model.BackupRequest{Kind: model.BackupIncremental}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	make()
	top := make()
	if top.Kind != model.BackupIncremental {
		t.Fatalf("%+v", top)
	}
	if _, err := h.PruneBackups(t.Context(), model.PruneRequest{Only: []string{top.ID}}, nil); err != nil {
		t.Fatal(err)
	}
	if next := make(); next.Parent == top.ID {
		t.Errorf("it builds upon one that is to be deleted: %+v", next)
	}
	// One that began before the mark, and ends half a day later or when its
	// parent is gone.
	own := newPlace(top.Lineage, h.o.IDs.New(), model.BackupIncremental)
	put := func() {
		if err := shelf.Put(t.Context(), own.prefix+summaryName, nil); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if err := parentStays(t.Context(), shelf, own, model.ID(top.ID)); err != nil {
		t.Error(err)
	}
	shelf.pass(grace/2 + time.Second)
	put()
	says(t, parentStays(t.Context(), shelf, own, model.ID(top.ID)), model.Other, "was deleted meanwhile")
	shelf.pass(grace)
	if _, err := h.PruneBackups(t.Context(), model.PruneRequest{Rules: model.KeepRules{Last: 9}}, nil); err != nil {
		t.Fatal(err)
	}
	says(t, parentStays(t.Context(), shelf, own, model.ID(top.ID)), model.Other, "was deleted meanwhile")
}

func (h *home) fillMore() {
	h.t.Helper()
	if _, err := h.raw.Exec(`UPDATE contact SET notes = notes || 'x'`); err != nil {
		h.t.Fatal(err)
	}
}

// TestStateWarns holds what a person is told about backups.
func TestStateWarns(t *testing.T) {
	t.Parallel()
	h, _, pass := newShelved(t, 1)
	h.o.Settings = model.Settings{Home: h.dir}
	state := func(expr string) model.BackupState {
		t.Helper()
		var s model.Schedule
		if expr != "" {
			s = schedule(t, expr, "")
		}
		st, err := h.BackupState(t.Context(), model.BackupRequest{}, s)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	warns := func(st model.BackupState, parts ...string) {
		t.Helper()
		ok := len(st.Warnings) == len(parts)
		for i := range min(len(parts), len(st.Warnings)) {
			ok = ok && strings.Contains(st.Warnings[i], parts[i])
		}
		if !ok {
			t.Errorf("warnings %q, want %q", st.Warnings, parts)
		}
	}
	warns(state(""))
	st := state("30 2 * * *")
	warns(st, "there is no verified backup of the workspace")
	if !st.Due || st.Next != time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC) || st.LastDue != time.Date(2026, 11, 21, 2, 30, 0, 0, time.UTC) {
		t.Errorf("%+v", st)
	}
	made := h.create(model.BackupRequest{})
	if st = state("30 2 * * *"); st.Due || st.Verified == nil || *st.Verified != made {
		t.Errorf("%+v", st)
	}
	warns(st)
	pass(day)
	if st = state("30 2 * * *"); !st.Due {
		t.Errorf("%+v", st)
	}
	warns(st)
	pass(2 * day)
	warns(state("30 2 * * *"), "the last verified backup is 3 days old")
	warns(state(""))
	pass(5 * day)
	warns(state(""), "the last verified backup is 8 days old")
	h.o.Settings.Backup.Keep.Last = 3
	warns(state(""), "8 days old", "never pruned")
	if _, err := h.PruneBackups(t.Context(), model.PruneRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	warns(state(""), "8 days old")
	pass(3 * day)
	warns(state("0 0 * * *"), "11 days old", "not pruned for 2 days")
	warns(state("weekly"), "11 days old")
	h.now = h.now.Add(-30 * day)
	warns(state(""), "there is no verified backup", "time in the future")

	h.o.ServerNow = func(context.Context) (time.Time, error) { return h.now.Add(-time.Hour), nil }
	if st = state(""); st.Skew != time.Hour {
		t.Errorf("the clock is %s ahead", st.Skew)
	}
	h.o.ServerNow = func(context.Context) (time.Time, error) { return time.Time{}, errors.New("away") }
	if st = state(""); st.Skew != 0 {
		t.Errorf("the clock is %s ahead", st.Skew)
	}
}
