package sqlite

import (
	"context"
	"slices"
	"testing"
	"time"

	"rapport/model"
)

// conflicted makes a clean deal on which this person set the amount to 200 and
// another one set it to 300.
func conflicted(t *testing.T, d *DB) *model.Record {
	t.Helper()
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	r := save(t, d, "deal", "", map[string]any{"name": "Big", "amount": eur(100)})
	sent(t, d)
	save(t, d, "deal", r.ID, map[string]any{"amount": eur(200), "next_step": "call"})
	err := d.write(ctx, "test", func(tx *Tx) error {
		e := model.EntityOf("deal")
		row, err := tx.row(e, r.ID)
		if err != nil {
			return err
		}
		return tx.addConflict(openConflict{Entity: e, Row: row, TheirsBy: "bob", TheirsAt: 1000,
			Field: model.FieldConflict{Field: "amount", Base: eur(100), Mine: eur(200), Theirs: eur(300)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSettle(t *testing.T) {
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	for name, x := range map[string]struct {
		choice model.Settlement
		want   model.Money
		fields []string // still pending
	}{
		"mine":   {model.Settlement{Field: "amount", Take: "mine"}, eur(200), []string{"amount", "next_step"}},
		"theirs": {model.Settlement{Take: "theirs"}, eur(300), []string{"next_step"}},
		"value":  {model.Settlement{Field: "amount", Value: eur(250)}, eur(250), []string{"amount", "next_step"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := testDB(t)
			r := conflicted(t, d)
			if got := must(d.Get(ctx, "deal", r.ID))(t); got.Sync != model.Conflicted {
				t.Errorf("sync %v", got.Sync)
			}
			list := must(d.Conflicts(ctx))(t)
			if len(list) != 1 || list[0].Title != "Big" || list[0].Fields[0].Theirs != eur(300) || list[0].Fields[0].TheirsBy != "bob" {
				t.Fatalf("conflicts %+v", list)
			}
			if err := d.Settle(ctx, list[0].ID, []model.Settlement{x.choice}); err != nil {
				t.Fatal(err)
			}
			got := must(d.Get(ctx, "deal", r.ID))(t)
			if m, _ := got.Money("amount"); m != x.want || got.Sync != model.Pending {
				t.Errorf("amount %v, sync %v", m, got.Sync)
			}
			p := must(d.Pending(ctx))(t)
			if len(p) != 1 {
				t.Fatalf("pending %+v", p)
			}
			slices.Sort(p[0].Fields)
			if !slices.Equal(p[0].Fields, x.fields) {
				t.Errorf("pending %v, want %v", p[0].Fields, x.fields)
			}
			if h := must(d.History(ctx, "deal", r.ID))(t); h[0].Action != "settle" || h[0].Changes[0].New != x.want {
				t.Errorf("history %+v", h[0])
			}
			if err := d.Settle(ctx, list[0].ID, []model.Settlement{x.choice}); model.KindOf(err) != model.NotFound {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestDiscard(t *testing.T) {
	d, _ := testDB(t)
	r := conflicted(t, d)
	fresh := must(d.Save(ctx, model.Edit{Noun: "contact", Set: map[string]any{"last_name": "New"}, Add: map[string][]*model.Record{
		"phone": {{Noun: "contact_method", Values: map[string]any{"kind": "phone", "value": "1"}}}}}))(t)
	n, err := d.Discard(ctx, r.ID, fresh.ID)
	if err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	got := must(d.Get(ctx, "deal", r.ID))(t)
	if m, _ := got.Money("amount"); m.Minor != 300 || got.Text("next_step") != "" || got.Sync != model.Clean {
		t.Errorf("deal %v %v", got.Values, got.Sync)
	}
	if _, err := d.Get(ctx, "contact", fresh.ID); model.KindOf(err) != model.NotFound {
		t.Errorf("the new contact: %v", err)
	}
	if s := must(d.LocalStatus(ctx))(t); s.Pending != 0 || s.Conflicts != 0 {
		t.Errorf("status %+v", s)
	}
	if bad := must(d.IntegrityCheck(ctx))(t); len(bad) > 0 {
		t.Errorf("integrity %v", bad)
	}
}

func TestRetry(t *testing.T) {
	d, _ := testDB(t)
	r := save(t, d, "tag", "", map[string]any{"name": "x"})
	if err := d.write(ctx, "test", func(tx *Tx) error {
		return tx.exec("UPDATE sync_base SET code = 'check', error = 'no'")
	}); err != nil {
		t.Fatal(err)
	}
	if p := must(d.Pending(ctx))(t); p[0].Code != "check" || p[0].Error != "no" || p[0].Action != "add" || p[0].Title != "x" {
		t.Errorf("pending %+v", p)
	}
	if got := must(d.Get(ctx, "tag", r.ID))(t); got.Sync != model.Rejected {
		t.Errorf("sync %v", got.Sync)
	}
	if n := must(d.Retry(ctx))(t); n != 1 {
		t.Errorf("retried %d", n)
	}
	if s := must(d.LocalStatus(ctx))(t); s.Pending != 1 || s.Refused != 0 {
		t.Errorf("status %+v", s)
	}
}

// TestOwner: one added contact is one change. It belongs to nobody as long as
// the person is no user of the company, and is theirs all the same; once they
// are one, new records name them.
func TestOwner(t *testing.T) {
	d, _ := testDB(t)
	r := save(t, d, "contact", "", map[string]any{"last_name": "One"})
	if !r.Ref("owner").IsZero() {
		t.Errorf("owner %v", r.Ref("owner"))
	}
	if p := must(d.Pending(ctx))(t); len(p) != 1 || p[0].ID != r.ID {
		t.Errorf("pending %+v", p)
	}
	mine := func() int64 {
		return must(d.Count(ctx, model.Query{Noun: "contact", Filter: []model.Condition{{Field: "owner", Op: model.Equal, Value: "me"}}}))(t)
	}
	if n := mine(); n != 1 {
		t.Errorf("%d contacts are mine, want the one I made", n)
	}
	save(t, d, "user", "", map[string]any{"login": "ada"})
	if r := save(t, d, "contact", "", map[string]any{"last_name": "Two"}); r.Ref("owner").Name != "ada" {
		t.Errorf("owner %v", r.Ref("owner"))
	}
	if n := mine(); n != 2 {
		t.Errorf("%d contacts are mine, want both", n)
	}
}

func TestHistoryAndTimeline(t *testing.T) {
	d, c := testDB(t)
	org := save(t, d, "organization", "", map[string]any{"name": "Acme"})
	r := must(d.Save(ctx, model.Edit{Noun: "contact", Set: map[string]any{"last_name": "Two", "organization": ref("organization", "Acme")}, Add: map[string][]*model.Record{
		"phone": {{Noun: "contact_method", Values: map[string]any{"kind": "phone", "value": "123"}}}}}))(t)
	c.step(time.Hour)
	save(t, d, "contact", r.ID, map[string]any{"last_name": "Three", "phone": []*model.Record{}})
	c.step(time.Hour)
	call := save(t, d, "activity", "", map[string]any{"kind": "call", "subject": "Hello", "about": []*model.Record{
		{Noun: "activity_link", Values: map[string]any{"record": model.Ref{Noun: "contact", ID: r.ID}}}}})
	if call.Text("status") != "done" || call.Time("done_at") != c.at {
		t.Errorf("a logged call: %v", call.Values)
	}
	h := must(d.History(ctx, "contact", r.ID))(t)
	if len(h) != 2 || h[0].Action != "edit" || h[1].Action != "add" || h[0].By != "ada" {
		t.Fatalf("history %+v", h)
	}
	want := map[string]model.FieldChange{
		"last_name": {Field: "last_name", Old: "Two", New: "Three"},
		"phone":     {Field: "phone", Old: "123"},
	}
	for _, ch := range h[0].Changes {
		if ch != want[ch.Field] {
			t.Errorf("change %+v", ch)
		}
		delete(want, ch.Field)
	}
	if len(want) > 0 {
		t.Errorf("history lacks %v: %+v", want, h[0].Changes)
	}
	for n, id := range map[model.Noun]model.ID{"contact": r.ID, "organization": org.ID} {
		ev := must(d.Timeline(ctx, n, id, 10))(t)
		if len(ev) < 2 || ev[0].ID != call.ID || ev[0].Kind != "call" || ev[0].Title != "Hello" || ev[0].About[0].Name != "Three" {
			t.Errorf("timeline of the %s: %+v", n, ev)
		}
	}
	rel := must(d.Related(ctx, "organization", org.ID, "contact", 5))(t)
	if len(rel) != 1 || rel[0].ID != r.ID {
		t.Errorf("related %v", ids(rel))
	}
}

func TestBoardAndOverview(t *testing.T) {
	d, c := testDB(t)
	for i, stage := range []string{"Prospecting", "Prospecting", "Won"} {
		save(t, d, "deal", "", map[string]any{"name": stage, "amount": model.Money{Minor: int64(100 * (i + 1)), Currency: []string{"EUR", "USD", "EUR"}[i]},
			"stage": ref("stage", stage), "close_date": "2026-06-20"})
	}
	b := must(d.Board(ctx, "", 1))(t)
	col := b.Columns[0]
	if len(b.Columns) != 6 || col.Count != 2 || len(col.Deals) != 1 || len(col.Sum) != 2 || col.Sum[0] != (model.Money{Minor: 100, Currency: "EUR"}) || col.Weighted[1] != (model.Money{Minor: 20, Currency: "USD"}) {
		t.Errorf("board %+v", col)
	}
	for _, due := range []time.Duration{-48, 2, 72} {
		save(t, d, "activity", "", map[string]any{"subject": due.String(), "due_at": c.at.Add(due * time.Hour)})
	}
	c.step(31 * 24 * time.Hour)
	o := must(d.Overview(ctx, c.at.Add(-31*24*time.Hour)))(t)
	if len(o.Tasks) != 2 || len(o.Upcoming) != 1 || o.Counts["deal"] != 3 || len(o.Recent) == 0 || o.Pipeline[0].Count != 2 || len(o.Rotting) != 0 {
		t.Errorf("overview %+v", o)
	}
	if o = must(d.Overview(ctx, c.at))(t); len(o.Rotting) != 2 || len(o.Tasks) != 3 {
		t.Errorf("a month later: %d rotting, %d tasks", len(o.Rotting), len(o.Tasks))
	}
}

func TestWatch(t *testing.T) {
	d, _ := testDB(t)
	watching, stop := context.WithCancel(ctx)
	ch := d.Watch(watching)
	save(t, d, "tag", "", map[string]any{"name": "x"})
	if got := <-ch; !slices.Contains(got.Nouns, "tag") {
		t.Errorf("told %v", got.Nouns)
	}
	stop()
	for range ch {
	}
}
