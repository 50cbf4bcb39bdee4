package mysql

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rapport/model"
)

// TestLeaseIsHeldByOne takes a lease, loses it to another who finds it run out,
// and is told so. The time is the server's.
func TestLeaseIsHeldByOne(t *testing.T) {
	c := newCompany(t)
	first, err := TakeLease(t.Context(), c.url, "prune")
	if err != nil {
		t.Fatal(err)
	}
	now, err := first.Keep(t.Context())
	if d := time.Since(now); err != nil || d < -time.Minute || d > time.Minute {
		t.Fatalf("the server's time is %s, %v", now, err)
	}
	// The other one does not see the first's connection end, and waits.
	c.sql("UPDATE sync_lease SET holder='ann on connection 1' WHERE name='prune'")
	var e *model.Error
	if _, err := TakeLease(t.Context(), c.url, "prune"); !errors.As(err, &e) || e.Kind != model.Locked || !strings.Contains(e.Msg, "ann on connection 1") {
		t.Fatalf("beside another holder: %v", err)
	}
	c.sql("UPDATE sync_lease SET expires_at=UTC_TIMESTAMP(3)-INTERVAL 1 SECOND WHERE name='prune'")
	second, err := TakeLease(t.Context(), c.url, "prune")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Keep(t.Context()); model.KindOf(err) != model.Locked {
		t.Errorf("who lost it is told %v", err)
	}
	// Giving back what one does not have any more harms nobody.
	first.Release()
	if _, err := second.Keep(t.Context()); err != nil {
		t.Errorf("who has it is told %v", err)
	}
	second.Release()
	third, err := TakeLease(t.Context(), c.url, "prune")
	if err != nil {
		t.Fatal(err)
	}
	third.Release()
}

// TestEnded: an account sees its own connections to the server that it is on,
// and of no others that they have ended.
func TestEnded(t *testing.T) {
	alive := map[string]bool{"7": true, "8": true}
	for holder, want := range map[string]bool{
		"root at a:1 on connection 6": true,
		"root at a:1 on connection 7": false,
		"root at a:1 on connection 8": true, // who asks
		"root at b:1 on connection 6": false,
		"ann at a:1 on connection 6":  false,
		"root on connection 6":        false, // of an older program, which does not say where
		"":                            false,
	} {
		if got := ended(holder, "root at a:1 on connection 8", alive); got != want {
			t.Errorf("%q has ended: %v", holder, got)
		}
	}
}
