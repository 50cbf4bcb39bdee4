package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/db/sqlite"
	"rapport/model"
)

// TestRestoreForgetsErased restores a backup that holds somebody who was erased
// after it was made: into the workspace, and into an empty home by what lies
// beside the backups. Neither has the person, and the ledger is there.
func TestRestoreForgetsErased(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const word = "Qxzvwjkp"
	person, err := h.db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": word}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Stays"}})
	if err != nil {
		t.Fatal(err)
	}
	h.create(model.BackupRequest{})
	if _, err := h.db.EraseRecord(t.Context(), person.ID); err != nil {
		t.Fatal(err)
	}
	list, err := h.db.Erasures(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("ledger: %+v, %v", list, err)
	}
	if err := h.NoteErasures(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if names := files(t, filepath.Join(h.dir, "backups"), "contact-"); len(names) != 1 || strings.Contains(string(read(t, names[0])), word) {
		t.Errorf("beside the backups: %v", names)
	}
	check := func(what string, db *sqlite.DB) {
		t.Helper()
		if _, err := db.Get(t.Context(), "contact", person.ID); model.KindOf(err) != model.NotFound {
			t.Errorf("%s: the person is back: %v", what, err)
		}
		if _, err := db.Get(t.Context(), "contact", other.ID); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if list, err := db.Erasures(t.Context()); err != nil || len(list) != 1 || list[0].ID != person.ID {
			t.Errorf("%s: the ledger is %+v: %v", what, list, err)
		}
	}
	if _, _, err := h.RestoreBackup(t.Context(), model.BackupRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	check("restored", h.db)
	lost := filepath.Join(t.TempDir(), "new")
	if _, _, err := Restore(t.Context(), lost, model.BackupRequest{To: filepath.Join(h.dir, "backups")}, nil); err != nil {
		t.Fatal(err)
	}
	n := &home{t: t, dir: lost}
	n.open()
	check("into an empty home", n.db)
	n.close()
	data, err := os.ReadFile(filepath.Join(lost, sqlite.FileName))
	if err != nil || strings.Contains(string(data), word) {
		t.Errorf("the restored file holds the word: %v", err)
	}
}
