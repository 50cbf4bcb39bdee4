package sync_test

import (
	"fmt"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// throughProcedures runs tests of this package again with laptops whose people
// log in with accounts of their own, so that everything goes through
// procedures.
const throughProcedures = "TestThroughProcedures"

// asPerson returns the address for somebody's own account where the test runs
// through procedures: somebody of sales who sees everything. Elsewhere it is
// the address that was given.
func asPerson(t *testing.T, me, url string) string {
	t.Helper()
	if !strings.HasPrefix(t.Name(), throughProcedures+"/") || !strings.Contains(url, "//root@") {
		return url
	}
	srv, name := servertest.Shared(t), servertest.Name(url)
	db := srv.DB(name)
	defer db.Close()
	account := "'" + me + "'@'%'"
	run := func(q string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), q, args...); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	run("CREATE USER IF NOT EXISTS " + account + " IDENTIFIED BY 'secret'")
	run("GRANT EXECUTE ON " + name + ".* TO " + account)
	run("INSERT IGNORE INTO sync_person (login, role, reach, scope) VALUES (?, 'sales', 'all', ?)", me, model.DerivedID("user", me).Bytes())
	return strings.Replace(url, "//root@", fmt.Sprintf("//%s:secret@", me), 1)
}

// TestThroughProcedures runs the traps again for people.
func TestThroughProcedures(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"T01": TestT01CommitInversion, "T20": TestT20LostAcknowledgement, "T25": TestT25KilledClient, "T28": TestT28RefusedRow,
		"T40": TestT40DifferentFields, "T41": TestT41SameField, "T45": TestT45DeleteAgainstUpdate, "T48": TestT48EditDuringPush,
		"T52": TestT52LostAcknowledgementThenLaterEdit, "T53": TestT53UniqueIndex, "T54": TestT54UniqueSwap, "T60": TestT60RestoredServer, "T63": TestT63Clone,
		"T87": TestT87ColumnAdded, "T88 renamed": TestT88ColumnRenamed, "T88 narrowed": TestT88ColumnNarrowed, "T88 demanded": TestT88ColumnDemanded, "T88 choice": TestT88ChoiceAdded, "T88 table": TestT88TableDropped, "T89": TestT89OlderCentral,
		"twins": TestTwinsMeet, "drift": TestFullFindsDrift, "load": TestInterruptedLoadGoesOn, "random": TestRandomSchedules,
	} {
		t.Run(name, test)
	}
}
