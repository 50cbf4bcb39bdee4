package sim

import (
	"flag"
	"testing"
	"time"
)

// How many seeds run with every test run. The soak runs many more, and the
// mutants need some hundreds to be caught.
var (
	seeds      = flag.Uint64("seeds", 60, "seeds to run in memory")
	conforming = flag.Uint64("conforming", 6, "seeds to run on a real server")
)

// TestSeeds runs the schedules of the first seeds, as many as there is time
// for.
func TestSeeds(t *testing.T) {
	deadline, limited := t.Deadline()
	for seed := range *seeds {
		if limited && time.Until(deadline) < time.Minute && seed >= 20 {
			return
		}
		rep, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Failure != "" {
			t.Fatal(rep)
		}
	}
}

// TestSeedReplays runs a seed of each level twice: the trace is the same.
func TestSeedReplays(t *testing.T) {
	for seed := range uint64(4) {
		one, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		two, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if one.Hash != two.Hash || len(one.Trace) == 0 {
			t.Errorf("seed %d: two runs differ: %x, %x", seed, one.Hash, two.Hash)
		}
	}
}
