package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"rapport/db/mysql/servertest"
)

// crowd has many write at once until the test ends: single statements, rows
// that come and go, transactions that note a change early and end late, a third
// of them by taking it back, and the sequencer.
func (c *company) crowd() {
	c.Helper()
	c.sql("INSERT INTO contact (last_name) SELECT seq FROM seq_1_to_40", "INSERT INTO organization (name) SELECT seq FROM seq_1_to_40", "INSERT INTO tag (name) SELECT seq FROM seq_1_to_10",
		"CREATE TABLE jug (id INT PRIMARY KEY, amount BIGINT NOT NULL) ENGINE=InnoDB", "CREATE TABLE bowl LIKE jug", "INSERT INTO jug SELECT seq, 1000 FROM seq_1_to_10", "INSERT INTO bowl SELECT seq, 0 FROM seq_1_to_10")
	ctx, stop := context.WithCancel(c.Context())
	var group sync.WaitGroup
	c.Cleanup(func() { stop(); group.Wait() })
	db := c.server.DB(c.database)
	c.Cleanup(func() { db.Close() })
	// What ends the test's context ends a writer. Writers keep to rows of their
	// own, so that none is refused.
	write := func(next func(i int) (queries []string, keep bool)) {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				queries, keep := next(i)
				tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
				if err != nil {
					return
				}
				for _, q := range queries {
					if _, err := tx.ExecContext(ctx, q); err != nil && ctx.Err() == nil {
						c.Error(q, err)
					}
				}
				if keep {
					_ = tx.Commit() // readers tell what came of it
				} else {
					_ = tx.Rollback()
				}
			}
		})
	}
	for w := range 2 {
		write(func(i int) ([]string, bool) {
			return []string{fmt.Sprintf("UPDATE contact SET notes = '%d' WHERE last_name = '%d'", i, 1+w)}, true
		})
		write(func(i int) ([]string, bool) {
			out := []string{fmt.Sprintf("UPDATE organization SET notes = '%d' WHERE name = '%d'", i, 1+w)}
			for n := range rand.IntN(12) {
				out = append(out, fmt.Sprintf("UPDATE contact SET notes = '%d' WHERE last_name = '%d'", i, 10+10*w+n%10))
			}
			return append(out, fmt.Sprintf("UPDATE tag SET color = '#%06d' WHERE name = '%d'", i, 1+w)), i%3 > 0
		})
	}
	write(func(i int) ([]string, bool) {
		return []string{fmt.Sprintf("INSERT INTO tag (name) VALUES ('new %d')", i), "UPDATE jug SET amount = amount - 3", fmt.Sprintf("DELETE FROM tag WHERE name = 'new %d'", i-2), "UPDATE bowl SET amount = amount + 3"}, true
	})
	write(func(int) ([]string, bool) { return []string{"UPDATE sync_counter SET tick = tick + 1"}, true })
}

// alikeTables are tables that all readers see alike.
var alikeTables = []string{"contact", "organization", "tag"}

// hashes are what each reader sees of the tables that all see alike.
func (c *company) hashes(d *Dump) []string {
	c.Helper()
	out, errs := make([]string, len(d.readers)), make([]error, len(d.readers))
	var group sync.WaitGroup
	for r := range out {
		group.Go(func() {
			all := sha256.New()
			for _, name := range alikeTables {
				t := c.table(d, name)
				err := d.Rows(c.Context(), r, t, func(v []any) error { _, err := io.WriteString(all, line(t, v)); return err })
				errs[r] = errors.Join(errs[r], err)
			}
			out[r] = fmt.Sprintf("%x", all.Sum(nil))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatal(err)
	}
	return out
}

// sum adds up the amounts of a table as the first reader sees them.
func (c *company) sum(d *Dump, name string) int64 {
	c.Helper()
	total := int64(0)
	if err := d.Rows(c.Context(), 0, c.table(d, name), func(v []any) error { total += v[1].(int64); return nil }); err != nil {
		c.Fatal(err)
	}
	return total
}

// TestReadersOfADumpAgree has readers begin again and again while many write:
// whatever they hold to be one moment is one, by the rows of whole tables, and
// what is not noted is the first reader's alone and agrees with itself.
func TestReadersOfADumpAgree(t *testing.T) {
	for name, options := range map[string][]servertest.Option{"no log": nil, "with a log": {servertest.Binlog()}} {
		t.Run(name, func(t *testing.T) {
			c := companyOn(t, servertest.Start(t, options...), "crm")
			c.crowd()
			flushed := c.one(flushesSQL)
			d := c.dump(3)
			if i := d.Info(); i.Method != methodSame || i.Readers != 3 || strings.HasPrefix(i.GTID, "0-1-") != (options != nil) {
				t.Fatalf("info %+v", i)
			}
			moments := map[string]bool{}
			const pairs = 60
			for range pairs {
				if same, err := d.align(t.Context()); !same || err != nil {
					t.Fatalf("aligned %v, %v", same, err)
				}
				got := c.hashes(d)
				for r := range got {
					if got[r] != got[0] {
						t.Errorf("reader %d sees something else than the first one", r)
					}
				}
				moments[got[0]] = true
				if total := c.sum(d, "jug") + c.sum(d, "bowl"); total != 10000 {
					t.Errorf("%d in jugs and bowls together", total)
				}
			}
			if len(moments) < pairs/4 {
				t.Errorf("only %d moments in %d looks: too few wrote", len(moments), pairs)
			}
			if err := d.Rows(t.Context(), 1, c.table(d, "jug"), nil); err == nil {
				t.Error("the second reader reads what nobody notes")
			}
			if got := c.one(flushesSQL); got != flushed {
				t.Errorf("%s flushes and locks of tables, and not %s", got, flushed)
			}
		})
	}
}

// flushesSQL counts what makes writers of a whole server wait.
const flushesSQL = "SELECT SUM(variable_value) FROM information_schema.global_status WHERE variable_name IN ('COM_FLUSH', 'COM_LOCK_TABLES', 'COM_BACKUP', 'COM_BACKUP_LOCK')"

// TestAlignedMoments holds that a single transaction or run of the sequencer
// that readers do not see alike keeps them from being taken for aligned.
func TestAlignedMoments(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	d := c.dump(2)
	look := func() []dumpMoment {
		t.Helper()
		seen, err := d.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	if seen := look(); !aligned(seen) {
		t.Errorf("while nobody writes: %q", seen)
	}
	for _, q := range []string{"INSERT INTO contact (last_name) VALUES ('Keller')", "UPDATE contact SET notes = 'x'", "DELETE FROM contact LIMIT 1",
		"UPDATE sync_counter SET tick = tick + 1", "UPDATE sync_meta SET min_seq = min_seq + 1"} {
		before := look()
		c.sql(q)
		after := look()
		if aligned([]dumpMoment{before[0], before[1], after[2]}) || aligned([]dumpMoment{after[0], after[1], before[2]}) {
			t.Errorf("a reader from before and one from after %q: %q, %q", q, before, after)
		}
		if strings.Contains(q, "tick") && aligned([]dumpMoment{before[0], after[1], after[2]}) {
			t.Error("readers see a run that may have ended while they began")
		}
	}
}

// TestReadersWithoutASight holds that one reader goes on where the account may
// not read what tells whether several are aligned, or not see the triggers.
func TestReadersWithoutASight(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('Meier')")
	var grants []string
	for _, name := range strings.Fields(c.one("SELECT GROUP_CONCAT(table_name SEPARATOR ' ') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'sync_outbox'")) {
		grants = append(grants, "GRANT SELECT, TRIGGER ON "+name+" TO few@'127.0.0.1'")
	}
	for name, rights := range map[string][]string{"the outbox": grants, "the triggers": {"GRANT SELECT ON " + c.database + ".* TO few@'127.0.0.1'"}} {
		c.sql(append([]string{"CREATE OR REPLACE USER few@'127.0.0.1' IDENTIFIED BY 'p'"}, rights...)...)
		t.Cleanup(func() { c.server.SQL(t, "", "DROP USER IF EXISTS few@'127.0.0.1'") })
		c.url = c.server.URLFor("few", "p", c.database)
		d := c.dump(3)
		if i := d.Info(); i.Method != methodOne || i.Readers != 1 || len(c.read(d, 0, "contact")) != 1 {
			t.Errorf("without %s %+v", name, i)
		}
	}
}
