package backup

import (
	"fmt"
	"testing"
)

// TestJobsOfReaders holds that only the first reader reads what it alone sees at
// the moment, that it does so before anything else, and that nobody idles while
// there is something for him.
func TestJobsOfReaders(t *testing.T) {
	all := func(first ...bool) (out []job) {
		for _, f := range first {
			out = append(out, job{t: table{First: f}})
		}
		return out
	}
	for _, c := range []struct {
		jobs       []job
		one, other int
	}{
		{nil, -1, -1},
		{all(true), 0, -1},
		{all(false), 0, 0},
		{all(false, true, true), 1, 0},
		{all(true, true, false), 0, 2},
	} {
		t.Run(fmt.Sprint(len(c.jobs), " ", c.one, " ", c.other), func(t *testing.T) {
			if one, other, third := jobFor(0, c.jobs), jobFor(1, c.jobs), jobFor(2, c.jobs); one != c.one || other != c.other || third != c.other {
				t.Errorf("the first takes %d, others %d and %d", one, other, third)
			}
		})
	}
}
