package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// promotions is how often the primary is killed, and orphanedFor how long
// nobody takes changes after the client has said that it waits.
const (
	promotions  = 5
	orphanedFor = 1700 * time.Millisecond
)

// promoting measures how soon a client that waits with an edit gets it to a
// standby that was made the primary. Two servers take turns: the primary is
// killed, the other one promoted, and the first comes back as its standby.
func promoting(ctx context.Context, b *bench) (err error) {
	program, err := b.build(ctx, "rapport")
	if err != nil {
		return err
	}
	var servers [2]*servertest.Server
	for i := range servers {
		s, err := servertest.Run(ctx, filepath.Join(b.temp, fmt.Sprint("mirror", i)), servertest.Flag(fmt.Sprint("--server-id=", i+1)), servertest.Flag("--log-bin=binlog"),
			servertest.Flag("--binlog-format=ROW"), servertest.Flag("--log-slave-updates"), servertest.Flag("--gtid-strict-mode=1"), servertest.Flag("--read-only=1"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		servers[i] = s
	}
	db := servers[0].DB("")
	_, err = db.ExecContext(ctx, "SET GLOBAL read_only = 0; CREATE USER ann@'%'; CREATE DATABASE crm")
	err = errors.Join(err, db.Close())
	if err != nil {
		return err
	}
	list := servers[0].URL("crm") + "," + servers[1].URL("crm")
	if _, err := mysql.Init(ctx, list); err != nil {
		return err
	}
	db = servers[0].DB("")
	_, err = db.ExecContext(ctx, "GRANT SELECT, INSERT, UPDATE, DELETE ON crm.* TO ann@'%'")
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if _, err := mysql.SetUpStandby(ctx, list, model.StandbyRequest{}, nil); err != nil {
		return err
	}
	home := []string{"--home", filepath.Join(b.temp, "waits"), "--central", servers[0].URLFor("ann", "", "crm") + "," + servers[1].URLFor("ann", "", "crm")}
	command := func(args ...string) *exec.Cmd {
		return b.isolate(exec.CommandContext(ctx, program, append(slices.Clone(home), args...)...))
	}
	if out, err := command("sync").CombinedOutput(); err != nil {
		return fmt.Errorf("sync: %w: %s", err, out)
	}
	watch := command("sync", "--watch")
	says, err := watch.StderrPipe()
	if err != nil {
		return err
	}
	said := bufio.NewScanner(says)
	if err := watch.Start(); err != nil {
		return err
	}
	defer func() {
		_ = watch.Process.Kill() // it never ends by itself
		_ = watch.Wait()
	}()
	var opened, written []time.Duration
	for i := range promotions {
		primary, standby := servers[i%2], servers[(i+1)%2]
		name := fmt.Sprint("edit ", i)
		if err := until(said, "online"); err != nil {
			return err
		}
		primary.Kill9()
		if out, err := command("contact", "add", "--set", "last_name="+name).CombinedOutput(); err != nil {
			return fmt.Errorf("an edit beside no server: %w: %s", err, out)
		}
		if err := until(said, "standby"); err != nil {
			return err
		}
		time.Sleep(orphanedFor)
		began := time.Now()
		p, err := mysql.Promote(ctx, list, model.PromoteRequest{})
		if err != nil {
			return err
		}
		open := time.Now()
		if err := arrived(ctx, standby, name); err != nil {
			return err
		}
		opened, written = append(opened, p.Took), append(written, time.Since(open))
		fmt.Fprintf(b.out, "  promoted in %4d ms (looked at first for %d ms); the edit was there %4d ms after\n", p.Took.Milliseconds(), (open.Sub(began) - p.Took).Milliseconds(), time.Since(open).Milliseconds())
		if err := primary.Restart(); err != nil {
			return err
		}
		if _, err := mysql.Rejoin(ctx, list, model.StandbyRequest{Orphans: filepath.Join(b.temp, "orphans.ndjson")}, nil); err != nil {
			return err
		}
	}
	slices.Sort(opened)
	slices.Sort(written)
	fmt.Fprintf(b.out, "  median: promoted in %d ms, first write of a waiting client %d ms after it, at most %d ms\n",
		opened[promotions/2].Milliseconds(), written[promotions/2].Milliseconds(), written[promotions-1].Milliseconds())
	return nil
}

// until reads what a program says up to a line that holds a word.
func until(said *bufio.Scanner, word string) error {
	for said.Scan() {
		if strings.Contains(said.Text(), word) {
			return nil
		}
	}
	return fmt.Errorf("the client never said %q: %w", word, said.Err())
}

// arrived waits until a server has a contact.
func arrived(ctx context.Context, s *servertest.Server, name string) error {
	db := s.DB("crm")
	defer db.Close()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		n := 0
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM contact WHERE last_name = ?", name).Scan(&n); err != nil || n > 0 {
			return err
		}
	}
	return fmt.Errorf("%s did not arrive", name)
}
