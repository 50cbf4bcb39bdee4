package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	gosync "sync"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/model"
)

// Sizes of what the server is asked: writes of another program in turns with
// and without triggers, and clients that push at once.
const (
	foreignWrites = 1500
	warmWrites    = 100 // before them, which do not count
	nearTrip      = 2 * time.Millisecond
	clients       = 50
	clientBatches = 4
	clientRows    = 100
)

// heldID is the row that another program holds. It is the first: beside the
// place where new rows go, InnoDB turns its lock into one of the gap when it
// splits the page.
const heldID = "X'00000000000000000000000000000011'"

// heldFor is how long another program keeps its transaction open.
const heldFor = time.Minute

// serving measures the server's side: what the triggers cost other programs,
// and how many changes fifty clients bring at once.
func serving(ctx context.Context, b *bench, srv *servertest.Server) error {
	const durable = "--innodb-flush-log-at-trx-commit=1"
	for _, kind := range []struct {
		name    string
		options []servertest.Option
	}{
		{"no binary log", []servertest.Option{servertest.Flag(durable)}},
		{"with a binary log, as a standby needs it", []servertest.Option{servertest.Flag(durable), servertest.Binlog(), servertest.Flag("--sync-binlog=1")}},
	} {
		if err := b.foreignLatency(ctx, kind.name, kind.options); err != nil {
			return err
		}
	}
	if err := b.calling(ctx, srv); err != nil {
		return err
	}
	url, db, err := newCentral(ctx, srv, "many")
	if err != nil {
		return err
	}
	defer db.Close()
	person, err := newPerson(ctx, srv, db, "many")
	if err != nil {
		return err
	}
	raw, err := atOnce(ctx, func(ctx context.Context, client int) error { return rawClient(ctx, srv, client) })
	if err != nil {
		return err
	}
	// Another program keeps a transaction open over all that follows. It names
	// its row by the id: a range would lock the gaps around it for everybody.
	if _, err := db.ExecContext(ctx, "INSERT INTO contact (id, last_name) VALUES ("+heldID+", 'held')"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "UPDATE contact SET job_title = 'held' WHERE id = "+heldID); err != nil {
		return err
	}
	held := time.Now()
	rows := float64(clients * clientBatches * clientRows)
	for _, way := range []struct{ name, url string }{{"statements", url}, {"procedures", person}} {
		var slow slowest
		ours, err := atOnce(ctx, func(ctx context.Context, _ int) error { return pushClient(ctx, way.url, clientBatches, &slow) })
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %d clients at once, batches of %d new contacts: raw multi-row upsert %6.0f rows/s, push by %s %6.0f rows/s, ratio %.2f (at least 0.6), slowest push %5.0f ms\n",
			clients, clientRows, rows/raw.Seconds(), way.name, rows/ours.Seconds(), raw.Seconds()/ours.Seconds(), ms(slow.most))
	}
	var slow slowest
	pushes := 0
	for time.Since(held) < heldFor {
		for _, to := range []string{url, person} {
			if err := pushClient(ctx, to, 1, &slow); err != nil {
				return err
			}
			pushes++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("the transaction did not stay open: %w", err)
	}
	fmt.Fprintf(b.out, "  all of them and %d more pushes beside a transaction that stayed open for %.0f s; slowest of these %5.0f ms\n", pushes, time.Since(held).Seconds(), ms(slow.most))
	return nil
}

// foreignLatency compares single-row writes of another program into tables
// with and without triggers, in turns, on a server that brings every commit to
// the disk as a company's does. The others here do not. The program runs on the
// server's own machine, and then on another one.
func (b *bench) foreignLatency(ctx context.Context, kind string, options []servertest.Option) (err error) {
	dir, err := os.MkdirTemp(b.temp, "durable-")
	if err != nil {
		return err
	}
	srv, err := servertest.Run(ctx, dir, options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	near, err := wire.Open(srv.Address())
	if err != nil {
		return err
	}
	defer near.Close()
	if err := near.Suffer(wire.Latency(nearTrip)); err != nil {
		return err
	}
	var here, there [2]*sql.DB
	var ids [2][][]byte
	for i, name := range []string{"noticed", "unnoticed"} {
		if _, err := seedContacts(ctx, srv, name, 10000); err != nil {
			return err
		}
		here[i] = srv.DB(name)
		defer here[i].Close()
		if i == 1 {
			if err := dropTriggers(ctx, here[i]); err != nil {
				return err
			}
		}
		there[i] = servertest.DBAt(near.Address(), name)
		defer there[i].Close()
		if ids[i], err = someIDs(ctx, here[i]); err != nil {
			return err
		}
	}
	for _, from := range []struct {
		dbs   [2]*sql.DB
		place string
	}{{here, "on the server's machine, limit 1.2"}, {there, fmt.Sprintf("on one %v away", nearTrip)}} {
		with, without, err := foreignWriters(ctx, from.dbs, ids)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  another program's update of one row, each commit on the disk, %s, median of %d: %.2f ms with triggers, %.2f ms without, ratio %.2f (%s)\n", kind, foreignWrites, ms(with), ms(without), float64(with)/float64(without), from.place)
	}
	return nil
}

// foreignWriters returns what a write takes in either database, in the median.
func foreignWriters(ctx context.Context, dbs [2]*sql.DB, ids [2][][]byte) (with, without time.Duration, err error) {
	var conns [2]*sql.Conn
	for i, db := range dbs {
		if conns[i], err = db.Conn(ctx); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
	}
	var took [2][]time.Duration
	for n := range warmWrites + foreignWrites {
		for k := range conns {
			i := (k + n) % len(conns) // each is the first as often as the other
			conn, from := conns[i], time.Now()
			if _, err := conn.ExecContext(ctx, "UPDATE contact SET job_title = ?, department = ? WHERE id = ?", fmt.Sprint("t", n), "d", ids[i][n%len(ids[i])]); err != nil {
				return 0, 0, err
			}
			if n >= warmWrites {
				took[i] = append(took[i], time.Since(from))
			}
		}
	}
	return medianOf(took[0]), medianOf(took[1]), nil
}

func someIDs(ctx context.Context, db *sql.DB) ([][]byte, error) {
	rows, err := db.QueryContext(ctx, "SELECT id FROM contact ORDER BY RAND() LIMIT 500")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, slices.Clone(id))
	}
	return out, rows.Err()
}

// slowest keeps the longest of several durations.
type slowest struct {
	mu   gosync.Mutex
	most time.Duration
}

func (s *slowest) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, d)
}

// atOnce runs every client at the same time and returns how long all took.
func atOnce(ctx context.Context, client func(context.Context, int) error) (time.Duration, error) {
	from := time.Now()
	errs := make(chan error, clients)
	for i := range clients {
		go func() { errs <- client(ctx, i) }()
	}
	var err error
	for range clients {
		if failed := <-errs; err == nil {
			err = failed
		}
	}
	return time.Since(from), err
}

// rawClient upserts rows as the bare driver does it best.
func rawClient(ctx context.Context, srv *servertest.Server, client int) error {
	db := srv.DB("many")
	defer db.Close()
	db.SetMaxOpenConns(1)
	ids := model.NewIDSource(time.Now, nil)
	for batch := range clientBatches {
		var values []string
		for i := range clientRows {
			values = append(values, fmt.Sprintf("(X'%s','First','Raw %d-%d-%d','Head of Procurement')", hex.EncodeToString(ids.New().Bytes()), client, batch, i))
		}
		_, err := db.ExecContext(ctx, "INSERT INTO contact (id, first_name, last_name, job_title) VALUES "+strings.Join(values, ",")+
			" ON DUPLICATE KEY UPDATE first_name = VALUES(first_name), last_name = VALUES(last_name), job_title = VALUES(job_title)")
		if err != nil {
			return err
		}
	}
	return nil
}

// pushClient pushes the same as so many batches.
func pushClient(ctx context.Context, url string, batches int, slow *slowest) error {
	c, err := mysql.Dial(ctx, url, mysql.DialOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	ids := model.NewIDSource(time.Now, nil)
	me := ids.New()
	for batch := range batches {
		b := &model.PushBatch{Client: me, Number: int64(batch + 1), Nonce: hex.EncodeToString(ids.New().Bytes()[:8])}
		for i := range clientRows {
			b.Ops = append(b.Ops, model.PushOp{Table: "contact", ID: ids.New(), Insert: true, EditedAt: time.Now().UnixMilli(),
				Columns: []string{"first_name", "last_name", "job_title"}, Values: []any{"First", fmt.Sprint("Pushed ", batch, i), "Head of Procurement"}})
		}
		from := time.Now()
		receipt, err := c.Push(ctx, b, model.Position{})
		if err != nil {
			return err
		}
		slow.add(time.Since(from))
		for _, r := range receipt.Results {
			if r.Outcome != model.PushApplied {
				return fmt.Errorf("a pushed row was not applied: %+v", r)
			}
		}
	}
	return nil
}
