package model

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p Pace
	start := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for i, tt := range []struct {
		after time.Duration
		q     Progress
		want  string
	}{
		{0, Progress{"connecting", 0, 0}, "connecting"},
		{0, Progress{"loading", 10000, 100000}, "loading 10000 of 100000"}, // 10,000 came in an earlier run
		{500 * time.Millisecond, Progress{"loading", 15000, 100000}, "loading 15000 of 100000"},
		{2 * time.Second, Progress{"loading", 30000, 100000}, "loading 30000 of 100000, 10000 a second, 7s left"},
		{9 * time.Second, Progress{"loading", 100000, 100000}, "loading 100000 of 100000, 10000 a second"},
		{9 * time.Second, Progress{"indexing", 100000, 100000}, "indexing 100000 of 100000"},
		{10 * time.Second, Progress{"sending", 7, 0}, "sending 7"},
	} {
		if got := p.Words(start.Add(tt.after), tt.q); got != tt.want {
			t.Errorf("%d: %q, want %q", i, got, tt.want)
		}
	}
}
