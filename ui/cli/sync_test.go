package cli_test

import (
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
)

// TestTwoPeopleAndACentral is a day of two people: what one adds the other
// has, edits of different fields join, edits of one amount wait for a person.
func TestTwoPeopleAndACentral(t *testing.T) {
	server := servertest.Shared(t)
	url := server.Database(t)
	name := servertest.Name(url)
	ada, bob := newShell(t), newShell(t)
	bob.env["RAPPORT_ME"] = "bob"
	for _, s := range []*shell{ada, bob} {
		s.env["RAPPORT_CENTRAL"] = url
	}
	if a := ada.run("sync", "--json"); a.code != 2 || a.failure() != "no_central" {
		t.Fatalf("a sync with an empty database: exit %d %s", a.code, a.err)
	}
	ada.ok("central", "init")
	ada.ok("central", "init")
	ada.want(ada.ok("central", "migrate")["done"], `["everything was there already"]`)
	ada.want(ada.ok("central", "status")["unsequenced"], "0")

	id := ada.ok("deal", "add", "--set", "name=Big one", "--set", "amount=100 EUR")["id"].(string)
	res := ada.ok("sync")
	if res["pushed"].(float64) < 1 || res["round_trips"].(float64) < 1 {
		t.Fatalf("%v", res)
	}
	ada.want(ada.ok("deal", "show", id)["sync"], `"clean"`)
	st := ada.ok("status")
	ada.want(st["pending"], "0")
	ada.want(st["online"], "true")
	if idle := ada.ok("sync"); idle["round_trips"].(float64) != 1 {
		t.Errorf("a sync with nothing to do: %v", idle)
	}
	bob.ok("sync")
	bob.want(bob.ok("deal", "show", id)["name"], `"Big one"`)

	ada.ok("deal", "edit", id, "--set", "next_step=call")
	bob.ok("deal", "edit", id, "--set", "source=web")
	ada.ok("sync")
	bob.ok("sync")
	ada.ok("sync")
	for _, s := range []*shell{ada, bob} {
		d := s.ok("deal", "show", id)
		s.want(d["next_step"], `"call"`)
		s.want(d["source"], `"web"`)
	}

	ada.ok("deal", "edit", id, "--set", "amount=200")
	bob.ok("deal", "edit", id, "--set", "amount=300")
	ada.ok("sync")
	if a := bob.run("sync", "--json"); a.code != 4 || text(a.json()["conflicts"]) != "1" || a.failure() != "conflict" {
		t.Fatalf("exit %d %s%s", a.code, a.out, a.err)
	}
	c := bob.ok("conflict", "list")["items"].([]any)[0].(map[string]any)
	bob.want(c["record"].(map[string]any)["id"], text(id))
	f := c["fields"].(map[string]any)["amount"].(map[string]any)
	bob.want(f["base"], `{"amount":"100.00","currency":"EUR"}`)
	bob.want(f["mine"], `{"amount":"300.00","currency":"EUR"}`)
	bob.want(f["theirs"], `{"amount":"200.00","currency":"EUR"}`)
	bob.want(bob.ok("conflict", "resolve", c["id"].(string), "--field", "amount", "--take", "theirs")["open"], "[]")
	bob.want(bob.ok("conflict", "list")["items"], "[]")
	bob.ok("sync")
	ada.ok("sync")
	for _, s := range []*shell{ada, bob} {
		s.want(s.ok("deal", "show", id)["amount"], `{"amount":"200.00","currency":"EUR"}`)
	}

	server.SQL(t, name, "INSERT INTO contact (last_name) VALUES ('Meier')")
	ada.ok("sync")
	ada.want(ada.ok("contact", "list")["total"], "1")
	if a := ada.run("--central", server.URLFor("root", "wrong", name), "sync", "--json"); a.code != 6 || a.failure() != "refused" {
		t.Errorf("a wrong password: exit %d %s", a.code, a.err)
	}
}

// TestChangesLeftBehind: a record goes to where the person may not see it while
// it is edited. Nobody refused that edit, and the commands say what it is.
func TestChangesLeftBehind(t *testing.T) {
	server := servertest.Shared(t)
	url := server.Database(t)
	name := servertest.Name(url)
	admin, ann := newShell(t), newShell(t)
	admin.env["RAPPORT_CENTRAL"] = url
	admin.ok("central", "init")
	login := "ann_" + name
	server.SQL(t, name, "CREATE USER '"+login+"'@'%' IDENTIFIED BY 'secret'", "GRANT EXECUTE ON "+name+".* TO '"+login+"'@'%'",
		"INSERT INTO user (id, login, name) VALUES (UNHEX(MD5('ann')), '"+login+"', 'Ann')",
		"INSERT INTO sync_person (login, user_id, role, reach, scope) VALUES ('"+login+"', UNHEX(MD5('ann')), 'sales', 'own', UNHEX(MD5('ann')))")
	t.Cleanup(func() { server.SQL(t, "", "DROP USER '"+login+"'@'%'") })
	ann.env["RAPPORT_CENTRAL"], ann.env["RAPPORT_ME"] = server.URLFor(login, "secret", name), login
	id := ann.ok("contact", "add", "--set", "last_name=Moved")["id"].(string)
	ann.ok("sync")
	server.SQL(t, name, "UPDATE contact SET owner_id = NULL")
	ann.ok("contact", "edit", id, "--set", "job_title=typed")
	a := ann.run("sync", "--json")
	if got := a.json(); a.code != 3 || text(got["refused"]) != "0" || text(got["left"]) != "1" || a.failure() != "partial" || !strings.Contains(a.err, "may not see it") || strings.Contains(a.err, "refused 1") {
		t.Errorf("exit %d %s%s", a.code, a.out, a.err)
	}
	if a := ann.run("sync"); a.code != 3 || !strings.Contains(a.out, "1 left behind") || strings.Contains(a.out, "refused") || strings.Contains(a.err, "refused") {
		t.Errorf("exit %d %s%s", a.code, a.out, a.err)
	}
	st := ann.ok("status")
	ann.want(st["refused"], "0")
	ann.want(st["left"], "1")
	ann.want(st["pending"], "1")
	item := ann.ok("pending", "list")["items"].([]any)[0].(map[string]any)
	ann.want(item["error"].(map[string]any)["code"], `"left_scope"`)
	server.SQL(t, name, "UPDATE contact SET owner_id = UNHEX(MD5('ann'))")
	ann.ok("sync")
	ann.want(ann.ok("status")["left"], "0")
}
