package sync_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"rapport/db/mysql"
	"rapport/db/mysql/servertest"
	"rapport/model"
)

// state is what a backup of a central holds, in memory.
type state struct {
	info   mysql.DumpInfo
	tables []mysql.RestoreTable
	rows   map[string][][]any
}

func (s *state) Tables() []mysql.RestoreTable { return s.tables }

func (s *state) Rows(_ context.Context, table string, row func([]any) error) error {
	for _, v := range s.rows[table] {
		if err := row(v); err != nil {
			return err
		}
	}
	return nil
}

// backup reads the present state of a central.
func backup(t *testing.T, c *central) *state {
	t.Helper()
	d, err := mysql.OpenDump(t.Context(), c.url, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := &state{info: d.Info(), rows: map[string][][]any{}}
	for _, tb := range d.Tables() {
		if err := d.Rows(t.Context(), 0, tb, func(v []any) error {
			row := slices.Clone(v)
			for i, x := range row {
				if b, ok := x.([]byte); ok {
					row[i] = slices.Clone(b)
				}
			}
			s.rows[tb.Name] = append(s.rows[tb.Name], row)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.tables = append(s.tables, mysql.RestoreTable{Name: tb.Name, Columns: tb.Columns, Types: tb.Types, Key: tb.Key, Definition: tb.Definition, Rows: int64(len(s.rows[tb.Name]))})
	}
	return s
}

// restoreBackup puts a state in the place of what the central has. meanwhile is
// called before anybody sees it.
func restoreBackup(t *testing.T, c *central, s *state, nouns []model.Noun, meanwhile func()) mysql.Restored {
	t.Helper()
	out, err := mysql.Restore(t.Context(), c.url, s, mysql.Restoring{Backup: "a backup", Epoch: s.info.Epoch, At: s.info.At, Position: s.info.Position, Nouns: nouns,
		Erase: func(context.Context, *mysql.Loaded) error {
			if meanwhile != nil {
				meanwhile()
			}
			return nil
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// T60: an administrator restores the central by Rapport while two laptops have
// later positions and unsent edits. They are told why they cannot sync
// meanwhile; then they offer what was lost, nobody gets a row twice, and no
// position is given twice.
func TestT60RestoredByRapport(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a, b := newHome(t, "ann", url), newHome(t, "ann", url)
		old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
		gone := a.save(t, "contact", "", map[string]any{"last_name": "gone"})
		a.sync(t)
		b.sync(t)
		s := backup(t, c)
		a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
		if err := a.Delete(t.Context(), "contact", gone.ID); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprint("of a", i)})
		}
		a.sync(t)
		b.save(t, "contact", "", map[string]any{"last_name": "of b"})
		b.sync(t)
		before, err := b.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.save(t, "contact", old.ID, map[string]any{"department": "unsent"})
		b.save(t, "contact", "", map[string]any{"last_name": "unsent"})
		out := restoreBackup(t, c, s, nil, func() {
			for _, h := range []*home{a, b} {
				_, err := h.try(t)
				tells(t, err, model.Unreachable)
				if err.Error() == "" || len(h.pending(t)) != 1 {
					t.Errorf("%v, and %d records wait", err, len(h.pending(t)))
				}
			}
		})
		if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "gone,old1" {
			t.Fatalf("restored %s", got)
		}
		a.sync(t)
		b.sync(t)
		after, err := b.Position(t.Context())
		if err != nil || after.Epoch != out.Epoch || after.Seq < before.Seq+1_000_000 {
			t.Errorf("%+v after %+v, %v", after, before, err)
		}
		converge(t, c, a, b)
		if got := c.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, ''), COALESCE(department, '') ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != "of a0,of a1,of a2,of b,old2unsent,unsent" {
			t.Errorf("on the server: %s", got)
		}
		for _, h := range []*home{a, b} {
			if n := len(h.conflicts(t)); n > 0 {
				t.Errorf("%s has %d conflicts", h.me, n)
			}
		}
	})
}

// T61, T64: others write to the restored central before the laptops come, of
// which one was away since before the backup.
func TestT61RestoredByRapportAndWrittenTo(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
	a.sync(t)
	b.sync(t)
	a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
	a.sync(t)
	s := backup(t, c)
	a.save(t, "contact", "", map[string]any{"last_name": "lost"})
	a.sync(t)
	b.save(t, "contact", old.ID, map[string]any{"department": "away"})
	restoreBackup(t, c, s, nil, nil)
	c.exec(t, "INSERT INTO contact (last_name) SELECT CONCAT('later', seq) FROM seq_1_to_200")
	c.exec(t, "UPDATE contact SET salutation = 'Dr' WHERE last_name = 'old'")
	b.sync(t)
	a.sync(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT CONCAT_WS(' ', COUNT(*), SUM(last_name = 'lost'), MAX(CONCAT(salutation, job_title, department))) FROM contact"); got != "202 1 Dr2away" {
		t.Errorf("on the server: %s", got)
	}
	if _, err := mysql.UndoRestore(t.Context(), c.url, false, nil, nil); err != nil {
		t.Fatal(err)
	}
	a.sync(t)
	b.sync(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT CONCAT_WS(' ', COUNT(*), SUM(last_name = 'lost'), MAX(CONCAT(salutation, job_title, department))) FROM contact"); got != "202 1 Dr2away" {
		t.Errorf("after the restore was undone: %s", got)
	}
}

// T60: only one table is restored. What laptops have of it they offer again, and
// the other tables feel nothing, also when it is undone.
func TestT60RestoredTable(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
	org := a.save(t, "organization", "", map[string]any{"name": "1"})
	a.sync(t)
	b.sync(t)
	s := backup(t, c)
	a.save(t, "organization", org.ID, map[string]any{"name": "2"})
	a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
	a.save(t, "contact", "", map[string]any{"last_name": "lost"})
	a.sync(t)
	b.save(t, "organization", org.ID, map[string]any{"domain": "unsent.example"})
	restoreBackup(t, c, s, []model.Noun{"contact"}, nil)
	if got := c.value(t, "SELECT CONCAT((SELECT GROUP_CONCAT(last_name, job_title) FROM contact), (SELECT name FROM organization))"); got != "old12" {
		t.Fatalf("restored %s", got)
	}
	a.sync(t)
	b.sync(t)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact), (SELECT CONCAT(name, domain) FROM organization))"); got != "lost,old2 2unsent.example" {
		t.Errorf("on the server: %s", got)
	}
	a.save(t, "contact", old.ID, map[string]any{"department": "entered"})
	a.save(t, "organization", org.ID, map[string]any{"name": "3"})
	a.sync(t)
	undoRestore(t, c)
	if got := c.value(t, "SELECT CONCAT_WS(' ', (SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact), (SELECT CONCAT(name, domain) FROM organization))"); got != "lost,old 2 entered 3unsent.example" {
		t.Errorf("after the undo: %s", got)
	}
	b.sync(t)
	converge(t, c, a, b)
}

// T60, T30: the server is gone, and a backup goes into another one, a cold
// standby. Laptops that are pointed to it offer what it lacks, and refuse the
// former server when that comes back.
func TestT60ColdStandby(t *testing.T) {
	c := newCentral(t)
	a, b := newHome(t, "ann", c.url), newHome(t, "bob", c.url)
	old := a.save(t, "contact", "", map[string]any{"last_name": "old", "job_title": "1"})
	a.sync(t)
	b.sync(t)
	s := backup(t, c)
	a.save(t, "contact", old.ID, map[string]any{"job_title": "2"})
	b.save(t, "contact", "", map[string]any{"last_name": "lost"})
	a.sync(t)
	b.sync(t)
	a.save(t, "contact", "", map[string]any{"last_name": "unsent"})

	srv := servertest.Shared(t)
	cold := &central{url: srv.URL(c.name + "_cold"), name: c.name + "_cold"}
	t.Cleanup(func() { c.DB.Exec("DROP DATABASE IF EXISTS " + cold.name) })
	if _, err := mysql.Restore(t.Context(), cold.url, s, mysql.Restoring{Epoch: s.info.Epoch, At: s.info.At, Position: s.info.Position, Term: 1}, nil); err != nil {
		t.Fatal(err)
	}
	cold.DB = srv.DB(cold.name)
	defer cold.DB.Close()
	a.url, b.url = asPerson(t, a.me, cold.url), asPerson(t, b.me, cold.url)
	a.sync(t)
	b.sync(t)
	converge(t, cold, a, b)
	if got := cold.value(t, "SELECT GROUP_CONCAT(last_name, COALESCE(job_title, '') ORDER BY last_name) FROM contact"); got != "lost,old2,unsent" {
		t.Errorf("on the cold standby: %s", got)
	}
	a.save(t, "contact", old.ID, map[string]any{"job_title": "3"})
	a.url = asPerson(t, a.me, c.url)
	_, err := a.try(t)
	tells(t, err, model.Unreachable)
	if got := c.value(t, "SELECT MAX(job_title) FROM contact"); got != "2" {
		t.Errorf("the former server was given %s", got)
	}
}
