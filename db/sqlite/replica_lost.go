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
