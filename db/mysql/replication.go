package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// Numbers of the server's errors about replication.
const (
	erNeedsRight      = 1227 // a right of the whole server is missing
	erOwnTransactions = 1947
	erOutOfOrder      = 1950
)

// heartbeatTable proves that the primary writes, and how far a standby is.
var heartbeatTable = serviceTable{"sync_heartbeat", `
  id TINYINT NOT NULL PRIMARY KEY COMMENT 'always 1',
  beat BIGINT NOT NULL COMMENT 'rises with each proof',
  at DATETIME(6) NOT NULL COMMENT 'when, UTC, by the clock of the server that wrote it',
  server BIGINT NOT NULL COMMENT 'server_id of the primary that wrote it'`,
	"One row: when the primary last proved that it writes. A standby that has the row is as far as that."}

// node is one server of the list with a connection to it, if there is one.
type node struct {
	*session
	address Address
	model.ServerState
	hosted   bool  // it has the central's database
	writable bool  // it takes changes
	follows  bool  // it is set up to follow another server
	applied  gtids // position that it has applied to
	received gtids // position that it has received to
	log      gtids // last transactions in its own log
	known    gtids // last transaction of each server in its history
	beat     int64
	measured bool // the lag is that of a heartbeat which was just written
	facts    map[string]string
	lacks    string // the right that keeps this account from seeing how it follows
}

// steers tells whether this program knows how to change what a server follows.
func (d dialect) steers() error {
	if d.product == mariaDB {
		return nil
	}
	return model.Errorf(model.Invalid, "%s is not steered by Rapport: it sets up and promotes standbys of MariaDB", d.name()).
		WithHint("promote it with the server's own means, then run `rapport central promote --term N` so that clients follow")
}

// readOnly tells from a server's variables whether it takes no changes. They
// are numbers on one server and words on another; TiDB's read_only means
// nothing, and MySQL's administrators are held off by a second one.
func readOnly(variables map[string]string) bool {
	for _, name := range []string{"read_only", "super_read_only", "tidb_super_read_only"} {
		if v, there := variables[name]; there && truth(v) {
			return true
		}
	}
	return false
}

// clusterProblem says what is wrong with a node of a Galera cluster, "" for
// nothing or no cluster.
func clusterProblem(status map[string]string) string {
	if on, there := status["wsrep_on"]; there && !truth(on) {
		return ""
	}
	if s, there := status["wsrep_cluster_status"]; there && s != "" && !strings.EqualFold(s, "Primary") && !strings.EqualFold(s, "Disconnected") {
		return "this node has lost most of its cluster and takes nothing"
	}
	if s, there := status["wsrep_ready"]; there && !truth(s) && truth(status["wsrep_on"]) {
		return "this node is not ready: its cluster is still copying data to it, or has lost it"
	}
	return ""
}

// servers returns the single addresses of a list.
func (a Address) servers() []Address {
	first := a
	first.Standby = nil
	return append([]Address{first}, a.Standby...)
}

// lookTime is how long a look at one server may take.
const lookTime = 5 * time.Second

// nodes looks at every server of a list at once.
func nodes(ctx context.Context, url string, more ...string) ([]*node, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	all := a.servers()
	for _, m := range more {
		if m == "" {
			continue
		}
		b, err := completed(m, a)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, b.same) {
			all = append(all, b)
		}
	}
	out := make([]*node, len(all))
	var group sync.WaitGroup
	for i, one := range all {
		group.Go(func() { out[i] = reach(ctx, one) })
	}
	group.Wait()
	roles(out)
	return out, ctx.Err()
}

// completed reads the address of a server that an administrator named: a whole
// one, or host:port of the central's database under the same account.
func completed(s string, like Address) (Address, error) {
	for _, known := range like.servers() {
		if s == known.String() {
			return known, nil
		}
	}
	if strings.Contains(s, "://") {
		b, err := ParseURL(s)
		if err == nil && b.User == "" {
			b.User, b.Password = like.User, like.Password
		}
		if err == nil && b.Password == "" && b.User == like.User {
			b.Password = like.Password
		}
		return b, err
	}
	like.Standby, like.Socket = nil, ""
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		port = "3306"
	}
	if host == "" {
		return like, model.Errorf(model.Invalid, "%q names no server", s).WithHint("write it as host:3306 or mysql://user@host:3306/database")
	}
	like.Host, like.Port = host, port
	return like, nil
}

// same tells whether two addresses are of one server.
func (a Address) same(b Address) bool { return a.where() == b.where() }

// reach logs in to a server and finds out how it is. Where that does not work
// the node says why and has no session.
func reach(ctx context.Context, a Address) *node {
	n := &node{address: a, facts: map[string]string{}}
	n.Address, n.Role = a.String(), model.RoleUnreachable
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	s, err := openOne(ctx, a, DialOptions{Program: "rapport-central", Read: 1 << 50}, "")
	if err != nil {
		n.Problem = why(err)
		return n
	}
	n.session = s
	if err := n.examine(ctx); err != nil {
		n.Problem = why(err)
		s.close()
		n.session = nil
	}
	return n
}

// why is an error's sentence without its cause.
func why(err error) string {
	var known *model.Error
	if errors.As(err, &known) {
		return known.Msg
	}
	return err.Error()
}

// globals are the variables that are read; one that a server does not have is
// left out of the answer.
var globals = []string{"version", "read_only", "super_read_only", "tidb_super_read_only", "server_id", "log_bin", "binlog_format", "log_slave_updates", "gtid_slave_pos",
	"gtid_binlog_pos", "gtid_binlog_state", "gtid_strict_mode", "sync_binlog", "innodb_flush_log_at_trx_commit", "wsrep_on",
	"rpl_semi_sync_master_enabled", "rpl_semi_sync_slave_enabled", "rpl_semi_sync_master_timeout"}

// states are the status variables that are read.
var states = []string{"Rpl_semi_sync_master_status", "Rpl_semi_sync_master_clients", "Rpl_semi_sync_slave_status", "wsrep_ready", "wsrep_cluster_status"}

func namesIn(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return " WHERE Variable_name IN (" + strings.Join(quoted, ",") + ")"
}

// examine reads everything that is known of a server.
func (n *node) examine(ctx context.Context) error {
	err := n.query(ctx, sessionSQL+"SHOW GLOBAL VARIABLES"+namesIn(globals)+";SHOW GLOBAL STATUS"+namesIn(states), func(_ int, v []driver.Value) error {
		n.facts[strings.ToLower(asText(v[0]))] = asText(v[1])
		return nil
	})
	if err != nil {
		return mapError("look at the server", err)
	}
	n.Server, n.ServerID = n.dialect.name(), asInt(n.facts["server_id"])
	n.writable = !readOnly(n.facts)
	n.ReadOnly = !n.writable
	n.Problem = clusterProblem(n.facts)
	n.applied, n.log = readGTIDs(n.facts["gtid_slave_pos"]), readGTIDs(n.facts["gtid_binlog_pos"])
	n.known = readGTIDs(n.facts["gtid_binlog_state"]).merged(n.applied)
	n.GTID = n.log.String()
	n.SemiSync = semiSync(n.facts)
	if err := n.following(ctx); err != nil {
		return err
	}
	return n.central(ctx)
}

// semiSync says whether the server waits for its standbys.
func semiSync(facts map[string]string) string {
	switch on, waits := truth(facts["rpl_semi_sync_master_enabled"]), truth(facts["rpl_semi_sync_master_status"]); {
	case !on:
		return "off"
	case waits && facts["rpl_semi_sync_master_clients"] != "0":
		return "active"
	default:
		return "fallen back"
	}
}

// following reads what the server follows and how its two threads are.
func (n *node) following(ctx context.Context) error {
	if n.dialect.product != mariaDB {
		return nil // what it follows is told by its own means
	}
	// A session that begins meanwhile sees a position that is not older.
	found := map[string]string{}
	err := n.query(ctx, "SHOW ALL SLAVES STATUS", func(_ int, v []driver.Value) error {
		if len(found) > 0 {
			return nil // further connections are none of Rapport's
		}
		for i, name := range n.names {
			found[name] = asText(v[i])
		}
		return nil
	})
	if number(err) == erNeedsRight {
		n.lacks = "REPLICA MONITOR"
		return nil
	}
	if err != nil {
		return mapError("look at the replication", err)
	}
	if len(found) == 0 {
		return nil
	}
	n.follows, n.Follows = true, found["Master_Host"]+":"+found["Master_Port"]
	n.received = readGTIDs(found["Gtid_IO_Pos"])
	thread := func(kind string) model.ReplicaThread {
		t := model.ReplicaThread{Running: found["Slave_"+kind+"_Running"] != "No", Error: asInt(found["Last_"+kind+"_Errno"])}
		if t.Error != 0 {
			t.Message = replicationWords(t.Error, found["Last_"+kind+"_Error"])
		}
		return t
	}
	n.Receiving, n.Applying = thread("IO"), thread("SQL")
	if n.Receiving.Running && found["Slave_IO_Running"] != "Yes" && n.Receiving.Message == "" {
		n.Receiving.Message = "it has no connection to the primary and tries again"
	}
	n.Received, n.Applied, n.Unapplied = n.received.String(), n.applied.String(), n.received.beyond(n.applied)
	for _, g := range n.log {
		if g.server == n.ServerID {
			have := int64(0)
			for _, a := range n.applied {
				if a.domain == g.domain {
					have = a.seq
				}
			}
			n.Own += max(0, g.seq-have)
		}
	}
	return nil
}

// central reads the central's own row, if the server has its database.
func (n *node) central(ctx context.Context) error {
	err := n.exec(ctx, "USE "+ident(n.address.Database))
	if err == nil {
		err = n.query(ctx, "SELECT m.epoch, m.writer_term, c.seq FROM sync_meta m JOIN sync_counter c ON c.id = 1 WHERE m.id = 1", func(_ int, v []driver.Value) error {
			n.hosted, n.Epoch, n.Term, n.Position = true, asText(v[0]), asInt(v[1]), asInt(v[2])
			return nil
		})
	}
	switch number(err) {
	case 0:
		if err != nil {
			return mapError("look at the central", err)
		}
	case erUnknownDB, erNoTable, erDBAccessDenied:
		return nil
	default:
		return mapError("look at the central", err)
	}
	err = n.query(ctx, "SELECT beat, at FROM sync_heartbeat WHERE id = 1", func(_ int, v []driver.Value) error {
		n.beat = asInt(v[0])
		n.Heartbeat, _ = time.Parse("2006-01-02 15:04:05.999999", asText(v[1]))
		return nil
	})
	if number(err) == erNoTable {
		err = nil // a central of before
	}
	return mapError("look at the heartbeat", err)
}

// roles tells what each server is, which follows from what the others are.
func roles(all []*node) {
	most := int64(0)
	for _, n := range all {
		if n.session != nil && n.hosted {
			most = max(most, n.Term)
		}
	}
	for _, n := range all {
		switch {
		case n.session == nil:
		case !n.hosted && !n.follows:
			n.Role = model.RoleEmpty
		case n.follows:
			n.Role = model.RoleStandby
		case !n.writable:
			n.Role = model.RoleStopped
		case n.Term < most:
			n.Role = model.RoleStalePrimary
		default:
			n.Role = model.RolePrimary
		}
	}
}

// of returns the servers of a role.
func of(all []*node, role model.ServerRole) []*node {
	return slices.DeleteFunc(slices.Clone(all), func(n *node) bool { return n.Role != role })
}

// closeAll ends the connections.
func closeAll(all []*node) {
	for _, n := range all {
		if n != nil && n.session != nil {
			_ = n.session.close() // nothing is under way on it
		}
	}
}

// wheres lists servers for a sentence.
func wheres(all []*node) string {
	var out []string
	for _, n := range all {
		out = append(out, n.address.where())
	}
	return strings.Join(out, ", ")
}

// step runs a statement of an administrator's work on a server and names the
// right that is missing. The statement is in no message: it may hold a password.
func (n *node) step(ctx context.Context, op, right, q string) error {
	err := n.exec(ctx, q)
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		switch my.Number {
		case erNeedsRight, erDBAccessDenied, erTableDenied, 1290, 1410:
			return missingRight(n.address.where(), op, right, err)
		}
		if strings.Contains(q, "PASSWORD") {
			// The server may quote the statement.
			return model.Errorf(model.Other, "%s on %s: the server reports error %d", op, n.address.where(), my.Number)
		}
		return model.Errorf(model.Other, "%s on %s: the server reports: %s", op, n.address.where(), my.Message).Because(err)
	}
	return mapError(op+" on "+n.address.where(), err)
}

func missingRight(where, op, right string, err error) error {
	return model.Errorf(model.Refused, "your account on %s lacks the right %s, which it takes to %s", where, right, op).
		WithHint("the server's administrator runs: GRANT %s ON *.* TO your account; or name one that has it with --central mysql://root@…", right).Because(err)
}

// replicationWords says in words what stopped a thread of a standby.
func replicationWords(n int64, text string) string {
	switch n {
	case erOutOfOrder, erOwnTransactions:
		return "the standby has transactions of its own, which stand in the way of the primary's: somebody wrote on the standby, or a command such as FLUSH PRIVILEGES went into its log. Let it rejoin"
	case 1236:
		return "the primary cannot go on from where the standby stands: the standby has transactions that the primary lacks, or the primary has removed the log that the standby needs. Let it rejoin"
	case erDupEntry, 1032, erReferenced, erBadReference:
		return "the rows of the standby are not those of the primary: somebody wrote on the standby. Let it rejoin"
	case erNoTable, erUnknownDB, erUnknownColumn, 1050, 1061, 1091, 1304, 1305:
		return "the tables of the standby are not those of the primary. Let it rejoin"
	case erAccessDenied, erDBAccessDenied, erNoSuchLogin, erLockedMariaDB, erExpired, erNeedsRight:
		return "the primary refuses the standby's account. Let it rejoin, which makes a new one"
	case 2002, 2003, 2005, 2006, 2013, 1040, 1129, 1130, 1159, 1161:
		return "the primary does not answer the standby; it tries again by itself"
	case 1593:
		return "both servers have the same server_id: give the standby another one in its configuration and restart it"
	case 1594, 1595, 1596:
		return "what the standby has received is damaged. STOP SLAVE; START SLAVE fetches it anew"
	case erLockTimeout, erDeadlock:
		return "another transaction on the standby stood in the way. START SLAVE goes on"
	}
	return fmt.Sprintf("error %d: %s", n, text)
}
