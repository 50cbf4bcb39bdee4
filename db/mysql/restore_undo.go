package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// UndoRestore puts the tables back that the last restore replaced, in the way
// of a restore. What was entered since stays: see keepEntered. A restore that was interrupted is ended instead:
// one that had not exchanged the tables leaves nothing. With dryRun it only
// tells. Errors: NotFound where there is nothing to put back, Locked.
func UndoRestore(ctx context.Context, url string, dryRun bool, erase func(context.Context, *Loaded) error, n model.Notify) (Restored, error) {
	if dryRun {
		out, err := tellUndo(ctx, url)
		return out, mapError("undo the restore", err)
	}
	r, err := openRestorer(ctx, url, false, n)
	if err != nil {
		return Restored{}, mapError("undo the restore", err)
	}
	defer r.close()
	if r.removed {
		r.out.Done = r.done
		return r.out, nil
	}
	last := r.restoreEntry("state='" + restoreDone + "'")
	if r.err == nil {
		r.err = undoable(last, r.tables())
	}
	if r.err != nil {
		return r.out, mapError("undo the restore", r.err)
	}
	r.asked = Restoring{Position: last.Head, Nouns: last.Nouns, Erase: erase}
	r.undo(last)
	return r.out, r.ended()
}

// undoable tells why a restore cannot be undone, nil if it can.
func undoable(e *restoreEntry, have []string) error {
	if e == nil {
		return model.Errorf(model.NotFound, "no restore is known that could be undone")
	}
	if e.Bare {
		return model.Errorf(model.NotFound, "the last restore replaced nothing that could be put back").WithHint("it went into an empty database")
	}
	for _, x := range e.Tables {
		if x.Former != "" && !x.Passing && !slices.Contains(have, x.Former) {
			return model.Errorf(model.NotFound, "the former table %s is gone: it was kept for %d days", x.Former, int(replacedFor.Hours()/24)).WithHint("restore a backup from before, such as the safety backup that the restore made")
		}
	}
	return nil
}

// tellUndo says what an undo would do.
func tellUndo(ctx context.Context, url string) (Restored, error) {
	s, err := adminSession(ctx, url)
	if err != nil {
		return Restored{}, err
	}
	defer s.close()
	b := &builder{session: s, ctx: ctx, database: s.address.Database}
	b.useDatabase()
	have := b.tables()
	out := Restored{Target: s.address.String()}
	if b.err != nil || !slices.Contains(have, restoreTable.name) {
		if b.err == nil {
			b.err = undoable(nil, nil)
		}
		return out, b.err
	}
	if e := b.restoreEntry("state='" + restoreBegun + "'"); e != nil {
		now := b.list("SELECT epoch FROM sync_meta WHERE id=1")
		if b.err == nil && now[0] != e.Epoch {
			out.Done = append(out.Done, "a restore was interrupted before it replaced anything; the central goes on as it was")
			return out, nil
		}
	}
	last := b.restoreEntry("state IN ('" + restoreDone + "','" + restoreBegun + "')")
	if b.err != nil {
		return out, b.err
	}
	if err := undoable(last, have); err != nil {
		return out, err
	}
	for _, x := range last.Tables {
		if x.Former != "" && !x.Passing {
			out.Tables, out.Kept = append(out.Tables, x.Table), append(out.Kept, x.Former)
		}
	}
	since := b.list(fmt.Sprintf("SELECT COUNT(*) FROM sync_audit WHERE seq>=%d", last.History))
	if b.err == nil {
		out.Done = append(out.Done, fmt.Sprintf("%s changes were made since, and stay", since[0]))
	}
	return out, b.err
}

// undo exchanges the tables of a restore with those that it replaced.
func (r *restorer) undo(last *restoreEntry) {
	r.entry = restoreEntry{Nouns: last.Nouns, Undoes: last.ID}
	have := r.tables()
	var former []string
	for _, x := range last.Tables {
		if x.Former == "" || x.Passing || !slices.Contains(have, x.Table) {
			continue
		}
		if x.Table == historyTables[0] && len(last.Nouns) > 0 {
			// Other tables went on: theirs stays, and what was cut comes back.
			r.run("INSERT IGNORE INTO " + ident(x.Table) + " SELECT * FROM " + ident(x.Former))
			continue
		}
		r.entry.Tables = append(r.entry.Tables, exchanged{Table: x.Table, Made: x.Former, Former: x.Table})
		former = append(former, x.Table)
	}
	for _, t := range positionTables {
		r.entry.Tables = append(r.entry.Tables, exchanged{Table: t, Made: shorten(t, restoreSuffix), Former: t, Passing: true})
		former = append(former, t)
	}
	r.nameFormer(former)
	r.begin()
	r.persist(r.referAgain)
	r.keepEntered(last)
	r.carry()
	r.erase()
	r.place()
	r.persist(r.finish)
}

// referAgain gives former tables the references that those in their places
// have, under other names.
func (r *restorer) referAgain() {
	for _, x := range r.entry.Tables {
		if x.Passing {
			continue
		}
		r.bareAgain(x.Made)
		columns := r.common(x)
		var add []string
		for _, ref := range r.referencesOf(x.Table) {
			if !slices.ContainsFunc(strings.Split(ref.columns, ","), func(c string) bool {
				return !slices.Contains(columns, unquoted(strings.Trim(strings.TrimSpace(c), "`")))
			}) {
				add = append(add, "ADD "+ref.def(backName(ref.name), r.now(ref.table)))
			}
		}
		if len(add) > 0 {
			r.run("ALTER TABLE " + ident(x.Made) + " " + strings.Join(add, ", "))
		}
	}
}

// forgetRestores removes tables that a restore replaced long ago.
func (w *sweeper) forgetRestores() {
	if w.err == nil && !slices.Contains(w.tables(), restoreTable.name) {
		return
	}
	old := fmt.Sprintf("ended_at<UTC_TIMESTAMP(3)-INTERVAL %d SECOND", int64(replacedFor.Seconds()))
	for {
		e := w.restoreEntry("state NOT IN ('" + restoreBegun + "','" + restoreForgotten + "') AND " + old)
		if e == nil || w.err != nil {
			return
		}
		have := w.tables()
		var drop []string
		for _, x := range e.Tables {
			if x.Former != "" && slices.Contains(have, x.Former) && e.State == restoreDone {
				drop = append(drop, ident(x.Former))
			}
		}
		if len(drop) > 0 {
			w.run("DROP TABLE " + strings.Join(drop, ","))
			w.say("%d tables are gone that a restore replaced", len(drop))
		}
		if e.State == restoreDone && e.Discards != "" {
			w.run(fmt.Sprintf("UPDATE sync_restore SET state='%s' WHERE id=%d", restoreForgotten, e.ID))
		} else {
			w.run(fmt.Sprintf("DELETE FROM sync_restore WHERE id=%d", e.ID))
		}
	}
}
