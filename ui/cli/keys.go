package cli

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"rapport/keymap"
	"rapport/model"
)

// KeysFile is the name of the file beside config.toml in which a person's own
// keys stand: a table for each scope, and in it action = ["key", "g k"].
const KeysFile = "keys.toml"

// LoadKeys returns the keys that hold: the defaults with those of a file in
// their places. An absent file changes nothing; an action that there is not,
// and a key that two actions want, are errors of kind Invalid.
func LoadKeys(file string) (*keymap.Map, error) {
	keys := keymap.Default()
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return keys, nil
	}
	if err != nil {
		return nil, model.Errorf(model.Invalid, "the keys in %s cannot be read", file).Because(err)
	}
	var own map[keymap.Scope]map[keymap.Action][]string
	if err := toml.Unmarshal(data, &own); err != nil {
		return nil, model.Errorf(model.Invalid, "%s: %s", file, strings.TrimPrefix(err.Error(), "toml: ")).
			WithHint("write a table for each scope, for example [list] and edit = [\"E\"]")
	}
	before := keys.Clashes()
	for scope, actions := range own {
		for action, k := range actions {
			if err := keys.Override(scope, action, k); err != nil {
				return nil, model.Errorf(model.Invalid, "%s: %v", file, err).WithHint("rapport keys shows what there is")
			}
		}
	}
	for _, clash := range keys.Clashes() {
		if !slices.Contains(before, clash) {
			return nil, model.Errorf(model.Invalid, "%s: %s", file, clash).WithHint("give one of them another key")
		}
	}
	return keys, nil
}
