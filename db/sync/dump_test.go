package sync_test

import (
	"fmt"
	"strings"
	"testing"
)

// snapshot is a copy of every table of a central, as an administrator's dump
// of yesterday.
type snapshot struct{ tables []string }

// dump copies every table within the server.
func dump(t *testing.T, c *central) *snapshot {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	s := &snapshot{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		s.tables = append(s.tables, name)
	}
	c.exec(t, "CREATE DATABASE "+c.name+"_dump")
	t.Cleanup(func() { c.DB.Exec("DROP DATABASE " + c.name + "_dump") })
	for _, name := range s.tables {
		c.exec(t, fmt.Sprintf("CREATE TABLE %s_dump.`%s` AS SELECT * FROM `%s`", c.name, name, name))
	}
	return s
}

// restore puts the copies back without firing triggers, which is what loading
// a dump does.
func (s *snapshot) restore(t *testing.T, c *central) {
	t.Helper()
	type trigger struct{ name, table, timing, event, body string }
	var triggers []trigger
	rows, err := c.QueryContext(t.Context(), "SELECT trigger_name, event_object_table, action_timing, event_manipulation, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var g trigger
		if err := rows.Scan(&g.name, &g.table, &g.timing, &g.event, &g.body); err != nil {
			t.Fatal(err)
		}
		triggers = append(triggers, g)
	}
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run := func(q string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", strings.SplitN(q, "\n", 2)[0], err)
		}
	}
	run("SET foreign_key_checks = 0")
	for _, g := range triggers {
		run("DROP TRIGGER `" + g.name + "`")
	}
	for _, name := range s.tables {
		run("DELETE FROM `" + name + "`")
		run(fmt.Sprintf("INSERT INTO `%s` SELECT * FROM %s_dump.`%s`", name, c.name, name))
	}
	for _, g := range triggers {
		run(fmt.Sprintf("CREATE TRIGGER `%s` %s %s ON `%s` FOR EACH ROW %s", g.name, g.timing, g.event, g.table, g.body))
	}
}
