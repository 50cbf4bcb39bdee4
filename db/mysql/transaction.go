package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"time"
)

// receiptName begins the names of receipts, which are rows of sync_lease: its
// account has one for the time of its connection, and its token is the number of
// the transaction that wrote it last.
const receiptName = "receipt "

// atomically runs work as one transaction of an administrator's session, which
// is there as a whole afterwards, or else not at all. It is run again where it
// met another one, so that work must begin anew each time. Work sends what it
// likes in as many requests as it likes, and neither begins nor ends anything.
//
// A Galera node takes a transaction back for one of another node also in the
// middle of a request of several statements. Where the session commits each
// statement by itself, it then goes on with the rest, one by one, and answers
// the COMMIT as if all were well; where it does not, it goes on too, and says so
// at the end of the request. So no statement commits by itself, and the first
// one writes a receipt: where that is gone at the end, an error keeps the COMMIT
// from being run, and what counts is what is read of it after the COMMIT.
//
// That is for rows. A statement that makes, alters or renames tables commits
// what was before it and is not taken back: each of those goes alone, what it did
// is looked at where it may have been done before, and none is within work.
func (s *session) atomically(ctx context.Context, work func() error) error {
	return retry(ctx, func() error { return s.attempt(ctx, work) })
}

// attempt is atomically once.
func (s *session) attempt(ctx context.Context, work func() error) error {
	if s.receipt == "" {
		s.receipt = receiptName + hex.EncodeToString(randomBytes(8))
	}
	s.transactions++
	this := fmt.Sprintf("SELECT 1 FROM sync_lease WHERE name=%s AND token=%d", quote(s.receipt), s.transactions)
	err := s.exec(ctx, fmt.Sprintf("SET autocommit=0;START TRANSACTION;INSERT INTO sync_lease (name,holder,token,expires_at) VALUES (%s,%s,%d,UTC_TIMESTAMP(3)+INTERVAL 1 DAY) ON DUPLICATE KEY UPDATE token=VALUES(token),expires_at=VALUES(expires_at)",
		quote(s.receipt), holderSQL, s.transactions))
	begun, done := err == nil, false
	if err == nil {
		err = work()
	}
	if err == nil {
		err = s.query(ctx, "INSERT INTO sync_lease (name,holder,token,expires_at) SELECT NULL,'',0,UTC_TIMESTAMP(3) FROM DUAL WHERE NOT EXISTS ("+this+");COMMIT;SET autocommit=1;"+this, func(int, []driver.Value) error {
			done = true
			return nil
		})
		if err == nil {
			err = errUndone
		}
	}
	if done {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if begun && number(err) != 0 && !passing(err) {
		// What failed may have leant on what is gone.
		if there, lost := s.text(ctx, this); lost == nil && there == "" || passing(lost) {
			err = errUndone
		}
	}
	// A node answers the first one with what it has taken back.
	for range 2 {
		if s.exec(ctx, "ROLLBACK") == nil {
			break
		}
	}
	// The first error tells more than that of what undoes it.
	_ = s.exec(ctx, "SET autocommit=1")
	return err
}

// dropReceipt takes the session's receipt away. That it fails leaves it to the
// next sweep.
func (s *session) dropReceipt() {
	if s.receipt == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.exec(ctx, "ROLLBACK;DELETE FROM sync_lease WHERE name="+quote(s.receipt))
}
