package mysql

import (
	"context"
	"time"

	"rapport/model"
)

// lookEvery is how long a client that found only a standby leaves the other
// addresses of its list alone: each of them may take seconds to fail.
const lookEvery = time.Minute

// Poll says where the feed is. Where the address is a list it settles for the
// first server that takes changes and has everything that the client has seen;
// else for one that can at least be read; else it returns what the first one
// said. A server that lags behind never stands in for one that does not.
func (c *Central) Poll(ctx context.Context, who model.Device, at model.Position) (model.Head, error) {
	head, err := c.ask(ctx, who, at)
	good := err == nil && !head.ReadOnly && !head.Behind(at)
	if good || len(c.others) == 0 || time.Since(c.looked) < lookEvery || err != nil && model.KindOf(err) != model.Unreachable {
		return head, err
	}
	c.looked = time.Now()
	readable := err == nil && !head.Behind(at)
	for i, a := range c.others {
		s, openErr := openOne(ctx, a, c.options, a.Database)
		if openErr != nil {
			continue
		}
		other := &Central{session: s, options: c.options, way: c.options.Way}
		h, askErr := other.ask(ctx, who, at)
		if askErr != nil || h.Behind(at) || h.ReadOnly && readable {
			s.close()
			continue
		}
		c.take(i, other)
		head, err, readable = h, nil, true
		if !h.ReadOnly {
			break
		}
	}
	return head, err
}

// take goes on with the connection to another of the list's servers. The
// former one's place in the list is where the new one stood.
func (c *Central) take(i int, other *Central) {
	former := c.session
	// It is left because it cannot serve: what closing it says is no news.
	_ = former.close()
	other.session.requests += former.requests
	other.session.traffic.sent.Add(former.traffic.sent.Load())
	other.session.traffic.received.Add(former.traffic.received.Load())
	c.others[i] = former.address
	c.session, c.greeted, c.singly, c.way, c.noted, c.head, c.hash, c.known = other.session, other.greeted, other.singly, other.way, other.noted, other.head, other.hash, nil
}
