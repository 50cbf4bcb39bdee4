package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// person gives somebody an account of the server with the rights of people, a
// user in the CRM and a place in sync_person, and returns the id of the user.
func (c *company) person(login, role, reach, team string) model.ID {
	c.Helper()
	id := c.ids.New()
	account := quote(login+c.database) + "@'%'"
	c.sql("CREATE USER IF NOT EXISTS "+account+" IDENTIFIED BY 'secret'",
		"INSERT INTO user (id, login, name, team) VALUES ("+idLiteral(id)+", "+quote(login+c.database)+", "+quote(login)+", "+quote(team)+")",
		fmt.Sprintf("INSERT INTO sync_person (login, user_id, role, reach, scope) VALUES (%s, %s, %s, %s, %s)", quote(login+c.database), idLiteral(id), quote(role), quote(reach), idLiteral(id)))
	for _, p := range personProcedures() {
		c.sql("GRANT EXECUTE ON PROCEDURE " + ident(p) + " TO " + account)
	}
	c.Cleanup(func() { c.server.SQL(c.T, "", "DROP USER IF EXISTS "+account) })
	return id
}

// urlOf returns the central's URL for somebody's login.
func (c *company) urlOf(login string) string {
	return c.server.URLFor(login+c.database, "secret", c.database)
}

// as connects somebody.
func (c *company) as(login string) *Central {
	c.Helper()
	central, err := Dial(c.Context(), c.urlOf(login), DialOptions{Way: WayUnknown})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { central.Close() })
	return central
}

// rowsOf returns what somebody is shown of a table, by its names.
func (c *company) rowsOf(central *Central, noun model.Noun, field string) string {
	c.Helper()
	var out []string
	e := model.EntityOf(noun)
	if err := central.Load(c.Context(), noun, "", func(r model.Row) error {
		s, _ := r.Get(e, field).(string)
		out = append(out, s)
		return nil
	}); err != nil {
		c.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestPeopleSeeWhatIsInReach(t *testing.T) {
	c := newCompany(t)
	ann := c.person("ann", model.RoleSales, model.ScopeOwn, "east")
	bob := c.person("bob", model.RoleSales, model.ScopeTeam, "west")
	cid := c.person("cid", model.RoleSales, model.ScopeOwn, "west")
	c.person("dan", model.RoleSupport, model.ScopeAll, "")
	for login, owner := range map[string]model.ID{"a": ann, "b": bob, "c": cid} {
		c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES (UNHEX(MD5("+quote(login)+")), "+quote(login)+", "+idLiteral(owner)+")",
			"INSERT INTO contact_method (id, contact_id, value) VALUES (UNHEX(MD5("+quote("m"+login)+")), UNHEX(MD5("+quote(login)+")), "+quote(login)+")")
	}
	c.sql("INSERT INTO contact (id, last_name) VALUES (UNHEX(MD5('n')), 'n')", "INSERT INTO tag (name) VALUES ('vip')")
	for login, want := range map[string]string{"ann": "a", "bob": "c b", "cid": "c", "dan": "a c n b"} {
		central := c.as(login)
		h, err := central.Poll(t.Context(), model.Device{Client: c.ids.New()}, model.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if !central.calls() || h.User != login+c.database || (h.Access == accessAll) != (login == "dan") || h.Access == "" {
			t.Errorf("%s: %+v", login, h)
		}
		sorted := func(s string) string { return strings.Join(sortedWords(s), " ") }
		if got := c.rowsOf(central, "contact", "last_name"); sorted(got) != sorted(want) {
			t.Errorf("%s sees the contacts %q, want %q", login, got, want)
		}
		methods := sorted(strings.ReplaceAll(want, "n", ""))
		if got := c.rowsOf(central, "contact_method", "value"); sorted(got) != methods {
			t.Errorf("%s sees the phones %q, want %q", login, got, methods)
		}
		if got := c.rowsOf(central, "tag", "name"); got != "vip" {
			t.Errorf("%s sees the tags %q", login, got)
		}
		page, _ := c.follow(central, model.Position{})
		if got := len(page.Rows["contact"]); got != len(strings.Fields(want)) {
			t.Errorf("%s pulls %d contacts", login, got)
		}
		all := map[model.Noun][]model.ID{"contact": {}}
		for _, n := range []string{"a", "b", "c", "n"} {
			all["contact"] = append(all["contact"], idOf(c, n))
		}
		rows, err := central.Fetch(t.Context(), all)
		if err != nil || len(rows["contact"]) != len(strings.Fields(want)) {
			t.Errorf("%s fetches %d contacts, %v", login, len(rows["contact"]), err)
		}
		sums, err := central.Digest(t.Context(), map[model.Noun]int{"contact": 0})
		if err != nil || sums["contact"].Buckets[0].Rows != int64(len(strings.Fields(want))) {
			t.Errorf("%s compares %+v, %v", login, sums, err)
		}
		hashes, err := central.RowHashes(t.Context(), map[model.Noun]int{"contact": 0}, map[model.Noun][]uint32{"contact": {0}})
		if err != nil || len(hashes["contact"]) != len(strings.Fields(want)) {
			t.Errorf("%s hashes %+v, %v", login, hashes, err)
		}
		totals, err := central.Survey(t.Context(), func(model.Noun, model.Row) error { return nil })
		if err != nil || totals["contact"] != int64(len(strings.Fields(want))) {
			t.Errorf("%s counts %v, %v", login, totals, err)
		}
	}
}

func sortedWords(s string) []string {
	words := strings.Fields(s)
	for i := range words {
		for j := i + 1; j < len(words); j++ {
			if words[j] < words[i] {
				words[i], words[j] = words[j], words[i]
			}
		}
	}
	return words
}

func idOf(c *company, text string) model.ID {
	s := c.one("SELECT LOWER(CONCAT_WS('-',LEFT(MD5(" + quote(text) + "),8),SUBSTR(MD5(" + quote(text) + "),9,4),SUBSTR(MD5(" + quote(text) + "),13,4),SUBSTR(MD5(" + quote(text) + "),17,4),SUBSTR(MD5(" + quote(text) + "),21)))")
	return model.ID(s)
}

// TestThroughProcedures runs the tests of what a client may rely on through
// procedures as well.
func TestThroughProcedures(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"applies once":          TestPushAppliesOnceAndTellsClashes,
		"stale primary":         TestPushToStalePrimary,
		"is there already":      TestPushInsertThatIsThereAlready,
		"refused in the middle": TestRefusedInTheMiddle,
		"text":                  TestTextIsKeptByteForByte,
		"types":                 TestValuesOfEachType,
		"edited at":             TestEditedAtIsClamped,
		"gone and back":         TestServerGoneAndBack,
		"commit inversion":      TestCommitInversion,
		"rollback":              TestRollbackLeavesNoHole,
		"writers":               TestManyWritersAndSequencers,
		"other programs":        TestUpdatesByOtherPrograms,
		"requests":              TestRequestsAreCountedAsSent,
		"scope":                 TestPartsFollowTheirOwnersScope,
	} {
		t.Run(name, test)
	}
}

// TestMigrateFindsOwners brings rows of an earlier central to those who own
// them.
func TestMigrateFindsOwners(t *testing.T) {
	c := newCompany(t)
	ann := c.person("ann", model.RoleSales, model.ScopeOwn, "")
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES (UNHEX(MD5('a')), 'a', "+idLiteral(ann)+")", "INSERT INTO contact (last_name) VALUES ('n')", "INSERT INTO contact_method (contact_id, value) VALUES (UNHEX(MD5('a')), '1')",
		"DROP TRIGGER stage_before_update", "UPDATE contact SET scope_id = "+idLiteral(model.CompanyScope), "UPDATE stage SET scope_id = "+idLiteral(model.CompanyScope))
	if got := c.rowsOf(c.as("ann"), "contact", "last_name"); got != "" {
		t.Fatalf("before it ann sees %q", got)
	}
	if _, err := Migrate(t.Context(), c.url); err != nil {
		t.Fatal(err)
	}
	central := c.as("ann")
	if got := c.rowsOf(central, "contact", "last_name") + c.rowsOf(central, "contact_method", "value"); got != "a1" {
		t.Errorf("ann sees %q", got)
	}
	if got := len(strings.Fields(c.rowsOf(central, "stage", "name"))); got != len(model.SeedRows()["stage"]) {
		t.Errorf("ann sees %d stages", got)
	}
	if done, err := Migrate(t.Context(), c.url); err != nil || len(done) != 1 || !strings.Contains(done[0], "already") {
		t.Errorf("the second time: %q, %v", done, err)
	}
}

// TestStatusTellsTheGuarantee asks what is in force before and after somebody
// has an account, and where the procedures have an owner that logs in.
func TestStatusTellsTheGuarantee(t *testing.T) {
	c := newCompany(t)
	checks := func(url string) map[string]model.Check {
		t.Helper()
		st, err := Status(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]model.Check{}
		for _, check := range st.Checks {
			out[check.Name] = check
		}
		return out
	}
	if check := checks(c.url)["central row scope"]; check.State != "warn" || !strings.Contains(check.Detail, "NOT enforced") {
		t.Errorf("without people: %+v", check)
	}
	c.person("ann", model.RoleSales, model.ScopeOwn, "")
	for _, url := range []string{c.url, c.urlOf("ann")} {
		if check := checks(url)["central row scope"]; check.State != "ok" || !strings.HasPrefix(check.Detail, "enforced") {
			t.Errorf("with people: %+v", check)
		}
	}
	if check := checks(c.url)["central procedures"]; check.State != "ok" || !strings.Contains(check.Detail, "nobody can log in") {
		t.Errorf("%+v", check)
	}
	c.sql("DROP PROCEDURE sync_give", "CREATE OR REPLACE PROCEDURE sync_wiped() SELECT 1")
	if check := checks(c.url)["central procedures"]; check.State != "fail" || !strings.Contains(check.Detail, "sync_give") || !strings.Contains(check.Detail, "sync_wiped") {
		t.Errorf("%+v", check)
	}
}

// TestInitByAnAccountOfTheDatabase sets up a central where no account can be
// made.
func TestInitByAnAccountOfTheDatabase(t *testing.T) {
	c := newCompany(t)
	small := "small" + c.database
	c.sql("CREATE USER "+small+" IDENTIFIED BY 'secret'", "GRANT ALL ON "+small+".* TO "+small, "CREATE DATABASE "+small)
	t.Cleanup(func() { c.server.SQL(t, "", "DROP DATABASE "+small, "DROP USER "+small) })
	url := c.server.URLFor(small, "secret", small)
	done, err := Init(t.Context(), url)
	if err != nil || !strings.Contains(strings.Join(done, "\n"), "run as this account") {
		t.Fatalf("%q, %v", done, err)
	}
	o := &company{T: t, server: c.server, url: url, database: small, ids: c.ids, client: c.ids.New()}
	ann := o.person("ann", model.RoleSales, model.ScopeOwn, "")
	o.sql("INSERT INTO contact (last_name, owner_id) VALUES ('a', "+idLiteral(ann)+")", "INSERT INTO contact (last_name) VALUES ('n')")
	if got := o.rowsOf(o.as("ann"), "contact", "last_name"); got != "a" {
		t.Errorf("ann sees %q", got)
	}
	st, err := Status(t.Context(), url)
	if err != nil || !strings.Contains(fmt.Sprint(st.Checks), "keep that account") {
		t.Errorf("%+v, %v", st.Checks, err)
	}
}

// TestUpdateThatTheEngineRefuses sends updates whose errors end a call whatever
// handles errors, among others that are fine.
func TestUpdateThatTheEngineRefuses(t *testing.T) {
	c := newCompany(t)
	c.person("dan", model.RoleSales, model.ScopeAll, "")
	one, two := c.ids.New(), c.ids.New()
	c.sql("ALTER TABLE contact ADD UNIQUE KEY one_external_id (external_id)",
		"INSERT INTO contact (id, last_name, external_id) VALUES ("+idLiteral(one)+", 'one', 'A-1'), ("+idLiteral(two)+", 'two', 'A-2')")
	central := c.as("dan")
	made := c.ids.New()
	res := c.push(central, insert("contact", made, map[string]any{"last_name": "made"}), update("contact", one, "external_id", "A-1", "A-2"),
		update("contact", two, "organization_id", nil, c.ids.New()), update("contact", made, "notes", nil, "n"))
	codes := ""
	for _, r := range res {
		codes += r.Code + ";"
	}
	if codes != ";duplicate;reference;;" || res[0].Outcome != model.PushApplied || res[3].Outcome != model.PushApplied {
		t.Errorf("%+v", res)
	}
	// What such a call had done is undone by the next one, not kept.
	s := &siege{company: c}
	conn := s.raw("dan")
	lost := plainHex(c.ids.New())
	ops := `[{"t":"contact","n":1,"k":"last_name","o":[{"i":"` + lost + `","c":{"last_name":"half"}}]},{"t":"contact","n":0,"k":"external_id","o":[{"i":"` + plainHex(one) + `","c":{"external_id":["A-1","A-2"]}}]}]`
	if _, err := ask(t.Context(), conn, fmt.Sprintf("CALL sync_push(X'%s',1,'n',%s,0,1,X'00',0)", lost, quote(ops))); err == nil {
		t.Error("the call does not tell")
	}
	if _, err := ask(t.Context(), conn, "CALL sync_sequence(1,X'00',0)"); err != nil {
		t.Error(err)
	}
	if got := c.one("SELECT CONCAT((SELECT COUNT(*) FROM contact WHERE last_name = 'half'), (SELECT COUNT(*) FROM sync_push WHERE client = X'" + lost + "'))"); got != "00" {
		t.Errorf("half a batch is kept: %s", got)
	}
}

// TestExchangedValues: rows that exchange a value are made room for, a receipt
// says nothing of that, and where others of the batch fail no row is left
// with the value that it had meanwhile.
func TestExchangedValues(t *testing.T) {
	c := newCompany(t)
	c.person("dan", model.RoleSales, model.ScopeAll, "")
	one, two := c.ids.New(), c.ids.New()
	c.sql("ALTER TABLE contact ADD UNIQUE KEY one_external_id (external_id)",
		"INSERT INTO contact (id, last_name, external_id) VALUES ("+idLiteral(one)+", 'one', 'A-1'), ("+idLiteral(two)+", 'two', 'A-2')")
	const have = "SELECT GROUP_CONCAT(last_name, '=', external_id ORDER BY last_name) FROM contact"
	exchange := []model.PushOp{update("contact", one, "external_id", "A-1", "A-2"), update("contact", two, "external_id", "A-2", "A-1")}
	made := insert("contact", c.ids.New(), map[string]any{"last_name": "made"})
	res := c.push(c.as("dan"), append(slices.Clone(exchange), made, update("contact", c.ids.New(), "notes", nil, "n"))...)
	if res[0].Outcome != model.PushApplied || res[1].Outcome != model.PushApplied || res[2].Outcome != model.PushApplied || res[3].Outcome != model.PushClashed {
		t.Errorf("beside a change that clashes: %+v", res)
	}
	if got := c.one(have); got != "one=A-2,two=A-1" {
		t.Errorf("beside a change that clashes: %s", got)
	}
	exchange = []model.PushOp{update("contact", one, "external_id", "A-2", "A-1"), update("contact", two, "external_id", "A-1", "A-2")}
	b := c.batch(exchange...)
	for _, what := range []string{"the first time", "again"} {
		r, err := c.as("dan").Push(t.Context(), b, model.Position{})
		if err != nil || len(r.Results) != 2 || r.Results[0].Outcome != model.PushApplied || r.Results[1].Outcome != model.PushApplied {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if got := c.one(have); got != "one=A-1,two=A-2" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// TestPersonsRequests counts the packets and bytes of what a person's laptop
// does all day.
func TestPersonsRequests(t *testing.T) {
	c := newCompany(t)
	c.person("ann", model.RoleSales, model.ScopeTeam, "east")
	central := c.as("ann")
	h, err := central.Poll(t.Context(), model.Device{Client: c.client, Name: "laptop"}, model.Position{})
	if err != nil {
		t.Fatal(err)
	}
	cost := func(what string, packets, bytes int64, do func() error) {
		t.Helper()
		n0, s0, r0 := central.Traffic()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		n1, s1, r1 := central.Traffic()
		if n1-n0 > packets || s1-s0+r1-r0 > bytes {
			t.Errorf("%s: %d packets, %d bytes", what, n1-n0, s1-s0+r1-r0)
		}
	}
	cost("idle poll", 1, 600, func() error {
		next, err := central.Poll(t.Context(), model.Device{Client: c.client}, h.Position)
		if err == nil && (!next.SameRun || next.Seq != h.Seq || next.User != "ann"+c.database) {
			t.Errorf("%+v", next)
		}
		return err
	})
	var ops []model.PushOp
	for range 100 {
		ops = append(ops, insert("contact", c.ids.New(), map[string]any{"last_name": "Lovelace"}))
	}
	var receipt model.Receipt
	cost("push of 100", 1, 20_000, func() (err error) {
		receipt, err = central.Push(t.Context(), c.batch(ops...), h.Position)
		return err
	})
	cost("pull of 100", 1, 60_000, func() error {
		page, err := central.Pull(t.Context(), h.Seq, receipt.Head.Seq, nil)
		if err == nil && len(page.Rows["contact"]) != 100 {
			t.Errorf("%d rows", len(page.Rows["contact"]))
		}
		return err
	})
}
