package main

import (
	"context"
	"fmt"

	"rapport/model"
)

// inputs are what a person may type: single letters, common and rare words,
// beginnings of them, phones, and words that meet in few records.
var inputs = []string{"a", "e", "m", "s", "z", "7", "ma", "co", "41", "mar", "smi", "smit", "smith", "james", "james smith", "maria garcia",
	"muller", "zur", "佐", "com", "mail", "example", "info", "+1 415", "044 668", "5550100", "s m", "a e i", "j s q", "called", "interested",
	"the", "called smith", "smith 415", "scanner", "nosuchword"}

const runs = 5

func searching(ctx context.Context, b *bench) error {
	fmt.Fprintf(b.out, "  %-16s %6s %10s %10s\n", "typed", "hits", "CPU ms", "worst")
	var slowest cost
	for _, text := range inputs {
		var hits []model.Hit
		median, worst, err := typical(runs, func() (err error) {
			hits, err = b.db.Search(ctx, text, "", 50)
			return err
		})
		if err != nil {
			return err
		}
		slowest.cpu = max(slowest.cpu, median.cpu)
		fmt.Fprintf(b.out, "  %-16s %6d %10.2f %10.2f\n", text, len(hits), ms(median.cpu), ms(worst.cpu))
	}
	fmt.Fprintf(b.out, "  slowest median %.2f ms of CPU (limit 30)\n", ms(slowest.cpu))
	return nil
}

func listing(ctx context.Context, b *bench) error {
	q := model.Query{Noun: "contact", Limit: 50, Short: true}
	report := func(name string, q model.Query) (model.Page, error) {
		var page model.Page
		median, worst, err := typical(runs, func() (err error) {
			page, err = b.db.List(ctx, q)
			return err
		})
		fmt.Fprintf(b.out, "  %-24s %4d rows %10.2f %10.2f ms of CPU\n", name, len(page.Items), ms(median.cpu), ms(worst.cpu))
		return page, err
	}
	first, err := report("first page", q)
	if err != nil {
		return err
	}
	next := q
	next.After = first.Next
	if _, err := report("next page", next); err != nil {
		return err
	}
	last := q
	last.Last = true
	if _, err := report("last page", last); err != nil {
		return err
	}
	for _, text := range []string{"a", "s", "mar", "smith", "com", "041 668", "called", "s m", "nosuchword"} {
		filtered := q
		filtered.Text = text
		if _, err := report("filtered by "+text, filtered); err != nil {
			return err
		}
	}
	return nil
}
