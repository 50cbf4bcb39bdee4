package ui

import (
	"log/slog"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
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
		made bool
		err  error
	}
)

// dueSoon begins to look whether backups are due, where a schedule says so.
func (r *Root) dueSoon() tea.Cmd {
	s := r.env.Workspace.Settings()
	if s.Backup.Schedule.Expr == "" || s.ReadOnly {
		return nil
	}
	return r.env.Later(dueAfter, dueMsg{})
}

// backUpIfDue makes a backup if one may be due by now.
func (r *Root) backUpIfDue() tea.Cmd {
	if now := r.env.Now(); r.nextBackup.After(now) {
		return r.env.Later(dueEvery, dueMsg{})
	}
	ws, ctx := r.env.Workspace, r.env.Context
	return func() tea.Msg {
		_, made, err := ws.BackupIfDue(ctx, model.BackupRequest{}, model.Schedule{}, nil)
		if err == nil && ws.Settings().Backup.Trial.Expr != "" {
			_, _, err = ws.TrialIfDue(ctx, model.BackupRequest{}, model.Schedule{}, nil)
		}
		return backedMsg{made, err}
	}
}

// backed notes what came of it. Nobody is disturbed: the pages and doctor tell
// how old the last verified backup is.
func (r *Root) backed(m backedMsg) tea.Cmd {
	now := r.env.Now()
	r.nextBackup = r.env.Workspace.Settings().Backup.Schedule.Next(now)
	if m.err != nil {
		r.nextBackup = now.Add(dueAgain)
		slog.Warn("the backup or trial that is due was not made", "kind", model.KindOf(m.err).String())
	}
	return r.env.Later(dueEvery, dueMsg{})
}
