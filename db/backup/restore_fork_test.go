package backup

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/db/mysql/servertest"
	"rapport/model"
)

// comesBack proves that the declared tables of a moment are what they were.
func (c *company) comesBack(what string, req model.RestoreRequest, want map[string]tableSum) *centralRestore {
	c.Helper()
	r, err := c.b.centralRestore(c.Context(), req, nil)
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
	for name, sum := range stateSums(c.T, r.state) {
		if isDeclared(name) && sum != want[name] {
			c.Errorf("%s: %s is %v, it was %v", what, name, sum, want[name])
		}
	}
	return r
}

// TestMomentsAfterARestore: the moments between a restore of the central and its
// first backup afterwards come out of that backup, though none of its lineage is
// older. What was given up with the restore is in no backup, and says so.
func TestMomentsAfterARestore(t *testing.T) {
	c := newCompany(t)
	c.b = c.restorer()
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')")
	first := c.create(model.BackupFull)
	c.sql("UPDATE contact SET last_name = 'lost'")
	lost := c.clock()
	c.sql("INSERT INTO contact (last_name) VALUES ('lost too')")
	c.clock()
	if _, err := c.b.RestoreCentral(t.Context(), model.RestoreRequest{BackupRequest: model.BackupRequest{ID: first.ID}, NoSafety: true}, nil); err != nil {
		t.Fatal(err)
	}
	c.sql("UPDATE contact SET notes = 'since' WHERE last_name = 'a'")
	at, then := c.clock(), c.sums()
	c.sql("DELETE FROM contact WHERE last_name = 'b'", "UPDATE contact SET notes = 'later'", "INSERT INTO organization (name) VALUES ('new')")
	if _, err := c.b.centralRestore(t.Context(), model.RestoreRequest{At: at}, nil); model.KindOf(err) != model.NotFound {
		t.Errorf("before anything tells of it: %v", err)
	}
	c.create(model.BackupFull)
	r := c.comesBack("after the restore", model.RestoreRequest{At: at}, then)
	if !strings.Contains(strings.Join(r.state.notes, "\n"), "told by its history") {
		t.Errorf("the notes are %q", r.state.notes)
	}
	_, err := c.b.centralRestore(t.Context(), model.RestoreRequest{At: lost}, nil)
	if model.KindOf(err) != model.NotFound || !strings.Contains(err.Error(), "no backup tells of that moment: a restore at ") {
		t.Errorf("what the restore gave up: %v", err)
	}
}

// TestMomentsAcrossAnAlteredTable: a column is added between two backups. The
// moments before and after that come back.
func TestMomentsAcrossAnAlteredTable(t *testing.T) {
	c := newCompany(t)
	c.b = c.restorer()
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b')")
	c.create(model.BackupFull)
	c.sql("UPDATE contact SET notes = 'one' WHERE last_name = 'a'", "INSERT INTO contact (last_name) VALUES ('d')")
	before := c.clock()
	c.sql("UPDATE contact SET notes = 'two' WHERE last_name = 'a'", "ALTER TABLE contact ADD COLUMN vip BIGINT NULL", "INSERT INTO contact (last_name) VALUES ('c')")
	after := c.clock()
	c.sql("UPDATE contact SET notes = 'three', vip = 7 WHERE last_name = 'a'", "DELETE FROM contact WHERE last_name = 'b'")
	if info := c.create(model.BackupIncremental); info.Kind != model.BackupFull {
		t.Fatalf("an altered table was followed: %+v", info)
	}
	for at, want := range map[time.Time]string{before: "a one, b , d ", after: "a two, b , c , d "} {
		r, err := c.b.centralRestore(t.Context(), model.RestoreRequest{At: at}, nil)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := columnAt(r.state.base.table("contact"), "last_name", "notes")
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		if err := r.state.Rows(t.Context(), "contact", func(v []any) error {
			notes, _ := v[columns[1]].(string)
			rows = append(rows, fmt.Sprint(v[columns[0]], " ", notes))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(rows)
		if got := strings.Join(rows, ", "); got != want {
			t.Errorf("at %s it holds %s, it held %s", at, got, want)
		}
	}
}

// TestPlanCountsChains: what comes into an empty database is counted over the
// whole chain, not by what its last backup holds.
func TestPlanCountsChains(t *testing.T) {
	c := newCompany(t)
	c.b = c.restorer()
	c.sql("INSERT INTO contact (last_name) VALUES ('a'), ('b'), ('c')", "INSERT INTO organization (name) VALUES ('o')")
	c.create(model.BackupFull)
	c.sql("UPDATE contact SET notes = 'x' WHERE last_name = 'a'", "DELETE FROM contact WHERE last_name = 'b'")
	if info := c.create(model.BackupIncremental); info.Kind != model.BackupIncremental {
		t.Fatalf("%+v", info)
	}
	plan, err := c.b.PlanRestore(t.Context(), model.RestoreRequest{Into: servertest.Shared(t).URL("not_there_" + servertest.Name(c.url))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	counted, all := map[string]int64{}, int64(0)
	for _, x := range plan.Tables {
		counted[x.Table] = x.Inserts
		all += x.Inserts
	}
	if !plan.Fresh || counted["contact"] != 2 || counted["organization"] != 1 || counted["stage"] == 0 || plan.Rows != all {
		t.Errorf("%d rows come: %v", plan.Rows, counted)
	}
}
