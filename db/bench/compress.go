package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/model"
)

// compressChanges is how many contacts an incremental sync brings.
const compressChanges = 500

// way is a way to a server.
type way struct {
	name string
	trip time.Duration
	rate int64 // kB/s, 0 for the loopback
}

var ways = []way{
	{"loopback", 0, 0},
	{"1 ms, 1 Gbit/s", time.Millisecond, 125000},
	{"20 ms, 100 Mbit/s", 20 * time.Millisecond, 12500},
	{"100 ms, 20 Mbit/s", farTrip, farRate},
}

// spent is what a sync over a way took.
type spent struct {
	cost
	server time.Duration // CPU of the server
	bytes  int64
}

// compressing measures what compression on the wire costs and saves, for a
// first load and for a sync of some changes. From the CPU that it takes and the
// bytes that it saves follows the rate of the wire from which on it costs more
// than it saves.
func compressing(ctx context.Context, b *bench, srv *servertest.Server) error {
	url, db, err := newCentral(ctx, srv, "compress")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := b.fill(ctx, url, db); err != nil {
		return err
	}
	for _, w := range ways {
		var load, some [2]spent
		for i, on := range []string{"false", "true"} {
			if load[i], some[i], err = b.overWay(ctx, srv, db, w, url, on); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		fmt.Fprintf(b.out, "  %s\n", w.name)
		b.printCompressed("first load", load)
		b.printCompressed(fmt.Sprintf("%d changes", compressChanges), some)
	}
	return nil
}

func (b *bench) printCompressed(what string, s [2]spent) {
	for i, name := range []string{"plain", "compressed"} {
		fmt.Fprintf(b.out, "    %-12s %-11s %8.0f kB  %7.0f ms, CPU %6.0f ms here, %6.0f ms there\n", what, name, float64(s[i].bytes)/1000, ms(s[i].wall), ms(s[i].cpu), ms(s[i].server))
	}
	fmt.Fprintf(b.out, "    %-12s %-11s %8.2f     %7.2f\n", "", "ratio", ratio(s[1].bytes, s[0].bytes), ratio(int64(s[1].wall), int64(s[0].wall)))
	const told = 0.05 // seconds below which the clocks of processes say nothing
	if more := (s[1].cpu + s[1].server - s[0].cpu - s[0].server).Seconds(); more > told {
		fmt.Fprintf(b.out, "    %-12s %-11s %8.0f Mbit/s\n", "", "pays below", float64(s[0].bytes-s[1].bytes)*8/1e6/more)
	}
}

func ratio(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }

// overWay syncs a new laptop over a way, and once more after some changes.
func (b *bench) overWay(ctx context.Context, srv *servertest.Server, db *sql.DB, w way, url, compress string) (load, some spent, err error) {
	at := url
	if w.rate > 0 {
		p, err := wire.Open(srv.Address())
		if err != nil {
			return load, some, err
		}
		defer p.Close()
		if err := p.Suffer(wire.Latency(w.trip), wire.Bandwidth(w.rate)); err != nil {
			return load, some, err
		}
		at = p.URL(url)
	}
	l, err := b.newLaptop(ctx, "compress-"+compress+"-"+strings.ReplaceAll(w.name, "/", " "), at+"?compress="+compress)
	if err != nil {
		return load, some, err
	}
	defer l.Close()
	one := func() (s spent, err error) {
		before, err := serverCPU(ctx, db)
		if err != nil {
			return s, err
		}
		var res model.SyncResult
		if res, s.cost, err = l.sync(ctx, false); err != nil {
			return s, err
		}
		after, err := serverCPU(ctx, db)
		s.server, s.bytes = after-before, res.BytesSent+res.BytesReceived
		return s, err
	}
	if load, err = one(); err != nil {
		return load, some, err
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE contact SET job_title = CONCAT('Head of ', LEFT(UUID(), 8)) ORDER BY id LIMIT %d", compressChanges)); err != nil {
		return load, some, err
	}
	some, err = one()
	return load, some, err
}

// content is what a file holds, "" if it cannot be read.
func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// serverCPU is the CPU time that the server has used, 0 where nobody can tell.
func serverCPU(ctx context.Context, db *sql.DB) (time.Duration, error) {
	var file string
	if err := db.QueryRowContext(ctx, "SELECT @@pid_file").Scan(&file); err != nil {
		return 0, err
	}
	const user, system, perSecond = 11, 12, 100 // fields behind the name, in ticks
	_, rest, _ := strings.Cut(content("/proc/"+strings.TrimSpace(content(file))+"/stat"), ") ")
	fields := strings.Fields(rest)
	if len(fields) <= system {
		return 0, nil
	}
	var ticks int64
	for _, f := range fields[user : system+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond, nil
}
