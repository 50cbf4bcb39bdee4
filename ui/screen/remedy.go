package screen

import (
	"errors"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/widget/draw"
)

// Sentence is what an error says to a person, with the key that helps where
// there is one: hints are worded for commands.
func (e *Env) Sentence(err error) string {
	var told *model.Error
	if errors.As(err, &told) && told.Remedy != model.AsHinted {
		return draw.Error(&model.Error{Kind: told.Kind, Msg: told.Msg, Hint: e.Remedy(told.Remedy)})
	}
	return draw.Error(err)
}

// Remedy says which key, or which row of a page, helps.
func (e *Env) Remedy(r model.Remedy) string {
	key := func(a keymap.Action) string { return e.Keys.KeyOf(a, keymap.Backups) }
	place := "Place and keys (" + key(keymap.SetUp) + " among the backups)"
	return map[model.Remedy]string{
		model.OtherBackup:  "choose another backup",
		model.NewBackup:    key(keymap.Add) + " among the backups makes one",
		model.OtherPlace:   "see to that, or choose another place under " + place,
		model.MissingPlace: "connect the disk or the share; where it is empty, “Try it” under " + place + " begins anew",
		model.SignPlace:    "“Try it” under " + place + " asks to be let in; it needs a key of the place that may overwrite REPO.json",
		model.PlaceForm:    place + " shows how the address of each kind of place is written",
		model.KeyFile:      "name the file of its key as “Opened with” under " + place,
		model.SecondKey:    "“Keys” under " + place + " makes a second one to keep elsewhere",
		model.TrustKeys:    "ask who looks after the place; “Try it” under " + place + " then offers to believe its keys",
		model.NoSafety:     "see to that first, or choose no at “Back up first”",
	}[r]
}
