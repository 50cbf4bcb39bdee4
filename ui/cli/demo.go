package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rapport/model"
)

// demoContacts is how many contacts a demo has unless told.
const demoContacts = 500

func (a *app) demo() *cobra.Command {
	var contacts int
	var seed int64
	var noUI, reset, server bool
	c := &cobra.Command{
		Use: "demo", Short: "Try Rapport on sample data", Args: exactly(0),
		Long:    "Make a workspace with believable sample data and open the interface on it. Your own workspace is not touched.\nA demo that is there is used again; --reset makes it anew.",
		Example: "  rapport demo\n  rapport demo --contacts 100000 --no-ui --home /tmp/demo",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server {
				return model.Errorf(model.Invalid, "--with-server is not built yet").WithHint("the demo needs no server")
			}
			if contacts < 0 {
				return model.Errorf(model.Invalid, "--contacts is 0 or more")
			}
			s, counts, err := a.makeDemo(cmd.Context(), a.flags.home, contacts, seed, reset, a.notify())
			a.quietly()
			if err != nil {
				return err
			}
			switch {
			case a.json:
				o := object{{"home", s.Home}, {"contacts", counts["contact"]}, {"organizations", counts["organization"]},
					{"deals", counts["deal"]}, {"activities", counts["activity"]}}
				if a.flags.dryRun {
					o = append(o, pair{"dry_run", true})
				}
				return a.result(o)
			case noUI || a.flags.dryRun || !a.terminal():
				return a.print("%s: %d contacts, %d organizations, %d deals, %d activities", s.Home,
					counts["contact"], counts["organization"], counts["deal"], counts["activity"])
			}
			return a.session(cmd.Context(), s)
		},
	}
	c.Flags().IntVar(&contacts, "contacts", demoContacts, "how many contacts; the rest follows")
	c.Flags().Int64Var(&seed, "seed", 1, "the same seed gives the same data on the same day")
	c.Flags().BoolVar(&noUI, "no-ui", false, "only make the data")
	c.Flags().BoolVar(&reset, "reset", false, "make the demo anew")
	c.Flags().BoolVar(&server, "with-server", false, "also start a private database server")
	return c
}

// makeDemo finds the demo or makes it. The person's own workspace is never
// taken for it: neither the configured home nor the configured central count.
// An empty folder means the usual place of the demo.
func (a *app) makeDemo(ctx context.Context, folder string, contacts int, seed int64, reset bool, n model.Notify) (model.Settings, map[model.Noun]int64, error) {
	s := model.Settings{Home: folder, Demo: true, Currency: fallbackCurrency}
	if s.Home == "" {
		s.Home = filepath.Join(a.dataFolder(), "rapport-demo")
	}
	home, err := filepath.Abs(s.Home)
	if err != nil {
		return s, nil, fmt.Errorf("home %s: %w", s.Home, err)
	}
	s.Home = home
	info, err := a.Backend.Inspect(ctx, home)
	if err != nil {
		return s, nil, err
	}
	if !info.Demo && !info.Empty {
		return s, nil, model.Errorf(model.Invalid, "%s is not a demo; it is left as it is", home).WithHint("name an empty folder with --home")
	}
	if info.Demo && info.Exists && !reset {
		return s, info.Counts, nil
	}
	if a.flags.dryRun {
		n := int64(contacts)
		return s, map[model.Noun]int64{"contact": n, "organization": n / 5, "deal": n / 4, "activity": n}, nil
	}
	if info.Demo {
		if err := emptyFolder(home); err != nil {
			return s, nil, err
		}
	}
	if err := makeHome(home); err != nil {
		return s, nil, err
	}
	counts, err := a.Backend.Demo(ctx, s, model.DemoRequest{Contacts: contacts, Seed: seed, Day: midnight(a.Now())}, n)
	return s, counts, err
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// emptyFolder removes what a demo left.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
	}
	return nil
}
