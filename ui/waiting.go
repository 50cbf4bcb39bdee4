package ui

import (
	"time"

	"charm.land/bubbles/v2/spinner"
	tea "charm.land/bubbletea/v2"

	"rapport/ui/screen"
)

// spinAfter is how long work may take before it is worth a sign.
const spinAfter = 150 * time.Millisecond

// wait is the sign that the screen that is seen is at work: it appears only
// where the work takes long, so that what is quick does not flicker.
type wait struct {
	gen   int // of the wait that began last
	on    bool
	shown bool
	spin  spinner.Model
}

// waitedMsg comes when a wait may have become long.
type waitedMsg struct{ gen int }

// work is what the screen that is seen is at, "" if nothing.
func (r *Root) work() string {
	if w, ok := r.top().(screen.Worker); ok {
		return w.Working()
	}
	return ""
}

// attend begins a wait where the screen is at work, and ends it where it is
// not.
func (r *Root) attend() tea.Cmd {
	w := &r.waiting
	switch busy := r.work() != ""; {
	case busy == w.on:
		return nil
	case !busy:
		w.on, w.shown = false, false
		return nil
	}
	w.on = true
	w.gen++
	return r.env.Later(spinAfter, waitedMsg{w.gen})
}

// updateWaiting takes the messages of this file.
func (r *Root) updateWaiting(msg tea.Msg) (tea.Cmd, bool) {
	w := &r.waiting
	switch m := msg.(type) {
	case waitedMsg:
		if m.gen != w.gen || !w.on {
			return nil, true
		}
		w.shown = true
		w.spin = spinner.New(spinner.WithSpinner(spinner.MiniDot))
		if r.env.Theme.Mono {
			w.spin.Spinner = spinner.Line
		}
		return w.spin.Tick, true
	case spinner.TickMsg:
		if !w.shown {
			return nil, true
		}
		var cmd tea.Cmd
		w.spin, cmd = w.spin.Update(m)
		return cmd, true
	}
	return nil, false
}

// waitingText is the sign with what is done, "" while nothing takes long.
func (r *Root) waitingText() string {
	if !r.waiting.shown {
		return ""
	}
	return r.waiting.spin.View() + " " + r.work()
}
