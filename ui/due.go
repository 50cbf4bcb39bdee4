package ui

import (
	"log/slog"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
)

// While the interface is open it makes the backup that is due, and then the trial
// restore that is, where the settings want trials. It looks once
// the session has settled, then each minute at its own clock alone; the place
// of the backups is asked only when a moment of the schedule has passed, and
// after a failure not before a quarter of an hour.
const (
	dueAfter = 30 * time.Second
	dueEvery = time.Minute
	dueAgain = 15 * time.Minute
)

type (
	dueMsg    struct{}
	backedMsg struct {
		next time.Time // when something is due again
		did  bool      // a backup or a trial was made
		err  error
	}
)

// dueSoon begins to look whether something is due, where a schedule says so and
// nobody looks yet.
func (r *Root) dueSoon() tea.Cmd {
	s := r.env.Workspace.Settings()
	if r.looking || !scheduled(s.Backup) || s.ReadOnly {
		return nil
	}
	r.looking = true
	return r.env.Later(dueAfter, dueMsg{})
}

// scheduled tells whether anything is due at all by itself.
func scheduled(s model.BackupSettings) bool { return s.Schedule.Expr != "" || s.Trial.Expr != "" }

// rescheduled looks by other schedules from now on.
func (r *Root) rescheduled() tea.Cmd {
	r.nextBackup = time.Time{}
	return r.dueSoon()
}

// backUpIfDue makes a backup if one may be due by now.
func (r *Root) backUpIfDue() tea.Cmd {
	now, ws, ctx := r.env.Now(), r.env.Workspace, r.env.Context
	s := ws.Settings().Backup
	switch {
	case !scheduled(s):
		r.looking = false
		return nil
	case r.nextBackup.After(now):
		return r.env.Later(dueEvery, dueMsg{})
	}
	return func() tea.Msg {
		m := backedMsg{next: s.Schedule.Next(now)}
		if s.Schedule.Expr != "" {
			_, m.did, m.err = ws.BackupIfDue(ctx, model.BackupRequest{}, model.Schedule{}, nil)
		}
		if s.Trial.Expr != "" && m.err == nil {
			if next := s.Trial.Next(now); m.next.IsZero() || next.Before(m.next) {
				m.next = next
			}
			var tried bool
			_, tried, m.err = ws.TrialIfDue(ctx, model.BackupRequest{}, model.Schedule{}, nil)
			m.did = m.did || tried
		}
		return m
	}
}

// backed notes what came of it, and has the page that is seen tell it. Nobody
// is disturbed: the pages and doctor tell how old the last verified backup is.
func (r *Root) backed(m backedMsg) tea.Cmd {
	r.nextBackup = m.next
	if m.err != nil {
		r.nextBackup = r.env.Now().Add(dueAgain)
		slog.Warn("the backup or trial that is due was not made", "kind", model.KindOf(m.err).String())
	}
	again := r.env.Later(dueEvery, dueMsg{})
	if !m.did {
		return again
	}
	return tea.Batch(again, r.changed(screen.ChangedMsg{}))
}
