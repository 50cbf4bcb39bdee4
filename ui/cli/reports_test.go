package cli_test

import (
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
)

// TestReportTables is an administrator's day: refresh, look, lose a table, plan,
// and put it back.
func TestReportTables(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	s := newShell(t)
	s.env["RAPPORT_CENTRAL"] = url
	s.ok("central", "init")
	if st := s.ok("central", "status"); st["reports"] != nil {
		t.Errorf("reports before there are any: %v", st["reports"])
	}
	s.ok("organization", "add", "--set", "name=Acme")
	s.ok("contact", "add", "--set", "last_name=Lovelace", "--set", "organization=Acme")
	s.ok("sync")
	res := s.ok("central", "refresh-reports")
	if res["rows"] == float64(0) || len(res["rebuilt"].([]any)) == 0 || res["changed"] != float64(0) {
		t.Errorf("the first refresh: %v", res)
	}
	s.ok("contact", "add", "--set", "last_name=Byron")
	s.ok("sync")
	reports := s.ok("central", "status")["reports"].(map[string]any)
	if reports["behind"] == float64(0) || reports["refreshed_at"] == "" {
		t.Errorf("the status tells %v", reports)
	}
	if res := s.ok("central", "refresh-reports", "--check"); res["changed"] != float64(1) || res["checked"] != true || len(res["rebuilt"].([]any)) != 0 {
		t.Errorf("the second refresh: %v", res)
	}
	if a := s.run("central", "status"); !strings.Contains(a.out, "0 changes behind") {
		t.Errorf("as text: %s", a.out)
	}
	s.ok("contact", "add", "--set", "last_name=Babbage")
	s.ok("sync")
	srv.SQL(t, servertest.Name(url), "SET foreign_key_checks=0; DROP TABLE contact")
	for _, args := range [][]string{{"central", "refresh-reports"}, {"central", "refresh-reports", "--rebuild"}, {"central", "rebuild", "--reports"}} {
		if a := s.run(args...); a.code != 8 || !strings.Contains(a.err, "rebuild contact --from report") {
			t.Errorf("%v over a lost table: exit %d, %s", args, a.code, a.err)
		}
	}
	plan := s.ok("central", "rebuild", "contact", "--from", "report", "--dry-run")
	table := plan["tables"].([]any)[0].(map[string]any)
	if plan["dry_run"] != true || table["state"] != "gone" || table["put_back"] != float64(2) || table["from_log"] != float64(1) || table["lost"] != float64(0) || table["rows"] != float64(3) {
		t.Errorf("the plan: %v", plan)
	}
	if a := s.run("central", "rebuild", "contact", "--from", "report", "--no-input"); a.code != 2 {
		t.Errorf("unasked: exit %d, %s", a.code, a.err)
	}
	if did := s.ok("central", "rebuild", "contact", "--from", "report", "--yes"); did["dry_run"] != false || did["new_epoch"] != false {
		t.Errorf("the rebuild: %v", did)
	}
	if rows := s.ok("central", "status")["rows"].(map[string]any); rows["contact"] != float64(3) {
		t.Errorf("%v contacts came back", rows["contact"])
	}
	s.ok("central", "rebuild", "--reports")
	for _, args := range [][]string{{"rebuild"}, {"rebuild", "contact"}, {"rebuild", "contact", "--from", "backup"}, {"rebuild", "contact", "--reports"}, {"refresh-reports", "--every", "1ms"}, {"rebuild", "all", "--from", "report", "--undelete-since", "noon"}} {
		if a := s.run(append([]string{"central"}, args...)...); a.code != 2 {
			t.Errorf("%v: exit %d, %s", args, a.code, a.err)
		}
	}
	if a := s.run("central", "rebuild", "ghost", "--from", "report"); a.code != 10 {
		t.Errorf("a ghost: exit %d, %s", a.code, a.err)
	}
}
