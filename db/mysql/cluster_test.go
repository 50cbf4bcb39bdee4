package mysql

import (
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestClusterChecks: an administrator reads what holds on a node of a cluster,
// and what is missing for it to go on when another one fails.
func TestClusterChecks(t *testing.T) {
	node := func(size, weight, state string) map[string]string {
		return map[string]string{"wsrep_cluster_size": size, "wsrep_cluster_weight": weight, "wsrep_local_state_comment": state}
	}
	for name, tt := range map[string]struct {
		status map[string]string
		want   string
	}{
		"no cluster":                  {map[string]string{}, ""},
		"built for one, but none":     {node("0", "0", "Initialized"), ""},
		"three":                       {node("3", "3", "Synced"), "ok a node of a Galera cluster of 3: clients may use any node"},
		"two, one with more votes":    {node("2", "3", "Synced"), "ok a node of a Galera cluster of 2:"},
		"two alike":                   {node("2", "2", "Synced"), "warn each node alone has no majority: when one fails, the other takes no changes either / add a third node or the arbitrator garbd"},
		"alone":                       {node("1", "1", "Synced"), "warn no other node is there now"},
		"it gives its data to others": {node("3", "3", "Donor/Desynced"), "warn this node is not in step with the others now (Donor/Desynced)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, c := range checkCluster(tt.status) {
				got += c.State + " " + c.Detail + " / " + c.Fix
			}
			state, words, _ := strings.Cut(tt.want, " ")
			if !strings.HasPrefix(got, state) || !strings.Contains(got, words) || (tt.want == "") != (got == "") {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestNoCluster: a server that is no node is asked nothing twice, and no status
// speaks of a cluster, and one that knows nothing of such is not asked.
func TestNoCluster(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	if _, err := Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	st, err := Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range st.Checks {
		if c.Name == "central cluster" {
			t.Errorf("%+v", c)
		}
	}
	for name, address := range map[string]string{"MariaDB": url, "Vitess": servertest.Posing(t, srv, "8.0.30-Vitess", url)} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), address, DialOptions{Way: WayPlain})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			head, err := c.Poll(t.Context(), model.Device{}, model.Position{})
			if err != nil {
				t.Fatal(err)
			}
			before, _, _ := c.Traffic()
			lost := model.Position{Epoch: head.Epoch, Seq: head.Seq + 1, Run: head.Run + 1, Nonce: "0123456789abcdef"}
			if head, err = c.Poll(t.Context(), model.Device{}, lost); err != nil || head.SameRun {
				t.Errorf("a server that lacks what was seen: %+v, %v", head, err)
			}
			after, _, _ := c.Traffic()
			if want := map[string]int64{"MariaDB": 2, "Vitess": 1}[name]; after-before != want {
				t.Errorf("%d requests, want %d", after-before, want)
			}
		})
	}
}
