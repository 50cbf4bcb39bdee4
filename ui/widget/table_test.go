package widget_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"rapport/db/sqlite"
	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
	"rapport/ui/widget"
)

// store is a real workspace, as far as a table asks one.
type store struct {
	*fake.Workspace
	db *sqlite.DB
}

func (s store) List(ctx context.Context, q model.Query) (model.Page, error) { return s.db.List(ctx, q) }
func (s store) Count(ctx context.Context, q model.Query) (int64, error)     { return s.db.Count(ctx, q) }

// open fills a workspace with n organizations, org 0000 and so on.
func open(t *testing.T, n int) (*screen.Env, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/db.sqlite", sqlite.Options{Settings: model.Settings{Currency: "EUR"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	edits := make([]model.Edit, n)
	for i := range edits {
		edits[i] = model.Edit{Noun: "organization", Set: map[string]any{"name": fmt.Sprintf("org %04d", i), "employees": int64(n - i)}}
	}
	saved, err := db.SaveAll(t.Context(), edits, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range saved {
		if s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	ws := store{&fake.Workspace{}, db}
	return &screen.Env{Workspace: ws, Keys: keymap.Default(), Theme: theme.New(true), Now: fake.Now, Context: t.Context()}, db
}

// run carries out a command and all that follow from it.
func run(t *testing.T, tb *widget.Table, cmd tea.Cmd) {
	t.Helper()
	queue := []tea.Cmd{cmd}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if c == nil {
			continue
		}
		switch m := c().(type) {
		case tea.BatchMsg:
			queue = append(queue, m...)
		case screen.LoadedMsg:
			next, _ := tb.Update(m)
			queue = append(queue, next)
		case screen.NoticeMsg:
			t.Fatalf("%s %v", m.Text, m.Err)
		}
	}
}

func newTable(t *testing.T, env *screen.Env) *widget.Table {
	tb := widget.NewTable(env, model.Query{Noun: "organization"})
	tb.SetSize(80, 21)
	run(t, tb, tb.Load())
	return tb
}

func title(tb *widget.Table) string {
	if r := tb.Current(); r != nil {
		return r.Title()
	}
	return ""
}

func TestTableWalksTheWholeList(t *testing.T) {
	env, _ := open(t, 503)
	tb := newTable(t, env)
	for i := range 503 {
		if want := fmt.Sprintf("org %04d", i); title(tb) != want {
			t.Fatalf("row %d is %q", i, title(tb))
		}
		run(t, tb, tb.Move(1))
		if n := tb.Held(); n > 4*20+20 {
			t.Fatalf("%d rows are held", n)
		}
	}
	for i := 501; i >= 0; i-- {
		run(t, tb, tb.Move(-1))
		if want := fmt.Sprintf("org %04d", i); title(tb) != want {
			t.Fatalf("back on row %d is %q", i, title(tb))
		}
	}
	if n, ok := tb.Total(); n != 503 || !ok {
		t.Errorf("the total is %d, %v", n, ok)
	}
}

func TestTablePagesAndEnds(t *testing.T) {
	env, _ := open(t, 300)
	tb := newTable(t, env)
	for i, c := range []struct {
		do   func() tea.Cmd
		want string
	}{
		{func() tea.Cmd { return tb.Page(1) }, "org 0020"},
		{func() tea.Cmd { return tb.Page(1) }, "org 0040"},
		{func() tea.Cmd { return tb.Page(-1) }, "org 0020"},
		{tb.Bottom, "org 0299"},
		{func() tea.Cmd { return tb.Page(-1) }, "org 0279"},
		{func() tea.Cmd { return tb.Page(2) }, "org 0299"},
		{tb.Top, "org 0000"},
		{func() tea.Cmd { return tb.Page(-1) }, "org 0000"},
		// Keys that come faster than the rows are not lost.
		{func() tea.Cmd { return tea.Batch(tb.Page(1), tb.Page(1), tb.Page(1), tb.Page(1)) }, "org 0080"},
	} {
		run(t, tb, c.do())
		if title(tb) != c.want {
			t.Fatalf("step %d is on %q, want %q", i, title(tb), c.want)
		}
	}
}

func TestTableKeepsItsRecord(t *testing.T) {
	env, db := open(t, 200)
	tb := newTable(t, env)
	run(t, tb, tb.Page(4))
	line := tb.CursorLine()
	here := tb.Current().ID

	t.Run("when another order is shown", func(t *testing.T) {
		for tb.Column().Label != "Employees" {
			tb.MoveColumn(1)
		}
		for range 2 {
			cmd, ok := tb.Sort()
			if !ok {
				t.Fatal("employees cannot be sorted by")
			}
			run(t, tb, cmd)
			if tb.Current().ID != here {
				t.Fatalf("the cursor went to %s", title(tb))
			}
		}
		run(t, tb, tb.Top())
		if title(tb) != "org 0000" {
			t.Errorf("first in falling order is %s", title(tb))
		}
		run(t, tb, tb.GoTo(here))
	})
	t.Run("when records are added before it", func(t *testing.T) {
		for i := range 3 {
			if _, err := db.Save(t.Context(), model.Edit{Noun: "organization", Set: map[string]any{"name": fmt.Sprintf("a new one %d", i), "employees": int64(9000)}}); err != nil {
				t.Fatal(err)
			}
		}
		line = tb.CursorLine()
		run(t, tb, tb.Reload())
		if tb.Current().ID != here || tb.CursorLine() != line {
			t.Errorf("the cursor is on %s in line %d, not %d", title(tb), tb.CursorLine(), line)
		}
	})
	t.Run("when it is deleted, on its neighbour", func(t *testing.T) {
		if err := db.Delete(t.Context(), "organization", here); err != nil {
			t.Fatal(err)
		}
		run(t, tb, tb.Reload())
		if title(tb) != "org 0081" {
			t.Errorf("the cursor is on %s", title(tb))
		}
	})
}

func TestColumnsFollowAShortList(t *testing.T) {
	env, db := open(t, 3)
	tb := newTable(t, env)
	const name = "Harbour and Light"
	if _, err := db.Save(t.Context(), model.Edit{Noun: "organization", Set: map[string]any{"name": name}}); err != nil {
		t.Fatal(err)
	}
	run(t, tb, tb.Reload())
	if view := ansi.Strip(tb.View(nil)); !strings.Contains(view, name) {
		t.Errorf("the new name is cut although there is room:\n%s", view)
	}
}

func TestTableSelects(t *testing.T) {
	env, _ := open(t, 30)
	tb := newTable(t, env)
	if got := tb.Selected(); len(got) != 1 || got[0] != tb.Current().ID {
		t.Errorf("without a selection the cursor's record is meant, not %v", got)
	}
	run(t, tb, tb.Toggle())
	run(t, tb, tb.Toggle())
	if tb.Marked() != 2 || len(tb.Selected()) != 2 || title(tb) != "org 0002" {
		t.Errorf("%d are selected, the cursor is on %s", tb.Marked(), title(tb))
	}
	if !tb.ClearSelection() || tb.ClearSelection() {
		t.Error("a selection is cleared once")
	}
}

func TestTableIsEmptyInWords(t *testing.T) {
	env, _ := open(t, 0)
	tb := widget.NewTable(env, model.Query{Noun: "organization"})
	tb.SetSize(60, 10)
	if strings.Contains(tb.View([]string{"nothing here"}), "nothing here") {
		t.Error("the table is said to be empty before it was read")
	}
	run(t, tb, tb.Load())
	if !tb.Empty() || !strings.Contains(tb.View([]string{"nothing here"}), "nothing here") {
		t.Error("an empty table does not say so")
	}
	run(t, tb, tb.Move(1))
	run(t, tb, tb.Bottom())
	run(t, tb, tb.Reload())
}

// TestEveryRowHasItsWidth draws records of any text in any width.
func TestEveryRowHasItsWidth(t *testing.T) {
	nouns := []model.Noun{"contact", "organization", "deal", "activity", "product", "user"}
	rapid.Check(t, func(rt *rapid.T) {
		e := model.EntityOf(rapid.SampledFrom(nouns).Draw(rt, "noun"))
		w, h := rapid.IntRange(0, 140).Draw(rt, "w"), rapid.IntRange(0, 12).Draw(rt, "h")
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\u0301\u0301a", "👨‍👩‍👧‍👦 家族", "\x1b[31mred\x1b[0m", "a\tb\nc", "ｗｉｄｅ", "🇨🇭🇨🇭", "\u200f\u202eabc", "ｶﾞ", "ก็็็็็"}))
		var items []*model.Record
		for i := range rapid.IntRange(0, 8).Draw(rt, "rows") {
			r := fake.Record(e.Noun, fmt.Sprint(i))
			for j := range e.Fields {
				switch f := &e.Fields[j]; f.Type {
				case model.Text, model.Choice, model.LongText:
					r.Values[f.Name] = text.Draw(rt, f.Name)
				case model.Link:
					r.Values[f.Name] = model.Ref{Noun: f.To[0], ID: fake.ID("x"), Name: text.Draw(rt, f.Name)}
				case model.MoneyType:
					r.Values[f.Name] = model.Money{Minor: rapid.Int64().Draw(rt, f.Name), Currency: "EUR"}
				}
			}
			items = append(items, r)
		}
		ws := &fake.Workspace{Pages: map[model.Noun][]*model.Record{e.Noun: items}}
		env := ws.Env(context.Background(), theme.New(true))
		tb := widget.NewTable(env, model.Query{Noun: e.Noun})
		tb.SetSize(w, h)
		run(t, tb, tb.Load())
		for range rapid.IntRange(0, 6).Draw(rt, "right") {
			tb.MoveColumn(1)
		}
		view := tb.View(nil)
		if w == 0 || h == 0 {
			if view != "" {
				rt.Fatalf("%q is drawn into nothing", view)
			}
			return
		}
		lines := strings.Split(view, "\n")
		if len(lines) != h {
			rt.Fatalf("%d lines, want %d", len(lines), h)
		}
		for _, l := range lines {
			if n := ansi.StringWidth(l); n != w {
				rt.Fatalf("%d cells, want %d: %q", n, w, ansi.Strip(l))
			}
		}
		if i := slices.IndexFunc([]byte(ansi.Strip(view)), func(b byte) bool { return b < 0x20 && b != '\n' }); i >= 0 {
			rt.Fatalf("a control character is drawn: %q", view)
		}
	})
}

// TestPartsWithNamesAreCounted lists a pipeline: how many stages it has, not
// the first one.
func TestPartsWithNamesAreCounted(t *testing.T) {
	env, db := open(t, 0)
	var stages []*model.Record
	for _, name := range []string{"Lead", "Offer", "Won"} {
		s := model.NewRecord("stage")
		s.Values["name"] = name
		stages = append(stages, s)
	}
	if _, err := db.Save(t.Context(), model.Edit{Noun: "pipeline", Set: map[string]any{"name": "Repairs", "stages": stages}}); err != nil {
		t.Fatal(err)
	}
	tb := widget.NewTable(env, model.Query{Noun: "pipeline", Filter: []model.Condition{{Field: "name", Op: model.Equal, Value: "Repairs"}}})
	tb.SetSize(80, 5)
	run(t, tb, tb.Load())
	if v := ansi.Strip(tb.View(nil)); !strings.Contains(v, "3 stages") {
		t.Error(v)
	}
}

// TestNumbersOfPartsAreNamed writes a line of a deal.
func TestNumbersOfPartsAreNamed(t *testing.T) {
	f := model.EntityOf("deal").Field("lines")
	p := model.NewPart(f)
	p.Values["product"] = model.Ref{Noun: "product", Name: "Gateway 10"}
	p.Values["quantity"] = "18"
	p.Values["price"] = model.Money{Minor: 85000, Currency: "EUR"}
	if got := widget.Item(f, p); got != "Gateway 10, quantity 18, price 850 EUR" {
		t.Errorf("%q", got)
	}
}

// TestHeadsAreNeverCut draws the list at every width.
func TestHeadsAreNeverCut(t *testing.T) {
	env, _ := open(t, 3)
	tb := newTable(t, env)
	for w := 40; w < 160; w++ {
		tb.SetSize(w, 5)
		if head, _, _ := strings.Cut(ansi.Strip(tb.View(nil)), "\n"); strings.Contains(head, "…") {
			t.Errorf("%d wide: %q", w, head)
		}
	}
}
