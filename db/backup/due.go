package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rapport/model"
)

// skewTime is how long the server is waited for where only its clock is shown.
const skewTime = 3 * time.Second

// waits is how often one who finds another about to end the same backup looks
// again; the pauses double and come to about a minute.
const waits = 7

// daily is when backups are due where nobody said it.
var daily = model.Schedule{Expr: "0 0 * * *"}

// scheduleOf returns the schedule that holds, "" for none.
func (b *Backuper) scheduleOf(s model.Schedule) model.Schedule {
	if s.Expr == "" {
		s = b.settingsOf().Backup.Schedule
	}
	return s
}

// nowOf returns the time by the clock that dates the backups of a source: the
// server's for a central, this computer's for a workspace.
func (b *Backuper) nowOf(ctx context.Context, source string) (time.Time, error) {
	if source == model.SourceCentral && b.o.ServerNow != nil {
		return b.o.ServerNow(ctx)
	}
	return b.o.Now(), nil
}

// newest returns the newest sound backup of a source in a place: of a workspace
// one of this copy, of a central any. One whose time lies in the future was
// made under a clock that was wrong and proves nothing.
func (b *Backuper) newest(ctx context.Context, list []entry, source string, now time.Time) (*model.BackupInfo, error) {
	lineage, err := b.ownLineage(ctx, source)
	if err != nil {
		return nil, err
	}
	c := chainsOf(infosOf(list))
	sound := slices.DeleteFunc(c.soundOf(c.list, byAt), func(i model.BackupInfo) bool {
		return i.Source != source || lineage != "" && i.Lineage != lineage || i.At.After(now.Add(ahead))
	})
	if len(sound) == 0 {
		return nil, nil
	}
	return &sound[0], nil
}

// ownLineage is the lineage of this copy of the workspace, "" for a central,
// whose backups are everybody's.
func (b *Backuper) ownLineage(ctx context.Context, source string) (string, error) {
	if source != model.SourceLocal || b.o.DB == nil {
		return "", nil
	}
	return b.o.DB().Lineage(ctx)
}

// BackupIfDue makes a backup if none was made since the last due moment. Of
// several computers that do it at once, one ends: each looks again when all but
// the manifest is written, and nobody else can write one meanwhile.
func (b *Backuper) BackupIfDue(ctx context.Context, req model.BackupRequest, when model.Schedule, n model.Notify) (model.BackupInfo, bool, error) {
	if when = b.scheduleOf(when); when.Expr == "" {
		when = daily
	}
	s, err := b.store(&req)
	if err != nil {
		return model.BackupInfo{}, false, err
	}
	req.Source = cmp.Or(req.Source, model.SourceLocal)
	since := func(ctx context.Context) (*model.BackupInfo, error) {
		now, err := b.nowOf(ctx, req.Source)
		if err != nil {
			return nil, err
		}
		list, err := entries(ctx, s, b.pins())
		if err != nil {
			return nil, err
		}
		last, err := b.newest(ctx, list, req.Source, now)
		if last != nil && last.At.Before(when.Last(now)) {
			last = nil
		}
		return last, err
	}
	last, err := since(ctx)
	if err != nil || last != nil {
		return valueOf(last), false, err
	}
	var other *model.BackupInfo // that somebody else ended first
	var g *guard
	o := b.o
	o.before = func(ctx context.Context) error {
		for try := 0; ; try++ {
			g, err = b.takeGuard(ctx, s, guardBackup+req.Source)
			if err != nil && model.KindOf(err) != model.Locked {
				return err
			}
			var lerr error
			if other, lerr = since(ctx); lerr != nil {
				return lerr
			}
			switch {
			case other != nil:
				return taken()
			case err == nil:
				return g.keep(ctx)
			case try == waits:
				return err
			}
			if err := wait(ctx, try); err != nil {
				return stopped(err)
			}
		}
	}
	info, err := New(o).CreateBackup(ctx, req, n)
	if g != nil {
		g.release(ctx, err == nil)
	}
	if other != nil {
		return *other, false, nil
	}
	return info, err == nil, err
}

func valueOf(b *model.BackupInfo) model.BackupInfo {
	if b == nil {
		return model.BackupInfo{}
	}
	return *b
}

// BackupState tells how the backups of a source are.
func (b *Backuper) BackupState(ctx context.Context, req model.BackupRequest, when model.Schedule) (model.BackupState, error) {
	s, err := b.store(&req)
	if err != nil {
		return model.BackupState{}, err
	}
	st := model.BackupState{Source: cmp.Or(req.Source, model.SourceLocal), Place: s.String(), Warnings: []string{}}
	when = b.scheduleOf(when)
	// The server's clock is worth a moment only.
	now := b.o.Now()
	if b.o.ServerNow != nil {
		short, cancel := context.WithTimeout(ctx, skewTime)
		server, err := b.o.ServerNow(short)
		cancel()
		if err == nil {
			st.Skew = b.o.Now().Sub(server)
			if st.Source == model.SourceCentral {
				now = server
			}
		}
	}
	list, err := entries(ctx, s, b.pins())
	if err != nil {
		return st, err
	}
	if st.Verified, err = b.newest(ctx, list, st.Source, now); err != nil {
		return st, err
	}
	if when.Expr != "" {
		st.Schedule, st.LastDue, st.Next = when.String(), when.Last(now), when.Next(now)
		st.Due = st.Verified == nil || st.Verified.At.Before(st.LastDue)
	}
	g := &guard{store: s, dir: "l/" + guardPrune + "/"}
	h, err := g.top(ctx)
	if err != nil {
		return st, err
	}
	st.Pruned = h.done
	st.Warnings = append(st.Warnings, b.warnings(&st, list, when, now)...)
	return st, b.trialState(ctx, s, list, now, &st)
}

// Ages from which on a person is told.
const (
	oldBackup = 7 * 24 * time.Hour // of the newest backup where none is scheduled
	oldPrune  = 48 * time.Hour     // at the least
)

// warnings says what a person should look at.
func (b *Backuper) warnings(st *model.BackupState, list []entry, when model.Schedule, now time.Time) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	// Two moments ago everybody had a chance.
	twice := now.Add(-oldBackup)
	if when.Expr != "" {
		twice = when.Last(when.Last(now).Add(-time.Second))
	}
	ours := slices.DeleteFunc(slices.Clone(list), func(e entry) bool { return e.info.Source != st.Source })
	switch {
	case st.Verified == nil && (when.Expr != "" || len(ours) > 0):
		say("there is no verified backup of the %s", sourceName(st.Source))
	case st.Verified != nil && st.Verified.At.Before(twice):
		say("the last verified backup is %s old", ageOf(now.Sub(st.Verified.At)))
	}
	if len(ours) > 0 && !ours[0].info.Verified && (st.Verified == nil || ours[0].info.At.After(st.Verified.At)) {
		say("the newest backup is not verified: %s", cmp.Or(ours[0].info.Problem, "it was not compared"))
	}
	future := 0
	for _, e := range list {
		if e.info.At.After(now.Add(ahead)) {
			future++
		}
	}
	if future > 0 {
		say("%d of the backups have a time in the future: a clock was wrong", future)
	}
	// Without rules of its own nobody means to prune here.
	if chosen := b.settingsOf().Backup.Keep != (model.KeepRules{}); len(list) > 0 && (chosen || !st.Pruned.IsZero()) {
		limit := now.Add(-oldPrune)
		if twice.Before(limit) && when.Expr != "" {
			limit = twice
		}
		switch oldest := list[len(list)-1].info.At; {
		case st.Pruned.IsZero() && oldest.Before(limit):
			say("old backups were never pruned")
		case !st.Pruned.IsZero() && st.Pruned.Before(limit):
			say("old backups were not pruned for %s", ageOf(now.Sub(st.Pruned)))
		}
	}
	return out
}

func sourceName(source string) string {
	if source == model.SourceCentral {
		return "central"
	}
	return "workspace"
}

// ageOf writes how long something is ago, for people.
func ageOf(d time.Duration) string {
	if days := int(d / (24 * time.Hour)); days != 1 {
		if days == 0 {
			return fmt.Sprintf("%d hours", int(d/time.Hour))
		}
		return fmt.Sprintf("%d days", days)
	}
	return "1 day"
}
