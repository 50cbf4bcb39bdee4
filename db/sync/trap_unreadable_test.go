package sync_test

import (
	"testing"

	"rapport/model"
)

// T88: a table is away for a while, as when a tool exchanges it for an altered
// copy, and meanwhile what its rows point to is removed. Rows that cannot be
// read are not gone.
func TestT88UnreadableIsNotGone(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		org := a.save(t, "organization", "", map[string]any{"name": "o"})
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "organization": model.Ref{Noun: "organization", ID: org.ID}})
		a.sync(t)
		a.sync(t)
		conn, err := c.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, q := range []string{"SET foreign_key_checks = 0", "RENAME TABLE contact TO contact_away", "DELETE FROM organization"} {
			if _, err := conn.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		a.sync(t)
		if got := a.get(t, "contact", r.ID); !got.DeletedAt.IsZero() {
			t.Error("a contact that could not be read counts as removed")
		}
		for _, q := range []string{"RENAME TABLE contact_away TO contact", "UPDATE contact SET organization_id = NULL"} {
			if _, err := conn.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		converge(t, c, a)
		if got := a.get(t, "contact", r.ID); !got.DeletedAt.IsZero() {
			t.Error("the contact is in the bin")
		}
	})
}
