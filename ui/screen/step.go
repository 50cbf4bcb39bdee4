package screen

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
