package sync

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	gosync "sync"

	"rapport/model"
)

// A first load reads and writes at the same time. Two connections read a table
// each; they need no common snapshot, because the feed is followed afterwards
// from where it stood before the load began: what moved or changed between two
// reads comes with it. One goroutine stores what they send.
const (
	loadReaders = 2
	// loadTwice is how many rows are worth a second connection.
	loadTwice = 50000
	// phaseLoading names the rows that come, phaseIndexing what is made of
	// them when they have.
	phaseLoading, phaseIndexing = "loading", "indexing"
)

// loadLast are the tables that nobody waits for: a person can work without the
// history.
var loadLast = []model.Noun{"stage_history", "activity", "activity_link"}

// loadOrder lists the tables in the order in which they are wanted.
func loadOrder() []*model.Entity {
	var first, last []*model.Entity
	for _, e := range model.Entities() {
		if slices.Contains(loadLast, e.Noun) {
			last = append(last, e)
		} else {
			first = append(first, e)
		}
	}
	return append(first, last...)
}

// load makes the first load, or goes on with it. What the person works with
// comes first, in one request with the number of rows to expect.
func (r *run) load(ctx context.Context, start model.Position) error {
	page := &model.FeedPage{To: start.Seq, Rows: map[model.Noun][]model.Row{}}
	totals, err := r.central.Survey(ctx, func(n model.Noun, row model.Row) error {
		page.Rows[n] = append(page.Rows[n], row)
		return nil
	})
	if err != nil {
		return err
	}
	l := &loading{run: r, position: start}
	for _, n := range totals {
		l.total += n
	}
	if err := r.replica.BeginLoad(ctx, ahead(start), l.total); err != nil {
		return err
	}
	if err := l.resume(ctx, totals); err != nil {
		return err
	}
	if !l.resumed {
		if err := l.first(ctx, page); err != nil {
			return err
		}
	}
	if err := l.tables(ctx); err != nil {
		return err
	}
	r.notify.Tell(phaseIndexing, 0, 0)
	res, err := r.replica.FinishLoad(ctx)
	if err != nil {
		return err
	}
	r.count(res)
	if r.at, err = r.replica.Position(ctx); err != nil {
		return err
	}
	return r.replica.SetNextCompare(ctx, r.nextCompare())
}

// loading is a first load under way.
type loading struct {
	*run
	position model.Position
	resumed  bool
	todo     []tableLeft
	done     int64 // rows stored, those of earlier runs included
	total    int64
}

// tableLeft is a table that is not complete yet, and where to go on.
type tableLeft struct {
	entity *model.Entity
	after  model.ID
}

// resume finds out what is left to do.
func (l *loading) resume(ctx context.Context, totals map[model.Noun]int64) error {
	sizes, err := l.replica.Sizes(ctx)
	if err != nil {
		return err
	}
	for _, e := range loadOrder() {
		after, complete, err := l.replica.LoadedTo(ctx, e.Noun)
		if err != nil {
			return err
		}
		if complete || after != "" {
			l.resumed = true
			l.done += min(sizes[e.Noun], totals[e.Noun])
		}
		if !complete {
			l.todo = append(l.todo, tableLeft{e, after})
		}
	}
	return nil
}

// first stores what the person works with.
func (l *loading) first(ctx context.Context, page *model.FeedPage) error {
	at, err := l.replica.Position(ctx)
	if err != nil {
		return err
	}
	return l.applyWith(ctx, page, at, func(ctx context.Context, page *model.FeedPage, at model.Position) (model.ApplyResult, error) {
		return l.replica.Reconcile(ctx, model.FirstLoad, page, at)
	})
}

// loadPage is a stretch of a table.
type loadPage struct {
	table tableLeft
	rows  []model.Row
	last  bool // the table is complete
}

// tables reads the tables that are left and stores them.
func (l *loading) tables(ctx context.Context) error {
	l.notify.Tell(phaseLoading, l.done, l.total)
	// Little is kept of what passes by, so that waiting a little longer with its
	// collection costs a few megabytes and saves a tenth of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	if l.options.InTurn {
		return l.inTurn(ctx)
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan tableLeft, len(l.todo))
	for _, t := range l.todo {
		queue <- t
	}
	close(queue)
	pages := make(chan loadPage, 1)
	failed := make(chan error, loadReaders)
	var readers gosync.WaitGroup
	read := func(c model.Central) error {
		for t := range queue {
			if err := readTable(reading, c, t, func(p loadPage) { pages <- p }); err != nil {
				cancel()
				return err
			}
		}
		return nil
	}
	readers.Go(func() { failed <- read(l.central) })
	if l.total-l.done >= loadTwice {
		readers.Go(func() { failed <- l.second(reading, read) })
	}
	go func() {
		readers.Wait()
		close(pages)
		close(failed)
	}()
	// Pages are taken to the end, also after a failure: what came is kept, of
	// a sync that was stopped too. Where the line breaks before each table is
	// through, a load would never get on otherwise.
	var storeErr error
	for p := range pages {
		if storeErr == nil {
			if storeErr = l.store(context.WithoutCancel(ctx), p); storeErr != nil {
				cancel()
			}
		}
	}
	for err := range failed {
		storeErr = errors.Join(storeErr, err)
	}
	return storeErr
}

// second reads over a connection of its own. That there is none to be had is
// no failure: the first one reads the rest.
func (l *loading) second(ctx context.Context, read func(model.Central) error) error {
	c, err := l.dial(ctx)
	if err != nil {
		return nil
	}
	err = read(c)
	l.beside.trips, l.beside.sent, l.beside.got = c.Traffic()
	return errors.Join(err, c.Close())
}

// inTurn reads and stores in one goroutine.
func (l *loading) inTurn(ctx context.Context) error {
	for _, t := range l.todo {
		var storeErr error
		err := readTable(ctx, l.central, t, func(p loadPage) {
			if storeErr == nil {
				storeErr = l.store(context.WithoutCancel(ctx), p)
			}
		})
		if err := errors.Join(storeErr, err); err != nil {
			return err
		}
	}
	return nil
}

// readTable sends the rest of a table in pages, and what came of the last one
// where it is cut.
func readTable(ctx context.Context, c model.Central, t tableLeft, send func(loadPage)) error {
	rows := make([]model.Row, 0, loadRows)
	err := c.Load(ctx, t.entity.Noun, t.after, func(row model.Row) error {
		rows = append(rows, row)
		if len(rows) == loadRows {
			send(loadPage{table: t, rows: rows})
			rows = make([]model.Row, 0, loadRows)
		}
		return ctx.Err()
	})
	if err == nil || len(rows) > 0 {
		send(loadPage{table: t, rows: rows, last: err == nil})
	}
	return err
}

// store stores a page and how far the table came by it.
func (l *loading) store(ctx context.Context, p loadPage) error {
	after := p.table.after
	if n := len(p.rows); n > 0 {
		after = p.rows[n-1].ID()
	} else if p.last {
		var err error
		if after, _, err = l.replica.LoadedTo(ctx, p.table.entity.Noun); err != nil {
			return err
		}
	}
	res, err := l.replica.Load(ctx, p.table.entity.Noun, p.rows, after, p.last)
	if err != nil {
		return err
	}
	l.count(res)
	l.done += int64(len(p.rows))
	l.notify.Tell(phaseLoading, l.done, max(l.total, l.done))
	return nil
}
