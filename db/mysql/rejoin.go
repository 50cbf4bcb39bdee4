package mysql

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rapport/model"
)

// SetUpStandby fills an empty server from the primary of the list and lets it
// follow.
func SetUpStandby(ctx context.Context, url string, req model.StandbyRequest, n model.Notify) (model.StandbyResult, error) {
	return reunite(ctx, url, req, n, true)
}

// Rejoin makes a former primary, or a standby that came to a stop, follow the
// primary of the list. It stops taking changes first; what only it has is
// written to a file and offered to the primary before anything there is
// replaced.
func Rejoin(ctx context.Context, url string, req model.StandbyRequest, n model.Notify) (model.StandbyResult, error) {
	return reunite(ctx, url, req, n, false)
}

func reunite(ctx context.Context, url string, req model.StandbyRequest, n model.Notify, empty bool) (out model.StandbyResult, err error) {
	all, err := nodes(ctx, url, req.Primary, req.Server)
	defer closeAll(all)
	if err != nil {
		return out, err
	}
	r := &reunion{StandbyRequest: req, out: &out, notify: n, empty: empty, promotion: promotion{all: all}}
	if err := r.choose(); err != nil {
		return out, err
	}
	out.Server, out.Primary, out.Orphans = r.server.Address, r.primary.Address, []model.Orphan{}
	if err := r.fits(ctx); err != nil {
		return out, err
	}
	missing, count := r.server.log.lacking(r.server.known, r.primary.known)
	out.Transactions = count
	out.Copies = !r.server.hosted || len(missing) > 0 || differs(r.server.Applying.Error) || r.server.Receiving.Error == 1236
	out.Keep = r.keep()
	if req.DryRun {
		r.plan()
		return out, nil
	}
	began := time.Now()
	if err := r.halt(ctx); err != nil {
		return out, err
	}
	// What came in before it was closed counts.
	if missing, out.Transactions = r.server.log.lacking(r.server.known, r.primary.known); len(missing) > 0 {
		out.Copies = true
	}
	if out.Copies && r.server.hosted {
		if err := r.saveOrphans(ctx); err != nil {
			return out, err
		}
	}
	if err := r.follow(ctx); err != nil {
		return out, err
	}
	out.Took = time.Since(began)
	return out, nil
}

// differs tells whether a standby was stopped by rows or tables that are not
// the primary's.
func differs(n int64) bool {
	switch n {
	case 0, erLockTimeout, erDeadlock, 1594, 1595, 1596:
		return false
	}
	return true
}

// reunion is a server on its way to follow the primary.
type reunion struct {
	model.StandbyRequest
	promotion       // for finding servers by name
	out             *model.StandbyResult
	notify          model.Notify
	empty           bool // the server must be empty
	server, primary *node
}

func (r *reunion) did(format string, args ...any) {
	r.out.Steps = append(r.out.Steps, fmt.Sprintf(format, args...))
}

// choose says which server is to follow which.
func (r *reunion) choose() (err error) {
	primaries := of(r.all, model.RolePrimary)
	switch {
	case r.Primary != "":
		if r.primary, err = r.pick(r.Primary); err != nil {
			return err
		}
		if r.primary.session == nil || !r.primary.hosted || !r.primary.writable {
			return model.Errorf(model.Invalid, "%s is no primary: it is %s", r.primary.address.where(), r.primary.Role)
		}
	case len(primaries) == 1:
		r.primary = primaries[0]
	case len(primaries) == 0:
		return model.Errorf(model.Invalid, "no server of the central's address takes changes, so there is nothing to follow").
			WithHint("`rapport central promote` makes one the primary")
	case r.Server != "":
		for _, n := range primaries {
			if b, err := completed(r.Server, n.address); err != nil || !n.address.same(b) {
				r.primary = n
			}
		}
		if len(primaries) > 2 {
			r.primary = nil
		}
	}
	if r.primary == nil {
		return model.Errorf(model.Invalid, "split brain: %s all take changes with the same term", wheres(primaries)).
			WithHint("decide for one: rapport central rejoin OTHER --primary ONE")
	}
	if r.Server != "" {
		r.server, err = r.pick(r.Server)
	} else {
		r.server, err = r.candidate()
	}
	if err != nil {
		return err
	}
	switch n := r.server; {
	case n == r.primary:
		return model.Errorf(model.Invalid, "%s is the primary: a server cannot follow itself", n.address.where())
	case n.session == nil:
		return model.Errorf(model.Unreachable, "%s: %s", n.address.where(), n.Problem)
	case n.lacks != "":
		return missingRight(n.address.where(), "see what it follows", n.lacks, nil)
	}
	return nil
}

// candidate is the one server that may be meant where none was named.
func (r *reunion) candidate() (*node, error) {
	var found []*node
	for _, n := range r.all {
		ill := n.Role == model.RoleStalePrimary || n.Role == model.RoleStopped ||
			n.Role == model.RoleStandby && (!n.Applying.Running || !n.Receiving.Running || n.Applying.Error != 0 || n.Own > 0)
		if n != r.primary && (r.empty && n.Role == model.RoleEmpty || !r.empty && ill) {
			found = append(found, n)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	what := "needs to rejoin"
	if r.empty {
		what = "is an empty server"
	}
	if len(found) == 0 {
		return nil, model.Errorf(model.Invalid, "none of the servers in the central's address %s", what).WithHint("name it: host:3306, or mysql://root@host:3306/database")
	}
	return nil, model.Errorf(model.Invalid, "it is not clear which server is meant: %s", wheres(found)).WithHint("name one of them")
}

// fits checks, without changing anything, that the two can be brought together
// and that this account may do it.
func (r *reunion) fits(ctx context.Context) error {
	for _, n := range []*node{r.primary, r.server} {
		if err := n.dialect.steers(); err != nil {
			return err
		}
	}
	if !truth(r.primary.facts["log_bin"]) {
		return model.Errorf(model.Invalid, "the primary %s writes no binary log, which a standby follows", r.primary.address.where()).
			WithHint("put into its configuration and restart it: log_bin, server_id=1, binlog_format=ROW, gtid_strict_mode=1, log_slave_updates=1, sync_binlog=1")
	}
	if r.primary.ServerID == r.server.ServerID {
		return model.Errorf(model.Invalid, "both servers have the server_id %d", r.server.ServerID).WithHint("give the standby another one in its configuration and restart it")
	}
	if r.empty {
		dbs, err := r.server.databases(ctx)
		if err != nil {
			return err
		}
		if len(dbs) > 0 || r.server.follows {
			return model.Errorf(model.Refused, "%s is not empty: it has %s", r.server.address.where(), orNothing(dbs)).
				WithHint("a server that was the primary or a standby comes back with `rapport central rejoin %s`", r.server.address.where())
		}
	}
	if err := r.server.step(ctx, "close it to changes", "READ_ONLY ADMIN", "SET GLOBAL read_only = @@global.read_only"); err != nil {
		return err
	}
	return r.server.maySteer(ctx)
}

func orNothing(dbs []string) string {
	if len(dbs) == 0 {
		return "a primary that it follows"
	}
	return "the databases " + few(dbs)
}

// account is the standby's own on the primary.
func (r *reunion) account() string { return fmt.Sprintf("rapport_replica_%d", r.server.ServerID) }

// source is the primary as the standby reaches it.
func (r *reunion) source() (host, port string) {
	host, port = r.primary.address.Host, r.primary.address.Port
	if r.Source != "" {
		if h, p, ok := strings.Cut(r.Source, ":"); ok {
			return h, p
		}
		return r.Source, "3306"
	}
	return host, port
}

// plan lists what is going to be done.
func (r *reunion) plan() {
	server, primary := r.server.address.where(), r.primary.address.where()
	host, port := r.source()
	r.did("close %s to changes: SET GLOBAL read_only = 1", server)
	if r.server.follows {
		r.did("end what it follows: STOP ALL SLAVES; RESET SLAVE ALL")
	}
	if r.out.Transactions > 0 {
		r.did("%s has %s that %s lacks: write the records that they changed to a file, and offer them to %s as new edits", server, transactions(r.out.Transactions), primary, primary)
	}
	if r.out.Copies {
		r.did("fill %s from a snapshot of %s: every database, and the accounts with their rights; what it has under the same names is replaced", server, primary)
	}
	r.did("on %s: CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY PASSWORD '…'; GRANT REPLICATION SLAVE ON *.* TO '%s'@'%%'", primary, r.account(), r.account())
	r.did("on %s: SET GLOBAL gtid_slave_pos = '…'; CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='%s', MASTER_PASSWORD='…', MASTER_USE_GTID=slave_pos; START SLAVE", server, host, port, r.account())
	r.did("semi-synchronous: rpl_semi_sync_slave_enabled = 1 on %s, rpl_semi_sync_master_enabled = 1 on %s", server, primary)
}

// keep are the lines that the server's configuration should have, so that a
// restart changes nothing.
func (r *reunion) keep() []string {
	out := []string{"read_only=1  (on both: only a promotion opens a server to changes)"}
	for _, want := range []struct{ name, value string }{{"log_bin", "1"}, {"log_slave_updates", "1"}, {"gtid_strict_mode", "1"}, {"binlog_format", "ROW"}, {"sync_binlog", "1"}, {"innodb_flush_log_at_trx_commit", "1"}} {
		for _, n := range []*node{r.primary, r.server} {
			if have, there := n.facts[want.name]; there && have != want.value && (want.value != "1" || have != "ON") {
				out = append(out, fmt.Sprintf("%s=%s  (on %s)", want.name, want.value, n.address.where()))
			}
		}
	}
	return out
}

// halt closes the server to changes and ends what it follows.
func (r *reunion) halt(ctx context.Context) error {
	n := r.server
	if err := n.step(ctx, "close it to changes", "READ_ONLY ADMIN", "SET GLOBAL read_only = 1"); err != nil {
		return err
	}
	r.did("closed %s to changes", n.address.where())
	if n.follows {
		if err := n.step(ctx, "stop its replication", "REPLICATION REPLICA ADMIN", "STOP ALL SLAVES"); err != nil {
			return err
		}
	}
	return n.examine(ctx)
}

// saveOrphans writes what only the server has to a file, offers it to the
// primary and notes in the file what became of it.
func (r *reunion) saveOrphans(ctx context.Context) error {
	g := &gatherer{server: r.server, primary: r.primary}
	defer g.close()
	r.notify.Tell("looking for what only this server has", 0, 0)
	if err := g.gather(ctx); err != nil {
		return err
	}
	if len(g.orphans) == 0 {
		if r.out.Transactions > 0 {
			r.did("%s changed no record (accounts, other databases or settings only)", transactions(r.out.Transactions))
		}
		return nil
	}
	r.out.Orphans, r.out.File = g.orphans, r.Orphans
	if err := writeOrphans(r.Orphans, g.orphans); err != nil {
		return err
	}
	r.did("wrote %d records that only %s had changed to %s", len(g.orphans), r.server.address.where(), r.Orphans)
	if err := g.offer(ctx); err != nil {
		return err
	}
	count := map[string]int{}
	for _, o := range g.orphans {
		count[o.Outcome]++
	}
	r.did("offered them to %s: %d taken over, %d there already, %d changed on both, %d refused", r.primary.address.where(), count["offered"], count["there"], count["clash"], count["refused"])
	return writeOrphans(r.Orphans, g.orphans)
}

// writeOrphans writes a file for its owner alone, whole or not at all.
func writeOrphans(name string, orphans []model.Orphan) error {
	var b bytes.Buffer
	for _, o := range orphans {
		line, err := json.Marshal(o)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	failed := func(err error) error {
		return model.Errorf(model.Other, "what only the server has cannot be written to %s; nothing was replaced", name).Because(err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return failed(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".orphans-*") // made for its owner alone
	if err != nil {
		return failed(err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// follow lets the server follow the primary and waits until it does. A server
// whose place the primary does not have in its log any more is filled anew.
func (r *reunion) follow(ctx context.Context) error {
	position := r.place()
	for {
		if r.out.Copies {
			s := &seeder{from: r.primary, to: r.server, notify: r.notify}
			var err error
			if position, err = s.copy(ctx); err != nil {
				return err
			}
			r.out.Rows = s.rows
			r.did("filled %s from %s: %d rows", r.server.address.where(), r.primary.address.where(), s.rows)
			for _, note := range s.notes {
				r.did("%s", note)
			}
		}
		if err := r.begin(ctx, position); err != nil {
			return err
		}
		stopped, err := r.begun(ctx)
		if err != nil || !stopped {
			return err
		}
		if r.out.Copies {
			return model.Errorf(model.Other, "%s does not follow %s: %s", r.server.address.where(), r.primary.address.where(), orStopped(r.server.Receiving)+orNone(r.server.Applying))
		}
		r.out.Copies = true
		if err := r.server.step(ctx, "stop its replication", "REPLICATION REPLICA ADMIN", "STOP ALL SLAVES"); err != nil {
			return err
		}
	}
}

func orNone(t model.ReplicaThread) string {
	if t.Message == "" {
		return ""
	}
	return "; " + t.Message
}

// place is where the server is in the primary's history: what it wrote itself
// while it was the primary counts.
func (r *reunion) place() string {
	out := append(gtids(nil), r.server.applied...)
	for _, g := range r.server.log {
		there := false
		for i, o := range out {
			if o.domain == g.domain {
				there = true
				if g.seq > o.seq {
					out[i] = g
				}
			}
		}
		if !there {
			out = append(out, g)
		}
	}
	return out.String()
}

// begin gives the server its account and starts its replication. The password
// is made here, known to the two servers and to nobody else: the primary is sent
// its hash, and no log has it.
func (r *reunion) begin(ctx context.Context, position string) error {
	secret := make([]byte, 20)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	password := hex.EncodeToString(secret)
	account := quote(r.account()) + "@'%'"
	err := r.primary.step(ctx, "make the standby's account", "CREATE USER", "CREATE OR REPLACE USER "+account+" IDENTIFIED BY PASSWORD "+quote(passwordHash(password)))
	if err == nil {
		err = r.primary.step(ctx, "let the standby's account follow", "REPLICATION SLAVE … WITH GRANT OPTION", "GRANT REPLICATION SLAVE ON *.* TO "+account)
	}
	if err != nil {
		return err
	}
	host, port := r.source()
	ssl := ""
	if r.primary.address.TLS != "false" && (r.primary.address.TLS != "" || r.primary.address.CAFile != "" || !r.primary.address.local()) {
		ssl = ", MASTER_SSL=1"
	}
	steps := []struct{ op, right, q string }{
		{"end what it follows", "REPLICATION REPLICA ADMIN", "RESET SLAVE ALL"},
		{"set where it begins", "REPLICATION REPLICA ADMIN", "SET GLOBAL gtid_slave_pos = " + quote(position)},
		{"set semi-synchronous replication", "REPLICATION REPLICA ADMIN", "SET GLOBAL rpl_semi_sync_master_enabled = 0, GLOBAL rpl_semi_sync_slave_enabled = 1"},
		{"set what it follows", "REPLICATION REPLICA ADMIN", fmt.Sprintf("CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%s, MASTER_USER=%s, MASTER_PASSWORD=%s, MASTER_CONNECT_RETRY=5, MASTER_USE_GTID=slave_pos%s",
			quote(host), orZero(port), quote(r.account()), quote(password), ssl)},
		{"start its replication", "REPLICATION REPLICA ADMIN", "START SLAVE"},
	}
	if r.out.Copies && truth(r.server.facts["log_bin"]) {
		steps[0].q += "; RESET MASTER" // its own log is of another history
	}
	for _, s := range steps {
		if err := r.server.step(ctx, s.op, s.right, s.q); err != nil {
			return err
		}
	}
	r.did("let %s follow %s:%s from %s, as %s", r.server.address.where(), host, port, orNoPlace(position), r.account())
	return nil
}

func orNoPlace(position string) string {
	if position == "" {
		return "the beginning"
	}
	return position
}

// begun waits until the server follows and has what the primary had; stopped
// tells that it cannot.
func (r *reunion) begun(ctx context.Context) (stopped bool, err error) {
	if err := r.primary.examine(ctx); err != nil {
		return false, err
	}
	n := r.server
	for waited := time.Duration(0); waited < catchUp; waited += time.Second {
		if _, err := n.text(ctx, "SELECT MASTER_GTID_WAIT("+quote(r.primary.log.String())+", 1)"); err != nil {
			return false, mapError("wait for "+n.address.where(), err)
		}
		if err := n.examine(ctx); err != nil {
			return false, err
		}
		if n.Applying.Error != 0 || n.Receiving.Error == 1236 {
			return true, nil
		}
		if r.primary.log.beyond(n.applied) == 0 && n.Receiving.Running && n.Receiving.Message == "" {
			set := "SET GLOBAL rpl_semi_sync_master_enabled = 1"
			if r.primary.facts["rpl_semi_sync_master_timeout"] == "10000" {
				set += ", GLOBAL rpl_semi_sync_master_timeout = 2000" // so long every writer waits when the standby goes
			}
			if err := r.primary.step(ctx, "switch semi-synchronous replication on", "REPLICATION MASTER ADMIN", set); err != nil {
				return false, err
			}
			r.did("%s follows and has everything; %s waits for it before a change counts as done", n.address.where(), r.primary.address.where())
			return false, nil
		}
	}
	if n.Receiving.Message != "" {
		return false, model.Errorf(model.Unreachable, "%s does not reach %s: %s", n.address.where(), n.Follows, n.Receiving.Message).
			WithHint("name the primary as the standby reaches it with --source host:3306")
	}
	r.did("%s follows; it has %s still to apply", n.address.where(), transactions(r.primary.log.beyond(n.applied)))
	return false, nil
}

// passwordHash is what a server keeps of a password.
func passwordHash(password string) string {
	first := sha1.Sum([]byte(password))
	second := sha1.Sum(first[:])
	return "*" + strings.ToUpper(hex.EncodeToString(second[:]))
}
