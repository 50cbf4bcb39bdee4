package sync

import (
	"context"
	"errors"
	"time"

	"rapport/model"
)

// answerWithin is how long a kept connection may take for the answer to a
// poll. A laptop that woke up in another network has a connection that is dead
// and does not know it; the answer would be waited for a minute otherwise.
const answerWithin = 10 * time.Second

// phaseConnecting is what a sync that has no connection begins with.
const phaseConnecting = "connecting"

// link is a connection to the central that may serve several syncs. The zero
// link is not connected.
type link struct {
	central model.Central
	trips   int64
	sent    int64
	got     int64
	noted   time.Time // when a sync that moved nothing was last noted in the cache
	// head is what the server last said, and heard is when.
	head  model.Head
	heard time.Time
}

// recently is for how long what a kept connection said counts: then unsent
// changes go without a poll before them. A push is measured against what it
// changed, and its receipt tells what a poll would have told.
const recently = 20 * time.Second

// greet connects, unless a connection was kept, and polls. A kept connection
// that does not answer is replaced once: the server or a router on the way ends
// those that are silent for long.
func (r *run) greet(ctx context.Context) error {
	if r.central != nil {
		if since := r.now().Sub(r.heard); since >= 0 && since < recently && !r.link.head.ReadOnly && !r.doubtful {
			if n, err := r.replica.Unsent(ctx); err == nil && n > 0 {
				r.head, r.assumed = r.link.head, true
				return nil
			}
		}
		short, cancel := context.WithTimeout(ctx, answerWithin)
		head, err := r.central.Poll(short, r.device(ctx), r.at)
		cancel()
		if err == nil || ctx.Err() != nil || model.KindOf(err) != model.Unreachable {
			r.head = head
			return err
		}
		// It is broken: what closing it says is no news.
		_ = r.link.close()
	}
	r.notify.Tell(phaseConnecting, 0, 0)
	c, err := r.dial(ctx)
	if err != nil {
		return err
	}
	r.central = c
	r.head, err = c.Poll(ctx, r.device(ctx), r.at)
	return err
}

// The positions that a pull asks for at once: as many as the server gives,
// and ever fewer after the connection broke within a page. A line that breaks
// more often than a page takes would bring nothing otherwise.
const (
	wholeStretch = int64(1) << 40
	smallStretch = int64(256)
	leastStretch = int64(32)
)

// narrow connects again after a page did not arrive, and returns how much to
// ask for then. It returns the cause where that cannot help.
func (r *run) narrow(ctx context.Context, stretch int64, cause error) (int64, error) {
	if stretch == leastStretch || ctx.Err() != nil || model.KindOf(cause) != model.Unreachable {
		return 0, cause
	}
	var gone model.SyncResult
	r.link.traffic(&gone)
	r.beside.add(gone)
	_ = r.link.close() // it is broken: what closing it says is no news
	if r.greet(ctx) != nil || r.usable() != nil {
		return 0, cause
	}
	if _, due := r.loadMode(); due {
		return 0, cause // another server answers; the next sync begins anew with it
	}
	if stretch == wholeStretch {
		return smallStretch, nil
	}
	return max(stretch/8, leastStretch), nil
}

// traffic adds what went over the connection since it was last asked.
func (l *link) traffic(res *model.SyncResult) {
	if l.central == nil {
		return
	}
	trips, sent, got := l.central.Traffic()
	res.RoundTrips, res.BytesSent, res.BytesReceived = trips-l.trips, sent-l.sent, got-l.got
	l.trips, l.sent, l.got = trips, sent, got
}

// traffic is what went over a connection.
type traffic struct{ trips, sent, got int64 }

func (t traffic) addTo(res *model.SyncResult) {
	res.RoundTrips, res.BytesSent, res.BytesReceived = res.RoundTrips+t.trips, res.BytesSent+t.sent, res.BytesReceived+t.got
}

func (t *traffic) add(res model.SyncResult) {
	t.trips, t.sent, t.got = t.trips+res.RoundTrips, t.sent+res.BytesSent, t.got+res.BytesReceived
}

// close ends the connection if there is one.
func (l *link) close() error {
	if l.central == nil {
		return nil
	}
	err := l.central.Close()
	*l = link{noted: l.noted}
	return err
}

// end keeps the connection after a sync that went well and drops it after any
// other: what it still has to say would be taken for the next answer. One to a
// standby is dropped as well, so that the next sync looks for the primary,
// unless it looks for that itself; then it is kept also where the sync ended
// because the standby is one.
func (l *link) end(h model.Head, waits bool, err error) error {
	if h.ReadOnly && !h.Watched || err != nil && !(waits && h.Watched) {
		return errors.Join(err, l.close())
	}
	return err
}
