package cli_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/db/workspace"
	"rapport/model"
)

// backUp backs the central of a shell up.
func (s *shell) backUp(place string) model.BackupInfo {
	s.t.Helper()
	ws, err := workspace.New(workspace.Options{Log: slog.New(slog.DiscardHandler)}).Open(s.t.Context(), model.Settings{Home: s.home, Me: "ada", Central: s.env["RAPPORT_CENTRAL"]})
	if err != nil {
		s.t.Fatal(err)
	}
	defer ws.Close()
	info, err := ws.CreateBackup(s.t.Context(), model.BackupRequest{Source: model.SourceCentral, To: place}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

// TestRestoreCentral is an administrator's bad day: somebody spoils the records,
// they are put back, by the plan first, into another server too, and then it is
// undone.
func TestRestoreCentral(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	s := newShell(t)
	s.env["RAPPORT_CENTRAL"] = url
	place := filepath.Join(t.TempDir(), "backups")
	s.ok("central", "init")
	s.ok("contact", "add", "--set", "last_name=Lovelace")
	s.ok("sync")
	info := s.backUp(place)
	srv.SQL(t, servertest.Name(url), "UPDATE contact SET last_name='spoiled'", "INSERT INTO organization (name) VALUES ('new')")

	plan := s.ok("backup", "restore", "latest", "--source", "central", "--from", place, "--plan")
	var contact map[string]any
	for _, x := range plan["tables"].([]any) {
		if x := x.(map[string]any); x["table"] == "contact" {
			contact = x
		}
	}
	if contact["updates"] != 1.0 || contact["rows"] != 1.0 || plan["fresh"] != false || plan["lost"] != 2.0 || len(plan["laptops"].([]any)) != 1 {
		t.Errorf("the plan: %v", plan)
	}
	if sample := contact["samples"].([]any)[0].(map[string]any); sample["action"] != "update" || sample["name"] != "Lovelace" || !slices.Contains(sample["fields"].([]any), any("last_name")) {
		t.Errorf("a sample: %v", sample)
	}
	if command := plan["command"].(string); !strings.HasPrefix(command, "rapport backup restore "+info.ID+" --source central") {
		t.Errorf("the command: %s", command)
	}
	discarding := s.ok("backup", "restore", "latest", "--source", "central", "--from", place, "--laptops", "discard", "--plan")
	if losses := discarding["losses"].([]any); discarding["discard"] != true || len(losses) != 1 || losses[0].(map[string]any)["changes"] != 2.0 || !strings.Contains(discarding["command"].(string), " --laptops discard") {
		t.Errorf("the plan of one that gives up: %v", discarding)
	}
	a := s.run("backup", "restore", info.ID, "--from", place, "--no-input")
	if a.code != 2 || !strings.Contains(a.err, "is feed position") || !strings.Contains(a.err, "2 changes after that moment are lost") || !strings.Contains(a.err, "Put the records of") {
		t.Errorf("unasked: exit %d, %s", a.code, a.err)
	}
	other := srv.URL("restored_by_command")
	t.Cleanup(func() { srv.DB("").Exec("DROP DATABASE IF EXISTS restored_by_command") })
	if did := s.ok("backup", "restore", info.ID, "--from", place, "--into", other, "--yes"); did["safety_backup"] != nil || len(did["people"].([]any)) == 0 || strings.Contains(strings.ToUpper(did["people"].([]any)[0].(string)), "PASSWORD '") {
		t.Errorf("into another: %v", did)
	}
	did := s.ok("backup", "restore", info.ID, "--from", place, "--yes")
	if did["safety_backup"] == nil || len(did["kept"].([]any)) == 0 || did["rows"] == 0.0 || did["epoch"] == did["parent_epoch"] {
		t.Errorf("the restore: %v", did)
	}
	s.ok("sync")
	if got := s.ok("contact", "list")["items"].([]any); len(got) != 1 || got[0].(map[string]any)["last_name"] != "Lovelace" {
		t.Errorf("contacts: %v", got)
	}
	if a := s.run("backup", "restore", "--undo", "--plan"); a.code != 0 || !strings.Contains(a.out, "These come back: ") || !strings.Contains(a.out, "contact_replaced_") {
		t.Errorf("the plan of an undo: exit %d, %s%s", a.code, a.out, a.err)
	}
	if a := s.run("backup", "restore", "--undo", "--yes"); a.code != 0 || !strings.Contains(a.out, "the database is") {
		t.Errorf("the undo: exit %d, %s%s", a.code, a.out, a.err)
	}
	if rows := s.ok("central", "status")["rows"].(map[string]any); rows["organization"] != 1.0 {
		t.Errorf("after the undo: %v", rows)
	}

	for _, bad := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--source", "cloud"}, 2, "local or central"},
		{[]string{"--source", "local", "--at", "2026-11-21T10:00:00Z"}, 2, "--source central"},
		{[]string{"--at", "yesterday"}, 2, "--at is a moment"},
		{[]string{"--at", "2026-11-21T10:00:00Z", "--position", "3"}, 2, "two moments"},
		{[]string{"--position", "-3"}, 2, "above 0"},
		{[]string{"--source", "central", "--laptops", "keep"}, 2, "offer or discard"},
		{[]string{"--table", "contact_method"}, 10, "no table"},
		{[]string{"--table", "contact", "--into", other}, 2, "whole database"},
		{[]string{"--at", "1999-01-01T10:00:00Z", "--from", place}, 10, "the backups and their history begin at"},
		{[]string{"--source", "central", "--from", place, "--into", other}, 6, "holds records already"},
	} {
		if a := s.run(append([]string{"backup", "restore"}, bad.args...)...); a.code != bad.code || !strings.Contains(a.err, bad.says) {
			t.Errorf("%v: exit %d, %s", bad.args, a.code, a.err)
		}
	}
}
