package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/model"
)

// loading measures the first load by the real program, and beside it the C
// programs on the same rows: the mariadb client piped into the sqlite3 shell,
// then the same indexes and the same full text. The shell need not fold words
// nor make keys of phones: it finds them ready in a file.
func loading(ctx context.Context, b *bench, srv *servertest.Server) error {
	url, db, err := newCentral(ctx, srv, "bench")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := b.fill(ctx, url, db)
	if err != nil {
		return err
	}
	if err := warm(ctx, db); err != nil {
		return err
	}
	home := filepath.Join(b.temp, "loaded")
	ours, peak, res, err := b.firstLoad(ctx, home, url)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  rapport sync       %9d rows %8.1f s %8.0f rows/s, %.1f s of CPU, %d MB at most (limit 120), %.1f MB received, %d round trips\n",
		rows, ours.wall.Seconds(), float64(rows)/ours.wall.Seconds(), ours.cpu.Seconds(), peak, float64(res.BytesReceived)/1e6, res.RoundTrips)
	if err := b.usable(ctx, filepath.Join(b.temp, "usable"), url); err != nil {
		return err
	}
	theirs, parts, err := b.shellFirstLoad(ctx, srv, home)
	if err != nil || theirs.wall == 0 {
		return err
	}
	fmt.Fprintf(b.out, "  mariadb | sqlite3  %9d rows %8.1f s %8.0f rows/s, %.1f s of CPU: %s\n", rows, theirs.wall.Seconds(), float64(rows)/theirs.wall.Seconds(), theirs.cpu.Seconds(), parts)
	fmt.Fprintf(b.out, "  ratio              %28.2f (limit 1)\n", ours.wall.Seconds()/theirs.wall.Seconds())
	return nil
}

// warm reads every table once, so that neither side finds a server that still
// tidies up after the filling.
func warm(ctx context.Context, db *sql.DB) error {
	for _, n := range loaded {
		var rows, sum sql.NullInt64
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*), SUM(row_version) FROM `"+string(n)+"`").Scan(&rows, &sum); err != nil {
			return fmt.Errorf("read %s: %w", n, err)
		}
	}
	return nil
}

// firstLoad runs the program in an empty home and returns what it took and the
// most memory that it held, in megabytes.
func (b *bench) firstLoad(ctx context.Context, home, url string) (c cost, peak int64, res model.SyncResult, err error) {
	program, err := b.build(ctx, "rapport")
	if err != nil {
		return c, 0, res, err
	}
	cmd := b.isolate(exec.CommandContext(ctx, program, "--home", home, "--central", url, "sync", "--json"))
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	from := time.Now()
	if err := cmd.Start(); err != nil {
		return c, 0, res, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err = <-done:
			c.wall = time.Since(from)
			c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if err != nil {
				return c, peak, res, fmt.Errorf("rapport sync: %w: %s", err, problems.String())
			}
			return c, peak, res, json.Unmarshal(out.Bytes(), &res)
		case <-tick.C:
			if _, most, err := memoryOf(cmd.Process.Pid); err == nil {
				peak = max(peak, int64(most))
			}
		}
	}
}

// shellFirstLoad does the same with the C programs and tells how long each
// part of it took.
func (b *bench) shellFirstLoad(ctx context.Context, srv *servertest.Server, home string) (whole cost, parts string, err error) {
	client, err := exec.LookPath("mariadb")
	if err != nil {
		return cost{}, "", nil
	}
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		return cost{}, "", nil
	}
	dir, err := os.MkdirTemp(b.temp, "shell-")
	if err != nil {
		return cost{}, "", err
	}
	cache, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you", Currency: "USD"}})
	if err != nil {
		return cost{}, "", err
	}
	defer cache.Close()
	s := &shellLoad{shell: shell, dir: dir, source: filepath.Join(home, sqlite.FileName)}
	if err := s.define(ctx); err != nil {
		return cost{}, "", err
	}
	for i, q := range s.tables {
		// The C programs bring no rids: SQLite numbers the rows by itself.
		s.tables[i] = strings.Replace(q, "rid INTEGER PRIMARY KEY,", "", 1)
	}
	if err := s.words(ctx, cache); err != nil {
		return cost{}, "", err
	}
	file := filepath.Join(dir, "load.db")
	if _, _, err := s.run(ctx, file, "PRAGMA journal_mode=WAL;\nBEGIN;\n"+strings.Join(s.tables, "\n")+"\nCOMMIT;\n"); err != nil {
		return cost{}, "", err
	}
	var cpu time.Duration
	from := time.Now()
	for _, n := range loaded {
		script := `"$1" --quick --batch -N -u root -S "$2" bench -e "$3" | "$4" "$5" "PRAGMA synchronous=1" ".mode tabs" ".import /dev/stdin $6"`
		cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", client, srv.Socket, selection(model.EntityOf(n)), shell, file, string(n))
		var problems bytes.Buffer
		cmd.Stderr = &problems
		if err := cmd.Run(); err != nil || problems.Len() > 0 {
			return cost{}, "", fmt.Errorf("copy %s with the C programs: %v: %s", n, err, problems.String()[:min(500, problems.Len())])
		}
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	imported := time.Since(from)
	_, c, err := s.run(ctx, file, "BEGIN;\n"+strings.Join(s.after, "\n")+"\nCOMMIT;\n")
	if err != nil {
		return cost{}, "", err
	}
	cpu += c.cpu
	indexed := time.Since(from)
	_, c, err = s.run(ctx, file, "ATTACH '"+filepath.Join(dir, "words.db")+"' AS words;\nBEGIN;\n"+
		"INSERT INTO search_text (rowid, words) SELECT row, text FROM words.words WHERE text <> '';\n"+
		"INSERT INTO search_note (rowid, note) SELECT row, note FROM words.words WHERE note <> '';\nCOMMIT;\n")
	whole = cost{time.Since(from), cpu + c.cpu}
	return whole, fmt.Sprintf("import %.1f s, indexes %.1f s, full text %.1f s", imported.Seconds(), (indexed - imported).Seconds(), (whole.wall - indexed).Seconds()), err
}

// selection reads a table from the central as the shell's import wants it: ids
// as text, nothing for NULL, and the columns that only a cache has.
func selection(e *model.Entity) string {
	var cols []string
	for _, c := range e.Columns() {
		col := "`" + c.Name + "`"
		switch c.Type {
		case model.ColID:
			col = "LOWER(HEX(" + col + "))"
		case model.ColTime:
			col = "ROUND(UNIX_TIMESTAMP(" + col + ")*1000)"
		}
		cols = append(cols, "IFNULL("+col+",'')")
	}
	if e.Name != nil {
		title := "CONCAT_WS(' ',id,NULL)"
		switch e.Noun {
		case "contact":
			title = "CONCAT_WS(' ',first_name,last_name)"
		default:
			if f := e.Field("name"); f != nil {
				title = "`" + f.Columns()[0].Name + "`"
			}
		}
		cols = append(cols, title, "LOWER("+title+")", "LOWER("+title+")")
	}
	return "SELECT " + strings.Join(cols, ",") + " FROM `" + string(e.Noun) + "`"
}
