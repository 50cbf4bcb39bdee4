package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/model"
)

// TestKeepBackupsLeavesTheRest writes into a configuration that somebody wrote
// by hand, again with other values, and into none.
func TestKeepBackupsLeavesTheRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", configName)
	if err := keepBackups(file, model.BackupSettings{To: "/mnt/share"}); err != nil {
		t.Fatal(err)
	}
	if c, _, err := readConfig(file); err != nil || c.Backup.To != "/mnt/share" {
		t.Errorf("%+v, %v", c.Backup, err)
	}
	const written = "# mine\ncentral = \"mysql://crm/crm\"\n\n[sync]\ninterval = \"20s\"\n\n[backup] # ours\nkeep_daily = 7 # days\nrecipients = [\n  \"age1old\", # of Ada\n]\nto = \"/old\"\n"
	if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	want := model.BackupSettings{To: "s3://crm/ann?region=eu-central-1", Recipients: []string{"age1a", "age1b"}, Identity: "/home/ada/key", CredentialsFile: "/home/ada/keys"}
	if err := keepBackups(file, want); err != nil {
		t.Fatal(err)
	}
	c, _, err := readConfig(file)
	if b := c.Backup; err != nil || b.To != want.To || len(b.Recipients) != 2 || b.Recipients[1] != "age1b" || b.OneKey || b.Identity != want.Identity || b.CredentialsFile != want.CredentialsFile || b.KeepDaily != 7 {
		t.Errorf("%+v, %v", b, err)
	}
	if err := keepBackups(file, model.BackupSettings{OneKey: true}); err != nil {
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
