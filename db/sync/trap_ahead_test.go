package sync_test

import (
	"context"
	"errors"
	"testing"

	"rapport/db/sync"
	"rapport/model"
)

// aside lets something happen right before the first page of the feed is read,
// and cuts the wire after the page where it is told to.
type aside struct {
	model.Central
	do   func()
	cut  bool
	read *bool
}

func (a aside) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (model.FeedPage, error) {
	if !*a.read {
		*a.read = true
		a.do()
	}
	return a.Central.Pull(ctx, from, to, nouns)
}

func (a aside) Sequence(ctx context.Context, at model.Position) (model.Head, error) {
	if a.cut && *a.read {
		return model.Head{}, errCut
	}
	return a.Central.Sequence(ctx, at)
}

// syncAside syncs, has something happen right before the first page is read, and
// expects that the sync is cut after the page, if it is to be.
func (h *home) syncAside(t *testing.T, cut bool, do func()) {
	t.Helper()
	read := false
	engine := sync.New(h.DB, func(ctx context.Context) (model.Central, error) {
		inner, err := h.connect(ctx)
		if err != nil {
			return nil, err
		}
		return aside{inner, do, cut, &read}, nil
	}, sync.Options{})
	if _, err := engine.Sync(t.Context(), false, nil); cut != errors.Is(err, errCut) || !cut && err != nil {
		t.Fatalf("the sync ended with %v", err)
	}
}

// TestT60RowsAheadOfTheFeed puts the server back to the moment before a change
// that a laptop read when it had no position yet: the run that the laptop knows
// is there still, and the feed tells nothing. What the server lost is offered
// to it again all the same, also where the laptop's sync was cut.
func TestT60RowsAheadOfTheFeed(t *testing.T) {
	for _, cut := range []bool{false, true} {
		name := map[bool]string{false: "whole sync", true: "cut sync"}[cut]
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, c *central, url string) {
				a := newHome(t, "ann", url)
				a.sync(t)
				id := a.save(t, "contact", "", map[string]any{"last_name": "Muster"}).ID
				a.sync(t)
				c.exec(t, "UPDATE contact SET status = 'before' WHERE id = ?", id.Bytes())
				c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
				var backup *snapshot
				a.syncAside(t, cut, func() {
					backup = dump(t, c)
					c.exec(t, "UPDATE contact SET status = 'after' WHERE id = ?", id.Bytes())
				})
				if got := a.get(t, "contact", id).Values["status"]; got != "after" {
					t.Fatalf("the laptop read %v", got)
				}
				backup.restore(t, c)
				converge(t, c, a)
				if got := c.value(t, "SELECT status FROM contact WHERE id = ?", id.Bytes()); got != "after" {
					t.Errorf("the restored server holds %q", got)
				}
			})
		})
	}
}

// TestT60DeletionAheadOfTheFeed is the same for a row that was removed: the
// restored server has it, and so has the laptop again.
func TestT60DeletionAheadOfTheFeed(t *testing.T) {
	c := newCentral(t)
	a := newHome(t, "ann", c.url)
	a.sync(t)
	id := a.save(t, "contact", "", map[string]any{"last_name": "Muster"}).ID
	a.sync(t)
	c.exec(t, "UPDATE contact SET status = 'before' WHERE id = ?", id.Bytes())
	c.exec(t, "UPDATE sync_counter SET tick = tick + 1")
	var backup *snapshot
	a.syncAside(t, true, func() {
		backup = dump(t, c)
		c.exec(t, "DELETE FROM contact WHERE id = ?", id.Bytes())
	})
	backup.restore(t, c)
	converge(t, c, a)
	if got := a.get(t, "contact", id).Values["status"]; got != "before" {
		t.Errorf("the laptop has %v", got)
	}
}

// TestSyncEndsBesideWriters follows a feed in which every run of the sequencer
// finds that somebody wrote once more: the sync ends all the same, has what was
// there when it began, and leaves nothing for the next one to compare.
func TestSyncEndsBesideWriters(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('x')")
	a := newHome(t, "ann", c.url)
	a.sync(t)
	c.exec(t, "CREATE TRIGGER busy AFTER INSERT ON sync_run FOR EACH ROW INSERT INTO sync_outbox (tbl, pk, op, scope_old, scope_new, at) SELECT 'contact', id, 1, scope_id, scope_id, UTC_TIMESTAMP(6) FROM contact")
	for _, title := range []string{"one", "two"} {
		c.exec(t, "UPDATE contact SET job_title = ?", title)
		res := a.sync(t)
		if got := only(t, a, "x").Text("job_title"); got != title || res.RoundTrips > 5 {
			t.Errorf("the sync beside a writer brought %q in %d round trips, want %q in 5 at most", got, res.RoundTrips, title)
		}
		if at, err := a.Position(t.Context()); err != nil || at.Ahead {
			t.Errorf("the position is %+v, %v, want one that vouches for the rows", at, err)
		}
	}
	c.exec(t, "DROP TRIGGER busy")
	converge(t, c, a)
}

// asked lets something happen right before the server is asked what became of
// rows, and cuts the wire where a page is asked for if it is told to.
type asked struct {
	model.Central
	cut bool
	do  func()
}

func (a asked) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (model.FeedPage, error) {
	if a.cut {
		return model.FeedPage{}, errCut
	}
	return a.Central.Pull(ctx, from, to, nouns)
}

func (a asked) ChangesSince(ctx context.Context, ids map[model.Noun][]model.ID, moment int64) (map[model.ID][]model.RowChange, error) {
	a.do()
	return a.Central.ChangesSince(ctx, ids, moment)
}

// TestT60ChangedWhileAsked changes a row there and back between the moment in
// which a laptop in doubt reads it and the one in which it asks what became of
// it: what it is told is newer than what it read, and the value that another
// program gave the row before must not look like one of an older backup.
func TestT60ChangedWhileAsked(t *testing.T) {
	c := newCentral(t)
	c.exec(t, "INSERT INTO contact (last_name) VALUES ('x'), ('y')")
	a := newHome(t, "ann", c.url)
	a.sync(t)
	with := func(cut bool, do func()) error {
		_, err := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
			inner, err := a.connect(ctx)
			if err != nil {
				return nil, err
			}
			return asked{inner, cut, do}, nil
		}, sync.Options{}).Sync(t.Context(), false, nil)
		return err
	}
	a.save(t, "contact", only(t, a, "y").ID, map[string]any{"job_title": "mine"})
	c.exec(t, "UPDATE contact SET source = 'etl' WHERE last_name = 'x'")
	c.exec(t, "CREATE TRIGGER busy AFTER INSERT ON sync_run FOR EACH ROW INSERT INTO sync_outbox (tbl, pk, op, scope_old, scope_new, at) SELECT 'contact', id, 1, scope_id, scope_id, UTC_TIMESTAMP(6) FROM contact WHERE last_name = 'y'")
	if err := with(true, func() {}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	c.exec(t, "DROP TRIGGER busy")
	asks := 0
	if err := with(false, func() {
		if asks++; asks <= 2 {
			c.exec(t, "UPDATE contact SET first_name = 'for a moment' WHERE last_name = 'x'")
			c.exec(t, "UPDATE contact SET first_name = NULL WHERE last_name = 'x'")
		}
	}); err != nil || asks == 0 {
		t.Fatalf("asked %d times, %v", asks, err)
	}
	converge(t, c, a)
	if got := c.value(t, "SELECT source FROM contact WHERE last_name = 'x'"); got != "etl" {
		t.Errorf("the server has %q, want what the other program wrote", got)
	}
}
