package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// usableAfter is when a first load must let a person work.
const usableAfter = 5 * time.Second

// usable begins a first load in an empty home and works in it when usableAfter
// is over, as a person would: look at a list, search for somebody, add somebody.
func (b *bench) usable(ctx context.Context, home, url string) error {
	program, err := b.build(ctx, "rapport")
	if err != nil {
		return err
	}
	sync := b.isolate(exec.CommandContext(ctx, program, "--home", home, "--central", url, "sync"))
	if err := sync.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- sync.Wait() }()
	over := false
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("rapport sync: %w", err)
		}
		over = true
	case <-time.After(usableAfter):
	}
	work := func(into any, args ...string) (time.Duration, error) {
		from := time.Now()
		out, err := b.isolate(exec.CommandContext(ctx, program, append([]string{"--home", home, "--json"}, args...)...)).Output()
		took := time.Since(from)
		if err == nil {
			err = json.Unmarshal(out, into)
		}
		if err != nil {
			return 0, fmt.Errorf("rapport %s: %w", args[0], err)
		}
		return took, nil
	}
	var list struct {
		Items []struct {
			LastName string `json:"last_name"`
		} `json:"items"`
		Total int64 `json:"total"`
	}
	var hits struct {
		Items []struct{ ID string } `json:"items"`
	}
	var added struct{ ID string }
	listed, err := work(&list, "contact", "list", "--limit", "20")
	if err != nil || len(list.Items) == 0 {
		return errors.Join(err, errors.New("no contact is listed"))
	}
	searched, err := work(&hits, "search", list.Items[0].LastName)
	if err != nil {
		return err
	}
	wrote, err := work(&added, "contact", "add", "--set", "last_name=Newcomer")
	if err != nil {
		return err
	}
	when := fmt.Sprintf("%.0f s into it", usableAfter.Seconds())
	if over {
		when = "it was over before"
	}
	fmt.Fprintf(b.out, "  usable             %s, %d contacts are there: a list of 20 takes %d ms, a search %d ms (%d found), adding one %d ms\n",
		when, list.Total, listed.Milliseconds(), searched.Milliseconds(), len(hits.Items), wrote.Milliseconds())
	if over {
		return nil
	}
	if err := sync.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-ended // cut, as it was asked to be
	return nil
}
