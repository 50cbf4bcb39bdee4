package dialog

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/ui/screen"
	"rapport/ui/uitest/fake"
)

func typePassword(d Dialog, text string) {
	for _, r := range text {
		d.Update(tea.KeyPressMsg{Code: r, Text: string(r)}, "")
	}
}

// TestPasswordIsAskedTwiceAndNeverDrawn goes through every way to type it.
func TestPasswordIsAskedTwiceAndNeverDrawn(t *testing.T) {
	e, _ := env(t)
	var got []string
	ask := screen.PasswordMsg{Title: "New", Text: "It has expired.", Login: "ada", Do: func(next string) tea.Cmd { got = append(got, next); return say("done") }}
	d := NewPassword(e, ask, false)
	says := func(want string) {
		t.Helper()
		if v := ansi.Strip(d.View(80, 24)); !strings.Contains(v, want) || strings.Contains(v, "correct") {
			t.Errorf("%q is missing, or the password stands in\n%s", want, v)
		}
	}
	says("It has expired.")
	key(d, "enter")
	says("is empty")
	typePassword(d, "myada2026x")
	key(d, "enter")
	says("holds your login")
	d.Update(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl}, "")
	typePassword(d, "correct horse battery")
	key(d, "enter")
	typePassword(d, "correct horse batter")
	if _, done := key(d, "enter"); done {
		t.Fatal("two different passwords were taken")
	}
	says("not the same")
	typePassword(d, "correct horse battery")
	says("*********")
	msgs, done := key(d, "enter")
	if !done || len(got) != 1 || got[0] != "correct horse battery" {
		t.Fatalf("%v, %q", done, got)
	}
	if fake.Want[answered](t, msgs) != "done" {
		t.Errorf("%v", msgs)
	}
}

// TestPasswordThatOpensByItself takes no key that was meant for the screen.
func TestPasswordThatOpensByItself(t *testing.T) {
	e, _ := env(t)
	d := NewPassword(e, screen.PasswordMsg{Title: "New"}, true)
	typePassword(d, "x")
	if d.Dirty() {
		t.Error("a key for the screen went into the dialog")
	}
	d.sudden = false
	typePassword(d, "x")
	if _, done := key(d, "esc"); !d.Dirty() || !done {
		t.Error("it cannot be typed in or left")
	}
}
