package sim

import (
	"flag"
	"testing"
	"time"
)

// How many seeds run with every test run. The soak runs many more, and the
// mutants need some hundreds to be caught.
var (
	seeds      = flag.Uint64("seeds", 60, "seeds to run in memory")
	conforming = flag.Uint64("conforming", 6, "seeds to run on a real server")
)

// TestSeeds runs the schedules of the first seeds, as many as there is time
// for.
func TestSeeds(t *testing.T) {
	deadline, limited := t.Deadline()
	for seed := range *seeds {
		if limited && time.Until(deadline) < time.Minute && seed >= 20 {
			return
		}
		rep, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Failure != "" {
			t.Fatal(rep)
		}
	}
}

// TestSeedReplays runs a seed of each level twice: the trace is the same.
func TestSeedReplays(t *testing.T) {
	for seed := range uint64(4) {
		one, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		two, err := Run(t.Context(), Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if one.Hash != two.Hash || len(one.Trace) == 0 {
			t.Errorf("seed %d: two runs differ: %x, %x", seed, one.Hash, two.Hash)
		}
	}
}

// TestFoundBefore runs schedules that once found something wrong, cut down to
// what it took.
func TestFoundBefore(t *testing.T) {
	for _, tt := range []struct {
		name string
		seed uint64
		ops  []Op
	}{
		{"an edit before a deletion on both sides, brought back by a third", 40192, []Op{
			{Kind: opForeign, R: 11665113022945348542}, // inserts a contact
			{Kind: opSync, Who: 2},
			{Kind: opSync},
			{Kind: opEdit, R: 7955166070641407130},         // a edits the status
			{Kind: opEdit, Who: 2, R: 5840022561958912743}, // c edits its own field
			{Kind: opForeign, R: 15591684996423443890},     // removes the contact
			{Kind: opEdit, R: 5924833650676961832},         // a deletes it
		}},
		{"a value that was discarded while it was on its way", 40374, []Op{
			{Kind: opForeign, R: 15529692182695834195}, // inserts a contact
			{Kind: opSync},
			{Kind: opEdit, R: 661736177576789668}, // a edits its own field
			{Kind: opSync},
			{Kind: opForeign, R: 5532038626728274386}, // holds the contact
			{Kind: opEdit, R: 8983890128383012086},    // a edits its own field again
			{Kind: opSync},
			{Kind: opEdit, R: 5287000563511331173}, // a discards it
		}},
		{"a sync that fails between a restore of the server and the meeting with it", 50447, []Op{
			{Kind: opClone, Who: 2},
			{Kind: opSnapshot},
			{Kind: opForeign, R: 4090850491065255134}, // inserts a contact
			{Kind: opSync, Who: 1},
			{Kind: opRestoreServer, R: 14410722502199123694},
			{Kind: opSync, Who: 1, Strikes: []strike{{At: 1, Fault: Late}}},
			{Kind: opSync, Who: 1, Strikes: []strike{{Store: true, At: 6, Fault: StoreFailed}}},
		}},
		{"a change of somebody else while an answer was lost and the feed was purged", 60432, []Op{
			{Kind: opForeign, R: 8088451811147211736}, // inserts a contact
			{Kind: opSync, Who: 1},
			{Kind: opForeign, R: 8916919469408469751}, // keeps a transaction open
			{Kind: opEdit, Who: 1, R: 1873734727003766262},
			{Kind: opForeign, R: 6374007271160895413},
			{Kind: opSync, Who: 0},
			{Kind: opEdit, Who: 1, R: 11291009692205864647}, // b edits the status
			{Kind: opForeign, R: 10577321869020403571},
			{Kind: opSync, Who: 1, Strikes: []strike{{At: 1, Fault: LostAnswer}}},
			{Kind: opPurge, R: 12632950992766816122},
			{Kind: opEdit, Who: 0, R: 15921873204452639987}, // a edits it too
		}},
		{"an edit of a record that then moves out of sight with its history", 60636, []Op{
			{Kind: opSync, Who: 1, Strikes: []strike{{Store: true, At: 0, Fault: ForeignInner, R: 10007519821675061266}}},
			{Kind: opForeign, R: 9320018978808905121},
			{Kind: opSync, Who: 1},
			{Kind: opEdit, Who: 1, R: 13188748050597566949},
			{Kind: opSync, Who: 1},
			{Kind: opForeign, R: 2666099066067821894}, // moves it
		}},
		{"a server that is restored after a crash between a batch and the pull", 62219, []Op{
			{Kind: opSync},
			{Kind: opSnapshot},
			{Kind: opEdit, R: 8217992247479306692}, // a adds a contact
			{Kind: opSync, Strikes: []strike{{Store: true, At: 5, Fault: CrashAfter}}},
			{Kind: opSync, Strikes: []strike{{Store: true, At: 0, Fault: RestoreInner, R: 7833447263577042522}}},
		}},
		{"a discarded edit of a record that another program removed", 62558, []Op{
			{Kind: opSync, Who: 1, Strikes: []strike{{At: 2, Fault: ForeignInner, R: 258908481470248908}}},
			{Kind: opSync, Who: 0},
			{Kind: opForeign, R: 10852586605675416838}, // removes it
			{Kind: opEdit, R: 10807244052175084950},
			{Kind: opSync, Strikes: []strike{{At: 3, Fault: LostAnswer}}},
			{Kind: opEdit, R: 9561222160949389971}, // a discards
		}},
		{"a phone that was removed on both sides while the grants changed", 63262, []Op{
			{Kind: opForeign, R: 18099702832907037759}, // inserts a contact with a phone
			{Kind: opSync, Who: 1},
			{Kind: opForeign, R: 13671711572659830685}, // removes the phone
			{Kind: opGrant, R: 6089685844695313161},
			{Kind: opEdit, Who: 1, R: 12054955940769439857}, // b removes it
		}},
		{"a phone that was removed before the server lost it", 82779, []Op{
			{Kind: opSnapshot},
			{Kind: opForeign, R: 9846283025254925157}, // inserts a contact with a phone
			{Kind: opSync, Who: 1},
			{Kind: opEdit, Who: 1, R: 2485697016042002508}, // b removes the phone
			{Kind: opSync, Who: 1},
			{Kind: opRestoreServer, R: 1549202619886129618},
		}},
		{"a value of somebody else to which a person went back while the later one was on its way", 1000241, []Op{
			{Kind: opSync, Who: 0},
			{Kind: opSync, Who: 0, Strikes: []strike{{At: 0, Fault: ForeignInner, R: 11459492992358980173}}},
			{Kind: opShared, Who: 0, R: 12627569786851937125}, // a edits the status
			{Kind: opSync, Who: 0},
			{Kind: opSync, Who: 1},
			{Kind: opEdit, Who: 1, R: 10436759156294116978}, // b edits it
			{Kind: opSync, Who: 1, Strikes: []strike{{Store: true, At: 2, Fault: ForeignInner, R: 18011562124756913977}}},
			{Kind: opSync, Who: 1, Strikes: []strike{{At: 0, Fault: EditInside, R: 3108074810971053439}}}, // b discards
		}},
		{"an edit of a removed record that was deleted before it was sent anew, and brought back by a third", 3053, []Op{
			{Kind: opForeign, R: 18314412855668332016}, // inserts a contact
			{Kind: opSync, Who: 2},
			{Kind: opSync, Who: 1},
			{Kind: opEdit, Who: 2, R: 13759834947328051793},
			{Kind: opForeign, R: 12549994804416063977}, // removes the contact
			{Kind: opForeign, R: 2659633316665808928},
			{Kind: opEdit, Who: 1, R: 17126861101317384255}, // b writes a note
			{Kind: opForeign, R: 7813160488771680839},
			{Kind: opForeign, R: 11873190716677335419},
			{Kind: opSync, Who: 1},
			{Kind: opEdit, Who: 2, R: 7133386478386282732},
			{Kind: opEdit, Who: 1, R: 12827150084536436266}, // b deletes it
		}},
		{"a row that was read on a standby before it had a position, and was lost", 71603, []Op{
			{Kind: opSnapshot},
			{Kind: opForeign, R: 24259333251139618}, // inserts a contact
			{Kind: opSnapshot},
			{Kind: opStandby, Who: 3, R: 13021521564585986354},
			{Kind: opRestoreServer, R: 16136528822584479579},
		}},
		{"a change that was pulled before it had a position, and was lost", 0, []Op{
			{Kind: opForeign, R: 15591684996423443890},
			{Kind: opSync, Who: 1},
			{Kind: opSync, Who: 0},
			{Kind: opForeign, R: 12694957561488335345},
			{Kind: opSync, Who: 1},
			{Kind: opSnapshot},
			{Kind: opSync, Who: 0, Strikes: []strike{{At: 1, Fault: ForeignInner, R: 11785327165040839284}}},
			{Kind: opRestoreServer, R: 1635478246431946763},
		}},
		{"a removal that was lost after a load had not found the row any more", 0, []Op{
			{Kind: opForeign, R: 15591684996423443890},
			{Kind: opSync, Who: 1},
			{Kind: opSnapshot},
			{Kind: opSync, Who: 0, Strikes: []strike{{At: 5, Fault: ForeignInner, R: 17901278831907212299}}},
			{Kind: opRestoreServer, R: 17261892299171932722},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := RunPlan(t.Context(), Config{Seed: tt.seed}, tt.ops)
			if err != nil {
				t.Fatal(err)
			}
			if rep.Failure != "" {
				t.Fatal(rep)
			}
		})
	}
}
