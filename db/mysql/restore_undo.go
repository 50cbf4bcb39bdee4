package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rapport/model"
)

// UndoRestore puts the tables back that the last restore replaced, in the way
// of a restore. What was entered since stays: see keepEntered. A restore that was
// interrupted is ended instead: one that had not exchanged the tables leaves
// nothing. An undoing that was interrupted goes on, or begins again. With dryRun
// it only tells. Errors: NotFound where there is nothing to put back, Locked.
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
	// A restore that came to nothing is undone, and so is one whose undoing only
	// had to be finished.
	if e := r.interrupted; e != nil && r.removed == (e.Undoes == 0) {
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
	var gone []string
	for _, x := range e.kept() {
		if !slices.Contains(have, x.Former) {
			gone = append(gone, x.Former)
		}
	}
	if len(gone) > 0 {
		return model.Errorf(model.NotFound, "the restore of %s cannot be undone, because former tables are gone: %s", e.Begun, few(gone)).
			WithHint("nothing was touched; restore a backup from before instead, such as the safety backup that the restore made")
	}
	return nil
}

// kept lists the tables of a restore whose former ones are kept.
func (e *restoreEntry) kept() []exchanged {
	return slices.DeleteFunc(slices.Clone(e.Tables), func(x exchanged) bool { return x.Former == "" || x.Passing })
}

// back is the exchange that takes an exchange back.
func (x exchanged) back() exchanged {
	return exchanged{Table: x.Table, Made: x.Former, Former: x.Table}
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
	// An interrupted restore that has exchanged the tables can be undone, too.
	last := b.restoreEntry("state='" + restoreDone + "'")
	if e := b.restoreEntry("state='" + restoreBegun + "'"); e != nil {
		switch placed := b.isPlaced(e); {
		case b.err != nil:
		case !placed && e.Undoes == 0:
			out.Done = append(out.Done, "a restore was interrupted before it replaced anything; the central goes on as it was")
			return out, nil
		case !placed:
			b.say("the undoing of a restore was interrupted before it replaced anything, and begins again")
		case e.Undoes != 0:
			out.Done = append(out.Done, "the undoing of a restore was interrupted after it put everything back; what is left of it is finished")
			return out, nil
		default:
			last = e
		}
	}
	if b.err == nil {
		b.err = undoable(last, have)
	}
	if b.err != nil {
		return out, b.err
	}
	for _, x := range last.kept() {
		out.Tables, out.Kept = append(out.Tables, x.Table), append(out.Kept, x.Former)
	}
	b.tellWhich(last)
	if n := b.countEntered(last.History); b.err == nil {
		b.say("%s changes were made since, and stay", n)
	}
	b.tellColumns(last)
	out.Done = b.done
	return out, b.err
}

// tellWhich names the restore that is undone, and those that are not.
func (b *builder) tellWhich(last *restoreEntry) {
	switch {
	case b.err != nil:
	case last.Undoes != 0:
		b.say("the restore that was undone last comes back: this takes the undoing of %s back", last.Begun)
	case last.Backup != "":
		b.say("the restore of %s is undone, which brought the backup %s", last.Begun, last.Backup)
	default:
		b.say("the restore of %s is undone", last.Begun)
	}
	if older := b.restoreEntry(fmt.Sprintf("state='%s' AND id<%d", restoreDone, last.ID)); older != nil && older.Undoes == 0 && !older.Bare {
		b.say("the restore of %s, before it, stays: only the last one can be undone, and what that one replaced is in its safety backup", older.Begun)
	}
}

// tellColumns says what becomes of columns that are not declared, and of tables
// that Rapport does not know. Pages ask for it: it reads no rows.
func (b *builder) tellColumns(last *restoreEntry) {
	of := b.tableShapes()
	var stay []string
	for _, former := range last.kept() {
		x := former.back()
		e, now, then := x.records(), of[x.Table], of[x.Made]
		if b.err != nil || now == nil || then == nil {
			continue
		}
		if e == nil {
			b.tellOwnTable(x, "stays beside it")
			continue
		}
		added, gone := columnsSince(now.names(), then.names())
		for _, c := range added {
			b.say("%s.%s, which is new since, comes along", x.Table, c)
		}
		for _, c := range gone {
			b.say(columnBack, x.Table, c)
		}
		for _, c := range now.ownOf(e) {
			stay = append(stay, x.Table+"."+c.name)
		}
		if of[x.Made+ownSuffix] == nil && len(then.ownOf(e)) > 0 {
			b.say(ownUnknown, x.Table, "beside the table")
		}
	}
	if len(stay) > 0 && b.err == nil {
		b.say("what was written since to %s stays, too", few(stay))
	}
}

// tellOwnTable says what becomes of a table that an administrator made.
func (b *builder) tellOwnTable(x exchanged, where string) {
	if !slices.Contains(historyTables, x.Table) && b.err == nil {
		b.say("%s is as it was before the restore: what was written to it since %s", x.Table, where)
	}
}

// undo exchanges the tables of a restore with those that it replaced.
func (r *restorer) undo(last *restoreEntry) {
	r.entry = restoreEntry{Nouns: last.Nouns, Undoes: last.ID}
	have := r.tables()
	var former []string
	add := func(x exchanged) {
		if x.Former = ""; slices.Contains(have, x.Table) {
			x.Former = x.Table
			former = append(former, x.Table)
		}
		r.entry.Tables = append(r.entry.Tables, x)
	}
	for _, x := range last.kept() {
		r.entry.Spent = append(r.entry.Spent, x.brought())
		if x.Table == historyTables[0] && len(last.Nouns) > 0 {
			// Other tables went on: their lines stay, and what was cut comes back.
			r.entry.Spent = append(r.entry.Spent, x.Former)
			r.cut = x.Former
			x.Former = shorten(x.Table, restoreSuffix)
		}
		add(x.back())
	}
	for _, t := range positionTables {
		add(exchanged{Table: t, Made: shorten(t, restoreSuffix), Passing: true})
	}
	r.nameFormer(former)
	r.begin()
	r.joinHistory()
	r.takeColumns()
	r.persist(r.referAgain)
	r.keepEntered(last)
	r.complete()
	for _, x := range r.entry.Tables {
		if x.Former != "" && !x.Passing && model.EntityOf(model.Noun(x.Table)) == nil {
			r.tellOwnTable(x, "lies in "+x.Former)
		}
	}
}

// joinHistory makes a history of the present one and what a restore of single
// tables cut off it.
func (r *restorer) joinHistory() {
	if r.cut == "" {
		return
	}
	x := exchanged{Table: historyTables[0], Made: r.cut}
	made, names := ident(r.now(x.Table)), idents(r.common(x))
	r.run("CREATE TABLE " + made + " LIKE " + ident(x.Table))
	r.run("INSERT INTO " + made + " (" + names + ") SELECT " + names + " FROM " + ident(x.Table))
	r.run("INSERT IGNORE INTO " + made + " (" + names + ") SELECT " + names + " FROM " + ident(x.Made))
}

// referAgain gives former tables the references that those in their places
// have, under other names.
func (r *restorer) referAgain() {
	for _, x := range r.entry.Tables {
		if x.Passing || x.Former == "" || strings.HasSuffix(x.Made, restoreSuffix) {
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
			for _, name := range []string{x.Former, x.brought()} {
				if x.Former != "" && slices.Contains(have, name) && e.State == restoreDone {
					drop = append(drop, ident(name))
				}
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
