package mysql

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// proxy stands between a client and the server, counts the command packets
// and can lose the answer to one.
type proxy struct {
	listener net.Listener
	target   string
	commands atomic.Int64
	deaf     atomic.Bool // cut the connection instead of handing an answer on
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{listener: l, target: target}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

// url puts the proxy in the place of the server.
func (p *proxy) url(central string) string {
	u, err := url.Parse(central)
	if err != nil {
		panic(err) // the test's own URL
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || p.deaf.Load() {
				client.Close()
				return
			}
			client.Write(buf[:n])
		}
	}()
	head, continued := make([]byte, 4), false
	for {
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		size := int(binary.LittleEndian.Uint32(append(head[:3:3], 0)))
		body := make([]byte, size)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if head[3] == 0 && !continued {
			p.commands.Add(1)
		}
		continued = size == 1<<24-1
		if _, err := server.Write(append(append([]byte{}, head...), body...)); err != nil {
			return
		}
	}
}
