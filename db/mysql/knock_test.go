package mysql

import (
	"context"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestCompress holds when a way is compressed, and that this makes a load
// smaller and leaves an idle poll small.
func TestCompress(t *testing.T) {
	for _, tt := range []struct {
		host, compress string
		trip           time.Duration
		want           bool
	}{
		{"db.example.org", "", time.Millisecond, false},
		{"db.example.org", "", 10 * time.Millisecond, true},
		{"db.example.org", "", 100 * time.Millisecond, true},
		{"db.example.org", "false", 100 * time.Millisecond, false},
		{"127.0.0.1", "", 100 * time.Millisecond, false},
		{"127.0.0.1", "true", time.Millisecond, true},
	} {
		if got := (Address{Host: tt.host, Compress: tt.compress}).compress(tt.trip); got != tt.want {
			t.Errorf("%s, %q, at %v: compressed %v", tt.host, tt.compress, tt.trip, got)
		}
	}
	srv := servertest.Shared(t)
	url := srv.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	srv.SQL(t, servertest.Name(url), "INSERT INTO contact (last_name, job_title) SELECT CONCAT('c', seq), 'Head of Procurement' FROM seq_1_to_500")
	poll, plain := trafficOf(t, url)
	shortPoll, compressed := trafficOf(t, url+"?compress=true")
	if compressed*2 > plain {
		t.Errorf("500 contacts take %d bytes compressed, %d plain", compressed, plain)
	}
	if shortPoll > poll+64 || shortPoll > 1000 {
		t.Errorf("an idle poll takes %d bytes compressed, %d plain", shortPoll, poll)
	}
}

// trafficOf returns the bytes of a second poll and of a load of the contacts.
func trafficOf(t *testing.T, url string) (poll, load int64) {
	t.Helper()
	c, err := Dial(t.Context(), url, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	measure := func(fn func(context.Context) error) int64 {
		t.Helper()
		_, sent, received := c.Traffic()
		if err := fn(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, up, down := c.Traffic()
		return up - sent + down - received
	}
	ask := func(ctx context.Context) error {
		_, err := c.Poll(ctx, model.Device{}, model.Position{})
		return err
	}
	measure(ask)
	poll = measure(ask)
	return poll, measure(func(ctx context.Context) error {
		return c.Load(ctx, "contact", "", func(model.Row) error { return nil })
	})
}
