package admin

import (
	"context"
	"fmt"
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

// copies are two chains of the central, one with segments, and copies of the
// workspace, one of them damaged.
func copies() []model.BackupInfo {
	at := fake.Now()
	info := func(id, kind, source, parent string, before time.Duration, rows, bytes int64) model.BackupInfo {
		return model.BackupInfo{ID: id, Kind: kind, Source: source, Parent: parent, At: at.Add(-before), Rows: rows, Bytes: bytes, Verified: true, Encrypted: source == model.SourceCentral}
	}
	day := 24 * time.Hour
	out := []model.BackupInfo{
		info("s3", model.BackupSegment, model.SourceCentral, "s2", 2*time.Minute, 12, 2_100),
		info("s2", model.BackupSegment, model.SourceCentral, "i1", 3*time.Minute, 9, 1_900),
		info("w1", model.BackupFull, model.SourceLocal, "", time.Hour, 48200, 3_400_000),
		info("i1", model.BackupIncremental, model.SourceCentral, "f1", 5*time.Hour, 812, 61_000),
		info("w0", model.BackupFull, model.SourceLocal, "", day, 0, 12),
		info("f1", model.BackupFull, model.SourceCentral, "", day+3*time.Hour, 912_400, 68_000_000),
		info("d0", model.BackupDifferential, model.SourceCentral, "f0", 30*day, 10_200, 900_000),
		info("f0", model.BackupFull, model.SourceCentral, "", 109*day, 903_000, 67_000_000),
	}
	out[4].Verified, out[4].Problem = false, "manifest.json is damaged"
	out[6].Verified = false
	return out
}

func glance() model.BackupOverview {
	at := fake.Now()
	return model.BackupOverview{At: at, Place: "s3://crm-backups/north?region=eu-central-1", Items: copies(), Left: 1,
		Trial:   &model.TrialRestore{At: at.Add(-50 * time.Hour), Backup: "f1", OK: true},
		Central: "mysql://crm.example.com/crm",
		Standby: &model.StandbyReport{Servers: []model.ServerState{{Address: "db1", Role: model.RolePrimary},
			{Address: "db2", Role: model.RoleStandby, Lag: 12 * time.Millisecond, Receiving: model.ReplicaThread{Running: true}, Applying: model.ReplicaThread{Running: true}}}},
		Reports: &model.ReportsState{Behind: 1234, RefreshedAt: at.Add(-72 * time.Hour), Rows: 900_000},
	}
}

func archived() map[model.Noun][]model.ArchivedRecord {
	item := func(standing model.Standing, id string, pairs ...any) model.ArchivedRecord {
		r := fake.Record("contact", id, pairs...)
		r.UpdatedAt = fake.Now().AddDate(0, -2, 0)
		return model.ArchivedRecord{Record: r, Standing: standing}
	}
	out := []model.ArchivedRecord{
		item(model.StandingSame, "p1", "first_name", "Grace", "last_name", "Hopper", "job_title", "Rear admiral"),
		item(model.StandingChanged, "p2", "first_name", "Ada", "last_name", "Lovelace", "job_title", "Analyst"),
		item(model.StandingBin, "p3", "last_name", "山田\x1b[7m太郎"),
		item(model.StandingGone, "p4", "first_name", "Max", "last_name", "Miller"),
	}
	for i := range 250 {
		out = append(out, item(model.StandingSame, fmt.Sprint("x", i), "last_name", fmt.Sprintf("Person %03d", i)))
	}
	return map[model.Noun][]model.ArchivedRecord{"contact": out}
}

// compared is Ada as she was and as she is.
func compared() model.Comparison {
	method := func(id, value, label string) *model.Record {
		return fake.Record("contact_method", id, "kind", "phone", "value", value, "label", label)
	}
	then := fake.Record("contact", "p2", "first_name", "Ada", "last_name", "Lovelace", "job_title", "Analyst", "organization", model.Ref{Noun: "organization", ID: fake.ID("o1"), Name: "Acme"},
		"phone", []*model.Record{method("m1", "+41446681800", "work"), method("m2", "+41791234567", "mobile")},
		"notes", "Met at the fair.\nLikes engines \x1b[31mand numbers.\n"+strings.Repeat("A long line about what was said. ", 12))
	now := fake.Record("contact", "p2", "first_name", "Ada", "last_name", "King", "job_title", "Analyst", "organization", model.Ref{Noun: "organization", ID: fake.ID("o1"), Name: "Acme"},
		"phone", []*model.Record{method("m1", "+41446681800", "work"), method("m3", "+49301234", "home")})
	return model.Comparison{Backup: copies()[3], Record: then, Today: now, Standing: model.StandingChanged, Differences: model.Differences(then, now)}
}

func back() model.RecordsRestored {
	c := compared()
	return model.RecordsRestored{Backup: c.Backup, Edited: 1, Act: 7, Notes: []string{"an organization that they point to is not here: organization:0199 Acme"},
		Samples: []model.RecordRestored{{Record: model.Ref{Noun: "contact", ID: c.Record.ID, Name: "Ada Lovelace"}, Action: "edit", Differences: c.Differences}}}
}

func onBackups(t *testing.T, ws *fake.Workspace) *backups {
	t.Helper()
	s := opener(t, ws, screen.Backups)(theme.New(true)).(*backups)
	s.SetSize(100, 37)
	return s
}

func TestBackupLooks(t *testing.T) {
	bad := workspace()
	bad.Glance = model.BackupOverview{At: fake.Now(), Place: "/mnt/share/rapport", Central: "mysql://crm.example.com/crm",
		PlaceProblem: "the backups that were in /mnt/share/rapport are not there", CentralProblem: "the central does not answer"}
	none := workspace()
	none.Glance = model.BackupOverview{At: fake.Now(), Place: "/home/ada/backups"}
	for name, ws := range map[string]*fake.Workspace{"backups-unknown": bad, "backups-none": none} {
		fake.Goldens(t, name, opener(t, ws, screen.Backups))
		fake.Survives(t, opener(t, ws, screen.Backups))
	}
	fake.Goldens(t, "archive-asked", func(th *theme.Theme) screen.Screen {
		s := opener(t, workspace(), screen.Archive)(th)
		s.SetSize(80, 21)
		fake.Do(t, s, keymap.Down, keymap.Restore)
		return s
	})
	fake.Goldens(t, "compare-asked", func(th *theme.Theme) screen.Screen {
		s := opener(t, workspace(), screen.Compare)(th)
		s.SetSize(80, 21)
		fake.Do(t, s, keymap.Restore)
		return s
	})
	gone := workspace()
	gone.Compared.Today, gone.Compared.Standing, gone.Compared.Differences = nil, model.StandingGone, nil
	fake.Goldens(t, "compare-gone", opener(t, gone, screen.Compare))
}

// TestOverviewNamesTheKeyThatHelps goes through what can be wrong.
func TestOverviewNamesTheKeyThatHelps(t *testing.T) {
	at := fake.Now()
	for name, c := range map[string]struct {
		change func(*model.BackupOverview)
		line   string // label of the line
		sign   string
		want   string
	}{
		"all well":          {func(*model.BackupOverview) {}, "Last verified", "✓", "central 2 min ago, workspace 1 h ago"},
		"no backup":         {func(o *model.BackupOverview) { o.Items = nil }, "Last verified", "×", "never: n makes"},
		"old":               {func(o *model.BackupOverview) { o.Items = o.Items[6:]; o.Items[0].Verified = true }, "Last verified", "!", "n makes another"},
		"newest unverified": {func(o *model.BackupOverview) { o.Items[0].Verified = false }, "Last verified", "!", "v on it proves it"},
		"central never":     {func(o *model.BackupOverview) { o.Items = o.Items[6:7] }, "Last verified", "×", "central never"},
		"far":               {func(*model.BackupOverview) {}, "How far back", "✓", "to 3 August 2026, 6 verified backups"},
		"today":             {func(o *model.BackupOverview) { o.Items = o.Items[:3] }, "How far back", "✓", "to today 08:30, 3 verified"},
		"one only":          {func(o *model.BackupOverview) { o.Items = o.Items[2:3] }, "How far back", "!", "one backup only"},
		"nowhere":           {func(o *model.BackupOverview) { o.Items = o.Items[6:7] }, "How far back", "×", "n makes a backup"},
		"no share":          {func(o *model.BackupOverview) { o.PlaceProblem = "the share is gone" }, "Last verified", "?", "unknown: the share is gone"},
		"tried":             {func(*model.BackupOverview) {}, "Would restore", "✓", "yes, tried Wed 18 Nov 07:30"},
		"never tried":       {func(o *model.BackupOverview) { o.Trial = nil }, "Would restore", "?", "never tried: t restores"},
		"nothing to try":    {func(o *model.BackupOverview) { o.Trial, o.Items = nil, nil }, "Would restore", "?", "nothing to try"},
		"trial failed":      {func(o *model.BackupOverview) { o.Trial.OK, o.Trial.Problem = false, "t/contact differs" }, "Would restore", "×", "t/contact differs"},
		"trial old":         {func(o *model.BackupOverview) { o.Trial.At = at.AddDate(0, -1, 0) }, "Would restore", "!", "t tries again"},
		"standby":           {func(*model.BackupOverview) {}, "Standby", "✓", "follows, 12 ms behind"},
		"standby late":      {func(o *model.BackupOverview) { o.Standby.Servers[1].Lag = time.Minute }, "Standby", "!", "1m0s behind"},
		"standby stopped": {func(o *model.BackupOverview) {
			o.Standby.Servers[1].Applying = model.ReplicaThread{Message: "error 1950"}
		}, "Standby", "×", "error 1950"},
		"stale primary":   {func(o *model.BackupOverview) { o.Standby.Servers[1].Role = model.RoleStalePrimary }, "Standby", "×", "db2 is stale primary"},
		"no standby":      {func(o *model.BackupOverview) { o.Standby.Servers = o.Standby.Servers[:1] }, "Standby", "·", "rapport central standby setup"},
		"offline":         {func(o *model.BackupOverview) { o.Standby, o.CentralProblem = nil, "offline" }, "Standby", "?", "unknown: offline"},
		"no central":      {func(o *model.BackupOverview) { o.Central = "" }, "Standby", "·", "no central"},
		"reports old":     {func(*model.BackupOverview) {}, "Report tables", "!", "1,234 changes behind, of Tue 17 Nov 09:30: f refreshes them"},
		"reports fresh":   {func(o *model.BackupOverview) { o.Reports.Behind = 0 }, "Report tables", "✓", "up to date"},
		"reports recent":  {func(o *model.BackupOverview) { o.Reports.RefreshedAt = at.Add(-time.Hour) }, "Report tables", "✓", "1,234 changes behind, of 1 h ago"},
		"no reports":      {func(o *model.BackupOverview) { o.Reports = nil }, "Report tables", "·", "f makes them"},
		"reports offline": {func(o *model.BackupOverview) { o.Reports, o.CentralProblem = nil, "offline" }, "Report tables", "?", "unknown: offline"},
	} {
		t.Run(name, func(t *testing.T) {
			ws := workspace()
			c.change(&ws.Glance)
			s := onBackups(t, ws)
			for _, r := range s.rows {
				if r.label == c.line {
					if r.sign != c.sign || !strings.Contains(r.text, c.want) {
						t.Errorf("%s %s, want %s …%s…", r.sign, r.text, c.sign, c.want)
					}
					return
				}
			}
			t.Errorf("there is no line %q", c.line)
		})
	}
}

// TestOverviewKnowsTheSchedule says that a backup is due.
func TestOverviewKnowsTheSchedule(t *testing.T) {
	ws := workspace()
	for expr, want := range map[string]string{"29 * * * *": "one was due 1 min ago: n makes it", "0 * * * *": "workspace 1 h ago", "": "workspace 1 h ago"} {
		ws.Chosen.Backup.Schedule = model.Schedule{Expr: expr}
		s := onBackups(t, ws)
		if r := s.rows[1]; !strings.HasSuffix(r.text, want) {
			t.Errorf("%q: %s %s", expr, r.sign, r.text)
		}
	}
}

// TestChainsStandTogether marks what needs another backup and counts segments.
func TestChainsStandTogether(t *testing.T) {
	s := onBackups(t, workspace())
	var got []string
	for _, r := range s.rows {
		if r.of != nil {
			got = append(got, r.label+" | "+r.sign+" "+strings.Join(strings.Fields(r.text), " ")+" | "+r.note)
		}
	}
	want := []string{
		"2 min ago | ✓ central + 2 segments verified, encrypted | 21 rows, 4 kB",
		"5 h ago | ✓ central + incremental verified, encrypted | 812 rows, 61 kB",
		"yesterday 06:30 | ✓ central full verified, encrypted | 912,400 rows, 68.0 MB",
		"1 h ago | ✓ workspace full verified | 48,200 rows, 3.4 MB",
		"yesterday 09:30 | ! workspace full manifest.json is damaged | 0 rows, 12 B",
		"21 Oct 09:30 | ? central + differential not verified, encrypted | 10,200 rows, 900 kB",
		"3 Aug 09:30 | ✓ central full verified, encrypted | 903,000 rows, 67.0 MB",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s.rows[s.at].of == nil {
		t.Error("the cursor does not begin on a backup")
	}
}

func TestCreateAsksForSourceAndKind(t *testing.T) {
	ws := workspace()
	s := onBackups(t, ws)
	source := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Add))
	kind := fake.Want[screen.AskMsg](t, fake.Run(s, source.Do(centralSource)))
	reads := fake.Want[screen.AskMsg](t, fake.Run(s, kind.Do(diffKind)))
	fake.Want[screen.NoticeMsg](t, fake.Run(s, reads.Do(readTables)))
	if len(ws.Made) != 1 || ws.Made[0].Source != model.SourceCentral || ws.Made[0].Kind != model.BackupDifferential {
		t.Errorf("made %+v", ws.Made)
	}
	ws.Glance.Central = ""
	s = onBackups(t, ws)
	kind = fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Add))
	fake.Run(s, kind.Do(wholeKind))
	if len(ws.Made) != 2 || ws.Made[1].Source != model.SourceLocal || ws.Made[1].Kind != model.BackupFull {
		t.Errorf("made %+v", ws.Made)
	}
}

// onto puts the cursor on a backup.
func onto(s *backups, id string) {
	for i, r := range s.rows {
		if b, ok := r.of.(model.BackupInfo); ok && b.ID == id {
			s.at = i
		}
	}
}

func TestBackupsLeadOn(t *testing.T) {
	ws := workspace()
	s := onBackups(t, ws)
	onto(s, "w1")
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Verify)); !strings.Contains(m.Text, "whole") {
		t.Error(m.Text)
	}
	for a, want := range map[keymap.Action]screen.OpenMsg{keymap.Open: {Kind: screen.Archive, ID: "w1"}, keymap.Restore: {Kind: screen.Restore, ID: "w1"}, keymap.SetUp: {Kind: screen.SetUp}} {
		if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, a)); m.Kind != want.Kind || m.ID != want.ID {
			t.Errorf("%s leads to %+v", a, m)
		}
	}
}

// TestTheFirstBackupBeginsWithItsPlace asks where it is to lie where nobody has
// chosen yet, and only then.
func TestTheFirstBackupBeginsWithItsPlace(t *testing.T) {
	ws := workspace()
	ws.Glance = model.BackupOverview{At: fake.Now(), Place: "/home/ada/backups"}
	s := onBackups(t, ws)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Add))
	if m := fake.Want[screen.OpenMsg](t, fake.Run(s, q.Do(setUpFirst))); m.Kind != screen.SetUp || !strings.Contains(q.Text, "/home/ada/backups") {
		t.Errorf("leads to %+v", m)
	}
	if kind := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(hereAndNow))); kind.Value != wholeKind {
		t.Errorf("asks %+v", kind)
	}
	ws.Chosen.Backup.To = "/mnt/share"
	if kind := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Add)); kind.Value != wholeKind {
		t.Errorf("asks %+v", kind)
	}
}

// TestAPlaceThatIsGoneLeadsOn offers to ask again and to choose another one.
func TestAPlaceThatIsGoneLeadsOn(t *testing.T) {
	ws := workspace()
	ws.Glance = model.BackupOverview{At: fake.Now(), Place: "/mnt/share", PlaceProblem: "the share is gone"}
	s := onBackups(t, ws)
	s.goTo("Place and keys")
	if m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.rows[s.at].do())); m.Kind != screen.SetUp {
		t.Errorf("%+v", m)
	}
	before := ws.Calls()
	s.goTo("Ask again")
	fake.Do(t, s, keymap.Open)
	if ws.Calls() == before {
		t.Error("it does not ask again")
	}
}

// TestTheKeyThatHelpsIsTold says what to press where a command's hint names an
// option, for an error as for a backup that does not count.
func TestTheKeyThatHelpsIsTold(t *testing.T) {
	ws := workspace()
	ws.Glance.Items[4].Problem, ws.Glance.Items[4].Remedy = "it is signed with a key that this workspace does not know", model.TrustKeys
	s := onBackups(t, ws)
	ws.Err = model.Errorf(model.Other, "there is no room left in /mnt/share").WithHint("choose another place with --to").By(model.OtherPlace)
	kind := fake.Want[screen.AskMsg](t, fake.Run(s, s.askKind(model.SourceLocal)))
	fake.Run(s, kind.Do(wholeKind))
	v := strings.Join(strings.Fields(ansi.Strip(s.View())), " ")
	for _, want := range []string{"no room left in /mnt/share – see to that, or choose another place under Place and keys (s among the backups)", "signed with an unknown key: s, “Try it”"} {
		if !strings.Contains(v, want) {
			t.Errorf("%q is missing in\n%s", want, ansi.Strip(s.View()))
		}
	}
}

// TestABackupThatFailedBeginsAgain offers it on the page, with what was asked
// for.
func TestABackupThatFailedBeginsAgain(t *testing.T) {
	ws := workspace()
	s := onBackups(t, ws)
	ws.Err = model.Errorf(model.Unreachable, "the share is gone")
	kind := fake.Want[screen.AskMsg](t, fake.Run(s, s.askKind(model.SourceLocal)))
	fake.Run(s, kind.Do(incrKind))
	if v := ansi.Strip(s.View()); len(ws.Made) != 0 || !strings.Contains(v, "the share is gone") || !strings.Contains(v, "Backing up did not come to its end: enter begins it again") {
		t.Errorf("made %v\n%s", ws.Made, v)
	}
	ws.Err = nil
	s.goTo("Once more")
	fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Open))
	if len(ws.Made) != 1 || ws.Made[0].Kind != model.BackupIncremental {
		t.Errorf("made %+v", ws.Made)
	}
	if v := ansi.Strip(s.View()); strings.Contains(v, "Once more") {
		t.Errorf("it is offered still\n%s", v)
	}
}

// TestTheLastRestoreIsTakenBackFromTheBackups asks for the database's name.
func TestTheLastRestoreIsTakenBackFromTheBackups(t *testing.T) {
	ws := workspace()
	s := onBackups(t, ws)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.TakeBack))
	if q.Must != "crm" || !strings.Contains(q.Text, "3 tables") || !strings.Contains(q.Text, "17 changes were made since") {
		t.Errorf("asks %+v", q)
	}
	m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("crm")))
	if ws.Restores.Undone != 1 || !strings.Contains(m.Text, "back in its place") {
		t.Errorf("undone %d, said %q", ws.Restores.Undone, m.Text)
	}
	ws.Restores.UndoErr = model.Errorf(model.NotFound, "no restore is known that could be undone")
	if s = onBackups(t, ws); s.Can(keymap.TakeBack) {
		t.Error("nothing can be taken back")
	}
}

// TestTrialAndPrune tries the backup under the cursor, and names what would go
// before it goes.
func TestTrialAndPrune(t *testing.T) {
	ws := workspace()
	s := onBackups(t, ws)
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Trial)); !strings.Contains(m.Text, "would restore") {
		t.Error(m.Text)
	}
	if len(ws.Proved) != 1 || ws.Proved[0].Level != model.LevelRestored || ws.Proved[0].ID != "s3" {
		t.Errorf("tried %+v", ws.Proved)
	}
	if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Prune)); !strings.Contains(m.Text, "Nothing to let go of") {
		t.Error(m.Text)
	}
	for i := range 9 {
		ws.Prunes.Marked = append(ws.Prunes.Marked, model.PrunedBackup{BackupInfo: copies()[7], Why: fmt.Sprint("no rule keeps it ", i)})
	}
	ws.Prunes.Deleted, ws.Prunes.Kept = []model.PrunedBackup{{BackupInfo: copies()[6], Why: "its time is over"}}, make([]model.PrunedBackup, 5)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Prune))
	for _, want := range []string{"1 backup goes now, 9 are marked", "5 stay", "its time is over", "no rule keeps it 4", "and 4 more"} {
		if !strings.Contains(q.Text, want) {
			t.Errorf("%q is missing in %q", want, q.Text)
		}
	}
	for _, p := range ws.Pruned {
		if !p.DryRun {
			t.Fatal("it goes unasked")
		}
	}
	m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("")))
	if last := ws.Pruned[len(ws.Pruned)-1]; last.DryRun || !strings.Contains(m.Text, "Let go of 1 backup") {
		t.Errorf("%+v, said %q", last, m.Text)
	}
}

// TestLooksIntoBackupsWhileOneIsMade starts nothing else meanwhile.
func TestLooksIntoBackupsWhileOneIsMade(t *testing.T) {
	s := onBackups(t, workspace())
	s.job.start("Backing up", func(ctx context.Context, _ model.Notify) (any, error) { return nil, nil })
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Archive {
		t.Errorf("%+v", m)
	}
	for _, a := range []keymap.Action{keymap.Verify, keymap.TakeBack, keymap.Trial, keymap.Prune, keymap.Refresh, keymap.Add} {
		if m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, a)); !strings.Contains(m.Text, "One thing at a time") {
			t.Errorf("%s: %q", a, m.Text)
		}
	}
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Back))
	if !strings.Contains(q.Title, "Backing up is under way") || len(q.Options) != 2 {
		t.Errorf("%+v", q)
	}
}

func onArchive(t *testing.T, ws *fake.Workspace) *archive {
	t.Helper()
	s := New(ws.Env(t.Context(), theme.New(true)), screen.OpenMsg{Kind: screen.Archive, ID: "i1", Noun: "contact"}).(*archive)
	s.SetSize(100, 20)
	fake.Run(s, s.Init())
	return s
}

// TestArchiveHoldsAWindow goes through all records to the end and back and
// holds a few pages of them at any time.
func TestArchiveHoldsAWindow(t *testing.T) {
	ws := workspace()
	var many []model.ArchivedRecord
	for i := range 1234 {
		r := fake.Record("contact", fmt.Sprint("q", i), "last_name", fmt.Sprintf("Person %04d", i))
		many = append(many, model.ArchivedRecord{Record: r, Standing: model.StandingSame})
	}
	ws.Archived["contact"] = many
	s := onArchive(t, ws)
	walk := func(a keymap.Action, want string) {
		for range 200 {
			fake.Do(t, s, a)
			if n := s.count(); n > (archivePages+1)*archivePage {
				t.Fatalf("it holds %d rows", n)
			}
			if it, _ := s.item(s.at); it.Record.Title() == want {
				return
			}
		}
		it, _ := s.item(s.at)
		t.Fatalf("%s ends at %q, want %q", a, it.Record.Title(), want)
	}
	walk(keymap.PageDown, "Person 1233")
	walk(keymap.PageUp, "Person 0000")
	if s.at != 0 || len(s.passed) != 0 {
		t.Errorf("at %d, %d pages before", s.at, len(s.passed))
	}
	walk(keymap.PageDown, "Person 1233")
	fake.Do(t, s, keymap.Top)
	if it, _ := s.item(s.at); it.Record.Title() != "Person 0000" {
		t.Errorf("the top is %q", it.Record.Title())
	}
}

// TestArchiveFollowsChanges reads how records are anew, and stays on its row.
func TestArchiveFollowsChanges(t *testing.T) {
	ws := workspace()
	s := onArchive(t, ws)
	fake.Do(t, s, keymap.Different, keymap.Down, keymap.Down)
	ws.Archived["contact"][1].Standing = model.StandingSame
	before := len(ws.Looks)
	fake.Run(s, s.Update(screen.ChangedMsg{Change: model.Change{Nouns: []model.Noun{"deal"}}}))
	if len(ws.Looks) != before {
		t.Error("a change of something else concerns it")
	}
	fake.Run(s, s.Update(screen.ChangedMsg{}))
	if it, _ := s.item(s.at); s.count() != 2 || it.Record.ID != fake.ID("p4") {
		t.Errorf("%d rows, at %d", s.count(), s.at)
	}
}

func TestArchiveSearches(t *testing.T) {
	ws := workspace()
	s := onArchive(t, ws)
	fake.Do(t, s, keymap.Filter)
	if !s.Typing() || s.Cursor() == nil {
		t.Fatal("it does not type")
	}
	fake.Type(s, "mill")
	fake.Do(t, s, keymap.Save)
	if it, _ := s.item(s.at); s.count() != 1 || it.Record.Title() != "Max Miller" || s.Typing() {
		t.Errorf("found %d", s.count())
	}
	if q := ws.Looks[len(ws.Looks)-1]; q.Search != "mill" || q.ID != "i1" || q.Noun != "contact" {
		t.Errorf("asked %+v", q)
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Compare || m.ID != "i1" || m.Noun != "contact" || m.Other != fake.ID("p4") {
		t.Errorf("leads to %+v", m)
	}
	fake.Do(t, s, keymap.Back, keymap.Different)
	if s.count() != 3 {
		t.Errorf("%d are missing or changed", s.count())
	}
	fake.Do(t, s, keymap.NextField)
	if s.entity().Noun != "organization" || !strings.Contains(ansi.Strip(s.View()), "Every one of the organizations") {
		t.Error(ansi.Strip(s.View()))
	}
	fake.Do(t, s, keymap.PrevField)
	if _, left := s.Do(keymap.Back); left || s.entity().Noun != "contact" {
		t.Error("it does not let go of the page")
	}
}

// TestTwoKeysRestore names what changes before it is done, and does it once.
func TestTwoKeysRestore(t *testing.T) {
	for name, open := range map[string]func(*fake.Workspace) screen.Screen{
		"list": func(ws *fake.Workspace) screen.Screen {
			s := onArchive(t, ws)
			fake.Do(t, s, keymap.Down)
			return s
		},
		"compare": func(ws *fake.Workspace) screen.Screen {
			s := New(ws.Env(t.Context(), theme.New(true)), screen.OpenMsg{Kind: screen.Compare, ID: "i1", Noun: "contact", Other: fake.ID("p2")})
			s.SetSize(100, 24)
			fake.Run(s, s.Init())
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			ws := workspace()
			s := open(ws)
			if _, ok := s.Do(keymap.Yes); ok {
				t.Fatal("the second key does something without the first")
			}
			fake.Do(t, s, keymap.Restore)
			v := strings.Join(strings.Fields(ansi.Strip(s.View())), " ")
			if !strings.Contains(v, "y restores Ada Lovelace as on") || !strings.Contains(v, "It changes: last name, phones, notes.") || !strings.Contains(v, "not here: organization") {
				t.Errorf("it does not say what changes:\n%s", ansi.Strip(s.View()))
			}
			if len(ws.Brought) != 1 || !ws.Brought[0].DryRun {
				t.Fatalf("asked %+v", ws.Brought)
			}
			fake.Do(t, s, keymap.Back)
			if _, ok := s.Do(keymap.Yes); ok {
				t.Fatal("it is restored after it was left")
			}
			fake.Do(t, s, keymap.Restore)
			m := fake.Want[screen.NoticeMsg](t, fake.Do(t, s, keymap.Yes))
			if len(ws.Brought) != 3 || ws.Brought[2].DryRun || ws.Brought[2].Records[0].ID != fake.ID("p2") || ws.Brought[2].ID != "i1" && name == "list" {
				t.Errorf("did %+v", ws.Brought)
			}
			if !strings.Contains(m.Text, "Ada Lovelace is as it was") || !strings.Contains(m.Text, "u takes that back") {
				t.Error(m.Text)
			}
			if _, ok := s.Do(keymap.Yes); ok {
				t.Error("it can be done twice")
			}
		})
	}
}

func TestMouseInArchive(t *testing.T) {
	s := onArchive(t, workspace())
	if m := fake.Want[screen.OpenMsg](t, fake.Run(s, s.Click(5, archiveHead+3, true))); m.Other != fake.ID("p4") {
		t.Errorf("%+v", m)
	}
	if s.Click(5, 0, true) != nil {
		t.Error("the head was chosen")
	}
	fake.Run(s, s.Wheel(0, 0, -2))
	if it, _ := s.item(s.at); it.Record.ID != fake.ID("p2") {
		t.Error("the wheel does not move")
	}
}

// TestCompareFollowsChanges reads anew when the record changed, and forgets what
// was asked.
func TestCompareFollowsChanges(t *testing.T) {
	ws := workspace()
	s := New(ws.Env(t.Context(), theme.New(true)), screen.OpenMsg{Kind: screen.Compare, ID: "i1", Noun: "contact", Other: fake.ID("p2")}).(*compare)
	s.SetSize(100, 24)
	fake.Run(s, s.Init())
	fake.Do(t, s, keymap.Restore)
	before := ws.Calls()
	fake.Run(s, s.Update(screen.ChangedMsg{Change: model.Change{Nouns: []model.Noun{"deal"}}}))
	if ws.Calls() != before || s.bringing.found == nil {
		t.Error("a change of something else concerns it")
	}
	fake.Run(s, s.Update(screen.ChangedMsg{}))
	if ws.Calls() != before+1 || s.bringing.found != nil {
		t.Error("it does not follow")
	}
	fake.Do(t, s, keymap.AllFields)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "Analyst") {
		t.Error(v)
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Detail || m.ID != fake.ID("p2") {
		t.Errorf("%+v", m)
	}
}
