// Package mysql is the central database: it makes and checks the schema on a
// MariaDB or MySQL server, and it is a client's connection to it.
//
// Promises:
//   - The schema derives from model's declaration alone. Its tables are an
//     interface for other programs: plain names, comments, defaults, and
//     triggers that complete and record what anybody writes.
//   - A change counts when its transaction has committed, not when it began:
//     triggers note changes in an outbox, and the sequencer gives positions to
//     what is committed. A transaction that commits late is delivered late,
//     never lost.
//   - Each method of Central is one request where nothing fails. No row stays
//     locked between two requests, except to say which change was refused.
//   - A batch is applied whole or not at all, and only once however often it
//     is sent. A column is changed only where it still holds, byte for byte,
//     what the change was measured against.
//   - A person whose account the central made sees and changes what is in reach
//     and nothing else, with whatever program: the account may execute the
//     procedures of procedure.go and has no right on a table.
//   - Text travels and is stored as it is.
//   - Passwords are in no message and no log.
package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rapport/model"
)

// sessionSQL sets what a session depends on, whatever the server's own
// settings are. It travels in front of the first request. READ COMMITTED is
// what lets the sequencer pass by open transactions. MariaDB frees the locks
// of a laptop that vanished, and so does TiDB; MySQL takes those parts for comments.
const sessionSQL = "SET time_zone='+00:00',sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO',innodb_lock_wait_timeout=5,net_write_timeout=600,autocommit=1/*M!100300 ,idle_transaction_timeout=15*//*T! ,tidb_idle_transaction_timeout=15*/;" +
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;"

// sequenceSQL runs the sequencer once.
const sequenceSQL = "UPDATE sync_counter SET tick=tick+1 WHERE id=1"

// changedWithin is how far behind the head a poll still looks for the nouns
// that changed.
const changedWithin = 10000

// Central is a connection to the central database: through procedures where a
// person logs in, else in plain statements. It implements model.Central. It is
// for one goroutine at a time.
type Central struct {
	session *session
	options DialOptions
	others  []Address  // where else the central may be
	looked  time.Time  // when the others were last asked
	looking *lookout   // asks them now; nil most of the time
	greeted bool       // the session is set up
	singly  bool       // the way to the server takes one statement at a time
	undone  bool       // the last request was undone, and may be sent again
	alone   bool       // the server has no procedure by which parts follow their record
	way     Way        // procedures or plain statements
	noted   time.Time  // when the client was last noted
	head    model.Head // what the server last said of itself
	hash    string     // fingerprint of the server's columns
	known   map[model.Noun]map[string]bool
}

var _ model.Central = (*Central)(nil)

// Dial logs in to the central of a URL. It sends nothing after the login.
// Errors: Invalid, NoCentral, Unreachable, Refused.
func Dial(ctx context.Context, url string, o DialOptions) (*Central, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	if o.Program == "" {
		o.Program = "rapport"
	}
	s, others, err := open(ctx, a, o)
	if err != nil {
		return nil, err
	}
	return &Central{session: s, options: o, others: others, way: o.Way}, nil
}

// Address returns where the central is, without the password.
func (c *Central) Address() string { return c.session.address.String() }

// Close ends the connection.
func (c *Central) Close() error {
	c.stopLooking()
	return mapError("close the connection", c.session.close())
}

// Traffic returns the requests since the login and the bytes on the socket.
func (c *Central) Traffic() (roundTrips, sent, received int64) {
	return c.session.requests, c.session.traffic.sent.Load(), c.session.traffic.received.Load()
}

// query sends a request, with the session's settings in front of the first.
func (c *Central) query(ctx context.Context, q string, each func(set int, v []driver.Value) error) error {
	if c.greeted {
		return c.send(ctx, q, each)
	}
	q = sessionSQL + q
	err := c.send(ctx, q, each)
	if takesOnlyOne(err) && !c.singly {
		c.singly = true
		err = c.send(ctx, q, each)
	}
	if err == nil {
		c.greeted = true
	}
	return err
}

// headSQL asks where the feed is. Everything comes in one column: a column's
// description takes more bytes than its value. The login stands last because
// it may hold any character.
func headSQL(at model.Position) string {
	run, nonce := at.Run, at.Nonce
	if nonce == "" {
		run, nonce = -1, "00"
	}
	return headSelect(strconv.FormatInt(run, 10), "X'"+hexOnly(nonce)+"'", strconv.FormatInt(at.Seq, 10), strconv.FormatInt(at.Seq+changedWithin, 10), quote(accessAll), personSQL)
}

// readOnlySQL tells whether a server takes changes.
const readOnlySQL = "@@global.read_only"

// headSQL is the package's headSQL for a server. The one variable by which TiDB
// can be closed to changes is another one.
func (d dialect) headSQL(at model.Position) string {
	q := headSQL(at)
	if d.product == tiDB {
		q = strings.Replace(q, readOnlySQL, readOnlySQL+"+@@global.tidb_super_read_only", 1)
	}
	return q
}

// headSelect is headSQL for any place: the run and nonce last seen, the stretch
// of the feed in which tables that changed are looked for, what the person sees
// and who it is.
func headSelect(run, nonce, from, to, access, person string) string {
	return fmt.Sprintf("SELECT CONCAT_WS('|',CONCAT_WS(':',epoch,parent_epoch),c.seq,c.run_id,HEX((SELECT nonce FROM sync_run WHERE run_id=c.run_id)),"+
		"(SELECT COUNT(*) FROM sync_run WHERE run_id=%s AND nonce=%s),"+
		"(SELECT COUNT(*) FROM (SELECT 1 FROM sync_outbox LIMIT %d) o),"+
		"COALESCE((SELECT GROUP_CONCAT(DISTINCT tbl) FROM sync_feed WHERE seq>%s AND seq<=%s),''),"+
		""+readOnlySQL+",m.writer_term,m.schema_version,m.min_client,m.min_seq,@@max_allowed_packet,m.columns_hash,CAST(UNIX_TIMESTAMP(NOW(3))*1000 AS SIGNED),%s,%s)"+
		" h FROM sync_meta m JOIN sync_counter c ON c.id=1 WHERE m.id=1",
		run, nonce, sequenced+1, from, to, access, person)
}

// hexOnly guards a nonce that comes from a workspace's file.
func hexOnly(s string) string {
	if len(s)%2 != 0 || strings.Trim(strings.ToLower(s), "0123456789abcdef") != "" {
		return "00"
	}
	return s
}

const headParts = 17

// readHead reads what headSQL returned.
func (c *Central) readHead(line string, at model.Position) (model.Head, error) {
	p := strings.SplitN(line, "|", headParts)
	if len(p) != headParts {
		return model.Head{}, model.Errorf(model.NoCentral, "the central database is not set up").
			WithHint("the administrator runs `rapport central init`")
	}
	n := func(i int) int64 { v, _ := strconv.ParseInt(p[i], 10, 64); return v }
	epoch, parent, _ := strings.Cut(p[0], ":")
	h := model.Head{
		Parent:      parent,
		Position:    model.Position{Epoch: epoch, Seq: n(1), Run: n(2), Nonce: strings.ToLower(p[3]), Term: n(8), Schema: p[9] + "." + p[13] + "." + columnsHash(), Access: p[15], Loaded: at.Loaded, Heard: n(14)},
		SameRun:     at.Nonce == "" || n(4) == 1,
		Unsequenced: n(5), ReadOnly: truth(p[7]), Blind: !c.session.dialect.triggers(), SchemaVersion: n(9), MinClient: n(10), MinSeq: n(11), MaxPacket: n(12),
		Now: time.UnixMilli(n(14)).UTC(), User: p[16],
	}
	for _, t := range strings.Split(p[6], ",") {
		if e := model.EntityOf(model.Noun(t)); e != nil && string(e.Noun) == t {
			h.Changed = append(h.Changed, e.Noun)
		}
	}
	c.head, c.hash = h, p[13]
	return h, nil
}

// noteEvery is how long a connection goes on before it notes again that its
// client was here; an idle poll writes nothing.
const noteEvery = time.Minute

// noteSQL notes a client, where it is and what waits on it.
func noteSQL(who model.Device, at model.Position) string {
	return noteStatement(idLiteral(who.Client), personSQL, strconv.FormatInt(model.SchemaVersion, 10), strconv.FormatInt(at.Seq, 10),
		quote(cut(who.Name, 255)), quote(cut(who.Program, 64)), strconv.FormatInt(who.Pending, 10))
}

func noteStatement(client, person, schema, position, name, program, pending string) string {
	return "INSERT INTO sync_client (client,person,schema_version,position,first_seen,last_seen,name,program,pending) VALUES (" +
		strings.Join([]string{client, person, schema, position, "UTC_TIMESTAMP(3)", "UTC_TIMESTAMP(3)", name, program, pending}, ",") + ")" +
		" ON DUPLICATE KEY UPDATE position=IF(last_seen<UTC_TIMESTAMP(3)-INTERVAL 1 MINUTE,VALUES(position),position),person=VALUES(person),schema_version=VALUES(schema_version)," +
		"name=VALUES(name),program=VALUES(program),pending=VALUES(pending),last_seen=IF(last_seen<UTC_TIMESTAMP(3)-INTERVAL 1 MINUTE,VALUES(last_seen),last_seen)"
}

// cut shortens a text to so many characters.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// headNow says where the feed is on the server of this connection. The first poll of a connection, and one in a
// minute after it, also notes that the client was here; a standby, which
// cannot, is asked all the same. A client that is to empty itself is told that
// and nothing else.
func (c *Central) headNow(ctx context.Context, who model.Device, at model.Position) (model.Head, error) {
	if c.way != WayPlain {
		head, done, err := c.callPoll(ctx, who, at)
		if done || err != nil {
			return head, err
		}
	}
	q := c.session.dialect.headSQL(at)
	note := who.Client != "" && (!c.greeted || time.Since(c.noted) >= noteEvery)
	if who.Client != "" {
		q += ";SELECT 1 FROM sync_client WHERE client=" + idLiteral(who.Client) + " AND wipe_at IS NOT NULL"
	}
	if note {
		q += ";" + noteSQL(who, at)
	}
	line, wipe := "", false
	err := c.query(ctx, q, func(set int, v []driver.Value) error {
		if set == 0 {
			line = asText(v[0])
		} else {
			wipe = true
		}
		return nil
	})
	if err != nil && (line == "" || number(err) == 0) {
		return model.Head{}, mapError("poll", err)
	}
	c.greeted = true
	if note {
		c.noted = time.Now()
	}
	if wipe {
		return model.Head{Wipe: true}, nil
	}
	return c.readHead(line, at)
}

// Sequence gives positions to committed changes that have none, up to a fixed
// number of them.
func (c *Central) Sequence(ctx context.Context, at model.Position) (model.Head, error) {
	if err := c.choose(ctx); err != nil {
		return model.Head{}, err
	}
	var line string
	err := retry(ctx, func() error {
		return c.sequencing(func(sequence string) error {
			q := sequence + ";" + c.session.dialect.headSQL(at)
			if c.calls() {
				q = "CALL sync_sequence(" + atSQL(at) + ")"
			}
			line = ""
			return c.query(ctx, q, func(_ int, v []driver.Value) error {
				line = asText(v[0])
				return nil
			})
		})
	})
	if err != nil {
		return model.Head{}, mapError("sequence", err)
	}
	return c.readHead(line, at)
}
