package draw

import (
	"math"
	"strings"

	"charm.land/lipgloss/v2"

	"rapport/model"
	"rapport/ui/theme"
)

// Bar is one bar of a chart.
type Bar struct {
	Label string
	Value float64
	Part  float64 // how much of the value is drawn solid; the whole if zero
	Notes []string
	Style *lipgloss.Style // nil takes the first colour of the theme
}

// The marks of bars leave a gap above them, so that bars of neighbouring lines
// do not grow together.
const (
	solidMark = "▆"
	restMark  = "▂"
)

// cells is the length of a value in cells, one at least where there is any.
func cells(value, most float64, width int) int {
	if most <= 0 || value <= 0 || width <= 0 || math.IsNaN(value) {
		return 0
	}
	return max(1, int(math.Round(math.Min(1, value/most)*float64(width))))
}

// Bars draws horizontal bars with their numbers at the right, one line each:
// the label, the bar, and the notes in columns. A bar of which only a part is
// solid shows the rest in a lower mark.
func Bars(th *theme.Theme, bars []Bar, width int) []string {
	if len(bars) == 0 || width <= 0 {
		return nil
	}
	most := 0.0
	label := 0
	var notes []int
	for _, b := range bars {
		most = math.Max(most, b.Value)
		label = max(label, Width(model.Visible(b.Label)))
		for i, n := range b.Notes {
			if i == len(notes) {
				notes = append(notes, 0)
			}
			notes[i] = max(notes[i], Width(n))
		}
	}
	label = min(label, max(8, width/3))
	room := func() int {
		n := width - 2 - label - 1
		for _, w := range notes {
			n -= w + 2
		}
		return n
	}
	for len(notes) > 1 && room() < 6 {
		notes = notes[:len(notes)-1]
	}
	if r := room(); r < 4 {
		label = max(4, label+r-4)
	}
	length := room()
	out := make([]string, len(bars))
	for i, b := range bars {
		out[i] = oneBar(th, b, most, label, length, notes, width)
	}
	return out
}

func oneBar(th *theme.Theme, b Bar, most float64, label, length int, notes []int, width int) string {
	style := lipgloss.NewStyle().Foreground(th.Series[0])
	if b.Style != nil {
		style = *b.Style
	}
	solid := b.Value
	if b.Part > 0 && b.Part < b.Value {
		solid = b.Part
	}
	mark, rest := solidMark, restMark
	if th.Mono {
		mark, rest = "#", "-"
	}
	n := cells(solid, most, length)
	all := max(n, cells(b.Value, most, length))
	body := style.Render(strings.Repeat(mark, n))
	if all > n {
		body += style.Faint(!th.Mono).Render(strings.Repeat(rest, all-n))
	}
	line := "  " + th.Text.Render(Fit(model.Visible(b.Label), label)) + " " + Fit(body, length)
	for i, w := range notes {
		text := ""
		if i < len(b.Notes) {
			text = b.Notes[i]
		}
		st := th.Muted
		if i == 0 {
			st = th.Text
		}
		line += "  " + st.Render(Right(text, w))
	}
	return Fit(line, width)
}
