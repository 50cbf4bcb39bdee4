package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"rapport/model"
)

// What work that is under way keeps in the home: folders named .<kind>-….
const (
	scratchBackup  = "backup"  // notes where a backup is being written
	scratchTrial   = "trial"   // a backup that is restored on trial
	scratchRestore = "restore" // and one that is restored
)

// lockName is the file in such a folder that its process has locked. The
// operating system frees it when the process ends in whatever way.
const lockName = "lock"

// scratch makes a folder for work under way. free removes it, or leaves it to
// deadScratch, which finds as well what a process left that died.
func (b *Backuper) scratch(kind string) (dir string, free func(all bool), err error) {
	if err := os.MkdirAll(b.o.Home, 0o700); err != nil {
		return "", nil, cannotRestore(b.o.Home, err)
	}
	for range attempts {
		if dir, err = os.MkdirTemp(b.o.Home, "."+kind+"-*"); err != nil {
			break
		}
		l := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
		ok := false
		if ok, err = l.TryLock(); ok {
			return dir, func(all bool) {
				_ = l.Unlock()
				if all {
					os.RemoveAll(dir)
				}
			}, nil
		}
		// One who clears away was faster.
	}
	return "", nil, model.Errorf(model.Other, "the folder %s cannot be written", b.o.Home).WithHint("check its rights and the room on its disk").Because(err)
}

// deadScratch calls each for the folders of a kind whose processes are gone, and
// removes those for which it returns true.
func (b *Backuper) deadScratch(kind string, each func(dir string) bool) {
	// In a home that cannot be listed there is nothing to clear away.
	list, _ := os.ReadDir(b.o.Home)
	for _, d := range list {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), "."+kind+"-") {
			continue
		}
		dir := filepath.Join(b.o.Home, d.Name())
		l := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
		if ok, err := l.TryLock(); !ok || err != nil {
			continue
		}
		gone := each(dir)
		_ = l.Unlock()
		if gone {
			os.RemoveAll(dir)
		}
	}
}

// begunName is the file that says what backup is being made.
const begunName = "begun.json"

// begun says which folder of which place a backup is being written to.
type begun struct {
	Place  string `json:"place"`
	Prefix string `json:"prefix"`
}

// begin notes that a backup is being written. end forgets it, unless something
// of it is left that the next backup has to take away.
func (b *Backuper) begin(s Store, p place) (end func(left bool), err error) {
	if b.o.DB == nil {
		return func(bool) {}, nil
	}
	dir, free, err := b.scratch(scratchBackup)
	if err != nil {
		return nil, err
	}
	data, err := encodeJSON(begun{s.String(), p.prefix})
	if err == nil {
		err = writeFile(dir, filepath.Join(dir, begunName), data)
	}
	if err != nil {
		free(true)
		return nil, cannotRestore(b.o.Home, err)
	}
	return func(left bool) { free(!left) }, nil
}

// clear takes away what processes of this home left that died at work: in the
// home, and in a place what a backup had written. It returns a sentence about
// the latter, "" for nothing. A moment of the source cannot be opened again, so
// that nothing of it is of use.
func (b *Backuper) clear(ctx context.Context, s Store) (note string) {
	if b.o.DB == nil {
		return ""
	}
	for _, kind := range []string{scratchTrial, scratchRestore} {
		b.deadScratch(kind, func(string) bool { return true })
	}
	b.deadScratch(scratchBackup, func(dir string) bool {
		var was begun
		data, err := os.ReadFile(filepath.Join(dir, begunName))
		if err != nil || json.Unmarshal(data, &was) != nil {
			return true // it died before it wrote anything
		}
		p, _, ok := placeOf(was.Prefix)
		if was.Place != s.String() || !ok || p.prefix != was.Prefix {
			return !ok || b.o.Now().Sub(p.at()) > leftoverAge
		}
		if whole, err := hasManifest(ctx, s, p.prefix); whole || err != nil {
			return whole
		}
		n, err := remove(ctx, s, p.prefix)
		if n > 0 {
			note = fmt.Sprintf("the backup that was interrupted at %s UTC was taken away, and this one begun anew", p.at().Format("2006-01-02 15:04"))
		}
		// Where it may not be deleted, it is for whom prunes.
		return err == nil || mayNot(err)
	})
	return note
}

// remove deletes what lies below a prefix, a manifest first, as far as the store
// lets it, and returns how many objects went.
func remove(ctx context.Context, s Store, prefix string) (n int, err error) {
	objects, err := s.List(ctx, prefix)
	if err != nil {
		return 0, err
	}
	slices.SortStableFunc(objects, func(a, b Object) int {
		rank := func(o Object) int {
			if isManifest(path.Base(o.Key)) {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	for _, o := range objects {
		if err := s.Delete(ctx, o.Key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
