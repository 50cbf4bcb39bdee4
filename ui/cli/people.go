package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/model"
)

// personFlags are what is said of a person.
type personFlags struct{ role, scope, name, email, team, territory string }

func (p *personFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.role, "role", "", "what the person may do: "+strings.Join(model.Roles(), ", ")+"; a new one is sales")
	f.StringVar(&p.scope, "scope", "", "whose records the person sees: "+strings.Join(model.Scopes(), ", ")+"; a new one sees the own")
	f.StringVar(&p.name, "name", "", "the person's name")
	f.StringVar(&p.email, "email", "", "the person's e-mail")
	f.StringVar(&p.team, "team", "", "the team, for the scope team")
	f.StringVar(&p.territory, "territory", "", "the territory, for the scope territory")
}

func inviteFlags(c *cobra.Command, i *model.Invitee) {
	c.Flags().StringVar(&i.Address, "address", "", "the server as the person reaches it, mysql://HOST/DATABASE")
	c.Flags().StringVar(&i.CAFile, "ca", "", "file with the certificate that the server's is signed by")
}

func (a *app) centralUser() *cobra.Command {
	c := branch("user", "People with an account: add, list, edit, lock, unlock, password, hand-over, remove",
		a.personAdd(), a.personList(), a.personEdit(), a.personLock(), a.personUnlock(), a.personPassword(), a.handOver(), a.personRemove())
	c.Long = "People who work with the CRM through an account of their own on the server.\n\n" +
		"Accounts are made, locked and removed by an account of the server that may do so, such as\n" +
		"root: name it with --central mysql://root@HOST/DATABASE. Somebody with the role administrator\n" +
		"lists people and devices, edits, grants, hands over, empties devices, and runs status and check;\n" +
		"a lock by an administrator takes effect at once even where the server's account cannot be locked."
	return c
}

func (a *app) personAdd() *cobra.Command {
	var p personFlags
	var n model.NewPerson
	c := &cobra.Command{
		Use: "add LOGIN", Short: "Let somebody in; prints a one-time password and an invite, once", Args: exactly(1),
		Example: "  rapport central user add ann --role sales --scope team --team North --name 'Ann Lee'\n" +
			"  rapport central user add ann --address mysql://crm.example.com/crm --ca company-ca.pem",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			n.Person = model.Person{Login: args[0], Name: p.name, Email: p.email, Role: p.role, Scope: p.scope, Team: p.team, Territory: p.territory}
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			inv, err := ws.AddPerson(cmd.Context(), n)
			if err != nil {
				return err
			}
			return a.invitation(inv)
		},
	}
	p.flags(c)
	inviteFlags(c, &n.Invited)
	c.Flags().StringVar(&n.Host, "host", "", "pattern of the computers that may log in, for example '10.0.%'; any if left out")
	return c
}

func noDryRun(cmd *cobra.Command) error {
	return model.Errorf(model.Invalid, "%s has no dry run", strings.TrimPrefix(cmd.CommandPath(), "rapport "))
}

// invitation prints what an administrator hands on.
func (a *app) invitation(inv model.Invitation) error {
	if a.json {
		return a.result(inv)
	}
	for _, n := range inv.Notes {
		a.say("note: %s", model.Visible(n))
	}
	a.say("The password is shown once. Hand the invite over on a way that nobody else reads; whoever has it is this person.")
	return a.print("Login     %s\nPassword  %s\nInvite    %s\n\nThe person runs: rapport join", model.Visible(inv.Login), inv.Password, inv.Line)
}

func (a *app) personList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the people with an account", Args: exactly(0), Example: "  rapport central user list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			people, err := ws.People(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				items := []object{}
				for _, p := range people {
					items = append(items, personObject(p))
				}
				return a.result(object{{"items", items}})
			}
			if len(people) == 0 {
				a.say("nobody has an account yet; see rapport central user add --help")
				return nil
			}
			t := &table{head: []string{"LOGIN", "NAME", "ROLE", "SCOPE", "TEAM", "TERRITORY", "ACCOUNT", "DEVICES", "SEEN"}, most: a.cellLimit()}
			for _, p := range people {
				state := p.Account
				if !p.Active && state == "unknown" {
					state = "locked"
				}
				t.add(p.Login, p.Name, p.Role, p.Scope, p.Team, p.Territory, state, fmt.Sprint(p.Devices), a.value(model.Time, p.LastSeen))
			}
			return t.write(a.Out)
		},
	}
}

func personObject(p model.Person) object {
	return object{{"login", p.Login}, {"name", orNull(p.Name)}, {"email", orNull(p.Email)}, {"role", p.Role}, {"scope", p.Scope}, {"team", orNull(p.Team)},
		{"territory", orNull(p.Territory)}, {"active", p.Active}, {"account", p.Account}, {"devices", p.Devices}, {"last_seen", orNull(p.LastSeen)}}
}

func (a *app) personEdit() *cobra.Command {
	var p personFlags
	c := &cobra.Command{
		Use: "edit LOGIN", Short: "Change who somebody is, and what the person sees and may do", Args: exactly(1),
		Example: "  rapport central user edit ann --role support --scope all",
		RunE: func(cmd *cobra.Command, args []string) error {
			var e model.PersonEdit
			for name, f := range map[string]struct {
				to   **string
				from *string
			}{"role": {&e.Role, &p.role}, "scope": {&e.Scope, &p.scope}, "name": {&e.Name, &p.name}, "email": {&e.Email, &p.email},
				"team": {&e.Team, &p.team}, "territory": {&e.Territory, &p.territory}} {
				if cmd.Flags().Changed(name) {
					*f.to = f.from
				}
			}
			if e == (model.PersonEdit{}) {
				return model.Errorf(model.Invalid, "it is not said what to change").WithHint("see rapport central user edit --help")
			}
			return a.onPerson(cmd, args[0], "changed", nil, func(ctx context.Context, ws model.Workspace) (object, error) {
				return nil, ws.EditPerson(ctx, args[0], e)
			})
		},
	}
	p.flags(c)
	return c
}

// onPerson does something about one person and says so. question, where there
// is one, asks before.
func (a *app) onPerson(cmd *cobra.Command, login, what string, question func() string, do func(context.Context, model.Workspace) (object, error)) error {
	ws, err := a.administer(cmd)
	if err != nil {
		return err
	}
	if a.flags.dryRun {
		return noDryRun(cmd)
	}
	if question != nil {
		if err := a.confirm(cmd.Context(), "%s", question()); err != nil {
			return err
		}
	}
	more, err := do(cmd.Context(), ws)
	if err != nil {
		return err
	}
	if a.json {
		return a.result(append(object{{"login", login}, {what, true}}, more...))
	}
	line := model.Visible(login) + ": " + strings.ReplaceAll(what, "_", " ")
	for _, p := range more {
		line += fmt.Sprintf(", %s %v", strings.ReplaceAll(p.key, "_", " "), p.value)
	}
	return a.print("%s", line)
}

func (a *app) personLock() *cobra.Command {
	return &cobra.Command{
		Use: "lock LOGIN", Short: "Keep somebody out at once, in open sessions too", Args: exactly(1), Example: "  rapport central user lock ann",
		Long: "Keep somebody out at once, in open sessions too. What the person has not sent stays on the\n" +
			"device. A locked account cannot be told to empty its device: for a lost laptop use\n" +
			"`central device wipe` first, and lock when the device says it is empty, or do both and\n" +
			"accept that a device which never comes back is never told.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onPerson(cmd, args[0], "locked", nil, func(ctx context.Context, ws model.Workspace) (object, error) {
				n, err := ws.LockPerson(ctx, args[0])
				return object{{"sessions_ended", n}}, err
			})
		},
	}
}

func (a *app) personUnlock() *cobra.Command {
	return &cobra.Command{
		Use: "unlock LOGIN", Short: "Let somebody in again", Args: exactly(1), Example: "  rapport central user unlock ann",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onPerson(cmd, args[0], "unlocked", nil, func(ctx context.Context, ws model.Workspace) (object, error) {
				return nil, ws.UnlockPerson(ctx, args[0])
			})
		},
	}
}

func (a *app) personPassword() *cobra.Command {
	var i model.Invitee
	c := &cobra.Command{
		Use: "password LOGIN", Short: "Give somebody another one-time password", Args: exactly(1), Example: "  rapport central user password ann",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			inv, err := ws.NewPassword(cmd.Context(), args[0], i)
			if err != nil {
				return err
			}
			return a.invitation(inv)
		},
	}
	inviteFlags(c, &i)
	return c
}

func (a *app) personRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove LOGIN", Short: "Take an account away; the user stays in the CRM as a former one", Args: exactly(1), Example: "  rapport central user remove ann",
		Long: "Take an account away and end its sessions. The user stays in the CRM as a former one, because\n" +
			"records name it: hand those over with `central user hand-over`, before or after.",
		RunE: func(cmd *cobra.Command, args []string) error {
			question := func() string {
				return "Remove the account " + model.Visible(args[0]) + "? What it has not sent from its devices can then not be sent any more."
			}
			return a.onPerson(cmd, args[0], "removed", question, func(ctx context.Context, ws model.Workspace) (object, error) {
				return nil, ws.RemovePerson(ctx, args[0])
			})
		},
	}
}

func (a *app) handOver() *cobra.Command {
	return &cobra.Command{
		Use: "hand-over FROM TO", Short: "Make everything that one person owns another's", Args: exactly(2), Example: "  rapport central user hand-over ann bob",
		Long: "Make everything that one person owns another's, in steps that hold nobody up. It may be\n" +
			"interrupted and run again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			if a.flags.dryRun {
				return noDryRun(cmd)
			}
			if err := a.confirm(cmd.Context(), "Make everything that %s owns %s's?", model.Visible(args[0]), model.Visible(args[1])); err != nil {
				return err
			}
			moved, err := ws.HandOver(cmd.Context(), args[0], args[1], a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			total := int64(0)
			by := object{}
			for _, e := range model.Records() {
				if n, ok := moved[e.Noun]; ok {
					by = append(by, pair{string(e.Noun), n})
					total += n
				}
			}
			if a.json {
				return a.result(object{{"from", args[0]}, {"to", args[1]}, {"moved", total}, {"by_noun", by}})
			}
			return a.print("%s handed over from %s to %s", plural(total, "record", "records"), model.Visible(args[0]), model.Visible(args[1]))
		},
	}
}

func (a *app) centralGrant() *cobra.Command {
	var g model.ScopeGrant
	c := &cobra.Command{
		Use: "grant LOGIN --scope WHOSE [--read-only]", Short: "Show somebody another person's records; list, revoke", Args: cobra.ArbitraryArgs,
		Long: "Show somebody records beside those that follow from --scope of `central user`. WHOSE is the\n" +
			"login of the person whose records they are, or " + model.CompanyRecords + " for those that nobody owns.",
		Example: "  rapport central grant ann --scope bob --read-only\n  rapport central grant list\n  rapport central grant revoke ann --scope bob",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return needsChild(cmd, nil)
			}
			if err := exactly(1)(cmd, args); err != nil {
				return err
			}
			g.Login = args[0]
			if g.Scope == "" {
				return model.Errorf(model.Invalid, "it is not said whose records").WithHint("add --scope LOGIN, or --scope %s", model.CompanyRecords)
			}
			return a.onPerson(cmd, g.Login, "granted", nil, func(ctx context.Context, ws model.Workspace) (object, error) {
				return object{{"scope", g.Scope}, {"read_only", g.ReadOnly}}, ws.Grant(ctx, g)
			})
		},
	}
	c.Flags().StringVar(&g.Scope, "scope", "", "whose records: a login, or "+model.CompanyRecords)
	c.Flags().BoolVar(&g.ReadOnly, "read-only", false, "to look at, not to change")
	c.AddCommand(a.grantList(), a.grantRevoke())
	return c
}

func (a *app) grantList() *cobra.Command {
	return &cobra.Command{
		Use: "list [LOGIN]", Short: "List what was granted by hand", Args: between(0, 1), Example: "  rapport central grant list ann",
		RunE: func(cmd *cobra.Command, args []string) error {
			ws, err := a.administer(cmd)
			if err != nil {
				return err
			}
			grants, err := ws.Grants(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			if a.json {
				return a.result(object{{"items", list(grants)}})
			}
			if len(grants) == 0 {
				a.say("nothing was granted by hand")
				return nil
			}
			t := &table{head: []string{"LOGIN", "SEES RECORDS OF", "MAY"}}
			for _, g := range grants {
				may := "change"
				if g.ReadOnly {
					may = "look"
				}
				t.add(g.Login, g.Scope, may)
			}
			return t.write(a.Out)
		},
	}
}

func (a *app) grantRevoke() *cobra.Command {
	var scope string
	c := &cobra.Command{
		Use: "revoke LOGIN --scope WHOSE", Short: "Take back what was granted by hand", Args: exactly(1), Example: "  rapport central grant revoke ann --scope bob",
		RunE: func(cmd *cobra.Command, args []string) error {
			if scope == "" {
				return model.Errorf(model.Invalid, "it is not said whose records").WithHint("`rapport central grant list` shows them")
			}
			return a.onPerson(cmd, args[0], "revoked", nil, func(ctx context.Context, ws model.Workspace) (object, error) {
				return object{{"scope", scope}}, ws.Revoke(ctx, args[0], scope)
			})
		},
	}
	c.Flags().StringVar(&scope, "scope", "", "whose records")
	return c
}
