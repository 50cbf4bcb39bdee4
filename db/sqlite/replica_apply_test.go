package sqlite

import (
	"testing"

	"rapport/model"
)

// TestRepeatedPageIsHistoryOnce holds that a server's value which waits for a
// person enters the history when it is first seen and not with every page that
// brings its row again.
func TestRepeatedPageIsHistoryOnce(t *testing.T) {
	d, _ := testDB(t)
	e := model.EntityOf("deal")
	eur := func(n int64) model.Money { return model.Money{Minor: n, Currency: "EUR"} }
	r := save(t, d, "deal", "", map[string]any{"name": "Big", "amount": eur(100)})
	sent(t, d)
	save(t, d, "deal", r.ID, map[string]any{"amount": eur(200)})
	var theirs model.Row
	if err := d.write(ctx, "test", func(tx *Tx) (err error) {
		theirs, _, err = tx.base(e, r.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	pull := func(seq int64) {
		t.Helper()
		page := &model.FeedPage{To: seq, Entries: []model.FeedEntry{{Table: "deal", ID: r.ID}}, Rows: map[model.Noun][]model.Row{"deal": {theirs}}}
		if _, err := d.Apply(ctx, page, model.Position{Epoch: "e", Seq: seq, Loaded: true}); err != nil {
			t.Fatal(err)
		}
	}
	told := func(field string) (n int) {
		for _, rev := range must(d.History(ctx, "deal", r.ID))(t) {
			for _, c := range rev.Changes {
				if rev.Action == "edit" && rev.By == "bob" && c.Field == field {
					n++
				}
			}
		}
		return n
	}
	theirs.Set(e, model.ColumnUpdatedBy, "bob")
	model.SetFieldValue(e, e.Field("amount"), theirs, eur(300))
	pull(1)
	pull(2)
	if n := told("amount"); n != 1 {
		t.Errorf("the same amount stands in the history %d times", n)
	}
	model.SetFieldValue(e, e.Field("next_step"), theirs, "call")
	pull(3)
	if told("amount") != 1 || told("next_step") != 1 {
		t.Errorf("after another field changed: amount %d times, next step %d times", told("amount"), told("next_step"))
	}
	model.SetFieldValue(e, e.Field("amount"), theirs, eur(400))
	pull(4)
	if n := told("amount"); n != 2 {
		t.Errorf("a second amount: told %d times", n)
	}
	if got := must(d.Conflicts(ctx))(t); len(got) != 1 || got[0].Fields[0].Theirs != eur(400) {
		t.Errorf("conflicts %+v", got)
	}
}
