// Package sim simulates laptops, other programs and a central that sync with
// each other while everything goes wrong that can: requests and answers are
// lost, repeated and late, clients crash before and after each commit, clocks
// jump, feeds are purged, servers restart and are restored, laptops are
// restored and cloned. The clients are the real engine over real caches; the
// central is one in memory or a real server.
//
// Promises:
//   - A run depends on its seed alone. There are no goroutines and no real
//     clock: what happens at the same time is interleaved by the schedule, and
//     every step takes its chance from itself, so that a schedule can be made
//     shorter and still does the same.
//   - What must hold is checked from outside, against a ledger of what people
//     were told is kept: every edit is in the central's rows or history or in
//     a conflict that a person sees; the central and all laptops are the same
//     byte by byte; nothing came twice; everything is quiet after four rounds.
//
// It serves the tests of the sync and the command db/sync/soak.
package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"rapport/db/sqlite"
	engine "rapport/db/sync"
	"rapport/model"
)

// began is when every simulation begins.
var began = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// ownFields are the fields of a contact that one laptop alone edits, by the
// laptop's number. There are as many as there can be laptops.
var ownFields = []string{"job_title", "department", "salutation", "middle_name", "suffix", "external_id"}

// World is one simulation: laptops, other programs, a central, and a ledger of
// what was acknowledged to people.
type World struct {
	ctx     context.Context
	seed    uint64
	dir     string
	site    site
	now     time.Time
	laptops []*laptop
	ledger  ledger

	contacts, deals, organizations []model.ID
	writers                        []*foreignTx           // of other programs, under way
	reserved                       []model.ID             // contacts that other programs keep to themselves
	portable                       bool                   // the same on a real server
	late                           []func()               // requests that are still on their way
	snapshots                      []any                  // of the server
	lost                           []loss                 // by the server that was put back last
	limited                        string                 // who sees some scopes only, "" for nobody
	strict                         bool                   // no side was restored or cloned
	made                           int                    // ids that other programs took
	tags                           map[model.ID]model.Row // of the central, as they were made

	step   int
	syncs  int
	feed   int64    // entries of the feed at the end
	result []string // what came out, for a comparison of two servers
	tokens int
	faults map[Fault]int
	trace  []string
	hash   io.Writer
	sum    func() uint64
}

// laptop is one client with its own clock and its own chance.
type laptop struct {
	name   string
	number int
	dir    string
	db     *sqlite.DB
	offset time.Duration
	random *rand.Rand
	ids    *model.IDSource
	locked bool // a sync runs
	seen   model.Position
	client string   // its id, as long as nobody copied it
	copies [][]byte // older states of the cache
	world  *World
}

func (l *laptop) clock() time.Time { return l.world.now.Add(l.offset) }

// stepClock sets the laptop's clock, by up to two days.
func (l *laptop) stepClock(rng *rand.Rand) {
	l.offset += time.Duration(rng.IntN(96)-48) * time.Hour
}

// read fills b with chance, for ids and nonces.
func (l *laptop) read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(l.random.Uint32())
	}
	return len(b), nil
}

// template is the file of a workspace that nobody has used yet, made once for
// the process: making one takes as long as a whole simulation.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "rapport-sim")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, sqlite.FileName)
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{Now: func() time.Time { return began }})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newWorld(ctx context.Context, seed uint64, dir string) *World {
	h := fnv.New64a()
	w := &World{ctx: ctx, seed: seed, dir: dir, now: began, strict: true, faults: map[Fault]int{}, hash: h, sum: h.Sum64}
	w.ledger = newLedger()
	return w
}

// addLaptop makes a laptop whose cache is a copy of a file's content.
func (w *World) addLaptop(file []byte) (*laptop, error) {
	n := len(w.laptops)
	l := &laptop{name: string(rune('a' + n)), number: n, world: w, dir: filepath.Join(w.dir, string(rune('a'+n)))}
	l.random = rand.New(rand.NewPCG(w.seed, uint64(100+n)))
	l.ids = model.NewIDSource(l.clock, l.read)
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.path(), file, 0o600); err != nil {
		return nil, err
	}
	w.laptops = append(w.laptops, l)
	return l, l.open()
}

func (l *laptop) path() string { return filepath.Join(l.dir, sqlite.FileName) }

// open starts the laptop's program.
func (l *laptop) open() (err error) {
	l.db, err = sqlite.Open(l.world.ctx, l.path(), sqlite.Options{Now: l.clock, IDs: l.ids, Random: l.read,
		Settings: model.Settings{Home: l.dir, Me: l.name, Currency: "EUR", Region: "CH"}})
	return err
}

// reopen ends the laptop's program and starts it again.
func (l *laptop) reopen() error { return errors.Join(l.db.Close(), l.open()) }

// chance returns the chance of one decision, the same however many decisions
// were left out before it.
func (w *World) chance(r uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, r)) }

// token returns a text that occurs nowhere else.
func (w *World) token(who string) string {
	w.tokens++
	return who + mark + strconv.Itoa(w.tokens) + stop
}

func (w *World) count(f Fault) { w.faults[f]++ }

// logf adds a line to the trace.
func (w *World) logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	w.trace = append(w.trace, line)
	io.WriteString(w.hash, line+"\n")
}

// outcome writes an error as a trace has it: by its kind, which is the same in
// every run.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errors.Is(err, errCrash) {
		return "crash"
	}
	return model.KindOf(err).String()
}

// violation is a promise that was broken.
type violation struct{ msg string }

// Error returns what was broken.
func (v violation) Error() string { return v.msg }

// fail ends the simulation: a promise is broken, or the machine failed.
func (w *World) fail(format string, args ...any) { panic(violation{fmt.Sprintf(format, args...)}) }

// must ends the simulation on an error that nothing in it explains.
func (w *World) must(err error, doing string) {
	if err != nil {
		w.fail("%s: %v", doing, err)
	}
}

// close ends every program.
func (w *World) close() error {
	var err error
	for _, t := range w.writers {
		t.Rollback()
	}
	for _, l := range w.laptops {
		if l.db != nil {
			err = errors.Join(err, l.db.Close())
		}
	}
	return err
}

// sync lets a laptop sync once, with what strikes it, and checks what every
// sync must leave behind.
func (w *World) sync(l *laptop, strikes []strike) (model.SyncResult, error) {
	var offers []loss
	if len(strikes) == 0 {
		offers = w.offers(l)
	}
	res, err := w.syncWith(l, strikes, func(ctx context.Context) (model.Central, error) { return w.site.dial(ctx, l.name) })
	if err == nil {
		w.checkOffered(offers)
	}
	w.checkMadeOnce()
	return res, err
}

func (w *World) syncWith(l *laptop, strikes []strike, dial func(context.Context) (model.Central, error)) (model.SyncResult, error) {
	w.syncs++
	a := &attempt{world: w, laptop: l, strikes: strikes}
	e := engine.New(&disk{Replica: l.db, attempt: a}, func(ctx context.Context) (model.Central, error) {
		if a.dead {
			return nil, errCrash
		}
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &link{Central: c, attempt: a}, nil
	}, engine.Options{Now: l.clock, Random: l.random.Float64, InTurn: true})
	res, err := e.Sync(w.ctx, false, nil)
	if a.dead {
		w.must(l.reopen(), "start after a crash")
	}
	w.logf("  synced %s: pushed %d pulled %d conflicts %d refused %d: %s", l.name, res.Pushed, res.Pulled, res.Conflicts, res.Refused, outcome(err))
	switch kind := model.KindOf(err); {
	case err == nil || errors.Is(err, errCrash) || kind == model.Unreachable || kind == model.Locked:
	case kind == model.Other && len(strikes) > 0 && struckStore(strikes):
	default:
		w.fail("the sync of %s ended with: %v", l.name, err)
	}
	w.follows(l)
	return res, err
}

// struckStore tells whether a store was made to fail.
func struckStore(strikes []strike) bool {
	for _, s := range strikes {
		if s.Fault == StoreFailed {
			return true
		}
	}
	return false
}

// follows checks that a laptop's position never goes back. One that was taken
// from a server before that was restored is of another history: it goes back
// when the laptop meets the restored one, however many syncs fail before.
func (w *World) follows(l *laptop) {
	if id := w.text1(l, "SELECT value FROM state WHERE key = 'client'"); w.strict && l.client != "" && id != l.client {
		w.fail("%s, of which there is no copy, took another id", l.name)
	} else {
		l.client = id
	}
	p, err := l.db.Position(w.ctx)
	w.must(err, "read the position")
	if k, ok := w.site.(keeper); ok && !k.knows(p) {
		l.seen = model.Position{}
		return
	}
	if p.Loaded && l.seen.Loaded && p.Epoch == l.seen.Epoch && p.Seq < l.seen.Seq {
		w.fail("the position of %s went back from %d to %d", l.name, l.seen.Seq, p.Seq)
	}
	l.seen = p
}

// second starts another sync of a home in which one runs. It must find the
// home locked.
func (w *World) second(l *laptop) {
	e := engine.New(&disk{Replica: l.db, attempt: &attempt{world: w, laptop: l}}, func(context.Context) (model.Central, error) {
		w.fail("two syncs of %s run at the same time", l.name)
		return nil, nil
	}, engine.Options{Now: l.clock, Random: l.random.Float64, InTurn: true})
	if _, err := e.Sync(w.ctx, false, nil); model.KindOf(err) != model.Locked {
		w.fail("a second sync of %s ended with %v, not as locked", l.name, err)
	}
}
