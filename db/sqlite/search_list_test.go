package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rapport/model"
)

// TestFilteredPages compares pages that are found by comparing rows with those
// of the set of all matches, which the index gives: forwards, backwards, from
// the end and around a record, in orders with and without empty values.
func TestFilteredPages(t *testing.T) {
	words := []string{"ada", "Adam", "smith", "Smithson", "müller", "o'brien", "x", "山田", "mar", "Marta 12", ""}
	var people []person
	for i := range 420 {
		at := func(n int) string { return words[i*n%97%len(words)] }
		p := person{first: at(7), last: strings.TrimSpace(at(13) + fmt.Sprint(" l", i%50)), notes: at(29) + " " + at(31)}
		if i%3 == 0 {
			p.mails = []string{at(5) + "@example.org", "second@" + at(11) + "x.com"}
		}
		if i%4 == 0 {
			p.phones = []string{fmt.Sprintf("+41 44 668 %02d %02d", i%100, i%90)}
		}
		if i == 300 {
			p.first, p.notes = "Zacharias", "zebra smithery"
		}
		people = append(people, p)
	}
	d, ids := searchDB(t, people...)
	typed := []string{"a", "ad", "adam", "s m", "smith ada", "ada sm x", "zach", "zebra zach", "l1", "12", "44 668", "668 1", "mar 446", "second", "org", "山", "mull", "a s m", "ada smith mar l", "o b", "x", "a b c d e", "nothing"}
	found := map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SampledFrom(typed).Draw(rt, "text")
		q := model.Query{Noun: "contact", Limit: rapid.IntRange(1, 60).Draw(rt, "limit"), Short: true}
		if rapid.Bool().Draw(rt, "other order") {
			q.Sort = []model.SortKey{{Field: rapid.SampledFrom([]string{"notes", "first_name", "last_name", "created_at"}).Draw(rt, "by"), Desc: rapid.Bool().Draw(rt, "desc")}}
		}
		m := d.textMatch("contact", text)
		plain, err := d.listing(ctx, q)
		if err != nil {
			rt.Fatal(err)
		}
		rows, set := *plain, *plain
		rows.text = m
		sql, args := m.collect("+t.rid")
		set.where, set.args = plain.where+" AND "+sql, append(slices.Clone(plain.args), args...)
		for range 4 {
			got, err := d.page(ctx, &rows, q)
			if err != nil {
				rt.Fatal(err)
			}
			want, err := d.page(ctx, &set, q)
			if err != nil {
				rt.Fatal(err)
			}
			if a, b := pageIDs(got), pageIDs(want); a != b || got.Next != want.Next || got.Prev != want.Prev {
				rt.Fatalf("%q, %+v:\n got %s\nwant %s", text, q, a, b)
			}
			found[len(got.Items) == q.Limit]++
			q.After, q.Before, q.Last, q.Around = "", "", false, ""
			switch step := rapid.IntRange(0, 3).Draw(rt, "step"); {
			case step == 0 && got.Next != "":
				q.After = got.Next
			case step == 1 && got.Prev != "":
				q.Before = got.Prev
			case step == 2:
				q.Last = true
			default:
				q.Around = rapid.SampledFrom(ids).Draw(rt, "around")
			}
		}
		whole := model.Query{Noun: "contact", Text: text}
		all, err := d.Count(ctx, whole)
		if err != nil {
			rt.Fatal(err)
		}
		whole.Quick = true
		if n, err := d.Count(ctx, whole); n != all || err != nil || whole.More(n) {
			rt.Fatalf("%q: %d records by the quick count, %d in all: %v", text, n, all, err)
		}
	})
	if found[true] == 0 || found[false] == 0 {
		t.Errorf("the pages are all alike: %v", found)
	}
}

func pageIDs(p model.Page) string {
	var out []string
	for _, r := range p.Items {
		out = append(out, string(r.ID))
	}
	return strings.Join(out, " ")
}
