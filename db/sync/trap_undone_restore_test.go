package sync_test

import (
	"testing"

	"rapport/db/mysql"
	"rapport/model"
)

// undoRestore puts back what the last restore of a central replaced.
func undoRestore(t *testing.T, c *central) {
	t.Helper()
	if _, err := mysql.UndoRestore(t.Context(), c.url, false, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// T60: a restore is undone after laptops have met the restored central. Records
// that other programs had removed, and that the restore brought back, are removed
// again on everybody's laptop; what people entered on the restored central stays,
// also on such records; and what the central had before the restore is as it was. The undoing can be
// undone in its turn.
func TestT60UndoneAfterLaptopsMetIt(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a, b, away := newHome(t, "ann", url), newHome(t, "bob", c.url), newHome(t, "away", c.url)
		removed := a.save(t, "contact", "", map[string]any{"last_name": "removed", "phone": []*model.Record{phone(t, "+41446681800")}})
		revived := a.save(t, "contact", "", map[string]any{"last_name": "revived", "phone": []*model.Record{phone(t, "+41446681801")}})
		changed := a.save(t, "contact", "", map[string]any{"last_name": "changed", "job_title": "1", "department": "1"})
		deleted := a.save(t, "contact", "", map[string]any{"last_name": "deleted"})
		deal := a.save(t, "deal", "", map[string]any{"name": "d", "amount": model.Money{Minor: 100, Currency: "EUR"}})
		both(t, a, b)
		away.sync(t)
		s := backup(t, c)
		for range 3 {
			c.exec(t, "UPDATE contact SET job_title = COALESCE(job_title, 1) + 1 WHERE last_name = 'changed'")
		}
		c.exec(t, "DELETE p FROM contact_method p JOIN contact r ON r.id = p.contact_id WHERE r.last_name IN ('removed', 'revived')")
		c.exec(t, "DELETE FROM contact WHERE last_name IN ('removed', 'revived')")
		both(t, a, b)
		for _, r := range []*model.Record{removed, revived} {
			if !a.inBinOf(t, r) {
				t.Fatal("the removal did not reach ann")
			}
		}
		restoreBackup(t, c, s, nil, nil)
		both(t, a, b)
		if a.inBinOf(t, removed) {
			t.Fatal("the restore did not reach ann")
		}
		a.save(t, "contact", changed.ID, map[string]any{"department": "2"})
		b.save(t, "contact", revived.ID, map[string]any{"department": "entered"})
		a.save(t, "contact", "", map[string]any{"last_name": "new", "phone": []*model.Record{phone(t, "+41446681802")}})
		if err := b.Delete(t.Context(), "contact", deleted.ID); err != nil {
			t.Fatal(err)
		}
		both(t, a, b)
		c.exec(t, "INSERT INTO contact (last_name) VALUES ('of a program')")
		a.save(t, "deal", deal.ID, map[string]any{"amount": model.Money{Minor: 300, Currency: "EUR"}})
		a.sync(t)
		b.save(t, "contact", changed.ID, map[string]any{"status": "unsent"})
		undoRestore(t, c)
		want := "changed 4 2,new,of a program,revived entered"
		if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department) ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != want {
			t.Fatalf("after the undo: %s, want %s", got, want)
		}
		for _, h := range []*home{b, a, away} {
			h.sync(t)
		}
		converge(t, c, a, b, away)
		if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, job_title, department, status) ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != "changed 4 2 unsent,new,of a program,revived entered" {
			t.Errorf("in the end: %s", got)
		}
		if got := c.value(t, "SELECT CONCAT((SELECT GROUP_CONCAT(value ORDER BY value) FROM contact_method), ' ', (SELECT amount_minor FROM deal))"); got != "+41446681801,+41446681802 300" {
			t.Errorf("phones and the amount: %s", got)
		}
		for _, h := range []*home{a, b} {
			if n := len(h.conflicts(t)); n > 0 {
				t.Errorf("%s is asked about %d records", h.me, n)
			}
		}
		if by := c.value(t, "SELECT CONCAT(person, action) FROM sync_audit WHERE tbl = 'contact' AND changes LIKE '%\"entered\"%'"); by != "rootupdate" {
			t.Errorf("the history tells of what was entered: %s", by)
		}
		undoRestore(t, c)
		converge(t, c, a, b, away)
		for _, r := range []*model.Record{removed, revived} {
			alive(t, c, "contact", r.ID, a, b, away)
		}
	})
}

// T60: the same with a column that the administrator added and another program
// fills. What that wrote on the restored central stays; what it had written before
// comes back, also on a record that a laptop offered again without it.
func TestT60UndoneWithColumnsOfOthers(t *testing.T) {
	c, a, b := two(t)
	c.exec(t, "ALTER TABLE contact ADD COLUMN legacy VARCHAR(20) NULL")
	for _, name := range []string{"early", "written", "removed"} {
		a.save(t, "contact", "", map[string]any{"last_name": name})
	}
	both(t, a, b)
	s := backup(t, c)
	a.save(t, "contact", "", map[string]any{"last_name": "offered"})
	both(t, a, b)
	c.exec(t, "UPDATE contact SET legacy = CONCAT('of ', last_name)")
	c.exec(t, "DELETE FROM contact WHERE last_name = 'removed'")
	both(t, a, b)
	restoreBackup(t, c, s, nil, nil)
	both(t, a, b)
	c.exec(t, "UPDATE contact SET legacy = 'since' WHERE last_name IN ('written', 'removed')")
	undoRestore(t, c)
	both(t, a, b)
	converge(t, c, a, b)
	if got := c.value(t, "SELECT GROUP_CONCAT(CONCAT_WS(' ', last_name, legacy) ORDER BY last_name) FROM contact WHERE deleted_at IS NULL"); got != "early of early,offered of offered,removed since,written since" {
		t.Errorf("in the end: %s", got)
	}
}
