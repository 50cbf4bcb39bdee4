package model_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"30 2 * * *", "*/15 8-18 * * mon-fri", "0 0 1 1 *", "0 12 29 2 *", "daily", "@weekly", "Hourly", " 0  3 * *  7 "} {
		if _, err := model.ParseSchedule(good, "Europe/Zurich"); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"61 * * * *", "* * * *", "* * * * * *", "0 0 31 2 *", "*/0 * * * *", "monthlyish", "-1 * * * *", "@every 1h"} {
		if s, err := model.ParseSchedule(bad, ""); model.KindOf(err) != model.Invalid {
			t.Errorf("%q: %v, %v", bad, s, err)
		}
	}
	for _, zone := range []string{"Mars/Base", "Local", "../etc"} {
		if s, err := model.ParseSchedule("daily", zone); model.KindOf(err) != model.Invalid {
			t.Errorf("zone %q: %v, %v", zone, s, err)
		}
	}
}

// TestScheduleWhenClocksChange has the night in which an hour is skipped, and
// the one in which an hour comes twice: each has one moment.
func TestScheduleWhenClocksChange(t *testing.T) {
	t.Parallel()
	s, err := model.ParseSchedule("30 2 * * *", "Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to string }{
		{"2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z"},
		{"2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"}, // 03:30, as 02:30 does not come
		{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"}, // the first 02:30
		{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		next := s.Next(from)
		if got := next.Format(time.RFC3339); got != c.to {
			t.Errorf("after %s comes %s, want %s", c.from, got, c.to)
		}
		if last := s.Last(next); !last.Equal(next) {
			t.Errorf("at %s the last one is %s", next, last)
		}
		if last := s.Last(next.Add(-time.Second)); last.After(from) && !from.Equal(last) {
			t.Errorf("before %s the last one is %s, after %s", next, last, from)
		}
	}
}

// TestScheduleLaws holds that the last moment is not after now, the next one
// is, and that none lies between.
func TestScheduleLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.SampledFrom([]string{"30 2 * * *", "0 * * * *", "*/20 * * * *", "15 1,2,3 * * 0", "0 0 1 * *"}).Draw(t, "expr")
		s, err := model.ParseSchedule(expr, rapid.SampledFrom([]string{"", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 2*365*24*60).Draw(t, "minutes")) * time.Minute)
		last, next := s.Last(now), s.Next(now)
		if last.IsZero() || next.IsZero() || last.After(now) || !next.After(now) {
			t.Fatalf("around %s: %s and %s", now, last, next)
		}
		if l := s.Last(next); l.Before(last) {
			t.Fatalf("the last moment goes back from %s to %s", last, l)
		}
		if now.Sub(last) > 32*24*time.Hour || next.Sub(now) > 32*24*time.Hour {
			t.Fatalf("around %s: %s and %s", now, last, next)
		}
	})
}
