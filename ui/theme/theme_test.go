package theme

import (
	"image/color"
	"math"
	"testing"

	"charm.land/lipgloss/v2"
)

// backgrounds are the terminals on which a theme must be readable.
var backgrounds = map[bool][]string{
	true:  {"#000000", "#171717", "#1e1e2e", "#282c34"},
	false: {"#ffffff", "#fafafa", "#f5f5f0"},
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	f := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.03928 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*f(r) + 0.7152*f(g) + 0.0722*f(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	if x < y {
		x, y = y, x
	}
	return (x + 0.05) / (y + 0.05)
}

func TestEveryTextIsReadable(t *testing.T) {
	for _, isDark := range []bool{true, false} {
		th := New(isDark)
		plain := map[string]lipgloss.Style{"Text": th.Text, "Muted": th.Muted, "Strong": th.Strong, "Accent": th.Accent, "Good": th.Good,
			"Warn": th.Warn, "Danger": th.Danger, "Marked": th.Marked, "Key": th.Key, "Match": th.Match}
		check := func(name string, fg, bg color.Color) {
			if c := contrast(fg, bg); c < 4.5 {
				t.Errorf("dark %v: %s has a contrast of %.2f to %v", isDark, name, c, bg)
			}
		}
		for name, st := range plain {
			for _, bg := range backgrounds[isDark] {
				check(name, st.GetForeground(), lipgloss.Color(bg))
			}
		}
		for name, st := range map[string]lipgloss.Style{"Selected": th.Selected, "Bar": th.Bar, "BarMuted": th.BarMuted, "Input": th.Input, "Focus": th.Focus} {
			check(name, st.GetForeground(), st.GetBackground())
		}
		// The status line and the notices put these on the bar, a form's
		// empty fields the quiet colour on the input.
		for name, st := range map[string]lipgloss.Style{"Good": th.Good, "Warn": th.Warn, "Danger": th.Danger} {
			check(name+" on the bar", st.GetForeground(), th.Bar.GetBackground())
		}
		check("Muted on an input", th.Muted.GetForeground(), th.Input.GetBackground())
	}
}

func TestMonoHasNoColour(t *testing.T) {
	th := NewMono()
	for _, st := range []lipgloss.Style{th.Text, th.Muted, th.Strong, th.Accent, th.Good, th.Warn, th.Danger, th.Selected, th.Marked, th.Bar, th.Key, th.Input} {
		_, fg := st.GetForeground().(lipgloss.NoColor)
		_, bg := st.GetBackground().(lipgloss.NoColor)
		if !fg || !bg {
			t.Errorf("%v has a colour", st)
		}
	}
}
