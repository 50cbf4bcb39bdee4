package main

import (
	"slices"
	"time"
)

// cost is what a piece of work took.
type cost struct {
	wall, cpu time.Duration
}

// measure runs fn once.
func measure(fn func() error) (cost, error) {
	start, used := time.Now(), processCPU()
	err := fn()
	return cost{time.Since(start), processCPU() - used}, err
}

// typical runs fn a few times after a first one that fills the caches, and
// returns the median and the worst.
func typical(runs int, fn func() error) (median, worst cost, err error) {
	var all []cost
	for i := range runs + 1 {
		c, err := measure(fn)
		if err != nil {
			return cost{}, cost{}, err
		}
		if i > 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b cost) int { return int(a.cpu - b.cpu) })
	return all[len(all)/2], all[len(all)-1], nil
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
