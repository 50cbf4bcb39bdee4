package model

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Version is one side's version of a text, with who made it and when.
type Version struct {
	Text string
	By   string // "" for whoever has no name
	At   int64  // milliseconds, 0 if unknown
}

// JoinText joins two versions of a text that both come from base, line by line.
// Lines that one side changed are taken from there. Where both changed the same
// lines, an edit beats a deletion, and of two edits both are kept, the earlier
// one first, each under a line that says whose it is; clean is then false. The
// sides may be given in either order.
//
// The stretches are those of diff3 as Khanna, Kunal and Pierce describe it in
// "A Formal Investigation of Diff3" (2007): a line counts as unchanged where
// both sides still have it.
func JoinText(base string, a, b Version) (text string, clean bool) {
	switch {
	case a.Text == b.Text || b.Text == base:
		return a.Text, true
	case a.Text == base:
		return b.Text, true
	}
	if order := cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.By, b.By), cmp.Compare(a.Text, b.Text)); order > 0 {
		a, b = b, a
	}
	old, left, right := textLines(base), textLines(a.Text), textLines(b.Text)
	inLeft, inRight := kept(old, left), kept(old, right)
	var out []string
	clean = true
	o, l, r := 0, 0, 0
	for {
		// The next line that both sides kept ends the stretch.
		end := o
		for end < len(old) && (inLeft[end] < 0 || inRight[end] < 0) {
			end++
		}
		toLeft, toRight := len(left), len(right)
		if end < len(old) {
			toLeft, toRight = inLeft[end], inRight[end]
		}
		lines, ok := joinStretch(old[o:end], left[l:toLeft], right[r:toRight], a, b, end == len(old))
		out, clean = append(out, lines...), clean && ok
		if end == len(old) {
			return strings.Join(out, "\n"), clean
		}
		out = append(out, old[end])
		o, l, r = end+1, toLeft+1, toRight+1
	}
}

// joinStretch joins the lines between two that both sides kept.
func joinStretch(old, left, right []string, a, b Version, last bool) (lines []string, clean bool) {
	switch {
	case slices.Equal(left, right) || slices.Equal(right, old):
		return left, true
	case slices.Equal(left, old) || holdsLines(right, left):
		return right, true
	case holdsLines(left, right):
		return left, true
	}
	lines = append([]string{headLine(a)}, left...)
	lines = append(append(lines, headLine(b)), right...)
	if !last {
		lines = append(lines, "---")
	}
	return lines, false
}

// holdsLines tells whether some lines occur in others, one after the other.
func holdsLines(in, lines []string) bool {
	for i := 0; i+len(lines) <= len(in); i++ {
		if slices.Equal(in[i:i+len(lines)], lines) {
			return true
		}
	}
	return false
}

// headLine stands above the lines of one side.
func headLine(v Version) string {
	who := v.By
	if who == "" {
		who = "another program"
	}
	if v.At == 0 {
		return "--- " + who + ":"
	}
	return "--- " + who + ", " + time.UnixMilli(v.At).UTC().Format("2006-01-02 15:04") + " UTC:"
}

// textLines splits a text at its line breaks. An empty text has no lines; a
// line break at the end is an empty last line.
func textLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// maxEdits bounds the search for lines that two versions share: with more
// insertions and deletions than that the rest counts as rewritten.
const maxEdits = 1000

// kept returns for each old line where it stands in new, -1 where it does not.
// The places rise. It is Myers' "An O(ND) Difference Algorithm" (1986) after
// the common head and tail.
func kept(old, new []string) []int {
	at := make([]int, len(old))
	for i := range at {
		at[i] = -1
	}
	head := 0
	for head < len(old) && head < len(new) && old[head] == new[head] {
		at[head] = head
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(new)-head && old[len(old)-1-tail] == new[len(new)-1-tail] {
		at[len(old)-1-tail] = len(new) - 1 - tail
		tail++
	}
	for _, p := range shared(old[head:len(old)-tail], new[head:len(new)-tail]) {
		at[head+p[0]] = head + p[1]
	}
	return at
}

// shared returns the pairs of equal lines on a shortest path from the beginning
// of both texts to their ends, the last pair first.
func shared(a, b []string) (pairs [][2]int) {
	n, m := len(a), len(b)
	limit := min(n+m, maxEdits)
	reach := make([]int, 2*limit+3) // how far into a each diagonal comes
	var rounds [][]int
	diagonal := func(k int) int { return k + limit + 1 }
	for d := 0; d <= limit; d++ {
		rounds = append(rounds, slices.Clone(reach[diagonal(-d-1):diagonal(d+1)+1]))
		for k := -d; k <= d; k += 2 {
			x := reach[diagonal(k-1)] + 1
			if k == -d || k != d && reach[diagonal(k-1)] < reach[diagonal(k+1)] {
				x = reach[diagonal(k+1)]
			}
			for x < n && x-k < m && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			reach[diagonal(k)] = x
			if k == n-m && x >= n {
				return walkBack(n, m, rounds)
			}
		}
	}
	return nil
}

// walkBack follows the path that the rounds of the search took. Round d knows
// the diagonals from -d-1 to d+1.
func walkBack(x, y int, rounds [][]int) (pairs [][2]int) {
	snake := func(toX, toY int) {
		for x > toX && y > toY {
			x, y = x-1, y-1
			pairs = append(pairs, [2]int{x, y})
		}
	}
	for d := len(rounds) - 1; d > 0; d-- {
		before := func(k int) int { return rounds[d][k+d+1] }
		k := x - y
		if k == -d || k != d && before(k-1) < before(k+1) { // a line of b came in
			fromX := before(k + 1)
			snake(fromX, fromX-k)
			x, y = fromX, fromX-k-1
		} else { // a line of a went out
			fromX := before(k - 1)
			snake(fromX+1, fromX+1-k)
			x, y = fromX, fromX-k+1
		}
	}
	snake(0, 0)
	return pairs
}
