package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"testing"
	"time"

	"rapport/model"
)

// TestSilentServerIsUnreachable holds that a server which takes the connection
// and never says a word ends the login.
func TestSilentServerIsUnreachable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = Dial(ctx, "mysql://eve@"+silent.Addr().String()+"/crm", DialOptions{Timeout: 100 * time.Millisecond})
	if model.KindOf(err) != model.Unreachable || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

// oddConn is a connection whose server breaks the protocol.
type oddConn struct {
	driver.Conn
	closed bool
}

func (c *oddConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	var packet []byte
	return nil, fmt.Errorf("%d bytes", packet[7])
}

func (c *oddConn) Close() error { c.closed = true; return nil }

// TestAnswerThatBreaksTheProtocol lets the driver panic at an answer: the
// connection is lost, and the program goes on.
func TestAnswerThatBreaksTheProtocol(t *testing.T) {
	conn := &oddConn{}
	s := &session{conn: conn}
	err := mapError("push", s.exec(t.Context(), "SELECT 1"))
	if model.KindOf(err) != model.Unreachable || !conn.closed {
		t.Errorf("got %v, closed %t", err, conn.closed)
	}
}
