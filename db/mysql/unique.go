package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rapport/model"
)

// A unique index of ours is on the id alone: what one person may see another
// may not, so nothing else can be told to be there already. An administrator
// may add one all the same.

// setAside makes room for an update that met a value which another update of
// the batch gives up: two rows that exchange a value, or a ring of them. That
// other row is moved out of the way first. It returns whether there is one.
func (p *pusher) setAside(place int, err error) bool {
	ops := p.batch.Ops
	if number(err) != erDupEntry || p.stuck || place >= len(ops) || ops[place].Insert {
		return false
	}
	op, found := &ops[place], false
	for j := range ops {
		other := &ops[j]
		if j == place || other.Table != op.Table || other.Insert || p.aside[j] != nil {
			continue
		}
		for k, name := range other.Columns {
			if i := slices.Index(op.Columns, name); i >= 0 && other.Base[k] != nil && other.Base[k] == op.Values[i] && other.Values[k] != other.Base[k] {
				if p.aside == nil {
					p.aside = map[int][]string{}
				}
				p.aside[j], found = append(p.aside[j], name), true
			}
		}
	}
	return found
}

// moved returns an operation with a value of its own in the place of what is
// given up, which nobody else has: the operation that moves the row out of the
// way, and the one that then finds it there.
func moved(op model.PushOp, names []string) (away, then model.PushOp) {
	away = op
	away.Values, then = slices.Clone(op.Values), op
	then.Base = slices.Clone(op.Base)
	e := model.EntityOf(op.Table)
	for k, name := range op.Columns {
		if _, c := e.Column(name); !slices.Contains(names, name) {
			away.Values[k] = op.Base[k]
		} else if away.Values[k] = nil; c.Type == model.ColText && (c.Max == 0 || c.Max >= len(op.ID)) {
			away.Values[k] = string(op.ID)
		}
		then.Base[k] = away.Values[k]
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
