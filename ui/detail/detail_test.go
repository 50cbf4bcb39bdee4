package detail

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

// workspace adds to the fake what only a record's page asks.
type workspace struct {
	*fake.Workspace
	recs    map[model.ID]*model.Record
	events  []model.Event
	revs    []model.Revision
	asked   int
	deleted []model.ID
}

func (w *workspace) Get(_ context.Context, _ model.Noun, id model.ID) (*model.Record, error) {
	w.asked++
	if r := w.recs[id]; r != nil {
		return r, nil
	}
	return nil, model.Errorf(model.NotFound, "there is no such record")
}

func (w *workspace) Related(_ context.Context, _ model.Noun, _ model.ID, of model.Noun, _ int) ([]*model.Record, error) {
	w.asked++
	if of == "organization" {
		return nil, nil
	}
	return []*model.Record{fake.Record(of, "related", "last_name", "Meier", "name", "Related", "job_title", "Buyer")}, nil
}

func (w *workspace) Timeline(context.Context, model.Noun, model.ID, int) ([]model.Event, error) {
	w.asked++
	return w.events, nil
}

func (w *workspace) History(context.Context, model.Noun, model.ID) ([]model.Revision, error) {
	w.asked++
	return w.revs, nil
}

func (w *workspace) Delete(_ context.Context, _ model.Noun, ids ...model.ID) error {
	w.deleted = append(w.deleted, ids...)
	return nil
}

// List is a list of ten records, 0 to 9, of which a page holds three.
func (w *workspace) List(_ context.Context, q model.Query) (model.Page, error) {
	from, to := 0, 10
	for i := range 10 {
		switch s := string(fake.ID(fmt.Sprint(i))); {
		case q.Around == model.ID(s):
			from, to = i-i%3, min(10, i-i%3+3)
		case q.Before == s:
			from, to = max(0, i-q.Limit), i
		}
	}
	var p model.Page
	for i := from; i < to; i++ {
		p.Items = append(p.Items, fake.Record("deal", fmt.Sprint(i)))
	}
	if from > 0 {
		p.Prev = string(fake.ID(fmt.Sprint(from)))
	}
	return p, nil
}

func ref(n model.Noun, name string) model.Ref {
	return model.Ref{Noun: n, ID: fake.ID(name), Name: name}
}

func deal() *workspace {
	now := fake.Now().UTC()
	r := fake.Record("deal", "4", "name", "Machine for the new hall", "pipeline", ref("pipeline", "Sales"), "stage", ref("stage", "Proposal"),
		"organization", ref("organization", "Alpenbau AG"), "contact", ref("contact", "Ada Meier"), "amount", model.Money{Minor: 1250000, Currency: "EUR"},
		"close_date", "2026-12-15", "notes", "They want it before winter.\nCall \x1b[31mAda\x1b[0m first.",
		"lines", []*model.Record{fake.Record("deal_line", "l", "product", ref("product", "Press"), "quantity", "2", "price", model.Money{Minor: 600000, Currency: "EUR"})},
		"tag", []*model.Record{fake.Record("tagging", "t", "tag", ref("tag", "hall")), fake.Record("tagging", "u", "tag", ref("tag", "vip"))},
		"owner", ref("user", "Anna Keller"))
	r.Sync, r.CreatedAt, r.CreatedBy = model.Pending, now.AddDate(0, -1, 0), "anna"
	w := &workspace{Workspace: &fake.Workspace{}, recs: map[model.ID]*model.Record{r.ID: r},
		events: []model.Event{
			{At: now.Add(-time.Hour), Noun: "activity", ID: fake.ID("c"), Kind: "call", Title: "Asked about the price", Body: "Too high, she says", By: "anna"},
			{At: now.AddDate(0, 0, -1), Noun: "activity", ID: fake.ID("t"), Kind: "task", Title: "Send the offer", Status: "open", DueAt: now.AddDate(0, 0, 3), By: "anna"},
			{At: now.AddDate(0, 0, -9), Kind: "edit", By: "ben", Changes: []model.FieldChange{{Field: "stage", Old: ref("stage", "Qualify"), New: ref("stage", "Proposal")}}},
			{At: now.AddDate(0, -1, 0), Kind: "add", By: "anna", Title: "Machine for the new hall"},
		},
		revs: []model.Revision{
			{At: now.AddDate(0, 0, -9), By: "ben", Action: "edit", Noun: "deal", Changes: []model.FieldChange{{Field: "stage", Old: ref("stage", "Qualify"), New: ref("stage", "Proposal")}, {Field: "amount", Old: model.Money{Minor: 100, Currency: "EUR"}, New: nil}}},
			{At: now.AddDate(0, -1, 0), By: "anna", Action: "add", Noun: "deal", Changes: []model.FieldChange{{Field: "name", New: "Machine"}}},
		}}
	for i := range 10 {
		if i != 4 {
			x := fake.Record("deal", fmt.Sprint(i), "name", fmt.Sprint("deal ", i))
			w.recs[x.ID] = x
		}
	}
	return w
}

func opener(t *testing.T, ws *workspace, m screen.OpenMsg, build func(*screen.Env, screen.OpenMsg) screen.Screen) func(*theme.Theme) screen.Screen {
	return func(th *theme.Theme) screen.Screen {
		e := ws.Env(t.Context(), th)
		e.Workspace = ws
		s := build(e, m)
		fake.Run(s, s.Init())
		return s
	}
}

func newDetail(e *screen.Env, m screen.OpenMsg) screen.Screen  { return New(e, m) }
func newHistory(e *screen.Env, m screen.OpenMsg) screen.Screen { return NewHistory(e, m) }

var dealPage = screen.OpenMsg{Noun: "deal", ID: fake.ID("4"), Query: model.Query{Noun: "deal"}}

func TestDetailGoldens(t *testing.T) {
	fake.Goldens(t, "deal", opener(t, deal(), dealPage, newDetail))
	fake.Goldens(t, "history", opener(t, deal(), screen.OpenMsg{Noun: "deal", ID: fake.ID("4"), Set: map[string]any{"title": "Machine"}}, newHistory))
}

func TestDetailSurvivesAnySize(t *testing.T) {
	fake.Survives(t, opener(t, deal(), dealPage, newDetail))
	fake.Survives(t, opener(t, deal(), dealPage, newHistory))
}

func TestDetailHasItsActions(t *testing.T) {
	fake.HasAll(t, opener(t, deal(), dealPage, newDetail), keymap.Done, keymap.Restore, keymap.CopyCard, keymap.Add)
}

func TestDetailAsksNoStore(t *testing.T) {
	ws := deal()
	s := opener(t, ws, dealPage, newDetail)(theme.New(true))
	s.SetSize(120, 30)
	before := ws.asked
	for _, b := range keymap.Default().In(keymap.Detail) {
		s.Do(b.Action)
		s.View()
	}
	s.Update(screen.ChangedMsg{})
	if ws.asked != before {
		t.Errorf("the event loop asked the workspace %d times", ws.asked-before)
	}
}

func TestNextAndPreviousFollowTheList(t *testing.T) {
	s := opener(t, deal(), dealPage, newDetail)(theme.New(true)).(*Detail)
	var seen []string
	for range 7 {
		seen = append(seen, s.Title())
		fake.Do(t, s, keymap.Previous)
	}
	want := []string{"Machine for the new hall", "deal 3", "deal 2", "deal 1", "deal 0", "deal 0", "deal 0"}
	if !slices.Equal(seen, want) {
		t.Errorf("back go %q", seen)
	}
	// Keys that come faster than the answers add up.
	a, _ := s.Do(keymap.Next)
	b, _ := s.Do(keymap.Next)
	fake.Run(s, b)
	fake.Run(s, a)
	if s.Title() != "deal 2" {
		t.Errorf("two steps lead to %s", s.Title())
	}
	other := opener(t, deal(), screen.OpenMsg{Noun: "deal", ID: fake.ID("4")}, newDetail)(theme.New(true))
	if _, ok := other.Do(keymap.Next); ok {
		t.Error("a record that was not opened from a list has a next one")
	}
}

func TestTabAndEnterOpenWhatIsLinked(t *testing.T) {
	s := opener(t, deal(), dealPage, newDetail)(theme.New(true)).(*Detail)
	s.SetSize(120, 40)
	if got := linking("organization"); len(got) != 3 || got[0].Noun != "organization" {
		t.Errorf("to organizations link %v", got)
	}
	fake.Do(t, s, keymap.NextField)
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Noun != "activity" || m.ID != fake.ID("c") {
		t.Errorf("it opens %v", m)
	}
	for s.item().label != "Organization" {
		fake.Do(t, s, keymap.Up)
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Noun != "organization" {
		t.Errorf("it opens %v", m)
	}
	for s.item().label != "Stage" {
		fake.Do(t, s, keymap.Up)
	}
	if _, ok := fake.Find[screen.OpenMsg](fake.Do(t, s, keymap.Open)); ok {
		t.Error("a stage has no page")
	}
}

func TestRelatedRecordsAreShown(t *testing.T) {
	ws := deal()
	org := fake.Record("organization", "org", "name", "Alpenbau AG")
	ws.recs[org.ID] = org
	s := opener(t, ws, screen.OpenMsg{Noun: "organization", ID: org.ID}, newDetail)(theme.New(true)).(*Detail)
	s.SetSize(120, 40)
	v := ansi.Strip(s.View())
	for _, want := range []string{"Contacts ──", "Meier", "Buyer", "Deals ──", "Timeline ──"} {
		if !strings.Contains(v, want) {
			t.Errorf("%q is missing:\n%s", want, v)
		}
	}
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Add))
	if !slices.Equal(ask.Options, []string{"Organization", "Contact", "Deal"}) {
		t.Errorf("on an organization can be added %v", ask.Options)
	}
	if m := fake.Want[screen.OpenMsg](t, fake.Run(s, ask.Do("Deal"))); m.Noun != "deal" || m.Set["organization"] != (model.Ref{Noun: "organization", ID: org.ID, Name: "Alpenbau AG"}) {
		t.Errorf("a new deal begins with %v", m.Set)
	}
	fake.Do(t, s, keymap.NextField)
	if m := fake.Want[screen.OpenMsg](t, fake.Do(t, s, keymap.Open)); m.Noun != "contact" {
		t.Errorf("it opens %v", m)
	}
}

func TestDeleteLeavesThePage(t *testing.T) {
	ws := deal()
	s := opener(t, ws, dealPage, newDetail)(theme.New(true))
	var back bool
	for _, m := range fake.Do(t, s, keymap.Delete) {
		_, is := m.(screen.BackMsg)
		back = back || is
	}
	if !back || len(ws.deleted) != 1 {
		t.Errorf("deleted %v, left %v", ws.deleted, back)
	}
}

func TestLostAsksForAReason(t *testing.T) {
	s := opener(t, deal(), dealPage, newDetail)(theme.New(true))
	m := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Lose))
	if !slices.Contains(m.Options, "price") {
		t.Errorf("the reasons are %v", m.Options)
	}
}

func TestHostileTextIsHarmless(t *testing.T) {
	s := opener(t, deal(), dealPage, newDetail)(theme.NewMono())
	s.SetSize(80, 60)
	if v := s.View(); strings.Contains(v, "\x1b[31m") || !strings.Contains(ansi.Strip(v), "␛[31mAda") {
		t.Errorf("the notes colour the screen: %q", v)
	}
}

func TestErrorsAreTold(t *testing.T) {
	s := opener(t, deal(), screen.OpenMsg{Noun: "deal", ID: fake.ID("nobody")}, newDetail)(theme.New(true))
	s.SetSize(80, 20)
	if !strings.Contains(s.View(), "cannot be shown") {
		t.Error("a record that is not there is not told")
	}
}

// TestGoneWhileShown takes a record off the screen that left what the person may
// see, and survives keys that come late.
func TestGoneWhileShown(t *testing.T) {
	ws := deal()
	s := opener(t, ws, dealPage, newDetail)(theme.New(true))
	s.SetSize(80, 20)
	delete(ws.recs, dealPage.ID)
	n := fake.Want[screen.NoticeMsg](t, fake.Run(s, s.Update(screen.ChangedMsg{})))
	if n.Err != nil || !strings.Contains(n.Text, "may not see it") {
		t.Errorf("told %+v", n)
	}
	if v := ansi.Strip(s.View()); strings.Contains(v, "Machine") || !strings.Contains(v, "cannot be shown") {
		t.Errorf("\n%s", v)
	}
	for _, a := range []keymap.Action{keymap.Down, keymap.Bottom, keymap.Open, keymap.Edit, keymap.Delete} {
		s.Do(a)
		s.View()
	}
}
