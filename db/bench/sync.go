package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sample"
	"rapport/db/sqlite"
	"rapport/model"
)

// Sizes of the sync that is measured: contacts of the first push and load, and
// records that change on each side afterwards.
const (
	syncContacts = 10000
	syncEdits    = 100
)

// syncing measures two workspaces and a private server.
func syncing(ctx context.Context, b *bench) (err error) {
	srv, err := servertest.Run(ctx, filepath.Join(b.temp, "server"))
	if err != nil {
		fmt.Fprintf(b.out, "  no server can be started here: %v\n", err)
		return nil
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	url := srv.URL("bench")
	if _, err := mysql.Init(ctx, url); err != nil {
		return err
	}
	var homes [2]*laptop
	for i := range homes {
		home := filepath.Join(b.temp, fmt.Sprint("laptop", i))
		db, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you", Currency: "USD"}})
		if err != nil {
			return err
		}
		defer db.Close()
		homes[i] = &laptop{db, home, url}
	}
	if err := b.firstSyncs(ctx, srv, homes); err != nil {
		return err
	}
	return b.smallSyncs(ctx, homes)
}

// firstSyncs measures the first push and the first load, beside the C clients
// moving the same tables.
func (b *bench) firstSyncs(ctx context.Context, srv *servertest.Server, homes [2]*laptop) error {
	// Records that one imports are pending; those of the demo are not.
	source, err := sqlite.Open(ctx, filepath.Join(b.temp, "source.db"), sqlite.Options{Settings: model.Settings{Me: "you", Currency: "USD"}})
	if err != nil {
		return err
	}
	defer source.Close()
	if _, err := sample.Fill(ctx, source, model.DemoRequest{Contacts: syncContacts, Seed: 2, Day: time.Now()}, "you", nil); err != nil {
		return err
	}
	if err := copyContacts(ctx, source, homes[0].DB); err != nil {
		return err
	}
	res, c, err := homes[0].sync(ctx, false)
	if err != nil {
		return err
	}
	rate := func(n int64, c cost) float64 { return float64(n) / c.wall.Seconds() }
	fmt.Fprintf(b.out, "  first push   %8d records %8.1f s %8.0f/s  %6d round trips, %.1f MB up\n", res.Pushed, c.wall.Seconds(), rate(res.Pushed, c), res.RoundTrips, float64(res.BytesSent)/1e6)
	res, c, err = homes[1].sync(ctx, false)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  first load   %8d records %8.1f s %8.0f/s  %6d round trips, %.1f MB down\n", res.Pulled, c.wall.Seconds(), rate(res.Pulled, c), res.RoundTrips, float64(res.BytesReceived)/1e6)
	shell, err := b.shellCopy(ctx, srv)
	if err != nil || shell.wall == 0 {
		return err
	}
	fmt.Fprintf(b.out, "  mariadb --quick | sqlite3 .import of the same tables, without index and search %8.1f s: ratio %.1f\n", shell.wall.Seconds(), c.wall.Seconds()/shell.wall.Seconds())
	return nil
}

// copyContacts saves contacts anew, so that they wait to be pushed.
func copyContacts(ctx context.Context, from, to *sqlite.DB) error {
	q := model.Query{Noun: "contact", Limit: 1000}
	for {
		page, err := from.List(ctx, q)
		if err != nil {
			return err
		}
		var edits []model.Edit
		for _, r := range page.Items {
			set := map[string]any{}
			for _, f := range []string{"first_name", "last_name", "job_title", "notes"} {
				if v := r.Text(f); v != "" {
					set[f] = v
				}
			}
			edits = append(edits, model.Edit{Noun: "contact", Set: set})
		}
		saved, err := to.SaveAll(ctx, edits, false)
		if err != nil {
			return err
		}
		for _, s := range saved {
			if s.Err != nil {
				return s.Err
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// shellCopy moves the central's contacts into SQLite with the C clients; no
// cost means that they are not here.
func (b *bench) shellCopy(ctx context.Context, srv *servertest.Server) (cost, error) {
	client, err := exec.LookPath("mariadb")
	if err != nil {
		return cost{}, nil
	}
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		return cost{}, nil
	}
	script := `"$1" --quick --batch -u root -S "$2" bench -e "SELECT hex(id), first_name, last_name, job_title, notes, hex(scope_id), row_version, created_at, updated_at, created_by, updated_by FROM contact" | "$3" "$4" ".mode tabs" ".import /dev/stdin contact"`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", client, srv.Socket, shell, filepath.Join(b.temp, "shell.db"))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	from := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("copy with the C clients: %w: %s", err, problems.String())
	}
	return cost{wall: time.Since(from)}, nil
}

// smallSyncs counts the packets of a sync with nothing to do and of one with
// some changes on both sides.
func (b *bench) smallSyncs(ctx context.Context, homes [2]*laptop) error {
	say := func(name string, limit int, i int) error {
		res, c, err := homes[i].sync(ctx, false)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %-26s %3d up %3d down %6.1f ms %3d round trips (limit %d), %6d bytes up, %6d down\n", name, res.Pushed, res.Pulled, ms(c.wall), res.RoundTrips, limit, res.BytesSent, res.BytesReceived)
		return nil
	}
	if _, _, err := homes[0].sync(ctx, false); err != nil {
		return err
	}
	if err := say("nothing to do", 1, 0); err != nil {
		return err
	}
	for i, h := range homes {
		page, err := h.List(ctx, model.Query{Noun: "contact", Limit: 2 * syncEdits, Short: true})
		if err != nil {
			return err
		}
		var edits []model.Edit
		for _, r := range page.Items[i*syncEdits : (i+1)*syncEdits] {
			edits = append(edits, model.Edit{Noun: "contact", ID: r.ID, Set: map[string]any{"notes": fmt.Sprint("changed by ", i)}})
		}
		saved, err := h.SaveAll(ctx, edits, false)
		if err != nil {
			return err
		}
		for _, s := range saved {
			if s.Err != nil {
				return s.Err
			}
		}
	}
	if err := say("changes of the other", 4, 1); err != nil {
		return err
	}
	return say("changes on both sides", 4, 0)
}
