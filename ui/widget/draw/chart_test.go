package draw

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"rapport/model"
	"rapport/ui/theme"
)

func TestBars(t *testing.T) {
	bars := []Bar{
		{Label: "Lead", Value: 100, Notes: []string{"12", "100k EUR"}},
		{Label: "Proposal", Value: 50, Part: 25, Notes: []string{"3", "50k EUR"}},
		{Label: "Nothing", Value: 0, Notes: []string{"0", "–"}},
	}
	want := "" +
		"  Lead     ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆  12  100k EUR\n" +
		"  Proposal ▆▆▆▆▂▂▂▂           3   50k EUR\n" +
		"  Nothing                     0         –"
	if got := ansi.Strip(strings.Join(Bars(theme.New(true), bars, 41), "\n")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = "  Proposal ####----           3   50k EUR"
	if got := ansi.Strip(Bars(theme.NewMono(), bars, 41)[1]); got != want {
		t.Errorf("without colour:\n%s\nwant\n%s", got, want)
	}
}

func TestBarsKeepTheirWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(0, 90).Draw(t, "width")
		bars := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Bar {
			return Bar{Label: rapid.String().Draw(t, "label"), Value: rapid.Float64().Draw(t, "value"), Part: rapid.Float64().Draw(t, "part"),
				Notes: rapid.SliceOfN(rapid.SampledFrom([]string{"", "1", "12,500 EUR", "1.2M EUR + 3M USD"}), 0, 3).Draw(t, "notes")}
		}), 0, 5).Draw(t, "bars")
		for _, l := range Bars(theme.New(false), bars, w) {
			if Width(l) != w {
				t.Fatalf("%d wide instead of %d: %q", Width(l), w, l)
			}
		}
	})
}

func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5).Draw(t, "parts")
		least := rapid.SliceOfN(rapid.IntRange(1, 5), n, n).Draw(t, "least")
		want := rapid.SliceOfN(rapid.IntRange(1, 30), n, n).Draw(t, "want")
		h := rapid.IntRange(0, 60).Draw(t, "height")
		sum := 0
		for i, got := range Share(least, want, h) {
			sum += got
			if got > want[i] || got > 0 && got < min(least[i], want[i]) {
				t.Fatalf("part %d got %d of %d to %d", i, got, least[i], want[i])
			}
		}
		if sum > h {
			t.Fatalf("%d lines handed out of %d", sum, h)
		}
	})
}

func TestHostileLabelStaysInItsLine(t *testing.T) {
	for _, l := range Bars(theme.New(true), []Bar{{Label: "a\x1b[2Jb\nc", Value: 1}}, 40) {
		if strings.ContainsAny(ansi.Strip(l), "\n\x1b") || !strings.Contains(l, model.Visible("\x1b")) {
			t.Errorf("%q", l)
		}
	}
}
