package admin

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// backups is the page of the workspace's backups.
type backups struct {
	page
	load   *screen.Loader
	items  []model.BackupInfo
	loaded bool
}

// restored is what a restore answers.
type restored struct {
	info model.BackupInfo
	safe string
}

// verified is what a verification answers.
type verified struct{ info model.BackupInfo }

func newBackups(env *screen.Env) screen.Screen {
	s := &backups{page: page{env: env, title: "Backups", job: newJob(env)}, load: screen.NewLoader(env.Context)}
	s.rebuild()
	return s
}

// Init lists the backups.
func (s *backups) Init() tea.Cmd { return s.reload() }

func (s *backups) reload() tea.Cmd {
	ws := s.env.Workspace
	return s.load.Load(func(ctx context.Context) (any, error) { return ws.ListBackups(ctx, model.BackupRequest{}) })
}

// Update takes the list and the outcome of what ran.
func (s *backups) Update(msg tea.Msg) tea.Cmd {
	m, ok := msg.(screen.LoadedMsg)
	if !ok {
		return nil
	}
	if s.load.Take(m) {
		if s.loaded = true; m.Err != nil {
			s.err = m.Err
		} else {
			s.items = m.Value.([]model.BackupInfo)
		}
		s.rebuild()
		return nil
	}
	ended, cmd := s.job.take(m)
	if !ended {
		return cmd
	}
	if s.err = m.Err; m.Err != nil {
		return s.reload()
	}
	said := ""
	switch v := m.Value.(type) {
	case model.BackupInfo:
		said = "Backed up " + draw.Plural(v.Rows, "row", "rows") + ", " + draw.Bytes(v.Bytes) + "."
	case verified:
		said = "The backup is whole: every row was read back."
	case restored:
		said = "Restored. What was here before is kept in " + v.safe + "."
	}
	return tea.Batch(screen.Notice(said), s.reload())
}

func (s *backups) rebuild() {
	th := s.env.Theme
	rows := []row{
		{label: "Back up now", text: "a whole copy, read back before it counts", do: s.create},
		{head: true, label: "Backups", note: draw.Count(int64(len(s.items)))},
	}
	for _, b := range s.items {
		r := row{label: b.At.In(s.env.Now().Location()).Format("2 Jan 2006 15:04:05"), text: "verified", sign: "✓", style: &th.Good,
			note: draw.Plural(b.Rows, "row", "rows") + ", " + draw.Bytes(b.Bytes), do: func() tea.Cmd { return s.choose(b) }}
		switch {
		case b.Problem != "":
			r.sign, r.style, r.text = "!", &th.Danger, b.Problem
		case !b.Verified:
			r.sign, r.style, r.text = "?", &th.Warn, "not verified yet"
		}
		rows = append(rows, r)
	}
	if len(s.items) == 0 && s.loaded && s.err == nil {
		rows = append(rows, row{label: "None yet", text: "the first one takes a moment only"})
	}
	s.set(rows)
}

func (s *backups) create() tea.Cmd {
	s.err = nil
	ws := s.env.Workspace
	return s.job.start("Backing up", func(ctx context.Context, n model.Notify) (any, error) {
		return ws.CreateBackup(ctx, model.BackupRequest{Kind: "full"}, n)
	})
}

const (
	verifyIt  = "verify it"
	restoreIt = "restore it …"
)

// choose offers what can be done with a backup.
func (s *backups) choose(b model.BackupInfo) tea.Cmd {
	when := b.At.In(s.env.Now().Location()).Format("2 January 2006 15:04")
	return choose("Backup of "+when, draw.Plural(b.Rows, "row", "rows")+", "+draw.Bytes(b.Bytes)+" in "+b.Path, verifyIt, []string{verifyIt, restoreIt}, func(v string) tea.Cmd {
		if v == restoreIt {
			return s.askRestore(b, when)
		}
		ws, id := s.env.Workspace, b.ID
		s.err = nil
		return s.job.start("Verifying", func(ctx context.Context, n model.Notify) (any, error) {
			info, err := ws.VerifyBackup(ctx, model.BackupRequest{ID: id}, n)
			return verified{info}, err
		})
	})
}

// askRestore names what is replaced.
func (s *backups) askRestore(b model.BackupInfo, when string) tea.Cmd {
	text := "Every record of this workspace is replaced by the " + draw.Plural(b.Rows, "row", "rows") + " of " + when +
		". What is here now, unsent changes included, is kept as a safety copy."
	return ask(screen.AskMsg{Title: "Restore this backup?", Text: text, Yes: "Replace", Do: func(string) tea.Cmd {
		ws, id := s.env.Workspace, b.ID
		s.err = nil
		return s.job.start("Restoring", func(ctx context.Context, n model.Notify) (any, error) {
			info, safe, err := ws.RestoreBackup(ctx, model.BackupRequest{ID: id}, n)
			return restored{info, safe}, err
		})
	}})
}
