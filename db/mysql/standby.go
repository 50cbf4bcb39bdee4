package mysql

import (
	"context"
	"slices"
	"sync"
	"time"

	"rapport/model"
)

// A client looks at the other servers of its list when a connection is new,
// again after lookEvery while the server in use serves, and after lookOften
// while it does not: who is the primary is for the administrator to decide and
// for a client to find out.
const (
	lookEvery = 5 * time.Minute
	lookOften = 5 * time.Second
	// patience is how long a poll that has a good answer waits for those of
	// the other servers.
	patience = time.Second
)

// nextAfter is how long a server of a list may take for the login before the
// next one is tried as well: one that was cut off from the network never
// answers.
const nextAfter = time.Second

// open logs in to a server of a list: the first one that lets the client in,
// where each has a start before the next. rest are the other servers. The error
// is that of the first.
func open(ctx context.Context, a Address, o DialOptions) (s *session, rest []Address, err error) {
	all := append([]Address{a}, a.Standby...)
	if len(all) == 1 {
		s, err = openOne(ctx, a, o, a.Database)
		return s, nil, err
	}
	type opened struct {
		place   int
		session *session
		err     error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan opened, len(all))
	next, running := 0, 0
	start := func() {
		if next < len(all) && ctx.Err() == nil {
			i, one := next, all[next]
			next, running = next+1, running+1
			go func() {
				s, err := openOne(ctx, one, o, one.Database)
				done <- opened{i, s, err}
			}()
		}
	}
	errs := make([]error, len(all))
	start()
	for running > 0 {
		select {
		case <-time.After(nextAfter):
			start()
			continue
		case r := <-done:
			running--
			if r.err != nil {
				errs[r.place] = r.err
				start()
				continue
			}
			cancel()
			for ; running > 0; running-- {
				if late := <-done; late.err == nil {
					_ = late.session.close() // another one was quicker
				}
			}
			return r.session, slices.Delete(all, r.place, r.place+1), nil
		}
	}
	return nil, nil, errs[0]
}

// asked is what one server of a list answered.
type asked struct {
	session *session
	err     error
	closed  bool // it takes no changes
	term    int64
}

// askServers logs in to servers, to all at once, and asks what they are.
// database is the one to use, "" for none.
func askServers(ctx context.Context, all []Address, o DialOptions, database string) []asked {
	answers := make([]asked, len(all))
	var group sync.WaitGroup
	for i, one := range all {
		group.Go(func() {
			r := &answers[i]
			if r.session, r.err = openOne(ctx, one, o, database); r.err != nil {
				return
			}
			closed, err := r.session.text(ctx, "SELECT "+readOnlySQL)
			r.closed = err != nil || truth(closed)
			// A server without the central has no term.
			term, _ := r.session.text(ctx, "SELECT writer_term FROM "+ident(one.Database)+".sync_meta WHERE id=1")
			r.term = asInt(term)
		})
	}
	group.Wait()
	return answers
}

// best is the server that takes changes, that of the highest term where several
// do, and the first that answers where none does; -1 where none answers.
func best(answers []asked) int {
	best := -1
	for i, r := range answers {
		if r.err == nil && (best < 0 || answers[best].closed && !r.closed || answers[best].closed == r.closed && !r.closed && r.term > answers[best].term) {
			best = i
		}
	}
	return best
}

// openPrimary logs in to the server of a list that takes changes, to the one of
// the highest term where several do, and to the first that answers where none
// does: an administrator's work is done on the primary. database is the one to
// use, "" for none.
func openPrimary(ctx context.Context, a Address, o DialOptions, database string) (*session, error) {
	all := a.servers()
	if len(all) == 1 {
		return openOne(ctx, a, o, database)
	}
	answers := askServers(ctx, all, o, database)
	best := best(answers)
	for i, r := range answers {
		if r.err == nil && i != best {
			_ = r.session.close() // it was only asked
		}
	}
	if best < 0 {
		return nil, answers[0].err
	}
	return answers[best].session, nil
}

// found is what another server of the list said.
type found struct {
	central *Central
	place   Address
	head    model.Head
	err     error
}

// lookout asks the other servers of a list, each in a goroutine of its own.
type lookout struct {
	answers chan found // with room for all of them
	left    int
	end     context.CancelFunc
	group   sync.WaitGroup
}

// Poll says where the feed is. Where the address is a list it settles for the
// server that takes changes, has everything that the client has seen, and has
// the highest term; else for one that can at least be read; else it returns
// what the server in use said. A server that lags behind, or has been a primary
// and is none any more, never stands in for another. Only a poll that has no
// other answer waits for one that is slow.
func (c *Central) Poll(ctx context.Context, who model.Device, at model.Position) (model.Head, error) {
	head, err := c.ask(ctx, who, at)
	head.Watched = len(c.others) > 0
	if len(c.others) == 0 || err != nil && model.KindOf(err) != model.Unreachable || head.Wipe {
		return head, err
	}
	best := found{head: head, err: err}
	first := c.look(ctx, best.serves(at), at)
	if other := c.answers(ctx, best, first, at); other.central != nil {
		c.take(other)
		// It is asked again because a look is not noted as a visit, and a
		// device that is to empty itself is told so at a visit.
		head, err = c.ask(ctx, who, at)
		head.Watched = true
	}
	return head, err
}

// serves tells whether a server may be written to.
func (f found) serves(at model.Position) bool {
	return f.err == nil && !f.head.ReadOnly && !f.head.Behind(at)
}

// akin tells whether a server goes on with what the client has seen: the same
// central, or one that was made from it.
func (f found) akin(at model.Position) bool {
	return at.Epoch == "" || f.head.Epoch == at.Epoch || f.head.Parent == at.Epoch || f.head.SameRun && at.Nonce != ""
}

// better tells whether a server is to be preferred to another: one that takes
// changes, then one that goes on with what was seen, then the newest primary.
func (f found) better(than found, at model.Position) bool {
	if f.err != nil || f.head.Behind(at) {
		return false
	}
	if than.err != nil || than.head.Behind(at) {
		return true
	}
	if f.serves(at) != than.serves(at) {
		return f.serves(at)
	}
	if f.akin(at) != than.akin(at) {
		return f.akin(at)
	}
	return f.serves(at) && f.head.Term > than.head.Term
}

// look begins to ask the other servers if it is time to, and tells whether it
// is the first look of this connection.
func (c *Central) look(ctx context.Context, good bool, at model.Position) (first bool) {
	first = c.looked.IsZero()
	every := lookOften
	if good {
		every = lookEvery
	}
	if c.looking != nil || !first && time.Since(c.looked) < every {
		return first
	}
	c.looked = time.Now()
	l := &lookout{answers: make(chan found, len(c.others)), left: len(c.others)}
	ctx, l.end = context.WithTimeout(context.WithoutCancel(ctx), orElse(c.options.Timeout, 10*time.Second))
	for _, a := range c.others {
		l.group.Go(func() {
			s, err := openOne(ctx, a, c.options, a.Database)
			if err != nil {
				l.answers <- found{err: err}
				return
			}
			other := &Central{session: s, options: c.options, way: c.options.Way}
			head, err := other.ask(ctx, model.Device{}, at)
			l.answers <- found{central: other, place: a, head: head, err: err}
		})
	}
	c.looking = l
	return first
}

// answers returns the best of what the other servers have said, if one is
// better than the server in use. With a good answer in hand it waits for the
// others a moment at the first look and not at all later; without one, as long
// as they may take at the first look.
func (c *Central) answers(ctx context.Context, best found, first bool, at model.Position) found {
	l := c.looking
	if l == nil {
		return found{}
	}
	best.central = nil
	var enough <-chan time.Time
	switch {
	case !first:
		now := make(chan time.Time)
		close(now)
		enough = now
	case best.serves(at):
		enough = time.After(patience)
	}
	for l.left > 0 {
		var f found
		select {
		case f = <-l.answers: // one that is here counts in any case
		default:
			select {
			case f = <-l.answers:
			case <-enough:
				return best
			case <-ctx.Done():
				return best
			}
		}
		l.left--
		loser := f
		if f.better(best, at) {
			loser, best = best, f
			if enough == nil && best.serves(at) {
				enough = time.After(patience)
			}
		}
		if loser.central != nil {
			_ = loser.central.session.close() // it was only asked
		}
	}
	c.stopLooking()
	return best
}

// stopLooking ends a look that is under way.
func (c *Central) stopLooking() {
	l := c.looking
	if l == nil {
		return
	}
	c.looking = nil
	l.end()
	l.group.Wait()
	for ; l.left > 0; l.left-- {
		if f := <-l.answers; f.central != nil {
			_ = f.central.session.close() // nobody waits for what it says
		}
	}
}

// take goes on with the connection to another of the list's servers. The
// former one's place in the list is where the new one stood.
func (c *Central) take(f found) {
	c.stopLooking()
	former, other := c.session, f.central
	// It is left because it does not serve: what closing it says is no news.
	_ = former.close()
	other.session.requests += former.requests
	other.session.traffic.sent.Add(former.traffic.sent.Load())
	other.session.traffic.received.Add(former.traffic.received.Load())
	for i, a := range c.others {
		if a.where() == f.place.where() && a.Database == f.place.Database {
			c.others[i] = former.address
			break
		}
	}
	c.session, c.greeted, c.singly, c.way, c.noted, c.head, c.hash, c.known = other.session, other.greeted, other.singly, other.way, other.noted, other.head, other.hash, nil
}
