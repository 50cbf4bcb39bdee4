package workspace_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/db/workspace"
	"rapport/model"
)

// office is a central with its administrator.
type office struct {
	*laptop
	server *servertest.Server
}

func newOffice(t *testing.T, s *servertest.Server, url string) *office {
	t.Helper()
	o := &office{&laptop{t, t.TempDir(), url}, s}
	o.json("central", "init")
	return o
}

// hire lets somebody in and returns the invite. The account goes with the test.
func (o *office) hire(login string, more ...string) string {
	o.t.Helper()
	got := o.json(append([]string{"central", "user", "add", login}, more...)...)
	o.t.Cleanup(func() { o.server.SQL(o.t, "", "DROP USER IF EXISTS '"+login+"'@'%'") })
	if got["password"] == "" || got["login"] != login {
		o.t.Fatalf("%v", got)
	}
	return got["invite"].(string)
}

const ownPassword = "a sentence of words"

// join comes in with an invite on a computer that knows nothing.
func join(t *testing.T, invite string) *laptop {
	t.Helper()
	l := &laptop{t, t.TempDir(), ""}
	code, out, errs := l.run(invite+"\n"+ownPassword+"\n", "join", "--password-stdin", "--json")
	if code != 0 {
		t.Fatalf("join: exit %d\n%s%s", code, out, errs)
	}
	return l
}

// refused runs a command that must end with an exit code and a sentence.
func (l *laptop) refused(code int, says string, args ...string) {
	l.t.Helper()
	got, out, errs := l.run("", args...)
	if got != code || !strings.Contains(errs, says) {
		l.t.Errorf("rapport %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, says, out, errs)
	}
}

// find returns the first of some items whose field has a value.
func find(t *testing.T, items any, field, value string) map[string]any {
	t.Helper()
	for _, i := range items.([]any) {
		if m := i.(map[string]any); m[field] == value {
			return m
		}
	}
	t.Fatalf("no %s %q in %v", field, value, items)
	return nil
}

// databaseOf is the name of a database in an address with options.
func databaseOf(central string) string {
	address, _, _ := strings.Cut(central, "?")
	return servertest.Name(address)
}

// TestJoinFromAFreshHome comes in over TLS with nothing but the invite, on a
// server whose certificate the company signed itself.
func TestJoinFromAFreshHome(t *testing.T) {
	ca := servertest.NewAuthority(t)
	ca.Issue(t, servertest.Certificate{})
	s := servertest.Start(t, ca.TLS())
	o := newOffice(t, s, s.Database(t)+"?tls=true&tls-ca="+ca.File)
	invite := o.hire("ann", "--role", "sales", "--scope", "own", "--name", "Ann Lee")
	o.json("sync")
	for _, name := range []string{"Acme", "Bolt"} {
		o.json("organization", "add", "--set", "name="+name, "--set", "owner=ann")
	}
	o.json("organization", "add", "--set", "name=Not Ann's")
	o.json("sync")

	ann := join(t, invite)
	if names := ann.json("organization", "list")["total"]; names != 2.0 {
		t.Errorf("ann sees %v organizations", names)
	}
	id := ann.json("contact", "add", "--set", "last_name=New")["id"].(string)
	want(t, "sync", ann.json("sync"), map[string]float64{"pushed": 1, "refused": 0})
	o.json("sync")
	o.json("contact", "show", id)

	// The account is there for TLS only.
	open := &laptop{t, t.TempDir(), s.URLFor("ann", strings.ReplaceAll(ownPassword, " ", "%20"), databaseOf(o.central)) + "?tls=false"}
	open.refused(6, "by TLS only", "sync")
	// A person is told of the central what a person may know.
	if st := ann.json("central", "status"); st["position"] == 0.0 || len(st["rows"].(map[string]any)) != 0 {
		t.Errorf("%v", st)
	}
	ann.json("doctor")
	ann.refused(6, "may not", "central", "user", "list")

	config, err := os.ReadFile(filepath.Join(ann.dir, "config.toml"))
	if err != nil || strings.Contains(string(config), ownPassword) || !strings.Contains(string(config), "tls=true") {
		t.Errorf("%v: %s", err, config)
	}
	filepath.WalkDir(ann.dir, func(path string, d fs.DirEntry, err error) error {
		if info, e := d.Info(); err != nil || e != nil || info.Mode().Perm()&0o077 != 0 && path != ann.dir {
			t.Errorf("others can read %s", path)
		}
		return nil
	})
	log, err := os.ReadFile(filepath.Join(ann.dir, "logs", "rapport.log"))
	if err != nil || strings.Contains(string(log), ownPassword) || strings.Contains(string(log), "rapport1-") {
		t.Errorf("the log holds a secret, %v", err)
	}

	// The invite works once.
	late := &laptop{t, t.TempDir(), ""}
	if code, out, errs := late.run(invite+"\n"+ownPassword+"\n", "join", "--password-stdin"); code != 6 || !strings.Contains(errs, "one-time password of this invite") {
		t.Errorf("a second use: exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := late.run("rapport1-abc\n"+ownPassword+"\n", "join", "--password-stdin"); code != 2 || !strings.Contains(errs, "no invite") {
		t.Errorf("half an invite: exit %d\n%s", code, errs)
	}
	if code, _, errs := late.run(invite+"\n12345678\n", "join", "--password-stdin"); code != 2 || !strings.Contains(errs, "guessed") {
		t.Errorf("a trivial password: exit %d\n%s", code, errs)
	}
}

// TestT68AccountLifeOnALaptop locks, unlocks, changes and takes away what a
// laptop works with: it stops with a sentence, keeps what is unsent, and goes
// on afterwards.
func TestT68AccountLifeOnALaptop(t *testing.T) {
	s := servertest.Shared(t)
	o := newOffice(t, s, s.Database(t))
	ann := join(t, o.hire("ann68"))
	unsent := func(n float64) {
		t.Helper()
		want(t, "status", ann.json("status"), map[string]float64{"pending": n})
	}
	ann.json("contact", "add", "--set", "last_name=One")
	o.json("central", "user", "lock", "ann68")
	ann.refused(6, "locked", "sync")
	unsent(1)
	if p := find(t, o.json("central", "user", "list")["items"], "login", "ann68"); p["active"] != false || p["account"] != "locked" {
		t.Errorf("%v", p)
	}
	o.json("central", "user", "unlock", "ann68")
	want(t, "sync", ann.json("sync"), map[string]float64{"pushed": 1})

	ann.json("contact", "add", "--set", "last_name=Two")
	again := o.json("central", "user", "password", "ann68")
	ann.refused(6, "user name and password", "sync")
	unsent(1)
	const next = "another sentence of words"
	if code, out, errs := ann.run(again["password"].(string)+"\n"+next+"\n", "password", "--current", "--password-stdin"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	want(t, "sync", ann.json("sync"), map[string]float64{"pushed": 1})

	// An expired password is changed from the program, without asking for it.
	ann.json("contact", "add", "--set", "last_name=Three")
	s.SQL(t, "", "ALTER USER ann68@'%' PASSWORD EXPIRE")
	ann.refused(6, "expired", "sync")
	unsent(1)
	if code, out, errs := ann.run("short\n", "password", "--password-stdin"); code != 2 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs := ann.run("the third sentence\n", "password", "--password-stdin"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	want(t, "sync", ann.json("sync"), map[string]float64{"pushed": 1})

	ann.json("contact", "add", "--set", "last_name=Four")
	o.json("central", "user", "edit", "ann68", "--role", "readonly")
	ann.refused(6, "refused 1 record", "sync")
	o.json("central", "user", "edit", "ann68", "--role", "sales")
	ann.json("pending", "retry")
	want(t, "sync", ann.json("sync"), map[string]float64{"pushed": 1, "refused": 0})

	ann.json("contact", "add", "--set", "last_name=Five")
	o.json("central", "user", "remove", "ann68", "--yes")
	ann.refused(6, "user name and password", "sync")
	unsent(1)
}

// TestLostLaptopEmptiesItself tells one of two laptops to empty itself.
func TestLostLaptopEmptiesItself(t *testing.T) {
	s := servertest.Shared(t)
	o := newOffice(t, s, s.Database(t))
	invite := o.hire("bob69")
	lost := join(t, invite)
	secret := "Confidential Tobias"
	lost.json("contact", "add", "--set", "last_name="+secret)
	lost.json("sync")
	lost.json("backup", "create")
	lost.json("contact", "add", "--set", "last_name=Unsent "+secret)

	// The second device has the password, as its owner does.
	kept := &laptop{t, t.TempDir(), s.URLFor("bob69", strings.ReplaceAll(ownPassword, " ", "%20"), servertest.Name(o.central))}
	kept.json("sync")
	kept.json("contact", "list")

	devices := o.json("central", "device", "list")["items"].([]any)
	if len(devices) != 2 {
		t.Fatalf("%v", devices)
	}
	var id string
	for _, d := range devices {
		m := d.(map[string]any)
		if m["login"] != "bob69" || m["name"] == nil || m["program"] == nil || m["last_seen"] == nil {
			t.Errorf("%v", m)
		}
		if id == "" || m["first_seen"].(string) < find(t, devices, "id", id)["first_seen"].(string) {
			id = m["id"].(string)
		}
	}
	if code, _, errs := o.run("", "central", "device", "wipe", id, "--no-input"); code != 2 || !strings.Contains(errs, "confirmation") {
		t.Errorf("without a confirmation: exit %d, %s", code, errs)
	}
	// A window that is open on it lets go of what it shows.
	window, err := workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}).Open(t.Context(),
		model.Settings{Home: lost.dir, Me: "bob69", Central: strings.Replace(kept.central, ":"+strings.ReplaceAll(ownPassword, " ", "%20"), "", 1), PasswordFile: filepath.Join(lost.dir, "central-password")})
	if err != nil {
		t.Fatal(err)
	}
	defer window.Close()
	// What a step that was cut off leaves behind goes, too.
	for _, name := range []string{"rapport-before-v1.db", "rapport.db.search", filepath.Join("imports", "x-rejects.csv")} {
		path := filepath.Join(lost.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.json("central", "device", "wipe", id[len(id)-8:], "--yes")
	lost.refused(6, "asked this device to empty itself", "sync")

	filepath.WalkDir(lost.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(data), secret) || strings.Contains(string(data), ownPassword) {
			t.Errorf("%s holds what was to go, %v", path, err)
		}
		return nil
	})
	if n := lost.json("contact", "list")["total"]; n != 0.0 {
		t.Errorf("%v contacts are left", n)
	}
	lost.refused(6, "asked this device to empty itself", "sync")
	if d := find(t, o.json("central", "device", "list")["items"], "id", id); d["wiped_at"] == nil {
		t.Errorf("the wipe was not confirmed: %v", d)
	}
	if _, err := window.Sync(t.Context(), false, nil); model.KindOf(err) != model.Wiped {
		t.Errorf("the window: %v", err)
	}
	if n, err := window.Count(t.Context(), model.Query{Noun: "contact"}); err != nil || n != 0 || window.Settings().Central != "" {
		t.Errorf("the window shows %d contacts, %v", n, err)
	}
	// With the password in hand it fetches nothing before it is invited anew.
	lost.central = kept.central
	lost.refused(6, "asked this device to empty itself", "sync")
	if n := lost.json("contact", "list")["total"]; n != 0.0 {
		t.Errorf("%v contacts came back", n)
	}
	// The other device is none of that.
	kept.json("sync")
	if n := kept.json("contact", "list")["total"]; n != 1.0 {
		t.Errorf("the other device has %v contacts", n)
	}
	// One that follows the central hears of it, too.
	for _, d := range o.json("central", "device", "list")["items"].([]any) {
		if m := d.(map[string]any); m["wipe_at"] == nil {
			o.json("central", "device", "wipe", m["id"].(string), "--yes")
		}
	}
	kept.refused(6, "asked this device to empty itself", "sync", "--watch")
	if n := kept.json("contact", "list")["total"]; n != 0.0 {
		t.Errorf("%v contacts are left", n)
	}
	o.json("central", "device", "forget", id, "--yes")
	if left := o.json("central", "device", "list")["items"].([]any); len(left) != 1 {
		t.Errorf("%v", left)
	}

	// It was a mistake: with a new invite it is as before.
	lost.central = ""
	again := o.json("central", "user", "password", "bob69")["invite"].(string)
	if code, out, errs := lost.run(again+"\nyet another sentence\n", "join", "--password-stdin"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if n := lost.json("contact", "list")["total"]; n != 1.0 {
		t.Errorf("%v contacts after the return", n)
	}
}

// TestDeviceIsKnownAfterEveryContact asks for the status and for advice between
// syncs: the administrator goes on seeing the device's name, its program and
// what is unsent on it.
func TestDeviceIsKnownAfterEveryContact(t *testing.T) {
	s := servertest.Shared(t)
	o := newOffice(t, s, s.Database(t))
	ann := join(t, o.hire("ann72"))
	ann.json("contact", "add", "--set", "last_name=Unsent")
	before := o.json("central", "device", "list")["items"].([]any)[0].(map[string]any)
	if before["name"] == nil || before["program"] == nil {
		t.Fatalf("after the first sync: %v", before)
	}
	for _, ask := range []string{"status", "doctor"} {
		got := ann.json(ask)
		now := o.json("central", "device", "list")["items"].([]any)[0].(map[string]any)
		if now["name"] != before["name"] || now["program"] != before["program"] || now["pending"] != 1.0 {
			t.Errorf("after %s: %v, before %v", ask, now, before)
		}
		if ask == "doctor" && strings.HasPrefix(find(t, got["items"], "name", "central")["detail"].(string), "5.5.5-") {
			t.Errorf("the server's version: %v", find(t, got["items"], "name", "central"))
		}
	}
}

// TestHandOverReachesTheLaptops lets somebody leave.
func TestHandOverReachesTheLaptops(t *testing.T) {
	s := servertest.Shared(t)
	o := newOffice(t, s, s.Database(t))
	gone, next := join(t, o.hire("gone70")), join(t, o.hire("next70"))
	gone.json("organization", "add", "--set", "name=Acme", "--set", "phone=+41446681800", "--set", "owner=gone70")
	gone.json("sync")
	next.json("sync")
	if n := next.json("organization", "list")["total"]; n != 0.0 {
		t.Fatalf("next sees %v organizations of others", n)
	}
	got := o.json("central", "user", "hand-over", "gone70", "next70", "--yes")
	if got["moved"] != 1.0 {
		t.Errorf("%v", got)
	}
	o.json("central", "user", "remove", "gone70", "--yes")
	next.json("sync")
	orgs := next.json("organization", "list")["items"].([]any)
	if len(orgs) != 1 {
		t.Fatalf("%v", orgs)
	}
	org := next.json("organization", "show", orgs[0].(map[string]any)["id"].(string))
	if phones := org["phone"].([]any); len(phones) != 1 || org["owner"].(map[string]any)["name"] != "next70" {
		t.Errorf("%v", org)
	}
	// A grant shows records and takes them back again.
	third := join(t, o.hire("third70"))
	o.json("central", "grant", "third70", "--scope", "next70", "--read-only")
	third.json("sync")
	if n := third.json("organization", "list")["total"]; n != 1.0 {
		t.Errorf("granted: %v", n)
	}
	if items := o.json("central", "grant", "list", "third70")["items"].([]any); len(items) != 1 {
		t.Errorf("%v", items)
	}
	o.json("central", "grant", "revoke", "third70", "--scope", "next70")
	third.json("sync")
	if n := third.json("organization", "list")["total"]; n != 0.0 {
		t.Errorf("revoked: %v", n)
	}
	if code, out, errs := o.run("", "central", "check", "--json"); code != 0 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}
