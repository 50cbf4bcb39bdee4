package mysql

import (
	"slices"
	"strings"
	"testing"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// TestUndoneInSilence: a server takes back the transaction of an administrator's
// command, in the middle of a request or where it commits, goes on as if nothing
// had happened and answers that all is well, as a Galera node may that has lost
// to another one. The command does all of it again, and half of it is never
// there.
func TestUndoneInSilence(t *testing.T) {
	for name, work := range map[string]struct {
		at     []string // statements before which the transaction is taken back
		before func(c *company)
		run    func(c *company)
	}{
		"refresh": {
			at: []string{"INSERT INTO report_state (", "COMMIT;"},
			before: func(c *company) {
				c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a')")
				c.refresh(model.ReportsRequest{})
				c.sql("UPDATE contact SET last_name='b'", "INSERT INTO deal (name,contact_id) VALUES ('d',UNHEX(MD5('a')))")
			},
			run: func(c *company) {
				if res := c.refresh(model.ReportsRequest{}); res.Changed != 2 {
					c.Errorf("%d rows changed, want 2", res.Changed)
				}
				c.sameReports()
			},
		},
		"report tables made anew": {
			at:     []string{";UPDATE report_state SET checked_at"},
			before: func(c *company) { c.sql("INSERT INTO contact (last_name) VALUES ('a')") },
			run: func(c *company) {
				c.refresh(model.ReportsRequest{})
				c.sameReports()
			},
		},
		"sweep": {
			at: []string{"DELETE FROM `contact` WHERE", "COMMIT;"},
			before: func(c *company) {
				c.sql("INSERT INTO contact (id,last_name,deleted_at) VALUES (UNHEX(MD5('a')),'a',UTC_TIMESTAMP(3)-INTERVAL 200 DAY)", "INSERT INTO contact_method (contact_id,kind,value) VALUES (UNHEX(MD5('a')),'email','a@example.com')")
			},
			run: func(c *company) {
				done, err := Sweep(c.Context(), c.url, model.KeepDeleted)
				if err != nil || !slices.Contains(done, "1 rows that were deleted more than 180 days ago are gone") {
					c.Errorf("%q, %v", done, err)
				}
				if got := c.one("SELECT CONCAT((SELECT COUNT(*) FROM contact),(SELECT COUNT(*) FROM contact_method))"); got != "00" {
					c.Errorf("contacts and their addresses that are left: %s", got)
				}
			},
		},
		"erasure": {
			at: []string{"DELETE FROM `contact` WHERE", "COMMIT;"},
			before: func(c *company) {
				c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a')", "INSERT INTO contact_method (contact_id,kind,value) VALUES (UNHEX(MD5('a')),'email','a@example.com')")
				c.refresh(model.ReportsRequest{})
			},
			run: func(c *company) {
				plan, err := Erase(c.Context(), c.url, model.ID(c.one("SELECT LOWER(CONCAT_WS('-',SUBSTR(h,1,8),SUBSTR(h,9,4),SUBSTR(h,13,4),SUBSTR(h,17,4),SUBSTR(h,21))) FROM (SELECT MD5('a') AS h) x")))
				if err != nil || !plan.Done {
					c.Errorf("%+v, %v", plan, err)
				}
				if got := c.one("SELECT CONCAT((SELECT COUNT(*) FROM contact),(SELECT COUNT(*) FROM contact_method),(SELECT COUNT(*) FROM erasure WHERE noun='contact'))"); got != "001" {
					c.Errorf("contacts, their addresses, lines of the ledger: %s", got)
				}
			},
		},
	} {
		for _, at := range work.at {
			t.Run(name+", "+strings.Trim(at, " (`;"), func(t *testing.T) {
				c := newCompany(t)
				work.before(c)
				p := servertest.NewProxy(t, c.server)
				c.url = p.URL(c.url)
				undone := "ROLLBACK;" + at
				if at[0] == ';' {
					undone = ";ROLLBACK" + at
				}
				done := p.Change(at, undone)
				work.run(c)
				if !done() {
					t.Error("nothing was undone")
				}
				if got := c.one("SELECT COUNT(*) FROM sync_lease WHERE name LIKE 'receipt %'"); got != "0" {
					t.Errorf("%s receipts stay", got)
				}
			})
		}
	}
}

// TestUndoneInSilenceAfterRestore: what was entered since a restore is merged
// into the tables that come back, also where the server takes that back.
func TestUndoneInSilenceAfterRestore(t *testing.T) {
	c := newCompany(t)
	c.sql("INSERT INTO contact (id,last_name) VALUES (UNHEX(MD5('a')),'a')")
	c.restore(c.take())
	c.sql("UPDATE contact SET job_title='entered since'")
	p := servertest.NewProxy(t, c.server)
	done := p.Change("COMMIT;", "ROLLBACK;COMMIT;")
	if _, err := UndoRestore(t.Context(), p.URL(c.url), false, nil, nil); err != nil {
		t.Fatal(err)
	}
	if !done() {
		t.Error("nothing was undone")
	}
	if got := c.one("SELECT job_title FROM contact"); got != "entered since" {
		t.Errorf("the job title is %s", got)
	}
	c.whole()
}

// TestAtomically: what else comes of work is told once, and nothing of it stays.
// The session goes on as before.
func TestAtomically(t *testing.T) {
	c := newCompany(t)
	s, err := adminSession(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	run := func(q string) func() error { return func() error { return s.exec(t.Context(), q) } }
	if err := run("USE " + ident(c.database))(); err != nil {
		t.Fatal(err)
	}
	const row = "INSERT INTO tag (id,name) VALUES (UNHEX(MD5('t')),'t')"
	for name, try := range map[string]struct {
		work func() error
		want uint16
	}{
		"a clash":                   {run(row + ";" + row), erDupEntry},
		"a table that is not there": {run(row + ";SELECT * FROM nowhere"), erNoTable},
		"always taken back":         {run(row + ";ROLLBACK"), erDeadlock},
	} {
		tries := 0
		err := s.atomically(t.Context(), func() error { tries++; return try.work() })
		want := 1
		if try.want == erDeadlock {
			want = maxTries
		}
		if number(err) != try.want || tries != want {
			t.Errorf("%s: %v after %d tries", name, err, tries)
		}
		if got := c.one("SELECT COUNT(*) FROM tag"); got != "0" {
			t.Errorf("%s: the row stays", name)
		}
	}
	if err := s.exec(t.Context(), row); err != nil || c.one("SELECT COUNT(*) FROM tag") != "1" {
		t.Errorf("a statement of its own afterwards: %v", err)
	}
}

// TestHandOverCountsEveryStep also where giving positions meets another run.
func TestHandOverCountsEveryStep(t *testing.T) {
	o := openOffice(t)
	o.add(model.NewPerson{Person: model.Person{Login: "gone_5"}})
	o.add(model.NewPerson{Person: model.Person{Login: "next_5"}})
	o.server.SQL(t, servertest.Name(o.url), "INSERT INTO organization (name, owner_id) SELECT CONCAT('o', s.seq), u.id FROM user u, seq_1_to_3 s WHERE u.login = 'gone_5'")
	p := servertest.NewProxy(t, o.server)
	office, err := OpenOffice(t.Context(), p.URL(o.url), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer office.Close()
	done := p.Change("UPDATE sync_counter", "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO=1213;UPDATE sync_counter")
	moved, err := office.HandOver(t.Context(), "gone_5", "next_5", nil)
	if err != nil || moved["organization"] != 3 || !done() {
		t.Errorf("%v, %v, met another run: %v", moved, err, done())
	}
}
