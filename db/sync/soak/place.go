package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sync/sim"
)

// place is where one worker runs its simulations: in memory, on a private
// server, or in a database of its own on a server that was named.
type place struct {
	settings
	real   *sim.Real
	server *servertest.Server
	remove func() error
}

func (p *place) run(ctx context.Context, seed uint64) (sim.Report, error) {
	if !p.onServer() {
		return sim.Run(ctx, p.config(seed))
	}
	if p.real == nil {
		if err := p.open(ctx); err != nil {
			return sim.Report{Seed: seed}, err
		}
	}
	rep, err := sim.RunReal(ctx, p.config(seed), p.real)
	if err != nil || rep.Failure != "" {
		return rep, err
	}
	// What the central in memory makes of the same schedule must be the same.
	fake, err := sim.Run(ctx, p.config(seed))
	if err != nil {
		return rep, err
	}
	if fake.Hash != rep.Hash {
		rep.Failure = "the central in memory and the server differ: " + firstDifference(fake.Trace, rep.Trace)
	}
	return rep, nil
}

func firstDifference(memory, server []string) string {
	for i := range min(len(memory), len(server)) {
		if memory[i] != server[i] {
			return fmt.Sprintf("line %d is %q in memory and %q on the server", i, memory[i], server[i])
		}
	}
	return fmt.Sprintf("%d lines in memory, %d on the server", len(memory), len(server))
}

// open makes the worker's database.
func (p *place) open(ctx context.Context) error {
	if p.central != "" {
		return p.openCentral(ctx)
	}
	dir, err := os.MkdirTemp("/tmp", "rps")
	if err != nil {
		return err
	}
	if p.server, err = servertest.Run(ctx, dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	p.remove = func() error { return errors.Join(p.server.Close(), os.RemoveAll(dir)) }
	const name = "soak"
	url := p.server.URL(name)
	if _, err := mysql.Init(ctx, url); err != nil {
		return err
	}
	p.real = &sim.Real{DB: p.server.DB(name), URL: url}
	return nil
}

// openCentral makes a database on the server that was named.
func (p *place) openCentral(ctx context.Context) error {
	name := fmt.Sprintf("rapport_soak_%d_%d", os.Getpid(), time.Now().UnixNano()%1e9)
	server, options, asked := strings.Cut(p.central, "?")
	url := strings.TrimRight(server, "/") + "/" + name
	if asked {
		url += "?" + options
	}
	a, err := mysql.ParseURL(url)
	if err != nil {
		return err
	}
	if a.Database != name {
		return errors.New("name the server without a database: the soak makes its own")
	}
	cfg := driver.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = a.User, a.Password, "tcp", net.JoinHostPort(a.Host, a.Port)
	if a.Socket != "" {
		cfg.Net, cfg.Addr = "unix", a.Socket
	}
	cfg.InterpolateParams = true
	open := func(database string) (*sql.DB, error) {
		c := cfg.Clone()
		c.DBName = database
		connector, err := driver.NewConnector(c)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	admin, err := open("")
	if err != nil {
		return err
	}
	if _, err := mysql.Init(ctx, url); err != nil {
		return errors.Join(err, admin.Close())
	}
	p.remove = func() error {
		_, err := admin.Exec("DROP DATABASE `" + name + "`")
		return errors.Join(err, admin.Close())
	}
	db, err := open(name)
	if err != nil {
		return err
	}
	p.real = &sim.Real{DB: db, URL: url}
	return nil
}

func (p *place) close() {
	var err error
	if p.real != nil {
		err = p.real.DB.Close()
	}
	if p.remove != nil {
		err = errors.Join(err, p.remove())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
}
