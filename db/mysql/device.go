package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"

	"rapport/model"
)

// Devices lists the copies of workspaces that sync with the central, the one
// seen last first.
func (f *Office) Devices(ctx context.Context) ([]model.DeviceState, error) {
	var out []model.DeviceState
	at := func(col string) string { return "DATE_FORMAT(c." + col + ", '" + mysqlTime + "')" }
	q := fmt.Sprintf("SELECT HEX(c.client), c.person, COALESCE(c.name, ''), COALESCE(c.program, ''), c.schema_version, c.position, c.pending, %s, %s, %s, %s"+
		" FROM sync_client c ORDER BY c.last_seen DESC, c.client", at("first_seen"), at("last_seen"), at("wipe_at"), at("wiped_at"))
	err := f.query(ctx, q, func(_ int, v []driver.Value) error {
		id, err := idOfHex(asText(v[0]))
		out = append(out, model.DeviceState{ID: id, Login: asText(v[1]), Name: asText(v[2]), Program: asText(v[3]), Schema: asInt(v[4]), Position: asInt(v[5]),
			Pending: asInt(v[6]), FirstSeen: asTime(v[7]), LastSeen: asTime(v[8]), WipeAt: asTime(v[9]), WipedAt: asTime(v[10])})
		return err
	})
	return out, mapError("list the devices", err)
}

// WipeDevice lets a device empty itself at its next contact.
func (f *Office) WipeDevice(ctx context.Context, id model.ID) error {
	return f.changeDevice(ctx, id, "UPDATE sync_client SET wipe_at = COALESCE(wipe_at, UTC_TIMESTAMP(3)) WHERE client = ")
}

// ForgetDevice takes a device off the list.
func (f *Office) ForgetDevice(ctx context.Context, id model.ID) error {
	return f.changeDevice(ctx, id, "DELETE FROM sync_client WHERE client = ")
}

func (f *Office) changeDevice(ctx context.Context, id model.ID, q string) error {
	there, err := f.text(ctx, "SELECT COUNT(*) FROM sync_client WHERE client = "+idLiteral(id))
	if err != nil {
		return mapError("find the device", err)
	}
	if there == "0" {
		return model.Errorf(model.NotFound, "there is no device %s", id).WithHint("`central device list` shows all")
	}
	return f.do(ctx, "change the device", q+idLiteral(id))
}

// ConfirmWipe tells the central of a URL that a device is empty. It does
// nothing for a device that was not asked to empty itself.
func ConfirmWipe(ctx context.Context, url string, client model.ID, o DialOptions) error {
	c, err := Dial(ctx, url, o)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.session.dialect.procedures() {
		err := c.query(ctx, "CALL sync_wiped("+idLiteral(client)+")", func(int, []driver.Value) error { return nil })
		// An administrator's account that is no person goes on below.
		if n := number(err); n != erNoProcedure && n != erProcedureDenied {
			return mapError("confirm the wipe", err)
		}
	}
	q := "UPDATE sync_client SET wiped_at = UTC_TIMESTAMP(3), pending = 0 WHERE client = " + idLiteral(client) + " AND wipe_at IS NOT NULL"
	return mapError("confirm the wipe", c.query(ctx, q, func(int, []driver.Value) error { return nil }))
}

const (
	erNoProcedure     = 1305
	erProcedureDenied = 1370
)
