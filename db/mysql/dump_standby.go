package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"rapport/model"
)

// A dump of a standby takes nothing of the primary but what only that can do:
// it sequences there, notes the lease that keeps tables in place, and asks for
// the time. Nothing is written on the standby. The lease travels to it like any
// change, and when it has arrived, so has all that was committed before.

// standbyWait is how long a standby is waited for that has not everything yet.
const standbyWait = 30 * time.Second

// dial logs in to the server that is to be read, and to the primary if that is
// another one.
func (d *Dump) dial(ctx context.Context, a Address, o DialOptions) (err error) {
	if !d.from.Standby {
		d.control, err = openPrimary(ctx, a, o, a.Database)
		return err
	}
	answers := askServers(ctx, a.servers(), o, a.Database)
	primary, standby := best(answers), -1
	if primary >= 0 && answers[primary].closed {
		primary = -1
	}
	if primary >= 0 && len(answers) == 1 {
		return errors.Join(model.Errorf(model.Invalid, "the central's address names no standby").WithHint("write both servers into it, with a comma between their hosts"), answers[0].session.close())
	}
	far := int64(-1)
	for i, r := range answers {
		if r.err != nil || !r.closed {
			continue
		}
		// One without the central cannot tell.
		if at, _ := r.session.text(ctx, "SELECT seq FROM sync_counter WHERE id=1"); asInt(at) > far {
			standby, far = i, asInt(at)
		}
	}
	for i, r := range answers {
		if r.err == nil && i != primary && i != standby {
			_ = r.session.close() // it was only asked
		}
	}
	switch {
	case standby >= 0:
		d.control = answers[standby].session
		if primary >= 0 {
			d.primary = answers[primary].session
		}
		return nil
	case primary >= 0:
		d.control = answers[primary].session
		d.instead = append(d.instead, "the primary was read: no standby of it answers")
		return nil
	}
	return answers[0].err
}

// leads tells whether another server than the one that is read takes changes.
func (d *Dump) leads() bool { return d.primary != nil && d.primary != d.control }

// beside sets up the session on the primary of a standby that is to be read,
// and waits until that has what the primary has. It tells whether it does.
func (d *Dump) beside(ctx context.Context) (bool, error) {
	if err := d.primary.exec(ctx, sessionSQL+dumpSession+"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
		return false, err
	}
	if err := d.sequence(ctx); err != nil {
		return false, err
	}
	if err := d.note(ctx); err != nil {
		return false, err
	}
	lease := "''"
	if d.shared != nil {
		lease = quote(d.shared.name)
	}
	const headSQL = "SELECT CONCAT_WS(' ',m.epoch,c.seq) FROM sync_meta m JOIN sync_counter c ON c.id=m.id WHERE m.id=1"
	head, err := d.primary.text(ctx, headSQL)
	if err != nil {
		return false, err
	}
	var epoch, seen string
	var seq int64
	if _, err := fmt.Sscan(head, &epoch, &seq); err != nil {
		return false, err
	}
	wait := d.from.Wait
	if wait == 0 {
		wait = standbyWait
	}
	deadline := time.Now().Add(wait)
	for tries := 1; ; tries++ {
		there := false
		q := fmt.Sprintf("SELECT m.epoch,c.seq,(SELECT COUNT(*) FROM sync_lease WHERE name=%s) FROM sync_meta m JOIN sync_counter c ON c.id=m.id WHERE m.id=1", lease)
		err := d.control.query(ctx, q, func(_ int, v []driver.Value) error {
			seen = asText(v[0])
			there = seen == epoch && integer(v[1]) >= seq && (d.shared == nil || asText(v[2]) == "1")
			return nil
		})
		if err != nil || there || time.Now().After(deadline) {
			return there, err
		}
		if err := pause(ctx, tries); err != nil {
			return false, err
		}
	}
}

// turnToPrimary reads the primary instead of a standby, and says why.
func (d *Dump) turnToPrimary(why string) error {
	d.instead = append(d.instead, "the primary was read: the standby "+why)
	err := d.control.close()
	d.control = d.primary
	if d.shared != nil {
		d.shared.release()
		d.shared = nil
	}
	return err
}
