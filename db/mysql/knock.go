package mysql

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// slowWay is the round trip from which on a way is slow: to a server in the same
// building it takes less. Rows come to a third of their size when they are
// compressed. What that costs, most of it on the server, pays below some 300 Mbit/s
// (`go run ./db/bench --only compress`), so not in a building and nearly always
// beyond it.
const slowWay = 4 * time.Millisecond

// compress tells whether what is said to and by a server is compressed, given
// the round trip to it. On the same machine it never is, unless asked for.
func (a Address) compress(trip time.Duration) bool {
	if a.Compress != "" {
		return a.Compress == "true"
	}
	return !a.local() && trip >= slowWay
}

// greetedConn is a connection whose first byte has come and not been read.
type greetedConn struct {
	net.Conn
	first []byte
	trip  time.Duration // that the connection took: one round trip, in which the server's program has no part
}

func (c *greetedConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 && len(b) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// knock connects and waits until the server says its first byte. A port that is
// open need not answer: a firewall or a server that hangs would hold the login
// for as long as a whole answer may take; here it is as long as ctx.
func knock(ctx context.Context, network, address string) (*greetedConn, error) {
	var from atomic.Int64 // when it was last tried to connect, behind the look for the name
	began := time.Now()
	d := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		from.Store(int64(time.Since(began)))
		return nil
	}}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	trip := time.Since(began) - time.Duration(from.Load())
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	first := make([]byte, 1)
	n, err := conn.Read(first)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &greetedConn{conn, first[:n], trip}, nil
}
