package transfer

import (
	"fmt"
	"sort"
)

// notes counts what an import mended or left out, by name.
type notes struct {
	order  []string
	counts map[string]map[string]int
}

// Kinds of notes.
const (
	notKept    = "not kept"
	mended     = "mended"
	linkless   = "without"
	passedOver = "skipped"
	readAs     = "read"
)

func newNotes() *notes { return &notes{counts: map[string]map[string]int{}} }

func (n *notes) add(kind, what string) {
	if n.counts[kind] == nil {
		n.counts[kind] = map[string]int{}
		n.order = append(n.order, kind)
	}
	n.counts[kind][what]++
}

// lines returns a line for each thing counted.
func (n *notes) lines() []string {
	var out []string
	for _, kind := range []string{mended, linkless, passedOver, readAs, notKept} {
		var names []string
		for w := range n.counts[kind] {
			names = append(names, w)
		}
		sort.Strings(names)
		for _, w := range names {
			out = append(out, fmt.Sprintf("%s: %s (%d)", kind, w, n.counts[kind][w]))
		}
	}
	return out
}
