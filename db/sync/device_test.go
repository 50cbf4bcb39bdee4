package sync_test

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestDeviceTellsPendingRecords: the administrator's list of devices counts what
// is unsent as the laptop itself does, in records, with those that are refused.
func TestDeviceTellsPendingRecords(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		a.sync(t)
		c.exec(t, "ALTER TABLE contact MODIFY job_title VARCHAR(5)")
		a.save(t, "contact", "", map[string]any{"last_name": "refused", "job_title": "too long", "phone": []*model.Record{phone(t, "+41446681800")}})
		a.sync(t)
		a.save(t, "contact", "", map[string]any{"last_name": "parts", "phone": []*model.Record{phone(t, "+41446681801"), phone(t, "+41446681802")}})
		a.save(t, "organization", "", map[string]any{"name": strings.Repeat("o", 9)})
		st, err := a.LocalStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		if got := c.value(t, "SELECT pending FROM sync_client"); got != "3" || st.Pending != 3 {
			t.Errorf("the list of devices says %s, the laptop %d; want 3 records", got, st.Pending)
		}
	})
}
