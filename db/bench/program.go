package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rapport/screenshots/term"
)

// Size of the terminal in which programs are measured, and how long one may
// take to show something.
const (
	width, height = 100, 30
	patience      = 90 * time.Second
)

// build compiles a command of this project once and returns its path.
func (b *bench) build(ctx context.Context, pkg string) (string, error) {
	if path := b.built[pkg]; path != "" {
		return path, nil
	}
	dir, err := b.scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "program"+strconv.Itoa(len(b.built)))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	if b.built == nil {
		b.built = map[string]string{}
	}
	b.built[pkg] = path
	return path, nil
}

// scratch returns the folder for what this run needs only.
func (b *bench) scratch() (string, error) {
	if b.temp == "" {
		var err error
		if b.temp, err = os.MkdirTemp("", "rapport-bench-"); err != nil {
			return "", err
		}
	}
	return b.temp, nil
}

// isolate gives a command an environment in which no configuration of the
// person who measures counts.
func (b *bench) isolate(cmd *exec.Cmd) *exec.Cmd {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RAPPORT_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+filepath.Join(b.temp, "config"), "HOME="+b.temp)
	return cmd
}

// shown waits until a program shows a text and returns how long that took.
// It looks more often than a screen is drawn.
func shown(t *term.Terminal, text string, from time.Time) (time.Duration, error) {
	for {
		if strings.Contains(t.Text(), text) {
			return time.Since(from), nil
		}
		if time.Since(from) > patience {
			return 0, fmt.Errorf("%q did not appear; the screen:\n%s", text, t.Text())
		}
		if err := t.Wait(text, time.Millisecond); err != nil && strings.Contains(err.Error(), "ended") {
			return 0, err
		}
	}
}

var errNoProc = errors.New("not to be read on this system")

// cpuOf is the CPU time that a running process has used, all threads, in
// nanoseconds: finer than the ticks of /proc/PID/stat.
func cpuOf(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, errNoProc
	}
	var sum time.Duration
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		ns, _, _ := strings.Cut(string(data), " ")
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			return 0, errNoProc
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// memoryOf reads VmRSS and VmHWM of a process, in megabytes. A bare RSS also
// counts the pages of files that are mapped.
func memoryOf(pid int) (now, peak float64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, errNoProc
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			now = kb / 1024
		case "VmHWM:":
			peak = kb / 1024
		}
	}
	return now, peak, nil
}
