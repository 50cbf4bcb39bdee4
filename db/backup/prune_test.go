package backup

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/model"
)

func idsOf(list []model.PrunedBackup) []string {
	out := []string{}
	for _, b := range list {
		out = append(out, b.ID)
	}
	slices.Sort(out)
	return out
}

const day = 24 * time.Hour

// TestPruneKeepsByRules makes a backup each noon of two years.
func TestPruneKeepsByRules(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	for range 730 {
		a.pass(day)
		a.add(model.BackupFull, "", true)
	}
	rules := model.KeepRules{Last: 3, Daily: 7, Weekly: 5, Monthly: 12, Yearly: 3}
	dry := a.prune(model.PruneRequest{Rules: rules, DryRun: true})
	if len(a.there()) != 730 || len(keysOf(t, a, deletions)) > 0 {
		t.Fatal("a dry run did something")
	}
	first := a.prune(model.PruneRequest{Rules: rules})
	if !slices.Equal(idsOf(first.Marked), idsOf(dry.Marked)) || len(first.Deleted) > 0 || len(a.there()) != 730 {
		t.Fatalf("marked %d, as told %d; deleted %d", len(first.Marked), len(dry.Marked), len(first.Deleted))
	}
	a.pass(grace - time.Second)
	if early := a.prune(model.PruneRequest{Rules: rules}); len(early.Deleted) > 0 || len(a.there()) != 730 {
		t.Fatalf("%d were deleted before their time", len(early.Deleted))
	}
	a.pass(time.Second)
	gone := a.prune(model.PruneRequest{Rules: rules})
	left := a.whole()
	if !slices.Equal(idsOf(gone.Deleted), idsOf(first.Marked)) || len(left)+len(gone.Deleted) != 730 {
		t.Fatalf("deleted %d of %d marked, %d are left", len(gone.Deleted), len(first.Marked), len(left))
	}
	days, months, years := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, b := range left {
		days[b.At.Format(time.DateOnly)], months[b.At.Format("2006-01")], years[b.At.Format("2006")] = true, true, true
	}
	for i := range 7 {
		if d := a.now.Add(-grace - time.Duration(i)*day).Format(time.DateOnly); !days[d] {
			t.Errorf("none is left of %s", d)
		}
	}
	// 7 days, 3 weeks more at least, 10 months more, and at most one of each.
	if len(left) < 7+3+10 || len(left) > 7+5+12+3 || len(months) < 12 || len(years) != 3 {
		t.Errorf("%d are left of %d months and %d years", len(left), len(months), len(years))
	}
	if marks := keysOf(t, a, deletions); len(marks) > 0 {
		t.Errorf("left behind: %v", marks)
	}
	if again := a.prune(model.PruneRequest{Rules: rules}); len(again.Marked)+len(again.Deleted) > 0 {
		t.Errorf("once more: %+v", again)
	}
}

// TestPruneKeepsWhatIsNeeded holds that a full backup stays for its increments,
// and goes once none of them stays.
func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	base := a.add(model.BackupFull, "", true)
	a.pass(day)
	increment := a.add(model.BackupIncremental, base, true)
	for range 3 {
		a.pass(day)
		a.add(model.BackupFull, "", true)
	}
	rules := model.KeepRules{Last: 4}
	if res := a.prune(model.PruneRequest{Rules: rules}); len(res.Marked) > 0 {
		t.Fatalf("marked: %+v", res.Marked)
	}
	rules.Last = 3
	a.prune(model.PruneRequest{Rules: rules})
	// A backup that was being made all the time comes to need one of them.
	late := a.add(model.BackupIncremental, increment, true)
	a.pass(grace)
	res := a.prune(model.PruneRequest{Rules: rules})
	if list := a.whole(); len(res.Deleted) > 0 && list[late].ID == "" {
		t.Fatalf("deleted %v under %s", idsOf(res.Deleted), late)
	}
	if !slices.Equal(idsOf(res.Spared), slices.Sorted(slices.Values([]string{base, increment}))) {
		t.Errorf("spared: %v", idsOf(res.Spared))
	}
	for range 3 {
		a.pass(day)
		a.add(model.BackupFull, "", true)
	}
	// Its time of grace begins anew.
	if res = a.prune(model.PruneRequest{Rules: rules}); !slices.Contains(idsOf(res.Marked), base) || slices.Contains(idsOf(res.Deleted), base) {
		t.Fatalf("marked: %v", idsOf(res.Marked))
	}
	a.pass(grace)
	res = a.prune(model.PruneRequest{Rules: rules})
	if list := a.whole(); len(list) != 3 || list[base].ID != "" {
		t.Errorf("%d are left", len(list))
	}
	// Who needs others goes first.
	at := func(id string) int {
		return slices.IndexFunc(res.Deleted, func(b model.PrunedBackup) bool { return b.ID == id })
	}
	if at(late) > at(increment) || at(increment) > at(base) {
		t.Errorf("deleted in the order %v", res.Deleted)
	}
}

// TestPruneByName deletes what a person names: never what others need without
// being told so, never the newest verified full backup.
func TestPruneByName(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	base := a.add(model.BackupFull, "", true)
	a.pass(time.Hour)
	middle := a.add(model.BackupIncremental, base, true)
	top := a.add(model.BackupIncremental, middle, true)
	a.pass(time.Hour)
	newest := a.add(model.BackupFull, "", true)
	a.pass(time.Hour)
	k := a.keeper()
	for _, c := range []struct {
		req  model.PruneRequest
		kind model.Kind
		says string
	}{
		{model.PruneRequest{Only: []string{base}}, model.Invalid, "2 other backups need that one"},
		{model.PruneRequest{Only: []string{middle}}, model.Invalid, "another backup needs that one"},
		{model.PruneRequest{Only: []string{newest}, Cascade: true}, model.Invalid, "the newest verified full backup"},
		{model.PruneRequest{Only: []string{"00000000"}}, model.NotFound, "there is no backup"},
	} {
		_, err := k.PruneBackups(t.Context(), c.req, nil)
		says(t, err, c.kind, c.says)
	}
	if len(a.there()) != 4 || len(keysOf(t, a, deletions)) > 0 {
		t.Fatal("a refusal did something")
	}
	res := a.prune(model.PruneRequest{Only: []string{middle}, Cascade: true})
	if want := slices.Sorted(slices.Values([]string{middle, top})); !slices.Equal(idsOf(res.Marked), want) {
		t.Fatalf("marked: %v", idsOf(res.Marked))
	}
	a.pass(grace)
	// The rules would keep them.
	res = a.prune(model.PruneRequest{Rules: model.KeepRules{Last: 9}})
	if list := a.whole(); len(res.Deleted) != 2 || len(list) != 2 || list[base].ID == "" {
		t.Errorf("deleted %v", idsOf(res.Deleted))
	}
}

// TestNewestFullSurvivesClocks has random histories of backups and prunes,
// whose clocks jump by up to a year at any time: that of the source, with which
// that of the store goes. The verified full backup that was made last is there
// at any time, two sound ones are if there were, and every chain is whole.
func TestNewestFullSurvivesClocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := newShed(t)
		newest := map[string]string{}  // full, verified, by lineage
		sound := map[string][]string{} // in the order they were made
		var all []model.BackupInfo
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			a.pass(time.Duration(rapid.Int64Range(int64(time.Minute), int64(40*time.Hour)).Draw(t, "passes")))
			if rapid.IntRange(0, 5).Draw(t, "jump") == 0 {
				a.pass(time.Duration(rapid.IntRange(-366, 366).Draw(t, "days")) * day)
			}
			switch lineage := rapid.SampledFrom([]string{"mine", "yours"}).Draw(t, "lineage"); rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				rules := model.KeepRules{Last: rapid.IntRange(0, 3).Draw(t, "last"), Daily: rapid.IntRange(0, 3).Draw(t, "daily"),
					Weekly: rapid.IntRange(0, 2).Draw(t, "weekly"), Monthly: 1, Yearly: rapid.IntRange(0, 1).Draw(t, "yearly")}
				a.prune(model.PruneRequest{Rules: rules})
			case 1, 2:
				verified := rapid.IntRange(0, 4).Draw(t, "verified") > 0
				id := a.addTo(model.SourceLocal, lineage, model.BackupFull, "", verified)
				all = append(all, model.BackupInfo{ID: id, Lineage: lineage, Verified: verified})
				if verified {
					newest[lineage] = id
					sound[lineage] = append(sound[lineage], id)
				}
			case 3:
				list := a.there()
				var parents []string
				for _, b := range all {
					if list[b.ID].ID != "" && b.Lineage == lineage && b.Verified {
						parents = append(parents, b.ID)
					}
				}
				if len(parents) > 0 {
					parent := rapid.SampledFrom(parents).Draw(t, "parent")
					id := a.addTo(model.SourceLocal, lineage, model.BackupIncremental, parent, true)
					all = append(all, model.BackupInfo{ID: id, Lineage: lineage, Verified: true})
					sound[lineage] = append(sound[lineage], id)
				}
			}
			list := a.whole()
			for lineage, id := range newest {
				if list[id].ID == "" {
					t.Fatalf("the newest verified full backup of %s is gone", lineage)
				}
			}
			for lineage, ids := range sound {
				for _, id := range ids[max(0, len(ids)-minKeep):] {
					if list[id].ID == "" {
						t.Fatalf("one of the newest two of %s is gone", lineage)
					}
				}
			}
		}
	})
}

// TestPruneIsInterrupted stops a prune at each of its calls, for good and for
// that call alone. What is listed is whole at any time, and the next prune ends
// what the first began.
func TestPruneIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{false, true} {
		for n := int64(0); ; n++ {
			a := newShed(t)
			base := a.add(model.BackupFull, "", true)
			a.add(model.BackupIncremental, base, true)
			for range 3 {
				a.pass(day)
				a.add(model.BackupFull, "", true)
			}
			if err := a.Put(t.Context(), "b/mine/"+string(a.ids.New())+"-full/t/contact/00001.jsonl.zst", nil); err != nil {
				t.Fatal(err)
			}
			req := model.PruneRequest{Rules: model.KeepRules{Last: 2}}
			a.prune(req)
			a.pass(3 * day)
			a.add(model.BackupFull, "", true)
			var s Store
			var left func() int64
			cause := &fs.PathError{Op: "call", Path: "shelf", Err: fs.ErrInvalid}
			if alone {
				o := &once{Store: a, err: cause}
				o.left.Store(n)
				s, left = o, o.left.Load
			} else {
				f := &failing{Store: a, err: cause}
				f.left.Store(n)
				s, left = f, f.left.Load
			}
			_, err := New(Options{Now: a.keeper().o.Now, IDs: a.ids, Open: func(string) (Store, error) { return s, nil }}).PruneBackups(t.Context(), req, nil)
			for _, b := range a.whole() {
				if b.Rows == 0 {
					t.Fatalf("call %d: %+v", n, b)
				}
			}
			a.pass(2 * guardFor)
			a.prune(req)
			a.pass(grace)
			a.prune(req)
			a.pass(leftoverAge)
			a.prune(req)
			if list := a.whole(); len(list) != 2 {
				t.Fatalf("call %d failed: %d are left", n, len(list))
			}
			folders := map[string]bool{}
			for _, key := range keysOf(t, a, "b/") {
				folders[key[:strings.LastIndex(key, "-full/")+1]] = true
			}
			if len(folders) != 2 || len(keysOf(t, a, deletions)) > 0 {
				t.Fatalf("call %d failed: left behind %v", n, slices.Sorted(maps.Keys(a.data)))
			}
			if left() >= 0 {
				if n < 25 || err != nil {
					t.Fatalf("a prune made %d calls, %v", n, err)
				}
				break
			}
		}
	}
}

// waiting is a store that stops before it deletes, until it is let go on.
type waiting struct {
	Store
	stopped, goOn chan struct{}
	once          sync.Once
}

func (w *waiting) List(ctx context.Context, prefix string) ([]Object, error) {
	out, err := w.Store.List(ctx, prefix)
	if strings.HasPrefix(prefix, "b/mine/") && !strings.Contains(prefix, manifestName) {
		w.once.Do(func() { close(w.stopped); <-w.goOn })
	}
	return out, err
}

// TestSuspendedPruneIsRefused suspends a prune for two minutes just before it
// deletes. Another one is refused at first, then takes over; the first finds a
// higher token and deletes nothing.
func TestSuspendedPruneIsRefused(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	for range 5 {
		a.pass(day)
		a.add(model.BackupFull, "", true)
	}
	req := model.PruneRequest{Rules: model.KeepRules{Last: 3}}
	a.prune(req)
	a.pass(grace)
	w := &waiting{Store: a, stopped: make(chan struct{}), goOn: make(chan struct{})}
	ended := make(chan error)
	now := a.now
	go func() {
		_, err := New(Options{Now: func() time.Time { return now }, Open: func(string) (Store, error) { return w, nil }}).PruneBackups(t.Context(), req, nil)
		ended <- err
	}()
	<-w.stopped
	_, err := a.keeper().PruneBackups(t.Context(), req, nil)
	says(t, err, model.Locked, "another process does that")
	a.pass(2 * time.Minute)
	// By now more is to be kept.
	req.Rules.Last = 5
	if res := a.prune(req); len(res.Spared) != 2 {
		t.Errorf("spared: %+v", res.Spared)
	}
	close(w.goOn)
	says(t, <-ended, model.Locked, "took over")
	if len(a.whole()) != 5 {
		t.Errorf("%d are left of 5", len(a.there()))
	}
}

// TestGuardIsTakenByOne has many try to take a guard at once.
func TestGuardIsTakenByOne(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	for round := range int64(5) {
		var mu sync.Mutex
		var held []*guard
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				g, err := a.keeper().takeGuard(t.Context(), a, guardPrune)
				if err != nil {
					says(t, err, model.Locked, "another process")
					return
				}
				mu.Lock()
				defer mu.Unlock()
				held = append(held, g)
			})
		}
		all.Wait()
		if len(held) != 1 || held[0].token != round+1 {
			t.Fatalf("%d hold it: %+v", len(held), held)
		}
		if round%2 == 0 {
			held[0].release(t.Context(), true)
		} else {
			a.pass(guardFor)
		}
	}
}

// tenant is the lease of a server, which can be lost.
type tenant struct {
	now  time.Time
	lost bool
}

func (l *tenant) Keep(context.Context) (time.Time, error) {
	if l.lost {
		return time.Time{}, lostGuard()
	}
	return l.now, nil
}

func (l *tenant) Release() {}

// TestServerDecides holds that a prune with a lease of the central believes its
// clock, and stops when that lease is lost.
func TestServerDecides(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	for range 5 {
		a.pass(day)
		a.add(model.BackupFull, "", true)
	}
	l := &tenant{now: a.now}
	var refused error
	k := New(Options{Now: func() time.Time { return a.now }, IDs: a.ids, Open: func(string) (Store, error) { return a, nil },
		Lease: func(context.Context, string) (Lease, error) { return l, refused }})
	req := model.PruneRequest{Rules: model.KeepRules{Last: 3}}
	prune := func(marked, deleted int, guard string) {
		t.Helper()
		res, err := k.PruneBackups(t.Context(), req, nil)
		if err != nil || len(res.Marked) != marked || len(res.Deleted) != deleted || res.Guard != guard {
			t.Fatalf("%d marked, %d deleted, guard %q, %v", len(res.Marked), len(res.Deleted), res.Guard, err)
		}
	}
	prune(2, 0, "central")
	// The clock of the store jumps, that of the server does not.
	a.pass(366 * day)
	prune(2, 0, "central")
	l.lost = true
	l.now = l.now.Add(grace)
	_, err := k.PruneBackups(t.Context(), req, nil)
	says(t, err, model.Locked, "took over")
	refused = taken()
	_, err = k.PruneBackups(t.Context(), req, nil)
	says(t, err, model.Locked, "another process")
	refused, l.lost = nil, false
	prune(0, 2, "central")
	refused = model.Errorf(model.Unreachable, "the central does not answer")
	prune(0, 0, "store")
}

// TestPruneLeavesWhatItCannotRead keeps what a newer program made and what is
// damaged, and lets go of what failed its comparison once better ones are there.
func TestPruneLeavesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	a := newShed(t)
	strange := a.add(model.BackupFull, "", true)
	key := newPlace("mine", model.ID(strange), model.BackupFull).prefix + summaryName
	if err := a.Put(t.Context(), key, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	a.pass(time.Hour)
	bad := a.add(model.BackupFull, "", false)
	orphan := a.add(model.BackupIncremental, string(a.ids.New()), true)
	a.pass(time.Hour)
	a.add(model.BackupFull, "", true)
	req := model.PruneRequest{Rules: model.KeepRules{Last: 1}}
	if res := a.prune(req); len(res.Marked) > 0 {
		t.Errorf("marked %+v", res.Marked)
	}
	a.add(model.BackupFull, "", true)
	res := a.prune(req)
	if want := slices.Sorted(slices.Values([]string{bad, orphan})); !slices.Equal(idsOf(res.Marked), want) {
		t.Errorf("marked %v, want %v without %s", idsOf(res.Marked), want, strange)
	}
	// What a damaged increment needs is not known: it may be any of them.
	damaged := a.add(model.BackupIncremental, bad, true)
	key = newPlace("mine", model.ID(damaged), model.BackupIncremental).prefix + summaryName
	whole := a.data[key]
	if err := a.Put(t.Context(), key, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	a.pass(grace)
	if res := a.prune(req); len(res.Deleted)+len(res.Marked) > 0 || len(res.Spared) != 2 {
		t.Errorf("deleted %v, marked %v, spared %v", idsOf(res.Deleted), idsOf(res.Marked), idsOf(res.Spared))
	}
	if err := a.Put(t.Context(), key, whole); err != nil {
		t.Fatal(err)
	}
	a.prune(req)
	a.pass(grace)
	// Now it is known, and that it needs one that is not verified.
	if res := a.prune(req); !slices.Equal(idsOf(res.Deleted), []string{orphan}) {
		t.Errorf("deleted %v", idsOf(res.Deleted))
	}
}
