package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// The pauses between the syncs that run by themselves: after an edit, and
// between two that went well. After failures the latter doubles up to the cap.
const (
	syncAfterEdit = 2 * time.Second
	syncEvery     = 30 * time.Second
	syncAtMost    = 10 * time.Minute
)

// statusLine is what is known of where the workspace stands.
type statusLine struct {
	known   bool
	st      model.Status
	loading bool
	again   bool // something changed while it was loaded

	syncing  bool
	asked    bool // the person started the sync that runs
	progress model.Progress
	tried    bool // a sync has ended in this session
	online   bool
	problem  string
	failures int
	gen      int // of the next sync that starts by itself
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
	progressMsg struct {
		from <-chan model.Progress
		p    model.Progress
	}
	syncedMsg struct {
		res model.SyncResult
		err error
	}
	syncDueMsg struct{ gen int }
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

// firstSync brings the workspace up to date soon after the start.
func (r *Root) firstSync() tea.Cmd { return r.syncIn(300 * time.Millisecond) }

// syncIn plans the next sync that starts by itself, in place of any other.
func (r *Root) syncIn(d time.Duration) tea.Cmd {
	if !r.hasCentral() {
		return nil
	}
	r.status.gen++
	return r.env.Later(d, syncDueMsg{r.status.gen})
}

// startSync runs a sync. Only one runs at a time; asked tells that the person
// wants to hear how it went.
func (r *Root) startSync(asked bool) tea.Cmd {
	s := &r.status
	if !r.hasCentral() {
		return screen.Notice("no company database is connected: see Admin")
	}
	s.asked = s.asked || asked
	if s.syncing {
		return nil
	}
	s.syncing, s.progress = true, model.Progress{}
	ws, ctx := r.env.Workspace, r.env.Context
	reports := make(chan model.Progress, 1)
	run := func() tea.Msg {
		defer close(reports)
		res, err := ws.Sync(ctx, false, func(p model.Progress) {
			select {
			case reports <- p:
			default: // One waits to be drawn already; the next will tell more.
			}
		})
		return syncedMsg{res, err}
	}
	return tea.Batch(run, progress(reports))
}

func progress(from <-chan model.Progress) tea.Cmd {
	return func() tea.Msg {
		p, ok := <-from
		if !ok {
			return nil
		}
		return progressMsg{from, p}
	}
}

// updateStatus takes the messages of this file.
func (r *Root) updateStatus(msg tea.Msg) (tea.Cmd, bool) {
	s := &r.status
	switch m := msg.(type) {
	case watchingMsg:
		return await(m.changes), true
	case wakeMsg:
		return tea.Batch(r.changed(screen.ChangedMsg{Change: m.change}), await(m.changes)), true
	case statusMsg:
		return r.applyStatus(m), true
	case progressMsg:
		s.progress = m.p
		return progress(m.from), true
	case syncedMsg:
		return r.applySync(m), true
	case syncDueMsg:
		if m.gen != s.gen {
			return nil, true
		}
		return r.startSync(false), true
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
	edited := s.known && m.st.Pending > s.st.Pending
	s.st, s.known = m.st, true
	if edited && !s.syncing && s.failures == 0 {
		cmds = append(cmds, r.syncIn(syncAfterEdit))
	}
	return tea.Batch(cmds...)
}

func (r *Root) applySync(m syncedMsg) tea.Cmd {
	s := &r.status
	asked, was := s.asked, s.online
	s.syncing, s.asked, s.tried = false, false, true
	cmds := []tea.Cmd{r.loadStatus(), r.everywhere(screen.SyncedMsg{})}
	if m.res.Pushed+m.res.Pulled+m.res.Conflicts+m.res.Refused > 0 {
		// What was sent is no longer pending, which lists and pages show.
		cmds = append(cmds, r.changed(screen.ChangedMsg{}))
	}
	kind := model.KindOf(m.err)
	s.online = m.err == nil || kind == model.Conflicting || kind == model.Partial
	s.problem = ""
	switch {
	case s.online:
		s.failures = 0
		if asked {
			cmds = append(cmds, screen.Notice(synced(m.res)))
		}
	case context.Cause(r.env.Context) != nil:
		return nil
	case kind == model.Unreachable:
		s.problem = "the company database does not answer"
		if asked {
			cmds = append(cmds, screen.Notice(fmt.Sprintf("offline: %s; %s", s.problem, waiting(s.st.Pending))))
		}
	default:
		s.problem = draw.Error(m.err)
		if asked || was || s.failures == 0 {
			cmds = append(cmds, screen.Fail(m.err))
		}
	}
	pause := syncEvery
	if !s.online {
		s.failures++
		pause = min(syncEvery<<min(s.failures, 6), syncAtMost)
	}
	return tea.Batch(append(cmds, r.syncIn(pause))...)
}

func waiting(n int64) string {
	if n == 0 {
		return "nothing waits to be sent"
	}
	return draw.Plural(n, "change waits", "changes wait")
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

// words are the status in words, the most important first, with how grave each
// is: 0 plain, 1 good, 2 a warning, 3 a danger.
func (r *Root) words() (out []string, grave []int) {
	s := &r.status
	add := func(g int, w string) { out, grave = append(out, w), append(grave, g) }
	switch {
	case !r.hasCentral() && r.env.Workspace.Settings().Demo:
		add(0, "demo, on this computer only")
	case !r.hasCentral():
		add(0, "on this computer only")
	case s.syncing:
		w := "syncing"
		if p := s.progress; p.Phase != "" {
			w += ": " + p.Phase
			if p.Total > 0 {
				w += fmt.Sprintf(" %d%%", 100*p.Done/p.Total)
			} else if p.Done > 0 {
				w += " " + draw.Count(p.Done)
			}
		}
		add(0, w)
	case s.tried && !s.online:
		add(2, "offline")
	case s.known && !s.st.LastSync.IsZero():
		add(1, "synced "+draw.When(s.st.LastSync, r.env.Now()))
	default:
		add(0, "not synced yet")
	}
	if !s.known {
		return out, grave
	}
	if s.st.Pending > 0 && r.hasCentral() {
		add(2, draw.Count(s.st.Pending)+" pending")
	}
	if s.st.Conflicts > 0 {
		add(3, draw.Plural(s.st.Conflicts, "conflict", "conflicts"))
	}
	if s.st.Refused > 0 {
		add(3, draw.Count(s.st.Refused)+" refused")
	}
	return out, grave
}
