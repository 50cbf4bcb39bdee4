package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// A unique index of ours is on the id alone: what one person may see another
// may not, so nothing else can be told to be there already. An administrator
// may add one all the same.

// setAside makes room for an update that met a value which a later update of
// the batch gives up: two rows that exchange a value, or a ring of them. The
// other row is moved out of the way first, and so is every row of the batch that
// is in the way of another by the same columns. It returns whether there is one.
func (p *pusher) setAside(place int, err error) bool {
	if number(err) != erDupEntry || place >= len(p.batch.Ops) {
		return false
	}
	var my *mysql.MySQLError
	errors.As(err, &my)
	return p.makeRoom(place, my.Message)
}

// makeRoom is setAside for the server's message.
func (p *pusher) makeRoom(place int, msg string) bool {
	found := false
	for _, name := range p.contested(place, msg) {
		wanted := map[any]bool{}
		for j := range p.batch.Ops {
			op := &p.batch.Ops[j]
			if _, no := p.refused[j]; no || op.Table != p.batch.Ops[place].Table || op.Insert {
				continue
			}
			k := slices.Index(op.Columns, name)
			if k < 0 || op.Values[k] == op.Base[k] {
				continue
			}
			if !p.stays[j] && wanted[alike(op.Base[k])] && !slices.Contains(p.aside[j], name) {
				if p.aside == nil {
					p.aside = map[int][]string{}
				}
				p.aside[j], found = append(p.aside[j], name), true
			}
			if op.Values[k] != nil {
				wanted[alike(op.Values[k])] = true
			}
		}
	}
	return found
}

// contested lists the columns in which an update wants what a later one gives
// up, of those that the server's message may mean.
func (p *pusher) contested(place int, msg string) []string {
	op := &p.batch.Ops[place]
	if op.Insert {
		return nil
	}
	var out []string
	for k, name := range op.Columns {
		if op.Values[k] == nil || op.Values[k] == op.Base[k] || !mayMean(msg, op.Values[k]) {
			continue
		}
		for j := place + 1; j < len(p.batch.Ops); j++ {
			if gives(&p.batch.Ops[j], op.Table, name, op.Values[k]) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// gives tells whether an operation takes a value out of a column of a table.
func gives(op *model.PushOp, table model.Noun, column string, v any) bool {
	k := slices.Index(op.Columns, column)
	return k >= 0 && op.Table == table && !op.Insert && alike(op.Base[k]) == alike(v) && op.Values[k] != op.Base[k]
}

// alike is the same for texts that most servers' unique indexes take for one.
// No index holds a text that is much longer than a line.
func alike(v any) any {
	const most = 768
	if s, ok := v.(string); ok && len(s) <= most {
		return model.Fold(strings.TrimSpace(s))
	}
	return v
}

// mayMean tells whether a message about a value that is there already may be
// about this one. It repeats short texts; of others nothing is known.
func mayMean(msg string, v any) bool {
	const repeated = 60
	s, isText := v.(string)
	return !isText || len(s) > repeated || strings.Contains(strings.ToLower(msg), strings.ToLower(strings.TrimSpace(s)))
}

// exchanges tells whether any two updates of the batch may exchange a value.
func (p *pusher) exchanges() bool {
	type cell struct {
		table  model.Noun
		column string
		value  any
	}
	given, wanted := map[cell]bool{}, map[cell]bool{}
	for i := range p.batch.Ops {
		op := &p.batch.Ops[i]
		for k, name := range op.Columns {
			if op.Insert || op.Values[k] == op.Base[k] {
				continue
			}
			given[cell{op.Table, name, alike(op.Base[k])}] = true
			if op.Values[k] != nil {
				wanted[cell{op.Table, name, alike(op.Values[k])}] = true
			}
		}
	}
	for c := range wanted {
		if given[c] {
			return true
		}
	}
	return false
}

// leave gives up moving a row out of the way.
func (p *pusher) leave(place int) {
	if p.stays == nil {
		p.stays = map[int]bool{}
	}
	p.stays[place] = true
	delete(p.aside, place)
}

// learn makes room by what a call told before it applied anything. Where no more
// can be made, the next call is to apply what it can.
func (p *pusher) learn(told string, sent []int) error {
	marks, reasons, err := p.readMarks(told, sent)
	if err != nil {
		return err
	}
	more, before := false, maps.Clone(p.aside)
	for i, place := range sent {
		switch {
		case marks[i] == '1':
		case marks[i] == 'x' && reasons[i].Number == erDupEntry && p.makeRoom(place, reasons[i].Text):
			more = true
		case before[place] != nil:
			p.leave(place)
			more = true
		}
	}
	p.asking = more
	return nil
}

// waitFor sends updates again that met a value which another one gives up that
// is to be merged first, and those that wait for them in turn.
func (p *pusher) waitFor(results []model.PushResult) {
	for again := true; again; {
		again = false
		for i := range results {
			if results[i].Outcome == model.PushRefused && results[i].Code == codeDuplicate && p.waits(i, results) {
				results[i], again = model.PushResult{Outcome: model.PushClashed}, true
			}
		}
	}
}

// waits tells whether an update wants what one gives up that clashed.
func (p *pusher) waits(place int, results []model.PushResult) bool {
	op := &p.batch.Ops[place]
	for j := range results {
		if op.Insert || results[j].Outcome != model.PushClashed {
			continue
		}
		for k, name := range op.Columns {
			if op.Values[k] != nil && gives(&p.batch.Ops[j], op.Table, name, op.Values[k]) {
				return true
			}
		}
	}
	return false
}

// moved returns an operation with a value of its own in the place of what is
// given up, which nobody else has: the operation that moves the row out of the
// way, and the one that then finds it there. The first leaves long texts out.
func moved(op model.PushOp, names []string) (away, then model.PushOp) {
	away, then = op, op
	away.Columns, away.Base, away.Values = nil, nil, nil
	then.Base = slices.Clone(op.Base)
	e := model.EntityOf(op.Table)
	for k, name := range op.Columns {
		_, c := e.Column(name)
		if gives := slices.Contains(names, name); gives {
			then.Base[k] = nil
			if c.Type == model.ColText && (c.Max == 0 || c.Max >= len(op.ID)) {
				then.Base[k] = string(op.ID)
			}
		} else if c.Type == model.ColLong {
			continue
		}
		away.Columns, away.Base, away.Values = append(away.Columns, name), append(away.Base, op.Base[k]), append(away.Values, then.Base[k])
	}
	return away, then
}

// taken tells whether an insert that did not find its own row met a unique
// index, by trying it alone.
func (p *pusher) taken(ctx context.Context, op *model.PushOp) (model.PushResult, bool, error) {
	q, _, _ := strings.Cut(insertion([]model.PushOp{*op}), " ON DUPLICATE KEY UPDATE ")
	err := p.query(ctx, "START TRANSACTION;"+q+";ROLLBACK", func(int, []driver.Value) error { return nil })
	if err == nil {
		return model.PushResult{}, false, nil
	}
	if number(err) == 0 {
		return model.PushResult{}, false, mapError("push", err)
	}
	if back := p.query(ctx, "ROLLBACK", func(int, []driver.Value) error { return nil }); back != nil {
		return model.PushResult{}, false, mapError("push", back)
	}
	r, ok := refusal(model.EntityOf(op.Table), op, err, p.head.SchemaVersion > model.SchemaVersion)
	return r, ok && number(err) == erDupEntry, nil
}

// duplicate says that a row may be there already, and which field says so: the
// one whose value the server's message repeats, else the one that the index is
// called after.
func duplicate(e *model.Entity, op *model.PushOp, err error) string {
	msg := ""
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		msg = strings.ToLower(my.Message)
	}
	field := ""
	for i, name := range op.Columns {
		_, c := e.Column(name)
		v, isText := op.Values[i].(string)
		if c.Field == nil || field != "" && !strings.Contains(msg, name) {
			continue
		}
		if strings.Contains(msg, name) || isText && strings.TrimSpace(v) != "" && strings.Contains(msg, "'"+strings.ToLower(strings.TrimSpace(v))+"'") {
			field = c.Field.Label
		}
	}
	if field == "" {
		return "possible duplicate: the company's database takes only one such " + strings.ToLower(e.Title) + " and has it already; look for it, also in the bin, and merge the two"
	}
	return "possible duplicate: the company's database has another " + strings.ToLower(e.Title) + " with this " + field + " already; look for it, also in the bin, and merge the two or change the value"
}
