package mysql

import (
	"slices"
	"testing"

	"rapport/model"
)

// TestPlanOfOthersTables: rows that a table without a key has twice are counted
// as often as they are there, and a table that comes back as another than it was
// is named.
func TestPlanOfOthersTables(t *testing.T) {
	c := newCompany(t)
	c.sql("CREATE TABLE twice (a INT, b VARCHAR(10))", "INSERT INTO twice VALUES (1,NULL),(1,NULL),(1,NULL),(1,''),(2,'x')",
		"CREATE TABLE packed (a INT PRIMARY KEY) ENGINE=Aria COMMENT='WITH SYSTEM VERSIONING'",
		"CREATE TABLE parted (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 2",
		"CREATE TABLE aged (a INT PRIMARY KEY) WITH SYSTEM VERSIONING", "INSERT INTO organization (name) VALUES ('o')")
	s := c.take()
	plan := func() (model.RestorePlan, model.RestoreTable) {
		t.Helper()
		p, err := PlanRestore(t.Context(), c.url, s, s.asked, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.Tables, func(x model.RestoreTable) bool { return x.Table == "twice" })
		if i < 0 || p.Tables[i].Rows != 5 {
			t.Fatalf("the plan tells %+v", p)
		}
		return p, p.Tables[i]
	}
	p, got := plan()
	if got.Inserts+got.Updates+got.Deletes != 0 {
		t.Errorf("nothing changed, and the plan tells %+v", got)
	}
	for _, want := range []string{"packed comes without the engine Aria (InnoDB instead)", "parted comes without its partitions", "aged comes without the earlier versions of its rows"} {
		if !slices.Contains(p.Notes, want) {
			t.Errorf("%q is not among the notes %q", want, p.Notes)
		}
	}
	c.sql("DELETE FROM twice WHERE b IS NULL LIMIT 2", "INSERT INTO twice VALUES (2,'x'),(3,'y')")
	if _, got = plan(); got.Inserts != 2 || got.Updates != 0 || got.Deletes != 2 || len(got.Samples) != 4 {
		t.Errorf("two rows come and two go, and the plan tells %+v", got)
	}
}
