// Package wire is a bad network between clients and a server, for tests and
// benchmarks: slow, narrow, cut at a byte, silent, or leading to another
// server. It spoils bytes and knows nothing of what they mean; servertest.Proxy
// is the one that knows the protocol and can lose the answer to one command.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Wire is one way to a server.
type Wire struct {
	proxy  *toxiproxy.Proxy
	server string // that the clients' URLs name
}

// Fault is one thing that is wrong with a wire.
type Fault struct {
	kind, stream string
	attributes   map[string]int64
}

// The two directions, seen from the client.
const (
	up   = "upstream"
	down = "downstream"
)

// Latency delays what goes in either direction, so that a round trip takes so
// long.
func Latency(roundTrip time.Duration) []Fault {
	half := map[string]int64{"latency": roundTrip.Milliseconds() / 2}
	return []Fault{{"latency", up, half}, {"latency", down, half}}
}

// Bandwidth lets so many kilobytes pass in a second in each direction.
func Bandwidth(kBPerSecond int64) []Fault {
	rate := map[string]int64{"rate": kBPerSecond}
	return []Fault{{"bandwidth", up, rate}, {"bandwidth", down, rate}}
}

// Slices sends answers in pieces of about so many bytes with a pause between
// them.
func Slices(size int64, pause time.Duration) []Fault {
	return []Fault{{"slicer", down, map[string]int64{"average_size": size, "size_variation": size / 2, "delay": pause.Microseconds()}}}
}

// CutUp ends a connection when the client has sent so many bytes.
func CutUp(after int64) []Fault {
	return []Fault{{"limit_data", up, map[string]int64{"bytes": after}}}
}

// CutDown ends a connection when the client has received so many bytes.
func CutDown(after int64) []Fault {
	return []Fault{{"limit_data", down, map[string]int64{"bytes": after}}}
}

// Reset resets a connection at the next byte that the server sends.
func Reset() []Fault {
	return []Fault{{"reset_peer", down, map[string]int64{"timeout": 0}}}
}

// Silence swallows what goes in either direction and ends nothing, as a
// network does from which a cable was pulled.
func Silence() []Fault {
	none := map[string]int64{"timeout": 0}
	return []Fault{{"timeout", up, none}, {"timeout", down, none}}
}

// New lays a wire to host:port. It ends with the test.
func New(tb testing.TB, server string) *Wire {
	tb.Helper()
	w, err := Open(server)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return w
}

// Open is New outside of tests; the caller closes the wire.
func Open(server string) (*Wire, error) {
	// The library writes to a logger of its own beside the one it is given.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &Wire{proxy: toxiproxy.NewProxy(api, "wire", "127.0.0.1:0", server), server: server}
	return w, w.proxy.Start()
}

// Close ends the wire and every connection on it.
func (w *Wire) Close() { w.proxy.Stop() }

// Address is where the wire begins, host:port.
func (w *Wire) Address() string { return w.proxy.Listen }

// URL returns a central's URL with the wire in the place of the server.
func (w *Wire) URL(central string) string {
	return strings.Replace(central, w.server, w.proxy.Listen, 1)
}

// Cut ends every connection on the wire; new ones can be made.
func (w *Wire) Cut() error {
	w.proxy.Stop()
	return w.proxy.Start()
}

// To leads the wire to another server and ends the connections to the old one.
func (w *Wire) To(tb testing.TB, server string) {
	tb.Helper()
	err := w.proxy.Update(&toxiproxy.Proxy{Listen: w.proxy.Listen, Upstream: server, Enabled: true})
	if err != nil {
		tb.Fatal(err)
	}
}

// Is makes these the faults of the wire, for connections that are open and
// for those to come; with none it is sound again.
func (w *Wire) Is(tb testing.TB, faults ...[]Fault) {
	tb.Helper()
	if err := w.Suffer(faults...); err != nil {
		tb.Fatal(err)
	}
}

// Suffer is Is outside of tests.
func (w *Wire) Suffer(faults ...[]Fault) error {
	w.proxy.Toxics.ResetToxics(context.Background())
	n := 0
	for _, set := range faults {
		for _, f := range set {
			n++
			body, err := json.Marshal(map[string]any{"name": fmt.Sprint("fault", n), "type": f.kind, "stream": f.stream, "attributes": f.attributes})
			if err != nil {
				return err
			}
			if _, err := w.proxy.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
				return fmt.Errorf("make the wire suffer %s: %w", f.kind, err)
			}
		}
	}
	return nil
}
