package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// ErrNoGalera is what asking for a cluster gives where its library is missing.
var ErrNoGalera = errors.New("the Galera library is not installed here: install it, on Debian with `apt-get install galera-4`")

// findGalera returns the library that makes a MariaDB server a node.
func findGalera() (string, error) {
	// The pattern is well formed, so that there is no error.
	if found, _ := filepath.Glob("/usr/lib*/galera*/libgalera_smm.so"); len(found) > 0 {
		return found[0], nil
	}
	return "", ErrNoGalera
}

// Cluster is a pair of MariaDB servers that replicate to each other by Galera.
// The first node has two votes and the second one: without the second the first
// goes on, without the first the second is no longer ready.
type Cluster struct {
	Nodes [2]*Server

	library string
	group   [2]int // ports on which the nodes talk to each other
	moving  [2]int // ports on which a node takes what it missed
}

// Galera starts a pair of nodes that ends with the test. It fails the test
// where MariaDB or its Galera library is not installed.
func Galera(tb testing.TB) *Cluster {
	tb.Helper()
	var err error
	for range 3 { // another program may take a port that was free
		var c *Cluster
		if c, err = startCluster(context.Background()); err == nil {
			tb.Cleanup(c.Close)
			return c
		}
		if errors.Is(err, ErrNoGalera) || errors.Is(err, ErrNotInstalled) {
			break
		}
	}
	tb.Fatal(err)
	return nil
}

// Close ends both nodes and removes their data.
func (c *Cluster) Close() {
	for _, s := range c.Nodes {
		if s != nil {
			s.Close()
		}
	}
}

func startCluster(ctx context.Context) (*Cluster, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	for i := range c.Nodes {
		join := []string{"--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster"}
		if i > 0 {
			join = []string{c.beside(i)}
		}
		if c.Nodes[i], err = start(ctx, c.node(i, join...)); err != nil {
			c.Close()
			return nil, err
		}
		if err := c.Nodes[i].awaitNode(ctx, i+1); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func newCluster() (*Cluster, error) {
	c := &Cluster{}
	var err error
	if c.library, err = findGalera(); err != nil {
		return nil, err
	}
	var held []net.Listener // all at once, so that no port comes twice
	for _, port := range []*int{&c.group[0], &c.group[1], &c.moving[0], &c.moving[1]} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
	}
	for _, l := range held {
		l.Close()
	}
	return c, nil
}

// beside is the address under which a node finds the other one.
func (c *Cluster) beside(i int) string {
	return fmt.Sprintf("--wsrep-cluster-address=gcomm://127.0.0.1:%d", c.group[1-i])
}

// node starts a server as a node. A node that is gone is missed soon, but not
// one that merely had no turn on a busy machine.
func (c *Cluster) node(i int, join ...string) Option {
	address := fmt.Sprintf("127.0.0.1:%d", c.group[i])
	flags := append([]string{"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", "--wsrep-provider=" + c.library,
		"--wsrep-cluster-name=rapport", fmt.Sprintf("--wsrep-node-name=node%d", i+1), "--wsrep-node-address=" + address, "--wsrep-sst-method=" + replayMethod,
		fmt.Sprintf("--wsrep-provider-options=base_host=127.0.0.1;base_port=%d;gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;gcache.size=32M;pc.weight=%d;pc.recovery=false;"+
			"evs.keepalive_period=PT0.2S;evs.inactive_check_period=PT0.2S;evs.suspect_timeout=PT1.5S;evs.inactive_timeout=PT3S;evs.install_timeout=PT3S", c.group[i], address, c.moving[i], 2-i)}, join...)
	return func(s *config) { s.flags, s.node = flags, true }
}

// awaitNode returns when a node takes requests in a cluster of so many.
func (s *Server) awaitNode(ctx context.Context, size int) error {
	db := s.DB("")
	defer db.Close()
	deadline := time.Now().Add(60 * time.Second)
	for {
		var name, ready, state, members string
		err := errors.Join(db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_ready'").Scan(&name, &ready),
			db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state),
			db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'").Scan(&name, &members))
		if err == nil && ready == "ON" && state == "Synced" && members == fmt.Sprint(size) {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the node ended at its start: %s", s.lastLog())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the node is %q in a cluster of %s and ready is %q (%v): %s", state, members, ready, err, s.lastLog())
		}
	}
}

// Await returns when a node takes requests in a cluster of so many.
func (c *Cluster) Await(tb testing.TB, i, size int) {
	tb.Helper()
	if err := c.Nodes[i].awaitNode(tb.Context(), size); err != nil {
		tb.Fatal(err)
	}
}

// CatchUp waits until a node has everything that was committed on either.
func (c *Cluster) CatchUp(tb testing.TB, i int) {
	tb.Helper()
	c.Nodes[i].SQL(tb, "", "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM mysql.db")
}

// GoOn lets a node that has no majority take requests again, as an administrator
// does who knows that the other one is gone.
func (c *Cluster) GoOn(tb testing.TB, i int) {
	tb.Helper()
	c.Nodes[i].SQL(tb, "", "SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'")
	c.Await(tb, i, 1)
}

var recovered = regexp.MustCompile(`Recovered position:\s*(\S+:\d+)`)

// Rejoin starts a node again that was killed. It takes what it missed from the
// other one.
func (c *Cluster) Rejoin(tb testing.TB, i int) {
	tb.Helper()
	s := c.Nodes[i]
	s.stop()
	var asked config
	c.node(i, c.beside(i))(&asked)
	args := append(s.program.commonFlags(filepath.Join(s.dir, "data")), asked.flags...)
	out, err := exec.CommandContext(tb.Context(), s.program.path, append(args, "--wsrep-recover", "--skip-networking", "--socket="+s.Socket, "--pid-file="+filepath.Join(s.dir, "pid"), "--tmpdir="+filepath.Join(s.dir, "tmp"))...).CombinedOutput()
	at := recovered.FindSubmatch(out)
	if err != nil || at == nil {
		tb.Fatalf("the node does not know where it is: %v: %s", err, bytes.TrimSpace(out))
	}
	s.flags = append(asked.flags, "--wsrep-start-position="+string(at[1]))
	if err := s.launch(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	for j := range c.Nodes {
		c.Await(tb, j, len(c.Nodes))
	}
}

// replayMethod is how a node takes over what it missed: as what the other one
// did meanwhile, and never as a copy of its files, which needs other programs.
// All nodes begin with the same data.
const replayMethod = "replay"

// replayScript is what a node runs on both sides before the other's changes
// flow. It only hands on from where; the address that the node which joins
// gives is its own folder.
const replayScript = `#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	--role) role=$2 ;;
	--gtid) gtid=$2 ;;
	--gtid-domain-id) domain=$2 ;;
	--address) address=$2 ;;
	--datadir) data=$2 ;;
	--parent) parent=$2 ;;
	--bypass) bypass=yes ;;
	esac
	shift
done
case $role in
donor)
	[ "$bypass" ] || { echo "the node is too far behind to replay" >&2; exit 22; }
	at=${address#127.0.0.1}/../from
	echo "$gtid $domain" >"$at.new" && mv "$at.new" "$at" && echo "done $gtid" ;;
joiner)
	at=$data/../from
	rm -f "$at"
	echo "ready 127.0.0.1$data"
	until [ -f "$at" ]; do kill -0 "$parent" || exit 32; sleep 0.05; done
	cat "$at" ;;
esac
`

// replayPath writes the script into a folder and returns the environment in
// which a server finds it.
func replayPath(dir string) ([]string, error) {
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(bin, "wsrep_sst_"+replayMethod), []byte(replayScript), 0o700); err != nil {
		return nil, err
	}
	return append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")), nil
}

// setUpNode makes a fresh data folder that knows its place in the history of
// a cluster: a node joins by replaying from there.
func (p program) setUpNode(ctx context.Context, data string) error {
	c, err := newCluster()
	if err != nil {
		return err
	}
	var asked config
	c.node(0, "--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster")(&asked)
	s, err := start(ctx, func(o *config) { o.flags, o.root = asked.flags, filepath.Dir(data) })
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.awaitNode(ctx, 1); err != nil {
		return err
	}
	db := s.DB("")
	defer db.Close()
	if _, err := db.ExecContext(ctx, "SHUTDOWN"); err != nil {
		return err
	}
	select {
	case <-s.exited:
	case <-time.After(60 * time.Second):
		return errors.New("the node does not end")
	}
	return os.Remove(filepath.Join(data, "galera.cache"))
}
