package wire

import (
	"io"
	"net"
	"testing"
)

func TestMeter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, 5)); err == nil {
			_, _ = c.Write([]byte("answer!"))
		}
	}()
	m, err := Count(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := net.Dial("tcp", m.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if up, down := m.Bytes(); err != nil || string(got) != "answer!" || up != 5 || down != 7 {
		t.Errorf("%q, %d up, %d down, %v", got, up, down, err)
	}
}
