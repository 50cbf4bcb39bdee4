package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// sweepLeft removes what interrupted work left: folders of backups without a
// manifest and temporary files, when neither they nor anything beside them is
// younger than two days by the clock of the store, which shows now; if that is
// not known, it is not before the time of the newest object. It returns how many
// objects went. keep is asked before each folder, if there is one.
func sweepLeft(ctx context.Context, s Store, now time.Time, keep func(context.Context) error) (int, error) {
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return 0, cannotRead(s, err)
	}
	if now.IsZero() && len(objects) > 0 {
		now = slices.MaxFunc(objects, func(a, b Object) int { return a.At.Compare(b.At) }).At
	}
	before := now.Add(-leftoverAge)
	whole, newest := map[string]bool{}, map[string]time.Time{}
	for _, o := range objects {
		if p, name, ok := placeOf(o.Key); ok {
			whole[p.prefix] = whole[p.prefix] || isManifest(name)
			if o.At.After(newest[p.prefix]) {
				newest[p.prefix] = o.At
			}
		}
	}
	var n int
	asked := ""
	for _, o := range objects {
		p, name, ok := placeOf(o.Key)
		if !ok {
			continue
		}
		temp := strings.HasPrefix(path.Base(name), tempPrefix) && o.At.Before(before)
		if !temp && (whole[p.prefix] || !newest[p.prefix].Before(before)) {
			continue
		}
		if asked != p.prefix {
			if keep != nil {
				if err := keep(ctx); err != nil {
					return n, err
				}
			}
			if there, err := hasManifest(ctx, s, p.prefix); err != nil {
				return n, err
			} else if there && !temp {
				whole[p.prefix] = true
				continue
			}
			asked = p.prefix
		}
		if err := s.Delete(ctx, o.Key); err != nil {
			return n, cannotWrite(s, err)
		}
		n++
	}
	return n, nil
}

// sweepChecks removes the outcomes of verifications of backups that are gone, but
// for the newest trial restore of each lineage among them: that a restore was
// tried still counts when the backup it tried is gone.
func sweepChecks(ctx context.Context, s Store) error {
	// An outcome comes after its backup, so that the backups are listed later.
	checks, err := s.List(ctx, checksPrefix)
	if err != nil {
		return cannotRead(s, err)
	}
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return cannotRead(s, err)
	}
	there := map[model.ID]bool{}
	for _, o := range objects {
		if p, name, ok := placeOf(o.Key); ok && isManifest(name) {
			there[p.id] = true
		}
	}
	slices.SortFunc(checks, func(a, b Object) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(path.Base(b.Key), path.Base(a.Key)))
	})
	kept := map[string]bool{}
	for _, o := range checks {
		c, ok := checkOf(o.Key)
		if !ok || there[c.Backup] {
			continue
		}
		if c.Level == model.LevelRestored {
			data, err := s.Get(ctx, o.Key)
			if unanswered(err) {
				return err
			}
			of := check{}
			if err == nil && json.Unmarshal(data, &of) == nil && of.Lineage != "" && !kept[of.Lineage] {
				kept[of.Lineage] = true
				continue
			}
		}
		if err := s.Delete(ctx, o.Key); err != nil {
			return cannotWrite(s, err)
		}
	}
	return nil
}

// sweepGuards removes the objects of guards below the one that holds, but for
// the newest word that a prune went to its end, and what asking the clock or
// trying the store out left.
func sweepGuards(ctx context.Context, s Store, before time.Time) error {
	objects, err := s.List(ctx, "l/")
	if err != nil {
		return cannotRead(s, err)
	}
	top, lastDone := map[string]int64{}, map[string]int64{}
	for _, o := range objects {
		if token, end, ok := readGuard(o.Key); ok {
			dir := path.Dir(o.Key)
			top[dir] = max(top[dir], token)
			if end == done {
				lastDone[dir] = max(lastDone[dir], token)
			}
		}
	}
	for _, o := range objects {
		token, end, ok := readGuard(o.Key)
		dir := path.Dir(o.Key)
		old := ok && token < top[dir] && !(end == done && token == lastDone[dir])
		if !old && !(dir == "l" && o.At.Before(before)) {
			continue
		}
		if err := s.Delete(ctx, o.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cannotWrite(s, err)
		}
	}
	return nil
}
