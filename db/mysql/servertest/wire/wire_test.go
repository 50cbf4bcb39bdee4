package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// echo is a server that sends back what it gets, with a prefix of its own.
func echo(t *testing.T, prefix string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, prefix)
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// talk says something through a wire and returns what came back in a while.
func talk(t *testing.T, w *Wire, what string) (string, error) {
	t.Helper()
	c, err := net.Dial("tcp", w.proxy.Listen)
	if err != nil {
		return "", err // reset while it was made
	}
	defer c.Close()
	if _, err := io.WriteString(c, what); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// TestFaults holds that each fault does what its name says.
func TestFaults(t *testing.T) {
	first, second := echo(t, "1"), echo(t, "2")
	w, err := Open(first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	if got := w.URL("mysql://root@" + first + "/x"); !strings.Contains(got, w.proxy.Listen) {
		t.Errorf("URL = %s", got)
	}
	for _, tt := range []struct {
		name   string
		faults []Fault
		want   string
		silent bool // nobody ends the connection
	}{
		{"sound", nil, "1hello", true},
		{"cut up", CutUp(2), "1he", false},
		{"cut down", CutDown(4), "1hel", false},
		{"slices", Slices(2, time.Millisecond), "1hello", true},
		{"silence", Silence(), "", true},
		{"reset", Reset(), "", false},
		{"slow", Latency(20 * time.Millisecond), "1hello", true},
		{"narrow", Bandwidth(1), "1hello", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Is(t, tt.faults)
			got, err := talk(t, w, "hello")
			if got != tt.want && !(tt.name == "cut up" && strings.HasPrefix(tt.want, got)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) != tt.silent {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
	w.Is(t)
	w.To(t, second)
	if got, _ := talk(t, w, "hello"); got != "2hello" {
		t.Errorf("the other server said %q", got)
	}
}
