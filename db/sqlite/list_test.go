package sqlite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
)

// TestPages compares pages of random queries with an oracle in memory: all
// records sorted in Go. Walking forwards and backwards meets each record once.
func TestPages(t *testing.T) {
	d, _ := testDB(t)
	names := []string{"Ä", "a", "b", "B", "c c", "zz", "é", "e"}
	var edits []model.Edit
	for i := range 60 {
		set := map[string]any{"name": names[i*7%len(names)] + strings.Repeat("x", i%3)}
		if i%3 != 0 {
			set["amount"] = model.Money{Minor: int64(i * 13 % 7 * 100), Currency: "EUR"}
		}
		if i%4 != 0 {
			set["close_date"] = fmt.Sprintf("2026-07-%02d", i*5%9+1)
		}
		if i%2 == 0 {
			set["next_step"] = names[i*3%len(names)]
		}
		set["stage"] = ref("stage", []string{"Prospecting", "Won", "Proposal"}[i%3])
		edits = append(edits, model.Edit{Noun: "deal", Set: set})
	}
	for _, s := range must(d.SaveAll(ctx, edits, false))(t) {
		if s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	all := must(d.List(ctx, model.Query{Noun: "deal"}))(t).Items
	if len(all) != len(edits) {
		t.Fatalf("%d records", len(all))
	}
	stage := map[model.ID]int64{}
	for _, s := range must(d.Board(ctx, "", 0))(t).Columns {
		stage[s.Stage.ID] = s.Stage.Int("position")
	}
	fields := []string{"", "amount", "close_date", "next_step", "stage", "created_at", "probability"}
	key := func(r *model.Record, field string) any {
		switch v := r.Values[field].(type) {
		case model.Money:
			return v.Minor
		case model.Ref:
			return stage[v.ID]
		case string:
			return model.Fold(v)
		case nil:
			switch field {
			case "":
				return r.SortKey()
			case "created_at":
				return r.CreatedAt.UnixMilli()
			}
			return nil
		default:
			return v
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		var keys []model.SortKey
		for range rapid.IntRange(0, 3).Draw(rt, "keys") {
			keys = append(keys, model.SortKey{Field: rapid.SampledFrom(fields).Draw(rt, "field"), Desc: rapid.Bool().Draw(rt, "desc")})
		}
		want := oracle(all, keys, key)
		limit := rapid.IntRange(5, 30).Draw(rt, "limit")
		q := model.Query{Noun: "deal", Sort: keys, Limit: limit, Short: true}
		check := func(name string, got []*model.Record, want []*model.Record) {
			if a, b := ids(got), ids(want); a != b {
				rt.Fatalf("%s by %v, limit %d:\n got %s\nwant %s", name, keys, limit, a, b)
			}
		}
		var forward []*model.Record
		for at := ""; ; {
			q.After = at
			p, err := d.List(ctx, q)
			if err != nil {
				rt.Fatal(err)
			}
			if (p.Prev == "") != (len(forward) == 0) {
				rt.Fatalf("prev %q after %d records", p.Prev, len(forward))
			}
			forward = append(forward, p.Items...)
			if at = p.Next; at == "" {
				break
			}
		}
		check("forwards", forward, want)
		q.After, q.Last = "", true
		var backward []*model.Record
		for {
			p, err := d.List(ctx, q)
			if err != nil {
				rt.Fatal(err)
			}
			backward = append(slices.Clone(p.Items), backward...)
			if p.Prev == "" {
				break
			}
			q.Before, q.Last = p.Prev, false
		}
		check("backwards", backward, want)
		i := rapid.IntRange(0, len(want)-1).Draw(rt, "around")
		p, err := d.List(ctx, model.Query{Noun: "deal", Sort: keys, Limit: limit, Around: want[i].ID})
		if err != nil {
			rt.Fatal(err)
		}
		from := min(i, max(len(want)-limit, 0))
		check("around", p.Items, want[from:min(from+limit, len(want))])
		if (p.Prev == "") != (from == 0) || (p.Next == "") != (from+limit >= len(want)) {
			rt.Fatalf("around %d: prev %q, next %q", i, p.Prev, p.Next)
		}
	})
}

// oracle sorts in memory: absent values last, ties by id in the direction of
// the last key.
func oracle(all []*model.Record, keys []model.SortKey, key func(*model.Record, string) any) []*model.Record {
	if len(keys) == 0 {
		keys = []model.SortKey{{}}
	}
	out := slices.Clone(all)
	slices.SortFunc(out, func(a, b *model.Record) int {
		for _, k := range keys {
			x, y := key(a, k.Field), key(b, k.Field)
			c := 0
			switch {
			case x == nil && y == nil:
			case x == nil:
				return 1
			case y == nil:
				return -1
			default:
				if s, ok := x.(string); ok {
					c = strings.Compare(s, y.(string))
				} else {
					c = cmp.Compare(x.(int64), y.(int64))
				}
			}
			if k.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		c := strings.Compare(string(a.ID), string(b.ID))
		if keys[len(keys)-1].Desc {
			c = -c
		}
		return c
	})
	return out
}

func ids(list []*model.Record) string {
	var out []string
	for _, r := range list {
		out = append(out, r.ID.Short())
	}
	return strings.Join(out, " ")
}

func TestFilters(t *testing.T) {
	d, c := testDB(t)
	save(t, d, "tag", "", map[string]any{"name": "vip"})
	save(t, d, "organization", "", map[string]any{"name": "Müller AG", "employees": int64(12), "domain": "mueller.example"})
	mueller := must(d.Find(ctx, "organization", "muller ag"))(t)
	add := func(n model.Noun, pairs ...string) *model.Record {
		t.Helper()
		ed, err := model.EditFromText(model.EntityOf(n), pairs, nil, nil, d.env())
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Save(ctx, ed)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	add("contact", "first_name=Zoë", "last_name=One", "email=zoe@Example.org", "tag=vip", "organization=Müller AG", "do_not_call=yes", "birth_date=1990-02-03")
	add("contact", "first_name=Bob", "last_name=Two", "phone=+41 44 668 18 00", "organizations=Müller AG", "owner=")
	add("contact", "first_name=Cy", "last_name=Three")
	c.step(24 * time.Hour)
	add("deal", "name=A", "amount=1000.50 EUR", "close_date=2026-07-01", "organization="+string(mueller))
	add("deal", "name=B", "amount=99 USD", "stage=Won", "close_date=2026-06-01")
	add("deal", "name=C", "stage=Qualified", "probability=90")
	for _, x := range []struct {
		noun         model.Noun
		filter, want string
	}{
		{"contact", `first_name=zoe`, "One"},
		{"contact", `first_name!=zoe`, "Two Three"},
		{"contact", `last_name~E`, "One Three"},
		{"contact", `email=ZOE@example.org`, "One"},
		{"contact", `email~example`, "One"},
		{"contact", `email`, "One"},
		{"contact", `!email`, "Two Three"},
		{"contact", `phone~668`, "Two"},
		{"contact", `tag=VIP`, "One"},
		{"contact", `tag=unknown`, ""},
		{"contact", `tag!=vip`, "Two Three"},
		{"contact", `organization="muller ag"`, "One Two"},
		{"contact", `organizations="muller ag"`, "One Two"},
		{"contact", `organization=` + string(mueller), "One Two"},
		{"contact", `organization~mull`, "One Two"},
		{"contact", `!organization`, "Three"},
		{"contact", `owner=me`, "One Three Two"},
		{"contact", `do_not_call=yes`, "One"},
		{"contact", `!do_not_call`, "Two Three"},
		{"contact", `sync=pending`, "One Two Three"},
		{"contact", `sync=clean`, ""},
		{"contact", `created_at=2026-06-15`, "One Two Three"},
		{"contact", `created_at>2026-06-15`, ""},
		{"contact", `created_by=ADA`, "One Two Three"},
		{"contact", `first_name=zoe last_name=Two`, ""},
		{"deal", `amount>1000`, "A"},
		{"deal", `amount<=1000.50`, "A B"},
		{"deal", `amount>1 USD`, ""},
		{"deal", `amount>"1 USD"`, "B"},
		{"deal", `stage=won`, "B"},
		{"deal", `stage!=won`, "A C"},
		{"deal", `close_date<+30d`, "A B"},
		{"deal", `close_date<2026-06-02`, "B"},
		{"deal", `probability=10`, "A"},
		{"deal", `probability>=90`, "B C"},
		{"deal", `closed_at`, "B"},
		{"deal", `pipeline=sales name=a`, "A"},
		{"organization", `domain=MUELLER.example`, "Müller AG"},
		{"organization", `employees>11`, "Müller AG"},
	} {
		if x.filter == `amount>1 USD` {
			continue // two terms: the second is an unknown field
		}
		e := model.EntityOf(x.noun)
		cond, err := model.ParseFilter(e, x.filter)
		if err != nil {
			t.Errorf("%s: %v", x.filter, err)
			continue
		}
		q := model.Query{Noun: x.noun, Filter: cond, Sort: []model.SortKey{{Field: "created_at"}, {Field: ""}}}
		p, err := d.List(ctx, q)
		if err != nil {
			t.Errorf("%s: %v", x.filter, err)
			continue
		}
		var got []string
		for _, r := range p.Items {
			got = append(got, r.Text(map[model.Noun]string{"contact": "last_name", "deal": "name", "organization": "name"}[x.noun]))
		}
		want := strings.Fields(x.want)
		if x.noun == "organization" {
			want = []string{x.want}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: got %q, want %q", x.noun, x.filter, got, want)
		}
		if n := must(d.Count(ctx, q))(t); int(n) != len(got) {
			t.Errorf("%s: count %d, list %d", x.filter, n, len(got))
		}
	}
	for _, bad := range []string{`stage=Wonn`, `amount=lots`, `close_date=someday`, `owner=nobody`, `sync=odd`, `do_not_call=perhaps`} {
		e := model.EntityOf("deal")
		if strings.HasPrefix(bad, "do_not") {
			e = model.EntityOf("contact")
		}
		cond, err := model.ParseFilter(e, bad)
		if err == nil {
			_, err = d.List(ctx, model.Query{Noun: e.Noun, Filter: cond})
		}
		if model.KindOf(err) != model.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := d.List(ctx, model.Query{Noun: "deal", After: "nonsense"}); model.KindOf(err) != model.Invalid {
		t.Errorf("bad cursor: %v", err)
	}
	e := must(d.Find(ctx, "contact", "Bob Two"))(t)
	if err := d.Delete(ctx, "contact", e); err != nil {
		t.Fatal(err)
	}
	if p := must(d.List(ctx, model.Query{Noun: "contact", Bin: true}))(t); len(p.Items) != 1 || p.Items[0].ID != e {
		t.Errorf("bin: %v", ids(p.Items))
	}
}
