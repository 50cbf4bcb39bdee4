package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"rapport/model"
)

// Orphans are changes of records that a former primary has and the present one
// lacks. The history of changes, which both keep, tells them: up to where they
// parted both have the same lines of it, and from there on each has its own.
// Which columns were changed on one side only follows from it, and so what can
// be offered to the primary without taking anything from it.

// historySQL is the newest line of the history up to one, with a fingerprint.
const historySQL = "SELECT CONCAT(seq, ' ', MD5(CONCAT_WS('|', at, person, tbl, HEX(pk), action, changes))) FROM sync_audit WHERE seq <= %d ORDER BY seq DESC LIMIT 1"

// parting returns the last line of the history that two servers have in common.
func parting(ctx context.Context, a, b *node) (int64, error) {
	bound := func(n *node, what string) (int64, error) {
		s, err := n.text(ctx, "SELECT COALESCE("+what+", 0) FROM sync_audit")
		return asInt(s), mapError("read the history", err)
	}
	low, high := int64(0), int64(0)
	for i, n := range []*node{a, b} {
		l, err := bound(n, "MIN(seq)")
		if err != nil {
			return 0, err
		}
		h, err := bound(n, "MAX(seq)")
		if err != nil {
			return 0, err
		}
		low = max(low, l)
		if i == 0 || h < high {
			high = h
		}
	}
	same := func(seq int64) (bool, error) {
		x, err := a.text(ctx, fmt.Sprintf(historySQL, seq))
		if err != nil {
			return false, mapError("read the history", err)
		}
		y, err := b.text(ctx, fmt.Sprintf(historySQL, seq))
		return x == y, mapError("read the history", err)
	}
	// They part once: below it the lines are the same, above it they are not.
	first, last := low-1, high // first is in common, or older than anything kept
	for first < last {
		middle := first + (last-first+1)/2
		ok, err := same(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			first = middle
		} else {
			last = middle - 1
		}
	}
	return first, nil
}

// touch is what one server did to a row after the two parted.
type touch struct {
	entity  *model.Entity
	id      model.ID
	action  string // of all its changes together
	at      time.Time
	by      string
	columns map[string]bool
}

// touches reads the history of a server after a line, by row.
func (n *node) touches(ctx context.Context, after int64) (map[model.ID]*touch, error) {
	out := map[model.ID]*touch{}
	err := n.query(ctx, fmt.Sprintf("SELECT tbl, pk, action, CAST(UNIX_TIMESTAMP(at)*1000 AS SIGNED), person, JSON_KEYS(changes) FROM sync_audit WHERE seq > %d ORDER BY seq", after), func(_ int, v []driver.Value) error {
		e := model.EntityOf(model.Noun(asText(v[0])))
		if e == nil {
			return nil
		}
		id, _ := v[1].([]byte)
		key := model.IDFromBytes(id)
		t := out[key]
		if t == nil {
			t = &touch{entity: e, id: key, action: asText(v[2]), columns: map[string]bool{}}
			out[key] = t
		} else if action := asText(v[2]); action == "delete" || t.action == "delete" {
			t.action = action
		}
		t.at, t.by = time.UnixMilli(asInt(v[3])).UTC(), asText(v[4])
		var columns []string
		if err := json.Unmarshal([]byte(asText(v[5])), &columns); err != nil {
			return model.Errorf(model.Corrupt, "a line of the history of %s cannot be read", n.address.where()).Because(err)
		}
		for _, c := range columns {
			t.columns[c] = true
		}
		return nil
	})
	return out, mapError("read the history", err)
}

// rows reads the present rows of touched records.
func (n *node) rows(ctx context.Context, of map[model.ID]*touch) (map[model.ID]model.Row, *Central, error) {
	s, err := openOne(ctx, n.address, DialOptions{Program: "rapport-central"}, n.address.Database)
	if err != nil {
		return nil, nil, err
	}
	c := &Central{session: s, options: DialOptions{Program: "rapport-central"}, way: WayPlain}
	ids := map[model.Noun][]model.ID{}
	for id, t := range of {
		ids[t.entity.Noun] = append(ids[t.entity.Noun], id)
	}
	out := map[model.ID]model.Row{}
	_, err = c.Poll(ctx, model.Device{}, model.Position{})
	if err == nil {
		var found map[model.Noun][]model.Row
		found, err = c.Fetch(ctx, ids)
		for _, rows := range found {
			for _, row := range rows {
				out[row.ID()] = row
			}
		}
	}
	if err != nil {
		_ = s.close() // the error says enough
		return nil, nil, err
	}
	return out, c, nil
}

// gatherer finds the orphans of a server and offers them to the primary.
type gatherer struct {
	server, primary *node
	orphans         []model.Orphan
	ops             []model.PushOp
	of              []int // the orphan of each operation
	at              *Central
}

// gather finds the orphans and how each can be offered.
func (g *gatherer) gather(ctx context.Context) error {
	line, err := parting(ctx, g.server, g.primary)
	if err != nil {
		return err
	}
	only, err := g.server.touches(ctx, line)
	if err != nil || len(only) == 0 {
		return err
	}
	there, err := g.primary.touches(ctx, line)
	if err != nil {
		return err
	}
	mine, c, err := g.server.rows(ctx, only)
	if err != nil {
		return err
	}
	_ = c.Close() // nothing more is asked there
	theirs, c, err := g.primary.rows(ctx, only)
	if err != nil {
		return err
	}
	g.at = c
	for _, e := range model.Entities() {
		var of []*touch
		for _, t := range only {
			if t.entity == e {
				of = append(of, t)
			}
		}
		slices.SortFunc(of, func(a, b *touch) int { return a.at.Compare(b.at) })
		for _, t := range of {
			g.weigh(t, there[t.id], mine[t.id], theirs[t.id])
		}
	}
	return nil
}

// weigh says what of one row the primary lacks.
func (g *gatherer) weigh(t, other *touch, mine, theirs model.Row) {
	e := t.entity
	o := model.Orphan{Noun: e.Noun, ID: t.id, Action: t.action, At: t.at, By: t.by, Fields: map[string]model.OrphanField{}}
	op := model.PushOp{Table: e.Noun, ID: t.id, EditedAt: t.at.UnixMilli()}
	value := func(row model.Row, i int) any {
		if row == nil {
			return nil
		}
		return row[i]
	}
	changed := func(i int, clash bool) {
		o.Fields[e.Columns()[i].Name] = model.OrphanField{Orphan: value(mine, i), Primary: value(theirs, i), Clash: clash}
		if clash {
			o.Outcome, o.Message = "clash", "both servers changed it; what the primary has stays"
			return
		}
		op.Columns, op.Base, op.Values = append(op.Columns, e.Columns()[i].Name), append(op.Base, value(theirs, i)), append(op.Values, value(mine, i))
	}
	deleted, _ := e.Column(model.ColumnDeletedAt)
	switch {
	case mine == nil && theirs == nil:
		return
	case mine == nil && (other != nil || theirs[deleted] != nil):
		if theirs[deleted] != nil {
			return // it is in the bin of the primary as well
		}
		o.Outcome, o.Message = "clash", "it was removed on one server and changed on the other: it stays"
	case mine == nil:
		op.Columns, op.Base, op.Values = []string{model.ColumnDeletedAt}, []any{nil}, []any{t.at.UnixMilli()}
		op.Guard, _ = theirs.Get(e, model.ColumnVersion).(int64)
	case theirs == nil && other != nil:
		o.Outcome, o.Message = "clash", "it was removed on the primary and changed here: it stays removed"
	case theirs == nil:
		op.Insert = true
		for _, i := range model.ChangedColumns(e, nil, mine) {
			changed(i, false)
		}
		op.Base = nil
	default:
		for i, c := range e.Columns() {
			if !t.columns[c.Name] || c.Service && c.Name != model.ColumnDeletedAt || i == 0 || mine[i] == theirs[i] {
				continue
			}
			changed(i, other != nil && (other.columns[c.Name] || other.action == "insert"))
		}
	}
	if len(op.Columns) > 0 || op.Insert {
		g.ops, g.of = append(g.ops, op), append(g.of, len(g.orphans))
		if o.Outcome == "" {
			o.Outcome = "offered"
		}
	} else if o.Outcome == "" {
		o.Outcome = "there"
	}
	g.orphans = append(g.orphans, o)
}

// offer sends what the primary lacks to it, as new edits: each applies only
// where the primary still holds what it held when they were compared.
func (g *gatherer) offer(ctx context.Context) error {
	const atOnce = 500
	ids := model.NewIDSource(nil, nil)
	client := ids.New()
	for from := 0; from < len(g.ops); from += atOnce {
		to := min(from+atOnce, len(g.ops))
		b := &model.PushBatch{Client: client, Number: int64(from/atOnce + 1), Nonce: string(ids.New()), Ops: g.ops[from:to]}
		receipt, err := g.at.Push(ctx, b, model.Position{Term: g.primary.Term})
		if err != nil {
			return err
		}
		for i, r := range receipt.Results {
			o := &g.orphans[g.of[from+i]]
			switch r.Outcome {
			case model.PushClashed:
				o.Outcome, o.Message = "clash", "it was changed on the primary meanwhile; what the primary has stays"
			case model.PushRefused:
				o.Outcome, o.Message = "refused", r.Message
			}
		}
	}
	return nil
}

func (g *gatherer) close() {
	if g.at != nil {
		_ = g.at.Close() // everything was answered
	}
}
