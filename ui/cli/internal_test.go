package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"rapport/model"
)

// broken is a backend that fails in the way it was told.
type broken struct {
	model.Backend
	open func(context.Context) error
}

func (b broken) Open(ctx context.Context, _ model.Settings) (model.Workspace, error) {
	return nil, b.open(ctx)
}

func runBroken(t *testing.T, open func(context.Context) error, args ...string) (code int, home, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	home = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code = Run(ctx, append([]string{"--home", home, "--json"}, args...), Program{
		Streams: Streams{In: strings.NewReader(""), Out: &o, Err: &e},
		Env:     func(string) string { return "" },
		Backend: broken{open: func(ctx context.Context) error {
			err := open(ctx)
			if errors.Is(err, context.Canceled) {
				cancel()
			}
			return err
		}},
	})
	return code, home, o.String(), e.String()
}

func TestEveryKindHasItsExitCode(t *testing.T) {
	for kind, want := range map[model.Kind]int{
		model.Other: 1, model.Invalid: 2, model.Ambiguous: 2, model.NoCentral: 2, model.Partial: 3, model.Conflicting: 4, model.Unreachable: 5,
		model.Refused: 6, model.Locked: 7, model.Corrupt: 8, model.TooNew: 9, model.NotFound: 10, model.Interrupted: 130,
	} {
		code, _, out, errs := runBroken(t, func(context.Context) error {
			return fmt.Errorf("open: %w", model.Errorf(kind, "a sentence").WithHint("a hint"))
		}, "contact", "list")
		if code != want || out != "" || errs != fmt.Sprintf(`{"error":{"code":%q,"message":"a sentence","hint":"a hint"}}`+"\n", kind) {
			t.Errorf("%s: exit %d, want %d; %q %q", kind, code, want, out, errs)
		}
	}
	if code, _, _, _ := runBroken(t, func(context.Context) error { return errors.New("no kind") }, "status"); code != exitOther {
		t.Errorf("an error without a kind: exit %d", code)
	}
}

func TestInterruptedAndTimedOut(t *testing.T) {
	code, _, _, errs := runBroken(t, func(context.Context) error { return context.Canceled }, "sync")
	if code != exitInterrupted || !strings.Contains(errs, "interrupted") {
		t.Errorf("interrupted: exit %d %s", code, errs)
	}
	code, _, _, errs = runBroken(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "sync", "--timeout", "1ms")
	if code != exitOther || !strings.Contains(errs, "--timeout") {
		t.Errorf("timed out: exit %d %s", code, errs)
	}
}

func TestCrashLeavesAFileWithoutData(t *testing.T) {
	code, home, out, errs := runBroken(t, func(context.Context) error { panic("somebody's name") }, "contact", "list")
	if code != exitCrash || out != "" {
		t.Fatalf("exit %d %q", code, out)
	}
	files, err := filepath.Glob(filepath.Join(home, "logs", "crash-*.txt"))
	if err != nil || len(files) != 1 || !strings.Contains(errs, files[0]) {
		t.Fatalf("%v, %v, %s", files, err, errs)
	}
	data, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(data), "internal_test.go") || strings.Contains(string(data), "somebody's name") {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestConnectingKeepsTheConfiguration(t *testing.T) {
	const url = "mysql://eve@h/crm?tls=true"
	for _, old := range []string{
		"",
		"me = \"ada\"\n",
		"# mine\ncentral = \"mysql://old@h/crm\"\nme = \"ada\"\n",
		"[backup]\nto = \"/x\"\n",
		"me = \"ada\"\n\n[backup]\ncentral_of_nothing = 1\n",
		"central = [ \"mysql://a@[::1]/crm\", # ]\n  'mysql://b@[::2]/crm#]' ] # done\nme = \"ada\"\n[backup]\nto = \"/x\"\n",
		"central = [\"mysql://a@h/crm\"] # one\nme = \"ada\"\n[backup]\nto = \"/x\"\n",
	} {
		text := string(withKey([]byte(old), "central", url))
		var v map[string]any
		if err := toml.Unmarshal([]byte(text), &v); err != nil || v["central"] != url {
			t.Errorf("%q became %q: %v", old, text, err)
		}
		for _, keep := range []string{"# mine", "me = \"ada\"", "to = \"/x\""} {
			if strings.Contains(old, keep) != strings.Contains(text, keep) {
				t.Errorf("%q became %q", old, text)
			}
		}
	}
}

func TestNoPasswordIsShown(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"mysql://eve@h/crm":             "mysql://eve@h/crm",
		"mysql://eve:a@b:c@h/crm":       "mysql://eve:***@h/crm",
		"mysql://e:x@h/c,mysql://e:y@i": "mysql://e:***@h/c,mysql://e:***@i",
		"mysql://:x@h/c":                "mysql://:***@h/c",
		"mysql://ada:pa,ss@one/db":      "mysql://ada:***@one/db",
	} {
		if got := redacted(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestDocuments(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1}`:                         "1",
		"\ufeff{\"a\":1}\n":               "1",
		"{\n\"a\":1\n}\n{\"b\":2}":        "1 4",
		"\n\n[{\"a\":1},\n\n {\"b\":2} ]": "3 5",
		"{\"a\":1}\nx\n{\"b\":2}\n{":      "1 2! 3 4!",
	} {
		docs, _, err := documents([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		var got []string
		for _, d := range docs {
			s := fmt.Sprint(d.line)
			if d.err != nil {
				s += "!"
			}
			got = append(got, s)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", in, got, want)
		}
	}
}

func TestLogMakesRoom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "logs", "rapport.log")
	l := &logFile{name: name}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { l.file.Close() }()
	line := bytes.Repeat([]byte("x"), 1<<20)
	for range (logFiles + 2) * logSize >> 20 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(name + "*")
	if err != nil || len(files) != logFiles+1 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > logSize || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
}

// TestTheInterfaceBeginsAnewOnTheDemo holds that a session which asks for the
// demo goes on with it, and that the demo does not lie in the person's home.
func TestTheInterfaceBeginsAnewOnTheDemo(t *testing.T) {
	data := t.TempDir()
	home := filepath.Join(t.TempDir(), "own")
	var seen []string
	backend := &homes{}
	code := Run(t.Context(), []string{"--home", home}, Program{
		Streams: Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, InTerminal: true, OutTerminal: true},
		Env:     func(name string) string { return map[string]string{"XDG_DATA_HOME": data}[name] },
		Backend: backend,
		TUI: func(ctx context.Context, ws model.Workspace, o UIOptions) error {
			seen = append(seen, ws.Settings().Home)
			if o.Demo == nil {
				return nil
			}
			return o.Demo(ctx)
		},
	})
	want := []string{home, filepath.Join(data, "rapport-demo")}
	if code != exitOK || fmt.Sprint(seen) != fmt.Sprint(want) || backend.open != 0 {
		t.Errorf("exit %d, shown %v, want %v, %d left open", code, seen, want, backend.open)
	}
}

// homes is a backend whose workspaces know their settings only.
type homes struct {
	model.Backend
	open int
}

type emptyWorkspace struct {
	model.Workspace
	s model.Settings
	b *homes
}

func (b *homes) Open(_ context.Context, s model.Settings) (model.Workspace, error) {
	b.open++
	return emptyWorkspace{s: s, b: b}, nil
}

func (b *homes) Inspect(context.Context, string) (model.HomeInfo, error) {
	return model.HomeInfo{Empty: true}, nil
}

func (b *homes) Demo(context.Context, model.Settings, model.DemoRequest, model.Notify) (map[model.Noun]int64, error) {
	return map[model.Noun]int64{}, nil
}

func (w emptyWorkspace) Settings() model.Settings { return w.s }
func (w emptyWorkspace) Close() error             { w.b.open--; return nil }

// TestScriptOfStatements: what a restore prints beside its rows can be given to
// the program that the server comes with, bodies with semicolons among it.
func TestScriptOfStatements(t *testing.T) {
	got := strings.Join(script([]string{
		"-- the account may not read the objects", "CREATE ROLE IF NOT EXISTS 'r'",
		"SET SESSION sql_mode = '', collation_connection = 'c';CREATE FUNCTION f() RETURNS INT\nRETURN 1",
		"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN SET NEW.a = '$$'; END",
	}), "\n")
	want := "-- the account may not read the objects\nCREATE ROLE IF NOT EXISTS 'r';\nSET SESSION sql_mode = '', collation_connection = 'c';\nCREATE FUNCTION f() RETURNS INT\nRETURN 1;\n" +
		"DELIMITER $$$\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN SET NEW.a = '$$'; END\n$$$\nDELIMITER ;"
	if got != want {
		t.Errorf("it prints\n%s\nwant\n%s", got, want)
	}
}
