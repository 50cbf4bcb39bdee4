package backup

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// forger is somebody who may write to a place, but has no key that counts.
type forger struct {
	t     *testing.T
	place string
	key   ed25519.PrivateKey
}

// repo changes REPO.json.
func (f forger) repo(change func(r *repo)) {
	f.t.Helper()
	name := filepath.Join(f.place, repoName)
	var r repo
	if err := json.Unmarshal(read(f.t, name), &r); err != nil {
		f.t.Fatal(err)
	}
	change(&r)
	data, err := encodeJSON(r)
	if err != nil {
		f.t.Fatal(err)
	}
	write(f.t, name, data)
}

// resign signs all backups anew.
func (f forger) resign() {
	for _, name := range files(f.t, f.place, "/"+manifestName) {
		resign(f.t, filepath.Dir(name), f.key)
	}
}

// TestReplacedKeys has somebody who may write to a place replace what it says
// about keys, and sign the backups anew. A home that knows the place refuses it
// or counts none of them; one that is told to believe does.
func TestReplacedKeys(t *testing.T) {
	t.Parallel()
	sign := func(f forger, by ed25519.PrivateKey, repo model.ID) voucher {
		key := publicText(f.key)
		return voucher{key, publicText(by), base64.StdEncoding.EncodeToString(ed25519.Sign(by, vouchedText(repo, key)))}
	}
	for name, c := range map[string]struct {
		forge func(f forger, own ed25519.PrivateKey)
		says  string // "" where the place is not refused, but its backups do not count
	}{
		"other keys": {func(f forger, _ ed25519.PrivateKey) {
			f.repo(func(r *repo) { r.Signers = []string{publicText(f.key)} })
		}, "somebody replaced them"},
		"no keys": {func(f forger, _ ed25519.PrivateKey) {
			f.repo(func(r *repo) { r.Signers = nil })
		}, "somebody replaced them"},
		"another repository": {func(f forger, _ ed25519.PrivateKey) {
			f.repo(func(r *repo) { r.ID, r.Signers = model.DerivedID("forged"), append(r.Signers, publicText(f.key)) })
		}, "somebody replaced them"},
		"no repository": {func(f forger, _ ed25519.PrivateKey) { os.Remove(filepath.Join(f.place, repoName)) }, ""},
		"one key more": {func(f forger, _ ed25519.PrivateKey) {
			f.repo(func(r *repo) { r.Signers = append(r.Signers, publicText(f.key)) })
		}, ""},
		"one key more that vouches for itself": {func(f forger, _ ed25519.PrivateKey) {
			f.repo(func(r *repo) {
				r.Signers, r.Vouchers = append(r.Signers, publicText(f.key)), []voucher{sign(f, f.key, r.ID)}
			})
		}, ""},
		"a forged voucher": {func(f forger, own ed25519.PrivateKey) {
			f.repo(func(r *repo) {
				v := sign(f, f.key, r.ID)
				v.By = publicText(own)
				r.Signers, r.Vouchers = append(r.Signers, publicText(f.key)), []voucher{v}
			})
		}, ""},
		"the voucher of another place": {func(f forger, own ed25519.PrivateKey) {
			f.repo(func(r *repo) {
				r.Signers, r.Vouchers = append(r.Signers, publicText(f.key)), []voucher{sign(f, own, model.DerivedID("elsewhere"))}
			})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.fill(2, "contact")
			f := forger{t: t, place: t.TempDir()}
			var err error
			if _, f.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
				t.Fatal(err)
			}
			info := h.create(model.BackupRequest{To: f.place})
			own, err := h.signingKey()
			if err != nil {
				t.Fatal(err)
			}
			c.forge(f, own)
			f.resign()
			list, err := h.ListBackups(t.Context(), model.BackupRequest{To: f.place})
			_, _, rerr := h.RestoreBackup(t.Context(), model.BackupRequest{To: f.place, ID: info.ID}, nil)
			if c.says != "" {
				says(t, err, model.Refused, c.says)
				says(t, rerr, model.Refused, c.says)
				_, err = h.CreateBackup(t.Context(), model.BackupRequest{To: f.place}, nil)
				says(t, err, model.Refused, c.says)
				_, err = h.InitBackups(t.Context(), model.BackupRequest{To: f.place})
				says(t, err, model.Refused, c.says)
			} else {
				if err != nil || len(list) != 1 || list[0].Verified || list[0].Problem == "" {
					t.Errorf("%+v, %v", list, err)
				}
				if model.KindOf(rerr) != model.Corrupt {
					t.Errorf("restored: %v", rerr)
				}
			}
			if name == "no repository" {
				return
			}
			if got, err := h.InitBackups(t.Context(), model.BackupRequest{To: f.place, Trust: true}); err != nil || got.Strangers != 0 {
				t.Errorf("%+v, %v", got, err)
			}
			if list, err = h.ListBackups(t.Context(), model.BackupRequest{To: f.place}); err != nil || len(list) != 1 || list[0].Verified == (name == "no keys") {
				t.Errorf("believed: %+v, %v", list, err)
			}
			h.create(model.BackupRequest{To: f.place})
		})
	}
}

// named is a store with a name of its own.
type named struct {
	Folder
	name string
}

func (n named) String() string { return n.name }

// TestVouchedKeys holds whom a home believes: whoever a believed one vouches for,
// also by a third, and for good. A place that a home makes anew is its own.
func TestVouchedKeys(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	req := model.BackupRequest{To: place}
	var homes []*home
	for range 4 {
		h := newHome(t)
		h.fill(1, "contact")
		h.create(req)
		homes = append(homes, h)
	}
	// The third knows the first two, and vouches for the fourth; the first
	// vouches for the third only.
	f := forger{t: t, place: place}
	believes := func(i, want int) {
		t.Helper()
		list, err := homes[i].ListBackups(t.Context(), req)
		list = slices.DeleteFunc(list, func(b model.BackupInfo) bool { return !b.Verified })
		if err != nil || len(list) != want {
			t.Errorf("home %d believes %d backups, want %d; %v", i, len(list), want, err)
		}
	}
	fourth := ""
	f.repo(func(r *repo) { fourth = r.Signers[3]; r.Signers = r.Signers[:3] })
	if _, err := homes[0].InitBackups(t.Context(), model.BackupRequest{To: place, Trust: true}); err != nil {
		t.Fatal(err)
	}
	f.repo(func(r *repo) { r.Signers = append(r.Signers, fourth) })
	believes(0, 3)
	if _, err := homes[2].InitBackups(t.Context(), model.BackupRequest{To: place, Trust: true}); err != nil {
		t.Fatal(err)
	}
	believes(0, 4)
	believes(1, 4)
	f.repo(func(r *repo) { r.Vouchers = nil })
	believes(0, 4)
	believes(1, 4)
	// What a key may not overwrite, this home believes for itself.
	late := newHome(t)
	late.fill(1, "contact")
	late.create(req)
	homes[0].store = addsOnly{Folder(place)}
	if got, err := homes[0].InitBackups(t.Context(), model.BackupRequest{Trust: true}); err != nil || got.Strangers != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	believes(0, 5)
	believes(1, 4)
	homes[0].store = nil

	if err := os.RemoveAll(place); err != nil {
		t.Fatal(err)
	}
	if got, err := homes[0].InitBackups(t.Context(), req); err != nil || !got.Fresh {
		t.Fatalf("%+v, %v", got, err)
	}
	homes[0].create(req)
	believes(0, 1)
	_, err := homes[1].ListBackups(t.Context(), req)
	says(t, err, model.Refused, "somebody replaced them")

	// Disks take turns in a place, once one is told that they do.
	other := t.TempDir()
	homes[2].create(model.BackupRequest{To: other})
	for range 2 {
		for _, from := range []string{place, other} {
			disk := from + ".disk"
			if err := os.Rename(from, disk); err != nil {
				t.Fatal(err)
			}
			homes[3].store = named{Folder(disk), "the disk"}
			if _, err := homes[3].ListBackups(t.Context(), req); from == place && err != nil {
				t.Error(err)
			} else if err != nil {
				says(t, err, model.Refused, "somebody replaced them")
				if _, err := homes[3].InitBackups(t.Context(), model.BackupRequest{Trust: true}); err != nil {
					t.Fatal(err)
				}
			}
			homes[3].create(model.BackupRequest{})
			if err := os.Rename(disk, from); err != nil {
				t.Fatal(err)
			}
		}
	}
	homes[3].store = nil
	if list, err := homes[3].ListBackups(t.Context(), model.BackupRequest{To: other}); err != nil || len(list) != 3 {
		t.Errorf("%d backups on the other disk, %v", len(list), err)
	}

	write(t, filepath.Join(homes[0].dir, pinsName), []byte("nonsense"))
	_, err = homes[0].ListBackups(t.Context(), req)
	says(t, err, model.Invalid, "cannot be read")
	if strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
}
