package main

import (
	"context"
	"fmt"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/db/sync"
	"rapport/model"
)

// The way on which small syncs are measured: across an ocean.
const (
	farTrip = 100 * time.Millisecond
	farRate = 2500 // kB/s: 20 Mbit/s
)

// seedContacts makes contacts on a central, as if they had been there for long.
func seedContacts(ctx context.Context, srv *servertest.Server, name string, n int) (url string, err error) {
	url, db, err := newCentral(ctx, srv, name)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return url, quietly(ctx, url, db, func() error {
		_, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO contact (first_name, last_name, job_title, department, external_id, notes, row_version, created_at, updated_at, created_by, updated_by)"+
			" SELECT CONCAT('First', seq), CONCAT('Last', MOD(seq * 7919, 99991)), 'Head of Procurement', 'Operations', CONCAT('x', seq), REPEAT('note ', MOD(seq, 30)), 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), 'root', 'root' FROM seq_1_to_%d", n))
		return err
	})
}

// syncing counts round trips and bytes of the syncs of a day, over a long way.
func syncing(ctx context.Context, b *bench, srv *servertest.Server) error {
	url, err := seedContacts(ctx, srv, "far", 2000)
	if err != nil {
		return err
	}
	near, err := b.newLaptop(ctx, "near", url)
	if err != nil {
		return err
	}
	defer near.Close()
	far, err := b.newLaptop(ctx, "far", url)
	if err != nil {
		return err
	}
	defer far.Close()
	for range 2 {
		for _, l := range []*laptop{near, far} {
			if _, _, err := l.sync(ctx, false); err != nil {
				return err
			}
		}
	}
	way, err := wire.Open(srv.Address())
	if err != nil {
		return err
	}
	defer way.Close()
	if err := way.Suffer(wire.Latency(farTrip), wire.Bandwidth(farRate)); err != nil {
		return err
	}
	far.url = way.URL(url)
	if err := b.openWay(ctx, far); err != nil {
		return err
	}
	return b.coldWay(ctx, near, far)
}

// openWay measures over a connection that is open: a poll when there is
// nothing, and edits that go out by themselves.
func (b *bench) openWay(ctx context.Context, far *laptop) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	steps, ask, done := make(chan model.Following, 100), make(chan struct{}, 1), make(chan error, 1)
	e := far.engineWith(sync.Options{Timer: func(d time.Duration) (<-chan time.Time, func()) {
		if d >= 10*time.Second {
			return nil, func() {} // it polls when it is asked to
		}
		t := time.NewTimer(time.Millisecond)
		return t.C, func() { t.Stop() }
	}})
	go func() {
		done <- e.Follow(ctx, sync.FollowOptions{Interval: time.Minute, Changes: far.Watch(ctx),
			FollowRequest: model.FollowRequest{Ask: ask, Tell: func(s model.Following) { steps <- s }}})
	}()
	until := func(ok func(model.SyncResult) bool) (model.SyncResult, error) {
		for {
			select {
			case s := <-steps:
				if s.Err != nil {
					return s.Result, s.Err
				}
				if s.State == model.FollowOnline && ok(s.Result) {
					return s.Result, nil
				}
			case err := <-done:
				return model.SyncResult{}, fmt.Errorf("the follow ended: %w", err)
			}
		}
	}
	any := func(model.SyncResult) bool { return true }
	if _, err := until(any); err != nil {
		return err
	}
	ask <- struct{}{}
	res, err := until(any)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  idle poll            %3d round trips (limit 1) %7d bytes (limit 1000) %6.0f ms\n", res.RoundTrips, res.BytesSent+res.BytesReceived, ms(res.Duration))
	if err := far.edit(ctx, 0, 100, "job_title", "edited"); err != nil {
		return err
	}
	res, err = until(func(r model.SyncResult) bool { return r.Pushed > 0 })
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  %3d edits            %3d round trips (limit 2) %7d bytes %14.0f ms (limit 500)\n", res.Pushed, res.RoundTrips, res.BytesSent+res.BytesReceived, ms(res.Duration))
	cancel()
	<-done
	return nil
}

// coldWay measures a command that has to connect first.
func (b *bench) coldWay(ctx context.Context, near, far *laptop) error {
	say := func(name string, limit float64) error {
		res, c, err := far.sync(ctx, false)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %-20s %3d round trips %4d up %4d down %7d bytes %6.0f ms (limit %.0f)\n", name, res.RoundTrips, res.Pushed, res.Pulled, res.BytesSent+res.BytesReceived, ms(c.wall), limit)
		return nil
	}
	if err := far.edit(ctx, 200, 100, "job_title", "edited"); err != nil {
		return err
	}
	if err := say("cold, 100 edits", 1000); err != nil {
		return err
	}
	if err := near.edit(ctx, 400, 500, "department", "moved"); err != nil {
		return err
	}
	if _, _, err := near.sync(ctx, false); err != nil {
		return err
	}
	if err := far.edit(ctx, 1000, 50, "job_title", "away"); err != nil {
		return err
	}
	return say("back after 3 days", 1500)
}

// sizes are the tables over which an incremental sync must cost the same.
var sizes = []int{10000, 100000, 1000000}

// changes are the records that another program changes before each sync, changeRuns
// how often that is measured.
const (
	changes    = 1000
	changeRuns = 10
)

// growing measures the same changes on tables of different sizes.
func growing(ctx context.Context, b *bench, srv *servertest.Server) error {
	first := 0.0
	for _, n := range sizes {
		url, err := seedContacts(ctx, srv, fmt.Sprint("size", n), n)
		if err != nil {
			return err
		}
		c, err := b.changesAt(ctx, srv, url, n)
		if err != nil {
			return err
		}
		if first == 0 {
			first = ms(c.cpu)
		}
		fmt.Fprintf(b.out, "  %d changes among %8d contacts %8.0f ms %8.0f ms of CPU, ratio %.2f (limit 1.3)\n", changes, n, ms(c.wall), ms(c.cpu), ms(c.cpu)/first)
	}
	return nil
}

// changesAt returns what a sync of some changes typically costs a laptop that
// has n contacts.
func (b *bench) changesAt(ctx context.Context, srv *servertest.Server, url string, n int) (cost, error) {
	l, err := b.newLaptop(ctx, servertest.Name(url), url)
	if err != nil {
		return cost{}, err
	}
	defer l.Close()
	_, c, err := l.sync(ctx, false)
	if err != nil {
		return cost{}, err
	}
	fmt.Fprintf(b.out, "    first load of %8d contacts %10.1f s\n", n, c.wall.Seconds())
	db := srv.DB(servertest.Name(url))
	defer db.Close()
	var all []cost
	for run := range changeRuns {
		_, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE contact c JOIN seq_1_to_%d s ON c.external_id = CONCAT('x', s.seq * %d) SET c.job_title = 'run %d'", changes, n/changes, run))
		if err != nil {
			return cost{}, err
		}
		res, c, err := l.sync(ctx, false)
		if err != nil {
			return cost{}, err
		}
		if res.Pulled != changes {
			return cost{}, fmt.Errorf("%d records came, not %d", res.Pulled, changes)
		}
		if run > 0 {
			all = append(all, c)
		}
	}
	return middle(all), nil
}

// comparingRows measures the comparison of rows that agree.
func comparingRows(ctx context.Context, b *bench, srv *servertest.Server) error {
	url, err := seedContacts(ctx, srv, "equal", 50000)
	if err != nil {
		return err
	}
	l, err := b.newLaptop(ctx, "equal", url)
	if err != nil {
		return err
	}
	defer l.Close()
	for range 2 {
		if _, _, err := l.sync(ctx, false); err != nil {
			return err
		}
	}
	res, c, err := l.sync(ctx, true)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  50000 rows that agree %3d round trips (limit 3) %7d bytes (limit 200000) %6.0f ms, %.0f ms of CPU here\n",
		res.RoundTrips, res.BytesSent+res.BytesReceived, ms(c.wall), ms(c.cpu))
	return nil
}
