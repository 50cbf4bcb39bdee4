package cli_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (s *shell) configure(text string) {
	s.t.Helper()
	if err := os.MkdirAll(s.home, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.home, "config.toml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// TestBackupWhenDue makes a backup once for each due moment and tells when the
// next one is.
func TestBackupWhenDue(t *testing.T) {
	s := newShell(t)
	s.configure("[backup]\nschedule = \"30 2 * * *\"\ntime_zone = \"Europe/Zurich\"\nkeep_last = 2\n")
	st := s.ok("backup", "schedule")
	s.want(st["due"], "true")
	s.want(st["last_verified"], "null")
	s.want(st["schedule"], `"30 2 * * * (Europe/Zurich)"`)
	made := s.ok("backup", "create", "--if-due")
	s.want(made["made"], "true")
	s.want(made["verified"], "true")
	again := s.ok("backup", "create", "--if-due", "daily")
	s.want(again["made"], "false")
	s.want(again["id"], text(made["id"]))
	st = s.ok("backup", "schedule")
	s.want(st["due"], "false")
	s.want(st["last_verified"].(map[string]any)["id"], text(made["id"]))
	if a := s.run("backup", "schedule"); a.code != 0 || !strings.Contains(a.out, "next      ") {
		t.Errorf("%+v", a)
	}
	for _, bad := range [][]string{{"--if-due=often"}, {"--if-due", "61 * * * *"}, {"--if-due", "daily", "--source", "moon"}, {"daily"}} {
		if a := s.run(append([]string{"backup", "create"}, bad...)...); a.code != 2 {
			t.Errorf("%v: %+v", bad, a)
		}
	}
}

// TestTrialWhenDue restores a backup on trial once for each due moment, tells of
// it, and fails loudly.
func TestTrialWhenDue(t *testing.T) {
	s := newShell(t)
	s.configure("[backup]\nschedule = \"daily\"\ntrial = \"weekly\"\n")
	if a := s.run("backup", "verify", "--if-due"); a.code != 10 {
		t.Errorf("of no backups: %+v", a)
	}
	made := s.ok("backup", "create", "--if-due")
	st := s.ok("backup", "schedule")
	s.want(st["trial_due"], "true")
	s.want(st["last_trial"], "null")
	s.want(st["trial_schedule"], `"0 0 * * 1 (UTC)"`)
	trial := s.ok("backup", "verify", "--if-due")
	s.want(trial["tried"], "true")
	s.want(trial["id"], text(made["id"]))
	s.want(trial["level"], `"V4"`)
	again := s.ok("backup", "verify", "--if-due=weekly")
	s.want(again["tried"], "false")
	s.want(again["id"], text(made["id"]))
	st = s.ok("backup", "schedule")
	s.want(st["trial_due"], "false")
	s.want(st["last_trial"].(map[string]any)["ok"], "true")
	if a := s.run("backup", "schedule"); a.code != 0 || !strings.Contains(a.out, "it restores  "+made["id"].(string)) || !strings.Contains(a.out, "by 0 0 * * 1 (UTC), next ") {
		t.Errorf("%+v", a)
	}
	if a := s.run("backup", "status"); !strings.Contains(a.out, "yes, tried") {
		t.Errorf("%+v", a)
	}
	for _, bad := range [][]string{{"--if-due=often"}, {"--if-due", "latest"}, {"--if-due", "--level", "V2"}, {"--if-due", "--source", "moon"}} {
		if a := s.run(append([]string{"backup", "verify"}, bad...)...); a.code != 2 {
			t.Errorf("%v: %+v", bad, a)
		}
	}
	// Its parts are gone: the list does not see it, the trial does.
	place := t.TempDir()
	s.ok("backup", "create", "--to", place)
	err := filepath.WalkDir(place, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".zst") {
			err = os.Remove(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.run("backup", "verify", "--if-due", "--from", place); a.code != 8 || !strings.Contains(a.err, "is damaged") {
		t.Errorf("%+v", a)
	}
	if a := s.run("backup", "schedule", "--to", place); !strings.Contains(a.out, "failed: the backup ") {
		t.Errorf("%+v", a)
	}
}

// TestBackupPrune asks before it deletes, marks first, and refuses what must
// stay.
func TestBackupPrune(t *testing.T) {
	s := newShell(t)
	if a := s.run("backup", "prune"); a.code != 0 {
		t.Fatalf("of no backups: %+v", a)
	}
	var ids []string
	for range 4 {
		ids = append(ids, s.ok("backup", "create")["id"].(string))
	}
	dry := s.ok("backup", "prune", "--keep-last", "3", "--dry-run")
	if len(dry["marked"].([]any)) != 1 || len(dry["kept"].([]any)) != 3 {
		t.Fatalf("%v", dry)
	}
	if a := s.run("backup", "prune", "--keep-last", "3", "--no-input"); a.code != 2 {
		t.Errorf("without a question: %+v", a)
	}
	res := s.ok("backup", "prune", "--keep-last", "3", "--yes")
	first := res["marked"].([]any)[0].(map[string]any)
	s.want(first["id"], `"`+ids[0]+`"`)
	if first["from"] == nil || len(res["deleted"].([]any)) > 0 || len(s.ok("backup", "list")["items"].([]any)) != 4 {
		t.Errorf("%v", res)
	}
	if a := s.run("backup", "prune", ids[3], "--yes"); a.code != 2 || !strings.Contains(a.err, "newest verified full backup") {
		t.Errorf("the newest: %+v", a)
	}
	if a := s.run("backup", "prune", "--keep-last", "3", "--dry-run"); a.code != 0 || !strings.Contains(a.out, "kept") || !strings.Contains(a.out, "marked  "+ids[0]) {
		t.Errorf("%+v", a)
	}
	s.configure("[backup]\nkeep_last = -1\n")
	if a := s.run("backup", "prune"); a.code != 2 {
		t.Errorf("a rule below zero: %+v", a)
	}
}

// TestUnitsAreQuoted prints units for a home whose name has what systemd, cron
// and PowerShell read as their own.
func TestUnitsAreQuoted(t *testing.T) {
	s := newShell(t)
	s.home = filepath.Join(t.TempDir(), "100% o'clock")
	s.configure("[backup]\nschedule = \"15,45 8-18/2 1 jan-mar mon-5\"\ntime_zone = \"Europe/Zurich\"\nkeep_daily = 7\n")
	print := func(format string, parts ...string) {
		t.Helper()
		a := s.run("backup", "schedule", "--print", format)
		if a.code != 0 {
			t.Fatalf("%s: %+v", format, a)
		}
		for _, p := range parts {
			if !strings.Contains(a.out, p) {
				t.Errorf("%s has no %s:\n%s", format, p, a.out)
			}
		}
	}
	print("systemd", `/100%% o'clock"`, "--if-due", "Persistent=true", "RandomizedDelaySec=", " backup prune ",
		"OnCalendar=*-01..03-01 08..18/2:15,45:00 Europe/Zurich\n", "OnCalendar=Mon..Fri *-01..03-* 08..18/2:15,45:00 Europe/Zurich\n")
	print("cron", `/100\% o'\''clock'`, "*/5 * * * * ", "--if-due", " && ")
	print("windows", `/100% o''clock"`, "-StartWhenAvailable", "-Minutes 5", "--if-due")
	if a := s.run("backup", "schedule", "--print", "systemd"); strings.Contains(a.out, "verify") {
		t.Errorf("a trial that nobody asked for:\n%s", a.out)
	}
	s.configure("[backup]\nschedule = \"daily\"\ntrial = \"weekly\"\n")
	for _, format := range []string{"systemd", "cron", "windows"} {
		print(format, " backup verify --if-due --source local")
	}
	s.configure("[backup]\nschedule = \"0 0 l * *\"\n")
	print("systemd", "OnCalendar=hourly\n")
	s.configure("")
	print("systemd", "OnCalendar=*-*-* 00:00:00 UTC\n")
	print("cron", " * * * * ")
	if a := s.run("backup", "schedule", "--print", "launchd"); a.code != 2 {
		t.Errorf("%+v", a)
	}
	for _, bad := range []string{"schedule = \"0 0 31 2 *\"", "schedule = \"* * * *\"", "trial = \"often\"", "time_zone = \"Mars\""} {
		s.configure("[backup]\n" + bad + "\n")
		if a := s.run("backup", "schedule"); a.code != 2 {
			t.Errorf("%s: %+v", bad, a)
		}
	}
}
