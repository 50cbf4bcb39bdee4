// Command soak runs the simulation of the sync for as long as it is told, on
// all cores, and tells how many seeds and steps it ran, what went wrong in
// them and which seeds broke a promise:
//
//	go run ./db/sync/soak -for 10m            seeds one after the other
//	go run ./db/sync/soak -seed 4711          one seed again, with its trace
//	go run ./db/sync/soak -for 5m -real       on private MariaDB servers
//	go run ./db/sync/soak -mutants            is every broken rule noticed?
//	go run ./db/sync/soak -long               the long forms of the trap tests
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"rapport/db/sync/sim"
)

type settings struct {
	duration time.Duration
	seed     uint64
	seeded   bool // a seed was given
	clients  int
	steps    int
	workers  int
	real     bool
	central  string
	json     bool
	mutants  bool
	only     string
	long     bool
}

func main() {
	var s settings
	flag.DurationVar(&s.duration, "for", 0, "how long to run; 10 minutes unless one seed is asked for")
	flag.Uint64Var(&s.seed, "seed", 0, "the first seed; without -for the only one, shown with its trace")
	flag.IntVar(&s.clients, "clients", 0, "laptops of each simulation, 2 to 6; 0 for what the seed gives")
	flag.IntVar(&s.steps, "steps", 0, "steps of each simulation; 0 for what the seed gives")
	flag.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "simulations at the same time")
	flag.BoolVar(&s.real, "real", false, "on private MariaDB servers instead of in memory")
	flag.StringVar(&s.central, "central", "", "on databases that are made on this server: mysql://user:password@host:port")
	flag.BoolVar(&s.json, "json", false, "print the outcome as JSON")
	flag.BoolVar(&s.mutants, "mutants", false, "break one rule after the other and tell whether it is noticed")
	flag.StringVar(&s.only, "only", "", "with -mutants or -long: only those whose name holds this")
	flag.BoolVar(&s.long, "long", false, "run the long forms of the trap tests")
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { s.seeded = s.seeded || f.Name == "seed" })
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.clients != 0 && (s.clients < 2 || s.clients > 6) {
		return errors.New("a simulation has 2 to 6 laptops")
	}
	switch {
	case s.mutants:
		return runMutants(ctx, s)
	case s.long:
		return runLong(ctx, s)
	case s.seeded && s.duration == 0:
		return replay(ctx, s)
	}
	if s.duration == 0 {
		s.duration = 10 * time.Minute
	}
	return soak(ctx, s)
}

func (s settings) config(seed uint64) sim.Config {
	return sim.Config{Seed: seed, Clients: s.clients, Steps: s.steps, Portable: s.onServer()}
}

func (s settings) onServer() bool { return s.real || s.central != "" }

// replay runs one seed and prints all that happened. A schedule that fails is
// made as short as it can be.
func replay(ctx context.Context, s settings) error {
	p := &place{settings: s}
	defer p.close()
	rep, err := p.run(ctx, s.seed)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(rep.Trace, "\n"))
	if rep.Failure == "" {
		fmt.Printf("seed %d: %d steps, every promise was kept; trace %016x\n", rep.Seed, rep.Ops, rep.Hash)
		return nil
	}
	fmt.Println(rep)
	if !s.onServer() {
		if rep, err = sim.Shrink(ctx, s.config(s.seed), rep); err != nil {
			return err
		}
		fmt.Printf("\nas short as it still fails:\n%s\n%s\n", strings.Join(rep.Trace, "\n"), rep)
	}
	return errors.New("a promise was broken")
}

// total is what a soak did.
type total struct {
	Seeds    int            `json:"seeds"`
	First    uint64         `json:"first_seed"`
	Steps    int            `json:"steps"`
	Syncs    int            `json:"syncs"`
	Seconds  int            `json:"seconds"`
	Feed     int64          `json:"longest_feed"`
	MemoryMB uint64         `json:"memory_mb"`
	Faults   map[string]int `json:"faults"`
	Failures []failure      `json:"failures"`
}

type failure struct {
	Seed    uint64 `json:"seed"`
	Step    int    `json:"step"`
	Problem string `json:"problem"`
}

// soak runs seeds until the time is over.
func soak(ctx context.Context, s settings) error {
	timed, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	began := time.Now()
	type outcome struct {
		sim.Report
		err error
	}
	seeds, out := make(chan uint64), make(chan outcome)
	for range s.workers {
		go func() {
			p := &place{settings: s}
			defer p.close()
			for seed := range seeds {
				// A run that has begun is ended properly, or it would fail for
				// want of time.
				rep, err := p.run(ctx, seed)
				out <- outcome{rep, err}
			}
		}()
	}
	t := total{First: s.seed, Faults: map[string]int{}, Failures: []failure{}}
	var failed error
	next, running := s.seed, 0
	last := began
	for feeding := seeds; feeding != nil || running > 0; {
		select {
		case feeding <- next:
			next++
			running++
		case o := <-out:
			running--
			if o.err != nil {
				failed = errors.Join(failed, fmt.Errorf("seed %d: %w", o.Seed, o.err))
				feeding = nil
				break
			}
			t.add(o.Report)
			if o.Failure != "" && !s.json {
				fmt.Printf("seed %d, step %d: %s\n", o.Seed, o.Step, o.Failure)
			}
		case <-timed.Done():
			feeding, timed = nil, context.Background()
		}
		if !s.json && time.Since(last) > 15*time.Second {
			last = time.Now()
			fmt.Printf("%6.0f s: %d seeds, %d steps, %d failures\n", time.Since(began).Seconds(), t.Seeds, t.Steps, len(t.Failures))
		}
	}
	close(seeds)
	t.Seconds = int(time.Since(began).Seconds())
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.MemoryMB = m.Sys >> 20
	t.print(s.json)
	if failed == nil && len(t.Failures) > 0 {
		failed = fmt.Errorf("%d seeds broke a promise; see one with -seed", len(t.Failures))
	}
	return failed
}

func (t *total) add(r sim.Report) {
	t.Seeds++
	t.Steps += r.Ops
	t.Syncs += r.Syncs
	t.Feed = max(t.Feed, r.Feed)
	for f, n := range r.Faults {
		t.Faults[string(f)] += n
	}
	if r.Failure != "" {
		t.Failures = append(t.Failures, failure{r.Seed, r.Step, r.Failure})
	}
}

func (t *total) print(asJSON bool) {
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		// What is printed are numbers and plain texts.
		_ = enc.Encode(t)
		return
	}
	fmt.Printf("%d seeds from %d on, %d steps, %d syncs in %d s, at most %d feed entries, %d MB of memory\n", t.Seeds, t.First, t.Steps, t.Syncs, t.Seconds, t.Feed, t.MemoryMB)
	var names []string
	for f := range t.Faults {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		fmt.Printf("  %-22s %d\n", f, t.Faults[f])
	}
	for _, f := range t.Failures {
		fmt.Printf("FAILED seed %d, step %d: %s\n", f.Seed, f.Step, f.Problem)
	}
}
