package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rapport/db/backup"
	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/model"
)

// dumpStatement is about how long one INSERT of a dump is: as mariadb-dump makes
// them.
const dumpStatement = 1 << 20

// restoring measures how long a backup of a central takes to come back, into
// another database of the server, against the mariadb client that reads a dump
// of the same tables, compressed. The dump has the form of mariadb-dump's: each
// table with its indexes, then its rows with the checks off.
func restoring(ctx context.Context, b *bench, srv *servertest.Server) (err error) {
	const from, ours, theirs = "restore_from", "restore_ours", "restore_theirs"
	url, db, err := newCentral(ctx, srv, from)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := b.fill(ctx, url, db)
	if err != nil {
		return err
	}
	home := filepath.Join(b.temp, "restore")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	cache, err := sqlite.Open(ctx, filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "you"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	backups := backup.New(backup.Options{Home: home, DB: func() *sqlite.DB { return cache }, Central: func(context.Context) (string, error) { return url, nil }})
	info, err := backups.CreateBackup(ctx, model.BackupRequest{Source: model.SourceCentral}, nil)
	if err != nil {
		return err
	}
	var res model.RestoreResult
	mine, err := measure(func() (err error) {
		res, err = backups.RestoreCentral(ctx, model.RestoreRequest{Into: srv.URL(ours)}, nil)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  rapport                       %9d rows %8.1f s until they can be used, %.1f s with the plan and all, from %.1f MB\n", res.Rows, res.Visible.Seconds(), mine.wall.Seconds(), float64(info.Bytes)/1e6)
	client, err := exec.LookPath("mariadb")
	if err != nil {
		fmt.Fprintln(b.out, "  mariadb is not installed here")
		return nil
	}
	press, err := exec.LookPath("zstd")
	if err != nil {
		fmt.Fprintln(b.out, "  zstd is not installed here")
		return nil
	}
	file := filepath.Join(home, "dump.sql.zst")
	if err := dumpTables(ctx, db, press, file); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+theirs); err != nil {
		return err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "sh", "-c", `"$1" -dcq "$2" | "$3" -u root -S "$4" "$5"`, "sh", press, file, client, srv.Socket, theirs)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("reload the dump: %w: %s", err, out[:min(len(out), 500)])
	}
	reload := time.Since(began)
	var same int64
	if err := db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM "+theirs+".contact)-(SELECT COUNT(*) FROM "+ours+".contact)").Scan(&same); err != nil {
		return err
	}
	if same != 0 {
		return fmt.Errorf("the two have %d contacts more or less", same)
	}
	fmt.Fprintf(b.out, "  zstd -d | mariadb             %9d rows %8.1f s, which compares nothing: ratio %.2f (limit 1.00)\n", rows, reload.Seconds(), res.Visible.Seconds()/reload.Seconds())
	for _, name := range []string{from, ours, theirs} {
		if _, err := db.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			return err
		}
	}
	return nil
}

// dumpTables writes the tables that a backup holds as statements, compressed.
func dumpTables(ctx context.Context, db *sql.DB, press, file string) (err error) {
	cmd := exec.CommandContext(ctx, press, "-3", "-q", "-o", file)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cmd.Wait()) }()
	defer func() { err = errors.Join(err, in.Close()) }()
	out := bufio.NewWriterSize(in, 1<<20)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET time_zone='+00:00'"); err != nil {
		return err
	}
	names, err := firstColumn(ctx, conn, "SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE() AND table_type='BASE TABLE' AND table_name NOT LIKE 'report%' AND table_name NOT IN ('sync_outbox','sync_feed','sync_push','sync_stage','sync_move','sync_lease','sync_restore','sync_heartbeat') ORDER BY table_name")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, "SET NAMES utf8mb4;SET TIME_ZONE='+00:00';SET UNIQUE_CHECKS=0,FOREIGN_KEY_CHECKS=0,SQL_MODE='NO_AUTO_VALUE_ON_ZERO';\n"); err != nil {
		return err
	}
	for _, name := range names {
		if err := dumpTable(ctx, conn, name, out); err != nil {
			return err
		}
	}
	return out.Flush()
}

// dumpTable writes one table.
func dumpTable(ctx context.Context, conn *sql.Conn, name string, out io.Writer) error {
	var same, define string
	if err := conn.QueryRowContext(ctx, "SHOW CREATE TABLE `"+name+"`").Scan(&same, &define); err != nil {
		return err
	}
	columns, err := firstColumn(ctx, conn, "SELECT IF(data_type IN ('binary','varbinary','blob'),CONCAT('IF(`',column_name,'` IS NULL,''NULL'',CONCAT(''0x'',HEX(`',column_name,'`)))'),CONCAT('QUOTE(`',column_name,'`)')) FROM information_schema.columns WHERE table_schema=DATABASE() AND table_name='"+name+"' ORDER BY ordinal_position")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s;\nLOCK TABLES `%s` WRITE;\n", define, name)
	rows, err := conn.QueryContext(ctx, "SELECT CONCAT('(',CONCAT_WS(',',"+strings.Join(columns, ",")+"),')') FROM `"+name+"`")
	if err != nil {
		return err
	}
	defer rows.Close()
	head := "INSERT INTO `" + name + "` VALUES "
	var line bytes.Buffer
	end := func() error {
		if line.Len() == 0 {
			return nil
		}
		line.WriteString(";\n")
		_, err := out.Write(line.Bytes())
		line.Reset()
		return err
	}
	for rows.Next() {
		var row sql.RawBytes
		if err := rows.Scan(&row); err != nil {
			return err
		}
		if line.Len() == 0 {
			line.WriteString(head)
		} else {
			line.WriteByte(',')
		}
		if line.Write(row); line.Len() > dumpStatement {
			if err := end(); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(rows.Err(), end()); err != nil {
		return err
	}
	_, err = io.WriteString(out, "UNLOCK TABLES;\n")
	return err
}

func firstColumn(ctx context.Context, conn *sql.Conn, query string) ([]string, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
