package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/ui/widget/draw"
)

// Overlay draws a box over lines of one width at a place.
func Overlay(lines []string, box string, x, y int) {
	x = max(0, x)
	for i, l := range strings.Split(box, "\n") {
		if y+i < 0 || y+i >= len(lines) {
			continue
		}
		w := ansi.StringWidth(l)
		under := lines[y+i]
		left := draw.Fit(ansi.Cut(under, 0, x), x)
		rest := ansi.StringWidth(under) - x - w
		right := ""
		if rest > 0 {
			right = ansi.Cut(under, x+w, x+w+rest)
			if lost := rest - ansi.StringWidth(right); lost > 0 {
				right = strings.Repeat(" ", lost) + right
			}
		}
		lines[y+i] = left + "\x1b[m" + l + "\x1b[m" + right
	}
}
