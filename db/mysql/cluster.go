package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"rapport/model"
)

// A server may be a node of a Galera cluster, of which every node takes
// changes. The contract holds there by what Galera promises of rows: of two
// transactions on two nodes that change the same row, one is undone at its
// commit. Two runs of the sequencer both change the counter's row, so that one
// of them is undone with everything it numbered, and run again; two copies of a
// batch both insert its receipt. Nothing uses a lock that holds on one node
// only, or takes the order of an AUTO_INCREMENT for anything.
//
// A node does not always say that it has undone a transaction: within a
// procedure or a request of several statements it may go on and answer the
// COMMIT as if all were well. What counts of a batch is therefore its receipt, as
// it is read after the COMMIT; see pusher.requests. What an administrator does in
// a transaction has a receipt too; see atomically.
//
// What has committed on one node is applied on the others a moment later.

// ask says where the feed is on the server of this connection. A node that has
// yet to apply what the client saw on another is waited for: it takes changes,
// and would look like a server that was restored from a backup.
func (c *Central) ask(ctx context.Context, who model.Device, at model.Position) (model.Head, error) {
	head, err := c.headNow(ctx, who, at)
	if err != nil || head.Wipe || head.ReadOnly || at.Epoch == "" || !c.session.dialect.triggers() {
		return head, err
	}
	if head.Epoch == at.Epoch && head.SameRun && head.Seq >= at.Seq && !at.Ahead {
		return head, nil
	}
	node, err := c.catchUp(ctx)
	if err != nil || !node {
		return head, err
	}
	return c.headNow(ctx, who, at)
}

// catchUp waits until a node of a cluster has what all nodes had committed. node
// is false at once for a server that is none.
func (c *Central) catchUp(ctx context.Context) (node bool, err error) {
	err = c.query(ctx, "SET SESSION wsrep_sync_wait=1;SELECT @@global.wsrep_on;SET SESSION wsrep_sync_wait=0", func(_ int, v []driver.Value) error {
		node = truth(asText(v[0]))
		return nil
	})
	if number(err) == erUnknownVariable {
		return false, nil
	}
	return node, mapError("wait for the other nodes", err)
}

// clusterChecks says what holds on a node of a cluster; nothing of a server
// that is none.
func (s *session) clusterChecks(ctx context.Context) ([]model.Check, error) {
	if !s.dialect.triggers() {
		return nil, nil
	}
	status := map[string]string{}
	err := s.query(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep%'", func(_ int, v []driver.Value) error {
		status[strings.ToLower(asText(v[0]))] = asText(v[1])
		return nil
	})
	if err != nil {
		return nil, mapError("ask for the cluster", err)
	}
	return checkCluster(status), nil
}

func checkCluster(status map[string]string) []model.Check {
	size := status["wsrep_cluster_size"]
	if size == "" || size == "0" {
		return nil
	}
	check := model.Check{Name: "central cluster", State: "ok",
		Detail: fmt.Sprintf("a node of a Galera cluster of %s: clients may use any node and change it at any time; of two changes of one row at once on two nodes one is done anew", size)}
	warn := func(detail, fix string) {
		check.State, check.Fix = "warn", fix
		check.Detail += "; " + detail
	}
	switch state := status["wsrep_local_state_comment"]; {
	case state != "Synced":
		warn(fmt.Sprintf("this node is not in step with the others now (%s)", state), "wait until it is, or name another node first in the address")
	case size == "1":
		warn("no other node is there now, so that nothing takes over from this one", "start the other nodes")
	case size == "2" && status["wsrep_cluster_weight"] == "2":
		warn("each node alone has no majority: when one fails, the other takes no changes either", "add a third node or the arbitrator garbd")
	}
	return []model.Check{check}
}
