package sync

import (
	"context"
	"maps"
	"slices"
	"time"

	"rapport/model"
)

// Every row is compared from time to time, because the feed knows only what
// triggers saw. Both sides sum up their tables in buckets, which costs one
// request and a few bytes for each hundred rows; where buckets differ the
// hashes of their rows are asked for, and then the rows that differ.
const (
	compareEvery = 7 * 24 * time.Hour
	// compareRows bounds the row hashes of one request.
	compareRows = 50000
	// fetchRows is how many rows are fetched and stored at once.
	fetchRows = 2000
)

// reconcile compares every row with the server's and takes over what differs.
// mode says what becomes of rows that the server does not have. The position
// after it is start. Until all is done the position stays what it was, so that
// one that is cut begins again, and finds less to do.
func (r *run) reconcile(ctx context.Context, mode model.LoadMode, start model.Position) error {
	r.notify.Tell("comparing", 0, 0)
	sizes, err := r.replica.Sizes(ctx)
	if err != nil {
		return err
	}
	bits := make(map[model.Noun]int, len(sizes))
	for n, rows := range sizes {
		bits[n] = model.BucketBits(rows)
	}
	theirs, err := r.central.Digest(ctx, bits)
	if err != nil {
		return err
	}
	d := &drift{run: r, mode: mode, bits: bits, theirs: theirs, wanted: map[model.Noun][]model.ID{}}
	if err := d.find(ctx); err != nil {
		return err
	}
	if err := d.fetch(ctx); err != nil {
		return err
	}
	start.Ahead = r.at.Ahead
	if err := d.settle(ctx, start); err != nil {
		return err
	}
	r.doubtful = false
	return r.replica.SetNextCompare(ctx, r.nextCompare())
}

// nextCompare spreads the comparisons of many laptops over days.
func (r *run) nextCompare() time.Time {
	every := compareEvery
	if r.head.Blind {
		every = model.CompareEvery
	}
	return r.now().Add(time.Duration((0.8 + 0.4*r.options.Random()) * float64(every)))
}

// compare compares every row where the person asks for it or the time has
// come. The feed has been followed to its head, so what differs now is what
// the feed did not tell.
func (r *run) compare(ctx context.Context, full bool) error {
	if r.head.ReadOnly {
		return nil // a standby may lag
	}
	if !full {
		at, err := r.replica.NextCompare(ctx)
		if err != nil {
			return err
		}
		if at.IsZero() {
			return r.replica.SetNextCompare(ctx, r.nextCompare())
		}
		if r.now().Before(at) {
			return nil
		}
	}
	return r.reconcile(ctx, model.RefreshLoad, r.at)
}

// drift is what differs between the two sides.
type drift struct {
	*run
	mode   model.LoadMode
	bits   map[model.Noun]int
	theirs map[model.Noun]model.Digest
	wanted map[model.Noun][]model.ID
	gone   []model.FeedEntry
}

// find looks into the buckets that differ, a bounded number of rows at a time.
func (d *drift) find(ctx context.Context) error {
	for _, e := range model.Entities() {
		theirs, known := d.theirs[e.Noun]
		if !known {
			continue // the server does not have the table: nothing to compare with
		}
		mine, err := d.replica.Digest(ctx, e.Noun, d.bits[e.Noun], theirs.Columns)
		if err != nil {
			return err
		}
		rows := int64(0)
		var some []uint32
		for _, n := range differing(mine, theirs) {
			some = append(some, n)
			if rows += theirs.Buckets[n].Rows; rows >= compareRows {
				if err := d.look(ctx, e, some); err != nil {
					return err
				}
				some, rows = nil, 0
			}
		}
		if err := d.look(ctx, e, some); err != nil {
			return err
		}
	}
	return nil
}

// differing lists the buckets in which two digests differ.
func differing(a, b model.Digest) []uint32 {
	var out []uint32
	for n, bucket := range a.Buckets {
		if b.Buckets[n] != bucket {
			out = append(out, n)
		}
	}
	for n := range b.Buckets {
		if _, both := a.Buckets[n]; !both {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// look compares the rows of some buckets of a table.
func (d *drift) look(ctx context.Context, e *model.Entity, buckets []uint32) error {
	if len(buckets) == 0 {
		return nil
	}
	all, err := d.central.RowHashes(ctx, d.bits, map[model.Noun][]uint32{e.Noun: buckets})
	if err != nil {
		return err
	}
	theirs := all[e.Noun]
	mine, err := d.replica.RowHashes(ctx, e.Noun, d.bits[e.Noun], d.theirs[e.Noun].Columns, buckets)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(theirs)) {
		if hash, here := mine[id]; !here || hash != theirs[id] {
			d.wanted[e.Noun] = append(d.wanted[e.Noun], id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(mine)) {
		if _, there := theirs[id]; !there {
			d.gone = append(d.gone, model.FeedEntry{Seq: d.at.Seq, Table: e.Noun, ID: id, Op: d.goneOp()})
		}
	}
	return nil
}

// fetch takes over the rows that differ, owners before their parts.
func (d *drift) fetch(ctx context.Context) error {
	done, total := int64(0), int64(0)
	for _, ids := range d.wanted {
		total += int64(len(ids))
	}
	for _, e := range model.Entities() {
		for ids := range slices.Chunk(d.wanted[e.Noun], fetchRows) {
			d.notify.Tell("receiving", done, total)
			rows, err := d.central.Fetch(ctx, map[model.Noun][]model.ID{e.Noun: ids})
			if err != nil {
				return err
			}
			if err := d.store(ctx, &model.FeedPage{To: d.at.Seq, Rows: rows}, d.at); err != nil {
				return err
			}
			done += int64(len(ids))
		}
	}
	return nil
}

// settle settles what the server does not have and stores the position. It is
// one page, because the parts of a record that is gone are told from those
// that went by themselves.
func (d *drift) settle(ctx context.Context, start model.Position) error {
	if len(d.gone) == 0 && start == d.at {
		return nil
	}
	return d.store(ctx, &model.FeedPage{To: start.Seq, Entries: d.gone}, start)
}

func (d *drift) store(ctx context.Context, page *model.FeedPage, next model.Position) error {
	if d.mode == model.ForkLoad || d.mode == model.DiscardLoad {
		if err := d.recall(ctx, page); err != nil {
			return err
		}
	}
	return d.applyWith(ctx, page, ahead(next), func(ctx context.Context, page *model.FeedPage, at model.Position) (model.ApplyResult, error) {
		return d.replica.Reconcile(ctx, d.mode, page, at)
	})
}
