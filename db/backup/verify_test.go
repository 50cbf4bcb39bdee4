package backup

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/model"
)

// TestLevels damages a chain in ways that each level finds, and proves a sound
// one at all of them. The outcome stands in the list, also where the key may
// not overwrite anything.
func TestLevels(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(4)
	full := model.BackupRequest{Kind: model.BackupIncremental}
	first, err := h.CreateBackup(t.Context(), full, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.raw.Exec("UPDATE contact SET notes = 'changed'; DELETE FROM address"); err != nil {
		t.Fatal(err)
	}
	second, err := h.CreateBackup(t.Context(), full, nil)
	if err != nil || second.Kind != model.BackupIncremental {
		t.Fatalf("%+v, %v", second, err)
	}
	if second.Level != model.LevelCompared || !second.CheckedAt.Equal(second.At) {
		t.Errorf("%+v", second)
	}
	deal := filepath.Join(filepath.FromSlash(first.Path), "t", "deal", "00001.jsonl.zst")
	whole := read(t, deal)
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)/2] ^= 1
	levels := []string{model.LevelListed, model.LevelStored, model.LevelRead, model.LevelRestored}
	for name, c := range map[string]struct {
		damage func()
		found  string // the first level that finds it
	}{
		"sound":   {func() {}, "none"},
		"missing": {func() { os.Remove(deal) }, model.LevelListed},
		"short":   {func() { write(t, deal, whole[:len(whole)-1]) }, model.LevelListed},
		"flipped": {func() { write(t, deal, flipped) }, model.LevelStored},
	} {
		c.damage()
		for _, level := range levels {
			h.now = h.now.Add(time.Minute)
			got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID, Level: level}, nil)
			sound := level < c.found
			if sound != (err == nil) || sound != got.Verified || got.Level != level || !got.CheckedAt.Equal(h.now) {
				t.Errorf("%s at %s: %+v, %v", name, level, got, err)
			}
			if !sound {
				says(t, err, model.Corrupt, "t/deal/00001.jsonl.zst")
			}
			list, err := h.ListBackups(t.Context(), model.BackupRequest{})
			if err != nil || list[0] != got {
				t.Errorf("%s at %s: listed as %+v, %v", name, level, list[0], err)
			}
		}
		write(t, deal, whole)
		if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID, Level: model.LevelRestored}, nil); err != nil {
			t.Errorf("mended: %v", err)
		}
	}
	// What a thorough look found, a passing one does not take back.
	write(t, deal, flipped)
	for _, level := range []string{model.LevelRead, model.LevelListed} {
		if got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID, Level: level}, nil); got.Verified || !strings.Contains(got.Problem, "t/deal") {
			t.Errorf("%+v, %v", got, err)
		}
	}
	write(t, deal, whole)
	if got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID}, nil); err != nil || !got.Verified {
		t.Errorf("%+v, %v", got, err)
	}
	if left := files(t, h.dir, ".trial-"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, level := range []string{model.LevelCompared, "V9"} {
		_, err := h.VerifyBackup(t.Context(), model.BackupRequest{Level: level}, nil)
		says(t, err, model.Invalid, "")
	}
	for _, why := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOSPC} {
		h.store = addsNothing{Folder(filepath.Join(h.dir, "backups")), why}
		if got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID}, nil); err != nil || !got.Verified {
			t.Errorf("a place that is read only (%v): %+v, %v", why, got, err)
		}
	}
}

// TestPlantedErrors has a source that says something else when it is read
// again, as faulty memory does. The differences are those that sums of checksums
// do not see: times that all moved by as much, and a NULL in another column.
func TestPlantedErrors(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(v []any) []any{
		"times moved by ten minutes": func(v []any) []any {
			return []any{v[0], v[1], v[2], strings.Replace(v[3].(string), "10:00", "10:10", 1)}
		},
		"a NULL moved": func(v []any) []any { return []any{v[0], v[2], v[1], v[3]} },
		"a row less":   nil,
	} {
		for _, kind := range []string{model.BackupFull, model.BackupIncremental} {
			src := &fakeSource{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
			src.list = []*fakeTable{newFakeTable(table{Name: "t", Columns: []string{"id", "a", "b", "at"}, Types: []string{"int", "text", "text", "text"}, Key: []string{"id"}})}
			b := New(Options{Home: t.TempDir(), Now: func() time.Time { return src.now }})
			store := newMemory()
			put := func() {
				for i := range int64(20) {
					src.put(src.list[0], []any{i, nil, "x", "2026-11-21 10:00:00.000"})
				}
			}
			put()
			if _, err := b.create(t.Context(), src, target{store: store}, order{kind: model.BackupFull}, nil); err != nil {
				t.Fatal(err)
			}
			put()
			src.second = func(_ table, read int, v []any) []any {
				if id := v[0].(int64); read == 1 || id < 5 || id > 8 {
					return v
				}
				if plant == nil {
					return []any{v[0].(int64) + 1, v[1], v[2], v[3]}
				}
				return plant(v)
			}
			info, err := b.create(t.Context(), src, target{store: store}, order{kind: kind}, nil)
			if info.Kind != kind || info.Verified {
				t.Errorf("%s, %s: %+v", name, kind, info)
			}
			says(t, err, model.Corrupt, "row 6 of t is not that of the central")
			list, err := entries(t.Context(), store, pins{})
			if err != nil || len(list) != 2 || list[0].info.Verified || !list[1].info.Verified {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestNothingComparedIsNothingVerified has a store that swallows what it is
// given. A backup without rows is not called sound.
func TestNothingComparedIsNothingVerified(t *testing.T) {
	t.Parallel()
	src, b, store := fakeChain(t, model.BackupFull)
	rows := src.list[1].rows
	src.list[1].rows = map[string][]any{}
	src.second = func(_ table, _ int, v []any) []any { return v }
	snap, err := src.open(t.Context(), 1, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The source counts its rows, but gives none.
	info, err := b.create(t.Context(), counted{snap, int64(len(rows))}, target{store: store}, order{kind: model.BackupFull}, nil)
	if info.Verified {
		t.Errorf("%+v", info)
	}
	says(t, err, model.Corrupt, "of 10 rows of one 0 were compared")
}

// TestDamageOfWhatIsNeeded: a verification that finds damage in what a backup
// needs says so of that, and of all that need it, so that no new one follows them.
// When it is mended, all count again.
func TestDamageOfWhatIsNeeded(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(4)
	request := model.BackupRequest{Kind: model.BackupIncremental}
	create := func() model.BackupInfo {
		t.Helper()
		if _, err := h.raw.Exec("UPDATE contact SET notes = notes || 'x'"); err != nil {
			t.Fatal(err)
		}
		info, err := h.CreateBackup(t.Context(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first, second, third := create(), create(), create()
	if third.Parent != second.ID || second.Parent != first.ID {
		t.Fatalf("no chain: %+v", third)
	}
	problems := func() (out []string) {
		t.Helper()
		list, err := h.ListBackups(t.Context(), model.BackupRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if x.Verified == (x.Problem != "") {
				t.Errorf("%s is verified: %v, and has the problem %q", x.ID, x.Verified, x.Problem)
			}
			out = append(out, x.Problem)
		}
		return out
	}
	part := filepath.Join(filepath.FromSlash(first.Path), "t", "contact", "00001.jsonl.zst")
	whole := read(t, part)
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)/2] ^= 1
	write(t, part, flipped)
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID}, nil); model.KindOf(err) != model.Corrupt {
		t.Errorf("the damage is not found: %v", err)
	}
	if got := problems(); len(got) != 3 || !strings.Contains(got[0], "it needs the backup") || !strings.Contains(got[1], "t/contact/") || !strings.Contains(got[2], "t/contact/") {
		t.Errorf("the list tells %q", got)
	}
	fourth := create()
	if fourth.Kind != model.BackupFull || !strings.Contains(fourth.Note, "is not verified") {
		t.Errorf("what follows is %+v", fourth)
	}
	write(t, part, whole)
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: second.ID, Level: model.LevelRestored}, nil); err != nil {
		t.Error(err)
	}
	if got := strings.Join(problems(), ""); got != "" {
		t.Errorf("mended, the list tells %q", got)
	}
	if err := os.RemoveAll(filepath.FromSlash(first.Path)); err != nil {
		t.Fatal(err)
	}
	if got := problems(); len(got) != 3 || got[0] != "" || !strings.Contains(got[1], "does not count") || !strings.Contains(got[2], "is not there") {
		t.Errorf("without the full one the list tells %q", got)
	}
}
