package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

// leastPause is how soon report tables are refreshed again.
const leastPause = time.Second

func (a *app) centralReports() *cobra.Command {
	var req model.ReportsRequest
	var every time.Duration
	c := &cobra.Command{
		Use: "refresh-reports", Short: "Bring the company's report tables up to date: complete copies of the records to read from", Args: exactly(0),
		Long: "Bring the company's report tables up to date: complete copies of the records, with the names behind their links, for programs that read a lot.\n\n" +
			"What changed is copied in one transaction; nobody who writes records waits for it. One process refreshes at a time. Let the server's cron run it, or let it go on with --every.\n" +
			"People have no right on these tables. An account for reports is given it by hand: GRANT SELECT ON crm.report_deal TO 'reports'@'%'; it then sees every record, whoever owns it.",
		Example: "  rapport central refresh-reports --central mysql://root@localhost/crm\n  rapport central refresh-reports --every 1m\n  rapport central refresh-reports --check",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return model.Errorf(model.Invalid, "central refresh-reports has no dry run").WithHint("it changes no record; run it without --dry-run")
			}
			if every != 0 && every < leastPause {
				return model.Errorf(model.Invalid, "--every is a second or more, as 30s or 5m")
			}
			if req.AcceptLoss {
				if err := a.confirm(cmd.Context(), "Give up what only the report tables still have?"); err != nil {
					return err
				}
			}
			if every == 0 {
				return a.refreshReports(cmd.Context(), ws, req)
			}
			return a.keepRefreshing(cmd.Context(), ws, req, every)
		},
	}
	f := c.Flags()
	f.BoolVar(&req.Rebuild, "rebuild", false, "make every report table anew and exchange them all at once")
	f.BoolVar(&req.Check, "check", false, "compare every row with its table, and make anew what differs")
	f.BoolVar(&req.AcceptLoss, "accept-loss", false, "go on where a table has lost rows or columns that nobody noted")
	f.DurationVar(&every, "every", 0, "go on until stopped, with this pause, as 30s or 5m")
	return c
}

// refreshReports refreshes once and tells what it did.
func (a *app) refreshReports(ctx context.Context, ws model.Workspace, req model.ReportsRequest) error {
	res, err := ws.RefreshReports(ctx, req, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	if a.json {
		return a.result(object{{"position", res.Position}, {"changed", res.Changed}, {"rows", res.Rows}, {"rebuilt", list(res.Rebuilt)}, {"reasons", list(res.Reasons)},
			{"checked", res.Checked}, {"duration_ms", res.Duration.Milliseconds()}})
	}
	for _, why := range res.Reasons {
		if err := a.print("%s", model.Visible(why)); err != nil {
			return err
		}
	}
	made := ""
	if n := int64(len(res.Rebuilt)); n > 0 {
		made = ", " + plural(n, "table", "tables") + " made anew"
	}
	if res.Checked {
		made += ", every row compared"
	}
	return a.print("report tables as of position %d: %s changed of %d%s, %d ms", res.Position, plural(res.Changed, "row", "rows"), res.Rows, made, res.Duration.Milliseconds())
}

// keepRefreshing refreshes until it is stopped. That the server is away, or
// that another process is at it, is no reason to end.
func (a *app) keepRefreshing(ctx context.Context, ws model.Workspace, req model.ReportsRequest, every time.Duration) error {
	for {
		err := a.refreshReports(ctx, ws, req)
		if kind := model.KindOf(err); err != nil && ctx.Err() == nil && (kind == model.Unreachable || kind == model.Locked) {
			a.say("%s", model.Visible(sentence(err)))
			err = nil
		}
		if err != nil {
			return err
		}
		req.Rebuild, req.AcceptLoss = false, false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

func (a *app) centralRebuild() *cobra.Command {
	var from, since string
	var reports bool
	c := &cobra.Command{
		Use: "rebuild NOUN|all --from report", Short: "Make a lost or damaged table of the company anew from its report table, or with --reports the other way round", Args: cobra.ArbitraryArgs,
		Long: "Make a lost, emptied or damaged table of the company's database anew from its report table. What changed since the copy is recovered from the change log, and what that does not know from the computers that have it, at their next sync.\n\n" +
			"It shows first what it would do, and asks. The former table stays for 30 days under another name.",
		Example: "  rapport central rebuild contact --from report --dry-run\n  rapport central rebuild all --from report\n  rapport central rebuild --reports",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if reports {
				if len(args) > 0 || from != "" || a.flags.dryRun {
					return model.Errorf(model.Invalid, "--reports makes every report table anew and takes nothing else")
				}
				return a.refreshReports(ctx, ws, model.ReportsRequest{Rebuild: true})
			}
			req, err := rebuildRequest(args, from, since)
			if err != nil {
				return err
			}
			return a.rebuildTables(ctx, ws, req)
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "what to make it from: report")
	f.StringVar(&since, "undelete-since", "", "put back also what other programs deleted since then, as 2026-11-21T10:00:00Z")
	f.BoolVar(&reports, "reports", false, "make every report table anew from the tables instead")
	return c
}

func rebuildRequest(args []string, from, since string) (model.RebuildRequest, error) {
	var req model.RebuildRequest
	if from != "report" || len(args) == 0 {
		return req, model.Errorf(model.Invalid, "say which table and what from").WithHint("rapport central rebuild contact --from report, or all for every table")
	}
	if since != "" {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return req, model.Errorf(model.Invalid, "--undelete-since is a moment, as 2026-11-21T10:00:00Z").Because(err)
		}
		req.DeletesSince = at
	}
	if len(args) == 1 && args[0] == "all" {
		return req, nil
	}
	for _, name := range args {
		e := model.EntityOf(model.Noun(name))
		if e == nil {
			return req, model.Errorf(model.NotFound, "there is no table %q", name)
		}
		req.Nouns = append(req.Nouns, e.Noun)
	}
	return req, nil
}

// rebuildTables shows what a rebuild would do, asks, and does it.
func (a *app) rebuildTables(ctx context.Context, ws model.Workspace, req model.RebuildRequest) error {
	plan := req
	plan.DryRun = true
	res, err := ws.RebuildTables(ctx, plan, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	if a.flags.dryRun {
		return a.rebuilt(res)
	}
	if !a.json {
		if err := a.rebuilt(res); err != nil {
			return err
		}
	}
	var names []string
	for _, t := range res.Tables {
		names = append(names, string(t.Noun))
	}
	if err := a.confirm(ctx, "Make %s anew like this?", strings.Join(names, ", ")); err != nil {
		return err
	}
	res, err = ws.RebuildTables(ctx, req, a.notify())
	a.quietly()
	if err != nil {
		return err
	}
	return a.rebuilt(res)
}

// rebuilt prints what a rebuild did or would do.
func (a *app) rebuilt(res model.RebuildResult) error {
	if a.json {
		return a.result(object{{"dry_run", res.DryRun}, {"position", res.Position}, {"refreshed_at", orNull(res.RefreshedAt)}, {"tables", list(res.Tables)}, {"new_epoch", res.NewEpoch}, {"done", list(res.Done)}})
	}
	if err := a.print("The copies are as of position %d, %s.", res.Position, model.FormatTime(res.RefreshedAt)); err != nil {
		return err
	}
	t := &table{head: []string{"TABLE", "IT IS", "PUT BACK", "MENDED", "KEPT", "NEWER", "FROM LOG", "REMOVED", "LOST", "ROWS"}, right: []bool{false, false, true, true, true, true, true, true, true, true}}
	var lost int64
	for _, w := range res.Tables {
		cells := []string{string(w.Noun), w.State}
		for _, n := range []int64{w.PutBack, w.Mended, w.Kept, w.Newer, w.FromLog, w.Removed, w.Lost, w.Rows} {
			cells = append(cells, strconv.FormatInt(n, 10))
		}
		t.add(cells...)
		lost += w.Lost
	}
	if err := t.write(a.Out); err != nil {
		return err
	}
	var notes []string
	if lost > 0 {
		notes = append(notes, plural(lost, "row", "rows")+" changed since the copy and the change log does not tell how: computers that have them offer them at their next sync.")
	}
	if res.NewEpoch {
		notes = append(notes, "Every computer compares every row at its next sync.")
	}
	for _, w := range res.Tables {
		if w.Replaced != "" {
			notes = append(notes, "What was in "+string(w.Noun)+" stays in "+w.Replaced+" for 30 days.")
		}
	}
	for _, s := range append(notes, res.Done...) {
		if err := a.print("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	return nil
}
