package sim

import (
	"slices"
	"testing"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
)

// TestServerInMemoryIsTrue runs schedules on the central in memory and on a
// real one: every request, every outcome and every row at the end are the same.
func TestServerInMemoryIsTrue(t *testing.T) {
	srv := servertest.Shared(t)
	url := srv.Database(t)
	if _, err := mysql.Init(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db := srv.DB(servertest.Name(url))
	defer db.Close()
	onServer := &Real{DB: db, URL: url}
	for seed := range uint64(*conforming) {
		c := Config{Seed: seed, Portable: true}
		fake, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := RunReal(t.Context(), c, onServer)
		if err != nil {
			t.Fatal(err)
		}
		if fake.Failure != "" || got.Failure != "" {
			t.Fatalf("in memory: %s\non a server: %s\n%s", fake.Failure, got.Failure, got)
		}
		for i, line := range fake.Trace {
			if i >= len(got.Trace) || got.Trace[i] != line {
				t.Fatalf("seed %d, line %d of the trace:\nin memory:   %s\non a server: %s\n%s", seed, i, line, slices.Concat(got.Trace, []string{"the end"})[min(i, len(got.Trace))], got)
			}
		}
		if !slices.Equal(fake.Result, got.Result) {
			t.Fatalf("seed %d ends in\n%q\nin memory and in\n%q\non a server", seed, fake.Result, got.Result)
		}
	}
}
