package sync_test

import (
	"fmt"
	"strings"
	"testing"

	"rapport/model"
)

// numbered makes contacts whose external ids the server takes once each.
func numbered(t *testing.T, c *central, a *home, n int) []model.ID {
	t.Helper()
	var ids []model.ID
	for i := range n {
		ids = append(ids, a.save(t, "contact", "", map[string]any{"last_name": fmt.Sprintf("number %02d", i), "external_id": fmt.Sprint("id ", i)}).ID)
	}
	a.sync(t)
	c.exec(t, "CREATE UNIQUE INDEX one_external_id ON contact (external_id)")
	return ids
}

// numbers returns who has which number on the server.
func (c *central) numbers(t *testing.T) string {
	t.Helper()
	return c.value(t, "SELECT GROUP_CONCAT(SUBSTR(external_id, 4) ORDER BY last_name) FROM contact WHERE last_name LIKE 'number%'")
}

// T54: rows exchange values in a batch in which others are refused, or clash
// with what somebody else wrote. Only those are held back.
func TestT54ExchangeBesideClash(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		ids := numbered(t, c, a, 12)
		c.exec(t, "INSERT INTO contact (last_name, external_id) VALUES ('other', 'taken')")
		c.exec(t, "ALTER TABLE contact MODIFY job_title VARCHAR(20)")
		c.exec(t, "UPDATE contact SET department = 'theirs' WHERE last_name IN ('number 05', 'number 08')")
		take := func(i int, id string, more ...string) {
			t.Helper()
			set := map[string]any{"external_id": id}
			for k := 0; k < len(more); k += 2 {
				set[more[k]] = more[k+1]
			}
			a.save(t, "contact", ids[i], set)
		}
		take(0, "taken")                     // another record has it, first of all
		take(1, "id 2", "job_title", "plus") // an exchange
		take(2, "id 1")
		take(3, "id 4") // a ring, one of which somebody else changes in another field
		take(4, "id 5")
		take(5, "id 3", "department", "mine")
		take(6, "id 7", "job_title", strings.Repeat("long", 10)) // an exchange with one who is refused
		take(7, "id 6")
		take(8, "id 9", "department", "mine") // an exchange that waits for a merge
		take(9, "id 8")
		take(10, "ID 11 ") // an exchange of what the server takes for the same
		take(11, "id 10")
		res := a.sync(t)
		said := map[string]string{}
		for _, p := range a.pending(t) {
			said[p.Title] = p.Code
		}
		if res.Refused != 3 || fmt.Sprint(said) != "map[number 00:duplicate number 06:too_long number 07:duplicate]" {
			t.Errorf("refused %d: %v", res.Refused, said)
		}
		if got := c.numbers(t); got != "0,2,1,4,5,3,6,7,9,8,11 ,10" {
			t.Errorf("numbers %q", got)
		}
		if got := c.value(t, "SELECT GROUP_CONCAT(department) FROM contact WHERE department IS NOT NULL"); got != "mine,mine" {
			t.Errorf("departments %s", got)
		}
		// Only rows in somebody's way are moved: the histories say no more.
		if got := c.value(t, "SELECT COUNT(*) FROM sync_audit WHERE tbl = 'contact' AND action = 'update' AND pk IN (?, ?, ?)", ids[1].Bytes(), ids[3].Bytes(), ids[10].Bytes()); got != "3" {
			t.Errorf("%s changes of rows that were in nobody's way", got)
		}
		// What was in the way gives way, and the rest goes.
		c.exec(t, "DELETE FROM contact WHERE last_name = 'other'")
		a.save(t, "contact", ids[6], map[string]any{"job_title": "short"})
		if _, err := a.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.sync(t)
		if got := c.value(t, "SELECT GROUP_CONCAT(external_id ORDER BY last_name) FROM contact WHERE last_name IN ('number 00', 'number 06', 'number 07')"); got != "taken,id 7,id 6" {
			t.Errorf("in the end: %s", got)
		}
		converge(t, c, a)
	})
}

// T54: a batch in which many rows exchange values takes a few requests, not
// some for each.
func TestT54ManyExchanges(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		const n = 60
		a := newHome(t, "ann", url)
		ids := numbered(t, c, a, n)
		var want []string
		for i := range n {
			a.save(t, "contact", ids[i], map[string]any{"external_id": fmt.Sprint("id ", n-1-i)})
			want = append(want, fmt.Sprint(n-1-i))
		}
		res := a.sync(t)
		if res.Refused != 0 || res.RoundTrips > 8 {
			t.Errorf("%d refused after %d round trips", res.Refused, res.RoundTrips)
		}
		if got := c.numbers(t); got != strings.Join(want, ",") {
			t.Errorf("numbers %s", got)
		}
		converge(t, c, a)
	})
}

// T54: a row that cannot be moved out of the way stays, and those that want its
// value are refused; the other exchanges go through.
func TestT54NoRoom(t *testing.T) {
	bothWays(t, func(t *testing.T, c *central, url string) {
		a := newHome(t, "ann", url)
		ids := numbered(t, c, a, 4)
		c.exec(t, "ALTER TABLE contact ADD CONSTRAINT stays CHECK (last_name <> 'number 01' OR external_id LIKE 'id%')")
		for i, id := range []string{"id 1", "id 0", "id 3", "id 2"} {
			a.save(t, "contact", ids[i], map[string]any{"external_id": id})
		}
		if res := a.sync(t); res.Refused != 2 {
			t.Errorf("refused %d: %+v", res.Refused, a.pending(t))
		}
		if got := c.numbers(t); got != "0,1,3,2" {
			t.Errorf("numbers %s", got)
		}
	})
}
