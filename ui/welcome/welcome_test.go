package welcome

import (
	"context"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// hooks notes what was asked for.
type hooks struct {
	demo int
	urls []string
	came [][2]string
	err  error
}

func (h *hooks) opener(t *testing.T, form bool) func(*theme.Theme) screen.Screen {
	return func(th *theme.Theme) screen.Screen {
		env := (&fake.Workspace{}).Env(t.Context(), th)
		env.Hooks = screen.Hooks{
			Demo: func(context.Context) error { h.demo++; return h.err },
			Join: func(_ context.Context, invite, next string) error {
				h.came = append(h.came, [2]string{invite, next})
				return h.err
			},
			Connect: func(_ context.Context, u string) error { h.urls = append(h.urls, u); return h.err },
		}
		s := New(env, screen.OpenMsg{})
		if form {
			fake.Do(t, s, keymap.Bottom, keymap.Open)
		}
		return s
	}
}

func TestLooks(t *testing.T) {
	h := &hooks{}
	fake.Goldens(t, "welcome", h.opener(t, false))
	fake.Goldens(t, "connect", h.opener(t, true))
	fake.Survives(t, h.opener(t, false))
	fake.Survives(t, h.opener(t, true))
}

func TestEveryKeyDoesSomething(t *testing.T) {
	fake.HasAll(t, (&hooks{}).opener(t, false))
}

func TestDemo(t *testing.T) {
	h := &hooks{}
	s := h.opener(t, false)(theme.New(true))
	msgs := fake.Do(t, s, keymap.Open)
	if fake.Want[tea.QuitMsg](t, msgs); h.demo != 1 {
		t.Errorf("made %d demos", h.demo)
	}
}

func TestWithoutHooksOnlyTheImportIsOffered(t *testing.T) {
	s := New((&fake.Workspace{}).Env(t.Context(), theme.New(true)), screen.OpenMsg{})
	s.SetSize(80, 21)
	if v := ansi.Strip(s.View()); strings.Contains(v, "demo") || strings.Contains(v, "Connect") {
		t.Error(v)
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Kind != screen.Import {
		t.Errorf("%+v", m)
	}
}

// fill types into the fields, going on with enter.
func fill(t *testing.T, s screen.Screen, texts ...string) []tea.Msg {
	var out []tea.Msg
	for _, x := range texts {
		fake.Run(s, s.Update(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl}))
		fake.Type(s, x)
		out = append(out, fake.Do(t, s, keymap.Save)...)
	}
	return out
}

func TestConnect(t *testing.T) {
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{"crm.example.com", "crm", "ada", "p@ss/wörd#1"}, "mysql://ada:p%40ss%2Fw%C3%B6rd%231@crm.example.com/crm"},
		{[]string{"10.0.0.5:3307", "crm", "ada", ""}, "mysql://ada@10.0.0.5:3307/crm"},
		{[]string{"mysql://bob:x@h/d?tls=skip-verify", "crm", "", ""}, "mysql://bob:x@h/d?tls=skip-verify"},
	} {
		h := &hooks{}
		s := h.opener(t, true)(theme.New(true))
		s.SetSize(80, 21)
		msgs := fill(t, s, c.fields...)
		if len(h.urls) != 1 || h.urls[0] != c.want {
			t.Errorf("%q: %q, want %q", c.fields, h.urls, c.want)
		}
		fake.Want[tea.QuitMsg](t, msgs)
		if v := s.View(); c.fields[3] != "" && strings.Contains(v, c.fields[3]) {
			t.Error("the password is drawn")
		}
	}
}

func TestMissingFieldIsNamedAndFound(t *testing.T) {
	h := &hooks{}
	s := h.opener(t, true)(theme.New(true)).(*Screen)
	s.SetSize(80, 21)
	fill(t, s, "crm.example.com", "crm", "", "secret")
	if v := ansi.Strip(s.View()); len(h.urls) != 0 || !strings.Contains(v, "the user is needed") || s.field != user {
		t.Errorf("asked %q, field %d\n%s", h.urls, s.field, v)
	}
}

func TestRefusalIsSaidAndTheFormStays(t *testing.T) {
	h := &hooks{err: model.Errorf(model.Refused, "the server does not accept this password")}
	s := h.opener(t, true)(theme.New(true))
	s.SetSize(80, 21)
	msgs := fill(t, s, "crm.example.com", "crm", "ada", "x")
	if _, quit := fake.Find[tea.QuitMsg](msgs); quit || !strings.Contains(ansi.Strip(s.View()), "does not accept this password") || !s.Typing() {
		t.Errorf("quit %v\n%s", quit, ansi.Strip(s.View()))
	}
	fake.Do(t, s, keymap.Cancel)
	if s.Typing() {
		t.Error("esc stays in the form")
	}
}

// TestHelpOfTheFormIsItsOwn finds no words about filters among its keys.
func TestHelpOfTheFormIsItsOwn(t *testing.T) {
	s := (&hooks{}).opener(t, true)(theme.New(true))
	if s.Scope() != keymap.Connect {
		t.Errorf("keys are looked up in %q", s.Scope())
	}
	fake.HasAll(t, (&hooks{}).opener(t, true))
}

func TestComeInWithAnInvite(t *testing.T) {
	h := &hooks{}
	s := h.opener(t, false)(theme.New(true))
	s.SetSize(80, 21)
	fake.Do(t, s, keymap.Down, keymap.Down)
	q := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Open))
	if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, q.Do("rapport1-half"))); model.KindOf(m.Err) != model.Invalid {
		t.Errorf("%+v", m)
	}
	line := model.Invite{Central: "mysql://ada@crm.example.com/crm", Password: "once"}.String()
	p := fake.Want[screen.PasswordMsg](t, fake.Run(s, q.Do(line)))
	if p.Login != "ada" {
		t.Errorf("%+v", p)
	}
	fake.Want[tea.QuitMsg](t, fake.Run(s, p.Do("correct horse battery")))
	if len(h.came) != 1 || h.came[0] != [2]string{line, "correct horse battery"} {
		t.Errorf("%q", h.came)
	}
	h.err = model.Errorf(model.Refused, "the one-time password of this invite is not accepted")
	fake.Run(s, p.Do("correct horse battery"))
	if v := ansi.Strip(s.View()); !strings.Contains(v, "is not accepted") || strings.Contains(v, "correct horse") {
		t.Error(v)
	}
}
