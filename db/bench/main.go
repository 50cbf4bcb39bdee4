// Command bench measures how fast the workspace is and prints ratios against
// other tools on the same data in the same run. Figures of one run can be
// compared with each other only.
//
//	go run ./db/bench --contacts 200000
//	go run ./db/bench --contacts 5000 --only pouch
//	go run ./db/bench --home /tmp/big --contacts 1000000 --only search,list
//
// Without --home it works in a folder that it removes at the end; with it the
// workspace is made if it is absent and kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/db/sample"
	"rapport/db/sqlite"
	"rapport/model"
)

// bench is what every section works with.
type bench struct {
	home     string
	contacts int
	out      io.Writer
	db       *sqlite.DB
	made     cost               // what making the workspace took; zero if it was there
	temp     string             // removed at the end; see scratch
	built    map[string]string  // programs by package
	server   *servertest.Server // of the sync's sections; see startServer
}

// section is one part of the report.
type section struct {
	name  string
	title string
	run   func(context.Context, *bench) error
}

// sections are the parts in the order in which they run. A new one is a line
// here and a file.
var sections = []section{
	{"make", "Making the workspace, against the sqlite3 shell loading the same tables", making},
	{"search", "Search over everything, 50 hits", searching},
	{"list", "One page of the contacts", listing},
	{"start", "First frame in a terminal of 100x30, against a trivial program", starting},
	{"memory", "Resident memory of the program", resident},
	{"keys", "One key in a terminal of 100x30", pressing},
	{"load", "First load from a private server, against mariadb and sqlite3", withServer(loading)},
	{"compress", "What compression costs and saves on ways to the server", withServer(compressing)},
	{"sync", "Syncs over a way of 100 ms and 20 Mbit/s", withServer(syncing)},
	{"compare", "Comparing every row with the server's", withServer(comparingRows)},
	{"serve", "What the sync costs the server", withServer(serving)},
	{"grow", "Syncs of the same changes on tables of different sizes", withServer(growing)},
	{"reports", "Report tables, while others work", reporting},
	{"backup", "A backup of the central, against a dump", withServer(backingUp)},
	{"restore", "A backup of the central put back, against a dump", withServer(restoring)},
	{"promote", "A change that waits while the primary fails and the standby is promoted", promoting},
	{"peers", "Other programs on the same contacts", comparing},
}

// asked are the parts that run only where they are named, because they fetch
// programs from the network.
var asked = []section{
	{"pouch", "Sync over a wide area link, against PouchDB with express-pouchdb", withServer(pouching)},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	home := flags.String("home", "", "folder of the workspace, kept; a temporary one by default")
	contacts := flags.Int("contacts", 200000, "contacts of a workspace that is made")
	only := flags.String("only", "", "sections to run, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	b := &bench{home: *home, contacts: *contacts, out: out}
	if b.home == "" {
		if b.home, err = os.MkdirTemp("", "rapport-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(b.home)) }()
	}
	if _, err := b.scratch(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.temp)) }()
	defer func() {
		if b.server != nil {
			err = errors.Join(err, b.server.Close())
		}
	}()
	if err := b.open(ctx); err != nil {
		return err
	}
	defer b.db.Close()
	for _, s := range chosen {
		fmt.Fprintf(out, "\n%s\n", s.title)
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// choose returns the named sections, all if none is named.
func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var out []section
	for _, name := range strings.Split(only, ",") {
		found := false
		for _, s := range slices.Concat(sections, asked) {
			if s.name == name {
				out, found = append(out, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no section %q", name)
		}
	}
	return out, nil
}

// open opens the workspace and fills it if it is new.
func (b *bench) open(ctx context.Context) error {
	path := filepath.Join(b.home, sqlite.FileName)
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	if b.db, err = sqlite.Open(ctx, path, sqlite.Options{Settings: model.Settings{Home: b.home, Me: "you", Currency: "USD"}}); err != nil {
		return err
	}
	if fresh {
		b.made, err = measure(func() error {
			_, err := sample.Fill(ctx, b.db, model.DemoRequest{Contacts: b.contacts, Seed: 1, Day: time.Now()}, "you", nil)
			return err
		})
		if err != nil {
			return errors.Join(err, b.db.Close())
		}
	}
	n, err := b.db.Count(ctx, model.Query{Noun: "contact"})
	if err != nil {
		return errors.Join(err, b.db.Close())
	}
	info, err := os.Stat(path)
	if err != nil {
		return errors.Join(err, b.db.Close())
	}
	fmt.Fprintf(b.out, "workspace of %d contacts, %d MB\n", n, info.Size()>>20)
	return nil
}
