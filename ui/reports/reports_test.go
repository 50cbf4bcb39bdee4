package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"rapport/keymap"
	"rapport/model"
	"rapport/ui/screen"
	"rapport/ui/theme"
	"rapport/ui/uitest/fake"
)

func eur(n int64) model.Money { return model.Money{Minor: n * 100, Currency: "EUR"} }

func workspace(months int) *fake.Workspace {
	r := model.Report{Name: "won-lost", Title: "Won and lost deals", AsOf: fake.Now(), Chart: "won_amount", Columns: []model.ReportColumn{
		{Name: "month", Type: "month", Label: "Month"}, {Name: "currency", Type: "text", Label: "Currency"},
		{Name: "won", Type: "number", Label: "Won"}, {Name: "won_amount", Type: "money", Label: "Won amount"},
		{Name: "lost", Type: "number", Label: "Lost"}, {Name: "lost_amount", Type: "money", Label: "Lost amount"},
		{Name: "win_rate", Type: "percent", Label: "Win rate"},
	}}
	for i := range months {
		r.Rows = append(r.Rows, []any{fmt.Sprintf("2026-%02d", i+1), "EUR", int64(10 + i), eur(int64(120000 + 34567*i)), int64(5), eur(40000), 66.7})
	}
	return &fake.Workspace{Figures: r, Infos: []model.ReportInfo{
		{Name: "pipeline", Title: "Pipeline by stage", Comment: "deals in each stage: how many, their sum, and the sum weighted by probability"},
		{Name: "won-lost", Title: "Won and lost deals", By: []string{"month", "owner", "product"}, Comment: "closed deals and the win rate"},
		{Name: "forecast", Title: "Forecast by close month"},
	}}
}

func opener(t *testing.T, ws *fake.Workspace) func(*theme.Theme) screen.Screen {
	return fake.Opener(t, ws, screen.OpenMsg{Kind: screen.Reports}, New)
}

func TestLooks(t *testing.T) {
	fake.Goldens(t, "reports", opener(t, workspace(12)))
	fake.Goldens(t, "empty", opener(t, workspace(0)))
	fake.Survives(t, opener(t, workspace(12)))
	fake.Survives(t, opener(t, &fake.Workspace{}))
}

func TestAsksTheStoreOnlyInCommands(t *testing.T) {
	ws := workspace(3)
	fake.StoreFree(t, ws, opener(t, ws))
	fake.HasAll(t, opener(t, ws))
}

func TestChoices(t *testing.T) {
	ws := workspace(3)
	s := opener(t, ws)(theme.New(true))
	fake.Do(t, s, keymap.Next, keymap.Group, keymap.Period, keymap.Period, keymap.Previous)
	want := []model.ReportRequest{
		{Name: "pipeline"},
		{Name: "won-lost", By: "month"},
		{Name: "won-lost", By: "owner"},
		{Name: "won-lost", By: "owner", From: "2026-11-01", To: "2026-11-30"},
		{Name: "won-lost", By: "owner", From: "2026-10-01", To: "2026-12-31"},
		{Name: "pipeline", From: "2026-10-01", To: "2026-12-31"},
	}
	for i, w := range want {
		w.Now = fake.Now()
		if i >= len(ws.Asked) || fmt.Sprint(ws.Asked[i]) != fmt.Sprint(w) {
			t.Fatalf("asked %+v, want %+v", ws.Asked, want)
		}
	}
}

func TestTotals(t *testing.T) {
	ws := workspace(3)
	ws.Figures.Rows = append(ws.Figures.Rows, []any{"2026-04", "USD", int64(1), model.Money{Minor: 100, Currency: "USD"}, int64(0), eur(0), 100.0})
	s := opener(t, ws)(theme.New(true)).(*Screen)
	total := s.total()
	if total[2] != int64(34) || total[3] != "several" || total[4] != int64(15) || total[5] != eur(120000) || total[6] != nil {
		t.Errorf("total %v", total)
	}
}

func TestChartNamesRowsApart(t *testing.T) {
	ws := workspace(0)
	ws.Figures.Rows = [][]any{{"2026-01", "EUR"}, {"2026-01", "USD"}, {"2026-02", "EUR"}}
	s := opener(t, ws)(theme.New(true)).(*Screen)
	if got := strings.Join(s.labels(), "|"); got != "2026-01 EUR|2026-01 USD|2026-02 EUR" {
		t.Error(got)
	}
}

func TestSavesWhatIsShown(t *testing.T) {
	s := opener(t, workspace(2))(theme.New(true))
	ask := fake.Want[screen.AskMsg](t, fake.Do(t, s, keymap.Export))
	if !strings.HasSuffix(ask.Value, "pipeline-2026-11-20.csv") && !strings.HasSuffix(ask.Value, "won-lost-2026-11-20.csv") {
		t.Errorf("proposes %q", ask.Value)
	}
	dir := t.TempDir()
	for name, want := range map[string]string{"r.csv": "2026-02,EUR,11,154567.00,5,40000.00,66.7", "r.html": "<td class=\"n\">154567.00 EUR</td>"} {
		path := filepath.Join(dir, name)
		fake.Want[screen.NoticeMsg](t, fake.Run(s, ask.Do(path)))
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v\n%s", name, err, data)
		}
		if m := fake.Want[screen.NoticeMsg](t, fake.Run(s, ask.Do(path))); model.KindOf(m.Err) != model.Invalid {
			t.Errorf("an existing file was replaced: %v", m)
		}
	}
}

func TestEmptyPeriodSaysWhatToPress(t *testing.T) {
	s := opener(t, workspace(0))(theme.New(true))
	s.SetSize(80, 20)
	fake.Do(t, s, keymap.Period)
	if v := ansi.Strip(s.View()); !strings.Contains(v, "p takes another one") {
		t.Error(v)
	}
}

// TestRowsLeadToTheirRecords opens what a row counts where a filter can say it.
func TestRowsLeadToTheirRecords(t *testing.T) {
	for _, c := range []struct {
		name    string
		period  int
		columns []string
		row     []any
		noun    model.Noun
		want    string
	}{
		{"pipeline", 0, []string{"stage", "pipeline", "kind", "currency"}, []any{"Proposal", "Sales", "open", "EUR"}, "deal", "stage=Proposal pipeline=Sales"},
		{"pipeline", 3, []string{"stage"}, []any{"Won"}, "deal", "stage=Won close_date>=2026-01-01 close_date<=2026-12-31"},
		{"forecast", 0, []string{"month"}, []any{"2026-12"}, "deal", "close_date>=2026-12-01 close_date<=2026-12-31 closed_atempty"},
		{"forecast", 0, []string{"month"}, []any{"overdue"}, "deal", "close_date<2026-11-20 closed_atempty"},
		{"forecast", 0, []string{"month"}, []any{"2026-11"}, "deal", "close_date>=2026-11-20 close_date<=2026-11-30 closed_atempty"},
		{"won-lost", 0, []string{"month"}, []any{"2026-02"}, "deal", "closed_at>=2026-02-01 closed_at<2026-03-01 closed_atpresent"},
		{"won-lost", 0, []string{"owner"}, []any{"Anna Keller"}, "deal", "owner=Anna Keller closed_atpresent"},
		{"won-lost", 0, []string{"product"}, []any{"GTX"}, "", ""},
		{"activity", 0, []string{"user", "kind"}, []any{"Anna Keller", "call"}, "activity", "owner=Anna Keller kind=call"},
		{"activity", 1, []string{"user", "kind"}, []any{"Anna Keller", "call"}, "", ""},
		{"aging", 0, []string{"stage", "age"}, []any{"Lead", "0-7 days"}, "", ""},
	} {
		ws := workspace(0)
		ws.Figures.Name, ws.Figures.Columns, ws.Figures.Rows = c.name, nil, [][]any{c.row}
		for _, n := range c.columns {
			typ := "text"
			if n == "month" {
				typ = n
			}
			ws.Figures.Columns = append(ws.Figures.Columns, model.ReportColumn{Name: n, Type: typ})
		}
		s := opener(t, ws)(theme.New(true)).(*Screen)
		s.period = c.period
		m := s.drill()
		var got []string
		for _, x := range m.Query.Filter {
			got = append(got, x.Field+string(x.Op)+x.Value)
		}
		if m.Noun != c.noun || strings.Join(got, " ") != c.want {
			t.Errorf("%s %v opens %s %q, want %s %q", c.name, c.row, m.Noun, got, c.noun, c.want)
		}
	}
}
