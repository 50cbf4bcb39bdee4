package sync_test

import (
	"strings"
	"testing"

	"rapport/db/mysql"
	"rapport/model"
)

// asOwner lets somebody in who sees only what is his own.
func (c *central) asOwner(t *testing.T, login string) (url string) {
	t.Helper()
	url = c.asPerson(t, login)
	c.exec(t, "UPDATE sync_person SET reach = 'own' WHERE login = ?", login+"_"+c.name)
	return url
}

// ways runs a trap for an account with rights on the tables, for a person who
// sees everything, and for one who sees only what is his own.
func ways(t *testing.T, trap func(t *testing.T, c *central, url string)) {
	bothWays(t, trap)
	t.Run("with procedures and a scope", func(t *testing.T) {
		c := newCentral(t)
		trap(t, c, c.asOwner(t, "ann"))
	})
}

// columnsOf returns what the administrator is told of the columns.
func (c *central) columnsOf(t *testing.T) string {
	t.Helper()
	st, err := mysql.Status(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, check := range st.Checks {
		if check.Name == "central columns" {
			out = append(out, check.State+" "+check.Detail+" → "+check.Fix)
		}
	}
	return strings.Join(out, "\n")
}

// T88: somebody alters tables by hand in ways that leave room for what Rapport
// knows: everything goes on.
func TestT88AlteredByHand(t *testing.T) {
	ways(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "j"})
		d := a.save(t, "deal", "", map[string]any{"name": "d", "probability": int64(10), "close_date": "1970-01-01"})
		a.sync(t)
		step := func(name, server, mine string, alter ...string) {
			t.Helper()
			for _, q := range alter {
				c.exec(t, q)
			}
			c.exec(t, "UPDATE contact SET department = ?", server)
			c.exec(t, "UPDATE deal SET close_date = '1980-02-03'")
			a.save(t, "contact", r.ID, map[string]any{"job_title": mine})
			a.save(t, "deal", d.ID, map[string]any{"probability": int64(len(mine)), "name": mine})
			fresh := a.save(t, "contact", "", map[string]any{"last_name": mine})
			a.sync(t)
			got := a.get(t, "contact", r.ID)
			if got.Text("department") != server || got.Text("job_title") != mine {
				t.Errorf("%s: on ann %v", name, got.Values)
			}
			if got := a.get(t, "deal", d.ID).Text("close_date"); got != "1980-02-03" {
				t.Errorf("%s: closed on %s", name, got)
			}
			if p := a.pending(t); len(p) > 0 {
				t.Fatalf("%s: pending %+v", name, p)
			}
			if got := c.value(t, "SELECT CONCAT_WS(' ', (SELECT job_title FROM contact WHERE id = ?), (SELECT CONCAT(name, probability + 0) FROM deal), (SELECT COUNT(*) FROM contact WHERE id = ?))",
				r.ID.Bytes(), fresh.ID.Bytes()); got != mine+" "+mine+string(rune('0'+len(mine)))+" 1" {
				t.Errorf("%s: on the server %s", name, got)
			}
		}
		step("added", "one", "1", "ALTER TABLE contact ADD region VARCHAR(20) NULL FIRST, ADD cols INT, ADD noun INT, ADD n INT, ADD v1 INT, ADD scopes INT, ADD h INT, ADD id2 INT")
		step("added with a default", "two", "22", "ALTER TABLE contact ADD level INT NOT NULL DEFAULT 3 AFTER id")
		step("dropped again", "three", "333", "ALTER TABLE contact DROP COLUMN region, DROP COLUMN level")
		step("widened", "four", "4444", "ALTER TABLE contact MODIFY job_title TEXT, MODIFY department VARCHAR(1000)", "ALTER TABLE deal MODIFY name VARCHAR(500) NOT NULL")
		step("made moments of days", "five", "55555", "ALTER TABLE deal MODIFY close_date DATETIME(6) NULL")
		step("made a text of a number", "six", "666666", "ALTER TABLE deal MODIFY probability VARCHAR(20) NULL")
		if got := a.get(t, "deal", d.ID).Values["probability"]; got != int64(6) {
			t.Errorf("probability %v", got)
		}
		a.save(t, "deal", d.ID, map[string]any{"close_date": "1990-12-31"})
		converge(t, c, a)
	})
}

// T88: an administrator takes columns and a table away by hand. What is left is
// read and written on, what cannot be sent waits with a sentence, the
// administrator is told, and after the migration it goes by itself.
func TestT88TakenAwayByHand(t *testing.T) {
	ways(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x", "job_title": "kept", "department": "here"})
		other := a.save(t, "contact", "", map[string]any{"last_name": "y"})
		d := a.save(t, "deal", "", map[string]any{"name": "d"})
		a.sync(t)
		if got := c.columnsOf(t); !strings.HasPrefix(got, "ok ") {
			t.Fatalf("before: %s", got)
		}
		c.otherTriggers(t, "contact")
		c.exec(t, "ALTER TABLE contact RENAME COLUMN job_title TO position_held, DROP COLUMN source")
		c.exec(t, "DROP TABLE deal_line")
		c.exec(t, "UPDATE contact SET department = 'there'")
		a.sync(t)
		if got := a.get(t, "contact", r.ID); got.Text("department") != "there" || got.Text("job_title") != "kept" {
			t.Fatalf("on ann: %v", got.Values)
		}
		// In one block: the column that is gone, beside it, and both.
		a.save(t, "contact", r.ID, map[string]any{"salutation": "Dr"})
		waits := a.save(t, "contact", other.ID, map[string]any{"salutation": "Ms", "job_title": "new"})
		fresh := a.save(t, "contact", "", map[string]any{"last_name": "fresh"})
		a.save(t, "contact", "", map[string]any{"last_name": "waits", "source": "web"})
		if _, err := a.Save(t.Context(), model.Edit{Noun: "deal", ID: d.ID, Set: map[string]any{"next_step": "call"},
			Add: map[string][]*model.Record{"lines": {{Noun: "deal_line", Values: map[string]any{"name": "thing", "quantity": "2"}}}}}); err != nil {
			t.Fatal(err)
		}
		res := a.sync(t)
		said := map[string]string{}
		for _, p := range a.pending(t) {
			said[p.Title] = p.Error
			if p.Code != "server" || !strings.Contains(p.Error, "kept here") || !strings.Contains(p.Error, "rapport central migrate") {
				t.Errorf("%s waits because of %s: %s", p.Title, p.Code, p.Error)
			}
		}
		if res.Refused != 3 || len(said) != 3 || !strings.Contains(said["y"], "Job title") || !strings.Contains(said["waits"], "Source") || !strings.Contains(said["d"], "table") {
			t.Errorf("refused %d: %v", res.Refused, said)
		}
		if got := c.value(t, "SELECT CONCAT_WS(' ', (SELECT salutation FROM contact WHERE id = ?), (SELECT next_step FROM deal), (SELECT COUNT(*) FROM contact WHERE id = ?))",
			r.ID.Bytes(), fresh.ID.Bytes()); got != "Dr call 1" {
			t.Errorf("the rest: %s", got)
		}
		if res := a.sync(t); res.RoundTrips != 1 {
			t.Errorf("what waits is sent again: %+v", res)
		}
		// Everything that a client does works with what is left.
		a.compare(t)
		if got := a.get(t, "contact", r.ID).Text("job_title"); got != "kept" {
			t.Errorf("after a comparison the job title is %q", got)
		}
		next := newHome(t, "ann", url)
		next.sync(t)
		if got := next.get(t, "contact", r.ID); got.Text("department") != "there" || got.Text("job_title") != "" {
			t.Errorf("a first load: %v", got.Values)
		}
		told := c.columnsOf(t)
		for _, want := range []string{"fail ", "deal_line", "contact.job_title", "contact.source", "position_held", "rename it back", "rapport central migrate"} {
			if !strings.Contains(told, want) {
				t.Errorf("the administrator is not told of %s: %s", want, told)
			}
		}
		c.exec(t, "ALTER TABLE contact RENAME COLUMN position_held TO job_title")
		if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
			t.Fatal(err)
		}
		if got := c.columnsOf(t); !strings.HasPrefix(got, "ok ") {
			t.Errorf("after it: %s", got)
		}
		a.sync(t)
		if p := a.pending(t); len(p) > 0 {
			t.Errorf("still pending: %+v", p)
		}
		if got := a.get(t, "contact", waits.ID).Text("job_title"); got != "new" {
			t.Errorf("job title %q", got)
		}
		// A laptop that began meanwhile finds by comparing what it was not sent.
		next.compare(t)
		converge(t, c, a, next)
	})
}

// T88: the triggers of a table name a column that is gone, so that the server
// takes no change of it from anybody. People go on reading, and with the other
// tables.
func TestT88TriggersNameWhatIsGone(t *testing.T) {
	ways(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		r := a.save(t, "contact", "", map[string]any{"last_name": "x"})
		a.sync(t)
		c.exec(t, "ALTER TABLE contact DROP COLUMN job_title")
		a.save(t, "contact", r.ID, map[string]any{"department": "waits"})
		a.save(t, "contact", "", map[string]any{"last_name": "new"})
		a.save(t, "organization", "", map[string]any{"name": "goes"})
		if res := a.sync(t); res.Pushed != 1 || res.Refused != 2 {
			t.Errorf("result %+v, pending %+v", res, a.pending(t))
		}
		for _, p := range a.pending(t) {
			if p.Code != "server" || !strings.Contains(p.Error, "kept here") || !strings.Contains(p.Error, "central migrate") {
				t.Errorf("%s waits because of %s: %s", p.Title, p.Code, p.Error)
			}
		}
		c.exec(t, "UPDATE organization SET notes = 'read'")
		a.compare(t)
		if got := onlyText(t, a, "organization", "notes"); got != "read" {
			t.Errorf("notes %q", got)
		}
		if _, err := mysql.Migrate(t.Context(), c.url); err != nil {
			t.Fatal(err)
		}
		converge(t, c, a)
	})
}

// onlyText returns a text of the one record of a noun.
func onlyText(t *testing.T, h *home, noun model.Noun, field string) string {
	t.Helper()
	return h.get(t, noun, onlyID(t, h, noun)).Text(field)
}
