package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// long is a test of a trap that has a long form, run often with an
// environment that says so.
type long struct {
	name, pkg, run string
}

// longs are the long forms. A test looks for RAPPORT_SOAK=1 itself.
var longs = []long{
	{"order and clocks", "./db/sync", "^TestT(0[1-9]|1[0-2])"},
	{"wire", "./db/sync", "^TestT(2[0-3]|35)"},
	{"kill", "./db/sync", "^TestT2[56]"},
	{"loads", "./db/sync", "^TestT(69|92)"},
	{"schedules on a server", "./db/sync", "^TestRandomSchedules"},
}

// root returns the folder of the module.
func root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", errors.New("the tests are run from within the module")
	}
	return filepath.Dir(file), nil
}

// goTest runs tests and returns what they printed; failed tells that one of
// them did not pass.
func goTest(ctx context.Context, dir string, env []string, args ...string) (output string, failed bool, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return out.String(), true, nil
	}
	return out.String(), false, err
}

// runLong runs the long forms of the trap tests.
func runLong(ctx context.Context, s settings) error {
	dir, err := root()
	if err != nil {
		return err
	}
	bad := 0
	for _, l := range longs {
		if !strings.Contains(l.name, s.only) {
			continue
		}
		began := time.Now()
		out, failed, err := goTest(ctx, dir, []string{"RAPPORT_SOAK=1"}, "-count=1", "-timeout=60m", "-run", l.run, l.pkg)
		if err != nil {
			return err
		}
		word := "passed"
		if failed {
			word = "FAILED"
			bad++
		}
		fmt.Printf("%-24s %s in %.0f s\n", l.name, word, time.Since(began).Seconds())
		if failed {
			fmt.Println(out)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d long tests failed", bad)
	}
	return nil
}
