package mysql

import (
	"context"
	"fmt"
	"time"

	"rapport/model"
)

// catchUp is how long a standby may take to apply what it is to have before it
// becomes the primary, and how long a former primary may take to end what it
// has begun.
const catchUp = 15 * time.Second

// Promote makes a standby of the central's list the primary. It refuses where
// something would be lost, unless that is accepted, and changes nothing then: a
// former primary that it had already closed takes changes again.
//
// The order matters: the former primary takes no changes first; then the
// standby applies everything that it has received; only when nothing can come
// any more it is cut loose; its term rises before it takes the first change, so
// that a client that has met it never goes back.
func Promote(ctx context.Context, url string, req model.PromoteRequest) (out model.Promotion, err error) {
	all, err := nodes(ctx, url, req.From, req.To)
	defer closeAll(all)
	if err != nil {
		return out, err
	}
	p := &promotion{PromoteRequest: req, out: &out, all: all}
	if err := p.choose(); err != nil {
		return out, err
	}
	if err := p.to.dialect.steers(); err != nil && (req.Term == 0 || !p.to.writable) {
		return out, err
	}
	if err := p.rights(ctx); err != nil {
		return out, err
	}
	if req.DryRun {
		if err := p.loss(); err != nil {
			return out, err
		}
		p.plan()
		return out, nil
	}
	began := time.Now()
	defer func() {
		if err != nil && p.closed {
			err = p.reopen(context.WithoutCancel(ctx), err)
		}
	}()
	if err := p.closeFormer(ctx); err != nil {
		return out, err
	}
	if err := p.settle(ctx); err != nil {
		return out, err
	}
	if err := p.loss(); err != nil {
		return out, err
	}
	if err := p.open(ctx); err != nil {
		return out, err
	}
	out.Took = time.Since(began)
	return out, nil
}

// promotion is one under way.
type promotion struct {
	model.PromoteRequest
	out      *model.Promotion
	all      []*node
	from, to *node
	closed   bool // the former primary was closed to changes by us
}

func (p *promotion) did(format string, args ...any) {
	p.out.Steps = append(p.out.Steps, fmt.Sprintf(format, args...))
}

// pick finds the server that an administrator named.
func (p *promotion) pick(s string) (*node, error) {
	for _, n := range p.all {
		if n.Address == s {
			return n, nil
		}
	}
	b, err := completed(s, p.all[0].address)
	if err != nil {
		return nil, err
	}
	for _, n := range p.all {
		if n.address.same(b) {
			return n, nil
		}
	}
	return nil, model.Errorf(model.NotFound, "there is no server %s", b.where())
}

// choose says which server is to take the place of which.
func (p *promotion) choose() (err error) {
	if p.To != "" {
		p.to, err = p.pick(p.To)
	} else {
		p.to, err = p.candidate()
	}
	if err != nil {
		return err
	}
	if p.From != "" {
		if p.from, err = p.pick(p.From); err != nil {
			return err
		}
	} else {
		p.from = p.former()
	}
	if p.from == p.to {
		return model.Errorf(model.Invalid, "a server cannot take its own place")
	}
	p.out.To = p.to.Address
	if p.from != nil {
		p.out.From, p.out.Down = p.from.Address, p.from.session == nil
	}
	switch n := p.to; {
	case n.session == nil:
		return model.Errorf(model.Unreachable, "%s cannot be promoted: %s", n.address.where(), n.Problem)
	case n.lacks != "":
		return missingRight(n.address.where(), "see how far it is", n.lacks, nil)
	case !n.hosted:
		return model.Errorf(model.Invalid, "%s has no database of Rapport", n.address.where()).WithHint("fill it with `rapport central standby setup %s`", n.address.where())
	case n.Problem != "":
		return model.Errorf(model.Refused, "%s cannot be promoted: %s", n.address.where(), n.Problem)
	case n.Role == model.RolePrimary && p.Term < n.Term && len(of(p.all, model.RolePrimary)) == 1:
		return model.Errorf(model.Invalid, "%s is the primary already (term %d)", n.address.where(), n.Term)
	case n.Role == model.RoleStalePrimary:
		return model.Errorf(model.Refused, "%s is a stale primary: it lacks what was written since another server took its place", n.address.where()).
			WithHint("let it rejoin first: rapport central rejoin %s", n.address.where())
	}
	return nil
}

// candidate is the one server that may be promoted where none was named.
func (p *promotion) candidate() (*node, error) {
	found := of(p.all, model.RoleStandby)
	if len(found) == 0 && len(of(p.all, model.RolePrimary)) == 0 {
		found = of(p.all, model.RoleStopped)
	}
	if len(found) == 0 && p.Term > 0 {
		found = of(p.all, model.RolePrimary)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, model.Errorf(model.Invalid, "none of the servers in the central's address is a standby that answers").
			WithHint("`rapport central status` says how each is; name one with --to mysql://root@host/database")
	}
	return nil, model.Errorf(model.Invalid, "several servers could be promoted: %s", wheres(found)).WithHint("name one with --to host:3306")
}

// former is the primary whose place is taken: the one that is there, else the
// one that the standby follows, else another one that does not answer.
func (p *promotion) former() *node {
	others := func(role model.ServerRole) *node {
		for _, n := range of(p.all, role) {
			if n != p.to {
				return n
			}
		}
		return nil
	}
	if n := others(model.RolePrimary); n != nil {
		return n
	}
	for _, n := range p.all {
		if n != p.to && p.to.Follows == n.address.Host+":"+n.address.Port {
			return n
		}
	}
	return others(model.RoleUnreachable)
}

// rights tries, without changing anything, whether this account may do what is
// to be done: one that stops half-way leaves nobody to write to.
func (p *promotion) rights(ctx context.Context) error {
	if err := p.to.mayLead(ctx); err != nil {
		return err
	}
	if p.from != nil && p.from.session != nil && p.from.writable {
		return p.from.step(ctx, "close it to changes", "READ_ONLY ADMIN", "SET GLOBAL read_only = @@global.read_only")
	}
	return nil
}

// mayLead tries the rights that it takes to cut a standby loose.
func (n *node) mayLead(ctx context.Context) error {
	if err := n.step(ctx, "open it to changes", "READ_ONLY ADMIN", "SET GLOBAL read_only = @@global.read_only"); err != nil {
		return err
	}
	// A row that stays as it is leaves no trace in the log.
	if err := n.step(ctx, "write its term", "READ_ONLY ADMIN", "UPDATE sync_meta SET writer_term = writer_term WHERE id = 1"); err != nil {
		return err
	}
	return n.maySteer(ctx)
}

// maySteer tries the rights that it takes to change what a server follows, by
// settings that keep their values.
func (n *node) maySteer(ctx context.Context) error {
	if n.dialect.product != mariaDB {
		return nil
	}
	for _, try := range []struct{ op, right, q string }{
		{"change what it follows", "REPLICATION REPLICA ADMIN", "SET GLOBAL slave_net_timeout = @@global.slave_net_timeout"},
		{"set semi-synchronous replication", "REPLICATION MASTER ADMIN", "SET GLOBAL rpl_semi_sync_master_timeout = @@global.rpl_semi_sync_master_timeout"},
		{"end what it follows", "RELOAD", "FLUSH LOCAL HOSTS"},
	} {
		if err := n.step(ctx, try.op, try.right, try.q); err != nil {
			return err
		}
	}
	return nil
}

// closeFormer closes the former primary to changes, if it answers.
func (p *promotion) closeFormer(ctx context.Context) error {
	n := p.from
	if n == nil || n.session == nil || !n.writable {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	p.closed = true // also where the answer is lost
	if err := n.step(limited, "close it to changes", "READ_ONLY ADMIN", "SET SESSION lock_wait_timeout = 10; SET GLOBAL read_only = 1"); err != nil {
		return err
	}
	p.did("closed %s to changes", n.address.where())
	return n.examine(ctx)
}

// reopen lets the former primary take changes again: whoever refuses leaves
// everything as it was. The connection may be what failed.
func (p *promotion) reopen(ctx context.Context, cause error) error {
	const q = "SET GLOBAL read_only = 0"
	if p.from.exec(ctx, q) == nil {
		return cause
	}
	s, err := openOne(ctx, p.from.address, DialOptions{Program: "rapport-central"}, "")
	if err == nil {
		err = s.exec(ctx, q)
		_ = s.close() // it was needed for this alone
	}
	if err == nil {
		return cause
	}
	return model.Errorf(model.KindOf(cause), "%s; and %s, which was closed to changes, could not be opened again", why(cause), p.from.address.where()).
		WithHint("run there: %s", q).Because(err)
}

// settle lets the standby have everything that it can have.
func (p *promotion) settle(ctx context.Context) error {
	if !p.to.follows {
		return p.to.examine(ctx)
	}
	wait := ""
	if p.from != nil && p.from.session != nil && p.to.Receiving.Running && p.to.Applying.Running {
		wait = p.from.log.String() // all of it is still to come
	} else if p.to.Applying.Running {
		wait = p.to.received.String()
	}
	if wait != "" && p.to.Own == 0 {
		if err := p.to.await(ctx, wait); err != nil {
			return err
		}
	}
	return p.to.examine(ctx)
}

// await waits until a standby has applied everything up to a position, as long
// as it gets on with it.
func (n *node) await(ctx context.Context, position string) error {
	for waited := time.Duration(0); waited < catchUp; waited += time.Second {
		late, err := n.text(ctx, "SELECT MASTER_GTID_WAIT("+quote(position)+", 1)")
		if err != nil {
			return mapError("wait for "+n.address.where(), err)
		}
		if late == "0" {
			return nil
		}
		if err := n.examine(ctx); err != nil {
			return err
		}
		if !n.Applying.Running || n.Applying.Error != 0 {
			return nil // it gets no further; how far it is says the rest
		}
	}
	return nil
}

// loss says what the standby lacks, and refuses unless that is accepted.
func (p *promotion) loss() error {
	to := p.to
	p.out.Lost, p.out.Loss = 0, ""
	if p.from != nil && p.from.session != nil && p.from.hosted {
		if _, n := p.from.log.lacking(p.from.known, to.known); n > 0 {
			p.out.Lost = n
			p.out.Loss = fmt.Sprintf("%s has %s that %s lacks", p.from.address.where(), transactions(n), to.address.where())
		}
	}
	if to.Unapplied > p.out.Lost {
		p.out.Lost = to.Unapplied
		p.out.Loss = fmt.Sprintf("%s has received %s that it has not applied", to.address.where(), transactions(to.Unapplied))
	}
	if to.follows && (!to.Applying.Running || to.Applying.Error != 0) {
		stopped := "its SQL thread, which applies what it receives, does not run: " + orStopped(to.Applying)
		if p.out.Loss != "" {
			stopped = p.out.Loss + "; " + stopped
		} else {
			stopped = to.address.where() + " may lack more than can be counted: " + stopped
		}
		p.out.Loss = stopped
	}
	if p.out.Loss == "" || p.AcceptLoss {
		return nil
	}
	hint := "START SLAVE on it and wait, or accept the loss with --accept-loss"
	if to.Applying.Running && p.to.Applying.Error == 0 {
		hint = "wait until it has caught up, or accept the loss with --accept-loss"
	}
	return model.Errorf(model.Refused, "this would lose changes: %s", p.out.Loss).
		WithHint("%s; laptops that have seen what is lost offer it again by themselves", hint)
}

// plan lists what Promote would do.
func (p *promotion) plan() {
	to := p.to.address.where()
	switch {
	case p.from == nil:
	case p.from.session == nil:
		p.did("%s does not answer from here (%s): you confirm that it takes no changes any more", p.from.address.where(), p.from.Problem)
	case p.from.writable:
		p.did("close %s to changes", p.from.address.where())
	}
	if p.to.follows {
		p.did("wait until %s has applied everything that it has received (now: %s to apply), else stop here", to, transactions(p.to.Unapplied))
		p.did("end its replication from %s", p.to.Follows)
	}
	p.out.Term = p.term()
	p.did("raise the term from %d to %d, by which clients know the primary", p.to.Term, p.out.Term)
	if p.out.Loss != "" {
		p.did("give the central a new epoch, so that laptops offer again what is lost: %s", p.out.Loss)
	}
	p.did("open %s to changes", to)
}

// term is above everything that any server knows.
func (p *promotion) term() int64 {
	t := p.Term
	for _, n := range p.all {
		t = max(t, n.Term)
	}
	return t + 1
}

// open cuts the standby loose and lets it take changes.
func (p *promotion) open(ctx context.Context) error {
	n := p.to
	ctx = context.WithoutCancel(ctx) // from here on half a promotion is worse than a whole one
	if n.follows {
		if err := n.step(ctx, "stop its replication", "REPLICATION REPLICA ADMIN", "STOP ALL SLAVES"); err != nil {
			return err
		}
		if err := n.step(ctx, "end its replication", "REPLICATION REPLICA ADMIN", "RESET SLAVE ALL"); err != nil {
			return err
		}
		p.did("ended the replication from %s at %s", n.Follows, n.applied)
	}
	p.out.Term = p.term()
	set := fmt.Sprintf("writer_term = %d", p.out.Term)
	if p.out.Loss != "" {
		// The assignments are made from left to right.
		set += ", parent_epoch = epoch, fork_seq = (SELECT seq FROM sync_counter WHERE id = 1), epoch = UUID()"
	}
	if err := n.step(ctx, "write its term", "READ_ONLY ADMIN", "UPDATE sync_meta SET "+set+" WHERE id = 1"); err != nil {
		return err
	}
	if n.dialect.product == mariaDB {
		// Nobody follows it yet: to wait for somebody would stop the first writer.
		if err := n.step(ctx, "set semi-synchronous replication", "REPLICATION MASTER ADMIN", "SET GLOBAL rpl_semi_sync_master_enabled = 0, GLOBAL rpl_semi_sync_slave_enabled = 0"); err != nil {
			return err
		}
	}
	if err := n.step(ctx, "open it to changes", "READ_ONLY ADMIN", "SET GLOBAL read_only = 0"); err != nil {
		return err
	}
	p.closed = false
	p.did("raised the term to %d and opened %s to changes", p.out.Term, n.address.where())
	if p.out.Loss != "" {
		epoch, err := n.text(ctx, "SELECT epoch FROM sync_meta WHERE id = 1")
		if err != nil {
			return mapError("read the epoch", err)
		}
		p.out.Epoch = epoch
		p.did("gave the central the epoch %s: laptops offer again what is lost", epoch)
	}
	return nil
}
