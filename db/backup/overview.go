package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"

	"rapport/model"
)

// Overview fills in what the place of the backups tells: where it is, the
// backups, newest first, and how many were interrupted.
func (b *Backuper) Overview(ctx context.Context, out *model.BackupOverview) error {
	var req model.BackupRequest
	s, err := b.store(&req)
	if err != nil {
		return err
	}
	out.Place = s.String()
	list, err := entries(ctx, s)
	if err != nil {
		return err
	}
	for _, e := range list {
		out.Items = append(out.Items, e.info)
	}
	objects, err := s.List(ctx, "b/")
	if err != nil {
		return cannotRead(s, err)
	}
	whole := map[string]bool{}
	for _, e := range list {
		whole[e.prefix] = true
	}
	for _, o := range objects {
		if p, _, ok := placeOf(o.Key); ok && !whole[p.prefix] {
			whole[p.prefix] = true
			out.Left++
		}
	}
	out.Trial, err = lastTrial(ctx, s)
	return err
}

// mostChecks is how many outcomes of verifications are read to find the last
// trial restore.
const mostChecks = 100

// lastTrial returns the outcome of the last trial restore, nil if there is none
// among the newest verifications.
func lastTrial(ctx context.Context, s Store) (*model.TrialRestore, error) {
	objects, err := s.List(ctx, checksPrefix)
	if err != nil {
		return nil, cannotRead(s, err)
	}
	// A name ends in the check's id, which begins with its time.
	slices.SortFunc(objects, func(a, b Object) int { return cmp.Compare(path.Base(b.Key), path.Base(a.Key)) })
	for _, o := range objects[:min(len(objects), mostChecks)] {
		data, err := s.Get(ctx, o.Key)
		if unanswered(err) {
			return nil, err
		}
		var c check
		if err == nil && json.Unmarshal(data, &c) == nil && c.Level == model.LevelRestored {
			return &model.TrialRestore{At: c.At, Backup: string(c.Backup), OK: c.OK, Problem: c.Problem}, nil
		}
	}
	return nil, nil
}
