package workspace

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// placeTime is how long the place of the backups is asked for what it holds.
const placeTime = 10 * time.Second

// Disclose collects everything that the workspace knows of a person.
func (w *Workspace) Disclose(ctx context.Context, id model.ID) (model.Disclosure, error) {
	out := model.Disclosure{At: w.now().UTC(), Related: map[model.Noun][]*model.Record{}}
	db := w.cache()
	var err error
	if out.Record, err = db.Get(ctx, "contact", id); err != nil {
		return out, err
	}
	for _, e := range model.Records() {
		if out.Related[e.Noun], err = db.Related(ctx, "contact", id, e.Noun, 0); err != nil {
			return out, err
		}
	}
	out.History, err = db.History(ctx, "contact", id)
	return out, err
}

// PlanErasure tells what EraseRecord would do.
func (w *Workspace) PlanErasure(ctx context.Context, id model.ID) (model.ErasurePlan, error) {
	plan, err := w.cache().PlanErasure(ctx, id)
	if err != nil {
		return plan, err
	}
	w.lookAround(ctx, &plan)
	return plan, nil
}

// lookAround counts what else holds the record.
func (w *Workspace) lookAround(ctx context.Context, plan *model.ErasurePlan) {
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	plan.Backups = -1
	if list, err := w.backups.ListBackups(ctx, model.BackupRequest{}); err == nil {
		plan.Backups = len(list)
	}
	if found, err := filepath.Glob(filepath.Join(w.settings.Home, "backups", "safety-*.db")); err == nil && len(found) > 0 {
		plan.Notes = append(plan.Notes, "copies that restores kept are in "+filepath.Dir(found[0])+": remove them when they are not needed any more")
	}
	if w.address() != "" {
		plan.Notes = append(plan.Notes, "the server's binary logs hold earlier changes until they expire: see its binlog_expire_logs_seconds")
	}
}

// EraseRecord erases a contact for good.
func (w *Workspace) EraseRecord(ctx context.Context, id model.ID) (model.ErasurePlan, error) {
	plan, err := w.erase(ctx, id)
	if err != nil {
		return plan, err
	}
	list, err := w.cache().Erasures(ctx)
	if err == nil {
		err = w.backups.NoteErasures(ctx, list)
	}
	if err != nil {
		w.log.Warn("erasure not noted beside the backups", "kind", outcome(err))
		plan.Notes = append(plan.Notes, "the place of the backups could not be told; the next backup tells it")
	}
	w.log.Info("erased", "rows", plan.Erased)
	return plan, nil
}

func (w *Workspace) erase(ctx context.Context, id model.ID) (model.ErasurePlan, error) {
	here, err := w.cache().PlanErasure(ctx, id)
	unknown := model.KindOf(err) == model.NotFound
	if err != nil && !unknown {
		return here, err
	}
	if w.address() == "" {
		if unknown {
			return here, err
		}
		return w.cache().EraseRecord(ctx, id)
	}
	url, err := w.central(ctx)
	if err != nil {
		return here, err
	}
	plan, err := mysql.Erase(ctx, url, id)
	if model.KindOf(err) == model.NotFound && !unknown {
		// It was never sent.
		plan, err = w.cache().EraseRecord(ctx, id)
	}
	if err != nil {
		return plan, err
	}
	plan.Record, plan.Look, plan.Alike, plan.Notes = here.Record, here.Look, here.Alike, here.Notes
	if plan.Look == nil {
		plan.Look, plan.Alike, plan.Notes = []model.Ref{}, []model.Ref{}, []string{}
	}
	if _, err := w.Sync(ctx, false, nil); err != nil {
		var own *model.Error
		if errors.As(err, &own) {
			plan.Notes = append(plan.Notes, "this workspace forgets it with its next sync: "+own.Msg)
		}
	}
	return plan, nil
}

// Erasures lists the ledger, newest first.
func (w *Workspace) Erasures(ctx context.Context) ([]model.Erased, error) {
	return w.cache().Erasures(ctx)
}
