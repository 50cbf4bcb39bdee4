package screen

import (
	"fmt"
	"strings"
	"testing"

	"rapport/keymap"
	"rapport/model"
)

// TestRemediesNameKeys holds that every remedy has words, that none of them is
// a command's, and that a person's own keys are told.
func TestRemediesNameKeys(t *testing.T) {
	e := &Env{Keys: keymap.Default()}
	if err := e.Keys.Override(keymap.Backups, keymap.SetUp, []string{"P"}); err != nil {
		t.Fatal(err)
	}
	for r := model.OtherBackup; r <= model.NoSafety; r++ {
		said := e.Sentence(fmt.Errorf("open: %w", model.Errorf(model.Invalid, "it does not work").WithHint("run rapport backup init --to").By(r)))
		if words, ok := strings.CutPrefix(said, "it does not work – "); !ok || words == "" || strings.Contains(said, "rapport") || strings.Contains(said, "--") || strings.Contains(said, "(s ") {
			t.Errorf("remedy %d: %q", r, said)
		}
	}
	if said := e.Sentence(model.Errorf(model.Invalid, "it is encrypted").By(model.KeyFile)); !strings.Contains(said, "Place and keys (P among the backups)") {
		t.Error(said)
	}
	if said := e.Sentence(model.Errorf(model.Invalid, "it does not work").WithHint("wait")); said != "it does not work – wait" {
		t.Error(said)
	}
	if said := e.Sentence(nil); said != "" {
		t.Error(said)
	}
}
