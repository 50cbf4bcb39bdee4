package cli_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rapport/db/workspace"
	"rapport/ui/cli"
)

// TestBackupChain makes backups of all kinds, proves one by a restore on trial,
// and restores the newest.
func TestBackupChain(t *testing.T) {
	s := newShell(t)
	to := filepath.Join(t.TempDir(), "backups")
	s.ok("contact", "add", "--set", "last_name=Meier")
	first := s.ok("backup", "create", "--kind", "incremental", "--to", to)
	s.want(first["kind"], `"full"`)
	if note, _ := first["note"].(string); !strings.Contains(note, "a full backup was made") {
		t.Errorf("%v", first)
	}
	s.ok("contact", "add", "--set", "last_name=Huber")
	second := s.ok("backup", "create", "--kind", "incremental", "--to", to)
	s.want(second["kind"], `"incremental"`)
	s.want(second["parent"], text(first["id"]))
	s.want(s.ok("backup", "create", "--kind", "differential", "--to", to)["parent"], text(first["id"]))
	trial := s.ok("backup", "verify", "latest", "--from", to, "--level", "v4")
	s.want(trial["level"], `"V4"`)
	s.want(s.ok("backup", "list", "--from", to)["items"].([]any)[0].(map[string]any)["level"], `"V4"`)
	if a := s.run("backup", "list", "--from", to); !strings.Contains(a.out, "verified V4") || !strings.Contains(a.out, "verified V3") {
		t.Errorf("%s", a.out)
	}
	other := newShell(t)
	other.ok("backup", "restore", second["id"].(string), "--from", to)
	other.want(other.ok("contact", "list")["total"], "2")
}

// TestContinuousBackup is ended by the person, and says so.
func TestContinuousBackup(t *testing.T) {
	s := newShell(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var errs bytes.Buffer
	r, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(ctx, append(s.flags(), "backup", "create", "--continuous"), s.program(strings.NewReader(""), out, &errs))
		out.Close()
	}()
	line := make([]byte, 200)
	n, err := r.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "  full  ") {
		t.Fatalf("%q, %v", line[:n], err)
	}
	go io.Copy(io.Discard, r)
	cancel()
	if c := <-code; c != 0 || !strings.Contains(errs.String(), "stopped: 1 backup was made, the newest as of") || !strings.Contains(errs.String(), "a full backup was made") {
		t.Errorf("exit %d\n%s", c, errs.String())
	}
}

// TestRecoveryKey prints the key once, has a person at a terminal type it, and
// encrypts for it.
func TestRecoveryKey(t *testing.T) {
	s := newShell(t)
	k := s.ok("backup", "init", "--new-key")
	one, two := k["recovery_recipient"].(string), s.ok("backup", "init", "--new-key")["recovery_recipient"].(string)
	s.env["RAPPORT_BACKUP__RECIPIENTS"] = one
	if a := s.run("backup", "create", "--json"); a.code != 2 || !strings.Contains(a.err, "for one key only") {
		t.Errorf("exit %d %s", a.code, a.err)
	}
	s.want(s.ok("backup", "create", "--one-key")["encrypted"], "true")
	s.env["RAPPORT_BACKUP__RECIPIENTS"] = one + "," + two
	s.ok("backup", "create")
	for name, c := range map[string]struct {
		answers []string // "" for the key itself
		code    int
	}{"at once": {[]string{""}, 0}, "in the end": {[]string{"x", "y", ""}, 0}, "never": {[]string{"x", "y", "z"}, 2}} {
		var out, errs bytes.Buffer
		in := answers(func() string {
			a := c.answers[0]
			c.answers = c.answers[1:]
			if a == "" {
				a = regexp.MustCompile(`AGE-SECRET-KEY-\S+`).FindString(out.String())
			}
			return a + "\n"
		})
		p := s.program(in, &out, &errs)
		p.Streams.InTerminal, p.Streams.ErrTerminal = true, true
		if code := cli.Run(t.Context(), append(s.flags(), "backup", "init", "--new-key"), p); code != c.code || strings.Contains(out.String(), "  age1") != (c.code == 0) {
			t.Errorf("%s: exit %d\n%s%s", name, code, out.String(), errs.String())
		}
	}
}

// TestOwnKey makes this computer's key once, and opens with it what was
// encrypted for it.
func TestOwnKey(t *testing.T) {
	s := newShell(t)
	k := s.ok("backup", "init", "--own-key")
	if again := s.ok("backup", "init", "--own-key"); again["own_recipient"] != k["own_recipient"] {
		t.Errorf("%v is made anew as %v", k, again)
	}
	if a := s.run("backup", "init", "--own-key"); a.code != 0 || !strings.Contains(a.out, k["own_key_file"].(string)) || strings.Contains(a.out, "AGE-SECRET-KEY") {
		t.Errorf("exit %d %s", a.code, a.out)
	}
	s.env["RAPPORT_BACKUP__RECIPIENTS"] = k["own_recipient"].(string)
	s.want(s.ok("backup", "create", "--one-key")["encrypted"], "true")
	if a := s.run("backup", "verify", "latest"); a.code == 0 {
		t.Error("it is read without the key")
	}
	s.ok("backup", "verify", "latest", "--identity", k["own_key_file"].(string))
}

// answers is an input that is made when it is read.
type answers func() string

func (a answers) Read(p []byte) (int, error) { return copy(p, a()), nil }

func (s *shell) program(in io.Reader, out, errs io.Writer) cli.Program {
	return cli.Program{
		Streams: cli.Streams{In: in, Out: out, Err: errs},
		Backend: workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}),
		Env:     func(name string) string { return s.env[name] },
		Now:     func() time.Time { return now },
		Build:   cli.Build{Version: "test", Go: "go"},
	}
}
