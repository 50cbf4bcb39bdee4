package mysql

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"rapport/model"
)

// Whoever exchanges or alters tables of records holds the lease "tables". A
// dump holds one of its own beside it, of a name that begins with dumpLease:
// many dumps may run at once, but none beside an exchange. Each side notes
// itself first and looks for the other then, so that of two who come at once at
// least one sees the other. The name of a dump that reads report tables begins
// with copiesLease: whoever exchanges these waits for such ones only.
const (
	tablesLease = "tables"
	dumpLease   = "dump "
	copiesLease = dumpLease + "of copies "
)

// sharedLease is a dump's.
type sharedLease struct {
	session *session
	name    string
	stop    context.CancelFunc // ends its renewal; nil while nothing renews it
	done    sync.WaitGroup
	turn    sync.Mutex // of the session, once the lease is renewed
}

// holderSQL names who is connected, and to which server: each node of a cluster
// counts its connections for itself.
const holderSQL = "CONCAT(" + personSQL + ",' at ',LEFT(@@hostname,40),':',@@port,' on connection ',CONNECTION_ID())"

// ended tells whether a holder is gone, or is who asks, own, by the connections
// that the server shows. An account sees its own ones, of the server it is on.
func ended(holder, own string, alive map[string]bool) bool {
	who, connection, found := strings.Cut(holder, " on connection ")
	me, self, _ := strings.Cut(own, " on connection ")
	return found && who == me && (!alive[connection] || connection == self)
}

// takeShared takes a dump's lease of a kind. It waits a while for an exchange that is
// under way. nil means that the account may not write. Error: Locked.
func takeShared(ctx context.Context, s *session, kind string) (*sharedLease, error) {
	l := &sharedLease{session: s, name: kind + hex.EncodeToString(randomBytes(8))}
	deadline := time.Now().Add(leaseWait)
	for tries := 1; ; tries++ {
		q := "DELETE FROM sync_lease WHERE name LIKE " + quote(dumpLease+"%") + " AND expires_at<UTC_TIMESTAMP(3);" +
			"INSERT INTO sync_lease (name,holder,token,expires_at) VALUES (" + quote(l.name) + "," + holderSQL + ",1," + leaseEnd + ")"
		if err := retry(ctx, func() error { return s.exec(ctx, q) }); err != nil {
			switch number(err) {
			case erTableDenied, erColumnDenied, erDBAccessDenied, 1290, 1792, 1836:
				return nil, nil
			}
			return nil, err
		}
		by, err := heldBy(ctx, s, "name="+quote(tablesLease))
		if err == nil && by == "" {
			return l, nil
		}
		l.remove(ctx)
		switch {
		case err != nil:
			return nil, err
		case time.Now().After(deadline):
			return nil, model.Errorf(model.Locked, "%s exchanges or alters tables at this moment", by).WithHint("try again when it is done")
		}
		if err := pause(ctx, tries); err != nil {
			return nil, err
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // it never fails
	return b
}

// heldBy tells who holds a lease that a condition names, "" for nobody. One
// whose holder has ended counts for nothing.
func heldBy(ctx context.Context, s *session, condition string) (string, error) {
	q := "SELECT holder," + holderSQL + " FROM sync_lease WHERE " + condition + " AND expires_at>=UTC_TIMESTAMP(3);SELECT id FROM information_schema.processlist"
	var holders []string
	own := ""
	alive := map[string]bool{}
	err := s.query(ctx, q, func(set int, v []driver.Value) error {
		if set == 1 {
			alive[asText(v[0])] = true
			return nil
		}
		holders = append(holders, asText(v[0]))
		own = asText(v[1])
		return nil
	})
	for _, h := range holders {
		if !ended(h, own, alive) {
			return h, err
		}
	}
	return "", err
}

// awaitExchange waits for whoever works on the report tables and may be about to
// exchange some: who comes to it later sees the lease and waits. It does not
// wait long, for an exchange takes a moment, and what comes before it may take
// minutes.
func awaitExchange(ctx context.Context, s *session) error {
	deadline := time.Now().Add(leaseWait)
	for tries := 1; ; tries++ {
		by, err := heldBy(ctx, s, "name="+quote(reportLease))
		if err != nil || by == "" || time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx, tries); err != nil {
			return err
		}
	}
}

// keep renews the lease until it is released. From then on who uses its session
// takes turns.
func (l *sharedLease) keep() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() {
		tick := time.NewTicker(leaseFor / 10)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			l.turn.Lock()
			// One that could not be renewed runs out. Then a table may be
			// exchanged, which reading it tells.
			_ = l.session.exec(ctx, l.touchSQL())
			l.turn.Unlock()
		}
	})
}

func (l *sharedLease) touchSQL() string {
	return "UPDATE sync_lease SET token=token+1,expires_at=" + leaseEnd + " WHERE name=" + quote(l.name)
}

func (l *sharedLease) remove(ctx context.Context) {
	// That it fails costs the next one who exchanges tables some waiting.
	_ = l.session.exec(ctx, "DELETE FROM sync_lease WHERE name="+quote(l.name))
}

// release gives the lease back.
func (l *sharedLease) release() {
	if l.stop != nil {
		l.stop()
		l.done.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	l.remove(ctx)
}

// alone takes the right to exchange or alter tables of records: no dump is open
// meanwhile. It waits a while for dumps, then refuses. Error: Locked.
func alone(ctx context.Context, s *session) (*lease, error) {
	l, err := take(ctx, s, tablesLease)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(leaseWait)
	for tries := 1; ; tries++ {
		by, err := heldBy(ctx, s, "name LIKE "+quote(dumpLease+"%"))
		switch {
		case err != nil:
			l.release()
			return nil, mapError("look for backups", err)
		case by == "":
			return l, nil
		case time.Now().After(deadline):
			l.release()
			return nil, model.Errorf(model.Locked, "%s makes a backup of the central at this moment", by).WithHint("try again when it is done")
		}
		if err := pause(ctx, tries); err != nil {
			l.release()
			return nil, mapError("look for backups", err)
		}
	}
}
