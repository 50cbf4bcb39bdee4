package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"rapport/model"
)

// Report is what became of one simulation.
type Report struct {
	Seed    uint64
	Ops     int
	Syncs   int
	Faults  map[Fault]int
	Hash    uint64 // of the trace: the same for the same seed
	Trace   []string
	Failure string // the promise that was broken, "" if none was
	Step    int    // at which it was
	Plan    []Op
	Feed    int64 // entries of the feed at the end
	Result  []string
}

// String tells a failure with everything that repeats it.
func (r Report) String() string {
	return fmt.Sprintf("seed %d, step %d: %s\nschedule:\n%s", r.Seed, r.Step, r.Failure, list(r.Plan))
}

// Run runs the schedule of a seed on the central in memory. The error is of
// the machine; a promise that was broken is in the report.
func Run(ctx context.Context, c Config) (Report, error) { return RunPlan(ctx, c, Plan(c)) }

// RunPlan runs a schedule.
func RunPlan(ctx context.Context, c Config, ops []Op) (Report, error) {
	login := ""
	if c.Portable {
		login = "root"
	}
	return play(ctx, c, ops, func(w *World) (site, error) {
		return newMemorySite(func() time.Time { return w.now }, rand.New(rand.NewPCG(c.Seed, 2)), login), nil
	})
}

func play(ctx context.Context, c Config, ops []Op, place func(*World) (site, error)) (rep Report, err error) {
	dir, err := os.MkdirTemp(folder(), "rapport-sim")
	if err != nil {
		return rep, err
	}
	defer os.RemoveAll(dir)
	file, err := template()
	if err != nil {
		return rep, err
	}
	w := newWorld(ctx, c.Seed, dir)
	w.portable = c.Portable
	if w.site, err = place(w); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	clients := c.Clients
	if clients == 0 {
		clients = 2 + int(c.Seed/4%3)
	}
	for range clients {
		if _, err := w.addLaptop(file); err != nil {
			return rep, err
		}
	}
	if k, ok := w.site.(keeper); ok && c.scoped() {
		w.limited = w.laptops[1].name
		k.grant(w.limited, scopes[:2])
	}
	failure := w.guard(func() { w.all(ops) })
	rep = Report{Seed: c.Seed, Ops: w.step, Syncs: w.syncs, Faults: w.faults, Hash: w.sum(), Trace: w.trace, Failure: failure, Step: w.step, Plan: ops, Result: w.result, Feed: w.feed}
	return rep, ctx.Err()
}

// folder is where caches that are thrown away lie: in memory where there is
// such a folder, because a cache waits for the disk at each commit.
func folder() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// guard runs fn and returns the promise that it found broken.
func (w *World) guard(fn func()) (failure string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case violation:
			failure = r.msg
		default:
			panic(r)
		}
	}()
	fn()
	return ""
}

// all runs a schedule and then asks for everything that must hold.
func (w *World) all(ops []Op) {
	w.must(w.site.forbid(forbiddenPrefix), "forbid a text")
	for i, o := range ops {
		w.step = i
		w.now = w.now.Add(time.Duration(1+o.R%600) * time.Second)
		w.logf("%d %s", i, o)
		w.do(o)
	}
	w.step = len(ops)
	w.settleDown()
	w.checkKept()
	w.checkValues()
	w.checkSame()
}

// do runs one step.
func (w *World) do(o Op) {
	rng := w.chance(o.R)
	l := w.laptops[o.Who%len(w.laptops)]
	k, _ := w.site.(keeper)
	switch o.Kind {
	case opEdit:
		w.edit(l, rng)
	case opShared:
		w.editShared(l, rng)
	case opMove:
		w.move(l, rng)
	case opRival:
		w.editSame(l)
	case opCase:
		w.editLetters(l, rng)
	case opBury:
		w.bury(l, rng)
	case opOvertake:
		w.overtake(l, rng)
	case opSync:
		w.sync(l, o.Strikes)
	case opForeign:
		w.foreign(rng)
	case opDeliver:
		if len(w.late) > 0 {
			send := w.late[0]
			w.late = w.late[1:]
			send()
		}
	case opClock:
		l.stepClock(rng)
	case opReopen:
		w.must(l.reopen(), "start again")
	case opPurge:
		w.purge(rng)
	case opRestart:
		w.restart()
	case opCopy:
		w.copyCache(l)
	case opRestoreClient:
		w.restoreCache(l, rng)
	case opClone:
		w.clone(l)
	case opSnapshot:
		w.snapshots = append(w.snapshots, k.snapshot())
	case opRestoreServer:
		w.restoreServer(rng)
	case opRestoreLatest:
		w.restoreTo(len(w.snapshots)-1, rng.IntN(2) == 0)
	case opGrant:
		k.grant(w.limited, append([]model.ID{scopes[0]}, scopes[1+rng.IntN(2)]))
	case opCompact:
		k.compact()
	case opStandby:
		if len(w.snapshots) > 0 {
			s := w.snapshots[rng.IntN(len(w.snapshots))]
			w.syncWith(l, nil, func(context.Context) (model.Central, error) { return k.standby(s, l.name), nil })
		}
	}
}

// purge forgets the feed but for its newest entries.
func (w *World) purge(rng *rand.Rand) { w.must(w.site.purge(int64(rng.IntN(8))), "purge the feed") }

// restart ends every connection and every open transaction of the server.
func (w *World) restart() {
	w.logf("  the server restarts")
	w.site.(keeper).restart()
}

// restoreServer puts a backup of the server back, as its administrator does by
// hand or with Rapport.
func (w *World) restoreServer(rng *rand.Rand) {
	if len(w.snapshots) > 0 {
		w.restoreTo(rng.IntN(len(w.snapshots)), rng.IntN(2) == 0)
	}
}

// restoreTo puts one of the backups back, if there are any.
func (w *World) restoreTo(i int, newEpoch bool) {
	if i < 0 {
		return
	}
	w.logf("  the server is restored")
	w.lose(func() { w.site.(keeper).restore(w.snapshots[i], newEpoch) })
	w.snapshots = w.snapshots[:i+1] // the later ones are of another history
	w.backInTime()
}

// backInTime notes that a side went back: what no copy has is lost now, and
// nothing more is.
func (w *World) backInTime() {
	w.strict, w.tags = false, nil
	for _, l := range w.laptops {
		l.seen = model.Position{}
	}
	w.excuse()
}

// copyCache keeps the state of a laptop's cache.
func (w *World) copyCache(l *laptop) {
	w.must(l.db.Close(), "close")
	data, err := os.ReadFile(l.path())
	w.must(err, "copy a cache")
	w.must(l.open(), "open")
	l.copies = append(l.copies, data)
}

// restoreCache puts an older state of a laptop's cache back.
func (w *World) restoreCache(l *laptop, rng *rand.Rand) {
	if len(l.copies) == 0 {
		return
	}
	w.logf("  %s is restored", l.name)
	w.must(l.db.Close(), "close")
	w.must(os.WriteFile(l.path(), l.copies[rng.IntN(len(l.copies))], 0o600), "restore a cache")
	w.must(l.open(), "open")
	w.backInTime()
}

// clone copies a laptop with everything on it, as a new machine is set up.
func (w *World) clone(l *laptop) {
	if len(w.laptops) == len(ownFields) {
		return
	}
	w.copyCache(l)
	w.logf("  %s is cloned", l.name)
	_, err := w.addLaptop(l.copies[len(l.copies)-1])
	w.must(err, "clone")
	w.strict = false
}

// maxRounds is how many rounds of syncs bring everything to rest.
const maxRounds = 4

// settleDown ends everything that is under way and lets everybody sync until
// nothing moves any more.
func (w *World) settleDown() {
	w.logf("settle down")
	for _, t := range w.writers {
		w.commit(t)
	}
	w.writers = nil
	for _, send := range w.late {
		send()
	}
	w.late = nil
	w.must(w.site.forbid(""), "forbid nothing")
	w.rest()
	for _, l := range w.laptops {
		w.retry(l)
	}
	w.settleAll()
	w.rest()
	w.checkKept()
	w.giveUpRefused()
	w.rest()
	w.checkQuiet()
}

// rest lets everybody sync until nothing moves, which must be soon.
func (w *World) rest() {
	for range maxRounds {
		moved := int64(0)
		for _, l := range w.laptops {
			moved += w.mustSync(l)
		}
		if moved == 0 {
			return
		}
	}
	for _, l := range w.laptops {
		if moved := w.mustSync(l); moved > 0 {
			w.fail("rows still move on %s after %d rounds", l.name, maxRounds)
		}
	}
}

// mustSync lets a laptop sync, which must work, and returns how many records
// moved.
func (w *World) mustSync(l *laptop) int64 {
	w.now = w.now.Add(time.Minute)
	res, err := w.sync(l, nil)
	w.must(err, "sync of "+l.name+" at rest")
	return res.Pushed + res.Pulled
}

// settleAll lets people settle the conflicts until none is open.
func (w *World) settleAll() {
	for range 8 {
		open := 0
		for _, l := range w.laptops {
			w.mustSync(l)
			list, err := l.db.Conflicts(w.ctx)
			w.must(err, "list conflicts")
			for _, c := range list {
				open++
				w.must(l.db.Settle(w.ctx, c.ID, []model.Settlement{{Take: "mine"}}), "settle")
			}
		}
		if open == 0 {
			return
		}
	}
	w.fail("conflicts keep coming")
}

// giveUpRefused discards what the central will never have, such as a link to
// an organization that another program removed.
func (w *World) giveUpRefused() {
	for _, l := range w.laptops {
		items, err := l.db.Pending(w.ctx)
		w.must(err, "list unsent changes")
		for _, item := range items {
			if item.Code == "" {
				w.fail("%s still has unsent changes of %s %s that nobody refused", l.name, item.Noun, item.ID)
			}
			if item.Code != "reference" && item.Code != "not_visible" && item.Code != model.CodeLeft {
				w.fail("%s %s of %s is refused with %s: %s", item.Noun, item.ID, l.name, item.Code, item.Error)
			}
			w.discard(l, item.ID)
		}
	}
}

// checkQuiet checks that nothing is left to do: no unsent change, no outbox,
// and a further sync takes one round trip.
func (w *World) checkQuiet() {
	for _, l := range w.laptops {
		res, err := w.sync(l, nil)
		w.must(err, "sync at rest")
		if res.Pushed+res.Pulled > 0 || res.RoundTrips != 1 {
			w.fail("an idle sync of %s pushed %d, pulled %d and took %d round trips", l.name, res.Pushed, res.Pulled, res.RoundTrips)
		}
		if n := w.text1(l, "SELECT 'batch' FROM sync_batch UNION ALL SELECT tbl FROM sync_base"); n != "" {
			w.fail("%s keeps unsent changes that nobody made: %q", l.name, n)
		}
	}
	n, feed, err := w.site.sizes(w.ctx)
	w.must(err, "read the outbox")
	w.feed = feed
	if n > 0 {
		w.fail("%d changes never got a position", n)
	}
}

// checkSame checks that the central and every laptop have the same rows, value
// by value.
func (w *World) checkSame() {
	for _, e := range model.Entities() {
		want, err := w.site.table(w.ctx, e.Noun)
		w.must(err, "read the central")
		for _, l := range w.laptops {
			got := w.rows(l, e)
			want := w.seen(l, e, want)
			for _, id := range sortedKeys(want) {
				if !slices.Equal(got[id], want[id]) {
					w.fail("%s %s on %s:\n  is   %q\n  want %q", e.Noun, id, l.name, got[id], want[id])
				}
			}
			for _, id := range sortedKeys(got) {
				if want[id] == nil && !w.inBin(l, e, got[id]) {
					w.fail("%s %s is on %s only: %q", e.Noun, id, l.name, got[id])
				}
			}
		}
		w.note(e, want)
	}
	if w.seed%8 != 0 {
		return // to read whole files takes as long as a tenth of the rest
	}
	for _, l := range w.laptops {
		damage, err := l.db.IntegrityCheck(w.ctx)
		w.must(err, "check the file")
		if len(damage) > 0 {
			w.fail("the cache of %s is damaged: %v", l.name, damage)
		}
	}
}

// seen returns those of the central's rows that a laptop's person sees.
func (w *World) seen(l *laptop, e *model.Entity, rows map[model.ID]model.Row) map[model.ID]model.Row {
	k, ok := w.site.(keeper)
	if !ok || l.name != w.limited {
		return rows
	}
	out := maps.Clone(rows)
	maps.DeleteFunc(out, func(_ model.ID, row model.Row) bool { return !k.shows(l.name, e, row) })
	return out
}

// note adds the final rows to the result, without what differs between two
// servers that agree: times.
func (w *World) note(e *model.Entity, rows map[model.ID]model.Row) {
	for _, id := range sortedKeys(rows) {
		row := slices.Clone(rows[id])
		for _, c := range []string{model.ColumnCreatedAt, model.ColumnUpdatedAt, model.ColumnCreatedBy, model.ColumnUpdatedBy} {
			row.Set(e, c, nil)
		}
		w.result = append(w.result, fmt.Sprintf("%s %q", e.Noun, row))
	}
}

// rows reads a laptop's table.
func (w *World) rows(l *laptop, e *model.Entity) map[model.ID]model.Row {
	rows, err := l.db.QueryContext(w.ctx, selectRows(e))
	w.must(err, "read "+l.name)
	defer rows.Close()
	out := map[model.ID]model.Row{}
	for rows.Next() {
		row := make(model.Row, len(e.Columns()))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		w.must(rows.Scan(dest...), "read "+l.name)
		for i, c := range e.Columns() {
			if b, ok := row[i].([]byte); ok && c.Type == model.ColID {
				row[i] = model.IDFromBytes(b)
			}
		}
		out[row.ID()] = row
	}
	w.must(rows.Err(), "read "+l.name)
	return out
}

func selectRows(e *model.Entity) string {
	q := "SELECT "
	for i, c := range e.Columns() {
		if i > 0 {
			q += ", "
		}
		q += `"` + c.Name + `"`
	}
	return q + ` FROM "` + string(e.Noun) + `"`
}

// inBin tells whether a row that the central does not have lies in a laptop's
// bin, by itself or with its record.
func (w *World) inBin(l *laptop, e *model.Entity, row model.Row) bool {
	if row.Get(e, model.ColumnVersion) != int64(0) {
		return false
	}
	if row.Get(e, model.ColumnDeletedAt) != nil {
		return true
	}
	n, id, ok := row.OwnerOf(e)
	if !ok {
		return false
	}
	owner := w.row(l, n, id)
	return owner != nil && owner.Get(model.EntityOf(n), model.ColumnDeletedAt) != nil
}

func sortedKeys(rows map[model.ID]model.Row) []model.ID { return slices.Sorted(maps.Keys(rows)) }
