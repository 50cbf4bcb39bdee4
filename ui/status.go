package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// statusLine is what is known of where the workspace stands.
type statusLine struct {
	known   bool
	st      model.Status
	loading bool
	again   bool // something changed while it was loaded
}

type (
	watchingMsg struct{ changes <-chan model.Change }
	wakeMsg     struct {
		changes <-chan model.Change
		change  model.Change
	}
	statusMsg struct {
		st  model.Status
		err error
	}
)

// watch begins to listen to changes of the workspace.
func (r *Root) watch() tea.Cmd {
	ws, ctx := r.env.Workspace, r.env.Context
	return func() tea.Msg { return watchingMsg{ws.Watch(ctx)} }
}

// await waits for the next change; the channel is closed at the end of the
// session.
func await(changes <-chan model.Change) tea.Cmd {
	return func() tea.Msg {
		c, ok := <-changes
		if !ok {
			return nil
		}
		return wakeMsg{changes, c}
	}
}

func (r *Root) loadStatus() tea.Cmd {
	if r.status.loading {
		r.status.again = true
		return nil
	}
	r.status.loading = true
	ws, ctx := r.env.Workspace, r.env.Context
	return func() tea.Msg {
		st, err := ws.Status(ctx, false)
		return statusMsg{st, err}
	}
}

func (r *Root) hasCentral() bool { return r.env.Workspace.Settings().Central != "" }

// updateStatus takes the messages of this file.
func (r *Root) updateStatus(msg tea.Msg) (tea.Cmd, bool) {
	switch m := msg.(type) {
	case watchingMsg:
		return await(m.changes), true
	case wakeMsg:
		return tea.Batch(r.changed(screen.ChangedMsg{Change: m.change}), await(m.changes)), true
	case statusMsg:
		return r.applyStatus(m), true
	}
	return nil, false
}

func (r *Root) applyStatus(m statusMsg) tea.Cmd {
	s := &r.status
	s.loading = false
	var cmds []tea.Cmd
	if s.again {
		s.again = false
		cmds = append(cmds, r.loadStatus())
	}
	if m.err != nil {
		if r.env.Context.Err() == nil {
			r.log.Error("load status", "err", m.err)
		}
		return tea.Batch(cmds...)
	}
	s.st, s.known = m.st, true
	return tea.Batch(cmds...)
}

// synced tells in words what a sync did.
func synced(res model.SyncResult) string {
	var parts []string
	add := func(n int64, one, many string) {
		if n > 0 {
			parts = append(parts, draw.Plural(n, one, many))
		}
	}
	add(res.Pushed, "record sent", "records sent")
	add(res.Pulled, "record received", "records received")
	add(res.Conflicts, "conflict", "conflicts")
	add(res.Refused, "refused", "refused")
	if len(parts) == 0 {
		return "synced: nothing was new"
	}
	return "synced: " + strings.Join(parts, ", ")
}

// grade is how a word of the status line is meant.
type grade int

const (
	plain grade = iota
	good
	unsent
	warning
	danger
)

// words are the status in words, the most important first.
func (r *Root) words() (out []string, grades []grade) {
	s, k := &r.status, &r.keeping
	add := func(g grade, w string) { out, grades = append(out, w), append(grades, g) }
	count := func() {
		if !s.known {
			return
		}
		if s.st.Pending > 0 && r.hasCentral() {
			add(unsent, draw.Count(s.st.Pending)+" pending")
		}
		if s.st.Conflicts > 0 {
			add(danger, draw.Plural(s.st.Conflicts, "conflict", "conflicts"))
		}
		if s.st.Duplicates > 0 {
			add(warning, draw.Plural(s.st.Duplicates, "duplicate?", "duplicates?"))
		}
		if s.st.Refused > 0 {
			add(danger, draw.Count(s.st.Refused)+" refused")
		}
	}
	for _, w := range r.elsewhere() {
		add(plain, w)
	}
	switch {
	case !r.hasCentral() && r.env.Workspace.Settings().Demo:
		add(plain, "demo, on this computer only")
	case !r.hasCentral():
		add(plain, "on this computer only")
	case k.on && k.state == model.FollowSyncing && k.progress.Phase != "":
		add(plain, progressWords(k.progress)+k.speed)
	case k.stopped:
		add(danger, "sync stopped")
	case k.tried && k.state == model.FollowOffline:
		add(warning, "offline")
	case k.on && k.state == model.FollowBusy:
		add(plain, "another window syncs")
	case s.known && !s.st.LastSync.IsZero():
		count()
		add(good, "synced "+draw.When(s.st.LastSync, r.env.Now()))
		return out, grades
	default:
		add(plain, "not synced yet")
	}
	count()
	return out, grades
}

func progressWords(p model.Progress) string {
	w := "syncing: " + p.Phase
	if p.Total > 0 {
		return w + fmt.Sprintf(" %d%%", 100*p.Done/p.Total)
	}
	if p.Done > 0 {
		w += " " + draw.Count(p.Done)
	}
	return w
}
