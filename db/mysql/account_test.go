package mysql

import (
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// opened is a central with an administrator at work on it.
type opened struct {
	*testing.T
	server *servertest.Server
	url    string
	office *Office
}

func openOffice(t *testing.T) *opened {
	t.Helper()
	s := servertest.Shared(t)
	o := &opened{T: t, server: s, url: s.Database(t)}
	if _, err := Init(t.Context(), o.url); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.office, err = OpenOffice(t.Context(), o.url, DialOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.office.Close() })
	return o
}

// add lets somebody in and takes the account away after the test.
func (o *opened) add(p model.NewPerson) model.Invitation {
	o.Helper()
	inv, err := o.office.AddPerson(o.Context(), p)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { o.server.SQL(o, "", "DROP USER IF EXISTS '"+p.Login+"'@'%'") })
	return inv
}

func (o *opened) person(login string) model.Person {
	o.Helper()
	all, err := o.office.People(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p model.Person) bool { return p.Login == login })
	if i < 0 {
		o.Fatalf("%s is not among %+v", login, all)
	}
	return all[i]
}

func (o *opened) login(user, password string) error {
	o.Helper()
	c, err := Dial(o.Context(), o.server.URLFor(user, password, servertest.Name(o.url)), DialOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Poll(o.Context(), model.Device{}, model.Position{})
	return err
}

// TestPersonFromInviteToLeaving goes through the life of an account.
func TestPersonFromInviteToLeaving(t *testing.T) {
	o := openOffice(t)
	ctx := t.Context()
	inv := o.add(model.NewPerson{Person: model.Person{Login: "ann_1", Name: "Ann", Email: "ann@example.org", Team: "North", Scope: model.ScopeTeam}})
	if got, err := model.ParseInvite(inv.Line); err != nil || got.Password != inv.Password || !strings.Contains(got.Central, "ann_1@") {
		t.Fatalf("the invite holds %+v, %v", got, err)
	}
	if p := o.person("ann_1"); p.Name != "Ann" || p.Role != "sales" || p.Scope != "team" || p.Team != "North" || !p.Active || p.Account != "ok" {
		t.Errorf("%+v", p)
	}
	if err := o.login("ann_1", inv.Password); model.KindOf(err) != model.Expired {
		t.Errorf("the one-time password did not have to be changed: %v", err)
	}
	const own = "a%20sentence%20of%20words"
	if err := ChangePassword(ctx, o.server.URLFor("ann_1", inv.Password, servertest.Name(o.url)), "a sentence of words", DialOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := o.login("ann_1", own); err != nil {
		t.Fatal(err)
	}

	open, err := Dial(ctx, o.server.URLFor("ann_1", own, servertest.Name(o.url)), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.Poll(ctx, model.Device{}, model.Position{}); err != nil {
		t.Fatal(err)
	}
	// The server lets go of a session a moment after it was closed.
	(&company{T: t, server: o.server, database: servertest.Name(o.url)}).waitFor("SELECT COUNT(*) FROM information_schema.processlist WHERE user='ann_1'", "1")
	if n, err := o.office.LockPerson(ctx, "ann_1"); err != nil || n != 1 {
		t.Errorf("%d sessions were ended, %v", n, err)
	}
	if _, err := open.Poll(ctx, model.Device{}, model.Position{}); err == nil {
		t.Error("an open session goes on after the lock")
	}
	if err := o.login("ann_1", own); model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "locked") {
		t.Errorf("locked: %v", err)
	}
	if p := o.person("ann_1"); p.Active || p.Account != "locked" {
		t.Errorf("%+v", p)
	}
	if err := o.office.UnlockPerson(ctx, "ann_1"); err != nil {
		t.Fatal(err)
	}
	if err := o.login("ann_1", own); err != nil {
		t.Errorf("unlocked: %v", err)
	}

	support, all := model.RoleSupport, model.ScopeAll
	if err := o.office.EditPerson(ctx, "ann_1", model.PersonEdit{Role: &support, Scope: &all}); err != nil {
		t.Fatal(err)
	}
	if p := o.person("ann_1"); p.Role != "support" || p.Scope != "all" || p.Name != "Ann" {
		t.Errorf("%+v", p)
	}
	again, err := o.office.NewPassword(ctx, "ann_1", model.Invitee{})
	if err != nil || again.Password == inv.Password {
		t.Fatal(again, err)
	}
	if err := o.login("ann_1", own); model.KindOf(err) != model.Refused {
		t.Errorf("the old password still works: %v", err)
	}
	if err := o.login("ann_1", again.Password); model.KindOf(err) != model.Expired {
		t.Errorf("the new one-time password: %v", err)
	}
	if err := o.office.RemovePerson(ctx, "ann_1"); err != nil {
		t.Fatal(err)
	}
	if err := o.login("ann_1", again.Password); model.KindOf(err) != model.Refused {
		t.Errorf("removed: %v", err)
	}
	if all, err := o.office.People(ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	// Who comes back is the same user.
	o.add(model.NewPerson{Person: model.Person{Login: "ann_1"}})
	if p := o.person("ann_1"); p.Name != "Ann" {
		t.Errorf("%+v", p)
	}
}

func TestPeopleThatCannotBe(t *testing.T) {
	o := openOffice(t)
	o.add(model.NewPerson{Person: model.Person{Login: "bob_2"}})
	for _, p := range []model.Person{
		{Login: ""}, {Login: "a@b"}, {Login: "a b"}, {Login: "o'hara"}, {Login: `back\slash`}, {Login: strings.Repeat("x", 33)}, {Login: "bob_2"},
		{Login: "root"}, {Login: "eve", Role: "boss"}, {Login: "eve", Scope: "everything"}, {Login: "eve", Scope: "team"}, {Login: "eve", Scope: "territory"},
	} {
		if _, err := o.office.AddPerson(t.Context(), model.NewPerson{Person: p}); model.KindOf(err) != model.Invalid {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for name, err := range map[string]error{
		"lock":     second(o.office.LockPerson(t.Context(), "nobody")),
		"unlock":   o.office.UnlockPerson(t.Context(), "nobody"),
		"edit":     o.office.EditPerson(t.Context(), "nobody", model.PersonEdit{}),
		"remove":   o.office.RemovePerson(t.Context(), "nobody"),
		"password": second(o.office.NewPassword(t.Context(), "nobody", model.Invitee{})),
		"hand":     second(o.office.HandOver(t.Context(), "nobody", "bob_2", nil)),
		"grant":    o.office.Grant(t.Context(), model.ScopeGrant{Login: "bob_2", Scope: "nobody"}),
		"wipe":     o.office.WipeDevice(t.Context(), model.NewIDSource(nil, nil).New()),
	} {
		if model.KindOf(err) != model.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestInviteKeepsTheList leads to every server of a list, and to none of this
// machine's files.
func TestInviteKeepsTheList(t *testing.T) {
	a, err := ParseURL("mysql://root:s3cret@h1,h2:33/crm?tls-ca=/etc/ca.pem&tls=true")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.of("ann").String(); got != "mysql://ann@h1:3306/crm?tls=true,mysql://ann@h2:33/crm?tls=true" {
		t.Error(got)
	}
}

func TestRightsByDialect(t *testing.T) {
	for _, c := range []struct {
		version, role string
		statements    int
		first         string
	}{
		{"5.5.5-10.11.19-MariaDB", model.RoleSales, len(personProcedures()), "GRANT EXECUTE ON PROCEDURE `my_crm`.`sync_poll` TO 'ann'@'%'"},
		{"8.4.3", model.RoleReadOnly, len(personProcedures()), "GRANT EXECUTE ON PROCEDURE `my_crm`.`sync_poll` TO 'ann'@'%'"},
		{"8.4.3", model.RoleAdministrator, 1, "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, EXECUTE ON `my\\_crm`.* TO 'ann'@'%'"},
		{"8.0.11-TiDB-v8.5.0", model.RoleSales, 1, "GRANT SELECT, INSERT, UPDATE, DELETE ON `my\\_crm`.* TO 'ann'@'%'"},
	} {
		got := rightsOf(dialectOf(c.version), "my_crm", "'ann'@'%'", c.role)
		if len(got) != c.statements || got[0] != c.first {
			t.Errorf("%s, %s: %q", c.version, c.role, got)
		}
	}
}

// TestAdministratorWithoutRightsOverAccounts is told who can do it.
func TestAdministratorWithoutRightsOverAccounts(t *testing.T) {
	o := openOffice(t)
	inv := o.add(model.NewPerson{Person: model.Person{Login: "chief_3", Role: model.RoleAdministrator, Scope: model.ScopeAll}})
	o.add(model.NewPerson{Person: model.Person{Login: "dan_3"}})
	url := o.server.URLFor("chief_3", inv.Password, servertest.Name(o.url))
	if err := ChangePassword(t.Context(), url, "the chief of all", DialOptions{}); model.KindOf(err) == model.Other && err != nil {
		t.Fatal(err)
	}
	f, err := OpenOffice(t.Context(), o.server.URLFor("chief_3", "the%20chief%20of%20all", servertest.Name(o.url)), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.AddPerson(t.Context(), model.NewPerson{Person: model.Person{Login: "eve_3"}}); model.KindOf(err) != model.Refused {
		t.Errorf("add: %v", err)
	}
	people, err := f.People(t.Context())
	if err != nil || len(people) != 2 || people[0].Account != "unknown" {
		t.Errorf("%+v, %v", people, err)
	}
	if _, err := f.LockPerson(t.Context(), "dan_3"); model.KindOf(err) != model.Partial {
		t.Errorf("lock: %v", err)
	}
	if p := o.person("dan_3"); p.Active {
		t.Error("the lock that needs no right over accounts does not hold")
	}
}

func TestHandOver(t *testing.T) {
	o := openOffice(t)
	name := servertest.Name(o.url)
	o.add(model.NewPerson{Person: model.Person{Login: "gone_4"}})
	o.add(model.NewPerson{Person: model.Person{Login: "next_4"}})
	o.server.SQL(t, name, "INSERT INTO organization (name, owner_id) SELECT CONCAT('o', s.seq), u.id FROM user u, seq_1_to_1201 s WHERE u.login = 'gone_4'",
		"INSERT INTO contact (last_name, owner_id) SELECT 'c', id FROM user WHERE login IN ('gone_4', 'next_4')")
	before, err := o.office.text(t.Context(), "SELECT seq FROM sync_counter")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := o.office.HandOver(t.Context(), "gone_4", "next_4", nil)
	if err != nil || moved["organization"] != 1201 || moved["contact"] != 1 {
		t.Errorf("%v, %v", moved, err)
	}
	left, err := o.office.text(t.Context(), "SELECT CONCAT((SELECT COUNT(*) FROM sync_outbox), ' ', (SELECT COUNT(*) FROM organization WHERE owner_id <> scope_id), ' ', (SELECT COUNT(DISTINCT pk) FROM sync_feed WHERE tbl = 'organization' AND seq > "+before+"))")
	if err != nil || left != "0 0 1201" {
		t.Errorf("not sequenced, in another scope, told: %s, %v", left, err)
	}
	// Again there is nothing to do.
	if moved, err = o.office.HandOver(t.Context(), "gone_4", "next_4", nil); err != nil || moved["organization"] != 0 {
		t.Errorf("%v, %v", moved, err)
	}
	if err := o.office.RemovePerson(t.Context(), "gone_4"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.office.HandOver(t.Context(), "next_4", "gone_4", nil); model.KindOf(err) != model.Invalid {
		t.Errorf("to somebody who left: %v", err)
	}
}

func TestGrants(t *testing.T) {
	o := openOffice(t)
	ctx := t.Context()
	o.add(model.NewPerson{Person: model.Person{Login: "fay_5"}})
	o.add(model.NewPerson{Person: model.Person{Login: "gus_5"}})
	for _, g := range []model.ScopeGrant{{Login: "fay_5", Scope: "gus_5", ReadOnly: true}, {Login: "fay_5", Scope: model.CompanyRecords}} {
		if err := o.office.Grant(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	got, err := o.office.Grants(ctx, "fay_5")
	want := []model.ScopeGrant{{Login: "fay_5", Scope: "company"}, {Login: "fay_5", Scope: "gus_5", ReadOnly: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := o.office.Revoke(ctx, "fay_5", "gus_5"); err != nil {
		t.Fatal(err)
	}
	if err := o.office.Revoke(ctx, "fay_5", "gus_5"); model.KindOf(err) != model.NotFound {
		t.Errorf("revoked twice: %v", err)
	}
	if got, err = o.office.Grants(ctx, ""); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDevices(t *testing.T) {
	o := openOffice(t)
	ctx := t.Context()
	client := model.NewIDSource(nil, nil).New()
	poll := func() model.Head {
		t.Helper()
		c, err := Dial(ctx, o.url, DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		h, err := c.Poll(ctx, model.Device{Client: client, Name: "Ann's laptop ☃", Program: "1.2.3", Pending: 7}, model.Position{})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	device := func() model.DeviceState {
		t.Helper()
		all, err := o.office.Devices(ctx)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	poll()
	d := device()
	if d.ID != client || d.Name != "Ann's laptop ☃" || d.Program != "1.2.3" || d.Pending != 7 || d.Login != "root" || d.LastSeen.IsZero() || d.State() != "" {
		t.Errorf("%+v", d)
	}
	if err := o.office.WipeDevice(ctx, client); err != nil {
		t.Fatal(err)
	}
	if h := poll(); !h.Wipe || h.Epoch != "" || h.Seq != 0 {
		t.Errorf("the device is answered %+v", h)
	}
	if s := device().State(); s != "wipe asked" {
		t.Errorf("the device is in the state %q", s)
	}
	if err := ConfirmWipe(ctx, o.url, client, DialOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := device(); d.State() != "wiped" || d.Pending != 0 {
		t.Errorf("%+v", d)
	}
	if err := o.office.ForgetDevice(ctx, client); err != nil {
		t.Fatal(err)
	}
	if all, err := o.office.Devices(ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestCheckFindsWhatIsWrong breaks what an administrator can break.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	o := openOffice(t)
	name := servertest.Name(o.url)
	states := func() map[string]string {
		t.Helper()
		cs, err := o.office.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, c := range cs {
			if out[c.Name] == "" || c.State != "ok" {
				out[c.Name] = c.State
			}
			if c.State != "ok" && c.Fix == "" {
				t.Errorf("%s says no remedy: %s", c.Name, c.Detail)
			}
		}
		return out
	}
	o.add(model.NewPerson{Person: model.Person{Login: "hal_6"}})
	o.add(model.NewPerson{Person: model.Person{Login: "ivy_6"}})
	o.add(model.NewPerson{Person: model.Person{Login: "jan_6", Role: model.RoleAdministrator}})
	for name, state := range states() {
		if state != "ok" {
			t.Errorf("%s is %s", name, state)
		}
	}
	if n, err := o.office.text(t.Context(), "SELECT COUNT(*) FROM tag"); err != nil || n != "0" {
		t.Errorf("%s tags are left, %v", n, err)
	}
	o.server.SQL(t, name, "CREATE USER ''@'10.0.0.1'", "GRANT SELECT ON `"+name+"`.contact TO PUBLIC", "DROP USER hal_6@'%'",
		"GRANT UPDATE ON `"+name+"`.* TO ivy_6@'%'", "CREATE USER etl_6@'%'", "GRANT INSERT ON `"+name+"`.* TO etl_6@'%'",
		"ALTER TABLE tag MODIFY color VARCHAR(20) CHARACTER SET latin1",
		"CREATE TABLE later (id BINARY(16), FOREIGN KEY (id) REFERENCES contact (id) ON DELETE CASCADE)",
		"DROP TRIGGER tag_after_delete")
	t.Cleanup(func() {
		o.server.SQL(t, name, "DROP USER ''@'10.0.0.1', etl_6@'%'", "REVOKE SELECT ON `"+name+"`.contact FROM PUBLIC")
	})
	got := states()
	for check, want := range map[string]string{"central anonymous": "fail", "central public rights": "fail", "central people": "warn", "central table rights": "fail",
		"central character set": "fail", "central foreign keys": "fail", "central feed": "fail"} {
		if got[check] != want {
			t.Errorf("%s is %q, want %q", check, got[check], want)
		}
	}
}
