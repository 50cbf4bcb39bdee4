package sync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rapport/db/sync"
	"rapport/model"
)

// followed is a home that follows a central while a test goes on.
type followed struct {
	*home
	t     *testing.T
	ask   chan struct{}
	steps chan model.Following
	dials int
}

// followCentral begins to follow. It sends soon after an edit, and polls when it
// is asked to only.
func (h *home) followCentral(t *testing.T) *followed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &followed{home: h, t: t, ask: make(chan struct{}, 1), steps: make(chan model.Following, 100)}
	e := sync.New(h.DB, func(ctx context.Context) (model.Central, error) {
		f.dials++
		return h.connect(ctx)
	}, sync.Options{Random: func() float64 { return 0 }, Timer: func(d time.Duration) (<-chan time.Time, func()) {
		if d >= 30*time.Second {
			return nil, func() {}
		}
		timer := time.NewTimer(d / 100)
		return timer.C, func() { timer.Stop() }
	}})
	done := make(chan error, 1)
	go func() {
		done <- e.Follow(ctx, sync.FollowOptions{Interval: time.Minute, Changes: h.Watch(ctx),
			FollowRequest: model.FollowRequest{Ask: f.ask, Tell: func(s model.Following) { f.steps <- s }}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the follow of %s ended with %v", h.me, err)
		}
	})
	return f
}

// until waits for a step that a test waits for. Being offline on the way is a
// fault.
func (f *followed) until(what string, ok func(model.Following) bool) model.Following {
	f.t.Helper()
	return f.untilAny(what, func(s model.Following) bool {
		done := ok(s)
		if !done && s.State == model.FollowOffline {
			f.t.Errorf("waiting for %s: %v", what, s.Err)
		}
		return done
	})
}

// untilAny is until where being offline on the way is no surprise.
func (f *followed) untilAny(what string, ok func(model.Following) bool) model.Following {
	f.t.Helper()
	late := time.After(2 * time.Minute)
	for {
		select {
		case s := <-f.steps:
			if ok(s) {
				return s
			}
		case <-late:
			f.t.Fatalf("no %s", what)
		}
	}
}

func online(s model.Following) bool { return s.State == model.FollowOnline }

// TestFollowServer follows a server: edits go out by themselves, a poll that
// finds nothing is one small round trip over the connection that is there, and
// a connection that the server ended is replaced without a word.
func TestFollowServer(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ada", c.url), newHome(t, "bob", c.url)
	f := a.followCentral(t)
	f.until("first sync", online)
	id := a.save(t, "contact", "", map[string]any{"last_name": "Meier"}).ID
	if s := f.until("push", online); s.Asked || s.Result.Pushed != 1 {
		t.Errorf("after an edit: %+v", s)
	}
	b.sync(t)
	b.save(t, "contact", id, map[string]any{"job_title": "Buyer"})
	b.sync(t)
	poll := func() model.Following {
		t.Helper()
		f.ask <- struct{}{}
		return f.until("poll", func(s model.Following) bool { return s.Asked && online(s) })
	}
	if s := poll(); s.Result.Pulled != 1 {
		t.Errorf("after a colleague's edit: %+v", s.Result)
	}
	if got := a.get(t, "contact", id).Text("job_title"); got != "Buyer" {
		t.Errorf("job title %q", got)
	}
	if s := poll().Result; s.RoundTrips != 1 || s.BytesSent+s.BytesReceived >= 1000 {
		t.Errorf("an idle poll: %d round trips, %d bytes out, %d in", s.RoundTrips, s.BytesSent, s.BytesReceived)
	}
	if f.dials != 1 {
		t.Errorf("%d connections", f.dials)
	}
	for _, session := range c.column(t, "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") {
		c.exec(t, "KILL "+session)
	}
	poll()
	if f.dials != 2 {
		t.Errorf("%d connections after one was ended", f.dials)
	}
	converge(t, c, a, b)
}

// column reads the first column of a result.
func (c *central) column(t *testing.T, query string) (out []string) {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
