package draw

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
	"rapport/ui/theme"
)

func TestWidthsAreExactForAnyText(t *testing.T) {
	th := theme.New(true)
	rapid.Check(t, func(t *rapid.T) {
		s := model.Visible(rapid.String().Draw(t, "text"))
		w := rapid.IntRange(0, 60).Draw(t, "width")
		for name, got := range map[string]string{
			"fit": Fit(s, w), "right": Right(s, w), "styled": Fit(th.Danger.Render(s), w),
		} {
			if Width(got) != w {
				t.Fatalf("%s %q at %d is %d wide: %q", name, s, w, Width(got), got)
			}
		}
		if w < 4 {
			return
		}
		for _, sel := range []bool{false, true} {
			row := Row(th, sel, w, Cell{Text: s}, Cell{Text: s, Width: 9, Right: true}, Cell{Text: s, Width: 5})
			if Width(row) != w {
				t.Fatalf("row of %q at %d is %d wide: %q", s, w, Width(row), row)
			}
		}
		if h := Heading(th, s, s, w, true); Width(h) != w {
			t.Fatalf("heading of %q at %d is %d wide", s, w, Width(h))
		}
	})
}

func TestWindowShowsTheCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 50).Draw(t, "count")
		cursor := rapid.IntRange(0, count-1).Draw(t, "cursor")
		height := rapid.IntRange(1, 20).Draw(t, "height")
		top := Window(rapid.IntRange(0, 60).Draw(t, "top"), cursor, count, height)
		if top < 0 || cursor < top || cursor >= top+height || top > max(0, count-height) {
			t.Fatalf("cursor %d of %d is not in %d from %d", cursor, count, height, top)
		}
	})
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		m           model.Money
		full, brief string
	}{
		{model.Money{Minor: 0, Currency: "EUR"}, "0 EUR", "0 EUR"},
		{model.Money{Minor: 1250050, Currency: "EUR"}, "12,500.50 EUR", "12.5k EUR"},
		{model.Money{Minor: 950000, Currency: "USD"}, "9,500 USD", "9,500 USD"},
		{model.Money{Minor: -5, Currency: "USD"}, "-0.05 USD", "-0 USD"},
		{model.Money{Minor: 1000553400, Currency: "USD"}, "10,005,534 USD", "10M USD"},
		{model.Money{Minor: 123456, Currency: "JPY"}, "123,456 JPY", "123k JPY"},
		{model.Money{Minor: 99999999, Currency: ""}, "999,999.99", "1M"},
	} {
		if got := Amount(c.m); got != c.full {
			t.Errorf("amount %v: %q, want %q", c.m, got, c.full)
		}
		if got := Brief(c.m); got != c.brief {
			t.Errorf("brief %v: %q, want %q", c.m, got, c.brief)
		}
	}
}

func TestMoments(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 20, 9, 30, 0, 0, zone)
	at := func(day, hour, min int) time.Time { return time.Date(2026, 11, day, hour, min, 0, 0, zone).UTC() }
	for _, c := range []struct{ got, want string }{
		{Day("2026-11-20", now), "today"},
		{Day("2026-11-19", now), "yesterday"},
		{Day("2026-11-24", now), "Tue 24 Nov"},
		{Day("2026-12-24", now), "24 Dec"},
		{Day("2027-02-03", now), "3 Feb 2027"},
		{Day("\x1b[31m", now), "␛[31m"},
		{When(at(20, 0, 0), now), "today"},
		{When(at(20, 14, 5), now), "14:05"},
		{When(at(21, 8, 0), now), "tomorrow 08:00"},
		{Ago(at(20, 9, 30), now), "just now"},
		{Ago(at(20, 9, 10), now), "20 min ago"},
		{Ago(at(20, 1, 0), now), "8 h ago"},
		{Ago(at(18, 1, 0), now), "Wed 18 Nov 01:00"},
		{Ago(time.Time{}, now), "never"},
		{Age(at(1, 0, 0), now), "19d"},
		{Age(now.AddDate(-4, 0, 0), now), "4y"},
		{Value(model.Ref{Name: "A\nB"}, now), "A⏎B"},
		{Value(nil, now), "–"},
		{Bytes(3_210_000), "3.2 MB"},
		{Plural(1, "deal", "deals"), "1 deal"},
		{Plural(12000, "deal", "deals"), "12,000 deals"},
		{Error(model.Errorf(model.Invalid, "no such stage").WithHint("see the list").Because(errors.New("x"))), "no such stage – see the list"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
