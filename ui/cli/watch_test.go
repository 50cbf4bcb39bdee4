package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/workspace"
	"rapport/ui/cli"
)

// watch is a `sync --watch` that runs while a test goes on.
type watch struct {
	t      *testing.T
	out    *bufio.Scanner
	cancel context.CancelFunc
	code   chan int
	mu     sync.Mutex
	said   bytes.Buffer
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(p)
}

func (w *watch) stderr() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String()
}

func (s *shell) watch(args ...string) *watch {
	s.t.Helper()
	r, out := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	w := &watch{t: s.t, out: bufio.NewScanner(r), cancel: cancel, code: make(chan int, 1)}
	go func() {
		w.code <- cli.Run(ctx, append(s.flags(), append([]string{"sync", "--watch", "--json"}, args...)...), cli.Program{
			Streams: cli.Streams{In: strings.NewReader(""), Out: out, Err: w},
			Backend: workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}),
			Env:     func(name string) string { return s.env[name] },
			Now:     func() time.Time { return now },
			Build:   cli.Build{Version: "test", Go: "go"},
		})
		out.Close()
	}()
	s.t.Cleanup(cancel)
	return w
}

// next is the next object that is printed.
func (w *watch) next() map[string]any {
	w.t.Helper()
	if !w.out.Scan() {
		w.t.Fatalf("the watch printed nothing more and said\n%s", w.stderr())
	}
	var v map[string]any
	if err := json.Unmarshal(w.out.Bytes(), &v); err != nil {
		w.t.Fatalf("%v in %q", err, w.out.Text())
	}
	return v
}

// TestWatch keeps two people up to date: one object for each sync that did
// something, the state on the standard error, and a clean end.
func TestWatch(t *testing.T) {
	url := servertest.Shared(t).Database(t)
	ada, bob := newShell(t), newShell(t)
	for _, s := range []*shell{ada, bob} {
		s.env["RAPPORT_CENTRAL"], s.env["RAPPORT_SYNC__INTERVAL"] = url, "1s"
	}
	bob.env["RAPPORT_ME"] = "bob"
	ada.ok("central", "init")
	id := ada.ok("contact", "add", "--set", "last_name=Meier")["id"].(string)
	w := ada.watch()
	if v := w.next(); v["pushed"].(float64) != 1 {
		t.Errorf("first %v", v)
	}
	bob.ok("sync")
	bob.ok("contact", "edit", id, "--set", "job_title=Buyer")
	bob.ok("sync")
	if v := w.next(); v["pulled"].(float64) != 1 || v["pushed"].(float64) != 0 {
		t.Errorf("after a colleague's edit %v", v)
	}
	// Another process edits and syncs the same home while the watch runs.
	ada.ok("contact", "edit", id, "--set", "department=Sales")
	// It is turned away where the watch is at a sync that takes long.
	beside := ada.run("sync", "--json")
	for beside.code == 7 {
		beside = ada.run("sync", "--json")
	}
	if beside.code != 0 {
		t.Errorf("a sync beside a watch: exit %d %s", beside.code, beside.err)
	}
	w.cancel()
	if code := <-w.code; code != 130 {
		t.Errorf("exit %d", code)
	}
	// A watch that finds the other sync at work says so, and when it goes on.
	if s := w.stderr(); !strings.Contains(s, "watching mysql://") || strings.Count(s, "online") != 1+strings.Count(s, "another process syncs") {
		t.Errorf("said\n%s", s)
	}
}

// TestWatchStops ends at once where only the person can help.
func TestWatchStops(t *testing.T) {
	server := servertest.Shared(t)
	url := server.Database(t)
	ada := newShell(t)
	ada.env["RAPPORT_CENTRAL"] = url
	ada.ok("central", "init")
	ada.env["RAPPORT_CENTRAL"] = server.URLFor("root", "wrong", servertest.Name(url))
	w := ada.watch()
	if code := <-w.code; code != 6 || !strings.Contains(w.stderr(), `"refused"`) {
		t.Errorf("exit %d\n%s", code, w.stderr())
	}
	if a := ada.run("sync", "--watch", "--json"); a.code != 6 {
		t.Errorf("exit %d", a.code)
	}
	ada.env["RAPPORT_SYNC__INTERVAL"] = "2 seconds"
	if a := ada.run("sync", "--watch", "--json"); a.code != 2 || a.failure() != "invalid" {
		t.Errorf("a wrong interval: exit %d %s", a.code, a.err)
	}
}
