package sync_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/db/sync"
	"rapport/model"
)

// central is a company database of its own on the shared test server.
type central struct {
	*sql.DB
	url   string
	name  string
	blind bool // it has no triggers
}

func newCentral(t *testing.T) *central {
	t.Helper()
	srv := servertest.Shared(t)
	url := srv.Database(t)
	if _, err := mysql.Init(t.Context(), url); err != nil {
		t.Fatalf("init: %v", err)
	}
	name := servertest.Name(url)
	return &central{DB: srv.DB(name), url: url, name: name}
}

// exec runs a statement as another program does.
//
// A deadlock with a batch that is still at work is tried again, as programs do.
func (c *central) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	var lost *driver.MySQLError
	for tries := 1; ; tries++ {
		_, err := c.ExecContext(t.Context(), query, args...)
		if err == nil {
			return
		}
		if tries == 10 || !errors.As(err, &lost) || lost.Number != 1213 {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// value reads one value as text; NULL is "NULL".
func (c *central) value(t *testing.T, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	if err := c.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

// asPerson lets somebody in who sees every record, and returns the central's
// URL for that account: it reaches the central by procedures and by nothing
// else.
func (c *central) asPerson(t *testing.T, login string) (url string) {
	t.Helper()
	office, err := mysql.OpenOffice(t.Context(), c.url, mysql.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer office.Close()
	login += "_" + c.name // accounts are the whole server's
	invited, err := office.AddPerson(t.Context(), model.NewPerson{Person: model.Person{Login: login, Name: login, Scope: model.ScopeAll}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.DB.Exec("DROP USER IF EXISTS '" + login + "'@'%'") })
	of := func(password string) string { return strings.Replace(c.url, "root@", login+":"+password+"@", 1) }
	if err := mysql.ChangePassword(t.Context(), of(invited.Password), "a-password", mysql.DialOptions{}); err != nil {
		t.Fatal(err)
	}
	return of("a-password")
}

// bothWays runs a trap for an account with rights on the tables, such as an
// administrator's or one on a server without procedures, and for a person.
func bothWays(t *testing.T, trap func(t *testing.T, c *central, url string)) {
	t.Run("with tables", func(t *testing.T) {
		c := newCentral(t)
		trap(t, c, c.url)
	})
	t.Run("with procedures", func(t *testing.T) {
		c := newCentral(t)
		trap(t, c, c.asPerson(t, "ann"))
	})
}

// pushRequest is in each request that pushes and in no other.
const pushRequest = "sync_push"

// pullRequest is in each request that pulls from a central.
func pullRequest(url string) string {
	if strings.Contains(url, "root@") {
		return "SELECT seq,tbl"
	}
	return "CALL sync_pull"
}

// home is one laptop.
type home struct {
	*sqlite.DB
	me  string
	dir string
	url string // of the central, possibly through a proxy
	// dial bounds how long its connections wait.
	dial mysql.DialOptions
	now  func() time.Time // nil for the real clock
}

func newHome(t *testing.T, me, url string) *home {
	t.Helper()
	return openHome(t, me, t.TempDir(), url)
}

func openHome(t *testing.T, me, dir, url string) *home {
	t.Helper()
	return openHomeAt(t, me, dir, url, nil)
}

// openHomeAt opens a laptop with a clock of its own.
func openHomeAt(t *testing.T, me, dir, url string, now func() time.Time) *home {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, sqlite.FileName), sqlite.Options{
		Settings: model.Settings{Home: dir, Me: me, Currency: "EUR", Region: "CH"}, Now: now})
	if err != nil {
		t.Fatalf("open home of %s: %v", me, err)
	}
	t.Cleanup(func() { db.Close() })
	return &home{DB: db, me: me, dir: dir, url: asPerson(t, me, url), now: now}
}

func (h *home) engine() *sync.Engine {
	return sync.New(h.DB, h.connect, sync.Options{Now: h.now})
}

func (h *home) connect(ctx context.Context) (model.Central, error) {
	c, err := mysql.Dial(ctx, h.url, h.dial)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// try syncs once and returns what came of it.
func (h *home) try(t *testing.T) (model.SyncResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(times(1, 30))*time.Minute)
	defer cancel()
	return h.engine().Sync(ctx, false, nil)
}

// sync syncs once and must succeed.
func (h *home) sync(t *testing.T) model.SyncResult {
	t.Helper()
	res, err := h.try(t)
	if err != nil {
		t.Fatalf("sync of %s: %v", h.me, err)
	}
	return res
}

// compare syncs once and compares every row.
func (h *home) compare(t *testing.T) model.SyncResult {
	t.Helper()
	res, err := h.engine().Sync(t.Context(), true, nil)
	if err != nil {
		t.Fatalf("full sync of %s: %v", h.me, err)
	}
	return res
}

// save makes or edits a record.
func (h *home) save(t *testing.T, noun model.Noun, id model.ID, set map[string]any) *model.Record {
	t.Helper()
	r, err := h.Save(t.Context(), model.Edit{Noun: noun, ID: id, Set: set, MakeLinks: true})
	if err != nil {
		t.Fatalf("save %s on %s: %v", noun, h.me, err)
	}
	return r
}

func (h *home) get(t *testing.T, noun model.Noun, id model.ID) *model.Record {
	t.Helper()
	r, err := h.Get(t.Context(), noun, id)
	if err != nil {
		t.Fatalf("get %s %s on %s: %v", noun, id, h.me, err)
	}
	return r
}

func (h *home) pending(t *testing.T) []model.PendingItem {
	t.Helper()
	items, err := h.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func (h *home) conflicts(t *testing.T) []model.Conflict {
	t.Helper()
	items, err := h.Conflicts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// rows returns every row of a table, canonical, by id. Service columns that
// say when and how often a row changed are part of it.
func (h *home) rows(t *testing.T, e *model.Entity) map[model.ID]model.Row {
	t.Helper()
	out := map[model.ID]model.Row{}
	var cols []string
	for _, col := range e.Columns() {
		cols = append(cols, `"`+col.Name+`"`)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.dir, sqlite.FileName)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(cols, ", ")+` FROM "`+string(e.Noun)+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		row := make(model.Row, len(cols))
		dest := make([]any, len(cols))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		for i, col := range e.Columns() {
			if b, ok := row[i].([]byte); ok && col.Type == model.ColID {
				row[i] = model.IDFromBytes(b)
			}
		}
		out[row.ID()] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// inBin tells whether a row that the server does not have lies in the bin here,
// by itself or with its record.
func (h *home) inBin(t *testing.T, e *model.Entity, row model.Row) bool {
	t.Helper()
	if row.Get(e, model.ColumnVersion) != int64(0) {
		return false
	}
	if row.Get(e, model.ColumnDeletedAt) != nil {
		return true
	}
	n, id, ok := row.OwnerOf(e)
	if !ok {
		return false
	}
	oe := model.EntityOf(n)
	owner, err := h.Row(t.Context(), oe, id)
	if err != nil {
		t.Fatal(err)
	}
	return owner.Get(oe, model.ColumnDeletedAt) != nil
}

// serverRows is rows for the central.
func serverRows(t *testing.T, url string, e *model.Entity) map[model.ID]model.Row {
	t.Helper()
	c, err := mysql.Dial(t.Context(), url, mysql.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out := map[model.ID]model.Row{}
	err = c.Load(t.Context(), e.Noun, "", func(row model.Row) error {
		out[row.ID()] = slices.Clone(row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// converge is the oracle after every trap: within four rounds nothing moves
// any more, every home has every row of the server byte for byte, and nothing
// else; and a further sync takes one round trip.
func converge(t *testing.T, c *central, homes ...*home) {
	t.Helper()
	for _, h := range homes {
		h.url = asPerson(t, h.me, c.url)
	}
	if c.blind {
		for _, h := range homes {
			h.compare(t)
		}
	}
	quiet := false
	for round := 0; round < 4 && !quiet; round++ {
		quiet = true
		for _, h := range homes {
			res := h.sync(t)
			quiet = quiet && res.Pushed == 0 && res.Pulled == 0
		}
	}
	if !quiet {
		t.Error("rows still move after four rounds")
	}
	for _, e := range model.Entities() {
		want := serverRows(t, c.url, e)
		for _, h := range homes {
			got := h.rows(t, e)
			for id, row := range want {
				if !slices.Equal(got[id], row.Complete(e, got[id])) {
					t.Errorf("%s %s on %s:\n  is   %q\n  want %q", e.Noun, id, h.me, got[id], row)
				}
			}
			for id, row := range got {
				if _, ok := want[id]; !ok && !h.inBin(t, e, row) {
					t.Errorf("%s %s is on %s only: %q", e.Noun, id, h.me, row)
				}
			}
		}
	}
	for _, h := range homes {
		if res := h.sync(t); res.RoundTrips != 1 {
			t.Errorf("an idle sync of %s took %d round trips", h.me, res.RoundTrips)
		}
		if p := h.pending(t); len(p) > 0 {
			t.Errorf("%s still has %d records pending: %+v", h.me, len(p), p)
		}
	}
}
