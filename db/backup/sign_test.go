package backup

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"rapport/model"
)

// TestForgedBackups has somebody who may write to the place, and knows for whom
// to encrypt, make what looks like a backup, or change one. None counts.
func TestForgedBackups(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(t *testing.T, dir string, other ed25519.PrivateKey){
		"no signature": func(t *testing.T, dir string, _ ed25519.PrivateKey) { os.Remove(filepath.Join(dir, signatureName)) },
		"nonsense": func(t *testing.T, dir string, _ ed25519.PrivateKey) {
			write(t, filepath.Join(dir, signatureName), []byte("{}"))
		},
		"another key": func(t *testing.T, dir string, other ed25519.PrivateKey) { resign(t, dir, other) },
		"another key with the name of a right one": func(t *testing.T, dir string, other ed25519.PrivateKey) {
			var right, wrong signature
			if err := json.Unmarshal(read(t, filepath.Join(dir, signatureName)), &right); err != nil {
				t.Fatal(err)
			}
			resign(t, dir, other)
			if err := json.Unmarshal(read(t, filepath.Join(dir, signatureName)), &wrong); err != nil {
				t.Fatal(err)
			}
			wrong.Key = right.Key
			data, err := json.Marshal(wrong)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, signatureName), data)
		},
		// What the next increment would begin with.
		"summary": func(t *testing.T, dir string, _ ed25519.PrivateKey) {
			n := filepath.Join(dir, summaryName)
			write(t, n, []byte(strings.Replace(string(read(t, n)), `"note": 0`, `"note": 9`, 1)+" "))
		},
		"manifest and its hash": func(t *testing.T, dir string, _ ed25519.PrivateKey) {
			m, s := filepath.Join(dir, manifestName), filepath.Join(dir, summaryName)
			before := read(t, m)
			after := append(slices.Clone(before), ' ')
			write(t, m, after)
			write(t, s, []byte(strings.Replace(string(read(t, s)), hashOf(before), hashOf(after), 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.fill(2, "contact")
			info := h.create(model.BackupRequest{})
			_, other, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			forge(t, filepath.FromSlash(info.Path), other)
			list, err := h.ListBackups(t.Context(), model.BackupRequest{})
			if err != nil || len(list) != 1 || list[0].Verified || !strings.Contains(list[0].Problem, "not written by one who may") {
				t.Errorf("list: %+v, %v", list, err)
			}
			_, err = h.VerifyBackup(t.Context(), model.BackupRequest{}, nil)
			says(t, err, model.Corrupt, "not written by one who may")
			_, _, err = h.RestoreBackup(t.Context(), model.BackupRequest{ID: info.ID}, nil)
			says(t, err, model.Corrupt, "not written by one who may")
			// Nothing follows it.
			if next, err := h.CreateBackup(t.Context(), model.BackupRequest{Kind: model.BackupIncremental}, nil); err != nil || next.Kind != model.BackupFull {
				t.Errorf("%+v, %v", next, err)
			}
		})
	}
}

// resign signs a backup in a folder with a key.
func resign(t *testing.T, dir string, key ed25519.PrivateKey) {
	t.Helper()
	p, _, ok := placeOf("b/l/" + filepath.Base(dir) + "/x")
	if !ok {
		t.Fatal(dir)
	}
	data, err := sign(key, p.id, hashOf(read(t, filepath.Join(dir, manifestName))), hashOf(read(t, filepath.Join(dir, summaryName))))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, signatureName), data)
}

// TestManyHomesSign has several copies write to one place. Each joins by
// itself where it may overwrite REPO.json, and is told where it may not. Those
// that were there before believe the new ones when one of them vouches.
func TestManyHomesSign(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	var homes []*home
	for range 3 {
		h := newHome(t)
		h.fill(1, "contact")
		homes = append(homes, h)
		h.create(model.BackupRequest{To: place})
	}
	counts := func(want ...int) {
		t.Helper()
		for i, h := range homes {
			list, err := h.ListBackups(t.Context(), model.BackupRequest{To: place})
			if err != nil || len(list) != 3 {
				t.Fatalf("%d backups, %v", len(list), err)
			}
			n := 0
			for _, b := range list {
				if b.Verified {
					n++
				} else if !strings.Contains(b.Problem, "a key that this workspace does not know") {
					t.Errorf("%+v", b)
				}
			}
			if n != want[i] {
				t.Errorf("home %d believes %d backups, want %d", i, n, want[i])
			}
		}
	}
	// Each believes what was there when it came.
	counts(1, 2, 3)
	if got, err := homes[0].InitBackups(t.Context(), model.BackupRequest{To: place}); err != nil || got.Strangers != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := homes[0].InitBackups(t.Context(), model.BackupRequest{To: place, Trust: true}); err != nil || got.Strangers != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	counts(3, 3, 3)
	h := newHome(t)
	h.store = addsOnly{Folder(place)}
	_, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
	says(t, err, model.Refused, "is not among those that may write")
	h.store = nil
	if got, err := h.InitBackups(t.Context(), model.BackupRequest{To: place}); err != nil || got.Fresh {
		t.Errorf("init: %+v, %v", got, err)
	}
	h.store = addsOnly{Folder(place)}
	h.create(model.BackupRequest{})
	// The key is one's own, readable by nobody else, and in no backup.
	key := filepath.Join(h.dir, signingKeyName)
	secret := read(t, key)
	if !strings.HasPrefix(string(secret), "-----BEGIN PRIVATE KEY-----\n") {
		t.Errorf("%q", secret)
	}
	for _, f := range files(t, place, "") {
		if strings.Contains(string(read(t, f)), strings.Split(string(secret), "\n")[1]) {
			t.Errorf("the key is in %s", f)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
	says(t, err, model.Invalid, "others can read")
}

// TestTwoKeys refuses encryption that hangs on one key, and makes a second one
// that opens what the first one opens.
func TestTwoKeys(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2, "contact")
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	one := []string{own.Recipient().String()}
	for _, recipients := range [][]string{one, {one[0], one[0]}} {
		_, err = h.CreateBackup(t.Context(), model.BackupRequest{Recipients: recipients}, nil)
		says(t, err, model.Invalid, "for one key only")
	}
	h.create(model.BackupRequest{Recipients: one, OneKey: true})
	got, err := h.InitBackups(t.Context(), model.BackupRequest{NewKey: true})
	if err != nil || got.Recovery == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	info := h.create(model.BackupRequest{Recipients: append(one, got.Recovery.Recipient)})
	file := filepath.Join(t.TempDir(), "recovery")
	write(t, file, []byte(got.Recovery.Identity+"\n"))
	if v, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: info.ID, Identity: file}, nil); err != nil || !v.Verified {
		t.Errorf("%+v, %v", v, err)
	}
	for _, f := range files(t, h.dir, "") {
		if strings.Contains(string(read(t, f)), got.Recovery.Identity) {
			t.Errorf("the recovery key is in %s", f)
		}
	}
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if got, err = h.InitBackups(t.Context(), model.BackupRequest{NewKey: true, Recipients: []string{pq.Recipient().String()}}); err != nil || !strings.HasPrefix(got.Recovery.Recipient, "age1pq1") {
		t.Errorf("%+v, %v", got, err)
	}
}
