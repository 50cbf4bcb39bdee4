package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

func msTime(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func (a *app) sync() *cobra.Command {
	var watch, full bool
	c := &cobra.Command{
		Use: "sync", Short: "Send and fetch changes", Args: exactly(0),
		Long: "Sends unsent changes in order and fetches what is new. With --watch it keeps on: an edit goes out two seconds later, the central is polled\n" +
			"every 5 to 30 seconds ([sync] interval fixes the pause), less and less often while it cannot be reached. It ends where only you can help:\n" +
			"a wrong password, a locked account, a newer database. With --json it prints one object for each sync that did something.",
		Example: "  rapport sync\n  rapport sync --watch",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			ws, err := a.open(ctx)
			if err != nil {
				return err
			}
			if watch {
				return a.watch(ctx, ws, full)
			}
			res, err := ws.Sync(ctx, full, a.notify())
			a.quietly()
			if err != nil && !reached(err) {
				return err
			}
			return a.synced(outcomeOf(ctx, ws, res), err)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "keep on syncing until stopped")
	c.Flags().BoolVar(&full, "full", false, "also compare every row")
	return c
}

// reached tells whether a sync began, so that its counts mean something.
func reached(err error) bool {
	switch model.KindOf(err) {
	case model.NoCentral, model.Invalid, model.Locked, model.Interrupted:
		return false
	}
	return true
}

// outcome is what a sync did. Changes that were left behind, because their
// records went to where the person may not see them, are not among those that
// the company's database refused.
type outcome struct {
	model.SyncResult
	left  int64
	codes []string // why changes wait
}

func outcomeOf(ctx context.Context, ws model.Workspace, res model.SyncResult) outcome {
	o := outcome{SyncResult: res}
	if res.Refused == 0 {
		return o
	}
	items, err := ws.Pending(ctx)
	if err != nil {
		return o // the count alone is known
	}
	for _, p := range items {
		o.codes = append(o.codes, p.Code)
	}
	o.left = leftBehind(items)
	o.Refused -= min(o.left, o.Refused)
	return o
}

// leftBehind counts records that went to where the person may not see them.
func leftBehind(items []model.PendingItem) int64 {
	n := int64(0)
	for _, p := range items {
		if p.Code == model.CodeLeft {
			n++
		}
	}
	return n
}

// synced prints what a sync did. Of several outcomes the gravest decides how
// the command ends: unreachable, too new, refused, conflicts, rejected rows.
func (a *app) synced(res outcome, err error) error {
	if a.json {
		if e := a.result(syncObject(res)); e != nil {
			return e
		}
	} else if err == nil {
		if e := a.print("%s", syncLine(res)); e != nil {
			return e
		}
	}
	if err != nil {
		return err
	}
	if res.Upgrade {
		a.say("the company's database is newer than this program: what both know is synced; upgrade Rapport when you can")
	}
	left := fmt.Sprintf("%s went to where you may not see it; what you typed is kept", plural(res.left, "record", "records"))
	if res.left > 1 {
		left = strings.Replace(left, "see it", "see them", 1)
	}
	switch {
	case slices.Contains(res.codes, "upgrade"):
		return model.Errorf(model.TooNew, "%s for a newer Rapport", plural(res.Refused, "record waits", "records wait")).
			WithHint("upgrade Rapport; see rapport pending list")
	case slices.Contains(res.codes, "not_allowed"), slices.Contains(res.codes, "not_visible"):
		return model.Errorf(model.Refused, "the company's database refused %s", plural(res.Refused, "record", "records")).
			WithHint("see rapport pending list")
	case res.Conflicts > 0:
		return model.Errorf(model.Conflicting, "%s for your decision", plural(res.Conflicts, "conflict waits", "conflicts wait")).
			WithHint("see rapport conflict list")
	case res.Refused > 0:
		if res.left > 0 {
			a.say("%s", left)
		}
		return model.Errorf(model.Partial, "the company's database refused %s", plural(res.Refused, "record", "records")).
			WithHint("see rapport pending list")
	case res.left > 0:
		return model.Errorf(model.Partial, "%s", left).
			WithHint("see rapport pending list; it is sent if the record comes back, and rapport pending discard gives it up")
	}
	return nil
}

func syncObject(r outcome) object {
	o := object{{"pushed", r.Pushed}, {"pulled", r.Pulled}, {"conflicts", r.Conflicts}, {"refused", r.Refused}, {"round_trips", r.RoundTrips},
		{"bytes_sent", r.BytesSent}, {"bytes_received", r.BytesReceived}, {"duration_ms", r.Duration.Milliseconds()}, {"left", r.left}}
	if r.Upgrade {
		o = append(o, object{{"upgrade", true}}...)
	}
	return o
}

func syncLine(r outcome) string {
	s := fmt.Sprintf("sent %d, received %d", r.Pushed, r.Pulled)
	if r.Conflicts > 0 {
		s += ", " + plural(r.Conflicts, "conflict", "conflicts")
	}
	if r.Refused > 0 {
		s += fmt.Sprintf(", %d refused", r.Refused)
	}
	if r.left > 0 {
		s += fmt.Sprintf(", %d left behind", r.left)
	}
	return s + fmt.Sprintf(" in %s, %d ms", plural(int64(r.RoundTrips), "round trip", "round trips"), r.Duration.Milliseconds())
}

func sentence(err error) string {
	_, msg, _ := describe(err)
	return model.Visible(msg)
}

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what is unsent, what conflicts and whether the central answers", Args: exactly(0),
		Example: "  rapport status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			st, err := ws.Status(cmd.Context(), true)
			if err != nil {
				return err
			}
			left := outcomeOf(cmd.Context(), ws, model.SyncResult{Refused: st.Refused}).left
			st.Refused -= left
			if a.json {
				o := object{{"pending", st.Pending}, {"conflicts", st.Conflicts}, {"refused", st.Refused},
					{"last_sync", orNull(st.LastSync)}, {"central", orNull(redacted(st.Central))}, {"online", st.Online}, {"duplicates", st.Duplicates}, {"left", left}}
				if st.Problem != "" {
					o = append(o, pair{"problem", st.Problem})
				}
				return a.result(o)
			}
			last := "never"
			if !st.LastSync.IsZero() {
				last = a.value(model.Time, st.LastSync)
			}
			central := "none"
			switch {
			case st.Central != "" && st.Online:
				central = redacted(st.Central) + ", online"
			case st.Central != "" && st.Problem != "":
				central = redacted(st.Central) + ", offline: " + st.Problem
			case st.Central != "":
				central = redacted(st.Central) + ", offline"
			}
			behind := ""
			if left > 0 {
				behind = fmt.Sprintf("Left       %d (records that went to where you may not see them)\n", left)
			}
			return a.print("Pending    %d\nConflicts  %d\nRefused    %d\n%sDuplicates %d\nLast sync  %s\nCentral    %s",
				st.Pending, st.Conflicts, st.Refused, behind, st.Duplicates, last, model.Visible(central))
		},
	}
}

func (a *app) pending() *cobra.Command {
	return branch("pending", "Unsent changes: list, retry, discard, export", a.pendingList(), a.pendingAct("retry"), a.pendingAct("discard"), a.pendingExport())
}

func (a *app) pendingList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List records with unsent changes", Args: exactly(0), Example: "  rapport pending list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			items, err := ws.Pending(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				out := []object{}
				for _, p := range items {
					var failure any
					if p.Code != "" {
						failure = object{{"code", p.Code}, {"message", p.Error}}
					}
					out = append(out, object{{"noun", p.Noun}, {"id", p.ID}, {"fields", list(p.Fields)}, {"error", failure},
						{"title", p.Title}, {"action", p.Action}, {"at", orNull(p.At)}})
				}
				return a.result(object{{"items", out}})
			}
			if len(items) == 0 {
				a.say("nothing is unsent")
				return nil
			}
			t := &table{head: []string{"ID", "NOUN", "TITLE", "CHANGE", "FIELDS", "REFUSED"}, most: a.cellLimit()}
			for _, p := range items {
				t.add(p.ID.Short(), string(p.Noun), p.Title, p.Action, strings.Join(p.Fields, ", "), p.Error)
			}
			return t.write(a.Out)
		},
	}
}

// pendingAct retries or discards unsent changes, of some records or of all
// that were refused.
func (a *app) pendingAct(verb string) *cobra.Command {
	var all bool
	short := "Send refused changes again at the next sync"
	if verb == "discard" {
		short = "Give unsent changes up"
	}
	c := &cobra.Command{
		Use: verb + " [ID…]", Short: short, Example: "  rapport pending " + verb + " 1a2b3c4d",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, items, ids, err := a.unsent(ctx, args)
			if err != nil {
				return err
			}
			if verb == "retry" {
				if a.flags.dryRun {
					return a.count("retried", len(ids))
				}
				n, err := ws.Retry(ctx, ids...)
				if err != nil {
					return err
				}
				return a.count("retried", n)
			}
			if len(ids) == 0 && !all {
				return model.Errorf(model.Invalid, "it is not said what to discard").WithHint("name the records, or add --all")
			}
			if all {
				ids = nil
				for _, p := range items {
					ids = append(ids, p.ID)
				}
			}
			if len(ids) == 0 || a.flags.dryRun {
				return a.count("discarded", len(ids))
			}
			if err := a.confirm(ctx, "Give up the unsent changes of %s?", plural(int64(len(ids)), "record", "records")); err != nil {
				return err
			}
			n, err := ws.Discard(ctx, ids...)
			if err != nil {
				return err
			}
			return a.count("discarded", n)
		},
	}
	if verb == "discard" {
		c.Flags().BoolVar(&all, "all", false, "every unsent change")
	}
	return c
}

func (a *app) count(what string, n int) error {
	if a.json {
		return a.result(object{{what, n}})
	}
	return a.print("%s %s", plural(int64(n), "record", "records"), what)
}

// among resolves a whole or shortened id among some.
func among(ids []model.ID, ref, what string) (model.ID, error) {
	s := strings.ToLower(strings.TrimSpace(ref))
	var found []string
	seen := map[model.ID]bool{}
	for _, id := range ids {
		if !seen[id] && (string(id) == s || len(s) >= 8 && (strings.HasPrefix(string(id), s) || strings.HasSuffix(string(id), s))) {
			seen[id] = true
			found = append(found, string(id))
		}
	}
	switch {
	case len(found) == 1:
		return model.ID(found[0]), nil
	case len(found) > 1:
		return "", model.Errorf(model.Ambiguous, "%q fits several", ref).WithHint("%s", strings.Join(found, ", "))
	}
	return "", model.Errorf(model.NotFound, "there is no %s %q", what, ref)
}
