package servertest

import (
	"os"
	"testing"
)

func TestServer(t *testing.T) {
	s := Start(t)
	url := s.Database(t)
	name := Name(url)
	s.SQL(t, name, "CREATE TABLE a (b INT)", "INSERT INTO a VALUES (1), (2)")
	s.Kill9()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	db := s.DB(name)
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM a").Scan(&n); err != nil || n != 2 {
		t.Fatalf("after a crash: %d rows, %v", n, err)
	}
	dir := s.dir
	s.Close()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data folder is still there: %v", err)
	}
}

func TestSharedGivesEachTestItsDatabase(t *testing.T) {
	a, b := Shared(t).Database(t), Shared(t).Database(t)
	if a == b {
		t.Errorf("two databases have the URL %s", a)
	}
}

// TestGalera: what is written to one node is on the other.
func TestGalera(t *testing.T) {
	c := Galera(t)
	c.Nodes[0].SQL(t, "", "CREATE DATABASE d", "CREATE TABLE d.a (b INT PRIMARY KEY)", "INSERT INTO d.a VALUES (1)")
	c.CatchUp(t, 1)
	c.Nodes[1].SQL(t, "d", "INSERT INTO a VALUES (2)")
	for i, s := range c.Nodes {
		c.CatchUp(t, i)
		db := s.DB("d")
		defer db.Close()
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM a").Scan(&n); err != nil || n != 2 {
			t.Errorf("node %d has %d rows, want 2 (%v)", i+1, n, err)
		}
	}
}
