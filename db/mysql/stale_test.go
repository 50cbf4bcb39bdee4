package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestPushToStalePrimary: a connection that was opened and polled before another
// server became the primary is no way to write to the former one.
func TestPushToStalePrimary(t *testing.T) {
	c := newCompany(t)
	central := c.dial()
	if _, err := central.Poll(t.Context(), model.Device{}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	batch := c.batch(insert("contact", c.ids.New(), map[string]any{"last_name": "x"}))
	for _, term := range []int64{2, 7} {
		_, err := central.Push(t.Context(), batch, model.Position{Term: term})
		if model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), "stale primary") {
			t.Errorf("with the term %d: %v", term, err)
		}
	}
	if got := c.one("SELECT CONCAT((SELECT COUNT(*) FROM contact), (SELECT COUNT(*) FROM sync_push))"); got != "00" {
		t.Errorf("records and receipts there: %s", got)
	}
	// The same connection goes on where the terms agree.
	r, err := central.Push(t.Context(), batch, model.Position{Term: 1})
	if err != nil || len(r.Results) != 1 || r.Results[0].Outcome != model.PushApplied {
		t.Errorf("with the server's own term: %+v (%v)", r, err)
	}
}

// TestRaiseTerm: a server that was restored elsewhere takes the place of one
// that is gone, although clients have seen a higher term than it knows.
func TestRaiseTerm(t *testing.T) {
	c := newCompany(t)
	gone := strings.Replace(c.url, c.server.Address(), "127.0.0.1:1", 1)
	list := gone + "," + c.url
	if _, err := Promote(t.Context(), list, model.PromoteRequest{}); model.KindOf(err) != model.Invalid {
		t.Errorf("the primary was promoted: %v", err)
	}
	p, err := Promote(t.Context(), list, model.PromoteRequest{Term: 7})
	if err != nil || p.Term != 8 || !p.Down || p.Epoch != "" {
		t.Fatalf("%+v (%v)", p, err)
	}
	if got := c.one("SELECT writer_term FROM sync_meta"); got != "8" {
		t.Errorf("the term is %s", got)
	}
}
