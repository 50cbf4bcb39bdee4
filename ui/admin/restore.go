package admin

import (
	"context"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/widget/draw"
)

// restore is the page that puts everything, or every record of a kind, back as
// it was: choose the moment, see what would happen, do it, and take it back.
type restore struct {
	page
	list   *screen.Loader
	items  []model.BackupInfo // that were verified, newest first, of either source
	loaded bool

	source string
	id     string     // of the backup, "" for a moment
	when   time.Time  // the moment that was typed
	noun   model.Noun // "" for everything
	giveUp bool       // computers give up what the central loses
	bare   bool       // what is there now is not backed up first

	plan  *model.RestorePlan
	done  *model.RestoreResult // of a restore of the central
	here  *workspaceRestored   // of one of the workspace
	undo  *model.RestoreResult // what can be taken back on the central
	ahead bool                 // the moment is later than what the backups tell
}

// What the jobs of the page answer.
type (
	worked            struct{ model.RestorePlan }
	centralRestored   struct{ model.RestoreResult }
	takenBack         struct{ model.RestoreResult }
	workspaceRestored struct {
		info   model.BackupInfo
		before model.BackupInfo // of what was there; without an id if none was made
		safe   string           // file of the safety copy
	}
	workspaceBack struct{ workspaceRestored }
	backupsListed struct {
		items []model.BackupInfo
		undo  *model.RestoreResult
	}
)

func newRestore(env *screen.Env, m screen.OpenMsg) screen.Screen {
	s := &restore{page: page{env: env, title: "Restore", job: newJob(env)}, list: screen.NewLoader(env.Context), id: string(m.ID)}
	s.rebuild()
	return s
}

// Init lists the backups.
func (s *restore) Init() tea.Cmd { return s.reload() }

func (s *restore) reload() tea.Cmd {
	ws := s.env.Workspace
	return s.list.Load(func(ctx context.Context) (any, error) {
		items, err := ws.ListBackups(ctx, model.BackupRequest{})
		return backupsListed{items, undoable(ctx, ws)}, err
	})
}

// undoTime is how long the page waits to hear whether a restore can be taken
// back.
const undoTime = 2 * time.Second

// undoable is what could be taken back on the central, nil if nothing can, or
// if that cannot be found out.
func undoable(ctx context.Context, ws model.Workspace) *model.RestoreResult {
	if ws.Settings().Central == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	r, err := ws.UndoRestore(ctx, true, nil)
	if err != nil {
		return nil
	}
	return &r
}

// Working says what the page waits for.
func (s *restore) Working() string {
	if s.list.Busy() {
		return "listing the backups"
	}
	return ""
}

// Update takes the backups, the plan and the outcome.
func (s *restore) Update(msg tea.Msg) tea.Cmd {
	m, ok := msg.(screen.LoadedMsg)
	if !ok {
		return nil
	}
	if s.list.Take(m) {
		s.apply(m)
		return nil
	}
	_, ended, cmd := s.job.take(m)
	if !ended {
		return cmd
	}
	defer s.rebuild()
	if s.err = m.Err; m.Err != nil {
		if s.ahead = model.KindOf(m.Err) == model.NotFound && s.late(); s.ahead {
			return s.reload() // there may be a backup more than was known
		}
		return nil
	}
	return s.took(m.Value)
}

func (s *restore) apply(m screen.LoadedMsg) {
	defer s.rebuild()
	s.loaded = true
	if m.Err != nil {
		s.err = m.Err
		return
	}
	got := m.Value.(backupsListed)
	s.undo = got.undo
	s.items = slices.DeleteFunc(slices.Clone(got.items), func(b model.BackupInfo) bool { return !b.Verified || b.Problem != "" })
	s.ahead = s.ahead && s.late()
	if b, ok := s.backup(); ok {
		s.source = b.Source
	} else if s.id == "" && s.when.IsZero() || s.source == "" {
		s.choose(s.newest())
	}
}

// late tells whether the moment is later than every backup of the central.
func (s *restore) late() bool {
	of := s.of(model.SourceCentral)
	return !s.when.IsZero() && len(of) > 0 && s.when.After(of[0].At)
}

// newest is the newest backup of the central, where there is one and a central,
// else of the workspace.
func (s *restore) newest() model.BackupInfo {
	if s.env.Workspace.Settings().Central != "" {
		if of := s.of(model.SourceCentral); len(of) > 0 {
			return of[0]
		}
	}
	if of := s.of(model.SourceLocal); len(of) > 0 {
		return of[0]
	}
	return model.BackupInfo{Source: model.SourceLocal}
}

// of are the backups of a source.
func (s *restore) of(source string) []model.BackupInfo {
	return slices.DeleteFunc(slices.Clone(s.items), func(b model.BackupInfo) bool { return b.Source != source })
}

// choose takes a backup.
func (s *restore) choose(b model.BackupInfo) {
	s.source, s.id, s.when = b.Source, b.ID, time.Time{}
	s.forget()
}

// forget drops a plan that is not of what is chosen any more.
func (s *restore) forget() {
	s.plan, s.done, s.here, s.err, s.ahead = nil, nil, nil, nil, false
}

// backup is the one that is chosen.
func (s *restore) backup() (model.BackupInfo, bool) {
	i := slices.IndexFunc(s.items, func(b model.BackupInfo) bool { return b.ID == s.id })
	if i < 0 {
		return model.BackupInfo{}, false
	}
	return s.items[i], true
}

// took takes what a job did.
func (s *restore) took(v any) tea.Cmd {
	switch v := v.(type) {
	case worked:
		s.plan = &v.RestorePlan
		s.rebuild()
		s.goTo(restoreNow)
		return nil
	case centralRestored:
		s.forget()
		s.done = &v.RestoreResult
		s.undo = &v.RestoreResult
		s.rebuild()
		s.goTo(takeBack)
		return tea.Batch(screen.Notice("Restored: "+draw.Plural(v.Rows, "row", "rows")+" as of "+s.moment(v.At)+"."), s.reload())
	case takenBack:
		s.forget()
		s.undo = nil
		return tea.Batch(screen.Notice(tookBack(v.RestoreResult)), s.reload())
	case workspaceRestored:
		s.forget()
		s.here = &v
		s.rebuild()
		s.goTo(takeBack)
		return tea.Batch(screen.Notice("Restored. What was here before is kept in "+v.safe+"."), s.reload())
	case workspaceBack:
		s.forget()
		return tea.Batch(screen.Notice("Everything is as it was before the restore."), s.reload())
	}
	return nil
}

// tookBack says what came of taking a restore back.
func tookBack(r model.RestoreResult) string {
	if r.Epoch == "" && len(r.Done) > 0 {
		return draw.Sentence(model.Visible(r.Done[0]))
	}
	return "What the restore replaced is back in its place."
}

func (s *restore) moment(t time.Time) string {
	return t.In(s.env.Now().Location()).Format("2 Jan 2006 15:04:05")
}

// request is what the page asks for.
func (s *restore) request() model.RestoreRequest {
	req := model.RestoreRequest{BackupRequest: model.BackupRequest{ID: s.id, Source: model.SourceCentral}, At: s.when, NoSafety: s.bare, Discard: s.giveUp}
	if s.noun != "" {
		req.Nouns = []model.Noun{s.noun}
	}
	return req
}

// change asks for something, unless something runs.
func (s *restore) change(do func() tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		s.err = nil
		return do()
	}
}

func (s *restore) askSource() tea.Cmd {
	return choose("Restore what?", "", sourceWord(s.source), []string{centralSource, localSource}, func(v string) tea.Cmd {
		source := model.SourceLocal
		if v == centralSource {
			source = model.SourceCentral
		}
		if source != s.source {
			b := model.BackupInfo{Source: source}
			if of := s.of(source); len(of) > 0 {
				b = of[0]
			}
			s.noun = ""
			s.choose(b)
			s.rebuild()
		}
		return nil
	})
}

// typeMoment is the choice of a moment that no backup stands for.
const typeMoment = "another moment: type it"

// offered is how many backups a question offers.
const offered = 12

// askMoment offers the backups, and for the central any moment.
func (s *restore) askMoment() tea.Cmd {
	var options []string
	chosen := ""
	ids := map[string]model.BackupInfo{}
	for _, b := range s.of(s.source) {
		if b.Kind == model.BackupSegment {
			continue // each of its moments can be typed
		}
		label := s.moment(b.At) + "  " + b.Kind + ", " + draw.Plural(b.Rows, "row", "rows")
		ids[label] = b
		if options = append(options, label); b.ID == s.id {
			chosen = label
		}
		if len(options) == offered {
			break
		}
	}
	text := "A backup that was verified."
	if s.source == model.SourceCentral {
		text = "A backup, or any moment since the oldest one."
		options = append([]string{typeMoment}, options...)
	}
	return choose("Back to when?", text, chosen, options, func(v string) tea.Cmd {
		if v == typeMoment {
			return s.typeMoment()
		}
		s.choose(ids[v])
		s.rebuild()
		return nil
	})
}

// typeMoment asks for a moment.
func (s *restore) typeMoment() tea.Cmd {
	now := s.env.Now()
	value := s.when
	if value.IsZero() {
		value = now.Add(-time.Hour)
	}
	text := "In your time, to the second if need be: 10:31, yesterday 16:00, 2026-11-21 10:31:07."
	return ask(screen.AskMsg{Title: "Back to which moment?", Text: text, Yes: "Choose", Input: "Moment", Value: value.In(now.Location()).Format(time.DateTime), Do: func(typed string) tea.Cmd {
		at, err := model.ParseTime(typed, now)
		switch {
		case err != nil:
			return screen.Fail(model.Errorf(model.Invalid, "%v", err))
		case at.After(now):
			return screen.Fail(model.Errorf(model.Invalid, "that moment has not come yet").WithHint("choose one that is over"))
		}
		s.forget()
		s.source, s.id, s.when = model.SourceCentral, "", at
		s.rebuild()
		s.goTo(workOut)
		return nil
	}})
}

const allRecords = "everything"

func (s *restore) askNoun() tea.Cmd {
	options, now := []string{allRecords}, allRecords
	byTitle := map[string]model.Noun{}
	for _, e := range browsable() {
		options = append(options, e.Titles)
		byTitle[e.Titles] = e.Noun
		if e.Noun == s.noun {
			now = e.Titles
		}
	}
	return choose("Which records?", "All of one kind come back with their parts: contacts with their phones and mails. Records of other kinds stay as they are.", now, options, func(v string) tea.Cmd {
		s.noun = byTitle[v]
		s.forget()
		s.rebuild()
		return nil
	})
}

// workItOut compares every row and changes none.
func (s *restore) workItOut() tea.Cmd {
	ws, req := s.env.Workspace, s.request()
	s.forget()
	s.rebuild()
	return s.start("Comparing", "Nothing is changed by it.", func(ctx context.Context, n model.Notify) (any, error) {
		p, err := ws.PlanRestore(ctx, req, n)
		return worked{p}, err
	})
}

// catchUp makes a backup that holds the history until now, and works it out
// again.
func (s *restore) catchUp() tea.Cmd {
	ws, req := s.env.Workspace, s.request()
	s.forget()
	s.rebuild()
	s.goTo(workOut)
	return s.start("Backing up, then comparing", "The central stays as it is.", func(ctx context.Context, n model.Notify) (any, error) {
		if _, err := ws.CreateBackup(ctx, model.BackupRequest{Kind: model.BackupIncremental, Source: model.SourceCentral}, n); err != nil {
			return worked{}, err
		}
		p, err := ws.PlanRestore(ctx, req, n)
		return worked{p}, err
	})
}

// start begins a job; stopped says what becomes of one that is stopped.
func (s *restore) start(name, stopped string, do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
	s.err, s.job.kept = nil, stopped
	return s.job.start(name, do)
}

// askCentral asks once more and has the name of the database typed.
func (s *restore) askCentral() tea.Cmd {
	p, ws, req := s.plan, s.env.Workspace, s.request()
	what := "Everything in "
	if s.noun != "" {
		what = "The " + model.EntityOf(s.noun).Plural + " in "
	}
	text := what + model.Visible(p.Target) + " will be as of " + s.moment(p.At) + "."
	if !p.Fresh {
		text += " " + draw.Plural(p.Lost, "change", "changes") + " made since are lost there" + s.lostText() + "."
	}
	text += " Until it is done, in about " + p.Estimate.String() + ", nobody can send anything."
	if !s.bare && !p.Fresh {
		text += " What is there now is backed up first."
	}
	word := databaseName(p.Target)
	return ask(screen.AskMsg{Title: "Restore the company's database?", Text: text + "\n\nType " + word + " to do it.", Yes: "Restore", Input: "Database", Must: word, Do: func(string) tea.Cmd {
		return s.start("Restoring the company's database", "Until its last step the database stays as it is, after it everything is restored: never half of it.", func(ctx context.Context, n model.Notify) (any, error) {
			r, err := ws.RestoreCentral(ctx, req, n)
			return centralRestored{r}, err
		})
	}})
}

// lostText says what becomes of the lost changes that computers have.
func (s *restore) lostText() string {
	if s.giveUp {
		return ", and computers give up what they sent"
	}
	return ", but for what computers have and offer again"
}

// databaseName is the name of the database at an address.
func databaseName(address string) string {
	u, err := url.Parse(address)
	if name := ""; err == nil {
		if name = path.Base(u.Path); name != "." && name != "/" {
			return model.Visible(name)
		}
	}
	return "restore"
}

// askHere asks before the records of the workspace give way.
func (s *restore) askHere() tea.Cmd {
	b, _ := s.backup()
	env, ws, bare := s.env, s.env.Workspace, s.bare
	text := "Every record of this workspace is replaced by the " + draw.Plural(b.Rows, "row", "rows") + " of " + s.moment(b.At) +
		". What is here now, unsent changes included, is kept as a safety copy."
	return ask(screen.AskMsg{Title: "Restore this workspace?", Text: text + "\n\nType restore to do it.", Yes: "Restore", Input: "Word", Must: "restore", Do: func(string) tea.Cmd {
		return s.start("Restoring", "Until the last step the workspace stays as it is.", func(ctx context.Context, n model.Notify) (any, error) {
			var out workspaceRestored
			var err error
			if !bare {
				if out.before, err = ws.CreateBackup(ctx, model.BackupRequest{Kind: model.BackupFull, Source: model.SourceLocal}, n); err != nil {
					return out, model.Errorf(model.KindOf(err), "what is here now could not be backed up, so that nothing was touched: %s", strings.TrimSuffix(env.Sentence(err), ".")).Because(err)
				}
			}
			out.info, out.safe, err = ws.RestoreBackup(ctx, model.BackupRequest{ID: b.ID}, n)
			return out, err
		})
	}})
}

// askBackHere asks before the workspace is as it was before the restore.
func (s *restore) askBackHere() tea.Cmd {
	ws, before := s.env.Workspace, s.here.before
	return ask(screen.AskMsg{Title: "Take the restore back?", Text: "This workspace is as it was before the restore. What was changed since is kept as a safety copy.", Yes: "Take back", Do: func(string) tea.Cmd {
		return s.start("Taking the restore back", "Until the last step the workspace stays as it is.", func(ctx context.Context, n model.Notify) (any, error) {
			info, safe, err := ws.RestoreBackup(ctx, model.BackupRequest{ID: before.ID}, n)
			return workspaceBack{workspaceRestored{info: info, safe: safe}}, err
		})
	}})
}

// askTakeBack asks before what the last restore of the central replaced comes
// back, and has the name of the database typed.
func askTakeBack(env *screen.Env, r model.RestoreResult, start func(do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd) tea.Cmd {
	word := databaseName(r.Target)
	text := "What the last restore replaced in " + model.Visible(r.Target) + " comes back: " + draw.Plural(int64(len(r.Tables)), "table", "tables") + "."
	if len(r.Tables) == 0 {
		text = "The last restore of " + model.Visible(r.Target) + " was interrupted. It is ended; what is there stays."
	}
	for _, d := range r.Done {
		text += " " + draw.Sentence(model.Visible(d))
	}
	ws := env.Workspace
	return ask(screen.AskMsg{Title: "Take the restore back?", Text: text + "\n\nType " + word + " to do it.", Yes: "Take back", Input: "Database", Must: word, Do: func(string) tea.Cmd {
		return start(func(ctx context.Context, n model.Notify) (any, error) {
			r, err := ws.UndoRestore(ctx, false, n)
			return takenBack{r}, err
		})
	}})
}

// Names of the job that takes a restore back.
const (
	takingBack     = "Taking the restore back"
	takingBackKept = "Until its last step the database stays as it is, after it everything is back: never half of it."
)

func (s *restore) askTakeBack() tea.Cmd {
	return askTakeBack(s.env, *s.undo, func(do func(ctx context.Context, n model.Notify) (any, error)) tea.Cmd {
		return s.start(takingBack, takingBackKept, do)
	})
}
