package servertest

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// Posing puts a proxy before a server under which it greets as one of another
// version, and returns a central's URL through it. What a program does for that
// version is so tried against a real server. It ends with the test.
func Posing(tb testing.TB, s *Server, version, central string) string {
	tb.Helper()
	p := NewProxy(tb, s)
	p.Pose(version)
	return p.URL(central)
}

// Pose makes the server greet new connections as one of another version.
func (p *Proxy) Pose(version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version = version
}

// greet passes the server's first packet on, with the version that it poses as.
func (p *Proxy) greet(client io.Writer, server io.Reader) error {
	p.mu.Lock()
	version := p.version
	p.mu.Unlock()
	if version == "" {
		return nil
	}
	greeting, err := readPacket(server)
	if err != nil {
		return err
	}
	_, err = client.Write(regreet(greeting, version))
	return err
}

// regreet replaces the version in a greeting: after the packet's head and the
// protocol's number, up to a zero.
func regreet(packet []byte, version string) []byte {
	const head = 4
	_, rest, whole := bytes.Cut(packet[head+1:], []byte{0})
	if packet[head] != 10 || !whole {
		return packet
	}
	body := append([]byte{packet[head]}, version...)
	body = append(append(body, 0), rest...)
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	return append([]byte{size[0], size[1], size[2], packet[3]}, body...)
}
