package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// onSchedule opens the page, with a hook that notes what is kept.
func onSchedule(t *testing.T, ws *fake.Workspace, kept *[]model.BackupSettings) *schedule {
	t.Helper()
	env := ws.Env(t.Context(), theme.New(true))
	env.Hooks.Backups = func(_ context.Context, s model.BackupSettings) error {
		*kept = append(*kept, s)
		ws.Chosen.Backup = s
		return nil
	}
	s := newSchedule(env).(*schedule)
	s.SetSize(100, 24)
	fake.Run(s, s.Init())
	return s
}

// pressed presses enter on a row and returns the question.
func pressed(t *testing.T, s *schedule, label string) screen.AskMsg {
	t.Helper()
	s.goTo(label)
	return fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
}

// TestAScheduleIsSet goes from none to backups, trials and rules, and keeps
// them.
func TestAScheduleIsSet(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Chosen.Backup.To = "/mnt/share"
	s := onSchedule(t, ws, &kept)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "never by itself") || !strings.Contains(v, "the usual ones") || s.Dirty() {
		t.Error(v)
	}
	clock := fake.Want[screen.AskMsg](t, fake.Run(s, pressed(t, s, "Backups").Do(everDay)))
	if clock.Value != noon {
		t.Errorf("proposes %q", clock.Value)
	}
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, clock.Do("half past two"))); model.KindOf(m.Err) != model.Invalid {
		t.Errorf("%+v", m)
	}
	zone := fake.Want[screen.AskMsg](t, fake.Run(s, clock.Do("02:30")))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, zone.Do("Middle-Earth"))); model.KindOf(m.Err) != model.Invalid || s.Dirty() {
		t.Errorf("%+v", m)
	}
	fake.Run(s, zone.Do("Europe/Zurich"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "each day at 02:30, next tomorrow 02:30") || !strings.Contains(v, "Europe/Zurich") || !s.Dirty() {
		t.Error(v)
	}
	day := fake.Want[screen.AskMsg](t, fake.Run(s, pressed(t, s, "Trial restores").Do(everWeek)))
	fake.Run(s, fake.Want[screen.AskMsg](t, fake.Run(s, day.Do("Sunday"))).Do("3:05"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "each Sunday at 03:05, next Sun 22 Nov 03:05") {
		t.Error(v)
	}
	fake.Run(s, pressed(t, s, "One a day").Do("30"))
	fake.Run(s, pressed(t, s, "Reads").Do(readStandby))
	s.goTo(keepTimes)
	out := fake.Do(t, s, keymap.Open)
	fake.Want[screen.ScheduledMsg](t, out)
	fake.Want[screen.BackMsg](t, out)
	if m := fake.Want[screen.NoticeMsg](t, out); !strings.Contains(m.Text, "due tomorrow 02:30") || s.Dirty() {
		t.Errorf("%q, dirty %v", m.Text, s.Dirty())
	}
	rules := model.DefaultKeep()
	rules.Daily = 30
	want := model.BackupSettings{To: "/mnt/share", Schedule: model.Schedule{Expr: "30 2 * * *", Zone: "Europe/Zurich"}, Trial: model.Schedule{Expr: "5 3 * * 0", Zone: "Europe/Zurich"}, Keep: rules, ReadFrom: model.ReadStandby}
	if len(kept) != 1 || kept[0].To != want.To || kept[0].Schedule != want.Schedule || kept[0].Trial != want.Trial || kept[0].Keep != want.Keep || kept[0].ReadFrom != want.ReadFrom {
		t.Errorf("kept %+v", kept)
	}
}

// TestAScheduleIsChanged begins each question at what holds, asks for the time
// zone no more, and can do away with all of it.
func TestAScheduleIsChanged(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Chosen.Backup.Schedule = model.Schedule{Expr: "15 6 * * 4"}
	s := onSchedule(t, ws, &kept)
	q := pressed(t, s, "Backups")
	if q.Value != everWeek {
		t.Errorf("stands on %q", q.Value)
	}
	day := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(everWeek)))
	if at := fake.Want[screen.AskMsg](t, fake.Run(s, day.Do("Friday"))); day.Value != "Thursday" || at.Value != "06:15" {
		t.Errorf("stands on %q, %q", day.Value, at.Value)
	}
	fake.Run(s, q.Do(everHour))
	if s.now.backups.Expr != "0 * * * *" {
		t.Errorf("%+v", s.now)
	}
	typed := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(everTyped)))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, typed.Do("61 * * * *"))); model.KindOf(m.Err) != model.Invalid || s.now.backups.Expr != "0 * * * *" {
		t.Errorf("%+v", m)
	}
	fake.Run(s, typed.Do("*/20 8-18 * * 1-5"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "by */20 8-18 * * 1-5, next today 09:40") {
		t.Error(v)
	}
	if q = pressed(t, s, "Backups"); q.Value != everTyped {
		t.Errorf("stands on %q", q.Value)
	}
	fake.Run(s, q.Do(everNever))
	fake.Run(s, pressed(t, s, "Trial restores").Do(everHour))
	if said := s.told(); said != "The next trial restore is due today 10:00; no backup is due by itself." {
		t.Error(said)
	}
	fake.Run(s, pressed(t, s, "Trial restores").Do(everNever))
	s.goTo(keepTimes)
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Open)); !strings.Contains(m.Text, "No backup is due by itself") || len(kept) != 1 || kept[0].Schedule.Expr != "" || kept[0].Keep != (model.KeepRules{}) {
		t.Errorf("%q, kept %+v", m.Text, kept)
	}
}

// TestRulesAreNumbers refuses what is none, and rules that would keep nothing.
func TestRulesAreNumbers(t *testing.T) {
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Chosen.Backup.Keep = model.KeepRules{Last: 2}
	s := onSchedule(t, ws, &kept)
	q := pressed(t, s, "The newest")
	if q.Value != "2" {
		t.Errorf("begins at %q", q.Value)
	}
	for _, typed := range []string{"", "many", "-1", "10001", "0"} {
		if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do(typed))); model.KindOf(m.Err) != model.Invalid || s.Dirty() {
			t.Errorf("%q: %+v", typed, m)
		}
	}
	fake.Run(s, pressed(t, s, "One a year").Do("3"))
	fake.Run(s, q.Do("0"))
	if s.now.keep != (model.KeepRules{Yearly: 3}) {
		t.Errorf("%+v", s.now.keep)
	}
}

// TestAScheduleLooks draws the page with one that is behind.
func TestAScheduleLooks(t *testing.T) {
	at := fake.Now()
	ws := workspace()
	ws.Chosen.Backup = model.BackupSettings{Schedule: model.Schedule{Expr: "30 2 * * *", Zone: "Europe/Zurich"}, Trial: model.Schedule{Expr: "0 3 * * 0", Zone: "Europe/Zurich"}, Keep: model.KeepRules{Last: 3, Daily: 30}, ReadFrom: model.ReadStandby}
	ws.Backups = model.BackupState{Verified: &model.BackupInfo{At: at.Add(-26 * time.Hour)}, Schedule: "30 2 * * *", LastDue: at.Add(-7 * time.Hour), Due: true,
		Trial: &model.TrialRestore{At: at.Add(-48 * time.Hour), OK: true}, TrialSchedule: "0 3 * * 0", NextTrial: at.Add(48 * time.Hour), Warnings: []string{"old backups were \x1b[31mnever pruned"}}
	open := func(th *theme.Theme) screen.Screen {
		env := ws.Env(t.Context(), th)
		env.Hooks.Backups = func(context.Context, model.BackupSettings) error { return nil }
		s := New(env, screen.OpenMsg{Kind: screen.Schedule})
		s.SetSize(80, 21)
		fake.Run(s, s.Init())
		fake.Run(s, pressed(t, s.(*schedule), "One a month").Do("6"))
		return s
	}
	fake.Goldens(t, "schedule-changed", open)
	fake.Survives(t, func(th *theme.Theme) screen.Screen {
		s := open(th)
		s.SetSize(0, 0)
		return s
	})
}

// TestHowTheScheduleStands says of each source what is due since when, or why
// that is not known.
func TestHowTheScheduleStands(t *testing.T) {
	at := fake.Now()
	ws, kept := workspace(), []model.BackupSettings{}
	ws.Backups = model.BackupState{Verified: &model.BackupInfo{At: at.Add(-26 * time.Hour)}, Schedule: "30 2 * * *", LastDue: at.Add(-7 * time.Hour), Next: at.Add(17 * time.Hour), Due: true,
		Trial: &model.TrialRestore{At: at.Add(-9 * 24 * time.Hour), Problem: "t/contact differs"}, TrialSchedule: "0 3 * * 0", TrialDue: true, Warnings: []string{"old backups were never pruned"}}
	s := onSchedule(t, ws, &kept)
	sees := func(want ...string) {
		t.Helper()
		var all []string
		for _, r := range s.rows {
			all = append(all, r.label+" "+r.sign+" "+r.text)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(all, "\n"), w) {
				t.Errorf("%q is missing in\n%s", w, strings.Join(all, "\n"))
			}
		}
	}
	sees("Workspace ! last verified yesterday 07:30; due since today 02:30", "Workspace, tried × 11 Nov 09:30, it failed: t/contact differs; due now", "! old backups were never pruned", "Central ! last")
	ws.Backups = model.BackupState{Verified: &model.BackupInfo{At: at.Add(-time.Hour)}, Schedule: "30 2 * * *", Next: at.Add(17 * time.Hour), Trial: &model.TrialRestore{At: at.Add(-time.Hour), OK: true}, TrialSchedule: "0 3 * * 0", NextTrial: at.Add(48 * time.Hour)}
	fake.Run(s, s.reload())
	sees("Workspace ✓ last verified 1 h ago; due tomorrow 02:30", "Workspace, tried ✓ 1 h ago, it restores; due Sun 22 Nov 09:30")
	ws.Chosen.Central, ws.Err = "", model.Errorf(model.Unreachable, "the share is gone")
	fake.Run(s, s.reload())
	sees("Workspace ? the share is gone")
	for _, r := range s.rows {
		if strings.Contains(r.label, "Central") {
			t.Error("it tells of a central where there is none")
		}
	}
}

// TestWhatCannotBeKeptIsSaid stays on the page with what was chosen.
func TestWhatCannotBeKeptIsSaid(t *testing.T) {
	ws := workspace()
	env := ws.Env(t.Context(), theme.New(true))
	env.Hooks.Backups = func(context.Context, model.BackupSettings) error {
		return model.Errorf(model.Invalid, "config.toml cannot be written")
	}
	s := newSchedule(env).(*schedule)
	s.SetSize(100, 24)
	fake.Run(s, s.Init())
	fake.Run(s, pressed(t, s, "One a day").Do("3"))
	s.goTo(keepTimes)
	out := fake.Do(t, s, keymap.Open)
	if _, left := fake.Find[screen.BackMsg](out); left || !s.Dirty() || !strings.Contains(ansi.Strip(s.View()), "config.toml cannot be written") {
		t.Errorf("left %v\n%s", left, ansi.Strip(s.View()))
	}
	env.Hooks.Backups = nil
	s.rebuild()
	if v := ansi.Strip(s.View()); strings.Contains(v, keepTimes) || !strings.Contains(v, "Not from here") {
		t.Error(v)
	}
}

// TestEveryScheduleHasWords writes what is usual as people say it, and the rest
// as it stands.
func TestEveryScheduleHasWords(t *testing.T) {
	for expr, want := range map[string]string{
		"": everNever, "0 * * * *": "each hour", "30 2 * * *": "each day at 02:30", "0 0 * * 1": "each Monday at 00:00", "0 0 * * 7": "each Sunday at 00:00",
		"0 0 1 * *": "by 0 0 1 * *", "*/5 * * * *": "by */5 * * * *", "0 2 * * 1-5": "by 0 2 * * 1-5", "0 2 * * mon": "by 0 2 * * mon", "5 * * * *": "by 5 * * * *",
	} {
		if got := inWords(model.Schedule{Expr: expr}); got != want {
			t.Errorf("%q is %q, want %q", expr, got, want)
		}
	}
	for _, d := range weekdays() {
		if weekdayOf(d).String() != d {
			t.Errorf("%s becomes %s", d, weekdayOf(d))
		}
	}
	now := fake.Now()
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, now.Location())
	for at, want := range map[time.Time]string{now.Add(time.Hour): "today 10:30", midnight: "tomorrow 00:00", midnight.Add(time.Hour): "tomorrow 01:00"} {
		if got := upcoming(at, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if zoneOf(now.In(time.UTC)) != "UTC" || zoneOf(now.In(time.FixedZone("Nowhere", 1234))) != "" {
		t.Error("the time zone of the computer is made up")
	}
}

// TestTheBackupsSayWhenTheNextOneIsDue, and lead to the page that sets it.
func TestTheBackupsSayWhenTheNextOneIsDue(t *testing.T) {
	ws := workspace()
	for expr, want := range map[string]string{"": "when you make it: w sets a schedule", "30 2 * * *": "of the workspace tomorrow 03:30, each day at 02:30: w changes that"} {
		ws.Chosen.Backup.Schedule = model.Schedule{Expr: expr}
		s := onBackups(t, ws)
		s.goTo("Next one")
		if r := s.rows[s.at]; r.text != want {
			t.Errorf("%q: %s", expr, r.text)
		}
		for _, a := range []keymap.Action{keymap.Open, keymap.Schedule} {
			if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, a)); m.Kind != screen.Schedule {
				t.Errorf("%s leads to %+v", a, m)
			}
		}
	}
}

// TestABackupOfTheCentralAsksWhatItReads offers what there is, and asks nothing
// where that is one thing.
func TestABackupOfTheCentralAsksWhatItReads(t *testing.T) {
	for word, want := range map[string]model.BackupRequest{
		readTables:  {ReadFrom: model.ReadPrimary},
		readStandby: {ReadFrom: model.ReadStandby},
		readReports: {ReadFrom: model.ReadReport},
		readChecked: {ReadFrom: model.ReadReport, Check: true},
	} {
		ws := workspace()
		s := onBackups(t, ws)
		ws.Chosen.Backup.ReadFrom = want.ReadFrom
		kind := fake.Want[screen.AskMsg](t, fake.Run(s, s.askKind(model.SourceCentral)))
		q := fake.Want[screen.AskMsg](t, fake.Run(s, kind.Do(wholeKind)))
		if len(q.Options) != 4 || q.Value != readWord(want.ReadFrom) {
			t.Errorf("stands on %q of %q", q.Value, q.Options)
		}
		fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do(word)))
		if r := ws.Made[0]; r.ReadFrom != want.ReadFrom || r.Check != want.Check || r.Source != model.SourceCentral || r.Kind != model.BackupFull {
			t.Errorf("%s asks for %+v", word, r)
		}
	}
	ws := workspace()
	ws.Glance.Reports, ws.Glance.Standby.Servers = nil, ws.Glance.Standby.Servers[:1]
	s := onBackups(t, ws)
	kind := fake.Want[screen.AskMsg](t, fake.Run(s, s.askKind(model.SourceCentral)))
	fake.Want[screen.NoticeMsg](t, fake.Run(s, kind.Do(wholeKind)))
	if ws.Made[0].ReadFrom != "" {
		t.Errorf("asks for %+v", ws.Made[0])
	}
}
