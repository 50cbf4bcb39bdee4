package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"rapport/model"
)

// maxTries bounds how often a transaction that met another one is run again,
// and maxWaits how often one that waited for a lock in vain: that takes five
// seconds each time, and a person waits for it.
const (
	maxTries = 8
	maxWaits = 2
)

// enough tells whether a request that failed so often is not sent again now.
func enough(tries int, err error) bool {
	return tries >= maxTries || tries >= maxWaits && number(err) == erLockTimeout
}

// retry runs a request again while it fails for a passing reason.
func retry(ctx context.Context, try func() error) error {
	for i := 1; ; i++ {
		err := try()
		if err == nil || !passing(err) || enough(i, err) {
			return err
		}
		if err := pause(ctx, i); err != nil {
			return err
		}
	}
}

// pause waits a random while that doubles, so that two who met do not meet
// again.
func pause(ctx context.Context, tries int) error {
	wait := time.Duration(5+rand.IntN(10)) * time.Millisecond << min(tries, 6)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// Push applies a batch in one transaction and sequences it, in one request. A
// change that the server refuses costs two more: one to learn which it was,
// one to send the rest again under the same number. A batch that was applied
// before answers with what became of it then.
func (c *Central) Push(ctx context.Context, b *model.PushBatch, at model.Position) (model.Receipt, error) {
	if err := c.choose(ctx); err != nil {
		return model.Receipt{}, err
	}
	if c.calls() {
		return c.callPush(ctx, b, at)
	}
	p := &pusher{Central: c, batch: b, at: at, refused: map[int]model.PushResult{}}
	if err := p.prepare(); err != nil {
		return model.Receipt{}, err
	}
	for tries := 1; ; {
		err := p.send(ctx)
		if p.done {
			break
		}
		if err == nil {
			err = errUndone
		}
		if number(err) == 0 {
			return model.Receipt{}, mapError("push", err)
		}
		place, moving, begun, there, perr := p.rollback(ctx)
		if begun && !there && !passing(err) {
			err = errUndone // what failed leant on what is gone
		}
		switch {
		case perr != nil:
			return model.Receipt{}, mapError("push", perr)
		case !begun && number(err) == erNullColumn && p.at.Term > 0:
			return model.Receipt{}, stale(err)
		case !begun && number(err) == erDupEntry:
			return p.again(ctx)
		case err == errUndone && enough(tries, err):
			return model.Receipt{}, mapError("push", err)
		case passing(err) && !enough(tries, err):
			if err := pause(ctx, tries); err != nil {
				return model.Receipt{}, mapError("push", err)
			}
			tries++
		case begun && moving >= 0:
			p.leave(moving)
		case begun && p.search(place, err):
		case begun && p.setAside(place, err):
		case !begun || !p.refuse(place, err):
			return model.Receipt{}, mapError("push", err)
		}
	}
	head, err := p.headAfter(ctx)
	if err != nil {
		return model.Receipt{}, err
	}
	results, err := p.results(ctx, p.flags, p.refused)
	return model.Receipt{Results: results, Head: head}, err
}

// pusher is one batch on its way.
type pusher struct {
	*Central
	batch   *model.PushBatch
	at      model.Position
	refused map[int]model.PushResult
	aside   map[int][]string // columns of operations whose values others wait for
	stays   map[int]bool     // operations whose rows cannot be set aside
	singly  bool             // every insert is a statement of its own, to find one that fails
	asking  bool             // a call tells what met a unique index before it applies anything
	done    bool             // the transaction has committed
	flags   string           // outcome of each operation, as the server noted it
	line    string           // the head that came with it
}

func (p *pusher) prepare() error {
	limit := p.packetLimit()
	for i := range p.batch.Ops {
		op := &p.batch.Ops[i]
		if err := whole(op); err != nil {
			return err
		}
		short := briefFor(*op, limit-2048, p.size)
		if size := p.size(&short); size > limit-2048 {
			p.refused[i] = tooLong(op, size, limit)
		}
		if p.blind() {
			if rule := breaks(op); rule != "" {
				p.refused[i] = model.PushResult{Outcome: model.PushRefused, Code: "check", Message: rule}
			}
		}
	}
	return nil
}

// packetLimit is how long a request may be, with room for its header.
func (p *pusher) packetLimit() int {
	if p.head.MaxPacket > 0 {
		return int(min(p.head.MaxPacket, maxRequest)) - 64
	}
	return 1<<20 - 64
}

// blind tells whether the server leaves to the client what triggers do.
func (p *pusher) blind() bool { return !p.session.dialect.triggers() }

// whole writes an operation with what must be noted of it, in as many bytes as a
// request has room for, if it can be written so.
func (p *pusher) whole(op *model.PushOp) string {
	short := briefFor(*op, p.packetLimit()-2048, p.size)
	if p.blind() {
		return statement(&short) + noted(op)
	}
	return statement(&short)
}

// size is how long an operation is in a request.
func (p *pusher) size(op *model.PushOp) int {
	n := len(statement(op))
	if p.blind() {
		n += len(noted(op))
	}
	return n
}

func (p *pusher) receiptKey() string {
	return fmt.Sprintf("client=%s AND batch=%d", idLiteral(p.batch.Client), p.batch.Number)
}

// requests cuts the transaction into requests that the server takes: one,
// unless the batch is longer than its limit.
//
// What became of an operation is noted by @n, which the statement itself sets
// for the row that it changes (an update) or finds (an insert). ROW_COUNT() would
// not do: when the client is gone and the server cannot tell it of a statement's
// success, it is -1 although the statement was applied.
//
// A Galera node that takes a transaction back for one of another node does not
// always say so: it goes on with the next statement, and COMMIT answers that all
// is well. So no statement commits by itself, the receipt must still be there at
// the end, and what counts is what is read of it after the COMMIT.
func (p *pusher) requests() []string {
	limit := p.packetLimit()
	var out []string
	var b strings.Builder
	add := func(s string) {
		if b.Len() > 0 && b.Len()+len(s) > limit-2048 {
			out = append(out, b.String())
			b.Reset()
		}
		b.WriteString(s)
	}
	add(fmt.Sprintf("SET @rapport_client=%s,@r=NULL,@n=0,@m=-1,autocommit=0;START TRANSACTION;INSERT INTO sync_push (client,batch,nonce,at) %s;SET @r='';",
		quote(string(p.batch.Client)), p.receipt()))
	ops := slices.Clone(p.batch.Ops)
	for _, i := range slices.Sorted(maps.Keys(p.aside)) {
		if _, no := p.refused[i]; !no {
			var away model.PushOp
			away, ops[i] = moved(ops[i], p.aside[i])
			add(fmt.Sprintf("SET @m=%d;", i) + statement(&away) + ";SET @n=0,@m=-1;")
		}
	}
	for i := 0; i < len(ops); {
		n := p.together(i)
		switch _, no := p.refused[i]; {
		case no:
			add("SET @r=CONCAT(@r,'x');")
		case n > 1:
			// Where not all were new, the rows are compared afterwards.
			add(insertion(ops[i:i+n]) + fmt.Sprintf(";SET @r=CONCAT(@r,REPEAT(@n=0,%d)),@n=0;", n))
		case ops[i].Insert:
			add(p.whole(&ops[i]) + ";SET @r=CONCAT(@r,@n=0),@n=0;")
		default:
			add(p.whole(&ops[i]) + ";SET @r=CONCAT(@r,@n),@n=0;")
		}
		i += n
	}
	why := ""
	if len(p.refused) > 0 {
		why = " " + string(encodeRefusals(p.refused))
	}
	key := p.receiptKey()
	add("UPDATE sync_push SET result=CONCAT(@r," + quote(why) + ") WHERE " + key + ";INSERT INTO sync_push (client,batch,nonce,at) SELECT " + p.receiptValues("NULL") + " FROM sync_meta WHERE id=1 AND NOT EXISTS (SELECT 1 FROM sync_push WHERE " + key +
		");COMMIT;SET autocommit=1;SELECT result FROM sync_push WHERE " + key + ";" + p.sequenceSQL() + ";" + p.session.dialect.headSQL(p.at))
	return append(out, b.String())
}

// receipt is the row of the receipt. A server whose term is older than one that
// the client has seen refuses it: an open connection, or a proxy before the
// server, may outlive a change of the primary.
func (p *pusher) receipt() string {
	nonce := quote(p.batch.Nonce)
	if p.at.Term == 0 {
		return "VALUES (" + p.receiptValues(nonce) + ")"
	}
	return "SELECT " + p.receiptValues(fmt.Sprintf("IF(writer_term<%d,NULL,%s)", p.at.Term, nonce)) + " FROM sync_meta WHERE id=1"
}

// receiptValues are those of a receipt. One without a nonce is refused.
func (p *pusher) receiptValues(nonce string) string {
	return fmt.Sprintf("%s,%d,%s,UTC_TIMESTAMP(3)", idLiteral(p.batch.Client), p.batch.Number, nonce)
}

// send sends the batch. After it, done tells whether the transaction has
// committed, also where an error came later.
func (p *pusher) send(ctx context.Context) error {
	for _, q := range p.requests() {
		err := p.query(ctx, q, func(set int, v []driver.Value) error {
			if set == 0 {
				p.done = true
				p.flags, _, _ = strings.Cut(asText(v[0]), " ")
			} else {
				p.line = asText(v[0])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rollback ends a failed transaction and tells how many operations had gone
// before the one that failed, whether they had begun at all, whether the
// transaction was still the one in which they did, and which row could not be
// moved out of the way, -1 if it was not that.
func (p *pusher) rollback(ctx context.Context) (place, moving int, begun, there bool, err error) {
	err = p.query(ctx, "SELECT @r,CAST(@m AS SIGNED),(SELECT COUNT(*) FROM sync_push WHERE "+p.receiptKey()+");ROLLBACK;SET autocommit=1", func(_ int, v []driver.Value) error {
		if v[0] != nil {
			place, moving, begun, there = len(asText(v[0])), int(integer(v[1])), true, integer(v[2]) > 0
		}
		return nil
	})
	return place, moving, begun, there, err
}

// groupRows is how many inserts go in one statement, which takes the server
// half the time of as many statements.
const groupRows = 100

// together returns how many operations from one on go in one statement. Those
// that would make it long go alone: a statement cannot be cut.
func (p *pusher) together(first int) int {
	ops := p.batch.Ops
	size := 0
	for n := 0; ; n++ {
		i := first + n
		if i == len(ops) || n == groupRows {
			return n
		}
		if _, no := p.refused[i]; no || p.singly || p.blind() || !ops[i].Insert || ops[i].Table != ops[first].Table {
			return max(n, 1)
		}
		for _, v := range ops[i].Values {
			if s, ok := v.(string); ok {
				size += len(s)
			}
		}
		if size > p.packetLimit()/8 {
			return max(n, 1)
		}
	}
}

// search tells whether the statement that failed held several operations; they
// are then sent one by one to find the one to refuse.
func (p *pusher) search(place int, err error) bool {
	if p.singly || place >= len(p.batch.Ops) || p.together(place) < 2 {
		return false
	}
	op := &p.batch.Ops[place]
	_, p.singly = refusal(model.EntityOf(op.Table), op, err, p.head.SchemaVersion > model.SchemaVersion)
	return p.singly
}

// refuse marks the operation at a place as refused for an error, and with it
// those that would be refused for the same right.
func (p *pusher) refuse(place int, err error) bool {
	if place >= len(p.batch.Ops) {
		return false
	}
	op := &p.batch.Ops[place]
	r, ok := refusal(model.EntityOf(op.Table), op, err, p.head.SchemaVersion > model.SchemaVersion)
	if !ok {
		return false
	}
	p.refused[place] = r
	if n := number(err); n == erTableDenied || n == erNoTable {
		for i := range p.batch.Ops {
			if o := &p.batch.Ops[i]; o.Table == op.Table && o.Insert == op.Insert {
				p.refused[i] = r
			}
		}
	}
	return true
}

// again answers a batch that the server has a receipt of.
func (p *pusher) again(ctx context.Context) (model.Receipt, error) {
	var nonce, stored string
	err := retry(ctx, func() error {
		nonce = ""
		err := p.sequencing(func(sequence string) error {
			q := "SELECT nonce,result FROM sync_push WHERE " + p.receiptKey() + ";" + sequence + ";" + p.session.dialect.headSQL(p.at)
			return p.query(ctx, q, func(set int, v []driver.Value) error {
				if set == 0 {
					nonce, stored = asText(v[0]), asText(v[1])
				} else {
					p.line = asText(v[0])
				}
				return nil
			})
		})
		if err == nil && nonce == "" {
			return errUndone
		}
		return err
	})
	if err != nil {
		return model.Receipt{}, mapError("push", err)
	}
	head, err := p.readHead(p.line, p.at)
	if err != nil {
		return model.Receipt{}, err
	}
	if nonce != p.batch.Nonce {
		return model.Receipt{Foreign: true, Head: head}, nil
	}
	flags, why, _ := strings.Cut(stored, " ")
	refused, err := decodeRefusals(why)
	if err != nil || len(flags) != len(p.batch.Ops) {
		return model.Receipt{}, model.Errorf(model.Corrupt, "the central's receipt of batch %d cannot be read", p.batch.Number).Because(err)
	}
	results, err := p.results(ctx, flags, refused)
	return model.Receipt{Results: results, Head: head}, err
}

// headAfter returns the head that came with the batch. The batch is applied
// even where sequencing it met another run: then it is sequenced anew.
func (p *pusher) headAfter(ctx context.Context) (model.Head, error) {
	if p.line == "" {
		head, err := p.Sequence(ctx, p.at)
		if err != nil && passing(err) {
			// Others hold the sequencer: whoever comes next does this work.
			return p.Poll(ctx, model.Device{}, p.at)
		}
		return head, err
	}
	return p.readHead(p.line, p.at)
}

// results turns the server's digits into outcomes. An insert that found its
// row there counts as applied if the row holds the same values: twins that two
// people made meet in this way.
func (p *pusher) results(ctx context.Context, flags string, refused map[int]model.PushResult) ([]model.PushResult, error) {
	out := make([]model.PushResult, len(p.batch.Ops))
	there := map[model.Noun][]model.ID{}
	for i := range out {
		switch {
		case i >= len(flags):
			return nil, model.Errorf(model.Corrupt, "the central's receipt of batch %d is too short", p.batch.Number)
		case flags[i] == 'x':
			out[i] = refused[i]
			out[i].Outcome = model.PushRefused
		case flags[i] == '0':
			out[i].Outcome = model.PushClashed
			if op := &p.batch.Ops[i]; op.Insert {
				there[op.Table] = append(there[op.Table], op.ID)
			}
		}
	}
	p.waitFor(out)
	if len(there) == 0 {
		return out, nil
	}
	rows, err := p.Fetch(ctx, there)
	if err != nil {
		return nil, err
	}
	for i := range out {
		op := &p.batch.Ops[i]
		if op.Insert && flags[i] == '0' {
			e := model.EntityOf(op.Table)
			at := slices.IndexFunc(rows[op.Table], func(row model.Row) bool { return row.ID() == op.ID })
			if at >= 0 && holds(e, rows[op.Table][at], op) {
				out[i].Outcome = model.PushApplied
			}
			if at < 0 && !p.calls() {
				refused, taken, err := p.taken(ctx, op)
				if err != nil {
					return nil, err
				}
				if taken {
					out[i] = refused
				}
			}
		}
	}
	return out, nil
}

// holds tells whether a row has every value that an insert wanted, apart from
// the columns that the server keeps.
func holds(e *model.Entity, row model.Row, op *model.PushOp) bool {
	for i, name := range op.Columns {
		_, c := e.Column(name)
		if c.Service && name != model.ColumnDeletedAt || name == model.ColumnID {
			continue
		}
		if row.Get(e, name) != op.Values[i] {
			return false
		}
	}
	return true
}

// encodeRefusals writes why operations were refused, by their place.
func encodeRefusals(m map[int]model.PushResult) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		// A map of plain texts and numbers can always be written.
		panic(err)
	}
	return b
}

func decodeRefusals(s string) (map[int]model.PushResult, error) {
	m := map[int]model.PushResult{}
	if s == "" {
		return m, nil
	}
	err := json.Unmarshal([]byte(s), &m)
	return m, err
}
