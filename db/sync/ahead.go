package sync

import (
	"context"
	"maps"
	"slices"

	"rapport/model"
)

// A row is read as it is now, and what made it so may have no position in the
// feed yet. As long as that is so the position does not vouch for the row: a
// server that is put back to just before knows the run we last saw, so that
// nothing tells of the restore, and its feed does not bring the row as it was.
// Rows are therefore stored with a mark in the position, which goes when a run
// is known that holds every change committed before they were read. A sync that
// finds the mark of an earlier one compares.

// ahead is a position of rows that it may not vouch for.
func ahead(p model.Position) model.Position {
	p.Ahead = true
	return p
}

// vouch has the server give positions to every change that the rows may hold
// which this sync took, and keeps the run. Most often a page of the feed told
// already that all had one.
func (r *run) vouch(ctx context.Context) error {
	if !r.at.Ahead || r.doubtful || r.head.ReadOnly {
		return nil
	}
	for range maxRounds {
		before := r.head.Seq
		head, err := r.central.Sequence(ctx, r.at)
		if err != nil {
			return err
		}
		r.head = head
		if !head.SameRun || head.Epoch != r.at.Epoch {
			return nil // it was put back meanwhile, which the next sync finds out
		}
		if head.CaughtUp(before) {
			r.at.Run, r.at.Nonce, r.at.Heard, r.at.Ahead = head.Run, head.Nonce, head.Heard, false
			return r.replica.SetPosition(ctx, r.at)
		}
	}
	return nil
}

// doubt compares every row where an earlier sync took some that the position
// does not vouch for. The feed is followed before: what differs after it is
// what a server lost that was put back, and is offered to it again. A first
// load that was interrupted takes over what the server has instead, for what
// came first may be out of sight by now.
func (r *run) doubt(ctx context.Context, first bool) error {
	if !r.doubtful || r.head.ReadOnly {
		return nil
	}
	mode := model.ForkLoad
	if first {
		mode = model.RefreshLoad
	}
	if err := r.askAgain(ctx, model.RefreshLoad); err != nil {
		return err
	}
	if err := r.pull(ctx); err != nil || !r.doubtful {
		return err
	}
	return r.reconcile(ctx, mode, r.at)
}

// recall asks what became of a page's rows since the server was last heard. If
// it was put back meanwhile, it lost what was known here before, also of a row
// that somebody has changed since: the number of changes tells nothing then,
// and the rest of the row says what was lost and what is new.
func (r *run) recall(ctx context.Context, page *model.FeedPage) error {
	if page.Since != nil {
		return nil
	}
	ids := map[model.Noun][]model.ID{}
	for noun, rows := range page.Rows {
		for _, row := range rows {
			ids[noun] = append(ids[noun], row.ID())
		}
	}
	for _, entry := range page.Entries {
		if entry.Op == model.FeedUpsert {
			continue
		}
		ids[entry.Table] = append(ids[entry.Table], entry.ID)
	}
	page.Since = map[model.ID][]model.RowChange{}
	if r.since == 0 {
		return nil
	}
	for range maxRounds {
		if len(ids) == 0 {
			return nil
		}
		since, err := r.central.ChangesSince(ctx, ids, r.since)
		if err != nil {
			return err
		}
		maps.Copy(page.Since, since)
		if ids, err = r.readAgain(ctx, page, since); err != nil {
			return err
		}
	}
	for noun, changing := range ids {
		page.Rows[noun] = slices.DeleteFunc(page.Rows[noun], func(row model.Row) bool { return slices.Contains(changing, row.ID()) })
	}
	return nil
}

// readAgain reads the rows of a page again of which something is told, and
// returns those that somebody changed after they were read: what is told of them
// may be newer than they are. One that is not there any more is left out; the
// feed tells what became of it.
func (r *run) readAgain(ctx context.Context, page *model.FeedPage, since map[model.ID][]model.RowChange) (map[model.Noun][]model.ID, error) {
	asked := map[model.Noun][]model.ID{}
	for noun, rows := range page.Rows {
		for _, row := range rows {
			if len(since[row.ID()]) > 0 {
				asked[noun] = append(asked[noun], row.ID())
			}
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	now, err := r.central.Fetch(ctx, asked)
	if err != nil {
		return nil, err
	}
	changed := map[model.Noun][]model.ID{}
	for noun := range asked {
		rows, read := now[noun]
		if !read {
			continue
		}
		is := make(map[model.ID]model.Row, len(rows))
		for _, row := range rows {
			is[row.ID()] = row
		}
		kept := page.Rows[noun][:0]
		for _, row := range page.Rows[noun] {
			next, there := is[row.ID()]
			switch {
			case len(since[row.ID()]) == 0:
				next = row
			case !there:
				continue
			case !slices.Equal(row, next):
				changed[noun] = append(changed[noun], row.ID())
			}
			kept = append(kept, next)
		}
		page.Rows[noun] = kept
	}
	return changed, nil
}
