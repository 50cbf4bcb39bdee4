package list

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

func ref(n model.Noun, name string) model.Ref {
	return model.Ref{Noun: n, ID: fake.ID(name), Name: name}
}

func part(n model.Noun, pairs ...any) *model.Record {
	return fake.Record(n, fmt.Sprint(pairs...), pairs...)
}

// people are contacts in every state, with names that are wide, long and
// hostile.
func people() *fake.Workspace {
	rows := []*model.Record{
		fake.Record("contact", "1", "first_name", "Ada", "last_name", "Ammann", "job_title", "Head of sales", "organization", ref("organization", "Alpenbau AG"),
			"phone", []*model.Record{part("contact_method", "kind", "phone", "value", "+41 44 668 18 00"), part("contact_method", "kind", "phone", "value", "+41 79 100 00 00")},
			"email", []*model.Record{part("contact_method", "kind", "email", "value", "ada@alpenbau.example")}, "owner", ref("user", "Anna Keller")),
		fake.Record("contact", "2", "first_name", "Ben", "last_name", "Brunner", "organization", ref("organization", "A company with a very long name that goes on and on")),
		fake.Record("contact", "3", "first_name", "花子", "last_name", "山田", "job_title", "購買担当"),
		fake.Record("contact", "4", "first_name", "\x1b[31mEvil", "last_name", "Tab\there", "organization", model.Ref{Noun: "organization", ID: fake.ID("x")}),
		fake.Record("contact", "5", "first_name", "Zoë", "last_name", "Zbinden"),
	}
	for i, s := range []model.SyncState{model.Clean, model.Pending, model.Conflicted, model.Rejected, model.Clean} {
		rows[i].Sync = s
	}
	return &fake.Workspace{Pages: map[model.Noun][]*model.Record{"contact": rows}}
}

func opener(t *testing.T, ws *fake.Workspace, m screen.OpenMsg) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, m, func(e *screen.Env, m screen.OpenMsg) screen.Screen {
		e.After = func(_ time.Duration, m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }
		return New(e, m)
	})
}

func TestListGoldens(t *testing.T) {
	fake.Goldens(t, "contacts", opener(t, people(), screen.OpenMsg{Noun: "contact"}))
	fake.Goldens(t, "empty", opener(t, &fake.Workspace{}, screen.OpenMsg{Noun: "deal"}))
}

func TestListSurvivesAnySize(t *testing.T) {
	fake.Survives(t, opener(t, people(), screen.OpenMsg{Noun: "contact"}))
}

func TestListAsksNoStore(t *testing.T) {
	ws := people()
	fake.StoreFree(t, ws, opener(t, ws, screen.OpenMsg{Noun: "contact"}))
}

func TestListHasItsActions(t *testing.T) {
	fake.HasAll(t, opener(t, people(), screen.OpenMsg{Noun: "contact"}), keymap.Done, keymap.Restore, keymap.Back)
	fake.HasAll(t, opener(t, people(), screen.OpenMsg{Noun: "contact", Query: model.Query{Bin: true}}), keymap.Done, keymap.Add, keymap.Edit, keymap.Delete)
}

func TestParseFilter(t *testing.T) {
	e := model.EntityOf("deal")
	for _, c := range []struct {
		typed string
		conds []model.Condition
		words string
		bad   bool
	}{
		{"", nil, "", false},
		{"big  deal", nil, "big deal", false},
		{"stage=Won big", []model.Condition{{Field: "stage", Op: model.Equal, Value: "Won"}}, "big", false},
		{`name~"van der" amount>1000`, []model.Condition{{Field: "name", Op: model.Contains, Value: "van der"}, {Field: "amount", Op: model.Greater, Value: "1000"}}, "", false},
		{`name~"van d`, nil, "", true},
		{"stgae=Won x", nil, "x", true},
		{"amount>", nil, "", true},
		{"lost_reason=", []model.Condition{{Field: "lost_reason", Op: model.IsEmpty}}, "", false},
		{`"two words"`, nil, "two words", false},
		{"what?!", nil, "what?!", false},
	} {
		conds, words, err := parseFilter(e, c.typed)
		if !slices.Equal(conds, c.conds) || words != c.words || (err != nil) != c.bad {
			t.Errorf("%q is %v, %q, %v", c.typed, conds, words, err)
		}
		if err == nil {
			again, _, err := parseFilter(e, filterText(conds))
			if err != nil || !slices.Equal(again, conds) {
				t.Errorf("%q is written as %q, which is %v, %v", c.typed, filterText(conds), again, err)
			}
		}
	}
}

func TestFilterIsShownAndTakenBack(t *testing.T) {
	q := model.Query{Noun: "activity", Filter: []model.Condition{{Field: "status", Op: model.Equal, Value: "open"}}}
	s := opener(t, &fake.Workspace{}, screen.OpenMsg{Noun: "activity", Query: q})(theme.New(true)).(*List)
	s.SetSize(80, 20)
	if !strings.Contains(ansi.Strip(s.View()), "/ status=open") || len(s.table.Query().Filter) != 1 {
		t.Errorf("the filter is not shown:\n%s", ansi.Strip(s.View()))
	}
	fake.Do(t, s, keymap.Back)
	if len(s.table.Query().Filter) != 0 {
		t.Error("esc does not take the filter back")
	}
	if _, ok := s.Do(keymap.Back); ok {
		t.Error("without a filter esc belongs to the root")
	}
	fake.Do(t, s, keymap.Filter)
	for _, m := range fake.Type(s, "kind=call stauts=x") {
		fake.Run(s, s.Update(m))
	}
	if v := ansi.Strip(s.View()); !strings.Contains(v, "did you mean status?") {
		t.Errorf("a wrong field is not told:\n%s", v)
	}
}

func TestExportWritesWholeFilesOnly(t *testing.T) {
	dir := t.TempDir()
	ws := &fake.Workspace{Exported: "a,b\n1,2\n"}
	path := filepath.Join(dir, "out.csv")
	if _, _, err := exportTo(t.Context(), ws, model.Query{Noun: "contact"}, path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "a,b\n1,2\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	for name, want := range map[string]string{path: "is there already", filepath.Join(dir, "x.doc"): "does not end in", filepath.Join(dir, "no", "x.csv"): "nothing can be written", "": "file name"} {
		if _, _, err := exportTo(t.Context(), ws, model.Query{Noun: "contact"}, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind are %v", left)
	}
}

// TestEmptyListOffersNoRecord names no key that needs one.
func TestEmptyListOffersNoRecord(t *testing.T) {
	l := opener(t, &fake.Workspace{}, screen.OpenMsg{Noun: "deal"})(theme.New(true)).(*List)
	for _, a := range []keymap.Action{keymap.Open, keymap.Edit, keymap.Delete, keymap.Select, keymap.Sort} {
		if l.Can(a) {
			t.Errorf("%q is offered in an empty list", a)
		}
	}
	if !l.Can(keymap.Add) || !l.Can(keymap.Filter) {
		t.Error("an empty list cannot be filled")
	}
}
