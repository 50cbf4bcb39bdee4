// Package term runs a program in a terminal of its own, in this process: a
// pseudo terminal with an emulator behind it that answers the program's
// questions as a real terminal does. Pictures and measurements are taken from
// it.
//
// Promises: a picture is what the program wrote, cell for cell; nothing waits
// by sleeping for a fixed time where it can wait for a text.
package term

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Terminal is a running program with its screen.
type Terminal struct {
	Width, Height int
	Dark          bool

	cmd  *exec.Cmd
	file *os.File
	done chan struct{}

	mu      sync.Mutex
	screen  *vt.Emulator
	written int64
	last    time.Time // when the program last wrote
}

// Colours of the terminal's own background and text.
var (
	darkBack, darkFore   = color.RGBA{0x16, 0x16, 0x1a, 0xff}, color.RGBA{0xe4, 0xe4, 0xe7, 0xff}
	lightBack, lightFore = color.RGBA{0xfa, 0xfa, 0xfa, 0xff}, color.RGBA{0x18, 0x18, 0x1b, 0xff}
)

// Start runs cmd in a terminal of that size. A program that asks for the
// background is told a dark or a light one.
func Start(cmd *exec.Cmd, width, height int, dark bool) (*Terminal, error) {
	t := &Terminal{Width: width, Height: height, Dark: dark, cmd: cmd, done: make(chan struct{}), screen: vt.NewEmulator(width, height)}
	back, fore := t.Back(), t.Fore()
	t.screen.SetDefaultBackgroundColor(back)
	t.screen.SetDefaultForegroundColor(fore)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "COLORTERM=truecolor", "LANG=C.UTF-8", "LC_ALL=C.UTF-8")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	t.file = f
	go t.listen()
	go t.answer()
	return t, nil
}

// Back returns the terminal's own background.
func (t *Terminal) Back() color.Color {
	if t.Dark {
		return darkBack
	}
	return lightBack
}

// Fore returns the terminal's own text colour.
func (t *Terminal) Fore() color.Color {
	if t.Dark {
		return darkFore
	}
	return lightFore
}

// listen feeds what the program writes to the emulator until it ends.
func (t *Terminal) listen() {
	defer close(t.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := t.file.Read(buf)
		if n > 0 {
			t.mu.Lock()
			t.written += int64(n)
			t.last = time.Now()
			_, _ = t.screen.Write(buf[:n])
			t.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// answer passes on what the emulator replies to the program's questions.
func (t *Terminal) answer() {
	buf := make([]byte, 4<<10)
	for {
		n, err := t.screen.Read(buf)
		if n > 0 {
			if _, werr := t.file.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Type sends text as typed.
func (t *Terminal) Type(text string) error {
	_, err := t.file.WriteString(text)
	return err
}

// keys are the sequences of keys that are no text.
var keys = map[string]string{
	"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "backspace": "\x7f",
	"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
	"home": "\x1b[H", "end": "\x1b[F", "pgup": "\x1b[5~", "pgdown": "\x1b[6~",
	"ctrl+c": "\x03", "ctrl+k": "\x0b", "ctrl+p": "\x10", "ctrl+s": "\x13", "ctrl+d": "\x04", "ctrl+u": "\x15", "shift+tab": "\x1b[Z",
}

// Press sends keys by name; one that has no name is sent as it is.
func (t *Terminal) Press(names ...string) error {
	for _, name := range names {
		seq, ok := keys[name]
		if !ok {
			seq = name
		}
		if err := t.Type(seq); err != nil {
			return err
		}
		if name == "esc" { // apart from the sequences that begin with it
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

// Wait waits until the screen shows a text.
func (t *Terminal) Wait(text string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		if strings.Contains(t.Text(), text) {
			return nil
		}
		select {
		case <-t.done:
			return fmt.Errorf("the program ended before it showed %q; the screen:\n%s", text, t.Text())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%q did not appear within %s; the screen:\n%s", text, limit, t.Text())
		}
	}
}

// Settle waits until the program has written nothing for a while from now on.
func (t *Terminal) Settle(quiet time.Duration) {
	begin := time.Now()
	for {
		t.mu.Lock()
		idle := min(time.Since(t.last), time.Since(begin))
		t.mu.Unlock()
		if idle >= quiet {
			return
		}
		select {
		case <-t.done:
			return
		case <-time.After(quiet - idle):
		}
	}
}

// Text returns the screen as lines of text without trailing blanks.
func (t *Terminal) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for y := range t.Height {
		var line strings.Builder
		for x := 0; x < t.Width; {
			c := t.screen.CellAt(x, y)
			if c == nil || c.Content == "" {
				line.WriteByte(' ')
				x++
				continue
			}
			line.WriteString(c.Content)
			x += max(1, c.Width)
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// Written returns how many bytes the program wrote so far.
func (t *Terminal) Written() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written
}

// Pid returns the program's process id.
func (t *Terminal) Pid() int { return t.cmd.Process.Pid }

// Close ends the program, if it still runs, and frees the terminal.
func (t *Terminal) Close() error {
	select {
	case <-t.done:
	default:
		_ = t.cmd.Process.Kill()
	}
	err := t.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	// The emulator's own Close would race with the Read of answer.
	if c, ok := t.screen.InputPipe().(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, t.file.Close())
}
