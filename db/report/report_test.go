package report

import (
	"context"
	"encoding/csv"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rapport/model"
)

func TestPipeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(model.ReportRequest{Name: "pipeline"},
		"Offer | Sales | open | EUR | 0 | 0.00 EUR | 0.00 EUR",
		"Won | Sales | won | EUR | 0 | 0.00 EUR | 0.00 EUR",
		"Lost | Sales | lost | EUR | 0 | 0.00 EUR | 0.00 EUR")
	w.deal(w.open, 150, nil)                                                                    // 49.5 cents, up
	w.deal(w.open, -150, nil)                                                                   // -49.5 cents, down
	w.deal(w.open, 10000, m{"probability": 50, "owner_id": w.ann})                              // its own probability
	w.deal(w.open, nil, nil)                                                                    // no amount: the pipeline's currency
	w.deal(w.open, 100, m{"amount_currency": "USD"})                                            // a row of its own
	w.deal(w.open, 77777, m{"deleted_at": 1})                                                   // deleted
	w.deal(w.won, 4_000_000_000_000_000_000, m{"close_date": "2026-01-02", "probability": 100}) // beyond what 64 bits can multiply
	w.put("deal", m{"name": "lone"})                                                            // nothing known
	w.put("deal", m{"name": "lone", "amount_minor": 5, "amount_currency": "JPY", "stage_id": model.DerivedID("gone")})
	w.want(model.ReportRequest{Name: "pipeline"},
		"Offer | Sales | open | EUR | 4 | 100.00 EUR | 50.00 EUR",
		"Offer | Sales | open | USD | 1 | 1.00 USD | 0.33 USD",
		"Won | Sales | won | EUR | 1 | 40000000000000000.00 EUR | 40000000000000000.00 EUR",
		"Lost | Sales | lost | EUR | 0 | 0.00 EUR | 0.00 EUR",
		"("+model.DerivedID("gone").Short()+") |  | open | JPY | 1 | 5 JPY | 0 JPY",
		"(none) |  | open | CHF | 1 | 0.00 CHF | 0.00 CHF")
	other := w.put("pipeline", m{"name": "Partners", "currency": "USD"})
	w.put("stage", m{"name": "Talk", "kind": "open", "position": 1, "pipeline_id": other})
	w.want(model.ReportRequest{Name: "pipeline", Pipeline: other}, "Talk | Partners | open | USD | 0 | 0.00 USD | 0.00 USD")
	w.want(model.ReportRequest{Name: "pipeline", Owner: "ANN", Pipeline: w.pipeline},
		"Offer | Sales | open | EUR | 1 | 100.00 EUR | 50.00 EUR",
		"Won | Sales | won | EUR | 0 | 0.00 EUR | 0.00 EUR",
		"Lost | Sales | lost | EUR | 0 | 0.00 EUR | 0.00 EUR")
	w.want(model.ReportRequest{Name: "pipeline", From: "2026-01-01", To: "2026-01-02", Pipeline: w.pipeline},
		"Offer | Sales | open | EUR | 0 | 0.00 EUR | 0.00 EUR",
		"Won | Sales | won | EUR | 1 | 40000000000000000.00 EUR | 40000000000000000.00 EUR",
		"Lost | Sales | lost | EUR | 0 | 0.00 EUR | 0.00 EUR")
}

func TestWeightedRoundsPerDealHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	stage := s.put("stage", m{"name": "S", "kind": "open"})
	rapid.Check(t, func(rt *rapid.T) {
		s.exec(`DELETE FROM deal`)
		want := new(big.Int)
		for range rapid.IntRange(1, 6).Draw(rt, "deals") {
			minor := rapid.Int64Range(-1e17, 1e17).Draw(rt, "minor")
			p := rapid.Int64Range(0, 100).Draw(rt, "probability")
			s.put("deal", m{"stage_id": stage, "amount_minor": minor, "amount_currency": "EUR", "probability": p})
			v := new(big.Int).Mul(big.NewInt(minor), big.NewInt(p))
			half := int64(50)
			if v.Sign() < 0 {
				half = -50
			}
			want.Add(want, v.Quo(v.Add(v, big.NewInt(half)), big.NewInt(100)))
		}
		rep, err := New(s.cache, "EUR").Report(context.Background(), model.ReportRequest{Name: "pipeline", Now: noon})
		if err != nil {
			rt.Fatal(err)
		}
		if got := rep.Rows[0][6].(model.Money).Minor; got != want.Int64() {
			rt.Fatalf("weighted %d, want %d", got, want)
		}
	})
}

func TestWonLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	may := noon.AddDate(0, -1, 0).UnixMilli()
	one := w.deal(w.won, 10000, m{"close_date": "2026-03-31", "owner_id": w.ann})
	w.put("deal_line", m{"deal_id": one, "product_id": w.gold, "quantity": "2", "price_minor": 10})
	two := w.deal(w.won, 100, m{"close_date": "2026-04-01", "closed_at": may, "owner_id": w.bob})
	w.put("deal_line", m{"deal_id": two, "product_id": w.gold, "quantity": "1", "price_minor": 100, "position": 1})
	w.put("deal_line", m{"deal_id": two, "product_id": w.tin, "quantity": "0.5", "price_minor": 800, "discount": "50", "position": 2})
	w.put("deal_line", m{"deal_id": two, "product_id": w.tin, "quantity": "9", "price_minor": 800, "deleted_at": 1})
	w.deal(w.won, nil, m{"closed_at": may})
	w.deal(w.lost, 5000, m{"closed_at": may, "owner_id": w.ann})
	w.deal(w.lost, 1, nil)
	w.deal(w.open, 999, m{"close_date": "2026-03-31"})
	w.want(model.ReportRequest{Name: "won-lost"},
		"2026-03 | EUR | 1 | 100.00 EUR | 0 | 0.00 EUR | 100",
		"2026-04 | EUR | 1 | 1.00 EUR | 0 | 0.00 EUR | 100",
		"2026-05 | EUR | 1 | 0.00 EUR | 1 | 50.00 EUR | 50",
		"no date | EUR | 0 | 0.00 EUR | 1 | 0.01 EUR | 0")
	w.want(model.ReportRequest{Name: "won-lost", By: "owner"},
		"Ann Zeller | EUR | 1 | 100.00 EUR | 1 | 50.00 EUR | 50",
		"Bob Abel | EUR | 1 | 1.00 EUR | 0 | 0.00 EUR | 100",
		"(none) | EUR | 1 | 0.00 EUR | 1 | 0.01 EUR | 50")
	w.want(model.ReportRequest{Name: "won-lost", By: "product"},
		"Gold | EUR | 2 | 100.34 EUR | 0 | 0.00 EUR | 100",
		"Tin | EUR | 1 | 0.66 EUR | 0 | 0.00 EUR | 100",
		"(none) | EUR | 1 | 0.00 EUR | 2 | 50.01 EUR | 33.3")
	w.want(model.ReportRequest{Name: "won-lost", From: "2026-04-01", To: "2026-05-15"},
		"2026-04 | EUR | 1 | 1.00 EUR | 0 | 0.00 EUR | 100",
		"2026-05 | EUR | 1 | 0.00 EUR | 1 | 50.00 EUR | 50")
}

func TestShareAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.Int64().Draw(rt, "amount")
		values := rapid.SliceOfN(rapid.Int64Range(0, 1<<62), 1, 8).Draw(rt, "values")
		var weights []*big.Int
		for _, v := range values {
			weights = append(weights, big.NewInt(v))
		}
		total := new(big.Int)
		for _, s := range share(amount, weights) {
			if s != 0 && (s > 0) != (amount > 0) {
				rt.Fatalf("a share of %d is %d", amount, s)
			}
			total.Add(total, big.NewInt(s))
		}
		if total.Int64() != amount || !total.IsInt64() {
			rt.Fatalf("the shares of %d add up to %d", amount, total)
		}
	})
}

func TestForecast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deal(w.open, 1000, m{"close_date": "2026-06-14"})
	w.deal(w.open, 2000, m{"close_date": "2026-06-15"})
	w.deal(w.open, 3000, m{"close_date": "2026-12-01"})
	w.deal(w.open, 4000, nil)
	w.deal(w.won, 5000, m{"close_date": "2026-06-20"})
	w.want(model.ReportRequest{Name: "forecast"},
		"overdue | EUR | 1 | 10.00 EUR | 3.30 EUR",
		"2026-06 | EUR | 1 | 20.00 EUR | 6.60 EUR",
		"2026-12 | EUR | 1 | 30.00 EUR | 9.90 EUR",
		"no date | EUR | 1 | 40.00 EUR | 13.20 EUR")
	w.want(model.ReportRequest{Name: "forecast", From: "2026-07-01"}, "2026-12 | EUR | 1 | 30.00 EUR | 9.90 EUR")
}

func TestCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, close := range []string{"2026-01-02", "2026-01-04", "2026-01-11"} {
		w.deal(w.won, 1, m{"opened_on": "2026-01-01", "close_date": close, "owner_id": w.ann})
	}
	w.deal(w.won, 1, m{"opened_on": "2026-01-01", "close_date": "2026-01-05", "owner_id": w.bob})
	w.deal(w.won, 1, m{"opened_on": "2026-01-01", "close_date": "2026-01-06", "owner_id": w.bob})
	w.deal(w.lost, 1, m{"opened_on": "2026-01-01", "close_date": "2026-02-01"})
	w.deal(w.won, 1, m{"close_date": "2026-02-01"})
	w.deal(w.won, 1, m{"opened_on": "not a day", "close_date": "2026-02-01"})
	w.want(model.ReportRequest{Name: "cycle"},
		"Ann Zeller | 3 | 3 | 4.7 | 0 | <nil> | <nil>",
		"Bob Abel | 2 | 4.5 | 4.5 | 0 | <nil> | <nil>",
		"(none) | 0 | <nil> | <nil> | 1 | 31 | 31")
	w.want(model.ReportRequest{Name: "cycle", By: "stage"},
		"Lost | 0 | <nil> | <nil> | 1 | 31 | 31",
		"Won | 5 | 4 | 4.6 | 0 | <nil> | <nil>")
}

func TestAging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ago := func(days int) m { return m{"stage_entered_at": noon.AddDate(0, 0, -days).UnixMilli()} }
	w.deal(w.open, 100, ago(0))
	w.deal(w.open, 100, ago(7))
	w.deal(w.open, 100, ago(8))
	w.deal(w.open, 100, ago(11))
	w.deal(w.open, 100, m{"opened_on": "2025-06-15"})
	w.deal(w.open, 100, m{"created_at": noon.UnixMilli()})
	w.deal(w.won, 100, ago(500))
	w.want(model.ReportRequest{Name: "aging"},
		"Offer | 0-7 days | Sales | EUR | 3 | 3.00 EUR | 0",
		"Offer | 8-30 days | Sales | EUR | 2 | 2.00 EUR | 1",
		"Offer | over 180 days | Sales | EUR | 1 | 1.00 EUR | 1")
}

func TestActivity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	past, future := noon.UnixMilli()-1, noon.UnixMilli()+1
	w.put("activity", m{"kind": "call", "status": "done", "owner_id": w.ann, "done_at": past})
	w.put("activity", m{"kind": "task", "status": "open", "owner_id": w.ann, "due_at": past})
	w.put("activity", m{"kind": "task", "status": "open", "owner_id": w.ann, "due_at": future})
	w.put("activity", m{"kind": "task", "status": "cancelled", "owner_id": w.ann, "due_at": noon.AddDate(0, 0, 1).UnixMilli()})
	w.put("activity", m{"kind": "note", "status": "done", "created_at": noon.AddDate(0, 0, -1).UnixMilli()})
	w.put("activity", m{"kind": "note", "status": "done", "deleted_at": 1})
	w.want(model.ReportRequest{Name: "activity"},
		"Ann Zeller | task | 3 | 0 | 2 | 1", "Ann Zeller | call | 1 | 1 | 0 | 0", "(none) | note | 1 | 1 | 0 | 0")
	w.want(model.ReportRequest{Name: "activity", By: "kind", From: "2026-06-15", To: "2026-06-15"},
		"task | 2 | 0 | 2 | 1", "call | 1 | 1 | 0 | 0")
	w.want(model.ReportRequest{Name: "activity", Owner: "bob"})
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		req        model.ReportRequest
		want, hint string
	}{
		"unknown report":         {model.ReportRequest{Name: "pipelin"}, `no report "pipelin"`, "did you mean pipeline?"},
		"far from any":           {model.ReportRequest{Name: "zzzzzzzz"}, `no report "zzzzzzzz"`, "there are: pipeline, won-lost"},
		"unknown grouping":       {model.ReportRequest{Name: "won-lost", By: "owners"}, `"owners"`, "did you mean owner?"},
		"no grouping":            {model.ReportRequest{Name: "forecast", By: "owner"}, "one way only", "leave out"},
		"unknown owner":          {model.ReportRequest{Name: "cycle", Owner: "an"}, `no user "an"`, "did you mean ann?"},
		"bad date":               {model.ReportRequest{Name: "cycle", From: "2026-13-01"}, "not a date", ""},
		"ends before it begins":  {model.ReportRequest{Name: "cycle", From: "2026-02-01", To: "2026-01-01"}, "before it begins", ""},
		"pipeline of activities": {model.ReportRequest{Name: "activity", Pipeline: w.pipeline}, "nothing to do with pipelines", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(w.cache, "").Report(t.Context(), c.req)
			e, _ := err.(*model.Error)
			if e == nil || e.Kind != model.Invalid || !strings.Contains(e.Msg, c.want) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("got %#v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(w.cache, "").Report(ctx, model.ReportRequest{Name: "pipeline"}); err == nil {
		t.Error("a report was made after its context ended")
	}
}

func TestReportsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, info := range New(w.cache, "").Reports() {
		for _, by := range append([]string{""}, info.By...) {
			w.rows(model.ReportRequest{Name: info.Name, By: by})
		}
	}
}

// TestSalesData adds up the won deals of the sales dataset as published.
func TestSalesData(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("RAPPORT_TESTDATA")
	if dir == "" {
		t.Skip("RAPPORT_TESTDATA does not name the folder of the datasets")
	}
	f, err := os.Open(filepath.Join(dir, "maven-crm", "sales_pipeline.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	stages := map[string]model.ID{"Won": w.won, "Lost": w.lost, "Engaging": w.open, "Prospecting": w.open}
	owners, products := map[string]model.ID{}, map[string]model.ID{}
	w.exec("BEGIN")
	for _, l := range lines[1:] {
		if owners[l[1]] == "" {
			owners[l[1]] = w.put("user", m{"login": l[1], "name": l[1]})
		}
		if products[l[2]] == "" {
			products[l[2]] = w.put("product", m{"name": l[2]})
		}
		more := m{"owner_id": owners[l[1]]}
		if l[5] != "" {
			more["opened_on"] = l[5]
		}
		if l[6] != "" {
			more["close_date"] = l[6]
		}
		var minor any
		if l[7] != "" {
			money, err := model.ParseMoney(l[7], "USD")
			if err != nil {
				t.Fatal(err)
			}
			minor, more["amount_currency"] = money.Minor, "USD"
		}
		id := w.deal(stages[l[4]], minor, more)
		w.put("deal_line", m{"deal_id": id, "product_id": products[l[2]]})
	}
	w.exec("COMMIT")
	for _, by := range []string{"month", "owner", "product"} {
		rep, err := New(w.cache, "USD").Report(t.Context(), model.ReportRequest{Name: "won-lost", By: by, Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		var won, lost, amount int64
		for _, row := range rep.Rows {
			won += row[2].(int64)
			amount += row[3].(model.Money).Minor
			lost += row[4].(int64)
		}
		if won != 4238 || lost != 2473 || amount != 1000553400 {
			t.Errorf("by %s: %d won for %d, %d lost; want 4238 for 1000553400, 2473 lost", by, won, amount, lost)
		}
	}
}
