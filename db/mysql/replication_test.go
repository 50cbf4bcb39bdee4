package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestReadOnlyWords: whether a server takes changes is a number on one and a
// word on another, and a variable of its own on a third.
func TestReadOnlyWords(t *testing.T) {
	for _, c := range []struct {
		variables string
		closed    bool
	}{
		{"read_only=0", false}, {"read_only=OFF", false}, {"read_only=1", true}, {"read_only=ON", true}, {"read_only=NO_LOCK", true},
		{"read_only=0 super_read_only=ON", true}, {"read_only=OFF super_read_only=OFF", false},
		{"read_only=0 tidb_super_read_only=1", true}, {"read_only=OFF tidb_super_read_only=OFF", false},
	} {
		if readOnly(pairs(c.variables)) != c.closed {
			t.Errorf("%s: closed %v", c.variables, !c.closed)
		}
	}
	tidb, maria := dialectOf("8.0.11-TiDB-v8.5.0"), dialectOf("10.11.19-MariaDB")
	if q := tidb.headSQL(model.Position{}); !strings.Contains(q, "@@global.read_only+@@global.tidb_super_read_only,") {
		t.Errorf("TiDB is asked %s", q)
	}
	if q := maria.headSQL(model.Position{}); strings.Contains(q, "tidb") {
		t.Errorf("MariaDB is asked %s", q)
	}
	if tidb.steers() == nil || maria.steers() != nil {
		t.Error("MariaDB's replication alone is steered")
	}
}

// TestClusterProblem: a node of a cluster says when it takes nothing.
func TestClusterProblem(t *testing.T) {
	for _, c := range []struct {
		status string
		bad    bool
	}{
		{"wsrep_on=OFF wsrep_ready=OFF wsrep_cluster_status=Disconnected", false}, {"", false},
		{"wsrep_on=ON wsrep_ready=ON wsrep_cluster_status=Primary", false},
		{"wsrep_on=ON wsrep_ready=OFF wsrep_cluster_status=Primary", true},
		{"wsrep_on=ON wsrep_ready=OFF wsrep_cluster_status=non-Primary", true},
		{"wsrep_on=ON wsrep_ready=OFF wsrep_cluster_status=Disconnected", true},
	} {
		if got := clusterProblem(pairs(c.status)); (got != "") != c.bad {
			t.Errorf("%s: %q", c.status, got)
		}
	}
}

func pairs(s string) map[string]string {
	out := map[string]string{}
	for _, p := range strings.Fields(s) {
		name, value, _ := strings.Cut(p, "=")
		out[name] = value
	}
	return out
}

// TestGTIDs compares positions.
func TestGTIDs(t *testing.T) {
	if got := readGTIDs(" 0-1-100, 1-2-7,rubbish,1-x-3").String(); got != "0-1-100,1-2-7" {
		t.Errorf("read %s", got)
	}
	if n := readGTIDs("0-1-105,1-1-3").beyond(readGTIDs("0-2-100")); n != 8 {
		t.Errorf("beyond by %d", n)
	}
	for _, c := range []struct {
		name, log, mine, theirs string
		lost                    int64
	}{
		{"the same", "0-1-100", "0-1-100", "0-1-100", 0},
		{"behind", "0-1-90", "0-1-90", "0-1-100", 0},
		{"a primary that was followed to its end", "0-1-100", "0-1-100", "0-1-100,0-2-120", 0},
		{"a primary that went on", "0-1-105", "0-1-105", "0-1-100,0-2-110", 5},
		{"a primary that came back, followed, and went on", "0-1-213", "0-1-213,0-2-209", "0-1-200,0-2-215", 4},
		{"a standby that wrote", "0-2-101", "0-1-100,0-2-101", "0-1-110", 1},
		{"a server of another history", "0-7-20", "0-7-20", "0-1-100", 20},
	} {
		if _, n := readGTIDs(c.log).lacking(readGTIDs(c.mine), readGTIDs(c.theirs)); n != c.lost {
			t.Errorf("%s: %d", c.name, n)
		}
	}
}

// TestReplicationWords: what stops a standby is said with what to do.
func TestReplicationWords(t *testing.T) {
	for n, word := range map[int64]string{1950: "transactions of its own", 1947: "transactions of its own", 1236: "the primary lacks", 1062: "the rows", 1032: "the rows",
		1146: "the tables", 1045: "refuses", 2003: "does not answer", 1593: "server_id", 1594: "damaged"} {
		if got := replicationWords(n, "x"); !strings.Contains(got, word) {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := replicationWords(9999, "some words of the server"); got != "error 9999: some words of the server" {
		t.Errorf("an unknown one: %s", got)
	}
	if replicationWords(1950, "") == replicationWords(1236, "") {
		t.Error("two errors are told in the same words")
	}
}
