package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rapport/model"
)

// dumpSource is a moment of a central as what a restore reads.
type dumpSource struct{ *Dump }

func (d dumpSource) Tables() []RestoreTable {
	var out []RestoreTable
	for _, t := range d.Dump.Tables() {
		out = append(out, RestoreTable{Name: t.Name, Columns: t.Columns, Types: t.Types, Key: t.Key, Definition: t.Definition, Rows: t.rows})
	}
	return out
}

func (d dumpSource) Rows(ctx context.Context, table string, row func([]any) error) error {
	for _, t := range d.Dump.Tables() {
		if t.Name == table {
			return d.Dump.Rows(ctx, 0, t, row)
		}
	}
	return fmt.Errorf("no table %s", table)
}

// taken is a state that was read whole.
type taken struct {
	tables []RestoreTable
	rows   map[string][][]any
	asked  Restoring
}

// take reads the present state of a central, as a backup does.
func (c *company) take() *taken {
	c.Helper()
	d, err := OpenDump(c.Context(), c.url, 1, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer d.Close()
	i := d.Info()
	s := &taken{tables: dumpSource{d}.Tables(), rows: map[string][][]any{}, asked: Restoring{Backup: "a backup", Epoch: i.Epoch, At: i.At, Position: i.Position, Term: 1}}
	for n, t := range s.tables {
		err := dumpSource{d}.Rows(c.Context(), t.Name, func(v []any) error {
			row := slices.Clone(v)
			for i, x := range row {
				if b, ok := x.([]byte); ok {
					row[i] = slices.Clone(b)
				}
			}
			s.rows[t.Name] = append(s.rows[t.Name], row)
			return nil
		})
		if err != nil {
			c.Fatal(err)
		}
		s.tables[n].Rows = int64(len(s.rows[t.Name]))
	}
	return s
}

func (s *taken) Tables() []RestoreTable { return s.tables }

func (s *taken) Rows(_ context.Context, table string, row func([]any) error) error {
	for _, v := range s.rows[table] {
		if err := row(v); err != nil {
			return err
		}
	}
	return nil
}

// restore restores a state and must succeed.
func (c *company) restore(s *taken, change ...func(*Restoring)) Restored {
	c.Helper()
	asked := s.asked
	for _, f := range change {
		f(&asked)
	}
	out, err := Restore(c.Context(), c.url, s, asked, nil)
	if err != nil {
		c.Fatalf("restore: %v", err)
	}
	return out
}

// holds holds that the tables have exactly the rows of a state, and that the
// central is whole.
func (c *company) holds(s *taken) {
	c.Helper()
	now := c.take()
	for _, t := range s.tables {
		if kept(t.Name) || slices.Contains(positionTables, t.Name) || slices.Contains(historyTables, t.Name) {
			continue
		}
		if got, want := fmt.Sprintf("%s", now.rows[t.Name]), fmt.Sprintf("%s", s.rows[t.Name]); got != want {
			c.Errorf("%s\n  is   %.2000s\n  want %.2000s", t.Name, got, want)
		}
	}
	c.whole()
}

// whole holds that a central has everything that it had after it was made, and
// nothing that a restore leaves only while it works.
func (c *company) whole() {
	c.Helper()
	st, err := Status(c.Context(), c.url)
	if err != nil {
		c.Fatal(err)
	}
	for _, k := range st.Checks {
		if k.State == "fail" {
			c.Errorf("%+v", k)
		}
	}
	if st.Epoch == model.EpochRestoring {
		c.Error("the central is still closed")
	}
	if done, err := Migrate(c.Context(), c.url); err != nil || len(done) != 1 || !strings.Contains(done[0], "everything was there") {
		c.Errorf("a migration afterwards did %q, %v", done, err)
	}
	for _, q := range []string{
		"SELECT GROUP_CONCAT(trigger_name) FROM information_schema.triggers WHERE trigger_schema=DATABASE() AND (event_object_table LIKE '%\\_replaced\\_%' OR trigger_name LIKE '%\\_back' OR trigger_name='sync_push_restoring')",
		"SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE '%" + restoreSuffix + "'",
		"SELECT GROUP_CONCAT(table_name,'.',constraint_name) FROM information_schema.referential_constraints WHERE constraint_schema=DATABASE() AND (table_name LIKE '%\\_replaced\\_%' OR referenced_table_name LIKE '%\\_replaced\\_%' OR constraint_name LIKE '%\\_back')",
		"SELECT GROUP_CONCAT(id) FROM sync_restore WHERE state='begun'",
	} {
		if left := c.one(q); left != "NULL" {
			c.Errorf("left behind: %s", left)
		}
	}
	c.sql("INSERT INTO sync_push (client,batch,nonce,at) VALUES (REPEAT('x',16),1,'n',NOW())", "DELETE FROM sync_push WHERE nonce='n'")
}

// TestRestoreReplaces everything by an earlier state: rows that were changed,
// removed and added since, in every table, an administrator's own ones too.
func TestRestoreReplaces(t *testing.T) {
	c := newCompany(t)
	l := newLife(c, 3)
	l.fill(6)
	c.sql("CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b DOUBLE, c JSON, contact BINARY(16), FOREIGN KEY (contact) REFERENCES contact (id))",
		`INSERT INTO mine SELECT 'x', 0.1, '{"b":1}', MIN(id) FROM contact`,
		"ALTER TABLE contact ADD COLUMN legacy VARCHAR(20) CHARACTER SET latin1 NULL", "UPDATE contact SET legacy='für dich' LIMIT 2",
		"CREATE TRIGGER others BEFORE UPDATE ON contact FOR EACH ROW SET NEW.legacy=COALESCE(NEW.legacy,OLD.legacy)")
	c.refresh(model.ReportsRequest{})
	s := c.take()
	head := c.one("SELECT seq FROM sync_counter")
	for range 60 {
		l.step()
	}
	c.sql("UPDATE mine SET b=7", "ALTER TABLE contact ADD COLUMN later INT NULL")
	changed := c.take()
	out := c.restore(s)
	if got := c.one("SELECT CONCAT_WS(' ',epoch,parent_epoch,fork_seq) FROM sync_meta"); got != strings.Join([]string{out.Epoch, s.asked.Epoch, head}, " ") || out.Epoch == s.asked.Epoch {
		t.Errorf("the central is %s", got)
	}
	if got := c.one("SELECT seq-" + head + ">=1000000 FROM sync_counter"); got != "1" {
		t.Error("positions may be given twice")
	}
	c.sql("ALTER TABLE contact DROP COLUMN later")
	c.holds(s)
	c.sameReports()
	c.sql("UPDATE contact SET legacy=NULL,job_title='z' ORDER BY legacy DESC LIMIT 1")
	if got := c.one("SELECT MAX(legacy) FROM contact WHERE job_title='z'"); got != "für dich" {
		t.Errorf("another's trigger left %s", got)
	}

	undone, err := UndoRestore(t.Context(), c.url, false, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if undone.Parent != out.Epoch {
		t.Errorf("undone: %+v", undone)
	}
	c.holds(changed)
	c.sameReports()
}
