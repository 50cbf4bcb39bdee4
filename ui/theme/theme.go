// Package theme gives colours by meaning, for dark and light backgrounds and
// for terminals without colour.
//
// Promises: nothing is told by colour alone; every text colour has a contrast
// of at least 4.5 to its background; a theme is immutable.
package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// Theme is a set of styles by meaning.
type Theme struct {
	Dark bool
	Mono bool // no colour: bold, underline and reverse only

	Text     lipgloss.Style
	Muted    lipgloss.Style // less important text
	Strong   lipgloss.Style // headings, names
	Accent   lipgloss.Style // links, the active tab
	Good     lipgloss.Style // won, done, synced
	Warn     lipgloss.Style // overdue soon, pending
	Danger   lipgloss.Style // lost, refused, conflict, errors
	Selected lipgloss.Style // the row or button under the cursor
	Marked   lipgloss.Style // a row that is marked, not under the cursor
	Bar      lipgloss.Style // head and status line
	BarMuted lipgloss.Style
	Key      lipgloss.Style // a key in a help line
	Border   lipgloss.Style // lines and frames
	Input    lipgloss.Style // a text field
	Focus    lipgloss.Style // a text field with the cursor in it
	Match    lipgloss.Style // the part of a text that a search matched

	Series []color.Color // colours of a chart's series
}

// palette is the colours of one background.
type palette struct {
	fg, muted, accent, good, warn, danger, selFg, selBg, barFg, barBg, barMuted, border, input string
	series                                                                                     []string
}

var dark = palette{
	fg: "#e4e4e7", muted: "#a1a1aa", accent: "#7dd3fc", good: "#86efac", warn: "#fcd34d", danger: "#fca5a5",
	selFg: "#f8fafc", selBg: "#1e4e8c", barFg: "#e4e4e7", barBg: "#27272a", barMuted: "#b4b4bd", border: "#52525b", input: "#2e2e33",
	series: []string{"#7dd3fc", "#86efac", "#fcd34d", "#fca5a5", "#c4b5fd", "#f9a8d4"},
}

var light = palette{
	fg: "#18181b", muted: "#5b5b64", accent: "#075985", good: "#166534", warn: "#854d0e", danger: "#b91c1c",
	selFg: "#ffffff", selBg: "#1d5fae", barFg: "#18181b", barBg: "#e4e4e7", barMuted: "#4b4b54", border: "#a1a1aa", input: "#ececef",
	series: []string{"#0369a1", "#15803d", "#a16207", "#b91c1c", "#6d28d9", "#be185d"},
}

// New returns the theme for a dark or light background.
func New(isDark bool) *Theme {
	p := light
	if isDark {
		p = dark
	}
	c := lipgloss.Color
	s := lipgloss.NewStyle
	t := &Theme{
		Dark:     isDark,
		Text:     s().Foreground(c(p.fg)),
		Muted:    s().Foreground(c(p.muted)),
		Strong:   s().Foreground(c(p.fg)).Bold(true),
		Accent:   s().Foreground(c(p.accent)),
		Good:     s().Foreground(c(p.good)),
		Warn:     s().Foreground(c(p.warn)),
		Danger:   s().Foreground(c(p.danger)),
		Selected: s().Foreground(c(p.selFg)).Background(c(p.selBg)),
		Marked:   s().Foreground(c(p.accent)).Bold(true),
		Bar:      s().Foreground(c(p.barFg)).Background(c(p.barBg)),
		BarMuted: s().Foreground(c(p.barMuted)).Background(c(p.barBg)),
		Key:      s().Foreground(c(p.accent)).Bold(true),
		Border:   s().Foreground(c(p.border)),
		Input:    s().Foreground(c(p.fg)).Background(c(p.input)),
		Focus:    s().Foreground(c(p.fg)).Background(c(p.input)).Underline(true),
		Match:    s().Foreground(c(p.accent)).Underline(true),
	}
	for _, x := range p.series {
		t.Series = append(t.Series, c(x))
	}
	return t
}

// NewMono returns the theme for a terminal without colour.
func NewMono() *Theme {
	s := lipgloss.NewStyle
	return &Theme{
		Dark: true, Mono: true,
		Text: s(), Muted: s(), Strong: s().Bold(true), Accent: s().Underline(true),
		Good: s(), Warn: s().Bold(true), Danger: s().Bold(true),
		Selected: s().Reverse(true), Marked: s().Bold(true),
		Bar: s().Reverse(true), BarMuted: s().Reverse(true), Key: s().Bold(true), Border: s(),
		Input: s().Underline(true), Focus: s().Underline(true).Bold(true), Match: s().Underline(true),
		Series: []color.Color{lipgloss.NoColor{}},
	}
}
