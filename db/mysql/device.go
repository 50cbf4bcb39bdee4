package mysql

import (
	"context"
	"database/sql/driver"

	"rapport/model"
)

// ConfirmWipe tells the central of a URL that a device is empty. It does
// nothing for a device that was not asked to empty itself.
func ConfirmWipe(ctx context.Context, url string, client model.ID, o DialOptions) error {
	c, err := Dial(ctx, url, o)
	if err != nil {
		return err
	}
	defer c.Close()
	q := "UPDATE sync_client SET wiped_at = UTC_TIMESTAMP(3), pending = 0 WHERE client = " + idLiteral(client) + " AND wipe_at IS NOT NULL"
	return mapError("confirm the wipe", c.query(ctx, q, func(int, []driver.Value) error { return nil }))
}
