package safety

import (
	"testing"
	"time"

	"rapport/model"
)

// TestWorstServerCounts tells of the server that is worst off.
func TestWorstServerCounts(t *testing.T) {
	on := model.ReplicaThread{Running: true}
	follows := model.ServerState{Role: model.RoleStandby, Receiving: on, Applying: on}
	late := follows
	late.Lag = time.Minute
	stopped := model.ServerState{Role: model.RoleStandby, Receiving: on, Applying: model.ReplicaThread{Message: "error 1950"}}
	for name, c := range map[string]struct {
		servers []model.ServerState
		verdict Verdict
		text    string
		help    Help
	}{
		"none":            {[]model.ServerState{{Role: model.RolePrimary}}, None, "none", SetUp},
		"follows":         {[]model.ServerState{{Role: model.RolePrimary}, follows}, Good, "follows, 0 ms behind", Standby},
		"one is late":     {[]model.ServerState{follows, late, follows}, Look, "follows, 1m0s behind", Standby},
		"one has stopped": {[]model.ServerState{late, stopped, follows}, Bad, "does not follow: error 1950", Standby},
		"one is away":     {[]model.ServerState{follows, {Address: "db3", Role: model.RoleUnreachable}}, Bad, "db3 is unreachable", Standby},
	} {
		a := Answers(model.BackupOverview{Central: "mysql://db1/crm", Standby: &model.StandbyReport{Servers: c.servers}}, time.Time{}, time.Now())[3]
		if a.Verdict != c.verdict || a.Text != c.text || a.Help != c.help {
			t.Errorf("%s: %v %q, helped by %d", name, a.Verdict, a.Text, a.Help)
		}
	}
}

// TestVerdictsHaveSignsAndWords holds that none is told by colour alone.
func TestVerdictsHaveSignsAndWords(t *testing.T) {
	signs, words := map[string]bool{}, map[string]bool{}
	for v := Good; v <= Bad; v++ {
		signs[v.Sign()], words[v.String()] = true, true
	}
	if len(signs) != 5 || len(words) != 5 {
		t.Errorf("%v, %v", signs, words)
	}
}

// TestFarBackIsAsFarAsARestore: the history of the oldest backup tells what was
// before it.
func TestFarBackIsAsFarAsARestore(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	items := []model.BackupInfo{{Verified: true, At: now}, {Verified: true, At: now.AddDate(0, -1, 0)}}
	for want, reaches := range map[string]time.Time{"to 22 October 2026, 2 verified backups": {}, "to 1 March 2026, 2 verified backups": time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} {
		items[1].Reaches = reaches
		if a := Answers(model.BackupOverview{Items: items}, time.Time{}, now)[1]; a.Text != want {
			t.Errorf("%q, want %q", a.Text, want)
		}
	}
}
