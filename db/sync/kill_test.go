package sync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/sqlite"
	"rapport/db/sync"
	"rapport/model"
)

// TestMain lets the test binary be the client that T25 kills: with a home in
// the environment it syncs that home once and ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RAPPORT_TEST_HOME"); dir != "" {
		if err := syncOnce(dir, os.Getenv("RAPPORT_TEST_CENTRAL")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			var e *model.Error
			if errors.As(err, &e) {
				fmt.Println(e.Msg + "; " + e.Hint) // what a person would read
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// syncOnce syncs a home as a process of its own does. With a number in
// RAPPORT_TEST_POINT it dies at the point of that number; RAPPORT_TEST_FULL asks
// for every row to be compared.
func syncOnce(dir, url string) error {
	ctx := context.Background()
	if err := limitFiles(os.Getenv("RAPPORT_TEST_FILE_LIMIT")); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: dir, Me: "ann"}})
	if err != nil {
		return err
	}
	defer db.Close()
	p := &points{}
	p.last, _ = strconv.Atoi(os.Getenv("RAPPORT_TEST_POINT"))
	_, err = sync.New(mortalReplica{db, p}, func(ctx context.Context) (model.Central, error) {
		c, err := mysql.Dial(ctx, url, mysql.DialOptions{})
		if err != nil {
			return nil, err
		}
		return mortalCentral{c, p}, nil
	}, sync.Options{}).Sync(ctx, os.Getenv("RAPPORT_TEST_FULL") != "", nil)
	return err
}

// child is the command that syncs a home in a process of its own.
func child(h *home, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RAPPORT_TEST_HOME="+h.dir, "RAPPORT_TEST_CENTRAL="+h.url)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// T25: the client is killed at random moments of its syncs, again and again.
// A ledger outside of both sides holds what was acknowledged to the person.
func TestT25KilledClient(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	a.sync(t)
	rng := rand.New(rand.NewPCG(25, 1))
	ledger := map[model.ID]string{}
	var ids []model.ID
	for round := range times(8, 600) {
		for i := range 8 {
			title := fmt.Sprintf("round %d edit %d", round, i)
			if len(ids) == 0 || rng.IntN(3) == 0 {
				r := a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprintf("c%d-%d", round, i), "job_title": title})
				ids = append(ids, r.ID)
				ledger[r.ID] = title
				continue
			}
			id := ids[rng.IntN(len(ids))]
			a.save(t, "contact", id, map[string]any{"job_title": title})
			ledger[id] = title
		}
		if round%3 == 0 {
			c.exec(t, "UPDATE contact SET department = ? ORDER BY id LIMIT 5", fmt.Sprint(round))
		}
		cmd := child(a)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil && err != os.ErrProcessDone {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	converge(t, c, a, b)
	for id, want := range ledger {
		for _, h := range []*home{a, b} {
			if got := h.get(t, "contact", id).Text("job_title"); got != want {
				t.Errorf("%s on %s: job_title %q, want the acknowledged %q", id, h.me, got, want)
			}
		}
	}
	if problems, err := a.IntegrityCheck(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
