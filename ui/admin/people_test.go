package admin

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// TestLockAsksAndNamesWhom goes from the list to the lock, and back.
func TestLockAsksAndNamesWhom(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, screen.People)(theme.New(true)).(*people)
	s.SetSize(100, 30)
	s.goTo("bob")
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	sure := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(lockIt)))
	if len(ws.Decided) != 0 || !strings.Contains(sure.Text, "bob is kept out at once") || !strings.Contains(sure.Text, "1 device") {
		t.Fatalf("%v, asks %q", ws.Decided, sure.Text)
	}
	fake.Want[screen.NoticeMsg](t, fake.Run(s, sure.Do("")))
	s.goTo("carl")
	q = fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if slices.Contains(q.Options, lockIt) {
		t.Error("somebody who is locked can be locked")
	}
	fake.Run(s, q.Do(unlockIt))
	if !slices.Equal(ws.Decided, []string{"lock bob", "unlock carl"}) {
		t.Errorf("%v", ws.Decided)
	}
}

// TestWipeAsksAndNamesWhatIsLost goes from the list to the lost device.
func TestWipeAsksAndNamesWhatIsLost(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, screen.Devices)(theme.New(true)).(*roster[model.DeviceState])
	s.SetSize(100, 30)
	s.goTo(deviceLabel(ws.Gear[1]))
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	sure := fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(wipeIt)))
	if len(ws.Decided) != 0 || !strings.Contains(sure.Text, "12 changes that were not sent") {
		t.Fatalf("%v, asks %q", ws.Decided, sure.Text)
	}
	fake.Want[screen.NoticeMsg](t, fake.Run(s, sure.Do("")))
	s.goTo(deviceLabel(ws.Gear[2]))
	q = fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if slices.Contains(q.Options, wipeIt) {
		t.Error("a device can be asked twice")
	}
	sure = fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(forgetIt)))
	if !strings.Contains(sure.Text, "never is") {
		t.Errorf("asks %q", sure.Text)
	}
	fake.Run(s, sure.Do(""))
	if !slices.Equal(ws.Decided, []string{"wipe " + string(fake.ID("g2")), "forget " + string(fake.ID("g3"))}) {
		t.Errorf("%v", ws.Decided)
	}
}

// TestRefusalIsToldAndTheListStays lacks the right.
func TestRefusalIsToldAndTheListStays(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, screen.People)(theme.New(true)).(*people)
	s.SetSize(100, 30)
	s.goTo("carl")
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	ws.Err = model.Errorf(model.Refused, "your account on the server may not do that")
	m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do(unlockIt)))
	if model.KindOf(m.Err) != model.Refused || len(s.items) != 4 || !strings.Contains(s.View(), "may not do that") {
		t.Errorf("%+v, %d people", m, len(s.items))
	}
}

// TestLetSomebodyIn asks for what is needed and shows the invite.
func TestLetSomebodyIn(t *testing.T) {
	ws := workspace()
	s := opener(t, ws, screen.People)(theme.New(true)).(*people)
	s.SetSize(100, 30)
	s.goTo("Let somebody in")
	for _, c := range []struct {
		scope, group, want string
	}{{model.ScopeAll, "", "add eve support all "}, {model.ScopeTeam, "North", "add eve support team North"}} {
		q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
		q = fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(" eve ")))
		q = fake.Want[screen.AskMsg](t, fake.Run(s, q.Do(model.RoleSupport)))
		msgs := fake.Run(s, q.Do(c.scope))
		if c.group != "" {
			msgs = fake.Run(s, fake.Want[screen.AskMsg](t, msgs).Do(c.group))
		}
		fake.Want[screen.NoticeMsg](t, msgs)
		if got := ws.Decided[len(ws.Decided)-1]; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	var copied string
	s.env.Copy = func(text string) tea.Cmd { copied = text; return nil }
	s.goTo("Invite for eve")
	fake.Do(t, s, keymap.Open)
	if v := s.View(); copied != "rapport1-abc" || !strings.Contains(v, "rapport1-abc") || !strings.Contains(v, "no TLS") {
		t.Errorf("copied %q\n%s", copied, v)
	}
}
