package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rapport/model"
)

// changedWithin is how far behind the head a poll looks for the nouns that
// changed.
const changedWithin = 10000

// conn is a client's connection to a Server: the contract between a client
// and the central, as model.Central states it.
type conn struct {
	server     *Server
	person     string
	generation int
	requests   int64
}

var _ model.Central = (*conn)(nil)

// Dial logs a person in.
func (s *Server) Dial(person string) model.Central {
	return &conn{server: s, person: person, generation: s.generation}
}

// request counts one request and tells whether the connection still stands.
func (c *conn) request() error {
	c.requests++
	if c.server.generation != c.generation {
		return model.Errorf(model.Unreachable, "the server does not answer")
	}
	return nil
}

// head answers where the feed is.
func (c *conn) head(at model.Position) model.Head {
	s := c.server
	h := model.Head{
		Position:    model.Position{Epoch: s.epoch, Seq: s.seq, Run: s.run, Nonce: s.runs[s.run], Loaded: at.Loaded, Term: 1, Access: c.access(), Heard: s.clock().UnixMilli()},
		SameRun:     at.Nonce == "" || s.runs[at.Run] == at.Nonce,
		Unsequenced: int64(min(len(s.outbox), runChanges+1)),
		ReadOnly:    s.readOnly, SchemaVersion: model.SchemaVersion, MinClient: s.minClient, MinSeq: s.minSeq,
		MaxPacket: 16 << 20, User: c.person, Now: s.clock(),
	}
	changed := map[model.Noun]bool{}
	for _, e := range s.feed {
		if e.Seq > at.Seq && e.Seq <= at.Seq+changedWithin && s.sees(c.person, e.scope) {
			changed[e.Table] = true
		}
	}
	h.Changed = slices.Sorted(maps.Keys(changed))
	return h
}

// access is the fingerprint of what the person may see.
func (c *conn) access() string {
	scopes, limited := c.server.reach[c.person]
	if !limited {
		return "all"
	}
	return fmt.Sprint(scopes)
}

// Poll says where the feed is.
func (c *conn) Poll(_ context.Context, _ model.Device, at model.Position) (model.Head, error) {
	if err := c.request(); err != nil {
		return model.Head{}, err
	}
	return c.head(at), nil
}

// errStandby is what a standby says to who wants to change something.
func (c *conn) errStandby() error {
	if !c.server.readOnly {
		return nil
	}
	return model.Errorf(model.Unreachable, "the server is a standby that takes no changes")
}

// Sequence gives positions to committed changes.
func (c *conn) Sequence(_ context.Context, at model.Position) (model.Head, error) {
	if err := errors.Join(c.request(), c.errStandby()); err != nil {
		return model.Head{}, err
	}
	c.server.sequence()
	return c.head(at), nil
}

// Push applies a batch in one transaction and sequences it. A batch that was
// applied before is answered from its receipt.
func (c *conn) Push(_ context.Context, b *model.PushBatch, at model.Position) (model.Receipt, error) {
	if err := errors.Join(c.request(), c.errStandby()); err != nil {
		return model.Receipt{}, err
	}
	s, key := c.server, receiptKey{b.Client, b.Number}
	r, again := s.receipts[key]
	if again && r.nonce != b.Nonce {
		s.sequence()
		return model.Receipt{Foreign: true, Head: c.head(at)}, nil
	}
	if !again {
		t := s.Begin(c.person)
		defer t.Rollback()
		var err error
		if r, err = t.apply(b); err != nil {
			return model.Receipt{}, err
		}
		t.Commit()
		s.receipts[key] = r
	}
	s.sequence()
	return model.Receipt{Results: c.results(b, r), Head: c.head(at)}, nil
}

// apply applies every operation of a batch that the server will have.
func (t *Tx) apply(b *model.PushBatch) (receipt, error) {
	r := receipt{nonce: b.Nonce, found: make([]bool, len(b.Ops)), refused: map[int]model.PushResult{}}
	for i := range b.Ops {
		found, err := t.operate(&b.Ops[i])
		var no *refusal
		switch {
		case errors.As(err, &no):
			r.refused[i] = model.PushResult{Outcome: model.PushRefused, Code: no.code, Message: no.msg}
		case err != nil:
			return r, err
		}
		r.found[i] = found
	}
	return r, nil
}

// operate applies one operation. found tells that an update found its row as
// the change was measured against it, or that an insert made its row.
func (t *Tx) operate(op *model.PushOp) (found bool, err error) {
	e, k := model.EntityOf(op.Table), rowKey{op.Table, op.ID}
	if op.Insert {
		row := model.NewRow(e)
		row[0] = op.ID
		if op.EditedAt != 0 {
			row.Set(e, model.ColumnCreatedAt, op.EditedAt)
			row.Set(e, model.ColumnUpdatedAt, op.EditedAt)
		}
		for i, name := range op.Columns {
			row.Set(e, name, op.Values[i])
		}
		if there := t.row(k); there != nil && !t.server.shows(t.person, e, there) {
			return false, &refusal{"not_visible", "this is out of reach"}
		}
		if err := t.reachable(e, row); err != nil {
			return false, err
		}
		err := t.insertRow(e, row)
		if errors.Is(err, errTwin) {
			return false, nil
		}
		return err == nil, err
	}
	if !t.server.shows(t.person, e, t.row(k)) {
		return false, nil
	}
	if err := t.lock(k, true); err != nil {
		return false, err
	}
	row := slices.Clone(t.row(k))
	for i, name := range op.Columns {
		if row.Get(e, name) != op.Base[i] {
			return false, nil
		}
	}
	if op.Guard != 0 && row.Get(e, model.ColumnVersion) != op.Guard {
		return false, nil
	}
	for i, name := range op.Columns {
		row.Set(e, name, op.Values[i])
	}
	if err := t.reachable(e, row); err != nil {
		return false, err
	}
	if op.EditedAt != 0 {
		row.Set(e, model.ColumnUpdatedAt, op.EditedAt)
	}
	return true, t.updateRow(e, row)
}

// reachable refuses a row that points to what the person does not see, whether
// it is there or not.
func (t *Tx) reachable(e *model.Entity, row model.Row) error {
	if _, limited := t.server.reach[t.person]; !limited {
		return nil
	}
	for i, c := range e.Columns() {
		if id, ok := row[i].(model.ID); ok && c.Ref != "" && id != "" && !t.server.shows(t.person, model.EntityOf(c.Ref), t.row(rowKey{c.Ref, id})) {
			return &refusal{"reference", c.Name + " names a record that the company's database does not have"}
		}
	}
	return nil
}

// results turns what a receipt holds into outcomes. An insert whose row was
// there counts as applied where the row holds the same values.
func (c *conn) results(b *model.PushBatch, r receipt) []model.PushResult {
	out := make([]model.PushResult, len(b.Ops))
	asked := false
	for i := range b.Ops {
		op := &b.Ops[i]
		if no, refused := r.refused[i]; refused {
			out[i] = no
			continue
		}
		if r.found[i] {
			continue
		}
		out[i].Outcome = model.PushClashed
		if op.Insert {
			asked = true
			e := model.EntityOf(op.Table)
			if row := c.server.lookup(rowKey{op.Table, op.ID}); c.server.shows(c.person, e, row) && holds(e, row, op) {
				out[i].Outcome = model.PushApplied
			}
		}
	}
	if asked {
		c.requests++
	}
	return out
}

// holds tells whether a row has every value that an insert wanted, apart from
// the columns that the server keeps.
func holds(e *model.Entity, row model.Row, op *model.PushOp) bool {
	for i, name := range op.Columns {
		_, c := e.Column(name)
		if (!c.Service || name == model.ColumnDeletedAt) && row.Get(e, name) != op.Values[i] {
			return false
		}
	}
	return true
}

// Pull returns a stretch of the feed with the current rows behind it, each row
// once with the newest thing that happened to it. Who sees everything is not
// told that a row left a scope, for it came into another.
func (c *conn) Pull(ctx context.Context, from, to int64, nouns []model.Noun) (model.FeedPage, error) {
	page := model.FeedPage{To: to, Rows: map[model.Noun][]model.Row{}}
	if err := c.request(); err != nil {
		return page, err
	}
	s := c.server
	_, limited := s.reach[c.person]
	page.MinSeq = s.minSeq
	if len(s.outbox) == 0 {
		page.Nonce = s.runs[s.run]
	}
	told := func(e entry) bool {
		return e.Seq > from && e.Seq <= to && (limited || e.Op != model.FeedLeave) && s.sees(c.person, e.scope)
	}
	newest := map[rowKey]int64{}
	for _, e := range s.feed {
		if told(e) {
			newest[rowKey{e.Table, e.ID}] = e.Seq
		}
	}
	rest := map[model.Noun][]model.ID{}
	for _, e := range s.feed {
		k := rowKey{e.Table, e.ID}
		if !told(e) || newest[k] != e.Seq {
			continue
		}
		row := s.lookup(k)
		if !s.shows(c.person, model.EntityOf(e.Table), row) {
			row = nil
		}
		if e.Op == model.FeedLeave && row != nil {
			e.Op = model.FeedUpsert
		}
		page.Entries = append(page.Entries, e.FeedEntry)
		switch {
		case row == nil:
		case limited || slices.Contains(nouns, e.Table):
			page.Rows[e.Table] = append(page.Rows[e.Table], slices.Clone(row))
		case e.Op == model.FeedUpsert:
			rest[e.Table] = append(rest[e.Table], e.ID)
		}
	}
	if len(rest) == 0 {
		return page, nil
	}
	page.Nonce = "" // the rows are newer than what told of the run
	rows, err := c.Fetch(ctx, rest)
	maps.Copy(page.Rows, rows)
	return page, err
}

// Fetch returns the current rows of ids.
func (c *conn) Fetch(_ context.Context, ids map[model.Noun][]model.ID) (map[model.Noun][]model.Row, error) {
	out := map[model.Noun][]model.Row{}
	if err := c.request(); err != nil {
		return out, err
	}
	for n, list := range ids {
		out[n] = []model.Row{}
		for _, id := range list {
			if row := c.server.lookup(rowKey{n, id}); c.server.shows(c.person, model.EntityOf(n), row) {
				out[n] = append(out[n], slices.Clone(row))
			}
		}
	}
	return out, nil
}

// ChangesSince returns what happened to rows after a moment.
func (c *conn) ChangesSince(_ context.Context, ids map[model.Noun][]model.ID, moment int64) (map[model.ID][]model.RowChange, error) {
	out := map[model.ID][]model.RowChange{}
	if err := c.request(); err != nil {
		return nil, err
	}
	_, limited := c.server.reach[c.person]
	for _, h := range c.server.history {
		row := c.server.lookup(h.key)
		if h.at > moment && slices.Contains(ids[h.key.noun], h.key.id) && (row == nil && !limited || c.server.shows(c.person, model.EntityOf(h.key.noun), row)) {
			out[h.key.id] = append(out[h.key.id], h.RowChange)
		}
	}
	return out, nil
}

// Discards tells that nothing is given up: nobody asks for that here.
func (c *conn) Discards(context.Context, string) (bool, error) { return false, c.request() }

// Load streams the rows of a table as they were when it was asked.
func (c *conn) Load(_ context.Context, n model.Noun, after model.ID, each func(model.Row) error) error {
	if err := c.request(); err != nil {
		return err
	}
	for _, row := range c.server.visible(c.person, n) {
		if row.ID() <= after {
			continue
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// Traffic returns the requests since the login; there are no bytes.
func (c *conn) Traffic() (roundTrips, sent, received int64) { return c.requests, 0, 0 }

// Close ends the connection.
func (c *conn) Close() error { return nil }
