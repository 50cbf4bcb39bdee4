package sync

import (
	"context"

	"rapport/model"
)

// absent adds to a page that rows which were asked for did not come: the server
// does not have them any more. Of a table that could not be read that is not
// known.
func (r *run) absent(page *model.FeedPage, asked map[model.Noun][]model.ID) {
	for _, e := range model.Entities() {
		if _, read := page.Rows[e.Noun]; !read {
			continue
		}
		have := make(map[model.ID]bool, len(page.Rows[e.Noun]))
		for _, row := range page.Rows[e.Noun] {
			have[row.ID()] = true
		}
		for _, id := range asked[e.Noun] {
			if !have[id] {
				page.Entries = append(page.Entries, model.FeedEntry{Seq: r.at.Seq, Table: e.Noun, ID: id, Op: r.goneOp()})
			}
		}
	}
}

// goneOp is what is said of a row that was asked for and did not come. Who sees
// every row knows that it is gone; somebody else cannot tell whether it only
// left, and the feed says so if it is gone.
func (r *run) goneOp() model.FeedOp {
	if r.head.Limited() {
		return model.FeedLeave
	}
	return model.FeedDelete
}

// inspect fetches the rows that leaned on one which is gone. A foreign key that
// deletes or empties them on the server fires no trigger, so the feed does not
// tell what became of them.
func (r *run) inspect(ctx context.Context, suspect map[model.Noun][]model.ID, store storing) error {
	if len(suspect) == 0 {
		return nil
	}
	rows, err := r.central.Fetch(ctx, suspect)
	if err != nil {
		return err
	}
	page := &model.FeedPage{To: r.at.Seq, Rows: rows}
	r.absent(page, suspect)
	return r.applyWith(ctx, page, ahead(r.at), store)
}
