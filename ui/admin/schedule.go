package admin

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/model"
	"rapport/ui/screen"
)

// schedule is the page that says when backups are made and tried, which ones
// stay, and how all of that stands.
type schedule struct {
	page
	load  *screen.Loader // how it stands
	check *screen.Loader // of a choice
	was   timing
	now   timing
	next  moments
	local string // the time zone of this computer, "" where it is not known
	kept  bool

	stands []standing
	asOf   time.Time
}

// timing is what the page changes in the settings.
type timing struct {
	backups, trials model.Schedule // of one time zone
	keep            model.KeepRules
	readFrom        string
}

// moments are when something is due next, the zero time for never.
type moments struct{ backups, trials time.Time }

// standing is how the backups of a source are, or why that cannot be told.
type standing struct {
	model.BackupState
	err error
}

// What the page's commands answer.
type (
	checked struct {
		timing
		next  moments
		local string
	}
	stood      []standing
	timingKept struct{}
)

func newSchedule(env *screen.Env) screen.Screen {
	b := env.Workspace.Settings().Backup
	now := timing{b.Schedule, b.Trial, b.Keep, b.ReadFrom}
	s := &schedule{page: page{env: env, title: "Schedule", job: newJob(env)}, load: screen.NewLoader(env.Context), check: screen.NewLoader(env.Context), was: now, now: now}
	s.rebuild()
	return s
}

// Init finds out how it stands.
func (s *schedule) Init() tea.Cmd { return tea.Batch(s.take(s.now), s.reload()) }

// Working says what the page waits for.
func (s *schedule) Working() string {
	if s.load.Busy() {
		return "asking"
	}
	return ""
}

// Dirty is true while something is chosen that is not kept.
func (s *schedule) Dirty() bool { return !s.kept && s.was != s.now }

// reload asks how the backups of each source stand by the schedule that holds.
func (s *schedule) reload() tea.Cmd {
	ws := s.env.Workspace
	sources := []string{model.SourceLocal}
	if ws.Settings().Central != "" {
		sources = append(sources, model.SourceCentral)
	}
	return s.load.Load(func(ctx context.Context) (any, error) {
		var out stood
		for _, source := range sources {
			st, err := ws.BackupState(ctx, model.BackupRequest{Source: source}, model.Schedule{})
			st.Source = source
			out = append(out, standing{st, err})
		}
		return out, ctx.Err()
	})
}

// take has what was chosen read and the next moments found out: time zones lie
// in files.
func (s *schedule) take(t timing) tea.Cmd {
	now := s.env.Now()
	return s.check.Load(func(context.Context) (any, error) {
		out := checked{timing: t, local: zoneOf(now)}
		var err error
		if out.backups, err = model.ParseSchedule(t.backups.Expr, t.backups.Zone); err != nil {
			return nil, err
		}
		if out.trials, err = model.ParseSchedule(t.trials.Expr, t.trials.Zone); err != nil {
			return nil, err
		}
		out.next = moments{out.backups.Next(now), out.trials.Next(now)}
		return out, nil
	})
}

// zoneOf is the name of the time zone in which a clock of this computer goes, ""
// where it cannot be known.
func zoneOf(now time.Time) string {
	name := now.Location().String()
	if name == time.Local.String() {
		link, err := os.Readlink("/etc/localtime")
		if err != nil {
			return ""
		}
		_, name, _ = strings.Cut(link, "zoneinfo/")
	}
	z, err := time.LoadLocation(name)
	if err != nil || now.In(z).Format(time.DateTime) != now.Format(time.DateTime) {
		return ""
	}
	return name
}

// Update takes how it stands, what was chosen, and that it is kept.
func (s *schedule) Update(msg tea.Msg) tea.Cmd {
	m, ended, cmd := s.job.take(msg)
	defer s.rebuild()
	switch {
	case ended:
		if s.err = m.Err; m.Err != nil {
			return nil
		}
		s.kept = true
		return tea.Batch(screen.Notice(s.told()), tea.Sequence(func() tea.Msg { return screen.ScheduledMsg{} }, func() tea.Msg { return screen.ChangedMsg{} }, screen.Back))
	case s.load.Take(m):
		if s.err = m.Err; m.Err == nil {
			s.stands, s.asOf = m.Value.(stood), s.env.Now()
		}
	case s.check.Take(m):
		if m.Err != nil {
			return screen.Fail(m.Err)
		}
		c := m.Value.(checked)
		s.now, s.next, s.local = c.timing, c.next, c.local
	}
	return cmd
}

// told says what holds from now on.
func (s *schedule) told() string {
	now := s.env.Now()
	switch {
	case !s.next.backups.IsZero():
		return "The next backup of this workspace is due " + upcoming(s.next.backups, now) + "."
	case !s.next.trials.IsZero():
		return "The next trial restore is due " + upcoming(s.next.trials, now) + "; no backup is due by itself."
	}
	return "No backup is due by itself."
}

// keep writes what is chosen to the configuration.
func (s *schedule) keep() tea.Cmd {
	ws, hook, t := s.env.Workspace, s.env.Hooks.Backups, s.now
	s.err, s.job.kept = nil, "The configuration stays as it was."
	return s.job.start("Writing the configuration", func(ctx context.Context, _ model.Notify) (any, error) {
		b := ws.Settings().Backup
		b.Schedule, b.Trial, b.Keep, b.ReadFrom = t.backups, t.trials, t.keep, t.readFrom
		return timingKept{}, hook(ctx, b)
	})
}

// How often something can be due.
const (
	everNever = "never by itself"
	everHour  = "each hour"
	everDay   = "each day"
	everWeek  = "each week"
	everTyped = "at other times: type them"
)

// noon is when a laptop is open.
const noon = "12:00"

// askWhen asks how often, and then at what time. set puts an expression into
// what is chosen.
func (s *schedule) askWhen(title, text string, now model.Schedule, set func(t *timing, expr string)) tea.Cmd {
	with := func(expr string) timing {
		t := s.now
		set(&t, expr)
		return t
	}
	take := func(expr string) tea.Cmd { return s.inZone(with(expr)) }
	often, day, at := parts(now)
	return choose(title, text, often, []string{everDay, everWeek, everHour, everNever, everTyped}, func(v string) tea.Cmd {
		switch v {
		case everNever:
			return s.take(with(""))
		case everHour:
			return s.take(with("0 * * * *")) // which is the same everywhere
		case everTyped:
			return ask(screen.AskMsg{Title: title, Text: "Minute, hour, day, month and weekday, as cron reads them: 30 2 * * 1-5 is 02:30 on each working day.", Yes: "Set", Input: "Times", Value: now.Expr, Do: take})
		case everWeek:
			return choose("On which day?", "", day, weekdays(), func(d string) tea.Cmd {
				return s.askTime(at, func(t time.Time) tea.Cmd { return take(clock(t) + " * * " + strconv.Itoa(int(weekdayOf(d)))) })
			})
		}
		return s.askTime(at, func(t time.Time) tea.Cmd { return take(clock(t) + " * * *") })
	})
}

// clock is the beginning of an expression for a time of day.
func clock(t time.Time) string { return strconv.Itoa(t.Minute()) + " " + strconv.Itoa(t.Hour()) }

func (s *schedule) askTime(at string, take func(time.Time) tea.Cmd) tea.Cmd {
	return ask(screen.AskMsg{Title: "At what time?", Text: "What is missed, because the computer was off, is caught up when it is on again.", Yes: "Set", Input: "Time", Value: at, Do: func(typed string) tea.Cmd {
		t, err := time.Parse("15:04", strings.TrimSpace(typed))
		if err != nil {
			return screen.Fail(model.Errorf(model.Invalid, "%q is no time of day", model.Visible(typed)).WithHint("type hours and minutes, for example 02:30"))
		}
		return take(t)
	}})
}

// inZone asks in which time zone the first schedule is, and takes it.
func (s *schedule) inZone(t timing) tea.Cmd {
	if s.now.backups.Zone != "" || s.now.backups.Expr != "" || s.now.trials.Expr != "" {
		return s.take(t)
	}
	return s.askZone(t)
}

func (s *schedule) askZone(t timing) tea.Cmd {
	value := t.backups.Zone
	if value == "" {
		value = s.local
	}
	text := "A name like Europe/Zurich. Nothing means UTC, in which it is " + s.env.Now().UTC().Format("15:04") + " now."
	return ask(screen.AskMsg{Title: "In which time zone?", Text: text, Yes: "Set", Input: "Time zone", Value: value, Do: func(zone string) tea.Cmd {
		t.backups.Zone = strings.TrimSpace(zone)
		t.trials.Zone = t.backups.Zone
		return s.take(t)
	}})
}

// rules are those that hold: the usual ones where none are set.
func (t timing) rules() model.KeepRules {
	if t.keep == (model.KeepRules{}) {
		return model.DefaultKeep()
	}
	return t.keep
}

// mostKept is more backups than anybody keeps by one rule.
const mostKept = 10_000

// askKeep asks for the number of a rule, which of points at.
func (s *schedule) askKeep(title, text string, of func(*model.KeepRules) *int) tea.Cmd {
	held := s.now.rules()
	return ask(screen.AskMsg{Title: title, Text: text, Yes: "Set", Input: "How many", Value: strconv.Itoa(*of(&held)), Do: func(typed string) tea.Cmd {
		n, err := strconv.Atoi(strings.TrimSpace(typed))
		if err != nil || n < 0 || n > mostKept {
			return screen.Fail(model.Errorf(model.Invalid, "%q is no number of backups", model.Visible(typed)).WithHint("type one from 0, for none, to %d", mostKept))
		}
		rules := s.now.rules()
		*of(&rules) = n
		if rules == (model.KeepRules{}) {
			return screen.Fail(model.Errorf(model.Invalid, "no rule would keep a backup").WithHint("let one of them keep at least one"))
		}
		t := s.now
		t.keep = rules
		return s.take(t)
	}})
}

func (s *schedule) askReadFrom() tea.Cmd {
	return choose("What does a backup of "+centralSource+" read?", readHelp, readWord(s.now.readFrom), []string{readTables, readStandby, readReports}, func(v string) tea.Cmd {
		t := s.now
		if t.readFrom, _ = readOf(v); t.readFrom == model.ReadPrimary && s.was.readFrom == "" {
			t.readFrom = "" // as nobody said it
		}
		return s.take(t)
	})
}
