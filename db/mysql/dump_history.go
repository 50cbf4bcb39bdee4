package mysql

import (
	"context"
	"time"
)

// HistoryBegins is when the first change was made that the central's history
// tells of; the zero time where it tells of none.
func (d *Dump) HistoryBegins(ctx context.Context) (time.Time, error) {
	if d.shared != nil {
		d.shared.turn.Lock()
		defer d.shared.turn.Unlock()
	}
	text, err := d.control.text(ctx, "SELECT COALESCE((SELECT at FROM "+ident(d.control.address.Database)+".sync_audit ORDER BY seq LIMIT 1),'')")
	if err != nil || text == "" {
		return time.Time{}, mapError("read the history", err)
	}
	return time.Parse(timeLayout, text)
}
