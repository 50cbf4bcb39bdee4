package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"

	"rapport/model"
)

// handedAtOnce bounds the records that change their owner in one transaction:
// other people wait for none of them longer than a moment.
const handedAtOnce = 500

// HandOver makes everything that one person owns another's. Each step is a
// transaction of one statement and what is left to do follows from the records,
// so that it may be interrupted and run again, and that a step which a server
// takes back is done by the next.
func (f *Office) HandOver(ctx context.Context, from, to string, n model.Notify) (map[model.Noun]int64, error) {
	if from == to {
		return nil, model.Errorf(model.Invalid, "both are the same person")
	}
	ids := make([]model.ID, 2)
	for i, login := range []string{from, to} {
		id, err := f.user(ctx, login)
		if err != nil {
			return nil, err
		}
		if id == "" {
			return nil, model.Errorf(model.NotFound, "there is no user %q", login)
		}
		ids[i] = id
	}
	gone, err := f.text(ctx, "SELECT COUNT(*) FROM user WHERE id = "+idLiteral(ids[1])+" AND (deleted_at IS NOT NULL OR active = 0)")
	if err != nil {
		return nil, mapError("hand over", err)
	}
	if gone != "0" {
		return nil, model.Errorf(model.Invalid, "%s is not active", to).WithHint("hand the records over to somebody who works here")
	}
	var owned []*model.Entity
	total := int64(0)
	for _, e := range model.Entities() {
		if at, _ := e.Column(ownerColumn); at < 0 {
			continue
		}
		count, err := f.text(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE owner_id = %s", ident(string(e.Noun)), idLiteral(ids[0])))
		if err != nil {
			return nil, mapError("hand over", err)
		}
		owned = append(owned, e)
		total += asInt(count)
	}
	moved := map[model.Noun]int64{}
	done := int64(0)
	for _, e := range owned {
		q := fmt.Sprintf("UPDATE %s SET owner_id = %s WHERE owner_id = %s LIMIT %d; SELECT ROW_COUNT()",
			ident(string(e.Noun)), idLiteral(ids[1]), idLiteral(ids[0]), handedAtOnce)
		for {
			n.Tell("handing over", done, total)
			step := ""
			err := retry(ctx, func() (err error) {
				step, err = f.text(ctx, q)
				return err
			})
			if err != nil {
				return moved, mapError("hand over", err)
			}
			if step == "0" {
				break
			}
			moved[e.Noun] += asInt(step)
			done += asInt(step)
			// That this met another run must not hide how many went before it.
			if err := retry(ctx, func() error { return f.exec(ctx, sequenceSQL) }); err != nil {
				return moved, mapError("hand over", err)
			}
		}
	}
	return moved, f.drain(ctx)
}

// drain gives positions to everything that waits for one.
func (f *Office) drain(ctx context.Context) error {
	last, follow := "", followSQL+";"
	for {
		waiting := ""
		err := retry(ctx, func() error {
			return f.query(ctx, sequenceSQL+";"+follow+" SELECT CONCAT(seq, '|', (SELECT COUNT(*) FROM (SELECT 1 FROM sync_outbox LIMIT 1) o)) FROM sync_counter WHERE id = 1", func(_ int, v []driver.Value) error {
				waiting = asText(v[0])
				return nil
			})
		})
		if number(err) == erNoProcedure && follow != "" {
			follow = "" // on an older central what belongs to a record follows at once
			continue
		}
		// Where the position stays, somebody's transaction is still open.
		if err != nil || waiting == last || waiting[len(waiting)-1] == '0' {
			return mapError("sequence", err)
		}
		last = waiting
	}
}
