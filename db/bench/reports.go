package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	gosync "sync"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// Sizes of what report tables are measured with: rows that change between two
// refreshes, refreshes, and the pause between two single-row statements of
// those who work meanwhile.
const (
	changedRows   = 2000
	refreshes     = 7
	betweenWrites = 2 * time.Millisecond
)

// reporting measures what it takes to keep report tables, and how long those
// wait who write one row or read one meanwhile; then the same for the two ways
// of those who do it by hand. The server writes a binary log in rows, has room
// for the rows in memory, and a redo log of the default size.
func reporting(ctx context.Context, b *bench) (err error) {
	srv, err := servertest.Run(ctx, filepath.Join(b.temp, "reports"), servertest.Binlog(), servertest.Flag("--innodb-buffer-pool-size=768M"), servertest.Flag("--innodb-log-file-size=96M"))
	if err != nil {
		fmt.Fprintf(b.out, "  no server can be started here: %v\n", err)
		return nil
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	url, db, err := newCentral(ctx, srv, "reports")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := b.fill(ctx, url, db)
	if err != nil {
		return err
	}
	ids, err := someIDs(ctx, db)
	if err != nil {
		return err
	}
	w := &working{bench: b, db: db, url: url, ids: ids}
	if _, err := w.beside(ctx, "nothing, for 2 s", "report_contact", func(ctx context.Context) error { return wait(ctx, 2*time.Second) }); err != nil {
		return err
	}
	if _, err := w.beside(ctx, fmt.Sprintf("making all report tables, %d rows", rows), "contact", w.refresh(model.ReportsRequest{})); err != nil {
		return err
	}
	if err := w.follow(ctx); err != nil {
		return err
	}
	made, err := w.beside(ctx, "making all of them anew and comparing every row", "report_contact", w.refresh(model.ReportsRequest{Rebuild: true}))
	if err != nil {
		return err
	}
	if _, err := w.beside(ctx, "comparing every row", "report_contact", w.refresh(model.ReportsRequest{Check: true})); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  making anew let nobody who writes wait for more than %.0f ms (limit 100)\n", ms(made))
	return w.byHand(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// working is a central on which others work while something is measured.
type working struct {
	*bench
	db  *sql.DB
	url string
	ids [][]byte
}

func (w *working) refresh(req model.ReportsRequest) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := mysql.RefreshReports(ctx, w.url, req, nil)
		return err
	}
}

// beside measures what fn takes, and the longest wait of somebody who changes
// one contact and of somebody who reads one row of a table meanwhile. It
// returns that of the writer.
func (w *working) beside(ctx context.Context, what, read string, fn func(context.Context) error) (time.Duration, error) {
	var others gosync.WaitGroup
	var wrote, saw slowest
	stop, failed := make(chan struct{}), make(chan error, 2)
	work := func(slow *slowest, query string) {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(betweenWrites):
				}
				from := time.Now()
				if _, err := w.db.ExecContext(ctx, query, rand.IntN(1e9), w.ids[n%len(w.ids)]); err != nil {
					failed <- fmt.Errorf("beside %s: %w", what, err)
					return
				}
				slow.add(time.Since(from))
			}
		})
	}
	work(&wrote, "UPDATE contact SET department = ? WHERE id = ?")
	there := ""
	if err := w.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(table_name), 'contact') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", read).Scan(&there); err != nil {
		return 0, err
	}
	work(&saw, "DO (SELECT COUNT(last_name) + ? FROM `"+there+"` WHERE id = ?)")
	c, err := measure(func() error { return fn(ctx) })
	close(stop)
	others.Wait()
	if err != nil {
		return 0, err
	}
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	fmt.Fprintf(w.out, "  %-60s %9.0f ms; longest wait of a writer %6.0f ms, of a reader %6.0f ms\n", what, ms(c.wall), ms(wrote.most), ms(saw.most))
	return wrote.most, nil
}

// follow measures the refresh after some changes.
func (w *working) follow(ctx context.Context) error {
	var took []time.Duration
	for i := range refreshes {
		if err := w.change(ctx, i); err != nil {
			return err
		}
		from := time.Now()
		res, err := mysql.RefreshReports(ctx, w.url, model.ReportsRequest{}, nil)
		if err != nil {
			return err
		}
		took = append(took, time.Since(from))
		if res.Changed < min(changedRows, int64(w.contacts)) || len(res.Rebuilt) > 0 {
			return fmt.Errorf("a refresh after %d changes did %+v", changedRows, res)
		}
	}
	fmt.Fprintf(w.out, "  following %d changes on %d contacts: median %.0f ms of %d (limit: well under 1,000)\n", changedRows, w.contacts, ms(medianOf(took)), refreshes)
	if err := w.change(ctx, refreshes); err != nil {
		return err
	}
	_, err := w.beside(ctx, fmt.Sprintf("following %d changes", changedRows), "report_contact", w.refresh(model.ReportsRequest{}))
	return err
}

// change changes contacts all over the table, as other programs do.
func (w *working) change(ctx context.Context, turn int) error {
	rows, err := w.db.QueryContext(ctx, "SELECT id FROM contact ORDER BY RAND() LIMIT ?", changedRows)
	if err != nil {
		return err
	}
	defer rows.Close()
	var in []string
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return err
		}
		in = append(in, "X'"+hex.EncodeToString(id)+"'")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = w.db.ExecContext(ctx, "UPDATE contact SET job_title = ? WHERE id IN ("+strings.Join(in, ",")+")", fmt.Sprint("turn ", turn, " ", rand.IntN(1e9)))
	return err
}

// byHand measures what people do who copy one table by hand: under LOCK TABLES,
// and in a transaction of the server's default isolation.
func (w *working) byHand(ctx context.Context) error {
	if _, err := w.db.ExecContext(ctx, "CREATE TABLE by_hand LIKE report_contact"); err != nil {
		return err
	}
	names, err := w.shared(ctx)
	if err != nil {
		return err
	}
	copied := "INSERT INTO by_hand (" + names + ", report_hash) SELECT " + names + ", REPEAT('x', 32) FROM contact"
	for _, way := range []struct {
		name  string
		stmts []string
	}{
		{"by hand, contacts only: LOCK TABLES, DELETE, INSERT SELECT", []string{"LOCK TABLES contact READ, by_hand WRITE", "DELETE FROM by_hand", copied, "UNLOCK TABLES"}},
		{"by hand, contacts only: REPEATABLE READ, DELETE, INSERT SELECT", []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION", "DELETE FROM by_hand", copied, "COMMIT"}},
	} {
		_, err := w.beside(ctx, way.name, "by_hand", func(ctx context.Context) error {
			conn, err := w.db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			for _, q := range way.stmts {
				if _, err := conn.ExecContext(ctx, q); err != nil {
					return fmt.Errorf("%s: %w", q, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shared lists the columns that the contacts and their copy share.
func (w *working) shared(ctx context.Context) (string, error) {
	var names string
	err := w.db.QueryRowContext(ctx, "SELECT GROUP_CONCAT('`', c.column_name, '`') FROM information_schema.columns c JOIN information_schema.columns r ON r.table_schema = c.table_schema AND r.column_name = c.column_name AND r.table_name = 'report_contact' WHERE c.table_schema = DATABASE() AND c.table_name = 'contact'").Scan(&names)
	return names, err
}
