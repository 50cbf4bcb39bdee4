package form

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"rapport/db/sqlite"
	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

type rest struct{ *fake.Workspace }

// workspace is a real cache; what a form does not ask is answered by a fake.
type workspace struct {
	*sqlite.DB
	rest
}

func (w workspace) Settings() model.Settings { return w.DB.Settings() }

func open(t *testing.T) (*screen.Env, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/db.sqlite", sqlite.Options{Settings: model.Settings{Currency: "EUR", Region: "CH", Me: "anna"}, Now: fake.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	env := &screen.Env{Workspace: workspace{db, rest{&fake.Workspace{}}}, Keys: keymap.Default(), Theme: theme.New(true), Now: fake.Now,
		Context: t.Context(), After: func(_ time.Duration, m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }}
	return env, db
}

// run carries out a command and all that follow, and returns what was for the
// root.
func run(f *Form, cmd tea.Cmd) []tea.Msg {
	var out []tea.Msg
	queue := []tea.Cmd{cmd}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if c == nil {
			continue
		}
		switch m := c().(type) {
		case nil:
		case tea.BatchMsg:
			queue = append(queue, m...)
		case screen.LoadedMsg, savedMsg, searchDueMsg:
			queue = append(queue, f.Update(m))
		default:
			out = append(out, m)
		}
	}
	return out
}

func newForm(env *screen.Env, m screen.OpenMsg) *Form {
	f := New(env, m)
	f.SetSize(100, 30)
	run(f, f.Init())
	f.View()
	return f
}

func do(t *testing.T, f *Form, actions ...keymap.Action) []tea.Msg {
	t.Helper()
	var out []tea.Msg
	for _, a := range actions {
		cmd, ok := f.Do(a)
		if !ok {
			t.Fatalf("the form has no %q here", a)
		}
		out = append(out, run(f, cmd)...)
		f.View()
	}
	return out
}

func typeText(f *Form, s string) {
	for _, r := range s {
		run(f, f.Update(tea.KeyPressMsg{Code: r, Text: string(r)}))
	}
}

// goTo moves the cursor by the tab key to a field of the record, or to one of
// the last item of a list.
func goTo(t *testing.T, f *Form, field, part string) {
	t.Helper()
	var want *slot
	for _, r := range f.rows {
		if r.field.Name != field {
			continue
		}
		want = r.own
		if r.list() && len(r.parts) > 0 {
			for _, s := range r.parts[len(r.parts)-1].slots {
				if s.of.Name == part {
					want = s
				}
			}
		}
		if want == nil {
			want = r.add
		}
	}
	for range 200 {
		if f.focus == want {
			return
		}
		cmd, _ := f.Do(keymap.NextField)
		run(f, cmd)
	}
	t.Fatalf("the tab key does not reach %s %s", field, part)
}

// save presses the key and returns the record as it is read back.
func save(t *testing.T, f *Form, db *sqlite.DB) *model.Record {
	t.Helper()
	msgs := do(t, f, keymap.Save)
	for _, m := range msgs {
		if o, ok := m.(screen.OpenMsg); ok && o.Kind == screen.Detail {
			r, err := db.Get(t.Context(), o.Noun, o.ID)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	for _, l := range f.lines {
		for _, s := range l.slots {
			if s.err != "" {
				t.Errorf("%s: %s", s.of.Name, s.err)
			}
		}
	}
	t.Fatalf("nothing was saved: %s, %v", f.note, msgs)
	return nil
}

// sample is a text to type into a field of each type.
func sample(f *model.Field) string {
	switch f.Type {
	case model.Int:
		return "42"
	case model.Decimal:
		return "2.5"
	case model.Date:
		return "2026-12-24"
	case model.PartialDate:
		return "--02-29"
	case model.Time:
		return "2026-12-24 15:30"
	case model.MoneyType:
		return "1'234.50 CHF"
	case model.Choice:
		return f.Options[len(f.Options)-1]
	}
	return "A " + f.Name + " é 田"
}

// TestEveryFieldIsReadBack types something into every plain field of every
// noun and reads it back from the cache.
func TestEveryFieldIsReadBack(t *testing.T) {
	for _, e := range model.Records() {
		t.Run(string(e.Noun), func(t *testing.T) {
			env, db := open(t)
			f := newForm(env, screen.OpenMsg{Noun: e.Noun})
			want := map[string]any{}
			for i := range e.Fields {
				fd := &e.Fields[i]
				if fd.ReadOnly || fd.Type == model.List || fd.Type == model.Link {
					continue
				}
				goTo(t, f, fd.Name, "")
				s := sample(fd)
				if fd.Max > 0 && len([]rune(s)) > fd.Max {
					s = s[:fd.Max]
				}
				if fd.Name == "end_at" {
					s = "2026-12-24 16:30"
				}
				switch {
				case fd.Type == model.Bool:
					if fd.Default == true {
						continue
					}
					typeText(f, "y")
					want[fd.Name] = true
					continue
				case fd.Type == model.Choice && !fd.Open:
					for range fd.Options {
						if f.focus.in.Value() != s {
							run(f, f.Update(tea.KeyPressMsg{Code: tea.KeyRight}))
						}
					}
				default:
					f.focus.in.SetValue("")
					typeText(f, s)
				}
				v, err := model.ParseValue(fd, s, env.Values())
				if err != nil {
					t.Fatal(err)
				}
				want[fd.Name] = v
			}
			got := save(t, f, db)
			for name, v := range want {
				if !reflect.DeepEqual(got.Values[name], v) {
					t.Errorf("%s: typed %v, read %v", name, v, got.Values[name])
				}
			}
		})
	}
}

func TestListsAreReadBack(t *testing.T) {
	env, db := open(t)
	if _, err := db.Save(t.Context(), model.Edit{Noun: "organization", Set: map[string]any{"name": "Muster AG"}}); err != nil {
		t.Fatal(err)
	}
	f := newForm(env, screen.OpenMsg{Noun: "contact"})
	goTo(t, f, "last_name", "")
	typeText(f, "Meier")
	goTo(t, f, "organization", "")
	typeText(f, "must")
	do(t, f, keymap.Open) // takes the proposal
	for _, n := range []string{"+41 44 668 18 00", "+41 79 100 00 00"} {
		goTo(t, f, "phone", "value")
		typeText(f, n)
		do(t, f, keymap.NextField)
		run(f, f.Update(tea.KeyPressMsg{Code: tea.KeyRight}))
	}
	goTo(t, f, "email", "value")
	typeText(f, "ada@example.org")
	goTo(t, f, "address", "")
	do(t, f, keymap.Open)
	goTo(t, f, "address", "street")
	typeText(f, "Weg 1")
	run(f, f.Update(tea.KeyPressMsg{Code: tea.KeyEnter}))
	typeText(f, "Hof")
	goTo(t, f, "address", "city")
	typeText(f, "Zürich")
	goTo(t, f, "tag", "tag")
	typeText(f, "vip")
	got := save(t, f, db)
	if o := got.Ref("organization"); o.Name != "Muster AG" {
		t.Errorf("the organization is %v", o)
	}
	var phones []string
	for _, p := range got.List("phone") {
		phones = append(phones, p.Text("value")+" "+p.Text("label"))
	}
	if strings.Join(phones, ", ") != "+41 44 668 18 00 mobile, +41 79 100 00 00 mobile" {
		t.Errorf("the phones are %q", phones)
	}
	if m := got.List("email"); len(m) != 1 || m[0].Text("value") != "ada@example.org" {
		t.Errorf("the mails are %v", m)
	}
	if a := got.List("address"); len(a) != 1 || a[0].Text("street") != "Weg 1\nHof" || a[0].Text("city") != "Zürich" {
		t.Errorf("the addresses are %v", a)
	}
	if g := got.List("tag"); len(g) != 1 || g[0].Ref("tag").Name != "vip" {
		t.Errorf("the tags are %v", g)
	}

	t.Run("an edit saves what was changed only", func(t *testing.T) {
		f := newForm(env, screen.OpenMsg{Noun: "contact", ID: got.ID})
		if f.Dirty() {
			t.Fatal("a form just opened is dirty")
		}
		ed, ok := f.edit()
		if !ok || len(ed.Set) != 0 {
			t.Fatalf("without an edit it would save %v", ed.Set)
		}
		goTo(t, f, "job_title", "")
		typeText(f, "CEO")
		if !f.Dirty() {
			t.Error("a typed letter does not count")
		}
		if ed, _ = f.edit(); len(ed.Set) != 1 || ed.Set["job_title"] != "CEO" {
			t.Errorf("it would save %v", ed.Set)
		}
	})
	t.Run("an item is taken out", func(t *testing.T) {
		f := newForm(env, screen.OpenMsg{Noun: "contact", ID: got.ID})
		for _, r := range f.rows {
			if r.field.Name == "phone" {
				f.focus = r.parts[0].slots[0]
			}
		}
		do(t, f, keymap.DeleteItem)
		msgs := do(t, f, keymap.Save)
		if _, ok := fake.Find[screen.BackMsg](msgs); !ok {
			t.Fatalf("the form stays open: %v %s", msgs, f.note)
		}
		again, err := db.Get(t.Context(), "contact", got.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p := again.List("phone"); len(p) != 1 || p[0].Text("value") != "+41 79 100 00 00" {
			t.Errorf("the phones are %v", p)
		}
	})
}

func TestLinkMakesAnOrganization(t *testing.T) {
	env, db := open(t)
	f := newForm(env, screen.OpenMsg{Noun: "contact"})
	goTo(t, f, "last_name", "")
	typeText(f, "Meier")
	goTo(t, f, "organization", "")
	typeText(f, "Neu AG")
	if !f.focus.open || !strings.Contains(f.focus.picks[0].text, "new organization") {
		t.Fatalf("nothing is proposed: %v", f.focus.picks)
	}
	do(t, f, keymap.Open)
	if got := save(t, f, db); got.Ref("organization").Name != "Neu AG" || got.Ref("organization").ID == "" {
		t.Errorf("the organization is %v", got.Ref("organization"))
	}
}

func TestStagesAreProposed(t *testing.T) {
	env, _ := open(t)
	f := newForm(env, screen.OpenMsg{Noun: "deal"})
	goTo(t, f, "stage", "")
	do(t, f, keymap.Choose)
	if len(f.focus.picks) == 0 {
		t.Fatal("no stage is proposed")
	}
	do(t, f, keymap.Down, keymap.Open)
	for _, r := range f.rows {
		if r.field.Name == "stage" && r.own.ref.ID == "" {
			t.Error("the chosen stage is not taken")
		}
	}
}

func TestProblemsStandAtTheirFields(t *testing.T) {
	env, _ := open(t)
	for _, c := range []struct {
		noun        model.Noun
		field, part string
		typed       string
		want        string
	}{
		{"organization", "employees", "", "many", "not a whole number"},
		{"organization", "name", "", "   ", "is needed"},
		{"deal", "close_date", "", "soon", "not a date"},
		{"deal", "amount", "", "a lot", "not an amount"},
		{"contact", "organization", "", "", ""},
		{"contact", "organization", "", "Nobody knows", "choose one"},
		{"activity", "due_at", "", "someday", "not a time"},
		{"deal", "probability", "", "120", "between 0 and 100"},
	} {
		f := newForm(env, screen.OpenMsg{Noun: c.noun})
		goTo(t, f, c.field, c.part)
		s := f.focus
		for _, r := range c.typed {
			f.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
		do(t, f, keymap.NextField)
		if c.want == "" && s.err != "" || !strings.Contains(s.err, c.want) {
			t.Errorf("%s %q: %q, want %q", c.field, c.typed, s.err, c.want)
		}
		if c.want == "" {
			continue
		}
		if !strings.Contains(f.View(), s.err) {
			t.Errorf("%s: the problem is not drawn", c.field)
		}
		do(t, f, keymap.Save)
		if f.saved || f.saving || f.focus.err == "" {
			t.Errorf("%s %q is saved", c.field, c.typed)
		}
	}
}

func TestRuleOfTheRecordIsTold(t *testing.T) {
	env, _ := open(t)
	f := newForm(env, screen.OpenMsg{Noun: "contact"})
	goTo(t, f, "department", "")
	typeText(f, "Sales")
	do(t, f, keymap.Save)
	if f.focus.of.Name != "last_name" || !strings.Contains(f.focus.err, "needs a name") {
		t.Errorf("the cursor is in %s with %q", f.focus.of.Name, f.focus.err)
	}
	if !f.Dirty() {
		t.Error("what was typed is forgotten")
	}
}

// TestNaughtyStringsAreKept pastes each into the notes of a contact and the
// name of an organization.
func TestNaughtyStringsAreKept(t *testing.T) {
	texts := []string{"a\tb\x01\x1b[31mred", "\u202eabc", "👨‍👩‍👧‍👦", "e\u0301", "line\nbreak", "<script>", "\u200b"}
	if dir := os.Getenv("RAPPORT_TESTDATA"); dir != "" {
		files, err := filepath.Glob(dir + "/naughty-strings/*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("no naughty strings in %s: %v", dir, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
	}
	env, db := open(t)
	for _, s := range texts {
		if strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\r") {
			continue
		}
		f := newForm(env, screen.OpenMsg{Noun: "contact"})
		goTo(t, f, "last_name", "")
		typeText(f, "X")
		goTo(t, f, "notes", "")
		f.Update(tea.PasteMsg{Content: s})
		fake.Rectangle(t, f.View(), 100, 30)
		if got := save(t, f, db).Text("notes"); got != s {
			t.Errorf("%q became %q", s, got)
		}
		if strings.Contains(s, "\n") || len([]rune(s)) > 255 {
			continue
		}
		f = newForm(env, screen.OpenMsg{Noun: "organization"})
		f.Update(tea.PasteMsg{Content: s})
		fake.Rectangle(t, f.View(), 100, 30)
		if got := save(t, f, db).Text("name"); got != s {
			t.Errorf("the name %q became %q", s, got)
		}
	}
}

func TestFormSurvivesAnySize(t *testing.T) {
	env, db := open(t)
	r, err := db.Save(t.Context(), model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Meier", "notes": strings.Repeat("long ", 200)}})
	if err != nil {
		t.Fatal(err)
	}
	fake.Survives(t, func(th *theme.Theme) screen.Screen {
		e := *env
		e.Theme = th
		f := New(&e, screen.OpenMsg{Noun: "contact", ID: r.ID})
		run(f, f.Init())
		return f
	})
}

func TestFormGoldens(t *testing.T) {
	env, db := open(t)
	r, err := db.Save(t.Context(), model.Edit{Noun: "contact", MakeLinks: true, Set: map[string]any{"first_name": "Ada", "last_name": "Meier", "job_title": "Buyer",
		"organization": model.Ref{Noun: "organization", Name: "Muster AG"}, "birth_date": "--05-12", "do_not_mail": true, "notes": "Two\nlines."}})
	if err != nil {
		t.Fatal(err)
	}
	fake.Goldens(t, "contact", func(th *theme.Theme) screen.Screen {
		e := *env
		e.Theme = th
		f := New(&e, screen.OpenMsg{Noun: "contact", ID: r.ID})
		f.SetSize(80, 20)
		run(f, f.Init())
		goTo(t, f, "phone", "value")
		typeText(f, "+41 44")
		return f
	})
	fake.Goldens(t, "wrong", func(th *theme.Theme) screen.Screen {
		e := *env
		e.Theme = th
		f := New(&e, screen.OpenMsg{Noun: "deal"})
		f.SetSize(80, 20)
		run(f, f.Init())
		goTo(t, f, "amount", "")
		typeText(f, "much")
		do(t, f, keymap.Save)
		return f
	})
	fake.Goldens(t, "proposals", func(th *theme.Theme) screen.Screen {
		e := *env
		e.Theme = th
		f := New(&e, screen.OpenMsg{Noun: "deal"})
		f.SetSize(80, 20)
		run(f, f.Init())
		goTo(t, f, "organization", "")
		typeText(f, "mus")
		return f
	})
}

// TestOnlyWhatAPersonDidIsMissed leaves forms that began with values.
func TestOnlyWhatAPersonDidIsMissed(t *testing.T) {
	env, _ := open(t)
	phone := model.NewRecord("contact_phone")
	phone.Values["value"] = "+41 44 668 18 00"
	m := screen.OpenMsg{Noun: "contact", Set: map[string]any{"last_name": "Meier", "phone": []*model.Record{phone}}}
	f := newForm(env, m)
	if f.Dirty() {
		t.Fatal("nothing was typed, and the form asks before it is left")
	}
	typeText(f, "x")
	if !f.Dirty() {
		t.Error("a letter would be lost without a question")
	}
	f = newForm(env, m)
	goTo(t, f, "phone", "value")
	do(t, f, keymap.PrevField, keymap.PrevField)
	for f.focus.of.Name != "value" || f.focus.in.Value() == "" {
		do(t, f, keymap.PrevField)
	}
	do(t, f, keymap.DeleteItem)
	if !f.Dirty() {
		t.Error("a number that was taken out would be back without a question")
	}
}
