package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"rapport/screenshots/term"
)

// Keys that open the pages that are measured, and what they show.
const (
	startText   = "ctrl+k search"
	contactsKey = "2"
	contactsTip = "Organization"
)

// startRuns is how often each program is started; they take turns.
const startRuns = 9

// starting compares the first frame of the program with that of a trivial one,
// and reads the memory while a person browses.
func starting(ctx context.Context, b *bench) error {
	rapport, err := b.build(ctx, "rapport")
	if err != nil {
		return err
	}
	trivial, err := b.build(ctx, "rapport/screenshots/term/trivial")
	if err != nil {
		return err
	}
	ours, bare := []cost{}, []cost{}
	for range startRuns {
		c, err := b.firstFrame(exec.CommandContext(ctx, trivial), "trivial program")
		if err != nil {
			return err
		}
		bare = append(bare, c)
		if c, err = b.firstFrame(exec.CommandContext(ctx, rapport, "--home", b.home), startText); err != nil {
			return err
		}
		ours = append(ours, c)
	}
	x, y := middle(ours), middle(bare)
	fmt.Fprintf(b.out, "  %-24s %8.1f ms %8.1f ms of CPU\n", "rapport", ms(x.wall), ms(x.cpu))
	fmt.Fprintf(b.out, "  %-24s %8.1f ms %8.1f ms of CPU\n", "trivial program", ms(y.wall), ms(y.cpu))
	fmt.Fprintf(b.out, "  %-24s %8.2f    %8.2f (limit 2)\n", "ratio", float64(x.wall)/float64(y.wall), float64(x.cpu)/float64(max(y.cpu, 1)))
	return nil
}

func middle(list []cost) cost {
	slices.SortFunc(list, func(a, b cost) int { return int(a.wall - b.wall) })
	return list[len(list)/2]
}

// firstFrame starts a program and measures until it shows a text.
func (b *bench) firstFrame(cmd *exec.Cmd, text string) (cost, error) {
	from := time.Now()
	t, err := term.Start(b.isolate(cmd), width, height, true)
	if err != nil {
		return cost{}, err
	}
	defer t.Close()
	wall, err := shown(t, text, from)
	if err != nil {
		return cost{}, err
	}
	cpu, err := cpuOf(t.Pid())
	return cost{wall, cpu}, err
}

// contactsOf starts the program on a home and opens the contacts.
func (b *bench) contactsOf(ctx context.Context, home string) (*term.Terminal, error) {
	rapport, err := b.build(ctx, "rapport")
	if err != nil {
		return nil, err
	}
	t, err := term.Start(b.isolate(exec.CommandContext(ctx, rapport, "--home", home)), width, height, true)
	if err != nil {
		return nil, err
	}
	if _, err = shown(t, startText, time.Now()); err == nil {
		t.Settle(300 * time.Millisecond)
		if err = t.Press(contactsKey); err == nil {
			_, err = shown(t, contactsTip, time.Now())
		}
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	t.Settle(500 * time.Millisecond)
	return t, nil
}

// resident reads the memory of the real program while a person pages, filters
// and searches.
func resident(ctx context.Context, b *bench) error {
	t, err := b.contactsOf(ctx, b.home)
	if err != nil {
		return err
	}
	defer t.Close()
	say := func(what string) error {
		now, peak, err := memoryOf(t.Pid())
		if err == nil {
			fmt.Fprintf(b.out, "  %-24s %8.1f MB, peak %6.1f MB\n", what, now, peak)
		}
		return err
	}
	if err := say("contacts opened"); err != nil {
		return err
	}
	press := func(keys ...string) error {
		for _, k := range keys {
			if err := t.Press(k); err != nil {
				return err
			}
			t.Settle(40 * time.Millisecond)
		}
		return nil
	}
	for range 50 {
		if err := press("pgdown"); err != nil {
			return err
		}
	}
	if err := say("after 50 pages"); err != nil {
		return err
	}
	if err := press("ctrl+k", "s", "m", "i", "t", "h", "backspace", "backspace", "backspace", "backspace", "backspace", "a", "backspace", "c", "o", "m", "esc"); err != nil {
		return err
	}
	if err := say("after a search"); err != nil {
		return err
	}
	if err := press("/", "a", "backspace", "s", "m", "backspace", "backspace", "m", "a", "r", "esc", "esc", "end", "home"); err != nil {
		return err
	}
	t.Settle(time.Second)
	return say("after a filter (limit 80)")
}
