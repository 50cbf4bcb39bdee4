package cli_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestBackupRecords lists, compares and restores single records by command.
func TestBackupRecords(t *testing.T) {
	s := newShell(t)
	add := func(sets ...string) string {
		args := []string{"contact", "add"}
		for _, v := range sets {
			args = append(args, "--set", v)
		}
		return s.ok(args...)["id"].(string)
	}
	ada := add("first_name=Ada", "last_name=Lovelace", "phone=+41446681800:work", "status=customer")
	max := add("last_name=Miller", "status=customer")
	add("last_name=Hopper")
	s.ok("backup", "create")
	s.ok("contact", "edit", ada, "--set", "last_name=King", "--set", "phone=")
	s.ok("contact", "delete", max)

	shown := s.ok("backup", "show", "latest", "--noun", "contact", "--search", "mill")
	items := shown["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["title"] != "Miller" || items[0].(map[string]any)["standing"] != "bin" || shown["next"] != nil {
		t.Errorf("%v", shown)
	}
	if a := s.run("backup", "show", "--noun", "contact", "--limit", "2"); a.code != 0 || !strings.Contains(a.out, "Ada Lovelace") || strings.Contains(a.out, "Hopper") || !strings.Contains(a.err, "--after") {
		t.Errorf("exit %d\n%s%s", a.code, a.out, a.err)
	}
	diff := s.ok("backup", "show", "--diff", "contact:"+ada)
	if got := fmt.Sprint(diff["differences"]); diff["standing"] != "changed" || !strings.Contains(got, "backup:Lovelace") || !strings.Contains(got, "now:King") || !strings.Contains(got, "+41446681800") {
		t.Errorf("%v", diff)
	}
	if a := s.run("backup", "show", "--diff", "contact:"+ada); a.code != 0 || !strings.Contains(a.out, "Lovelace") || !strings.Contains(a.out, "King") {
		t.Errorf("exit %d\n%s%s", a.code, a.out, a.err)
	}
	if r := s.ok("backup", "show", "--record", "contact:Ada Lovelace"); r["last_name"] != "Lovelace" || len(r["phone"].([]any)) != 1 {
		t.Errorf("%v", r)
	}

	plan := s.ok("backup", "restore", "latest", "--where", "contact: status=customer", "--plan")
	if plan["dry_run"] != true || plan["restored"] != 1.0 || plan["edited"] != 1.0 || len(plan["samples"].([]any)) != 2 || plan["act"] != nil {
		t.Errorf("%v", plan)
	}
	if a := s.run("backup", "restore", "latest", "--where", "contact: status=customer"); a.code != 2 || !strings.Contains(a.err, "Restore 2 records") || !strings.Contains(a.err, "--yes") {
		t.Errorf("several records come back unasked: exit %d\n%s%s", a.code, a.out, a.err)
	}
	if got := s.ok("contact", "show", ada)["last_name"]; got != "King" {
		t.Errorf("a plan changed it to %v", got)
	}
	if a := s.run("backup", "restore", "latest", "--record", "contact:"+ada); a.code != 0 || !strings.Contains(a.out, "Restored 1 record") || !strings.Contains(a.out, "last_name King → Lovelace") || !strings.Contains(a.out, "phone + +41446681800") || !strings.Contains(a.err, "undo") {
		t.Errorf("exit %d\n%s%s", a.code, a.out, a.err)
	}
	if r := s.ok("contact", "show", ada); r["last_name"] != "Lovelace" || len(r["phone"].([]any)) != 1 || r["sync"] != "pending" {
		t.Errorf("%v", r)
	}
	s.ok("undo")
	if got := s.ok("contact", "show", ada)["last_name"]; got != "King" {
		t.Errorf("after the undo it is %v", got)
	}
	done := s.ok("backup", "restore", "--where", "contact:", "--only-missing", "--yes")
	if done["restored"] != 1.0 || done["edited"] != 0.0 || done["act"] == nil {
		t.Errorf("%v", done)
	}
	if r := s.ok("contact", "show", max); r["deleted_at"] != nil {
		t.Errorf("%v", r)
	}

	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"backup", "restore", "--record", "Ada"}, 2, "names no record"},
		{[]string{"backup", "restore", "--record", "contact:"}, 2, "names no record"},
		{[]string{"backup", "restore", "--record", "contact:Nobody"}, 10, "no contact \"Nobody\""},
		{[]string{"backup", "restore", "--where", "status=new"}, 2, "does not begin with a noun"},
		{[]string{"backup", "restore", "--where", "contact: stauts=new"}, 2, "did you mean status"},
		{[]string{"backup", "show", "--search", "x"}, 2, "--noun"},
		{[]string{"backup", "show", "--noun", "moon"}, 2, "no noun"},
		{[]string{"backup", "show", "--record", "contact:a", "--diff", "contact:b"}, 2, "do not go together"},
	} {
		if a := s.run(c.args...); a.code != c.code || !strings.Contains(a.err, c.says) {
			t.Errorf("%q: exit %d, %s", c.args, a.code, a.err)
		}
	}
	if a := s.run("backup", "restore", "latest", "--where", "contact: status=former", "--plan"); a.code != 0 || !strings.Contains(a.out, "no record fits") {
		t.Errorf("exit %d\n%s%s", a.code, a.out, a.err)
	}
}
