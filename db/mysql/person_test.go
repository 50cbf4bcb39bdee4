package mysql

import (
	"fmt"
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
	ann := c.person("ann", RoleSales, ReachOwn, "east")
	bob := c.person("bob", RoleSales, ReachTeam, "west")
	cid := c.person("cid", RoleSales, ReachOwn, "west")
	c.person("dan", RoleSupport, ReachAll, "")
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
