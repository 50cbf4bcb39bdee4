package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/db/sync"
	"rapport/model"
)

// loaded are the tables that a first load is measured on: contacts with what
// belongs to them, and what they refer to.
var loaded = []model.Noun{"user", "tag", "product", "pipeline", "stage", "organization", "contact", "contact_method", "address", "contact_organization", "tagging"}

// insertRows is how many rows one statement brings to the central.
const insertRows = 400

// errNoServer says that no server can be started here.
var errNoServer = errors.New("no server can be started here")

// startServer starts the private server of the sync's sections once.
func (b *bench) startServer(ctx context.Context) (*servertest.Server, error) {
	if b.server == nil {
		srv, err := servertest.Run(ctx, filepath.Join(b.temp, "server"))
		if err != nil {
			fmt.Fprintf(b.out, "  no server can be started here: %v\n", err)
			return nil, errNoServer
		}
		b.server = srv
	}
	return b.server, nil
}

// withServer makes a section of one that needs the server.
func withServer(fn func(context.Context, *bench, *servertest.Server) error) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		srv, err := b.startServer(ctx)
		if errors.Is(err, errNoServer) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(ctx, b, srv)
	}
}

// newCentral makes a central of its own on the server.
func newCentral(ctx context.Context, srv *servertest.Server, name string) (url string, db *sql.DB, err error) {
	url = srv.URL(name)
	if _, err := mysql.Init(ctx, url); err != nil {
		return "", nil, err
	}
	return url, srv.DB(name), nil
}

// quietly changes the central's tables without triggers, as if everything had
// been there for long. The server gets the memory for it: with that of a test
// the indexes of a million rows are written a hundred times over.
func quietly(ctx context.Context, url string, db *sql.DB, fn func() error) error {
	if _, err := db.ExecContext(ctx, "SET GLOBAL innodb_buffer_pool_size = 1073741824"); err != nil {
		return err
	}
	if err := dropTriggers(ctx, db); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	_, err := mysql.Migrate(ctx, url)
	return err
}

// dropTriggers takes the triggers of the synced tables away.
func dropTriggers(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name NOT LIKE 'sync%'")
	if err != nil {
		return err
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := db.ExecContext(ctx, "DROP TRIGGER `"+name+"`"); err != nil {
			return err
		}
	}
	return nil
}

// fill copies the workspace's contacts with all that belongs to them to a
// central and returns how many rows that are.
func (b *bench) fill(ctx context.Context, url string, db *sql.DB) (rows int64, err error) {
	source, err := sql.Open("sqlite", "file:"+filepath.Join(b.home, sqlite.FileName)+"?mode=ro")
	if err != nil {
		return 0, err
	}
	defer source.Close()
	err = quietly(ctx, url, db, func() error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "SET foreign_key_checks = 0, unique_checks = 0"); err != nil {
			return err
		}
		for _, n := range loaded {
			one, err := copyTable(ctx, source, conn, model.EntityOf(n))
			if err != nil {
				return fmt.Errorf("fill %s: %w", n, err)
			}
			rows += one
		}
		return nil
	})
	return rows, err
}

// copyTable copies one table, many rows a statement.
func copyTable(ctx context.Context, from *sql.DB, to *sql.Conn, e *model.Entity) (int64, error) {
	var names, values []string
	for _, c := range e.Columns() {
		names = append(names, c.Name)
		if c.Name == model.ColumnScope {
			values = append(values, scopeOf(e, "t"))
		} else {
			values = append(values, `t."`+c.Name+`"`)
		}
	}
	rows, err := from.QueryContext(ctx, "SELECT "+strings.Join(values, ", ")+` FROM "`+string(e.Noun)+`" AS t ORDER BY t.id`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(names)), ",") + ")"
	head := "REPLACE INTO `" + string(e.Noun) + "` (`" + strings.Join(names, "`, `") + "`) VALUES "
	var args []any
	count := int64(0)
	flush := func() error {
		n := len(args) / len(names)
		if n == 0 {
			return nil
		}
		_, err := to.ExecContext(ctx, head+strings.TrimSuffix(strings.Repeat(one+",", n), ","), args...)
		count += int64(n)
		args = args[:0]
		return err
	}
	for rows.Next() {
		row, dest := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return count, err
		}
		for i, c := range e.Columns() {
			if ms, ok := row[i].(int64); ok && c.Type == model.ColTime {
				row[i] = time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000")
			}
		}
		if args = append(args, row...); len(args) >= insertRows*len(names) {
			if err := flush(); err != nil {
				return count, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return count, err
	}
	return count, flush()
}

// scopeOf is the SQL of the scope in which a central keeps a row: its owner's,
// and for a part that of its record. A workspace that was never synced has all
// rows in the company scope; putting them in order on the central would have
// each record's parts follow it, one record after another.
func scopeOf(e *model.Entity, alias string) string {
	from := []string{alias + "." + model.ColumnScope}
	if e.Field("owner") != nil {
		from = slices.Insert(from, 0, alias+".owner_id")
	}
	for _, n := range e.Owner {
		from = slices.Insert(from, 0, `(SELECT `+scopeOf(model.EntityOf(n), "o")+` FROM "`+string(n)+`" AS o WHERE o.id = `+alias+`."`+string(n)+`_id")`)
	}
	if len(from) == 1 {
		return from[0]
	}
	return "coalesce(" + strings.Join(from, ", ") + ")"
}

// laptop is one workspace that syncs.
type laptop struct {
	*sqlite.DB
	dir string
	url string
}

// newLaptop makes an empty workspace.
func (b *bench) newLaptop(ctx context.Context, name, url string) (*laptop, error) {
	dir := filepath.Join(b.temp, name)
	db, err := sqlite.Open(ctx, filepath.Join(dir, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: dir, Me: "you", Currency: "USD"}})
	if err != nil {
		return nil, err
	}
	return &laptop{db, dir, url}, nil
}

// engine returns what syncs the laptop.
func (l *laptop) engine() *sync.Engine { return l.engineWith(sync.Options{}) }

func (l *laptop) engineWith(o sync.Options) *sync.Engine {
	return sync.New(l.DB, func(ctx context.Context) (model.Central, error) {
		c, err := mysql.Dial(ctx, l.url, mysql.DialOptions{})
		if err != nil {
			return nil, err // not c, which would be no nil interface
		}
		return c, nil
	}, o)
}

// sync syncs once.
func (l *laptop) sync(ctx context.Context, full bool) (res model.SyncResult, c cost, err error) {
	c, err = measure(func() error {
		res, err = l.engine().Sync(ctx, full, nil)
		return err
	})
	return res, c, err
}

// edit changes a field of some contacts, from one position in the list on.
func (l *laptop) edit(ctx context.Context, from, n int, field, value string) error {
	page, err := l.List(ctx, model.Query{Noun: "contact", Limit: from + n, Short: true})
	if err != nil {
		return err
	}
	if len(page.Items) < from+n {
		return fmt.Errorf("there are %d contacts, not %d", len(page.Items), from+n)
	}
	var edits []model.Edit
	for _, r := range page.Items[from : from+n] {
		edits = append(edits, model.Edit{Noun: "contact", ID: r.ID, Set: map[string]any{field: value}})
	}
	saved, err := l.SaveAll(ctx, edits, false)
	for _, s := range saved {
		err = errors.Join(err, s.Err)
	}
	return err
}

// median of some durations.
func medianOf(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
