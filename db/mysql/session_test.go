package mysql

import (
	"context"
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
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	_, err = Dial(ctx, "mysql://eve@"+silent.Addr().String()+"/crm", DialOptions{Timeout: 100 * time.Millisecond})
	if model.KindOf(err) != model.Unreachable || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
