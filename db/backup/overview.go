package backup

import (
	"context"

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
	list, err := b.whole(ctx, s)
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
	for _, source := range []string{model.SourceCentral, model.SourceLocal} {
		t, err := b.lastTrial(ctx, s, list, source)
		if err != nil {
			return err
		}
		// One that failed is told before one that did not.
		if t != nil && (out.Trial == nil || out.Trial.OK && (!t.OK || t.At.After(out.Trial.At))) {
			out.Trial = t.told()
		}
	}
	return nil
}
