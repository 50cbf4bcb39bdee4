package mysql

import (
	"context"
	"net"
	"time"
)

// slowWay is from when on a way is slow: a server in the same building greets
// sooner. Rows come to a quarter of their size when they are compressed, which
// pays at 20 Mbit/s and costs time at 1 Gbit/s.
const slowWay = 15 * time.Millisecond

// compress tells whether what is said to and by a server is compressed, given
// how long it took to greet. On the same machine it never is, unless asked for.
func (a Address) compress(greeted time.Duration) bool {
	if a.Compress != "" {
		return a.Compress == "true"
	}
	return !a.local() && greeted >= slowWay
}

// greetedConn is a connection whose first byte has come and not been read.
type greetedConn struct {
	net.Conn
	first []byte
	after time.Duration // how long it took to come
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
	from := time.Now()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
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
	return &greetedConn{conn, first[:n], time.Since(from)}, nil
}
