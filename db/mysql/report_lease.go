package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	"rapport/model"
)

// leaseFor is how long a lease lasts without being renewed, by the server's
// clock, and leaseWait how long somebody waits who finds it taken: a refresh is
// most often done by then.
const (
	leaseFor  = 5 * time.Minute
	leaseWait = 3 * time.Second
)

// reportLease is what whoever writes to the report tables holds.
const reportLease = "report"

// lease is the right to do alone what only one may do at a time. Its token goes
// into each transaction, so that one who lost it without knowing changes
// nothing. It is for the session that took it.
type lease struct {
	*session
	name    string
	holder  string
	token   int64
	renewed time.Time
	beside  *lease // another one of the same work, which is renewed with it
}

// take takes a lease. One whose holder is gone is taken over at once where that
// can be seen, else when it has run out. Error: Locked.
func take(ctx context.Context, s *session, name string) (*lease, error) {
	l := &lease{session: s, name: name}
	deadline := time.Now().Add(leaseWait)
	for tries := 1; ; tries++ {
		taken, by, err := l.try(ctx)
		switch {
		case err != nil && !passing(err):
			return nil, mapError("take the lease", err)
		case taken:
			return l, nil
		case time.Now().After(deadline):
			return nil, model.Errorf(model.Locked, "%s does that at this moment", by).WithHint("try again when it is done")
		}
		if err := pause(ctx, tries); err != nil {
			return nil, mapError("take the lease", err)
		}
	}
}

func (l *lease) try(ctx context.Context) (taken bool, by string, err error) {
	name := quote(l.name)
	var token int64
	var free bool
	q := "INSERT IGNORE INTO sync_lease (name,holder,token,expires_at) VALUES (" + name + ",'',0,UTC_TIMESTAMP(3)-INTERVAL 1 SECOND);" +
		"SELECT " + holderSQL + ",holder,token,expires_at<UTC_TIMESTAMP(3) FROM sync_lease WHERE name=" + name + ";" +
		"SELECT id FROM information_schema.processlist"
	alive := map[string]bool{}
	err = l.query(ctx, q, func(set int, v []driver.Value) error {
		if set == 1 {
			alive[asText(v[0])] = true
			return nil
		}
		l.holder, by, token, free = asText(v[0]), asText(v[1]), integer(v[2]), truth(asText(v[3]))
		return nil
	})
	if err != nil {
		return false, by, err
	}
	if !free && !ended(by, l.holder, alive) {
		return false, by, nil
	}
	count := ""
	err = l.query(ctx, fmt.Sprintf("UPDATE sync_lease SET holder=%s,token=token+1,expires_at=%s WHERE name=%s AND token=%d;SELECT ROW_COUNT()",
		quote(l.holder), leaseEnd, name, token), func(_ int, v []driver.Value) error {
		count = asText(v[0])
		return nil
	})
	l.token, l.renewed = token+1, time.Now()
	return count == "1", by, err
}

var leaseEnd = fmt.Sprintf("UTC_TIMESTAMP(3)+INTERVAL %d SECOND", int(leaseFor.Seconds()))

// holdSQL locks the lease in a transaction and returns a row if it is still
// held. It writes to it, because a lock holds on one node of a cluster only: of
// one who goes on and one who takes over on another node, one is undone.
func (l *lease) holdSQL() string {
	return fmt.Sprintf("UPDATE sync_lease SET expires_at=%s WHERE name=%s AND token=%d;SELECT 'held' FROM sync_lease WHERE name=%[2]s AND token=%[3]d FOR UPDATE", leaseEnd, quote(l.name), l.token)
}

func lostLease() error {
	return model.Errorf(model.Locked, "another process took over meanwhile").WithHint("run it again to see how far that came")
}

// renew prolongs the lease now and then. Error: Locked where somebody else has
// it.
func (l *lease) renew(ctx context.Context, always bool) error {
	if l.beside != nil {
		if err := l.beside.renew(ctx, always); err != nil {
			return err
		}
	}
	if !always && time.Since(l.renewed) < leaseFor/10 {
		return nil
	}
	held, err := l.text(ctx, fmt.Sprintf("UPDATE sync_lease SET expires_at=%s WHERE name=%s AND token=%d;SELECT COUNT(*) FROM sync_lease WHERE name=%[2]s AND token=%[3]d", leaseEnd, quote(l.name), l.token))
	if err != nil {
		return mapError("keep the lease", err)
	}
	if held != "1" {
		return lostLease()
	}
	l.renewed = time.Now()
	return nil
}

// release lets the next one in. That it fails costs the next one some waiting.
func (l *lease) release() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = l.exec(ctx, "ROLLBACK;UPDATE sync_lease SET expires_at=UTC_TIMESTAMP(3)-INTERVAL 1 SECOND WHERE name="+quote(l.name)+" AND token="+strconv.FormatInt(l.token, 10))
}
