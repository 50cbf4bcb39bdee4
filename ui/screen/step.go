package screen

import "rapport/keymap"

// Step returns where a cursor stands after one step down (by 1) or up (by -1)
// on a page of several lists below each other: in the same list, or at the near
// end of the next one that has rows, or where it was. rows tells how many rows a
// list has.
func Step[P ~int](at P, row, by int, parts P, rows func(P) int) (P, int) {
	if i := row + by; i >= 0 && i < rows(at) {
		return at, i
	}
	for p := at + P(by); p >= 0 && p < parts; p += P(by) {
		if n := rows(p); n > 0 {
			if by < 0 {
				return p, n - 1
			}
			return p, 0
		}
	}
	return at, row
}

// Scroll returns where a cursor stands in a list of n rows after an action that
// moves it; page is how far a page goes. moved is false for every other action.
func Scroll(a keymap.Action, row, page, n int) (to int, moved bool) {
	switch a {
	case keymap.Down:
		row++
	case keymap.Up:
		row--
	case keymap.PageDown:
		row += page
	case keymap.PageUp:
		row -= page
	case keymap.Top:
		row = 0
	case keymap.Bottom:
		row = n
	default:
		return row, false
	}
	return max(0, min(row, n-1)), true
}
