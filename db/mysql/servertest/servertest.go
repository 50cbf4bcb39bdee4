// Package servertest starts private MariaDB or MySQL servers: for tests, for
// benchmarks and for a demo with a server. A server has a data folder of its
// own, listens on a free port of 127.0.0.1 and dies with the process that
// started it, also when that is killed. No other server on the machine is
// touched, and nothing of the machine's own configuration is read.
//
// A test that asks for a server fails where none is installed: it never skips.
package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Option changes how a server is started.
type Option func(*config)

type config struct {
	flags []string
	root  string // where the data lie; "" for a folder that goes with the server
	node  bool   // it belongs to a cluster
}

// Flag passes an option to the server, such as "--log-bin" or
// "--max-allowed-packet=1M".
func Flag(s string) Option { return func(c *config) { c.flags = append(c.flags, s) } }

// Binlog switches the binary log on, in row format.
func Binlog() Option {
	return func(c *config) {
		c.flags = append(c.flags, "--log-bin=binlog", "--binlog-format=ROW", "--server-id=1")
	}
}

// MaxAllowedPacket limits one statement to so many bytes.
func MaxAllowedPacket(bytes int) Option { return Flag("--max-allowed-packet=" + strconv.Itoa(bytes)) }

// Server is one running server.
type Server struct {
	Port   int
	Socket string // of the local connection, for a client that takes one

	dir     string // holds data, socket and log
	keep    bool   // the folder stays when the server ends
	program program
	flags   []string
	env     []string // of the process; nil for that of this one
	cmd     *exec.Cmd
	guard   *exec.Cmd
	leash   io.Closer
	exited  chan struct{}
	bases   atomic.Int64
}

// Start starts a server that ends with the test. It fails the test where no
// server is installed.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s, err := start(context.Background(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// shared is the one server of a test binary. It is the process's own: it lives
// as long as the process does, which is why it stands here and not in a value.
var shared = sync.OnceValues(func() (*Server, error) { return start(context.Background()) })

// Shared returns the server that all tests of this binary share. It is started
// at the first call and ends with the process; use Database for a database of
// the test's own.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Run starts a server whose data lie in dir and stay there when it ends.
func Run(ctx context.Context, dir string, opts ...Option) (*Server, error) {
	return start(ctx, append(opts, func(c *config) { c.root = dir })...)
}

func start(ctx context.Context, opts ...Option) (*Server, error) {
	var c config
	for _, o := range opts {
		o(&c)
	}
	p, err := findProgram()
	if err != nil {
		return nil, err
	}
	s := &Server{program: p, flags: c.flags, dir: c.root, keep: c.root != ""}
	if !s.keep {
		// The folder's name is short because a socket's path may have 107 bytes only.
		if s.dir, err = os.MkdirTemp(shortTemp(), "rps"); err != nil {
			return nil, err
		}
	}
	err = p.prepare(ctx, filepath.Join(s.dir, "data"), c.node)
	if err == nil && c.node {
		s.env, err = replayPath(s.dir)
	}
	if err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		s.removeFolder()
		return nil, err
	}
	return s, nil
}

// shortTemp returns a folder for servers that are thrown away: one in memory
// where there is room, for a server waits for the disk at each statement that
// makes a table. Paths of sockets must be short, so a long one gives way to
// /tmp.
func shortTemp() string {
	if dir, ok := memoryFolder(); ok {
		return dir
	}
	t := os.TempDir()
	if _, err := os.Stat("/tmp"); err == nil && len(t) > 60 {
		return "/tmp"
	}
	return t
}

// launch starts the process on the data that are there and waits until it
// answers. A port that somebody else took meanwhile is tried anew.
func (s *Server) launch(ctx context.Context) error {
	var err error
	for range 3 {
		if err = s.launchOnce(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (s *Server) launchOnce(ctx context.Context) error {
	if s.Port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.Port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	s.Socket = filepath.Join(s.dir, "s")
	// A server that starts removes the temporary tables that it finds in its
	// folder for them, also those of a server that runs.
	temporary := filepath.Join(s.dir, "tmp")
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append(s.program.commonFlags(filepath.Join(s.dir, "data")),
		"--port="+strconv.Itoa(s.Port), "--bind-address=127.0.0.1", "--socket="+s.Socket,
		"--pid-file="+filepath.Join(s.dir, "pid"), "--skip-name-resolve", "--tmpdir="+temporary,
		"--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
		"--performance-schema=OFF", "--max-connections=300")
	s.cmd = exec.Command(s.program.path, append(args, s.flags...)...)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.Env = log, log, s.env
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.program.path, err)
	}
	exited, cmd := make(chan struct{}), s.cmd
	s.exited = exited
	go func() { cmd.Wait(); close(exited) }()
	if err := s.startGuard(); err != nil {
		s.stop()
		return err
	}
	if err := s.await(ctx); err != nil {
		s.stop()
		s.Port = 0
		return err
	}
	return nil
}

// startGuard starts a shell that holds one end of a pipe and kills the server
// when this process, which holds the other, is gone in whatever way.
func (s *Server) startGuard() error {
	script := `trap '' INT HUP TERM; cat >/dev/null; [ -d "$2/data" ] && kill -9 "$1"; [ "$3" = keep ] || rm -rf "$2"`
	keep := ""
	if s.keep {
		keep = "keep"
	}
	s.guard = exec.Command("/bin/sh", "-c", script, "sh", strconv.Itoa(s.cmd.Process.Pid), s.dir, keep)
	leash, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.leash = leash
	return s.guard.Start()
}

// await returns when the server answers a login, or says why it does not.
func (s *Server) await(ctx context.Context) error {
	db := s.DB("")
	defer db.Close()
	deadline := time.Now().Add(90 * time.Second)
	for {
		tctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := db.PingContext(tctx)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the private server ended at its start: %s", s.lastLog())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the private server does not answer: %w: %s", err, s.lastLog())
		}
	}
}

func (s *Server) lastLog() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "server.log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// stop kills the process that this value started, by its own handle, and the
// guard, and waits for both.
func (s *Server) stop() {
	if s.guard != nil && s.guard.Process != nil {
		// The guard goes first: once the server's number is free, nobody may
		// kill it.
		s.guard.Process.Kill()
		s.leash.Close()
		s.guard.Wait()
		s.guard = nil
	}
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
		<-s.exited
	}
}

// Kill9 ends the server at once, as a power cut does. What it had committed is
// there again after Restart.
func (s *Server) Kill9() { s.stop() }

// Restart starts the server again on its data and its port.
func (s *Server) Restart() error {
	s.stop()
	return s.launch(context.Background())
}

// Pause stops the process without ending it, so that its connections hang;
// Resume lets it go on. It returns when the server has fallen silent: the
// signal itself only asks the threads to stop.
func (s *Server) Pause() error {
	if err := signal(s.cmd.Process, "STOP"); err != nil {
		return err
	}
	for range 100 {
		silent, err := s.silent()
		if silent || err != nil {
			return err
		}
	}
	return errors.New("the server goes on although it was told to stop")
}

// silent tells whether a new connection waits in vain for the greeting that a
// server sends first.
func (s *Server) silent() (bool, error) {
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		return false, err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return false, err
	}
	_, err = c.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded), nil
}

// Resume lets a paused server go on.
func (s *Server) Resume() error { return signal(s.cmd.Process, "CONT") }

// signal goes through the kill program because Windows has no such signals.
func signal(p *os.Process, name string) error {
	return exec.Command("kill", "-"+name, strconv.Itoa(p.Pid)).Run()
}

// Close ends the server and, unless Run was given a folder, removes its data.
func (s *Server) Close() error {
	s.stop()
	s.removeFolder()
	return nil
}

func (s *Server) removeFolder() {
	if !s.keep {
		os.RemoveAll(s.dir)
	}
}

// Address returns host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// URL returns the central's URL of a database for the server's root.
func (s *Server) URL(database string) string { return s.URLFor("root", "", database) }

// URLFor returns the central's URL of a database for a person.
func (s *Server) URLFor(user, password, database string) string {
	if password != "" {
		user += ":" + password
	}
	return "mysql://" + user + "@" + s.Address() + "/" + database
}

// Database makes a fresh database, which goes with the test, and returns its
// URL. Its name is the last part.
func (s *Server) Database(tb testing.TB) (url string) {
	tb.Helper()
	name := "t" + strconv.FormatInt(s.bases.Add(1), 10)
	s.SQL(tb, "", "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4")
	tb.Cleanup(func() {
		db := s.DB("")
		defer db.Close()
		db.Exec("DROP DATABASE IF EXISTS `" + name + "`")
	})
	return s.URL(name)
}

// Name returns the database's name in a URL.
func Name(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// DB opens a pool as root; "" opens it without a database. The caller closes
// it. Times are in UTC, and several statements may stand in one query.
func (s *Server) DB(database string) *sql.DB { return DBAt(s.Address(), database) }

// DBAt is DB of a server that is reached by an address, such as that of a wire.
func DBAt(address, database string) *sql.DB {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "root", "tcp", address, database
	cfg.MultiStatements, cfg.InterpolateParams = true, true
	cfg.Collation = "utf8mb4_unicode_ci"
	cfg.Timeout = 10 * time.Second
	cfg.Logger = discard{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		// The configuration above is constant; the driver accepts it.
		panic(err)
	}
	return sql.OpenDB(c)
}

// discard drops the driver's own log lines, such as those of a server that
// is not up yet.
type discard struct{}

func (discard) Print(v ...any) { slog.Debug("mysql driver", "text", fmt.Sprint(v...)) }

// SQL runs statements as root, as another program would, and fails the test if
// one fails.
func (s *Server) SQL(tb testing.TB, database string, stmts ...string) {
	tb.Helper()
	db := s.DB(database)
	defer db.Close()
	for _, q := range stmts {
		if _, err := db.Exec(q); err != nil {
			tb.Fatalf("%s: %v", q, err)
		}
	}
}
