package backup

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// TestTrialIfDue tries the newest backup once for each due moment by the clock
// of the store, whatever this computer's shows, and one that failed again when
// there is a newer backup.
func TestTrialIfDue(t *testing.T) {
	t.Parallel()
	h, shelf, pass := newShelved(t, 2)
	h.o.Settings = model.Settings{Home: h.dir}
	h.o.Settings.Backup.Trial = schedule(t, "30 4 * * 0", "Europe/Zurich")
	_, _, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil)
	says(t, err, model.NotFound, "there is no verified backup of the workspace in the shelf to try")
	first := h.create(model.BackupRequest{})
	due := func(want bool, id string) {
		t.Helper()
		st, err := h.BackupState(t.Context(), model.BackupRequest{}, model.Schedule{})
		if err != nil || st.TrialDue != want || st.TrialSchedule == "" || !st.NextTrial.After(h.now) {
			t.Errorf("due %v, next %s, %v", st.TrialDue, st.NextTrial, err)
		}
		info, tried, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil)
		if err != nil || tried != want || info.ID != id || info.Level != model.LevelRestored {
			t.Fatalf("tried %v, want %v: %+v, %v", tried, want, info, err)
		}
		if st, err = h.BackupState(t.Context(), model.BackupRequest{}, model.Schedule{}); err != nil || st.TrialDue || st.Trial == nil || !st.Trial.OK || st.Trial.Backup != id || st.Trial.Source != model.SourceLocal {
			t.Errorf("%+v, %v", st, err)
		}
	}
	due(true, first.ID)
	due(false, first.ID)
	pass(2 * time.Hour)
	second := h.create(model.BackupRequest{})
	due(false, first.ID)
	pass(day)
	due(true, second.ID)
	pass(6 * day)
	due(false, second.ID)
	pass(day)
	due(true, second.ID)
	// This computer's clock is ahead: that of the store decides.
	h.now = h.now.Add(30 * day)
	if _, tried, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil); tried || err != nil {
		t.Errorf("tried %v, %v", tried, err)
	}
	h.now = h.now.Add(-30 * day)

	// Nobody but this copy of the workspace tries its backups.
	other := newHome(t)
	other.fill(1, "contact")
	other.now = h.now
	other.store = shelf
	theirs := other.create(model.BackupRequest{})
	if info, tried, err := other.TrialIfDue(t.Context(), model.BackupRequest{}, schedule(t, "weekly", ""), nil); !tried || err != nil || info.ID != theirs.ID {
		t.Errorf("%+v, tried %v, %v", info, tried, err)
	}

	pass(8 * day)
	third := h.create(model.BackupRequest{})
	parts := slices.DeleteFunc(keysOf(t, shelf, "b/"), func(k string) bool {
		return !strings.Contains(k, third.ID) || !strings.Contains(k, "/t/contact/")
	})
	shelf.data[parts[0]][5] ^= 1
	_, tried, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil)
	says(t, err, model.Corrupt, "is damaged")
	if !tried {
		t.Error("it was not tried")
	}
	st, err := h.BackupState(t.Context(), model.BackupRequest{}, model.Schedule{})
	if err != nil || st.Trial == nil || st.Trial.OK || !strings.Contains(st.Trial.Problem, "is damaged") || st.TrialDue ||
		!slices.ContainsFunc(st.Warnings, func(w string) bool { return strings.HasPrefix(w, "the last trial restore failed: ") }) {
		t.Errorf("%+v, %v", st, err)
	}
	var o model.BackupOverview
	if err := h.Overview(t.Context(), &o); err != nil || o.Trial == nil || o.Trial.OK || o.Trial.Backup != third.ID {
		t.Errorf("%+v, %v", o.Trial, err)
	}
	if info, tried, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil); tried || err != nil || info.ID != third.ID {
		t.Errorf("%+v, tried %v, %v", info, tried, err)
	}
	pass(3 * time.Hour)
	due(true, h.create(model.BackupRequest{}).ID)
}

// TestTrialWarns tells when nobody tried for two moments of the schedule.
func TestTrialWarns(t *testing.T) {
	t.Parallel()
	h, _, pass := newShelved(t, 1)
	h.o.Settings = model.Settings{Home: h.dir}
	h.o.Settings.Backup.Trial = schedule(t, "weekly", "")
	says := func(want string) {
		t.Helper()
		st, err := h.BackupState(t.Context(), model.BackupRequest{}, model.Schedule{})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(st.Warnings, func(w string) bool { return !strings.Contains(w, "trial") })
		if len(got) > 1 || strings.Join(got, "") != want {
			t.Errorf("warnings %q, want %q", got, want)
		}
	}
	says("")
	h.create(model.BackupRequest{})
	pass(6 * day)
	says("")
	pass(8 * day)
	says("no backup was ever restored on trial")
	if _, _, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil); err != nil {
		t.Fatal(err)
	}
	says("")
	pass(15*day + 3*time.Hour)
	says("no backup was restored on trial for 15 days")
}

// slow is a store whose first reading of a part waits until it is let go on.
type slow struct {
	Store
	once          sync.Once
	stopped, goOn chan struct{}
}

func (s *slow) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, "/t/") {
		s.once.Do(func() { close(s.stopped); <-s.goOn })
	}
	return s.Store.Get(ctx, key)
}

// TestTrialIsMadeByOne has others find a trial due while one makes it: none of
// them does, also not when it has ended.
func TestTrialIsMadeByOne(t *testing.T) {
	t.Parallel()
	h, shelf, _ := newShelved(t, 2)
	h.create(model.BackupRequest{})
	s := &slow{Store: shelf, stopped: make(chan struct{}), goOn: make(chan struct{})}
	h.store = s
	var made atomic.Int64
	try := func() {
		_, tried, err := New(Options{Home: h.dir, Now: h.o.Now, DB: func() *sqlite.DB { return h.db }, Open: h.o.Open}).TrialIfDue(t.Context(), model.BackupRequest{}, model.Schedule{}, nil)
		if err != nil {
			t.Error(err)
		}
		if tried {
			made.Add(1)
		}
	}
	var all sync.WaitGroup
	all.Go(try)
	<-s.stopped
	try()
	try()
	if n := made.Load(); n != 0 {
		t.Errorf("%d others made it", n)
	}
	close(s.goOn)
	all.Wait()
	try()
	if n := made.Load(); n != 1 {
		t.Errorf("%d say that they made it", n)
	}
	if checks := keysOf(t, shelf, checksPrefix); len(checks) != 1 {
		t.Errorf("%v", checks)
	}
}

// TestPruneForgetsChecks deletes with backups what verifications of them found,
// and keeps that there was a trial.
func TestPruneForgetsChecks(t *testing.T) {
	t.Parallel()
	h, shelf, pass := newShelved(t, 1)
	var ids []string
	for range 4 {
		info := h.create(model.BackupRequest{})
		ids = append(ids, info.ID)
		for _, level := range []string{model.LevelRead, model.LevelRestored} {
			if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: info.ID, Level: level}, nil); err != nil {
				t.Fatal(err)
			}
		}
		pass(day)
	}
	prune := func(keep int) {
		t.Helper()
		for range 2 {
			if _, err := h.PruneBackups(t.Context(), model.PruneRequest{Rules: model.KeepRules{Last: keep}}, nil); err != nil {
				t.Fatal(err)
			}
			pass(grace)
		}
	}
	holds := func(want ...int) {
		t.Helper()
		for i, id := range ids {
			if got := keysOf(t, shelf, checksPrefix+id); len(got) != want[i] {
				t.Errorf("of backup %d there is %v, want %d", i, got, want[i])
			}
		}
	}
	holds(2, 2, 2, 2)
	prune(3)
	holds(1, 2, 2, 2)
	prune(2)
	holds(0, 1, 2, 2)
	if trial, err := h.lastTrial(t.Context(), shelf, nil, model.SourceLocal); err != nil || trial == nil || string(trial.Backup) != ids[3] {
		t.Errorf("%+v, %v", trial, err)
	}
	for _, id := range ids[2:] {
		for _, key := range keysOf(t, shelf, checksPrefix+id) {
			if err := shelf.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	info, tried, err := h.TrialIfDue(t.Context(), model.BackupRequest{}, schedule(t, "0 0 1 1 *", ""), nil)
	if tried || err != nil || info.ID != ids[1] || !info.Verified || info.Level != model.LevelRestored {
		t.Errorf("%+v, tried %v, %v", info, tried, err)
	}
}
