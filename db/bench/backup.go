package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"rapport/db/mysql/servertest"
)

// backupRuns is how often each way of backing a central up is measured.
const backupRuns = 3

// backingUp measures a full backup of a central, verified against it and
// encrypted for two keys, against mariadb-dump of the same tables through zstd,
// which proves and hides nothing; then an increment after one contact in a
// hundred changed. Both are processes of their own.
func backingUp(ctx context.Context, b *bench, srv *servertest.Server) (err error) {
	const name = "backup"
	url, db, err := newCentral(ctx, srv, name)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := b.fill(ctx, url, db)
	if err != nil {
		return err
	}
	program, err := b.build(ctx, "rapport")
	if err != nil {
		return err
	}
	w := &backingUpWork{bench: b, program: program, url: url, home: filepath.Join(b.temp, "backup")}
	for range 2 {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		w.recipients = append(w.recipients, k.Recipient().String())
	}
	dump := dumpCommand(srv.Socket, name)
	var ours, theirs []ran
	for range backupRuns {
		mine, err := w.create(ctx, "full")
		if err != nil {
			return err
		}
		ours = append(ours, mine)
		if dump == nil {
			continue
		}
		other, err := dump(ctx, filepath.Join(b.temp, "dump.sql.zst"))
		if err != nil {
			return err
		}
		theirs = append(theirs, other)
	}
	full := middleRun(ours)
	fmt.Fprintf(b.out, "  full, compared and encrypted  %9d rows %8.2f s, %.2f s of CPU, %.1f MB, %.0f MB of memory\n", full.rows, full.wall.Seconds(), full.cpu.Seconds(), full.mb, full.memory)
	if dump == nil {
		fmt.Fprintln(b.out, "  mariadb-dump or zstd is not installed here")
	} else {
		d := middleRun(theirs)
		fmt.Fprintf(b.out, "  mariadb-dump | zstd -3        %9d rows %8.2f s, %.2f s of CPU, %.1f MB: ratios %.2f of time (limit 2.00), %.2f of size (limit 1.05)\n",
			rows, d.wall.Seconds(), d.cpu.Seconds(), d.mb, full.wall.Seconds()/d.wall.Seconds(), full.mb/d.mb)
	}
	if _, err := db.ExecContext(ctx, "UPDATE contact SET job_title = CONCAT(COALESCE(job_title, ''), ' *') ORDER BY REVERSE(id) LIMIT "+fmt.Sprint(max(1, b.contacts/100))); err != nil {
		return err
	}
	part, err := w.create(ctx, "incremental")
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  increment of one in a hundred %9d rows %8.2f s, %.2f s of CPU, %.1f MB: ratios to the full one %.3f of time (limit 0.050), %.3f of size (limit 0.030)\n",
		part.rows, part.wall.Seconds(), part.cpu.Seconds(), part.mb, part.wall.Seconds()/full.wall.Seconds(), part.mb/full.mb)
	_, err = db.ExecContext(ctx, "DROP DATABASE "+name)
	return err
}

// backingUpWork runs the program on one central.
type backingUpWork struct {
	*bench
	program, url, home string
	recipients         []string
}

// ran is what one backup took.
type ran struct {
	wall, cpu  time.Duration
	mb, memory float64
	rows       int64
}

func middleRun(all []ran) ran {
	slices.SortFunc(all, func(a, b ran) int { return int(a.wall - b.wall) })
	return all[len(all)/2]
}

func (w *backingUpWork) create(ctx context.Context, kind string) (ran, error) {
	cmd := w.isolate(exec.CommandContext(ctx, w.program, "--home", w.home, "--central", w.url, "backup", "create", "--source", "central", "--kind", kind, "--json"))
	cmd.Env = append(cmd.Env, "RAPPORT_BACKUP__RECIPIENTS="+strings.Join(w.recipients, ","))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return ran{}, err
	}
	memory := peakOf(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		memory()
		return ran{}, fmt.Errorf("make a %s backup: %w: %s", kind, err, said.Bytes())
	}
	r := ranOf(cmd.ProcessState, time.Since(began))
	r.memory = memory()
	var info struct {
		Kind  string
		Rows  int64
		Bytes int64
	}
	if err := json.Unmarshal(out.Bytes(), &info); err != nil {
		return r, err
	}
	if info.Kind != kind {
		return r, fmt.Errorf("a %s backup was made, not a %s one", info.Kind, kind)
	}
	r.rows, r.mb = info.Rows, float64(info.Bytes)/1e6
	return r, nil
}

func ranOf(p *os.ProcessState, wall time.Duration) ran {
	return ran{wall: wall, cpu: p.UserTime() + p.SystemTime()}
}

// peakOf watches a process until it ends; the answer is the most memory that it
// was seen with, in megabytes. What the system tells at the end counts that of
// the process which started it.
func peakOf(pid int) func() float64 {
	done := make(chan float64, 1)
	go func() {
		most := 0.0
		for {
			_, peak, err := memoryOf(pid)
			if err != nil || peak == 0 {
				done <- most
				return
			}
			most = peak
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() float64 { return <-done }
}

// dumpCommand returns what dumps a central with the usual programs, nil where
// they are not installed.
func dumpCommand(socket, name string) func(ctx context.Context, file string) (ran, error) {
	dump, err := exec.LookPath("mariadb-dump")
	press, perr := exec.LookPath("zstd")
	if err != nil || perr != nil {
		return nil
	}
	return func(ctx context.Context, file string) (ran, error) {
		cmd := exec.CommandContext(ctx, "sh", "-c", `"$1" --no-defaults -u root -S "$2" --single-transaction --quick "$3" --ignore-table="$3.sync_outbox" --ignore-table="$3.sync_feed" | "$4" -3 -q -f -o "$5"`, "sh", dump, socket, name, press, file)
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return ran{}, fmt.Errorf("dump: %w: %s", err, out[:min(len(out), 500)])
		}
		r := ranOf(cmd.ProcessState, time.Since(began))
		info, err := os.Stat(file)
		if err != nil {
			return r, err
		}
		r.mb = float64(info.Size()) / 1e6
		return r, nil
	}
}
