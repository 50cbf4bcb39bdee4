package servertest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
)

// Posing puts a relay before a server under which it greets as one of another
// version, and returns a central's URL through it. What a program does for that
// version is so tried against a real server. It ends with the test.
func Posing(tb testing.TB, s *Server, version, central string) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go pose(client, s.Address(), version)
		}
	}()
	return strings.Replace(central, s.Address(), l.Addr().String(), 1)
}

// pose relays one connection with the version in the greeting replaced.
func pose(client net.Conn, server, version string) {
	defer client.Close()
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer conn.Close()
	greeting, err := readPacket(conn)
	if err != nil {
		return
	}
	if _, err := client.Write(regreet(greeting, version)); err != nil {
		return
	}
	go func() {
		defer conn.Close()
		io.Copy(conn, client)
	}()
	io.Copy(client, conn)
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
