package ui

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
	"rapport/ui/screen"
)

// worker is a screen that is at work until it is told otherwise.
type worker struct {
	screen.Screen
	what    string
	failed  error
	stopped bool
	heard   int
}

type workedMsg struct{ err error }

func (w *worker) Lasts() (what, stopped string) {
	if w.what == "" {
		return "", ""
	}
	return w.what, "Nothing is changed by it."
}
func (w *worker) Stop()         { w.stopped = true }
func (w *worker) Failed() error { return w.failed }
func (w *worker) Update(msg tea.Msg) tea.Cmd {
	if m, ok := msg.(workedMsg); ok {
		w.heard++
		w.what, w.failed = "", m.err
	}
	return w.Screen.Update(msg)
}

// atBackups is a session whose page of backups is at work.
func atBackups(t *testing.T) (*session, *worker) {
	t.Helper()
	s := begin(t, 80, 24, model.Settings{})
	s.run(s.r.update(screen.OpenMsg{Kind: screen.Backups}))
	st := s.r.stacks[s.r.tab]
	w := &worker{Screen: st[len(st)-1].Screen, what: "backing up 41 %"}
	st[len(st)-1].Screen = w
	return s, w
}

// TestWorkGoesOnWhenItsPageIsLeft is told of in the status line, and the page
// is there again when it is opened.
func TestWorkGoesOnWhenItsPageIsLeft(t *testing.T) {
	s, w := atBackups(t)
	status := func() string { return ansi.Strip(s.r.statusLine()) }
	if strings.Contains(status(), "backing up") {
		t.Error("it is told of while its page is seen")
	}
	s.run(s.r.update(screen.BackMsg{}))
	if s.r.top() == screen.Screen(w) || !strings.Contains(status(), "backing up 41 %") {
		t.Errorf("after leaving: %q", status())
	}
	s.run(s.r.update(screen.OpenMsg{Kind: screen.Backups}))
	if s.r.top() != screen.Screen(w) || len(s.r.away) != 0 {
		t.Error("it is not the same page that comes back")
	}
	// From another tab it comes over, so that there is one of it.
	s.press("2")
	s.run(s.r.update(screen.OpenMsg{Kind: screen.Backups}))
	if s.r.top() != screen.Screen(w) || len(s.r.stacks[0]) != 1 {
		t.Error("another page of the same is opened beside the one at work")
	}
	s.press("2") // to the tab's first page
	s.run(s.r.update(workedMsg{}))
	if w.heard != 1 || strings.Contains(status(), "backing up") || len(s.r.notices) != 0 {
		t.Errorf("heard %d, status %q", w.heard, status())
	}
}

// TestWorkThatFailsElsewhereIsTold shows the error although its page is not
// seen.
func TestWorkThatFailsElsewhereIsTold(t *testing.T) {
	s, w := atBackups(t)
	s.run(s.r.update(screen.BackMsg{}))
	s.run(s.r.update(workedMsg{errors.New("the share is gone")}))
	s.run(s.r.update(workedMsg{errors.New("the share is gone")}))
	if len(s.r.notices) != 1 || !strings.Contains(s.r.notices[0].text, "Backups: the share is gone") {
		t.Errorf("told %+v", s.r.notices)
	}
	s.run(s.r.update(screen.OpenMsg{Kind: screen.Backups}))
	if s.r.top() != screen.Screen(w) {
		t.Error("the page that tells more is gone")
	}
}

// TestQuittingStopsWork asks first.
func TestQuittingStopsWork(t *testing.T) {
	s, w := atBackups(t)
	s.run(s.r.update(screen.BackMsg{}))
	s.press("q")
	if v := s.screen(); s.quit || !strings.Contains(v, "Backing up 41 % is under way and would be stopped.") || !strings.Contains(v, "changed by it.") {
		t.Errorf("it does not ask:\n%s", v)
	}
	s.press("y")
	if !s.quit || !w.stopped {
		t.Errorf("quit %v, stopped %v", s.quit, w.stopped)
	}
}

// TestQuittingWaitsForWhatItStopped lets a backup take away what it wrote.
func TestQuittingWaitsForWhatItStopped(t *testing.T) {
	s := begin(t, 80, 24, model.Settings{})
	slow := &slowBackup{Workspace: s.ws, begun: make(chan struct{}), cleared: make(chan struct{})}
	s.r.ws.Workspace = slow
	ctx, cancel := context.WithCancel(t.Context())
	go s.r.ws.CreateBackup(ctx, model.BackupRequest{}, nil)
	<-slow.begun
	cancel()
	s.r.ws.finish()()
	select {
	case <-slow.cleared:
	default:
		t.Error("the session ended before")
	}
}

// slowBackup clears up when it is stopped.
type slowBackup struct {
	model.Workspace
	begun, cleared chan struct{}
}

func (b *slowBackup) CreateBackup(ctx context.Context, _ model.BackupRequest, _ model.Notify) (model.BackupInfo, error) {
	close(b.begun)
	<-ctx.Done()
	close(b.cleared)
	return model.BackupInfo{}, ctx.Err()
}
