package servertest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between clients and a server. It counts their commands and can
// change one of them or lose the answer to it.
type Proxy struct {
	Commands atomic.Int64 // that clients sent

	// OneAtATime makes the proxy one that does not let several statements
	// travel together: the server is told that the client cannot do that.
	OneAtATime atomic.Bool

	listener net.Listener
	server   string
	mu       sync.Mutex
	version  string // that the server is to greet with; "" for its own
	marker   []byte
	hook     func() (answer bool)
	from, to []byte
}

// NewProxy puts a proxy before a server. It ends with the test.
func NewProxy(tb testing.TB, s *Server) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	p := &Proxy{listener: l, server: s.Address()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// Address returns host and port of the proxy.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// URL returns a central's URL with the proxy in the place of the server.
func (p *Proxy) URL(central string) string {
	return strings.Replace(central, p.server, p.Address(), 1)
}

// On calls hook before the next command that holds the marker goes to the
// server. Where hook returns false, the server still gets the command, and the
// client loses its connection in place of the answer. A nil hook disarms.
func (p *Proxy) On(marker string, hook func() (answer bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.hook = []byte(marker), hook
}

// Change puts to in the place of from, once, in the next command that holds it.
// What it returns tells whether that has come.
func (p *Proxy) Change(from, to string) (done func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.to = []byte(from), []byte(to)
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.from == nil
	}
}

// changed is a packet as the server gets it.
func (p *Proxy) changed(packet []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from == nil || !bytes.Contains(packet[4:], p.from) {
		return packet
	}
	command := bytes.Replace(packet[4:], p.from, p.to, 1)
	p.from = nil
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(command)))
	head[3] = packet[3]
	return append(head, command...)
}

func (p *Proxy) take(command []byte) func() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hook == nil || !bytes.Contains(command, p.marker) {
		return nil
	}
	h := p.hook
	p.hook = nil
	return h
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var muted atomic.Bool
	go func() {
		defer client.Close()
		if p.greet(client, server) != nil {
			return
		}
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || muted.Load() {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	login := true
	for continued := false; ; {
		packet, err := readPacket(client)
		if err != nil {
			return
		}
		if login && p.OneAtATime.Load() {
			packet[4+2] &^= 1 // CLIENT_MULTI_STATEMENTS, bit 16 of what the client can do
		}
		login = false
		// A command is the first packet of its exchange; what is longer than a
		// packet goes on in the next.
		if packet[3] == 0 && !continued {
			p.Commands.Add(1)
			if hook := p.take(packet[4:]); hook != nil && !hook() {
				muted.Store(true)
			}
			packet = p.changed(packet)
		}
		continued = len(packet) == 4+1<<24-1
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// readPacket reads one packet of the protocol with its head: three bytes of
// length and the packet's number within its exchange.
func readPacket(r io.Reader) ([]byte, error) {
	packet := make([]byte, 4)
	if _, err := io.ReadFull(r, packet); err != nil {
		return nil, err
	}
	size := int(binary.LittleEndian.Uint32(packet) & (1<<24 - 1))
	packet = append(packet, make([]byte, size)...)
	_, err := io.ReadFull(r, packet[4:])
	return packet, err
}
