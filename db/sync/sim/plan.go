package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Op is one step of a schedule. Everything that it needs of chance comes from
// R, so that it does the same when other steps are left out.
type Op struct {
	Kind    string
	Who     int // laptop, modulo their number
	R       uint64
	Strikes []strike
}

// String writes the step for a person who reads a failure.
func (o Op) String() string {
	s := fmt.Sprintf("%s %d r=%d", o.Kind, o.Who, o.R)
	for _, x := range o.Strikes {
		s += ", " + x.String()
	}
	return s
}

// Kinds of steps.
const (
	opEdit          = "edit"
	opSync          = "sync"
	opForeign       = "foreign"
	opDeliver       = "deliver late request"
	opClock         = "set clock"
	opReopen        = "end and start"
	opPurge         = "purge feed"
	opRestart       = "restart server"
	opCopy          = "copy cache"
	opRestoreClient = "restore cache"
	opClone         = "clone laptop"
	opSnapshot      = "back server up"
	opRestoreServer = "restore server"
	opRestoreLatest = "restore latest"
	opStandby       = "meet standby"
	opGrant         = "change grants"
	opCompact       = "compact feed"
	opShared        = "edit shared field"
	opRival         = "edit the same field"
	opMove          = "move to a scope"
	opCase          = "change case and edit"
	opBury          = "delete and edit"
	opOvertake      = "restore and overtake"
)

// Config shapes a simulation.
type Config struct {
	Seed    uint64
	Clients int // laptops, 0 for what the seed gives: two to four
	Steps   int // 0 for what the seed gives: some dozens
	// Portable leaves out what a real server does slowly or in an order of
	// its own: restores, restarts, writers that wait for each other.
	Portable bool
}

// level is how much a schedule does to the machines beside the edits.
func (c Config) level() int {
	if c.Portable {
		return 0
	}
	return int(c.Seed % 4)
}

// scoped tells whether one of the people sees some scopes only.
func (c Config) scoped() bool { return !c.Portable && c.Seed/4%2 == 1 }

// Plan generates the schedule of a seed: the same one every time.
func Plan(c Config) []Op {
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	steps := c.Steps
	if steps == 0 {
		steps = 24 + rng.IntN(24)
	}
	type choice struct {
		kind   string
		weight int
	}
	choices := []choice{{opShared, 2}, {opCase, 2}, {opBury, 2}, {opEdit, 42}, {opSync, 32}, {opForeign, 18}, {opDeliver, 4}, {opClock, 2}, {opReopen, 1}, {opPurge, 2}}
	if c.scoped() {
		choices = append(choices, choice{opGrant, 2})
	}
	if c.level() >= 1 {
		if c.scoped() {
			choices = append(choices, choice{opMove, 2})
		}
		choices = append(choices, choice{opCompact, 2}, choice{opRestart, 2}, choice{opSnapshot, 2}, choice{opStandby, 1})
	}
	if c.level() >= 2 {
		choices = append(choices, choice{opCopy, 2}, choice{opRestoreClient, 2}, choice{opClone, 1})
	}
	if c.level() >= 3 {
		choices = append(choices, choice{opSnapshot, 1}, choice{opRestoreServer, 4}, choice{opOvertake, 3})
	}
	total := 0
	for _, ch := range choices {
		total += ch.weight
	}
	var ops []Op
	for len(ops) < steps {
		n := rng.IntN(total)
		at := slices.IndexFunc(choices, func(ch choice) bool { n -= ch.weight; return n < 0 })
		o := Op{Kind: choices[at].kind, Who: rng.IntN(12), R: rng.Uint64()}
		if o.Kind == opSync && rng.IntN(2) == 0 {
			o.Strikes = strikes(c, rng)
		}
		if o.Kind == opShared {
			ops = append(ops, unheard(rng)...)
			continue
		}
		if o.Kind == opMove {
			// The one who sees some scopes is away meanwhile, and somebody else
			// gives the move its positions before the feed is compacted.
			o.Who = 1
			ops = append(ops, Op{Kind: opSync, Who: 1, R: rng.Uint64()}, o, Op{Kind: opSync, Who: 2, R: rng.Uint64()}, Op{Kind: opCompact, R: rng.Uint64()}, Op{Kind: opSync, Who: 1, R: rng.Uint64()})
			continue
		}
		scenes := []func(*rand.Rand) []Op{relapse, glimpse, glimpse}
		if n := rng.IntN(len(scenes) + 1); o.Kind == opRestoreServer && n < len(scenes) {
			ops = append(ops, scenes[n](rng)...)
			continue
		}
		ops = append(ops, o)
	}
	return ops
}

// unheard has a laptop's edit arrive without the laptop knowing, and somebody
// else change the same field before it asks again.
func unheard(rng *rand.Rand) []Op {
	who := rng.IntN(12)
	op := func(kind string, who int) Op { return Op{Kind: kind, Who: who, R: rng.Uint64()} }
	sent := op(opSync, who)
	sent.Strikes = []strike{{At: 1, Fault: LostAnswer, R: rng.Uint64()}}
	return []Op{op(opShared, who), sent, op(opSync, who+1), op(opRival, who+1), op(opSync, who+1), op(opSync, who)}
}

// relapse puts the server back to just before what a laptop sent, and has that
// laptop meet it again.
func relapse(rng *rand.Rand) []Op {
	who := rng.IntN(12)
	op := func(kind string) Op { return Op{Kind: kind, Who: who, R: rng.Uint64()} }
	ops := []Op{op(opSync), op(opSnapshot)}
	for range 1 + rng.IntN(3) {
		ops = append(ops, op([]string{opEdit, opEdit, opForeign}[rng.IntN(3)]))
	}
	return append(ops, op(opSync), op(opRestoreLatest), op(opSync))
}

// glimpse puts the server back to just before a change that a laptop read while
// it had no position yet.
func glimpse(rng *rand.Rand) []Op {
	who := rng.IntN(12)
	op := func(kind string, who int) Op { return Op{Kind: kind, Who: who, R: rng.Uint64()} }
	read := op(opSync, who)
	at := 1 + rng.IntN(2)
	read.Strikes = []strike{{At: at, Fault: ForeignInner, R: rng.Uint64()}}
	if rng.IntN(2) == 0 {
		read.Strikes = append(read.Strikes, strike{At: at + 1 + rng.IntN(2), Fault: LostRequest, R: rng.Uint64()})
	}
	return []Op{op(opForeign, who), op(opSync, who), op(opForeign, who), op(opEdit, who+1), op(opSync, who+1), op(opSnapshot, who), read, op(opRestoreLatest, who), op(opSync, who)}
}

// strikes chooses what strikes one sync.
func strikes(c Config, rng *rand.Rand) []strike {
	inside := []Fault{EditInside, EditInside, SyncInside, ForeignInner, ForeignInner, ClockInside, TwiceInside, PurgeInside}
	if c.level() >= 1 {
		inside = append(inside, RestartInner)
	}
	if c.level() >= 3 {
		inside = append(inside, RestoreInner)
	}
	var out []strike
	for range 1 + rng.IntN(3) {
		s := strike{R: rng.Uint64()}
		switch rng.IntN(3) {
		case 0:
			s.At, s.Fault = rng.IntN(5), wireFaults[rng.IntN(len(wireFaults))]
		case 1:
			s.Store, s.At, s.Fault = true, rng.IntN(9), storeFaults[rng.IntN(len(storeFaults))]
		default:
			s.Store = rng.IntN(2) == 0
			s.At, s.Fault = rng.IntN(6), inside[rng.IntN(len(inside))]
		}
		if s.Fault == CutLoad {
			s.At = 1 + rng.IntN(12)
		}
		out = append(out, s)
	}
	return out
}

// list writes a schedule, a line for each step.
func list(ops []Op) string {
	var b strings.Builder
	for i, o := range ops {
		fmt.Fprintf(&b, "%4d %s\n", i, o)
	}
	return b.String()
}
