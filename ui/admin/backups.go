package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// backups is the page that tells how safe the data is, and where backups are
// made, proved, looked into and restored.
type backups struct {
	page
	load *screen.Loader
	glanced
	loaded bool
	placed bool // the cursor was put on the newest backup
}

// What the jobs of the page answer, so that each is told in its own words.
type (
	glanced struct {
		all       model.BackupOverview
		undo      *model.RestoreResult
		due, next time.Time // by the schedule; zero without one
	}
	verified  struct{ info model.BackupInfo }
	tried     struct{ info model.BackupInfo }
	refreshed struct{ model.ReportsResult }
	planned   struct{ model.PruneResult }
	pruned    struct{ model.PruneResult }
)

func newBackups(env *screen.Env) screen.Screen {
	s := &backups{page: page{env: env, title: "Backups", job: newJob(env)}, load: screen.NewLoader(env.Context)}
	s.rebuild()
	return s
}

// Scope is where its keys are looked up.
func (s *backups) Scope() keymap.Scope { return keymap.Backups }

// Init asks how things stand.
func (s *backups) Init() tea.Cmd { return s.reload() }

// Working says what the page waits for.
func (s *backups) Working() string {
	if s.load.Busy() {
		return "asking"
	}
	return ""
}

func (s *backups) reload() tea.Cmd {
	ws, now := s.env.Workspace, s.env.Now()
	return s.load.Load(func(ctx context.Context) (any, error) {
		when := ws.Settings().Backup.Schedule
		g := glanced{due: when.Last(now), next: when.Next(now)}
		var err error
		if g.all, err = ws.BackupOverview(ctx); err == nil && g.all.Central != "" && g.all.CentralProblem == "" {
			g.undo = undoable(ctx, ws)
		}
		return g, err
	})
}

// Update takes the overview, the outcome of what ran, and the news that much
// may have changed.
func (s *backups) Update(msg tea.Msg) tea.Cmd {
	if c, ok := msg.(screen.ChangedMsg); ok && c.Change.Nouns == nil && s.loaded && !s.load.Busy() && !s.job.running() {
		return s.reload()
	}
	m, ok := msg.(screen.LoadedMsg)
	if !ok {
		return nil
	}
	if s.load.Take(m) {
		if m.Err != nil {
			s.err = m.Err
		} else {
			s.glanced = m.Value.(glanced)
		}
		s.loaded = true
		s.rebuild()
		return nil
	}
	_, ended, cmd := s.job.take(m)
	if !ended {
		return cmd
	}
	if s.err = m.Err; m.Err != nil {
		s.rebuild()
		return s.reload()
	}
	said := ""
	switch v := m.Value.(type) {
	case model.BackupInfo:
		said = "Backed up " + draw.Plural(v.Rows, "row", "rows") + ", " + draw.Bytes(v.Bytes) + "."
		if v.Note != "" {
			said += " " + model.Visible(v.Note)
		}
	case verified:
		said = "The backup is whole: every row was read back."
	case takenBack:
		said = tookBack(v.RestoreResult)
	case tried:
		said = "The backup was restored beside and compared: it would restore."
	case planned:
		return s.askPrune(v.PruneResult)
	case pruned:
		said = "Let go of " + draw.Plural(int64(len(v.Deleted)), "backup", "backups") + ", " + draw.Plural(int64(len(v.Marked)), "is", "are") + " marked to go, " + draw.Count(int64(len(v.Kept))) + " stay."
	case refreshed:
		said = "The report tables are up to date: " + draw.Plural(v.Changed, "row", "rows") + " changed."
	}
	return tea.Batch(screen.Notice(said), s.reload())
}

// chosen is the backup under the cursor; ok is false where there is none.
func (s *backups) chosen() (model.BackupInfo, bool) {
	if s.at >= len(s.rows) {
		return model.BackupInfo{}, false
	}
	b, ok := s.rows[s.at].of.(model.BackupInfo)
	return b, ok
}

// Do carries out the actions of the page.
func (s *backups) Do(a keymap.Action) (tea.Cmd, bool) {
	if !s.Can(a) {
		return nil, false
	}
	b, on := s.chosen()
	var do func() tea.Cmd
	switch a {
	case keymap.Open:
		if on {
			return s.look(b), true // also while something runs
		}
		return s.page.Do(a)
	case keymap.Add:
		do = s.create
	case keymap.Verify:
		do = func() tea.Cmd { return s.verify(b) }
	case keymap.Restore:
		return screen.Open(screen.OpenMsg{Kind: screen.Restore, ID: model.ID(b.ID)}), true
	case keymap.TakeBack:
		do = s.askTakeBack
	case keymap.SetUp:
		do = openSetUp
	case keymap.Schedule:
		do = openSchedule
	case keymap.Trial:
		do = s.trial
	case keymap.Prune:
		do = s.planPrune
	case keymap.Refresh:
		do = s.refresh
	default:
		return s.page.Do(a)
	}
	if s.job.running() {
		return screen.Notice("One thing at a time: this is still running."), true
	}
	s.err = nil
	return do(), true
}

// Can tells whether an action would do something here and now.
func (s *backups) Can(a keymap.Action) bool {
	_, on := s.chosen()
	switch a {
	case keymap.Verify:
		return on
	case keymap.Restore:
		return len(s.all.Items) > 0
	case keymap.TakeBack:
		return s.undo != nil
	case keymap.Trial:
		_, any := s.toTry()
		return any
	case keymap.Prune:
		return len(s.all.Items) > 0
	case keymap.Refresh:
		return s.all.Central != ""
	}
	return s.page.Can(a)
}

const (
	wholeKind = "full: a whole copy"
	incrKind  = "incremental: what changed since the newest backup"
	diffKind  = "differential: what changed since the newest full one"

	centralSource = "the company's database"
	localSource   = "this workspace"
)

const (
	setUpFirst = "choose where they lie and who can read them"
	hereAndNow = "begin at once, on this computer alone"
)

// create asks for what and of what kind, and before the very first backup where
// it is to lie.
func (s *backups) create() tea.Cmd {
	if kept := s.env.Workspace.Settings().Backup; len(s.all.Items) == 0 && kept.To == "" && len(kept.Recipients) == 0 && s.all.PlaceProblem == "" {
		text := "Nothing is set yet. A backup beside the data, in " + model.Visible(s.all.Place) + ", helps against a mistake; it does not help when this computer is lost."
		return choose("The first backup", text, setUpFirst, []string{setUpFirst, hereAndNow}, func(v string) tea.Cmd {
			if v == setUpFirst {
				return openSetUp()
			}
			return s.askSource()
		})
	}
	return s.askSource()
}

// openSchedule leads to the page of when backups are made.
func openSchedule() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: screen.Schedule}) }

// openSetUp leads to the page of place and keys.
func openSetUp() tea.Cmd { return screen.Open(screen.OpenMsg{Kind: screen.SetUp}) }

func (s *backups) askTakeBack() tea.Cmd {
	return askTakeBack(s.env, *s.undo, func(do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
		return s.run(takingBack, takingBackKept, do)
	})
}

func (s *backups) askSource() tea.Cmd {
	if s.all.Central == "" {
		return s.askKind(model.SourceLocal)
	}
	return choose("New backup", "Of what?", localSource, []string{localSource, centralSource}, func(v string) tea.Cmd {
		if v == centralSource {
			return s.askKind(model.SourceCentral)
		}
		return s.askKind(model.SourceLocal)
	})
}

func (s *backups) askKind(source string) tea.Cmd {
	text := "It is read back and compared, row by row, before it counts. Where there is nothing to follow, a full one is made."
	return choose("New backup of "+sourceWord(source), text, wholeKind, []string{wholeKind, incrKind, diffKind}, func(v string) tea.Cmd {
		kind := map[string]string{wholeKind: model.BackupFull, incrKind: model.BackupIncremental, diffKind: model.BackupDifferential}[v]
		return s.askReading(model.BackupRequest{Kind: kind, Source: source})
	})
}

func (s *backups) make(req model.BackupRequest) tea.Cmd {
	ws := s.env.Workspace
	return s.run("Backing up", "What it wrote is taken away again; the next one begins anew.", func(ctx context.Context, n model.Notify) (any, error) {
		return ws.CreateBackup(ctx, req, n)
	})
}

// run starts a job; stop says what becomes of one that is stopped.
func (s *backups) run(name, stop string, do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
	s.err, s.job.kept = nil, stop
	return s.job.start(name, do)
}

func sourceWord(source string) string {
	if source == model.SourceCentral {
		return centralSource
	}
	return localSource
}

func (s *backups) verify(b model.BackupInfo) tea.Cmd {
	ws, req := s.env.Workspace, model.BackupRequest{ID: b.ID}
	return s.run("Verifying", "Nothing is changed by it.", func(ctx context.Context, n model.Notify) (any, error) {
		info, err := ws.VerifyBackup(ctx, req, n)
		return verified{info}, err
	})
}

// toTry is the backup to try: the one under the cursor, else the newest that
// was verified.
func (s *backups) toTry() (model.BackupInfo, bool) {
	if b, ok := s.chosen(); ok {
		return b, true
	}
	for _, b := range s.all.Items {
		if b.Verified && b.Problem == "" {
			return b, true
		}
	}
	return model.BackupInfo{}, false
}

// trial restores a backup beside and compares what came of it.
func (s *backups) trial() tea.Cmd {
	b, ok := s.toTry()
	if !ok {
		return screen.Notice("There is no backup to try.")
	}
	ws, req := s.env.Workspace, model.BackupRequest{ID: b.ID, Level: model.LevelRestored}
	return s.run("Trying to restore", "Nothing is changed by it.", func(ctx context.Context, n model.Notify) (any, error) {
		info, err := ws.VerifyBackup(ctx, req, n)
		return tried{info}, err
	})
}

// planPrune finds out which backups no rule keeps.
func (s *backups) planPrune() tea.Cmd {
	ws := s.env.Workspace
	return s.run("Looking for what no rule keeps", "Nothing is changed by it.", func(ctx context.Context, n model.Notify) (any, error) {
		r, err := ws.PruneBackups(ctx, model.PruneRequest{DryRun: true}, n)
		return planned{r}, err
	})
}

// shownPruned is how many backups a plan names.
const shownPruned = 6

// askPrune names what would go.
func (s *backups) askPrune(r model.PruneResult) tea.Cmd {
	if len(r.Deleted)+len(r.Marked) == 0 {
		return tea.Batch(screen.Notice("Nothing to let go of: every backup is kept by a rule."), s.reload())
	}
	now := s.env.Now()
	text := draw.Plural(int64(len(r.Deleted)), "backup goes", "backups go") + " now, " + draw.Plural(int64(len(r.Marked)), "is", "are") +
		" marked and may go a day later, " + draw.Count(int64(len(r.Kept))) + " stay."
	var lines []string
	for _, b := range append(slices.Clone(r.Deleted), r.Marked...) {
		lines = append(lines, draw.When(b.At, now)+" "+b.Kind+": "+model.Visible(b.Why))
	}
	if more := len(lines) - shownPruned; more > 0 {
		lines = append(lines[:shownPruned], "and "+draw.Count(int64(more))+" more")
	}
	ws := s.env.Workspace
	return ask(screen.AskMsg{Title: "Let go of old backups?", Text: text + "\n\n" + strings.Join(lines, "\n"), Yes: "Let go", Do: func(string) tea.Cmd {
		return s.run("Letting go of old backups", "What is gone stays gone; nothing else is touched.", func(ctx context.Context, n model.Notify) (any, error) {
			r, err := ws.PruneBackups(ctx, model.PruneRequest{}, n)
			return pruned{r}, err
		})
	}})
}

func (s *backups) refresh() tea.Cmd {
	ws := s.env.Workspace
	return s.run("Refreshing the report tables", "They stay as they were.", func(ctx context.Context, n model.Notify) (any, error) {
		r, err := ws.RefreshReports(ctx, model.ReportsRequest{}, n)
		return refreshed{r}, err
	})
}

// look opens the records of a backup.
func (s *backups) look(b model.BackupInfo) tea.Cmd {
	if b.Problem != "" && !b.Verified && b.Rows == 0 {
		return screen.Notice(s.problem(b))
	}
	return screen.Open(screen.OpenMsg{Kind: screen.Archive, ID: model.ID(b.ID), Noun: "contact"})
}
