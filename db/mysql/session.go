package mysql

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// DialOptions bound how long a connection waits. Zero values mean the defaults.
type DialOptions struct {
	Timeout time.Duration // of the connection and the login, 10 s
	Read    time.Duration // for the next bytes of an answer, 60 s
	Write   time.Duration // for a request to leave, 60 s
	Program string        // named to the server, for its administrator
	Way     Way           // how the central is reached; the zero value finds out
	// expired tells a server that the program can change an expired password:
	// else some let nobody in who has one.
	expired bool
	// buffer is how many bytes of an answer are read at once, 0 for what the
	// driver asks for, which is little.
	buffer int
	// Now is the clock by which certificates are valid; nil means time.Now.
	Now func() time.Time
}

// maxRequest is the largest request the driver sends. It is fixed so that the
// driver does not ask the server for its limit, which would cost a round trip
// at each connection; batches are cut to the server's own limit, which comes
// with the head.
const maxRequest = 64 << 20

// session is one connection. It uses the driver below database/sql, so that a
// query is exactly one request packet, nothing is sent twice by itself, and
// rows are read without a copy for each value. It is not safe for concurrent
// use, as nothing about a sync is concurrent.
type session struct {
	conn     driver.Conn
	address  Address
	dialect  dialect
	requests int64
	names    []string // columns of the result that is being read
	traffic  *traffic

	receipt      string // name of the row that tells of its transactions; "" before the first
	transactions int64  // of those that atomically ran
}

// traffic counts the bytes on a socket, those of TLS and of the login included.
// It keeps the beginning of what the server says first.
type traffic struct {
	sent, received atomic.Int64
	greeting       []byte
}

type countedConn struct {
	net.Conn
	traffic *traffic
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.received.Add(int64(n))
	if room := greetingBytes - len(c.traffic.greeting); room > 0 {
		c.traffic.greeting = append(c.traffic.greeting, b[:min(n, room)]...)
	}
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// bufferedConn reads as much at once as there is room for. The driver asks for
// four kilobytes each time.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// openOne logs in to one server. It sends nothing after the login.
func openOne(ctx context.Context, a Address, o DialOptions, database string) (*session, error) {
	s, err := login(ctx, a, o, database)
	if err != nil {
		return nil, explainLogin(ctx, a, o, database, err)
	}
	return s, nil
}

// login is openOne with the driver's own errors.
func login(ctx context.Context, a Address, o DialOptions, database string) (*session, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = a.User, a.Password, database
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(a.Host, a.Port)
	if a.Socket != "" {
		cfg.Net, cfg.Addr = "unix", a.Socket
	}
	cfg.Collation = "utf8mb4_unicode_ci"
	cfg.MultiStatements = true
	cfg.MaxAllowedPacket = maxRequest
	cfg.CheckConnLiveness = false
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = orElse(o.Timeout, 10*time.Second), orElse(o.Read, time.Minute), orElse(o.Write, time.Minute)
	cfg.Logger = driverLog{}
	if o.Program != "" {
		cfg.ConnectionAttributes = "program_name:" + o.Program
	}
	var err error
	if cfg.TLS, err = a.tlsConfig(); err != nil {
		return nil, err
	}
	if cfg.TLS != nil {
		cfg.TLS.Time = o.Now
	}
	t := &traffic{}
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	greeted, err := knock(limited, cfg.Net, cfg.Addr)
	if err != nil {
		return nil, err
	}
	var way net.Conn = countedConn{greeted, t}
	if o.buffer > 0 {
		way = &bufferedConn{way, bufio.NewReaderSize(way, o.buffer)}
	}
	if o.expired {
		way = &expiredConn{Conn: way}
	}
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return way, nil }
	if err := cfg.Apply(mysql.EnableCompression(a.compress(greeted.trip))); err != nil {
		return nil, errors.Join(err, greeted.Close())
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errors.Join(model.Errorf(model.Invalid, "the central's address cannot be used").Because(err), greeted.Close())
	}
	conn, err := connector.Connect(limited)
	d := dialectOf(greetingVersion(t.greeting))
	if old := d.refuse(); old != nil {
		if err == nil {
			conn.Close()
		}
		return nil, old
	}
	if err != nil {
		return nil, err
	}
	return &session{conn: conn, address: a, dialect: d, traffic: t}, nil
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// driverLog sends the driver's own remarks to the log.
type driverLog struct{}

func (driverLog) Print(v ...any) { slog.Debug("mysql driver", "text", fmt.Sprint(v...)) }

// query sends one request, which may hold several statements, and calls each
// for every row of every result. set counts the statements that have a result
// with columns. The values are valid only during the call: text is []byte.
// Errors are the driver's own.
func (s *session) query(ctx context.Context, q string, each func(set int, v []driver.Value) error) error {
	_, err := s.results(ctx, q, each)
	return err
}

// results is query that also tells how many results with columns there were.
func (s *session) results(ctx context.Context, q string, each func(set int, v []driver.Value) error) (sets int, err error) {
	s.requests++
	ours := false
	defer func() {
		if ours {
			return
		}
		// The driver panics at an answer that breaks the protocol, which a
		// cluster's node gives that takes a transaction back in the middle of
		// a procedure.
		if broken := recover(); broken != nil {
			slog.Warn("the server's answer breaks the protocol", "text", fmt.Sprint(broken))
			sets, err = 0, errors.Join(mysql.ErrInvalidConn, s.conn.Close())
		}
	}()
	rows, err := s.conn.(driver.QueryerContext).QueryContext(ctx, q, nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	next := rows.(driver.RowsNextResultSet)
	for set := 0; ; set++ {
		s.names = rows.Columns()
		if n := len(s.names); n > 0 {
			sets = set + 1
			dest := make([]driver.Value, n)
			for {
				err := rows.Next(dest)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return sets, err
				}
				ours = true
				if err := each(set, dest); err != nil {
					return sets, err
				}
				ours = false
			}
		}
		if !next.HasNextResultSet() {
			return sets, nil
		}
		if err := next.NextResultSet(); errors.Is(err, io.EOF) {
			return sets, nil
		} else if err != nil {
			return sets, err
		}
	}
}

// exec sends statements whose results do not matter.
func (s *session) exec(ctx context.Context, q string) error {
	return s.query(ctx, q, func(int, []driver.Value) error { return nil })
}

// text returns the first value of the first row, "" if there is none.
func (s *session) text(ctx context.Context, q string) (string, error) {
	out, found := "", false
	err := s.query(ctx, q, func(_ int, v []driver.Value) error {
		if !found {
			out, found = asText(v[0]), true
		}
		return nil
	})
	return out, err
}

// lines returns the first column of a result.
func (s *session) lines(ctx context.Context, q string) ([]string, error) {
	var out []string
	err := s.query(ctx, q, func(_ int, v []driver.Value) error {
		out = append(out, asText(v[0]))
		return nil
	})
	return out, err
}

func asText(v driver.Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(x)
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case uint64:
		return strconv.FormatUint(x, 10)
	}
	return fmt.Sprint(v)
}

// truth reads a server variable that is on or off.
func truth(s string) bool {
	switch strings.ToUpper(s) {
	case "", "0", "OFF", "NO", "FALSE":
		return false
	}
	return true
}

func (s *session) close() error {
	s.dropReceipt()
	return s.conn.Close()
}
