package mysql

import (
	"context"
	"fmt"
	"time"

	"rapport/model"
)

// heartbeatTime is how long a heartbeat may take to a standby before it is
// called late, and beatAgain the pause between two looks.
const (
	heartbeatTime = 2 * time.Second
	beatAgain     = 10 * time.Millisecond
)

// Standby looks at every server of the central's list: who is the primary, who
// follows it and how far it is. The primary writes a heartbeat, by whose arrival
// a standby is measured: what servers say themselves of being late is zero where
// nothing arrives at all.
func Standby(ctx context.Context, url string) (model.StandbyReport, error) {
	all, err := nodes(ctx, url)
	defer closeAll(all)
	var out model.StandbyReport
	if err != nil {
		return out, err
	}
	primaries := of(all, model.RolePrimary)
	if len(primaries) == 1 {
		if err := pulse(ctx, primaries[0], of(all, model.RoleStandby)); err != nil {
			primaries[0].Problem = why(err)
		}
	}
	for _, n := range all {
		out.Servers = append(out.Servers, n.ServerState)
		out.Checks = append(out.Checks, n.checks(primaries)...)
	}
	out.Checks = append(out.Checks, together(all, primaries)...)
	return out, nil
}

// pulse writes a heartbeat on the primary and waits until the standbys have it,
// for a bounded time.
func pulse(ctx context.Context, primary *node, standbys []*node) error {
	const beatSQL = "INSERT INTO sync_heartbeat (id, beat, at, server) VALUES (1, 1, UTC_TIMESTAMP(6), @@server_id) ON DUPLICATE KEY UPDATE beat = beat + 1, at = VALUES(at), server = VALUES(server)"
	if err := primary.exec(ctx, beatSQL); err != nil {
		if number(err) == erNoTable {
			return model.Errorf(model.TooNew, "the central is older than this program: run `rapport central migrate`")
		}
		return mapError("write the heartbeat", err)
	}
	began := time.Now()
	if err := primary.central(ctx); err != nil {
		return err
	}
	for _, n := range standbys {
		for {
			if err := n.central(ctx); err != nil {
				n.Problem = why(err)
				break
			}
			n.Lag, n.measured = time.Since(began), true
			if n.beat >= primary.beat {
				break
			}
			if n.Lag > heartbeatTime || !n.Receiving.Running || !n.Applying.Running || n.Applying.Error != 0 {
				// Both times are of the primary's clock.
				n.Lag = max(n.Lag, primary.Heartbeat.Sub(n.Heartbeat))
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(beatAgain):
			}
		}
	}
	for _, n := range standbys {
		// What was received meanwhile counts.
		if err := n.examine(ctx); err != nil {
			n.Problem = why(err)
		}
	}
	return nil
}

// checks says in words how one server is.
func (n *node) checks(primaries []*node) []model.Check {
	name := "central server " + n.address.where()
	var out []model.Check
	add := func(state, fix, format string, args ...any) {
		out = append(out, model.Check{Name: name, State: state, Detail: fmt.Sprintf(format, args...), Fix: fix})
	}
	rejoin := "rapport central rejoin " + n.address.where()
	if n.Problem != "" {
		state := "warn"
		if n.session == nil && n.Role != model.RoleUnreachable {
			state = "fail"
		}
		add(state, "", "%s", n.Problem)
		if n.session == nil {
			return out
		}
	}
	switch n.Role {
	case model.RolePrimary:
		add("ok", "", "the primary, term %d: it takes changes", n.Term)
		switch n.SemiSync {
		case "active":
			add("ok", "", "semi-synchronous: a change counts as done when a standby has it")
		case "fallen back":
			add("warn", "look at the standby; when it follows again the primary waits for it again by itself",
				"semi-synchronous is switched on but has fallen back: no standby confirms, so changes made now would be lost with this server")
		}
	case model.RoleStalePrimary:
		add("fail", rejoin, "a stale primary: it takes changes although another server has taken its place (its term is %d). Clients that know the other refuse it", n.Term)
	case model.RoleStopped:
		if len(primaries) == 0 {
			add("warn", "rapport central promote --to "+n.address.where(), "it takes no changes and follows nobody")
		} else {
			add("warn", rejoin, "it takes no changes and follows nobody: what it has gets older")
		}
	case model.RoleEmpty:
		add("warn", "rapport central standby setup "+n.address.where(), "it has no database of Rapport")
	case model.RoleStandby:
		n.standbyChecks(add, rejoin)
	}
	if n.lacks != "" {
		add("warn", "GRANT "+n.lacks+" ON *.* TO your account", "your account lacks the right %s, so that what this server follows cannot be told", n.lacks)
	}
	return out
}

// standbyChecks says how a standby follows.
func (n *node) standbyChecks(add func(state, fix, format string, args ...any), rejoin string) {
	if n.writable {
		add("fail", "SET GLOBAL read_only = 1 on it, and read_only=1 in its configuration", "a standby that takes changes: whoever writes there parts it from the primary")
	}
	healthy := true
	if t := n.Receiving; !t.Running || t.Error != 0 || t.Message != "" {
		healthy = false
		add(brokenState(t), rejoin, "it receives nothing from %s: %s", n.Follows, orStopped(t))
	}
	if t := n.Applying; !t.Running || t.Error != 0 {
		healthy = false
		add("fail", rejoin, "it applies nothing of what it receives, although everything else may look well: %s. %s received and not applied", orStopped(t), transactions(n.Unapplied))
	}
	if n.Own > 0 {
		healthy = false
		add("fail", rejoin, "it has %s of its own: the next ones of the primary may stop it", transactions(n.Own))
	}
	switch {
	case !healthy:
	case n.Lag > heartbeatTime:
		add("warn", "", "it follows %s but is %s behind: %s received and not applied", n.Follows, n.Lag.Round(time.Second), transactions(n.Unapplied))
	case !n.measured && n.Heartbeat.IsZero():
		add("ok", "", "a standby of %s, at %s", n.Follows, n.applied)
	case !n.measured:
		add("ok", "", "a standby of %s, at %s; the last heartbeat that it has is of %s UTC", n.Follows, n.applied, n.Heartbeat.Format(time.DateTime))
	default:
		add("ok", "", "a standby of %s: it has the primary's newest heartbeat, after %d ms, and is at %s", n.Follows, n.Lag.Milliseconds(), n.applied)
	}
}

func brokenState(t model.ReplicaThread) string {
	if t.Running && (t.Error == 0 || t.Error >= 2000) {
		return "warn" // it tries again by itself
	}
	return "fail"
}

func orStopped(t model.ReplicaThread) string {
	if t.Message != "" {
		return t.Message
	}
	return "it was stopped by hand; START SLAVE goes on"
}

// transactions counts them in words.
func transactions(n int64) string {
	if n == 1 {
		return "1 transaction"
	}
	return fmt.Sprintf("%d transactions", n)
}

// together says what is wrong with the servers as a whole.
func together(all, primaries []*node) []model.Check {
	const name = "central servers"
	stale := of(all, model.RoleStalePrimary)
	switch {
	case len(primaries) > 1:
		return []model.Check{{Name: name, State: "fail", Detail: "split brain: " + wheres(primaries) + " all take changes with the same term, so that clients cannot tell which is the primary",
			Fix: "decide for one and run `rapport central rejoin OTHER --primary ONE`: what only the other has is offered to the one"}}
	case len(primaries) == 1 && len(stale) > 0:
		return []model.Check{{Name: name, State: "fail", Detail: "split brain: beside the primary " + wheres(primaries) + ", " + wheres(stale) + " still takes changes of whoever does not know better",
			Fix: "rapport central rejoin " + stale[0].address.where()}}
	case len(primaries) == 0:
		return []model.Check{{Name: name, State: "fail", Detail: "no server takes changes; people go on with what they have, and their changes wait", Fix: "rapport central promote"}}
	}
	for _, n := range all {
		if n != primaries[0] && n.session != nil && n.hosted && n.Epoch != primaries[0].Epoch {
			return []model.Check{{Name: name, State: "warn", Detail: n.address.where() + " is of another history than the primary: one of them was restored, or a promotion lost changes",
				Fix: "rapport central rejoin " + n.address.where()}}
		}
	}
	return []model.Check{{Name: name, State: "ok", Detail: "one primary: " + wheres(primaries)}}
}
