package dialog

import (
	"context"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/model"
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
	e.Hooks.Password = func(_ context.Context, next string) (string, error) {
		got = append(got, next)
		return "It is in a file.", nil
	}
	d := NewPassword(e, "ada", "It has expired.", false)
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
	if m := fake.Want[screen.PasswordChangedMsg](t, msgs); m.Err != nil || m.Text != "It is in a file." {
		t.Errorf("%+v", m)
	}
}

func TestPasswordFailureIsPassedOn(t *testing.T) {
	e, _ := env(t)
	e.Hooks.Password = func(context.Context, string) (string, error) {
		return "", model.Errorf(model.Unreachable, "the server does not answer")
	}
	d := NewPassword(e, "ada", "", true)
	typePassword(d, "x") // it came by itself: the keys were meant for something else
	if d.Dirty() {
		t.Error("a key for the screen went into the dialog")
	}
	d.sudden = false
	for range 2 {
		typePassword(d, "correct horse battery")
		msgs, done := key(d, "enter")
		if done {
			if m := fake.Want[screen.PasswordChangedMsg](t, msgs); model.KindOf(m.Err) != model.Unreachable {
				t.Errorf("%+v", m)
			}
		}
	}
	if _, done := key(NewPassword(e, "ada", "", false), "esc"); !done {
		t.Error("esc does not close it")
	}
}
