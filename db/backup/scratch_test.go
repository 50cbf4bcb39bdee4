package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/db/sqlite"
	"rapport/model"
)

// mortal is a store whose process dies at a call that puts or reads a part. One
// call is done before the next begins: what came before the last is there.
type mortal struct {
	Store
	mu   sync.Mutex
	left int
}

func (m *mortal) call(key string) {
	if !strings.Contains(key, "/t/") {
		return
	}
	if m.left--; m.left < 0 {
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			p.Kill()
		}
		select {}
	}
}

func (m *mortal) Put(ctx context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.call(key)
	return m.Store.Put(ctx, key, data)
}

func (m *mortal) Get(ctx context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.call(key)
	return m.Store.Get(ctx, key)
}

// dieAtWork is the process that TestKilledAtWork kills: it works on a home and
// dies at its second part.
func dieAtWork(dir, work string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	if err != nil {
		return err
	}
	b := New(Options{Home: dir, DB: func() *sqlite.DB { return db }, Open: func(address string) (Store, error) {
		return &mortal{Store: Folder(address), left: 1}, nil
	}})
	switch work {
	case "create":
		_, err = b.CreateBackup(ctx, model.BackupRequest{}, nil)
	case "trial":
		_, err = b.VerifyBackup(ctx, model.BackupRequest{Level: model.LevelRestored}, nil)
	case "restore":
		_, _, err = b.RestoreBackup(ctx, model.BackupRequest{}, nil)
	}
	return fmt.Errorf("it lives: %w", err)
}

// TestKilledAtWork kills the process in the middle of a backup, a trial and a
// restore. What it left is gone after the next one of its kind, or after the
// next backup, which says so.
func TestKilledAtWork(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2, "contact", "organization", "deal")
	h.now = time.Now()
	kept := h.create(model.BackupRequest{})
	kill := func(work string) {
		t.Helper()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "RAPPORT_TEST_HOME="+h.dir, "RAPPORT_TEST_WORK="+work)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() == 1 {
			t.Fatalf("%s: %v\n%s", work, err, out)
		}
	}
	scratch := func(want int) {
		t.Helper()
		var got []string
		for _, kind := range []string{scratchBackup, scratchTrial, scratchRestore} {
			list, err := filepath.Glob(filepath.Join(h.dir, "."+kind+"-*"))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, list...)
		}
		if len(got) != want {
			t.Fatalf("%d folders of work, want %d: %v", len(got), want, got)
		}
	}
	kill("create")
	kill("trial")
	kill("restore")
	scratch(3)
	// One that works elsewhere takes nothing away here.
	h.create(model.BackupRequest{To: t.TempDir()})
	scratch(1)
	info := h.create(model.BackupRequest{})
	if !strings.Contains(info.Note, "the backup that was interrupted at ") || !strings.HasSuffix(info.Note, "was taken away, and this one begun anew") {
		t.Errorf("note %q", info.Note)
	}
	scratch(0)
	for _, name := range files(t, filepath.Join(h.dir, "backups", "b"), "") {
		if !strings.Contains(name, kept.ID) && !strings.Contains(name, info.ID) {
			t.Errorf("left behind: %s", name)
		}
	}
	if again := h.create(model.BackupRequest{}); again.Note != "" {
		t.Errorf("said once more: %q", again.Note)
	}
	kill("trial")
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{Level: model.LevelRestored}, nil); err != nil {
		t.Error(err)
	}
	scratch(0)
}

// TestWorkOfOthersStays clears away while another process is at work, and what
// may not be deleted.
func TestWorkOfOthersStays(t *testing.T) {
	t.Parallel()
	h, shelf, _ := newShelved(t, 2)
	h.create(model.BackupRequest{})
	other := newPlace("mine", h.o.IDs.New(), model.BackupFull)
	if err := shelf.Put(t.Context(), other.prefix+"t/contact/00001.jsonl.zst", nil); err != nil {
		t.Fatal(err)
	}
	end, err := h.begin(shelf, other)
	if err != nil {
		t.Fatal(err)
	}
	if info := h.create(model.BackupRequest{}); info.Note != "" || len(keysOf(t, shelf, other.prefix)) != 1 {
		t.Errorf("note %q; there is %v", info.Note, keysOf(t, shelf, other.prefix))
	}
	end(true)
	h.store = addsOnly{shelf}
	if info := h.create(model.BackupRequest{}); info.Note != "" || len(keysOf(t, shelf, other.prefix)) != 1 {
		t.Errorf("note %q; there is %v", info.Note, keysOf(t, shelf, other.prefix))
	}
	// It is for whom may prune.
	shelf.pass(leftoverAge + time.Hour)
	h.store = shelf
	if info := h.create(model.BackupRequest{}); info.Note != "" || len(keysOf(t, shelf, other.prefix)) != 0 {
		t.Errorf("note %q; there is %v", info.Note, keysOf(t, shelf, other.prefix))
	}
	// What cannot be taken away at once, the next backup takes.
	f := &failing{Store: shelf, err: vanished(shelf)}
	f.left.Store(6)
	h.store = f
	if _, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil); model.KindOf(err) != model.Unreachable {
		t.Fatal(err)
	}
	h.store = shelf
	if info := h.create(model.BackupRequest{}); !strings.Contains(info.Note, "was taken away") {
		t.Errorf("note %q", info.Note)
	}
	// One that was complete when its process died is a backup.
	list, err := h.ListBackups(t.Context(), model.BackupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	whole := newPlace(list[0].Lineage, model.ID(list[0].ID), model.BackupFull)
	if end, err = h.begin(shelf, whole); err != nil {
		t.Fatal(err)
	}
	end(true)
	if info := h.create(model.BackupRequest{}); info.Note != "" {
		t.Errorf("note %q", info.Note)
	}
	if again, err := h.ListBackups(t.Context(), model.BackupRequest{}); err != nil || len(again) != len(list)+1 {
		t.Errorf("%d backups, %v", len(again), err)
	}
}
