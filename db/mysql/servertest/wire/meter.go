package wire

import (
	"io"
	"net"
	"sync/atomic"
)

// Meter passes connections on to a server and counts their bytes.
type Meter struct {
	listener net.Listener
	up, down atomic.Int64
}

// Count puts a meter before host:port; the caller closes it.
func Count(server string) (*Meter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Meter{listener: l}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // the meter was closed
			}
			go m.pass(from, server)
		}
	}()
	return m, nil
}

// Address is where clients reach the meter, as host:port.
func (m *Meter) Address() string { return m.listener.Addr().String() }

// Bytes returns what went to the server and came from it so far.
func (m *Meter) Bytes() (up, down int64) { return m.up.Load(), m.down.Load() }

// Close takes no more connections; those that are open go on.
func (m *Meter) Close() error { return m.listener.Close() }

func (m *Meter) pass(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return // the client sees its connection end
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, counted{from, &m.up}) // whichever side ends first ends both
		_ = to.Close()
	}()
	_, _ = io.Copy(from, counted{to, &m.down})
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
