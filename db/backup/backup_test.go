package backup

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"rapport/db/sqlite"
	"rapport/model"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(40)
	want := h.dump()
	info := h.create(model.BackupRequest{})
	list, err := h.ListBackups(t.Context(), model.BackupRequest{})
	if err != nil || len(list) != 1 || list[0] != info {
		t.Fatalf("list: %+v, %v; want %+v", list, err, info)
	}
	got, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: info.ID[28:]}, nil)
	if info.Level, info.CheckedAt = model.LevelRead, h.now; err != nil || got != info {
		t.Fatalf("verify: %+v, %v", got, err)
	}
	if _, err := h.raw.Exec(`DELETE FROM contact_method; DELETE FROM address; UPDATE contact SET first_name = 'changed'; DELETE FROM sync_base`); err != nil {
		t.Fatal(err)
	}
	changed := h.dump()
	got, safety, err := h.RestoreBackup(t.Context(), model.BackupRequest{ID: "latest"}, nil)
	if err != nil || got != info {
		t.Fatalf("restore: %+v, %v", got, err)
	}
	sameDump(t, "restored", h.dump(), want)
	for _, key := range []string{"client", "batch_number", "backup_lineage", "backup_places", "backup_number"} {
		var n int
		if err := h.raw.QueryRow(`SELECT count(*) FROM state WHERE key = ?`, key).Scan(&n); err != nil || n != 0 {
			t.Errorf("the restored workspace has the %s of the lost one", key)
		}
	}
	if damage, err := h.db.IntegrityCheck(t.Context()); err != nil || len(damage) > 0 {
		t.Errorf("integrity: %v, %v", damage, err)
	}
	// What was there is in the safety copy, which is a workspace.
	other := &home{t: t, dir: t.TempDir()}
	if err := os.Rename(safety, filepath.Join(other.dir, sqlite.FileName)); err != nil {
		t.Fatal(err)
	}
	other.open()
	defer other.close()
	sameDump(t, "safety copy", other.dump(), changed)
	if left := files(t, h.dir, ".restore-"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRestoreIntoAnEmptyHome(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	write(t, filepath.Join(h.dir, "config.toml"), []byte("central = \"mysql://ann:se:cr@t@db/crm\"\nme = \"ann\"\n"))
	target := t.TempDir()
	h.create(model.BackupRequest{To: target})
	lost := filepath.Join(t.TempDir(), "new")
	_, safety, err := Restore(t.Context(), lost, model.BackupRequest{To: "file://" + filepath.ToSlash(target)}, nil)
	if err != nil || safety != "" {
		t.Fatalf("restore: %q, %v", safety, err)
	}
	if got := string(read(t, filepath.Join(lost, "config.toml"))); got != "central = \"mysql://ann@db/crm\"\nme = \"ann\"\n" {
		t.Errorf("settings: %q", got)
	}
	n := &home{t: t, dir: lost}
	n.open()
	defer n.close()
	sameDump(t, "restored", n.dump(), h.dump())
	if runtime.GOOS != "windows" {
		for _, dir := range []string{lost, target} {
			err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil || name == target {
					return err
				}
				info, err := d.Info()
				if err == nil && info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s is open to others: %v", name, info.Mode())
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// TestManyParts makes a table larger than a part.
func TestManyParts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2)
	big := strings.Repeat("long text \n", 100_000)
	for i := range 40 {
		if _, err := h.raw.Exec(`INSERT INTO address (id, contact_id, street) VALUES (?, ?, ?)`, rowID("big", i), rowID("contact", i%2), big); err != nil {
			t.Fatal(err)
		}
	}
	want := h.dump()
	h.create(model.BackupRequest{})
	if parts := files(t, h.dir, "t/address/"); len(parts) != 3 {
		t.Errorf("%d parts, want 3", len(parts))
	}
	if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	sameDump(t, "restored", h.dump(), want)
}

// TestKilledAnywhere stops a backup at each call of its store. Nothing that is
// listed as verified may fail to verify, and the next backup works.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(2, "contact", "contact_method", "sync_base", "audit")
	target := Folder(t.TempDir())
	died := errors.New("killed")
	for n := int64(0); ; n++ {
		f := &failing{Store: target, err: died}
		f.left.Store(n)
		h.store = f
		_, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
		h.store = target
		list, lerr := h.ListBackups(t.Context(), model.BackupRequest{})
		if lerr != nil {
			t.Fatal(lerr)
		}
		for _, b := range list {
			if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: b.ID}, nil); err != nil {
				t.Fatalf("stopped at call %d: the listed backup %+v does not verify: %v", n, b, err)
			}
			for _, f := range files(t, string(target), b.ID) {
				os.Remove(f)
			}
		}
		if err == nil {
			if n < 15 {
				t.Fatalf("a backup made %d calls only", n)
			}
			break
		}
		if !errors.Is(err, died) {
			t.Fatalf("stopped at call %d: %v", n, err)
		}
	}
	h.create(model.BackupRequest{})
	// Two days later the next backup removes what was left.
	left := len(files(t, string(target), "b/"))
	h.now = h.now.Add(leftoverAge + time.Hour)
	for _, f := range files(t, string(target), "b/") {
		old := h.now.Add(-2 * leftoverAge)
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
	}
	h.create(model.BackupRequest{})
	list, err := h.ListBackups(t.Context(), model.BackupRequest{})
	if err != nil || len(list) != 2 || !list[0].At.After(list[1].At) {
		t.Fatalf("list: %+v, %v", list, err)
	}
	if now := len(files(t, string(target), "b/")); now != 2*len(files(t, string(target), list[0].ID)) || now >= left*3 {
		t.Errorf("%d objects are there, %d were", now, left)
	}
}

// TestWrongStoreIsNoticed has a store that gives other bytes than it was given.
func TestWrongStoreIsNoticed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(5)
	h.store = &flipping{Folder(t.TempDir())}
	info, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
	if model.KindOf(err) != model.Corrupt || info.Verified || !strings.Contains(info.Problem, "t/deal/00001") {
		t.Fatalf("create: %+v, %v", info, err)
	}
	list, err := h.ListBackups(t.Context(), model.BackupRequest{})
	if err != nil || len(list) != 1 || list[0].Verified || list[0].Problem == "" {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{}, nil); model.KindOf(err) != model.Corrupt {
		t.Errorf("restore of the newest verified one: %v", err)
	}
}

type flipping struct{ Store }

func (f *flipping) Put(ctx context.Context, key string, data []byte) error {
	if strings.Contains(key, "/deal/") {
		data = slices.Clone(data)
		data[len(data)/2] ^= 1
	}
	return f.Store.Put(ctx, key, data)
}

func TestSnapshotHoldsWhilePeopleWrite(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(20)
	want := h.dump()
	h.store = &busy{Store: Folder(t.TempDir()), work: func() {
		if _, err := h.raw.Exec(`UPDATE deal SET name = name || 'x'; DELETE FROM activity_link; DELETE FROM audit`); err != nil {
			t.Error(err)
		}
	}}
	h.create(model.BackupRequest{})
	if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	sameDump(t, "restored", h.dump(), want)
}

// busy writes to the workspace whenever a part is stored.
type busy struct {
	Store
	work func()
}

func (b *busy) Put(ctx context.Context, key string, data []byte) error {
	if strings.Contains(key, "/t/") {
		b.work()
	}
	return b.Store.Put(ctx, key, data)
}

// TestSettingsOfBackups holds that what asks for a backup without more, as the
// menu does, gets one where and for whom the settings say, and opens it with
// their key.
func TestSettingsOfBackups(t *testing.T) {
	t.Parallel()
	k, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, place := filepath.Join(t.TempDir(), "key"), t.TempDir()
	write(t, key, []byte(k.String()+"\n"))
	h := newHome(t)
	h.fill(5)
	b := New(Options{Home: h.dir, DB: func() *sqlite.DB { return h.db },
		Settings: model.Settings{Home: h.dir, Backup: model.BackupSettings{To: place, Recipients: []string{k.Recipient().String()}, OneKey: true, Identity: key}}})
	info, err := b.CreateBackup(t.Context(), model.BackupRequest{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(info.Path, place) || len(files(t, place, "manifest.json.age")) != 1 {
		t.Errorf("the backup lies in %s, not encrypted in %s", info.Path, place)
	}
	if got, err := b.VerifyBackup(t.Context(), model.BackupRequest{}, nil); err != nil || !got.Verified {
		t.Errorf("verify: %+v, %v", got, err)
	}
	if _, err := b.VerifyBackup(t.Context(), model.BackupRequest{To: t.TempDir()}, nil); model.KindOf(err) != model.NotFound {
		t.Errorf("verify somewhere else: %v", err)
	}
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	id := func() (*age.X25519Identity, string) {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key")
		write(t, file, []byte("# a key\n"+k.String()+"\n"))
		return k, file
	}
	a, aFile := id()
	b, bFile := id()
	_, otherFile := id()
	h := newHome(t)
	h.fill(5)
	want := h.dump()
	info := h.create(model.BackupRequest{Recipients: []string{a.Recipient().String(), b.Recipient().String()}})
	for _, f := range files(t, h.dir, "/b/") {
		if strings.HasSuffix(f, ".age") == (strings.HasSuffix(f, "summary.json") || strings.HasSuffix(f, "manifest.sig")) {
			t.Errorf("%s is not encrypted", f)
		}
		if strings.Contains(string(read(t, f)), "last_name") {
			t.Errorf("%s can be read", f)
		}
	}
	if list, err := h.ListBackups(t.Context(), model.BackupRequest{}); err != nil || len(list) != 1 || list[0] != info {
		t.Errorf("list without a key: %+v, %v", list, err)
	}
	for file, want := range map[string]string{"": "its key is needed", otherFile: "another key"} {
		_, err := h.VerifyBackup(t.Context(), model.BackupRequest{Identity: file}, nil)
		if model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("verify with the key %q: %v", file, err)
		}
		if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{Identity: file}, nil); model.KindOf(err) != model.Invalid {
			t.Errorf("restore with the key %q: %v", file, err)
		}
	}
	for _, file := range []string{aFile, bFile} {
		got, err := h.VerifyBackup(t.Context(), model.BackupRequest{Identity: file}, nil)
		if info.Level, info.CheckedAt = model.LevelRead, h.now; err != nil || got != info {
			t.Errorf("verify: %+v, %v", got, err)
		}
	}
	if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{Identity: bFile}, nil); err != nil {
		t.Fatal(err)
	}
	sameDump(t, "restored", h.dump(), want)
	deal := files(t, h.dir, "t/deal/")[0]
	data := read(t, deal)
	data[len(data)-3] ^= 1
	write(t, deal, data)
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{Identity: aFile}, nil); model.KindOf(err) != model.Corrupt || !strings.Contains(err.Error(), "t/deal/00001.jsonl.zst.age") {
		t.Errorf("verify of a damaged one: %v", err)
	}
	for _, bad := range [][]string{{"age1nonsense"}, {""}} {
		if _, err := h.CreateBackup(t.Context(), model.BackupRequest{Recipients: bad}, nil); model.KindOf(err) != model.Invalid {
			t.Errorf("recipients %q: %v", bad, err)
		}
	}
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{Identity: deal}, nil); model.KindOf(err) != model.Invalid {
		t.Errorf("a file without an identity: %v", err)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	full := &failing{Store: Folder(t.TempDir()), err: &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}
	full.left.Store(3)
	h.store = full
	_, err := h.CreateBackup(t.Context(), model.BackupRequest{}, nil)
	if e, _ := err.(*model.Error); e == nil || !strings.Contains(e.Msg, "no room left") || e.Hint == "" {
		t.Errorf("disk full: %v", err)
	}
	h.store = nil
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for name, c := range map[string]struct {
		req  model.BackupRequest
		kind model.Kind
	}{
		"unknown scheme": {model.BackupRequest{To: "ftp://host/x"}, model.Invalid},
		"unknown kind":   {model.BackupRequest{Kind: "half"}, model.Invalid},
		"a file":         {model.BackupRequest{To: file}, model.Invalid},
	} {
		if _, err := h.CreateBackup(t.Context(), c.req, nil); model.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := h.ListBackups(t.Context(), model.BackupRequest{To: filepath.Join(t.TempDir(), "absent")}); err != nil || list == nil || len(list) != 0 {
		t.Errorf("an absent folder: %v, %v", list, err)
	}
	for _, id := range []string{"", "latest", "no-such-id"} {
		if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{ID: id}, nil); model.KindOf(err) != model.NotFound {
			t.Errorf("restore %q: %v", id, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.CreateBackup(ctx, model.BackupRequest{}, nil); err == nil {
		t.Error("a backup was made after its context ended")
	}
	newer := t.TempDir()
	write(t, filepath.Join(newer, "REPO.json"), []byte(`{"format":"rapport-backup/2"}`))
	if _, err := h.ListBackups(t.Context(), model.BackupRequest{To: newer}); model.KindOf(err) != model.TooNew {
		t.Errorf("a newer format: %v", err)
	}
}

func TestRestoreOverAnOpenOrDamagedWorkspace(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(3)
	target := t.TempDir()
	h.create(model.BackupRequest{To: target})
	want := h.dump()
	// Somebody else has it open: it stays as it is.
	if _, _, err := Restore(t.Context(), h.dir, model.BackupRequest{To: target}, nil); model.KindOf(err) != model.Locked {
		t.Errorf("restore over an open workspace: %v", err)
	}
	if _, err := h.raw.Exec(`UPDATE tag SET color = 'red'`); err != nil {
		t.Errorf("the open workspace cannot be used any more: %v", err)
	}
	// It is damaged: the file is kept as it is.
	home2 := t.TempDir()
	junk := []byte(strings.Repeat("junk ", 4096))
	write(t, filepath.Join(home2, sqlite.FileName), junk)
	_, safety, err := Restore(t.Context(), home2, model.BackupRequest{To: target}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(read(t, safety)) != string(junk) {
		t.Error("the damaged file was not kept")
	}
	n := &home{t: t, dir: home2}
	n.open()
	defer n.close()
	sameDump(t, "restored", n.dump(), want)
}

// TestEveryTableIsBackedUp fails when somebody adds a table that a backup
// would leave out.
func TestEveryTableIsBackedUp(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	tables, err := h.db.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, x := range tables {
		known[x.Name] = true
		if len(x.Key) == 0 || len(x.Types) != len(x.Columns) || slices.Contains(x.Types, "") {
			t.Errorf("the table %s is not described: %+v", x.Name, x)
		}
	}
	rows, err := h.raw.Query(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name sql.NullString
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !known[name.String] && !strings.HasPrefix(name.String, "search") && !strings.HasPrefix(name.String, "backup_") {
			t.Errorf("the table %s is in no backup: add it to the service tables, or name it search… or backup_… if it is derived", name.String)
		}
	}
}

// TestWorkAfterARestore restores what a person did and goes on from there: the
// unsent changes are sent, the history tells them, the search finds them.
func TestWorkAfterARestore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newHome(t)
	mail := model.NewRecord("contact_method")
	mail.Values = map[string]any{"kind": "email", "value": "zoe@example.org"}
	phone := model.NewRecord("contact_method")
	phone.Values = map[string]any{"kind": "phone", "value": "044 668 18 00"}
	org, err := h.db.Save(ctx, model.Edit{Noun: "organization", Set: map[string]any{"name": "Müller GmbH"}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := h.db.Save(ctx, model.Edit{Noun: "contact", Set: map[string]any{"email": []*model.Record{mail}, "phone": []*model.Record{phone}, "organization": model.Ref{Noun: "organization", ID: org.ID}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.Save(ctx, model.Edit{Noun: "contact", ID: made.ID, Set: map[string]any{"notes": "met\nat the fair"}}); err != nil {
		t.Fatal(err)
	}
	before, err := h.db.Get(ctx, "contact", made.ID)
	if err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	h.create(model.BackupRequest{To: target})
	dir := t.TempDir()
	swiss := New(Options{Home: dir, Settings: model.Settings{Home: dir, Region: "CH"}})
	if _, _, err := swiss.RestoreBackup(ctx, model.BackupRequest{To: target}, nil); err != nil {
		t.Fatal(err)
	}
	n := &home{t: t, dir: dir}
	n.open()
	defer n.close()
	got, err := n.db.Get(ctx, "contact", made.ID)
	if err != nil || !reflect.DeepEqual(got, before) {
		t.Errorf("the contact is %+v, %v; want %+v", got, err, before)
	}
	if hits, err := n.db.Search(ctx, "mull", "", 10); err != nil || len(hits) == 0 || hits[0].ID != org.ID {
		t.Errorf("search: %+v, %v", hits, err)
	}
	if hits, err := n.db.Search(ctx, "zoe@ex", "", 10); err != nil || len(hits) == 0 || hits[0].ID != made.ID {
		t.Errorf("search: %+v, %v", hits, err)
	}
	if hits, err := n.db.Search(ctx, "+41446681800", "", 10); err != nil || len(hits) == 0 || hits[0].ID != made.ID {
		t.Errorf("search for a phone without a country code: %+v, %v", hits, err)
	}
	want, err := h.db.NextBatch(ctx, 1000, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := n.db.NextBatch(ctx, 1000, 1<<20)
	if err != nil || batch == nil {
		t.Fatalf("the unsent changes are gone: %v", err)
	}
	if !reflect.DeepEqual(batch.Ops, want.Ops) {
		t.Errorf("the unsent changes are\n%+v, want\n%+v", batch.Ops, want.Ops)
	}
	if batch.Client == want.Client || batch.Client == "" {
		t.Errorf("the restored workspace is the client %q, the other one %q", batch.Client, want.Client)
	}
	if _, err := n.db.Save(ctx, model.Edit{Noun: "contact", ID: made.ID, Set: map[string]any{"first_name": "Zoë"}}); err != nil {
		t.Errorf("the restored workspace takes no edit: %v", err)
	}
}

// TestEitherKeyOpensABackup makes this computer's key and a recovery key, once,
// and opens a backup with each.
func TestEitherKeyOpensABackup(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.fill(1)
	made, err := h.InitBackups(t.Context(), model.BackupRequest{OwnKey: true, NewKey: true})
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.InitBackups(t.Context(), model.BackupRequest{OwnKey: true})
	if err != nil || *again.Own != *made.Own || again.Recovery != nil {
		t.Fatalf("%+v, %v", again.Own, err)
	}
	if info, err := os.Stat(made.Own.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	chosen := model.BackupSettings{Recipients: []string{made.Own.Recipient, made.Recovery.Recipient}, Identity: made.Own.File}
	h.ChooseBackups(chosen)
	b := h.create(model.BackupRequest{})
	if !b.Encrypted {
		t.Error("it is not encrypted as was chosen")
	}
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: b.ID}, nil); err != nil {
		t.Errorf("by this computer's key: %v", err)
	}
	recovery := filepath.Join(t.TempDir(), "recovery.txt")
	if err := os.WriteFile(recovery, []byte(made.Recovery.Identity+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyBackup(t.Context(), model.BackupRequest{ID: b.ID, Identity: recovery}, nil); err != nil {
		t.Errorf("by the recovery key: %v", err)
	}
}
