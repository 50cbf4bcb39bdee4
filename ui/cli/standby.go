package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

func (a *app) centralStandby() *cobra.Command {
	return branch("standby", "The mirror of the company's database: status, setup", a.standbyStatus(), a.standbySetup())
}

func (a *app) standbyStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say who is the primary, who follows it, how far it is and what to do", Args: exactly(0), Example: "  rapport central standby status --json",
		Long: "Looks at every server in the central's address, which is a list. The primary writes a heartbeat,\n" +
			"and how far a standby is behind is how long that takes to arrive.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			r, err := ws.StandbyStatus(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.result(standbyObject(r))
			}
			if err := a.serverTable(r); err != nil {
				return err
			}
			return a.checks(r.Checks)
		},
	}
}

// standbyObject is what is printed of the servers.
func standbyObject(r model.StandbyReport) object {
	items := []object{}
	for _, s := range r.Servers {
		o := object{{"address", redacted(s.Address)}, {"role", s.Role}, {"problem", orNull(s.Problem)}, {"server", orNull(s.Server)}, {"server_id", s.ServerID},
			{"read_only", s.ReadOnly}, {"epoch", orNull(s.Epoch)}, {"term", s.Term}, {"position", s.Position}, {"gtid", orNull(s.GTID)}, {"semi_sync", orNull(s.SemiSync)},
			{"heartbeat", orNull(s.Heartbeat)}, {"follows", orNull(s.Follows)}}
		if s.Follows != "" {
			o = append(o, object{{"received", s.Received}, {"applied", s.Applied}, {"unapplied", s.Unapplied}, {"own", s.Own}, {"lag_ms", s.Lag.Milliseconds()},
				{"receiving", s.Receiving}, {"applying", s.Applying}}...)
		}
		items = append(items, o)
	}
	return object{{"servers", items}, {"checks", list(r.Checks)}}
}

func (a *app) serverTable(r model.StandbyReport) error {
	t := &table{head: []string{"SERVER", "ROLE", "TERM", "POSITION", "GTID", "FOLLOWS", "LAG", "SEMI-SYNC"}, most: a.cellLimit(), right: []bool{2: true, 3: true, 6: true, 7: false}}
	for _, s := range r.Servers {
		lag, gtid := "", s.GTID
		if s.Follows != "" {
			lag, gtid = lagText(s.Lag), s.Applied
		}
		t.add(redacted(s.Address), string(s.Role), fmt.Sprint(s.Term), fmt.Sprint(s.Position), gtid, s.Follows, lag, s.SemiSync)
	}
	return t.write(a.Out)
}

func lagText(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return d.Round(time.Second).String()
}

// standbyFlags are those of both ways to make a server a standby.
func standbyFlags(c *cobra.Command, req *model.StandbyRequest) {
	c.Flags().StringVar(&req.Primary, "primary", "", "the primary, where two servers claim to be it")
	c.Flags().StringVar(&req.Source, "source", "", "host:port of the primary as the standby reaches it")
}

func (a *app) standbySetup() *cobra.Command {
	var req model.StandbyRequest
	c := &cobra.Command{
		Use: "setup [SERVER]", Short: "Fill an empty server from the primary and let it follow", Args: atMostOne,
		Example: "  rapport central standby setup mysql://root@db2.example.com/crm --dry-run",
		Long: "Fills an empty server from a snapshot of the primary (every database, and the accounts with their\n" +
			"rights), makes an account for its replication with a password that nobody sees, and lets it follow:\n" +
			"closed to changes, by GTID, semi-synchronous. --dry-run prints the steps. Put both servers into the\n" +
			"central's address as a list, so that clients follow a promotion.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.makeStandby(cmd, args, req, model.Workspace.SetUpStandby, func(p model.StandbyResult) string {
				return fmt.Sprintf("Fill %s from %s and let it follow?", redacted(p.Server), redacted(p.Primary))
			})
		},
	}
	standbyFlags(c, &req)
	return c
}

func (a *app) centralRejoin() *cobra.Command {
	var req model.StandbyRequest
	c := &cobra.Command{
		Use: "rejoin [SERVER]", Short: "Let a former primary, or a standby that stopped, follow the primary again", Args: atMostOne,
		Example: "  rapport central rejoin db1.example.com:3306",
		Long: "Closes the server to changes and compares what both have. Where it has nothing of its own it simply\n" +
			"follows again. What only it has is written to a file, one record a line, and offered to the primary\n" +
			"as new edits: a field is taken over where the primary has not changed it since. Then the server is\n" +
			"filled anew from the primary. Two servers that both took changes are brought together the same way;\n" +
			"name the one that stays with --primary.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.makeStandby(cmd, args, req, model.Workspace.Rejoin, func(p model.StandbyResult) string {
				q := fmt.Sprintf("Let %s follow %s?", redacted(p.Server), redacted(p.Primary))
				if p.Transactions > 0 {
					q += fmt.Sprintf(" It has %s that the primary lacks: what records they changed is saved and offered to the primary.", plural(p.Transactions, "transaction", "transactions"))
				}
				if p.Copies {
					q += " Its databases are replaced by those of the primary."
				}
				return q
			})
		},
	}
	standbyFlags(c, &req)
	c.Flags().StringVar(&req.Orphans, "orphans", "", "file for what only the server has; the home's orphans folder if left out")
	return c
}

// atMostOne takes one argument or none.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return exactly(1)(cmd, args)
	}
	return nil
}

// makeStandby plans, asks and does.
func (a *app) makeStandby(cmd *cobra.Command, args []string, req model.StandbyRequest,
	do func(model.Workspace, context.Context, model.StandbyRequest, model.Notify) (model.StandbyResult, error), question func(model.StandbyResult) string) error {
	ctx := cmd.Context()
	ws, err := a.administer(cmd)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		req.Server = args[0]
	}
	req.DryRun = true
	plan, err := do(ws, ctx, req, nil)
	if err != nil {
		return err
	}
	if a.flags.dryRun {
		return a.standbyResult(plan)
	}
	if !a.flags.yes {
		for _, s := range plan.Steps {
			a.say("  %s", model.Visible(s))
		}
	}
	if err := a.confirm(ctx, "%s", question(plan)); err != nil {
		return err
	}
	req.DryRun = false
	res, err := do(ws, ctx, req, a.notify())
	a.quietly()
	for _, s := range res.Steps {
		if err != nil {
			a.say("done: %s", model.Visible(s))
		}
	}
	if err != nil {
		return err
	}
	return a.standbyResult(res)
}

func (a *app) standbyResult(r model.StandbyResult) error {
	if a.json {
		outcomes := map[string]int{}
		for _, o := range r.Orphans {
			outcomes[o.Outcome]++
		}
		return a.result(object{{"server", redacted(r.Server)}, {"primary", redacted(r.Primary)}, {"dry_run", a.flags.dryRun}, {"steps", list(r.Steps)}, {"transactions", r.Transactions},
			{"orphans", len(r.Orphans)}, {"outcomes", outcomes}, {"file", orNull(r.File)}, {"copies", r.Copies}, {"rows", r.Rows}, {"duration_ms", r.Took.Milliseconds()}, {"keep", list(r.Keep)}})
	}
	for _, s := range r.Steps {
		if err := a.print("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	if len(r.Keep) > 0 {
		a.say("Keep in the servers' configuration, so that a restart changes nothing:")
		for _, k := range r.Keep {
			a.say("  %s", model.Visible(k))
		}
	}
	return nil
}

func (a *app) centralPromote() *cobra.Command {
	var req model.PromoteRequest
	c := &cobra.Command{
		Use: "promote", Short: "Make the standby the primary, if nothing would be lost", Args: exactly(0),
		Example: "  rapport central promote --dry-run\n  rapport central promote --to db2.example.com:3306",
		Long: "Closes the former primary to changes if it answers, waits until the standby has applied everything,\n" +
			"and opens it to changes. Refuses where something would be lost and says how much; --accept-loss goes\n" +
			"on nevertheless, and laptops then offer again what they have seen. Clients follow by themselves and\n" +
			"refuse the former primary from then on, whatever it thinks it is; `central rejoin` brings it back.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			req.DryRun = true
			plan, err := ws.Promote(ctx, req)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return a.promotion(plan)
			}
			if err := a.confirmPromotion(ctx, plan); err != nil {
				return err
			}
			req.DryRun = false
			// What was decided on is done, whatever the servers are by now.
			if req.To == "" {
				req.To = plan.To
			}
			if req.From == "" {
				req.From = plan.From
			}
			p, err := ws.Promote(ctx, req)
			if err != nil {
				return err
			}
			return a.promotion(p)
		},
	}
	c.Flags().StringVar(&req.From, "from", "", "the former primary, if the list does not tell")
	c.Flags().StringVar(&req.To, "to", "", "the standby, if the list does not tell")
	c.Flags().BoolVar(&req.AcceptLoss, "accept-loss", false, "go on although changes are lost")
	c.Flags().Int64Var(&req.Term, "term", 0, "raise the term above this one, which clients have seen")
	return c
}

// confirmPromotion shows the plan and wants the standby's name typed: whoever
// promotes the wrong server, or one beside a primary that still works for
// others, parts the company's data in two.
func (a *app) confirmPromotion(ctx context.Context, p model.Promotion) error {
	if a.flags.yes {
		return nil
	}
	for _, s := range p.Steps {
		a.say("  %s", model.Visible(s))
	}
	name := host(p.To)
	question := fmt.Sprintf("Promote %s?", name)
	if p.Down {
		question = fmt.Sprintf("%s does not answer from here. If it still works for others, their changes part from yours. Is it down, and shall %s take its place?", host(p.From), name)
	}
	if p.Loss != "" {
		question += " Lost: " + p.Loss + "."
	}
	if !a.mayAsk() {
		return model.Errorf(model.Invalid, "a confirmation is needed: %s", model.Visible(question)).WithHint("add --yes")
	}
	answer, err := a.answer(ctx, model.Visible(question)+" Type "+name+": ")
	if err != nil {
		return err
	}
	if answer != name {
		return model.Errorf(model.Interrupted, "nothing was changed")
	}
	return nil
}

// host is host:port of an address.
func host(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	rest, _, _ = strings.Cut(rest, "/")
	return rest[strings.LastIndexByte(rest, '@')+1:]
}

func (a *app) promotion(p model.Promotion) error {
	if a.json {
		return a.result(object{{"from", orNull(redacted(p.From))}, {"to", redacted(p.To)}, {"dry_run", a.flags.dryRun}, {"steps", list(p.Steps)}, {"down", p.Down},
			{"lost", p.Lost}, {"loss", orNull(p.Loss)}, {"term", p.Term}, {"epoch", orNull(p.Epoch)}, {"duration_ms", p.Took.Milliseconds()}})
	}
	for _, s := range p.Steps {
		if err := a.print("%s", model.Visible(s)); err != nil {
			return err
		}
	}
	if a.flags.dryRun {
		return nil
	}
	return a.print("%s is the primary since %d ms after the first step", host(p.To), p.Took.Milliseconds())
}
