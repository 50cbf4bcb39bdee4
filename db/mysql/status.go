package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/model"
)

// Status tells an administrator how the central is: its position, its rows,
// and whether the triggers and settings are as they must be.
func Status(ctx context.Context, url string) (model.CentralStatus, error) {
	var st model.CentralStatus
	a, err := ParseURL(url)
	if err != nil {
		return st, err
	}
	st.Address = a.String()
	s, _, err := open(ctx, a, DialOptions{Program: "rapport-central"})
	if err != nil {
		return st, err
	}
	defer s.close()
	st.Rows = map[string]int64{}
	var readOnly, engines, user string
	var triggers []string
	q := sessionSQL + `SELECT VERSION(), @@global.read_only, m.epoch, m.schema_version, m.columns_hash, c.seq, (SELECT COUNT(*) FROM sync_outbox), (SELECT COUNT(*) FROM sync_client), USER()
  FROM sync_meta m JOIN sync_counter c ON c.id = 1;
SELECT action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE();
SELECT COALESCE(GROUP_CONCAT(table_name), '') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'`
	hash := ""
	err = s.query(ctx, q, func(set int, v []driver.Value) error {
		switch set {
		case 0:
			st.Server, readOnly, st.Epoch, hash, user = asText(v[0]), asText(v[1]), asText(v[2]), asText(v[4]), asText(v[8])
			for i, p := range map[int]*int64{3: &st.SchemaVersion, 5: &st.Position, 6: &st.Unsequenced, 7: &st.Clients} {
				*p, _ = strconv.ParseInt(asText(v[i]), 10, 64)
			}
		case 1:
			triggers = append(triggers, asText(v[0]))
		case 2:
			engines = asText(v[0])
		}
		return nil
	})
	if err != nil {
		return st, mapError("ask the central for its status", err)
	}
	if err := countRows(ctx, s, st.Rows); err != nil {
		return st, err
	}
	check := func(name string, ok bool, state, good, bad, fix string) {
		c := model.Check{Name: name, State: "ok", Detail: good}
		if !ok {
			c = model.Check{Name: name, State: state, Detail: bad, Fix: fix}
		}
		st.Checks = append(st.Checks, c)
	}
	missing := missingTriggers(triggers)
	check("central writable", !truth(readOnly), "warn", "the server takes changes", "the server is read only: a standby", "")
	check("central columns", hash == columnsHash(), "warn", "the tables are as this program declares them", "the tables differ from what this program declares", "rapport central migrate")
	st.Checks = append(st.Checks, s.dialect.checks()...)
	check("central triggers", !s.dialect.triggers() || len(missing) == 0, "fail", "all triggers are there", fmt.Sprintf("triggers are missing or old: %s", strings.Join(missing, ", ")), "rapport central migrate")
	check("central engine", engines == "", "fail", "all tables are InnoDB", "not InnoDB: "+engines, "ALTER TABLE … ENGINE=InnoDB")
	check("central account", !strings.HasPrefix(user, "@"), "fail", "logged in as "+user, "this is an anonymous account", "give each person an account of their own")
	check("central row scope", false, "warn", "", "this server does not limit rows per person yet: everybody with a password sees every record", "")
	return st, nil
}

func missingTriggers(bodies []string) []string {
	var out []string
	for _, t := range allTriggers() {
		if !slices.ContainsFunc(bodies, func(b string) bool { return strings.Contains(b, t.mark()) }) {
			out = append(out, t.name)
		}
	}
	return out
}

// countRows counts the living rows of every synced table in one request.
func countRows(ctx context.Context, s *session, into map[string]int64) error {
	var parts []string
	for _, e := range model.Entities() {
		parts = append(parts, fmt.Sprintf("SELECT %s, COUNT(*) FROM %s WHERE deleted_at IS NULL", quote(string(e.Noun)), ident(string(e.Noun))))
	}
	err := s.query(ctx, strings.Join(parts, " UNION ALL "), func(_ int, v []driver.Value) error {
		into[asText(v[0])], _ = strconv.ParseInt(asText(v[1]), 10, 64)
		return nil
	})
	return mapError("count rows", err)
}
