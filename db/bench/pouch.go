package main

import (
	"bufio"
	"context"
	_ "embed" // the peer's script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/mysql/servertest/wire"
	"rapport/model"
)

// Sizes of the comparison, and the link that both sides use.
const (
	pouchContacts = 5000
	pouchEdits    = 200
	pouchTrip     = 100 * time.Millisecond
	pouchRate     = 2500 // kB/s, which is 20 Mbit/s
)

// pouchPackages are what npm installs; express 5 breaks the peer's server.
var pouchPackages = []string{"pouchdb", "pouchdb-adapter-memory", "express@4", "express-pouchdb"}

//go:embed pouch.js
var pouchScript []byte

// figure is what moving something took.
type figure struct {
	rows             int64
	wall             time.Duration
	trips, up, downs int64
}

// pouchSteps are what both sides do, in order.
var pouchSteps = []string{"first push", "first pull", "push of edits", "pull of edits", "nothing new"}

// pouching moves the same contacts over the same link by the workspace's sync
// and by PouchDB's.
func pouching(ctx context.Context, b *bench, srv *servertest.Server) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(b.out, "  not installed here: %s\n", program)
			return nil
		}
	}
	page, err := b.db.List(ctx, model.Query{Noun: "contact", Limit: pouchContacts})
	if err != nil {
		return err
	}
	theirs, err := b.pouch(ctx, page.Items)
	if err != nil {
		return fmt.Errorf("PouchDB: %w", err)
	}
	ours, err := b.rapport(ctx, srv, page.Items)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  %d contacts, %d edits, round trip %d ms, %d kB/s; ours against MariaDB and SQLite on disk, theirs in memory\n",
		len(page.Items), pouchEdits, pouchTrip.Milliseconds(), pouchRate)
	fmt.Fprintf(b.out, "  %-14s %6s %31s %31s %17s\n", "", "rows", "ours ms  requests  kB", "theirs ms  requests  kB", "ratio time  bytes")
	for i, name := range pouchSteps {
		o, t := ours[i], theirs[i]
		if o.rows != t.rows {
			return fmt.Errorf("%s: %d rows by us, %d by them", name, o.rows, t.rows)
		}
		fmt.Fprintf(b.out, "  %-14s %6d %17.1f %5d %7.1f %17.1f %5d %7.1f %11.3f %5.3f\n", name, o.rows, ms(o.wall), o.trips, kB(o), ms(t.wall), t.trips, kB(t),
			float64(o.wall)/float64(t.wall), kB(o)/kB(t))
	}
	return nil
}

func kB(f figure) float64 { return float64(f.up+f.downs) / 1000 }

// link lays the way between a client and a server.
func link(server string) (*wire.Wire, error) {
	w, err := wire.Open(server)
	if err != nil {
		return nil, err
	}
	if err := w.Suffer(wire.Latency(pouchTrip), wire.Bandwidth(pouchRate)); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// rapport is our side of the comparison.
func (b *bench) rapport(ctx context.Context, srv *servertest.Server, contacts []*model.Record) (out []figure, err error) {
	url, db, err := newCentral(ctx, srv, "pouch")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	way, err := link(srv.Address())
	if err != nil {
		return nil, err
	}
	defer way.Close()
	var homes [2]*laptop
	for i := range homes {
		// A server far away is spoken to compressed; this one only seems to be.
		if homes[i], err = b.newLaptop(ctx, fmt.Sprint("pouch-laptop", i), way.URL(url)+"?compress=true"); err != nil {
			return nil, err
		}
		defer homes[i].Close()
		// Both know the server's first pipeline before anything is measured.
		if _, _, err := homes[i].sync(ctx, false); err != nil {
			return nil, err
		}
	}
	note := func(h *laptop) error {
		res, c, err := h.sync(ctx, false)
		out = append(out, figure{res.Pushed + res.Pulled, c.wall, res.RoundTrips, res.BytesSent, res.BytesReceived})
		return err
	}
	save := func(edits []model.Edit) error {
		saved, err := homes[0].SaveAll(ctx, edits, false)
		for _, s := range saved {
			err = errors.Join(err, s.Err)
		}
		for i := range saved {
			if edits[i].ID == "" {
				contacts[i].ID = saved[i].ID
			}
		}
		return err
	}
	var fresh, changed []model.Edit
	for _, r := range contacts {
		fresh = append(fresh, model.Edit{Noun: "contact", Set: pouchFields(r)})
	}
	if err := errors.Join(save(fresh), note(homes[0]), note(homes[1])); err != nil {
		return nil, err
	}
	for _, r := range contacts[:min(pouchEdits, len(contacts))] {
		changed = append(changed, model.Edit{Noun: "contact", ID: r.ID, Set: map[string]any{"notes": "changed"}})
	}
	if err := errors.Join(save(changed), note(homes[0]), note(homes[1])); err != nil {
		return nil, err
	}
	idle, err := pollOnce(ctx, homes[1])
	return append(out, idle), err
}

// pollOnce is a poll that finds nothing, over a connection that is open as it
// is while the interface follows the central.
func pollOnce(ctx context.Context, l *laptop) (figure, error) {
	at, err := l.Position(ctx)
	if err != nil {
		return figure{}, err
	}
	c, err := mysql.Dial(ctx, l.url, mysql.DialOptions{})
	if err != nil {
		return figure{}, err
	}
	defer c.Close()
	if _, err := c.Poll(ctx, model.Device{}, at); err != nil {
		return figure{}, err
	}
	n, up, down := c.Traffic()
	took, err := measure(func() error {
		_, err := c.Poll(ctx, model.Device{}, at)
		return err
	})
	n2, up2, down2 := c.Traffic()
	return figure{0, took.wall, n2 - n, up2 - up, down2 - down}, err
}

func pouchFields(r *model.Record) map[string]any {
	set := map[string]any{}
	for _, f := range []string{"first_name", "last_name", "job_title", "notes"} {
		if v := r.Text(f); v != "" {
			set[f] = v
		}
	}
	return set
}

// pouch is the peer's side of the comparison.
func (b *bench) pouch(ctx context.Context, contacts []*model.Record) (out []figure, err error) {
	dir := filepath.Join(b.temp, "pouch")
	if err := installPouch(ctx, dir, contacts); err != nil {
		return nil, err
	}
	server, err := startNode(ctx, dir, "serve")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	var hello struct{ Port int }
	if err := server.read(&hello); err != nil {
		return nil, err
	}
	way, err := link(fmt.Sprint("127.0.0.1:", hello.Port))
	if err != nil {
		return nil, err
	}
	defer way.Close()
	meter, err := wire.Count(way.URL(fmt.Sprint("127.0.0.1:", hello.Port)))
	if err != nil {
		return nil, err
	}
	defer meter.Close()
	var clients [2]*node
	for i := range clients {
		if clients[i], err = startNode(ctx, dir, "client", "http://"+meter.Address()+"/contacts"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, clients[i].close()) }()
	}
	note := func(c *node, command string) error {
		before, err := server.requests()
		if err != nil {
			return err
		}
		up, down := meter.Bytes()
		f, err := c.do(command)
		if err != nil {
			return err
		}
		after, err := server.requests()
		up2, down2 := meter.Bytes()
		f.trips, f.up, f.downs = after-before, up2-up, down2-down
		out = append(out, f)
		return err
	}
	// Both know that the database is there before anything is measured.
	for _, c := range clients {
		if _, err := c.do("pull"); err != nil {
			return nil, err
		}
	}
	if _, err := clients[0].do("fill contacts.json"); err != nil {
		return nil, err
	}
	if err := errors.Join(note(clients[0], "push"), note(clients[1], "pull")); err != nil {
		return nil, err
	}
	if _, err := clients[0].do(fmt.Sprint("edit ", min(pouchEdits, len(contacts)))); err != nil {
		return nil, err
	}
	err = errors.Join(note(clients[0], "push"), note(clients[1], "pull"), note(clients[1], "pull"))
	return out, err
}

// installPouch makes the folder in which the peer runs.
func installPouch(ctx context.Context, dir string, contacts []*model.Record) error {
	var docs []map[string]any
	for i, r := range contacts {
		doc := pouchFields(r)
		doc["_id"] = fmt.Sprintf("contact:%08d", i)
		docs = append(docs, doc)
	}
	data, err := json.Marshal(docs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"pouch.js": pouchScript, "contacts.json": data} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"}, pouchPackages...)...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w: %s", err, said)
	}
	return nil
}

// node is a script that answers each line with one.
type node struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startNode(ctx context.Context, dir string, args ...string) (*node, error) {
	n := &node{cmd: exec.CommandContext(ctx, "node", append([]string{"pouch.js"}, args...)...)}
	n.cmd.Dir = dir
	in, err := n.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n.in, n.out = in, bufio.NewReader(out)
	return n, n.cmd.Start()
}

func (n *node) read(into any) error {
	line, err := n.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the script ended: %w", err)
	}
	return json.Unmarshal(line, into)
}

// do runs a command and returns what the script measured.
func (n *node) do(command string) (figure, error) {
	var said struct {
		Docs  int64
		MS    float64
		Error string
	}
	if _, err := fmt.Fprintln(n.in, command); err != nil {
		return figure{}, err
	}
	if err := n.read(&said); err != nil {
		return figure{}, err
	}
	if said.Error != "" {
		return figure{}, fmt.Errorf("%s: %s", command, said.Error)
	}
	return figure{rows: said.Docs, wall: time.Duration(said.MS * float64(time.Millisecond))}, nil
}

// requests is how many requests a server got so far.
func (n *node) requests() (int64, error) {
	var said struct{ Requests int64 }
	if _, err := fmt.Fprintln(n.in); err != nil {
		return 0, err
	}
	return said.Requests, n.read(&said)
}

// close lets the script end, which it does at the end of its input.
func (n *node) close() error { return errors.Join(n.in.Close(), n.cmd.Wait()) }
