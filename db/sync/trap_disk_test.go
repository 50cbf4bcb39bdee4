package sync_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/model"
)

// disk is a small file system in memory of a test's own.
type disk struct{ dir string }

// smallDisk makes one, where this system lets the test do so.
func smallDisk(t *testing.T, size string) (*disk, bool) {
	t.Helper()
	d := &disk{t.TempDir()}
	if exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", d.dir).Run() != nil {
		return nil, false
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return d, true
}

// is changes what the disk is: its size, or whether it takes writes.
func (d *disk) is(t *testing.T, option string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+option, d.dir).CombinedOutput(); err != nil {
		t.Fatalf("remount %s: %v %s", option, err, out)
	}
}

// fillServer makes more rows on the server than fit on a small disk.
func fillServer(t *testing.T, c *central) {
	t.Helper()
	c.exec(t, "INSERT INTO contact (last_name, notes) SELECT CONCAT('c', seq), REPEAT('n', 3000) FROM seq_1_to_1500")
}

// stillWell holds that what went wrong on the disk left the cache whole and
// the edits in their place.
func stillWell(t *testing.T, h *home, edited model.ID) {
	t.Helper()
	if problems, err := h.IntegrityCheck(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if got := h.get(t, "contact", edited).Text("job_title"); got != "edited" {
		t.Errorf("job_title = %q", got)
	}
}

// T34: the disk is full while a page is stored. The page is not stored, the
// person is told, and when there is room the sync goes on.
func TestT34DiskFull(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	fillServer(t, c)
	for _, kB := range []int{1500, 2500, 4000} {
		a.save(t, "contact", r.ID, map[string]any{"job_title": "edited"})
		cmd := child(a, fmt.Sprint("RAPPORT_TEST_FILE_LIMIT=", kB<<10))
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err == nil {
			t.Fatalf("the sync fitted into files of %d kB", kB)
		}
		if len(out) < 20 || !strings.Contains(string(out), "disk") {
			t.Errorf("with files of %d kB the person reads %q (%s)", kB, out, errs.String())
		}
		plain(t, string(out))
		stillWell(t, a, r.ID)
	}
	converge(t, c, a, b)
}

// T34: the same on a disk that really is full, with the program going on.
func TestT34SmallDisk(t *testing.T) {
	d, ok := smallDisk(t, "3m")
	if !ok {
		t.Log("no disk can be made here: the limit of a file's size stands in for it in TestT34DiskFull")
		d = &disk{t.TempDir()}
	}
	c := newCentral(t)
	a, b := openHome(t, "ann", d.dir, c.url), newHome(t, "bob", c.url)
	t.Cleanup(func() { a.Close() }) // before the disk goes
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "edited"})
	fillServer(t, c)
	if ok {
		for range 3 {
			_, err := a.try(t)
			tells(t, err, model.Other)
			stillWell(t, a, r.ID)
		}
		d.is(t, "size=64m")
	}
	converge(t, c, a, b)
}

// T34: the workspace's file cannot be written.
func TestT34ReadOnly(t *testing.T) {
	c := newCentral(t)
	d, ok := smallDisk(t, "16m")
	if !ok {
		d = &disk{t.TempDir()}
	}
	a := openHome(t, "ann", d.dir, c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "edited"})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(d.dir, sqlite.FileName)
	protect, free := func() { d.is(t, "ro") }, func() { d.is(t, "rw") }
	if !ok {
		protect, free = func() { os.Chmod(file, 0o400) }, func() { os.Chmod(file, 0o600) }
	}
	protect()
	db, err := sqlite.Open(t.Context(), file, sqlite.Options{Settings: model.Settings{Home: d.dir, Me: "ann"}})
	if err == nil {
		db.Close() // a superuser who cannot make a disk writes where nobody may
	} else {
		tells(t, err, model.Invalid, model.Other)
	}
	if ok && err == nil {
		t.Error("a workspace on a read-only disk was opened")
	}
	free()
	a = openHome(t, "ann", d.dir, c.url)
	t.Cleanup(func() { a.Close() })
	stillWell(t, a, r.ID)
	converge(t, c, a)
}

// T34: another process is in the middle of a write while pages are stored.
func TestT34LockedFile(t *testing.T) {
	c := newCentral(t)
	p := servertest.NewProxy(t, servertest.Shared(t))
	a, b := newHome(t, "ann", p.URL(c.url)), newHome(t, "bob", c.url)
	r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
	a.sync(t)
	other, err := sql.Open("sqlite", "file:"+filepath.Join(a.dir, sqlite.FileName)+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a.save(t, "contact", r.ID, map[string]any{"job_title": "edited"})
	c.exec(t, "UPDATE contact SET notes = 'theirs'")
	hold := func() *sql.Tx {
		tx, err := other.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	freed := make(chan error, 1)
	p.On("INSERT INTO sync_push", func() bool {
		tx := hold()
		time.AfterFunc(200*time.Millisecond, func() { freed <- tx.Rollback() })
		return true
	})
	if res := a.sync(t); res.Pushed != 1 || res.Pulled != 1 {
		t.Errorf("sync beside a writer: %+v", res)
	}
	if err := <-freed; err != nil {
		t.Fatal(err)
	}
	// One who never ends is waited for ten seconds.
	for range times(0, 1) {
		a.save(t, "contact", r.ID, map[string]any{"department": "kept"})
		var tx *sql.Tx
		p.On("INSERT INTO sync_push", func() bool { tx = hold(); return true })
		_, err := a.try(t)
		tells(t, err, model.Locked)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	stillWell(t, a, r.ID)
	converge(t, c, a, b)
}
