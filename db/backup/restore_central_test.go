package backup

import (
	"context"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/db/sqlite"
	"rapport/model"
)

// restorer returns a Backuper of a workspace that administers the company's
// central and whose backups go into the company's store.
func (c *company) restorer() *Backuper {
	c.Helper()
	home := c.TempDir()
	db, err := sqlite.Open(c.Context(), filepath.Join(home, sqlite.FileName), sqlite.Options{Settings: model.Settings{Home: home, Me: "root"}})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { db.Close() })
	return New(Options{Home: home, DB: func() *sqlite.DB { return db }, Open: func(string) (Store, error) { return c.store, nil },
		Central: func(context.Context) (string, error) { return c.url, nil }})
}

// clock is the server's time. What happens after it has a later one.
func (c *company) clock() time.Time {
	c.Helper()
	var at string
	if err := c.db.QueryRowContext(c.Context(), "SELECT UTC_TIMESTAMP(3)+INTERVAL SLEEP(0.002) SECOND").Scan(&at); err != nil {
		c.Fatal(err)
	}
	t, err := time.Parse(timeForm, at[:len(timeForm)])
	if err != nil {
		c.Fatal(err)
	}
	return t
}

// stateSums returns the sums of a state.
func stateSums(t *testing.T, s *centralState) map[string]tableSum {
	t.Helper()
	out := map[string]tableSum{}
	for _, tb := range s.Tables() {
		var all []byte
		n := int64(0)
		if err := s.Rows(t.Context(), tb.Name, func(v []any) (err error) {
			all, err = written.appendRow(all, tb.Types, v)
			all, n = append(all, '\n'), n+1
			return err
		}); err != nil {
			t.Fatal(err)
		}
		out[tb.Name] = tableSum{n, hashOf(all)}
	}
	return out
}

// TestEveryMomentOfACentral records what a central holds at random moments
// between random changes and backups of it. Each comes back as it was, row by
// row.
func TestEveryMomentOfACentral(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b BIGINT, c DECIMAL(40,10), d BIGINT UNSIGNED)",
		"INSERT INTO contact (last_name) VALUES ('a'), ('b'), ('c')")
	r := rand.New(rand.NewPCG(8, 1))
	type moment struct {
		at   time.Time
		seq  int64
		sums map[string]tableSum
	}
	var moments []moment
	c.create(model.BackupFull)
	for i := range 15 {
		for range 3 {
			c.edit(r)
		}
		// A row that changes on both sides of a moment, in every type.
		c.sql(fmt.Sprintf("INSERT INTO deal (id,name,amount_minor,close_date) VALUES (UNHEX(MD5('d')),'%[1]d 🦆',%[1]d.25,'2026-03-%02[2]d') ON DUPLICATE KEY UPDATE name=VALUES(name),amount_minor=IF(amount_minor>9,NULL,VALUES(amount_minor)),close_date=VALUES(close_date),probability=%[1]d", i, i+1))
		if i%7 == 5 {
			c.sql("DELETE FROM deal")
		}
		at := c.clock()
		var seq int64
		sums := c.sums() // it gives positions to everything
		if err := c.db.QueryRow("SELECT seq FROM sync_counter").Scan(&seq); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment{at, seq, sums})
		if i%5 == 3 {
			c.create([]string{model.BackupIncremental, model.BackupDifferential, model.BackupFull}[i%3])
		}
	}
	c.create(model.BackupIncremental)
	b := c.restorer()
	for i, m := range moments {
		for _, req := range []model.RestoreRequest{{At: m.at}, {Position: m.seq}} {
			plan, err := b.centralRestore(t.Context(), req, nil)
			if err != nil {
				t.Fatalf("moment %d: %v", i, err)
			}
			if req.Position == 0 && plan.asked.Position > m.seq || req.Position != 0 && plan.asked.Position != m.seq {
				t.Errorf("moment %d is position %d, it was %d", i, plan.asked.Position, m.seq)
			}
			for name, sum := range stateSums(t, plan.state) {
				if name != "mine" && !strings.HasPrefix(name, "sync_") && sum != m.sums[name] {
					t.Errorf("moment %d (%+v): %s is %v, it was %v", i, req, name, sum, m.sums[name])
				}
			}
		}
	}
	for _, req := range []model.RestoreRequest{{At: moments[0].at.Add(-time.Hour)}, {At: moments[14].at.Add(time.Hour)}, {Position: 1 << 40}} {
		if _, err := b.centralRestore(t.Context(), req, nil); model.KindOf(err) != model.NotFound {
			t.Errorf("%+v: %v", req, err)
		}
	}

	// One of them goes into another database.
	m := moments[9]
	to := servertest.Shared(t).URL("restored_moment")
	t.Cleanup(func() { c.db.Exec("DROP DATABASE IF EXISTS restored_moment") })
	req := model.RestoreRequest{At: m.at, Into: to}
	plan, err := b.PlanRestore(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Fresh || !plan.At.Equal(m.at) || len(plan.Backups) == 0 || !strings.Contains(plan.Command, "--at "+m.at.Format(time.RFC3339Nano)) || !strings.Contains(plan.Command, "--into") {
		t.Errorf("the plan tells %v %v %q %q", plan.Fresh, plan.At, plan.Notes, plan.Command)
	}
	res, err := b.RestoreCentral(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Safety != nil || len(res.People) == 0 || res.Epoch == "" {
		t.Errorf("it tells %+v", res)
	}
	other := &company{T: t, url: to}
	for name, sum := range other.sums() {
		if name != "mine" && !strings.HasPrefix(name, "sync_") && sum != m.sums[name] {
			t.Errorf("restored: %s is %v, it was %v", name, sum, m.sums[name])
		}
	}
	if _, err := b.RestoreCentral(t.Context(), req, nil); model.KindOf(err) != model.Refused {
		t.Errorf("into a database that is not empty: %v", err)
	}
}

// TestRestoreCentralAndUndo replaces what a central has, after backing it up,
// keeps out who was erased since, and puts it back.
func TestRestoreCentralAndUndo(t *testing.T) {
	c := newCompany(t)
	c.b = c.restorer()
	c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a'),(UNHEX(MD5('e')),'erased')", "INSERT INTO address (contact_id,street) SELECT id,'a street' FROM contact WHERE last_name='erased'")
	first := c.create(model.BackupFull)
	sum := md5.Sum([]byte("e"))
	id := model.IDFromBytes(sum[:])
	if _, err := mysql.Erase(t.Context(), c.url, id); err != nil {
		t.Fatal(err)
	}
	c.sql("UPDATE contact SET last_name='now'")
	plan, err := c.b.PlanRestore(t.Context(), model.RestoreRequest{BackupRequest: model.BackupRequest{ID: first.ID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Tables, func(x model.RestoreTable) bool { return x.Table == "contact" })
	if i < 0 || plan.Tables[i].Updates != 1 || plan.Tables[i].Inserts != 1 || plan.Lost == 0 || plan.Head < plan.Position {
		t.Errorf("the plan tells %+v", plan)
	}
	res, err := c.b.RestoreCentral(t.Context(), model.RestoreRequest{BackupRequest: model.BackupRequest{ID: first.ID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Safety == nil || !res.Safety.Verified || len(res.Kept) == 0 || len(res.People) != 0 {
		t.Errorf("it tells %+v", res)
	}
	names := func() (out string) {
		c.Helper()
		if err := c.db.QueryRow("SELECT GROUP_CONCAT(last_name) FROM contact").Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := names(); got != "a" {
		t.Errorf("restored %s", got)
	}
	var traces int
	if err := c.db.QueryRow("SELECT (SELECT COUNT(*) FROM sync_audit WHERE pk=UNHEX(MD5('e')))+(SELECT COUNT(*) FROM address)").Scan(&traces); err != nil || traces != 0 {
		t.Errorf("%d traces of the erased one, %v", traces, err)
	}
	next, err := c.b.CreateBackup(t.Context(), model.BackupRequest{Kind: model.BackupIncremental, Source: model.SourceCentral}, nil)
	if err != nil || next.Kind != model.BackupFull || next.Lineage != res.Epoch || next.Note == "" {
		t.Errorf("the first backup afterwards is %+v, %v", next, err)
	}
	if told, err := c.b.UndoRestore(t.Context(), true, nil); err != nil || len(told.Kept) == 0 || names() != "a" {
		t.Errorf("an undo would do %+v, %v", told, err)
	}
	if _, err := c.b.UndoRestore(t.Context(), false, nil); err != nil || names() != "now" {
		t.Errorf("after the undo: %s, %v", names(), err)
	}
}
