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

// plans holds that a plan counts what differs between two states.
func (c *company) plans(then, now *taken) {
	c.Helper()
	plan, err := PlanRestore(c.Context(), c.url, then, then.asked, nil)
	if err != nil {
		c.Fatal(err)
	}
	if plan.Fresh || plan.Position != then.asked.Position || plan.Head < plan.Position || plan.Lost == 0 || plan.Estimate == 0 {
		c.Errorf("the plan tells %+v", plan)
	}
	index := func(s *taken, t RestoreTable) map[string]string {
		out := map[string]string{}
		for _, row := range s.rows[t.Name] {
			var key []any
			for _, k := range t.Key {
				key = append(key, row[slices.Index(t.Columns, k)])
			}
			out[fmt.Sprintf("%s", key)] = fmt.Sprintf("%s", row[:len(t.Columns)])
		}
		return out
	}
	planned := map[string]model.RestoreTable{}
	for _, t := range plan.Tables {
		planned[t.Table] = t
	}
	changes := int64(0)
	for _, t := range then.tables {
		if kept(t.Name) || slices.Contains(positionTables, t.Name) || slices.Contains(historyTables, t.Name) || t.Name == "contact" {
			continue // contacts have a column more now
		}
		want := model.RestoreTable{Table: t.Name, Rows: int64(len(then.rows[t.Name]))}
		a, b := index(then, t), index(now, t)
		for k, row := range a {
			if other, there := b[k]; !there {
				want.Inserts++
			} else if row != other {
				want.Updates++
			}
		}
		for k := range b {
			if _, there := a[k]; !there {
				want.Deletes++
			}
		}
		got := planned[t.Name]
		samples := got.Samples
		if got.Samples = nil; fmt.Sprint(got) != fmt.Sprint(want) {
			c.Errorf("the plan tells %+v, it is %+v", got, want)
		}
		if n := want.Inserts + want.Updates + want.Deletes; int64(len(samples)) != min(n, planSamples) {
			c.Errorf("%d samples of %d rows of %s", len(samples), n, t.Name)
		}
		changes += want.Inserts + want.Updates + want.Deletes
	}
	if changes == 0 {
		c.Error("nothing differs")
	}
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
	c.plans(s, changed)
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
	c.sql("UPDATE contact SET legacy=NULL")
	if got := c.one("SELECT GROUP_CONCAT(legacy) FROM contact"); got != "für dich,für dich" {
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

	// What was replaced goes when it has been kept for long enough.
	c.sql("UPDATE sync_restore SET ended_at=ended_at-INTERVAL 29 DAY")
	left := "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name LIKE 'contact\\_replaced\\_%'"
	if _, err := Sweep(t.Context(), c.url, model.KeepDeleted); err != nil || c.one(left) != "2" { // and what the restore brought in columns of others
		t.Errorf("%s tables stay after a sweep, %v", c.one(left), err)
	}
	c.sql("UPDATE sync_restore SET ended_at=ended_at-INTERVAL 2 DAY")
	if _, err := Sweep(t.Context(), c.url, model.KeepDeleted); err != nil || c.one(left) != "0" {
		t.Errorf("%s tables stay after a later sweep, %v", c.one(left), err)
	}
	if _, err := UndoRestore(t.Context(), c.url, false, nil, nil); model.KindOf(err) != model.NotFound {
		t.Errorf("there is something to undo: %v", err)
	}
}

// TestRestoreOfOneTable replaces a record's table with its parts, and nothing
// else. What others refer to stays.
func TestRestoreOfOneTable(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a'),(UNHEX(MD5('b')),'b')",
		"INSERT INTO deal (id,name,contact_id) VALUES (UNHEX(MD5('d')),'d',UNHEX(MD5('a')))",
		"INSERT INTO organization (id,name) VALUES (UNHEX(MD5('o')),'o')", "INSERT INTO address (street,contact_id) VALUES ('of a',UNHEX(MD5('a')))", "INSERT INTO address (street,organization_id) VALUES ('of o',UNHEX(MD5('o')))")
	s := c.take()
	c.sql("UPDATE address SET street=CONCAT('now ',street)")
	c.sql("UPDATE contact SET last_name='changed'", "INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('n')),'needed'),(UNHEX(MD5('x')),'not needed')",
		"UPDATE deal SET name='stays',contact_id=UNHEX(MD5('n'))")
	out := c.restore(s, func(r *Restoring) { r.Nouns = []model.Noun{"contact"} })
	if slices.Contains(out.Tables, "deal") || !slices.Contains(out.Tables, "contact") || len(out.Kept) != len(out.Tables) {
		t.Errorf("restored %v and kept %v", out.Tables, out.Kept)
	}
	if got := c.one("SELECT GROUP_CONCAT(last_name ORDER BY last_name) FROM contact"); got != "a,b,needed" {
		t.Errorf("contacts %s", got)
	}
	if got := c.one("SELECT GROUP_CONCAT(street ORDER BY street) FROM address"); got != "now of o,of a" {
		t.Errorf("addresses %s", got)
	}
	if got := c.one("SELECT CONCAT(name,HEX(contact_id)) FROM deal"); got != c.one("SELECT CONCAT('stays',UPPER(MD5('n')))") {
		t.Errorf("the deal is %s", got)
	}
	c.whole()
	if _, err := UndoRestore(t.Context(), c.url, false, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := c.one("SELECT GROUP_CONCAT(last_name ORDER BY last_name) FROM contact"); got != "changed,changed,needed,not needed" {
		t.Errorf("contacts after the undo: %s", got)
	}
	c.whole()

	c.sql("UPDATE deal SET contact_id=UNHEX(MD5('b'))", "DELETE FROM contact WHERE last_name='needed'")
	late := c.take()
	c.sql("UPDATE deal SET contact_id=NULL", "DELETE FROM contact WHERE id=UNHEX(MD5('b'))")
	_, err := Restore(t.Context(), c.url, late, Restoring{Nouns: []model.Noun{"deal"}}, nil)
	if model.KindOf(err) != model.Refused || !strings.Contains(err.Error(), "contact") {
		t.Errorf("a deal of nobody: %v", err)
	}
	c.whole()
}

// TestRestoreWhileItRuns: nobody gets anything in meanwhile, a client is told
// why in one sentence, and what was erased is out before anybody can look. A
// restore that fails leaves everything as it was.
func TestRestoreWhileItRuns(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a'),(UNHEX(MD5('b')),'forgotten')")
	s := c.take()
	c.sql("DELETE FROM contact WHERE last_name='forgotten'", "UPDATE contact SET last_name='now'")
	looked := false
	s.asked.Erase = func(ctx context.Context, l *Loaded) error {
		looked = true
		central := c.dial()
		head, err := central.Poll(ctx, model.Device{}, model.Position{})
		if err != nil || head.Epoch != model.EpochRestoring {
			t.Errorf("a poll tells %+v, %v", head.Position, err)
		}
		_, err = central.Push(ctx, c.batch(insert("contact", c.ids.New(), map[string]any{"last_name": "late"})), model.Position{})
		if model.KindOf(err) != model.Unreachable || !strings.Contains(err.Error(), model.RestoringNow) {
			t.Errorf("a push tells %v", err)
		}
		if got := c.one("SELECT last_name FROM contact"); got != "now" {
			t.Errorf("somebody sees %s", got)
		}
		if _, err := Restore(ctx, c.url, s, s.asked, nil); model.KindOf(err) != model.Locked {
			t.Errorf("a second restore: %v", err)
		}
		if found, err := l.Lines(ctx, "SELECT last_name FROM "+ident(l.Name("contact"))+" ORDER BY last_name"); err != nil || !slices.Equal(found, []string{"a", "forgotten"}) {
			t.Errorf("loaded %v, %v", found, err)
		}
		return l.Run(ctx, "DELETE FROM "+ident(l.Name("contact"))+" WHERE last_name='forgotten'")
	}
	out := c.restore(s)
	if got := c.one("SELECT GROUP_CONCAT(last_name) FROM contact"); got != "a" || !looked {
		t.Errorf("restored %s", got)
	}
	c.whole()

	epoch := out.Epoch
	s.asked.Erase = func(context.Context, *Loaded) error { return model.Errorf(model.Invalid, "no") }
	if _, err := Restore(t.Context(), c.url, s, s.asked, nil); model.KindOf(err) != model.Invalid {
		t.Errorf("what failed tells %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.asked.Erase = func(ctx context.Context, l *Loaded) error { cancel(); return l.Run(ctx, "DO SLEEP(9)") }
	if _, err := Restore(ctx, c.url, s, s.asked, nil); model.KindOf(err) != model.Interrupted {
		t.Errorf("what was stopped tells %v", err)
	}
	if got := c.one("SELECT epoch FROM sync_meta"); got != epoch {
		t.Errorf("the central is %s after it was stopped, it was %s", got, epoch)
	}
	s.asked.Erase = nil
	s.rows["contact"][0] = append(slices.Clone(s.rows["contact"][0]), "one too many")
	if _, err := Restore(t.Context(), c.url, s, s.asked, nil); model.KindOf(err) != model.Corrupt {
		t.Errorf("a damaged row tells %v", err)
	}
	if got := c.one("SELECT epoch FROM sync_meta"); got != epoch {
		t.Errorf("the central is %s, it was %s", got, epoch)
	}
	c.whole()
}

// TestDefinitionsAreTakenApart: what comes out of an archive ends no statement.
func TestDefinitionsAreTakenApart(t *testing.T) {
	for _, bad := range []string{
		"DROP TABLE contact", "CREATE TABLE `a` (`b` int; DROP TABLE `contact`)", "CREATE TABLE `a` (`b` int", "CREATE TABLE `a` (`b` int -- x\n)",
		"CREATE TABLE `a` (`b` int /*! ) ; DROP TABLE c */)", "CREATE TABLE `a` (`b` int COMMENT 'x)", "CREATE TABLE `a` (SELECT * FROM contact)",
	} {
		if d, err := parseDefinition(bad); model.KindOf(err) != model.Corrupt {
			t.Errorf("%s is read as %+v", bad, d)
		}
	}
	d, err := parseDefinition("CREATE TABLE `a``b` (\n  `c` varchar(9) DEFAULT ');(' COMMENT 'it''s, \\'so\\'',\n  PRIMARY KEY (`c`),\n  KEY `k` (`c`(3))\n) ENGINE=Aria DEFAULT CHARSET=latin1 COLLATE=latin1_bin COMMENT='ENGINE=x; it''s' DATA DIRECTORY='/etc'")
	if err != nil {
		t.Fatal(err)
	}
	create, later := d.bare("m", true, false, func(s string) string { return s })
	if want := "CREATE TABLE `m` (\n  `c` varchar(9) DEFAULT ');(' COMMENT 'it''s, \\'so\\'',\n  PRIMARY KEY (`c`)\n) ENGINE=InnoDB DEFAULT CHARACTER SET latin1 COLLATE latin1_bin COMMENT='ENGINE=x; it''s'"; create != want || d.name != "a`b" {
		t.Errorf("it is made by %s", create)
	}
	if !slices.Equal(later, []string{"KEY `k` (`c`(3))"}) {
		t.Errorf("later %q", later)
	}
}
