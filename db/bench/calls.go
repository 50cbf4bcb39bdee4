package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// One push of so many edits is sent so often in either way.
const (
	calledEdits = 500
	calledTurns = 9
)

// newPerson makes the account of somebody who reaches a central through its
// procedures and sees everything, and returns the central's address for it.
func newPerson(ctx context.Context, srv *servertest.Server, db *sql.DB, name string) (url string, err error) {
	for _, q := range []string{
		"CREATE USER IF NOT EXISTS 'ann'@'%' IDENTIFIED BY 'secret'",
		"GRANT EXECUTE ON `" + name + "`.* TO 'ann'@'%'",
		"INSERT INTO sync_person (login, role, reach, scope) VALUES ('ann', 'sales', 'all', UNHEX(MD5('ann')))",
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return "", err
		}
	}
	return srv.URLFor("ann", "secret", name), nil
}

// calling compares a push of edits by one call of a procedure with the same
// push by one packet of statements, in turns.
func (b *bench) calling(ctx context.Context, srv *servertest.Server) error {
	url, err := seedContacts(ctx, srv, "called", 2*calledEdits)
	if err != nil {
		return err
	}
	db := srv.DB("called")
	defer db.Close()
	person, err := newPerson(ctx, srv, db, "called")
	if err != nil {
		return err
	}
	contacts, err := someIDs(ctx, db)
	if err != nil {
		return err
	}
	source := model.NewIDSource(time.Now, nil)
	var ways [2]model.Central
	var devices [2]model.ID
	for i, to := range []string{person, url} {
		c, err := mysql.Dial(ctx, to, mysql.DialOptions{})
		if err != nil {
			return err
		}
		defer c.Close()
		ways[i], devices[i] = c, source.New()
	}
	title := "Head of Procurement"
	var took [2][]time.Duration
	for turn := range calledTurns {
		for i, c := range ways {
			next := fmt.Sprint("title ", turn, i)
			batch := &model.PushBatch{Client: devices[i], Number: int64(turn + 1), Nonce: hex.EncodeToString(source.New().Bytes()[:8])}
			for _, id := range contacts[:calledEdits] {
				batch.Ops = append(batch.Ops, model.PushOp{Table: "contact", ID: model.IDFromBytes(id), EditedAt: time.Now().UnixMilli(),
					Columns: []string{"job_title"}, Base: []any{title}, Values: []any{next}})
			}
			title = next
			from := time.Now()
			receipt, err := c.Push(ctx, batch, model.Position{})
			if err != nil {
				return err
			}
			took[i] = append(took[i], time.Since(from))
			for _, r := range receipt.Results {
				if r.Outcome != model.PushApplied {
					return fmt.Errorf("a pushed edit was not applied: %+v", r)
				}
			}
		}
	}
	call, packet := medianOf(took[0]), medianOf(took[1])
	fmt.Fprintf(b.out, "  push of %d edits: %.0f ms by one call, %.0f ms by one packet of statements, ratio %.2f\n", calledEdits, ms(call), ms(packet), float64(call)/float64(packet))
	return nil
}
