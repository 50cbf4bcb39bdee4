// Package sync is the engine that brings a workspace and the central together:
// it sends the unsent changes, follows the feed, merges what both sides
// changed, and leaves what only a person can decide to a person.
//
// Promises:
//   - Nothing acknowledged is lost and nothing is applied twice: a batch is
//     frozen before it is sent and carries a receipt; a page of the feed and
//     the position after it are stored in one transaction; so a sync may be
//     cut or killed at any point and simply runs again.
//   - The position is a place in the commit-ordered feed, never a timestamp or
//     a generated number.
//   - An edit made while a sync runs stays unsent until the next batch takes
//     it; an echo of one's own change rewrites nothing.
//   - The engine holds no state between syncs but the connection that a follow
//     keeps. It knows the server through model.Central and the cache through
//     model.Replica only.
//   - A follow asks with one small request whether there is news, sends soon
//     after an edit, waits longer and longer for a central that is away, and
//     ends where only a person can help.
//
// The cursor that survives any order of commits is the outbox with a
// sequencer after the commit; the batch receipts follow Bayou and CouchDB's
// checkpoints; the merge compares fields with the base that the server last
// said, as SymmetricDS does.
package sync

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// Limits of one request. A page of the feed and a batch are applied in one
// transaction each, so they also bound memory and the time a lock is held.
const (
	batchOps   = 500       // row changes sent at once
	batchBytes = 512 << 10 // of their values
	loadRows   = 2000      // rows of a load stored at once
	// maxRounds bounds how often a row that keeps changing under our hands
	// is merged and sent again within one sync; the next sync goes on.
	maxRounds = 5
)

// Options are what an engine depends on beside its two sides.
type Options struct {
	Now     func() time.Time // nil means time.Now
	Timer   Timer            // nil means time.NewTimer
	Random  func() float64   // in [0,1), for jitter; nil means math/rand
	Name    string           // of this computer, for the administrator's list of devices
	Program string           // version of this program, for the same
	// InTurn reads and stores a first load in one goroutine, one row after
	// the other, so that a run can be played again.
	InTurn bool
}

// Engine syncs one workspace.
type Engine struct {
	replica model.Replica
	dial    func(context.Context) (model.Central, error)
	now     func() time.Time
	options Options
}

// New returns an engine for a replica. dial connects to the central; it
// returns an error of kind NoCentral where none is configured.
func New(r model.Replica, dial func(context.Context) (model.Central, error), o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timer == nil {
		o.Timer = realTimer
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return &Engine{replica: r, dial: dial, now: o.Now, options: o}
}

// Sync sends what is unsent and fetches what is new, once. With full it also
// compares every row. Errors are of kind NoCentral, Locked, Unreachable,
// Refused, Expired, TooNew, or Wiped where the administrator asked this copy to
// empty itself; the result tells how far it came in any case.
func (e *Engine) Sync(ctx context.Context, full bool, n model.Notify) (model.SyncResult, error) {
	l := &link{}
	res, err := e.once(ctx, l, full, n)
	return res, errors.Join(err, l.close())
}

// once is one sync over a connection that may be kept.
func (e *Engine) once(ctx context.Context, l *link, full bool, n model.Notify) (model.SyncResult, error) {
	began := e.now()
	release, err := e.replica.Lock(ctx)
	if err != nil {
		return model.SyncResult{}, err
	}
	defer release()
	r := &run{Engine: e, link: l, notify: n, pushed: map[model.ID]bool{}, pulled: map[model.ID]bool{}}
	err = r.sync(ctx, full)
	res := model.SyncResult{Pushed: int64(len(r.pushed)), Pulled: int64(len(r.pulled)) + r.loaded}
	res.Upgrade = r.head.SchemaVersion > model.SchemaVersion
	l.traffic(&res)
	r.beside.addTo(&res)
	err = l.end(r.head, r.waits, err)
	l.head, l.heard = r.head, e.now()
	// The counts are wanted even where the sync was interrupted.
	var openErr error
	res.Conflicts, res.Refused, openErr = e.replica.Open(context.WithoutCancel(ctx))
	res.Duration = max(0, e.now().Sub(began)) // the clock may have been set back meanwhile
	if err == nil {
		err = openErr
	}
	return res, err
}

// run is one sync under way.
type run struct {
	*Engine
	*link
	notify  model.Notify
	client  model.ID
	at      model.Position
	head    model.Head
	assumed bool                   // head is what a kept connection said before this sync
	touched map[model.Noun]bool    // nouns that this run sent: their rows come back
	clashed map[model.ID]model.Row // what the server had of a row that clashed
	pushed  map[model.ID]bool
	pulled  map[model.ID]bool
	loaded  int64   // records of a first load, which are too many to be named
	beside  traffic // over connections beside the link
	waits   bool    // the server that answers is a standby, which may become the primary
	// doubtful tells that an earlier sync took rows which the position does
	// not vouch for, and nobody has compared them since: see doubt.
	doubtful bool
	// since is when the server was last heard before this sync, by its clock.
	since int64
}

func (r *run) sync(ctx context.Context, full bool) error {
	var err error
	if r.client, err = r.replica.Client(ctx); err != nil {
		return err
	}
	if r.at, err = r.replica.Position(ctx); err != nil {
		return err
	}
	r.doubtful, r.since = r.at.Ahead, r.at.Heard
	if err := r.greet(ctx); err != nil {
		return err
	}
	if err := r.usable(); err != nil {
		return err
	}
	if err := r.meet(ctx); err != nil {
		return err
	}
	first := !r.at.Loaded
	if err := r.whole(ctx); err != nil {
		return err
	}
	if err := r.doubt(ctx, first); err != nil {
		return err
	}
	if err := r.send(ctx); err != nil {
		return err
	}
	if err := r.pull(ctx); err != nil {
		return err
	}
	if err := r.compare(ctx, full); err != nil {
		return err
	}
	if err := r.sendAgain(ctx); err != nil {
		return err
	}
	if err := r.vouch(ctx); err != nil {
		return err
	}
	if err := r.heldBack(ctx); err != nil {
		return err
	}
	return r.noteSynced(ctx)
}

// send pushes what is unsent. Where the server was not asked before, because a
// kept connection had just told how it is, the receipt is looked at as the
// answer to a poll would have been; a connection that is broken after all is
// replaced once.
func (r *run) send(ctx context.Context) error {
	if r.head.ReadOnly {
		return nil
	}
	assumed := r.assumed
	err := r.push(ctx)
	if !assumed {
		return err
	}
	switch {
	case err == nil && !r.assumed:
		// The head is that of a receipt.
	case err == nil, ctx.Err() == nil && model.KindOf(err) == model.Unreachable:
		if err != nil {
			_ = r.link.close() // it is broken: what closing it says is no news
		}
		r.heard, r.assumed = time.Time{}, false
		if err := r.greet(ctx); err != nil {
			return err
		}
	default:
		return err
	}
	if err := r.usable(); err != nil || r.head.ReadOnly {
		return err
	}
	if _, due := r.loadMode(); err == nil && !due {
		return nil
	}
	if err := r.whole(ctx); err != nil {
		return err
	}
	return r.push(ctx)
}

// sendAgain pushes what became unsent by what was received: an edit that beats
// a deletion is a new row, and what waited for a record goes when it is there.
func (r *run) sendAgain(ctx context.Context) error {
	if r.head.ReadOnly || len(r.pulled) == 0 {
		return nil
	}
	sent := len(r.pushed)
	if err := r.push(ctx); err != nil || len(r.pushed) == sent {
		return err
	}
	return r.pull(ctx)
}

// usable tells why nothing may be exchanged with this server, nil if it may.
func (r *run) usable() error {
	if r.head.Wipe {
		return model.Errorf(model.Wiped, "the administrator asked this device to empty itself").
			WithHint("ask the administrator for a new invitation if that was a mistake")
	}
	if r.head.Epoch == model.EpochRestoring {
		return model.Errorf(model.Unreachable, model.RestoringNow).WithHint(model.RestoringHint)
	}
	if r.head.MinClient > model.SchemaVersion {
		return model.Errorf(model.TooNew, "the company's database needs a newer Rapport; your changes are kept here").
			WithHint("upgrade Rapport, then sync again")
	}
	if r.head.Stale(r.at) && !r.head.ReadOnly {
		return model.Errorf(model.Unreachable, "stale primary: the server that answers is behind, for another one has taken its place (its term is %d, this computer has seen %d); nothing is sent to it or taken from it, and your changes are kept here", r.head.Term, r.at.Term).
			WithHint("the administrator makes it a standby with `rapport central rejoin`; name the servers of the company as a list in the central's address, and this computer finds the right one")
	}
	if r.head.Behind(r.at) {
		r.waits = r.head.ReadOnly
		return model.Errorf(model.Unreachable, "the server that answers is behind what this computer has seen already; nothing is taken from it, and your changes are kept here").
			WithHint("it is tried again later; if this lasts, the administrator looks after the primary server and its standbys")
	}
	return nil
}

// meet notes what the two sides know of each other's tables, if that changed:
// what was refused for want of a column is then sent again. Unless the tables
// were only repaired, every row is compared at the end of this sync: those that
// came before lack what was added.
func (r *run) meet(ctx context.Context) error {
	if r.at.Epoch == "" || r.at.Schema == r.head.Schema {
		return nil
	}
	if r.at.Schema != "" && !strings.EqualFold(r.at.Schema, r.head.Schema) {
		if err := r.replica.SetNextCompare(ctx, r.now()); err != nil {
			return err
		}
	}
	r.at.Schema = r.head.Schema
	return r.replica.SetPosition(ctx, r.at)
}

// heldBack says that unsent changes wait for a server that takes them.
func (r *run) heldBack(ctx context.Context) error {
	if !r.head.ReadOnly {
		return nil
	}
	n, err := r.replica.Unsent(ctx)
	if err != nil || n == 0 {
		return err
	}
	r.waits = true
	return model.Errorf(model.Unreachable, "the server is a standby that takes no changes; yours are kept here").
		WithHint("they are sent when the primary server is back")
}

// noteSynced stores when a sync ended well. Polls that move nothing are noted
// once a minute: to write at each would wake every process that watches the
// cache, and the disk.
func (r *run) noteSynced(ctx context.Context) error {
	now := r.now()
	if len(r.pushed)+len(r.pulled) == 0 && now.Truncate(time.Minute).Equal(r.noted.Truncate(time.Minute)) {
		return nil
	}
	r.noted = now
	return r.replica.Synced(ctx, now)
}

// device is what the central is told of this copy of the workspace. That its
// unsent changes cannot be counted keeps no sync from telling what is wrong.
func (r *run) device(ctx context.Context) model.Device {
	pending, _ := r.replica.PendingRecords(ctx)
	return model.Device{Client: r.client, Name: r.options.Name, Program: r.options.Program, Pending: pending}
}

// push sends batches until nothing is left. A row that clashed is fetched,
// merged and sent again in a later batch.
func (r *run) push(ctx context.Context) error {
	r.touched, r.clashed = map[model.Noun]bool{}, map[model.ID]model.Row{}
	limit := batchBytes
	if r.head.MaxPacket > 0 {
		limit = min(limit, int(r.head.MaxPacket/4))
	}
	rounds := map[model.ID]int{}
	for {
		b, err := r.replica.NextBatch(ctx, batchOps, limit)
		if err != nil || b == nil {
			return err
		}
		clashed, err := r.deliver(ctx, b)
		if err != nil {
			return err
		}
		if len(clashed) == 0 {
			continue
		}
		worn := false
		for _, ids := range clashed {
			for _, id := range ids {
				rounds[id]++
				worn = worn || rounds[id] >= maxRounds
			}
		}
		if err := r.merge(ctx, b, clashed); err != nil {
			return err
		}
		if worn {
			return nil
		}
	}
}

// deliver sends one batch, stores what became of it and returns the rows that
// clashed.
func (r *run) deliver(ctx context.Context, b *model.PushBatch) (map[model.Noun][]model.ID, error) {
	r.notify.Tell("sending", int64(len(r.pushed)), 0)
	receipt, err := r.central.Push(ctx, b, r.at)
	if err != nil {
		return nil, err
	}
	if receipt.Foreign {
		return nil, r.rename(ctx)
	}
	r.head, r.assumed = receipt.Head, false
	// The feed is not followed to there yet, but a server without this run
	// has lost the batch.
	at := r.at
	at.Run, at.Nonce, at.Heard = r.head.Run, r.head.Nonce, r.head.Heard
	at.Ahead = at.Ahead || r.head.Unsequenced > 0
	pushed, clashed, err := r.replica.Acknowledge(ctx, b, receipt.Results, at)
	if err != nil {
		return nil, err
	}
	r.at = at
	for id := range pushed {
		r.pushed[id] = true
	}
	for _, op := range b.Ops {
		r.touched[op.Table] = true
	}
	return clashed, nil
}

// rename gives this copy of the workspace an id of its own, because the server
// knows its batches from another copy.
func (r *run) rename(ctx context.Context) error {
	if err := r.replica.DropBatch(ctx); err != nil {
		return err
	}
	var err error
	r.client, err = r.replica.NewClient(ctx)
	return err
}

// merge fetches rows that clashed and merges them, so that the next batch is
// measured against what the server has now.
func (r *run) merge(ctx context.Context, b *model.PushBatch, clashed map[model.Noun][]model.ID) error {
	rows, err := r.central.Fetch(ctx, clashed)
	if err != nil {
		return err
	}
	if err := r.giveUp(ctx, b, rows); err != nil {
		return err
	}
	page := &model.FeedPage{To: r.at.Seq, Rows: rows, Unsure: true}
	r.absent(page, clashed)
	return r.apply(ctx, page, ahead(r.at))
}

// giveUp refuses changes that clash although they were measured against the
// very row that the server still has: it holds a value that this program reads
// as another, and would clash for ever.
func (r *run) giveUp(ctx context.Context, b *model.PushBatch, rows map[model.Noun][]model.Row) error {
	stuck := &model.PushBatch{Client: b.Client, Number: b.Number}
	var results []model.PushResult
	for _, op := range b.Ops {
		for _, row := range rows[op.Table] {
			if row.ID() != op.ID {
				continue
			}
			if slices.Equal(r.clashed[op.ID], row) {
				stuck.Ops = append(stuck.Ops, op)
				results = append(results, model.PushResult{Outcome: model.PushRefused, Code: "server",
					Message: "the company's database holds a value here that this program cannot read: the administrator looks at the row " + string(op.ID)})
			}
			r.clashed[op.ID] = row
		}
	}
	if len(results) == 0 {
		return nil
	}
	_, _, err := r.replica.Acknowledge(ctx, stuck, results, r.at)
	return err
}

// pull follows the feed to its head, page by page. Each page is stored with
// the position after it. What is committed while it works comes with the next
// sync, so that this one ends beside others who never stop writing.
func (r *run) pull(ctx context.Context) error {
	first := r.at.Seq
	stretch := wholeStretch
	for caughtUp := false; ; {
		for r.at.Seq < r.head.Seq {
			r.notify.Tell("receiving", r.at.Seq-first, r.head.Seq-first)
			page, err := r.central.Pull(ctx, r.at.Seq, min(r.head.Seq, r.at.Seq+stretch), r.expected())
			if err != nil {
				if stretch, err = r.narrow(ctx, stretch, err); err != nil {
					return err
				}
				continue
			}
			if page.MinSeq > r.at.Seq {
				// Entries went while we were asking: what is missing is found
				// by comparing.
				r.head.MinSeq = page.MinSeq
				if err := r.whole(ctx); err != nil {
					return err
				}
				continue
			}
			next := r.head.Position
			next.Seq, next.Loaded, next.Access = page.To, true, r.at.Access
			next.Ahead = r.doubtful || page.Nonce == "" || page.Nonce != r.head.Nonce
			if r.doubtful {
				if err := r.recall(ctx, &page); err != nil {
					return err
				}
			}
			if err := r.apply(ctx, &page, next); err != nil {
				return err
			}
		}
		if r.head.Unsequenced == 0 || r.head.ReadOnly || caughtUp {
			break
		}
		before := r.head.Seq
		head, err := r.central.Sequence(ctx, r.at)
		if err != nil {
			return err
		}
		r.head, caughtUp = head, head.CaughtUp(before)
	}
	if r.at.Run != r.head.Run || r.at.Nonce != r.head.Nonce || r.at.Term != r.head.Term {
		r.at.Run, r.at.Nonce, r.at.Heard, r.at.Epoch, r.at.Term = r.head.Run, r.head.Nonce, r.head.Heard, r.head.Epoch, r.head.Term
		return r.replica.SetPosition(ctx, r.at)
	}
	return nil
}

// expected lists the nouns whose rows are worth asking for with the feed.
func (r *run) expected() []model.Noun {
	var out []model.Noun
	for _, e := range model.Entities() {
		if r.touched[e.Noun] || slices.Contains(r.head.Changed, e.Noun) {
			out = append(out, e.Noun)
		}
	}
	return out
}

// apply stores a page and takes the position after it. Parts whose owner is
// unknown here bring their owner along: the feed keeps only the newest entry of
// a row, so an owner's may come after its parts'.
func (r *run) apply(ctx context.Context, page *model.FeedPage, next model.Position) error {
	return r.applyWith(ctx, page, next, r.replica.Apply)
}

// storing is a method of the replica that stores a page with the position after
// it.
type storing func(context.Context, *model.FeedPage, model.Position) (model.ApplyResult, error)

// applyWith stores a page by a method of the replica.
func (r *run) applyWith(ctx context.Context, page *model.FeedPage, next model.Position, store storing) error {
	for {
		res, err := store(ctx, page, next)
		if err != nil {
			return err
		}
		if len(res.Missing) == 0 {
			r.at = next
			r.count(res)
			return r.inspect(ctx, res.Suspect, store)
		}
		rows, err := r.central.Fetch(ctx, res.Missing)
		if err != nil {
			return err
		}
		next = ahead(next)
		if page.Rows == nil {
			page.Rows = map[model.Noun][]model.Row{}
		}
		for noun, ids := range res.Missing {
			page.Rows[noun] = append(page.Rows[noun], rows[noun]...)
			dropOrphans(page, noun, ids, rows[noun])
		}
	}
}

// dropOrphans takes out of a page the parts of owners that the server does not
// have or does not show: they would never become whole here.
func dropOrphans(page *model.FeedPage, owner model.Noun, asked []model.ID, found []model.Row) {
	gone := make(map[model.ID]bool, len(asked))
	for _, id := range asked {
		gone[id] = true
	}
	for _, row := range found {
		delete(gone, row.ID())
	}
	if len(gone) == 0 {
		return
	}
	for noun, rows := range page.Rows {
		e := model.EntityOf(noun)
		if !e.IsPart() {
			continue
		}
		kept := rows[:0]
		for _, row := range rows {
			if n, id, ok := row.OwnerOf(e); ok && n == owner && gone[id] {
				continue
			}
			kept = append(kept, row)
		}
		page.Rows[noun] = kept
	}
}

func (r *run) count(res model.ApplyResult) {
	r.loaded += res.Loaded
	for id := range res.Records {
		r.pulled[id] = true
	}
}
