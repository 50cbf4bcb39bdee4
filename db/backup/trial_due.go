package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"time"

	"rapport/model"
)

// weekly is when trial restores are due where nobody said it.
var weekly = model.Schedule{Expr: "0 0 * * 1"}

// tried is the outcome of a trial restore.
type tried struct {
	check
	kept time.Time // when it was added, by the clock of the store
}

// lastTrial returns the newest trial restore of a source, nil if there is none:
// of a workspace one of this copy, of a central any.
func (b *Backuper) lastTrial(ctx context.Context, s Store, list []entry, source string) (*tried, error) {
	lineage, err := b.ownLineage(ctx, source)
	if err != nil {
		return nil, err
	}
	objects, err := s.List(ctx, checksPrefix)
	if err != nil {
		return nil, cannotRead(s, err)
	}
	objects = slices.DeleteFunc(objects, func(o Object) bool {
		c, ok := checkOf(o.Key)
		return !ok || c.Level != model.LevelRestored
	})
	slices.SortFunc(objects, func(a, b Object) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(path.Base(b.Key), path.Base(a.Key)))
	})
	for _, o := range objects {
		t := tried{kept: o.At}
		data, err := s.Get(ctx, o.Key)
		if unanswered(err) {
			return nil, err
		}
		if err != nil || json.Unmarshal(data, &t.check) != nil {
			continue
		}
		if i := slices.IndexFunc(list, func(e entry) bool { return e.id == t.Backup }); i >= 0 && t.Source == "" {
			t.Source, t.Lineage = list[i].info.Source, list[i].lineage
		}
		if t.Source == source && (lineage == "" || t.Lineage == lineage) {
			return &t, nil
		}
	}
	return nil, nil
}

// told is what people see of a trial.
func (t *tried) told() *model.TrialRestore {
	if t == nil {
		return nil
	}
	return &model.TrialRestore{At: t.At, Source: t.Source, Backup: string(t.Backup), OK: t.OK, Problem: t.Problem}
}

// due tells whether another trial is due. One that failed is repeated as soon as
// there is a newer backup to try.
func (t *tried) due(since time.Time, newest *model.BackupInfo) bool {
	return t == nil || t.kept.Before(since) || !t.OK && newest != nil && newest.At.After(t.kept)
}

// trialSchedule returns the schedule of trials that holds, "" for none.
func (b *Backuper) trialSchedule(s model.Schedule) model.Schedule {
	if s.Expr == "" {
		s = b.settingsOf().Backup.Trial
	}
	return s
}

// TrialIfDue restores the newest sound backup of a source beside, and compares
// what came of it, if none was since the last due moment by the clock of the
// store. Of several computers that find it due at once, one does it.
func (b *Backuper) TrialIfDue(ctx context.Context, req model.BackupRequest, when model.Schedule, n model.Notify) (model.BackupInfo, bool, error) {
	var none model.BackupInfo
	if when = b.trialSchedule(when); when.Expr == "" {
		when = weekly
	}
	s, err := b.store(&req)
	if err != nil {
		return none, false, err
	}
	req.Source, req.Level = cmp.Or(req.Source, model.SourceLocal), model.LevelRestored
	now, err := b.nowOf(ctx, req.Source)
	if err != nil {
		return none, false, err
	}
	list, err := entries(ctx, s, b.pins())
	if err != nil {
		return none, false, err
	}
	newest, err := b.newest(ctx, list, req.Source, now)
	if err != nil {
		return none, false, err
	}
	if newest == nil {
		return none, false, model.Errorf(model.NotFound, "there is no verified backup of the %s in %s to try", sourceName(req.Source), s).WithHint("rapport backup create makes one").By(model.NewBackup)
	}
	now, err = storeNow(ctx, s, b.o.IDs.New())
	if err != nil {
		return none, false, err
	}
	if last, err := b.lastTrial(ctx, s, list, req.Source); err != nil || !last.due(when.Last(now), newest) {
		return triedBackup(list, last), false, err
	}
	g, err := b.takeGuard(ctx, s, guardTrial+req.Source)
	if model.KindOf(err) == model.Locked {
		return *newest, false, nil // somebody else does it
	}
	if err != nil {
		return none, false, err
	}
	well := false
	defer func() { g.release(ctx, well) }()
	// Somebody else may have ended meanwhile.
	if last, err := b.lastTrial(ctx, s, list, req.Source); err != nil || !last.due(when.Last(now), newest) {
		return triedBackup(list, last), false, err
	}
	stop := g.hold(ctx)
	defer stop()
	req.ID = newest.ID
	info, err := b.VerifyBackup(ctx, req, n)
	well = err == nil
	return info, true, err
}

// triedBackup is the backup that was tried, its id alone if it went.
func triedBackup(list []entry, last *tried) model.BackupInfo {
	if last == nil {
		return model.BackupInfo{}
	}
	if i := slices.IndexFunc(list, func(e entry) bool { return e.id == last.Backup }); i >= 0 {
		return list[i].info
	}
	return model.BackupInfo{ID: string(last.Backup), Source: last.Source, Level: last.Level, CheckedAt: last.At, Verified: last.OK, Problem: last.Problem}
}

// trialState fills in how the trials of a source are.
func (b *Backuper) trialState(ctx context.Context, s Store, list []entry, now time.Time, st *model.BackupState) error {
	last, err := b.lastTrial(ctx, s, list, st.Source)
	if err != nil {
		return err
	}
	st.Trial = last.told()
	if st.Trial != nil && !st.Trial.OK {
		st.Warnings = append(st.Warnings, "the last trial restore failed: "+cmp.Or(st.Trial.Problem, "the backup is damaged"))
	}
	when := b.trialSchedule(model.Schedule{})
	if when.Expr == "" {
		return nil
	}
	st.TrialSchedule, st.NextTrial = when.String(), when.Next(now)
	st.TrialDue = st.Verified != nil && last.due(when.Last(now), st.Verified)
	// Two moments ago everybody had a chance.
	twice := when.Last(when.Last(now).Add(-time.Second))
	switch {
	case st.Verified == nil:
	case last == nil && st.Verified.At.Before(twice):
		st.Warnings = append(st.Warnings, "no backup was ever restored on trial")
	case last != nil && last.kept.Before(twice):
		st.Warnings = append(st.Warnings, "no backup was restored on trial for "+ageOf(now.Sub(last.kept)))
	}
	return nil
}
