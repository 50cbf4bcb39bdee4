package backup

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql"
	"rapport/model"
)

// TestMomentsBeforeTheOldestBackup records what a central holds at moments before
// its first backup. Each comes back out of that backup's history, and what cannot
// is refused with the earliest moment, which the list of backups tells as well.
func TestMomentsBeforeTheOldestBackup(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE TABLE mine (a VARCHAR(10) PRIMARY KEY, b BIGINT, c DECIMAL(40,10), d BIGINT UNSIGNED)", "INSERT INTO contact (last_name) VALUES ('a'), ('b'), ('c')")
	r := rand.New(rand.NewPCG(5, 1))
	type moment struct {
		at   time.Time
		seq  int64
		sums map[string]tableSum
	}
	var moments []moment
	for i := range 8 {
		c.edit(r)
		c.edit(r)
		c.sql("INSERT INTO deal (id,name,amount_minor) VALUES (UNHEX(MD5('d')),'1 🦆',1.25) ON DUPLICATE KEY UPDATE amount_minor=amount_minor+1,close_date=NULL")
		if i%4 == 2 {
			c.sql("DELETE FROM deal")
		}
		at := c.clock()
		m := moment{at: at, sums: c.sums()}
		if err := c.db.QueryRow("SELECT seq FROM sync_counter").Scan(&m.seq); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, m)
	}
	info := c.create(model.BackupFull)
	b := c.restorer()
	for i, m := range moments {
		for _, req := range []model.RestoreRequest{{At: m.at}, {Position: m.seq}} {
			plan, err := b.centralRestore(t.Context(), req, nil)
			if err != nil {
				t.Fatalf("moment %d: %v", i, err)
			}
			if plan.asked.Position > m.seq || req.Position != 0 && plan.asked.Position != m.seq {
				t.Errorf("moment %d is position %d, it was %d", i, plan.asked.Position, m.seq)
			}
			if i < len(moments)-1 && !strings.Contains(strings.Join(plan.state.notes, "\n"), "told by its history") {
				t.Errorf("moment %d: the notes are %q", i, plan.state.notes)
			}
			for name, sum := range stateSums(t, plan.state) {
				if name != "mine" && !strings.HasPrefix(name, "sync_") && sum != m.sums[name] {
					t.Errorf("moment %d (%+v): %s is %v, it was %v", i, req, name, sum, m.sums[name])
				}
			}
		}
	}
	if info.Reaches.IsZero() || info.Reaches.After(moments[0].at) {
		t.Errorf("the backup reaches back to %s, the first moment is %s", info.Reaches, moments[0].at)
	}
	if _, err := b.centralRestore(t.Context(), model.RestoreRequest{At: info.Reaches}, nil); err != nil {
		t.Errorf("the earliest moment: %v", err)
	}
	_, err := b.centralRestore(t.Context(), model.RestoreRequest{At: info.Reaches.Add(-time.Millisecond)}, nil)
	if model.KindOf(err) != model.NotFound || !strings.Contains(err.Error(), info.Reaches.Format(time.DateTime)) {
		t.Errorf("before it: %v", err)
	}
}

// TestTableReplacedUnseen: a table is emptied and filled again between two
// backups, or changed while its triggers are away. The increment holds it whole,
// though nobody told, and reads as the table is.
func TestTableReplacedUnseen(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')", "INSERT INTO organization (name) VALUES ('o')")
	c.create(model.BackupFull)
	unseen := func(what string, replace func()) {
		t.Helper()
		replace()
		info := c.create(model.BackupIncremental)
		if !strings.Contains(info.Note, "held whole: contact") || strings.Contains(info.Note, "organization") {
			t.Errorf("%s: the note is %q", what, info.Note)
		}
		list, err := entries(t.Context(), c.store, pins{})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := openChain(t.Context(), c.store, keys{}, list, list[0])
		if err != nil {
			t.Fatal(err)
		}
		want := c.sums()["contact"]
		if got := stateSums(t, &centralState{base: chain})["contact"]; got != want {
			t.Errorf("%s: the backup has %v, the table %v", what, got, want)
		}
		if next := c.create(model.BackupIncremental); next.Note != "" {
			t.Errorf("%s: the backup after it notes %q", what, next.Note)
		}
	}
	unseen("truncated", func() {
		conn, err := c.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, q := range []string{"SET foreign_key_checks = 0", "TRUNCATE contact", "INSERT INTO contact (last_name) VALUES ('c')", "SET foreign_key_checks = 1"} {
			if _, err := conn.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
	})
	unseen("without triggers", func() {
		c.sql("DROP TRIGGER contact_after_update", "UPDATE contact SET last_name = 'd'")
		if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
			t.Fatal(err)
		}
	})
}
