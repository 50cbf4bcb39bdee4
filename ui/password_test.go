package ui

import (
	"context"
	"testing"
	"time"

	"rapport/model"
	"rapport/ui/screen"
)

// TestExpiredPasswordIsChangedHere opens the question by itself, changes the
// password and goes on.
func TestExpiredPasswordIsChangedHere(t *testing.T) {
	x := begin(t, 100, 24, model.Settings{Central: "mysql://ada@h/crm"})
	var got []string
	x.r.env.Hooks.Password = func(_ context.Context, next string) (string, error) {
		got = append(got, next)
		return "It is in a file.", nil
	}
	x.wait()
	expired := model.Errorf(model.Expired, "the password has expired")
	x.run(x.r.update(followedMsg{expired}))
	x.run(x.r.update(followedMsg{expired}))
	x.sees("Change your password", "has expired. Your", "changes are kept here")
	if len(x.r.dialogs) != 1 {
		t.Errorf("%d dialogs", len(x.r.dialogs))
	}
	x.text("q") // meant for the screen
	x.now = x.now.Add(time.Second)
	x.text("correct horse battery")
	x.press("enter")
	x.text("correct horse battery")
	x.misses("correct")
	x.press("enter")
	if len(got) != 1 || got[0] != "correct horse battery" {
		t.Errorf("%q", got)
	}
	x.sees("The password is changed. It is in a file.")
	if x.ws.follows != 2 || len(x.r.dialogs) != 0 {
		t.Errorf("%d follows, %d dialogs", x.ws.follows, len(x.r.dialogs))
	}
}

// TestPasswordFailureIsSaid leaves things as they are.
func TestPasswordFailureIsSaid(t *testing.T) {
	x := begin(t, 100, 24, model.Settings{Central: "mysql://ada@h/crm"})
	x.r.env.Hooks.Password = func(context.Context, string) (string, error) {
		return "", model.Errorf(model.Invalid, "the server wants a stronger password")
	}
	x.run(x.r.askPassword(screen.PasswordMsg{}, false))
	x.text("correct horse battery")
	x.press("enter")
	x.text("correct horse battery")
	x.press("enter")
	x.sees("the server wants a stronger password")
	x.r.env.Hooks.Password = nil
	x.run(x.r.askPassword(screen.PasswordMsg{}, false))
	x.sees("rapport password")
}
