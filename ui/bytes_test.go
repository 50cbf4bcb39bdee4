package ui

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"

	"rapport/model"
)

// screenOf is a terminal that counts what is written to it.
type screenOf struct {
	mu    sync.Mutex
	em    *vt.Emulator
	bytes int
}

func (s *screenOf) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += len(p)
	// Bubble Tea takes what is no terminal for one that returns the carriage
	// at a line feed.
	_, err := s.em.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
	return len(p), err
}

func (s *screenOf) state() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.em.String(), s.bytes
}

// TestKeysWriteFewBytes runs the real loop and counts what a key costs on the
// line: a slow one must not feel slow.
func TestKeysWriteFewBytes(t *testing.T) {
	x := begin(t, 100, 30, model.Settings{})
	term := &screenOf{em: vt.NewEmulator(100, 30)}
	// What the terminal is asked is answered to nobody.
	go func() { _, _ = io.Copy(io.Discard, term.em) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := tea.NewProgram(New(ctx, x.ws, Options{Width: 100, Height: 30, Theme: "dark", Now: func() time.Time { return x.now },
		After: func(time.Duration, tea.Msg) tea.Cmd { return nil }}),
		tea.WithContext(ctx), tea.WithInput(nil), tea.WithOutput(term), tea.WithWindowSize(100, 30),
		tea.WithColorProfile(colorprofile.TrueColor), tea.WithoutSignals(), tea.WithEnvironment([]string{"TERM=xterm-256color", "COLORTERM=truecolor"}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = p.Run()
	}()
	// The emulator's own Close races with a Read that waits.
	defer func() { p.Quit(); <-done; _ = term.em.InputPipe().(io.Closer).Close() }()

	// press sends a key and waits until the screen shows what it leads to.
	press := func(k tea.KeyPressMsg, want string) int {
		t.Helper()
		_, before := term.state()
		p.Send(k)
		for ctx.Err() == nil {
			if s, n := term.state(); strings.Contains(s, want) {
				return n - before
			}
			time.Sleep(time.Millisecond)
		}
		s, _ := term.state()
		t.Fatalf("%q does not appear:\n%s", want, s)
		return 0
	}
	letter := func(r rune) tea.KeyPressMsg { return tea.KeyPressMsg{Code: r, Text: string(r)} }
	press(letter('2'), "›● Ada Meier 00")
	press(letter('j'), "›● Ada Meier 01")
	for _, want := range []string{"›● Ada Meier 02", "›● Ada Meier 03", "›● Ada Meier 04"} {
		if n := press(letter('j'), want); n > 400 {
			t.Errorf("moving the cursor writes %d bytes", n)
		}
	}
	press(letter('n'), "New contact")
	press(tea.KeyPressMsg{Code: tea.KeyTab}, "First name")
	press(letter('q'), "q")
	for _, want := range []string{"qa", "qab", "qabc"} {
		if n := press(letter(rune(want[len(want)-1])), want); n > 80 {
			t.Errorf("typing a letter writes %d bytes", n)
		}
	}
}
