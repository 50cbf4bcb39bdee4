package mysql

import (
	"strings"
	"testing"

	"rapport/model"
)

// TestRightsOfRoles sends, for each role, what it may not do beside what it
// may.
func TestRightsOfRoles(t *testing.T) {
	c := newCompany(t)
	clients := map[string]model.ID{}
	for _, role := range model.Roles() {
		c.person(role, role, model.ScopeAll, "")
		clients[role] = c.ids.New()
	}
	push := func(role string, ops ...model.PushOp) []model.PushResult {
		t.Helper()
		c.client = clients[role]
		return c.push(c.as(role), ops...)
	}
	deal, contact, product := c.ids.New(), c.ids.New(), c.ids.New()
	c.sql("INSERT INTO deal (id, name, amount_minor, amount_currency) VALUES ("+idLiteral(deal)+", 'd', 100, 'EUR')",
		"INSERT INTO contact (id, last_name) VALUES ("+idLiteral(contact)+", 'c')", "INSERT INTO product (id, name) VALUES ("+idLiteral(product)+", 'p')")
	amount := func(from, to int64) model.PushOp { return update("deal", deal, "amount_minor", from, to) }
	line := func(columns ...any) model.PushOp {
		values := map[string]any{"deal_id": deal, "product_id": product}
		for i := 0; i < len(columns); i += 2 {
			values[columns[i].(string)] = columns[i+1]
		}
		return insert("deal_line", c.ids.New(), values)
	}
	for _, step := range []struct {
		role string
		ops  []model.PushOp
		want string
	}{
		{model.RoleSupport, []model.PushOp{amount(100, 1), update("deal", deal, "next_step", nil, "call"), line("price_minor", int64(5), "price_currency", "EUR"), line("quantity", "2")}, "not_allowed - not_allowed -"},
		{model.RoleSupport, []model.PushOp{insert("deal", c.ids.New(), map[string]any{"name": "x", "amount_minor": int64(5), "amount_currency": "EUR"}), insert("deal", c.ids.New(), map[string]any{"name": "x"})}, "not_allowed -"},
		{model.RoleSupport, []model.PushOp{update("product", product, "name", "p", "q"), insert("tag", c.ids.New(), map[string]any{"name": "vip"})}, "not_allowed -"},
		{model.RoleSales, []model.PushOp{amount(100, 200), update("product", product, "name", "p", "q"), update("contact", contact, "deleted_at", nil, int64(1764000000000))}, "- not_allowed -"},
		{model.RoleReadOnly, []model.PushOp{amount(200, 300), insert("contact", c.ids.New(), map[string]any{"last_name": "x"}), update("contact", contact, "notes", nil, "x"), insert("tag", c.ids.New(), map[string]any{"name": "w"})}, "not_allowed not_allowed not_allowed not_allowed"},
		{model.RoleAdministrator, []model.PushOp{amount(200, 300), update("product", product, "name", "p", "q")}, "- -"},
	} {
		var codes []string
		for _, r := range push(step.role, step.ops...) {
			code := r.Code
			if r.Outcome == model.PushApplied {
				code = "-"
			}
			codes = append(codes, code)
			if code == "not_allowed" && !strings.Contains(r.Message, "may not change") {
				t.Errorf("%s: %q", step.role, r.Message)
			}
		}
		if got := strings.Join(codes, " "); got != step.want {
			t.Errorf("%s: %s, want %s", step.role, got, step.want)
		}
	}
	if m := push(model.RoleSupport, amount(300, 1))[0].Message; !strings.Contains(m, "Amount") {
		t.Errorf("%q does not name the field", m)
	}
	if got := c.one("SELECT CONCAT(amount_minor, next_step) FROM deal WHERE id = " + idLiteral(deal)); got != "300call" {
		t.Errorf("the deal: %s", got)
	}
	c.sql("UPDATE sync_role_right SET may_delete = 0 WHERE role = 'sales' AND tbl = 'contact'")
	if got := push(model.RoleSales, update("contact", contact, "deleted_at", int64(1764000000000), nil), update("deal", deal, "notes", nil, "x")); got[0].Outcome != model.PushApplied {
		t.Errorf("sales may not restore: %+v", got)
	}
	if got := push(model.RoleSales, update("contact", contact, "deleted_at", nil, int64(1764000000000))); got[0].Code != "not_allowed" {
		t.Errorf("a right that was taken back: %+v", got)
	}
}

// TestRightsActAtOnce takes rights away while a session is open.
func TestRightsActAtOnce(t *testing.T) {
	c := newCompany(t)
	ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, "east"), c.person("bob", model.RoleSales, model.ScopeTeam, "east")
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES (UNHEX(MD5('a')), 'a', "+idLiteral(ann)+")", "INSERT INTO contact (last_name, owner_id) VALUES ('b', "+idLiteral(bob)+")")
	central := c.as("bob")
	access := func() string {
		h, err := central.Poll(t.Context(), model.Device{}, model.Position{})
		if err != nil {
			t.Fatal(err)
		}
		return h.Access
	}
	seen := func(want string) {
		t.Helper()
		if got := strings.Join(sortedWords(c.rowsOf(central, "contact", "last_name")), " "); got != want {
			t.Errorf("bob sees %q, want %q", got, want)
		}
	}
	seen("a b")
	team := access()
	c.sql("UPDATE user SET team = 'West' WHERE id = " + idLiteral(ann))
	seen("b")
	if access() == team {
		t.Error("what bob sees has changed, and his client is not told")
	}
	c.sql("UPDATE user SET team = 'west' WHERE id = " + idLiteral(bob)) // not the same team as West
	seen("b")
	c.sql("UPDATE user SET team = 'West' WHERE id = " + idLiteral(bob))
	seen("a b")
	if access() != team {
		t.Error("the same access has another fingerprint")
	}
	c.sql("UPDATE sync_person SET reach = 'own' WHERE login LIKE 'bob%'")
	seen("b")
	c.sql("INSERT INTO sync_scope_grant (login, scope, may_write, given) SELECT login, " + idLiteral(ann) + ", 0, 1 FROM sync_person WHERE login LIKE 'bob%'")
	seen("a b")
	res := c.push(central, update("contact", idOf(c, "a"), "notes", nil, "x"), insert("contact_method", c.ids.New(), map[string]any{"contact_id": idOf(c, "a"), "value": "1", "kind": "phone"}))
	if res[0].Code != "not_allowed" || res[1].Code != "reference" {
		t.Errorf("bob changes what he may only read: %+v", res)
	}
	c.sql("UPDATE sync_person SET reach = 'territory', territory = 'north' WHERE login LIKE 'bob%'", "UPDATE sync_person SET territory = 'north' WHERE login LIKE 'ann%'", "DELETE FROM sync_scope_grant WHERE given")
	c.sql("CALL sync_closure(NULL, NULL, NULL, NULL, NULL)")
	seen("a b")
	c.sql("UPDATE sync_person SET territory = NULL WHERE login LIKE 'ann%'")
	seen("b")
	c.sql("UPDATE sync_person SET reach = 'all' WHERE login LIKE 'bob%'")
	seen("a b")
	for _, lock := range []struct{ on, off string }{
		{"UPDATE sync_person SET active = 0 WHERE login LIKE 'bob%'", "UPDATE sync_person SET active = 1"},
		{"UPDATE user SET active = 0 WHERE id = " + idLiteral(bob), "UPDATE user SET active = 1"},
	} {
		c.sql(lock.on)
		if _, err := central.Poll(t.Context(), model.Device{}, model.Position{}); model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "locked") {
			t.Errorf("%s: %v", lock.on, err)
		}
		if _, err := central.Pull(t.Context(), 0, 100, nil); model.KindOf(err) != model.Refused {
			t.Errorf("%s: %v", lock.on, err)
		}
		c.sql(lock.off)
		seen("a b")
	}
	c.sql("DELETE FROM sync_person WHERE login LIKE 'bob%'")
	if _, err := central.Pull(t.Context(), 0, 100, nil); model.KindOf(err) != model.Refused {
		t.Errorf("after leaving: %v", err)
	}
	if got := c.one("SELECT COUNT(*) FROM sync_scope_grant WHERE login LIKE 'bob%'"); got != "0" {
		t.Errorf("%s grants stay behind", got)
	}
}

// TestFeedOfAPerson moves a record through scopes and looks at what each is
// told.
func TestFeedOfAPerson(t *testing.T) {
	c := newCompany(t)
	ann, bob := c.person("ann", model.RoleSales, model.ScopeOwn, "east"), c.person("bob", model.RoleSales, model.ScopeTeam, "west")
	cid := c.person("cid", model.RoleSales, model.ScopeOwn, "west")
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES (UNHEX(MD5('a')), 'a', "+idLiteral(ann)+")", "INSERT INTO contact_method (contact_id, value) VALUES (UNHEX(MD5('a')), '1')")
	at := map[string]model.Position{}
	told := func(login string) string {
		t.Helper()
		page, next := c.follow(c.as(login), at[login])
		at[login] = next
		var out []string
		for _, e := range page.Entries {
			if e.Table == "contact" || e.Table == "contact_method" {
				out = append(out, map[model.FeedOp]string{model.FeedUpsert: "+", model.FeedLeave: "left", model.FeedDelete: "gone"}[e.Op]+string(e.Table))
			}
		}
		if got := len(page.Rows["contact"]); got > 0 != strings.Contains(strings.Join(out, " "), "+contact") {
			t.Errorf("%s: %d rows for %v", login, got, out)
		}
		return strings.Join(sortedWords(strings.Join(out, " ")), " ")
	}
	step := func(do string, want map[string]string) {
		t.Helper()
		if do != "" {
			c.sql(do)
		}
		for login, w := range want {
			if got := told(login); got != w {
				t.Errorf("after %q %s is told %q, want %q", do, login, got, w)
			}
		}
	}
	both := "+contact +contact_method"
	step("", map[string]string{"ann": both, "bob": "", "cid": ""})
	own := func(id model.ID) string { return "UPDATE contact SET owner_id = " + idLiteral(id) }
	step(own(cid), map[string]string{"ann": "leftcontact leftcontact_method", "bob": both, "cid": both})
	step(own(bob), map[string]string{"ann": "", "bob": both, "cid": "leftcontact leftcontact_method"})
	step(own(ann)+";"+own(bob), map[string]string{"ann": "leftcontact", "bob": "+contact", "cid": ""}) // nothing had to follow
	step("DELETE FROM contact_method", map[string]string{"ann": "", "bob": "gonecontact_method", "cid": ""})
	step("UPDATE contact SET owner_id = NULL", map[string]string{"ann": "", "bob": "leftcontact", "cid": ""})
}

// TestActivityIsSeenWithItsRecord lets somebody note something about a
// colleague's contact.
func TestActivityIsSeenWithItsRecord(t *testing.T) {
	c := newCompany(t)
	ann := c.person("ann", model.RoleSales, model.ScopeOwn, "")
	dan := c.person("dan", model.RoleSupport, model.ScopeAll, "")
	c.sql("INSERT INTO contact (id, last_name, owner_id) VALUES (UNHEX(MD5('a')), 'a', "+idLiteral(ann)+")", "INSERT INTO contact (id, last_name) VALUES (UNHEX(MD5('n')), 'n')")
	var ops []model.PushOp
	for _, name := range []string{"a", "n"} {
		id := c.ids.New()
		ops = append(ops, insert("activity", id, map[string]any{"subject": "about " + name, "kind": "note", "owner_id": dan}),
			insert("activity_link", c.ids.New(), map[string]any{"activity_id": id, "contact_id": idOf(c, name)}))
	}
	ops = []model.PushOp{ops[0], ops[2], ops[1], ops[3]}
	for _, r := range c.push(c.as("dan"), ops...) {
		if r.Outcome != model.PushApplied {
			t.Errorf("%+v", r)
		}
	}
	central := c.as("ann")
	if got := c.rowsOf(central, "activity", "subject"); got != "about a" {
		t.Errorf("ann sees %q", got)
	}
	links := 0
	if err := central.Load(t.Context(), "activity_link", "", func(model.Row) error { links++; return nil }); err != nil || links != 1 {
		t.Errorf("ann sees %d links, %v", links, err)
	}
	if got := c.one("SELECT COUNT(*) FROM activity WHERE owner_id = " + idLiteral(dan)); got != "2" {
		t.Errorf("%s of 2 are dan's", got)
	}
}
