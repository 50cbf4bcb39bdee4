package workspace

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

func testBackend() *Backend { return New(Options{Log: slog.New(slog.DiscardHandler)}) }

func openTest(t *testing.T, s model.Settings) model.Workspace {
	t.Helper()
	ws, err := testBackend().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func TestPasswordIsPutIntoEveryAddress(t *testing.T) {
	const secret = `p@ss:w/ö,rd#%?`
	for _, central := range []string{
		"mysql://eve@db.example.org/crm?tls=false",
		"mysql://eve@h1,h2/crm",
		"mysql://eve@h1/crm,mysql://eve@h2:3307/crm?tls=skip-verify",
		"mysql://eve@localhost/crm?socket=/run/a@b.sock",
	} {
		a, err := mysql.ParseURL(withPassword(central, secret))
		if err != nil {
			t.Fatalf("%s: %v", central, err)
		}
		for _, one := range append([]mysql.Address{a}, a.Standby...) {
			if one.User != "eve" || one.Password != secret {
				t.Errorf("%s: %s with %q", central, one.User, one.Password)
			}
		}
	}
	if hasPassword("mysql://eve@h/crm") || !hasPassword("mysql://eve@h1/crm,mysql://eve:x@h2/crm") {
		t.Error("a password is not told from its absence")
	}
}

func TestPasswordComesFromCommandOrFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if p, err := password(ctx, model.Settings{PasswordCommand: "printf 'from command\\n'", PasswordFile: file}); err != nil || p != "from command" {
		t.Errorf("%q, %v", p, err)
	}
	if p, err := password(ctx, model.Settings{PasswordFile: file}); err != nil || p != "from file" {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := password(ctx, model.Settings{PasswordCommand: "exit 1"}); model.KindOf(err) != model.Refused {
		t.Errorf("a failing command: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := password(ctx, model.Settings{PasswordFile: file}); model.KindOf(err) != model.Invalid {
		t.Errorf("a file that others can read: %v", err)
	}
}

func TestOpeningAsksForNoPassword(t *testing.T) {
	home := t.TempDir()
	asked := filepath.Join(home, "asked")
	ws := openTest(t, model.Settings{Home: home, Me: "ada", Central: "mysql://eve@127.0.0.1:1/crm", PasswordCommand: "touch " + asked})
	st, err := ws.Status(t.Context(), false)
	if err != nil || st.Online || st.Central == "" {
		t.Fatalf("%+v, %v", st, err)
	}
	if _, err := os.Stat(asked); err == nil {
		t.Error("the password was asked for although nobody asked the central")
	}
}

func TestInspect(t *testing.T) {
	ctx := t.Context()
	b := testBackend()
	home := filepath.Join(t.TempDir(), "home")
	check := func(want model.HomeInfo) {
		t.Helper()
		got, err := b.Inspect(ctx, home)
		if err != nil || got.Exists != want.Exists || got.Empty != want.Empty || got.Demo != want.Demo {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	check(model.HomeInfo{Empty: true})
	if _, err := os.Stat(home); err == nil {
		t.Error("looking at a home made it")
	}
	if _, err := b.Demo(ctx, model.Settings{Home: home}, model.DemoRequest{Contacts: 10, Seed: 1, Day: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	check(model.HomeInfo{Exists: true, Demo: true})
	if _, err := b.Demo(ctx, model.Settings{Home: home}, model.DemoRequest{Contacts: 10}, nil); model.KindOf(err) != model.Invalid {
		t.Errorf("a demo was laid over another: %v", err)
	}
	ws := openTest(t, model.Settings{Home: home, Me: "somebody"})
	if s := ws.Settings(); !s.Demo || s.Me != demoMe {
		t.Errorf("%+v", s)
	}
}

// TestRestoreIsSeenByWatchers holds that screens which are open while a backup
// is restored hear of it, and go on to hear of changes.
func TestRestoreIsSeenByWatchers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ws := openTest(t, model.Settings{Home: t.TempDir(), Me: "ada"})
	add := func(name string) {
		t.Helper()
		if _, err := ws.Save(ctx, model.Edit{Noun: "organization", Set: map[string]any{"name": name}}); err != nil {
			t.Fatal(err)
		}
	}
	add("before")
	if _, err := ws.CreateBackup(ctx, model.BackupRequest{Kind: "full"}, nil); err != nil {
		t.Fatal(err)
	}
	add("after")
	changes := ws.Watch(ctx)
	// The watcher is at work once it told of a change.
	wait(ctx, t, changes, func() { add("seen") })
	if _, safety, err := ws.RestoreBackup(ctx, model.BackupRequest{}, nil); err != nil || safety == "" {
		t.Fatal(safety, err)
	}
	for c := range changes {
		if c.Nouns == nil {
			break
		}
	}
	if n, err := ws.Count(ctx, model.Query{Noun: "organization"}); err != nil || n != 1 {
		t.Fatalf("%d organizations, %v", n, err)
	}
	wait(ctx, t, changes, func() { add("again") })
}

// wait makes changes until one is heard of.
func wait(ctx context.Context, t *testing.T, changes <-chan model.Change, do func()) {
	t.Helper()
	for {
		do()
		select {
		case <-ctx.Done():
			t.Fatal("nothing was heard of a change")
		case <-changes:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	ws := openTest(t, model.Settings{Home: t.TempDir(), Me: "ada", Central: "mysql://eve:secret@127.0.0.1:1/crm"})
	states := map[string]string{}
	for _, c := range ws.Doctor(t.Context()) {
		states[c.Name] = c.State
		if c.State != "ok" && c.Fix == "" {
			t.Errorf("%s says no remedy", c.Name)
		}
		if strings.Contains(c.Detail+c.Fix, "secret") {
			t.Errorf("%s shows the password", c.Name)
		}
	}
	if states["database"] != "ok" || states["central"] != "warn" {
		t.Errorf("%v", states)
	}
}
