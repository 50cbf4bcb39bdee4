package servertest

import (
	"fmt"
	"testing"
)

// Replica starts a second server that follows this one, which must have been
// started with Binlog. It takes no changes from people without special rights
// until it is promoted.
func (s *Server) Replica(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	r := Start(tb, append([]Option{Flag("--server-id=2"), Flag("--log-bin=binlog"), Flag("--log-slave-updates"), Flag("--binlog-format=ROW")}, opts...)...)
	r.SQL(tb, "",
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='root', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", s.Port),
		"SET GLOBAL read_only = 1",
		"START SLAVE")
	return r
}

// CatchUp waits until a replica has everything that this server has committed.
func (s *Server) CatchUp(tb testing.TB, replica *Server) {
	tb.Helper()
	here, there := s.DB(""), replica.DB("")
	defer here.Close()
	defer there.Close()
	var position string
	var late int
	if err := here.QueryRow("SELECT @@global.gtid_binlog_pos").Scan(&position); err != nil {
		tb.Fatal(err)
	}
	if err := there.QueryRow("SELECT MASTER_GTID_WAIT(?, 60)", position).Scan(&late); err != nil || late != 0 {
		tb.Fatalf("the replica does not catch up to %s (%v)", position, err)
	}
}

// Promote makes a replica a server of its own that takes changes.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	s.SQL(tb, "", "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
}
