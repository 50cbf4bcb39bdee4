package sqlite

import (
	"context"

	"rapport/model"
)

// findLost tells what a server that was put back lost from what was removed on
// it. A record of which it lost any part has lost that, and its parts go its
// way.
func (a *applier) findLost(page *model.FeedPage) error {
	a.lost = map[model.ID]bool{}
	owner := map[model.ID]model.ID{}
	for _, entry := range page.Entries {
		if !a.goneIDs[entry.ID] {
			continue
		}
		e := model.EntityOf(entry.Table)
		known, pending, err := a.tx.base(e, entry.ID)
		if err != nil {
			return err
		}
		row, err := a.tx.row(e, entry.ID)
		if err != nil {
			return err
		}
		if !pending {
			known = row
		}
		lost := known == nil || !model.Removed(e, known, a.since[entry.ID])
		id := entry.ID
		if row != nil {
			if _, of, ok := row.OwnerOf(e); ok && a.goneIDs[of] {
				owner[entry.ID], id = of, of
			}
		}
		a.lost[id] = a.lost[id] || lost
	}
	for part, of := range owner {
		a.lost[part] = a.lost[of]
	}
	return nil
}

// offerAgain makes a row that the server lost new again, so that it is sent. A
// deleted one it need not have: that lies in the bin like others that the server
// does not know.
func (a *applier) offerAgain(_ context.Context, e *model.Entity, entry model.FeedEntry) error {
	row, err := a.tx.row(e, entry.ID)
	if err != nil || row == nil {
		return err
	}
	if err := a.tx.setVersion(e, entry.ID, 0); err != nil {
		return err
	}
	return a.tx.setBase(e, entry.ID, nil, !deleted(e, row))
}

// giveUp takes over a row of which a server that was put back lost something
// that is not to come back, and notes what that was. What is unsent stays. done
// is false where nothing was lost.
func (a *applier) giveUp(ctx context.Context, e *model.Entity, known, local, theirs model.Row) (done bool, err error) {
	out, lost := model.GiveUp(e, known, local, theirs, a.since[theirs.ID()])
	if !lost {
		return false, nil
	}
	if err := a.tx.back(e, theirs.ID()); err != nil {
		return true, err
	}
	if len(out.Changes) > 0 {
		if err := a.noteGivenUp(e, theirs, "merge", out.Changes); err != nil {
			return true, err
		}
	}
	return true, a.merge(ctx, e, out.Base, out.Mine, theirs)
}

// noteGivenUp writes what was given up into the history, as something that can
// be undone.
func (a *applier) noteGivenUp(e *model.Entity, row model.Row, action string, changes []model.FieldChange) error {
	a.tx.beginAct()
	return a.note(e, row, action, noteGivenUp, changes...)
}
