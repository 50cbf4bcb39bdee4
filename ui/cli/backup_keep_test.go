package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"rapport/model"
)

// TestKeepBackupsLeavesTheRest writes into a configuration that somebody wrote
// by hand, again with other values, and into none.
func TestKeepBackupsLeavesTheRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", configName)
	if err := keepBackups(file, model.BackupSettings{}, model.BackupSettings{To: "/mnt/share"}); err != nil {
		t.Fatal(err)
	}
	if c, _, err := readConfig(file); err != nil || c.Backup.To != "/mnt/share" {
		t.Errorf("%+v, %v", c.Backup, err)
	}
	const written = "# mine\ncentral = \"mysql://crm/crm\"\n\n[sync]\ninterval = \"20s\"\n\n[backup] # ours\nkeep_daily = 7 # days\nrecipients = [\n  \"age1old\", # of Ada\n]\nto = \"/old\"\n"
	if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := model.KeepRules{Daily: 7}
	want := model.BackupSettings{To: "s3://crm/ann?region=eu-central-1", Recipients: []string{"age1a", "age1b"}, Identity: "/home/ada/key", CredentialsFile: "/home/ada/keys", Keep: kept}
	if err := keepBackups(file, model.BackupSettings{To: "/old", Recipients: []string{"age1old"}, Keep: kept}, want); err != nil {
		t.Fatal(err)
	}
	c, _, err := readConfig(file)
	if b := c.Backup; err != nil || b.To != want.To || len(b.Recipients) != 2 || b.Recipients[1] != "age1b" || b.OneKey || b.Identity != want.Identity || b.CredentialsFile != want.CredentialsFile || b.KeepDaily != 7 {
		t.Errorf("%+v, %v", b, err)
	}
	if err := keepBackups(file, want, model.BackupSettings{OneKey: true, Recipients: []string{}, Keep: kept}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# mine\ncentral = \"mysql://crm/crm\"\n\n[sync]\ninterval = \"20s\"\n\n[backup] # ours\none_key = true\nkeep_daily = 7 # days\n"; string(data) != want {
		t.Errorf("got\n%s\nwant\n%s", data, want)
	}
	if strings.Count(string(data), "[backup]") != 1 {
		t.Error("the table is there twice")
	}
}

// TestKeepBackupsWritesTimesAsTheyAreRead writes a schedule beside what it does
// not concern, which stays to the letter, and takes it out again.
func TestKeepBackupsWritesTimesAsTheyAreRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), configName)
	const written = "[backup]\nto = '/mnt/share' # the attic\ntrial = \"weekly\"\nkeep_last = 3\n"
	if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{Program: Program{Env: func(string) string { return "" }}}
	a.flags.home = filepath.Dir(file)
	read := func() model.BackupSettings {
		t.Helper()
		s, err := a.readSettings()
		if err != nil {
			t.Fatal(err)
		}
		return s.workspace().Backup
	}
	was := read()
	chosen := was
	chosen.Schedule = model.Schedule{Expr: "30 2 * * *", Zone: "Europe/Zurich"}
	chosen.Trial.Zone = "Europe/Zurich"
	chosen.Keep = model.KeepRules{Last: 3, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5}
	chosen.ReadFrom = model.ReadStandby
	if err := keepBackups(file, was, chosen); err != nil {
		t.Fatal(err)
	}
	if got := read(); !reflect.DeepEqual(got, chosen) {
		t.Errorf("read %+v, chose %+v", got, chosen)
	}
	if data, err := os.ReadFile(file); err != nil || !strings.HasSuffix(string(data), strings.TrimPrefix(written, "[backup]\n")) {
		t.Errorf("%v\n%s", err, data)
	}
	if err := keepBackups(file, chosen, was); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != written {
		t.Errorf("%v\n%s", err, data)
	}
}
