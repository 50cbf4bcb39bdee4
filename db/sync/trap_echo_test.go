package sync_test

import (
	"context"
	"testing"

	"rapport/db/sync"
	"rapport/model"
)

// TestT50EchoNamesTheAccount makes a record under a name that is not the
// account's, as where somebody logs in with the office's: the server says who
// made it. That stands here after the sync that sent it, also where the feed was
// purged before the echo came and rows were compared instead.
func TestT50EchoNamesTheAccount(t *testing.T) {
	for _, purged := range []bool{false, true} {
		name := map[bool]string{false: "by the feed", true: "by comparing"}[purged]
		t.Run(name, func(t *testing.T) {
			c := newCentral(t)
			a := newHome(t, "ann", c.url)
			a.sync(t)
			id := a.save(t, "contact", "", map[string]any{"last_name": "Muster"}).ID
			if got := a.get(t, "contact", id).CreatedBy; got != "ann" {
				t.Fatalf("made here by %q", got)
			}
			read := !purged
			engine := sync.New(a.DB, func(ctx context.Context) (model.Central, error) {
				inner, err := a.connect(ctx)
				if err != nil {
					return nil, err
				}
				return aside{Central: inner, read: &read, do: func() {
					c.exec(t, "UPDATE sync_meta SET min_seq = (SELECT seq FROM sync_counter)")
					c.exec(t, "DELETE FROM sync_feed")
				}}, nil
			}, sync.Options{})
			if _, err := engine.Sync(t.Context(), false, nil); err != nil {
				t.Fatal(err)
			}
			want := c.value(t, "SELECT created_by FROM contact WHERE id = ?", id.Bytes())
			if got := a.get(t, "contact", id); got.CreatedBy != want || got.UpdatedBy != want || want == "ann" {
				t.Errorf("made by %q and changed by %q, the server says %q", got.CreatedBy, got.UpdatedBy, want)
			}
			converge(t, c, a)
		})
	}
}
