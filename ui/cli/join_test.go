package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/model"
)

// newcomer is a backend whose only workspace notes what it is asked.
type newcomer struct {
	homes
	place   model.PasswordPlace
	opened  model.Settings
	changed []string // current and next
	err     error
	central string // after a change
	synced  int
}

type newcomerSpace struct {
	emptyWorkspace
	n *newcomer
}

func (n *newcomer) Open(ctx context.Context, s model.Settings) (model.Workspace, error) {
	n.opened, n.central = s, s.Central
	return newcomerSpace{emptyWorkspace{s: s, b: &n.homes}, n}, nil
}

func (w newcomerSpace) Settings() model.Settings {
	s := w.s
	s.Central = w.n.central
	return s
}

func (w newcomerSpace) ChangePassword(_ context.Context, current, next string) (model.PasswordPlace, error) {
	w.n.changed = append(w.n.changed, current, next)
	if w.n.err == nil && w.n.place == model.InAddress {
		w.n.central = "mysql://ada:changed@h1/crm,mysql://ada:changed@h2/crm"
	}
	return w.n.place, w.n.err
}

func (w newcomerSpace) Sync(context.Context, bool, model.Notify) (model.SyncResult, error) {
	w.n.synced++
	return model.SyncResult{Pulled: 7}, nil
}

// at runs a command in a home, at a terminal where secrets are what is typed
// without being shown.
func (n *newcomer) at(t *testing.T, home, in string, env map[string]string, secrets []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	s := Streams{In: strings.NewReader(in), Out: &o, Err: &e, InTerminal: secrets != nil, ErrTerminal: secrets != nil}
	s.ReadSecret = func(context.Context) (string, error) {
		if len(secrets) == 0 {
			t.Fatal("a password was asked for once too often")
		}
		next := secrets[0]
		secrets = secrets[1:]
		return next, nil
	}
	code = Run(t.Context(), append([]string{"--home", home}, args...), Program{Streams: s, Backend: n, Env: func(name string) string { return env[name] }})
	return code, o.String(), e.String()
}

const goodPassword = "correct horse battery"

func TestJoinAsksUntilThePasswordIsGood(t *testing.T) {
	n := &newcomer{place: model.InFile}
	home := filepath.Join(t.TempDir(), "home")
	invite := model.Invite{Central: "mysql://ada@h1:3306/crm?tls=true,mysql://ada@h2:3306/crm?tls=true", Password: "once", CA: "PEM"}
	code, out, errs := n.at(t, home, invite.String()+"\n", nil, []string{"short", goodPassword, "another", goodPassword, goodPassword}, "join")
	if code != exitOK || !strings.Contains(out, "Welcome, ada") || !strings.Contains(out, "received 7") || n.synced != 1 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"too short", "not the same"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not said:\n%s", want, errs)
		}
	}
	if strings.Contains(out+errs, goodPassword) || strings.Contains(out+errs, "once\n") {
		t.Error("a password is shown")
	}
	if len(n.changed) != 2 || n.changed[0] != "once" || n.changed[1] != goodPassword {
		t.Errorf("%q", n.changed)
	}
	ca, err := os.ReadFile(filepath.Join(home, caName))
	if err != nil || string(ca) != "PEM" {
		t.Errorf("%q, %v", ca, err)
	}
	c, found, err := readConfig(filepath.Join(home, configName))
	if err != nil || !found || strings.Count(c.Central.(string), "tls-ca=") != 2 || c.PasswordFile != filepath.Join(home, passwordName) {
		t.Errorf("%+v, %v", c, err)
	}

	// A second invite of the same person is welcome, one of another is not.
	if code, out, errs := n.at(t, home, "", nil, []string{goodPassword, goodPassword}, "join", invite.String(), "--no-sync"); code != exitOK || n.synced != 1 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	invite.Central = "mysql://bob@h1:3306/crm"
	if code, _, errs := n.at(t, home, "", nil, []string{}, "join", invite.String()); code != exitUsage || !strings.Contains(errs, "belongs to") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

func TestJoinWithoutATerminal(t *testing.T) {
	n := &newcomer{place: model.InFile}
	home := filepath.Join(t.TempDir(), "home")
	invite := model.Invite{Central: "mysql://ada@h/crm", Password: "once"}.String()
	for in, args := range map[string][]string{
		"":                                  {"join"},
		invite:                              {"join"},
		invite + "\n":                       {"join", "--password-stdin"},
		invite + "\n" + goodPassword + "\n": {"join"},
	} {
		if code, _, errs := n.at(t, home, in, nil, nil, args...); code != exitUsage {
			t.Errorf("%q: exit %d\n%s", args, code, errs)
		}
	}
	if _, err := os.Stat(home); err == nil || n.changed != nil {
		t.Error("something was made before the answers were there")
	}
	if code, out, errs := n.at(t, home, invite+"\r\n"+goodPassword+"\r\n", nil, nil, "join", "--password-stdin", "--json"); code != exitOK || !strings.Contains(out, `"login":"ada"`) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	n.err = model.Errorf(model.Refused, "no")
	if code, _, errs := n.at(t, home, "", nil, nil, "join", invite, "--password-stdin"); code != exitUsage || strings.Contains(errs, "one-time") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if code, _, errs := n.at(t, home, goodPassword, nil, nil, "join", invite, "--password-stdin"); code != exitRefused || !strings.Contains(errs, "one-time password") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

// TestPasswordIsStoredWhereItWas rewrites the configuration, and says so where
// it cannot.
func TestPasswordIsStoredWhereItWas(t *testing.T) {
	home := t.TempDir()
	config := filepath.Join(home, configName)
	before := "# mine\ncentral = [\n  \"mysql://ada:old@h1/crm\", # first\n  \"mysql://ada:old@h2/crm\"\n]\nme = \"ada\"\n\n[backup]\nto = \"/x\"\n"
	if err := os.WriteFile(config, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &newcomer{place: model.InAddress}
	code, out, errs := n.at(t, home, "", nil, []string{goodPassword, goodPassword}, "password")
	if code != exitOK || !strings.Contains(out, "It is in "+config) {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(config)
	if err != nil || strings.Contains(string(text), "old@") || !strings.Contains(string(text), "# mine") || !strings.Contains(string(text), "[backup]\nto = \"/x\"") {
		t.Errorf("%v\n%s", err, text)
	}
	if c, _, err := readConfig(config); err != nil || c.Central != n.central || c.Me != "ada" {
		t.Errorf("%+v, %v", c, err)
	}
	if code, out, _ := n.at(t, home, goodPassword, map[string]string{"RAPPORT_CENTRAL": "mysql://ada:x@h/crm"}, nil, "password", "--password-stdin"); code != exitOK || !strings.Contains(out, "RAPPORT_CENTRAL") {
		t.Errorf("exit %d\n%s", code, out)
	}
	n.place = model.InCommand
	if code, out, _ := n.at(t, home, "one time\n"+goodPassword, nil, nil, "password", "--current", "--password-stdin"); code != exitOK || !strings.Contains(out, "password_command") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if last := n.changed[len(n.changed)-2:]; last[0] != "one time" || last[1] != goodPassword {
		t.Errorf("%q", last)
	}
	n.err = model.Errorf(model.Refused, "the server does not accept this user name and password")
	if code, _, errs := n.at(t, home, goodPassword, nil, nil, "password", "--password-stdin"); code != exitRefused || !strings.Contains(errs, "--current") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if code, _, errs := (&newcomer{}).at(t, t.TempDir(), goodPassword, nil, nil, "password", "--password-stdin"); code != exitUsage || !strings.Contains(errs, "no central") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}
